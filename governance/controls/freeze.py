"""Nothing moves in what is frozen.

Question: is this repository, or everything, frozen?
Source: NIST SP 800-53 AC-3(9); the requirement "Veto and freeze".
Threat: landing more while someone is finding out how refs moved behind our back.
Not applicable: no freeze is in force.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from governance.controls._base import not_applicable, unsatisfied
from governance.facts import UpdateFacts
from governance.policy import Policy
from governance.standing import Standing
from governance.verdict import Verdict


@dataclass(frozen=True, slots=True)
class Freeze:
    """No parameters: a freeze is standing, not policy."""

    NAME: ClassVar[str] = "freeze"

    @classmethod
    def of(cls, policy: Policy) -> Self:
        """Return the control; the policy has nothing to say about it yet."""
        del policy
        return cls()

    def evaluate(self, facts: UpdateFacts, standing: Standing) -> Verdict:
        """Refuse while any freeze covers this repository."""
        if not standing.freezes:
            return not_applicable(self, "nothing is frozen")
        freeze = standing.freezes[0]
        return unsatisfied(
            self,
            "in_force",
            f"{facts.push.repository} is frozen since entry {freeze.seq}: {freeze.reason}",
            mend=("Wait until the owner has looked into it and thawed the repository (twinseal thaw).",),
            helpers=("owner",),
            subjects=(facts.ref,),
        )
