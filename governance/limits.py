"""Rate limits, as values: exact sliding windows over attempts, and when the next one is free.

Attempts are numbered by role, operator and action, so that the n-th newest is one look-up, however many there are. A
window is half open: what was tried exactly an hour ago is out of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime

from governance.parameters import RateLimit, RateLimits

HOUR_MS = 60 * 60 * 1000
DAY_MS = 24 * HOUR_MS

PUSH, OPENS = "push", "sign_off_request"
ACTIONS: tuple[str, ...] = tuple(each.name for each in fields(RateLimits))
"""What is limited."""

COUNTED: Mapping[str, str] = {
    "push": PUSH,
    "land": PUSH,
    "sign_off": "peer_review",
    "lock.request": "lock_request",
    "lock.ask": "lock_request",
    "decision.raise": "critical_decision",
    "decision.ask": "message",
    "message.send": "message",
}
"""By the type of a signed statement, or `push`: the action that trying it counts for. To ask the lander is to push.

`decision.ask` is what is raised and need not reach the owner: everyday work, which is announced like a message.
"""

Newest = Callable[[int], int | None]
"""Returns when the n-th newest attempt was made, from 1; None where there are fewer."""


@dataclass(frozen=True, slots=True)
class Window:
    """One action of one role and operator: its limit in force, and when the next attempt is free; 0 for now."""

    action: str
    limit: RateLimit
    free_at: int
    asked: int = 1


@dataclass(frozen=True, slots=True)
class Usage:
    """How much of its limits the pusher's role has used, for this operator: the windows that one push counts in."""

    role: str
    operator: str
    windows: tuple[Window, ...]


def free_at(newest: Newest, limit: RateLimit, *, now: int, asked: int = 1, kept: int = 1) -> int:
    """Return 0 where `asked` more attempts are within the limit now; else when they are, if nothing else is tried.

    `kept` is how many of them count though they are refused.
    """
    windows = ((limit.hour, HOUR_MS), (limit.day, DAY_MS))
    if not any(_full(newest, most, length, now=now, asked=asked) for most, length in windows):
        return 0
    # What is refused now counts, and may fill the other window too.
    return max(_freed(newest, most - asked + 1 - kept, length, now=now) for most, length in windows)


def _full(newest: Newest, most: int, length: int, *, now: int, asked: int) -> bool:
    if asked > most:
        return True  # For ever, in one piece: the message says how many at a time.
    nearest = newest(most - asked + 1)
    return nearest is not None and nearest > now - length


def _freed(newest: Newest, place: int, length: int, *, now: int) -> int:
    """Return when the attempt at this place leaves its window; what is asked now is at place 0, or before it."""
    leaves = newest(place) if place > 0 else now
    return 0 if leaves is None else leaves + length


def raised(limit: RateLimit, hour: int, day: int) -> RateLimit:
    """Return a limit as an owner raised it: never lower than the policy's."""
    return RateLimit(hour=max(limit.hour, hour), day=max(limit.day, day))


def said(role: str, operator: str, window: Window) -> str:
    """Say what is over, and when it is free again."""
    words = window.action.replace("_", " ")
    when = datetime.fromtimestamp(window.free_at / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")
    asked = f"; this asks for {window.asked} at once" if window.asked > 1 else ""
    return (
        f"{role} (of {operator or 'nobody'}) has used its {window.limit.hour} an hour or {window.limit.day} a day of "
        f"{words}{asked}; if nothing more is tried, free again at {when} UTC"
    )


MEND = (
    "Wait, and do not try again before: attempts count, refused ones too. The owner can raise it: twinseal limit raise"
)
