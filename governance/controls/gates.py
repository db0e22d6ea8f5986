"""What lands on a gated ref belongs to a feature that has passed the gates which the policy names for it.

Question: has the feature of this landing passed every gate asked for here, and for exactly this commit?
Source: the requirement "Gates"; SLSA Source v1.2, technical controls; NIST SSDF PW.8.
Threat: a stage skipped, evidence of another commit, a feature that somebody names without having passed anything.
Not applicable: the policy asks for no gate on this ref, or it would be deleted (another control judges that).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from governance.carry import landing, no_carry
from governance.controls._base import not_applicable, satisfied, unsatisfied
from governance.facts import UpdateFacts
from governance.parameters import STAGES, GatedRef
from governance.policy import Policy
from governance.standing import Standing
from governance.verdict import Verdict


@dataclass(frozen=True, slots=True)
class Gates:
    """Which refs are gated, and by which stages, is the policy's word."""

    NAME: ClassVar[str] = "gates"

    required: tuple[GatedRef, ...]

    @classmethod
    def of(cls, policy: Policy) -> Self:
        """Return the control with the gated refs of the policy."""
        return cls(policy.controls.gates.required)

    def evaluate(self, facts: UpdateFacts, standing: Standing) -> Verdict:
        """Ask which stages hold here, then for a feature, then whether it has passed them for what lands."""
        stages = self.asked(facts.ref)
        if not stages or facts.deletes:
            return not_applicable(self, "no gate is asked for on this ref")
        feature = standing.feature
        if feature is None:
            said = f"{facts.ref} takes only what belongs to a feature; {facts.new[:12]} belongs to none"
            mend = ("twinseal gate start <feature>, or name it: git push -o twinseal.feature=<name>",)
            return unsatisfied(self, "unbound", said, mend=mend)
        lacking = feature.missing(stages, _approved(facts, standing))
        if not lacking:
            return satisfied(self, "passed", f"feature {feature.name} has passed {', '.join(stages)}")
        said = f"feature {feature.name} has not passed {', '.join(lacking)} for {facts.new[:12]}"
        mend = (f"twinseal gate status {feature.name} --repo {facts.push.repository}",)
        reason = "bypass" if feature.named else "missing"
        return unsatisfied(self, reason, said, mend=mend)

    def asked(self, ref: str) -> tuple[str, ...]:
        """Return every stage that some row asks for on this ref: the stricter holds."""
        names = {stage for gated in self.required if gated.ref.matches(ref) for stage in gated.stages}
        return tuple(stage for stage in STAGES if stage in names)


def _approved(facts: UpdateFacts, standing: Standing) -> str:
    """Return the head that evidence must be about: what lands, or what the lander carries where that may be carried."""
    if facts.carried is not None and landing(facts) and not no_carry(facts, standing.policy, standing.roster):
        return facts.carried.head
    return facts.new
