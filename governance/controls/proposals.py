"""What is pushed for review opens a change, or adds a patch set to the change it names.

Question: may this push open a change to that branch, or add a patch set to that change?
Source: Gerrit's `refs/for/`, gitprotocol-v2 push options; attacks A-02, A-03 and A-04 (`tests/adversary`).
Threat: options that claim more than a change; a change moved to another branch; somebody else's change taken over.
Not applicable: nothing is pushed for review, and no option of ours is given.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from governance import options
from governance.controls._base import not_applicable, satisfied, unsatisfied
from governance.facts import UpdateFacts
from governance.policy import PROPOSALS, Policy
from governance.standing import ChangeStanding, Standing
from governance.verdict import Verdict


@dataclass(frozen=True, slots=True)
class Proposals:
    """Which branches take proposals is the policy's word: the protected ones."""

    NAME: ClassVar[str] = "proposals"

    policy: Policy

    @classmethod
    def of(cls, policy: Policy) -> Self:
        """Return the control; it asks the policy about each name."""
        return cls(policy)

    def evaluate(self, facts: UpdateFacts, standing: Standing) -> Verdict:
        """Judge the options, then whether there is something to review, then the change that is named."""
        said = options.read(facts.push.options)
        if said.fault:
            mend = ("To add a patch set: git push -o twinseal.change=<number> origin HEAD:refs/for/<branch>",)
            return unsatisfied(self, "option", said.fault, mend=mend)
        proposals = [ref for ref in facts.push.refs if ref.startswith(PROPOSALS)]
        if said.change and len(proposals) != 1:
            text = f"twinseal.change={said.change} needs one refs/for/ in the push; there are {len(proposals)}"
            return unsatisfied(self, "option", text)
        if not self.policy.proposed_for(facts.ref):
            return not_applicable(self, "nothing is pushed for review")
        if not facts.commits:
            return unsatisfied(self, "nothing_new", f"{facts.new[:12]} brings nothing that has not landed")
        if standing.change is not None:
            number = standing.change.number
            return unsatisfied(self, "already_open", f"change {number} proposes exactly this already")
        if said.change:
            return self._patch_set(facts, said.change, standing.proposed)
        return satisfied(self, "opens", f"opens a change to {self.policy.proposed_for(facts.ref)}")

    def _patch_set(self, facts: UpdateFacts, number: int, change: ChangeStanding | None) -> Verdict:
        if change is None:
            mend = ("Leave the option out to open a new change.",)
            return unsatisfied(self, "no_such_change", f"change {number} is not open", mend=mend)
        if not change.ref.startswith(PROPOSALS):
            said = f"change {number} follows {change.ref}"
            return unsatisfied(self, "follows_branch", said, mend=(f"Push to {change.ref} instead.",))
        if change.target != self.policy.proposed_for(facts.ref):
            said = f"change {number} is for {change.target}; a change never moves to another branch"
            return unsatisfied(self, "other_target", said)
        if facts.push.pusher not in change.contributors:
            said = f"{facts.push.pusher} has no hand in change {number}"
            mend = ("Open a change of your own, or ask its author to push.",)
            return unsatisfied(self, "not_yours", said, helpers=change.contributors, mend=mend)
        return satisfied(self, "adds", f"adds patch set {change.patch_set + 1} to change {number}")
