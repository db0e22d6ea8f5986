"""Since when somebody can act here: when the first key of an enrolment came.

A rotated key is the old one's heir and changes nothing. A key that came by another invitation begins anew: nobody
proved with the old one that it is the same hand.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from audit.entry import Entry
from governance.draws import DAY_MS
from governance.record import Kind
from governance.state.tx import Tx

Data = Mapping[str, Any]

TABLES: tuple[str, ...] = ("tenure",)

SCHEMA = """
create table if not exists tenure(principal text primary key, since integer not null) strict, without rowid;
create index if not exists tenure_since on tenure(since);
"""

LEDGER = ""
"""Nobody's name: since when there is a ledger."""


def newcomers(tx: Tx, *, days: int, now: int) -> frozenset[str]:
    """Return who came within so many days; whoever came in the ledger's own first day is none."""
    sql = (
        "select t.principal from tenure t where t.since > ? and t.principal <> '' "
        "and t.since > (select g.since + ? from tenure g where g.principal = '')"
    )
    return frozenset(row[0] for row in tx.execute(sql, (now - days * DAY_MS, DAY_MS)))


def _begun(tx: Tx, entry: Entry, data: Data) -> None:
    del data
    _since(tx, entry, LEDGER)


def _added(tx: Tx, entry: Entry, data: Data) -> None:
    if data["key"]:
        _since(tx, entry, data["principal"]["name"])


def _enrolled(tx: Tx, entry: Entry, data: Data) -> None:
    _since(tx, entry, data["principal"])


def _since(tx: Tx, entry: Entry, name: str) -> None:
    sql = "insert into tenure values(?,?) on conflict(principal) do update set since=excluded.since"
    tx.execute(sql, (name, entry.ts))


FOLDS: Mapping[Kind, Callable[[Tx, Entry, Data], None]] = {
    Kind.GENESIS: _begun,
    Kind.PRINCIPAL_ADDED: _added,
    Kind.KEY_ENROLLED: _enrolled,
}
