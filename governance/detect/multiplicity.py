"""Many questions at once, asked day after day: what keeps chance from being taken for a finding.

Source: Benjamini and Yekutieli (2001), for tests that depend on each other in any way; Lan and DeMets (1983), for looks
that spend a share each, so that all looks of an epoch together stay at the rate that was set.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import log

EULER = 0.5772156649015329


def per_look(total: float, looks: int) -> float:
    """Return what one of so many looks may spend."""
    return total / looks


def harmonic(count: int) -> float:
    """Return 1 + 1/2 + ... + 1/count; close enough where there are many."""
    few = 1000
    if count <= few:
        return sum(1 / i for i in range(1, count + 1))
    return log(count) + EULER + 1 / (2 * count)


def adjusted(ps: Sequence[float], asked: int) -> list[float]:
    """Return the Benjamini-Yekutieli q-value of each p-value; `asked` counts every question, also those not listed.

    A question that is not listed is taken to have the answer "no" (p = 1).
    """
    asked = max(asked, len(ps))
    ordered = sorted(range(len(ps)), key=lambda place: ps[place])
    factor = asked * harmonic(asked)
    found = [1.0] * len(ps)
    least = 1.0
    for rank in range(len(ps), 0, -1):
        place = ordered[rank - 1]
        least = min(least, ps[place] * factor / rank)
        found[place] = least
    return found
