"""What landed below the threshold and nobody has reviewed: unreviewed debt, and what each role landed lately.

Folded from entries; read under the ledger lock for a decision. What is reserved counts at once, so that two pushes of
one moment count both; what was signed off stays until the landing that it was signed off with has moved its ref.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any

from audit.canonical import encode
from audit.entry import Entry
from governance import debt, unreviewed
from governance.debt import HOUR_MS, Debt, Lately, Owed
from governance.facts import UpdateFacts
from governance.policy import Policy
from governance.record import Kind
from governance.standing import Roster
from governance.state.tx import Tx

Data = Mapping[str, Any]

TABLES: tuple[str, ...] = ("debt", "debt_gone", "small_landing")

SCHEMA = """
create table if not exists debt(
  seq integer not null, ref text not null, path text not null, repository text not null, people text not null,
  units integer not null, ts integer not null, clearing_seq integer, clearing_ref text not null,
  primary key(seq, ref, path)) strict, without rowid;
create index if not exists debt_of on debt(repository, seq);
create index if not exists debt_clearing on debt(clearing_seq) where clearing_seq is not null;
create table if not exists debt_gone(
  seq integer not null, ref text not null, path text not null, repository text not null, people text not null,
  units integer not null, ts integer not null, gone_seq integer not null, primary key(seq, ref, path))
  strict, without rowid;
create index if not exists debt_gone_at on debt_gone(gone_seq);
create table if not exists small_landing(
  seq integer not null, ref text not null, role text not null, repository text not null, units integer not null,
  files integer not null, ts integer not null, primary key(seq, ref, role)) strict, without rowid;
