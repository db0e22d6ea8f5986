"""A small service for tests: a real ledger on a temporary file, real keys, enrolled people, and a clock to set.

Everybody of `PEOPLE`, unless told otherwise, is enrolled with the key of their name (`keys.key_of`), and the repository
`garden` is registered.
"""

# ruff: noqa: ANN401  # Statements, rows and entries hold JSON.
from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

from audit.entry import Actor, Draft
from audit.ledger import Ledger
from audit.stores import is_postgres
from builders import MAIN, NEW, OLD, REPOSITORY, TOPIC, ZERO, a_policy, a_principal, a_push, a_standing, oid
from governance.adapters.sequoia import SequoiaVerifier
from governance.coordinate import confirming
from governance.decision import Decision, RefDecision
from governance.errors import EnrolmentError
from governance.people import keys, principals
from governance.people.principals import Candidate, secret_digest
from governance.people.statements import Statement, compose, parse
from governance.people.tokens import Caller
from governance.policy_text import describe
from governance.record import SERVICE, Effects, Kind, applied, decided
from governance.service import Service
from governance.state import rebuilding
from governance.state.fold import fold
from governance.state.schema import SCHEMA
from governance.two_channels import Answer, Channel, Word
from governance.verdict import Outcome, Verdict
from keys import key_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from audit.entry import Entry
    from audit.stores import Place
    from governance.policy import Policy
    from governance.signatures import CertificateInfo

LOG = "example.org/twinseal"
SECRET = "the first owner's secret"
FAR_OFF = 4_102_444_800_000
"""The year 2100: signatures are made when the test runs, and must not lie ahead of the service's clock."""
PEOPLE = ("owner", "mia", "dev-a", "dev-b", "qa-a", "architect-a")
YES = Verdict(control="c", outcome=Outcome.SATISFIED, reason="c.yes", message="")
DIGEST = "d" * 64
"""Of the difference that `open_change` opens a change for."""
NO = replace(YES, outcome=Outcome.UNSATISFIED, reason="c.no")


def no_reader(data: bytes, *, at: int) -> CertificateInfo:
    raise EnrolmentError("no certificate is read here")


ELSEWHERE: list[Callable[[], str]] = []
"""Who makes a database for the next world, where `tests/conftest.py` was asked for a server; else it is a file."""


