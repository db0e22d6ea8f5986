"""Issue a report: give it its number, its predecessor's digest and a checkpoint, and write that into the ledger.

What takes long is read outside the lock: a day that is over changes no more. Under it the report takes its place. To
issue one again is to be told which it is; so whoever keeps the time may ask as often as they like.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from functools import partial
from typing import Any

from audit import reads, tree
from audit.entry import Actor, Draft
from audit.transaction import Transaction
from governance.errors import ConflictError, DeniedError, RequestError, UnavailableError
from governance.people.acts import accepted
from governance.people.statements import Statement, owner_only
from governance.people.tokens import Caller
from governance.record import SERVICE, Kind
from governance.service import Service
from governance.standing import Principal
from governance.state import reports as state
from governance.state.reports import Issued
from governance.tell.reports import periods
from governance.tell.reports.facts import Report
from governance.tell.reports.gathering import policy_at
from governance.tell.reports.periods import AUDIT
from governance.tell.reports.recalling import meant, placed, tied

FIELDS = frozenset({"report", "day", "about"})


def issue(service: Service, kind: str, day: date, *, about: int = 0) -> Issued:
    """Issue a report in the service's name, unless that is done; return it. An audit is about an entry.

    Raises:
        ConflictError: The day is not over.
        RequestError: No such kind, or entries of that time were pruned.
    """
    ready = _ready(service, kind, day, about)
    return ready if isinstance(ready, Issued) else service.ledger.run(lambda tx: _record(tx, ready, SERVICE))


def issue_as(service: Service, caller: Caller, statement: Statement) -> dict[str, Any]:
    """Issue a report because an owner said so.

    Raises:
        DeniedError: Not an owner.
        RequestError: Not a report.
    """
    try:
        ready: Issued | Report | RequestError = _wanted(service, caller, statement.body)
    except RequestError as exc:
        ready = exc  # Refused below, where it is recorded, and after who asks was looked at.

    def command(tx: Transaction, who: Principal, actor: Actor) -> dict[str, Any]:
        owner_only(who)
        if isinstance(ready, RequestError):
            raise ready
        if isinstance(ready, Issued):
            return _answer(ready, new=False)
        before = state.of_day(tx, ready.kind, ready.day, about=ready.about)
        return _answer(before or _record(tx, ready, actor, statement), new=before is None)

    return accepted(service, caller, statement, "report.issue", command)


def _answer(found: Issued, *, new: bool) -> dict[str, Any]:
    named = {"report": found.kind, "day": found.day, "number": found.number, "digest": found.digest}
    return {**named, "new": new, "entry": found.seq}


def _wanted(service: Service, caller: Caller, body: Mapping[str, Any]) -> Issued | Report:
    """Return what a statement asks for. Nothing is read for somebody who is no owner."""
    with service.read() as look:
        row = look.execute("select 1 from principal where name=? and role='owner'", (caller.principal,)).fetchone()
    if row is None:
        raise DeniedError(f"{caller.principal} is not an owner", code="authority.owner_only")
    if set(body) != FIELDS or not isinstance(body["report"], str) or type(body["about"]) is not int:
        raise RequestError(f"a report is named by {', '.join(sorted(FIELDS))}", code="report.malformed")
    return _ready(service, body["report"], periods.parse(str(body["day"])), body["about"])


def _ready(service: Service, kind: str, day: date, about: int) -> Issued | Report:
    """Return the report if it was issued, else its facts, ready to be."""
    with service.read() as look:
        about = meant(look, kind, about)
        before = state.of_day(look, kind, day.isoformat(), about=about)
        if before is not None:
            return before
        now, size = service.now(look), reads.size(look)
        zone = policy_at(look, size).controls.reports.zone
        period = periods.period(kind, day, zone, until=now)
        if period.until > now or day > periods.day_of(now, zone):
            raise ConflictError(f"{day} is not over in {zone}", code="report.not_over")
        upto = size if kind == AUDIT else 0
        signed = tree.note(look) or ""
        return tied(look, period, signed=signed, upto=upto, about=about, progress=partial(_going, service))


def _going(service: Service, done: int, total: int) -> None:
    """Go on reading, unless the service is told to stop: the report is issued after the next start."""
    if service.ending.is_set():
        raise UnavailableError(f"the service ends, and {done} of {total} entries are read")


def _record(tx: Transaction, ready: Report, by: Actor, statement: Statement | None = None) -> Issued:
    before = state.of_day(tx, ready.kind, ready.day, about=ready.about)
    if before is not None:
        return before
    last = state.newest(tx, ready.kind)
    report = placed(ready, last, ready.issue)
    data: dict[str, object] = {
        "report": report.kind,
        "day": report.day,
        "zone": report.zone,
        "number": report.issue.number,
        "digest": report.digest,
        "previous": report.issue.previous,
        "since": report.since,
        "until": report.until,
        "first": report.first,
        "upto": report.upto,
        "about": report.about,
        "size": report.issue.size,
        "root": report.issue.root,
        "checkpoint": report.issue.checkpoint,
        **({"statement": statement.kept()} if statement else {}),
    }
    seq = tx.append(Draft(Kind.REPORT_ISSUED.value, by, "", f"{report.kind}/{report.day}", data)).seq
    return Issued(seq, report.kind, report.day, report.about, report.issue.number, report.digest)
