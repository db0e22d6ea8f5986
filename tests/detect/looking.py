"""What each detector sees of a fleet: the graph day by day, the clock, the windows alone, and canaries."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

from governance.detect import cases, graph, windows
from governance.detect.exact import lower
from governance.detect.null import dice
from governance.parameters import Collusion
from tests.detect.fleets import START, Fleet, fleet, reviews

LIMITS = Collusion()
DRAWS = 59
CANARIES = (3, 10, 30)
"""Canaries that a reviewer has answered; of a colluder, under the accomplice's name."""
MISSES = {"honest": 0.3, "hasty": 0.95}
"""How often a canary is approved by who reads, and by who does not; of an accomplice it always is."""
TOO_MANY = 0.5
"""A reviewer whose miss rate is above this, with the whole fleet counted, is shown as one who does not read."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen of one fleet in an epoch of daily looks that began when the collusion did."""

    day: int | None
    """The first look that named only who colludes."""
    false: bool
    """Whether anybody else was named."""
    hurried: bool
    hurried_false: bool
    windows: bool
    """Whether the windows alone, without the null, show some pair at the end; fleets of fifty are left out."""


def look(size: int, kind: str, seed: int) -> Seen:
    """Watch one fleet for an epoch."""
    days = LIMITS.window_days
    made = fleet(size, kind, seed)
    found = reviews(made, seed + 1, 2 * days, since=days)
    day, false, slow, wrong = None, False, False, False
    for number in range(1, days + 1):
        now = START + (days + number) * graph.DAY_MS
        judged = cases.judge(found, LIMITS, now=now, seed=seed, draws=DRAWS)
        named = [set(case.people) <= set(made.bad) for case in judged.found]
        hurry = [case.people[0] in made.bad for case in judged.cases if case.pattern == "hurried"]
        false |= not all(named)
        slow |= any(hurry)
        wrong |= not all(hurry)
        if day is None and any(named):
            day = number
            break
    return Seen(day, false, slow, wrong, _alone(made, found))


def _alone(made: Fleet, found: list[graph.Review]) -> bool:
    recent = graph.within(found, START + 2 * LIMITS.window_days * graph.DAY_MS, LIMITS.window_days)
    shown = (windows.look(recent, pair, LIMITS).hit(LIMITS) for pair in combinations(made.people, 2))
    return len(made.people) <= 12 and any(shown)  # Of fifty there are too many pairs to look at for a comparison.


def canaries(size: int, kind: str, seed: int, count: int) -> tuple[bool, bool]:
    """Return whether canaries show who does not read, and whether they show anybody else."""
    made, roll = fleet(size, kind, seed), dice(seed + 2)
    tail = LIMITS.false_alarm_percent / 100 / size
    right = wrong = False
    for name in made.people:
        misses = 1.0 if name in made.bad and kind != "hasty" else MISSES["hasty" if name in made.bad else "honest"]
        missed = sum(roll.random() < misses for _ in range(count))
        shown = lower(missed, count, tail=tail) > TOO_MANY
        right |= shown and name in made.bad
        wrong |= shown and name not in made.bad
    return right, wrong
