"""Reports that were issued: each kind is a series, numbered from 1, in which every one names the digest of the last.

Folded from entries; read under the ledger lock where the next one is issued.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from audit.entry import Entry
from governance.record import Kind
from governance.state import repositories
from governance.state.tx import Tx

Data = Mapping[str, Any]

TABLES: tuple[str, ...] = ("report",)

SCHEMA = """
create table if not exists report(
  seq integer primary key, kind text not null, day text not null, about integer not null, number integer not null,
  digest text not null, unique(kind, number)) strict;
create unique index if not exists report_day on report(kind, day, about);
create index if not exists report_digest on report(digest);
"""


@dataclass(frozen=True, slots=True)
class Issued:
    """One report, by the entry that issued it."""

    seq: int
    kind: str
    day: str
    about: int
    number: int
    digest: str


_SELECT = "select seq, kind, day, about, number, digest from report"


def of_day(tx: Tx, kind: str, day: str, *, about: int = 0) -> Issued | None:
    """Return the report of a day; None where none was issued. An audit is about an entry as well."""
    return _one(tx, "kind=? and day=? and about=?", kind, day, about)


def newest(tx: Tx, kind: str) -> Issued | None:
    """Return the last of a series."""
    return _one(tx, "kind=?", kind)


def by_number(tx: Tx, kind: str, number: int) -> Issued | None:
    """Return one of a series."""
    return _one(tx, "kind=? and number=?", kind, number)


def by_digest(tx: Tx, digest: str) -> Issued | None:
    """Return the report whose facts have this digest."""
    return _one(tx, "digest=?", digest)


def _one(tx: Tx, where: str, *params: object) -> Issued | None:
    row = tx.execute(f"{_SELECT} where {where} order by number desc limit 1", params).fetchone()
    return Issued(*row) if row else None


def _issued(tx: Tx, entry: Entry, data: Data) -> None:
    row = (entry.seq, data["report"], data["day"], data["about"], data["number"], data["digest"])
    tx.execute("insert into report values(?,?,?,?,?,?)", row)
    repositories.statement(tx, entry, data)


FOLDS: Mapping[Kind, Callable[[Tx, Entry, Data], None]] = {Kind.REPORT_ISSUED: _issued}
