"""A ledger from an export: into an empty place, of either engine. The answer to a lost disk, and the way to move.

Every body is hashed again and the tree grown again; the root must be the one that the export's checkpoint signs. What
was written after the export is not in it: the mark outside tells, and then only a new epoch goes on.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from audit import keys, merkle, note, reads, tree
from audit.checkpoint import Checkpoint, claimed
from audit.entry import leaf_hash, parse
from audit.erasing import ERASED
from audit.errors import AuditError, StoreError
from audit.exporting import Progress, bundles, silent
from audit.merkle import Frontier
from audit.private import commitment
from audit.stores import Connection, WritingConnection
from audit.tiles import roots_of_full_tiles

PRIVATE = "private.jsonl"
REQUESTS = "requests.jsonl"


def restore(connection: WritingConnection, folder: Path, *, progress: Progress = silent) -> Checkpoint:
    """Write an export into an empty ledger; state tables are the caller's to fold.

    Raises:
        AuditError: the ledger is not empty; or the export is not whole, pruned, or not what its checkpoint signs.
    """
    if reads.size(connection):
        raise StoreError(f"expected an empty ledger to restore into, got {reads.size(connection)} entries")
    signed = _text(folder / "checkpoint")
    point = claimed(signed)
    try:
        connection.begin()
        root = _entries(connection, folder, point.size, progress)
        _check_signed(keys.read(connection), signed, point, root)
        _beside(connection, folder, point.size)
        connection.execute("commit")
    except (connection.Error, ValueError, TypeError, OSError) as error:
        raise StoreError(f"expected to restore the export {folder}, got: {error}") from error
    finally:
        connection.execute("rollback") if connection.in_transaction else None
    return point


def private_lines(connection: Connection, size: int) -> Iterator[bytes]:
    """Yield what an export of so many entries leaves out: the values that can be erased, with their salts."""
    for seq, field, salt, value in connection.execute(
        "select seq, field, salt, value from ledger_private where seq < ? order by seq, field", (size,)
    ).fetchall():
        yield json.dumps([seq, field, bytes(salt).hex(), value]).encode() + b"\n"


def request_lines(connection: Connection) -> Iterator[bytes]:
    """Yield the keys under which entries were appended, so that who asks again after a restore is answered."""
    for row in connection.execute("select id, seq from ledger_request order by seq, id").fetchall():
        yield json.dumps(list(row)).encode() + b"\n"


def _entries(connection: WritingConnection, folder: Path, size: int, progress: Progress) -> bytes:
    edge, ts = Frontier(), 0
    for first, batch in bundles(folder, size):
        if first != edge.size or not batch:
            raise StoreError(f"expected the entries from {edge.size} on in {folder}, got those from {first}: pruned?")
        leaves = [leaf_hash(body) for body in batch]
        filled, after = roots_of_full_tiles(edge, leaves)
        for number, (body, leaf) in enumerate(zip(batch, leaves, strict=True), edge.size):
            row = (number, body.decode(), leaf)
            connection.execute("insert into ledger_entry(seq, body, leaf) values (?, ?, ?)", row)
        for tile in filled:
            connection.execute("insert into ledger_tile(level, idx, root) values (?, ?, ?)", tile)
        edge, ts = after, parse(batch[-1]).ts
        head = (edge.size, leaves[-1], ts, b"".join(edge.hashes))
        connection.execute("update ledger_head set size = ?, head = ?, ts = ?, frontier = ?", head)
        progress(edge.size, size)
    return edge.root()


def _check_signed(known: keys.Keys, signed: str, point: Checkpoint, root: bytes) -> None:
    if root != point.root:
        raise StoreError(f"expected the root {point.root.hex()} that the checkpoint signs, got {root.hex()}")
    may = known.at(point.origin, point.size)
    if not note.read(signed.encode(), may).signatures:
        raise StoreError(f"expected a checkpoint signed by a key of {point.origin}, got none")


def _beside(connection: WritingConnection, folder: Path, size: int) -> None:
    """Write what stands beside the entries: payloads, older checkpoints, values that can be erased."""
    for path in sorted(folder.glob("blob/*")):
        data = path.read_bytes()
        if hashlib.sha256(data).hexdigest() != path.name:
            raise StoreError(f"expected {path} to have the hash of its name")
        connection.execute("insert into ledger_blob values (?, ?)", (bytes.fromhex(path.name), data))
    known = keys.read(connection)
    for path in sorted(folder.glob("checkpoints/[1-9]*"), key=lambda path: int(path.name)):
        if int(path.name) <= size:
            row = (int(path.name), _older(connection, path, known))
            connection.execute("insert into ledger_checkpoint(size, note) values (?, ?)", row)
    erased = _erased(connection)
    for seq, field, salt, value in _rows(folder / PRIVATE):
        if (seq, field) not in erased:
            _private(connection, seq, field, salt, value)
    for key, seq in _rows(folder / REQUESTS):
        if seq < size:
            connection.execute("insert into ledger_request(id, seq) values (?, ?)", (key, seq))


def _rows(path: Path) -> Iterator[Any]:
    return map(json.loads, path.read_bytes().splitlines() if path.exists() else ())


def _older(connection: WritingConnection, path: Path, known: keys.Keys) -> str:
    """Return an older checkpoint, if it is one of these entries: what is kept beside them cannot be taken out again."""
    signed = _text(path)
    point = claimed(signed)
    if point.size != int(path.name):
        raise StoreError(f"expected {path} to be of its own size, got {point.size}")
    _check_signed(known, signed, point, merkle.root(point.size, tree.nodes(connection, point.size)))
    return signed


def _erased(connection: WritingConnection) -> set[tuple[int, str]]:
    """Return what entries say is erased: a copy made before, which lies in the same folder, does not bring it back."""
    sql = "select cast(body as blob) from ledger_entry where kind = ?"
    found = [json.loads(bytes(row[0]))["data"] for row in connection.execute(sql, (ERASED,)).fetchall()]
    return {(data["of"], field) for data in found for field in data["fields"]}


def _private(connection: WritingConnection, seq: int, field: str, salt: str, value: str) -> None:
    row = reads.entry(connection, seq)
    said = parse(row.body).data.get("commit") if row else None
    if not isinstance(said, dict) or said.get(field) != commitment(bytes.fromhex(salt), value):
        raise AuditError(f"expected entry {seq} to commit to {field} as the back-up has it, got another")
    values = (seq, field, bytes.fromhex(salt), value)
    connection.execute("insert into ledger_private(seq, field, salt, value) values (?, ?, ?, ?)", values)


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise StoreError(f"expected an export with {path}, got: {error}") from error
