"""Which paths differ between trees, and by how much, each pair of objects looked at once.

All trees of a push are compared level by level, so that git is asked for hundreds of objects at a time.
"""

from . import Undecided
from .counting import Budget, Side, measure, unseen
from .objects import too_large
from .trees import SUBMODULE, Difference, Tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import TypeVar

    T = TypeVar("T")
    from .objects import Objects
    from .trees import Entry

    Pair = tuple[str, str]
    """Old and new object name; "" where there is none."""
    Move = tuple[Entry, Entry]
    """What one path was and is now."""
    Change = tuple[str, str, str, str, str, str, int, int]
    """Path, old and new mode, old and new object name, kind, lines, bytes."""

LIMIT = 200_000
"""Changes in a push: those of every commit and the net of every ref together."""

DEPTH = 1024
"""Directories in directories, below the root."""


class Changes:
    """The differences between all the given pairs of trees."""

    __slots__ = ("_count", "_differences", "_measures", "_zeros")

    def __init__(self, objects: "Objects", pairs: "Iterable[Pair]", *, zeros: str) -> None:
        self._count = 0
        self._zeros = zeros
        self._differences = _compare(objects, pairs, width=len(zeros) // 2)
        self._measures = _measure(objects, self._differences.values())

    def between(self, old: str, new: str) -> "tuple[list[Change], list[str]]":
        """Return the changes from one tree to the other, by path, and the problems of the new one.

        A problem is ``code: path``. Neither renames nor copies are looked for: both paths show.

        Raises:
            Refused: The push holds more than LIMIT changes.
        """
        changes: list[Change] = []
        problems: list[str] = []
        # A stack, and a count on the way: a few nested trees that repeat themselves can stand for billions of files.
        waiting = [("", old, new, True)]
        while waiting:
            directory, *pair, plain = waiting.pop()
            if pair[0] == pair[1]:
                continue
            difference = self._differences[pair[0], pair[1]]
            twins = difference.twins
            waiting += [
                (f"{directory}{name}/", was, now, plain and name not in twins) for name, was, now in difference.subtrees
            ]
            problems += [f"{code}: {directory}{name}" for code, name in difference.problems]
            self._count += len(difference.leaves) + len(difference.subtrees) + len(difference.problems)
            if self._count > LIMIT:
                raise too_large(f"more than {LIMIT:,} changes to files", f"{LIMIT:,}")
            for name, was, now, trusted in difference.leaves:
                sure = trusted and plain and name not in twins
                changes.append(self._change(directory + name, was, now, trusted=sure))
        return sorted(changes), sorted(problems)

    def _change(self, path: str, was: "Entry", now: "Entry", *, trusted: bool) -> "Change":
        measured = self._measures[was, now] if trusted else ("tree-problem", 0, 0)
        if measured[0] == "text" and (min(path) < " " or unseen(path.encode("latin-1"))):
            measured = ("unseen", *measured[1:])
        return (path, was[0], now[0], was[1] or self._zeros, now[1] or self._zeros, *measured)


def _compare(objects: "Objects", pairs: "Iterable[Pair]", *, width: int) -> "dict[Pair, Difference]":
    """Compare each pair of trees, and each pair of subtrees in which they differ."""

    def trees(names: list[str]) -> "Iterator[Tree]":
        for name, raw in zip(names, objects.expect(names, "tree"), strict=True):
            yield _parse(name, raw, width)

    found: dict[Pair, Difference] = {}
    level = dict.fromkeys(pairs, "")
    for _ in range(DEPTH + 2):  # The root, each depth below it, and one look more that finds nothing left.
        # By path, and within a path in the order of history: then one pair's old tree is often the next one's new.
        todo = [pair for pair in sorted(level, key=level.__getitem__) if pair not in found and pair[0] != pair[1]]
        if not todo:
            return found
        below: dict[Pair, str] = {}
        for pair, (old, new) in zip(todo, _together(todo, trees, nothing=Tree(b"", width)), strict=True):
            found[pair] = difference = Difference(old, new)
            for name, was, now in difference.subtrees:
                below.setdefault((was, now), f"{level[pair]}{name}/")
        level = below
    raise too_large(f"directories nested more than {DEPTH:,} deep", f"{DEPTH:,}")


def _parse(name: str, raw: bytes, width: int) -> Tree:
    try:
        return Tree(raw, width)
    except ValueError as error:
        raise Undecided(f"tree {name} cannot be read: {error}") from error


def _measure(objects: "Objects", differences: "Iterable[Difference]") -> "dict[Move, tuple[str, int, int]]":
    """Measure every move of one entry to another that some difference holds."""

    def blobs(names: list[str]) -> "Iterator[tuple[int, bytes | None]]":
        for name, (kind, size, content) in zip(names, objects.contents(names), strict=True):
            if kind != "blob":
                raise Undecided(f"object {name} cannot be read: expected a blob, got {kind}")
            yield size, content

    named = {(was, now): name for each in differences for name, was, now, trusted in each.leaves if trusted}
    moves = sorted(named, key=named.__getitem__)
    pairs = [(_blob(was), _blob(now)) for was, now in moves]
    nothing: tuple[int, bytes | None] = (0, b"")
    budget = Budget()
    measures: dict[Move, tuple[str, int, int]] = {}
    for (was, now), (before, after) in zip(moves, _together(pairs, blobs, nothing=nothing), strict=True):
        old, new = Side(was[0], *before), Side(now[0], *after)
        measures[was, now] = measure(old, new, same=was[1] == now[1], budget=budget)
    return measures


def _blob(entry: "Entry") -> str:
    return "" if entry[0] == SUBMODULE else entry[1]


def _together(
    pairs: "list[Pair]", fetch: "Callable[[list[str]], Iterator[T]]", *, nothing: "T"
) -> "Iterator[tuple[T, T]]":
    """Yield the two objects of each pair, asking again for none that the pair before has just held.

    Holding one pair at a time bounds memory by two objects; with neighbours in order, that saves nearly all that a
    cache would.
    """
    asked: list[list[str]] = []
    last: tuple[str, ...] = ()
    for pair in pairs:
        asked.append([name for name in dict.fromkeys(pair) if name and name not in last])
        last = pair
    answers = fetch([name for names in asked for name in names])
    held: dict[str, T] = {}
    for pair, names in zip(pairs, asked, strict=True):
        held |= zip(names, answers, strict=False)  # Names come first in the zip, so that it takes no answer too many.
        held = {name: held[name] if name else nothing for name in pair}
        yield held[pair[0]], held[pair[1]]
