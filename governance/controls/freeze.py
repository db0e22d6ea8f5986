"""Nothing moves in what is frozen: everything, a repository, a ref, or what a role or an operator has a hand in.

Question: does a freeze cover this repository, this ref, or anybody who contributed to what would move?
Source: NIST SP 800-53 AC-3(9); the requirement "Veto and freeze".
Threat: landing more while someone is finding out what went wrong, by another's push or the lander if need be.
Not applicable: no freeze is in force here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from governance.approvers import contributors
from governance.controls._base import not_applicable, unsatisfied
from governance.facts import UpdateFacts
from governance.policy import Policy
from governance.standing import Standing
from governance.stops import Freeze as InForce
from governance.stops import Move, Scope, covers
from governance.verdict import Verdict

WAIT = "Wait until the owner has looked into it and thawed"


@dataclass(frozen=True, slots=True)
class Freeze:
    """No parameters: a freeze is standing, not policy."""

    NAME: ClassVar[str] = "freeze"

    @classmethod
    def of(cls, policy: Policy) -> Self:
        """Return the control; the policy says what freezes by itself, and nothing about what a freeze stops."""
        del policy
        return cls()

    def evaluate(self, facts: UpdateFacts, standing: Standing) -> Verdict:
        """Refuse while any freeze covers this move; the oldest is named."""
        if not standing.freezes:
            return not_applicable(self, "nothing is frozen")
        at, move = facts.push.received_at, _move(facts, standing)
        freeze = next((each for each in standing.freezes if covers(each, move, at=at)), None)
        if freeze is None:
            return not_applicable(self, "nothing that is frozen has a part in it")
        reason, message = _said(freeze, facts.push.repository)
        what = "the repository" if freeze.whole and freeze.repository else "it"
        ends = ("It also ends by itself: twinseal freeze list says when.",) if freeze.expires_at else ()
        mend = (f"{WAIT} {what} (twinseal thaw).", *ends)
        return unsatisfied(self, reason, message, mend=mend, helpers=("owner",), subjects=(facts.ref,))


def _said(freeze: InForce, repository: str) -> tuple[str, str]:
    """Return the reason and what to say of it."""
    since = f"frozen since entry {freeze.seq}: {freeze.reason}"
    if freeze.whole:
        return "in_force", f"{repository if freeze.repository else 'everything'} is {since}"
    if freeze.scope is Scope.REF:
        return "ref_frozen", f"{freeze.value} is {since}"
    if freeze.scope is Scope.ROLE:
        return "role_frozen", f"the role {freeze.value} has a hand in it and is {since}"
    return "operator_frozen", f"{freeze.value}, or an agent of theirs, has a hand in it and is {since}"


def _move(facts: UpdateFacts, standing: Standing) -> Move:
    """Return what would move, by both its names if it is an alias, and everybody who contributed to it."""
    change = standing.change or standing.proposed
    names = contributors(facts, change.contributors if change else (), standing.roster).names
    people = [person for name in names if (person := standing.roster.get(name)) is not None]
    refs = (facts.ref, *((facts.symref,) if facts.symref else ()))
    return Move(facts.push.repository, refs, {p.role for p in people}, {p.operator for p in people} - {""})
