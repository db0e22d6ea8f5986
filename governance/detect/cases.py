"""Ranked cases, each with its evidence and with what would clear it. They ask for more review, never for a punishment.

A finding needs all of three: the windows that the policy names, a chance below what this look may spend after every
other question that was asked is counted, and drawn histories that agree. Whoever only reviews a lot is none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

from governance.detect import graph, statistics, windows
from governance.detect.graph import Review
from governance.detect.multiplicity import adjusted, per_look
from governance.detect.null import Margins, Shuffled, share_as_extreme
from governance.detect.statistics import FAMILIES, Pace, Ring
from governance.detect.windows import Windows
from governance.parameters import Collusion

FEWEST = 7
"""People below which nobody is named: among so few everybody reviews everybody."""
DRAWS = 199
AGREE = 0.05
LEAST_SLOPE = 0.2
"""Who takes less than this much longer for what is larger has not read it, in logs: ten times the size, 1.6 times."""
OFTEN = 0.9
SHOWN = 20


@dataclass(frozen=True, slots=True)
class Case:
    """Something for a person to look at."""

    pattern: str
    people: tuple[str, ...]
    p: float
    q: float
    evidence: tuple[str, ...]
    clears: tuple[str, ...]
    """What would clear it."""
    found: bool = False
    """Whether it asks for a third reviewer; otherwise it is only ranked."""


@dataclass(frozen=True, slots=True)
class Judged:
    """All cases, the worst first, and what they were judged on."""

    cases: tuple[Case, ...]
    reviews: int
    people: int
    questions: int
    spent: float
    """The false-alarm rate that this look may have, out of the epoch's."""

    @property
    def found(self) -> tuple[Case, ...]:
        """Those that ask for more review."""
        return tuple(case for case in self.cases if case.found)


def judge(reviews: Sequence[Review], limits: Collusion, *, now: int, seed: int, draws: int = DRAWS) -> Judged:
    """Judge the reviews of the window that ends now, as one of the daily looks of an epoch as long as the window."""
    recent = graph.within(reviews, now, limits.window_days)
    names = graph.people(recent)
    spends = per_look(limits.false_alarm_percent / 100, limits.window_days)
    cases = [*_rings(recent, names, limits, spends, seed, draws), *_hurried(recent, spends)]
    cases.sort(key=lambda case: (not case.found, case.q, case.p, case.people))
    questions = sum(statistics.asked(size, len(names)) for size in FAMILIES) + len(names)
    return Judged(tuple(cases[:SHOWN]), len(recent), len(names), questions, spends)


def _rings(
    recent: Sequence[Review], names: Sequence[str], limits: Collusion, spends: float, seed: int, draws: int
) -> list[Case]:
    closed = statistics.rings(graph.counts(recent), Margins.of(recent))
    cases = []
    for size in FAMILIES:
        family = [ring for ring in closed if len(ring.members) == size]
        qs = adjusted([ring.p for ring in family], statistics.asked(size, len(names)))
        for ring, q in zip(family, qs, strict=True):
            seen = windows.look(recent, ring.members, limits)
            rare = min(1.0, q * (len(FAMILIES) + 1)) <= spends  # Each family, and the hurried, has its part.
            named = rare and seen.hit(limits) and len(names) >= FEWEST
            agrees = named and _drawn(recent, ring, seed, draws) <= AGREE
            if agrees or seen.hit(limits) or q <= AGREE:
                cases.append(_ring(ring, seen, q, found=agrees, limits=limits))
    return cases


def _drawn(recent: Sequence[Review], ring: Ring, seed: int, draws: int) -> float:
    weigh = statistics.weight_of(ring.members)
    return share_as_extreme(Shuffled(recent, seed), weigh, ring.weight, draws=draws)


def _ring(ring: Ring, seen: Windows, q: float, *, found: bool, limits: Collusion) -> Case:
    rates = " and ".join(f"{rate:.0%}" for rate in seen.rates) or "fewer than asked"
    evidence = (
        f"{ring.weight} approvals along its weakest side; chance would have {ring.expected:.1f}",
        f"of the last {limits.last_reviews} reviews along each side they approved {rates}",
        f"{seen.third_party:.0%} of {seen.reviews} approvals of their changes came from others",
    )
    clears = (
        f"Others give {limits.third_party_percent} % or more of the approvals of their changes",
        "or they own a part of the repository that the paths do not tell apart",
        "or a third reviewer finds nothing in what they approved.",
    )
    return Case(FAMILIES[len(ring.members)], ring.members, ring.p, q, evidence, clears, found)


def _hurried(recent: Sequence[Review], spends: float) -> list[Case]:
    """Return reviewers who approve what is large as fast as what is small. Ranked only: waiting is easily faked."""
    found = statistics.paces(recent)
    if not found:
        return []
    ps = [NormalDist().cdf((pace.slope - LEAST_SLOPE) / max(pace.error, 1e-9)) for pace in found]
    qs = adjusted(ps, len(found))
    part = spends / (len(FAMILIES) + 1)
    rows = zip(found, ps, qs, strict=True)
    return [_pace(pace, p, q) for pace, p, q in rows if q <= part and pace.approved > OFTEN]


def _pace(pace: Pace, p: float, q: float) -> Case:
    evidence = (
        f"{pace.reviews} reviews, {pace.approved:.0%} approved",
        f"ten times the size took {10**pace.slope:.1f} times as long",
    )
    clears = ("A canary that they reject", "or times that grow with what is read.")
    return Case("hurried", (pace.reviewer,), p=p, q=q, evidence=evidence, clears=clears)
