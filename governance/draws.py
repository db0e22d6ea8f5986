"""The tertiary draw: keyed, bound to a landing slot, checkable once its key is revealed.

Pure. Source: HMAC-SHA256 (RFC 2104) as a pseudo-random function, with its key committed to in advance. An operator's
slots of an epoch are numbered in the order in which signed-off changes ask to land; what is drawn for a slot hangs on
key, operator and number alone, so that nothing an author writes changes it. Not judged here: who may review.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterable
from dataclasses import dataclass, field

HOUR_MS = 60 * 60 * 1000
DAY_MS = 24 * HOUR_MS
KEY_BYTES = 32
MOST_REVIEWERS = 12
"""How many reviewers an entry names, in their order."""
MOST_PATHS = 50
"""Paths that an entry names of a drawn change; it says where there are more."""
APPROVE, BLOCK, DISMISS = "approve", "block", "dismiss"


@dataclass(frozen=True, slots=True)
class Epoch:
    """The numbers that hold until the key is revealed, as the entry that opened it says them."""

    number: int
    commitment: str
    opened_at: int
    percent: int
    floor_slots: int


@dataclass(frozen=True, slots=True)
class Draw:
    """What was drawn for one slot, about exactly which difference."""

    epoch: int
    operator: str
    slot: int
    selected: bool
    reviewers: tuple[str, ...] = ()
    """In their order; the next may step in when the one before is overdue. Empty where nobody was free."""
    change: int = 0
    author: str = ""
    diff_digest: str = ""
    at: int = 0


@dataclass(frozen=True, slots=True)
class Owed:
    """A drawn change that nobody has looked at yet."""

    change: int
    author: str
    operator: str
    marks: frozenset[str]
    """Of its paths (`mark`)."""
    more: bool
    """Whether it touches more paths than are named; then everything of its operator waits."""
    waits_for: str = ""


@dataclass(frozen=True, slots=True)
class Told:
    """What third parties said of one difference, whose it was, and who had approved it by then."""

    what: tuple[int, str]
    """Change and digest of the difference."""
    author: str
    approvers: tuple[str, ...]
    blocked: bool


@dataclass(frozen=True, slots=True)
class ThirdReview:
    """A third party's answer about one difference."""

    principal: str
    verdict: str
    patch_set: int
    seq: int


@dataclass(frozen=True, slots=True)
class Drawn:
    """What one landing on a protected ref must know of the draw."""

    epoch: Epoch | None = None
    key: bytes = field(default=b"", repr=False)
    """Of the open epoch; empty where it cannot be had. It stands in no entry and no document."""
    author: str = ""
    operator: str = ""
    slot: int = 0
    """The next one of this operator."""
    before: Draw | None = None
    """What was drawn for this change, or this difference, already."""
    reviews: tuple[ThirdReview, ...] = ()
    """Of this difference."""
    owed: tuple[Owed, ...] = ()


def commitment(key: bytes) -> str:
    """Return what is published of a key before it is used."""
    return hashlib.sha256(key).hexdigest()


def mark(path: str) -> str:
    """Return a short name of a path that any entry can hold; paths may be any bytes."""
    return hashlib.sha256(path.encode("utf-8", "surrogateescape")).hexdigest()[:16]


def value(key: bytes, *about: str | int) -> bytes:
    """Return the pseudo-random bytes for what is asked."""
    return hmac.digest(key, json.dumps(about, separators=(",", ":")).encode(), "sha256")


def fraction(key: bytes, operator: str, slot: int) -> int:
    """Return the number below 2^64 that decides a slot."""
    return int.from_bytes(value(key, "select", operator, slot)[:8])


def selected(key: bytes, operator: str, slot: int, *, percent: int, floor_slots: int) -> bool:
    """Whether this slot is drawn: by chance, or because one of an operator's first slots always is."""
    if floor_slots and slot == int.from_bytes(value(key, "floor", operator)[:8]) % floor_slots:
        return True
    return fraction(key, operator, slot) * 100 < percent << 64


def order(key: bytes, operator: str, slot: int, names: Iterable[str]) -> tuple[str, ...]:
    """Return who is asked to review, first to last: a permutation that nobody chose."""
    return tuple(sorted(sorted(names), key=lambda name: value(key, "reviewer", operator, slot, name)))


def whose_turn(draw: Draw, *, now: int, overdue_hours: int) -> tuple[str, ...]:
    """Return who may review by now: the first, and after each `overdue_hours` one more."""
    late = max(0, now - draw.at) // (overdue_hours * HOUR_MS)
    return draw.reviewers[: 1 + late]
