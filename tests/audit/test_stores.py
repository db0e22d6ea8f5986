from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from audit import reads, stores
from audit.errors import ForkedError, LockedError, StoreError
from audit.stores import sqlite as sqlite_store
from ledger_world import World, draft

HOLD = """
import sys
from pathlib import Path
from audit.stores import open_writer
connection = open_writer(Path(sys.argv[1]))
print("holding", flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize(
    ("version", "good"),
    [
        ((3, 6, 23), False),
        ((3, 7, 0), False),
        ((3, 40, 1), False),
        ((3, 44, 5), False),
        ((3, 44, 6), True),
        ((3, 44, 9), True),
        ((3, 45, 0), False),
        ((3, 49, 9), False),
        ((3, 50, 6), False),
        ((3, 50, 7), True),
        ((3, 51, 0), False),
        ((3, 51, 2), False),
        ((3, 51, 3), True),
        ((3, 52, 0), True),
        ((3, 53, 4), True),
        ((4, 0, 0), True),
    ],
)
def test_an_sqlite_that_may_lose_commits_is_refused(version: tuple[int, int, int], good: bool) -> None:  # noqa: FBT001
    if good:
        sqlite_store.check_version(version)
    else:
        with pytest.raises(StoreError, match=r"got {}\.{}\.{}".format(*version)):
            sqlite_store.check_version(version)


def test_every_opening_asks_for_the_version(sqlite_world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world = sqlite_world
    world.grow(1)

    def refuse() -> None:
        raise StoreError("too old")

    monkeypatch.setattr(sqlite_store, "check_version", refuse)
    for opening in (stores.open_writer, stores.open_reader):
        with pytest.raises(StoreError, match="too old"):
            opening(world.path)


def test_the_writer_is_durable_and_the_files_are_the_owners_alone(sqlite_world: World) -> None:
    world = sqlite_world
    before = os.umask(0)
    try:
        connection = stores.open_writer(world.path)
    finally:
        os.umask(before)
    with contextlib.closing(connection):
        settings = {
            name: connection.execute(f"pragma {name}").fetchone()[0]
            for name in ("journal_mode", "synchronous", "foreign_keys", "trusted_schema")
        }
        assert settings == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "trusted_schema": 0}
        files = {path.name: path.stat().st_mode & 0o777 for path in world.path.parent.iterdir()}
        assert {"ledger.sqlite", "ledger.sqlite-wal", "ledger.sqlite.lock"} <= files.keys()
        assert set(files.values()) == {0o600}


def test_a_file_that_others_could_read_is_closed_to_them(sqlite_world: World) -> None:
    world = sqlite_world
    world.grow(1)
    world.path.chmod(0o644)
    world.open().close()
    assert world.path.stat().st_mode & 0o777 == 0o600


def test_a_second_writer_is_refused_by_name_until_the_first_is_gone(sqlite_world: World) -> None:
    world = sqlite_world
    world.grow(1)
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(world.path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"holding\n"
        with pytest.raises(LockedError, match=f"got process {holder.pid} before us"):
            world.open()
        contents = world.rows()  # Readers are welcome.
        holder.kill()
        holder.wait()
    world.open().close()
    assert world.rows() == contents


def test_one_process_does_not_write_twice_either(sqlite_world: World) -> None:
    world = sqlite_world
    with world.open(), pytest.raises(LockedError, match=f"process {os.getpid()} "):
        world.open()
    world.open().close()


def test_a_writer_that_did_not_open_leaves_no_lock(sqlite_world: World) -> None:
    world = sqlite_world
    world.path.write_bytes(b"not a database, but long enough to be looked at" * 100)
    for _ in range(2):
        with pytest.raises(StoreError, match="not a database"):
            world.open()


def test_a_lock_that_is_a_link_is_not_followed(sqlite_world: World) -> None:
    world = sqlite_world
    (world.folder / "elsewhere").write_text("precious")
    Path(f"{world.path}.lock").symlink_to(world.folder / "elsewhere")
    with pytest.raises(StoreError, match="symbolic link"):
        world.open()
    assert (world.folder / "elsewhere").read_text() == "precious"


@pytest.mark.parametrize("sql", ["delete from state", "insert into state values (9, '')", "create table x(a integer)"])
def test_a_reader_cannot_write(world: World, sql: str) -> None:
    world.grow(2)
    with world.open(), world.reader() as reader:
        with pytest.raises(world.Error, match=r"readonly|read-only"):
            reader.execute(sql)
        assert reads.head(reader).size == 2
        if world.engine == "sqlite":  # It opened the file so, whatever it says itself.
            assert reader.execute("pragma query_only").fetchone() == (1,)
            reader.execute("pragma query_only = off")
            with pytest.raises(world.Error, match="readonly"):
                reader.execute(sql)


def test_a_reader_finds_odd_names_and_creates_nothing(tmp_path: Path) -> None:
    odd = World(tmp_path / "a?mode=rwc#b%20 c")
    odd.grow(2)
    assert len(odd.rows()) == 2
    with pytest.raises(StoreError, match="unable to open"):
        stores.open_reader(tmp_path / "none")
    assert not (tmp_path / "none").exists()
    (tmp_path / "empty").touch()
    with pytest.raises(StoreError, match="no such table"):
        stores.open_reader(tmp_path / "empty")


def test_entries_come_in_order_and_by_range(world: World) -> None:
    world.grow(6)
    with world.reader() as reader:
        assert [row.seq for row in reads.entries(reader)] == [0, 1, 2, 3, 4, 5]
        assert [row.seq for row in reads.entries(reader, 2, 4)] == [2, 3]
        assert [row.seq for row in reads.entries(reader, 4)] == [4, 5]
        assert reads.entry(reader, 6) is None
        last = reads.entry(reader, 5)
        assert last is not None
        assert isinstance(last.body, bytes)
        assert reads.head(reader) == reads.checked_head(reader, log="example.com/ledger")
        assert reads.head(reader).leaf == last.leaf


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        ("update ledger_head set size = 2", "to say 3 entries, got 2"),
        ("update ledger_head set head = ?", "agree, got a difference"),
        ("update ledger_head set ts = 1", "agree, got a difference"),
        ("update ledger_entry set leaf = ? where seq = 2", "agree, got a difference"),
        ("delete from ledger_head", "to say 3 entries, got 0|one row in ledger_head, got none"),
        ("update ledger_entry set body = '{\"seq\":2}' where seq = 2", "well-formed, got: "),
        ("update ledger_entry set leaf = ? where seq = 1", "head row and tiles to agree on 3 entries"),
        ("delete from ledger_entry where seq = 1", "expected the tiles of 3 entries"),
    ],
)
def test_a_ledger_whose_end_does_not_hold_together_is_not_written(world: World, sql: str, words: str) -> None:
    world.grow(3)
    world.assert_honest()
    with world.edited() as connection:
        connection.execute(sql, (bytes(32),) if "?" in sql else ())
    with pytest.raises(StoreError) as caught:
        world.open(marked=False)
    assert any(each in str(caught.value) for each in words.split("|"))
    with pytest.raises((StoreError, ForkedError)):
        world.open()
    assert world.report()["exit"] == 1


def test_a_ledger_of_another_name_is_not_written(world: World) -> None:
    world.grow(2)
    with pytest.raises(StoreError, match=r"expected a ledger named other, got one named example\.com/ledger"):
        world.open(log="other", marked=False)
    with world.open(marked=False) as ledger:
        assert ledger.run(lambda tx: tx.append(draft())).seq == 2
