from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest
from pysqlite3 import dbapi2 as sqlite

from audit.errors import BrokenError, OutcomeUnknownError, StoreError
from ledger_world import draft

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

    from audit.ledger import Ledger
    from audit.transaction import Transaction
    from ledger_world import World


class Faulty:
    """A connection on which one statement fails, before or after taking effect."""

    def __init__(self, real: sqlite.Connection, sql: str, *, after: bool, code: int | None = None) -> None:
        self._real, self._sql, self._after, self._code = real, sql, after, code
        self.fired = False

    def execute(self, sql: str, params: tuple[object, ...] = ()) -> sqlite.Cursor:
        if self.fired or not sql.startswith(self._sql):
            return self._real.execute(sql, params)
        self.fired = True
        if self._after:
            self._real.execute(sql, params)
        error = sqlite.OperationalError("the disk went away")
        if self._code is not None:
            error.sqlite_errorcode = self._code
        raise error

    def __getattr__(self, name: str) -> object:
        return getattr(self._real, name)


def break_at(ledger: Ledger, sql: str, *, after: bool, code: int | None = None) -> Faulty:
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


def append(number: int) -> Callable[[Transaction], int]:
    return lambda tx: tx.append(draft(number)).seq


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
    assert not any(b"666" in row[1] for row in world.rows())  # type: ignore[operator]
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
        commits: list[str] = []
        ledger._connection.set_trace_callback(lambda sql: commits.append(sql) if sql == "commit" else None)
        times = iter(range(world.clock.now, world.clock.now + 100))
        ledger._writer._clock = lambda: next(times)
        futures = together(ledger, [lambda tx: tx.append(draft()).ts for _ in range(50)])
        assert {future.result() for future in futures} == {world.clock.now + 1}
        ledger._connection.set_trace_callback(None)
    assert len(commits) == 2  # The one that held the writer up, and ours.


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


def test_a_failed_rollback_to_does_not_let_a_bad_command_through(world: World) -> None:
    world.grow(1)
    with world.open() as ledger:
        faulty = break_at(ledger, "rollback to", after=False)
        futures = together(ledger, [append(1), fail(ValueError)])
        assert isinstance(futures[0].exception(), StoreError)
        assert isinstance(futures[1].exception(), ValueError)
        assert faulty.fired
    assert world.state() == [0]


@pytest.mark.parametrize("code", [sqlite.SQLITE_IOERR, sqlite.SQLITE_IOERR | 4 << 8, sqlite.SQLITE_CORRUPT])
def test_a_disk_that_fails_stops_the_ledger_for_good(world: World, code: int) -> None:
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


def test_a_ledger_whose_end_cannot_be_read_again_stops_for_good(world: World) -> None:
    world.grow(3)
    ledger = world.open()
    break_at(ledger, "commit", after=False)
    break_at(ledger, "select size, head, ts", after=False)
    assert isinstance(ledger.submit(append(3)).exception(), OutcomeUnknownError)
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
        break_at(ledger, "commit", after=False, code=sqlite.SQLITE_IOERR)
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
        with pytest.raises(StoreError, match="no such table: nowhere") as caught:
            ledger.run(lambda tx: tx.execute("select * from nowhere"))
        assert isinstance(caught.value.__cause__, sqlite.OperationalError)


def test_a_clock_that_fails_fails_the_batch_and_no_more(world: World) -> None:
    world.grow(1)
    with world.open() as ledger:
        good, ledger._writer._clock = ledger._writer._clock, lambda: 1 // 0
        with pytest.raises(StoreError, match="nothing was"):
            ledger.run(append(1))
        ledger._writer._clock = good
        assert ledger.run(append(1)) == 1
