"""A service that draws: real ledger, real signatures, pushes whose facts are made here, and a key that tests choose."""

# ruff: noqa: ANN401  # Statements and entries hold JSON.
from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any

from builders import MAIN, REPOSITORY, ZERO, a_change, a_commit, a_policy, a_push, oid
from governance import draws
from governance.gathered import Hello, Line
from governance.identify import Identity
from governance.parameters import Override, Tertiary
from governance.policy_text import describe, from_meaning
from governance.receive import Receiver
from governance.record import released
from governance.review import acts, changes, epochs, override, tertiary
from governance.state import read
from service_world import ServiceWorld

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from governance.decision import Decision
    from governance.policy import Policy

EVERYBODY = (
    "owner", "mia", "dev-a", "dev-b", "qa-a", "qa-b", "architect-a", "architect-b", "librarian", "orchestrator", "docs",
)  # fmt: skip
HOUR = draws.HOUR_MS
DAY = draws.DAY_MS
REASON = "looked at all of it"


@cache
def drawing_policy(percent: int = 10, floor_slots: int = 0) -> Policy:
    """Return the policy of tests, which draws so many."""
    plain = a_policy()
    numbers = Tertiary(percent=percent, floor_slots=floor_slots, epoch_days=7, overdue_hours=24)
    controls = replace(plain.controls, tertiary=numbers, override=Override(hours=4, review_hours=24))
    return from_meaning(describe(replace(plain, controls=controls)))


def keys_of(*wanted: bool, percent: int = 10, operator: str = "owner") -> bytes:
    """Return a key that draws exactly so for an operator's first slots."""
    number = 0
    while True:
        key = number.to_bytes(draws.KEY_BYTES)
        if all(
            draws.selected(key, operator, slot, percent=percent, floor_slots=0) == want
            for slot, want in enumerate(wanted)
        ):
            return key
        number += 1


class Kept:
    """Keys in memory, the first of which a test may choose."""

    def __init__(self, first: bytes) -> None:
        self.keys = {1: first}

    def get(self, epoch: int) -> bytes:
        return self.keys.get(epoch, b"")

    def make(self, epoch: int) -> bytes:
        return self.keys.setdefault(epoch, epoch.to_bytes(draws.KEY_BYTES))


