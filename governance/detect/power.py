"""What could have been noticed with this many reviews: rings are put into the reviews there are, and looked for.

A report that finds nothing says with this how little that may mean.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from governance.detect import cases, graph
from governance.detect.graph import Review
from governance.detect.null import dice
from governance.parameters import Collusion

SHARES = (0.75, 0.85, 1.0)
"""Of a pair's approvals, the share that they give each other; below 70 % the windows let it pass by rule."""
TRIES = 10
ENOUGH = 0.8
DRAWS = 39


@dataclass(frozen=True, slots=True)
class Power:
    """The smallest share that is noticed four times out of five; None where none is."""

    reviews: int
    people: int
    share: float | None
    rates: tuple[tuple[float, float], ...] = ()
    """(share, how often it was noticed)."""

    @property
    def said(self) -> str:
        """Return it as a sentence."""
        if self.people < cases.FEWEST:
            few = f"{self.people} people is too few: everybody reviews everybody, so nobody is named by the graph"
            return f"essentially none; {few}"
        if self.share is None:
            return f"none: in {self.reviews} reviews not even a pair that approves only each other would be noticed"
        unseen = "one that lets others approve a third of its changes, or takes turns with more, is not"
        return f"a pair that gives each other {self.share:.0%} of their approvals would be noticed; {unseen}"


def of(reviews: Sequence[Review], limits: Collusion, *, now: int, seed: int, tries: int = TRIES) -> Power:
    """Measure it on the reviews of the window that ends now."""
    recent = graph.within(reviews, now, limits.window_days)
    names = graph.people(recent)
    if len(names) < cases.FEWEST:
        return Power(len(recent), len(names), None)
    rates = tuple((share, _noticed(recent, limits, now, share, range(seed, seed + tries))) for share in SHARES)
    least = next((share for share, rate in rates if rate >= ENOUGH), None)
    return Power(len(recent), len(names), least, rates)


def _noticed(recent: Sequence[Review], limits: Collusion, now: int, share: float, seeds: Sequence[int]) -> float:
    names, seen = graph.people(recent), 0
    for seed in seeds:
        roll = dice(seed)
        pair = roll.sample(names, 2)
        other = {pair[0]: pair[1], pair[1]: pair[0]}
        planted = [
            replace(review, approver=other[review.author], verdict="approve")
            if review.author in other and roll.random() < share
            else review
            for review in recent
        ]
        judged = cases.judge(planted, limits, now=now, seed=seed, draws=DRAWS)
        seen += any(case.found and set(pair) <= set(case.people) for case in judged.cases)
    return seen / len(seeds)
