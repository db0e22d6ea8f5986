"""Write locks: who holds which scope, with which token, and who waits.

Folded from entries; read under the ledger lock for a decision. What is held here is held until an entry says that it
is over; `coordinate.locks.advance` writes that entry before anything is decided.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from audit.entry import Entry
from governance.facts import UpdateFacts
from governance.leases import WRITE, Asked, Deed, Lander, Leases, OutOfTurn, needed
from governance.policy import Policy
from governance.record import Kind
from governance.state import repositories
from governance.state.tx import Tx

Data = Mapping[str, Any]

TABLES: tuple[str, ...] = ("lease", "lease_use", "lock_try", "lease_ask", "lease_first")

SCHEMA = """
create table if not exists lease(
  seq integer primary key, repository text not null, scope text not null, principal text not null, key text not null,
  auth text not null, files text not null, lines integer not null, minutes integer not null,
  token integer not null, ends_at integer not null, closed_seq integer, why text not null) strict;
create index if not exists lease_open on lease(repository, scope) where closed_seq is null;
create index if not exists lease_granted on lease(repository, scope, token);
create table if not exists lease_use(seq integer primary key, token integer not null, units integer not null) strict;
create index if not exists lease_use_token on lease_use(token);
create table if not exists lock_try(
  principal text not null, number integer not null, ts integer not null, primary key(principal, number))
  strict, without rowid;
create table if not exists lease_ask(
  seq integer primary key, repository text not null, scope text not null, deed text not null, request integer not null,
  token integer not null, minutes integer not null, by text not null, reason text not null, cosigned_seq integer)
  strict;
