"""What runs by itself every second: spools, locks, the landing queue. What is due less often: `timed`."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path

import structlog

from governance.coordinate import confirming, granting
from governance.entrypoints.disowned import Audits
from governance.lander import Lander
from governance.reconcile import Reconciler
from governance.service import Service
from governance.state import read

SPOOL_S = 1.0
LAND_S = 0.5
SOONER_EVERY = 5
"""Spool rounds between two comparisons of a repository where a push is under way."""

log = structlog.get_logger()


class Jobs:
    """The reconciler's clockwork. A job that fails is logged and tried again; it never stops the others."""

    def __init__(self, service: Service, reconciler: Reconciler) -> None:
        self._service = service
        self._reconciler = reconciler
        self._audits = Audits(service)

    async def run(self) -> None:
        """Run until cancelled. Nothing that happens in a round ends the rounds: that would blind us in silence."""
        rounds = 0
        while True:
            for job in (partial(self._round, rounds), self._unconfirmed, self._audits.round):
                try:
                    await asyncio.to_thread(job)
                except Exception:
                    log.exception("jobs.failed")
            rounds += 1
            await asyncio.sleep(SPOOL_S)

    def _round(self, rounds: int) -> None:
        try:
            granting.tick(self._service)
        except Exception:
            log.exception("locks.failed")
        with self._service.read() as tx:
            repositories = read.repositories(tx)
            sql = "select distinct repository from reservation where state='reserved'"
            waiting = {row[0] for row in tx.execute(sql).fetchall()}
        for repository in repositories:
            name, path = repository["name"], Path(repository["path"])
            first = rounds == 0  # What happened while we were away; every minute after that, `timed.compare`.
            try:
                self._look(name, path, due=first or (name in waiting and rounds % SOONER_EVERY == 0), hooks=first)
            except Exception:
                log.exception("reconcile.failed", repository=name)  # The other repositories are looked at all the same.

    def _unconfirmed(self) -> None:
        held = confirming.hold(self._service)
        if held:
            log.warning("decisions.not_confirmed", decisions=held)

    def _look(self, name: str, path: Path, *, due: bool, hooks: bool) -> None:
        if not due:
            self._reconciler.drain(name, path)
            self._reconciler.tick(name, path)
            return
        drifted = self._reconciler.check(name, path, hooks=hooks)
        if drifted:
            log.error("refs.drifted", repository=name, count=len(drifted), first=drifted[0][0])


async def land_queued(lander: Lander) -> None:
    """Land what is queued, until cancelled. Apart from the other jobs, so that a large merge keeps none waiting."""
    while True:
        try:
            for asked, outcome in await asyncio.to_thread(lander.round):
                log.info("landing", repository=asked.repository, change=asked.change, outcome=outcome)
        except Exception:
            log.exception("landing.failed")  # It stays queued; nothing that breaks here may stop the others.
        await asyncio.sleep(LAND_S)
