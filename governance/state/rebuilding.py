"""Fold the ledger again from entry 0, and compare: proof that no state table was edited behind it.

The folding is done in memory, from a read-only look at the database. `replace` writes the result into the database
in one transaction, holding the writer's lock: the answer to corruption, repair and schema change alike.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from audit import reads, stores
from audit.entry import parse
from audit.stores import Connection
from governance.state.fold import Tx, fold
from governance.state.schema import SCHEMA, TABLES

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What folding again found. `difference` is empty where everything agrees."""

    entries: int
    tables: int
    rows: int
    difference: str

    def as_dict(self) -> dict[str, Any]:
        """Return this for JSON."""
        return asdict(self)


def compare(database: Path, *, progress: Progress) -> Rebuilt:
    """Compare the state tables with a fresh fold; name the first row that differs.

    Reads one snapshot, so that a running service does not matter.
    """
    connection = stores.open_reader(database)
    try:
        connection.execute("begin")
        folded, entries = _folded(connection, progress)
        rows, difference = 0, ""
        for table in TABLES:
            count, difference = _difference(connection, folded, table)
            rows += count
            if difference:
                break
        return Rebuilt(entries, len(TABLES), rows, difference)
    finally:
        connection.close()


def replace(database: Path, *, progress: Progress) -> Rebuilt:
    """Replace the state tables by a fresh fold. The service must be stopped; its lock is taken.

    Raises:
        StoreError: Another process writes this ledger.
    """
    connection = stores.open_writer(database, schema=SCHEMA)
    try:
        connection.execute("begin immediate")
        folded, entries = _folded(connection, progress)
        rows = 0
        # Made anew, not emptied: a table of an earlier version may lack columns.
        for table in TABLES:
            connection.execute(f"drop table if exists {table}")
        for statement in filter(str.strip, SCHEMA.split(";")):
            connection.execute(statement)
        for table in TABLES:
            for row in folded.execute(f"select * from {table}"):  # noqa: S608 - our own names
                marks = ",".join("?" * len(row))
                connection.execute(f"insert into {table} values({marks})", row)
                rows += 1
        connection.execute("commit")
        return Rebuilt(entries, len(TABLES), rows, "")
    finally:
        connection.close()


def _folded(connection: Connection, progress: Progress) -> tuple[Any, int]:
    memory = stores.open_memory()
    memory.executescript(SCHEMA)
    total = reads.size(connection)
    done = 0
    for row in reads.entries(connection, 0, total):
        fold(memory, parse(row.body))
        done += 1
        if done % 1000 == 0:
            progress(done, total)
    progress(done, total)
    return memory, done


def _difference(actual: Tx, expected: Tx, table: str) -> tuple[int, str]:
    """Return how many rows agree, and the first that does not, in words."""
    found, wanted = _rows(actual, table), _rows(expected, table)
    count = 0
    while True:
        have, want = next(found, None), next(wanted, None)
        if have == want:
            if have is None:
                return count, ""
            count += 1
            continue
        return count, f"{table}, row {count}: the ledger says {_shown(want)}, the table says {_shown(have)}"


def _rows(tx: Tx, table: str) -> Iterator[tuple[Any, ...]]:
    """Yield rows in the order of their keys, so that two databases are walked alike."""
    keys = [row[1] for row in tx.execute(f"pragma table_info({table})").fetchall() if row[5]]
    order = ", ".join(keys)
    yield from tx.execute(f"select * from {table} order by {order}")  # noqa: S608 - our own names


def _shown(row: tuple[Any, ...] | None) -> str:
    if row is None:
        return "nothing"
    text = ", ".join(repr(cell) for cell in row)
    return text if len(text) <= 300 else text[:300] + " …"  # noqa: PLR2004 - a line for people
