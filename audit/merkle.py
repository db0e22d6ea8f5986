"""The Merkle tree of RFC 6962 section 2.1: heads and proofs, made and verified.

Pure: a tree is known by its size and by whoever can name the hash of a complete subtree. A subtree is named by its
level (0 for leaves) and its index on that level; it stands for the leaves from `index << level` on.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from audit.errors import ProofError

EMPTY_ROOT = hashlib.sha256().digest()
HASH_BYTES = 32
LONGEST_PROOF = 63
"""Hashes; C2SP takes no more, and no tree of 2**63 leaves is coming."""

Nodes = Callable[[int, int], bytes]
"""(level, index): the hash of a complete subtree."""


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of two subtrees side by side."""
    return hashlib.sha256(b"\x01" + left + right).digest()


@dataclass(frozen=True, slots=True)
class Frontier:
    """The right edge of a growing tree: one complete subtree for each bit of the size, the largest first."""

    size: int = 0
    hashes: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what no tree has."""
        if len(self.hashes) != self.size.bit_count() or any(len(each) != HASH_BYTES for each in self.hashes):
            raise ProofError(f"expected {self.size.bit_count()} hashes for {self.size} leaves, got {len(self.hashes)}")

    def grown(self, leaves: Sequence[bytes], done: Callable[[int, int, bytes], None] | None = None) -> Frontier:
        """Return the edge after these leaves; `done` is told each subtree that they complete, leaves among them."""
        size, edge = self.size, list(self.hashes)
        for leaf in leaves:
            level, index, found = 0, size, leaf
            while True:
                if done is not None:
                    done(level, index, found)
                if not index & 1:
                    break
                found, index, level = node_hash(edge.pop(), found), index >> 1, level + 1
            edge.append(found)
            size += 1
        return Frontier(size, tuple(edge))

    def root(self) -> bytes:
        """Return the tree's head."""
        return _folded(self.hashes)


def root(size: int, nodes: Nodes) -> bytes:
    """Return the head of the first `size` leaves."""
    return _folded([nodes(level, index) for level, index in _parts(0, size)])


def inclusion_proof(index: int, size: int, nodes: Nodes) -> list[bytes]:
    """Return the hashes that lead from a leaf to the head of a tree (section 2.1.1), from the bottom up.

    Raises:
        ProofError: there is no such leaf.
    """
    if not 0 <= index < size:
        raise ProofError(f"expected a leaf below {size}, got {index}")
    return list(_path(0, index, size, nodes))


def consistency_proof(old: int, new: int, nodes: Nodes) -> list[bytes]:
    """Return the hashes that show one tree to begin another (section 2.1.2).

    Raises:
        ProofError: the older tree is empty, which proves nothing, or not the smaller.
    """
    if not 0 < old <= new:
        raise ProofError(f"expected a tree of 1 to {new} leaves, got {old}")
    if old == new:
        return []
    level = (old & -old).bit_length() - 1
    index = (old - 1) >> level
    seed = [] if not index else [nodes(level, index)]
    return [*seed, *_path(level, index, new, nodes)]


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], head: bytes) -> None:
    """Return if the leaf with this hash is the one at `index` under `head`.

    Raises:
        ProofError: it is not, or the proof is none.
    """
    if not 0 <= index < size:
        raise ProofError(f"expected a leaf below {size}, got {index}")
    inner, border = _shape(index, size)
    _check_length([leaf], 1)
    _check_length(proof, inner + border)
    found = _up(leaf, proof[:inner], index)
    for left in proof[inner:]:
        found = node_hash(left, found)
    if found != head:
        raise ProofError(f"expected the head {head.hex()}, got {found.hex()}")


def verify_consistency(old: int, old_head: bytes, new: int, new_head: bytes, proof: Sequence[bytes]) -> None:
    """Return if the first `old` leaves under `new_head` are those under `old_head`.

    Raises:
        ProofError: they are not, or the proof is none. The empty tree is never accepted: it begins every tree.
    """
    if not 0 < old <= new:
        raise ProofError(f"expected a tree of 1 to {new} leaves, got {old}")
    if old == new:
        _check_length(proof, 0)
        if old_head != new_head:
            raise ProofError(f"expected one head at size {old}, got {old_head.hex()} and {new_head.hex()}")
        return
    level = (old & -old).bit_length() - 1
    index, top = (old - 1) >> level, ((new - 1) >> level) + 1
    inner, border = _shape(index, top)
    _check_length(proof, inner + border + bool(index))
    seed, rest = (proof[0], proof[1:]) if index else (old_head, proof)
    found_old = found_new = seed
    for height, sibling in enumerate(rest[:inner]):
        if index >> height & 1:
            found_old = node_hash(sibling, found_old)
            found_new = node_hash(sibling, found_new)
        else:
            found_new = node_hash(found_new, sibling)
    for left in rest[inner:]:
        found_old, found_new = node_hash(left, found_old), node_hash(left, found_new)
    if (found_old, found_new) != (old_head, new_head):
        raise ProofError(f"expected one tree to begin the other, got {found_old.hex()} and {found_new.hex()}")


def _shape(index: int, size: int) -> tuple[int, int]:
    """Return how many hashes of a path lie below the tree's right edge, and how many to the left of it."""
    inner = (index ^ (size - 1)).bit_length()
    return inner, (index >> inner).bit_count()


def _check_length(proof: Sequence[bytes], wanted: int) -> None:
    if len(proof) != wanted or any(len(each) != HASH_BYTES for each in proof):
        raise ProofError(f"expected {wanted} hashes of {HASH_BYTES} bytes, got {len(proof)}")


def _up(found: bytes, siblings: Sequence[bytes], index: int) -> bytes:
    for height, sibling in enumerate(siblings):
        found = node_hash(sibling, found) if index >> height & 1 else node_hash(found, sibling)
    return found


def _path(level: int, index: int, size: int, nodes: Nodes) -> Iterator[bytes]:
    """Yield the siblings from a complete subtree up to the head."""
    inner, _ = _shape(index, ((size - 1) >> level) + 1)
    for height in range(level, level + inner):
        sibling = index ^ 1
        # The last one on its level may be incomplete: it reaches to the end of the tree.
        whole = (sibling + 1) << height <= size
        yield nodes(height, sibling) if whole else _folded([nodes(*each) for each in _parts(sibling << height, size)])
        index >>= 1
    for height in range(level + inner, size.bit_length()):
        if index & 1:
            yield nodes(height, index - 1)
        index >>= 1


def _parts(start: int, stop: int) -> Iterator[tuple[int, int]]:
    """Yield the complete subtrees that make up a range which begins where one of them may, the largest first."""
    while start < stop:
        level = (stop - start).bit_length() - 1
        yield level, start >> level
        start += 1 << level


def _folded(hashes: Sequence[bytes]) -> bytes:
    """Return the head over complete subtrees, each smaller than the one before."""
    if not hashes:
        return EMPTY_ROOT
    found = hashes[-1]
    for left in reversed(hashes[:-1]):
        found = node_hash(left, found)
    return found
