"""Where a ledger is kept: one file of SQLite, or a PostgreSQL database. One interface to both.

A place is named by a path or by a `postgresql://` address. Statements are written once, as SQLite has them: `?` or
`:name` for parameters; each engine reads them its own way. What differs is said in each engine's own file.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from audit.errors import StoreError
from audit.stores import sqlite

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from contextlib import AbstractContextManager

Place = Path | str
"""A path of an SQLite file, or a `postgresql://` address."""


class Asked(Protocol):
    """Whatever answers a statement: a connection, or a transaction under the lock."""

    def execute(self, sql: str, params: Sequence[object] | Mapping[str, object] = ..., /) -> Any:  # noqa: ANN401
        """Run one statement; the answer is the engine's own cursor."""
        ...


class Connection(Asked, Protocol):
    """What reading needs."""

    @property
    def Error(self) -> type[Exception]:  # noqa: N802  # As PEP 249 has it.
        """What the engine raises. No StoreError: who asks under the lock may want to tell a conflict from a fault."""
        ...

    @property
    def Warning(self) -> type[Exception]:  # noqa: N802  # As PEP 249 has it.
        """What it raises where it only wonders."""
        ...

    def look(self) -> None:
        """Begin a transaction that sees one moment, and only reads."""
        ...

    def keys(self, table: str) -> list[str]:
        """Return the columns of a table's primary key, in order."""
        ...

    @property
    def reusable(self) -> bool:
        """Whether it is whole and outside of any transaction, fit for whoever reads next."""
        ...

    def close(self) -> None:
        """Let go of it. Closing twice is once."""
        ...


class WritingConnection(Connection, Protocol):
    """What the writer needs. Used by one thread."""

    @property
    def shared(self) -> bool:
        """Whether others may write the same ledger between two of our transactions."""
        ...

    @property
    def in_transaction(self) -> bool:
        """Whether something is to be rolled back."""
        ...

    @property
    def lost(self) -> bool:
        """Whether the transaction is gone, or good for nothing but rolling back, though nobody ended it."""
        ...

    def begin(self) -> None:
        """Begin a transaction, with the ledger's lock held from its first moment to its end."""
        ...

    @property
    def may_wait(self) -> bool:
        """Whether an entry may be written later than it was appended: nothing of the caller's looks at our tables."""
        ...

    def executemany(self, sql: str, params: Sequence[Sequence[object]], /) -> object:
        """Run one statement for each of these rows, in order."""
        ...

    def together(self) -> AbstractContextManager[object]:
        """For statements of which one may fail late: what was asked is known to have been done when the block ends."""
        ...

    def unguarded(self, sql: str, params: Sequence[object]) -> None:
        """Run a statement with the guard against deleting entries lifted, and set it again."""
        ...

    def fatal(self, error: BaseException) -> bool:
        """Whether after this error nothing that the store says can be believed."""
        ...

    def passing(self, error: BaseException) -> bool:
        """Whether what failed may work in a moment: nobody answered, or another held the lock for too long."""
        ...

    def renew(self) -> None:
        """Connect again if the connection was lost; what it did is whole or not at all.

        Raises:
            Exception: there is still nobody there.
        """
        ...


def is_postgres(place: Place) -> bool:
    """Whether a place is an address of PostgreSQL."""
    return isinstance(place, str) and place.startswith(("postgresql://", "postgres://"))


def open_writer(place: Place, *, schema: str = "") -> WritingConnection:
    """Open a ledger for writing. Creates what is missing, brings older tables up to date.

    `schema` creates the caller's own tables in the same transaction as ours; it must bear being run again.

    Raises:
        LockedError: SQLite only: another process (or this one) has the ledger open.
        StoreError: an engine that may lose what was committed, no database, or tables that are not as we make them.
    """
    if is_postgres(place):
        from audit.stores import postgres  # noqa: PLC0415  # A quarter of a second that SQLite's users need not wait.

        return postgres.open_writer(str(place), schema=schema)
    return sqlite.open_writer(_path(place), schema=schema)


def open_reader(place: Place) -> Connection:
    """Open a connection that cannot write; any number may be open beside the writer.

    Raises:
        StoreError: a bad engine, or no ledger there that we can read.
    """
    if is_postgres(place):
        from audit.stores import postgres  # noqa: PLC0415  # As above.

        return postgres.open_reader(str(place))
    return sqlite.open_reader(_path(place))


def open_bare(path: Path) -> sqlite.Connection:
    """A new file of SQLite with nothing in it, to put rows into that nobody vouches for.

    Raises:
        StoreError: it cannot be made.
    """
    return sqlite.open_bare(path)


def open_memory() -> sqlite.Connection:
    """A database of its own, in memory and empty: for folding a ledger again beside the one that is kept."""
    return sqlite.open_memory()


def _path(place: Place) -> Path:
    if isinstance(place, str):
        raise StoreError(f"expected a path or an address of PostgreSQL, got {place!a:.80}")
    return place
