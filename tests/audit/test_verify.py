from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit import canonical, verify
from audit.entry import leaf_hash, parse, seal
from audit.errors import EntryError
from ledger_world import LOG, World, draft

if TYPE_CHECKING:
    from collections.abc import Iterator

SOURCE = Path(verify.__file__)


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Any, ...]]:
    world = World(tmp_path_factory.mktemp("exported"))
    world.grow(5)
    return world.rows()


def changed(body: bytes, **changes: object) -> bytes:
    return canonical.encode({k: v for k, v in (json.loads(body) | changes).items() if v is not ...})


def rechained(rows: list[tuple[Any, ...]], at: int, body: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """A careful forger: one other body, and every later one made to follow from it."""
    prev = None
    for seq, old, _ in rows:
        new = body if seq == at else old if prev is None else changed(old, prev=prev)
        leaf = leaf_hash(new)
        prev = leaf.hex() if seq >= at else None
        yield seq, new, leaf


def test_an_untouched_export_is_valid(rows: list[tuple[Any, ...]]) -> None:
    assert verify.verify_rows(rows) == verify.Report("valid", 5, rows[4][2].hex())
    assert verify.verify_rows(rechained(rows, 2, rows[2][1])).status == "valid"


def test_every_flipped_bit_of_every_body_is_found_where_it_is(rows: list[tuple[Any, ...]]) -> None:
    for seq, body, leaf in rows:
        for at in range(len(body)):
            for bit in range(8):
                flipped = bytes([*body[:at], body[at] ^ (1 << bit), *body[at + 1 :]])
                report = verify.verify_rows([*rows[:seq], (seq, flipped, leaf)])
                assert (report.status, report.first_bad) == ("tampered", seq)


def test_every_flipped_byte_with_its_hash_made_to_fit_is_found_by_the_next(rows: list[tuple[Any, ...]]) -> None:
    for seq, body, _ in rows[:-1]:
        for at in range(len(body)):
            flipped = bytes([*body[:at], body[at] ^ 1, *body[at + 1 :]])
            report = verify.verify_rows([*rows[:seq], (seq, flipped, leaf_hash(flipped)), *rows[seq + 1 :]])
            assert report.status in {"tampered", "unverifiable"}
            assert report.first_bad in {seq, seq + 1}


def test_every_flipped_byte_of_a_stored_hash_is_found(rows: list[tuple[Any, ...]]) -> None:
    for seq, body, leaf in rows:
        for at in range(32):
            flipped = bytes([*leaf[:at], leaf[at] ^ 1, *leaf[at + 1 :]])
            report = verify.verify_rows([*rows[:seq], (seq, body, flipped)])
            assert (report.status, report.first_bad) == ("tampered", seq)
            assert "stored leaf hash" in report.reason


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"seq": 3}, "seq: expected 2, got 3"),
        ({"seq": True}, "whole numbers"),
        ({"prev": "ab" * 32}, "prev: expected"),
        ({"log": "other"}, f"log: expected {LOG}, got 'other'"),
        ({"log": "two words"}, "log: expected"),
        ({"ts": 1}, "ts: expected at least"),
        ({"ts": True}, "whole numbers"),
        ({"ts": None}, "whole numbers"),
        ({"kind": "ledger.genesis"}, "first and only first"),
        ({"kind": "Kind"}, "kind: expected"),
        ({"kind": 1}, "fields: expected text"),
        ({"repo": None}, "fields: expected text"),
        ({"subject": ...}, "fields: expected"),
        ({"more": 1}, "fields: expected"),
        ({"actor": "alice"}, "actor: expected"),
        ({"actor": {"id": "", "kind": "", "key": ""}}, "actor: expected"),
        ({"actor": {"id": "a", "kind": "b"}}, "actor: expected"),
        ({"data": []}, "data: expected"),
        ({"data": {"A": 1}}, "data: expected"),
        ({"v": True}, "v: expected a whole number"),
        ({"v": ...}, "v: expected a whole number"),
        ({"v": "1"}, "v: expected a whole number"),
    ],
)
def test_a_chain_that_fits_does_not_excuse_a_bad_entry(
    rows: list[tuple[Any, ...]], changes: dict[str, object], words: str
) -> None:
    report = verify.verify_rows(rechained(rows, 2, changed(rows[2][1], **changes)))
    assert (report.status, report.first_bad, report.size) == ("tampered", 2, 2)
    assert report.head == rows[1][2].hex()
    assert words in report.reason


