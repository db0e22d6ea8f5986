"""Decisions that await a word in another channel, and wrong codes that were tried. Folded from entries.

The codes are not here: they are private values of their entries, sealed (`coordinate.confirming`). `inbound` is no
projection: it is of messages that were heard, and `rebuild` leaves it alone.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from audit.entry import Entry
from governance.record import Kind
from governance.state import repositories
from governance.state.tx import Tx
from governance.two_channels import CONFIRMED, FRAUD_MS, HELD, WAITING, Awaited

Data = Mapping[str, Any]

TABLES: tuple[str, ...] = ("awaited", "wrong_code")
WORKING: tuple[str, ...] = ("inbound",)

SCHEMA = """
create table if not exists awaited(
  seq integer primary key, repository text not null, decision integer not null unique, recipient text not null,
  approved_in text not null, sent text not null, sent_at integer not null, expires_at integer not null,
  state text not null, disowned integer not null, closed_seq integer) strict;
create index if not exists awaited_waiting on awaited(expires_at) where state = 'waiting';
create index if not exists awaited_recipient on awaited(recipient, sent_at);
create table if not exists wrong_code(seq integer primary key, principal text not null, channel text not null,
  ts integer not null) strict;
create index if not exists wrong_code_recent on wrong_code(principal, channel, ts);
create table if not exists inbound(id text primary key, at integer not null) strict, without rowid;
"""

SUBJECT = "decision.confirm"
"""What is refused where an answer is not heard; with the channel behind it: `decision.confirm.sms`."""
WRONG = "two_channels.code"

_COLUMNS = "seq, repository, decision, recipient, approved_in, sent, sent_at, expires_at, state, disowned"


def of(tx: Tx, decision: int) -> Awaited | None:
    """Return how the confirmation of a decision stands; None where it never awaited one."""
    row = tx.execute(f"select {_COLUMNS} from awaited where decision=?", (decision,)).fetchone()  # noqa: S608 - our own text
    return _awaited(row) if row else None


def by_entry(tx: Tx, seq: int) -> Awaited | None:
    """Return what an entry awaits; None where it awaits nothing."""
    row = tx.execute(f"select {_COLUMNS} from awaited where seq=?", (seq,)).fetchone()  # noqa: S608 - our own text
    return _awaited(row) if row else None


def plain(awaited: Awaited) -> dict[str, Any]:
    """Return how it stands, for people; the code is not known here."""
    ways = {"approved_in": sorted(awaited.approved_in), "sent": sorted(awaited.sent)}
    names = ("to", "expires_at", "state", "disowned")
    return {"entry": awaited.seq, **ways, **{name: getattr(awaited, name) for name in names}}


def to(tx: Tx, who: str, *, now: int) -> list[Awaited]:
    """Return what was sent to somebody and may still be spoken of, oldest first."""
    sql = f"select {_COLUMNS} from awaited where recipient=? and sent_at > ? order by seq"  # noqa: S608 - our own text
    return [_awaited(row) for row in tx.execute(sql, (who, now - FRAUD_MS)).fetchall()]


def late(tx: Tx, now: int) -> list[Awaited]:
    """Return those whose time is over and of whom it was not said yet."""
    sql = f"select {_COLUMNS} from awaited where state='waiting' and expires_at <= ? order by seq limit 100"  # noqa: S608 - our own text
    return [_awaited(row) for row in tx.execute(sql, (now,)).fetchall()]


def wrong(tx: Tx, who: str, channel: str, *, since: int) -> list[int]:
    """Return when this person's wrong codes came by a channel, the latest first; no more than tell anything."""
    sql = "select ts from wrong_code where principal=? and channel=? and ts > ? order by seq desc limit 20"
    return [row[0] for row in tx.execute(sql, (who, channel, since)).fetchall()]


def _awaited(row: tuple[Any, ...]) -> Awaited:
    seq, repository, decision, recipient, approved_in, sent, *rest = row
    ways = frozenset(json.loads(approved_in)), frozenset(json.loads(sent))
    return Awaited(seq, repository, decision, recipient, *ways, *rest)


def _sent(tx: Tx, entry: Entry, data: Data) -> None:
    ways = (json.dumps(data["approved_in"]), json.dumps(data["sent"]))
    row = (entry.seq, entry.repo, data["decision"], data["to"], *ways, entry.ts, data["expires_at"], WAITING)
    tx.execute("insert into awaited values(?,?,?,?,?,?,?,?,?,0,null)", row)


def _confirmed(tx: Tx, entry: Entry, data: Data) -> None:
    _ends(tx, entry, data["decision"], CONFIRMED)
    repositories.statement(tx, entry, data)


def _held(tx: Tx, entry: Entry, data: Data) -> None:
    _ends(tx, entry, data["decision"], HELD)


def _disowned(tx: Tx, entry: Entry, data: Data) -> None:
    """Remember the fraud, and let the rejections stand again that the decision had set aside."""
    tx.execute("update awaited set disowned=? where seq=?", (entry.seq, data["awaited"]))
    sql = "delete from settled where seq in (select closed_seq from decision where seq=?)"
    tx.execute(sql, (data["decision"],))
    repositories.statement(tx, entry, data)


def _closed(tx: Tx, entry: Entry, data: Data) -> None:
    if data["outcome"] != "decided":
        sql = "update awaited set state=?, closed_seq=? where decision=?"
        tx.execute(sql, (data["outcome"], entry.seq, data["decision"]))


def _ends(tx: Tx, entry: Entry, decision: int, state: str) -> None:
    sql = "update awaited set state=?, closed_seq=? where decision=? and state='waiting'"
    tx.execute(sql, (state, entry.seq, decision))


def _refused(tx: Tx, entry: Entry, data: Data) -> None:
    if data["code"] == WRONG and entry.subject.startswith(SUBJECT):
        channel = entry.subject.removeprefix(SUBJECT).removeprefix(".") or "terminal"
        tx.execute("insert into wrong_code values(?,?,?,?)", (entry.seq, entry.actor.id, channel, entry.ts))


FOLDS: Mapping[Kind, Callable[[Tx, Entry, Data], None]] = {
    Kind.DECISION_AWAITED: _sent,
    Kind.DECISION_CONFIRMED: _confirmed,
    Kind.DECISION_HELD: _held,
    Kind.DECISION_DISOWNED: _disowned,
    Kind.DECISION_CLOSED: _closed,
    Kind.REQUEST_REFUSED: _refused,
}
