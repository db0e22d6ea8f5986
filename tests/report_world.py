"""A fleet that lives for some days, on a real ledger: what reports are made of. Every push, sign-off, draw, freeze and
refusal goes through the rules and folds that it goes through in earnest; only the facts of pushes are made here.
"""

# ruff: noqa: ANN401  # Statements and entries hold JSON.
from __future__ import annotations

import contextlib
import time
from dataclasses import replace
from functools import cache
from random import Random
from typing import TYPE_CHECKING, Any

from audit import checkpoint, tree
from audit.entry import Actor, Draft
from audit.highwater import HighWater
from audit.ledger import Ledger
from audit.note import Algorithm, Signer
from audit.publishing import Publisher
from builders import MAIN, REPOSITORY, a_policy, oid
from draw_world import EVERYBODY, DrawWorld
from governance.coordinate import freezing, gates, messages, raising, vetoing
from governance.errors import RequestError
from governance.kinds import KINDS
from governance.parameters import Parameters, Reports, SecondFactor, Tertiary
from governance.people import acts
from governance.people.tokens import Caller
from governance.policy_text import describe, from_meaning
from governance.record import SERVICE, Kind, refused_early
from governance.state.fold import fold
from governance.state.schema import SCHEMA
from governance.tell.reports import gathering, issuing, mailing, periods, recalling
from service_world import FAR_OFF, LOG

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import date
    from pathlib import Path

    from audit.entry import Entry
    from governance.channels import Message
    from governance.policy import Policy
    from governance.state.reports import Issued
    from governance.tell.reports.facts import Report
    from governance.tell.reports.recalling import Found

SIGNER = Signer(LOG, Algorithm.ED25519, bytes(range(32)))
RECOVERY = Signer(f"{LOG}/recovery", Algorithm.ED25519, bytes(range(1, 33)))
MINUTE = 60 * 1000
BEAT = 10 * MINUTE
HOUR = 60 * MINUTE
DAY = 24 * HOUR
FIRST = periods.day_of(FAR_OFF, "UTC")
"""The day on which every fleet begins, at midnight."""
TITLES = (
    "Parse dates with a zone", "Retry a lost connection once", "Drop the old importer", "Fix a leak in the reader",
    "Say which field is wrong", "Sort the findings by risk", "Rename the queue to what it is", "Cache the roster",
)  # fmt: skip
PATHS = ("src/api/app.py", "src/core/parser.py", "docs/guide.md", "src/web/page.py", "tests/test_core.py")


@cache
def policy(zone: str = "UTC", percent: int = 30) -> Policy:
    """Return the policy of fleets: the shipped numbers, more draws, a zone, and no app to ask at every act."""
    draws, factor = Tertiary(percent=percent, floor_slots=0), SecondFactor(acts=("thaw",))
    controls = replace(Parameters(), reports=Reports(zone=zone), tertiary=draws, second_factor=factor)
    return from_meaning(describe(a_policy(controls=controls)))


