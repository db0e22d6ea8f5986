"""Every new commit carries one signature by an enrolled key of its author.

Question: is every commit in the range signed by its author, or by a delegate the owner recorded?
Source: the requirement "Signed commits"; SLSA Source v1.2, identity management.
Threat: commits under another's name; unsigned ancestors beneath a signed tip; text that tools hide.
Not applicable: the update brings no commit (a deletion, or only what has landed) and no tag.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from governance.carry import automatic, is_lander
from governance.controls._base import not_applicable, satisfied, unsatisfied
from governance.facts import CommitFacts, Person, TagFacts, UpdateFacts
from governance.policy import Policy
from governance.policy import SignedCommits as SignedCommitRules
from governance.standing import Standing
from governance.verdict import Verdict

SHOWN = 3
"""How many offending commits a message names before it counts the rest."""


@dataclass(frozen=True, slots=True)
class SignedCommits:
    """Which hidden things in a commit refuse it is the policy's word."""

    NAME: ClassVar[str] = "signed_commits"

    rules: SignedCommitRules

    @classmethod
    def of(cls, policy: Policy) -> Self:
        """Return the control with the policy's list of refused problems."""
        return cls(policy.signed_commits)

    def evaluate(self, facts: UpdateFacts, standing: Standing) -> Verdict:
        """Judge every commit, and the tag if there is one; the first kind of fault found is the reason."""
        if facts.tag is not None:
            return self._tag(facts.tag, standing)
        if not facts.commits:
            return not_applicable(self, "no new commit")
        faults = [(fault, commit) for commit in facts.commits if (fault := self._fault(commit, standing)) is not None]
        if not faults:
            signers = sorted({commit.signature.principal for commit in facts.commits})
            count = len(facts.commits)
            return satisfied(self, "verified", f"{count} of {count} commits signed by {', '.join(signers)}")
        return self._refusal(faults)

    def _refusal(self, faults: list[tuple[tuple[str, str, str], CommitFacts]]) -> Verdict:
        reason = faults[0][0][0]
        same = [(fault, commit) for fault, commit in faults if fault[0] == reason]
        lines = [f"{commit.oid[:12]}: {fault[1]}" for fault, commit in same[:SHOWN]]
        if len(same) > SHOWN:
            lines.append(f"and {len(same) - SHOWN} more")
        return unsatisfied(
            self,
            reason,
            "; ".join(lines),
            mend=(faults[0][0][2],),
            subjects=tuple(commit.oid for _, commit in faults),
        )

    def _fault(self, commit: CommitFacts, standing: Standing) -> tuple[str, str, str] | None:
        """Return (reason, what is wrong, what to do), or None for a good commit."""
        hidden = [problem for problem in commit.problems if self.rules.refuses(problem)]
        if hidden:
            return "hidden_content", f"carries {', '.join(hidden)}", "Write the commit again with plain git."
        if commit.signature.code:
            reason = "unsigned" if commit.signature.code == "signature.missing" else "bad_signature"
            mend = "Sign with your enrolled key: git commit --amend -S (or git rebase --exec for several)."
            return reason, f"{commit.signature.message} ({commit.signature.code})", mend
        mend = "Use the address you are enrolled with: git config user.email."
        if not commit.author.principal:
            return "unknown_author", f"author <{commit.author.email}> is nobody enrolled here", mend
        if not commit.committer.principal:
            return "unknown_committer", f"committer <{commit.committer.email}> is nobody enrolled here", mend
        names = (commit.author.principal, commit.committer.principal, commit.signature.principal)
        if any(is_lander(standing.roster.get(name)) for name in names) and not automatic(commit, standing.roster):
            said = "is the lander's, and is not git's own merge of its two parents"
            return "lander_content", said, "Whoever made the content signs it, and has it reviewed."
        if not _may_sign(commit.signature.principal, commit.author, standing):
            said = f"signed by {commit.signature.principal}, but {commit.author.principal} is named as author"
            return "not_the_author", said, "The author signs, or a delegate whom the owner has recorded."
        return None

    def _tag(self, tag: TagFacts, standing: Standing) -> Verdict:
        hidden = [problem for problem in tag.problems if self.rules.refuses(problem)]
        if hidden:
            return unsatisfied(self, "hidden_content", f"tag {tag.name} carries {', '.join(hidden)}")
        if tag.signature.code:
            return unsatisfied(
                self,
                "tag_unsigned",
                f"tag {tag.name}: {tag.signature.message} ({tag.signature.code})",
                mend=("Make an annotated tag, signed with your enrolled key: git tag -s.",),
            )
        if any(is_lander(standing.roster.get(name)) for name in (tag.signature.principal, tag.tagger.principal)):
            return unsatisfied(self, "lander_content", f"tag {tag.name} names the lander, which makes no tags")
        if not _may_sign(tag.signature.principal, tag.tagger, standing):
            said = f"tag {tag.name} is signed by {tag.signature.principal}, but {tag.tagger.label} is named as tagger"
            return unsatisfied(self, "tag_not_the_tagger", said, mend=("The tagger signs: git tag -s.",))
        return satisfied(self, "tag_verified", f"tag {tag.name} signed by {tag.signature.principal}")


def _may_sign(signer: str, named: Person, standing: Standing) -> bool:
    """Whether what names this person may be signed by that principal: themselves, or a delegate while they are here."""
    person = standing.roster.get(named.principal)
    return person is not None and not person.retired and (signer == person.name or signer in person.delegates)
