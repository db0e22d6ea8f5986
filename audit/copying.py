"""A ledger's rows in a bare file of SQLite, wrong ones too: what the offline verifier can read of a server.

Nothing is checked and nothing is guarded on the way: a row that should not be there is copied as it is.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from audit.errors import StoreError
from audit.exporting import Progress, silent
from audit.stores import Connection, open_bare
from audit.stores.sqlite_schema import BARE, TABLES

STEP = 10_000


def copy(connection: Connection, path: Path, *, progress: Progress = silent) -> None:
    """Copy every row of a ledger into a new file, from one look at it.

    Raises:
        StoreError: the ledger cannot be read to its end, or the file not be written.
    """
    out = open_bare(path)
    try:
        connection.look()
        out.execute("begin")
        for statement in BARE:
            out.execute(statement)
        for table in TABLES:
            _rows(connection, out, table, progress)
        out.execute("create index bare_seq on ledger_entry(seq)")
        out.execute("commit")
    except (connection.Error, out.Error) as error:
        raise StoreError(f"expected to read every row of the ledger and to write it down, got: {error}") from error
    finally:
        out.close()
        with contextlib.suppress(connection.Error):  # Who hung up has rolled back.
            connection.execute("rollback")


def _rows(connection: Connection, out: Connection, table: str, progress: Progress) -> None:
    names = [row[1] for row in out.execute(f"pragma table_info({table})")]
    columns, marks = ", ".join(names), ", ".join("?" * len(names))
    put = f"insert into {table}({columns}) values ({marks})"  # noqa: S608  # Our own names.
    for where, params in _steps(connection) if table == "ledger_entry" else [("", ())]:
        found = connection.execute(f"select {columns} from {table}{where}", params)  # noqa: S608  # As above.
        for row in found.fetchall():
            out.execute(put, row)
        if params:
            progress(params[1], params[1])


def _steps(connection: Connection) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Yield parts of the entries, so that they need not be in memory at once."""
    (size,) = connection.execute("select coalesce(max(seq) + 1, 0) from ledger_entry").fetchone()
    return ((" where seq >= ? and seq < ?", (at, at + STEP)) for at in range(0, size, STEP))
