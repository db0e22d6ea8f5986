"""Copies of checkpoints found elsewhere, and single proofs."""

from __future__ import annotations

import base64
import quopri
import subprocess
from email.message import EmailMessage
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audit import verify
from audit.note import Algorithm, Signer
from verify_world import KEY, LOG, OTHER, SECOND, WITNESSES, Book, put

BOOK = Book(300)
ELSE = Signer("example.org/other", Algorithm.ED25519, bytes(32))


def against(book: Book, folder: Path, *notes: str | bytes) -> verify.Report:
    files = [
        put(folder / f"note-{n}", each.encode() if isinstance(each, str) else each) for n, each in enumerate(notes)
    ]
    return verify.verify_rows(book.rows(), verify.Demands(against=tuple(files)))


@pytest.mark.parametrize("size", [1, 2, 255, 256, 257, 300])
def test_an_older_checkpoint_is_compared_with_the_tree_at_its_size(tmp_path: Path, size: int) -> None:
    report = against(BOOK, tmp_path, BOOK.checkpoint(size))
    assert (report.status, report.signed) == ("valid", size)
    assert not any("--against" in remark for remark in report.remarks)
    report = against(BOOK, tmp_path, BOOK.checkpoint(size, root=bytes(32)))
    assert (report.status, report.size) == ("fork", 300)


def test_one_larger_than_the_log_is_a_roll_back(tmp_path: Path) -> None:
    assert against(BOOK, tmp_path, BOOK.checkpoint(301, origin=LOG, root=bytes(32))).status == "rollback"
    # Signed by a key that came after, too.
    assert against(BOOK, tmp_path, BOOK.checkpoint(301, OTHER, origin=LOG, root=bytes(32))).status == "rollback"
    assert against(BOOK, tmp_path, BOOK.checkpoint(310, SECOND, origin=f"{LOG}/e2")).status == "rollback"
    assert against(Book(), tmp_path, BOOK.checkpoint()).status == "rollback"


def test_a_history_written_anew_with_another_key_is_a_fork(tmp_path: Path) -> None:
    assert against(BOOK, tmp_path, BOOK.checkpoint(200, OTHER, root=bytes(32))).status == "fork"
    assert against(BOOK, tmp_path, BOOK.checkpoint(200, OTHER)).status == "unverifiable"
    assert against(BOOK, tmp_path, BOOK.checkpoint(200, ELSE, origin=ELSE.name)).status == "fork"


def test_a_note_that_its_key_did_not_sign_is_no_evidence(tmp_path: Path) -> None:
    forged = BOOK.checkpoint(200, root=bytes(32)).split("\n\n")[0] + "\n\n" + BOOK.checkpoint(200).split("\n\n")[1]
    assert against(BOOK, tmp_path, forged).status == "unverifiable"
    for text in ("", "no note", BOOK.checkpoint(200)[:-30], "x\n" * 1000):
        assert against(BOOK, tmp_path, text).status == "unverifiable"


def test_all_of_them_count(tmp_path: Path) -> None:
    good, bad = BOOK.checkpoint(100), BOOK.checkpoint(200, root=bytes(32))
    assert against(BOOK, tmp_path, good, BOOK.checkpoint(250)).signed == 250
    assert against(BOOK, tmp_path, good, bad).status == "fork"
    assert against(BOOK, tmp_path, f"{good}\n{bad}").status == "fork"
    assert against(BOOK, tmp_path, good * 2000).status == "valid"
    many = "".join(f"{LOG}\n{n}\n{'A' * 43}=\n\n\N{EM DASH} {LOG} AAAAAAAA\n\n" for n in range(2000))
    assert against(BOOK, tmp_path, many).status == "unverifiable"


def test_checkpoints_of_other_logs_in_the_same_place_are_passed_over(tmp_path: Path) -> None:
    other = BOOK.checkpoint(200, ELSE, origin=ELSE.name)
    report = against(BOOK, tmp_path, f"{other}\n{BOOK.checkpoint(100)}")
    assert (report.status, report.signed) == ("valid", 100)
    assert any("other logs" in remark for remark in report.remarks)
    assert against(BOOK, tmp_path, other, BOOK.checkpoint(100)).status == "fork"


