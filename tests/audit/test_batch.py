from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from pysqlite3 import dbapi2 as sqlite

from audit.errors import BrokenError, OutcomeUnknownError, RollbackError, StoreError
from ledger_world import append, draft

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

    from audit.ledger import Ledger
    from audit.transaction import Transaction
    from ledger_world import World


Code = Any
"""What an engine calls an error: a number of SQLite's, five characters of PostgreSQL's."""
IO_ERROR = {"sqlite": sqlite.SQLITE_IOERR, "postgresql": "58030"}


class Faulty:
    """A connection on which one statement fails, before or after taking effect."""

    def __init__(self, real: Any, sql: str, *, after: bool, code: Code | None = None) -> None:  # noqa: ANN401
        self._real, self._sql, self._after, self._code = real, sql, after, code
        self.fired = False

    def begin(self) -> None:
        self._run("begin", self._real.begin)

    def execute(self, sql: str, params: tuple[object, ...] = ()) -> Any:  # noqa: ANN401
        return self._run(sql, lambda: self._real.execute(sql, params))

    def executemany(self, sql: str, params: list[tuple[object, ...]]) -> Any:  # noqa: ANN401
        return self._run(sql, lambda: self._real.executemany(sql, params))

    def _run(self, sql: str, statement: Callable[[], Any]) -> Any:  # noqa: ANN401
        if self.fired or not sql.startswith(self._sql):
            return statement()
        self.fired = True
        if self._after:
            statement()
        raise self._error()

    def _error(self) -> Exception:
        words = "the disk went away"
        if self._real.shared:
            return psycopg.errors.lookup(self._code)(words) if self._code else psycopg.OperationalError(words)
        error: Exception = sqlite.OperationalError(words)
        if self._code is not None:
            error.sqlite_errorcode = self._code  # type: ignore[attr-defined]
        return error

    def __getattr__(self, name: str) -> object:
        return getattr(self._real, name)


class Counted:
    """A connection that counts a statement."""

    def __init__(self, real: Any, sql: str) -> None:  # noqa: ANN401
        self._real, self._sql, self.times = real, sql, 0

    def execute(self, sql: str, params: tuple[object, ...] = ()) -> Any:  # noqa: ANN401
        self.times += sql == self._sql
        return self._real.execute(sql, params)

    def __getattr__(self, name: str) -> object:
        return getattr(self._real, name)


def break_at(ledger: Ledger, sql: str, *, after: bool, code: Code | None = None) -> Faulty:
    faulty = Faulty(ledger._writer._connection, sql, after=after, code=code)
    ledger._writer._connection = faulty  # type: ignore[assignment]
    return faulty


def together(ledger: Ledger, commands: list[Any]) -> list[Future[Any]]:
    """Submit while the writer is held up, so that all of them make one batch."""
    gate, held = threading.Event(), threading.Event()

    def hold(tx: Transaction) -> None:
        held.set()
        gate.wait()

    ledger.submit(hold)
    held.wait()
    futures = [ledger.submit(command) for command in commands]
    gate.set()
    return futures


def fail(kind: type[BaseException], *, after_append: bool = True) -> Callable[[Transaction], None]:
    def command(tx: Transaction) -> None:
        if after_append:
            tx.append(draft(666))
        raise kind("on purpose")

    return command


@pytest.mark.parametrize("kind", [ValueError, SystemExit, KeyboardInterrupt, GeneratorExit])
@pytest.mark.parametrize("after_append", [True, False])
def test_one_bad_command_fails_alone_and_leaves_nothing(
    world: World,
    kind: type[BaseException],
    after_append: bool,  # noqa: FBT001
) -> None:
    world.grow(1)
    with world.open() as ledger:
        bad = fail(kind, after_append=after_append)
        futures = together(ledger, [append(1), append(2), bad, append(3), bad])
        assert [futures[i].result() for i in (0, 1, 3)] == [1, 2, 3]
        for i in (2, 4):
            assert type(futures[i].exception()) is kind
        assert ledger.broken is None
    assert world.state() == [0, 1, 2, 3]
    assert not any(b'"number":666' in row[1] for row in world.rows())
    world.assert_honest()


