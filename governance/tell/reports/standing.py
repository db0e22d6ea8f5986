"""How things stood when there were so many entries, whatever has happened since.

The tables say by which entry each thing began and ended; what had begun and not ended then, stood. Later entries change
nothing of it, so that a report of last week says the same today.
"""

from __future__ import annotations

from typing import Any

from governance import debt
from governance.draws import DAY_MS, HOUR_MS
from governance.policy import Kind as PrincipalKind
from governance.policy import Policy
from governance.record import Kind
from governance.state import debts
from governance.state.tx import Tx
from governance.tell.reports import reading
from governance.tell.reports.facts import Open, Owed, Standing

STALE_DAYS = 3
"""Days after which a change that nobody has answered waits too long."""
MOST = 200
"""Of each kind that are told; the oldest."""


def standing(tx: Tx, policy: Policy, *, upto: int, now: int) -> Standing:
    """Return how things stood after `upto` entries, at the time `now`."""
    people, agents = _people(tx, upto)
    gone, observed = _repositories(tx, upto)
    found = Standing(
        freezes=_freezes(tx, upto, now),
        vetoes=_open(tx, _VETOES, (upto, upto), lambda r: f"{r[3]} {r[4]}: {r[6]} (by {r[5]})", "veto"),
        overrides=_overrides(tx, policy, upto, now),
        replies=_replies(tx, upto, now),
        thirds=_thirds(tx, policy, upto, now),
        changes=_changes(tx, upto, now),
        findings=_findings(tx, upto, now),
        debt=_debt(tx, policy, upto),
        observed=observed,
        people=people,
        agents=agents,
    )
    return _without(found, gone)


def _without(found: Standing, gone: frozenset[str]) -> Standing:
    """Leave out what nobody can do anything about any more, since its repository is let go."""
    if not gone:
        return found
    named = {
        name: tuple(each for each in getattr(found, name) if each.repository not in gone)
        for name in ("freezes", "vetoes", "overrides", "replies", "thirds", "changes", "findings", "debt")
    }
    return Standing(**named, observed=found.observed, people=found.people, agents=found.agents)


def _open(tx: Tx, sql: str, params: tuple[Any, ...], said: Any, what: str) -> tuple[Open, ...]:  # noqa: ANN401 - of a row
    """Return what a query finds: its first columns are number, time and repository."""
    rows = tx.execute(f"{sql} limit {MOST}", params).fetchall()
    return tuple(Open(seq=row[0], since=row[1] or 0, repository=row[2], what=what, said=said(row)) for row in rows)


_TIME = "(select ts from ledger_entry e where e.seq=t.seq)"
_VETOES = (
    f"select t.seq, {_TIME}, t.repository, t.kind, t.name, t.by, t.reason from veto t "  # noqa: S608 - our own text
    "where t.seq < ? and (t.lifted_seq is null or t.lifted_seq >= ?) order by t.seq"
)


def _freezes(tx: Tx, upto: int, now: int) -> tuple[Open, ...]:
    sql = (
        f"select t.seq, {_TIME}, t.repository, t.scope, t.value, t.by, t.reason from halt t "  # noqa: S608 - our own text
        "where t.seq < ? and (t.lifted_seq is null or t.lifted_seq >= ?) and t.expires_at > ? order by t.seq"
    )
    halts = _open(tx, sql, (upto, upto, now), lambda r: f"{r[3]} {r[4] or r[2]}".strip() + f": {r[6]}", "freeze")
    sql = (
        f'select t.seq, {_TIME}, t.repository, t.reason from "freeze" t '  # noqa: S608 - our own text
        "where t.seq < ? and (t.lifted_seq is null or t.lifted_seq >= ?) order by t.seq"
    )
    refs = _open(tx, sql, (upto, upto), lambda r: f"repository {r[2]}: {r[3]}", "refs")
    return tuple(sorted((*halts, *refs), key=lambda each: each.seq))


def _overrides(tx: Tx, policy: Policy, upto: int, now: int) -> tuple[Open, ...]:
    sql = (
        "select seq, landed_at, repository, number, reason from override where used_seq < ? and landed_at < ? "
        "and (reviewed_seq is null or reviewed_seq >= ?) order by seq"
    )
    late = now - policy.controls.override.review_hours * HOUR_MS
    rows = tx.execute(sql, (upto, now, upto)).fetchall()
    return tuple(
        Open(seq=seq, since=at, repository=where, what="override", said=f"change {number}: {why}", overdue=at <= late)
        for seq, at, where, number, why in rows[:MOST]
    )


