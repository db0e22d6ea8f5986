"""HTTP for alerts, and for where people are reached."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Request
from pydantic import Field

from governance.entrypoints.asking import FAILURES, Asking, The, is_owner, outcome, said_in
from governance.entrypoints.models import Done, Listing, SignedStatement
from governance.errors import DeniedError
from governance.tell import alerts, contacts

router = APIRouter(prefix="/v1", responses=FAILURES)


class Contact(SignedStatement):
    """A signed statement about a number, and the number: it is kept sealed, and stands in no entry."""

    phone: Annotated[str, Field(max_length=20, examples=["+491701234567"])] = ""
    salt: Annotated[str, Field(max_length=64)] = ""


@router.get("/alerts")
def list_alerts(caller: Asking, service: The, request: Request) -> Listing:
    """List the newest notices, with what became of each on every channel. For owners."""
    with service.read() as tx:
        if not is_owner(tx, caller):
            raise DeniedError("owners alone see who was told of what", code="authority.owner_only")
        return Listing(items=alerts.listed(tx, request.app.state.channels))


@router.post("/alerts/test", status_code=201)
def test(signed: SignedStatement, caller: Asking, service: The, request: Request) -> Done:
    """Send a test by each channel that is set up, and say what happened. For owners."""
    entry, tried = alerts.test(service, caller, said_in(signed), request.app.state.channels)
    return Done(entry=entry, done={"entry": entry, "tried": tried})


@router.post("/account/contact", status_code=201)
def contact(signed: Contact, caller: Asking, service: The) -> Done:
    """Name the number that text messages go to, or take it back."""
    return outcome(contacts.contact(service, caller, said_in(signed), phone=signed.phone, salt=signed.salt))
