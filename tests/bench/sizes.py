"""How much is measured."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """Counts of everything."""

    rounds: int = 31
    """Small pushes, or starts of a program."""
    hundred: int = 100
    hundred_rounds: int = 9
    """Pushes of so many commits."""
    commits: int = 1000
    large_rounds: int = 3
    """Pushes of so many commits."""
    clients: int = 16
    requests: int = 480
    """Decisions asked for in one round."""
    request_rounds: int = 7
    few: int = 1000
    many: int = 1_000_000
    """Entries of a young and an old ledger."""
    decisions: int = 301
    """Taken on each."""


SMOKE = Sizes(
    rounds=2,
    hundred=6,
    hundred_rounds=1,
    commits=8,
    large_rounds=1,
    clients=4,
    requests=8,
    request_rounds=1,
    few=100,
    many=200,
    decisions=5,
)
"""Whether it runs at all; the figures mean nothing."""
