"""One commit for many commands: all together first, one by one if any of them fails, and then the answers.

What cannot be decided is not claimed: a batch that was not committed answers with StoreError, one whose commit failed
with OutcomeUnknownError, and the head is then read from the store again before anything else is written.
"""

from __future__ import annotations

from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from audit import reads, tree
from audit.canonical import MAX_INT
from audit.errors import AuditError, BrokenError, OutcomeUnknownError, RollbackError, StoreError
from audit.merkle import Frontier
from audit.tiles import roots_of_full_tiles
from audit.transaction import Transaction, write

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from audit.kinds import Kinds
    from audit.reads import Head
    from audit.stores import WritingConnection
    from audit.transaction import Projector, Rows


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
        try:
            if self.error is None:
                self.future.set_result(self.value)
            else:
                self.future.set_exception(self.error)
        except BaseException:  # noqa: BLE001, S110  # Not even a callback on the future may stop the writer.
            pass


class Writer:
    """Writes batches on one connection, from one thread. `broken` says why it never will again."""

    def __init__(
        self,
        connection: WritingConnection,
        *,
        log: str,
        clock: Callable[[], int],
        projector: Projector,
        kinds: Kinds | None = None,
    ) -> None:
        connection.begin()  # Where others write too, head row and entries are only of one moment under the lock.
        try:
            self.head, self._edge = reads.checked_head(connection, log=log), tree.check(connection)
        finally:
            connection.execute("rollback")
        self.log = log
        """Under which name entries are appended."""
        self.broken: str | None = None
        self.read_at = 0  # What the clock last said, in milliseconds.
        self._connection = connection
        self._waiting: Rows = []
        self._clock = clock
        self._projector = projector
        self._kinds = kinds

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
            head, leaves = self._run(jobs)
            edge = self._grow(head, leaves)
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
        self.head, self._edge = head, edge

    def _read_clock(self) -> int:
        now = self._clock()
        # Whatever the rim hands in becomes part of the record, so it is looked at once.
        if type(now) is not int or now > MAX_INT:
            raise StoreError(f"expected the clock to say milliseconds as a whole number, got {now!r}")
        return now

    def _run(self, jobs: Sequence[Job]) -> tuple[Head, list[bytes]]:
        """Run the jobs in one transaction; answer where the ledger then ends, and the leaf hashes that came in."""
        self._begin()
        if len(jobs) > 1:
            try:
                return self._together(jobs)
            except BaseException as error:
                if self._connection.fatal(error):
                    raise
                # Whose it is comes out when they run one by one.
                self._roll_back()
                self._begin()
        return self._apart(jobs)

    def _begin(self) -> None:
        """Take the lock, and see whether the ledger still ends where we left it."""
        self._waiting.clear()
        self._connection.begin()
        found = reads.head(self._connection)
        if found == self.head:
            return
        if not self._connection.shared:
            raise RollbackError(f"expected the ledger to end as we left it, at {self.head}, got {found}")
        if found.size < self.head.size:
            raise RollbackError(f"expected at least {self.head.size} entries, as we saw them, got {found.size}")
        self._check_begins(found.size)
        self.head, self._edge = reads.checked_head(self._connection, log=self.log), tree.frontier(self._connection)

    def _check_begins(self, size: int) -> None:
        """Another may have gone on from where we left the ledger, and from nowhere else."""
        last = self.head.size - 1
        found = tree.nodes(self._connection, size)(0, last) if last >= 0 else self.head.leaf
        if found != self.head.leaf:
            raise RollbackError(f"expected entry {last} to be the one we saw last, got another: was a copy put back?")

    def _together(self, jobs: Sequence[Job]) -> tuple[Head, list[bytes]]:
        head, leaves = self.head, []
        with self._connection.together():
            for job in jobs:
                head, more = self._command(job, head)
                leaves += more
            write(self._connection, self._waiting)
        return head, leaves

    def _apart(self, jobs: Sequence[Job]) -> tuple[Head, list[bytes]]:
        head, leaves = self.head, []
        for job in jobs:
            self._execute("savepoint command")
            try:
                after, more = self._command(job, head)
                write(self._connection, self._waiting)
                head = after
                leaves += more
            except BaseException as error:  # SystemExit, too, is its caller's and not the writer's.
                if self._connection.fatal(error):
                    raise
                job.error = self._told(error)
                self._waiting.clear()
                # Where the store gave up the whole transaction, this fails, and with it the batch.
                self._execute("rollback to savepoint command")
            self._execute("release savepoint command")
        return head, leaves

    def _command(self, job: Job, head: Head) -> tuple[Head, list[bytes]]:
        now = max(self.read_at, self.head.ts)
        view = Transaction(
            self._connection, head, waiting=self._waiting,
            log=self.log, now=now, projector=self._projector, kinds=self._kinds,
        )  # fmt: skip
        try:
            job.value = job.command(view)
        finally:
            after = view.finish()
        return after, view.leaves

    def _grow(self, head: Head, leaves: Sequence[bytes]) -> Frontier:
        """Write down where the ledger ends, and the tiles that are now full."""
        filled, edge = roots_of_full_tiles(self._edge, leaves)
        for tile in filled:
            self._execute("insert into ledger_tile(level, idx, root) values (?, ?, ?)", *tile)
        if leaves:
            ends = (head.size, head.leaf, head.ts, b"".join(edge.hashes))
            self._execute("update ledger_head set size = ?, head = ?, ts = ?, frontier = ?", *ends)
        return edge

    def _told(self, error: BaseException) -> BaseException:
        """A command's failure, as its caller is told."""
        if not isinstance(error, self._connection.Error):
            return error
        told = StoreError(f"expected the store to take the command, got: {error}")
        told.__cause__ = error
        return told

    def _recover(self, cause: BaseException) -> None:
        """Forget what we believed of the store and read it again."""
        if isinstance(cause, RollbackError) or self._connection.fatal(cause):
            self.stop("the store failed", cause)
        try:
            self._connection.renew()
            self._roll_back()
            if not self._connection.shared:
                self.head, self._edge = reads.checked_head(self._connection, log=self.log), tree.check(self._connection)
        except Exception as error:  # noqa: BLE001  # Not knowing where the ledger ends is the end, whatever the cause.
            # A server that hung up may come back, and the next batch begins by reading where the ledger ends.
            if not self._connection.shared or isinstance(error, AuditError):
                self.stop("its end cannot be read again", error)

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
