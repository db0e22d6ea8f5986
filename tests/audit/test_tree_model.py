"""Tree and tiles against RFC 6962 as it stands there, driven at random: grow, ask, tamper."""

from __future__ import annotations

import hashlib
from functools import cache

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from audit import merkle, tiles
from audit.errors import ProofError
from audit.merkle import Frontier
from audit.tiles import Tile

MOST = 700
LEAVES = [hashlib.sha256(b"\0%d" % number).digest() for number in range(MOST)]


@cache
def mth(start: int, stop: int) -> bytes:
    """Section 2.1: MTH(D[n])."""
    n = stop - start
    if n == 0:
        return hashlib.sha256().digest()
    if n == 1:
        return LEAVES[start]
    k = 1
    while k * 2 < n:
        k *= 2
    return hashlib.sha256(b"\1" + mth(start, start + k) + mth(start + k, stop)).digest()


def path(m: int, start: int, stop: int) -> list[bytes]:
    """Section 2.1.1: PATH(m, D[n])."""
    n = stop - start
    if n == 1:
        return []
    k = 1
    while k * 2 < n:
        k *= 2
    if m < k:
        return [*path(m, start, start + k), mth(start + k, stop)]
    return [*path(m - k, start + k, stop), mth(start, start + k)]


def subproof(m: int, start: int, stop: int, *, whole: bool) -> list[bytes]:
    """Section 2.1.2: SUBPROOF(m, D[n], b)."""
    n = stop - start
    if m == n:
        return [] if whole else [mth(start, stop)]
    k = 1
    while k * 2 < n:
        k *= 2
    if m <= k:
        return [*subproof(m, start, start + k, whole=whole), mth(start + k, stop)]
    return [*subproof(m - k, start + k, stop, whole=False), mth(start, start + k)]


class Log(RuleBasedStateMachine):
    """A log whose tiles are written when they are full, and whose edge is all it keeps in mind."""

    def __init__(self) -> None:
        super().__init__()
        self.edge = Frontier()
        self.full: dict[Tile, bytes] = {}
        self.nodes: dict[tuple[int, int], bytes] = {}

    @rule(count=st.integers(0, 5) | st.sampled_from([1, 17, 100, 255, 256, 257]))
    def append(self, count: int) -> None:
        size = self.edge.size
        leaves = LEAVES[size : min(MOST, size + count)]
        self.edge = self.edge.grown(leaves, lambda level, index, found: self.nodes.update({(level, index): found}))
        for tile in tiles.tiles_of(self.edge.size):
            if tile.width == tiles.WIDTH and tile not in self.full:
                self.full[tile] = self.cut(tile)

    def cut(self, tile: Tile) -> bytes:
        first = tile.index * tiles.WIDTH
        return b"".join(self.nodes[tile.level * tiles.HEIGHT, first + n] for n in range(tile.width))

    def read(self, tile: Tile) -> bytes:
        return self.full[tile] if tile.width == tiles.WIDTH else self.cut(tile)

    @rule()
    def restart(self) -> None:
        self.edge = Frontier(self.edge.size, tuple(self.edge.hashes))

    @invariant()
    def the_edge_has_the_root(self) -> None:
        assert self.edge.root() == mth(0, self.edge.size)

    @rule(data=st.data())
    def root_at_any_earlier_size(self, data: st.DataObject) -> None:
        size = data.draw(st.integers(0, self.edge.size))
        assert merkle.root(size, tiles.nodes_from(self.read, self.edge.size)) == mth(0, size)

    @precondition(lambda self: self.edge.size)
    @rule(data=st.data())
    def inclusion(self, data: st.DataObject) -> None:
        size = data.draw(st.integers(1, self.edge.size))
        index = data.draw(st.integers(0, size - 1))
        proof = merkle.inclusion_proof(index, size, tiles.nodes_from(self.read, self.edge.size))
        assert proof == path(index, 0, size)
        merkle.verify_inclusion(LEAVES[index], index, size, proof, mth(0, size))
        with pytest.raises(ProofError):
            merkle.verify_inclusion(touched(LEAVES[index], data), index, size, proof, mth(0, size))
        with pytest.raises(ProofError):
            merkle.verify_inclusion(LEAVES[index], index, size, proof, touched(mth(0, size), data))
        with pytest.raises(ProofError):
            merkle.verify_inclusion(LEAVES[index], index, size, tampered(proof, data), mth(0, size))

    @precondition(lambda self: self.edge.size)
    @rule(data=st.data())
    def consistency(self, data: st.DataObject) -> None:
        new = data.draw(st.integers(1, self.edge.size))
        old = data.draw(st.integers(1, new))
        proof = merkle.consistency_proof(old, new, tiles.nodes_from(self.read, self.edge.size))
        assert proof == subproof(old, 0, new, whole=True)
        merkle.verify_consistency(old, mth(0, old), new, mth(0, new), proof)
        for heads in ((touched(mth(0, old), data), mth(0, new)), (mth(0, old), touched(mth(0, new), data))):
            with pytest.raises(ProofError):
                merkle.verify_consistency(old, heads[0], new, heads[1], proof)
        with pytest.raises(ProofError):
            merkle.verify_consistency(old, mth(0, old), new, mth(0, new), tampered(proof, data))

    @precondition(lambda self: self.edge.size)
    @rule(data=st.data())
    def a_tile_that_was_touched_gives_no_proof_that_holds(self, data: st.DataObject) -> None:
        size = self.edge.size
        index = data.draw(st.integers(0, size - 1))
        wanted = path(index, 0, size)
        bad = {tile: touched(self.read(tile), data) for tile in tiles.tiles_of(size)}
        proof = merkle.inclusion_proof(index, size, tiles.nodes_from(lambda tile: bad[tile], size))
        if proof != wanted:
            with pytest.raises(ProofError):
                merkle.verify_inclusion(LEAVES[index], index, size, proof, mth(0, size))


def touched(found: bytes, data: st.DataObject) -> bytes:
    """One bit is another."""
    bit = data.draw(st.integers(0, len(found) * 8 - 1))
    changed = bytearray(found)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def tampered(proof: list[bytes], data: st.DataObject) -> list[bytes]:
    """One hash more, less, or another, or two changed about."""
    how = data.draw(st.sampled_from(["more", "less", "bit", "turned"] if proof else ["more"]))
    at = data.draw(st.integers(0, max(0, len(proof) - 1)))
    if how == "more":
        return [*proof[:at], data.draw(st.sampled_from([*proof, LEAVES[0]])), *proof[at:]]
    if how == "less":
        return [*proof[:at], *proof[at + 1 :]]
    if how == "turned" and len(set(proof)) > 1:
        return [*proof[1:], proof[0]]
    return [*proof[:at], touched(proof[at], data), *proof[at + 1 :]]


TestLog = Log.TestCase
TestLog.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
