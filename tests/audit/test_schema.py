from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest
from pysqlite3 import dbapi2 as sqlite

from audit import reads, stores
from audit.entry import leaf_hash, seal
from audit.errors import StoreError
from ledger_world import LOG, draft

if TYPE_CHECKING:
    from ledger_world import World

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
        ("insert or replace into ledger_head values (1, 0, zeroblob(32), 0)", (), "one row only"),
        ("insert into ledger_head values (2, 0, zeroblob(32), 0)", (), "one row only"),
        ("update ledger_blob set data = x'00'", (), "append only"),
        ("delete from ledger_blob", (), "append only"),
        ("insert or replace into ledger_blob select sha256, x'00' from ledger_blob", (), "there already"),
    ],
)
def test_the_tables_refuse_whatever_is_not_an_append(
    world: World, sql: str, params: tuple[object, ...], words: str
) -> None:
    world.grow(3)
    with world.open() as ledger:
        ledger.run(lambda tx: tx.blob(b"payload"))
    before = world.rows()
    with world.sql() as connection:
        with pytest.raises(sqlite.DatabaseError, match=words):
            connection.execute(sql, params)
        connection.execute("begin")
        connection.execute(INSERT, row(3))  # What the same hand may do.
        connection.execute("update ledger_head set (size, head, ts) = (4, ?, 1)", (row(3)[2],))
        connection.execute("rollback")
    assert world.rows() == before
    assert world.report().status == "valid"


def test_columns_beside_the_body_say_what_it_says(world: World) -> None:
    world.grow(2)
    with world.sql() as connection:
        got = connection.execute("select kind, actor, ts, repo, subject from ledger_entry where seq = 1").fetchone()
    assert got == ("sign_off.given", "alice", world.clock.now, "garden", "refs/heads/b1")


@pytest.mark.parametrize("name", ["ledger_entry_insert", "ledger_head_update", "ledger_blob_insert"])
def test_a_missing_guard_is_put_back_on_opening(world: World, name: str) -> None:
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
def test_a_changed_guard_is_refused_on_opening(world: World, script: str, words: str) -> None:
    world.grow(2)
    world.assert_honest()
    with world.sql() as connection:
        connection.executescript(script)
    with pytest.raises(StoreError) as caught:
        world.open()
    assert words in str(caught.value)


def test_the_callers_tables_come_with_ours_or_not_at_all(world: World) -> None:
    with pytest.raises(StoreError, match="syntax error"):
        world.open(schema="create table mine(a); create tabel oops(b);")
    with world.sql() as connection:
        assert connection.execute("select count(*) from sqlite_schema").fetchone() == (0,)
    world.open().close()


def test_blobs_are_kept_once_and_read_back_checked(world: World) -> None:
    world.grow(1)
    with world.open() as ledger:
        first, second = (ledger.run(lambda tx: tx.blob(b"payload")) for _ in range(2))
    assert first == second == {"sha256": hashlib.sha256(b"payload").hexdigest(), "size": 7}
    connection = stores.open_reader(world.path)
    assert connection.execute("select count(*) from ledger_blob").fetchone() == (1,)
    assert reads.blob(connection, str(first["sha256"])) == b"payload"
    assert reads.blob(connection, "00" * 32) is None
    connection.close()
    with world.sql() as attacker:
        attacker.execute("drop trigger ledger_blob_update")
        attacker.execute("update ledger_blob set data = x'00'")
    connection = stores.open_reader(world.path)
    with pytest.raises(StoreError, match="under its name"):
        reads.blob(connection, str(first["sha256"]))
    connection.close()
    report = world.report()
    assert (report.status, report.first_bad) == ("tampered", None)
    assert str(first["sha256"]) in report.reason
