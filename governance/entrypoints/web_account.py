"""One's own account: factors, sessions, another authenticator app or passkey. What adds or takes a factor needs one."""

from __future__ import annotations

import base64
import json
from io import BytesIO
from typing import Any

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, Response

from governance.adapters import clock
from governance.entrypoints import browsing, pages
from governance.entrypoints.api_factors import LABEL_LIMIT
from governance.entrypoints.api_web import recovery_codes
from governance.entrypoints.asking import The
from governance.entrypoints.browsing import Form, Sent, Visit, Visiting
from governance.entrypoints.web_login import credential
from governance.entrypoints.web_prompts import passkeys_of, sentence
from governance.errors import DeniedError, GovernanceError, RequestError
from governance.people import having, logins, totp
from governance.people.factors import Assertion, Code, Proof
from governance.people.logins import IDLE_MS
from governance.people.passkeys import factor_of
from governance.people.principals import secret_digest
from governance.record import legible
from governance.refusals import FactorRefused
from governance.service import Service
from governance.state import accounts, factors

FRESH_MS = 10 * 60 * 1000
"""How long a page that shows a new secret is good for."""

router = APIRouter(include_in_schema=False)


@router.get("/account", response_class=HTMLResponse)
def account(visit: Visiting, service: The) -> Response:
    """Show factors and sessions."""
    return _page(service, visit)


def _page(service: Service, visit: Visit, *, said: str = "", mend: str = "", codes: Any = ()) -> HTMLResponse:  # noqa: ANN401
    with service.read() as tx:
        now = service.now(tx)
        held = factors.held(tx, visit.principal)
        left = factors.recovery_codes(tx, visit.principal)
        opened = accounts.sessions(tx, visit.principal)
    sessions = [one for one in opened if now < min(one.expires_at, one.used_at + IDLE_MS)]
    values = {"said": said, "mend": mend, "codes": codes, "left": left, "sessions": sessions}
    listed = having.listed(held, now)
    status = 403 if said else 200
    return pages.page("account.html", status, visit=visit, here="account", factors=listed, **values)


@router.post("/account/sessions/close")
def close(sent: Sent, service: The) -> Response:
    """End one session of one's own."""
    visit, form = sent
    with service.read() as tx:
        found = [one for one in accounts.sessions(tx, visit.principal) if one.id == form.get("session")]
    for one in found:
        logins.end(service, one, "closed on the account page")
    return browsing.to("/account")


@router.get("/account/app", response_class=HTMLResponse)
def new_app(visit: Visiting, service: The) -> Response:
    """Show a new secret, to be scanned; it is enrolled when its first code comes back."""
    return _app(service, visit, clock.random(totp.SECRET_BYTES))


def _app(service: Service, visit: Visit, secret: bytes, *, said: str = "", mend: str = "") -> HTMLResponse:
    import segno

    drawn = BytesIO()
    address = totp.address(secret, principal=visit.principal, log=service.log)
    segno.make(address, error="m").save(drawn, kind="svg", xmldecl=False, svgns=True, omitsize=True, border=2)
    plain = base64.b32encode(secret).decode()
    sealed = service.vault.seal(_new(visit), f"{service.clock()} {plain}".encode())
    grouped = " ".join(plain[start : start + 4] for start in range(0, len(plain), 4))
    values = {"qr": drawn.getvalue().decode(), "secret": grouped, "sealed": sealed, "said": said, "mend": mend}
    about = _about(visit, sealed)
    return pages.page(
        "app.html", 403 if said else 200, visit=visit, here="account", **values, **_proving(service, visit, about)
    )


def _new(visit: Visit) -> str:
    """Return what a new secret is sealed under until it is enrolled: this person, in this session."""
    return f"new app/{visit.principal}/{visit.session.digest}"


def _about(visit: Visit, text: str) -> bytes:
    """Return what a passkey signs to vouch for another factor."""
    return bytes.fromhex(secret_digest(f"twinseal another factor\n{visit.session.digest}\n{text}"))


