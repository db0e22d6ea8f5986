"""The only place that reads the time or makes a random number."""

from __future__ import annotations

import base64
import secrets
import time


def now() -> int:
    """Return the time in milliseconds since the epoch, UTC."""
    return time.time_ns() // 1_000_000


def monotonic() -> float:
    """Return seconds on a clock that never goes back; for durations only."""
    return time.monotonic()


def token(size: int = 32) -> str:
    """Return `size` random bytes as URL-safe text, for tokens and secrets."""
    return secrets.token_urlsafe(size)


def nonce() -> str:
    """Return 16 random bytes as hex, for statements and identifiers."""
    return secrets.token_hex(16)


def base32(size: int) -> str:
    """Return `size` random bytes in base32, as authenticator apps read a secret."""
    return base64.b32encode(secrets.token_bytes(size)).decode().rstrip("=")


def random(size: int) -> bytes:
    """Return random bytes, for secrets."""
    return secrets.token_bytes(size)
