"""What lands below the threshold adds up, until two eligible approvers have signed off what it added up to.

Question: with this push, would more have landed unreviewed than the policy allows, in one place, by one hand, in all?
Source: the requirement "Cumulative change"; attacks D-01 to D-04 (`tests/adversary`).
Threat: a large change cut into slices that nobody is asked about: over days, branches, files, agents.
Not applicable: the ref is not protected, everything in it has landed, or the change needs four eyes by itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from governance import unreviewed
from governance.controls._base import not_applicable, satisfied, unsatisfied
from governance.controls.four_eyes import SHOWN, alone, for_review
from governance.facts import UpdateFacts
from governance.policy import Policy
from governance.standing import Standing
from governance.verdict import Verdict


@dataclass(frozen=True, slots=True)
class UnreviewedDebt:
    """Budgets are the policy's: of a path group, of an operator, and in all."""

    NAME: ClassVar[str] = "unreviewed_debt"

    policy: Policy

    @classmethod
    def of(cls, policy: Policy) -> Self:
        """Return the control; it asks the policy about budgets."""
        return cls(policy)

    def evaluate(self, facts: UpdateFacts, standing: Standing) -> Verdict:
        """Ask whether somebody is left to review it, whether a budget is exceeded, and for sign-offs with this debt."""
        if not alone(facts, self.policy):
            return not_applicable(self, "asked of what lands on a protected branch below the threshold")
        if not standing.approvals() and (named := unreviewed.nobody_left(facts, standing)):
            said = f"it names {', '.join(named)}, and with all of them as contributors nobody is left to ever review it"
            mend = ("Name as co-authors and committer those who wrote it.", *for_review(facts, self.policy))
            return unsatisfied(self, "nobody_left", said, mend=mend)
        over = unreviewed.over_budget(facts, standing)
        if not over:
            return satisfied(self, "within_budget", "what has landed unreviewed, with this, is within the budgets")
        approvals = standing.approvals()
        show = f"See it:             twinseal debt show --repo {facts.push.repository}"
        if not approvals:
            return unsatisfied(self, "over_budget", _said(over), mend=(show, *for_review(facts, self.policy)))
        still = unreviewed.still_over(facts, standing, approvals)
        if not still:
            return satisfied(self, "signed_off", "what has landed unreviewed was signed off with this change")
        said = f"the sign-offs do not cover enough of what has landed unreviewed: {_said(still)}"
        number = standing.change.number if standing.change else 0
        who, are_enough = unreviewed.helpers(facts, standing, approvals)
        enough = f" ({' and '.join(who)} would be enough)" if who and are_enough else ""
        again = f"Look, and sign off: twinseal sign-off {number} --approve --repo {facts.push.repository}{enough}"
        return unsatisfied(self, "not_shown", said, mend=(show, again), helpers=who)


def _said(reasons: tuple[str, ...]) -> str:
    more = (f"and {len(reasons) - SHOWN} more budgets",) if len(reasons) > SHOWN else ()
    return "; ".join((*reasons[:SHOWN], *more))
