"""What the lander may add to a change, and when a sign-off carries over to a target that has moved on.

Pure. Source: SLSA Source v1.2, merge trains ("the result must be the same"); Gerrit's trivial rebase, whose doubt
("may allow a bad rebase") is why nothing but git's own conflict-free merge carries anything here.
Not judged here: whether the sign-offs suffice (`controls/four_eyes.py`).
"""

from __future__ import annotations

from collections.abc import Iterator

from governance.facts import CarriedFacts, CommitFacts, UpdateFacts, diff_digest
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
    return _overlap(facts, carried) if policy.four_eyes.carry_over is CarryOver.DISJOINT else ""


def _other_merge(facts: UpdateFacts, head: str, roster: Roster) -> str:
    merge = next((commit for commit in facts.commits if commit.oid == facts.new), None)
    if merge is None or merge.parents != (facts.old, head):
        return f"what would land is no merge of {head[:12]} into {facts.ref}"
    return "" if automatic(merge, roster) else "what would land is not what git makes of the two by itself"


def _overlap(facts: UpdateFacts, carried: CarriedFacts) -> str:
    """Return in what the two sides touch each other; empty where what lands does to the tip what was signed off."""
    both = _in_common([change.path for change in carried.net], carried.theirs)
    if both:
        named = ", ".join(both[:SHOWN]) + (f" and {len(both) - SHOWN} more" if len(both) > SHOWN else "")
        return f"{facts.ref} has moved since and changed {named} too"
    # Git follows renames: it may put a file where nobody has seen it, or what the tip gained out of our way.
    if facts.diff_digest != diff_digest(carried.net):
        return f"{facts.ref} has moved since, and merged with it the change would do something else (renames?)"
    return ""


def _in_common(ours: list[str], theirs: tuple[str, ...]) -> list[str]:
    """Return our paths that the other side changed too, or that cannot stand beside its own, on any file system."""
    taken = {form for path in theirs for form in spellings(path)}
    folders = {folder for form in taken for folder in _folders(form)}
    return sorted({path for path in ours if any(_meets(form, taken, folders) for form in spellings(path))})


def _meets(path: str, taken: set[str], folders: set[str]) -> bool:
    """Whether a path is taken, is a folder over there, or lies below what is a file over there."""
    return path in taken or path in folders or any(folder in taken for folder in _folders(path))


def _folders(path: str) -> Iterator[str]:
    """Yield every folder that a path lies in."""
    at = path.find("/")
    while at >= 0:
        yield path[:at]
        at = path.find("/", at + 1)


def signed_off(facts: UpdateFacts) -> tuple[str, str, str, str]:
    """Return head, base, tree and diff digest that a sign-off must bind: what lands, or the head the lander carries."""
    if facts.carried is not None and landing(facts):
        carried = facts.carried
        return carried.head, carried.base, carried.tree, diff_digest(carried.net)
    return facts.new, facts.merge_base, facts.tree, facts.diff_digest