@pytest.mark.parametrize(
    "spelling",
    [
        b'{"data":{"a":1,"a":1}}',
        b'{"data":{"a":NaN}}',
        b'{"data":{"a":1.0}}',
        b'{"data":{"a":9007199254740992}}',
        b'{"data": {}}',
        b'{"data":{"a":"\\u0041"}}',
        b'{"data":{"a":"\\u0000"}}',
        b'{"data":{"a":"\\ud800"}}',
        b'{"data":{"\xc3\xa9":1}}',
        b'{"data":"\xff"}',
        b"[" * 60_000,
        b"",
        b"[]",
        b'{"data":' + b'{"a":' * 16 + b"1" + b"}" * 16 + b"}",
        b'"' + b"a" * 65_535 + b'"',
    ],
)
def test_another_spelling_is_tampering_even_with_its_own_hash(spelling: bytes) -> None:
    report = verify.verify_rows([(0, spelling, leaf_hash(spelling))])
    assert (report.status, report.first_bad) == ("tampered", 0)
    assert "body" in report.reason


@pytest.mark.parametrize(
    ("order", "first_bad"),
    [((1, 0, 2), 0), ((0, 2, 1), 1), ((0, 1, 1), 2), ((0, 1, 3), 2), ((1, 2, 3), 0)],
)
def test_entries_moved_repeated_or_left_out_are_found(
    rows: list[tuple[Any, ...]], order: tuple[int, ...], first_bad: int
) -> None:
    for renumbered in (False, True):
        moved = [(i if renumbered else rows[n][0], *rows[n][1:]) for i, n in enumerate(order)]
        report = verify.verify_rows(moved)
        assert (report.status, report.first_bad) == ("tampered", first_bad)


def test_a_later_version_is_not_judged(rows: list[tuple[Any, ...]]) -> None:
    report = verify.verify_rows(rechained(rows, 2, changed(rows[2][1], v=2)))
    assert (report.status, report.first_bad) == ("unverifiable", 2)
    assert "a later verifier may know it" in report.reason


def test_nothing_is_not_valid() -> None:
    assert verify.verify_rows([]).status == "unverifiable"


def test_the_mark_is_held_against_the_entries(rows: list[tuple[Any, ...]]) -> None:
    heads = [row[2].hex() for row in rows]
    for size in (1, 3, 5):
        assert verify.verify_rows(rows, mark=verify.Mark(LOG, size, heads[size - 1])).status == "valid"
    assert verify.verify_rows(rows, mark=verify.Mark(LOG, 0, verify.NO_LEAF)).status == "valid"
    assert verify.verify_rows(rows, mark=verify.Mark(LOG, 6, heads[4])).status == "rollback"
    assert verify.verify_rows([], mark=verify.Mark(LOG, 6, heads[4])).status == "rollback"
    assert verify.verify_rows(rows, mark=verify.Mark("other", 5, heads[4])).status == "fork"
    forked = verify.verify_rows(rows, mark=verify.Mark(LOG, 3, heads[3]))
    assert (forked.status, forked.first_bad) == ("fork", 2)


