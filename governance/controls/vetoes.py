"""A change that somebody vetoed does not land, whatever its sign-offs, nor what a vetoed gate let through.

Question: does a veto stand against what would land, or a gate that it has been through?
Source: Gerrit's blocking vote, which no other vote outweighs; the requirement "Veto and freeze".
Threat: a no that is outvoted, or shed by another number, branch, message, base or patch set.
Not applicable: it would not land on a protected branch, or nobody vetoed it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from governance.controls._base import not_applicable, unsatisfied
from governance.facts import UpdateFacts
from governance.policy import Policy
from governance.standing import Standing
from governance.stops import Subject
from governance.verdict import Verdict


@dataclass(frozen=True, slots=True)
class Vetoes:
    """Which refs are protected is the policy's word."""

    NAME: ClassVar[str] = "vetoes"

    policy: Policy

    @classmethod
    def of(cls, policy: Policy) -> Self:
        """Return the control; it asks the policy where changes land."""
        return cls(policy)

    def evaluate(self, facts: UpdateFacts, standing: Standing) -> Verdict:
        """Refuse what is vetoed where it would land; work on it goes on elsewhere."""
        if facts.deletes or not self.policy.is_protected(facts.ref):
            return not_applicable(self, "asked when it lands on a protected branch")
        if not standing.vetoes:
            return not_applicable(self, "nobody vetoed it")
        veto = standing.vetoes[0]
        if veto.kind is Subject.GATE:
            said = f"gate {veto.name} is {veto.said}"
            return unsatisfied(self, "gate", said, mend=(veto.mend,), helpers=(veto.by, "owner"))
        own = standing.change is not None and str(standing.change.number) == veto.name
        what = f"change {veto.name}" if own else f"change {veto.name}, which has had the same difference or commits,"
        return unsatisfied(
            self,
            "in_force",
            f"{what} is vetoed by {veto.by} since entry {veto.seq}: {veto.reason}",
            mend=(
                f"Settle it with {veto.by}, who can withdraw it:  twinseal veto {veto.name} --withdraw",
                "Nobody else but an owner can lift it, with a reason:  twinseal veto ... --lift --reason TEXT",
            ),
            helpers=(veto.by, "owner"),
            subjects=(facts.ref,),
        )
