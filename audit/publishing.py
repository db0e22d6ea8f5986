"""Checkpoints: the ledger's head, signed, said outside, and kept. At most one a second, and never a shorter one.

The order is what makes it safe: entries are durable first; then the note is signed; then the mark outside moves, by
compare and swap; only then is the note kept where everybody reads it. Witnesses and clones follow from what is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from audit import keys, note, reads, tree
from audit.checkpoint import Checkpoint
from audit.errors import AuditError, StoreError
from audit.highwater import HighWater
from audit.stores import WritingConnection

Signers = Callable[[], Sequence[note.Signer]]
"""The private keys that are at hand, asked for at every checkpoint, so that a rotation needs no restart."""


LAST = 64
"""Checkpoints that are kept whatever they are, so that witnesses have time to cosign one."""
STEP = 4096
"""Entries between two older ones that are kept; the newest that was cosigned is kept as well."""
_THIN = """
delete from ledger_checkpoint where size in (
  select c.size from ledger_checkpoint c
  where c.size < (select min(size) from (select size from ledger_checkpoint order by size desc limit ?) last)
    and c.size <> (select coalesce(max(size), -1) from ledger_checkpoint where cosigned = 1)
    and exists (select 1 from ledger_checkpoint d where d.size < c.size and d.size / ? = c.size / ?))
"""


class Publisher:
    """Signs and keeps a ledger's checkpoints. For the writer's thread, between two batches."""

    def __init__(self, mark: HighWater, signers: Signers) -> None:
        self.mark = mark
        self._signers = signers

    def check(self, connection: WritingConnection) -> None:
        """Compare the ledger with what was said of it outside, and see that it can be signed; raises as both do.

        Raises:
            StoreError: no key at hand may sign: nothing would be provable from here on.
        """
        known = keys.read(connection)
        self.mark.check(connection, known)
        size = reads.size(connection)
        if size:
            self._may(str(reads.origin(connection)), size, known)

    def publish(self, connection: WritingConnection, *, anew: bool = False) -> None:
        """Sign where the ledger ends now, unless that is done. `anew` sets the mark whatever it says: a new epoch.

        Raises:
            AuditError: no key at hand may sign; or the mark does not follow; or the store fails.
        """
        try:
            connection.begin()
            if reads.size(connection):
                self._publish(connection, anew=anew)
            connection.execute("commit")
        except BaseException:
            connection.execute("rollback") if connection.in_transaction else None
            raise

    def _publish(self, connection: WritingConnection, *, anew: bool) -> None:
        edge, known = tree.frontier(connection), keys.read(connection)
        ledger = (connection, known) if connection.shared else None
        kept = tree.note(connection, edge.size)
        if kept is None:
            origin = reads.origin(connection)
            kept = self._signed(Checkpoint(str(origin), edge.size, edge.root()), known)
            self._follow(kept, ledger, anew=anew)
            connection.execute("insert into ledger_checkpoint(size, note) values (?, ?)", (edge.size, kept))
            connection.execute(_THIN, (LAST, STEP, STEP))
        else:
            self._follow(kept, ledger, anew=anew)

    def _follow(self, kept: str, ledger: tuple[WritingConnection, keys.Keys] | None, *, anew: bool) -> None:
        if self.mark.read() == kept:
            return
        if anew:
            self.mark.replace(kept)
        else:
            self.mark.advance(kept, ledger)

    def _signed(self, checkpoint: Checkpoint, known: keys.Keys) -> str:
        text = checkpoint.text()
        by = self._may(checkpoint.origin, checkpoint.size, known)
        return note.written(text, [signer.line(text) for signer in by])

    def _may(self, origin: str, size: int, known: keys.Keys) -> list[note.Signer]:
        may = known.at(origin, size)
        by = [signer for signer in self._signers() if signer.key in may]
        if not by:
            raise StoreError(f"expected a key at hand that may sign {origin} at {size}, got none")
        return by


def add_signatures(connection: WritingConnection, signed: str, *, enough: bool = True) -> None:
    """Keep cosignatures that were gathered for a checkpoint which is kept; what is there already stays.

    With `enough` of them it is kept until a later one has as many: where a witness is gone, those that lack its line
    must not push out the last that has it.

    Raises:
        AuditError: there is no such checkpoint. Not checked: the signatures; whoever gathered them did.
    """
    text, lines = note.split(signed)
    size = Checkpoint.parse(text).size
    kept = tree.note(connection, size)
    if kept is None or note.split(kept)[0] != text:
        raise AuditError(f"expected a checkpoint of {size} entries that was kept, got another")
    there = kept.splitlines(keepends=True)
    more = "".join(line for line in lines.splitlines(keepends=True) if line not in there)
    if more:
        sql = "update ledger_checkpoint set note = ?, cosigned = ? where size = ?"
        connection.execute(sql, (kept + more, int(enough), size))
