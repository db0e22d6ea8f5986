"""The SQLite store: which SQLite, how it is opened, and that only one process writes.

Promises. A commit that returned is durable (WAL, synchronous=FULL), as far as the disk keeps its own promises. There is
one writer at a time, held by a file lock that ends with its process. Readers cannot write.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from typing import TYPE_CHECKING
from urllib.parse import quote

from audit.errors import LockedError, StoreError
from audit.stores import sqlite_schema

if TYPE_CHECKING:
    # The same interface; type checkers know the one in the standard library.
    import sqlite3 as sqlite
    from collections.abc import Iterator, Sequence
    from pathlib import Path
else:
    from pysqlite3 import dbapi2 as sqlite

_FIXED = (3, 51, 3)
_BACKPORTS = {(3, 44): 6, (3, 50): 7}
# After these the store may show what is not on the disk (a failed fsync is not repeated), so nothing it says is good.
_FATAL = frozenset({sqlite.SQLITE_IOERR, sqlite.SQLITE_CORRUPT, sqlite.SQLITE_NOTADB})


class Connection(sqlite.Connection):
    """A connection as `audit.stores` wants it."""

    def look(self) -> None:
        """Begin a transaction that sees one moment."""
        self.execute("begin")

    @property
    def reusable(self) -> bool:
        """Whether it is outside of any transaction."""
        return not self.in_transaction

    def keys(self, table: str) -> list[str]:
        """Return the columns of a table's primary key, in order."""
        return [row[1] for row in self.execute(f"pragma table_info({table})") if row[5]]


class _Writer(Connection):
    """A connection that holds the lock of its ledger until it is closed."""

    lock = -1
    shared = False
    may_wait = False
    _seen = -1

    @property
    def lost(self) -> bool:
        return not self.in_transaction

    def begin(self) -> None:
        """Begin, and see whether somebody has made a view, say, that looks at our tables."""
        self.execute("begin immediate")
        version = self.execute("pragma schema_version").fetchone()[0]
        if version != self._seen:
            self.may_wait, self._seen = not sqlite_schema.is_looked_at(self), version

    def together(self) -> contextlib.nullcontext[None]:
        """Nothing is gained: a file is not far away."""
        return contextlib.nullcontext()

    def unguarded(self, sql: str, params: Sequence[object]) -> None:
        """Run a statement with the guard against deleting entries lifted, and set it again."""
        name = "ledger_entry_delete"
        guard = self.execute("select sql from sqlite_schema where name = ?", (name,)).fetchone()[0]
        self.execute(f"drop trigger {name}")
        self.execute(sql, params)
        self.execute(guard)

    def fatal(self, error: BaseException) -> bool:
        """By SQLite's own code without the details (its upper bits)."""
        return isinstance(error, sqlite.Error) and getattr(error, "sqlite_errorcode", 0) & 0xFF in _FATAL

    def passing(self, error: BaseException) -> bool:  # noqa: ARG002  # The interface.
        """Say no: nobody else has the file."""
        return False

    def renew(self) -> None:
        """Do nothing: a file does not hang up."""

    def close(self) -> None:
        super().close()
        held, self.lock = self.lock, -1
        if held >= 0:
            os.close(held)


def check_version(version: tuple[int, int, int] = sqlite.sqlite_version_info) -> None:
    """Refuse an SQLite that may lose committed transactions in WAL mode (the WAL-reset bug).

    Raises:
        StoreError: older than 3.51.3, and neither 3.44.6 or later in 3.44 nor 3.50.7 or later in 3.50.
    """
    major, minor, patch = version
    backport = _BACKPORTS.get((major, minor))
    if version < _FIXED and (backport is None or patch < backport):
        raise StoreError(
            "expected an SQLite without the WAL-reset bug (3.51.3 or later, 3.50.7+, 3.44.6+), "
            f"got {major}.{minor}.{patch}; the pysqlite3 package bundles a good one"
        )


def open_writer(path: Path, *, schema: str = "") -> _Writer:
    """The one connection that writes and checkpoints. Creates what is missing; closing it releases the lock.

    `schema` creates the caller's own tables in the same transaction as ours; it must bear being run again.

    Raises:
        LockedError: another process (or this one) has the ledger open.
        StoreError: a bad SQLite, not a database, or one whose ledger tables are not as we make them.
    """
    check_version()
    with contextlib.ExitStack() as undo, _translated(path):
        lock = _lock(path)
        undo.callback(os.close, lock)
        _private(path)
        connection = sqlite.connect(path, isolation_level=None, check_same_thread=False, factory=_Writer)
        undo.callback(connection.close)
        connection.execute("pragma foreign_keys = on")
        connection.execute("pragma secure_delete = on")
        connection.execute("pragma trusted_schema = off")
        _expect(connection, "pragma journal_mode = wal", "wal")
        connection.execute("pragma synchronous = full")
        sqlite_schema.install(connection, extra=schema)
        undo.pop_all()
    connection.lock = lock
    return connection


def open_reader(path: Path) -> Connection:
    """A connection that cannot write; any number may be open beside the writer.

    Raises:
        StoreError: a bad SQLite, or no ledger there that we can read.
    """
    check_version()
    with _translated(path):
        connection = sqlite.connect(
            f"file:{quote(str(path))}?mode=ro", uri=True, isolation_level=None, factory=Connection
        )
        with contextlib.ExitStack() as undo:
            undo.callback(connection.close)
            connection.execute("pragma query_only = on")
            connection.execute("select size from ledger_head").fetchone()
            undo.pop_all()
    return connection


def open_bare(path: Path) -> Connection:
    """A new file, empty and for its owner only."""
    with _translated(path):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        connection = sqlite.connect(path, isolation_level=None, factory=Connection)
        connection.execute("pragma synchronous = off")
    return connection


def open_memory() -> Connection:
    """A database of its own, in memory and empty: for folding a ledger again beside the one on disk."""
    check_version()
    return sqlite.connect(":memory:", isolation_level=None, factory=Connection)


def _lock(path: Path) -> int:
    """Hold `<path>.lock`, or say who does. The file stays: removing it would let two processes hold two locks."""
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    lock = os.open(f"{path}.lock", flags, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.read(lock, 32).decode(errors="replace").strip() or "unknown"
        os.close(lock)
        raise LockedError(f"expected to be the only writer of {path}, got process {holder} before us") from None
    os.ftruncate(lock, 0)
    os.write(lock, f"{os.getpid()}\n".encode())
    return lock


def _private(path: Path) -> None:
    """Owner-only from its first moment on; SQLite gives its side files the same mode."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    except FileExistsError:
        # By name: opening and closing the file here would drop the locks of other connections in this process.
        path.chmod(0o600)


def _expect(connection: sqlite.Connection, pragma: str, expected: str) -> None:
    got = connection.execute(pragma).fetchone()[0]
    if got != expected:
        raise StoreError(f"expected `{pragma}` to be taken, got {got}: does the file system allow shared memory?")


@contextlib.contextmanager
def _translated(path: Path) -> Iterator[None]:
    try:
        yield
    except (sqlite.Error, OSError) as error:
        raise StoreError(f"expected a ledger to open at {path}, got: {error}") from error
