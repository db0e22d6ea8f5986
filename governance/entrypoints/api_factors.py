"""HTTP for second factors and prompts. Nothing is approved by looking at it: only a POST with a factor approves."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from governance.adapters import clock
from governance.entrypoints.asking import FAILURES, Asking, Number, The, outcome, said_in
from governance.entrypoints.models import (
    AnswerRequest,
    DenyRequest,
    Done,
    FactorRequest,
    Listing,
    PromptRequest,
    SignedStatement,
)
from governance.errors import DeniedError, RequestError
from governance.people import having, prompts
from governance.people.factors import Assertion, Code, Proof
from governance.people.statements import Statement
from governance.people.tokens import Caller
from governance.policy import Kind
from governance.record import legible
from governance.state import factors

LABEL_LIMIT = 60
"""Characters of what people call a factor."""

router = APIRouter(prefix="/v1", responses=FAILURES)


def person(caller: Caller) -> Caller:
    """Refuse anyone but a person: an agent's token sees no prompts and no factors."""
    if caller.kind != Kind.HUMAN.value:
        raise DeniedError("second factors and prompts are for persons", code="prompt.persons_only")
    return caller


def label_of(said: Statement) -> str:
    """Return what somebody calls a factor.

    Raises:
        RequestError: It is none, or longer than is kept: the entry would say something else than the statement.
    """
    label = said.body.get("label")
    if not isinstance(label, str) or label != legible(label, LABEL_LIMIT):
        raise RequestError(f"a factor has a label of at most {LABEL_LIMIT} characters", code="factor.malformed")
    return label


@router.get("/factors")
def list_factors(caller: Asking, service: The) -> dict[str, Any]:
    """List one's own factors, and how many recovery codes are left."""
    person(caller)
    with service.read() as tx:
        held = having.listed(factors.held(tx, caller.principal), service.now(tx))
        return {"items": held, "recovery_codes": factors.recovery_codes(tx, caller.principal)}


@router.post("/factors", status_code=201)
def enroll(wanted: FactorRequest, caller: Asking, service: The) -> Done:
    """Enrol an authenticator app; by a statement `factor.enroll`, or `factor.recover` with a recovery code."""
    said = said_in(wanted)
    label = label_of(said)
    done = having.enroll(
        service,
        caller,
        lambda now: having.app(wanted.secret, wanted.code, label=label, now=now),
        codes=[having.recovery_code(clock.random(having.CODE_BYTES)) for _ in range(having.CODES)],
        statement=said,
        recovery=wanted.recovery,
    )
    return outcome(done)


@router.post("/factors/removal")
def remove(signed: SignedStatement, caller: Asking, service: The) -> Done:
    """Remove one's own factor."""
    said = said_in(signed)
    return outcome(having.remove(service, caller, str(said.body.get("factor")), statement=said))


@router.post("/factors/reset")
def reset(signed: SignedStatement, caller: Asking, service: The) -> Done:
    """Take every factor from another person."""
    return outcome(having.reset(service, caller, said_in(signed)))


@router.get("/prompts")
def list_prompts(caller: Asking, service: The) -> Listing:
    """List every prompt that waits. For persons."""
    person(caller)
    with service.read() as tx:
        return Listing(items=prompts.pending(tx, service.now(tx)))


@router.get("/prompts/{number}")
def show_prompt(number: Number, caller: Asking, service: The) -> dict[str, Any]:
    """Show one prompt with everything it asks. For persons."""
    person(caller)
    with service.read() as tx:
        return prompts.shown(tx, number, at=service.now(tx))


@router.post("/prompts", status_code=201)
def open_prompt(wanted: PromptRequest, caller: Asking, service: The) -> Done:
    """Ask for the approval of statements of one's own; nothing of them is done yet."""
    return outcome(prompts.open_prompt(service, caller, [said_in(item) for item in wanted.items]))


@router.post("/prompts/{number}/answer")
def answer(number: Number, wanted: AnswerRequest, caller: Asking, service: The) -> Done:
    """Approve a prompt with a second factor."""
    person(caller)
    if bool(wanted.code) == (wanted.assertion is not None):
        raise RequestError("show a code or a passkey, and only one of them", code="factor.malformed")
    proof: Proof = Code(wanted.code) if wanted.assertion is None else Assertion(wanted.assertion)
    channel = "terminal" if wanted.code else "browser"
    done = prompts.answer(service, caller, number, typed=wanted.digest, proof=proof, channel=channel)
    return outcome(done)


@router.post("/prompts/{number}/deny")
def deny(number: Number, wanted: DenyRequest, caller: Asking, service: The) -> Done:
    """Deny a prompt: it is over at once."""
    person(caller)
    return outcome(prompts.deny(service, caller, number, wanted.reason))
