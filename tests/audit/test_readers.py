"""Readers of a server are kept, and lent to one at a time; what the server hangs up on connects again."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from typing import TYPE_CHECKING

import psycopg
import pytest

from audit import reads, stores
from audit.errors import StoreError
from audit.stores import readers
from audit.stores.readers import Readers

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ledger_world import PostgresWorld

OTHERS = "from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"


@pytest.fixture
def pool(postgres_world: PostgresWorld) -> Iterator[Readers]:
    postgres_world.grow(3)
    found = Readers(postgres_world.address)
    yield found
    found.close()


def hang_up(address: str) -> None:
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute(f"select pg_terminate_backend(pid) {OTHERS}".encode())


def count(address: str) -> int:
    with psycopg.connect(address) as connection:
        row = connection.execute(f"select count(*) {OTHERS}".encode()).fetchone()
        assert row is not None
        return int(row[0])


def test_a_reader_is_lent_again_and_a_few_are_kept(pool: Readers, postgres_world: PostgresWorld) -> None:
    with pool.lent() as first:
        pass
    with pool.lent() as again, pool.lent() as other:
        assert again is first
        assert other is not first

    with ExitStack() as stack:
        for _ in range(readers.KEPT + 3):
            stack.enter_context(pool.lent())
    assert len(pool._idle) == readers.KEPT
    pool.close()
    assert pool._idle == []


def test_a_reader_that_comes_back_within_a_transaction_is_not_lent_again(pool: Readers) -> None:
    with pool.lent() as connection:
        connection.look()
        reads.head(connection)
    assert pool._idle == []


def test_what_is_not_the_store_s_own_error_passes_and_the_reader_is_kept(pool: Readers) -> None:
    with pytest.raises(LookupError), pool.lent():
        raise LookupError
    assert len(pool._idle) == 1
    with pytest.raises(StoreError, match="expected the store to answer"), pool.lent() as connection:
        connection.execute("select nonsense")


def test_a_kept_reader_that_the_server_hung_up_on_connects_again(pool: Readers, postgres_world: PostgresWorld) -> None:
    with pool.lent() as connection:
        head = reads.head(connection)
    hang_up(postgres_world.address)

    with pool.lent() as again:
        assert again is connection
        assert reads.head(again) == head
    assert pool.execute("select size from ledger_head").fetchone()[0] == head.size


def test_nothing_is_asked_again_within_a_transaction(pool: Readers, postgres_world: PostgresWorld) -> None:
    """The second answer could be about another moment."""
    with pool.lent() as connection:
        connection.look()
        reads.head(connection)
        hang_up(postgres_world.address)
        with pytest.raises(psycopg.OperationalError):
            reads.head(connection)
    assert pool._idle == []


def test_a_reader_cannot_write(pool: Readers) -> None:
    with pytest.raises(StoreError, match="read-only"):
        pool.execute("delete from ledger_private")


def test_no_more_are_lent_than_the_server_is_asked_to_bear(pool: Readers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readers, "PATIENCE_S", 0.01)
    with ExitStack() as stack:
        for _ in range(readers.MOST):
            stack.enter_context(pool.lent())
        with pytest.raises(StoreError, match="fewer than 16 readers"), pool.lent():
            pass
    with pool.lent():
        pass


def test_many_threads_read_and_none_shares_a_connection(pool: Readers) -> None:
    held: set[int] = set()
    wrong: list[str] = []

    def read() -> None:
        for _ in range(20):
            with pool.lent() as connection:
                if id(connection) in held:
                    wrong.append("lent twice")
                held.add(id(connection))
                reads.head(connection)
                held.discard(id(connection))

    threads = [threading.Thread(target=read) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_what_is_given_back_after_the_end_is_closed(pool: Readers, postgres_world: PostgresWorld) -> None:
    with pool.lent():
        pool.close()
    assert count(postgres_world.address) == 0


def test_a_file_is_opened_for_each_and_takes_no_single_statements(tmp_path: Path) -> None:
    path = tmp_path / "ledger"
    stores.open_writer(path).close()
    files = Readers(path)
    with files.lent() as connection:
        assert reads.size(connection) == 0
    assert files._idle == []
    with pytest.raises(StoreError, match="open a reader"):
        files.execute("select 1")
    files.close()


def test_a_writer_that_was_hung_up_on_begins_again_and_loses_nothing(postgres_world: PostgresWorld) -> None:
    postgres_world.grow(2)
    with postgres_world.open() as ledger:
        before = ledger.head.size
        hang_up(postgres_world.address)
        assert ledger.run(lambda tx: tx.execute("select 1").fetchone()[0]) == 1
        assert ledger.head.size == before
