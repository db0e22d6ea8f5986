"""A browser as thin as a test needs it: cookies, forms, and whatever headers a test wants to lie with.

The pages, the service and the passkey's mathematics are real; what a real browser makes of them is tried in
`e2e/test_browser.py`.
"""

# Options of a passkey are JSON.
from __future__ import annotations

import base64
import html
import http.client
import json
import re
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from authenticator import Authenticator
from governance.adapters import clock, passwords
from governance.people import totp
from governance.people.accounts import digest
from governance.people.passkeys import factor_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from playing import Answer, Ground, Member

FORM = "application/x-www-form-urlencoded"
PASSWORD = "correct horse battery staple"
HTML = "text/html,application/xhtml+xml"


@dataclass(frozen=True, slots=True)
class Page:
    """One answer, as a browser's window gets it."""

    status: int
    headers: Mapping[str, str]
    text: str
    cookies: tuple[str, ...] = ()

    @property
    def location(self) -> str:
        return self.headers.get("location", "")

    @property
    def code(self) -> str:
        """The code that a page of ours says it was refused with."""
        found = re.search(r"<p>([a-z_]+\.[a-z_]+)</p>", self.text)
        return found[1] if found else ""

    def field(self, name: str) -> str:
        """Return what a hidden field of the page holds."""
        found = re.search(rf'name="{name}" value="([^"]*)"', self.text)
        assert found, (name, self.text)
        return html.unescape(found[1])

    def secret(self) -> bytes:
        """Return the secret of the app that the page offers."""
        return base64.b32decode(re.findall(r"<code>([A-Z2-7 ]+)</code>", self.text)[0].replace(" ", ""))

    def options(self, name: str = "options") -> dict[str, Any]:
        """Return what a passkey is asked for on this page."""
        found = re.search(rf'data-{name}="([^"]*)"', self.text)
        assert found, self.text
        return dict(json.loads(html.unescape(found[1])))


