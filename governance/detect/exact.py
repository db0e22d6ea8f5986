"""Exact bounds and tails, in plain Python: binomial (Clopper and Pearson, 1934), hypergeometric, chi-squared.

Source: Press et al., Numerical Recipes, 6.2 and 6.4, for the continued fractions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import comb, exp, lgamma, log

ROUNDS = 300
TINY = 1e-300
CLOSE = 1e-15
HALVINGS = 60


def bounds(hits: int, of: int, *, confidence: float = 0.95) -> tuple[float, float]:
    """Return the two-sided Clopper-Pearson interval of a rate."""
    tail = (1 - confidence) / 2
    return lower(hits, of, tail=tail), upper(hits, of, tail=tail)


def lower(hits: int, of: int, *, tail: float = 0.05) -> float:
    """Return the rate below which so many hits or more happen with a chance of at most `tail`."""
    return 0.0 if hits == 0 else _solve(lambda rate: beta_share(hits, of - hits + 1, rate), tail)


def upper(hits: int, of: int, *, tail: float = 0.05) -> float:
    """Return the rate above which so few hits happen with a chance of at most `tail`; 1 where nothing was tried."""
    return 1.0 if hits == of else _solve(lambda rate: beta_share(hits + 1, of - hits, rate), 1 - tail)


def _solve(rising: Callable[[float], float], wanted: float) -> float:
    low, high = 0.0, 1.0
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if rising(middle) < wanted else (low, middle)
    return (low + high) / 2


def beta_share(a: float, b: float, x: float) -> float:
    """Return the regularised incomplete beta function I_x(a, b)."""
    if x <= 0 or x >= 1:
        return 0.0 if x <= 0 else 1.0
    front = exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log(1 - x))
    if x < (a + 1) / (a + b + 2):
        return front * _beta_fraction(a, b, x) / a
    return 1 - front * _beta_fraction(b, a, 1 - x) / b


def _beta_fraction(a: float, b: float, x: float) -> float:
    c, d = 1.0, 1 / _not_zero(1 - (a + b) * x / (a + 1))
    found = d
    for m in range(1, ROUNDS):
        for term in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = 1 / _not_zero(1 + term * d)
            c = _not_zero(1 + term / c)
            found *= c * d
        if abs(c * d - 1) < CLOSE:
            break
    return found


def _not_zero(value: float) -> float:
    return value if abs(value) > TINY else TINY


def hypergeometric(total: int, marked: int, drawn: int) -> list[float]:
    """Return the chance of each number of marked ones, from 0, among so many drawn."""
    drawn, marked = min(drawn, total), min(marked, total)
    ways = comb(total, drawn)
    most = min(marked, drawn)
    return [comb(marked, k) * comb(total - marked, drawn - k) / ways for k in range(most + 1)]


def summed(one: Sequence[float], other: Sequence[float]) -> list[float]:
    """Return the distribution of the sum of two independent counts."""
    found = [0.0] * (len(one) + len(other) - 1)
    for i, p in enumerate(one):
        if p:
            for j, q in enumerate(other):
                found[i + j] += p * q
    return found


def chi_squared(counted: Sequence[int], expected: Sequence[float]) -> tuple[float, float]:
    """Return the statistic of counts against what was expected, and the chance of one as large."""
    found = sum((have - want) ** 2 / want for have, want in zip(counted, expected, strict=True))
    return found, gamma_tail((len(counted) - 1) / 2, found / 2)


def gamma_tail(a: float, x: float) -> float:
    """Return the regularised upper incomplete gamma function Q(a, x)."""
    if x <= 0:
        return 1.0
    front = exp(a * log(x) - x - lgamma(a))
    if x < a + 1:
        term = whole = 1 / a
        for n in range(1, ROUNDS):
            term *= x / (a + n)
            whole += term
        return max(0.0, 1 - front * whole)
    b = x + 1 - a
    c, d = 1 / TINY, 1 / b
    found = d
    for n in range(1, ROUNDS):
        b += 2
        d = 1 / _not_zero(b - n * (n - a) * d)
        c = _not_zero(b - n * (n - a) / c)
        found *= c * d
    return front * found