class Fleet(DrawWorld):
    """A fleet with a signed ledger. It begins at midnight, UTC, of `FIRST`."""

    def __init__(self, folder: Path, *, zone: str = "UTC", percent: int = 30) -> None:
        self.begins_with = policy(zone, percent)
        self.titles: dict[str, str] = {}
        self.beats = True
        """Whether the service says that it is alive while time passes."""
        super().__init__(folder, people=EVERYBODY)

    def _opened(self) -> Ledger:
        publisher = Publisher(HighWater(self.folder / "mark"), lambda: [SIGNER])
        clock = lambda: self.now  # noqa: E731 - read when it is asked
        return Ledger(self.path, log=LOG, clock=clock, projector=fold, schema=SCHEMA, publisher=publisher, kinds=KINDS)

    def _born(self) -> dict[str, Any]:
        return {
            "format": 1, "origin": LOG, "kinds": KINDS.registration(), "ledger_key": str(SIGNER.key),
            "recovery_key": str(RECOVERY.key),
        }  # fmt: skip

    def titled(self, head: str) -> str:
        return self.titles.get(head, "Prune the roses")

    def sealed(self) -> str:
        """Return the newest checkpoint, when it is there for every entry."""
        until = time.monotonic() + 20
        while time.monotonic() < until:
            with self.service.read() as tx:
                signed = tree.note(tx)
                size = tx.execute("select size from ledger_head").fetchone()[0]
            if signed and checkpoint.claimed(signed).size == size:
                return signed
            time.sleep(0.05)
        raise AssertionError("expected a checkpoint of everything")

    def facts(self, kind: str = "daily", day: date = FIRST, **more: Any) -> Report:
        """Return a report's facts, not issued."""
        with self.service.read() as tx:
            period = periods.period(kind, day, self.policy.controls.reports.zone, until=more.pop("until", 0))
            return gathering.facts(tx, period, progress=lambda done, total: None, **more)

    def issue(self, kind: str = "daily", day: date = FIRST, **more: Any) -> Issued:
        return issuing.issue(self.service, kind, day, **more)

    def again(self, issued: Issued) -> Found:
        with self.service.read() as tx:
            return recalling.again(tx, issued)

    def mail(self, issued: Issued) -> Message:
        return mailing.message(self.again(issued), "owner@example.org")

    def at(self, day: int, hour: float) -> None:
        """Go on to this hour of the n-th day. Time never goes back."""
        then = max(self.now, FAR_OFF + day * DAY + int(hour * HOUR))
        while self.beats and then - self.now >= BEAT:
            self.now += BEAT
            self.beat()
        self.now = then

    def say(
        self, act: Callable[..., Any], type_: str, by: str, body: dict[str, Any], *more: Any, own: bool = False
    ) -> Any:
        """Have somebody say something; a refusal is recorded, and returned."""
        self.nonce += 1
        who = Caller(by, self.caller(by).kind, "" if own else REPOSITORY, "t")
        try:
            return act(self.service, who, self.said(type_, by, body, nonce=f"said {self.nonce}"), *more)
        except RequestError as refused:
            return refused

    def beat(self) -> Entry:
        """Write the sign of life that a running service writes."""
        return self.append(Draft("ledger.heartbeat", SERVICE, "", "", {}))[0]

    def refuse(self, code: str, by: str = "dev-a", message: str = "no", subject: str = "login") -> None:
        """Write down a refusal of a room that is not here."""
        data = {"code": code, "message": message}
        self.append(Draft(Kind.REQUEST_REFUSED, Actor(by, "human", ""), "", subject, data))

    def knock(self, head: str, by: str = "dev-a") -> None:
        """Push something that is not signed off; one too many is written down as the hook's door does."""
        try:
            self.land(by, head, "src/api/app.py", lines=200)
        except RequestError as refused:
            lines = [f"{oid('x')} {oid(head)} {MAIN}"]
            actor = Actor(by, "agent", "")
            self.append(refused_early(refused.code, str(refused), lines, actor=actor, repository=REPOSITORY))

    def freeze(self, by: str = "librarian", **changed: Any) -> int:
        body = {
            "scope": "role",
            "value": "dev-b",
            "repository": "",
            "reason": "two keys were seen on one laptop",
            "hours": 0,
        }
        return int(self.say(freezing.impose, "freeze.impose", by, body | changed, own=True)["freeze"])

    def thaw(self, number: int, remediation: str = "the laptop was wiped, both keys are new") -> None:
        body = {"freeze": number, "repository": "", "remediation": remediation}
        self.say(freezing.lift, "freeze.lift", "owner", body, number, own=True)

    def veto(self, number: int, by: str = "qa-a", reason: str = "it drops the audit log of payments") -> int:
        head = self.shown(number)["head"]
        body = {"repository": REPOSITORY, "kind": "change", "name": str(number), "head": head, "reason": reason}
        return int(self.say(vetoing.cast, "veto.cast", by, body, REPOSITORY)["veto"])

    def ask_reply(self, by: str = "dev-a", to: str = "qa-b", change: int = 0) -> None:
        raw = f"please look, {self.nonce}".encode()
        body = {
            "repository": REPOSITORY, "to": [to], "type": "sign-off-request", "digest": oid(str(raw)) + "0" * 24,
            "size": len(raw), "change": change, "expects": "sign-off-approval", "reply_to": 0,
        }  # fmt: skip
        self.say(messages.send, "message.send", by, body, REPOSITORY)

    def overdue(self) -> None:
        messages.overdue(self.service)

    def raise_limit(self, role: str = "dev-a", hour: int = 200) -> None:
        body = {"role": role, "action": "push", "hour": hour, "day": 1000, "until": self.now + DAY}
        self.say(raising.raise_limit, "limit.raise", "owner", body, own=True)

    def retire(self, name: str) -> None:
        self.say(acts.retire_principal, "principal.retire", "owner", {"name": name}, own=True)

    def gate(self, feature: str, stage: str = "") -> None:
        """Start a feature, and ask for its first gate with evidence of two; co-signed where `stage` says so."""
        self.say(gates.start, "gate.start", "planner-a" if "planner-a" in self.people else "owner",
                 {"repository": REPOSITORY, "feature": feature}, REPOSITORY)  # fmt: skip
        for by in ("dev-a", "qa-a"):
            body = {
                "repository": REPOSITORY,
                "feature": feature,
                "stage": "RED",
                "commit": oid(feature),
                "digest": "e" * 64,
                "note": "the report",
            }
            self.say(gates.evidence, "gate.evidence", by, body, REPOSITORY)
        with self.service.read() as tx:
            now = gates.shown(tx, REPOSITORY, feature, self.policy)
        body = {
            "repository": REPOSITORY,
            "feature": feature,
            "stage": now["stage"],
            "commit": now["commit"],
            "evidence": now["counts"],
        }
        asked = self.say(gates.advance, "gate.advance", "orchestrator", body, REPOSITORY)
        if stage:
            body = {
                "repository": REPOSITORY,
                "feature": feature,
                "asked": asked["asked"],
                "stage": now["stage"],
                "commit": now["commit"],
            }
            self.say(gates.cosign, "gate.cosign", "librarian", body, REPOSITORY)

    def change(self, by: str, head: str, path: str, lines: int, *, title: str = "") -> int:
        """Have a change opened, signed off by the two who may, and pushed to main: it lands, or waits for a third."""
        self.titles[head] = title or "Prune the roses"
        number = self.propose(by, head, path, lines=lines)
        self.approve(number, "dev-b" if by == "dev-a" else "dev-a", "qa-a")
        decision, _ = self.land(by, head, path, lines=lines)
        if decision.code.startswith("tertiary."):
            self.third(number, self.first(number))
            self.land(by, head, path, lines=lines)
        return number