class ServiceWorld:
    """One service and the ways a test acts on it."""

    begins_with: Policy | None = None
    """The policy of a whole kind of world, where it is not the usual."""

    def __init__(self, folder: Path, *, people: Sequence[str] = PEOPLE, policy: Policy | None = None) -> None:
        self.people = people
        self.policy = policy or self.begins_with or a_policy()
        self.now = FAR_OFF
        self.path: Place = ELSEWHERE[0]() if ELSEWHERE else folder / "ledger.sqlite"
        self.repository = folder / "garden.git"
        self.repository.mkdir()
        self.folder = folder
        self.ledger = self._opened()
        # Durability is tested where the ledger is; here it would only be waiting for the disk.
        careless = "set synchronous_commit = off" if is_postgres(self.path) else "pragma synchronous = off"
        self.ledger._connection.execute(careless)
        self.service = Service(LOG, "http://x", self.path, self.ledger, lambda: self.now, SequoiaVerifier(), no_reader)
        self.ledger.run(self._begin)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.service.readers.close()
        self.ledger.close()

    def _opened(self) -> Ledger:
        return Ledger(self.path, log=LOG, clock=lambda: self.now, projector=fold, schema=SCHEMA)

    def _born(self) -> dict[str, Any]:
        """What the first entry says besides policy and invitation."""
        return {}

    def _begin(self, tx: Any) -> None:
        policy = self.policy
        invitation = {"digest": secret_digest(SECRET), "principal": "", "expires_at": self.now + 1000}
        data = {
            "policy": {"digest": policy.digest, "meaning": describe(policy)},
            "enrolment": invitation,
            **self._born(),
        }
        tx.append(Draft(Kind.GENESIS, SERVICE, "", LOG, data))
        for name in self.people:
            tx.append(self.enrolment(name))
        data = {"name": REPOSITORY, "id": "r1", "path": str(self.repository), "git_uid": 12345, "advisory": False}
        tx.append(Draft(Kind.REPOSITORY_ADDED, SERVICE, REPOSITORY, REPOSITORY, data | {"refs": [[MAIN, OLD]]}))

    @staticmethod
    def enrolment(name: str, *, operator: str = "owner") -> Draft:
        """Return the entry that enrols a principal with the key of its name."""
        who = a_principal(name, "human" if name == "mia" else "", operator=operator)
        candidate = Candidate(name, who.kind.value, who.role, who.operator, "", who.emails, (), None)
        return principals.first_owner(candidate, key=keys.recorded(key_of(name).enrolled()), proof={}, used="")

    def append(self, *drafts: Draft) -> list[Entry]:
        return self.ledger.run(lambda tx: [tx.append(draft) for draft in drafts])

    def rows(self, sql: str, *params: object) -> list[tuple[Any, ...]]:
        with self.service.read() as tx:
            return tx.execute(sql, params).fetchall()

    def kinds(self, since: int = 0) -> list[str]:
        return [row[0] for row in self.rows("select kind from ledger_entry where seq >= ? order by seq", since)]

    def bodies(self, where: str = "1=1", *params: object) -> list[dict[str, Any]]:
        """Return entries as they were written, in order."""
        sql = f"select body from ledger_entry where {where} order by seq"
        return [json.loads(row[0]) for row in self.rows(sql, *params)]

    def signers(self, where: str, *params: object) -> list[str]:
        """Return the keys that entries name as their actors'."""
        return [body["actor"]["key"] for body in self.bodies(where, *params)]

    def difference(self) -> str:
        """What `rebuild --check` finds; empty where the tables are what the ledger says."""
        return rebuilding.compare(self.path, progress=lambda done, total: None).difference

    def caller(self, name: str) -> Caller:
        return Caller(name, a_principal(name, "human" if name == "mia" else "").kind.value, REPOSITORY, "t")

    def said(self, type_: str, by: str, body: dict[str, Any], *, signer: str = "", **changed: Any) -> Statement:
        """Return a statement, signed with the speaker's key or another's."""
        fields = {"log": LOG, "by": by, "at": self.now, "nonce": "n"} | changed
        text = compose(type_, body=body, **fields)
        return parse(text.decode(), key_of(signer or by).sign(text).decode())

    def decide(self, effects: Effects, *lines: tuple[str, str, str], by: str = "dev-a", allowed: bool = True) -> int:
        """Record a decision with these effects; return its entry's number."""
        updates = [a_push(old=old, new=new, ref=ref) for old, new, ref in lines or effects.reserve]
        verdict = YES if allowed else NO
        decision = Decision(tuple(RefDecision(update, a_standing(), (verdict,)) for update in updates), "d")
        actor = Actor(by, "agent", "")
        return self.append(decided(decision, effects, actor=actor, repository=REPOSITORY, document={}))[0].seq

    def confirm(self, number: int, *, by: str = "owner") -> str:
        """Confirm a critical decision by a log-in in the browser, where no code can be sent; return its outcome."""
        answer = Answer(Word.YES, Channel.WEB, decision=number)
        return str(confirming.reply(self.service, by, answer, how="session")["outcome"])

    def open_change(
        self, *, head: str = NEW, contributors: Sequence[str] = ("dev-a",), ref: str = TOPIC, diff_digest: str = DIGEST
    ) -> int:
        """Push a topic that opens change 1 (or the next), as reserved and not yet applied; return the entry."""
        number = 1 + self.rows("select coalesce(max(number), 0) from change")[0][0]
        opened = {
            "change": number, "patch_set": 1, "ref": ref, "target": MAIN, "title": "Prune the roses", "head": head,
            "base": OLD, "tree": oid("tree"), "diff_digest": diff_digest,
            "about": {"contributors": list(contributors), "target_tip": OLD},
        }  # fmt: skip
        lines = ((ZERO, head, ref), (ZERO, head, f"refs/changes/{number}/1"))
        return self.decide(Effects(handle=f"{number}-1", reserve=lines, opens=(opened,)), lines[0])

    def applied(self, seq: int, *refs: str) -> None:
        """Record that git carried out these refs of a decision, or all that it reserved."""
        entry = self.ledger.run(lambda tx: tx.execute("select body from ledger_entry where seq=?", (seq,)).fetchone())
        data = json.loads(entry[0])["data"]
        moved = [tuple(line) for line in data["reserve"] if not refs or line[2] in refs]
        self.append(applied(data, seq, moved, repository=REPOSITORY))
