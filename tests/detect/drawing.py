"""Draws: are they uniform, at the rate that was set, and worth nothing to predict?"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from math import erfc, sqrt

from governance.detect.exact import bounds, chi_squared
from tests.detect.connected import selected

BINS = 20


@dataclass(frozen=True, slots=True)
class Drawn:
    """What so many draws looked like."""

    draws: int
    rate: float
    interval: tuple[float, float]
    p_uniform: float
    """Chi-squared over equal stretches of slots."""
    p_after: float
    """Chi-squared of (drawn now, drawn next): what one draw says of the next."""
    p_other_key: float
    """The same against the draws of another epoch's key: what an old, revealed key says of the next."""


def measure(seed: int, draws: int, percent: int = 10) -> Drawn:
    """Draw under two keys."""
    one, other = (sha256(f"epoch {seed} {n}".encode()).digest() for n in (1, 2))
    drawn = [selected(one, slot, percent) for slot in range(draws)]
    later = [selected(other, slot, percent) for slot in range(draws)]
    size = draws // BINS
    bins = [sum(drawn[place * size : (place + 1) * size]) for place in range(BINS)]
    hits = sum(drawn)
    _, p_uniform = chi_squared(bins, [sum(bins) / BINS] * BINS)
    return Drawn(
        draws, hits / draws, bounds(hits, draws), p_uniform, _together(drawn, drawn[1:]), _together(drawn, later)
    )


def _together(these: list[bool], those: list[bool]) -> float:
    """Return the p-value of a two by two table: 1 degree of freedom."""
    pairs = list(zip(these, those, strict=False))
    total, a, b = len(pairs), sum(x for x, _ in pairs), sum(y for _, y in pairs)
    counted, expected = [], []
    for x in (True, False):
        for y in (True, False):
            counted.append(pairs.count((x, y)))
            expected.append((a if x else total - a) * (b if y else total - b) / total)
    statistic, _ = chi_squared(counted, expected)
    return erfc(sqrt(statistic / 2))
