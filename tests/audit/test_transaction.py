from __future__ import annotations

import gc
import weakref
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from pysqlite3 import dbapi2 as sqlite

from audit import transaction
from audit.entry import Actor, parse
from audit.errors import CanonicalError, EntryError, StoreError
from ledger_world import GENESIS, REFERRING, STATE, append, draft, fold

if TYPE_CHECKING:
    from collections.abc import Callable

    from audit.entry import Entry
    from audit.stores import WritingConnection
    from audit.transaction import Transaction
    from ledger_world import World


def test_entry_and_state_are_there_together(world: World) -> None:
    world.grow(1)

    def command(tx: Transaction) -> tuple[Any, ...]:
        first, second = tx.append(draft(1)), tx.append(draft(2))
        seen = tx.execute("select seq, subject from state where seq > 0").fetchall()
        stored = tx.execute("select count(*) from ledger_entry").fetchone()
        return first, second, seen, stored

    with world.open() as ledger:
        first, second, seen, stored = ledger.run(command)
    assert (first.seq, second.seq) == (1, 2)
    assert seen == [(1, "refs/heads/b1"), (2, "refs/heads/b2")]
    assert stored == (3,)
    assert [row[1] for row in world.rows()[1:]] == [first.encode(), second.encode()]


@pytest.mark.parametrize(
    "looks",
    [
        REFERRING,
        f"{STATE} create view kept as select seq, kind from LEDGER_entry;",
    ],
    ids=["a foreign key", "a view"],
)
def test_tables_of_the_caller_that_look_at_entries_see_them_at_once(world: World, looks: str) -> None:
    with world.open(schema=looks) as ledger:
        ledger.run(lambda tx: tx.append(GENESIS))

        def command(tx: Transaction) -> tuple[Any, ...]:
            tx.append(draft(1))
            return tuple(tx.execute("select count(*) from kept" if "kept" in looks else "select 2").fetchone())

        assert ledger.run(command) == (2,)
    with world.open() as ledger:  # Whoever opens it, with or without them: they are there.
        ledger.run(lambda tx: tx.append(draft(2)))
    assert world.state() == [0, 1, 2]
    world.assert_honest()


def test_entries_wait_for_each_other_and_for_nobody_who_asks(sqlite_world: World) -> None:
    world = sqlite_world
    world.grow(1)

    def command(tx: Transaction) -> list[int]:
        found = []
        for number in (1, 2, 3):
            tx.append(draft(number), key=f"k{number}")
            found.append(tx.execute("select max(seq) from ledger_entry").fetchone()[0])
        assert tx.append(draft(2), key="k2").seq == 2  # Told again from what is written.
        tx.append(draft(4))
        return found

    with world.open() as ledger:
        assert ledger.run(command) == [1, 2, 3]
    assert world.state() == [0, 1, 2, 3, 4]
    world.assert_honest()


@pytest.mark.parametrize(
    ("made", "read"),
    [
        ("create view kept as select seq from ledger_entry", "select count(*) from kept"),
        (
            "create trigger t after insert on state begin insert into many select count(*) from ledger_entry; end",
            "select max(n) from many",
        ),
    ],
    ids=["a view", "a trigger"],
)
def test_what_somebody_makes_while_it_is_open_sees_entries_too(sqlite_world: World, made: str, read: str) -> None:
    world = sqlite_world
    world.grow(1)
    with world.open(schema=STATE + "create table if not exists many(n);") as ledger:
        with world.sql() as other:
            other.execute(made)

        def command(tx: Transaction) -> int:
            tx.append(draft(1))
            return int(tx.execute(read).fetchone()[0])

        assert ledger.run(command) == 2


def test_work_on_our_tables_sees_what_it_appends(world: World) -> None:
    world.grow(1)

    def command(tx: Transaction) -> list[int]:
        seen = []

        def work(connection: WritingConnection) -> None:
            tx.append(draft(2))
            seen.append(connection.execute("select count(*) from ledger_entry").fetchone()[0])

        tx.append(draft(1))
        tx.maintain(work)
        return seen

    with world.open() as ledger:
        assert ledger.run(command) == [3]
    world.assert_honest()


