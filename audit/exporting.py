"""A ledger as files: tiles and bundles (C2SP tlog-tiles), checkpoints, entries as JSON lines, payloads.

What an export holds is all that a verifier needs, without the database. Tiles that are full never change, so exporting
again into the same folder writes only what is new. Values that can be erased are not exported.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from audit import keys, reads, tree
from audit.checkpoint import Checkpoint, claimed
from audit.errors import ProofError, StoreError
from audit.merkle import inclusion_proof
from audit.proof import Proof
from audit.stores import Asked, Connection
from audit.tiles import WIDTH, Tile, tiles_of, unbundled

_OURS = (".", "tile", "blob", "checkpoints", "entries.jsonl", "keys.policy", "private.", "requests.", "ledger-")
"""How the names in an export or a back-up begin: one that broke off is gone on with."""

Progress = Callable[[int, int], None]


def silent(done: int, total: int) -> None:
    """Show no progress."""
    del done, total


@dataclass(frozen=True, slots=True)
class Exported:
    """What an export wrote: of how many entries, from which on, how many files, and the checkpoint over them."""

    size: int
    first: int
    files: int
    checkpoint: str


def export(connection: Connection, folder: Path, *, progress: Progress = silent) -> Exported:
    """Write a ledger up to its newest checkpoint into a folder, from one look at it.

    The checkpoint is written last: what it speaks for is there.

    Raises:
        ProofError: there is no checkpoint yet.
        StoreError: the folder cannot be written, or holds another log.
    """
    connection.look()
    try:
        signed = newest(connection)
        size, first = signed[0].size, first_kept(connection)
        _check_folder(folder, signed[0])
        files = 0
        for done, (name, data) in enumerate(_files(connection, size, first)):
            files += _write(folder, name, [data], again=".p/" in name or name == "kept.jsonl")
            progress(min(done * WIDTH, size), size)
        files += _write(folder, "entries.jsonl", _lines_of(folder, size), again=True)
        files += _write(folder, "checkpoint", [signed[1].encode()], again=True)
    except OSError as error:
        raise StoreError(f"expected to write an export to {folder}, got: {error}") from error
    finally:
        connection.execute("rollback")
    progress(size, size)
    return Exported(size, first, files, signed[1])


def lines(connection: Connection, since: int = 0, stop: int | None = None) -> Iterator[bytes]:
    """Yield entries as they were hashed, one a line, from the number `since` on. A cursor: ask again from the last."""
    return (row.body + b"\n" for row in reads.entries(connection, since, stop))


def prove(connection: Connection, seq: int) -> bytes:
    """Return a proof file for one entry under the newest checkpoint, with its body in it.

    Raises:
        ProofError: there is no such entry, or the checkpoint does not reach it yet.
    """
    point, signed = newest(connection)
    row = reads.entry(connection, seq)
    if row is None or seq >= point.size:
        raise ProofError(f"expected an entry below the checkpoint's {point.size}, got {seq}")
    hashes = inclusion_proof(seq, point.size, tree.nodes(connection, point.size))
    return Proof(seq, tuple(hashes), signed.encode(), row.body).file()


def newest(connection: Connection) -> tuple[Checkpoint, str]:
    """Return the newest checkpoint, and the note that says it.

    Raises:
        ProofError: nothing was signed yet.
    """
    signed = tree.note(connection)
    if signed is None:
        raise ProofError("expected a ledger with a checkpoint, got one that was never signed")
    return claimed(signed), signed


def first_kept(connection: Asked) -> int:
    """Return the number of the first entry whose body is kept: those before it were pruned."""
    return int(connection.execute("select coalesce(max(idx) + 1, 0) from ledger_pruned").fetchone()[0]) * WIDTH


def _files(connection: Connection, size: int, first: int) -> Iterator[tuple[str, bytes]]:
    for tile in tiles_of(size):
        yield tile.path(), tree.tile_data(connection, tile)
        if tile.level == 0 and (tile.index + 1) * WIDTH > first:
            bundle = Tile(0, tile.index, tile.width, entries=True)
            yield bundle.path(), tree.tile_data(connection, bundle)
    if first:  # What the ledger says of itself: without it nobody could tell which key counts for which size.
        yield "kept.jsonl", b"".join(lines(connection, 0, first))
    for (sha256,) in connection.execute("select sha256 from ledger_blob order by sha256").fetchall():
        name = bytes(sha256).hex()
        yield f"blob/{name}", reads.blob(connection, name) or b""
    for past, signed in connection.execute("select size, note from ledger_checkpoint order by size").fetchall():
        yield f"checkpoints/{past}", signed.encode()
    yield "keys.policy", _policy(connection)


def bundles(folder: Path, size: int) -> Iterator[tuple[int, list[bytes]]]:
    """Yield the entries of an export by the number of the first, in order, as far as it has them.

    Raises:
        StoreError: a bundle cannot be read, or is none.
    """
    for index in range(-(-size // WIDTH)):
        path = folder / Tile(0, index, min(WIDTH, size - index * WIDTH), entries=True).path()
        try:
            if path.exists():
                yield index * WIDTH, unbundled(path.read_bytes())
        except (OSError, ProofError) as error:
            raise StoreError(f"expected entries in {path}, got: {error}") from error


def _lines_of(folder: Path, size: int) -> Iterator[bytes]:
    """Yield the lines of all that the folder holds: more than the ledger, where that was pruned since."""
    return (b"".join(body + b"\n" for body in bodies) for _, bodies in bundles(folder, size))


def _policy(connection: Connection) -> bytes:
    known = keys.read(connection)
    logs = "".join(f"log {held.key}\n" for held in known.held)
    return f"{logs}quorum none\n".encode()


def _check_folder(folder: Path, point: Checkpoint) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    there = folder / "checkpoint"
    if there.exists():
        before = claimed(there.read_text("utf-8"))
        if keys.lineage(before.origin) != keys.lineage(point.origin) or before.size > point.size:
            raise StoreError(f"expected {folder} to be empty or an older export of {point.origin}, got {before}")
    elif not all(path.name.startswith(_OURS) for path in folder.iterdir()):
        raise StoreError(f"expected {folder} to be empty or an older export, got other files")


def _write(folder: Path, name: str, parts: Iterable[bytes], *, again: bool) -> int:
    """Write a file whole; one that never changes is not written again.

    Until it is whole it lies at the top, under one name: what a crash leaves there is no tile, and no payload.
    """
    path, beside = folder / name, folder / ".new"
    if path.exists() and not again:
        return 0
    path.parent.mkdir(parents=True, exist_ok=True)
    with beside.open("wb") as out:
        out.writelines(parts)
        out.flush()
        os.fsync(out.fileno())
    beside.rename(path)
    return 1
