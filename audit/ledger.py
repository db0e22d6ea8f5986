"""The one append path: a thread that takes commands, runs them in order, and commits many at once.

All that matters happens inside the writer's transaction, so commands are serial and atomic without further locking, and
an entry and the state it changes are there together or not at all. A caller has its answer only after the commit.
"""

from __future__ import annotations

import contextlib
import queue
import threading
from typing import TYPE_CHECKING, Self, TypeVar

from audit.batch import Job, Writer
from audit.errors import AuditError, BrokenError, BusyError, OutcomeUnknownError, StoreError
from audit.stores import open_writer

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

    from audit.kinds import Kinds
    from audit.publishing import Publisher
    from audit.reads import Head
    from audit.stores import Place
    from audit.transaction import Projector, Transaction

T = TypeVar("T")

QUEUE_LIMIT = 4096
BATCH_LIMIT = 512
MARK_EVERY_MS = 1000


class Ledger:
    """A ledger open for writing. Any thread may submit; one thread writes.

    `projector` folds each entry into the state tables, in the same transaction and from the entry alone. `schema`
    creates those tables (`create ... if not exists`), without deferred constraints: those would fail whole batches.
    `clock` answers milliseconds since 1970 UTC; where it steps back, time stands still until it has caught up.
    `publisher` signs checkpoints and keeps the mark outside; without one, roll-back goes unseen. `kinds` is what may be
    appended; None takes any kind, which no verifier will call valid.

    Raises:
        AuditError: the ledger may not be written: see `open_writer`, `HighWater.check` and `checked_head`.
    """

    def __init__(
        self,
        place: Place,
        *,
        log: str,
        clock: Callable[[], int],
        projector: Projector,
        schema: str = "",
        publisher: Publisher | None = None,
        kinds: Kinds | None = None,
    ) -> None:
        self._publisher = publisher
        self._connection = open_writer(place, schema=schema)
        try:
            if publisher is not None:
                publisher.check(self._connection)
            self._writer = Writer(self._connection, log=log, clock=clock, projector=projector, kinds=kinds)
        except self._connection.Error as error:
            self._connection.close()
            raise StoreError(f"expected a ledger that can be read, got: {error}") from error
        except BaseException:
            self._connection.close()
            raise
        self._queue: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._door = threading.Lock()
        self._closed = False
        self._ending = False
        self._taken: list[Job] = []
        self._marked: Head | None = None
        self._marked_at = 0
        self._thread = threading.Thread(target=self._work, name="ledger-writer", daemon=True)
        self._thread.start()

    @property
    def head(self) -> Head:
        """Where the ledger ends, as last committed."""
        return self._writer.head

    @property
    def broken(self) -> str | None:
        """Why the writer has stopped for good, or None."""
        return self._writer.broken

    def submit(self, command: Callable[[Transaction], T]) -> Future[T]:
        """Queue a command. The future has its value once that is durable, or what it raised and then nothing is kept.

        The command may be run twice (see `transaction`). The future may also fail with StoreError: nothing was written,
        or OutcomeUnknownError.

        Raises:
            BusyError: 4096 commands are waiting.
            BrokenError: the writer has stopped for good.
            StoreError: the ledger is closed.
        """
        job = Job(command)
        future: Future[T] = job.future
        with self._door:
            if self._writer.broken is not None:
                raise BrokenError(self._writer.broken)
            if self._closed:
                raise StoreError("expected an open ledger, got one that was closed")
            if self._queue.qsize() >= QUEUE_LIMIT:
                raise BusyError(f"expected fewer than {QUEUE_LIMIT} commands waiting, got that many: try again later")
            self._queue.put(job)
        return future

    def run(self, command: Callable[[Transaction], T]) -> T:
        """Submit a command and wait for its answer.

        Raises:
            StoreError: also when called by a command, which would wait for itself.
        """
        if threading.current_thread() is self._thread:
            raise StoreError("expected a command to use its own transaction, got one that waits for another command")
        return self.submit(command).result()

    def stop(self, reason: str) -> None:
        """Write no more, ever: somebody has found that this ledger is not sound. What is queued is refused."""
        self._writer.stop(reason)

    def close(self) -> None:
        """Answer what is queued, move the mark, release the lock. Closing twice is once."""
        with self._door:
            if not self._closed:
                self._closed = True
                self._queue.put(None)
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _work(self) -> None:
        try:
            while not self._ending:
                self._take()
                if self._taken:
                    self._writer.write(self._taken)
                if not self._taken or abs(self._writer.read_at - self._marked_at) >= MARK_EVERY_MS:
                    self._move_mark()
        except BaseException as death:  # noqa: BLE001  # However it ends, nobody may be left waiting.
            self._writer.stop("the writer died", death)
        finally:
            self._end()

    def _take(self) -> None:
        """Wait for a command and take whatever else is there; nothing at all when it is time to move the mark."""
        self._taken = []
        with contextlib.suppress(queue.Empty):
            job = self._queue.get(timeout=MARK_EVERY_MS / 1000 if self._behind() else None)
            while job is not None:
                # False for what its caller has cancelled meanwhile.
                if job.future.set_running_or_notify_cancel():
                    self._taken.append(job)
                if len(self._taken) == BATCH_LIMIT:
                    return
                job = self._queue.get_nowait()
            self._ending = True

    def _behind(self) -> bool:
        return self._publisher is not None and self._writer.broken is None and self._marked != self._writer.head

    def _move_mark(self) -> None:
        """Let checkpoint and mark follow. Where they cannot, roll-back would go unseen, so we stop."""
        if self._publisher is None or not self._behind():
            return
        self._marked_at = self._writer.read_at
        try:
            self._publisher.publish(self._connection)
        except (AuditError, self._connection.Error) as error:
            if self._connection.passing(error):
                # Nothing is appended either while nobody answers; both are tried again.
                with contextlib.suppress(self._connection.Error):
                    self._connection.renew()
                return
            self._writer.stop("its checkpoint and high-water mark do not follow", error)
        self._marked = self._writer.head

    def _end(self) -> None:
        with self._door:
            self._closed = True
        reason = self._writer.broken or "expected an open ledger, got one that was closed"
        for job in self._taken:
            _leave(job, OutcomeUnknownError(reason))
        with contextlib.suppress(queue.Empty):
            while True:
                waiting = self._queue.get_nowait()
                if waiting is not None:
                    _leave(waiting, BrokenError(reason))
        try:
            self._move_mark()
        finally:
            self._connection.close()


def _leave(job: Job, error: StoreError) -> None:
    """Answer a job that the writer will not, if it has no answer yet."""
    if not job.future.done():
        job.error = job.error or error
        job.settle()
