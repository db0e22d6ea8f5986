"""Logging in and out. Whatever was wrong, the answer and the time it takes are the same."""

from __future__ import annotations

import json
from functools import partial
from typing import Annotated, Any

import anyio
from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, Response

from governance.adapters import clock
from governance.entrypoints import browsing, pages
from governance.entrypoints.asking import The
from governance.entrypoints.browsing import Form, Posted, Sent
from governance.errors import DeniedError, RequestError, UnavailableError
from governance.people import logins
from governance.people.logins import Attempt
from governance.refusals import FactorRefused
from governance.service import Service
from governance.state.accounts import WebSession

TICK_S = 0.5
"""A log-in is refused at a multiple of this after it was asked for."""
AT_ONCE, WAITING_MOST = 2, 16
"""Log-ins that are looked at together (64 MiB each), and how many may wait for them."""

router = APIRouter(include_in_schema=False)


class Turnstile:
    """Bounds what log-ins cost: threads of their own, so that strangers who try keep nobody else waiting."""

    def __init__(self) -> None:
        self._limiter: anyio.CapacityLimiter | None = None
        self._waiting = 0

    async def run(self, look: partial[WebSession]) -> WebSession:
        """Run it in its turn; a refusal comes at a tick.

        Raises:
            DeniedError: Refused.
            UnavailableError: Too many are waiting.
        """
        if self._waiting >= WAITING_MOST:
            said = "too many log-ins are being looked at"
            raise UnavailableError(said, mend="Try again in a moment. The terminal is not held up by this.")
        self._limiter = self._limiter or anyio.CapacityLimiter(AT_ONCE)
        begun = clock.monotonic()
        self._waiting += 1
        try:
            return await anyio.to_thread.run_sync(look, limiter=self._limiter)
        except DeniedError:
            took = clock.monotonic() - begun
            await anyio.sleep(TICK_S - took % TICK_S)
            raise logins.refused() from None
        finally:
            self._waiting -= 1


@router.get("/login", response_class=HTMLResponse)
def show(request: Request, service: The, next_: Annotated[str, Query(alias="next", max_length=300)] = "/") -> Response:
    """Show the log-in page. Whoever is logged in goes on."""
    wanted = browsing.local(next_)
    if browsing.visitor(request):
        return browsing.to(wanted)
    elsewhere = request.headers.get("sec-fetch-site") == "cross-site"
    return _page(service, wanted, elsewhere=elsewhere)


def _page(service: Service, wanted: str, *, status: int = 200, **values: Any) -> HTMLResponse:  # noqa: ANN401 - a template's
    given = logins.challenge(service, clock.nonce())
    try:
        options = json.dumps(service.passkeys.asked(challenge=logins.about(given)))
    except FactorRefused:
        options = ""
    shown = {"next": wanted, "name": "", "said": "", "mend": "", "elsewhere": False}
    more = {"options": options, "party": service.passkeys.party, "challenge": given}
    return pages.page("login.html", status, **{**shown, **more, **values})


@router.post("/login", response_class=HTMLResponse)
async def log_in(form: Posted, request: Request, service: The) -> Response:
    """Open a session for name, password and code."""
    attempt = Attempt(form.get("name", "")[:64], form.get("password", ""), form.get("code", ""))
    secret = clock.token()
    look = partial(logins.by_password, service, attempt, secret=secret)
    return await _answer(request, "password", form, look, secret)


@router.post("/login/passkey", response_class=HTMLResponse)
async def log_in_by_passkey(form: Posted, request: Request, service: The) -> Response:
    """Open a session for a passkey."""
    secret = clock.token()
    look = partial(logins.by_passkey, service, credential(form), form.get("challenge", ""), secret=secret)
    return await _answer(request, "passkey", form, look, secret)


async def _answer(request: Request, how: str, form: Form, look: partial[WebSession], secret: str) -> Response:
    service: Service = request.app.state.service
    turnstile: Turnstile = request.app.state.turnstiles[how]
    wanted = browsing.local(form.get("next", "/"))
    try:
        await turnstile.run(look)
    except (DeniedError, UnavailableError) as exc:
        status = 403 if isinstance(exc, DeniedError) else 503
        said, name = f"Not let in: {exc}.", form.get("name", "")[:64]
        show_again = partial(_page, service, wanted, status=status, said=said, mend=exc.mend, name=name)
        return await anyio.to_thread.run_sync(show_again)
    old = request.cookies.get(browsing.cookie_name(service), "")
    if old:  # What this browser had before is over: a session is never taken over by another log-in.
        await anyio.to_thread.run_sync(_end, service, old)
    return browsing.given(browsing.to(wanted), service, secret)


def _end(service: Service, secret: str) -> None:
    before = logins.session(service, secret)
    if before:
        logins.end(service, before, "logged in anew")


def credential(form: Form) -> dict[str, Any]:
    """Return what a browser says of a passkey: JSON, believed in nothing yet.

    Raises:
        RequestError: It is none.
    """
    try:
        found = json.loads(form.get("credential", ""))
    except (ValueError, RecursionError) as exc:
        raise RequestError("this is no answer of a passkey", code="browser.no_passkey") from exc
    if not isinstance(found, dict):
        raise RequestError("this is no answer of a passkey", code="browser.no_passkey")
    return found


@router.post("/logout")
def log_out(sent: Sent, service: The) -> Response:
    """End this session."""
    visit, _ = sent
    logins.end(service, visit.session, "logged out")
    return browsing.taken(browsing.to("/login"), service)


@router.post("/logout/everywhere")
def log_out_everywhere(sent: Sent, service: The) -> Response:
    """End every session of this person."""
    visit, _ = sent
    logins.end_all(service, visit.principal)
    return browsing.taken(browsing.to("/login"), service)
