"""Attempts, counted by role, operator and action; and limits that an owner raised.

Folded from entries, so that no restart forgets one; read under the ledger lock for a decision. Attempts have numbers:
the n-th newest is one look-up. Who was refused before it was known who asks counts for nobody.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from audit.entry import Entry
from governance import limits
from governance.facts import UpdateFacts
from governance.limits import OPENS, PUSH, Usage, Window
from governance.parameters import RateLimit
from governance.policy import LANDER, Policy
from governance.record import Kind
from governance.standing import Principal, Roster
from governance.state import repositories
from governance.state.tx import Tx

Data = Mapping[str, Any]

TABLES: tuple[str, ...] = ("attempt", "limit_raise")

SCHEMA = """
create table if not exists attempt(
  role text not null, operator text not null, action text not null, number integer not null, ts integer not null,
  primary key(role, operator, action, number)) strict, without rowid;
create table if not exists limit_raise(
  seq integer primary key, role text not null, action text not null, hour integer not null, day integer not null,
  until integer not null) strict;
create index if not exists limit_raise_standing on limit_raise(role, action, until);
"""

_OF = "from attempt where role=? and operator=? and action=?"


def _tried(tx: Tx, entry: Entry, action: str, times: int = 1) -> None:
    """Count attempts of whoever the entry names: by what they are, so that ten agents of one kind count as one."""
    row = tx.execute("select role, operator from principal where name=?", (entry.actor.id,)).fetchone()
    if row is None or entry.actor.id == LANDER:
        return  # What the lander tries was counted when it was asked for.
    key = (row[0], row[1], action)
    last = _last(tx, key)
    for number in range(last + 1, last + times + 1):
        tx.execute("insert into attempt values(?,?,?,?,?)", (*key, number, entry.ts))


def _last(tx: Tx, key: tuple[str, str, str]) -> int:
    row = tx.execute(f"select number {_OF} order by number desc limit 1", key).fetchone()
    return int(row[0]) if row else 0


def _pushed(tx: Tx, entry: Entry, data: Data) -> None:
    _tried(tx, entry, PUSH)
    _tried(tx, entry, OPENS, len(data.get("opens", ())))


def _refused(tx: Tx, entry: Entry, data: Data) -> None:
    # Who is only asked for a second factor tries the same statement again: that is one attempt, and not two.
    if entry.subject in limits.COUNTED and data["code"] != "factor.needed":
        _tried(tx, entry, limits.COUNTED[entry.subject])


def _counts(type_: str) -> Callable[[Tx, Entry, Data], None]:
    def counted(tx: Tx, entry: Entry, data: Data) -> None:
        del data
        _tried(tx, entry, limits.COUNTED[type_])

    return counted


def _asked(tx: Tx, entry: Entry, data: Data) -> None:
    """Count a decision that was asked for; an entry that does not say so was of a critical one."""
    _tried(tx, entry, limits.COUNTED["decision.raise" if data.get("critical", True) else "decision.ask"])


def _raised(tx: Tx, entry: Entry, data: Data) -> None:
    row = (entry.seq, data["role"], data["action"], data["hour"], data["day"], data["until"])
    tx.execute("insert into limit_raise values(?,?,?,?,?,?)", row)
    repositories.statement(tx, entry, data)


FOLDS: Mapping[Kind, Callable[[Tx, Entry, Data], None]] = {
    Kind.PUSH_DECIDED: _pushed,
    Kind.REQUEST_REFUSED: _refused,
    Kind.LANDING_ASKED: _counts("land"),
    Kind.SIGN_OFF_GIVEN: _counts("sign_off"),
    Kind.LOCK_REQUESTED: _counts("lock.request"),
    Kind.LOCK_ASKED: _counts("lock.ask"),
    Kind.DECISION_RAISED: _asked,
    Kind.MESSAGE_SENT: _counts("message.send"),
    Kind.LIMIT_RAISED: _raised,
}


def standing(tx: Tx, update: UpdateFacts, policy: Policy, roster: Roster) -> Usage | None:
    """Return how far the pusher is within its limits; None for the lander, and for nobody enrolled."""
    who, now = roster.get(update.push.pusher), update.push.received_at
    if who is None or who.name == LANDER:
        return None
    windows = [window(tx, policy, who, PUSH, now=now)]
    if not update.deletes and update.commits and _opens(policy, update.ref):
        asked = sum(_opens(policy, ref) for ref in update.push.refs)
        windows.append(window(tx, policy, who, OPENS, now=now, asked=asked, kept=0))
    return Usage(who.role, who.operator, tuple(windows))


def _opens(policy: Policy, ref: str) -> bool:
    return policy.is_topic(ref) or bool(policy.proposed_for(ref))


def window(tx: Tx, policy: Policy, who: Principal, action: str, *, now: int, asked: int = 1, kept: int = 1) -> Window:
    """Return the limit in force for one action of a principal's role, and when it is free."""
    limit, key = in_force(tx, policy, who.role, action, now=now), (who.role, who.operator, action)
    last = _last(tx, key)

    def newest(place: int) -> int | None:
        row = tx.execute(f"select ts {_OF} and number=?", (*key, last - place + 1)).fetchone()
        return row[0] if row else None

    return Window(action, limit, limits.free_at(newest, limit, now=now, asked=asked, kept=kept), asked)


def in_force(tx: Tx, policy: Policy, role: str, action: str, *, now: int) -> RateLimit:
    """Return the policy's limit of an action, or what an owner raised it to for this role until later than now."""
    limit: RateLimit = getattr(policy.controls.rate_limits, action)
    sql = "select max(hour), max(day) from limit_raise where role=? and action=? and until>?"
    hour, day = tx.execute(sql, (role, action, now)).fetchone()
    return limit if hour is None else limits.raised(limit, hour, day)


def used(tx: Tx, who: Principal, action: str, *, now: int, most: int) -> tuple[int, int]:
    """Return how many attempts lie in the last hour and the last day, of the `most` newest: for people to see."""
    key = (who.role, who.operator, action)
    sql = f"select ts {_OF} and number>?"
    times = [row[0] for row in tx.execute(sql, (*key, _last(tx, key) - most)).fetchall()]
    return sum(ts > now - limits.HOUR_MS for ts in times), sum(ts > now - limits.DAY_MS for ts in times)
