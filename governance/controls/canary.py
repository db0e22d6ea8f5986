"""What was planted to measure reviewers never lands.

Question: is any of this a canary: by tree, by what it changes, or by one of its files?
Source: AI control (Greenblatt et al., 2024), trusted monitoring with known answers.
Threat: a known defect that is approved by everybody, and then lands by push, by lander, rebased or under another name.
Not applicable: nothing reserved would land; a canary is pushed for review like any change.

While four eyes refuse it anyway, nothing is said: else whoever is to review it could ask with a push what it is. Under
an override they do not refuse it, so it is said.
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
class Canary:
    """Which refs are protected is the policy's word; what is reserved is the ledger's."""

    NAME: ClassVar[str] = "canary"

    policy: Policy

    @classmethod
    def of(cls, policy: Policy) -> Self:
        """Return the control; it asks the policy what is protected."""
        return cls(policy)

    def evaluate(self, facts: UpdateFacts, standing: Standing) -> Verdict:
        """Refuse whatever holds a canary, whoever signed it off."""
        if facts.deletes or not self.policy.is_protected(facts.ref):
            return not_applicable(self, "asked when it lands on a protected branch")
        if not standing.canary or standing.refused:
            return not_applicable(self, "nothing that is reserved would land")
        return unsatisfied(
            self,
            "reserved",
            f"this holds a canary, planted by entry {standing.canary}: it was made to measure reviews and never lands",
            mend=("Its author withdraws it; who approved it will hear what was in it.",),
            helpers=("owner",),
            subjects=(facts.ref,),
        )
