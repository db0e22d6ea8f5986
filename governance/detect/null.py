"""What chance alone would do: every change keeps its author, every reviewer their number of reviews, in each stratum.

Two ways to the same question. `tail` has it in closed form, a hypergeometric count in each stratum; `Shuffled` draws
whole histories by exchanging reviewers pairwise, and knows no approximation but its own number of draws.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from governance.detect.exact import hypergeometric, summed
from governance.detect.graph import Edge, Review

EXCHANGES = 3
"""Exchanges tried for each review between two draws."""


def dice(seed: int) -> random.Random:
    """Return numbers that are the same for the same seed: a report can be made again."""
    return random.Random(seed)  # noqa: S311 - drawn for statistics, not for secrets


@dataclass(frozen=True, slots=True)
class Margins:
    """How many approvals each author received and each approver gave, stratum by stratum."""

    strata: tuple[tuple[int, Counter[str], Counter[str]], ...]

    @classmethod
    def of(cls, reviews: Sequence[Review]) -> Margins:
        """Count the approvals."""
        found: dict[tuple[str, int], list[Review]] = defaultdict(list)
        for review in reviews:
            if review.approves:
                found[review.stratum].append(review)
        rows = (
            (len(each), Counter(r.author for r in each), Counter(r.approver for r in each)) for each in found.values()
        )
        return cls(tuple(rows))

    def tail(self, edge: Edge, seen: int) -> float:
        """Return the chance that the approver approves the author so often or more, nobody reviewing their own."""
        author, approver = edge
        found = [1.0]
        for total, received, given in self.strata:
            marked, drawn = received[author], given[approver]
            if marked and drawn:
                found = summed(found, hypergeometric(total - received[approver], marked, drawn))
        return min(1.0, sum(found[seen:]))

    def expected(self, edge: Edge) -> float:
        """Return how often chance would have it."""
        author, approver = edge
        rows = (
            (total - received[approver], received[author], given[approver]) for total, received, given in self.strata
        )
        return sum(marked * drawn / pool for pool, marked, drawn in rows if pool and marked and drawn)


@dataclass
class Shuffled:
    """Draws histories in which reviewers were exchanged within strata."""

    reviews: Sequence[Review]
    seed: int
    _strata: list[tuple[list[str], list[str]]] = field(init=False)

    def __post_init__(self) -> None:
        """Sort the approvals into strata."""
        rows: dict[tuple[str, int], tuple[list[str], list[str]]] = defaultdict(lambda: ([], []))
        for review in self.reviews:
            if review.approves:
                authors, approvers = rows[review.stratum]
                authors.append(review.author)
                approvers.append(review.approver)
        self._strata = list(rows.values())

    def draws(self, count: int) -> Iterator[Counter[Edge]]:
        """Yield how often each approver approved each author, in so many drawn histories."""
        rolled = dice(self.seed).random
        for _ in range(count):
            found: Counter[Edge] = Counter()
            for authors, approvers in self._strata:
                _exchange(authors, approvers, rolled)
                found.update(zip(authors, approvers, strict=True))
            yield found


def _exchange(authors: list[str], approvers: list[str], rolled: Callable[[], float]) -> None:
    size = len(authors)
    for _ in range(EXCHANGES * size):
        one, other = int(rolled() * size), int(rolled() * size)
        if authors[one] != approvers[other] and authors[other] != approvers[one]:
            approvers[one], approvers[other] = approvers[other], approvers[one]


def share_as_extreme(
    shuffled: Shuffled, statistic: Callable[[Counter[Edge]], float], seen: float, *, draws: int
) -> float:
    """Return the p-value of a statistic among drawn histories; the one that happened counts as one of them."""
    return (1 + sum(statistic(found) >= seen for found in shuffled.draws(draws))) / (draws + 1)
