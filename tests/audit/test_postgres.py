"""What only a server can do to a ledger: go away, answer late, serve several, and be set to forget."""

from __future__ import annotations

import contextlib
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from audit import note, rotation, stores
from audit.errors import OutcomeUnknownError, RollbackError, StoreError
from audit.stores import postgres as postgres_store
from audit.stores import postgres_schema
from ledger_world import ALICE, GENESIS, LOG, RECOVERY, PostgresWorld, append, draft, fold, point

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import postgres
    from audit.ledger import Ledger
    from audit.transaction import Transaction


@pytest.fixture
def world(postgres_world: PostgresWorld) -> PostgresWorld:
    postgres_world.grow(3)
    return postgres_world


class Meddled:
    """A connection on which something is done just before it commits."""

    def __init__(self, real: Any, before: Callable[[Any], object]) -> None:  # noqa: ANN401
        self._real, self._before = real, before

    def execute(self, sql: str, params: tuple[object, ...] = ()) -> Any:  # noqa: ANN401
        if sql == "commit" and (before := self._before):
            self._before = None  # type: ignore[assignment]
            before(self._real)
        return self._real.execute(sql, params)

    def __getattr__(self, name: str) -> object:
        return getattr(self._real, name)


def meddle(ledger: Ledger, before: Callable[[Any], object]) -> None:
    ledger._writer._connection = Meddled(ledger._writer._connection, before)  # type: ignore[assignment]


def hang_up(world: PostgresWorld) -> None:
    """End every connection to this ledger, as an administrator or a restart does."""
    with psycopg.connect(world.given.address("postgres"), autocommit=True) as connection:
        sql = "select pg_terminate_backend(pid, 5000) from pg_stat_activity where datname = %s"
        connection.execute(sql, (world.name,))


def tried(ledger: Ledger, command: Callable[[Transaction], int]) -> int:
    """Ask again for as long as nothing was written."""
    for _ in range(100):
        with contextlib.suppress(StoreError):
            return ledger.run(command)
        time.sleep(0.1)
    raise AssertionError(ledger.broken)


def test_a_server_that_dies_in_a_commit_leaves_the_outcome_unknown_and_the_ledger_goes_on(world: PostgresWorld) -> None:
    server = world.given
    with world.open() as ledger:
        assert ledger.run(append(3)) == 3
        meddle(ledger, lambda _: server.stop("immediate"))
        assert isinstance(ledger.submit(append(4)).exception(), OutcomeUnknownError)
        for _ in range(3):  # Nobody there: nothing is written, and nothing is claimed.
            error = ledger.submit(append(5)).exception()
            assert isinstance(error, StoreError)
            assert not isinstance(error, OutcomeUnknownError)
        time.sleep(1.2)  # Long enough for the mark to be tried in vain.
        assert ledger.broken is None
        server.start()
        again = tried(ledger, append(6))
        assert again in {4, 5}
        assert ledger.broken is None
    assert ledger.broken is None
    assert point(world.mark) == (LOG, again + 1)
    world.assert_honest()


@pytest.mark.parametrize("moment", ["idle", "in a batch"])
def test_a_connection_that_was_ended_is_made_anew(world: PostgresWorld, moment: str) -> None:
    with world.open() as ledger:
        if moment == "idle":
            assert ledger.run(append(3)) == 3
            hang_up(world)
            assert tried(ledger, append(4)) == 4  # At once, where the mark has found out first.
            error = StoreError()
        else:
            ledger.run(append(3))
            error = ledger.submit(lambda tx: (tx.append(draft(4)), hang_up(world), tx.append(draft(5)))).exception()
        assert type(error) is StoreError
        assert ledger.run(append(6)) == (5 if moment == "idle" else 4)
        assert ledger.broken is None
    world.assert_honest()


def test_a_connection_that_was_ended_while_the_mark_was_to_move_is_made_anew(world: PostgresWorld) -> None:
    with world.open() as ledger:
        ledger.run(append(3))
        hang_up(world)
        deadline = time.monotonic() + 30
        while point(world.mark) != (LOG, 4) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert point(world.mark) == (LOG, 4)
        assert ledger.broken is None
    world.assert_honest()


