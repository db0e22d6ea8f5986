"""What runs by itself: reading spools and landing what is queued every second, comparing refs every minute."""

from __future__ import annotations

import asyncio
from pathlib import Path

import structlog

from governance.lander import Lander
from governance.reconcile import Reconciler
from governance.service import Service
from governance.state import read

SPOOL_S = 1.0
LAND_S = 0.5
CHECK_EVERY = 60
"""Spool rounds between two full comparisons."""
SOONER_EVERY = 5
"""The same where a push is under way."""

log = structlog.get_logger()


class Jobs:
    """The reconciler's clockwork. A job that fails is logged and tried again; it never stops the others."""

    def __init__(self, service: Service, reconciler: Reconciler) -> None:
        self._service = service
        self._reconciler = reconciler

    async def run(self) -> None:
        """Run until cancelled. Nothing that happens in a round ends the rounds: that would blind us in silence."""
        rounds = 0
        while True:
            try:
                await asyncio.to_thread(self._round, rounds)
            except Exception:
                log.exception("jobs.failed")
            rounds += 1
            await asyncio.sleep(SPOOL_S)

    def _round(self, rounds: int) -> None:
        with self._service.read() as tx:
            repositories = read.repositories(tx)
            sql = "select distinct repository from reservation where state='reserved'"
            waiting = {row[0] for row in tx.execute(sql).fetchall()}
        for repository in repositories:
            name, path = repository["name"], Path(repository["path"])
            whole = rounds % CHECK_EVERY == 0
            due = whole or (name in waiting and rounds % SOONER_EVERY == 0)
            try:
                self._look(name, path, due=due, hooks=whole)
            except Exception:
                log.exception("reconcile.failed", repository=name)  # The other repositories are looked at all the same.

    def _look(self, name: str, path: Path, *, due: bool, hooks: bool) -> None:
        if not due:
            self._reconciler.drain(name, path)
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
