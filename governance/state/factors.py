"""Second factors of persons, their recovery codes, and the wrong codes that were tried.

Folded from entries; read under the ledger lock, so that one code is good once in the whole service. The secrets are no
part of it: they are private values of the entries that enrolled the factors, sealed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from audit.entry import Entry
from governance.record import Kind
from governance.state import repositories
from governance.state.tx import Tx

Data = Mapping[str, Any]

TABLES: tuple[str, ...] = ("factor", "factor_reset", "recovery_code", "factor_failure", "factor_challenge")

SCHEMA = """
create table if not exists factor(
  id text primary key, principal text not null, kind text not null, label text not null, counts_from integer not null,
  last_step integer not null, count integer not null, public text not null, enrolled_seq integer not null,
  removed_seq integer) strict, without rowid;
create index if not exists factor_of on factor(principal) where removed_seq is null;
create table if not exists factor_reset(
  seq integer primary key, principal text not null, ts integer not null) strict;
create index if not exists factor_reset_recent on factor_reset(ts);
create table if not exists recovery_code(
  digest text primary key, principal text not null, issued_seq integer not null, used_seq integer)
  strict, without rowid;
create index if not exists recovery_code_of on recovery_code(principal) where used_seq is null;
create table if not exists factor_failure(
  principal text not null, number integer not null, ts integer not null, primary key(principal, number))
  strict, without rowid;
create table if not exists factor_challenge(challenge text primary key, seq integer not null) strict, without rowid;
"""

TOTP, PASSKEY = "totp", "passkey"
FAILED = frozenset({"factor.wrong", "factor.recovery"})
"""Refusals that count towards the lock-out: a guess that was looked at, and wrong."""


@dataclass(frozen=True, slots=True)
class Factor:
    """One factor that was not removed. It counts from `counts_from` on; `last_step` is the last code's."""

    id: str
    principal: str
    kind: str
    label: str
    counts_from: int
    last_step: int
    count: int
    public: Mapping[str, Any]
    enrolled_seq: int


_COLUMNS = "id, principal, kind, label, counts_from, last_step, count, public, enrolled_seq"


def held(tx: Tx, principal: str) -> tuple[Factor, ...]:
    """Return the factors of a person that were not removed, whether they count yet or not, the oldest first."""
    sql = f"select {_COLUMNS} from factor where principal=? and removed_seq is null order by enrolled_seq, id"  # noqa: S608 - our own text
    return tuple(_factor(row) for row in tx.execute(sql, (principal,)).fetchall())


def _factor(row: tuple[Any, ...]) -> Factor:
    identifier, principal, kind, label, counts_from, last_step, count, public, seq = row
    return Factor(identifier, principal, kind, label, counts_from, last_step, count, json.loads(public), seq)


def holders(tx: Tx, at: int) -> tuple[str, ...]:
    """Return the persons who hold a factor in force, by name."""
    sql = (
        "select distinct f.principal from factor f join principal p on p.name=f.principal and p.retired_seq is null "
        "where f.removed_seq is null and f.counts_from<=? and p.kind='human' order by f.principal"
    )
    return tuple(row[0] for row in tx.execute(sql, (at,)).fetchall())


def counted(tx: Tx, at: int, *, since: int) -> tuple[str, ...]:
    """Return the persons of whom a quorum is counted: who hold a factor in force, or were reset by another since then.

    Who takes a colleague's factor away is no quorum alone.
    """
    sql = (
        "select distinct r.principal from factor_reset r join principal p on p.name=r.principal "
        "and p.retired_seq is null where r.ts>?"
    )
    return tuple(sorted({*holders(tx, at), *(row[0] for row in tx.execute(sql, (since,)).fetchall())}))


def ever(tx: Tx, principal: str) -> bool:
    """Whether this person ever held a factor."""
    return tx.execute("select 1 from factor where principal=? limit 1", (principal,)).fetchone() is not None


def known(tx: Tx, identifier: str) -> bool:
    """Whether this very factor was enrolled before, by anybody."""
    return tx.execute("select 1 from factor where id=?", (identifier,)).fetchone() is not None


def first_key_at(tx: Tx, principal: str) -> int | None:
    """Return when this principal's first key was enrolled."""
    row = tx.execute("select min(enrolled_at) from signing_key where principal=?", (principal,)).fetchone()
    return None if row[0] is None else int(row[0])


def sealed(tx: Tx, factor: Factor) -> str:
    """Return the sealed secret of a factor; empty where it was erased, or it has none."""
    sql = "select value from ledger_private where seq=? and field='secret'"
    row = tx.execute(sql, (factor.enrolled_seq,)).fetchone()
    return str(row[0]) if row else ""


