"""The service: its ledger, its clock, its verifier, and the one way to act.

To act is to run a command in the ledger's writer: everything it reads is read under the lock, everything it
writes is an entry. A refusal is written down too. Nothing here knows HTTP, sockets or git.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from audit import stores
from audit.entry import Actor, Draft
from audit.ledger import Ledger
from audit.stores import Connection
from audit.transaction import Transaction
from governance.errors import RequestError
from governance.people.statements import Desk
from governance.people.tokens import Caller
from governance.ports import CertificateReader, Clock
from governance.record import MESSAGE_LIMIT, Kind
from governance.signatures import SignatureVerifier
from governance.state.read import Cached

T = TypeVar("T")


@dataclass
class Service:
    """Everything a request needs. Thread-safe: commands queue for the writer, reads open their own connection."""

    log: str
    url: str
    database: Path
    ledger: Ledger
    clock: Clock
    verifier: SignatureVerifier
    reader: CertificateReader
    under_lock: Cached = field(default_factory=Cached)
    """For the writer's thread only."""

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Open a read-only look at the ledger and its state. What it shows may be old by the time it is used."""
        connection = stores.open_reader(self.database)
        try:
            yield connection
        finally:
            connection.close()

    def desk(self, tx: Transaction) -> Desk:
        """Return what a signed statement is checked against. Call under the lock."""
        _, registry = self.under_lock.registry(tx)
        return Desk(self.log, tx.now, self.under_lock.roster(tx), registry, self.verifier)

    def act(self, caller: Caller, subject: str, command: Callable[[Transaction], T]) -> T:
        """Run a command in the writer and return its answer; a refusal is recorded, then raised.

        Raises:
            RequestError: Refused; nothing was changed but the record of the attempt.
            AuditError: It could not be written down, so it did not happen.
        """
        try:
            return self.ledger.run(command)
        except RequestError as exc:
            self.ledger.run(lambda tx, exc=exc: tx.append(refusal(caller, subject, exc)))  # type: ignore[misc]
            raise


def refusal(caller: Caller, subject: str, exc: RequestError) -> Draft:
    """Return the entry of an authenticated request that was refused."""
    data: dict[str, Any] = {"code": exc.code, "message": str(exc)[:MESSAGE_LIMIT], "lines": []}
    actor = Actor(id=caller.principal, kind=caller.kind, key="")
    return Draft(kind=Kind.REQUEST_REFUSED.value, actor=actor, repo=caller.repository, subject=subject, data=data)
