"""The tree against its own definition, and against published proofs, good and bad."""

from __future__ import annotations

import base64
import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit import merkle
from audit.errors import ProofError
from audit.merkle import Frontier

VECTORS = Path(os.environ.get("TWINSEAL_VECTORS", Path(__file__).parents[2].parent / "shared" / "vectors")) / "merkle"
MOST = 300


def leaf(number: int) -> bytes:
    return hashlib.sha256(b"\0%d" % number).digest()


LEAVES = [leaf(number) for number in range(MOST)]


def defined(leaves: list[bytes]) -> bytes:
    """RFC 6962 section 2.1, word for word."""
    if not leaves:
        return hashlib.sha256().digest()
    if len(leaves) == 1:
        return leaves[0]
    k = 1 << ((len(leaves) - 1).bit_length() - 1)
    return hashlib.sha256(b"\1" + defined(leaves[:k]) + defined(leaves[k:])).digest()


def defined_path(index: int, leaves: list[bytes]) -> list[bytes]:
    """RFC 6962 section 2.1.1, word for word."""
    if len(leaves) == 1:
        return []
    k = 1 << ((len(leaves) - 1).bit_length() - 1)
    if index < k:
        return [*defined_path(index, leaves[:k]), defined(leaves[k:])]
    return [*defined_path(index - k, leaves[k:]), defined(leaves[:k])]


def defined_proof(old: int, leaves: list[bytes], *, whole: bool = True) -> list[bytes]:
    """RFC 6962 section 2.1.2, word for word."""
    if old == len(leaves):
        return [] if whole else [defined(leaves)]
    k = 1 << ((len(leaves) - 1).bit_length() - 1)
    if old <= k:
        return [*defined_proof(old, leaves[:k], whole=whole), defined(leaves[k:])]
    return [*defined_proof(old - k, leaves[k:], whole=False), defined(leaves[:k])]


def nodes(level: int, index: int) -> bytes:
    first, last = index << level, (index + 1) << level
    assert last <= MOST, "only complete subtrees are asked for"
    return defined(LEAVES[first:last])


sizes = st.integers(1, MOST)


@given(sizes)
def test_a_head_is_what_the_rfc_defines(size: int) -> None:
    expected = defined(LEAVES[:size])
    assert merkle.root(size, nodes) == expected
    assert Frontier().grown(LEAVES[:size]).root() == expected


def test_the_empty_tree_has_the_hash_of_nothing() -> None:
    assert merkle.root(0, nodes) == Frontier().root() == merkle.EMPTY_ROOT == hashlib.sha256(b"").digest()


@given(sizes, st.data())
def test_it_grows_in_any_steps_and_tells_each_subtree_once(size: int, data: st.DataObject) -> None:
    told: dict[tuple[int, int], bytes] = {}

    def done(level: int, index: int, found: bytes) -> None:
        assert (level, index) not in told
        told[level, index] = found

    edge = Frontier()
    while edge.size < size:
        step = data.draw(st.integers(1, size - edge.size))
        edge = edge.grown(LEAVES[edge.size : edge.size + step], done)
    assert edge.root() == defined(LEAVES[:size])
    assert set(told) == {(level, i) for level in range(size.bit_length()) for i in range(size >> level)}
    assert all(told[level, index] == nodes(level, index) for level, index in told)


@given(sizes, st.data())
def test_an_inclusion_proof_is_what_the_rfc_defines_and_fits_its_leaf_alone(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))
    proof = merkle.inclusion_proof(index, size, nodes)
    head = defined(LEAVES[:size])
    assert proof == defined_path(index, LEAVES[:size])
    merkle.verify_inclusion(LEAVES[index], index, size, proof, head)
    other = data.draw(st.integers(0, size - 1).filter(lambda n: n != index) if size > 1 else st.just(MOST))
    with pytest.raises(ProofError):
        merkle.verify_inclusion(LEAVES[index], other, size, proof, head)
    with pytest.raises(ProofError):
        merkle.verify_inclusion(leaf(MOST), index, size, proof, head)


