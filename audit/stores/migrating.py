"""Bring the tables of an earlier version up to date, by alembic.

What entries say is never touched: bodies are copied nowhere and altered nowhere; only what stands beside them is made
anew.

A database made now has the newest shape from the start, and says so in `alembic_version`; `install` compares the two
ways to it. Alembic itself is loaded only where there is something to do: it takes half a second.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from audit.errors import StoreError

NEWEST = "0002"
STAMP = f"""
create table if not exists alembic_version(version_num varchar(32) not null primary key);
insert into alembic_version select '{NEWEST}' where not exists (select 1 from alembic_version);
"""  # noqa: S608  # Our own text.

_KNOWN = ("0001", NEWEST)
_THERE = {
    "sqlite": "select count(*) from sqlite_schema where type = 'table' and name = '{}'",
    "postgresql": "select count(*) from pg_tables where schemaname = current_schema() and tablename = '{}'",
}


def migrate(connection: Any, *, dialect: str) -> None:  # noqa: ANN401  # Of either engine.
    """Run what is missing, each step whole or not at all.

    Raises:
        StoreError: the tables are of a later version than this one knows.
    """
    found = _version(connection, dialect)
    if found in {"", NEWEST}:
        return
    if found not in _KNOWN:
        raise StoreError(f"expected ledger tables of version {NEWEST} or before, got {found}: made by a later version?")
    _upgrade(connection, found, dialect)


def _version(connection: Any, dialect: str) -> str:  # noqa: ANN401  # As above.
    """Return what the tables are at; empty where there are none yet."""
    if _is_there(connection, "alembic_version", dialect):
        row = connection.execute("select version_num from alembic_version").fetchone()
        return str(row[0]) if row else _KNOWN[0]
    return _KNOWN[0] if _is_there(connection, "ledger_entry", dialect) else ""


def _is_there(connection: Any, table: str, dialect: str) -> bool:  # noqa: ANN401  # As above.
    return bool(connection.execute(_THERE[dialect].format(table)).fetchone()[0])


def _upgrade(connection: Any, found: str, dialect: str) -> None:  # noqa: ANN401  # As above.
    from alembic import command, config  # noqa: PLC0415  # Loaded where needed, see above.
    from sqlalchemy import create_engine, pool  # noqa: PLC0415

    settings = config.Config()
    settings.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    engine = create_engine(f"{dialect}://", creator=lambda: connection, poolclass=pool.StaticPool)
    # SQLAlchemy's own transaction is around all of it, or alembic commits each step by itself; and it comes first,
    # because what SQLAlchemy asks when it connects it rolls back.
    with engine.connect() as settings.attributes["connection"], settings.attributes["connection"].begin():
        connection.execute("begin immediate")
        if found == _KNOWN[0]:
            command.stamp(settings, found)
        command.upgrade(settings, NEWEST)
