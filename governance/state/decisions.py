"""Decisions that several sign, and the rejections that they set aside.

Folded from entries; read under the ledger lock for a decision.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from audit.entry import Entry
from governance.record import Kind
from governance.state import confirmations, repositories
from governance.state.tx import Tx

Data = Mapping[str, Any]

TABLES: tuple[str, ...] = ("decision", "decision_answer", "settled")

SCHEMA = """
create table if not exists decision(
  seq integer primary key, repository text not null, kind text not null, question text not null,
  options text not null, by text not null, role text not null, expires_at integer not null, number integer not null,
  diff_digest text not null, about text not null, outcome text not null, closed_seq integer) strict;
create index if not exists decision_listed on decision(repository, seq);
create index if not exists decision_about on decision(repository, diff_digest) where number > 0;
create table if not exists decision_answer(
  decision integer not null, principal text not null, role text not null, verdict text not null,
  reason text not null, key text not null, seq integer not null, primary key(decision, principal))
  strict, without rowid;
create table if not exists settled(
  repository text not null, number integer not null, diff_digest text not null, principal text not null,
  seq integer not null, primary key(repository, number, diff_digest, principal)) strict, without rowid;
"""

SHOWN = 200
"""Decisions that are listed at once, the newest."""

_COLUMNS = "seq, kind, question, options, by, role, expires_at, number, diff_digest, about, outcome, closed_seq"
_NAMES = (
    "decision", "kind", "question", "options", "by", "role", "expires_at", "change", "diff_digest", "about", "outcome",
    "closed",
)  # fmt: skip


def decision(tx: Tx, repository: str, seq: int) -> dict[str, Any] | None:
    """Return one decision with its answers; None where there is none here of that entry."""
    row = tx.execute(f"select {_COLUMNS} from decision where repository=? and seq=?", (repository, seq)).fetchone()  # noqa: S608 - our own text
    return _plain(tx, row) if row else None


def listed(tx: Tx, repository: str) -> list[dict[str, Any]]:
    """Return the newest decisions of a repository, with their answers."""
    sql = f"select {_COLUMNS} from decision where repository=? order by seq desc limit ?"  # noqa: S608 - our own text
    return [_plain(tx, row) for row in tx.execute(sql, (repository, SHOWN)).fetchall()]


def about(tx: Tx, repository: str, diff_digest: str) -> list[dict[str, Any]]:
    """Return every decision about one difference that is under review, oldest first."""
    sql = f"select {_COLUMNS} from decision where repository=? and diff_digest=? and number > 0 order by seq"  # noqa: S608 - our own text
    return [_plain(tx, row) for row in tx.execute(sql, (repository, diff_digest)).fetchall()]


def _plain(tx: Tx, row: tuple[Any, ...]) -> dict[str, Any]:
    found = dict(zip(_NAMES, row, strict=True))
    found |= {"options": json.loads(found["options"]), "about": json.loads(found["about"])}
    # An answer by somebody who is gone, or with a key that was revoked since, is none any more.
    sql = (
        "select a.principal, a.role, a.verdict, a.reason, a.seq from decision_answer a "
        "join signing_key k on k.fingerprint=a.key and k.revoked_seq is null "
        "join principal p on p.name=a.principal and p.retired_seq is null where a.decision=? order by a.seq"
    )
    names = ("by", "role", "verdict", "reason", "entry")
    answers = tx.execute(sql, (found["decision"],)).fetchall()
    awaited = confirmations.of(tx, found["decision"])
    waits = None if awaited is None else confirmations.plain(awaited)
    return found | {"answers": [dict(zip(names, answer, strict=True)) for answer in answers], "awaited": waits}


def _raised(tx: Tx, entry: Entry, data: Data) -> None:
    asked = (entry.seq, entry.repo, data["kind"], data["question"], json.dumps(data["options"]), entry.actor.id)
    about = data["about"]
    bound = (data["role"], data["expires_at"], data["change"], about.get("diff_digest", ""))
    text = json.dumps(about, sort_keys=True, separators=(",", ":"))
    tx.execute("insert into decision values(?,?,?,?,?,?,?,?,?,?,?,'',null)", (*asked, *bound, text))
    repositories.statement(tx, entry, data)


def _signed(tx: Tx, entry: Entry, data: Data) -> None:
    row = (data["decision"], entry.actor.id, data["role"], data["verdict"], data["reason"], entry.actor.key, entry.seq)
    # A second answer is taken only where the first was signed with a key that was revoked since.
    sql = (
        "insert into decision_answer values(?,?,?,?,?,?,?) on conflict(decision, principal) do update set "
        "role=excluded.role, verdict=excluded.verdict, reason=excluded.reason, key=excluded.key, seq=excluded.seq"
    )
    tx.execute(sql, row)
    repositories.statement(tx, entry, data)


def _closed(tx: Tx, entry: Entry, data: Data) -> None:
    sql = "update decision set outcome=?, closed_seq=? where seq=?"
    tx.execute(sql, (data["outcome"], entry.seq, data["decision"]))
    for number, diff_digest, principal in data["settles"]:
        sql = (
            "insert into settled values(?,?,?,?,?) on conflict(repository, number, diff_digest, principal) "
            "do update set seq=excluded.seq"
        )
        tx.execute(sql, (entry.repo, number, diff_digest, principal, entry.seq))
    repositories.statement(tx, entry, data)


FOLDS: Mapping[Kind, Callable[[Tx, Entry, Data], None]] = {
    Kind.DECISION_RAISED: _raised,
    Kind.DECISION_SIGNED: _signed,
    Kind.DECISION_CLOSED: _closed,
}