def lively(fleet: Fleet, days: int = 9, *, seed: int = 7) -> None:
    """Live for so many days: ordinary ones, and some on which things go wrong. The last is a bad one."""
    random = Random(seed)
    for day in range(days):
        for number in range(random.randint(2, 5) if day % 7 not in {1, 2} else 1):
            fleet.at(day, 8 + 2 * number + random.random())
            by = random.choice(("dev-a", "dev-b"))
            with contextlib.suppress(RequestError):
                path, title = random.choice(PATHS), random.choice(TITLES)
                fleet.change(by, f"work-{day}-{number}", path, random.randint(55, 400), title=title)
        fleet.at(day, 18)
        fleet.land("dev-a", f"small-{day}", "docs/notes.md", lines=random.randint(1, 9))
        for number in range(random.randint(0, 3)):
            fleet.at(day, 18.5 + number / 10)
            fleet.land("dev-b", f"unsigned-off-{day}-{number}", "src/api/app.py", lines=120)
        _TROUBLE.get(days - day, lambda fleet, day: None)(fleet, day)
        fleet.at(day, 23.9)
        fleet.append(
            Draft(Kind.INTEGRITY_CHECKED, SERVICE, "", "", {"what": "entries", "size": fleet.ledger.head.size})
        )
    fleet.at(days, 0.1)


def _people(fleet: Fleet, day: int) -> None:
    del day
    fleet.raise_limit()
    fleet.gate("roses", "RED")
    fleet.refuse("factor.wrong", "owner", subject="thaw")


def _glass(fleet: Fleet, day: int) -> None:
    fleet.titles[f"hotfix-{day}"] = "Charge a card once, not twice"
    number = fleet.propose("dev-a", f"hotfix-{day}", "src/payments/charge.py", lines=30)
    seq = fleet.ask(number)
    fleet.sign(number, seq)
    fleet.land("dev-a", f"hotfix-{day}", "src/payments/charge.py", lines=30)


def _bad(fleet: Fleet, day: int) -> None:
    """A veto, a freeze, somebody who knocks too often, a reply that does not come, refs that moved."""
    fleet.titles[f"book-{day}"] = "Rewrite the ledger of payments"
    number = fleet.propose("dev-a", f"book-{day}", "src/payments/book.py", lines=300)
    fleet.veto(number)
    fleet.ask_reply(change=number)
    fleet.gate("tulips")
    fleet.freeze()
    for _ in range(4):
        fleet.refuse("factor.wrong", "owner", subject="thaw")
    fleet.refuse("login.refused", "mia")
    fleet.beats = False
    fleet.at(day, 21)
    fleet.beats = True
    for step in range(62):
        fleet.now += 1000
        fleet.knock(f"knock-{day}-{step}")
    fleet.at(day, 23.5)
    fleet.overdue()
    data = {
        "refs": [["refs/heads/main", oid("a"), oid("b")]],
        "count": 1,
        "reason": "1 refs moved behind our back: refs/heads/main",
    }
    fleet.append(Draft(Kind.REFS_DRIFTED, SERVICE, REPOSITORY, MAIN, data))


_TROUBLE: dict[int, Callable[[Fleet, int], None]] = {5: _people, 3: _glass, 1: _bad}
"""What goes wrong, by days before the end."""
