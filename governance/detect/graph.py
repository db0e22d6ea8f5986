"""Reviews as values, and who approved whose changes how often."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

DAY_MS = 24 * 60 * 60 * 1000
WEEK_MS = 7 * DAY_MS

Edge = tuple[str, str]
"""(author, approver)."""


@dataclass(frozen=True, slots=True)
class Review:
    """One answer about one patch set. Times are in milliseconds since 1970."""

    at: int
    author: str
    approver: str
    verdict: str
    units: int
    opened_at: int
    group: str = ""
    """The part of the repository that the change is about."""

    @property
    def approves(self) -> bool:
        """Whether it says yes."""
        return self.verdict == "approve"

    @property
    def latency_ms(self) -> int:
        """How long after the patch set was opened it was given; a millisecond at the least."""
        return max(1, self.at - self.opened_at)

    @property
    def edge(self) -> Edge:
        """Whose change, and whose answer."""
        return self.author, self.approver

    @property
    def stratum(self) -> tuple[str, int]:
        """What reviewers are exchanged within: one part of the repository, one week."""
        return self.group, self.at // WEEK_MS


def within(reviews: Iterable[Review], now: int, days: int) -> list[Review]:
    """Return the reviews of the last days, oldest first. Nobody reviews their own; such rows are left out."""
    since = now - days * DAY_MS
    return sorted((r for r in reviews if since < r.at <= now and r.author != r.approver), key=lambda r: r.at)


def counts(reviews: Iterable[Review]) -> Counter[Edge]:
    """Return how often each approver approved each author."""
    return Counter(review.edge for review in reviews if review.approves)


def people(reviews: Iterable[Review]) -> list[str]:
    """Return everybody who wrote or reviewed, by name."""
    return sorted({name for review in reviews for name in review.edge})


def edges_of(ring: Sequence[str]) -> tuple[Edge, ...]:
    """Return the approvals that close a ring: each approves the next one's changes. Two make a pair, both ways."""
    return tuple((ring[place], ring[(place + 1) % len(ring)]) for place in range(len(ring)))
