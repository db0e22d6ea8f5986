"""By which version of us the state tables were folded: what an older one left is not served before `ledger rebuild`.

Without this an upgraded service would begin, and the deep check stop it for tables that nobody has tampered with.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from audit.entry import Entry
from governance.record import Kind
from governance.state.tx import Tx

Data = Mapping[str, Any]

VERSION = 1
"""Goes up when the same entries would give other rows, or tables have other columns. A test keeps it beside both."""

TABLES: tuple[str, ...] = ("folded",)

SCHEMA = """
create table if not exists folded(version integer primary key) strict;
"""


def version(tx: Tx) -> int:
    """Return by which version the tables were folded; 0 where nothing was. The table must be there."""
    row = tx.execute("select version from folded").fetchone()
    return int(row[0]) if row else 0


def _begun(tx: Tx, entry: Entry, data: Data) -> None:
    del entry, data
    tx.execute("insert into folded values(?)", (VERSION,))


FOLDS: Mapping[Kind, Callable[[Tx, Entry, Data], None]] = {Kind.GENESIS: _begun}
