"""One commit for many commands: all together first, one by one if any of them fails, and then the answers.

What cannot be decided is not claimed: a batch that was not committed answers with StoreError, one whose commit failed
with OutcomeUnknownError, and the head is then read from the store again before anything else is written.
"""

from __future__ import annotations

import contextlib
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from audit.canonical import MAX_INT
from audit.errors import BrokenError, OutcomeUnknownError, StoreError
from audit.reads import checked_head
from audit.transaction import Transaction

if TYPE_CHECKING:
    import sqlite3 as sqlite
    from collections.abc import Callable, Sequence

    from audit.reads import Head
    from audit.transaction import Projector
else:
    from pysqlite3 import dbapi2 as sqlite

# After these the store may show what is not on the disk (a failed fsync is not repeated), so nothing it says is good.
_FATAL = frozenset({sqlite.SQLITE_IOERR, sqlite.SQLITE_CORRUPT, sqlite.SQLITE_NOTADB})


class Job:
    """A command on its way, and the answer it will get."""

    __slots__ = ("command", "error", "future", "value")

    def __init__(self, command: Callable[[Transaction], object]) -> None:
        self.command = command
        self.future: Future[Any] = Future()
        self.value: object = None
        self.error: BaseException | None = None

    def settle(self) -> None:
        """Answer the caller, once."""
        error = self.error
        if isinstance(error, sqlite.Error):
            error = StoreError(f"expected the store to take the command, got: {error}")
            error.__cause__ = self.error
        # Not even a callback that the caller put on the future may stop the writer.
        with contextlib.suppress(BaseException):
            if error is None:
                self.future.set_result(self.value)
            else:
                self.future.set_exception(error)


class Writer:
    """Writes batches on one connection, from one thread. `broken` says why it never will again."""

    def __init__(
        self, connection: sqlite.Connection, *, log: str, clock: Callable[[], int], projector: Projector
    ) -> None:
        self.head = checked_head(connection, log=log)
        self.broken: str | None = None
        self.read_at = 0  # What the clock last said, in milliseconds.
        self._connection = connection
        self._log = log
        self._clock = clock
        self._projector = projector

    def write(self, jobs: Sequence[Job]) -> None:
        """Run the jobs, commit, and answer every one of them."""
        if self.broken is None:
            self._commit(jobs)
        else:
            self._refuse(jobs, BrokenError, self.broken)
        for job in jobs:
            job.settle()

    def stop(self, reason: str, cause: BaseException | None = None) -> None:
        """Write no more, ever. The first reason stays."""
        if self.broken is None:
            self.broken = f"expected a sound ledger, got one that stopped: {reason}" + (f": {cause}" if cause else "")

    def _commit(self, jobs: Sequence[Job]) -> None:
        try:
            self.read_at = self._read_clock()
            head = self._run(jobs, max(self.read_at, self.head.ts))
            if head != self.head:
                self._execute("update ledger_head set size = ?, head = ?, ts = ?", head.size, head.leaf, head.ts)
        except Exception as error:  # noqa: BLE001  # Whatever it was, it came before the commit.
            self._recover(error)
            self._refuse(jobs, StoreError, f"expected the batch to be written, nothing was: {error}", error)
            return
        try:
            self._execute("commit")
        except Exception as error:  # noqa: BLE001  # Whatever it was, the commit may have taken effect.
            self._recover(error)
            self._refuse(jobs, OutcomeUnknownError, f"expected the commit to succeed, got: {error}", error)
            return
        self.head = head

    def _read_clock(self) -> int:
        now = self._clock()
        # Whatever the rim hands in becomes part of the record, so it is looked at once.
        if type(now) is not int or now > MAX_INT:
            raise StoreError(f"expected the clock to say milliseconds as a whole number, got {now!r}")
        return now

    def _run(self, jobs: Sequence[Job], now: int) -> Head:
        self._execute("begin immediate")
        if len(jobs) > 1:
            try:
                return self._together(jobs, now)
            except BaseException:  # noqa: BLE001  # Whose it is comes out when they run one by one.
                self._roll_back()
                self._execute("begin immediate")
        return self._apart(jobs, now)

    def _together(self, jobs: Sequence[Job], now: int) -> Head:
        head = self.head
        for job in jobs:
            head = self._command(job, head, now)
        return head

    def _apart(self, jobs: Sequence[Job], now: int) -> Head:
        head = self.head
        for job in jobs:
            self._execute("savepoint command")
            try:
                head = self._command(job, head, now)
            except BaseException as error:  # SystemExit, too, is its caller's and not the writer's.
                job.error = error
                if not self._connection.in_transaction:
                    raise StoreError(f"the store gave up the transaction: {error}") from error
                self._execute("rollback to command")
            self._execute("release command")
        return head

    def _command(self, job: Job, head: Head, now: int) -> Head:
        view = Transaction(self._connection, head, log=self._log, now=now, projector=self._projector)
        try:
            job.value = job.command(view)
        finally:
            after = view.finish()
        return after

    def _recover(self, cause: BaseException) -> None:
        """Forget what we believed of the store and read it again."""
        try:
            self._roll_back()
            self.head = checked_head(self._connection, log=self._log)
        except Exception as error:  # noqa: BLE001  # Not knowing where the ledger ends is the end, whatever the cause.
            self.stop("its end cannot be read again", error)
        if _fault(cause) in _FATAL:
            self.stop("the store failed", cause)

    def _refuse(
        self, jobs: Sequence[Job], kind: type[StoreError], message: str, cause: BaseException | None = None
    ) -> None:
        for job in jobs:
            if job.error is None:
                job.error = kind(message)
                job.error.__cause__ = cause

    def _roll_back(self) -> None:
        if self._connection.in_transaction:
            self._execute("rollback")

    def _execute(self, sql: str, *params: object) -> None:
        self._connection.execute(sql, params)


def _fault(error: BaseException | None) -> int | None:
    """SQLite's own code for what lies at the bottom of an error, without the details (its upper bits)."""
    while error is not None:
        if isinstance(error, sqlite.Error) and hasattr(error, "sqlite_errorcode"):
            return error.sqlite_errorcode & 0xFF
        error = error.__cause__
    return None
