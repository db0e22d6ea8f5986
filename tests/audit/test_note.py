"""Signed notes: published ones verify, ours do, and nothing that was touched does."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit import note
from audit.errors import NoteError
from audit.note import Algorithm, Key, Signer

PUBLISHED = json.loads((Path(__file__).parents[1] / "vectors" / "notes" / "notes.json").read_text("utf-8"))
VECTORS = Path(os.environ.get("TWINSEAL_VECTORS", Path(__file__).parents[2].parent / "shared" / "vectors"))
TEXT = "example.org/log\n42\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
LOG = Signer("example.org/log", Algorithm.ED25519, bytes(range(32)))
WITNESS = Signer("witness.example.org", Algorithm.COSIGNATURE, bytes(range(1, 33)))
NOTE = note.written(TEXT, [LOG.line(TEXT), WITNESS.line(TEXT, at=1_767_139_200)]).encode()

# golang/mod sumdb/note/note_test.go (BSD-3-Clause): key and note.
PETER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
PETERS = (
    "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n\n"
    "\N{EM DASH} PeterNeumann "
    "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)


def test_a_published_note_verifies() -> None:
    key = Key.parse(PETER)
    assert str(key) == PETER
    found = note.read(PETERS.encode(), [key]).by(key)
    assert found is not None
    assert found.at == 0


@pytest.mark.skipif(not (VECTORS / "tessera-log").is_dir(), reason=f"no published vectors in {VECTORS}")
@pytest.mark.parametrize("number", range(16))
def test_published_checkpoints_verify(number: int) -> None:
    key = Key.parse("example.com/log/testdata+33d7b496+AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx")
    found = note.read((VECTORS / "tessera-log" / f"checkpoint.{number}").read_bytes(), [key])
    assert found.by(key) is not None


@pytest.mark.parametrize("given", PUBLISHED["good"], ids=lambda given: given["name"])
def test_published_notes_verify(given: dict[str, Any]) -> None:
    keys = [Key.parse(key) for key in given["keys"]]
    found = note.read(given["note"].encode(), keys)
    assert [(each.key, each.at) for each in found.signatures] == list(zip(keys, given["at"], strict=True))
    assert note.written(found.text, found.lines) == given["note"]


@pytest.mark.parametrize("given", PUBLISHED["bad"], ids=lambda given: given["name"])
def test_published_notes_that_are_none_are_refused(given: dict[str, str]) -> None:
    with pytest.raises(NoteError):
        note.read(given["note"].encode(), [Key.parse(PUBLISHED["bad_for"])])


@pytest.mark.parametrize("text", PUBLISHED["bad_keys"])
def test_published_keys_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(NoteError):
        Key.parse(text)


def test_no_part_of_a_key_is_a_key_and_none_with_another_character() -> None:
    others = {PETER[start:stop] for start in range(len(PETER)) for stop in range(start + 1, len(PETER) + 1)} - {PETER}
    others |= {PETER[:at] + chr(ord(PETER[at]) + 1) + PETER[at + 1 :] for at in range(len(PETER))}
    for other in others:
        with pytest.raises(NoteError):
            Key.parse(other)


def test_we_sign_what_a_published_key_signs() -> None:
    given = PUBLISHED["signer"]
    signer = Signer(given["name"], Algorithm.ED25519, base64.b64decode(given["seed"])[1:])
    assert str(signer.key) == PETER
    text = given["signs"].rpartition("\n\n")[0] + "\n"
    assert note.written(text, [signer.line(text)]) == given["signs"]


def test_a_signature_has_one_spelling() -> None:
    line = WITNESS.line(TEXT, at=5)
    assert line.endswith("==\n")
    last = line[-4]
    alike = next(c for c in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz" if c != last
                 and base64.b64decode(f"A{c}==") == base64.b64decode(f"A{last}=="))  # fmt: skip
    with pytest.raises(NoteError, match="in its one spelling"):
        note.read(note.written(TEXT, [f"{line[:-4]}{alike}==\n"]).encode(), [WITNESS.key])


def test_ours_says_who_and_when() -> None:
    found = note.read(NOTE, [LOG.key, WITNESS.key])
    assert found.text == TEXT
    assert [(each.key.name, each.at) for each in found.signatures] == [(LOG.name, 0), (WITNESS.name, 1_767_139_200)]
    assert note.written(found.text, found.lines).encode() == NOTE


def test_strangers_are_passed_over() -> None:
    stranger = Signer("example.org/log", Algorithm.ED25519, bytes(32))
    found = note.read(NOTE, [stranger.key, WITNESS.key])
    assert found.by(stranger.key) is None
    assert found.by(WITNESS.key) is not None
    assert len(found.lines) == 2


@given(st.integers(0, len(NOTE) * 8 - 1))
def test_no_bit_of_a_note_can_be_changed(bit: int) -> None:
    changed = bytearray(NOTE)
    changed[bit // 8] ^= 1 << bit % 8
    try:
        found = note.read(bytes(changed), [LOG.key, WITNESS.key])
    except NoteError:
        return
    # What names no known key any more is a stranger's; the other signature then still holds for the same text.
    assert found.text == TEXT
    assert len(found.signatures) < 2


@pytest.mark.parametrize(
    "bad",
    [
        b"", b"\n", b"\n\n", TEXT.encode(), TEXT.encode() + b"\n", NOTE[:-1], NOTE + b"\n", NOTE + b"x", b"\xff" + NOTE,
        NOTE.replace(b"42", b"4\t2"), NOTE.replace("\N{EM DASH}".encode(), b"-"), b"x" * (note.LARGEST + 1),
        TEXT.encode() + b"\n" + LOG.line(TEXT).encode() * (note.MOST_SIGNATURES + 1),
    ],
)  # fmt: skip
def test_what_is_no_note_is_refused(bad: bytes) -> None:
    with pytest.raises(NoteError):
        note.read(bad, [LOG.key])


def test_a_known_key_that_signs_something_else_condemns_the_note() -> None:
    with pytest.raises(NoteError, match="does not verify"):
        note.read(note.written(TEXT, [LOG.line(TEXT + "more\n")]).encode(), [LOG.key])


def test_a_cosignature_binds_its_time() -> None:
    line = WITNESS.line(TEXT, at=5)
    blob = bytearray(base64.b64decode(line.split(" ")[2]))
    blob[11] += 1
    later = f"\N{EM DASH} {WITNESS.name} {base64.b64encode(blob).decode()}\n"
    with pytest.raises(NoteError, match="does not verify"):
        note.read(note.written(TEXT, [later]).encode(), [WITNESS.key])


@pytest.mark.parametrize(
    "text",
    [
        "", "name", PETER.replace("rN", "r N"), PETER.replace("c74f", "c74e"), PETER[:-4],
        PETER.replace("+ARpc", "+CRpc"), "+" + PETER, PETER.replace("PeterNeumann", "Peter\u00a0Neumann"), PETER + "!",
    ],
)  # fmt: skip
def test_what_is_no_key_is_refused(text: str) -> None:
    with pytest.raises(NoteError):
        Key.parse(text)
