"""Fold the ledger again from entry 0, and compare: proof that no state table was edited behind it.

The folding is done in memory, from one look at the database. `replace` writes the result into the database in one
transaction, holding the ledger's lock: the answer to corruption, repair and schema change alike.

Entries that were pruned come from the folder they were archived in. What it holds is believed no more than it must be:
every entry has the leaf hash that the ledger kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from audit import reads, stores, tree
from audit.entry import leaf_hash, parse
from audit.errors import ProofError
from audit.exporting import first_kept
from audit.stores import Connection, Place
from audit.tiles import WIDTH, Tile, unbundled
from governance.errors import RecordError
from governance.state.fold import fold
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


def compare(place: Place, *, progress: Progress, archive: Path | None = None) -> Rebuilt:
    """Compare the state tables with a fresh fold; name the first row that differs.

    Reads one snapshot, so that a running service does not matter.

    Raises:
        RecordError: Entries were pruned, and the archive does not have them.
    """
    with closing(stores.open_reader(place)) as connection:
        connection.look()
        folded, entries = _folded(connection, progress, archive)
        rows, difference = 0, ""
        for table in TABLES:
            count, difference = _difference(connection, folded, table)
            rows += count
            if difference:
                break
        return Rebuilt(entries, len(TABLES), rows, difference)


def replace(place: Place, *, progress: Progress, archive: Path | None = None) -> Rebuilt:
    """Replace the state tables by a fresh fold. The service must be stopped; its lock is taken.

    Raises:
        StoreError: Another process writes this ledger.
        RecordError: Entries were pruned, and the archive does not have them.
    """
    with closing(stores.open_writer(place, schema=SCHEMA)) as connection:
        connection.begin()
        folded, entries = _folded(connection, progress, archive)
        rows = 0
        # Made anew, not emptied: a table of an earlier version may lack columns.
        for table in TABLES:
            connection.execute(f'drop table if exists "{table}"')
        for statement in filter(str.strip, SCHEMA.split(";")):
            connection.execute(f"{statement};")
        for table in TABLES:
            for row in folded.execute(f'select * from "{table}"'):  # noqa: S608 - our own names
                marks = ",".join("?" * len(row))
                connection.execute(f'insert into "{table}" values({marks})', row)
                rows += 1
        connection.execute("commit")
        return Rebuilt(entries, len(TABLES), rows, "")


def _folded(connection: Connection, progress: Progress, archive: Path | None) -> tuple[Any, int]:
    memory = stores.open_memory()
    memory.executescript(SCHEMA)
    total = reads.size(connection)
    done = 0
    for body in _bodies(connection, total, archive):
        fold(memory, parse(body))
        done += 1
        if done % 1000 == 0:
            progress(done, total)
    progress(done, total)
    return memory, done


def _bodies(connection: Connection, total: int, archive: Path | None) -> Iterator[bytes]:
    """Yield every entry, a tile's worth at a time: a server sends whole answers, and hangs up on who is silent long."""
    kept = first_kept(connection)
    if kept and archive is None:
        said = f"the entries below {kept} were pruned, and state is folded from all of them"
        raise RecordError(f"{said}; name the folder that they were archived in: twinseal ledger rebuild --archive DIR")
    for first in range(0, total, WIDTH):
        if first < kept and archive is not None:
            yield from _archived(connection, first // WIDTH, archive)
        else:
            yield from [row.body for row in reads.entries(connection, first, first + WIDTH)]


def _archived(connection: Connection, index: int, archive: Path) -> list[bytes]:
    """Return the entries of one tile as the archive has them, if the ledger kept their hashes."""
    path = archive / Tile(0, index, entries=True).path()
    try:
        found = unbundled(path.read_bytes())
    except (OSError, ProofError) as exc:
        raise RecordError(f"the archive does not have the entries from {index * WIDTH} on: {path}: {exc}") from exc
    if b"".join(map(leaf_hash, found)) != tree.tile_data(connection, Tile(0, index)):
        raise RecordError(f"{path} does not hold the entries from {index * WIDTH} on that this ledger had")
    return found


def _difference(actual: Connection, expected: Connection, table: str) -> tuple[int, str]:
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


def _rows(connection: Connection, table: str) -> Iterator[tuple[Any, ...]]:
    """Yield rows in the order of their keys, so that two databases are walked alike. Engines order text differently."""
    cursor = connection.execute(f'select * from "{table}"')  # noqa: S608 - our own names
    names = [column[0] for column in cursor.description]
    keys = [names.index(name) for name in connection.keys(table)]
    rows: list[tuple[Any, ...]] = [tuple(row) for row in cursor.fetchall()]
    yield from sorted(rows, key=lambda row: [row[key] for key in keys])


def _shown(row: tuple[Any, ...] | None) -> str:
    if row is None:
        return "nothing"
    text = ", ".join(repr(cell) for cell in row)
    return text if len(text) <= 300 else text[:300] + " …"  # noqa: PLR2004 - a line for people
