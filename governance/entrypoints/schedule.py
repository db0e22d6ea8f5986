"""What runs by itself, and when: one table of jobs. APScheduler is the ticker, in the one process that holds its lock.

A job is due by the clock and its own last run (`governance.timetable`), and is claimed in a transaction before it
begins; so two schedulers on one database run nothing twice, and what was missed is caught up once. A job that fails is
tried again in five minutes, three times in all, and then told of. One that hangs is told of too, and not begun beside
itself: it keeps no other job waiting, and no service from ending.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Thread
from typing import Any

import structlog

from audit.errors import AuditError
from governance.adapters.ticker_lock import TickerLock
from governance.service import Service
from governance.state import job_runs
from governance.state.job_runs import ATTEMPTS, DONE, FAILED, Claim
from governance.timetable import MINUTE_MS, When

TICK_S = 1.0
STOP_S = 5.0
"""How long whoever stops waits for all that is at work."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Job:
    """Something to do again and again. It may be run twice: after a crash in the middle it is."""

    name: str
    when: When
    run: Callable[[int], object]
    """Called with the time at which it was due, in milliseconds."""
    lease_ms: int = 10 * MINUTE_MS
    """How long it may take before it counts as dead and is begun again."""


class Schedule:
    """The jobs of one process. `failing` is told of a job that has failed for the last time."""

    def __init__(self, service: Service, jobs: Sequence[Job], failing: Callable[[str, str], object]) -> None:
        self._service = service
        self._jobs = jobs
        self._failing = failing
        self._lock = TickerLock(service.database)
        self._by = f"{socket.gethostname()}/{os.getpid()}"
        self._ticker: Any = None
        self._at_work: dict[str, tuple[Thread, int]] = {}
        """By job: the thread that it was begun in last, and when."""
        self._hung: set[Thread] = set()
        """Those that were told of."""

    def start(self) -> None:
        """Tick from now on, in threads of its own."""
        from apscheduler.schedulers.background import BackgroundScheduler

        self._ticker = BackgroundScheduler(timezone="UTC")
        self._ticker.add_job(
            self.tick, "interval", seconds=TICK_S, coalesce=True, max_instances=1, misfire_grace_time=None
        )
        self._ticker.start()

    def stop(self) -> None:
        """Begin nothing more, and wait a few seconds for what runs: what is left then ends with the process."""
        if self._ticker is not None:
            self._ticker.shutdown(wait=True)
        alive = [thread for thread, _ in self._at_work.values() if thread.is_alive()]
        for thread in alive:
            thread.join(STOP_S / len(alive))
        self._lock.release()

    def tick(self) -> None:
        """Begin what is due. What goes wrong with one job, or with looking, keeps no other."""
        try:
            if self._service.ledger.broken or not self._lock.held():
                return  # Nothing can be claimed, so nothing is run; who broke it has said so.
            for job in self._due():
                self.begin(job)
        except Exception:
            log.exception("schedule.failed")

    def begin(self, job: Job) -> None:
        """Attempt a job in a thread of its own, unless it is at work: where that is for too long, say so, once."""
        thread, since = self._at_work.get(job.name, (None, 0))
        if thread is None or not thread.is_alive():
            self._hung.discard(thread) if thread else None
            thread = Thread(target=self._attempted, args=(job,), name=f"job-{job.name}", daemon=True)
            self._at_work[job.name] = thread, self._service.clock()
            thread.start()
        elif thread not in self._hung and self._service.clock() - since >= job.lease_ms:
            self._hung.add(thread)
            self._failing(
                job.name, f"it has not ended within {job.lease_ms // MINUTE_MS} minutes, and is still at work"
            )

    def _attempted(self, job: Job) -> None:
        try:
            self.attempt(job)
        except Exception:
            log.exception("schedule.failed", job=job.name)

    def _due(self) -> list[Job]:
        now = self._service.clock()
        with self._service.read() as look:
            return [job for job in self._jobs if job_runs.due(look, job.name, job.when, lease_ms=job.lease_ms, now=now)]

    def attempt(self, job: Job) -> Claim | None:
        """Claim a job and run it; None where another was faster, or it is not due after all."""
        clock = self._service.clock
        claim = self._service.ledger.run(
            lambda tx: job_runs.claim(tx, job.name, job.when, lease_ms=job.lease_ms, now=clock(), by=self._by)
        )
        if claim is None:
            return None
        outcome, said = DONE, ""
        try:
            said = str(job.run(claim.due_at) or "")
        except Exception as exc:
            log.exception("job.failed", job=job.name, attempt=claim.attempt)
            outcome, said = FAILED, f"{type(exc).__name__}: {exc}"
        self._ended(claim, outcome, said)
        return claim

    def _ended(self, claim: Claim, outcome: str, said: str) -> None:
        try:
            self._service.ledger.run(
                lambda tx: job_runs.ended(tx, claim.run, outcome=outcome, said=said, now=self._service.clock())
            )
            if outcome == FAILED and claim.attempt == ATTEMPTS:
                self._failing(claim.name, said)
        except AuditError:
            log.exception("job.not_recorded", job=claim.name)  # The lease ends, and it is run again.
