"""What waits for a person, each thing whole, approved by typing its digest back with a code or a passkey.

Looking approves nothing: there is no address that does, with or without a token in it, and no method but POST.
"""

from __future__ import annotations

import json
from typing import Any

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, Response

from governance.entrypoints import browsing, pages
from governance.entrypoints.asking import Number, The
from governance.entrypoints.browsing import Sent, Visit, Visiting
from governance.entrypoints.web_login import credential
from governance.errors import ConflictError, DeniedError, RequestError
from governance.people import prompts
from governance.people.factors import Assertion, Code, Proof
from governance.refusals import FactorRefused
from governance.service import Service
from governance.state import factors
from governance.state.tx import Tx

router = APIRouter(include_in_schema=False)


@router.get("/", response_class=HTMLResponse)
def first(visit: Visiting) -> Response:
    """Lead to what waits."""
    del visit
    return browsing.to("/prompts")


@router.get("/prompts", response_class=HTMLResponse)
def waiting(visit: Visiting, service: The) -> Response:
    """List what waits for this person, and for others."""
    with service.read() as tx:
        now = service.now(tx)
        mine = prompts.pending_for(tx, visit.principal, now)
        others = [each for each in prompts.pending(tx, now) if each not in mine]
    return pages.page("prompts.html", visit=visit, here="prompts", mine=mine, others=others, at=now)


@router.get("/prompts/{number}", response_class=HTMLResponse)
def show(number: Number, visit: Visiting, service: The) -> Response:
    """Show one prompt with everything it asks."""
    return _page(service, visit, number)


def _page(
    service: Service, visit: Visit, number: int, *, said: str = "", mend: str = "", status: int = 200
) -> Response:
    with service.read() as tx:
        now = service.now(tx)
        found = prompts.shown(tx, number, at=now)
        apps, options = _ways(tx, service, visit, number, now)
    mine = found["for"] == visit.principal or found["needs"] > 1
    may = found["state"] == "open" and mine and visit.principal not in found["approved_by"]
    return pages.page(
        "prompt.html", status, visit=visit, here="prompts", prompt=found, may=may, apps=apps, options=options,
        party=service.passkeys.party, said=said, mend=mend, at=now,
    )  # fmt: skip


def _ways(tx: Tx, service: Service, visit: Visit, number: int, now: int) -> tuple[bool, str]:
    """Return whether this person has an app that counts, and what their passkeys are to sign; empty without any."""
    held = [factor for factor in factors.held(tx, visit.principal) if factor.counts_from <= now]
    known = passkeys_of(held)
    if not known:
        return bool(held), ""
    challenge = prompts.challenge_of(tx, service.log, number, visit.principal)
    apps = any(factor.kind == factors.TOTP for factor in held)
    try:
        return apps, json.dumps(service.passkeys.asked(challenge=challenge, known=known))
    except FactorRefused:
        return apps, ""


def passkeys_of(held: Any) -> list[str]:  # noqa: ANN401 - factors, as a list or tuple
    """Return the credentials of those factors that are passkeys."""
    return [str(factor.public["id"]) for factor in held if factor.kind == factors.PASSKEY]


@router.post("/prompts/{number}/answer", response_class=HTMLResponse)
def answer(number: Number, sent: Sent, service: The) -> Response:
    """Approve it, with its digest and a second factor."""
    visit, form = sent
    proof: Proof = Assertion(credential(form)) if form.get("credential") else Code(form.get("code", ""))
    try:
        typed = form.get("digest", "")
        prompts.answer(service, visit.caller, number, typed=typed, proof=proof, channel="browser")
    except (DeniedError, ConflictError) as exc:
        return _page(service, visit, number, said=sentence(exc), mend=exc.mend, status=_status(exc))
    return browsing.to(f"/prompts/{number}")


@router.post("/prompts/{number}/deny", response_class=HTMLResponse)
def deny(number: Number, sent: Sent, service: The) -> Response:
    """Deny it: it is over. That needs no factor."""
    visit, form = sent
    try:
        prompts.deny(service, visit.caller, number, form.get("reason", ""))
    except (DeniedError, ConflictError) as exc:
        return _page(service, visit, number, said=sentence(exc), mend=exc.mend, status=_status(exc))
    return browsing.to(f"/prompts/{number}")


def _status(exc: RequestError) -> int:
    return 409 if isinstance(exc, ConflictError) else 403


def sentence(exc: Exception) -> str:
    """Return a refusal as a sentence of its own. It may begin with a name, so no letter of it is changed."""
    return f"Refused: {exc}."
