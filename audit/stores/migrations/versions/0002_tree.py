"""The tree beside the entries: its right edge in the head row, a row for each full tile, and the tables around it.

Everything follows from the leaf hashes that are there. Only SQLite had a first version.
"""

from __future__ import annotations

from alembic import op

from audit.merkle import Frontier
from audit.stores import sqlite_schema
from audit.tiles import roots_of_full_tiles

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Make the head row anew, and fill in tiles from leaf hashes."""
    bind = op.get_bind()
    size, head, ts = bind.exec_driver_sql("select size, head, ts from ledger_head").one()
    leaves = [row[0] for row in bind.exec_driver_sql("select leaf from ledger_entry order by seq")]
    rows, edge = roots_of_full_tiles(Frontier(), leaves)
    bind.exec_driver_sql("drop table ledger_head")  # Its triggers go with it.
    for statement in sqlite_schema.statements():
        bind.exec_driver_sql(statement)
    for row in rows:
        bind.exec_driver_sql("insert into ledger_tile values(?, ?, ?)", row)
    if leaves:
        ends = (size, head, ts, b"".join(edge.hashes))
        bind.exec_driver_sql("update ledger_head set (size, head, ts, frontier) = (?, ?, ?, ?)", ends)