class Sly(Actor):
    """Says one name, and on one asking another."""

    says: Callable[[int], str]
    asked = 0
    kind, key = "human", ""

    def __init__(self) -> None:
        pass

    @property
    def id(self) -> str:  # type: ignore[override]
        self.__class__.asked += 1
        return self.__class__.says(self.__class__.asked)


@pytest.mark.parametrize("other", ["mallory", "", "a\0", "a\udc80"])
@pytest.mark.parametrize("turn", range(1, 6))
def test_an_actor_is_asked_once_who_it_is(sqlite_world: World, turn: int, other: str) -> None:
    world, folded = sqlite_world, []
    world.grow(1)

    def who(tx: Transaction, entry: Entry) -> None:
        fold(tx, entry)
        folded.append(entry.actor.id)

    class Here(Sly):
        says = staticmethod(lambda number: other if number == turn else "alice")

    with world.open(projector=who) as ledger:
        asked = ledger.submit(lambda tx: tx.append(replace(draft(1), actor=Here())).actor.id)
        if isinstance(asked.exception(), EntryError):
            assert world.state() == [0]
            return
    assert Here.asked == 1
    assert folded == [asked.result()] == [parse(world.bodies()[1]).actor.id]
    world.assert_honest()


def test_an_answer_lets_go_of_its_command(sqlite_world: World) -> None:
    class Payload:
        pass

    sqlite_world.grow(1)
    payload = Payload()
    gone = weakref.ref(payload)
    with sqlite_world.open() as ledger:
        future = ledger.submit(lambda tx, payload=payload: None)  # type: ignore[misc]
        future.result()
        del payload
        for _ in range(2):
            ledger.run(lambda tx: None)
        gc.collect()
        assert gone() is None
    assert future.done()


def test_a_draft_that_is_not_fit_spoils_nothing(world: World) -> None:
    world.grow(1)

    def command(tx: Transaction) -> Entry:
        for bad, kind in ((draft(x=0.5), CanonicalError), (draft(x="a" * 70_000), EntryError), (GENESIS, EntryError)):
            with pytest.raises(kind):
                tx.append(bad)
        return tx.append(draft(1))

    with world.open() as ledger:
        assert ledger.run(command).seq == 1
    assert world.state() == [0, 1]


def test_a_failed_fold_fails_the_command_even_if_it_is_swallowed(world: World) -> None:
    world.grow(1)

    def picky(tx: Transaction, entry: Entry) -> None:
        fold(tx, entry)
        if "refuse" in entry.data:
            raise LookupError("cannot fold this")

    def command(tx: Transaction) -> str:
        try:
            tx.append(draft(1, refuse=True))
        except LookupError:
            with pytest.raises(StoreError, match="after a failed append"):
                tx.append(draft(2))
            with pytest.raises(StoreError, match="after a failed append"):
                tx.execute("select 1")
        return "as if nothing had happened"

    with world.open(projector=picky) as ledger:
        with pytest.raises(LookupError, match="cannot fold this"):
            ledger.run(command)
        assert ledger.run(lambda tx: tx.append(draft(1))).seq == 1
    assert world.state() == [0, 1]


def test_a_projector_only_folds(world: World) -> None:
    world.grow(1)

    def appending(tx: Transaction, entry: Entry) -> None:
        tx.append(draft(9))

    with world.open(projector=appending) as ledger, pytest.raises(StoreError, match="only to fold"):
        ledger.run(lambda tx: tx.append(draft()))
    assert len(world.rows()) == 1


@pytest.mark.parametrize(
    "sql",
    [
        "commit",
        "COMMIT -- now",
        "rollback",
        "begin",
        "savepoint x",
        "release command",
        "end",
        "pragma synchronous = off",
        "attach ':memory:' as other",
        "drop trigger ledger_entry_update",
        "create table sly(a)",
        "vacuum",
        "/* select */ commit",
        "-- select\ncommit",
        "replace into state values (0, '')",
        ";commit",
        "",
        " ",
    ],
)
def test_a_command_does_not_take_the_batch_into_its_own_hands(world: World, sql: str) -> None:
    world.grow(1)

    def command(tx: Transaction) -> None:
        tx.append(draft(1))
        tx.execute(sql)

    with world.open() as ledger:
        with pytest.raises(StoreError, match="expected a statement of"):
            ledger.run(command)
        assert ledger.run(lambda tx: tx.append(draft(1))).seq == 1