def test_progress_is_told(rows: list[tuple[Any, ...]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify, "PROGRESS_EVERY", 2)
    told: list[int] = []
    verify.verify_rows(rows, progress=told.append)
    assert told == [2, 4]


@given(st.data())
def test_verifier_and_parser_agree_on_what_an_entry_is(data: st.DataObject) -> None:
    _, body = seal(draft(3, text="é", items=[1, None]), log=LOG, seq=4, prev="ab" * 32, ts=12)
    fields: Any = json.loads(body)
    for _ in range(data.draw(st.integers(0, 2))):
        places = [fields, *(fields[name] for name in ("actor", "data") if isinstance(fields.get(name), dict))]
        where = data.draw(st.sampled_from(places))
        odd = st.sampled_from([None, True, -1, 0, 2**53, 1.5, "", "a b", "é", "00" * 32, [], {}, {"a": 1}, {"A": 1}])
        where[data.draw(st.sampled_from([*where, "extra"]))] = data.draw(odd)
    text = json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    at = data.draw(st.integers(0, len(text) - 1))
    text = data.draw(st.sampled_from([text, text[:at] + b" " + text[at:], text[:at] + text[at + 1 :]]))
    try:
        parse(text)
    except EntryError:
        parsed = False
    else:
        parsed = True
    try:
        entry = verify._entry(verify._canonical(text))
        judged = (entry["kind"] == verify.GENESIS) == (entry["seq"] == 0) == (entry["prev"] == verify.NO_LEAF)
        if entry["seq"] != 0:
            judged = entry["kind"] != verify.GENESIS and entry["prev"] != verify.NO_LEAF
    except (verify._TamperedError, verify._UnknownError):
        judged = False
    assert parsed == judged


COLUMNS = {"kind": "'x'", "actor": "'eve'", "ts": "1", "repo": "'other'", "subject": "''"}


@pytest.mark.parametrize("column", COLUMNS)
def test_a_column_edited_behind_its_body_is_found(world: World, column: str) -> None:
    world.grow(4)
    world.assert_honest()
    with world.edited() as connection:
        connection.execute(f"update ledger_entry set {column} = {COLUMNS[column]} where seq = 2")
    report = world.report()
    assert (report.status, report.first_bad) == ("tampered", 2)
    assert f"column {column}" in report.reason


@pytest.mark.parametrize(
    "sql",
    [
        "update ledger_head set size = 3",
        "update ledger_head set head = zeroblob(32)",
        "update ledger_head set ts = 1",
        "delete from ledger_head",
    ],
)
def test_a_head_row_that_disagrees_is_found(world: World, sql: str) -> None:
    world.grow(4)
    with world.edited() as connection:
        connection.execute(sql)
    assert "head row" in world.report().reason
    assert world.report().status == "tampered"


def test_a_ledger_in_use_can_be_verified_and_is_not_disturbed(world: World) -> None:
    world.grow(3)
    with world.open() as ledger:
        ledger.run(lambda tx: tx.append(draft()))
        assert world.report().size == 4
        assert ledger.run(lambda tx: tx.append(draft())).seq == 4
    assert world.report().size == 5


def test_what_is_appended_meanwhile_is_not_half_seen(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.grow(3)
    monkeypatch.setattr(verify, "PROGRESS_EVERY", 1)
    with world.open() as ledger:
        report = verify.verify_file(world.path, progress=lambda _: ledger.run(lambda tx: tx.append(draft())) and None)
        assert (report.status, report.size) == ("valid", 3)
    assert world.report().size == 6


def test_a_row_whose_number_is_not_its_bodys_is_found(rows: list[tuple[Any, ...]]) -> None:
    report = verify.verify_rows([rows[0], (7, *rows[1][1:])])
    assert (report.status, report.first_bad, report.reason) == ("tampered", 1, "entry 1: number: expected 1, got 7")


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-I", *map(str, arguments)], capture_output=True, text=True, check=False, env={}
    )


def test_one_file_copied_elsewhere_is_enough(world: World, tmp_path: Path) -> None:
    world.grow(3)
    copy = shutil.copy(SOURCE, tmp_path / "standalone.py")
    good = run(copy, world.path, "--mark", world.mark)
    assert (good.returncode, good.stderr) == (0, "")
    assert good.stdout.startswith("valid: 3 good entries, head ")
    assert "no mark given" in run(copy, world.path).stdout
    report = json.loads(run(copy, world.path, "--mark", world.mark, "--json").stdout)
    assert report == {
        "status": "valid",
        "size": 3,
        "head": report["head"],
        "first_bad": None,
        "reason": "",
        "exit": 0,
    }


def test_each_answer_has_its_exit_status(world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def answer(*arguments: object) -> tuple[int, str]:
        status = verify.main([*map(str, arguments)])
        return status, capsys.readouterr().out

    world.grow(4)
    old = world.copy_data("old")
    world.grow(6)
    (tmp_path / "text").write_text("not a ledger")
    assert answer(world.path, "--mark", world.mark)[0] == 0
    for path in (tmp_path / "none", tmp_path / "text", tmp_path):
        assert answer(path)[0] == 2
    for mark in (tmp_path / "none", tmp_path / "text", tmp_path):
        assert answer(world.path, "--mark", mark)[0] == 2
    status, text = answer(old / "ledger.sqlite", "--mark", world.mark)
    assert (status, text.split(":")[0]) == (3, "rollback")
    with world.edited() as connection:
        connection.execute("update ledger_entry set repo = 'x' where seq = 5")
    status, text = answer(world.path, "--mark", world.mark, "--json")
    assert status == 1
    assert json.loads(text)["first_bad"] == 5
    with pytest.raises(SystemExit) as caught:
        verify.main([])
    assert caught.value.code == 2


def test_verifying_does_not_change_the_ledger(world: World) -> None:
    world.grow(3)
    before = {path.name: path.read_bytes() for path in world.path.parent.iterdir()}
    world.path.chmod(0o400)
    assert world.report().status == "valid"
    after = {path.name: path.read_bytes() for path in world.path.parent.iterdir()}
    assert {name: after[name] for name in before} == before
    assert after.get("ledger.sqlite-wal", b"") == b""
