"""What someone does who can reach the ledger's file, its folder, or its writer; and that it shows.

Each attack is named by its number in the ledger's threat list, and follows an honest run on the same set-up, so that
its refusal has no other reason. Where the file alone cannot show it, that is asserted, too: it is a limit we state.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from pysqlite3 import dbapi2 as sqlite

from audit import canonical, verify
from audit.entry import leaf_hash, parse
from audit.errors import CanonicalError, EntryError, ForkedError, LockedError, RollbackError, StoreError
from ledger_world import GENESIS, World, draft

if TYPE_CHECKING:
    from collections.abc import Callable

    from audit.transaction import Transaction


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Six honest entries, marked and valid."""
    world = World(tmp_path / "world")
    world.grow(6)
    world.assert_honest()
    return world


def append(number: int = 0) -> Callable[[Transaction], int]:
    return lambda tx: tx.append(draft(number)).seq


def answer(world: World, capsys: pytest.CaptureFixture[str], *, marked: bool = True) -> tuple[int, dict[str, Any]]:
    """What the verifier, as a program, answers."""
    mark = ["--mark", str(world.mark)] if marked else []
    status = verify.main([str(world.path), "--json", *mark])
    return status, json.loads(capsys.readouterr().out)


def changed(body: bytes, **changes: object) -> bytes:
    return canonical.encode(json.loads(body) | changes)


def bodies(world: World) -> list[bytes]:
    return [row[1] for row in world.rows()]  # type: ignore[misc]


def rechained(old: list[bytes], at: int, body: bytes) -> dict[int, bytes]:
    """One other body, and every later one made to follow from it."""
    new = {at: body}
    for seq in range(at + 1, len(old)):
        new[seq] = changed(old[seq], prev=leaf_hash(new[seq - 1]).hex())
    return new


@pytest.mark.parametrize("size", [1, 5])
def test_attack_01_cutting_off_the_end(world: World, capsys: pytest.CaptureFixture[str], size: int) -> None:
    world.rewrite({}, size=size)
    assert answer(world, capsys) == (3, {**answer(world, capsys)[1], "status": "rollback", "size": size})
    assert answer(world, capsys, marked=False)[0] == 0  # The limit: the file alone cannot know.
    with pytest.raises(RollbackError, match=f"at least 6 entries, as marked in .* got {size}"):
        world.open()


