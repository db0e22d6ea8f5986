"""Letting go of old entries: archived, checked, and then their bodies removed; hashes stay, and so does every proof.

An append-only table does not delete. So in one transaction the entry that says so is appended, the leaf hashes are kept
as tiles, the guard is lifted, the rows go, and the guard is back. What the ledger says of itself (keys, kinds, epochs)
stays: without it nothing that is kept could be judged.
"""

from __future__ import annotations

import hashlib
from base64 import b64encode
from dataclasses import dataclass
from pathlib import Path

from audit import merkle, tree
from audit.entry import Actor, Draft, Entry, leaf_hash
from audit.errors import ProofError, StoreError
from audit.exporting import first_kept, newest
from audit.stores import Connection, WritingConnection
from audit.tiles import WIDTH, Tile, unbundled
from audit.transaction import Transaction

PRUNED = "ledger.pruned"


@dataclass(frozen=True, slots=True)
class Archive:
    """A folder that was exported, found to hold every entry below a number."""

    below: int
    digest: str
    root: bytes


def check_archive(connection: Connection, folder: Path, below: int) -> Archive:
    """Return the archive, if every entry that would go is there, byte for byte.

    Raises:
        ProofError: `below` is not a whole number of tiles under the checkpoint, or nothing would go.
        StoreError: an entry is missing there or is another.
    """
    first, size = first_kept(connection), newest(connection)[0].size
    if below % WIDTH or not first < below < size:
        raise ProofError(f"expected a multiple of {WIDTH} above {first} and below {size}, got {below}")
    digest = hashlib.sha256()
    for index in range(first // WIDTH, below // WIDTH):
        tile = Tile(0, index, entries=True)
        data = _read(folder / tile.path())
        leaves = b"".join(map(leaf_hash, unbundled(data)))
        if leaves != tree.tile_data(connection, Tile(0, index)):
            raise StoreError(f"expected {folder / tile.path()} to hold the entries from {index * WIDTH} on")
        digest.update(data)
    return Archive(below, digest.hexdigest(), merkle.root(below, tree.nodes(connection, below)))


def prune(tx: Transaction, archive: Archive, *, actor: Actor) -> Entry:
    """Append the entry that says what goes and what was kept of it, and let it go.

    Raises:
        StoreError: on PostgreSQL, where the service's role does not own the tables.
        ProofError: it went already, since the archive was checked: an entry that says less than the last is none.
    """
    first = first_kept(tx)
    if archive.below <= first:
        raise ProofError(f"expected to prune entries from {first} on, got those below {archive.below}")
    data: dict[str, object] = {
        "below": archive.below,
        "archive": archive.digest,
        "root": b64encode(archive.root).decode(),
        "kept": _kept(tx, archive.below),
    }
    entry = tx.append(Draft(PRUNED, actor, "", f"entries below {archive.below}", data))
    tx.maintain(lambda connection: _remove(connection, archive.below))
    return entry


def _kept(tx: Transaction, below: int) -> str:
    """Return a digest of what stays of the entries below: a rotation taken out of it would bring an old key back."""
    sql = "select leaf from ledger_entry where seq < ? and kind like 'ledger.%' order by seq"
    leaves = [bytes(row[0]) for row in tx.execute(sql, (below,)).fetchall()]
    return hashlib.sha256(b"".join(leaves)).hexdigest()


def _remove(connection: WritingConnection, below: int) -> None:
    """Remove the bodies below a number, in the transaction that is open: their leaf hashes are kept first."""
    for index in range(first_kept(connection) // WIDTH, below // WIDTH):
        leaves = tree.tile_data(connection, Tile(0, index))
        connection.execute("insert into ledger_pruned(idx, leaves) values (?, ?)", (index, leaves))
    connection.unguarded("delete from ledger_entry where seq < ? and kind not like 'ledger.%'", (below,))
    connection.execute("delete from ledger_private where seq < ?", (below,))


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise StoreError(f"expected the archive to have {path}, got: {error.strerror}") from error
