"""Who uses a page: the session's cookie, and whether a form was really sent from one of our own pages.

Nothing that a proxy may add is read here: who asks, and from which page, the browser itself says, by the cookie that
we gave it and by `Origin`.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import parse_qsl, quote, urlsplit

from fastapi import Depends, Request
from fastapi.responses import RedirectResponse, Response

from governance.errors import DeniedError, RequestError
from governance.people import logins
from governance.people.tokens import Caller
from governance.service import Service
from governance.state.accounts import WebSession

FIELDS = 20
"""Fields of a form."""
LOCAL = re.compile(r"/(?![/\\])[A-Za-z0-9/._~-]*")
"""Where we send a browser on to: a path of our own, never an address."""
FORM = "application/x-www-form-urlencoded"

Form = Mapping[str, str]


class LogInFirstError(Exception):
    """A page was asked for by nobody that we know. Answered with the way to the log-in page, and back."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.path = path


@dataclass(frozen=True, slots=True)
class Visit:
    """Somebody logged in, and the token that every form of theirs must carry."""

    session: WebSession
    csrf: str

    @property
    def principal(self) -> str:
        """Who it is."""
        return self.session.principal

    @property
    def caller(self) -> Caller:
        """Who asks, as the rooms know it. It opens no repository by itself."""
        return Caller(self.session.principal, self.session.kind, "", "")


def cookie_name(service: Service) -> str:
    """Return the cookie's name; over https one that no other host, path or plain page can set."""
    return "__Host-twinseal" if _https(service) else "twinseal_session"


def _https(service: Service) -> bool:
    return service.url.startswith("https://")


def given(response: Response, service: Service, secret: str) -> Response:
    """Hand a browser its session. It ends with the browser's window, at the latest; earlier by our own clock."""
    response.set_cookie(
        cookie_name(service), secret, path="/", secure=_https(service), httponly=True, samesite="strict"
    )
    return response


def taken(response: Response, service: Service) -> Response:
    """Take a browser's session away."""
    response.delete_cookie(cookie_name(service), path="/", secure=_https(service), httponly=True, samesite="strict")
    return response


def token(secret: str) -> str:
    """Return what a form of this session carries: nobody can make it who cannot read the cookie."""
    return hmac.new(secret.encode(), b"twinseal form", hashlib.sha256).hexdigest()


def visitor(request: Request) -> Visit | None:
    """Return who is logged in, if anybody is."""
    service: Service = request.app.state.service
    secret = request.cookies.get(cookie_name(service), "")
    found = logins.session(service, secret) if secret else None
    return Visit(found, token(secret)) if found else None


def logged_in(request: Request) -> Visit:
    """Return who is logged in.

    Raises:
        LogInFirstError: Nobody is.
    """
    visit = visitor(request)
    if visit is None:
        raise LogInFirstError(request.url.path if request.method == "GET" else "/")
    return visit


def origins(service: Service) -> frozenset[str]:
    """Return the origins that our pages have: the public address's, and `localhost` where that is a loopback one."""
    parts = urlsplit(service.url)
    port = f":{parts.port}" if parts.port else ""
    names = {parts.hostname or ""}
    if names & {"127.0.0.1", "::1", "localhost"}:
        names |= {"127.0.0.1", "[::1]", "localhost"}
    return frozenset(f"{parts.scheme}://{name}{port}" for name in names)


async def posted(request: Request) -> Form:
    """Return the form that one of our own pages sent.

    Raises:
        DeniedError: Another page did, or nobody says which.
        RequestError: It is no form.
    """
    service: Service = request.app.state.service
    site = request.headers.get("sec-fetch-site", "same-origin")
    if request.headers.get("origin", "") not in origins(service) or site != "same-origin":
        said = f"this form was not sent from a page at {service.url}"
        raise DeniedError(said, code="browser.other_origin", mend=f"Open {service.url} itself.")
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != FORM:
        raise RequestError("expected the fields of a form", code="browser.no_form")
    try:
        pairs = parse_qsl(
            (await request.body()).decode("ascii"), keep_blank_values=True, max_num_fields=FIELDS, errors="strict"
        )
    except ValueError as exc:
        raise RequestError("this is no form of ours", code="browser.no_form") from exc
    found = dict(pairs)
    if len(found) != len(pairs):
        raise RequestError("a field came twice", code="browser.no_form")
    return found


def from_session(request: Request, form: Annotated[Form, Depends(posted)]) -> tuple[Visit, Form]:
    """Return who sent a form, and the form, where it is their own session's.

    Raises:
        LogInFirstError: Nobody is logged in.
        DeniedError: It carries no token, or another session's.
    """
    visit = logged_in(request)
    if not hmac.compare_digest(form.get("csrf", "").encode(), visit.csrf.encode()):
        said = "this form belongs to another session, or to none"
        raise DeniedError(said, code="browser.csrf", mend="Go back, load the page again, and send it again.")
    return visit, form


Visiting = Annotated[Visit, Depends(logged_in)]
Sent = Annotated[tuple[Visit, Form], Depends(from_session)]
Posted = Annotated[Form, Depends(posted)]


def local(path: str) -> str:
    """Return this path if it is one of ours, and the first page if it leads anywhere else."""
    return path if LOCAL.fullmatch(path) else "/"


def to(path: str) -> RedirectResponse:
    """Send a browser on with GET."""
    return RedirectResponse(path, 303, {"Cache-Control": "no-store"})


def to_log_in(path: str) -> RedirectResponse:
    """Send a browser to the log-in page, and from there back."""
    wanted = local(path)
    return to("/login" if wanted == "/" else f"/login?next={quote(wanted)}")
