"""Only known refs move, protected ones only forward, and what was asked is what is there.

Question: may this ref be created, moved or deleted in this way at all?
Source: SLSA Source v1.2, "Change History"; githooks(5), pre-receive; git-receive-pack(1).
Threat: a rewound or deleted branch, a lie about the old value, aliases, look-alikes, our own refs overwritten.
Not applicable: never; every update names a ref.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import ClassVar, Self

from governance.controls._base import satisfied, unsatisfied
from governance.facts import UpdateFacts, is_zero
from governance.policy import OWNER, PROPOSALS, Policy
from governance.ref_names import endings, reads_like_object, taken_for
from governance.standing import Standing
from governance.verdict import Verdict

PLAIN_NAME = re.compile(r"refs/(heads|tags|for)/[A-Za-z0-9][A-Za-z0-9._/+@-]*")
LANDING = "Push the same commit to a topic branch: git push origin HEAD:refs/heads/topic/<name>"
ANOTHER = ("Choose a name that means one thing only.",)


@dataclass(frozen=True, slots=True)
class RefRules:
    """Which refs are protected, which are topics and which are tags is the policy's word."""

    NAME: ClassVar[str] = "ref_rules"

    policy: Policy

    @classmethod
    def of(cls, policy: Policy) -> Self:
        """Return the control; it asks the policy about each name."""
        return cls(policy)

    def evaluate(self, facts: UpdateFacts, standing: Standing) -> Verdict:
        """Judge the name, then what was asked against what is there, then the kind of move."""
        for check in (self._name, self._asked, self._alone):
            if (no := check(facts, standing)) is not None:
                return no
        if facts.ref.startswith(PROPOSALS):
            return self._proposal(facts)
        if self.policy.is_tag(facts.ref):
            return self._tag(facts)
        if self.policy.is_protected(facts.ref):
            return self._protected(facts)
        return self._topic(facts, standing)

    def _name(self, facts: UpdateFacts, standing: Standing) -> Verdict | None:
        del standing
        ref, short = facts.ref, facts.ref.split("/", 2)[-1]
        if not PLAIN_NAME.fullmatch(ref) or any(odd in ref for odd in ("..", "//", "@{", "./")):
            allowed = "refs/heads/, refs/tags/ and refs/for/ with letters, digits and ._/+@-"
            return unsatisfied(self, "namespace", f"{ref} is not a ref that can be pushed here; expected {allowed}")
        if taken := taken_for(short):
            return unsatisfied(self, "reserved_name", f"{ref} would be taken for {taken}", mend=ANOTHER)
        if reads_like_object(short):
            return unsatisfied(self, "looks_like_object", f"{ref} reads like an object name", mend=ANOTHER)
        twin = self._protected_twin(ref)
        if twin:
            return unsatisfied(self, "look_alike", f"{ref} differs from the protected {twin} only in case or form")
        shadowed = [n for n in endings(short) if n == "HEAD" or self.policy.is_protected(f"refs/heads/{n}")]
        if self.policy.is_tag(ref) and shadowed:
            said = f"tag {short} would stand before the branch {shadowed[0]}, here or in a clone"
            return unsatisfied(self, "tag_shadows_branch", said, mend=ANOTHER)
        known = self.policy.is_tag(ref) or self.policy.is_protected(ref) or self.policy.is_topic(ref)
        if not known and not ref.startswith(PROPOSALS):
            return unsatisfied(self, "namespace", f"{ref} is in no namespace that the policy opens")
        return None

    def _protected_twin(self, ref: str) -> str:
        """Return the protected ref that this one would be taken for, or would replace on some file systems."""
        literal = (p.text for p in self.policy.refs.protected if not set(p.text) & set("*?"))
        names = (self.policy.refs.target, *literal)
        alike = next((name for name in names if name != ref and _folded(name) == _folded(ref)), "")
        if not alike and not self.policy.is_protected(ref) and self.policy.is_protected(_folded(ref)):
            return _folded(ref)  # A pattern with a wildcard means it, in lower case.
        return alike

    def _asked(self, facts: UpdateFacts, standing: Standing) -> Verdict | None:
        if facts.symref:
            return unsatisfied(self, "symbolic", f"{facts.ref} is an alias of {facts.symref}; push to that name")
        if is_zero(facts.old) and is_zero(facts.new):
            return unsatisfied(self, "nothing_to_nothing", f"{facts.ref}: from no object to no object is not an update")
        if facts.old == facts.new:
            return unsatisfied(self, "no_change", f"{facts.ref} already is {facts.new[:12]}")
        if facts.old != facts.actual:
            said = f"{facts.ref} is at {facts.actual[:12]}, not at {facts.old[:12]} as the push says"
            return unsatisfied(self, "stale_old", said, mend=("git fetch, then push again.",))
        if facts.base and self.policy.is_protected(facts.ref) and standing.landed not in {"", facts.base}:
            said = f"{facts.ref} moved on while this push was being read"
            return unsatisfied(self, "moved_meanwhile", said, mend=("git fetch, then push again.",))
        recorded = standing.landed or "0" * len(facts.actual)
        if facts.actual != recorded and not standing.reserved:
            said = f"{facts.ref} is at {facts.actual[:12]}, but the ledger last saw {recorded[:12]}"
            return unsatisfied(self, "drifted", said, mend=("It moved behind our back: tell the owner.",))
        if standing.reserved:
            return unsatisfied(
                self, "reserved", f"another push of {facts.ref} is under way", mend=("Push again in a moment.",)
            )
        return None

    def _alone(self, facts: UpdateFacts, standing: Standing) -> Verdict | None:
        del standing
        protected = [ref for ref in facts.push.refs if self.policy.is_protected(ref)]
        if len(protected) > 1:
            said = f"one protected ref at a time; this push names {len(protected)}: {', '.join(protected)}"
            return unsatisfied(self, "several_protected", said, mend=("Push them one after the other.",))
        return None

    def _tag(self, facts: UpdateFacts) -> Verdict:
        if facts.deletes or not facts.creates:
            return unsatisfied(self, "tag_moved", f"{facts.ref} stands; tags are never moved or deleted")
        if facts.object_type != "tag" or facts.tag is None:
            said = f"{facts.ref} would be a {facts.object_type or 'nothing'}; expected an annotated, signed tag"
            return unsatisfied(self, "tag_lightweight", said, mend=("git tag -s <name>",))
        if facts.tag.target_type != "commit" or facts.tag.name != facts.ref.removeprefix("refs/tags/"):
            said = f"{facts.ref} must name itself and point at a commit, not at a {facts.tag.target_type}"
            return unsatisfied(self, "tag_target", said)
        if not facts.landed:
            said = f"{facts.tag.target[:12]} has not landed on {self.policy.refs.target}"
            return unsatisfied(self, "tag_unlanded", said, mend=("Land the commit first, then tag it.",))
        return satisfied(self, "tag_created", f"{facts.ref} names a commit that has landed")

    def _proposal(self, facts: UpdateFacts) -> Verdict:
        target = self.policy.proposed_for(facts.ref)
        if not target:
            said = f"{facts.ref} names no protected branch"
            return unsatisfied(self, "proposal_target", said, mend=("git push origin HEAD:refs/for/main",))
        if facts.deletes or not facts.creates:
            return unsatisfied(self, "namespace", f"{facts.ref} is where changes are pushed to; there is no such ref")
        if facts.object_type != "commit":
            return unsatisfied(self, "not_a_commit", f"{facts.ref} takes a commit, not a {facts.object_type}")
        if facts.base and not facts.bases:
            return unsatisfied(self, "unrelated_history", f"{facts.new[:12]} shares no history with {target}")
        return satisfied(self, "proposed", f"no branch moves; it is kept as a patch set for {target}")

    def _protected(self, facts: UpdateFacts) -> Verdict:
        if facts.deletes:
            return unsatisfied(self, "protected_deleted", f"{facts.ref} is protected and cannot be deleted")
        if facts.object_type != "commit":
            return unsatisfied(self, "not_a_commit", f"{facts.ref} must point at a commit, not a {facts.object_type}")
        if not facts.creates and not facts.fast_forward:
            said = f"{facts.ref} would be rewound from {facts.old[:12]}; protected refs only move forward"
            return unsatisfied(self, "protected_rewound", said, mend=("git rebase onto it, then push again.",))
        if facts.base and not facts.bases:
            return unsatisfied(self, "unrelated_history", f"{facts.new[:12]} shares no history with {facts.ref}")
        count = len(facts.commits)
        return satisfied(self, "moves_forward", f"{facts.ref} moves forward by {count} commit{'s' * (count != 1)}")

    def _topic(self, facts: UpdateFacts, standing: Standing) -> Verdict:
        pusher = standing.roster.get(facts.push.pusher)
        owner = pusher is not None and pusher.role == OWNER
        if standing.topic_of and facts.push.pusher not in standing.topic_of and not owner:
            said = f"{facts.ref} is under review for {', '.join(standing.topic_of)}; nobody else moves it"
            mend = ("Push to a topic branch of your own.",)
            return unsatisfied(self, "topic_of_others", said, mend=mend, helpers=standing.topic_of)
        if facts.deletes:
            return satisfied(self, "topic_deleted", f"{facts.ref} is deleted; its patch sets stay pinned")
        if facts.object_type != "commit":
            return unsatisfied(self, "not_a_commit", f"{facts.ref} must point at a commit, not a {facts.object_type}")
        if facts.base and not facts.bases:
            said = f"{facts.new[:12]} shares no history with {self.policy.refs.target}"
            return unsatisfied(self, "unrelated_history", said, mend=("Start from the target branch.",))
        return satisfied(self, "topic_moves", f"{facts.ref} may move")


def _folded(ref: str) -> str:
    return unicodedata.normalize("NFKC", ref).casefold()
