"""A role pushes so often and no oftener, whoever of its operator's agents does it.

Question: is this push within the limits of its pusher's role and operator?
Source: NIST SP 800-53 SC-5; the requirement "Rate limits"; attacks T-12 to T-14 (`tests/adversary`).
Threat: trying until something passes; burying reviewers; ten copies of an agent with a limit each.
Not applicable: nothing is over its limit, which says nothing for the push; or the lander pushes, and asking counted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from governance import limits
from governance.controls._base import not_applicable, unsatisfied
from governance.facts import UpdateFacts
from governance.limits import OPENS
from governance.policy import Policy
from governance.standing import Standing
from governance.verdict import Verdict


@dataclass(frozen=True, slots=True)
class RateLimits:
    """No parameters: the limits in force, raised ones among them, are standing."""

    NAME: ClassVar[str] = "rate_limits"

    @classmethod
    def of(cls, policy: Policy) -> Self:
        """Return the control."""
        del policy
        return cls()

    def evaluate(self, facts: UpdateFacts, standing: Standing) -> Verdict:
        """Refuse while a window of this push's is full."""
        usage = standing.usage
        if usage is None:
            return not_applicable(self, "no role with limits pushes")
        full = next((window for window in usage.windows if window.free_at), None)
        if full is None:
            return not_applicable(self, f"{usage.role} is within its limits")
        reason = "sign_off_request" if full.action == OPENS else "push"
        message = limits.said(usage.role, usage.operator, full)
        return unsatisfied(self, reason, message, mend=(limits.MEND,), helpers=("owner",), subjects=(facts.ref,))
