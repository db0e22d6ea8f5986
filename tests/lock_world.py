"""A small service whose agents ask for write locks: each with a token of its own, and a clock to set."""

# Statements and answers hold JSON.
from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from audit.entry import Actor
from builders import MAIN, REPOSITORY, a_policy, patterns
from governance.coordinate import granting, lock_exceptions, locks
from governance.parameters import WriteLock
from governance.people import keys, principals, tokens
from governance.people.principals import Candidate
from governance.people.tokens import Caller
from governance.policy_text import describe, from_meaning
from governance.record import SERVICE
from keys import key_of
from service_world import ServiceWorld

if TYPE_CHECKING:
    from pathlib import Path

LEASED = from_meaning(
    describe(a_policy(controls=replace(a_policy().controls, write_lock=WriteLock(refs=patterns(MAIN)))))
)
WHO = ("dev-a", "dev-b", "qa-a")


class LockWorld(ServiceWorld):
    """A service where main moves under a lease; dev-a, dev-b and qa-a have a token each."""

    begins_with = LEASED

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.count = 0
        for name in WHO:
            self.admit(name)

    def admit(self, name: str) -> None:
        """Give somebody a token for the repository."""
        token, _ = tokens.fresh(name.ljust(43, "x"))
        until = self.now * 2
        draft = tokens.issued(
            token, principal=name, repository=REPOSITORY, expires_at=until, actor=SERVICE, statement={}
        )
        self.append(draft)

    def enroll_copy(self, name: str, *, role: str, operator: str = "owner") -> None:
        """Enrol another agent of a role."""
        candidate = Candidate(name, "agent", role, operator, "", (f"{name}@example.org",), (), None)
        self.append(principals.first_owner(candidate, key=keys.recorded(key_of(name).enrolled()), proof={}, used=""))
        self.admit(name)

    def admit_rulers(self) -> None:
        """Enrol the orchestrator and the librarian."""
        for name in ("orchestrator", "librarian"):
            self.enroll_copy(name, role=name)

    def auth(self, name: str) -> str:
        return tokens.fresh(name.ljust(43, "x"))[1]

    def actor(self, by: str) -> Actor:
        return Actor(by, "agent", key_of(by).fingerprint)

    def _caller(self, by: str) -> Caller:
        return Caller(by, "agent", REPOSITORY, self.auth(by))

    def ask(
        self,
        by: str = "dev-a",
        *,
        repository: str = REPOSITORY,
        named: str = REPOSITORY,
        signer: str = "",
        **changed: object,
    ) -> dict[str, Any]:
        """Ask for a lease. The statement names one repository and is handed in for one."""
        self.count += 1
        body = {"repository": named, "scope": "write", "files": ["src/**"], "lines": 100, "minutes": 5} | changed
        said = self.said("lock.request", by, body, nonce=str(self.count), signer=signer)
        return locks.request(self.service, self._caller(by), said, repository)

    def give_back(self, token: object, by: str = "dev-a", **changed: object) -> dict[str, Any]:
        self.count += 1
        body = {"repository": REPOSITORY, "scope": "write", "token": token} | changed
        said = self.said("lock.release", by, body, nonce=str(self.count))
        return locks.release(self.service, self._caller(by), said, REPOSITORY)

    def beyond(self, deed: str, request: int, token: int = 0, *, by: str = "orchestrator", **changed: object) -> int:
        """Ask for what is out of the queue's order; return the entry."""
        self.count += 1
        minutes = 5 if deed == "extension" else 0
        body = {"repository": REPOSITORY, "deed": deed, "request": request, "token": token, "minutes": minutes}
        said = self.said("lock.ask", by, body | {"reason": "it burns"} | changed, nonce=str(self.count))
        return int(lock_exceptions.ask(self.service, self._caller(by), said, REPOSITORY)["asked"])

    def cosign(self, asked: int, by: str = "librarian", **changed: object) -> dict[str, Any]:
        """Co-sign what was asked for, as it is shown."""
        self.count += 1
        shown = self.rows("select deed, request, token, minutes from lease_ask where seq=?", asked)
        body = dict(
            zip(("deed", "request", "token", "minutes"), shown[0] if shown else ("steal", 1, 1, 0), strict=True)
        )
        body |= {"repository": REPOSITORY, "asked": asked}
        said = self.said("lock.cosign", by, body | dict(changed), nonce=str(self.count))
        return lock_exceptions.cosign(self.service, self._caller(by), said, REPOSITORY)

    def tick(self) -> None:
        granting.tick(self.service)

    def status(self) -> list[dict[str, Any]]:
        with self.service.read() as tx:
            return locks.status(tx, REPOSITORY, now=self.now)

    def holder(self) -> str:
        found = self.status()
        return found[0]["holder"]["principal"] if found and found[0]["holder"] else ""

    def ends(self) -> list[str]:
        return [row[0] for row in self.rows("select why from lease where closed_seq is not null order by closed_seq")]

    def refusals(self) -> list[str]:
        return [body["data"]["code"] for body in self.bodies("kind='request.refused'")]