def mails(note: str) -> dict[str, bytes]:
    text = f"Dear all,\n\nthe checkpoint of today:\n\n{note}\nYours, the ledger\n"
    head = b"From: ledger@example.com\nSubject: checkpoint\nMIME-Version: 1.0\n"
    typed = b"Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: "
    several = EmailMessage()
    several["Subject"] = "checkpoint"
    several.set_content("see below")
    several.add_attachment(note.encode(), maintype="application", subtype="octet-stream", filename="checkpoint")
    quoted = "".join(f"> {line}\n" if line else ">\n" for line in text.split("\n"))
    twice = "".join(f"> > {line}\n" for line in text.split("\n"))
    return {
        "plain": head + typed + b"8bit\n\n" + text.encode(),
        "crlf": (head + typed + b"8bit\n\n" + text.encode()).replace(b"\n", b"\r\n"),
        "quoted-printable": head + typed + b"quoted-printable\n\n" + quopri.encodestring(text.encode()),
        "base64": head + typed + b"base64\n\n" + base64.encodebytes(text.encode()),
        "attachment": several.as_bytes(),
        "quoted": head + typed + b"8bit\n\n" + quoted.encode(),
        "quoted twice, quoted-printable": head + typed + b"quoted-printable\n\n" + quopri.encodestring(twice.encode()),
        "pasted": text.encode(),
        "without its last line feed": text.partition("\nYours")[0].rstrip("\n").encode(),
        "odd charset": head + typed.replace(b"utf-8", b"x-none") + b"8bit\n\n" + text.encode(),
    }


@pytest.mark.parametrize("form", mails(""))
def test_a_checkpoint_is_found_in_a_mail(tmp_path: Path, form: str) -> None:
    report = against(BOOK, tmp_path, mails(BOOK.checkpoint(200, KEY, *WITNESSES))[form])
    assert (report.status, report.signed) == ("valid", 200), report
    report = against(BOOK, tmp_path, mails(BOOK.checkpoint(200, root=bytes(32)))[form])
    assert report.status == "fork"


