"""What is to be told, to whom, by which channel, and what became of it.

Folded from entries, in the transaction that writes them: what happened and that it is to be told are there together or
not at all. Nothing here sends; `tell.delivering` does, and its answers are entries again.

One cause is told once an hour. The cause is the severity, the code, the repository, the subject and the actor, and, of
what was done and not only tried, all that the entry says; what comes again within an hour of what was told only counts
up.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from audit.entry import Entry
from governance import policy_alerts
from governance.channels import CHANNELS, MAIL, PERSONAL
from governance.parameters import Alerts
from governance.record import Kind
from governance.severity import CRITICAL, HIGH, REPORT, Weight, repeats, weight
from governance.state import repositories
from governance.state.tx import Tx

Data = Mapping[str, Any]

TABLES: tuple[str, ...] = ("alert_rule", "alert_route", "notice", "delivery", "contact")
WORKING: tuple[str, ...] = ("delivery_attempt", "channel_hold", "delivered_lately")
"""Who is at it just now: no entry says so, and `rebuild` leaves them alone."""

SCHEMA = """
create table if not exists alert_rule(name text primary key, severity text not null) strict, without rowid;
create table if not exists alert_route(
  severity text not null, channel text not null, primary key(severity, channel)) strict, without rowid;
create table if not exists notice(
  seq integer primary key, severity text not null, kind text not null, code text not null, cause text not null,
  repository text not null, ts integer not null, count integer not null, last_seq integer not null) strict;
create index if not exists notice_cause on notice(cause, seq);
create table if not exists delivery(
  notice integer not null, channel text not null, to_ text not null, severity text not null, ts integer not null,
  state text not null, closed_seq integer, closed_at integer, primary key(notice, channel, to_))
  strict, without rowid;
create index if not exists delivery_open on delivery(channel, to_, severity, notice) where state = 'open';
create table if not exists contact(
  principal text not null, channel text not null, seq integer not null, primary key(principal, channel))
  strict, without rowid;
create table if not exists delivery_attempt(
  notice integer not null, channel text not null, to_ text not null, key text not null, severity text not null,
  attempts integer not null, first_at integer not null, next_at integer not null, claimed_until integer not null,
  said text not null, primary key(notice, channel, to_)) strict, without rowid;
create index if not exists delivery_attempt_due on delivery_attempt(channel, to_, next_at);
create table if not exists channel_hold(channel text primary key, until integer not null) strict, without rowid;
create table if not exists delivered_lately(
  channel text not null, to_ text not null, key text primary key, severity text not null, at integer not null)
  strict, without rowid;
