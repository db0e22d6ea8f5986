"""The service: its ledger, its clock, its verifier, and the one way to act.

To act is to run a command in the ledger's writer: everything it reads is read under the lock, everything it
writes is an entry. A refusal is written down too. Nothing here knows HTTP, sockets or git.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Event
from typing import Any, TypeVar

from audit.entry import Actor, Draft
from audit.ledger import Ledger
from audit.stores import Connection, Place
from audit.stores.readers import Readers
from audit.transaction import Transaction
from governance import consequences, limits
from governance.errors import DeniedError, FactorError, RequestError
from governance.people.statements import Desk
from governance.people.tokens import Caller, may_act
from governance.ports import (
    CertificateReader,
    Clock,
    DrawKeys,
    NoKeys,
    NoPasskeys,
    NoPasswords,
    NoVault,
    PasskeyVerifier,
    Passwords,
    Vault,
)
from governance.record import MESSAGE_LIMIT, Kind, legible
from governance.signatures import SignatureVerifier
from governance.state import attempts
from governance.state.read import Cached
from governance.state.tx import Tx

T = TypeVar("T")


@dataclass
class Service:
    """Everything a request needs. Thread-safe: commands queue for the writer, each read has a connection to itself."""

    log: str
    url: str
    database: Place
    ledger: Ledger
    clock: Clock
    verifier: SignatureVerifier
    reader: CertificateReader
    under_lock: Cached = field(default_factory=Cached)
    """For the writer's thread only."""
    draw_keys: DrawKeys = field(default_factory=NoKeys)
    passkeys: PasskeyVerifier = field(default_factory=NoPasskeys)
    passwords: Passwords = field(default_factory=NoPasswords)
    vault: Vault = field(default_factory=NoVault)
    """Seals what must not stand in the database for everybody who can read it."""
    telling: set[str] = field(default_factory=set)
    """Keys of the messages that this process is sending just now, whatever the clock says of their claims."""
    ending: Event = field(default_factory=Event)
    """Set as soon as the service is told to stop: what takes long ends early, and is begun again by the next."""
    sends: frozenset[str] = frozenset()
    """The channels by which this service can send somebody a code: mail, sms."""
    readers: Readers = field(init=False)

    def __post_init__(self) -> None:
        """Keep readers of the same database."""
        self.readers = Readers(self.database)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Open a read-only look at the ledger and its state. What it shows may be old by the time it is used."""
        with self.readers.lent() as connection:
            yield connection

    def desk(self, tx: Transaction) -> Desk:
        """Return what a signed statement is checked against. Call under the lock."""
        _, registry = self.under_lock.registry(tx)
        return Desk(self.log, tx.now, self.under_lock.roster(tx), registry, self.verifier)

    def now(self, look: Tx) -> int:
        """Return the time; never before the last entry, so that a clock set back revives nothing and ends nothing."""
        last: int = look.execute("select ts from ledger_head").fetchone()[0]
        return max(self.clock(), last)

    def act(self, caller: Caller, subject: str, command: Callable[[Transaction], T]) -> T:
        """Run a command in the writer and return its answer; a refusal is recorded, then raised.

        Raises:
            RequestError: Refused; nothing was changed but the record of the attempt.
            DeniedError: The caller's role has used up its limit of such acts.
            AuditError: It could not be written down, so it did not happen.
        """

        def within(tx: Transaction) -> T | FactorError:
            may_act(caller)
            self._within_limits(tx, caller, subject)
            written = len(tx.leaves)
            try:
                return command(tx)
            except FactorError as exc:
                if len(tx.leaves) > written:
                    raise  # What the command wrote must go, and its record with it: it is written after.
                tx.append(refusal(caller, subject, exc))
                return exc

        try:
            done = self.ledger.run(lambda tx: self._followed(tx, within))
        except RequestError as exc:
            draft = refusal(caller, subject, exc)
            self.ledger.run(lambda tx: self._followed(tx, lambda tx: tx.append(draft)))
            raise
        if isinstance(done, FactorError):
            raise done
        return done

    def _within_limits(self, tx: Transaction, caller: Caller, subject: str) -> None:
        action, who = limits.COUNTED.get(subject), self.under_lock.roster(tx).get(caller.principal)
        if action is None or who is None:
            return
        window = attempts.window(tx, self.under_lock.policy(tx), who, action, now=tx.now)
        if window.free_at:
            said = limits.said(who.role, who.operator, window)
            raise DeniedError(said, code=f"rate_limits.{action}", mend=limits.MEND)

    def _followed(self, tx: Transaction, command: Callable[[Transaction], T]) -> T:
        done = command(tx)
        consequences.follow(tx, self.under_lock.policy(tx))
        return done


def refusal(caller: Caller, subject: str, exc: RequestError) -> Draft:
    """Return the entry of an authenticated request that was refused, whatever a message quotes of what was sent."""
    data: dict[str, Any] = {"code": exc.code, "message": legible(str(exc), MESSAGE_LIMIT)}
    actor = Actor(id=caller.principal, kind=caller.kind, key="")
    return Draft(kind=Kind.REQUEST_REFUSED.value, actor=actor, repo=caller.repository, subject=subject, data=data)