def test_two_statements_in_one_are_refused(world: World) -> None:
    world.grow(1)
    with world.open() as ledger, pytest.raises(StoreError, match=r"expected one statement|multiple commands"):
        ledger.run(lambda tx: tx.execute("select 1; commit"))


@pytest.mark.parametrize(
    "sql",
    [
        "delete from ledger_entry",
        "update ledger_entry set body = ''",
        "insert or replace into ledger_head values (1, 0, zeroblob(32), 0)",
        "delete from ledger_blob",
        'with x as (select 1) DELETE FROM main."Ledger_Blob"',
        "insert into ledger_entry(seq, body, leaf) select 2, replace(body, ':1', ':2'), leaf from ledger_entry",
        "insert into ledger_blob values (zeroblob(32), x'00')",
        r'delete from U&"ledger\005fprivate"',
    ],
)
def test_a_command_cannot_rewrite_the_ledger(world: World, sql: str) -> None:
    world.grow(2)
    with world.open() as ledger:
        ledger.run(lambda tx: tx.blob(b"x"))
        with pytest.raises(StoreError, match="one that names ours"):
            ledger.run(lambda tx: tx.execute(sql))
    world.assert_honest()


def test_a_command_can_tell_a_conflict_and_go_on(world: World) -> None:
    world.grow(1)

    def command(tx: Transaction) -> str:
        with pytest.raises((sqlite.IntegrityError, psycopg.errors.UniqueViolation)):
            tx.execute("insert into state values (0, 'again')")
        tx.append(draft(1))
        return "went on"

    with world.open() as ledger:
        if world.engine == "sqlite":
            assert ledger.run(command) == "went on"
        else:  # There a transaction in which something failed does nothing more.
            with pytest.raises(StoreError, match="duplicate key"):
                ledger.run(command)
            assert ledger.run(append(1)) == 1
    assert world.state() == [0, 1]
    world.assert_honest()


def test_a_transaction_is_of_no_use_after_its_command(world: World) -> None:
    world.grow(1)
    with world.open() as ledger:
        for command in (lambda tx: tx, lambda tx: tx.append(draft()) and tx):
            kept = ledger.run(command)
            for use in (lambda tx: tx.append(draft()), lambda tx: tx.execute("select 1"), lambda tx: tx.blob(b"")):
                with pytest.raises(StoreError, match="after it returned"):
                    use(kept)


def test_a_blob_has_a_limit(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.grow(1)
    monkeypatch.setattr(transaction, "MAX_BLOB", 10)
    with world.open() as ledger:
        assert ledger.run(lambda tx: tx.blob(b"a" * 10))["size"] == 10
        with pytest.raises(EntryError, match="at most 10 bytes, got 11"):
            ledger.run(lambda tx: tx.blob(b"a" * 11))


@pytest.mark.parametrize("swallowed", [True, False])
def test_a_transaction_that_the_store_gave_up_takes_the_batch_with_it(world: World, swallowed: bool) -> None:  # noqa: FBT001
    world.grow(1)
    or_rollback = "or rollback" if world.engine == "sqlite" else ""

    def command(tx: Transaction) -> None:
        tx.append(draft(1))
        try:
            tx.execute(f"insert {or_rollback} into state values (0, 'again')")
        except world.Error:
            if not swallowed:
                raise
        # It would commit by itself, with nothing around it.
        with pytest.raises(StoreError, match="a lost transaction"):
            tx.execute("insert into state values (77, 'alone')")

    with world.open() as ledger:
        with pytest.raises(StoreError, match=r"UNIQUE constraint|duplicate key"):
            ledger.run(command)
        assert ledger.broken is None
        assert ledger.run(lambda tx: tx.append(draft(1))).seq == 1
    assert world.state() == [0, 1]
    world.assert_honest()
