"""When a delivery that failed is tried again, and when it is given up. Pure; the jitter comes from its key."""

from __future__ import annotations

import hashlib

FIRST_MS = 5_000
LONGEST_MS = 30 * 60_000
GIVE_UP_MS = 24 * 60 * 60_000
"""After the first attempt."""
GIVE_UP_ATTEMPTS = 5
"""As many there must have been: a clock that jumps over a day gives nothing up."""
WISH_MOST_MS = 4 * 60 * 60_000
"""The longest that a peer may ask us to wait: one that asks for a year must not silence us."""


def pause(key: str, attempts: int, *, wish_ms: int = 0) -> int:
    """Return how long to wait after so many attempts: twice as long each time, a quarter more or less by the key.

    Not less than the peer asked for, within what it may ask for.
    """
    doubled = min(FIRST_MS << min(attempts - 1, 20), LONGEST_MS)
    seed = int.from_bytes(hashlib.sha256(f"{key}/{attempts}".encode()).digest()[:4], "big")
    jittered = doubled * 3 // 4 + doubled * seed // 2**33
    return max(jittered, wish(wish_ms))


def wish(ms: int) -> int:
    """Return what a peer asked us to wait, as far as it may."""
    return max(0, min(ms, WISH_MOST_MS))
