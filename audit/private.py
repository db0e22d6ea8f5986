"""Values that can be erased: an entry holds only a commitment to each, salted so that nobody can guess it back.

Erasing deletes salt and value; the entry, its hash and every proof stay as they are. What is derived from such a value
must be derived again after it is gone, so state that matters does not hang on one.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping

SALT = 32


def commitment(salt: bytes, value: str) -> str:
    """Return what an entry says of a value: SHA-256 over 0x02, the salt and its UTF-8, in hex."""
    return hashlib.sha256(b"\x02" + salt + value.encode()).hexdigest()


def commit(values: Mapping[str, str]) -> tuple[dict[str, str], list[tuple[str, bytes, str]]]:
    """Return the commitments for an entry, and the rows (field, salt, value) to keep beside it."""
    rows = [(field, secrets.token_bytes(SALT), value) for field, value in sorted(values.items())]
    return {field: commitment(salt, value) for field, salt, value in rows}, rows