def recovery_codes(tx: Tx, principal: str) -> int:
    """Return how many recovery codes of a person are unused."""
    sql = "select count(*) from recovery_code where principal=? and used_seq is null"
    return int(tx.execute(sql, (principal,)).fetchone()[0])


def recovers(tx: Tx, principal: str, digest: str) -> bool:
    """Whether this is the digest of an unused recovery code of theirs."""
    sql = "select 1 from recovery_code where digest=? and principal=? and used_seq is null"
    return tx.execute(sql, (digest, principal)).fetchone() is not None


def challenged(tx: Tx, challenge: str) -> bool:
    """Whether a passkey vouched for another factor by this challenge before: one that counts nothing could again."""
    return tx.execute("select 1 from factor_challenge where challenge=?", (challenge,)).fetchone() is not None


def nth_failure(tx: Tx, principal: str, place: int) -> int | None:
    """Return when a person's n-th newest wrong code was tried, from 1; None where there are fewer."""
    sql = "select ts from factor_failure where principal=? and number=?"
    row = tx.execute(sql, (principal, _failures(tx, principal) - place + 1)).fetchone()
    return int(row[0]) if row else None


def _failures(tx: Tx, principal: str) -> int:
    sql = "select number from factor_failure where principal=? order by number desc limit 1"
    row = tx.execute(sql, (principal,)).fetchone()
    return int(row[0]) if row else 0


def use(tx: Tx, factor: str, step: int, count: int) -> None:
    """Note a use: a step at or below it is never good again. For whatever entry says that a factor was used."""
    sql = "update factor set last_step=case when last_step<? then ? else last_step end, count=? where id=?"
    tx.execute(sql, (step, step, count, factor))


def used(tx: Tx, entry: Entry, data: Data) -> None:
    """Fold the use that an entry names by `factor`, `step` and `count`."""
    del entry
    if data["factor"]:
        use(tx, data["factor"], data["step"], data["count"])


def _enrolled(tx: Tx, entry: Entry, data: Data) -> None:
    row = (data["factor"], data["principal"], data["kind"], data["label"], data["counts_from"], data["step"])
    public = json.dumps(data["public"], sort_keys=True, separators=(",", ":"))
    tx.execute("insert into factor values(?,?,?,?,?,?,?,?,?,null)", (*row, data["count"], public, entry.seq))
    for digest in data["recovery"]:
        tx.execute("insert into recovery_code values(?,?,?,null)", (digest, data["principal"], entry.seq))
    if data["redeemed"]:
        tx.execute("update recovery_code set used_seq=? where digest=?", (entry.seq, data["redeemed"]))
    _other(tx, entry, data)
    repositories.statement(tx, entry, data)


def _removed(tx: Tx, entry: Entry, data: Data) -> None:
    tx.execute("update factor set removed_seq=? where id=? and removed_seq is null", (entry.seq, data["factor"]))
    # What came with a factor that never counted goes with it: whoever enrolled it may not be who takes it back.
    sql = (
        "update recovery_code set used_seq=? where used_seq is null "
        "and issued_seq in (select enrolled_seq from factor where id=? and counts_from>?)"
    )
    tx.execute(sql, (entry.seq, data["factor"], entry.ts))
    _other(tx, entry, data)
    repositories.statement(tx, entry, data)


def _other(tx: Tx, entry: Entry, data: Data) -> None:
    """Note the use of the factor that vouched for this, where no prompt did, and what a passkey signed for it."""
    if data["used"]:
        use(tx, data["used"]["factor"], data["used"]["step"], data["used"]["count"])
    if challenge := data["used"].get("challenge"):
        tx.execute("insert into factor_challenge values(?,?)", (challenge, entry.seq))


def _reset(tx: Tx, entry: Entry, data: Data) -> None:
    who = data["principal"]
    tx.execute("update factor set removed_seq=? where principal=? and removed_seq is null", (entry.seq, who))
    tx.execute("update recovery_code set used_seq=? where principal=? and used_seq is null", (entry.seq, who))
    tx.execute("insert into factor_reset values(?,?,?)", (entry.seq, who, entry.ts))
    repositories.statement(tx, entry, data)


def _refused(tx: Tx, entry: Entry, data: Data) -> None:
    if data["code"] in FAILED:
        name = entry.actor.id
        tx.execute("insert into factor_failure values(?,?,?)", (name, _failures(tx, name) + 1, entry.ts))


FOLDS: Mapping[Kind, Callable[[Tx, Entry, Data], None]] = {
    Kind.FACTOR_ENROLLED: _enrolled,
    Kind.FACTOR_REMOVED: _removed,
    Kind.FACTOR_RESET: _reset,
    Kind.PROMPT_APPROVED: used,
    Kind.REQUEST_REFUSED: _refused,
}