create index if not exists small_landing_lately on small_landing(repository, role, ts);
"""


_APART = "select seq, path, people, units, ts from debt where repository=? order by seq, ref, path"
_TOGETHER = (
    "select max(seq), path, people, cast(sum(units) as integer), min(ts) from debt where repository=? "
    "group by path, people order by path, people"
)
"""Never more than the files of the total budget have been touched, however many landings there were."""


def standing(
    tx: Tx, update: UpdateFacts, policy: Policy, roster: Roster, *, earlier: tuple[str, ...] | None
) -> Debt | None:
    """Return what this update is measured against; of a change, whose contributors are `earlier`, each landing apart.

    None for a ref that nothing lands on.
    """
    known = policy.is_protected(update.ref) or policy.is_topic(update.ref) or policy.proposed_for(update.ref)
    if update.deletes or not known:
        return None
    repository, now = update.push.repository, update.push.received_at
    adds = unreviewed.adding(update, earlier or (), roster)
    lately = tuple(_lately(tx, repository, role, policy, now) for role in adds.roles)
    return Debt(_owed(tx, _TOGETHER if earlier is None else _APART, repository, roster), lately, adds)


def owed(tx: Tx, repository: str, roster: Roster) -> tuple[Owed, ...]:
    """Return what landed in a repository and was not reviewed, each landing apart, the oldest first."""
    return _owed(tx, _APART, repository, roster)


def _owed(tx: Tx, sql: str, repository: str, roster: Roster) -> tuple[Owed, ...]:
    rows = tx.execute(sql, (repository,)).fetchall()
    people = {text: tuple(json.loads(text)) for text in {row[2] for row in rows}}
    run_by = {text: unreviewed.operators(names, roster) for text, names in people.items()}
    return tuple(Owed(seq, path, people[text], run_by[text], units, ts) for seq, path, text, units, ts in rows)


def owed_at(tx: Tx, upto: int) -> list[tuple[str, Owed]]:
    """Return (repository, owed) of what was owed when there were `upto` entries, the oldest first."""
    columns = "repository, seq, path, people, units, ts, ref"
    sql = (
        f"select {columns} from debt where seq < ? union all select {columns} from debt_gone "  # noqa: S608 - our own text
        "where seq < ? and gone_seq >= ? order by seq, ref, path"
    )
    rows = tx.execute(sql, (upto, upto, upto)).fetchall()
    return [(row[0], Owed(row[1], row[2], tuple(json.loads(row[3])), (), row[4], row[5])) for row in rows]


def moves(tx: Tx, repository: str) -> dict[int, tuple[str, str, str]]:
    """Return, by entry, which ref went from where to where with what is owed."""
    sql = (
        "select distinct d.seq, r.ref, r.old, r.new from debt d "
        "join reservation r on r.seq=d.seq and r.ref=d.ref where d.repository=?"
    )
    return {seq: (ref, old, new) for seq, ref, old, new in tx.execute(sql, (repository,)).fetchall()}


def _lately(tx: Tx, repository: str, role: str, policy: Policy, now: int) -> Lately:
    limits = policy.controls.small_changes
    sql = (
        "select count(*), cast(coalesce(sum(units), 0) as integer), cast(coalesce(sum(files), 0) as integer) "
        "from small_landing where repository=? and role=? and ts>?"
    )
    landings, units, files = tx.execute(sql, (repository, role, now - limits.window_hours * HOUR_MS)).fetchone()
    sql = "select ts from small_landing where repository=? and role=? order by ts desc limit ?"
    newest = [row[0] for row in tx.execute(sql, (repository, role, limits.burst)).fetchall()]
    return Lately(role, landings, units, files, debt.cool_until(newest, limits))


def lately(tx: Tx, repository: str, policy: Policy, *, now: int) -> tuple[Lately, ...]:
    """Return what every role that landed something lately landed below the threshold."""
    sql = "select distinct role from small_landing where repository=? order by role"
    roles = [row[0] for row in tx.execute(sql, (repository,)).fetchall()]
    every = (_lately(tx, repository, role, policy, now) for role in roles)
    return tuple(each for each in every if each.landings or each.cool_until > now)


def bound(owed: tuple[Owed, ...]) -> dict[str, Any]:
    """Return what a sign-off binds of the debt: up to which entry, and a digest of all of it."""
    rows = [[each.seq, each.path, list(each.people), each.units, each.at] for each in owed]
    return {"through": owed[-1].seq, "digest": hashlib.sha256(encode(rows)).hexdigest()}


def _decided(tx: Tx, entry: Entry, data: Data) -> None:
    if not data["allowed"]:
        return
    people = {}
    for ref, roles, names, _, units, files in data.get("small", ()):
        people[ref] = _text(names)
        for role in roles:
            row = (entry.seq, ref, role, entry.repo, units, files, entry.ts)
            tx.execute("insert into small_landing values(?,?,?,?,?,?,?)", row)
    for ref, path, units in data.get("debt", ()):
        row = (entry.seq, ref, path, entry.repo, people[ref], units, entry.ts)
        tx.execute("insert into debt values(?,?,?,?,?,?,?,null,'')", row)
    for ref, through, names in data.get("cleared", ()):
        sql = "update debt set clearing_seq=?, clearing_ref=? where repository=? and seq<=? and people=?"
        tx.execute(sql, (entry.seq, ref, entry.repo, through, _text(names)))


def _gone(tx: Tx, entry: Entry, where: str, *params: object) -> None:
    """Owe these no more; what was owed until now is kept apart, for those who ask how things stood."""
    columns = "seq, ref, path, repository, people, units, ts"
    sql = f"insert into debt_gone select {columns}, cast(? as integer) from debt where {where}"  # noqa: S608 - our own text
    tx.execute(sql, (entry.seq, *params))
    tx.execute(f"delete from debt where {where}", params)  # noqa: S608 - our own text


def _applied(tx: Tx, entry: Entry, data: Data) -> None:
    for _old, _new, ref in data["moved"]:
        _gone(tx, entry, "clearing_seq=? and clearing_ref=?", data["decision"], ref)


def _released(tx: Tx, entry: Entry, data: Data) -> None:
    for _old, _new, ref in data["lines"]:
        _gone(tx, entry, "seq=? and ref=?", data["decision"], ref)
        tx.execute("delete from small_landing where seq=? and ref=?", (data["decision"], ref))


def _forgotten(tx: Tx, entry: Entry, _: Data) -> None:
    """Owe nothing: an owner signed the whole tree as it is, or the repository is governed no more."""
    _gone(tx, entry, "repository=?", entry.repo)


def _text(names: list[str]) -> str:
    return json.dumps(names, separators=(",", ":"))


FOLDS: Mapping[Kind, Callable[[Tx, Entry, Data], None]] = {
    Kind.PUSH_DECIDED: _decided,
    Kind.PUSH_APPLIED: _applied,
    Kind.PUSH_RELEASED: _released,
    Kind.REPOSITORY_ADOPTED: _forgotten,
    Kind.REPOSITORY_REMOVED: _forgotten,
}
