"""HTTP for what a terminal sets up for the browser: a password, and passkeys."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Request
from pydantic import Field

from governance.adapters import clock
from governance.entrypoints.api_factors import label_of, person
from governance.entrypoints.asking import FAILURES, Asking, The, outcome, said_in
from governance.entrypoints.models import Done, SignedStatement
from governance.errors import ConflictError
from governance.people import accounts, having, tokens
from governance.people.passkeys import Offer, Offers, factor_of

router = APIRouter(prefix="/v1", responses=FAILURES)


class PasswordRequest(SignedStatement):
    """The hash of a new password; the statement names its digest."""

    encoded: Annotated[str, Field(max_length=200, examples=["$argon2id$v=19$m=65536,t=3,p=4$..."])]


class PasskeyRequest(SignedStatement):
    """The passkey that was made at an offer's address."""

    offer: Annotated[str, Field(max_length=64)]


def offers(request: Request) -> Offers:
    """Return the passkeys that are being made."""
    found: Offers = request.app.state.offers
    return found


@router.post("/account/password", status_code=201)
def set_password(wanted: PasswordRequest, caller: Asking, service: The) -> Done:
    """Set one's own password for the pages; the sessions of the old one end."""
    return outcome(accounts.set_password(service, caller, said_in(wanted), encoded=wanted.encoded))


@router.post("/passkeys/offers", status_code=201)
def offer(request: Request, caller: Asking, service: The) -> dict[str, Any]:
    """Ask for an address where a browser makes a passkey; the secret goes behind its `#`."""
    tokens.may_act(person(caller))
    secret = clock.token()
    given = offers(request).give(caller.principal, secret, clock.random(32), now=service.clock())
    address = browser_address(service.url, service.passkeys.party)
    return {
        "offer": given.id,
        "expires_at": given.expires_at,
        "address": f"{address}/passkeys/enroll",
        "secret": secret,
    }


def browser_address(url: str, party: str) -> str:
    """Return the address at which a browser can use passkeys: by name, where the public one is a loopback address."""
    return url if party != "localhost" else url.replace("127.0.0.1", party).replace("[::1]", party)


@router.get("/passkeys/offers/{identifier}")
def offered(identifier: str, request: Request, caller: Asking, service: The) -> dict[str, Any]:
    """Say whether the passkey was made, and which it is."""
    return _shown(offers(request).of(caller.principal, identifier, now=service.clock()))


def _shown(given: Offer) -> dict[str, Any]:
    made = bool(given.public)
    return {"offer": given.id, "made": made, "factor": factor_of(given.public["id"]) if made else ""}


@router.post("/passkeys", status_code=201)
def enroll(wanted: PasskeyRequest, request: Request, caller: Asking, service: The) -> Done:
    """Enrol the passkey that was made, by a statement `factor.enroll` that names it."""
    person(caller)
    said, given = said_in(wanted), offers(request).of(caller.principal, wanted.offer, now=service.clock())
    if not given.public:
        raise ConflictError("the passkey is not made yet", code="passkey.not_made")
    label = label_of(said)
    new = having.New("passkey", factor_of(given.public["id"]), label, public=given.public, count=given.count)
    done = having.enroll(service, caller, lambda _: new, codes=recovery_codes(), statement=said)
    offers(request).end(given)
    return outcome(done)


def recovery_codes() -> list[str]:
    """Return new recovery codes, which are kept where none is left."""
    return [having.recovery_code(clock.random(having.CODE_BYTES)) for _ in range(having.CODES)]
