from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING

import psycopg
import pytest
from pysqlite3 import dbapi2 as sqlite

from audit import reads
from audit.entry import leaf_hash, seal
from audit.errors import StoreError
from ledger_world import LOG, draft

if TYPE_CHECKING:
    from ledger_world import PostgresWorld, World

INSERT = "insert into ledger_entry(seq, body, leaf) values (?, ?, ?)"


def row(seq: int, says: int | None = None) -> tuple[int, str, bytes]:
    _, body = seal(draft(), log=LOG, seq=seq if says is None else says, prev="ab" * 32, ts=1)
    return seq, body.decode(), leaf_hash(body)


@pytest.mark.parametrize(
    ("sql", "params", "words"),
    [
        ("update ledger_entry set leaf = zeroblob(32) where seq = 1", (), "append only"),
        ("update ledger_entry set seq = 9 where seq = 1", (), "append only"),
        ("delete from ledger_entry where seq = 2", (), "append only"),
        ("delete from ledger_entry", (), "append only"),
        (INSERT.replace("insert", "insert or replace"), row(1), "seq must be the next"),
        (INSERT.replace("insert", "insert or ignore"), row(1), "seq must be the next"),
        (INSERT, row(1), "seq must be the next"),
        (INSERT, row(4), "seq must be the next"),
        (INSERT, (None, *row(3)[1:]), "seq must be the next"),
        (INSERT, (-1, *row(3)[1:]), "seq must be the next"),
        (INSERT, row(3, says=4), "CHECK constraint"),
        (INSERT, (3, "{}", bytes(32)), "constraint"),
        (INSERT, (3, "not json", bytes(32)), "malformed JSON"),
        (INSERT, (3, row(3)[1], b"short"), "CHECK constraint"),
        (INSERT, (3, row(3)[1].encode(), bytes(32)), "cannot store BLOB"),
        (INSERT.replace("leaf)", "leaf, actor)").replace("?)", "?, 'eve')"), row(3), "generated column"),
        ("update ledger_head set size = 2", (), "must name the last entry"),
        ("update ledger_head set size = 4", (), "must name the last entry"),
        ("update ledger_head set head = zeroblob(32)", (), "must name the last entry"),
        ("update ledger_head set ts = 0", (), "must name the last entry"),
        ("delete from ledger_head", (), "one row always"),
        ("insert or replace into ledger_head values (1, 0, zeroblob(32), 0, x'')", (), "one row only"),
        ("insert into ledger_head values (2, 0, zeroblob(32), 0, x'')", (), "one row only"),
        ("update ledger_blob set data = x'00'", (), "append only"),
        ("delete from ledger_blob", (), "append only"),
        ("insert or replace into ledger_blob select sha256, x'00' from ledger_blob", (), "there already"),
        ("update ledger_head set frontier = x'00'", (), "CHECK constraint"),
        ("insert into ledger_tile values (0, 1, zeroblob(32))", (), "idx must be the next"),
        ("insert or replace into ledger_tile values (3, 4, zeroblob(32))", (), "idx must be the next"),
        ("update ledger_checkpoint set note = 'other'", (), "only signatures may be added"),
        ("update ledger_checkpoint set size = 9", (), "only signatures may be added"),
        ("delete from ledger_checkpoint", (), "append only"),
        ("insert into ledger_checkpoint(size, note) values (2, 'shorter')", (), "size must grow"),
        ("insert or replace into ledger_checkpoint(size, note) values (3, 'other')", (), "size must grow"),
        ("insert into ledger_pruned values (1, zeroblob(8192))", (), "idx must be the next"),
        ("insert into ledger_private values (1, 'name', zeroblob(32), 'x')", (), ""),
        ("update ledger_private set value = 'other'", (), "kept or erased"),
        ("insert into ledger_private values (2, 'kept', zeroblob(32), 'other')", (), "UNIQUE constraint"),
        ("update ledger_request set seq = 0", (), "append only"),
        ("delete from ledger_request", (), "append only"),
        ("insert into ledger_request values ('asked', 2)", (), "UNIQUE constraint"),
    ],
)
def test_the_tables_refuse_whatever_is_not_an_append(
    sqlite_world: World, sql: str, params: tuple[object, ...], words: str
) -> None:
    world = sqlite_world
    grown(world)
    before = world.rows()
    with world.sql() as connection:
        connection.execute("begin")
        if words:
            with pytest.raises(sqlite.DatabaseError, match=words):
                connection.execute(sql, params)
        else:  # Values that can be erased are no part of what is hashed: only the entry speaks for them.
            connection.execute(sql, params)
        connection.execute("rollback")
        connection.execute("begin")
        connection.execute(INSERT, row(3))  # What the same hand may do.
        connection.execute("update ledger_head set (size, head, ts, frontier) = (4, ?, 1, zeroblob(32))", (row(3)[2],))
        connection.execute("rollback")
    assert world.rows() == before
    world.assert_sound()


