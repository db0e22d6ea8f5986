"""A ledger of the first version, brought up to date: nothing that was written changes by a byte."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from pysqlite3 import dbapi2 as sqlite

from audit import keys, stores
from audit.errors import StoreError, UnmarkedError
from audit.stores import migrating, sqlite_schema
from ledger_world import BORN, STATE, append

if TYPE_CHECKING:
    from ledger_world import PostgresWorld, World

ROOT = Path(__file__).parents[2]
VECTOR = ROOT / "tests" / "vectors" / "first_ledger.py"
_spec = importlib.util.spec_from_file_location("first_version", VECTOR)
assert _spec is not None
assert _spec.loader is not None
first_version: Any = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(first_version)

KILLED = """
import os, signal, sys
from pathlib import Path
from audit import tiles
from audit.stores import open_writer
grown = tiles.roots_of_full_tiles
from audit.stores import sqlite_schema
made = sqlite_schema.statements
def statements():
    for number, statement in enumerate(made()):
        if number == int(sys.argv[2]):
            os.kill(os.getpid(), signal.SIGKILL)
        yield statement
sqlite_schema.statements = statements
open_writer(Path(sys.argv[1]))
"""


def made(world: World, number: int) -> World:
    first_version.make(world.path, number, {"format": 1, **BORN})
    return world


def content(path: Path) -> dict[str, list[tuple[object, ...]]]:
    with contextlib.closing(sqlite.connect(path)) as connection:
        return {
            "entries": connection.execute("select seq, cast(body as blob), leaf from ledger_entry").fetchall(),
            "columns": connection.execute("select kind, actor, ts, repo, subject from ledger_entry").fetchall(),
            "blobs": connection.execute("select sha256, data from ledger_blob order by sha256").fetchall(),
            "head": connection.execute("select id, size, head, ts from ledger_head").fetchall(),
        }


@pytest.mark.parametrize("number", [0, 1, 5, 256, 700])
def test_every_body_leaf_and_blob_is_the_same_byte_for_byte(sqlite_world: World, number: int) -> None:
    world = made(sqlite_world, number)
    before = content(world.path)
    for _ in range(2):  # The second time there is nothing to do.
        stores.open_writer(world.path).close()
        assert content(world.path) == before
    assert len(before["blobs"]) == 3
    with world.sql() as connection:
        version = connection.execute("select version_num from alembic_version").fetchall()
        assert version == [(migrating.NEWEST,)]
        connection.executescript(STATE)
        connection.execute("insert into state select seq, subject from ledger_entry")
    world.assert_sound()
    assert set(objects(world.path)) >= set(objects_of_new(world))


def objects(path: Path) -> dict[str, str]:
    with contextlib.closing(sqlite.connect(path)) as connection:
        sql = f"select name, sql from sqlite_schema where tbl_name in {sqlite_schema.TABLES} and sql is not null"
        return dict(connection.execute(sql))


def objects_of_new(world: World) -> dict[str, str]:
    path = world.folder / "new.sqlite"
    stores.open_writer(path).close()
    found = objects(path)
    assert objects(world.path) == found
    return found


def test_a_ledger_of_the_first_version_goes_on(sqlite_world: World) -> None:
    world = made(sqlite_world, 300)
    before = world_rows(world)
    with pytest.raises(UnmarkedError):  # It has entries, and nobody has said how far it had come.
        world.open(schema="")
    publisher = world.publisher()
    with world.writer() as connection:
        publisher.mark.check(connection, keys.read(connection), adopt=True)
        publisher.publish(connection)
    with world.open(schema="", projector=lambda *_: None) as ledger:
        assert ledger.run(append(300)) == 300
    assert world.rows()[:300] == before
    assert world.report()["status"] == "valid"


def world_rows(world: World) -> list[tuple[object, ...]]:
    return content(world.path)["entries"]


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
@pytest.mark.parametrize("version", ["0003", "9999", "nonsense", ""])
def test_a_ledger_of_a_later_version_is_refused_and_left_alone(
    engine: str, version: str, request: pytest.FixtureRequest
) -> None:
    world: World | PostgresWorld = request.getfixturevalue(f"{engine.removesuffix('ql')}_world")
    world.grow(3)
    rows = world.rows()
    with world.sql() as connection:
        connection.execute("update alembic_version set version_num = ?", (version,))
    if version:
        with pytest.raises(StoreError, match=f"version {migrating.NEWEST} or before, got {version}"):
            world.open()
    else:
        world.open().close()  # Empty: as if it had no version yet, and the tables are then compared as always.
    assert world.rows() == rows


@pytest.mark.parametrize("step", [0, 1, 9, 20, 30])
def test_a_migration_that_was_killed_leaves_the_old_ledger_whole(sqlite_world: World, step: int) -> None:
    world = made(sqlite_world, 600)
    before, tables = content(world.path), objects(world.path)
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, str(world.path), str(step)],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert (content(world.path), objects(world.path)) == (before, tables)
    stores.open_writer(world.path).close()
    assert content(world.path) == before
    assert objects(world.path) == objects_of_new(world)


def test_a_migration_that_fails_leaves_the_old_ledger_whole(
    sqlite_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = made(sqlite_world, 10)
    before, tables = content(world.path), objects(world.path)
    with monkeypatch.context() as broken:
        broken.setattr(sqlite_schema, "SCHEMA", sqlite_schema.SCHEMA.replace("frontier blob", "frontier blub"))
        with pytest.raises(StoreError, match="unknown datatype"):
            stores.open_writer(world.path)
    assert (content(world.path), objects(world.path)) == (before, tables)
    stores.open_writer(world.path).close()
    assert content(world.path) == before


def test_a_ledger_whose_leaves_were_changed_before_is_found_after(sqlite_world: World) -> None:
    world = made(sqlite_world, 20)
    with world.sql() as connection:
        connection.execute("drop trigger ledger_entry_update")
        connection.execute("update ledger_entry set leaf = zeroblob(32) where seq = 7")
    stores.open_writer(world.path).close()
    report = world.report(marked=False)
    assert (report["exit"], report["first_bad"]) == (1, 7)
