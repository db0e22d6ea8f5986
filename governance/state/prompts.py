"""Prompts: what persons are asked to approve, and who has. Folded from entries; read under the ledger lock."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from audit.entry import Entry
from governance.record import Kind
from governance.state.tx import Tx

Data = Mapping[str, Any]

TABLES: tuple[str, ...] = ("prompt", "prompt_statement", "prompt_approval")

SCHEMA = """
create table if not exists prompt(
  seq integer primary key, for_ text not null, shown text not null, digest text not null, acts text not null,
  needs integer not null, single_person integer not null, opened_at integer not null, expires_at integer not null,
  state text not null, closed_seq integer) strict;
create index if not exists prompt_open on prompt(expires_at) where state = 'open';
create index if not exists prompt_for on prompt(for_, opened_at);
create table if not exists prompt_statement(
  prompt integer not null, position integer not null, digest text not null, type text not null,
  primary key(prompt, position)) strict, without rowid;
create index if not exists prompt_statement_digest on prompt_statement(digest);
create table if not exists prompt_approval(
  prompt integer not null, principal text not null, factor text not null, seq integer not null,
  primary key(prompt, principal)) strict, without rowid;
"""

OPEN, APPROVED, DENIED = "open", "approved", "denied"


@dataclass(frozen=True, slots=True)
class Prompt:
    """One prompt as it stands. `for_` is whose statements it is about; it lives until `expires_at`."""

    seq: int
    for_: str
    shown: str
    digest: str
    acts: tuple[str, ...]
    needs: int
    single_person: bool
    opened_at: int
    expires_at: int
    state: str
    statements: tuple[tuple[str, str], ...]
    """Digest and type of each statement, in order."""
    approved_by: tuple[str, ...]

    def alive(self, at: int) -> bool:
        """Whether it can still be answered."""
        return self.state == OPEN and at < self.expires_at

    def standing(self, at: int) -> str:
        """Return its state in one word: open, approved, denied or expired."""
        return "expired" if self.state == OPEN and at >= self.expires_at else self.state


_COLUMNS = "seq, for_, shown, digest, acts, needs, single_person, opened_at, expires_at, state"


def prompt(tx: Tx, seq: int) -> Prompt | None:
    """Return one prompt; None where there is none by that number."""
    row = tx.execute(f"select {_COLUMNS} from prompt where seq=?", (seq,)).fetchone()  # noqa: S608 - our own text
    return _prompt(tx, row) if row else None


def alive(tx: Tx, at: int) -> tuple[Prompt, ...]:
    """Return the prompts that can still be answered, the oldest first."""
    sql = f"select {_COLUMNS} from prompt where state='open' and expires_at>? order by seq"  # noqa: S608 - our own text
    return tuple(_prompt(tx, row) for row in tx.execute(sql, (at,)).fetchall())


def of_statement(tx: Tx, digest: str) -> tuple[Prompt, ...]:
    """Return the prompts that were ever about exactly this statement, the newest first."""
    sql = "select distinct prompt from prompt_statement where digest=? order by prompt desc"
    rows = tx.execute(sql, (digest,)).fetchall()
    return tuple(found for row in rows if (found := prompt(tx, row[0])) is not None)


def approvers(tx: Tx, seq: int) -> tuple[str, ...]:
    """Return who has approved a prompt with a factor that was not taken from them since."""
    sql = (
        "select a.principal from prompt_approval a join factor f on f.id=a.factor and f.removed_seq is null "
        "where a.prompt=? order by a.seq"
    )
    return tuple(row[0] for row in tx.execute(sql, (seq,)).fetchall())


def unanswered(tx: Tx, who: str, *, since: int, now: int) -> tuple[int, int]:
    """Return how many prompts of one person are open, and how many since then ended without an approval."""
    sql = "select state, expires_at, opened_at from prompt where for_=? and opened_at>? order by seq"
    rows = tx.execute(sql, (who, since)).fetchall()
    waiting = sum(state == OPEN and expires_at > now for state, expires_at, _ in rows)
    vain = sum(state == DENIED or (state == OPEN and expires_at <= now) for state, expires_at, _ in rows)
    return waiting, vain


def _prompt(tx: Tx, row: tuple[Any, ...]) -> Prompt:
    seq, for_, shown, digest, acts, needs, single, opened_at, expires_at, state = row
    sql = "select digest, type from prompt_statement where prompt=? order by position"
    statements = tuple((one, type_) for one, type_ in tx.execute(sql, (seq,)).fetchall())
    sql = "select principal from prompt_approval where prompt=? order by seq"
    by = tuple(found[0] for found in tx.execute(sql, (seq,)).fetchall())
    head = (seq, for_, shown, digest, tuple(json.loads(acts)), needs, bool(single))
    return Prompt(*head, opened_at, expires_at, state, statements, by)


def _opened(tx: Tx, entry: Entry, data: Data) -> None:
    row = (entry.seq, data["for"], data["shown"], data["digest"], json.dumps(data["acts"]), data["needs"])
    rest = (int(data["single_person"]), entry.ts, data["expires_at"])
    tx.execute("insert into prompt values(?,?,?,?,?,?,?,?,?,'open',null)", (*row, *rest))
    for position, (digest, type_) in enumerate(data["statements"]):
        tx.execute("insert into prompt_statement values(?,?,?,?)", (entry.seq, position, digest, type_))


def _approved(tx: Tx, entry: Entry, data: Data) -> None:
    row = (data["prompt"], data["by"], data["factor"], entry.seq)
    tx.execute("insert into prompt_approval values(?,?,?,?)", row)
    if data["complete"]:
        _close(tx, entry, data, APPROVED)


def _denied(tx: Tx, entry: Entry, data: Data) -> None:
    _close(tx, entry, data, DENIED)


def _close(tx: Tx, entry: Entry, data: Data, state: str) -> None:
    sql = "update prompt set state=?, closed_seq=? where seq=? and state='open'"
    tx.execute(sql, (state, entry.seq, data["prompt"]))


FOLDS: Mapping[Kind, Callable[[Tx, Entry, Data], None]] = {
    Kind.PROMPT_OPENED: _opened,
    Kind.PROMPT_APPROVED: _approved,
    Kind.PROMPT_DENIED: _denied,
}
