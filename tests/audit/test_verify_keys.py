"""Keys by size, epochs, kinds, policies: what the ledger says of itself, and who may sign it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit import verify
from audit.note import Algorithm, Signer
from verify_world import KEY, KINDS, LOG, OTHER, RECOVERY, SECOND, WITNESSES, Book, put

THIRD = Signer(LOG, Algorithm.ED25519, bytes(range(9, 41)))
STRANGER = Signer("example.com/other", Algorithm.ED25519, bytes(range(9, 41)))


def judged(book: Book, path: Path, *demanded: str, policy: str = "") -> verify.Report:
    found = put(path / "policy", policy.encode()) if policy else None
    path = path / f"ledger-{len(list(path.iterdir()))}"
    return verify.verify_file(book.database(path), verify.Demands(keys=demanded, policy=found))


# Rotation.


def rotated(overlap: int = 3) -> Book:
    book = Book(10)
    book.rotate(OTHER, overlap=overlap)  # Entry 10: the new key counts from size 11.
    while book.size < 20:
        book.given()
    return book


@pytest.mark.parametrize(
    ("size", "signer", "status"),
    [
        (10, KEY, "valid"), (10, OTHER, "unverifiable"), (11, KEY, "valid"), (11, OTHER, "valid"),
        (14, KEY, "valid"), (15, KEY, "unverifiable"), (15, OTHER, "valid"), (20, THIRD, "unverifiable"),
    ],
)  # fmt: skip
def test_a_key_counts_for_its_sizes_only(tmp_path: Path, size: int, signer: Signer, status: str) -> None:
    """Attack 18, CVE-2023-31439: old entries sealed again with another key."""
    book = rotated()
    book.notes = {size: book.checkpoint(size, signer)}
    assert judged(book, tmp_path).status == status
    book.notes = {size: book.checkpoint(size, signer, KEY if size < 15 else OTHER)}
    assert judged(book, tmp_path).status == "valid"


def test_without_an_overlap_the_old_key_signs_for_the_rotation_itself(tmp_path: Path) -> None:
    for size, status in ((11, "valid"), (12, "unverifiable")):
        book = rotated(0)
        book.notes = {size: book.checkpoint(size, KEY)}
        assert judged(book, tmp_path).status == status


@pytest.mark.parametrize(
    "rotate",
    [
        {"new": OTHER, "by": (KEY,)},
        {"new": OTHER, "by": (OTHER,)},
        {"new": OTHER, "old": THIRD},
        {"new": STRANGER},
        {"new": OTHER, "overlap": -1},
    ],
)
def test_a_rotation_that_is_not_by_both_keys_is_refused(rotate: dict[str, Any]) -> None:
    book = Book(5)
    book.rotate(**rotate)
    report = verify.verify_rows(book.rows())
    assert (report.status, report.first_bad) == ("tampered", 5), report


def test_a_rotation_of_another_place_is_refused() -> None:
    book = rotated()
    note = verify.json.loads(book.bodies[10])["data"]
    for where in (5, 12):
        other = Book(where)
        other.add("ledger.key_rotated", note)
        assert verify.verify_rows(other.rows()).status == "tampered"
    for text in ("", "no note", note["note"][:-5]):
        other = Book(10)
        other.add("ledger.key_rotated", {"note": text, "overlap": 0})
        assert verify.verify_rows(other.rows()).status == "tampered"


def test_a_rotation_where_no_key_is_known_cannot_be_judged() -> None:
    book = Book(5, keys=False)
    book.rotate(OTHER)
    assert verify.verify_rows(book.rows()).status == "unverifiable"


def test_the_pinned_key_is_the_first_one(tmp_path: Path) -> None:
    book = rotated()
    book.notes = {20: book.checkpoint(20, OTHER)}
    assert judged(book, tmp_path, str(KEY.key)).status == "valid"
    report = judged(book, tmp_path, str(OTHER.key))
    assert (report.status, f"got {KEY.key} in entry 0" in report.reason) == ("unverifiable", True)
    both = f"log {OTHER.key}\nlog {KEY.key}\nquorum none\n"  # As it says: beside the later ones.
    assert judged(book, tmp_path, policy=both).status == "valid"


def test_a_ledger_that_names_no_key_can_be_pinned_to_one(tmp_path: Path) -> None:
    book = Book(5, keys=False)
    book.notes = {5: book.checkpoint(5)}
    assert judged(book, tmp_path).status == "unverifiable"
    assert judged(book, tmp_path, str(KEY.key)).status == "valid"


@pytest.mark.parametrize("data", [{"ledger_key": "x"}, {"ledger_key": str(STRANGER.key)}, {"recovery_key": 1}])
def test_entry_0_names_real_keys_of_its_log(data: dict[str, object]) -> None:
    book = Book()
    book.add("ledger.genesis", data)
    assert verify.verify_rows(book.rows()).status == "tampered"


# Epochs.


def turned(**lines: Any) -> Book:  # noqa: ANN401 - passed on
    book = Book(10)
    book.turn(**lines)
    while book.size < 14:
        book.given()
    return book


def test_an_epoch_has_its_own_name_and_key(tmp_path: Path) -> None:
    book = turned()
    book.notes = {10: book.checkpoint(10, KEY), 11: book.checkpoint(11, SECOND), 14: book.checkpoint(14, SECOND)}
    report = judged(book, tmp_path)
    assert (report.status, report.origin, report.signed) == ("valid", f"{LOG}/e2", 14), report
    for size, signer, origin, status in [
        (11, KEY, LOG, "tampered"), (10, SECOND, f"{LOG}/e2", "tampered"), (11, KEY, f"{LOG}/e2", "unverifiable"),
        (10, SECOND, LOG, "unverifiable"),
    ]:  # fmt: skip
        book.notes = {size: book.checkpoint(size, signer, origin=origin)}
        assert judged(book, tmp_path).status == status


def test_a_third_epoch_is_called_e3() -> None:
    book = turned()
    third = Signer(f"{LOG}/e3", Algorithm.ED25519, bytes(range(5, 37)))
    book.turn(third, origin=f"{LOG}/e3")
    assert verify.verify_rows(book.rows()).origin == f"{LOG}/e3"
    for wrong in (f"{LOG}/e2", f"{LOG}/e4", LOG):
        book = turned()
        book.turn(Signer(wrong, Algorithm.ED25519, bytes(32)), origin=wrong)
        assert verify.verify_rows(book.rows()).status == "tampered"


@pytest.mark.parametrize(
    "lines",
    [
        {"by": KEY}, {"seq": 9}, {"old": "example.com/other"}, {"size": 9}, {"base": "A" * 43 + "="}, {"size": "09"},
        {"root": "A" * 43 + "="}, {"key": KEY.key}, {"key": "x"}, {"root": "x"}, {"more": "line"},
        {"origin": f"{LOG}/e3"},
    ],
)  # fmt: skip
def test_an_epoch_that_is_not_what_it_says_is_refused(lines: dict[str, Any]) -> None:
    report = verify.verify_rows(turned(**lines).rows())
    assert (report.status, report.first_bad) == ("tampered", 10), report


def test_an_epoch_without_a_known_recovery_key_cannot_be_judged() -> None:
    book = Book(5, keys=False)
    book.turn()
    assert verify.verify_rows(book.rows()).status == "unverifiable"
    assert verify.verify_rows(book.rows(), verify.Demands(keys=(str(RECOVERY.key),))).status == "unverifiable"
    book.add("sign_off.given", {"number": 1, "text": ""}, log=LOG)
    assert verify.verify_rows(book.rows(), verify.Demands(keys=(str(RECOVERY.key),))).status == "tampered"


def test_the_log_changes_at_an_epoch_only() -> None:
    book = Book(5)
    book.add("ledger.heartbeat", {}, log=f"{LOG}/e2")
    assert verify.verify_rows(book.rows()).status == "tampered"
    book = Book(5)
    book.add("ledger.epoch", {}, log=f"{LOG}/e2")
    assert verify.verify_rows(book.rows()).status == "unverifiable"


def test_a_lost_checkpoint_within_what_is_left_must_be_of_it() -> None:
    book = Book(10)
    assert verify.verify_rows(turned(lost=book.checkpoint(8)).rows()).status == "valid"
    assert verify.verify_rows(turned(lost=book.checkpoint(8, root=bytes(32))).rows()).status == "tampered"
    forged = book.checkpoint(12, root=bytes(32))[:-9] + "AAAAAAA=\n"
    assert verify.verify_rows(turned(lost=forged).rows()).status == "tampered"


# Kinds.


def test_a_kind_that_nothing_registers_is_not_valid() -> None:
    book = Book(5)
    book.add("odd.kind", {"a": 1})
    report = verify.verify_rows(book.rows())
    assert (report.status, report.first_bad) == ("unverifiable", 5)
    # The first registration also counts backwards.
    book.add("ledger.kinds", {"kinds": {"odd.kind": {"version": 1, "data": {"a": "whole"}}}})
    assert verify.verify_rows(book.rows()).status == "valid"
    book.add("odd.kind", {"a": "text"})
    assert verify.verify_rows(book.rows()).first_bad == 7


def test_a_later_registration_holds_from_its_entry_on() -> None:
    book = Book(5)
    later = {"sign_off.given": {"version": 2, "data": {"number": "whole", "why": "text"}}}
    book.add("ledger.kinds", {"kinds": later})
    book.add("sign_off.given", {"number": 1, "why": ""})
    assert verify.verify_rows(book.rows()).status == "valid"
    book.given()
    assert verify.verify_rows(book.rows()).first_bad == 7
    book = Book(5)
    book.add("sign_off.given", {"number": 1, "why": ""})
    book.add("ledger.kinds", {"kinds": later})
    assert verify.verify_rows(book.rows()).first_bad == 5


@pytest.mark.parametrize(
    ("data", "good"),
    [
        ({"number": 1, "text": ""}, True), ({"number": 1, "text": "", "items": None}, True),
        ({"number": 1, "text": "", "items": [1.0 and 1]}, True), ({"number": True, "text": ""}, False),
        ({"number": "1", "text": ""}, False), ({"number": 1}, False), ({"number": 1, "text": "", "x": 1}, False),
        ({"number": None, "text": ""}, False), ({"number": 1, "text": "", "commit": {"a": "ab" * 32}}, True),
        ({"number": 1, "text": "", "commit": {"a": "ab"}}, False), ({"number": 1, "text": "", "commit": []}, False),
        ({"number": 1, "text": "", "commit": {"a": 1}}, False),
    ],
)  # fmt: skip
def test_data_is_of_its_schema(data: dict[str, object], good: bool) -> None:  # noqa: FBT001 - a table
    book = Book(5)
    book.add("sign_off.given", data)
    book.given()
    report = verify.verify_rows(book.rows())
    assert (report.status, report.first_bad) == (("valid", None) if good else ("unverifiable", 5))


@pytest.mark.parametrize(
    "kinds",
    [
        {"a": {"version": 1}}, {"a": {"version": 0, "data": {}}}, {"a": {"version": True, "data": {}}}, {"a": 1},
        {"a": {"version": 1, "data": {"x": "float"}}}, {"a": {"version": 1, "data": {"X": "text"}}},
        {"ledger.odd": {"version": 1, "data": {}}}, {"A": {"version": 1, "data": {}}},
        {"a": {"version": 1, "data": {}, "more": 1}}, {"a": {"version": 1, "data": {"x": []}}},
        {"sign_off.given": {"version": 1, "data": {}}},
    ],
)  # fmt: skip
def test_a_registration_that_is_none_is_not_valid(kinds: dict[str, object]) -> None:
    book = Book(5)
    book.add("ledger.kinds", {"kinds": kinds})
    report = verify.verify_rows(book.rows())
    assert (report.status, report.first_bad) == ("unverifiable", 5)


def test_the_same_registration_again_changes_nothing() -> None:
    book = Book(5)
    book.add("ledger.kinds", {"kinds": KINDS})
    book.given()
    assert verify.verify_rows(book.rows()).status == "valid"


@pytest.mark.parametrize(
    ("kind", "data", "good"),
    [
        ("ledger.heartbeat", {}, True), ("ledger.heartbeat", {"a": 1}, False), ("ledger.odd", {}, False),
        ("ledger.clock_stepped", {"behind_ms": 5}, True), ("ledger.clock_stepped", {"behind_ms": "5"}, False),
        ("ledger.pruned", {}, False), ("ledger.erased", {"of": 1}, False), ("ledger.kinds", {"kinds": []}, False),
        ("ledger.key_rotated", {"note": 1, "overlap": 1}, False),
    ],
)  # fmt: skip
def test_the_ledgers_own_kinds_have_schemas(kind: str, data: dict[str, object], good: bool) -> None:  # noqa: FBT001
    book = Book(5)
    book.add(kind, data)
    assert verify.verify_rows(book.rows()).status == ("valid" if good else "unverifiable")


# Cosignatures.

POLICY = "".join(
    ["# ours\n", f"log {KEY.key} https://log.example.com\n"]
    + [f"witness w{n} {each.key}\n" for n, each in enumerate(WITNESSES)]
    + ["group two 2 w0 w1 w2\n", "group every all w0 two\n", "group some any every w2\n"]
)


@pytest.mark.parametrize(
    ("quorum", "signers", "status"),
    [
        ("none", (), "valid"), ("w0", (), "unverifiable"), ("w0", (0,), "valid"), ("w0", (1, 2), "unverifiable"),
        ("two", (0,), "unverifiable"), ("two", (0, 2), "valid"), ("every", (1, 2), "unverifiable"),
        ("every", (0, 2), "valid"), ("some", (1,), "unverifiable"), ("some", (2,), "valid"),
        ("two", (0, 0), "unverifiable"),
    ],
)  # fmt: skip
def test_a_checkpoint_bears_the_quorum(tmp_path: Path, quorum: str, signers: tuple[int, ...], status: str) -> None:
    book = Book(8)
    book.notes = {5: book.checkpoint(5, KEY), 8: book.checkpoint(8, KEY, *(WITNESSES[n] for n in signers))}
    report = judged(book, tmp_path, policy=f"{POLICY}quorum {quorum}\n")
    assert report.status == status, report.reason
    assert report.cosigned == (8 if status == "valid" and quorum != "none" else None)


def test_a_ledger_in_use_is_cosigned_up_to_a_moment_ago_and_it_says_to_where(tmp_path: Path) -> None:
    book = Book(8)
    book.notes = {5: book.checkpoint(5, KEY, *WITNESSES), 8: book.checkpoint(8, KEY)}
    report = judged(book, tmp_path, policy=f"{POLICY}quorum every\n")
    assert (report.status, report.signed, report.cosigned) == ("valid", 8, 5)
    assert "cosigned as every demands up to entry 5 of 8" in report.remarks


def test_a_policy_pins_its_log(tmp_path: Path) -> None:
    book = Book(5)
    book.sign(5)
    assert judged(book, tmp_path, policy=f"log {OTHER.key}\nquorum none\n").status == "unverifiable"
    assert judged(book, tmp_path, policy=f"log {KEY.key}\nquorum none\n").status == "valid"
    book.notes = {}
    assert judged(book, tmp_path, policy=f"log {KEY.key}\nquorum none\n").status == "unverifiable"


def test_a_cosignature_that_does_not_verify_condemns(tmp_path: Path) -> None:
    book = Book(5)
    other = Book(4).checkpoint(4, WITNESSES[0]).split("\n\n")[1]
    book.notes = {5: book.checkpoint(5) + other}
    assert judged(book, tmp_path, policy=f"{POLICY}quorum none\n").status == "tampered"


def test_one_key_under_two_names_does_not_count_twice(tmp_path: Path) -> None:
    twin = Signer("twin.example.org", Algorithm.COSIGNATURE, WITNESSES[0].secret)
    text = f"witness a {WITNESSES[0].key}\nwitness b {twin.key}\ngroup g 2 a b\nquorum g\n"
    book = Book(5)
    book.notes = {5: book.checkpoint(5, KEY, WITNESSES[0], twin)}
    assert judged(book, tmp_path, policy=text).status == "unverifiable"


@pytest.mark.parametrize(
    "text",
    [
        "", "quorum x\n", "quorum none\nquorum none\n", "log x\nquorum none\n", f"witness w {KEY.key}\nquorum w\n",
        f"witness none {WITNESSES[0].key}\nquorum none\n", "group g 1 g\nquorum g\n", "what\nquorum none\n",
        f"witness w {WITNESSES[0].key}\ngroup g 2 w\nquorum g\n",
        f"witness w {WITNESSES[0].key}\ngroup g 0 w\nquorum g\n",
        f"witness w {WITNESSES[0].key}\ngroup g 2 w w\nquorum g\n", "group g all\nquorum g\n",
        f"witness w {WITNESSES[0].key}\nwitness v {WITNESSES[0].key}\nquorum none\n",
    ],
)  # fmt: skip
def test_what_is_no_policy_is_refused(tmp_path: Path, text: str) -> None:
    report = verify.verify_rows(Book(5).rows(), verify.Demands(policy=put(tmp_path / "policy", text.encode())))
    assert (report.status, "policy" in report.reason) == ("unverifiable", True)


@given(st.text() | st.lists(st.sampled_from(["log", "quorum", "none", "group", "1", " ", "\n", "w"])).map("".join))
def test_policies_and_keys_and_notes_are_read_or_refused(text: str) -> None:
    for reader in (
        verify._policy,
        verify._key,
        verify._point,
        lambda each: verify._note(each.encode(errors="replace")),
    ):
        try:
            reader(text)
        except ValueError:
            continue


# Without `cryptography`.

SCRIPT = """
import sys
sys.modules["cryptography"] = None
import verify
sys.exit(verify.main(sys.argv[1:]))
"""


def plainly(folder: Path, *arguments: object, path: str = "/usr/bin:/bin") -> subprocess.CompletedProcess[str]:
    put(folder / "verify.py", Path(verify.__file__).read_bytes())
    put(folder / "run.py", SCRIPT.encode())
    command = [sys.executable, str(folder / "run.py"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, env={"PATH": path})


def test_openssl_verifies_where_cryptography_is_not(tmp_path: Path) -> None:
    book = rotated()
    book.notes = {20: book.checkpoint(20, OTHER, *WITNESSES)}
    good = book.database(tmp_path / "good")
    policy = put(tmp_path / "policy", f"{POLICY}quorum two\n".encode())
    done = plainly(tmp_path, good, "--policy", policy)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    book.notes = {20: book.checkpoint(20, OTHER)[:-9] + "AAAAAAA=\n"}
    done = plainly(tmp_path, book.database(tmp_path / "forged"))
    assert (done.returncode, done.stderr) == (1, ""), done.stdout


def test_with_neither_what_is_signed_is_not_accepted(tmp_path: Path) -> None:
    book = Book(5)
    book.sign(5)
    done = plainly(tmp_path, book.database(tmp_path / "ledger"), path=str(tmp_path / "none"))
    assert (done.returncode, done.stderr) == (2, ""), done.stdout
    assert "neither cryptography nor openssl" in done.stdout
    done = plainly(tmp_path, rotated().database(tmp_path / "rotated"), path=str(tmp_path / "none"))
    assert done.returncode == 2
    fake = put(tmp_path / "bin" / "openssl", b"#!/bin/sh\necho what >&2; exit 1\n")
    fake.chmod(0o755)
    done = plainly(tmp_path, tmp_path / "ledger", path=f"{fake.parent}:/bin")
    assert (done.returncode, "cannot verify" in done.stdout) == (2, True)