def code(secret: bytes, steps: int = 0) -> str:
    """Return what an app with this secret shows now, or some steps from now."""
    return totp.at(secret, clock.now() // totp.STEP_MS + steps)


@dataclass
class Tab:
    """A browser's window at one service. `origin` is where its pages claim to be from."""

    ground: Ground
    origin: str = ""
    cookies: dict[str, str] = field(default_factory=dict)

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Page:
        """Ask, with this window's cookies; header names are written with underscores."""
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.cookies:
            given.setdefault("Cookie", "; ".join(f"{name}={value}" for name, value in self.cookies.items()))
        given.setdefault("Accept", HTML)
        with closing(http.client.HTTPConnection(*self.ground.address, timeout=30)) as connection:
            connection.request(method, path, body, given)
            answer = connection.getresponse()
            raw = answer.read().decode()
            set_ = tuple(value for name, value in answer.getheaders() if name.lower() == "set-cookie")
        for cookie in set_:
            name, _, value = cookie.split(";")[0].partition("=")
            self.cookies[name] = value.strip('"')
            if not self.cookies[name]:
                del self.cookies[name]
        return Page(answer.status, {k.lower(): v for k, v in answer.getheaders()}, raw, set_)

    def get(self, path: str, **headers: str) -> Page:
        return self.ask("GET", path, **headers)

    def post(self, path: str, fields: Mapping[str, str], **headers: str) -> Page:
        """Send a form as a page of `origin` does; a header given as empty is left out."""
        sent = {"Origin": self.origin or self.ground.play.url, "Sec_Fetch_Site": "same-origin", "Content_Type": FORM}
        sent = {name: value for name, value in {**sent, **headers}.items() if value}
        return self.ask("POST", path, urlencode(fields).encode(), **sent)

    @property
    def session(self) -> str:
        return self.cookies.get("twinseal_session", "")

    def twin(self) -> Tab:
        """Return another window with a copy of the cookies: what a thief has, or a second tab."""
        return Tab(self.ground, self.origin, dict(self.cookies))


class Holder:
    """A person of a ground who holds a passkey and has a password."""

    def __init__(self, member: Member, *, password: str = PASSWORD) -> None:
        self.member = member
        self.ground = member.ground
        self.password = password
        self.key = Authenticator(origin=f"http://localhost:{self.ground.address[1]}")
        self.enroll_passkey(self.key)
        self.set_password(password)

    @property
    def name(self) -> str:
        return self.member.name

    def offer(self) -> dict[str, Any]:
        asked = self.ground.ask("POST", "/passkeys/offers", {}, token=self.member.tokens[""])
        assert asked.status == 201, asked.raw
        return dict(asked.body)

    def enroll_passkey(self, key: Authenticator, *, label: str = "token") -> dict[str, Any]:
        """Make a passkey at the address that the terminal shows, and sign for it."""
        given, tab = self.offer(), Tab(self.ground)
        shown = tab.post("/passkeys/enroll", {"secret": given["secret"]})
        made = key.make(shown.options())
        done = tab.post("/passkeys/enroll", {"secret": given["secret"], "credential": json.dumps(made)})
        assert "is made" in done.text, done.text
        body = {"kind": "passkey", "label": label, "factor": factor_of(made["id"])}
        signed = self.member.signed("factor.enroll", body)
        return self.hand_in("/passkeys", {**signed, "offer": given["offer"]}).done

    def hand_in(self, path: str, body: dict[str, Any]) -> Answer:
        """Hand a statement in, approving it with the passkey where that is asked."""
        answer = self.ground.ask("POST", path, body, token=self.member.tokens[""])
        if answer.code == "factor.needed":
            self.approve(self.prompt(body))
            answer = self.ground.ask("POST", path, body, token=self.member.tokens[""])
        return answer

    def prompt(self, *signed: dict[str, Any]) -> dict[str, Any]:
        items = [{name: each[name] for name in ("statement", "signature")} for each in signed]
        return self.ground.ask("POST", "/prompts", {"items": items}, token=self.member.tokens[""]).done

    def approve(self, prompt: dict[str, Any]) -> None:
        """Approve in a browser, logged in by the passkey."""
        tab = self.log_in()
        page = tab.get(f"/prompts/{prompt['prompt']}")
        fields = {"csrf": page.field("csrf"), "digest": prompt["digest"]}
        answer = json.dumps(self.key.sign(page.options()))
        done = tab.post(f"/prompts/{prompt['prompt']}/answer", {**fields, "credential": answer})
        assert done.status == 303, done.text

    def set_password(self, password: str) -> dict[str, Any]:
        encoded = passwords.hashed(password)
        signed = self.member.signed("account.password", {"digest": digest(encoded)})
        return self.hand_in("/account/password", {**signed, "encoded": encoded}).done

    def add_app(self) -> bytes:
        """Add an authenticator app, vouched for by the passkey; return its secret. Its code of a step ago is used."""
        tab = self.log_in()
        page = tab.get("/account/app")
        secret = page.secret()
        proof = json.dumps(self.key.sign(page.options("proof")))
        fields = {"csrf": page.field("csrf"), "sealed": page.field("sealed"), "label": "phone", "proof": proof}
        done = tab.post("/account/app", {**fields, "new": code(secret, -1)})
        assert done.status == 303, done.text
        return secret

    def log_in(self, *, tab: Tab | None = None, next_: str = "/") -> Tab:
        """Return a window that is logged in, by the passkey."""
        found, page = tab or Tab(self.ground), Tab(self.ground).get("/login")
        answer = json.dumps(self.key.sign(page.options()))
        fields = {"challenge": page.field("challenge"), "credential": answer, "next": next_}
        done = found.post("/login/passkey", fields)
        assert done.status == 303, done.text
        return found

    def try_password(self, password: str, *, tab: Tab | None = None, name: str = "", code: str = "000000") -> Page:
        fields = {"name": name or self.name, "password": password, "code": code, "next": "/"}
        return (tab or Tab(self.ground)).post("/login", fields)
