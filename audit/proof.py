"""Proof files (C2SP tlog-proof): one entry's place under a signed checkpoint, to be verified offline.

A proof says nothing of what the entry is: whoever verifies it brings the entry. The `extra` line is not covered by any
signature; a body that lies there proves itself, because its leaf hash is what the proof is about.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Sequence
from dataclasses import dataclass

from audit.checkpoint import Checkpoint
from audit.errors import NoteError, ProofError
from audit.merkle import HASH_BYTES, LONGEST_PROOF, verify_inclusion
from audit.note import LARGEST, Algorithm, Key, Note, read

HEADER = "c2sp.org/tlog-proof@v1"
SUFFIX = ".tlog-proof"
MOST = (1 << 63) - 1
"""The largest size and index; no tree is larger."""

_NUMBER = re.compile(r"0|[1-9][0-9]{0,18}")


@dataclass(frozen=True, slots=True)
class Proof:
    """That an entry is number `index` of a log. `checkpoint` is the signed note as the log gave it out."""

    index: int
    hashes: tuple[bytes, ...]
    checkpoint: bytes
    extra: bytes = b""

    def file(self) -> bytes:
        """Return the file's bytes."""
        extra = [f"extra {base64.b64encode(self.extra).decode()}"] if self.extra else []
        lines = [HEADER, *extra, f"index {self.index}", *map(spelt, self.hashes)]
        return "\n".join(lines).encode() + b"\n\n" + self.checkpoint

    @classmethod
    def parse(cls, data: bytes) -> Proof:
        """Read such a file. The checkpoint is only kept: `verify` reads it.

        Raises:
            ProofError: not a proof, or not its one spelling.
        """
        if len(data) > LARGEST:
            raise ProofError(f"expected at most {LARGEST} bytes of proof, got {len(data)}")
        head, blank, checkpoint = data.partition(b"\n\n")
        first, *lines = head.decode("ascii", "replace").split("\n")
        if first != HEADER or not blank or not lines:
            raise ProofError(f"expected {HEADER}, an index, hashes, a blank line and a checkpoint, got {head[:80]!a}")
        extra = _extra(lines.pop(0)) if lines[0].startswith("extra ") else b""
        word, _, number = lines[0].partition(" ") if lines else ("", "", "")
        if word != "index":
            raise ProofError(f"expected a line of the index, got {lines[:1]!a:.80}")
        return cls(whole(number), hashes_of(lines[1:]), checkpoint, extra)

    def verify(self, leaf: bytes, keys: Sequence[Key]) -> Note:
        """Return the checkpoint's note if it is the log's, and has this leaf hash at the index.

        The log's key is one of `keys` that has the origin as its name. Not judged: whether enough of the others
        cosigned; ask a policy (`audit.trust`).

        Raises:
            ProofError: the entry is not shown to be there.
            NoteError: the checkpoint is none, or not signed by the log.
        """
        note, point = read_checkpoint(self.checkpoint, keys)
        verify_inclusion(leaf, self.index, point.size, self.hashes, point.root)
        return note


def read_checkpoint(data: bytes, keys: Sequence[Key]) -> tuple[Note, Checkpoint]:
    """Return a note and the checkpoint it holds, signed by one of these keys that has the origin as its name.

    Raises:
        NoteError: it is none, or not signed so.
    """
    note = read(data, keys)
    point = Checkpoint.parse(note.text)
    signers = {each.key.name for each in note.signatures if each.key.algorithm is Algorithm.ED25519}
    if point.origin not in signers:
        raise NoteError(f"expected a checkpoint signed by a known key of {point.origin!a:.200}, got one without")
    return note, point


def spelt(found: bytes) -> str:
    """Return a hash as it stands on a line."""
    return base64.b64encode(found).decode()


def hashes_of(lines: Sequence[str]) -> tuple[bytes, ...]:
    """Read the lines of a proof, each one hash.

    Raises:
        ProofError: more than a proof has, or a line that is not the one spelling of a hash.
    """
    if len(lines) > LONGEST_PROOF:
        raise ProofError(f"expected at most {LONGEST_PROOF} hashes, got {len(lines)}")
    found = tuple(_decoded(line) for line in lines)
    if any(len(each) != HASH_BYTES for each in found):
        raise ProofError(f"expected hashes of {HASH_BYTES} bytes in base64, got another line")
    return found


def whole(text: str) -> int:
    """Read a size or an index.

    Raises:
        ProofError: not a decimal without leading zeroes, or beyond 2**63 - 1.
    """
    if not _NUMBER.fullmatch(text) or int(text) > MOST:
        raise ProofError(f"expected a whole number up to 2**63 - 1, got {text!a:.40}")
    return int(text)


def _extra(line: str) -> bytes:
    found = _decoded(line.removeprefix("extra "))
    if not found:
        raise ProofError("expected data in base64 on the line of extra data, or no such line, got another")
    return found


def _decoded(text: str) -> bytes:
    """Return what a line spells, or nothing if this is not its one spelling."""
    try:
        found = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""
    return found if base64.b64encode(found).decode() == text else b""
