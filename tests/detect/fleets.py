"""Fleets that review each other, made up from a seed: honest, hasty, colluding, and colluding with care."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import exp, log
from typing import TYPE_CHECKING

from governance.detect.graph import DAY_MS, Review
from governance.detect.null import dice

if TYPE_CHECKING:
    import random

SIZES = (6, 12, 50)
KINDS = ("honest", "friendly", "hasty", "ring of two", "ring of three", "camouflaged")
HONEST = ("honest", "friendly")
START = 1_700_000_000_000
A_DAY = 1.15
"""Changes that one writes a day: some 35 in the window, 410 reviews in a fleet of twelve."""
HABIT = 0.4
"""Of a friendly fleet's changes, how many go to the one that its author likes best; all of them are read."""
MINUTE_MS = 60_000


@dataclass(frozen=True, slots=True)
class Fleet:
    """Who is in it, who colludes, and how."""

    people: tuple[str, ...]
    kind: str
    bad: tuple[str, ...] = ()
    share: float = 0.0
    """Of a colluder's changes, how many go to the next of the ring."""


def fleet(size: int, kind: str, seed: int) -> Fleet:
    """Return a fleet of this size and kind."""
    names = tuple(f"p{number:02}" for number in range(size))
    count, share = {
        "honest": (0, 0),
        "friendly": (0, 0),
        "hasty": (1, 0),
        "ring of two": (2, 0.85),
        "ring of three": (3, 0.85),
    }.get(kind, (2, 0.45))
    return Fleet(names, kind, tuple(dice(seed).sample(names, count)), share)


def reviews(made: Fleet, seed: int, days: int, *, since: int = 0) -> list[Review]:
    """Return what they review in so many days: by habit, by part of the repository, some faster than others.

    Before the day `since` everybody is honest.
    """
    honest = made if made.kind in HONEST else replace(made, kind="honest")
    roll = dice(seed)
    pace = {name: roll.gauss(0, 0.4) for name in made.people}
    habit = {name: exp(roll.gauss(0, 0.3)) for name in made.people}
    parts = max(2, len(made.people) // 6)
    found = []
    for day in range(days):
        now = made if day >= since else honest
        for author in made.people:
            for _ in range(int(A_DAY + roll.random())):
                part = roll.randrange(parts)
                opened = START + day * DAY_MS + int(roll.random() * DAY_MS * 0.7)
                approver = _approver(now, author, habit, roll)
                found.append(_one(now, roll, (author, approver), f"part{part}", opened, pace[approver]))
    return found


def _approver(made: Fleet, author: str, habit: dict[str, float], roll: random.Random) -> str:
    if made.kind not in {"honest", "friendly", "hasty"} and author in made.bad and roll.random() < made.share:
        return made.bad[(made.bad.index(author) + 1) % len(made.bad)]
    mate = made.people[made.people.index(author) ^ 1]  # Everybody's neighbour, and theirs: all sizes are even.
    if made.kind == "friendly" and roll.random() < HABIT:
        return mate
    others = [name for name in made.people if name != author]
    return roll.choices(others, [habit[name] for name in others])[0]


def _one(made: Fleet, roll: random.Random, edge: tuple[str, str], part: str, opened: int, pace: float) -> Review:
    author, approver = edge
    units = max(1, int(exp(roll.gauss(log(60), 1.1))))
    careless = made.kind == "hasty" and approver in made.bad
    friends = made.kind.startswith("ring") and author in made.bad and approver in made.bad
    if careless or friends:
        minutes, yes = exp(roll.gauss(log(2), 0.3)), True
    else:
        minutes, yes = exp(log(20) + 0.6 * log(units / 60) + pace + roll.gauss(0, 0.7)), roll.random() < 0.88
        yes = yes or (made.kind == "camouflaged" and author in made.bad and approver in made.bad)
    return Review(
        opened + int(minutes * MINUTE_MS), author, approver, "approve" if yes else "reject", units, opened, part
    )
