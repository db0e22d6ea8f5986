"""Proof files: what is written is read, what was touched proves nothing, and there is one spelling."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit import merkle
from audit.errors import AuditError, NoteError, ProofError
from audit.note import Algorithm, Signer
from audit.proof import HEADER, Proof, hashes_of, whole
from tree_log import KEY, ORIGIN, WITNESS, TreeLog, resigned

LOG = TreeLog(40)
KEYS = [KEY.key, WITNESS.key]


def made(index: int = 21, size: int = 40, extra: bytes = b"21") -> Proof:
    signed = LOG.signed(size, lambda text: WITNESS.line(text, at=1_767_139_200))
    return Proof(index, tuple(merkle.inclusion_proof(index, size, LOG.nodes)), signed, extra)


GOOD = made().file()


@given(st.integers(1, 40), st.data(), st.binary(max_size=80))
def test_what_is_written_is_read_and_proves_its_entry_alone(size: int, data: st.DataObject, extra: bytes) -> None:
    index = data.draw(st.integers(0, size - 1))
    proof = made(index, size, extra)
    found = Proof.parse(proof.file())
    assert found == proof
    note = found.verify(LOG.leaves[index], KEYS)
    assert [each.key for each in note.signatures] == [KEY.key, WITNESS.key]
    for other in {0, index - 1, index + 1, size - 1} - {index} & set(range(40)):
        with pytest.raises(ProofError):
            found.verify(LOG.leaves[other], KEYS)


def test_the_file_is_as_the_specification_shows_it() -> None:
    head, _, tail = GOOD.decode().partition("\n\n")
    first, extra, index, *hashes = head.split("\n")
    assert (first, extra, index) == ("c2sp.org/tlog-proof@v1", "extra MjE=", "index 21")
    assert hashes[0] == base64.b64encode(LOG.leaves[20]).decode()
    assert tail.encode() == made().checkpoint
    assert b"extra" not in made(extra=b"").file()


@given(st.integers(0, len(GOOD) * 8 - 1))
def test_no_bit_can_be_changed_but_of_the_extra_data(bit: int) -> None:
    changed = bytearray(GOOD)
    changed[bit // 8] ^= 1 << bit % 8
    try:
        found = Proof.parse(bytes(changed))
        signatures = found.verify(LOG.leaves[21], KEYS).signatures
    except AuditError:
        return
    # What is left: other extra data, or a name that is no longer one we know beside a signature that we do.
    assert found.extra != b"21" or len(signatures) < len(KEYS)


LINES = GOOD.decode().split("\n")
MANY = "\n".join([HEADER, "index 0", *[LINES[3]] * 64])


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (b"", "expected c2sp"),
        (GOOD.replace(b"@v1", b"@v2"), "expected c2sp"),
        (HEADER.encode() + b"\n\n" + made().checkpoint, "a blank line"),
        (GOOD.replace(b"index 21", b"index 021"), "a whole number"),
        (GOOD.replace(b"index 21", b"index +21"), "a whole number"),
        (GOOD.replace(b"index 21", b"index 9223372036854775808"), "a whole number"),
        (GOOD.replace(b"index 21", b"index 10000000000000000000"), "a whole number"),
        (GOOD.replace(b"index 21", "index \u0662".encode()), "a whole number"),
        (GOOD.replace(b"index 21\n", b""), "a line of the index"),
        (GOOD.replace(b"index 21", b"index  21"), "a whole number"),
        (GOOD.replace(b"extra MjE=\n", b"extra MjE=\nextra MjE=\n"), "a line of the index"),
        (GOOD.replace(b"extra MjE=\n", b"extra \n"), "data in base64"),
        (GOOD.replace(b"extra MjE=\n", b"extra MjF=\n"), "data in base64"),
        (GOOD.replace(b"extra MjE=\n", b"extra MjE\n"), "data in base64"),
        (GOOD.replace(b"extra MjE=\nindex 21\n", b"index 21\nextra MjE=\n"), "hashes of 32"),
        (GOOD.replace(b"\n", b"\r\n"), "expected c2sp"),
        (GOOD.replace(LINES[3].encode(), LINES[3].encode()[:-4]), "hashes of 32"),
        (GOOD.replace(LINES[3].encode(), LINES[3].encode() + b" "), "hashes of 32"),
        (MANY.encode() + b"\n\n" + made().checkpoint, "at most 63"),
        (HEADER.encode() + b"\nextra MjE=\n\n" + made().checkpoint, "a line of the index"),
        (GOOD + b"x" * 1_000_000, "at most 1000000 bytes"),
    ],
)
def test_no_second_spelling_is_read(bad: bytes, said: str) -> None:
    with pytest.raises(ProofError, match=said):
        Proof.parse(bad)


def test_63_hashes_are_read_and_64_are_not() -> None:
    assert len(hashes_of([LINES[3]] * 63)) == 63
    with pytest.raises(ProofError, match="at most 63 hashes, got 64"):
        hashes_of([LINES[3]] * 64)
    assert whole("9223372036854775807") == 2**63 - 1


@pytest.mark.parametrize("checkpoint", [b"", made().checkpoint[:-1], made().checkpoint.replace(b"\n", b"\r\n")])
def test_a_checkpoint_that_is_none_proves_nothing(checkpoint: bytes) -> None:
    proof = Proof(21, made().hashes, checkpoint)
    with pytest.raises(NoteError):
        proof.verify(LOG.leaves[21], KEYS)


def test_the_log_itself_must_have_signed() -> None:
    text = LOG.text(40)
    by_witness = (text + "\n" + WITNESS.line(text, at=5)).encode()
    stranger = Signer("example.org/other", Algorithm.ED25519, bytes(32))
    # Another known log's key, and a witness that calls itself like the log: neither is the log.
    namesake = Signer(ORIGIN, Algorithm.COSIGNATURE, bytes(32))
    by_namesake = (text + "\n" + namesake.line(text, at=5)).encode()
    keys = [*KEYS, stranger.key, namesake.key]
    for checkpoint in (by_witness, by_namesake, resigned(text, stranger)):
        with pytest.raises(NoteError, match="signed by a known key of"):
            Proof(21, made().hashes, checkpoint).verify(LOG.leaves[21], keys)
    assert Proof(21, made().hashes, resigned(text)).verify(LOG.leaves[21], keys).by(KEY.key)