def test_a_commit_that_answers_rollback_is_not_taken_for_one(world: PostgresWorld) -> None:
    def fail(connection: Any) -> None:  # noqa: ANN401
        with contextlib.suppress(psycopg.Error):
            connection.execute("select 1 / 0")

    with world.open() as ledger:
        meddle(ledger, fail)
        error = ledger.submit(append(3)).exception()
        assert isinstance(error, OutcomeUnknownError)
        assert "expected the transaction to be committed, got ROLLBACK" in str(error)
        assert ledger.run(append(4)) == 3
    world.assert_honest()


def test_a_lock_that_is_held_for_long_is_waited_for_and_then_asked_for_again(
    world: PostgresWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_store, "_TIMEOUTS", "-c lock_timeout=100")
    with world.open() as ledger, world.sql() as other:
        ledger.run(append(3))
        other.begin()
        error = ledger.submit(append(4)).exception()
        assert type(error) is StoreError
        assert "lock timeout" in str(error)
        time.sleep(1.3)  # The mark is tried in vain, too.
        assert ledger.broken is None
        other.execute("rollback")
        assert ledger.run(append(5)) == 4
    assert point(world.mark) == (LOG, 5)
    world.assert_honest()


@pytest.fixture
def replicas(world: PostgresWorld) -> Iterator[list[Ledger]]:
    """Two services on one host: one ledger, one mark."""
    with world.open() as first, world.open() as second:
        yield [first, second]


def test_replicas_append_in_turn_and_publish_in_turn(world: PostgresWorld, replicas: list[Ledger]) -> None:
    for number in range(3, 23):
        world.clock.now += 1000  # So that each of them publishes after each of its batches.
        assert replicas[number % 2].run(append(number)) == number
    for ledger in replicas:
        ledger.close()
        assert ledger.broken is None
    assert point(world.mark) == (LOG, 23)
    with world.reader() as connection:
        sizes = [row[0] for row in connection.execute("select size from ledger_checkpoint order by size").fetchall()]
    assert len(sizes) > 10
    world.assert_honest()


