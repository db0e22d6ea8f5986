"""A report gathered: one that was issued once more, as of then; or one that was not, as it would be.

A report is not kept. Its entry says which entries it is of and which checkpoint it carries; the rest is in the ledger.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from audit import checkpoint, reads
from governance.errors import NotFoundError, RequestError
from governance.record import Kind
from governance.state import reports as state
from governance.state.reports import Issued
from governance.state.tx import Tx
from governance.tell.reports import gathering, periods
from governance.tell.reports.facts import Issue, Report
from governance.tell.reports.gathering import policy_at
from governance.tell.reports.periods import AUDIT, LENGTHS, Period
from governance.tell.reports.reading import Progress

FRAUD = "fraud"
LOOKED = 50
"""Freezes among which the last FRAUD reply is looked for."""
SKIPPED = 400
"""Days without a report that the next one names."""


@dataclass(frozen=True, slots=True)
class Found:
    """A report that was issued, gathered again. `same` says whether it is so byte for byte."""

    report: Report
    issued: Issued
    same: bool


def silent(done: int, total: int) -> None:
    """Show no progress."""
    del done, total


def again(look: Tx, issued: Issued, *, progress: Progress = silent) -> Found:
    """Gather a report that was issued once more, as of then.

    Raises:
        RequestError: Entries of that time were pruned.
    """
    row = reads.entry(look, issued.seq)
    if row is None:
        raise NotFoundError(f"there is no entry {issued.seq}", code="report.unknown")
    said: Mapping[str, Any] = json.loads(row.body)["data"]
    period = Period(
        kind=said["report"],
        day=date.fromisoformat(said["day"]),
        zone=said["zone"],
        since=said["since"],
        until=said["until"],
    )
    found = tied(look, period, signed=said["checkpoint"], upto=said["upto"], about=said["about"], progress=progress)
    report = placed(found, state.by_number(look, issued.kind, issued.number - 1), found.issue)
    return Found(report, issued, same=report.digest == said["digest"])


def draft(look: Tx, kind: str, day: date, *, now: int, about: int = 0, progress: Progress = silent) -> Report:
    """Gather a report that was not issued; of a day that is not over, what there is of it so far.

    Raises:
        RequestError: No such kind or day, or entries of that time were pruned.
    """
    size = reads.size(look)
    zone = policy_at(look, size).controls.reports.zone
    if day > periods.day_of(now, zone):
        raise RequestError(f"{day} has not begun in {zone}", code="report.day")
    whole = periods.period(kind, day, zone, until=now)
    until = min(whole.until, now)
    period = Period(kind=kind, day=day, zone=zone, since=whole.since, until=until)
    about = meant(look, kind, about)
    so_far = size if kind == AUDIT or until < whole.until else 0
    return gathering.facts(look, period, progress=progress, upto=so_far, about=about)


def latest(look: Tx, kind: str, *, now: int) -> date:
    """Return the day of the report that is due last."""
    said = policy_at(look, reads.size(look)).controls.reports
    return dict(periods.due(said, now)).get(kind) or periods.day_of(now, said.zone)


def shown(look: Tx, kind: str, *, now: int) -> date:
    """Return the day to show where none is named: the one due last, or today where nothing had begun by then."""
    zone = policy_at(look, reads.size(look)).controls.reports.zone
    first = look.execute("select ts from ledger_entry order by seq limit 1").fetchone()
    day = latest(look, kind, now=now)
    return day if day >= periods.day_of(first[0], zone) else periods.day_of(now, zone)


def tied(look: Tx, period: Period, *, signed: str, upto: int, about: int, progress: Progress) -> Report:
    """Return the facts of a time, with the checkpoint that they carry."""
    found = gathering.facts(look, period, progress=progress, upto=upto, about=about, signed=signed)
    point = checkpoint.claimed(signed) if signed else None
    size, root = (point.size, point.root.hex()) if point else (0, "")
    return found.issued(Issue(size=size, root=root, checkpoint=signed))


def meant(look: Tx, kind: str, about: int) -> int:
    """Return the entry that an audit is about, the last FRAUD reply where none is named; 0 for any other report.

    Raises:
        NotFoundError: There is no FRAUD reply.
    """
    if kind != AUDIT or about:
        return about
    if last := fraud(look):
        return last
    raise NotFoundError("no FRAUD reply was given; an audit is about an entry", mend="--about ENTRY")


def fraud(look: Tx) -> int:
    """Return the entry of the last freeze that a FRAUD reply imposed; 0 where there is none."""
    sql = "select seq, body from ledger_entry where kind=? order by seq desc limit ?"
    rows = look.execute(sql, (Kind.FREEZE_IMPOSED.value, LOOKED)).fetchall()
    return next((seq for seq, body in rows if json.loads(body)["data"]["trigger"] == FRAUD), 0)


def placed(report: Report, last: Issued | None, tied: Issue) -> Report:
    """Return a report with its place after the last one."""
    issue = Issue(
        number=last.number + 1 if last else 1,
        previous=last.digest if last else "",
        previous_day=last.day if last else "",
        skipped=_skipped(report, last) if last else (),
        size=tied.size,
        root=tied.root,
        checkpoint=tied.checkpoint,
    )
    return gathering.placed(report, issue)


def _skipped(report: Report, last: Issued) -> tuple[str, ...]:
    """Return the days between two reports that neither is about."""
    if report.kind == AUDIT:
        return ()
    after, first = date.fromisoformat(last.day), date.fromisoformat(report.day) - timedelta(LENGTHS[report.kind] - 1)
    count = (first - after).days - 1
    return tuple((after + timedelta(days=1 + each)).isoformat() for each in range(min(count, SKIPPED)))
