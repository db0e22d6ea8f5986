"""The table of what is done by the clock: its names, how often, and what each does."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path

import structlog

from governance.coordinate import messages
from governance.entrypoints.evidence import Evidence
from governance.entrypoints.schedule import Job
from governance.entrypoints.scrub import Scrub
from governance.reconcile import Reconciler
from governance.review import epochs
from governance.service import Service
from governance.severity import MEDIUM
from governance.state import read
from governance.tell import alerts
from governance.tell.reports import issuing, periods
from governance.tell.reports.periods import DAILY, WEEKLY
from governance.timetable import DAY_MS, MINUTE_MS, Daily, Every

log = structlog.get_logger()

DEEP_LEASE_MS = 6 * 60 * MINUTE_MS


def jobs(service: Service, reconciler: Reconciler, evidence: Evidence, scrub: Scrub) -> tuple[Job, ...]:
    """Return every job. What is due every second is not here: it has a loop of its own, and is no news."""
    with service.read() as look:
        when = read.policy(look).controls.reports
    daily = Daily(when.hour, when.zone)
    weekly = Daily(when.hour, when.zone, when.weekday)
    return (
        Job(DAILY, daily, partial(report, service, DAILY)),
        Job(WEEKLY, weekly, partial(report, service, WEEKLY)),
        Job("compare-repositories", Every(MINUTE_MS), _ignored(partial(compare, service, reconciler))),
        Job("overdue-replies", Every(MINUTE_MS // 2), _ignored(partial(overdue, service))),
        Job("draw-epochs", Every(MINUTE_MS // 2), _ignored(partial(epochs.tend, service))),
        Job("heartbeat", Every(MINUTE_MS // 2), _ignored(evidence.beat)),
        Job("deep-check", Every(DAY_MS), _ignored(scrub.check), lease_ms=DEEP_LEASE_MS),
    )


def report(service: Service, kind: str, due_at: int) -> str:
    """Issue the report that was due then, unless it was: of the day before, or of the week that ended with it."""
    with service.read() as look:
        said = read.policy(look).controls.reports
        begun = look.execute("select ts from ledger_entry where seq=0").fetchone()
    day = dict(periods.due(said, due_at))[kind]
    if begun and periods.begins(day + timedelta(days=1), said.zone) <= begun[0]:
        return f"there was no ledger yet on {day}"
    issued = issuing.issue(service, kind, day)
    return f"number {issued.number}, of {issued.day}"


def _ignored(deed: Callable[[], object]) -> Callable[[int], object]:
    """Return what does not ask for when it was due."""
    return lambda _due_at: deed()


def overdue(service: Service) -> str:
    """Record the answers that are missing by now."""
    count = messages.overdue(service)
    return f"{count} answers are missing" if count else ""


def compare(service: Service, reconciler: Reconciler) -> str:
    """Compare every repository with the ledger, refs and hooks. One that cannot be looked at hides no other.

    Raises:
        ExceptionGroup: Those that could not be looked at.
    """
    with service.read() as tx:
        repositories = read.repositories(tx)
    drifted, failed = [], []
    for repository in repositories:
        if service.ending.is_set():
            break  # Those that follow are looked at as soon as it is started again.
        name = repository["name"]
        try:
            if reconciler.check(name, Path(repository["path"]), hooks=True):
                drifted.append(name)
        except Exception as exc:  # noqa: BLE001 - told together, below
            failed.append(exc)
    if failed:
        raise ExceptionGroup(f"{len(failed)} of {len(repositories)} repositories could not be looked at", failed)
    return f"refs moved behind our back in {', '.join(drifted)}" if drifted else ""


def failing(service: Service, name: str, said: str) -> None:
    """Tell of a job that was tried often enough, or hangs."""
    log.error("job.gave_up", job=name, said=said)
    message = f"the job {name} does not get done: {said}"
    service.ledger.run(lambda tx: alerts.raised(tx, MEDIUM, "job.failed", message, do="twinseal doctor"))
