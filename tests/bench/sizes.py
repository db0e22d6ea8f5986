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
    appends: int = 12_800
    append_rounds: int = 5
    others: bool = True
    """Whether other libraries are fetched and measured beside ours."""
    proofs: int = 1000
    decisions: int = 301
    """Taken on each."""
    landings_few: int = 1000
    landings_many: int = 100_000
    """Behind the decision that all controls are asked about."""


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
    appends=256,
    append_rounds=1,
    others=False,
    proofs=5,
    decisions=5,
    landings_few=10,
    landings_many=20,
)
"""Whether it runs at all; the figures mean nothing."""