@given(sizes, st.data())
def test_a_consistency_proof_is_what_the_rfc_defines_and_fits_no_other_tree(new: int, data: st.DataObject) -> None:
    old = data.draw(st.integers(1, new))
    proof = merkle.consistency_proof(old, new, nodes)
    heads = defined(LEAVES[:old]), defined(LEAVES[:new])
    assert proof == defined_proof(old, LEAVES[:new])
    merkle.verify_consistency(old, heads[0], new, heads[1], proof)
    with pytest.raises(ProofError):
        merkle.verify_consistency(old, leaf(MOST), new, heads[1], proof)
    with pytest.raises(ProofError):
        merkle.verify_consistency(old, heads[0], new, leaf(MOST), proof)
    with pytest.raises(ProofError):
        merkle.verify_consistency(old, heads[0], new, heads[1], [*proof, leaf(0)])
    for number in range(len(proof)):
        changed = [*proof[:number], leaf(MOST), *proof[number + 1 :]]
        with pytest.raises(ProofError):
            merkle.verify_consistency(old, heads[0], new, heads[1], changed)


@pytest.mark.parametrize(("index", "size"), [(0, 0), (1, 1), (-1, 1), (5, 4)])
def test_there_is_no_proof_for_a_leaf_that_is_not_there(index: int, size: int) -> None:
    with pytest.raises(ProofError, match="a leaf below"):
        merkle.inclusion_proof(index, size, nodes)
    with pytest.raises(ProofError, match="a leaf below"):
        merkle.verify_inclusion(LEAVES[0], index, size, [], LEAVES[0])


@pytest.mark.parametrize(("old", "new"), [(0, 1), (0, 0), (2, 1), (-1, 1)])
def test_the_empty_tree_and_a_larger_one_begin_nothing(old: int, new: int) -> None:
    with pytest.raises(ProofError, match="a tree of 1 to"):
        merkle.consistency_proof(old, new, nodes)
    with pytest.raises(ProofError, match="a tree of 1 to"):
        merkle.verify_consistency(old, LEAVES[0], new, LEAVES[0], [])


@pytest.mark.parametrize(("size", "hashes"), [(1, ()), (2, (leaf(0), leaf(1))), (1, (b"short",))])
def test_an_edge_that_no_tree_has_is_refused(size: int, hashes: tuple[bytes, ...]) -> None:
    with pytest.raises(ProofError, match="hashes for"):
        Frontier(size, hashes)


def published(kind: str) -> list[Any]:
    found = sorted((VECTORS / kind).rglob("*.json"))
    if not found:
        reason = f"no published vectors in {VECTORS}: set TWINSEAL_VECTORS"
        return [pytest.param(None, marks=pytest.mark.skip(reason=reason))]
    return [pytest.param(path, id=f"{path.parent.name}/{path.stem}") for path in found]


def read(path: Path) -> tuple[dict[str, Any], list[bytes]]:
    found = json.loads(path.read_text())
    return found, [base64.b64decode(each) for each in found["proof"] or ()]


@pytest.mark.parametrize("path", published("inclusion"))
def test_published_inclusion_proofs(path: Path) -> None:
    found, proof = read(path)
    head, one = (base64.b64decode(found[name] or "") for name in ("root", "leafHash"))
    try:
        merkle.verify_inclusion(one, found["leafIdx"], found["treeSize"], proof, head)
    except ProofError:
        assert found["wantErr"]
    else:
        assert not found["wantErr"]


@pytest.mark.parametrize("path", published("consistency"))
def test_published_consistency_proofs(path: Path) -> None:
    found, proof = read(path)
    old, new = (base64.b64decode(found[name] or "") for name in ("root1", "root2"))
    try:
        merkle.verify_consistency(found["size1"], old, found["size2"], new, proof)
    except ProofError:
        assert found["wantErr"]
    else:
        assert not found["wantErr"]