def _replies(tx: Tx, upto: int, now: int) -> tuple[Open, ...]:
    sql = (
        "select seq, due_at, repository, sender, recipients, expects from message where due_at > 0 and due_at <= ? "
        "and seq < ? and (replied_seq is null or replied_seq >= ?) order by seq"
    )
    return _open(tx, sql, (now, upto, upto), lambda r: f"{r[5]} to {r[3]}", "reply")


def _thirds(tx: Tx, policy: Policy, upto: int, now: int) -> tuple[Open, ...]:
    sql = (
        "select seq, at, repository, number, author from draw where selected=1 and seq < ? "
        "and (settled_seq is null or settled_seq >= ?) order by seq"
    )
    late = now - policy.controls.tertiary.overdue_hours * HOUR_MS
    rows = tx.execute(f"{sql} limit {MOST}", (upto, upto)).fetchall()
    return tuple(
        Open(seq=n, since=at, repository=where, what="third", said=f"change {n} of {author}", overdue=at <= late)
        for _, at, where, n, author in rows
    )


def _changes(tx: Tx, upto: int, now: int) -> tuple[Open, ...]:
    """Return what was under review: what was pushed and carried out, and neither landed nor ended."""
    sql = (
        "select c.number, e.ts, c.repository, c.author from change c join ledger_entry e on e.seq=c.opened_seq "
        "where c.opened_seq < ? and (c.closed_seq is null or c.closed_seq >= ?) and exists ("
        "select 1 from reservation r where r.seq=c.opened_seq and r.state='applied' and r.closed_seq < ?) "
        "order by c.opened_seq limit ?"
    )
    rows = tx.execute(sql, (upto, upto, upto, MOST)).fetchall()
    return tuple(
        Open(
            seq=n,
            since=at,
            repository=where,
            what="change",
            said=f"by {author}",
            overdue=at <= now - STALE_DAYS * DAY_MS,
        )
        for n, at, where, author in rows
    )


def _findings(tx: Tx, upto: int, now: int) -> tuple[Open, ...]:
    columns = "seq, place, repository, pattern, name"
    sql = f"select {columns} from finding where seq < ? and until > ? order by seq, place, name"  # noqa: S608 - our own text
    named: dict[tuple[int, int, str, str], list[str]] = {}
    for seq, place, where, pattern, name in tx.execute(sql, (upto, now)).fetchall():
        named.setdefault((seq, place, where, pattern), []).append(name)
    return tuple(
        Open(seq=seq, since=0, repository=where, what=pattern, said=" and ".join(names))
        for (seq, _, where, pattern), names in named.items()
    )


def _debt(tx: Tx, policy: Policy, upto: int) -> tuple[Owed, ...]:
    by_repository: dict[str, list[debt.Owed]] = {}
    for where, each in debts.owed_at(tx, upto):
        by_repository.setdefault(where, []).append(each)
    totals = {where: debt.accounts(tuple(owed), policy)[-1] for where, owed in sorted(by_repository.items())}
    return tuple(
        Owed(
            repository=where,
            units=total.units,
            files=len(total.paths),
            most_units=total.most_units,
            most_files=total.most_files,
            since=total.since,
        )
        for where, total in totals.items()
    )


def _people(tx: Tx, upto: int) -> tuple[int, int]:
    sql = (
        "select kind, count(*) from principal where added_seq < ? and (retired_seq is null or retired_seq >= ?) "
        "group by kind"
    )
    found = dict(tx.execute(sql, (upto, upto)).fetchall())
    return found.get(PrincipalKind.HUMAN.value, 0), found.get(PrincipalKind.AGENT.value, 0)


def _repositories(tx: Tx, upto: int) -> tuple[frozenset[str], tuple[str, ...]]:
    """Return which repositories had been let go, and which were only observed."""
    kinds = (Kind.REPOSITORY_ADDED, Kind.REPOSITORY_MODE_SET, Kind.REPOSITORY_REMOVED)
    sql = "select seq, kind, repo, subject from ledger_entry where kind in (?,?,?) and seq < ? order by seq"
    modes: dict[str, str] = {}
    for seq, kind, repo, subject in tx.execute(sql, (*(each.value for each in kinds), upto)).fetchall():
        gone = kind == Kind.REPOSITORY_REMOVED
        modes[repo or subject] = "removed" if gone else str(reading.data(tx, seq).get("mode", "enforce"))
    gone = frozenset(name for name, mode in modes.items() if mode == "removed")
    return gone, tuple(sorted(name for name, mode in modes.items() if mode == "observe"))
