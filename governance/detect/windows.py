"""The windows and shares that are asked for: how often one approves the other lately, and who else looks at all.

They are necessary, not enough: who reviews a lot passes them too. `null` says whether it is more than chance.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from governance.detect.graph import Edge, Review, edges_of
from governance.parameters import Collusion

PERCENT = 100


@dataclass(frozen=True, slots=True)
class Windows:
    """What the windows show of a pair or a ring."""

    rates: tuple[float, ...]
    """Of the last reviews along each edge of it, the share that approved; none where there were fewer than asked."""
    third_party: float
    """Of all approvals of its members' changes in the window, the share that came from outside."""
    reviews: int
    """How many approvals of its members' changes there were."""

    def hit(self, limits: Collusion) -> bool:
        """Whether every edge approves more often, and outsiders less often, than the policy says."""
        often = [rate * PERCENT > limits.rate_percent for rate in self.rates]
        return bool(often) and all(often) and self.third_party * PERCENT < limits.third_party_percent


def look(reviews: Sequence[Review], ring: Sequence[str], limits: Collusion) -> Windows:
    """Return what the windows show of a ring, among reviews of the window, oldest first."""
    rates = [last_rate(reviews, edge, limits.last_reviews) for edge in edges_of(ring)]
    share, count = third_party(reviews, ring)
    return Windows(tuple(rate for rate in rates if rate is not None) if None not in rates else (), share, count)


def last_rate(reviews: Iterable[Review], edge: Edge, last: int) -> float | None:
    """Return the share of approvals among the last reviews of one author by one approver; None where there are less."""
    found = [review.approves for review in reviews if review.edge == edge][-last:]
    return sum(found) / last if len(found) == last else None


def third_party(reviews: Iterable[Review], members: Sequence[str]) -> tuple[float, int]:
    """Return the share of approvals of the members' changes that outsiders gave, and how many approvals there were."""
    found = [review.approver not in members for review in reviews if review.approves and review.author in members]
    return (sum(found) / len(found) if found else 1.0), len(found)
