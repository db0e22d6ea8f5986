"""Connections that only read, lent to one at a time. A file is opened anew for each; a server's connections are kept.

To connect to PostgreSQL costs milliseconds and a process there. A few that nobody uses are kept, and no more are lent
at once than the server is asked to bear. What comes back within a transaction, or broken, is closed and not lent again.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from audit.errors import StoreError
from audit.stores import Connection, Place, is_postgres, open_reader

KEPT = 4
MOST = 16
PATIENCE_S = 10.0


class Readers:
    """Readers of one place, for any thread."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._keeps = is_postgres(place)
        self._idle: list[Connection] = []
        self._door = threading.Lock()
        self._lent = threading.BoundedSemaphore(MOST)
        self._closed = False

    @contextlib.contextmanager
    def lent(self) -> Iterator[Connection]:
        """Lend a connection for as long as the block lasts.

        Raises:
            StoreError: nobody answers, there is no ledger that we can read, or too many read at once.
        """
        if not self._keeps:
            with contextlib.closing(open_reader(self._place)) as connection:
                yield connection
            return
        if not self._lent.acquire(timeout=PATIENCE_S):
            raise StoreError(f"expected fewer than {MOST} readers at once, got that many: try again later")
        try:
            with self._one() as connection:
                yield connection
        finally:
            self._lent.release()

    def execute(self, sql: str, params: Sequence[object] | Mapping[str, object] = (), /) -> Any:  # noqa: ANN401
        """Run one statement on a server's connection that is free; its rows have come when this returns.

        Raises:
            StoreError: as `lent`; or the place is a file, whose rows would end with the connection.
        """
        if not self._keeps:
            raise StoreError("expected a server to ask by single statements, got a file: open a reader of it")
        with self.lent() as connection:
            return connection.execute(sql, params)

    def close(self) -> None:
        """Close what is kept; what is lent is closed when it comes back."""
        with self._door:
            self._closed = True
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    @contextlib.contextmanager
    def _one(self) -> Iterator[Connection]:
        with self._door:
            connection = self._idle.pop() if self._idle else None
        connection = connection or open_reader(self._place)
        try:
            yield connection
        except connection.Error as error:
            raise StoreError(f"expected the store to answer, got: {error}") from error
        finally:
            self._take_back(connection)

    def _take_back(self, connection: Connection) -> None:
        with self._door:
            if not self._closed and connection.reusable and len(self._idle) < KEPT:
                self._idle.append(connection)
                return
        connection.close()
