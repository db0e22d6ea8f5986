"""A service with the shipped numbers, in which small changes land: real decisions on facts that a test writes."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from audit.entry import Draft
from builders import MAIN, POLICIES, REPOSITORY, ZERO, a_change, a_commit, a_principal, a_push, oid, unasked
from governance import policy_text
from governance.gathered import Hello, Line
from governance.identify import Identity
from governance.policy import PROPOSALS
from governance.receive import Receiver
from governance.record import SERVICE, Kind, released
from governance.review import acts, changes, debts
from governance.state import read
from governance.state.debts import owed
from service_world import PEOPLE, ServiceWorld

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from governance.debt import Owed
    from governance.decision import Decision
    from governance.facts import Change
    from governance.policy import Policy

RELEASE = "refs/heads/release/1"
FLEET = (*PEOPLE, "qa-b", "architect-b", "docs", "librarian")
MINUTE = 60 * 1000
HOUR = 60 * MINUTE
DAY = 24 * HOUR


def shipped(**changed: int | str) -> Policy:
    """Return the policy that ships, with these keys changed wherever they stand; it asks nobody for a factor."""
    text = unasked((POLICIES / "policy.yaml").read_text())
    for name, value in changed.items():
        text = re.sub(rf"(?m)^(  )?{name}: .*$", rf"\g<1>{name}: {value}", text)
    roles = (POLICIES / "roles.yaml").read_bytes()
    return policy_text.load(text.encode(), roles, policy_name="policy.yaml", roles_name="roles.yaml")


def calm(**changed: int | str) -> Policy:
    """Return the policy that ships, with windows that are never full."""
    policy = shipped(**changed)
    small = replace(policy.controls.small_changes, landings=1000, lines=10_000, files=1000, burst=100)
    said = policy_text.describe(replace(policy, controls=replace(policy.controls, small_changes=small)))
    return policy_text.from_meaning(said)


@dataclass(frozen=True)
class Told:
    """What a push was answered, and by which entry."""

    decision: Decision
    seq: int

    @property
    def code(self) -> str:
        return self.decision.code

    @property
    def message(self) -> str:
        """Say what the first objection says."""
        verdicts = [v for ref in self.decision.refs for v in ref.verdicts if v.objects]
        return verdicts[0].message if verdicts else ""

    def verdict(self, control: str) -> Any:  # noqa: ANN401 - a Verdict
        return next(v for v in self.decision.refs[0].verdicts if v.control == control)


def file(path: str = "src/auths/login.py", units: int = 10) -> Change:
    return a_change(path, units)


class DebtWorld(ServiceWorld):
    """Pushes, reviews and landings, each of them through the real decision and its entry."""

    def __init__(self, folder: Path, *, policy: Policy | None = None, people: Sequence[str] = FLEET) -> None:
        super().__init__(folder, people=people, policy=policy or calm())
        self.receiver = Receiver(self.service)
        self.count = 0
        self.observed = False

    def push(self, *changed: Change, by: str = "dev-a", ref: str = MAIN, land: bool = True, **more: object) -> Told:
        """Push one commit with these changes; git carries it out, unless it is left to a later moment."""
        self.count += 1
        old = self.tip(ref) if not ref.startswith(PROPOSALS) else ZERO
        name = str(more.pop("name", f"push {self.count}"))
        return self._push(Line(old, oid(name), ref), changed, name, by=by, land=land, more=more)

    def _push(
        self, line: Line, changed: tuple[Change, ...], name: str, *, by: str, land: bool, more: dict[str, Any]
    ) -> Told:
        kind = a_principal(by, "human" if by == "mia" else "").kind.value
        who = Identity(by, kind, "http", enforced=True, observed=self.observed)
        self.count += 1
        hello = Hello("r1", "", (line,), (), self.count, self.count)
        with self.service.read() as tx:
            plan = self.receiver.begin(tx, hello, REPOSITORY, who)
        base = self.tip(MAIN if line.ref.startswith(PROPOSALS) else line.ref)
        commits = more.pop("commits", None) or (
            a_commit(name, author=more.pop("author", by), changes=changed, parents=(base,)),
        )
        facts = a_push(changed, commits=commits, ref=line.ref, old=line.old, new=line.new, base=base, bases=(base,))
        facts = replace(facts, push=plan.context, **more)
        decision, _, seq = self.receiver.decide(plan, (facts,)).result()
        if decision.allowed and land:
            self.applied(seq)
        return Told(decision, seq)

    def tip(self, ref: str) -> str:
        with self.service.read() as tx:
            return read.ref_value(tx, REPOSITORY, ref) or ZERO

    def branch(self, ref: str = RELEASE) -> None:
        """Begin a protected branch with what has landed."""
        main = self.tip(MAIN)
        with self.service.read() as tx:
            hello = Hello("r1", "", (Line(ZERO, main, ref),), (), 1, 1)
            plan = self.receiver.begin(tx, hello, REPOSITORY, Identity("dev-a", "agent", "http", enforced=True))
        facts = a_push([], commits=(), ref=ref, old=ZERO, new=main, base=main, bases=(main,), landed=True)
        decision, _, seq = self.receiver.decide(plan, (replace(facts, push=plan.context),)).result()
        assert decision.allowed, decision.code
        self.applied(seq)

    def propose(self, *changed: Change, by: str = "dev-a", branch: str = "main") -> int:
        """Push for review, under a name that `land` knows it by; return the change's number."""
        number = 1 + self.rows("select coalesce(max(number), 0) from change")[0][0]
        told = self.push(*changed, by=by, ref=f"{PROPOSALS}{branch}", name=f"change {number}")
        assert told.decision.allowed, told.code
        return number

    def shown(self, number: int) -> dict[str, Any]:
        with self.service.read() as tx:
            return changes.shown(tx, REPOSITORY, number, policy=self.policy)

    def sign(self, number: int, *names: str, verdict: str = "approve", binding: dict[str, Any] | None = None) -> None:
        for name in names:
            self.count += 1
            body = {"verdict": verdict, "binding": binding or self.shown(number)["binding"]}
            said = self.said("sign_off", name, body, nonce=str(self.count))
            acts.sign_off(self.service, self.caller(name), said, REPOSITORY)

    def land(self, number: int, *changed: Change, by: str = "dev-a", ref: str = MAIN, land: bool = True) -> Told:
        """Push what was proposed to its branch."""
        name = f"change {number}"
        return self._push(Line(self.tip(ref), oid(name), ref), changed, name, by=by, land=land, more={})

    def observe(self, mode: str = "observe") -> None:
        data = {"mode": mode, "unreviewed": 0, "statement": {}}
        self.append(Draft(Kind.REPOSITORY_MODE_SET.value, SERVICE, REPOSITORY, REPOSITORY, data))
        self.observed = mode == "observe"

    def release(self, told: Told, *refs: str) -> None:
        """Let the reconciler find that git did not carry out a push, or not these refs of it."""
        lines = [(r.update.old, r.update.new, r.update.ref) for r in told.decision.refs]
        left = [line for line in lines if not refs or line[2] in refs]
        self.append(released(told.seq, left, repository=REPOSITORY, landed=False))

    def owed(self) -> tuple[Owed, ...]:
        with self.service.read() as tx:
            return owed(tx, REPOSITORY, read.roster(tx))

    def units(self) -> int:
        return sum(each.units for each in self.owed())

    def report(self) -> dict[str, Any]:
        with self.service.read() as tx:
            return debts.report(tx, REPOSITORY, policy=self.policy, roster=read.roster(tx), now=self.now)

    def noted(self, told: Told) -> dict[str, Any]:
        """Return what the entry of a push says."""
        (body,) = self.bodies("seq=? and kind=?", told.seq, Kind.PUSH_DECIDED.value)
        return dict(body["data"])
