"""A log for tests that signs whatever it is told to: the honest one, and those of an attacker who holds its key."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

from audit import merkle, note
from audit.checkpoint import Checkpoint
from audit.merkle import Frontier
from audit.note import Algorithm, Signer
from audit.proof import spelt

ORIGIN = "example.org/log"
KEY = Signer(ORIGIN, Algorithm.ED25519, bytes(range(32)))
WITNESS = Signer("witness.example.org/w1", Algorithm.COSIGNATURE, bytes(range(1, 33)))
OTHER = Signer("witness.example.net/w2", Algorithm.COSIGNATURE, bytes(range(2, 34)))
THIRD = Signer("witness.example.com/w3", Algorithm.COSIGNATURE, bytes(range(3, 35)))


class TreeLog:
    """So many entries, and every hash over them. Another `seed` is another history."""

    def __init__(self, size: int = 40, *, seed: str = "", origin: str = ORIGIN, key: Signer = KEY) -> None:
        self.origin, self.key, self.size = origin, key, size
        self.entries = [f"{seed}{number}".encode() for number in range(size)]
        self.leaves = [hashlib.sha256(b"\0" + entry).digest() for entry in self.entries]
        self._nodes: dict[tuple[int, int], bytes] = {}
        Frontier().grown(self.leaves, lambda level, index, found: self._nodes.update({(level, index): found}))

    def nodes(self, level: int, index: int) -> bytes:
        return self._nodes[level, index]

    def root(self, size: int) -> bytes:
        return merkle.root(size, self.nodes)

    def prove(self, old: int, new: int) -> list[bytes]:
        return merkle.consistency_proof(old, new, self.nodes)

    def text(self, size: int) -> str:
        return Checkpoint(self.origin, size, self.root(size)).text()

    def signed(self, size: int, *more: Callable[[str], str]) -> bytes:
        text = self.text(size)
        return note.written(text, [self.key.line(text), *(each(text) for each in more)]).encode()

    def request(self, old: int, new: int, proof: Sequence[bytes] | None = None) -> bytes:
        given = proof if proof is not None else self.prove(old, new) if 0 < old <= new else []
        return asking(old, given, self.signed(new))


def asking(old: object, proof: Sequence[bytes], signed: bytes) -> bytes:
    return "\n".join([f"old {old}", *map(spelt, proof)]).encode() + b"\n\n" + signed


def resigned(text: str, key: Signer = KEY) -> bytes:
    """A text of any kind, signed: what a log's key holder can do."""
    return note.written(text, [key.line(text)]).encode()
