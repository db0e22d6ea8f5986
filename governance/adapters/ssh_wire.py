"""The bytes that SSH writes: strings and numbers with a length before them, read so that none has two forms.

Source: RFC 4251 section 5. Pure.
"""

from __future__ import annotations

import base64
import hashlib


class WireError(ValueError):
    """Not the bytes that the format asks for; whoever reads translates it."""


class Reader:
    """Reads one value after the other; `end` says that there is no more."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def take(self, count: int, what: str) -> bytes:
        """Return the next bytes."""
        found = self._data[self._at : self._at + count]
        if len(found) != count:
            raise WireError(f"{what}: expected {count} bytes, got {len(found)}")
        self._at += count
        return found

    def uint32(self, what: str) -> int:
        """Return a whole number of four bytes."""
        return int.from_bytes(self.take(4, what), "big")

    def string(self, what: str) -> bytes:
        """Return a string with its length before it."""
        return self.take(self.uint32(what), what)

    def name(self, what: str) -> str:
        """Return a string that is a printable ASCII name."""
        found = self.string(what)
        if not found.isascii() or not found.decode("latin-1").isprintable():
            raise WireError(f"{what}: expected printable ASCII, got {found[:40]!r}")
        return found.decode("ascii")

    def mpint(self, what: str) -> int:
        """Return a number above zero, in its shortest form: any other would be another signature of the same."""
        found = self.string(what)
        number = int.from_bytes(found, "big", signed=True)
        if number <= 0 or len(found) != number.bit_length() // 8 + 1:
            raise WireError(f"{what}: expected a number above zero in its shortest form")
        return number

    def end(self, what: str) -> None:
        """Refuse whatever is left."""
        if self._at != len(self._data):
            raise WireError(f"{what}: expected nothing after it, got {len(self._data) - self._at} bytes")


def string(data: bytes) -> bytes:
    """Return the bytes with their length before them."""
    return len(data).to_bytes(4, "big") + data


def fingerprint(blob: bytes) -> str:
    """Return the name of a public key, as ssh-keygen writes it."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).rstrip(b"=").decode("ascii")