create index if not exists lease_ask_open on lease_ask(request) where cosigned_seq is null;
create table if not exists lease_first(request integer primary key, seq integer not null) strict;
"""


def _requested(tx: Tx, entry: Entry, data: Data) -> None:
    row = (entry.seq, entry.repo, data["scope"], entry.actor.id, entry.actor.key, data["token"])
    intent = (json.dumps(data["files"]), data["lines"], data["minutes"])
    tx.execute("insert into lease values(?,?,?,?,?,?,?,?,?,0,0,null,'')", (*row, *intent))
    _tried(tx, entry)
    repositories.statement(tx, entry, data)


def _granted(tx: Tx, entry: Entry, data: Data) -> None:
    sql = "update lease set token=?, ends_at=? where seq=?"
    tx.execute(sql, (entry.seq, data["ends_at"], data["request"]))


def _released(tx: Tx, entry: Entry, data: Data) -> None:
    sql = "update lease set closed_seq=?, why=? where seq=?"
    tx.execute(sql, (entry.seq, data["why"], data["request"]))
    repositories.statement(tx, entry, data)


def _asked_for(tx: Tx, entry: Entry, data: Data) -> None:
    about = (data["scope"], data["deed"], data["request"], data["token"], data["minutes"])
    row = (entry.seq, entry.repo, *about, entry.actor.id, data["reason"])
    tx.execute("insert into lease_ask values(?,?,?,?,?,?,?,?,?,null)", row)
    repositories.statement(tx, entry, data)


def _cosigned(tx: Tx, entry: Entry, data: Data) -> None:
    tx.execute("update lease_ask set cosigned_seq=? where seq=?", (entry.seq, data["asked"]))
    if data["deed"] == Deed.EXTENSION:
        tx.execute("update lease set ends_at=? where seq=?", (data["ends_at"], data["request"]))
    else:
        sql = "insert into lease_first values(?,?) on conflict(request) do nothing"
        tx.execute(sql, (data["request"], entry.seq))
    repositories.statement(tx, entry, data)


def _decided(tx: Tx, entry: Entry, data: Data) -> None:
    if data["allowed"] and "lease" in data:
        row = (entry.seq, data["lease"]["token"], data["lease"]["units"])
        tx.execute("insert into lease_use values(?,?,?)", row)


def _push_released(tx: Tx, entry: Entry, data: Data) -> None:
    del entry
    if not data["landed"]:
        tx.execute("delete from lease_use where seq=?", (data["decision"],))


def _refused(tx: Tx, entry: Entry, data: Data) -> None:
    del data
    if entry.subject == "lock.request":
        _tried(tx, entry)


def _tried(tx: Tx, entry: Entry) -> None:
    number = _last_try(tx, entry.actor.id) + 1
    tx.execute("insert into lock_try values(?,?,?)", (entry.actor.id, number, entry.ts))


def _last_try(tx: Tx, principal: str) -> int:
    sql = "select number from lock_try where principal=? order by number desc limit 1"
    row = tx.execute(sql, (principal,)).fetchone()
    return int(row[0]) if row else 0


FOLDS: Mapping[Kind, Callable[[Tx, Entry, Data], None]] = {
    Kind.LOCK_REQUESTED: _requested,
    Kind.LOCK_GRANTED: _granted,
    Kind.LOCK_RELEASED: _released,
    Kind.LOCK_ASKED: _asked_for,
    Kind.LOCK_COSIGNED: _cosigned,
    Kind.PUSH_DECIDED: _decided,
    Kind.PUSH_RELEASED: _push_released,
    Kind.REQUEST_REFUSED: _refused,
}

_OPEN = (
    "select seq, repository, scope, principal, key, auth, files, lines, minutes, token, ends_at from lease "
    "where repository=? and (?='' or scope=?) and closed_seq is null order by seq"
)


def open_(tx: Tx, repository: str, scope: str = "") -> list[Asked]:
    """Return what is held or waited for in a repository, in the order it was asked for: of one scope, or of all."""
    rows = tx.execute(_OPEN, (repository, scope, scope)).fetchall()
    return [_asked(row) for row in rows]


def _asked(row: tuple[Any, ...]) -> Asked:
    seq, repository, scope, principal, key, auth, files, lines, minutes, token, ends_at = row
    intent = (tuple(json.loads(files)), lines, minutes)
    return Asked(seq, repository, scope, principal, key, auth, *intent, token, ends_at)


def repositories_open(tx: Tx) -> list[str]:
    """Return the repositories in which a scope is held or waited for."""
    sql = "select distinct repository from lease where closed_seq is null order by repository"
    return [row[0] for row in tx.execute(sql).fetchall()]


def last_holders(tx: Tx, repository: str, scope: str, *, count: int) -> list[str]:
    """Return to whom the newest grants of a scope went, the newest first."""
    sql = "select principal from lease where repository=? and scope=? and token>0 order by token desc limit ?"
    return [row[0] for row in tx.execute(sql, (repository, scope, count)).fetchall()]


def first(tx: Tx, requests: Sequence[int]) -> list[int]:
    """Return those of these requests that are granted out of order, in the order they were co-signed."""
    marks = ",".join("?" * len(requests))
    sql = f"select request from lease_first where request in ({marks}) order by seq"  # noqa: S608
    return [row[0] for row in tx.execute(sql, tuple(requests)).fetchall()]


def out_of_turn(tx: Tx, requests: Sequence[int]) -> list[OutOfTurn]:
    """Return what was asked for about these requests and is not co-signed yet, the oldest first."""
    of = f"where request in ({','.join('?' * len(requests))}) and cosigned_seq is null order by seq"
    sql = f"select seq, scope, deed, request, token, minutes, by, reason from lease_ask {of}"  # noqa: S608
    rows = tx.execute(sql, tuple(requests)).fetchall() if requests else []
    return [OutOfTurn(seq, scope, Deed(deed), *rest) for seq, scope, deed, *rest in rows]


def nth_try(tx: Tx, principal: str, place: int) -> int | None:
    """Return when a principal asked for a lock the n-th time from the last, refused ones too."""
    sql = "select ts from lock_try where principal=? and number=?"
    row = tx.execute(sql, (principal, _last_try(tx, principal) - place + 1)).fetchone()
    return row[0] if row else None


def standing(tx: Tx, update: UpdateFacts, policy: Policy) -> Leases | None:
    """Return the lease that a ref moves under; None where the policy asks for none."""
    ref, repository = update.ref, update.push.repository
    if not needed(policy, ref):
        return None
    asked = open_(tx, repository, WRITE)
    held = next((each for each in asked if each.token), None)
    waiting = tuple(each.principal for each in asked if not each.token)
    return Leases(held, used(tx, held.token) if held else 0, waiting, _landing(tx, update))


def used(tx: Tx, token: int) -> int:
    """Return the units that were pushed under a lease."""
    sql = "select cast(coalesce(sum(units), 0) as integer) from lease_use where token=?"
    return int(tx.execute(sql, (token,)).fetchone()[0])


def _landing(tx: Tx, update: UpdateFacts) -> Lander | None:
    if update.carried is None:
        return None
    sql = (
        "select asked_by, seq from landing where repository=? and number=? and closed_seq is null order by seq limit 1"
    )
    row = tx.execute(sql, (update.push.repository, update.carried.change)).fetchone()
    return Lander(*row) if row else None
