"""What others make of our log: OpenSSL, pymerkle and Go's sumdb, none of which shares a line with us."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from audit import merkle, note
from audit.errors import NoteError, ProofError
from audit.merkle import Frontier
from audit.note import Algorithm, Key, Signer
from tree_log import KEY, WITNESS, TreeLog

LOG = TreeLog(300)
VECTORS = Path(__file__).parents[1] / "vectors"
GO = shutil.which("go")
NAMES = ("a+b", "a b", "a\u00a0b", "a\x01b", "a\x7fb", "a\u2028b", "a\x85b", "", "\u00e9", "a\u200bb")
GOPATH = Path("/usr/share/gocode")
SUMDB = GOPATH / "src/golang.org/x/mod/sumdb/tlog"


def why_not_go() -> str:
    if GO is None:
        return "Go is missing: apt-get install golang-go golang-golang-x-mod-dev"
    return "" if SUMDB.is_dir() else f"Go's x/mod is missing in {SUMDB}: apt-get install golang-golang-x-mod-dev"


# OpenSSL


def openssl_says(tmp_path: Path, key: Key, message: bytes, signature: bytes) -> bool:
    public = Ed25519PublicKey.from_public_bytes(key.public)
    files = {
        "key": public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        "in": message,
        "sig": signature,
    }
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    words = ["openssl", "pkeyutl", "-verify", "-pubin", "-keyform", "DER", "-rawin"]
    words += ["-inkey", str(tmp_path / "key"), "-in", str(tmp_path / "in"), "-sigfile", str(tmp_path / "sig")]
    return subprocess.run(words, capture_output=True, timeout=30, check=False).returncode == 0


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is missing")
def test_openssl_verifies_a_checkpoint_and_a_cosignature(tmp_path: Path) -> None:
    text = LOG.text(200)
    blob = base64.b64decode(KEY.line(text).split(" ")[2])
    assert openssl_says(tmp_path, KEY.key, text.encode(), blob[4:])
    assert not openssl_says(tmp_path, KEY.key, text.encode() + b"\n", blob[4:])
    assert not openssl_says(tmp_path, WITNESS.key, text.encode(), blob[4:])
    at = 1_767_139_200
    blob = base64.b64decode(WITNESS.line(text, at=at).split(" ")[2])
    assert blob[4:12] == at.to_bytes(8, "big")
    assert openssl_says(tmp_path, WITNESS.key, f"cosignature/v1\ntime {at}\n{text}".encode(), blob[12:])
    assert not openssl_says(tmp_path, WITNESS.key, f"cosignature/v1\ntime {at + 1}\n{text}".encode(), blob[12:])


# pymerkle 7; its consistency proofs are not those of RFC 6962, and are not asked for.


@given(st.lists(st.binary(max_size=40), min_size=1, max_size=130), st.data())
@settings(deadline=None, max_examples=60)
def test_pymerkle_has_the_same_roots_and_takes_our_inclusion_proofs(entries: list[bytes], data: st.DataObject) -> None:
    pymerkle = pytest.importorskip("pymerkle", reason="pymerkle is missing")
    core = pytest.importorskip("pymerkle.core", reason="pymerkle is missing")
    theirs = pymerkle.InmemoryTree("sha256")
    for entry in entries:
        theirs.append_entry(entry)
    leaves = [_leaf(entry) for entry in entries]
    nodes: dict[tuple[int, int], bytes] = {}
    Frontier().grown(leaves, lambda level, index, found: nodes.update({(level, index): found}))
    size = data.draw(st.integers(1, len(entries)))
    root = merkle.root(size, lambda level, index: nodes[level, index])
    assert theirs.get_root(size) == root
    index = data.draw(st.integers(0, size - 1))
    path = merkle.inclusion_proof(index, size, lambda level, at: nodes[level, at])
    rule, _ = core._inclusion_path_layout(index + 1, size)

    def taken(leaf: bytes, head: bytes) -> bool:
        proof = pymerkle.InclusionProof("sha256", True, size, index + 1, rule, [leaf, *path])  # noqa: FBT003 - theirs
        try:
            pymerkle.verify_inclusion(leaf, head, proof, index=index + 1, size=size, algorithm="sha256")
        except pymerkle.InvalidProof:
            return False
        return True

    assert taken(leaves[index], root)
    assert not taken(leaves[index], bytes(32))
    assert not taken(_leaf(b"other" + entries[index]), root)


def _leaf(entry: bytes) -> bytes:
    import hashlib  # noqa: PLC0415 - one use

    return hashlib.sha256(b"\0" + entry).digest()


# Go


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def a_record(index: int, size: int, proof: list[bytes], root: bytes, leaf: bytes) -> dict[str, Any]:
    """A question to Go, with what we say ourselves."""
    try:
        merkle.verify_inclusion(leaf, index, size, proof, root)
        good = True
    except ProofError:
        good = False
    proofs = [b64(each) for each in proof]
    return {"Index": index, "Size": size, "Root": b64(root), "Leaf": b64(leaf), "Proof": proofs, "Good": good}


def a_tree(old: int, new: int, proof: list[bytes], old_root: bytes, new_root: bytes) -> dict[str, Any]:
    try:
        merkle.verify_consistency(old, old_root, new, new_root, proof)
        good = True
    except ProofError:
        good = False
    roots = {"OldRoot": b64(old_root), "NewRoot": b64(new_root)}
    return {"Old": old, "New": new, "Proof": [b64(each) for each in proof], "Good": good, **roots}


def a_note(text: str, key: Key) -> dict[str, Any]:
    try:
        good = note.read(text.encode(), [key]).by(key) is not None
    except NoteError:
        good = False
    return {"Note": text, "Key": str(key), "Good": good}


def questions() -> dict[str, list[dict[str, Any]]]:
    records, trees, notes = [], [], []
    sizes = [1, 2, 3, 5, 7, 8, 9, 31, 64, 100, 255, 256, 257, 300]
    for size in sizes:
        root = LOG.root(size)
        for index in {0, 1, size // 2, size - 2, size - 1} & set(range(size)):
            proof = merkle.inclusion_proof(index, size, LOG.nodes)
            variants = [proof, proof[1:], [*proof, root], proof[::-1]]
            records += [a_record(index, size, each, root, LOG.leaves[index]) for each in variants]
            records.append(a_record(index, size, proof, root, LOG.leaves[(index + 1) % 300]))
        for old in [each for each in sizes if each <= size]:
            proof = LOG.prove(old, size)
            variants = [proof, proof[1:], [*proof, root], proof[::-1]]
            trees += [a_tree(old, size, each, LOG.root(old), root) for each in variants]
            trees.append(a_tree(old, size, proof, root, LOG.root(old)))
    stranger = Signer("stranger", Algorithm.ED25519, bytes(32))
    for size in sizes:
        signed = LOG.signed(size, stranger.line, lambda text: WITNESS.line(text, at=1)).decode()
        notes.append(a_note(signed, KEY.key))
        notes.append(a_note(signed.replace(f"\n{size}\n", f"\n{size + 1}\n"), KEY.key))
        notes.append(a_note(signed[:-1], KEY.key))
        notes.append(a_note(signed.replace("\n", "\r\n"), KEY.key))
        # Whatever a stranger is called.
        named = (signed.replace("\N{EM DASH} stranger ", f"\N{EM DASH} {name} ") for name in NAMES)
        notes += [a_note(each, KEY.key) for each in named]
        notes.append(a_note(signed, Signer(KEY.name, KEY.algorithm, bytes(32)).key))
    published = json.loads((VECTORS / "notes" / "notes.json").read_text("utf-8"))
    for given_note in published["good"]:
        notes += [a_note(given_note["note"], key) for key in map(Key.parse, given_note["keys"]) if key.algorithm == 1]
    notes += [a_note(given_note["note"], Key.parse(published["bad_for"])) for given_note in published["bad"]]
    return {"Records": records, "Trees": trees, "Notes": notes}


@pytest.mark.skipif(bool(why_not_go()), reason=why_not_go())
def test_go_says_of_every_proof_and_note_what_we_say(tmp_path: Path) -> None:
    asked = questions()
    flat = [each for kind in asked.values() for each in kind]
    assert {each["Good"] for each in flat} == {True, False}
    env = {"PATH": os.environ["PATH"], "GO111MODULE": "off", "GOPATH": str(GOPATH)}
    env |= {"HOME": os.environ.get("HOME", str(tmp_path)), "GOFLAGS": "", "CGO_ENABLED": "0"}  # There is its cache.
    done = subprocess.run(
        [GO or "go", "run", str(VECTORS / "go" / "check.go")],
        input=json.dumps(asked), env=env, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert (done.stderr, done.returncode) == ("", 0)
    assert int(done.stdout) == len(flat)
