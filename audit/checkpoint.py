"""Checkpoints (C2SP tlog-checkpoint): which log, how many entries, and the head of its tree, as the text of a note."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass

from audit.errors import NoteError
from audit.merkle import HASH_BYTES
from audit.note import split

LINES = 3
_SIZE = re.compile(r"0|[1-9][0-9]{0,18}")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A log at one size. `root` is the RFC 6962 tree head."""

    origin: str
    size: int
    root: bytes

    def text(self) -> str:
        """Return the note's text."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"

    @classmethod
    def parse(cls, text: str) -> Checkpoint:
        """Read a note's text. Extension lines after the three are not kept, and prove nothing here.

        Raises:
            NoteError: not a checkpoint.
        """
        *lines, end = text.split("\n")
        if len(lines) < LINES or end or not all(lines) or not _SIZE.fullmatch(lines[1]):
            raise NoteError(f"expected the origin, size and root of a checkpoint, got {text!a:.120}")
        return cls(lines[0], int(lines[1]), _hash(lines[2]))


def claimed(signed: str) -> Checkpoint:
    """Read what a signed note says, whoever signed it: for notes of our own, and to learn whom to ask for.

    Raises:
        NoteError: not a checkpoint.
    """
    return Checkpoint.parse(split(signed)[0])


def _hash(text: str) -> bytes:
    try:
        found = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        found = b""
    if len(found) != HASH_BYTES or base64.b64encode(found).decode() != text:
        raise NoteError(f"expected a root of {HASH_BYTES} bytes in base64, got {text!a:.80}")
    return found
