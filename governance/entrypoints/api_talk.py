"""HTTP for messages and decisions."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Request
from pydantic import Field

from governance import policy_authority
from governance.adapters import clock
from governance.coordinate import confirming, decisions, messages
from governance.entrypoints.asking import FAILURES, LARGEST, Inside, Number, The, outcome, said_in
from governance.entrypoints.disowned import followed
from governance.entrypoints.models import Done, Listing, SignedStatement, Strict
from governance.errors import NotFoundError
from governance.state import decisions as decided
from governance.state import read

router = APIRouter(prefix="/v1", responses=FAILURES)


class Confirmation(SignedStatement):
    """A word, signed; and the code that was sent for it."""

    code: Annotated[str, Field(pattern="^[A-Z2-7]{8}$|^$", max_length=8, examples=["MFRGGZDF"])] = ""


class Bytes(Strict):
    """The bytes somebody is about to act on, by digest; and the message they are said to be, 0 for any."""

    digest: Annotated[
        str, Field(pattern="^[0-9a-f]{64}$", max_length=64, description="SHA-256 of the raw bytes, in hex.")
    ]
    message: Annotated[int, Field(ge=0, lt=LARGEST)] = 0


@router.get("/repositories/{repository}/messages")
def list_messages(repository: str, caller: Inside, service: The) -> Listing:
    """List the newest messages to and from whoever asks; one that is overdue says so."""
    with service.read() as tx:
        who = read.roster(tx).get(caller.principal)
        return Listing(items=messages.concerning(tx, repository, who) if who else [])


@router.post("/repositories/{repository}/messages", status_code=201)
def message(repository: str, signed: SignedStatement, caller: Inside, service: The) -> Done:
    """Register a message, or record a check of one's folder: what the statement's type says."""
    said = said_in(signed)
    act = messages.checked if said.type == "message.check" else messages.send
    return outcome(act(service, caller, said, repository))


@router.post("/repositories/{repository}/messages/verify")
def verify(repository: str, asked: Bytes, caller: Inside, service: The) -> dict[str, Any]:
    """Say which message these bytes are, and of whom, if it is to or from whoever asks. A refusal is recorded."""
    return messages.verify(service, caller, repository, digest=asked.digest, number=asked.message)


@router.get("/repositories/{repository}/authority")
def authority(repository: str, caller: Inside, service: The) -> Listing:
    """List the rows that say who may decide what, and who must agree."""
    del repository, caller
    with service.read() as tx:
        return Listing(items=policy_authority.described(read.policy(tx).authority))


@router.get("/repositories/{repository}/decisions")
def list_decisions(repository: str, caller: Inside, service: The) -> Listing:
    """List the newest decisions, with whose word is missing."""
    del caller
    with service.read() as tx:
        policy = read.policy(tx)
        return Listing(items=[decisions.shown(d, policy, service.clock()) for d in decided.listed(tx, repository)])


@router.get("/repositories/{repository}/decisions/{number}")
def show_decision(repository: str, number: Number, caller: Inside, service: The) -> dict[str, Any]:
    """Show one decision with every answer."""
    del caller
    with service.read() as tx:
        found = decided.decision(tx, repository, number)
        if found is None:
            raise NotFoundError(f"{repository} has no decision {number}", code="decision.unknown")
        return decisions.shown(found, read.policy(tx), service.clock())


@router.post("/repositories/{repository}/decisions", status_code=201)
def decide(repository: str, signed: SignedStatement, caller: Inside, service: The) -> Done:
    """Raise a question, answer one, or take one back: what the statement's type says."""
    said = said_in(signed)
    if said.type == "decision.sign":
        return outcome(decisions.sign(service, caller, said, repository, code=clock.base32(5)))
    act = decisions.close if said.type == "decision.close" else decisions.ask
    return outcome(act(service, caller, said, repository))


@router.post("/repositories/{repository}/decisions/confirm")
def confirm(repository: str, word: Confirmation, request: Request, caller: Inside, service: The) -> Done:
    """Say yes to a decision that was approved in one's name, or FRAUD. The code is not in the statement."""
    done = confirming.confirm(service, caller, said_in(word), repository, code=word.code)
    return outcome(followed(request, done))
