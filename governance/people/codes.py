"""The codes that critical decisions are confirmed with: sealed beside their entries, and opened where one is needed.

They are opened in two places: to make the message that is sent, and to compare an answer under the lock.
"""

from __future__ import annotations

from collections.abc import Mapping

from governance.errors import GovernanceError
from governance.service import Service
from governance.state.tx import Tx
from governance.two_channels import Awaited

FIELD = "code"


def sealed(service: Service, decision: int, code: str) -> Mapping[str, str]:
    """Return the private value of an entry that awaits a word."""
    return {FIELD: service.vault.seal(_named(service.log, decision), code.encode())}


def code_of(tx: Tx, service: Service, awaited: Awaited) -> str:
    """Return the code that was sent. Empty where none was, it was erased, or its key is gone: then none confirms."""
    sql = "select value from ledger_private where seq=? and field=?"
    row = tx.execute(sql, (awaited.seq, FIELD)).fetchone()
    if row is None:
        return ""
    try:
        return service.vault.open(_named(service.log, awaited.decision), row[0]).decode()
    except GovernanceError:
        return ""


def _named(log: str, decision: int) -> str:
    """Return the name that a code is sealed under: it opens no other decision."""
    return f"{log}/two-channels/{decision}"
