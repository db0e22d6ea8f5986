"""Put a service together and run it: ledger, hook socket, HTTP, front, jobs. The one place that knows all the parts."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog
import uvicorn
from fastapi import FastAPI

from audit import stores
from audit.highwater import HighWater
from audit.ledger import Ledger
from governance import version
from governance.adapters import clock, processes
from governance.adapters.gnupg_verifier import GnuPGVerifier
from governance.adapters.seat import Seat
from governance.adapters.sequoia import SequoiaVerifier
from governance.adapters.settings import Settings
from governance.adapters.verifying import EitherVerifier, inspect
from governance.adapters.yard import GitYard, SeatKey
from governance.entrypoints import api, api_people, api_repositories, api_review, problems, web
from governance.entrypoints.beginning import origin_of
from governance.entrypoints.front import PREFIX, Front
from governance.entrypoints.hook_socket import HookSocket
from governance.entrypoints.jobs import Jobs, land_queued
from governance.entrypoints.limits import Limited
from governance.entrypoints.machine import world
from governance.errors import SettingsError
from governance.lander import Lander
from governance.people.enrolment import Challenges
from governance.people.sessions import Sessions
from governance.reconcile import Reconciler
from governance.service import Service
from governance.state import read
from governance.state.fold import Tx, fold
from governance.state.schema import SCHEMA

log = structlog.get_logger()


@dataclass
class House:
    """A running service and its parts."""

    settings: Settings
    service: Service
    look: Tx
    sessions: Sessions
    reconciler: Reconciler
    lander: Lander


@contextlib.contextmanager
def opened(settings: Settings) -> Iterator[House]:
    """Open ledger and state for writing, and close them in good order.

    Raises:
        SettingsError: Nothing has begun here.
        AuditError: Another process has it, or it was rolled back or forked.
    """
    origin = origin_of(settings)
    mark = HighWater(settings.state / "high-water", log=origin)
    ledger = Ledger(settings.database, log=origin, clock=clock.now, projector=fold, schema=SCHEMA, highwater=mark)
    verifier = EitherVerifier(SequoiaVerifier() if settings.verifier == "sequoia" else GnuPGVerifier())
    look = stores.open_reader(settings.database)
    try:
        service = Service(
            log=origin,
            url=settings.public_url,
            database=settings.database,
            ledger=ledger,
            clock=clock.now,
            verifier=verifier,
            reader=inspect,
        )
        underway: set[str] = set()
        reconciler = Reconciler(service, world(settings.socket, underway))
        key = SeatKey(Seat(settings.data / "lander"))
        lander = Lander(
            service, reconciler, GitYard(), key, process=processes.this(), nonce=clock.nonce, underway=underway
        )
        yield House(settings, service, look, Sessions(), reconciler, lander)
    finally:
        look.close()
        verifier.close()
        ledger.close()


def application(house: House) -> Callable[..., Awaitable[None]]:
    """Return the ASGI application: git below `/git/`, everything else by FastAPI."""
    app = FastAPI(
        title="Twinseal",
        version=version(),
        description="Governance of git pushes. Every act is a signed statement; every refusal has a stable code.",
        openapi_url="/v1/openapi.json",
        docs_url=None,
        redoc_url=None,
    )
    app.state.service = house.service
    app.state.challenges = Challenges()
    app.state.socket = house.settings.socket
    app.state.reconciler = house.reconciler
    for part in (api, api_people, api_repositories, api_review, web):
        app.include_router(part.router)
    problems.install(app)
    front = Front(house.service, house.look, house.sessions, house.reconciler)
    limited = Limited(app)

    async def both(scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401 - ASGI
        if scope["type"] == "http" and scope["path"].startswith(PREFIX):
            await front(scope, receive, send)
        else:
            await limited(scope, receive, send)

    return both


def _mark_again(house: House) -> None:
    """Set the markers of standing freezes: those beside the socket do not outlive a restart of the machine."""
    for repository in read.repositories(house.look):
        house.reconciler.mark(repository["name"], Path(repository["path"]))


@contextlib.asynccontextmanager
async def listening(house: House) -> AsyncIterator[None]:
    """Serve the hook socket and run the jobs while the block lasts."""
    _mark_again(house)
    hooks = HookSocket(house.service, house.look, house.sessions, house.reconciler)
    server = await hooks.serve(house.settings.socket)
    jobs = Jobs(house.service, house.reconciler)
    running = [asyncio.create_task(jobs.run()), asyncio.create_task(land_queued(house.lander))]
    try:
        yield
    finally:
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
    )  # fmt: skip
    server = uvicorn.Server(config)
    async with listening(house):
        with _bound(host, port) as listener:
            ready()
            log.info("serving", url=house.settings.public_url, log=house.service.log, uid=os.getuid())
            await server.serve(sockets=[listener])


@contextlib.contextmanager
def _bound(host: str, port: int) -> Iterator[socket.socket]:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
        except OSError as exc:
            said = f"{host}:{port} cannot be listened on: {exc.strerror}"
            raise SettingsError(said, mend="Set TWINSEAL_LISTEN to another host:port.") from exc
        listener.listen(128)
        yield listener


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
