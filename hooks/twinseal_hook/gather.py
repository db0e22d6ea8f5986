"""The facts of a push: what the service has to know of objects that only this hook can see."""

import time

from .changes import Changes
from .merges import Scratch, merged_trees
from .objects import Objects
from .processes import SERVE
from .ranges import History, Range, Tip, real_values

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from .changes import Pair
    from .processes import Child, Git
    from .wire import Json

    Update = tuple[str, str, str]
    """Old and new object name, and ref."""
    Early = tuple[Child | None, Child, Child]
    """Running VALUES (none when no ref is under refs/), SERVE and WALK."""
    Starts = Mapping[str, tuple[str, bool]]
    """Per commit the tree its changes are counted from, and whether that measures what its author did."""

_MERGE = 2  # Parents that git can merge by itself.


class Judged:
    """One ref update that is judged: what it points to, and its range if that is a commit."""

    __slots__ = ("exclude", "range", "tip")

    def __init__(self, tip: Tip, exclude: str, commits: Range | None) -> None:
        self.tip = tip
        self.exclude = exclude
        self.range = commits


def gather(
    git: "Git",
    updates: "Sequence[Update]",
    plan: "Sequence[str | None]",
    *,
    early: "Early",
    ahead: "Callable[[Sequence[bytes]], None] | None" = None,
) -> "dict[str, Json]":
    """Return the facts, with the help of gits that were started while the service was still being asked.

    ``ahead`` is handed the raw commits as soon as they are read: what is slow to judge may begin with them.

    Raises:
        Undecided: Something cannot be read.
        Refused: The push is too large to be measured while it waits.
    """
    values, cat_file, walk = early
    began = time.monotonic()
    zeros = "0" * len(updates[0][0])
    actual = real_values(values.output() if values else b"", [ref for _, _, ref in updates], zeros=zeros)
    objects = Objects(cat_file)
    history = History(objects)
    judged = _judge(git, history, updates=updates, plan=plan, walk=walk)
    ranges = [each.range for each in judged.values() if each.range]
    commits = list(dict.fromkeys(name for each in ranges for name in each.commits))
    if ahead:
        ahead([history.raw[name] for name in commits])
    scratch = Scratch(git) if any(len(history.parents[name]) == _MERGE for name in commits) else None
    try:
        starts = _starts(git, history, commits=commits, scratch=scratch)
        pairs = [(starts[name][0], history.trees[name]) for name in commits]
        pairs += [_net(each, history) for each in ranges]
        changes = Changes(objects, pairs, zeros=zeros)
    finally:
        if scratch:
            scratch.remove()
    return {
        "v": 1,
        "kind": "facts",
        "actual": actual,
        "refs": [_ref_record(update, judged.get(update[2]), changes, history=history) for update in updates],
        "commits": {name: _commit_record(name, starts[name], changes, history=history) for name in commits},
        "gather_ms": int((time.monotonic() - began) * 1000),
    }


def _judge(
    git: "Git",
    history: History,
    *,
    updates: "Sequence[Update]",
    plan: "Sequence[str | None]",
    walk: "Child",
) -> dict[str, Judged]:
    """Look at each ref to be judged, and read the commits it brings and those they grow from."""
    judged: dict[str, Judged] = {}
    ranges: dict[tuple[str, str], Range] = {}
    for (_, new, ref), exclude in zip(updates, plan, strict=True):
        if exclude is None or not new.strip("0"):
            continue
        tip = Tip(history.objects, new)
        key = (tip.commit, exclude)
        if tip.commit and key not in ranges:
            spare = None if ranges else walk
            ranges[key] = Range(git, history, tip=tip.commit, exclude=exclude, walk=spare)
        judged[ref] = Judged(tip, exclude, ranges.get(key))
    history.read([name for each in ranges.values() for name in (*each.outside, *each.bases)])
    return judged


def _starts(git: "Git", history: History, *, commits: "Sequence[str]", scratch: Scratch | None) -> "Starts":
    """Return for each commit the tree before its author's own work: for a merge, what git makes of the parents."""
    merged: dict[Pair, tuple[str, bool]] = {}
    if scratch:
        parents = [history.parents[name] for name in commits]
        merged = merged_trees(git, scratch, [(each[0], each[1]) for each in parents if len(each) == _MERGE])
        history.objects.replace(git.start(*SERVE, extra=scratch.environment))
    starts = {}
    for name in commits:
        first, *others = history.parents[name] or [""]
        tree, clean = merged.get((first, others[0]), ("", True)) if len(others) == 1 else ("", True)
        if not clean and tree == history.trees[name]:
            tree = ""  # Conflict markers, committed as they were: nobody's work, and no automatic merge either.
        starts[name] = (tree, True) if tree else (history.trees.get(first, ""), not others)
    return starts


def _net(commits: Range, history: History) -> "Pair":
    """Return the trees between which everything that lands lies."""
    return history.trees[commits.bases[0]] if commits.bases else "", history.trees[commits.tip]


def _commit_record(name: str, start: tuple[str, bool], changes: Changes, *, history: History) -> "Json":
    listed, problems = changes.between(start[0], history.trees[name])
    return {
        "raw": history.raw[name].decode("latin-1"),
        "changes": listed,
        "measured": start[1],
        "problems": problems,
    }


def _ref_record(update: "Update", judged: Judged | None, changes: Changes, *, history: History) -> "Json":
    """Return the record of a ref; of one that is not judged, only that nothing was looked at."""
    tip = judged.tip if judged else None
    commits = judged.range if judged else None
    net, problems = changes.between(*_net(commits, history)) if commits else ([], [])
    return {
        "ref": update[2],
        "old": update[0],
        "new": update[1],
        "type": tip.kind if tip else "none",
        "tag": tip.tag if tip else "",
        "tag_target": tip.target if tip else "",
        "tag_target_type": tip.target_kind if tip else "",
        "exclude": judged.exclude if judged else "",
        "fast_forward": commits.fast_forward if commits else False,
        "bases": commits.bases if commits else [],
        "commits": commits.commits if commits else [],
        "net": net,
        "landed": commits is not None and not commits.commits,
        "problems": ["nested_tag", *problems] if tip and tip.target_kind == "tag" else problems,
    }