def git(folder: Path, *arguments: str, stdin: bytes = b"") -> str:
    names = {f"GIT_{who}_{what}": "a@b" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    env = {"PATH": "/usr/bin:/bin", "GIT_CONFIG_GLOBAL": "/dev/null", **names}
    command = ["git", "-C", str(folder), *arguments]
    return subprocess.run(command, input=stdin, env=env, check=True, capture_output=True).stdout.decode().strip()


def test_a_checkpoint_is_found_in_a_repository_and_its_clone(tmp_path: Path) -> None:
    repository = tmp_path / "repository.git"
    git(tmp_path, "init", "-q", "--bare", str(repository))
    demands = verify.Demands(against=(repository,))
    assert verify.verify_rows(BOOK.rows(), demands).status == "unverifiable"
    for note, status in (
        (BOOK.checkpoint(200).encode(), "valid"),
        (BOOK.checkpoint(200, root=bytes(32)).encode(), "fork"),
        (b"x" * 3_000_000, "unverifiable"),
    ):
        blob = git(repository, "hash-object", "-w", "--stdin", stdin=note)
        tree = git(repository, "mktree", stdin=f"100644 blob {blob}\tcheckpoint\n".encode())
        commit = git(repository, "commit-tree", tree, "-m", "checkpoint")
        git(repository, "update-ref", "refs/ledger/checkpoints", commit)
        assert verify.verify_rows(BOOK.rows(), demands).status == status


def test_a_clone_that_fetched_the_ref_is_as_good(tmp_path: Path) -> None:
    repository, clone = tmp_path / "repository", tmp_path / "clone"
    git(tmp_path, "init", "-q", str(repository))
    blob = git(repository, "hash-object", "-w", "--stdin", stdin=BOOK.checkpoint(200).encode())
    tree = git(repository, "mktree", stdin=f"100644 blob {blob}\tcheckpoint\n".encode())
    git(repository, "update-ref", "refs/ledger/checkpoints", git(repository, "commit-tree", tree, "-m", "checkpoint"))
    git(tmp_path, "init", "-q", str(clone))
    git(clone, "fetch", "-q", str(repository), "refs/ledger/*:refs/ledger/*")
    assert verify.verify_rows(BOOK.rows(), verify.Demands(against=(clone,))).signed == 200


# Epochs.


def turned() -> tuple[Book, Book]:
    """Return a ledger that was restored at 10 of 15 entries, and what it was before."""
    before = Book(15)
    book = Book(10)
    book.turn(lost=before.checkpoint())
    while book.size < 20:
        book.given()
    return book, before


def test_what_an_epoch_gave_up_is_an_accepted_loss(tmp_path: Path) -> None:
    book, before = turned()
    for size in (12, 15):
        report = against(book, tmp_path, before.checkpoint(size))
        assert report.status == "valid", report
        assert any("accepted loss" in remark for remark in report.remarks)
    longer = Book(16)
    assert against(book, tmp_path, longer.checkpoint()).status == "rollback"
    assert against(book, tmp_path, before.checkpoint(15, root=bytes(32))).status == "fork"
    forged = before.checkpoint(12)[:-9] + "AAAAAAA=\n"
    assert against(book, tmp_path, forged).status == "unverifiable"


def test_what_an_epoch_kept_is_compared(tmp_path: Path) -> None:
    book, before = turned()
    assert against(book, tmp_path, before.checkpoint(10)).status == "valid"
    assert against(book, tmp_path, before.checkpoint(9, root=bytes(32))).status == "fork"
    assert against(book, tmp_path, book.checkpoint(20, SECOND), before.checkpoint(5)).status == "valid"
    assert against(book, tmp_path, book.checkpoint(21, SECOND, root=bytes(32))).status == "rollback"
    assert against(book, tmp_path, book.checkpoint(10, SECOND, origin=f"{LOG}/e2")).status == "fork"


# Proofs.


def proven(path: Path, data: bytes, *keys: str, **demands: object) -> verify.Report:
    return verify.verify(put(path / "one.tlog-proof", data), verify.Demands(keys=keys, **demands))


@pytest.mark.parametrize("index", [0, 1, 5, 255, 256, 299])
def test_a_proof_holds_for_its_entry(tmp_path: Path, index: int) -> None:
    report = proven(tmp_path, BOOK.proof(index), str(KEY.key))
    assert (report.status, report.signed, report.head) == ("valid", 300, BOOK.leaves[index].hex()), report
    assert any("its kind was not judged" in remark for remark in report.remarks)
    assert proven(tmp_path, BOOK.proof(index)).status == "unverifiable"
    assert proven(tmp_path, BOOK.proof(index), str(OTHER.key)).status == "unverifiable"
    assert proven(tmp_path, BOOK.proof(index, OTHER), str(KEY.key)).status == "unverifiable"


def test_every_flipped_byte_of_a_proof_is_caught(tmp_path: Path) -> None:
    whole = BOOK.proof(200)
    for at in range(len(whole)):
        flipped = bytes([*whole[:at], whole[at] ^ 1, *whole[at + 1 :]])
        assert proven(tmp_path, flipped, str(KEY.key)).status != "valid", at


def test_a_proof_of_another_entry_or_place_is_refused(tmp_path: Path) -> None:
    lines = BOOK.proof(200).split(b"\n")
    other = BOOK.proof(201).split(b"\n")
    for swapped in (
        [lines[0], other[1], *lines[2:]],
        [*lines[:2], b"index 201", *lines[3:]],
        [*lines[:3], *lines[4:]],
        [*lines[:3], lines[3], *lines[3:]],
        [lines[0], *lines[2:]],
        [*lines[:2], b"index 0200", *lines[3:]],
        [*lines[:2], b"index 300", *lines[3:]],
        [*lines[:3], *lines[3:4] * 70, *lines[4:]],
        lines[:1],
        lines[:2],
        [*lines[:3], b"", *lines[3:]],
    ):
        assert proven(tmp_path, b"\n".join(swapped), str(KEY.key)).status in {"tampered", "unverifiable"}


def test_a_proof_meets_a_policy_and_is_compared_at_its_size(tmp_path: Path) -> None:
    policy = put(tmp_path / "policy", f"log {KEY.key}\nwitness w {WITNESSES[0].key}\nquorum w\n".encode())
    assert proven(tmp_path, BOOK.proof(3, KEY, WITNESSES[0]), policy=policy).status == "valid"
    assert proven(tmp_path, BOOK.proof(3), policy=policy).status == "unverifiable"
    for note, status in (
        (BOOK.checkpoint(), "valid"),
        (BOOK.checkpoint(root=bytes(32)), "fork"),
        (BOOK.checkpoint(5), "unverifiable"),
    ):
        mark = put(tmp_path / "mark", note.encode())
        assert proven(tmp_path, BOOK.proof(3), str(KEY.key), against=(mark,)).status == status


def test_the_entry_of_a_proof_is_one_of_its_log(tmp_path: Path) -> None:
    book = Book(5)
    book.bodies[3] = b"no entry"
    assert proven(tmp_path, book.proof(3), str(KEY.key)).status == "tampered"
    assert proven(tmp_path, book.proof(3), str(KEY.key), opaque=True).status == "valid"
    book = Book(5)
    book.bodies[3] = book.bodies[4]
    assert proven(tmp_path, book.proof(3), str(KEY.key)).status == "tampered"
    book = Book(5).changed(3, v=2)
    assert proven(tmp_path, book.proof(3), str(KEY.key)).status == "unverifiable"
    odd = Signer("example.com/other", Algorithm.ED25519, bytes(32))
    assert proven(tmp_path, Book(5).changed(3, log="x").proof(3, odd), str(odd.key)).status != "valid"


# Hostile input.

SEEDS = [*mails(BOOK.checkpoint(200)).values(), BOOK.proof(200)]
PIECES = [b"\n", b"\n\n", b"> ", "\N{EM DASH} ".encode(), b"A" * 43 + b"=", b"boundary=x\n",
          b"Content-Type: multipart/mixed; ",
          b"--x\n", b"\xff", b"=", b"Content-Transfer-Encoding: base64\n", b"charset=punycode\n",
          b"1", b"\0"]  # fmt: skip


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=300)
@given(st.data())
def test_what_is_found_is_read_or_refused(tmp_path: Path, data: st.DataObject) -> None:
    whole = data.draw(st.sampled_from(SEEDS))
    for _ in range(data.draw(st.integers(0, 4))):
        at, stop = sorted(data.draw(st.tuples(*[st.integers(0, len(whole))] * 2)))
        piece = data.draw(st.sampled_from(PIECES) | st.binary(max_size=20))
        whole = whole[:at] + piece + whole[data.draw(st.sampled_from([at, min(at + 1, len(whole)), stop])) :]
    path = put(tmp_path / "odd", whole)
    assert verify.verify_rows(Book(3).rows(), verify.Demands(against=(path,))).status in verify.EXIT
    assert verify.verify(path, verify.Demands(keys=(str(KEY.key),))).status in verify.EXIT


@pytest.mark.parametrize(
    "data",
    [
        b"Content-Type: multipart/mixed; boundary=x\n\n" + b"--x\nContent-Type: multipart/mixed; boundary=x\n\n" * 5000,
        b"".join(b"Content-Type: multipart/mixed; boundary=x%d\n\n--x%d\n" % (n, n) for n in range(3000)),
        b"a\n1\n" * 300_000,
        b"> " * 500_000,
        b"x" * 33_000_000,
    ],
)
def test_a_mail_made_to_cost_much_does_not(tmp_path: Path, data: bytes) -> None:
    began = verify.os.times().user
    path = put(tmp_path / "mail", data)
    assert verify.verify_rows(BOOK.rows()[:3], verify.Demands(against=(path,))).status == "unverifiable"
    assert verify.os.times().user - began < 10
