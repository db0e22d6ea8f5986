"""How far the ledger is known to have come, kept outside of it.

A database cannot know that an older copy of it was put back. This small file can, if it lives elsewhere: it holds name,
size and last leaf hash, never goes back, and is only replaced by whoever knows what it says (compare and swap), so that
two copies of one ledger cannot both move it.

Limits. The mark follows the ledger by up to a second; entries younger than that can be cut off unnoticed by it. Whoever
can write both the database and the mark can set both back; then only someone else's memory helps.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from audit import canonical, reads
from audit.entry import leaf_hash
from audit.errors import EntryError, ForkedError, RollbackError, StoreError, UnmarkedError

if TYPE_CHECKING:
    import sqlite3 as sqlite
    from collections.abc import Iterator
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Mark:
    """What is known of a ledger: its name, how many entries it had, and the leaf hash of the last, in hex."""

    log: str
    size: int
    head: str


class HighWater:
    """The mark of the ledger `log`, in the file at `path`. Not for use from two threads at once."""

    def __init__(self, path: Path, *, log: str) -> None:
        self._path = path
        self._log = log
        self._known: Mark | None = None

    def check(self, connection: sqlite.Connection, *, adopt: bool = False) -> Mark:
        """Compare ledger and mark before anything is appended; the rules are the table below, first match wins.

        | mark         | ledger                                  | answer                                      |
        |--------------|-----------------------------------------|---------------------------------------------|
        | none         | empty                                   | begin a mark at 0                           |
        | none         | has entries                             | UnmarkedError; with `adopt`, mark it as it is |
        | another name | any                                     | ForkedError                                 |
        | size n       | fewer than n entries                    | RollbackError                               |
        | size n       | entry n-1 has another leaf hash         | ForkedError                                 |
        | size n       | entry n-1 has this leaf hash            | good; it may have gone on since             |

        Not checked: the entries before n-1. The verifier does that.

        Raises:
            StoreError: the mark cannot be read or written.
        """
        with self._held():
            mark = self._read()
            if mark is None:
                mark = self._begin(reads.checked_head(connection, log=self._log), adopt=adopt)
            self._compare(mark, connection)
            self._known = mark
        return mark

    def advance(self, head: reads.Head) -> None:
        """Move the mark to `head`, durably. Moving it to where it is does nothing.

        Raises:
            RollbackError: `head` lies before the mark.
            ForkedError: somebody else moved the mark, or `head` is another one at the same size.
            StoreError: `check` has not passed, or the mark cannot be read or written.
        """
        if self._known is None:
            raise StoreError(f"expected the mark {self._path} to be checked before it is moved, got no check")
        wanted = Mark(self._log, head.size, head.leaf.hex())
        with self._held():
            found = self._read()
            if found != self._known:
                raise ForkedError(f"expected the mark {self._path} to be {self._known}, got {found}: a second writer?")
            if wanted.size < found.size:
                raise RollbackError(f"expected the mark {self._path} to move on from {found.size}, got {wanted.size}")
            if wanted.size == found.size and wanted != found:
                raise ForkedError(f"expected {found.head} at size {found.size} in {self._path}, got {wanted.head}")
            if wanted != found:
                self._write(wanted)
                self._known = wanted

    def _begin(self, head: reads.Head, *, adopt: bool) -> Mark:
        if head.size and not adopt:
            raise UnmarkedError(
                f"expected a high-water mark at {self._path} for a ledger of {head.size} entries, got none; "
                "if it was lost, have the ledger verified and adopt it"
            )
        mark = Mark(self._log, head.size, head.leaf.hex())
        self._write(mark)
        return mark

    def _compare(self, mark: Mark, connection: sqlite.Connection) -> None:
        if mark.log != self._log:
            raise ForkedError(f"expected the mark {self._path} of {self._log}, got that of {mark.log}")
        size = reads.size(connection)
        if size < mark.size:
            raise RollbackError(f"expected at least {mark.size} entries, as marked in {self._path}, got {size}")
        if mark.size:
            last = reads.entry(connection, mark.size - 1)
            # From the body: the stored leaf hash is only a copy that a file editor may have left alone.
            found = "no entry" if last is None else leaf_hash(last.body).hex()
            if found != mark.head:
                raise ForkedError(f"expected entry {mark.size - 1} to have leaf hash {mark.head}, got {found}")

    def _read(self) -> Mark | None:
        try:
            text = self._path.read_bytes()
        except FileNotFoundError:
            return None
        try:
            return _parse(canonical.decode(text.removesuffix(b"\n")))
        except EntryError as error:
            raise StoreError(f"expected a high-water mark in {self._path}, got: {error}") from error

    def _write(self, mark: Mark) -> None:
        """Whole or not at all, and there after a power cut: file, then name, then directory."""
        beside = self._path.with_name(self._path.name + ".new")
        file = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        with os.fdopen(file, "wb") as out:
            out.write(canonical.encode(asdict(mark)) + b"\n")
            out.flush()
            os.fsync(out.fileno())
        beside.rename(self._path)
        folder = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    @contextlib.contextmanager
    def _held(self) -> Iterator[None]:
        """Nobody else reads and replaces the mark meanwhile. Waits: the others hold it for milliseconds."""
        try:
            lock = os.open(f"{self._path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX)
                yield
            finally:
                os.close(lock)
        except OSError as error:
            raise StoreError(f"expected to read and write the high-water mark {self._path}, got: {error}") from error


def _parse(fields: dict[str, object]) -> Mark:
    match fields:
        case {"log": str(log), "size": int(size), "head": str(head), **rest} if not rest:
            if type(size) is int and size >= 0 and len(head) == len(reads.NO_LEAF.hex()):
                return Mark(log, size, head)
    raise EntryError(f"expected log, size and head of a mark, got {fields}")
