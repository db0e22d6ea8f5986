"""What is asked of the graph: pairs that approve each other, rings of three and four, and time against size."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import log, sqrt

from governance.detect.graph import Edge, Review, edges_of
from governance.detect.null import Margins

PAIR, RING3, RING4 = 2, 3, 4
FAMILIES: Mapping[int, str] = {PAIR: "pair", RING3: "ring of three", RING4: "ring of four"}
LEAST = 8
"""Approvals that an edge needs before anything is said of it."""
PROMISING = 0.05
"""An edge that chance explains better than this closes no ring."""
MOST_EDGES = 400
"""Edges that are followed, the least likely first; the time a report takes stays bounded."""


@dataclass(frozen=True, slots=True)
class Ring:
    """Two who approve each other, or more who approve in a circle."""

    members: tuple[str, ...]
    weight: int
    """Approvals along its weakest edge."""
    expected: float
    """What chance would have there."""
    p: float


def asked(size: int, people: int) -> int:
    """Return how many rings of this size there could be among so many people."""
    found = 1
    for place in range(size):
        found *= people - place
    return max(1, found // size)


def rings(seen: Counter[Edge], margins: Margins) -> list[Ring]:
    """Return the pairs and rings whose every edge chance explains badly, each once.

    The p-value of a ring is that of its likeliest edge, to the power of its edges: all of them have to be so.
    """
    tails = {edge: margins.tail(edge, count) for edge, count in _strong(seen, margins)}
    near = sorted((edge for edge, p in tails.items() if p <= PROMISING), key=lambda edge: (tails[edge], edge))
    next_of: dict[str, list[str]] = defaultdict(list)
    for author, approver in near[:MOST_EDGES]:
        next_of[author].append(approver)
    found = []
    for ring in _closed(next_of):
        edges = edges_of(ring)
        weakest = min(edges, key=lambda edge: seen[edge])
        p = max(tails[edge] for edge in edges) ** len(ring)
        found.append(Ring(ring, seen[weakest], margins.expected(weakest), p))
    return sorted(found, key=lambda ring: (ring.p, ring.members))


def _strong(seen: Counter[Edge], margins: Margins) -> Iterator[tuple[Edge, int]]:
    return ((edge, count) for edge, count in seen.items() if count >= LEAST and count > margins.expected(edge))


def _closed(next_of: Mapping[str, Sequence[str]]) -> Iterator[tuple[str, ...]]:
    """Yield every ring of two to four, from its first member by name."""
    for first in sorted(next_of):
        yield from _from(first, (first,), next_of)


def _from(first: str, path: tuple[str, ...], next_of: Mapping[str, Sequence[str]]) -> Iterator[tuple[str, ...]]:
    for name in next_of.get(path[-1], ()):
        if name == first and len(path) >= PAIR:
            yield path
        elif name > first and name not in path and len(path) < RING4:
            yield from _from(first, (*path, name), next_of)


def weight_of(ring: Sequence[str]) -> Callable[[Counter[Edge]], float]:
    """Return the statistic that a drawn history is compared by: approvals along the ring's weakest edge."""
    edges = edges_of(ring)
    return lambda found: min(found[edge] for edge in edges)


@dataclass(frozen=True, slots=True)
class Pace:
    """How the time that a reviewer takes grows with the size of the change: log time on log size."""

    reviewer: str
    reviews: int
    slope: float
    error: float
    approved: float


def paces(reviews: Iterable[Review]) -> list[Pace]:
    """Return the pace of everybody who reviewed often enough changes of different sizes."""
    by: dict[str, list[Review]] = defaultdict(list)
    for review in reviews:
        by[review.approver].append(review)
    return [pace for name in sorted(by) if (pace := _pace(name, by[name])) is not None]


def _pace(name: str, own: Sequence[Review]) -> Pace | None:
    xs = [log(max(1, review.units)) for review in own]
    ys = [log(review.latency_ms) for review in own]
    count = len(own)
    middle_x, middle_y = sum(xs) / count, sum(ys) / count
    spread = sum((x - middle_x) ** 2 for x in xs)
    if count < 2 * LEAST or spread <= 0:
        return None
    slope = sum((x - middle_x) * (y - middle_y) for x, y in zip(xs, ys, strict=True)) / spread
    left = sum((y - middle_y - slope * (x - middle_x)) ** 2 for x, y in zip(xs, ys, strict=True))
    error = sqrt(left / (count - 2) / spread)
    return Pace(name, count, slope, error, sum(review.approves for review in own) / count)
