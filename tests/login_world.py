"""A small service whose people log in: mia has a password and an app, and can have passkeys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from authenticator import Authenticator
from factor_world import FactorWorld, asking
from governance.adapters import clock
from governance.adapters.passkeys import Passkeys
from governance.people import accounts, having, logins
from governance.people.factors import Code
from governance.people.logins import Attempt
from governance.people.passkeys import factor_of
from service_world import LOG

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from governance.state.accounts import WebSession

PASSWORD = "correct horse battery staple"
MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000


class Plain:
    """Passwords as they are, for tests that try many; argon2 is tried in `adapters/test_passwords.py`."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    @staticmethod
    def hashed(password: str) -> str:
        return f"plain:{password}"

    def fit(self, encoded: str) -> bool:
        return encoded.startswith("plain:")

    def matches(self, encoded: str, password: str) -> bool:
        self.asked.append(encoded)
        return encoded == self.hashed(password)


class LoginWorld(FactorWorld):
    """Mia has an app and a password; nobody is logged in. Every code that was used is over when a call returns."""

    def __init__(self, folder: Path, *, name: str = "mia") -> None:
        super().__init__(folder, policy=asking("account"))
        self.name = name
        self.passwords = Plain()
        self.service.passwords = self.passwords
        self.service.passkeys = Passkeys(LOG, "http://127.0.0.1:8321")
        self.hold_app(name)
        self.set_password(name)

    def hold_app(self, name: str) -> None:
        self.enroll(name)
        self.now += MINUTE

    def set_password(self, name: str, password: str = PASSWORD) -> dict[str, Any]:
        encoded = Plain.hashed(password)
        said = self.said("account.password", name, {"digest": accounts.digest(encoded)}, nonce=clock.nonce())
        self.approve(self.ask(said), name)
        done = accounts.set_password(self.service, self.caller(name), said, encoded=encoded)
        self.now += MINUTE
        return done

    def log_in(self, *, password: str = PASSWORD, code: str = "", name: str = "", secret: str = "") -> WebSession:
        """Log in by password and code, the next that is good."""
        attempt = Attempt(name or self.name, password, code or self.code(self.name))
        found = logins.by_password(self.service, attempt, secret=secret or clock.token())
        self.now += MINUTE
        return found

    def passkey(self, *, name: str = "") -> Authenticator:
        """Enrol a passkey, vouched for by the app."""
        mine, about = Authenticator(), b"c" * 32
        made = mine.make(self.service.passkeys.wanted(name or self.name, challenge=about, known=()))
        public, count = self.service.passkeys.made(name or self.name, made, challenge=about)
        new = having.New("passkey", factor_of(public["id"]), "key", public=public, count=count)
        proof = Code(self.code(name or self.name))
        having.enroll(self.service, self.caller(name or self.name), lambda _: new, codes=(), proof=proof, about=about)
        self.now += MINUTE
        return mine

    def challenge(self) -> str:
        return logins.challenge(self.service, clock.nonce())

    def by_passkey(self, mine: Authenticator, *, challenge: str = "", secret: str = "", **lies: Any) -> WebSession:  # noqa: ANN401
        """Log in by a passkey; `lies` are what its browser says otherwise."""
        text = challenge or self.challenge()
        answer = mine.sign(self.service.passkeys.asked(challenge=logins.about(text)), **lies)
        return logins.by_passkey(self.service, answer, text, secret=secret or clock.token())

    def refused(self, since: int) -> Sequence[tuple[str, str]]:
        """Return (kind, code) of what was recorded as refused since an entry."""
        bodies = self.bodies("seq >= ? and kind in ('request.refused', 'session.refused')", since)
        return [(body["kind"], body["data"]["code"]) for body in bodies]