"""

HOUR_MS = 60 * 60 * 1000

OPEN, DELIVERED, GIVEN_UP, REFUSED, VOID = "open", "delivered", "given_up", "refused", "void"
FAILED = frozenset({GIVEN_UP, REFUSED})


def told(tx: Tx, entry: Entry, data: Data) -> None:
    """Write down who is to be told of an entry, where anybody is."""
    found = weight(entry.kind, data)
    if not found.only and found.severity != REPORT:
        sql = "select severity from alert_rule where name in (?,?) order by name=? desc limit 1"
        row = tx.execute(sql, (found.code, entry.kind, found.code)).fetchone()
        found = Weight(row[0], found.code) if row else found
    to = list(found.only) or [
        (channel, who) for channel in _routes(tx, found.severity) for who in _recipients(tx, channel)
    ]
    if to:
        _notice(tx, entry, found, to, said="" if repeats(entry.kind, data) else json.dumps(data, sort_keys=True))


def _notice(tx: Tx, entry: Entry, found: Weight, to: Iterable[tuple[str, str]], *, said: str = "") -> None:
    parts = (found.severity, found.code, entry.repo, entry.subject, entry.actor.id, said)
    cause = hashlib.sha256(json.dumps(parts).encode()).hexdigest()
    if not found.only and found.severity != REPORT:
        sql = "select seq, ts from notice where cause=? order by seq desc limit 1"
        row = tx.execute(sql, (cause,)).fetchone()
        if row is not None and entry.ts - row[1] < HOUR_MS:
            tx.execute("update notice set count=count+1, last_seq=? where seq=?", (entry.seq, row[0]))
            return
    kept = (entry.seq, found.severity, entry.kind, found.code, cause, entry.repo, entry.ts)
    tx.execute("insert into notice values(?,?,?,?,?,?,?,1,?)", (*kept, entry.seq))
    for channel, who in to:
        row = (entry.seq, channel, who, found.severity, entry.ts)
        tx.execute("insert into delivery values(?,?,?,?,?,'open',null,null)", row)


def _routes(tx: Tx, severity: str) -> list[str]:
    if severity == REPORT:
        return [MAIL]
    rows = tx.execute("select channel from alert_route where severity=?", (severity,)).fetchall()
    named = {row[0] for row in rows}
    return [channel for channel in CHANNELS if channel in named]


def _recipients(tx: Tx, channel: str) -> list[str]:
    """Return the owners where a channel reaches one person each; else nobody by name."""
    if channel not in PERSONAL:
        return [""]
    sql = "select name from principal where role='owner' and kind='human' and retired_seq is null order by name"
    return [row[0] for row in tx.execute(sql).fetchall()]


def routed(tx: Tx, meaning: Mapping[str, Any]) -> None:
    """Take the routes of a policy that is in force from now on; one without has those that are usual."""
    said = {**policy_alerts.described(Alerts()), **meaning.get(policy_alerts.SECTION, {})}
    tx.execute("delete from alert_rule")
    tx.execute("delete from alert_route")
    for severity, channels in said["routes"].items():
        for channel in channels:
            tx.execute("insert into alert_route values(?,?)", (severity, channel))
    for name, severity in said.get("severities", {}).items():
        tx.execute("insert into alert_rule values(?,?)", (name, severity))


def _genesis(tx: Tx, entry: Entry, data: Data) -> None:
    del entry
    routed(tx, data["policy"]["meaning"])


def _closed(tx: Tx, entry: Entry, data: Data) -> None:
    """Close deliveries. What failed is told by the other channels; that this failed in turn is not."""
    key = (data["channel"], data["to"])
    sql = (
        "update delivery set state=?, closed_seq=?, closed_at=? where notice=? and channel=? and to_=? and state='open'"
    )
    for notice in data["notices"]:
        tx.execute(sql, (data["outcome"], entry.seq, entry.ts, notice, *key))
    if data["outcome"] not in FAILED:
        return
    rows = [tx.execute("select severity, kind from notice where seq=?", (n,)).fetchone() for n in data["notices"]]
    # One that the fold of today would not have made is told by nobody, and holds no rebuild up.
    lost = [severity for severity, kind in filter(None, rows) if kind != Kind.NOTICE_CLOSED.value]
    if lost:
        severity = CRITICAL if CRITICAL in lost else HIGH
        others = [channel for channel in _routes(tx, severity) if channel != data["channel"]]
        to = [(channel, who) for channel in others for who in _recipients(tx, channel)]
        _notice(tx, entry, Weight(severity, f"notice.{data['outcome']}"), to)


def _retired(tx: Tx, entry: Entry, data: Data) -> None:
    """Tell somebody who is gone nothing more."""
    sql = "update delivery set state='void', closed_seq=?, closed_at=? where to_=? and state='open'"
    tx.execute(sql, (entry.seq, entry.ts, data["principal"]))
    tx.execute("delete from contact where principal=?", (data["principal"],))
    told(tx, entry, data)


def _contact(tx: Tx, entry: Entry, data: Data) -> None:
    tx.execute("delete from contact where principal=? and channel=?", (entry.actor.id, data["channel"]))
    if data["set"]:
        tx.execute("insert into contact values(?,?,?)", (entry.actor.id, data["channel"], entry.seq))
    repositories.statement(tx, entry, data)
    told(tx, entry, data)


FOLDS: Mapping[Kind, Callable[[Tx, Entry, Data], None]] = {
    **dict.fromkeys(Kind, told),
    Kind.GENESIS: _genesis,
    Kind.NOTICE_CLOSED: _closed,
    Kind.PRINCIPAL_RETIRED: _retired,
    Kind.ACCOUNT_CONTACT: _contact,
}
