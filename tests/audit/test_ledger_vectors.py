"""The project's own vectors: what we make is what lies there, byte for byte, and what lies there we accept."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import types
from pathlib import Path

import pytest

from audit import entry, merkle, note
from audit.checkpoint import Checkpoint
from audit.errors import ProofError
from audit.proof import Proof
from audit.trust_text import parse

FOLDER = Path(__file__).parents[1] / "vectors" / "ledger"
TREE = json.loads((FOLDER / "tree.json").read_bytes())
BODIES = (FOLDER / "entries.jsonl").read_bytes().split(b"\n")[:-1]
LEAVES = [bytes.fromhex(leaf) for leaf in TREE["leaves"]]
ROOTS = [bytes.fromhex(root) for root in TREE["roots"]]


def script() -> types.ModuleType:
    spec = importlib.util.spec_from_file_location("make_ledger", FOLDER.parent / "make_ledger.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_script_makes_what_lies_there_and_nothing_else() -> None:
    assert script().files() == {path.name: path.read_bytes() for path in FOLDER.iterdir()}


def test_the_entries_are_entries_and_chained() -> None:
    assert len(BODIES) == len(LEAVES) == 5
    prev = entry.GENESIS_PREV
    for seq, body in enumerate(BODIES):
        found = entry.parse(body)
        assert (found.seq, found.prev) == (seq, prev)
        assert found.encode() == body
        assert entry.leaf_hash(body) == hashlib.sha256(b"\0" + body).digest() == LEAVES[seq]
        prev = LEAVES[seq].hex()


def test_the_roots_are_those_of_the_rfc() -> None:
    def defined(leaves: list[bytes]) -> bytes:
        if len(leaves) < 2:
            return leaves[0] if leaves else hashlib.sha256().digest()
        k = 1 << ((len(leaves) - 1).bit_length() - 1)
        return hashlib.sha256(b"\1" + defined(leaves[:k]) + defined(leaves[k:])).digest()

    assert [defined(LEAVES[:size]) for size in range(6)] == ROOTS


@pytest.mark.parametrize("given", TREE["inclusion"], ids=lambda g: f"{g['index']}-of-{g['size']}")
def test_the_inclusion_proofs_hold_for_their_entry_alone(given: dict[str, int | list[str]]) -> None:
    index, size, proof = int(str(given["index"])), int(str(given["size"])), hashes(given)
    merkle.verify_inclusion(LEAVES[index], index, size, proof, ROOTS[size])
    for other in set(range(5)) - {index}:
        with pytest.raises(ProofError):
            merkle.verify_inclusion(LEAVES[other], index, size, proof, ROOTS[size])


@pytest.mark.parametrize("given", TREE["consistency"], ids=lambda g: f"{g['old']}-to-{g['new']}")
def test_the_consistency_proofs_hold_for_their_sizes_alone(given: dict[str, int | list[str]]) -> None:
    old, new, proof = int(str(given["old"])), int(str(given["new"])), hashes(given)
    merkle.verify_consistency(old, ROOTS[old], new, ROOTS[new], proof)
    for other in set(range(1, 6)) - {old}:
        with pytest.raises(ProofError):
            merkle.verify_consistency(old, ROOTS[other], new, ROOTS[new], proof)


def hashes(given: dict[str, int | list[str]]) -> list[bytes]:
    proof = given["proof"]
    assert isinstance(proof, list)
    return [bytes.fromhex(each) for each in proof]


def test_checkpoint_and_proof_file_satisfy_the_policy() -> None:
    policy = parse((FOLDER / "keys.policy").read_bytes())
    signed = (FOLDER / "checkpoint").read_bytes()
    found, point = policy.check(signed)
    assert point == Checkpoint("example.org/ledger", 5, ROOTS[5])
    assert [each.at for each in found.signatures] == [0, 1_767_139_260]
    assert note.written(found.text, found.lines).encode() == signed
    data = (FOLDER / "2.tlog-proof").read_bytes()
    proof = Proof.parse(data)
    assert (proof.index, proof.extra, proof.checkpoint, proof.file()) == (2, BODIES[2], signed, data)
    note_ = proof.verify(entry.leaf_hash(proof.extra), policy.keys)
    assert policy.satisfied(each.key for each in note_.signatures)