def grown(world: World) -> None:
    """Three entries, and something in each of the tables beside them."""
    world.grow(2)
    with world.open() as ledger:
        ledger.run(lambda tx: tx.blob(b"payload"))
        ledger.run(lambda tx: tx.append(replace(draft(2), private={"kept": "secret"}), key="asked"))


@pytest.mark.parametrize(
    ("sql", "params", "words"),
    [
        ("update ledger_entry set leaf = leaf where seq = 1", (), "append only"),
        ("delete from ledger_entry where seq = 2", (), "append only"),
        ("truncate ledger_entry cascade", (), "append only"),
        (INSERT, row(1), "seq must be the next"),
        (INSERT, row(4), "seq must be the next"),
        (INSERT, (-1, *row(3)[1:]), "seq must be the next"),
        (f"{INSERT} on conflict (seq) do update set body = excluded.body", row(1), "seq must be the next"),
        (INSERT, row(3, says=4), "check constraint"),
        (INSERT, (3, "{}", bytes(32)), "constraint"),
        (INSERT, (3, "not json", bytes(32)), "invalid input syntax for type json"),
        (INSERT, (3, row(3)[1], b"short"), "check constraint"),
        (INSERT.replace("leaf)", "leaf, actor)").replace("?)", "?, 'eve')"), row(3), "non-DEFAULT value into column"),
        ("update ledger_head set size = 2", (), "must name the last entry"),
        ("update ledger_head set ts = 0", (), "must name the last entry"),
        ("update ledger_head set frontier = '\\x00'", (), "check constraint"),
        ("delete from ledger_head", (), "append only"),
        ("truncate ledger_head", (), "append only"),
        ("insert into ledger_head values (2, 0, ?, 0, '')", (bytes(32),), "check constraint"),
        ("insert into ledger_head values (1, 0, ?, 0, '')", (bytes(32),), "duplicate key"),
        ("update ledger_blob set data = ''", (), "append only"),
        ("delete from ledger_blob", (), "append only"),
        ("truncate ledger_blob", (), "append only"),
        ("insert into ledger_tile values (0, 1, ?)", (bytes(32),), "idx must be the next"),
        ("update ledger_checkpoint set note = 'other'", (), "only signatures may be added"),
        ("update ledger_checkpoint set size = 9", (), "only signatures may be added"),
        ("delete from ledger_checkpoint", (), "append only"),
        ("truncate ledger_checkpoint", (), "append only"),
        ("insert into ledger_checkpoint(size, note) values (2, 'shorter')", (), "size must grow"),
        ("insert into ledger_pruned values (1, ?)", (bytes(8192),), "idx must be the next"),
        ("update ledger_private set value = 'other'", (), "append only"),
        ("truncate ledger_private", (), "append only"),
        ("update ledger_request set seq = 0", (), "append only"),
        ("delete from ledger_request", (), "append only"),
        ("insert into ledger_request values ('asked', 2)", (), "duplicate key"),
    ],
)
def test_the_tables_of_a_server_refuse_it_too(
    postgres_world: PostgresWorld, sql: str, params: tuple[object, ...], words: str
) -> None:
    world = postgres_world
    grown(world)
    before = world.rows()
    with world.sql() as connection:
        with pytest.raises(psycopg.Error, match=words):
            connection.execute(sql, params)
        connection.execute("begin")
        connection.execute(INSERT, row(3))  # What the same hand may do.
        ends = (row(3)[2], bytes(32))
        connection.execute("update ledger_head set size = 4, head = ?, ts = 1, frontier = ?", ends)
        connection.execute("rollback")
    assert world.rows() == before
    world.assert_sound()


