"""Reading a ledger: where it ends, its entries, its blobs. Any connection will do, also one that cannot write."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from audit.canonical import MAX_INT
from audit.entry import blob_reference, leaf_hash, parse
from audit.errors import EntryError, StoreError
from audit.stores import Asked

NO_LEAF = bytes(32)


class Head(NamedTuple):
    """Where a ledger ends: how many entries, the leaf hash of the last (zeros before the first), and its time."""

    size: int
    leaf: bytes
    ts: int


class Row(NamedTuple):
    """An entry as stored: its number, its exact bytes, and the leaf hash stored beside them."""

    seq: int
    body: bytes
    leaf: bytes


def head(connection: Asked) -> Head:
    """Where the ledger ends, as its head row says."""
    row = connection.execute("select size, head, ts from ledger_head").fetchone()
    if row is None:
        raise StoreError("expected one row in ledger_head, got none")
    return Head(row[0], bytes(row[1]), row[2])


def size(connection: Asked) -> int:
    """How many entries there are, as the entries say."""
    count: int = connection.execute("select coalesce(max(seq) + 1, 0) from ledger_entry").fetchone()[0]
    return count


def checked_head(connection: Asked, *, log: str) -> Head:
    """Where the ledger ends, if head row, last entry and its hash agree and the entry belongs to `log`.

    Not checked: the entries before the last.

    Raises:
        StoreError: they do not; nothing may be appended before a person has looked.
    """
    claimed = head(connection)
    entries_there = size(connection)
    if claimed.size != entries_there:
        raise StoreError(f"expected the head row to say {entries_there} entries, got {claimed.size}: run the verifier")
    last = entry(connection, entries_there - 1)
    if last is None:
        return Head(0, NO_LEAF, 0)
    try:
        found = parse(last.body)
    except EntryError as error:
        raise StoreError(f"expected the last entry ({last.seq}) to be well-formed, got: {error}") from error
    if Head(found.seq + 1, leaf_hash(last.body), found.ts) != claimed or last.leaf != claimed.leaf:
        raise StoreError(f"expected head row and last entry ({last.seq}) to agree, got a difference: run the verifier")
    if found.log != log:
        raise StoreError(f"expected a ledger named {log}, got one named {found.log}")
    return claimed


def entry(connection: Asked, seq: int) -> Row | None:
    """The entry with this number, or None."""
    return next(entries(connection, seq, seq + 1), None)


def entries(connection: Asked, start: int = 0, stop: int | None = None) -> Iterator[Row]:
    """The entries from `start` up to but not including `stop` (None: to the end), in order."""
    # Cast, because text would be decoded on the way, and a damaged file may hold what is not text.
    sql = "select seq, cast(body as blob), leaf from ledger_entry where seq >= ? and seq < ? order by seq"
    return map(Row._make, connection.execute(sql, (start, MAX_INT if stop is None else stop)))


def origin(connection: Asked) -> str | None:
    """The name of the log as its last entry has it, or None before the first.

    Raises:
        StoreError: the last entry is none.
    """
    last = entry(connection, size(connection) - 1)
    if last is None:
        return None
    try:
        return parse(last.body).log
    except EntryError as error:
        raise StoreError(f"expected the last entry ({last.seq}) to be well-formed, got: {error}") from error


def private(connection: Asked, seq: int) -> dict[str, str]:
    """The values that an entry only commits to, as far as they have not been erased."""
    return dict(connection.execute("select field, value from ledger_private where seq = ?", (seq,)).fetchall())


def blob(connection: Asked, sha256: str) -> bytes | None:
    """The payload that an entry names, or None.

    Raises:
        StoreError: what is stored under that hash does not have it.
    """
    row = connection.execute("select data from ledger_blob where sha256 = ?", (bytes.fromhex(sha256),)).fetchone()
    if row is None:
        return None
    data = bytes(row[0])
    got = blob_reference(data)["sha256"]
    if got != sha256:
        raise StoreError(f"expected the blob {sha256}, got {got} under its name")
    return data