class DrawWorld(ServiceWorld):
    """Its first epoch is open."""

    begins_with = drawing_policy()

    def __init__(self, folder: Path, *drawn: bool, people: Sequence[str] = EVERYBODY) -> None:
        super().__init__(folder, people=people)
        self.kept = Kept(keys_of(*drawn))
        self.service.draw_keys = self.kept
        self.receiver = Receiver(self.service)
        self.nonce = 0
        epochs.tend(self.service)

    def tip(self, ref: str = MAIN) -> str:
        with self.service.read() as tx:
            return read.ref_value(tx, REPOSITORY, ref)

    def titled(self, head: str) -> str:
        """Return the title of the commit that a head is."""
        del head
        return "Prune the roses"

    def _push(
        self,
        by: str,
        head: str,
        ref: str,
        *files: str,
        lines: int,
        old: str,
        also: Sequence[str] = (),
        content: str = "",
    ) -> Any:
        line = Line(old, oid(head), ref)
        hello = Hello("r1", "", (line,), (), 77, 88)
        who = Identity(by, "agent", "file", enforced=True)
        with self.service.read() as tx:
            plan = self.receiver.begin(tx, hello, REPOSITORY, who)
        net = tuple(a_change(path, lines, new=oid(f"{content or head} {path}")) for path in files)
        base = self.tip()
        about = {"oid": oid(head), "parents": (base,), "title": self.titled(head)}
        commit = replace(a_commit(head, author=by, changes=net), **about)
        update = a_push(net, ref=ref, old=old, new=oid(head), commits=(commit,), base=base, bases=(base,))
        context = replace(plan.context, refs=(ref, *also))
        return self.receiver.decide(plan, (replace(update, push=context),)).result()

    def propose(
        self, by: str, head: str, *files: str, lines: int = 60, topic: str = "", again: str = "", content: str = ""
    ) -> int:
        """Push a topic; `again` names the head it had before, `content` whose difference it is. Return the change."""
        ref = f"refs/heads/topic/{topic or head}"
        decision, effects, seq = self._push(
            by, head, ref, *(files or ("src/app.py",)), lines=lines, old=oid(again) if again else ZERO, content=content
        )
        assert decision.allowed, decision.code
        self.applied(seq)
        return int(str(effects.opens[0]["change"]))

    def land(
        self, by: str, head: str, *files: str, lines: int = 60, ref: str = MAIN, also: Sequence[str] = (),
        content: str = "", applied: bool = True,
    ) -> tuple[Decision, int]:  # fmt: skip
        """Push a head to the protected branch; return decision and entry."""
        old = self.tip(ref)
        decision, effects, seq = self._push(
            by, head, ref, *(files or ("src/app.py",)), lines=lines, old=old or ZERO, also=also, content=content
        )
        if decision.allowed and applied:
            self.applied(seq)
        elif decision.allowed:
            draft = released(seq, effects.reserve, repository=REPOSITORY, landed=False)
            self.append(draft)
        return decision, seq

    def shown(self, number: int) -> dict[str, Any]:
        with self.service.read() as tx:
            return changes.shown(tx, REPOSITORY, number, policy=read.policy(tx))

    def _said(self, act: Callable[..., dict[str, Any]], type_: str, by: str, body: dict[str, Any]) -> dict[str, Any]:
        self.nonce += 1
        said = self.said(type_, by, body, nonce=str(self.nonce))
        return act(self.service, self.caller(by), said, REPOSITORY)

    def approve(self, number: int, *names: str) -> None:
        for name in names or ("dev-b", "qa-a"):
            body = {"verdict": "approve", "binding": self.shown(number)["binding"]}
            self._said(acts.sign_off, "sign_off", name, body)

    def third(self, number: int, by: str, verdict: str = "approve", **changed: Any) -> dict[str, Any]:
        shown = self.shown(number)
        body = {"repository": REPOSITORY, "change": number, "verdict": verdict, "reason": REASON}
        body |= {field: shown[field] for field in ("patch_set", "diff_digest")}
        return self._said(tertiary.give, "tertiary", by, body | changed)

    def ask(self, number: int, by: str = "orchestrator", **changed: Any) -> int:
        shown = self.shown(number)
        body = {"repository": REPOSITORY, "change": number, "reason": "the site is down"}
        body |= {field: shown[field] for field in ("patch_set", "head")}
        return int(self._said(override.ask, "override.ask", by, body | changed)["override"])

    def sign(self, number: int, seq: int, *names: str, **changed: Any) -> None:
        shown = self.shown(number)
        body = {"repository": REPOSITORY, "override": seq, "change": number}
        body |= {field: shown[field] for field in ("patch_set", "head")}
        for name in names or ("librarian", "owner"):
            self._said(override.sign, "override.sign", name, body | changed)

    def after(self, seq: int, by: str, verdict: str = "fine") -> dict[str, Any]:
        body = {"repository": REPOSITORY, "override": seq, "verdict": verdict, "reason": REASON}
        return self._said(override.review, "override.review", by, body)

    def ready(self, by: str = "dev-a", head: str = "one", *files: str, lines: int = 60) -> int:
        """Open a change and have it signed off by the two who may."""
        number = self.propose(by, head, *files, lines=lines)
        self.approve(number, "dev-b" if by == "dev-a" else "dev-a", "qa-a")
        return number

    def drawn(self) -> list[tuple[Any, ...]]:
        """Return (change, slot, selected) of every draw, in order."""
        return self.rows("select number, slot, selected from draw order by seq")

    def first(self, number: int) -> str:
        """Return whose turn it is."""
        with self.service.read() as tx:
            found = tertiary.queue(tx, REPOSITORY, read.policy(tx), now=self.now)
        return str(next(item for item in found if item["change"] == number)["waits_for"][0])
