"""One role lands only so much below the threshold in a day, and cools down after a burst.

Question: has a role that has a hand in this landed small changes too often, too much, or too fast?
Source: the requirement "Cumulative change"; attacks X-DEBT-08, 09 and 11 (`tests/adversary`).
Threat: many small changes in a row, each of which looks like nothing.
Not applicable: the ref is not protected, everything in it has landed, or the change needs four eyes by itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from governance import unreviewed
from governance.controls._base import not_applicable, satisfied, unsatisfied
from governance.controls.four_eyes import alone, for_review
from governance.facts import UpdateFacts
from governance.policy import Policy
from governance.standing import Standing
from governance.verdict import Verdict


@dataclass(frozen=True, slots=True)
class SmallChanges:
    """Window, burst and cool-down are the policy's. Times are those of entries, never those in commits."""

    NAME: ClassVar[str] = "small_changes"

    policy: Policy

    @classmethod
    def of(cls, policy: Policy) -> Self:
        """Return the control; it asks the policy about window and burst."""
        return cls(policy)

    def evaluate(self, facts: UpdateFacts, standing: Standing) -> Verdict:
        """Ask for a cool-down, then for the window; then whether the change was signed off, which is enough."""
        if not alone(facts, self.policy):
            return not_applicable(self, "asked of what lands on a protected branch below the threshold")
        window, cooling = unreviewed.too_fast(facts, standing)
        if not window and not cooling:
            hours = self.policy.controls.small_changes.window_hours
            return satisfied(self, "within_window", f"with this, nobody landed too many small changes in {hours} h")
        if standing.approvals():
            return satisfied(self, "signed_off", "more small changes than usual, but this one was signed off")
        reason = "cool_down" if cooling else "window"
        return unsatisfied(self, reason, "; ".join(cooling or window), mend=for_review(facts, self.policy))
