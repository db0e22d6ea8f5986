"""Erasing a value that an entry only commits to, and saying so. The entry stays; nobody can prove the value again."""

from __future__ import annotations

from collections.abc import Sequence

from audit.entry import Actor, Draft, Entry
from audit.errors import EntryError
from audit.transaction import Transaction

ERASED = "ledger.erased"


def erase(tx: Transaction, of: int, fields: Sequence[str], *, basis: str, approver: str, actor: Actor) -> Entry:
    """Erase these fields of the entry `of`, and say so: on which legal `basis`, and who approved.

    The database's own journal and older backups may hold them for a while longer; SQLite overwrites what it deletes.

    Raises:
        EntryError: there is no such value (any more).
    """
    gone = sorted(set(fields))
    there = {row[0] for row in tx.execute("select field from ledger_private where seq = ?", (of,)).fetchall()}
    if not gone or not there.issuperset(gone):
        raise EntryError(f"expected entry {of} to hold {', '.join(gone)}, got {', '.join(sorted(there)) or 'nothing'}")
    data: dict[str, object] = {"of": of, "fields": gone, "basis": basis, "approver": approver}
    entry = tx.append(Draft(ERASED, actor, "", f"entry {of}", data))
    sql = "delete from ledger_private where seq = ? and field = ?"
    tx.maintain(lambda connection: [connection.execute(sql, (of, field)) for field in gone])
    return entry
