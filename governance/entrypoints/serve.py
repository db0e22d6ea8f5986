"""Run a service: hook socket, HTTP, jobs, until it is told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from pathlib import Path

import structlog
import uvicorn

from audit import stores
from governance.adapters.settings import Settings
from governance.entrypoints import timed
from governance.entrypoints.application import application
from governance.entrypoints.binding import bound
from governance.entrypoints.hook_socket import HookSocket
from governance.entrypoints.house import House, opened
from governance.entrypoints.jobs import Jobs, land_queued
from governance.entrypoints.schedule import Schedule
from governance.entrypoints.scrub import Scrub
from governance.entrypoints.tell_job import tell
from governance.review import epochs
from governance.state import read
from governance.tell import claims

log = structlog.get_logger()


def _mark_again(house: House) -> None:
    """Set the markers of standing freezes: those beside the socket do not outlive a restart of the machine."""
    for repository in read.repositories(house.look):
        house.reconciler.mark(repository["name"], Path(repository["path"]))


@contextlib.asynccontextmanager
async def listening(house: House) -> AsyncIterator[None]:
    """Serve the hook socket and run the jobs while the block lasts."""
    _mark_again(house)
    await asyncio.to_thread(epochs.tend, house.service)  # Before the first push: nothing lands undrawn.
    if not stores.is_postgres(house.settings.database):
        # Nobody else has this ledger: what a killed process was sending is sent at once.
        await asyncio.to_thread(house.service.ledger.run, claims.release)
    hooks = HookSocket(house.service, house.look, house.sessions, house.reconciler)
    server = await hooks.serve(house.settings.socket)
    jobs = Jobs(house.service, house.reconciler)
    scrub = Scrub(house.service.ledger)
    table = timed.jobs(house.service, house.reconciler, house.evidence, scrub)
    schedule = Schedule(house.service, table, partial(timed.failing, house.service))
    deeds = (
        jobs.run(),
        land_queued(house.lander),
        house.evidence.run(),
        asyncio.to_thread(scrub.first),
        *(tell(house.service, channel) for channel in house.channels),
    )
    running = [asyncio.create_task(deed) for deed in deeds]
    schedule.start()
    try:
        yield
    finally:
        house.service.ending.set()
        scrub.stop()
        await asyncio.to_thread(schedule.stop)
        for task in running:
            task.cancel()
        server.close()
        for task in running:
            with contextlib.suppress(asyncio.CancelledError):
                await task
        house.settings.socket.unlink(missing_ok=True)


def serve(settings: Settings, *, ready: Callable[[], None] = lambda: None) -> None:
    """Run until told to stop.

    Raises:
        SettingsError: The address is taken.
        AuditError: The ledger may not be opened.
    """
    logs()
    with opened(settings) as house, asyncio.Runner(loop_factory=_loop()) as runner:
        runner.run(_serve(house, ready))


async def _serve(house: House, ready: Callable[[], None]) -> None:
    host, port = house.settings.address
    config = uvicorn.Config(
        application(house), http="httptools", lifespan="off", log_config=None, access_log=False,
        server_header=False, timeout_graceful_shutdown=5,
        proxy_headers=False,  # Who asks, no header says: neither identity nor a limit goes by an address.
    )  # fmt: skip
    server = _Server(config)
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, server.handle_exit, number, None)
    async with listening(house):
        with bound(host, port, mend="Set TWINSEAL_LISTEN to another host:port.") as listener:
            ready()
            log.info("serving", url=house.settings.public_url, log=house.service.log, uid=os.getuid())
            await server.serve(sockets=[listener])


class _Server(uvicorn.Server):
    """Ends when told to, and no more: uvicorn's own way is to let the signal kill the process after it has served.

    Then nothing is closed in good order: the last checkpoint is not signed, and the mark stays behind.
    """

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to us."""
        yield


def _loop() -> Callable[[], asyncio.AbstractEventLoop]:
    import uvloop

    return uvloop.new_event_loop


def logs() -> None:
    """Write one JSON object a line to standard error. No request body, header or token is ever logged."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(file=open(2, "w", closefd=False, encoding="utf-8")),  # noqa: SIM115
    )