def test_a_command_alone_that_fails_runs_once(world: World) -> None:
    world.grow(1)
    runs = []
    with world.open() as ledger, pytest.raises(ZeroDivisionError):
        ledger.run(lambda tx: runs.append(tx.append(draft()).seq) or 1 // 0)
    assert runs == [1]
    assert len(world.rows()) == 1


def test_a_batch_is_one_commit_with_one_time(world: World) -> None:
    world.grow(1)
    with world.open() as ledger:
        commits = Counted(ledger._writer._connection, "commit")
        ledger._writer._connection = commits  # type: ignore[assignment]
        times = iter(range(world.clock.now, world.clock.now + 100))
        ledger._writer._clock = lambda: next(times)
        futures = together(ledger, [lambda tx: tx.append(draft()).ts for _ in range(50)])
        assert {future.result() for future in futures} == {world.clock.now + 1}
    assert commits.times == 2  # The one that held the writer up, and ours.


@pytest.mark.parametrize("number", [1, 5])
@pytest.mark.parametrize("after", [False, True])
def test_a_commit_that_fails_claims_nothing_and_loses_nothing(world: World, number: int, after: bool) -> None:  # noqa: FBT001
    world.grow(3)
    with world.open() as ledger:
        acknowledged = [ledger.run(append(3))]
        if number == 1:
            faulty = break_at(ledger, "commit", after=after)
            futures = [ledger.submit(append(4))]
        else:
            futures = together(ledger, [_arming(ledger, after=after), *map(append, range(5, 9))])
        for future in futures:
            assert isinstance(future.exception(), OutcomeUnknownError)
            assert "the disk went away" in str(future.exception())
        if number == 1:
            assert faulty.fired
        if not ledger._connection.shared:  # Where others write too, it is read again when it is needed.
            assert ledger.head.size == 4 + (number if after else 0)
        acknowledged.append(ledger.run(append(99)))
        assert ledger.broken is None
    assert acknowledged == [3, 4 + (number if after else 0)]
    assert world.state() == list(range(acknowledged[-1] + 1))
    world.assert_honest()


def _arming(ledger: Ledger, *, after: bool) -> Callable[[Transaction], int]:
    def command(tx: Transaction) -> int:
        break_at(ledger, "commit", after=after)
        return tx.append(draft(4)).seq

    return command


@pytest.mark.parametrize("sql", ["begin", "update ledger_head", "savepoint"])
@pytest.mark.parametrize("after", [False, True])
def test_a_failure_before_the_commit_writes_nothing(world: World, sql: str, after: bool) -> None:  # noqa: FBT001
    world.grow(3)
    with world.open() as ledger:
        faulty = break_at(ledger, sql, after=after)
        future = ledger.submit(append(3))
        error = future.exception()
        assert faulty.fired
        assert type(error) is StoreError
        assert "nothing was: the disk went away" in str(error)
        assert ledger.head.size == 3
        assert ledger.run(append(3)) == 3
    world.assert_honest()


def stopped(ledger: Ledger) -> None:
    """The connection was lost first, or not, as the mark finds out too; then what is there is not what we have seen."""
    for _ in range(3):
        with pytest.raises(StoreError):
            ledger.run(append(4))


def test_a_server_that_says_what_cannot_be_stops_the_ledger_for_good(postgres_world: World) -> None:
    world = postgres_world
    world.grow(3)
    copy = world.copy_data("old")
    ledger = world.open()
    assert ledger.run(append(3)) == 3
    world.put_back(copy)
    stopped(ledger)
    assert "expected at least 4 entries, as we saw them, got 3" in str(ledger.broken)
    with pytest.raises(BrokenError):
        ledger.run(append(4))
    ledger.close()


def test_a_copy_that_was_put_back_and_has_grown_stops_the_ledger_for_good(postgres_world: World) -> None:
    world = postgres_world
    world.grow(3)
    copy = world.copy_data("old")
    ledger = world.open()
    assert ledger.run(append(3)) == 3
    world.put_back(copy)
    with world.open(marked=False) as other:
        assert [other.run(append(9)), other.run(append(10))] == [3, 4]
    stopped(ledger)
    assert "expected entry 3 to be the one we saw last" in str(ledger.broken)
    ledger.close()
    assert len(world.rows()) == 5


def test_what_another_process_wrote_into_a_file_stops_the_ledger_for_good(sqlite_world: World) -> None:
    sqlite_world.grow(3)
    ledger = sqlite_world.open()
    sqlite_world.rewrite({}, size=2)
    error = ledger.submit(append(3)).exception()
    assert isinstance(error, StoreError)
    assert isinstance(error.__cause__, RollbackError)
    assert "to end as we left it" in str(ledger.broken)
    ledger.close()
    assert len(sqlite_world.rows()) == 2


def test_a_failed_rollback_to_does_not_let_a_bad_command_through(world: World) -> None:
    world.grow(1)
    with world.open() as ledger:
        faulty = break_at(ledger, "rollback to", after=False)
        futures = together(ledger, [append(1), fail(ValueError)])
        assert isinstance(futures[0].exception(), StoreError)
        assert isinstance(futures[1].exception(), ValueError)
        assert faulty.fired
    assert world.state() == [0]


CODES = {
    "sqlite": [sqlite.SQLITE_IOERR, sqlite.SQLITE_IOERR | 4 << 8, sqlite.SQLITE_CORRUPT],
    "postgresql": ["58030", "XX001", "XX002"],
}


@pytest.mark.parametrize("number", range(3))
def test_a_disk_that_fails_stops_the_ledger_for_good(world: World, number: int) -> None:
    code = CODES[world.engine][number]
    world.grow(3)
    ledger = world.open()
    break_at(ledger, "commit", after=False, code=code)
    future = ledger.submit(append(3))
    assert isinstance(future.exception(), OutcomeUnknownError)
    assert "the store failed: the disk went away" in str(ledger.broken)
    for use in (ledger.submit, ledger.run):
        with pytest.raises(BrokenError, match="the disk went away"):
            use(append(3))
    ledger.close()
    assert world.state() == [0, 1, 2]
    world.assert_honest()


@pytest.mark.parametrize("count", [1, 5])
def test_a_disk_that_fails_under_one_command_fails_all_and_stops(world: World, count: int) -> None:
    world.grow(3)
    ledger = world.open()
    break_at(ledger, "insert into ledger_entry", after=False, code=CODES[world.engine][0])
    futures = together(ledger, [append(3 + number) for number in range(count)])
    for future in futures:
        assert isinstance(future.exception(), StoreError)
    assert "the store failed: the disk went away" in str(ledger.broken)
    ledger.close()
    assert world.state() == [0, 1, 2]
    world.assert_honest()


def test_a_file_whose_end_cannot_be_read_again_stops_for_good(sqlite_world: World) -> None:
    world = sqlite_world
    world.grow(3)
    ledger = world.open()

    def command(tx: Transaction) -> None:
        break_at(ledger, "commit", after=False)
        break_at(ledger, "select size, head, ts", after=False)

    assert isinstance(ledger.submit(command).exception(), OutcomeUnknownError)
    assert "its end cannot be read again" in str(ledger.broken)
    with pytest.raises(BrokenError):
        ledger.run(append(3))
    ledger.close()
    world.assert_honest()


def test_what_waits_when_the_ledger_breaks_is_refused(world: World) -> None:
    world.grow(3)
    ledger = world.open()
    gate = threading.Event()

    def breaking(tx: Transaction) -> None:
        break_at(ledger, "commit", after=False, code=IO_ERROR[world.engine])
        gate.wait()

    first = ledger.submit(breaking)
    waiting = [ledger.submit(append(n)) for n in range(3, 6)]
    gate.set()
    assert isinstance(first.exception(), OutcomeUnknownError)
    for future in waiting:
        assert isinstance(future.exception(), StoreError)
    ledger.close()
    assert world.state() == [0, 1, 2]


def test_errors_of_the_store_reach_the_caller_as_ours(world: World) -> None:
    world.grow(1)
    with world.open() as ledger:
        with pytest.raises(StoreError, match="nowhere") as caught:
            ledger.run(lambda tx: tx.execute("select * from nowhere"))
        assert isinstance(caught.value.__cause__, (sqlite.OperationalError, psycopg.errors.UndefinedTable))


def test_a_clock_that_fails_fails_the_batch_and_no_more(world: World) -> None:
    world.grow(1)
    with world.open() as ledger:
        good, ledger._writer._clock = ledger._writer._clock, lambda: 1 // 0
        with pytest.raises(StoreError, match="nothing was"):
            ledger.run(append(1))
        ledger._writer._clock = good
        assert ledger.run(append(1)) == 1
