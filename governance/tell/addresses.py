"""Where to reach somebody: an owner's first address of mail, and the number that they have named."""

from __future__ import annotations

import hashlib
import json

from governance.channels import MAIL, SMS
from governance.errors import GovernanceError
from governance.service import Service
from governance.state.tx import Tx

PHONE = "phone"
"""The private value of `account.contact`."""


def address(look: Tx, service: Service, channel: str, who: str) -> str | None:
    """Return where a message to somebody goes; None where nothing reaches them. A channel without persons has ''."""
    if channel == MAIL:
        return mail(look, who)
    return phone(look, service, who) if channel == SMS else ""


def mail(look: Tx, who: str) -> str | None:
    """Return the first address that a principal is enrolled with."""
    row = look.execute("select emails from principal where name=? and retired_seq is null", (who,)).fetchone()
    emails = json.loads(row[0]) if row else []
    return emails[0] if emails else None


def phone(look: Tx, service: Service, who: str) -> str | None:
    """Return the number that somebody has named; None where there is none, or it was erased."""
    sql = (
        "select c.seq, p.value from contact c join principal w on w.name=c.principal and w.retired_seq is null "
        "join ledger_private p on p.seq=c.seq and p.field=? where c.principal=? and c.channel=?"
    )
    row = look.execute(sql, (PHONE, who, SMS)).fetchone()
    if row is None:
        return None
    try:
        return service.vault.open(sealed_as(service.log, who), row[1]).decode().partition(":")[2]
    except GovernanceError:
        return None  # Sealed under a key that is gone: the same as none, and `doctor` says so.


def sealed_as(log: str, who: str) -> str:
    """Return the name that somebody's number is sealed under."""
    return f"{log}/contact/{who}/{SMS}"


def digest(salt: str, number: str) -> str:
    """Return what a statement says of a number: nobody can guess it back without the salt, which is private too."""
    return hashlib.sha256(f"{salt}:{number}".encode()).hexdigest()