def _proving(service: Service, visit: Visit, about: bytes) -> dict[str, Any]:
    """Return how this person can prove a factor in force: by an app, or by a passkey."""
    with service.read() as tx:
        now = service.now(tx)
        held = [factor for factor in factors.held(tx, visit.principal) if factor.counts_from <= now]
    known, apps = passkeys_of(held), any(factor.kind == factors.TOTP for factor in held)
    party = service.passkeys.party
    proof = json.dumps(service.passkeys.asked(challenge=about, known=known)) if known and party else ""
    return {"apps": apps, "proof": proof, "party": party}


def _proof(form: Form) -> Proof:
    """Return what was shown of a factor in force; nothing at all is a slip, and no guess that is counted.

    Raises:
        RequestError: Nothing was shown.
    """
    if form.get("proof"):
        return Assertion(credential({"credential": form["proof"]}))
    if not form.get("code"):
        raise RequestError("show a code, or a passkey, that you have already", code="factor.malformed")
    return Code(form["code"])


@router.post("/account/app", response_class=HTMLResponse)
def enroll_app(sent: Sent, service: The) -> Response:
    """Enrol the app that has scanned the secret."""
    visit, form = sent
    sealed = form.get("sealed", "")
    given, plain = _unsealed(service, _new(visit), sealed)
    if abs(service.clock() - given) > FRESH_MS:
        return _page(service, visit, said="That secret was shown more than ten minutes ago; take a new one.")
    label = form.get("label", "").strip() or "authenticator app"
    try:
        done = having.enroll(
            service,
            visit.caller,
            lambda now: having.app(plain, form.get("new", ""), label=label, now=now),
            codes=recovery_codes(),
            proof=_proof(form),
            about=_about(visit, sealed),
        )
    except RequestError as exc:
        return _app(service, visit, base64.b32decode(plain), said=sentence(exc), mend=exc.mend)
    return _page(service, visit, codes=done["recovery_codes"]) if done["recovery_codes"] else browsing.to("/account")


def _unsealed(service: Service, named: str, sealed: str) -> tuple[int, str]:
    try:
        given, _, plain = service.vault.open(named, sealed).decode().partition(" ")
        return int(given), plain
    except (GovernanceError, ValueError) as exc:
        said = "this form was not given out in this session"
        raise DeniedError(said, code="browser.form", mend="Go back, load the page again, and send it again.") from exc


@router.get("/account/passkey", response_class=HTMLResponse)
def new_passkey(visit: Visiting, service: The) -> Response:
    """Show where another passkey is made."""
    return _passkey(service, visit)


def _passkey(service: Service, visit: Visit, *, said: str = "", mend: str = "") -> HTMLResponse:
    sealed = service.vault.seal(_new(visit), f"{service.clock()} {clock.nonce()}".encode())
    about = _about(visit, sealed)
    with service.read() as tx:
        known = passkeys_of(factors.held(tx, visit.principal))
    try:
        options = json.dumps(service.passkeys.wanted(visit.principal, challenge=about, known=known))
    except FactorRefused as exc:
        options, said = "", str(exc)
    values = {"options": options, "sealed": sealed, "said": said, "mend": mend}
    status = 403 if said else 200
    return pages.page("another.html", status, visit=visit, here="account", **values, **_proving(service, visit, about))


@router.post("/account/passkey", response_class=HTMLResponse)
def enroll_passkey(sent: Sent, service: The) -> Response:
    """Enrol the passkey that this browser has made."""
    visit, form = sent
    sealed = form.get("sealed", "")
    given, _ = _unsealed(service, _new(visit), sealed)
    about, label = _about(visit, sealed), legible(form.get("label", "").strip(), LABEL_LIMIT) or "passkey"
    if abs(service.clock() - given) > FRESH_MS:
        return _passkey(service, visit, said="That page was ten minutes old; this one is new.")
    try:
        public, count = service.passkeys.made(visit.principal, credential(form), challenge=about)
        new = having.New(factors.PASSKEY, factor_of(public["id"]), label, public=public, count=count)
        done = having.enroll(
            service, visit.caller, lambda _: new, codes=recovery_codes(), proof=_proof(form), about=about
        )
    except (RequestError, FactorRefused) as exc:
        return _passkey(service, visit, said=sentence(exc), mend=exc.mend)
    return _page(service, visit, codes=done["recovery_codes"]) if done["recovery_codes"] else browsing.to("/account")
