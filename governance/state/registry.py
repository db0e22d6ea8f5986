"""Messages that were sent, by digest, and the answers that are missing.

Folded from entries; read under the ledger lock for a decision.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from audit.entry import Entry
from governance.record import Kind
from governance.state import repositories
from governance.state.tx import Tx

Data = Mapping[str, Any]

TABLES: tuple[str, ...] = ("message", "message_of")

SCHEMA = """
create table if not exists message(
  seq integer primary key, repository text not null, digest text not null, size integer not null, sender text not null,
  role text not null, recipients text not null, type text not null, number integer not null, expects text not null,
  reply_to integer not null, sent_at integer not null, due_at integer not null, replied_seq integer,
  overdue_seq integer, key text not null, unique(repository, digest)) strict;
create table if not exists message_of(
  repository text not null, name text not null, seq integer not null, primary key(repository, name, seq))
  strict, without rowid;
create index if not exists message_due on message(due_at)
  where due_at > 0 and replied_seq is null and overdue_seq is null;
"""

SHOWN = 500
"""Messages that are listed at once, the newest from or to whoever asks."""

_COLUMNS = (
    "seq, digest, size, sender, role, recipients, type, number, expects, reply_to, sent_at, due_at, replied_seq, "
    "overdue_seq"
)
_NAMES = (
    "message", "digest", "size", "from", "role", "to", "type", "change", "expects", "reply_to", "sent_at", "due_at",
    "replied", "overdue",
)  # fmt: skip


def message(tx: Tx, repository: str, seq: int) -> dict[str, Any] | None:
    """Return a message by the entry that registered it; None where this repository has none."""
    row = tx.execute(f"select {_COLUMNS} from message where repository=? and seq=?", (repository, seq)).fetchone()  # noqa: S608 - our own text
    return _plain(row) if row else None


def by_digest(tx: Tx, repository: str, digest: str) -> dict[str, Any] | None:
    """Return the message of this repository with exactly these bytes."""
    row = tx.execute(f"select {_COLUMNS} from message where repository=? and digest=?", (repository, digest)).fetchone()  # noqa: S608 - our own text
    return _plain(row) if row else None


def listed(tx: Tx, repository: str, names: Iterable[str]) -> list[dict[str, Any]]:
    """Return the newest messages from or to any of these names: what others write to each other hides none of them."""
    found: set[int] = set()
    for name in names:
        sql = "select seq from message_of where repository=? and name=? order by seq desc limit ?"
        found.update(row[0] for row in tx.execute(sql, (repository, name, SHOWN)).fetchall())
    newest = sorted(found, reverse=True)[:SHOWN]
    return [each for seq in newest if (each := message(tx, repository, seq)) is not None]


def disowned(tx: Tx, seq: int) -> bool:
    """Whether the key that a message was sent with was revoked since, or its sender is retired."""
    sql = (
        "select 1 from message m left join signing_key k on k.fingerprint=m.key left join principal p on "
        "p.name=m.sender where m.seq=? and (k.revoked_seq is not null or p.retired_seq is not null)"
    )
    return tx.execute(sql, (seq,)).fetchone() is not None


def due(tx: Tx, now: int, *, limit: int = 20) -> list[tuple[str, dict[str, Any]]]:
    """Return (repository, message) of those whose answer is missing, and nobody has said so yet."""
    sql = (
        f"select repository, {_COLUMNS} from message where due_at > 0 and due_at <= ? and replied_seq is null "  # noqa: S608 - our own text
        "and overdue_seq is null order by due_at limit ?"
    )
    return [(row[0], _plain(row[1:])) for row in tx.execute(sql, (now, limit)).fetchall()]


def _plain(row: tuple[Any, ...]) -> dict[str, Any]:
    found = dict(zip(_NAMES, row, strict=True))
    return found | {"to": json.loads(found["to"])}


def _sent(tx: Tx, entry: Entry, data: Data) -> None:
    said = (entry.repo, data["digest"], data["size"], entry.actor.id, data["role"], json.dumps(data["to"]))
    row = (*said, data["type"], data["change"], data["expects"], data["reply_to"], entry.ts, data["due_at"])
    tx.execute("insert into message values(?,?,?,?,?,?,?,?,?,?,?,?,?,null,null,?)", (entry.seq, *row, entry.actor.key))
    for name in sorted({entry.actor.id, *data["to"]}):
        tx.execute("insert into message_of values(?,?,?)", (entry.repo, name, entry.seq))
    if data["answers"]:
        sql = "update message set replied_seq=? where repository=? and seq=? and replied_seq is null"
        tx.execute(sql, (entry.seq, entry.repo, data["reply_to"]))
    repositories.statement(tx, entry, data)


def _checked(tx: Tx, entry: Entry, data: Data) -> None:
    repositories.statement(tx, entry, data)


def _overdue(tx: Tx, entry: Entry, data: Data) -> None:
    tx.execute("update message set overdue_seq=? where seq=?", (entry.seq, data["message"]))


FOLDS: Mapping[Kind, Callable[[Tx, Entry, Data], None]] = {
    Kind.MESSAGE_SENT: _sent,
    Kind.MESSAGE_CHECKED: _checked,
    Kind.MESSAGE_OVERDUE: _overdue,
}
