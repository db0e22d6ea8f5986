"""A change cut into slices: by time, by actor, by path, with reviewed churn between. How much lands before it shows."""

from __future__ import annotations

from dataclasses import dataclass

from governance.detect.null import dice
from governance.parameters import Debt
from tests.detect.connected import THRESHOLD, Landing, Slicer

PATTERNS = ("by time", "by actor", "by path", "by actor and path", "with churn", "at random")
LIMITS = Debt()
DAY_MS = 24 * 60 * 60 * 1000
ENOUGH = 400
"""Slices after which whoever was not caught is not going to be."""


@dataclass(frozen=True, slots=True)
class Caught:
    """What landed unreviewed of what was aimed at, before sign-off was asked for."""

    lines: int
    budget: int
    """What the rule that should see this pattern allows."""
    caught: bool

    @property
    def in_time(self) -> bool:
        """Whether it was before twice that budget."""
        return self.caught and self.lines < 2 * self.budget


def run(pattern: str, seed: int) -> Caught:
    """Cut a change until sign-off is asked for."""
    roll, slicer = dice(seed), Slicer()
    landed = at = 0
    for number in range(ENOUGH):
        size = roll.randint(1, THRESHOLD - 1)
        at += roll.randint(1, 3) * DAY_MS if pattern == "by time" else 60_000
        if slicer.asked(_slice(pattern, roll.randrange(1000), number, size, at)):
            return Caught(landed, _budget(pattern), caught=True)
        landed += size
        if pattern == "with churn":  # What others have reviewed on the way lands, and owes nothing: no reset either.
            slicer.reviewed(Landing("owner", "src/app/other.py", 10 * THRESHOLD, at))
    return Caught(landed, _budget(pattern), caught=False)


def _slice(pattern: str, chance: int, number: int, size: int, at: int) -> Landing:
    operator, path = "mia", "src/app/core.py"
    if pattern in {"by actor", "by actor and path"} or (pattern == "at random" and chance % 2):
        operator = f"operator-{number % 9}"
    if pattern in {"by path", "by actor and path"} or (pattern == "at random" and chance % 3):
        path = f"part{number % 40}/sub{chance % 7}/file{number}.py"
    return Landing(operator, path, size, at)


def _budget(pattern: str) -> int:
    """One path group holds the first budget, one operator the second; who cuts by both has only the total."""
    if pattern in {"by actor and path", "at random"}:
        return LIMITS.total_lines
    return (LIMITS.operator_times if pattern == "by path" else LIMITS.group_times) * THRESHOLD