def test_columns_beside_the_body_say_what_it_says(world: World) -> None:
    world.grow(2)
    with world.sql() as connection:
        got = connection.execute("select kind, actor, ts, repo, subject from ledger_entry where seq = 1").fetchone()
    assert got == ("sign_off.given", "alice", world.clock.now, "garden", "refs/heads/b1")


@pytest.mark.parametrize("name", ["ledger_entry_insert", "ledger_head_update", "ledger_blob_insert"])
def test_a_missing_guard_is_put_back_on_opening(sqlite_world: World, name: str) -> None:
    world = sqlite_world
    world.grow(2)
    with world.sql() as connection:
        connection.execute(f"drop trigger {name}")
    world.open().close()
    with world.sql() as connection:
        assert connection.execute("select count(*) from sqlite_schema where name = ?", (name,)).fetchone() == (1,)


@pytest.mark.parametrize(
    ("script", "words"),
    [
        (
            """drop trigger ledger_entry_delete;
            create trigger ledger_entry_delete before delete on ledger_entry begin select 1; end;""",
            "expected ledger_entry_delete as this version makes it",
        ),
        (
            "create trigger sly after insert on ledger_entry begin delete from state; end;",
            "nothing on the ledger's tables but our own, got sly",
        ),
        ("drop index ledger_entry_repo; create index ledger_entry_repo on ledger_entry(seq);", "ledger_entry_repo"),
        ("alter table ledger_entry add column note text;", "expected ledger_entry as this version makes it"),
    ],
)
def test_a_changed_guard_is_refused_on_opening(sqlite_world: World, script: str, words: str) -> None:
    world = sqlite_world
    world.grow(2)
    world.assert_honest()
    with world.sql() as connection:
        connection.executescript(script)
    with pytest.raises(StoreError) as caught:
        world.open()
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("alter table ledger_entry disable trigger ledger_entry_delete", "trigger ledger_entry.ledger_entry_delete"),
        ("drop trigger ledger_blob_update on ledger_blob", "expected trigger ledger_blob.ledger_blob_update"),
        (
            "create or replace function ledger_refuse() returns trigger language plpgsql as 'begin return new; end'",
            "as this version makes it",
        ),
        (
            "create rule sly as on insert to ledger_entry do also delete from state",
            "nothing on the ledger's tables but our own, got rule ledger_entry.sly",
        ),
        ("alter table ledger_entry alter column actor drop expression", "expected table ledger_entry.actor"),
        ("alter table ledger_entry add column note text", "got table ledger_entry.note"),
        ("alter table ledger_entry drop constraint ledger_entry_check", "expected constraint ledger_entry"),
        ("drop index ledger_entry_repo", "expected index ledger_entry_repo"),
    ],
)
def test_a_changed_guard_of_a_server_is_refused_on_opening(
    postgres_world: PostgresWorld, script: str, words: str
) -> None:
    world = postgres_world
    world.grow(2)
    world.open().close()
    with world.sql() as connection:
        connection.execute(script)
    with pytest.raises(StoreError) as caught:
        world.open()
    assert words in str(caught.value)


def test_the_callers_tables_come_with_ours_or_not_at_all(world: World) -> None:
    with pytest.raises(StoreError, match="syntax error"):
        world.open(schema="create table mine(a integer); create tabel oops(b integer);")
    tables = {"sqlite": "select count(*) from sqlite_schema", "postgresql": "select count(*) from pg_stat_user_tables"}
    with world.sql() as connection:
        assert connection.execute(tables[world.engine]).fetchone() == (0,)
    world.open().close()


def test_blobs_are_kept_once_and_read_back_checked(world: World) -> None:
    world.grow(1)
    with world.open() as ledger:
        first, second = (ledger.run(lambda tx: tx.blob(b"payload")) for _ in range(2))
    assert first == second == {"sha256": hashlib.sha256(b"payload").hexdigest(), "size": 7}
    with world.reader() as connection:
        assert connection.execute("select count(*) from ledger_blob").fetchone() == (1,)
        assert reads.blob(connection, str(first["sha256"])) == b"payload"
        assert reads.blob(connection, "00" * 32) is None
    with world.edited() as attacker:
        attacker.execute("update ledger_blob set data = ?", (b"other",))
    with world.reader() as connection, pytest.raises(StoreError, match="under its name"):
        reads.blob(connection, str(first["sha256"]))
    report = world.report()
    assert (report["exit"], report["first_bad"]) == (1, None)
    assert str(first["sha256"]) in report["reason"]