def test_replicas_append_at_once_without_gap_or_loss(world: PostgresWorld, replicas: list[Ledger]) -> None:
    answers: list[int] = []

    def work(ledger: Ledger) -> None:
        answers.extend(ledger.run(append(n)) for n in range(25))

    threads = [threading.Thread(target=work, args=(replicas[n % 2],)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == list(range(3, 153))
    for ledger in replicas:
        ledger.close()
        assert ledger.broken is None
    world.assert_honest()


def test_a_replica_on_another_host_has_a_mark_of_its_own(world: PostgresWorld, tmp_path: Path) -> None:
    other = PostgresWorld(tmp_path / "elsewhere", world.server, world.address)
    other.mark.write_bytes(world.mark.read_bytes())
    with world.open() as ours, other.open() as theirs:
        for number in range(3, 13):
            world.clock.now += 1000
            other.clock.now = world.clock.now
            assert (ours, theirs)[number % 2].run(append(number)) == number
    assert (ours.broken, theirs.broken) == (None, None)
    for each in (world, other):
        each.assert_honest()


def test_a_request_that_two_replicas_take_up_is_done_once(world: PostgresWorld, replicas: list[Ledger]) -> None:
    futures = [ledger.submit(lambda tx: tx.append(draft(7), key="request 1").seq) for ledger in replicas * 5]
    assert {future.result() for future in futures} == {3}
    assert len(world.rows()) == 4


def test_a_ledger_that_another_began_under_another_name_is_not_written(postgres_world: PostgresWorld) -> None:
    world = postgres_world
    with world.open() as ours, world.open(log="example.com/other", marked=False) as theirs:
        assert theirs.run(lambda tx: tx.append(GENESIS)).log == "example.com/other"
        with pytest.raises(StoreError, match=f"expected a ledger named {LOG}, got one named"):
            ours.run(lambda tx: tx.append(GENESIS))
        ours.close()
        assert len(world.rows()) == 1


def test_a_server_that_may_forget_is_refused(world: PostgresWorld, server_setting: Any) -> None:  # noqa: ANN401
    server_setting("full_page_writes", "off")
    with pytest.raises(StoreError, match=r"keeps what it commits \(full_page_writes = on\), got off"):
        world.open()
    server_setting("full_page_writes", "on")
    world.open().close()


def test_a_role_that_would_commit_without_waiting_waits_all_the_same(world: PostgresWorld) -> None:
    with world.sql() as connection:
        connection.execute(f"alter database {world.name} set synchronous_commit = off")
    with world.open() as ledger:
        shown: str = ledger._connection.execute("show synchronous_commit").fetchone()[0]
        assert shown == "on"
    with world.reader() as reader:
        assert reader.execute("show synchronous_commit").fetchone() == ("off",)  # It acknowledges nothing.


def test_what_cannot_be_opened_says_so_without_the_password(pg_server: postgres.Server) -> None:
    address = pg_server.address("nowhere").replace("twinseal@", "twinseal:hunter2@")
    for opening in (stores.open_writer, stores.open_reader):
        with pytest.raises(StoreError, match="expected a ledger to open at") as caught:
            opening(address)
        assert "hunter2" not in str(caught.value)
        assert "nowhere" in str(caught.value)


@pytest.fixture
def served(world: PostgresWorld) -> Iterator[PostgresWorld]:
    """The same ledger, as a role sees it that owns nothing."""
    role = f"app_{world.name}"
    with world.sql() as connection:
        connection.execute(f"create role {role} login")
        for statement in postgres_schema.grants(role).strip().split(";\n"):
            connection.execute(statement)
        connection.execute(f"grant select, insert, update, delete on state to {role}")
    served = PostgresWorld(world.folder, world.server, world.address.replace("twinseal@", f"{role}@"))
    yield served
    with world.sql() as connection:
        connection.execute(f"drop owned by {role}")
        connection.execute(f"drop role {role}")


def test_a_role_with_no_more_than_the_grants_serves_the_ledger(world: PostgresWorld, served: PostgresWorld) -> None:
    with served.open() as ledger:
        assert ledger.run(lambda tx: tx.append(replace(draft(3), private={"name": "Ada"}), key="once").seq) == 3
        assert ledger.run(lambda tx: tx.blob(b"payload"))["size"] == 7
    world.assert_honest()


@pytest.mark.parametrize(
    "sql",
    [
        "alter table ledger_entry disable trigger ledger_entry_update",
        "drop trigger ledger_entry_update on ledger_entry",
        "update ledger_entry set body = body",
        "delete from ledger_entry",
        "truncate ledger_entry cascade",
        "delete from ledger_head",
        "update ledger_tile set root = root",
        "drop table ledger_request",
        "set session_replication_role = replica",
    ],
)
def test_a_role_with_no_more_than_the_grants_cannot_lift_a_guard(
    world: PostgresWorld, served: PostgresWorld, sql: str
) -> None:
    with served.sql() as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute(sql)
    world.assert_sound()


def test_a_role_with_no_more_than_the_grants_sees_a_guard_that_was_changed(
    world: PostgresWorld, served: PostgresWorld
) -> None:
    with world.sql() as connection:
        connection.execute("alter table ledger_entry disable trigger ledger_entry_update")
    with pytest.raises(StoreError, match=r"expected trigger ledger_entry\.ledger_entry_update"):
        served.open()


def test_a_replica_that_is_open_when_a_new_epoch_begins_writes_no_more(world: PostgresWorld) -> None:
    after = note.Signer(f"{LOG}/e2", note.Algorithm.ED25519, bytes([9]) * 32)
    loss = rotation.Loss("", "the key was stolen", "olga")
    operator = PostgresWorld(world.folder, world.server, world.address)
    operator.signers = [after]
    with world.open() as ledger:
        assert ledger.run(append(3)) == 3
        with operator.writer() as connection:
            draft_of_epoch = rotation.epoch(connection, RECOVERY, after, loss, actor=ALICE)
            rotation.begin_epoch(connection, draft_of_epoch, operator.publisher(), clock=operator.clock, projector=fold)
        for _ in range(2):
            with pytest.raises(StoreError, match=f"expected a ledger named {LOG}, got one named {LOG}/e2"):
                ledger.run(append(4))
        ledger.close()
    assert len(world.rows()) == 5
    world.assert_sound()
    assert operator.report()["status"] == "valid"


def test_a_copy_that_was_put_back_is_not_opened(world: PostgresWorld) -> None:
    copy = world.copy_data("old")
    world.grow(5)
    world.put_back(copy)
    with pytest.raises(RollbackError, match="at least 5 entries"):
        world.open()