def test_attack_01_cutting_off_the_end_and_forgetting_the_head_row(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    with world.edited() as connection:
        connection.execute("delete from state where seq = 5")
        connection.execute("delete from ledger_entry where seq = 5")
    assert answer(world, capsys)[0] == 3
    status, report = answer(world, capsys, marked=False)
    assert (status, report["status"]) == (1, "tampered")
    assert "head row: expected 5" in report["reason"]
    with pytest.raises(RollbackError):
        world.open()
    with pytest.raises(StoreError, match="to say 5 entries, got 6"):
        world.open(marked=False)


def test_attack_02_two_copies_of_one_ledger(world: World) -> None:
    twin = World(world.folder / "twin")
    for file in world.path.parent.iterdir():
        (twin.path.parent / file.name).write_bytes(file.read_bytes())
    twin.mark = world.mark
    with world.open() as ours, twin.open() as theirs:
        assert ours.run(append(1)) == 6
        ours.close()
        assert ours.broken is None
        # Longer than ours, so a mark that only grows would let it pass.
        assert theirs.run(lambda tx: (tx.append(draft(2)), tx.append(draft(3)))[1].seq) == 7
        theirs.close()
        assert theirs.broken is not None
        assert "a second writer?" in theirs.broken
    assert twin.report().status == "fork"
    with pytest.raises(ForkedError, match="expected entry 6 to have leaf hash"):
        twin.open()
    world.assert_honest()


def test_attack_03_writing_history_anew(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    old = bodies(world)
    world.rewrite(rechained(old, 3, changed(old[3], subject="refs/heads/other")))
    assert answer(world, capsys, marked=False)[0] == 0  # The limit, again.
    status, report = answer(world, capsys)
    assert (status, report["status"], report["size"]) == (3, "fork", 6)
    with pytest.raises(ForkedError, match="expected entry 5"):
        world.open()


def test_attack_03_another_entry_at_the_end_only(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.rewrite({5: changed(bodies(world)[5], subject="refs/heads/other")})
    assert answer(world, capsys)[1]["status"] == "fork"
    with pytest.raises(ForkedError):
        world.open()


def test_attack_03_a_body_changed_and_its_stored_hash_left_alone(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    with world.edited() as connection:
        connection.execute("update ledger_entry set body = replace(body, 'b5', 'b7') where seq = 5")
    assert answer(world, capsys)[0] == 1
    with pytest.raises(ForkedError):
        world.open()


def test_attack_04_an_older_copy_put_back(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    copy = world.copy_data("backup")
    world.grow(9)
    world.assert_honest()
    world.put_back(copy)
    status, report = answer(world, capsys)
    assert (status, report["status"], report["size"]) == (3, "rollback", 6)
    with pytest.raises(RollbackError, match="at least 9 entries"):
        world.open()


def test_attack_04_an_older_copy_that_grew_again(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    copy, mark = world.copy_data("backup"), world.mark.read_bytes()
    world.grow(9)
    later = world.mark.read_bytes()
    world.put_back(copy)
    world.mark.write_bytes(mark)
    world.clock.now += 1000
    world.grow(12)
    world.mark.write_bytes(later)
    assert answer(world, capsys)[1]["status"] == "fork"
    with pytest.raises(ForkedError, match="expected entry 8"):
        world.open()


def test_attack_05_two_entries_exchanged(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    old = bodies(world)
    world.rewrite({2: old[3], 3: old[2]})
    status, report = answer(world, capsys)
    assert (status, report["first_bad"]) == (1, 2)
    assert "seq: expected 2, got 3" in report["reason"]


def test_attack_05_two_entries_exchanged_and_renumbered(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    old = bodies(world)
    world.rewrite({2: changed(old[3], seq=2), 3: changed(old[2], seq=3)})
    status, report = answer(world, capsys)
    assert (status, report["first_bad"]) == (1, 2)
    assert "prev" in report["reason"]


def test_attack_06_an_entry_dated_back(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    old = bodies(world)
    world.rewrite(rechained(old, 4, changed(old[4], ts=json.loads(old[2])["ts"])))
    status, report = answer(world, capsys, marked=False)
    assert (status, report["first_bad"]) == (1, 4)
    assert "ts: expected at least" in report["reason"]


def test_attack_06_a_caller_cannot_say_when(world: World) -> None:
    now = world.clock.now
    with world.open() as ledger:
        world.clock.now = 5
        assert ledger.run(lambda tx: tx.append(draft(ts=1)).ts) == now
    world.assert_honest()


def test_attack_07_a_column_set_beside_the_body(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    with world.sql() as connection:
        connection.execute("drop trigger ledger_entry_update")
        with pytest.raises(sqlite.OperationalError, match="cannot UPDATE generated column"):
            connection.execute("update ledger_entry set actor = 'eve' where seq = 2")
    world.assert_honest()
    with world.edited() as connection:
        connection.execute("update ledger_entry set actor = 'eve' where seq = 2")
    status, report = answer(world, capsys)
    assert (status, report["first_bad"]) == (1, 2)
    assert report["reason"] == "entry 2: column actor: expected b'alice', got b'eve'"


@pytest.mark.parametrize("seq", [0, 3, 5, 7, 99, -1])
def test_attack_08_a_number_used_twice_or_left_out(world: World, seq: int) -> None:
    body = changed(bodies(world)[5], seq=seq)
    with world.sql() as connection:
        for verb in ("insert", "insert or replace", "insert or ignore", "replace"):
            with pytest.raises(sqlite.DatabaseError, match="seq must be the next"):
                connection.execute(
                    f"{verb} into ledger_entry(seq, body, leaf) values (?, ?, ?)", (seq, body.decode(), leaf_hash(body))
                )
    world.assert_honest()


@pytest.mark.parametrize(
    "sql",
    [
        "delete from ledger_entry",
        "delete from ledger_entry where seq = 5",
        "update ledger_entry set body = body",
        "insert or replace into ledger_entry(seq, body, leaf) select seq, body, leaf from ledger_entry where seq = 3",
        "insert or ignore into ledger_entry(seq, body, leaf) select seq, body, leaf from ledger_entry where seq = 3",
    ],
)
def test_attack_09_sql_against_the_entries(world: World, sql: str) -> None:
    with world.sql() as connection, pytest.raises(sqlite.DatabaseError, match=r"append only|must be the next"):
        connection.execute(sql)
    world.assert_honest()


def test_attack_09_guards_dropped_and_put_back(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    with world.edited() as connection:
        connection.execute("update ledger_entry set body = replace(body, 'garden', 'orchard') where seq = 3")
    status, report = answer(world, capsys)
    assert (status, report["first_bad"]) == (1, 3)
    assert "stored leaf hash" in report["reason"]


def test_attack_09_a_byte_of_the_file(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    data = bytearray(world.path.read_bytes())
    for seq in range(1, 6):
        needle = f"refs/heads/b{seq}".encode()
        at = data.index(needle)
        edited = bytearray(data)
        edited[at + len(needle) - 1] = ord("9")
        world.path.write_bytes(edited)
        status, report = answer(world, capsys)
        assert (status, report["first_bad"]) == (1, seq)
    world.path.write_bytes(data)
    world.assert_honest()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b'"data":{', b'"data":{"number":1,'),
        (b'"number":3', b'"number":3.0'),
        (b'"number":3', b'"number":1e400'),
        (b'"number":3', b'"number":NaN'),
        (b'"number":3', b'"number":9007199254740993'),
        (b'"number":3', b'"number": 3'),
        (b'"alice"', b'"\\u0061lice"'),
        (b'"alice"', b'"alice\\u0000"'),
        (b'"alice"', b'"\\udc00"'),
        (b'"alice"', b'"\xff"'),
        (b'"number"', b'"nombr\xc3\xa9"'),
    ],
)
def test_attack_12_a_second_spelling(
    world: World, capsys: pytest.CaptureFixture[str], before: bytes, after: bytes
) -> None:
    body = bodies(world)[3]
    other = body.replace(before, after, 1)
    assert parse(body).seq == 3
    assert other != body
    with pytest.raises(CanonicalError):
        parse(other)
    honest = world.rows()
    report = verify.verify_rows([*honest[:3], (3, other, leaf_hash(other)), *honest[4:]])
    assert (report.status, report.first_bad) == ("tampered", 3)
    assert "body" in report.reason


def test_attack_12_two_spellings_of_a_name_are_two_names(world: World) -> None:
    with world.open() as ledger:
        for text in ("\u00e9", "e\u0301"):
            assert ledger.run(lambda tx, text=text: tx.append(draft(text=text)).data["text"]) == text
    one, two = bodies(world)[-2:]
    assert json.loads(one)["data"]["text"] != json.loads(two)["data"]["text"]
    world.assert_honest()


def test_attack_13_two_processes_append(world: World) -> None:
    script = (
        "import sys; from pathlib import Path; from audit.stores import open_writer\n"
        "try: open_writer(Path(sys.argv[1]))\n"
        "except Exception as error: print(type(error).__name__, error)"
    )
    command = [sys.executable, "-c", script, str(world.path)]
    root = Path(__file__).parents[2]
    with world.open() as ledger:
        other = subprocess.run(command, capture_output=True, text=True, check=True, cwd=root)
        assert other.stdout.startswith(LockedError.__name__)
        assert "before us" in other.stdout
        assert ledger.run(append()) == 6
    assert subprocess.run(command, capture_output=True, text=True, check=True, cwd=root).stdout == ""
    world.assert_honest()


def test_attack_13_many_threads_append(world: World) -> None:
    answers: list[int] = []
    start = threading.Barrier(6)

    def work() -> None:
        start.wait()
        answers.extend(future.result() for future in [ledger.submit(append(n)) for n in range(40)])

    with world.open() as ledger:
        threads = [threading.Thread(target=work) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(answers) == list(range(6, 246))
    assert world.state() == list(range(246))
    world.assert_honest()


def test_attack_13_an_append_behind_the_writers_back(world: World) -> None:
    body = changed(bodies(world)[5], seq=6)
    with world.open() as ledger:
        with world.sql() as connection:
            connection.execute(
                "insert into ledger_entry(seq, body, leaf) values (6, ?, ?)", (body.decode(), leaf_hash(body))
            )
        with pytest.raises(StoreError, match="seq must be the next"):
            ledger.run(append())
    report = world.report()
    assert (report.status, report.first_bad) == ("tampered", 6)


def test_attack_16_a_full_disk(world: World) -> None:
    outcomes: list[tuple[int, int | None]] = []
    with world.open() as ledger:
        pages = ledger._connection.execute("pragma page_count").fetchone()[0]
        ledger._connection.execute(f"pragma max_page_count = {pages + 40}")
        futures = [(n, ledger.submit(lambda tx, n=n: tx.append(draft(n, x="a" * 3000)).seq)) for n in range(200)]
        for number, future in futures:
            error = future.exception()
            assert error is None or "disk is full" in str(error)
            outcomes.append((number, None if error else future.result()))
        assert ledger.broken is None
        ledger._connection.execute("pragma max_page_count = 100000")
        ledger.run(append(777))  # Room again, and it goes on.
    written = [seq for _, seq in outcomes if seq is not None]
    assert 0 < len(written) < 200
    stored = bodies(world)
    assert len(stored) == 6 + len(written) + 1
    for number, seq in outcomes:
        if seq is not None:
            assert json.loads(stored[seq])["data"]["number"] == number
    assert world.state() == list(range(len(stored)))
    world.assert_honest()


def test_attack_17_the_clock_set_back_and_forth(world: World) -> None:
    with world.open() as ledger:
        start = world.clock.now
        stamps = []
        for step in (0, -3_600_000, 0, 3_600_000, -1):
            world.clock.now = start + step
            stamps.append(ledger.run(lambda tx: tx.append(draft()).ts))
    assert stamps == [start, start, start, start + 3_600_000, start + 3_600_000]
    world.assert_honest()


@pytest.mark.parametrize("now", [2**53, 1.5, None, True, "1"])
def test_attack_17_a_clock_that_makes_no_sense(world: World, now: object) -> None:
    with world.open() as ledger:
        good, world.clock.now = world.clock.now, now  # type: ignore[assignment]
        with pytest.raises(StoreError, match="the clock to say milliseconds"):
            ledger.run(append())
        world.clock.now = good
        assert ledger.run(append()) == 6
    world.assert_honest()


@pytest.mark.parametrize(("version", "status"), [(2, 2), (0, 2), (True, 1), ("1", 1), (None, 1)])
def test_attack_23_an_entry_of_another_version(
    world: World, capsys: pytest.CaptureFixture[str], version: object, status: int
) -> None:
    old = bodies(world)
    world.rewrite(rechained(old, 5, changed(old[5], v=version)))
    got, report = answer(world, capsys, marked=False)
    assert (got, report["first_bad"]) == (status, 5)
    with pytest.raises(StoreError, match="well-formed"):
        world.open(marked=False)


def test_attack_23_a_second_genesis(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    with world.open() as ledger, contextlib.suppress(EntryError):
        ledger.run(lambda tx: tx.append(GENESIS))
        pytest.fail("a second genesis was written")
    world.assert_honest()
    old = bodies(world)
    world.rewrite(rechained(old, 4, changed(old[4], kind=GENESIS.kind)))
    status, report = answer(world, capsys, marked=False)
    assert (status, report["first_bad"]) == (1, 4)
