"""When each job ran, by whom, and how it ended: one row a run, claimed under the ledger's lock before it begins.

So a job runs once for each time it is due, however many processes look; who dies in the middle of one loses the claim
after its lease, and another begins it again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from governance.state.tx import Tx
from governance.timetable import MINUTE_MS, Every, When

WORKING: tuple[str, ...] = ("job_run",)
"""No projection: an empty one costs a repetition of what bears being repeated."""

SCHEMA = """
create table if not exists job_run(
  run integer primary key, name text not null, due_at integer not null, attempt integer not null,
  started_at integer not null, ended_at integer, outcome text not null, said text not null, by text not null) strict;
create index if not exists job_run_last on job_run(name, run);
"""

RUNNING, DONE, FAILED = "running", "done", "failed"
ATTEMPTS = 3
RETRY_MS = 5 * MINUTE_MS
KEPT = 200
"""Runs of a job that are kept."""

_COLUMNS = "run, due_at, attempt, started_at, ended_at, outcome"


@dataclass(frozen=True, slots=True)
class Claim:
    """One run of a job that is ours."""

    run: int
    name: str
    due_at: int
    attempt: int


@dataclass(frozen=True, slots=True)
class Due:
    """What is to be run now: since when it is due, and for which time it is tried."""

    due_at: int
    attempt: int


def due(tx: Tx, name: str, when: When, *, lease_ms: int, now: int) -> Due | None:
    """Return what is to be run now, None where nothing is.

    Nothing begins while the run before is at work. A run that failed, or whose process is gone, is tried again, three
    times in all; what is due again soon anyway goes on counting. Runs of a time that has not come yet are of a clock
    that stepped back since, and say nothing.
    """
    sql = f"select {_COLUMNS} from job_run where name=? and due_at<=? order by run desc limit 1"  # noqa: S608 - our own text
    row = tx.execute(sql, (name, now)).fetchone()
    last = dict(zip(_COLUMNS.split(", "), row, strict=True)) if row else None
    if last and last["outcome"] == RUNNING and 0 <= now - last["started_at"] < lease_ms:
        return None
    since = when.due(last["due_at"] if last else _born(tx), now)
    if since:
        failed = last is not None and last["outcome"] == FAILED and isinstance(when, Every)
        return Due(since, last["attempt"] + 1 if last and failed else 1)
    return _again(last, now) if last else None


def _born(tx: Tx) -> int:
    """Return what counts as the time before the first: nothing is owed from before the ledger began."""
    return int(tx.execute("select ts from ledger_entry where seq=0").fetchone()[0])


def _again(last: Mapping[str, Any], now: int) -> Due | None:
    if last["attempt"] >= ATTEMPTS or last["outcome"] == DONE:
        return None
    if last["outcome"] == FAILED and 0 <= now - last["ended_at"] < RETRY_MS:
        return None
    return Due(last["due_at"], last["attempt"] + 1)


def claim(tx: Tx, name: str, when: When, *, lease_ms: int, now: int, by: str) -> Claim | None:
    """Take what is to be run now, if it still is. Call under the ledger's lock."""
    found = due(tx, name, when, lease_ms=lease_ms, now=now)
    if found is None:
        return None
    run = 1 + tx.execute("select coalesce(max(run), 0) from job_run").fetchone()[0]
    row = (run, name, found.due_at, found.attempt, now, None, RUNNING, "", by)
    tx.execute("insert into job_run values(?,?,?,?,?,?,?,?,?)", row)
    old = "select run from job_run where name=? order by run desc limit 1 offset ?"
    tx.execute(f"delete from job_run where name=? and run<=({old})", (name, name, KEPT))  # noqa: S608 - our own text
    return Claim(run, name, found.due_at, found.attempt)


def ended(tx: Tx, run: int, *, outcome: str, said: str, now: int) -> None:
    """Say how a run ended. One that was begun again meanwhile says it all the same."""
    tx.execute("update job_run set ended_at=?, outcome=?, said=? where run=?", (now, outcome, said[:400], run))


def latest(tx: Tx) -> list[dict[str, Any]]:
    """Return the last run of each job, by name."""
    names = "name, due_at, attempt, started_at, ended_at, outcome, said, by"
    sql = f"select {names} from job_run where run in (select max(run) from job_run group by name) order by name"  # noqa: S608 - our own text
    return [dict(zip(names.split(", "), row, strict=True)) for row in tx.execute(sql).fetchall()]
