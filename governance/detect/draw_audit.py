"""Check the draws of one epoch from its entries alone: anybody can, once the key is revealed.

Pure. Checked: that the key is the one committed to; that every slot was decided as the key says, no slot twice and none
left out; that the reviewers stand in the key's order. Not checked: who was free to review, which the roster knows, and
draws whose entries are not in what is read (an export proves by its checkpoint that none is missing).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from governance import draws
from governance.record import Kind

BINS = 16
UNLIKELY = 0.001
"""Chance below which the values of an honest key would be called uneven."""


@dataclass(frozen=True, slots=True)
class Line:
    """One draw, as recorded and as computed again."""

    entry: int
    change: int
    operator: str
    slot: int
    selected: bool
    reviewers: tuple[str, ...]
    faults: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """What an epoch's entries come to."""

    epoch: int
    checkable: bool
    faults: tuple[str, ...]
    """Of the epoch as a whole."""
    lines: tuple[Line, ...]
    chi_squared: float
    chance: float
    """That an honest key gives values at least as uneven."""

    @property
    def good(self) -> bool:
        """Whether it could be checked, and nothing was amiss."""
        return self.checkable and not self.faults and not any(line.faults for line in self.lines)


def audit(entries: Iterable[Mapping[str, Any]], epoch: int) -> Report:
    """Return what is true of one epoch. Entries are those of an export, in order; others are passed over."""
    opened: Mapping[str, Any] = {}
    revealed: Mapping[str, Any] = {}
    recorded: list[tuple[int, list[Any]]] = []
    for entry in entries:
        kind, data = entry["kind"], entry["data"]
        if kind == Kind.DRAW_EPOCH_OPENED and data["epoch"] == epoch:
            opened = data
        elif kind == Kind.DRAW_EPOCH_REVEALED and data["epoch"] == epoch:
            revealed = data
        elif kind == Kind.PUSH_DECIDED:
            recorded += [(entry["seq"], row) for row in data.get("draws", ()) if row[2] == epoch]
    faults = _epoch_faults(opened, revealed)
    key = bytes.fromhex(revealed["key"]) if not faults else b""
    lines = tuple(_line(seq, row, key, opened) for seq, row in recorded)
    numbered = _gaps(lines)
    values = [draws.fraction(key, line.operator, line.slot) for line in lines] if key else []
    chi = chi_squared(values)
    return Report(epoch, bool(key), (*faults, *numbered), lines, chi, chance(chi, BINS - 1))


def _epoch_faults(opened: Mapping[str, Any], revealed: Mapping[str, Any]) -> tuple[str, ...]:
    if not opened:
        return ("the entry that opened this epoch is not here",)
    if not revealed:
        return ("its key is not revealed yet",)
    if not revealed["key"]:
        return (f"its key is {revealed['reason']}: the epoch cannot be checked",)
    if draws.commitment(bytes.fromhex(revealed["key"])) != opened["commitment"]:
        return ("the revealed key is not the one that was committed to",)
    return ()


def _line(seq: int, row: list[Any], key: bytes, opened: Mapping[str, Any]) -> Line:
    _, change, _, operator, slot, selected, reviewers, *_ = row
    faults = []
    if key:
        percent, floor = opened["percent"], opened["floor_slots"]
        if draws.selected(key, operator, slot, percent=percent, floor_slots=floor) != bool(selected):
            faults.append("the key says otherwise")
        if draws.order(key, operator, slot, reviewers) != tuple(reviewers):
            faults.append("the reviewers are not in the key's order")
    return Line(seq, change, operator, slot, bool(selected), tuple(reviewers), tuple(faults))


def _gaps(lines: Iterable[Line]) -> tuple[str, ...]:
    """Name every slot that was used twice, or passed over."""
    used: dict[str, list[int]] = {}
    for line in lines:
        used.setdefault(line.operator, []).append(line.slot)
    return tuple(
        f"the slots of {operator} are {slots}, not one after the other"
        for operator, slots in used.items()
        if slots != list(range(len(slots)))
    )


def chi_squared(values: Iterable[int]) -> float:
    """Return how unevenly numbers below 2^64 fall into equal parts; 0 for none."""
    counts = [0] * BINS
    for value in values:
        counts[value * BINS >> 64] += 1
    expected = sum(counts) / BINS
    return sum((count - expected) ** 2 / expected for count in counts) if expected else 0.0


def chance(chi: float, freedom: int) -> float:
    """Return about how often chance alone gives more (Wilson and Hilferty, 1931)."""
    spread = 2 / (9 * freedom)
    z = ((chi / freedom) ** (1 / 3) - (1 - spread)) / math.sqrt(spread)
    return math.erfc(z / math.sqrt(2)) / 2
