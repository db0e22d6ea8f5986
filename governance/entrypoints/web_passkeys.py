"""Where a browser makes a passkey that a terminal asked for: whoever holds the secret may, once; nobody logs in here.

The secret comes behind the `#` of the address, which no browser sends and no log keeps, and on in a form.
"""

from __future__ import annotations

import json

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response

from governance.entrypoints import pages
from governance.entrypoints.api_web import offers
from governance.entrypoints.asking import The
from governance.entrypoints.browsing import Posted
from governance.entrypoints.web_login import credential
from governance.entrypoints.web_prompts import passkeys_of, sentence
from governance.errors import RequestError
from governance.people.passkeys import Offer
from governance.refusals import FactorRefused
from governance.service import Service
from governance.state import factors

router = APIRouter(include_in_schema=False)


@router.get("/passkeys/enroll", response_class=HTMLResponse)
def begin() -> Response:
    """Show the page that takes the secret from its own address."""
    return pages.page("passkey.html", offer=None, done=False, options="", secret="", party="", said="")


@router.post("/passkeys/enroll", response_class=HTMLResponse)
def make(form: Posted, request: Request, service: The) -> Response:
    """Ask the browser for a passkey; then take it."""
    secret, now = form.get("secret", ""), service.clock()
    given = offers(request).shown(secret, now=now)
    if not form.get("credential"):
        return _page(service, given, secret)
    try:
        public, count = service.passkeys.made(given.principal, credential(form), challenge=given.challenge)
        offers(request).made(secret, public, count, now=now)
    except (FactorRefused, RequestError) as exc:
        return _page(service, given, secret, said=sentence(exc))
    return _page(service, given, secret, done=True)


def _page(service: Service, given: Offer, secret: str, *, said: str = "", done: bool = False) -> Response:
    with service.read() as tx:
        known = passkeys_of(factors.held(tx, given.principal))
    options = json.dumps(service.passkeys.wanted(given.principal, challenge=given.challenge, known=known))
    return pages.page(
        "passkey.html", 403 if said else 200, offer=given, done=done or bool(given.public), options=options,
        secret=secret, party=service.passkeys.party, said=said,
    )  # fmt: skip
