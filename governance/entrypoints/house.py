"""A service put together from its parts: ledger, verifier, lander, channels. The one place that knows them all."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

from audit import stores
from audit.registering import register
from governance.adapters import clock, processes, telling
from governance.adapters.draw_keys import FileKeys
from governance.adapters.gnupg_verifier import GnuPGVerifier
from governance.adapters.passkeys import Passkeys
from governance.adapters.passwords import Argon2
from governance.adapters.seat import Seat
from governance.adapters.sequoia import SequoiaVerifier
from governance.adapters.settings import Settings
from governance.adapters.vault import FileVault
from governance.adapters.verifying import EitherVerifier, inspect
from governance.adapters.yard import GitYard, SeatKey
from governance.channels import PERSONAL, Channel
from governance.entrypoints import (
    opening,
)
from governance.entrypoints.evidence import Evidence, witnesses
from governance.entrypoints.machine import world
from governance.kinds import KINDS
from governance.lander import Lander
from governance.people.sessions import Sessions
from governance.reconcile import Reconciler
from governance.record import SERVICE
from governance.service import Service
from governance.state.fold import Tx


@dataclass
class House:
    """A running service and its parts."""

    settings: Settings
    service: Service
    look: Tx
    sessions: Sessions
    reconciler: Reconciler
    lander: Lander
    evidence: Evidence
    channels: list[Channel]


@contextlib.contextmanager
def opened(settings: Settings) -> Iterator[House]:
    """Open ledger and state for writing, and close them in good order.

    Raises:
        SettingsError: Nothing has begun here.
        AuditError: Another process has it, or it was rolled back or forked.
    """
    channels = telling.channels(settings)
    origin = opening.origin_of(settings)
    ledger = opening.ledger(settings, origin)
    ledger.run(lambda tx: register(tx, KINDS, SERVICE))
    verifier = EitherVerifier(SequoiaVerifier() if settings.verifier == "sequoia" else GnuPGVerifier())
    service = Service(
        log=origin,
        url=settings.public_url,
        database=settings.database,
        ledger=ledger,
        clock=clock.now,
        verifier=verifier,
        reader=inspect,
        draw_keys=FileKeys(settings),
        sends=frozenset(channel.name for channel in channels) & PERSONAL,
        vault=FileVault(settings),
        passkeys=Passkeys(origin, settings.public_url),
        passwords=Argon2(),
    )
    with contextlib.ExitStack() as closing:
        closing.callback(ledger.close)
        closing.callback(verifier.close)
        closing.callback(service.readers.close)
        look: Tx = service.readers
        if not stores.is_postgres(settings.database):
            file = stores.open_reader(settings.database)
            closing.callback(file.close)
            look = file
        underway: set[str] = set()
        reconciler = Reconciler(service, world(settings.sockets, underway))
        key = SeatKey(Seat(settings.data / "lander"))
        lander = Lander(
            service, reconciler, GitYard(), key, process=processes.this(), nonce=clock.nonce, underway=underway
        )
        evidence = Evidence(service, witnesses(settings), underway)
        yield House(settings, service, look, Sessions(), reconciler, lander, evidence, channels)
