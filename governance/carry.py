"""What the lander may add to a change, and when a sign-off carries over to a target that has moved on.

Pure. Source: SLSA Source v1.2, merge trains ("the result must be the same"); Gerrit's trivial rebase, whose doubt
("may allow a bad rebase") is why nothing but git's own conflict-free merge carries anything here.
Not judged here: whether the sign-offs suffice (`controls/four_eyes.py`).
"""

from __future__ import annotations

from governance.facts import CommitFacts, UpdateFacts
from governance.patterns import spellings
from governance.policy import LANDER, CarryOver, Kind, Policy
from governance.standing import Principal, Roster

MERGED = 2
"""Parents of a merge that git can make by itself."""
SHOWN = 3


def is_lander(who: Principal | None) -> bool:
    """Whether this is the service's own principal."""
    return who is not None and who.kind is Kind.SERVICE and who.role == LANDER


def landing(facts: UpdateFacts) -> bool:
    """Whether the lander asks, and no push does. The service alone can say so of itself."""
    return facts.push.transport == LANDER and facts.carried is not None


def automatic(commit: CommitFacts, roster: Roster) -> bool:
    """Whether a commit is the lander's and holds nothing but git's own conflict-free merge of its two parents."""
    return (
        is_lander(roster.get(commit.signature.principal))
        and commit.author.principal == commit.committer.principal == commit.signature.principal
        and not commit.co_authors
        and len(commit.parents) == MERGED
        and commit.measured
        and not commit.changes
    )


def no_carry(facts: UpdateFacts, policy: Policy, roster: Roster) -> str:
    """Return why sign-offs of the carried head do not count for what would land; empty where they do.

    What lands must be that head itself, or the lander's automatic merge of exactly the tip and that head.
    """
    carried = facts.carried
    if carried is None or not landing(facts):
        return "only the lander carries sign-offs over"
    if facts.new != carried.head and (fault := _other_merge(facts, carried.head, roster)):
        return fault
    if (facts.new, facts.merge_base) == (carried.head, carried.base):
        return ""
    if policy.four_eyes.carry_over is CarryOver.NEVER:
        return f"{facts.ref} has moved since, and by policy no sign-off carries over"
    both = _in_common([change.path for change in carried.net], carried.theirs)
    if both and policy.four_eyes.carry_over is CarryOver.DISJOINT:
        named = ", ".join(both[:SHOWN]) + (f" and {len(both) - SHOWN} more" if len(both) > SHOWN else "")
        return f"{facts.ref} has moved since and changed {named} too"
    return ""


def _other_merge(facts: UpdateFacts, head: str, roster: Roster) -> str:
    merge = next((commit for commit in facts.commits if commit.oid == facts.new), None)
    if merge is None or merge.parents != (facts.old, head):
        return f"what would land is no merge of {head[:12]} into {facts.ref}"
    return "" if automatic(merge, roster) else "what would land is not what git makes of the two by itself"


def _in_common(ours: list[str], theirs: tuple[str, ...]) -> list[str]:
    """Return our paths that the other side changed too, as any checkout may see them."""
    taken = {form for path in theirs for form in spellings(path)}
    return sorted({path for path in ours if taken.intersection(spellings(path))})
