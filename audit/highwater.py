"""How far the ledger is known to have come, kept outside of it: its newest checkpoint, as a signed note in a file.

A database cannot know that an older copy of it was put back. This small file can, if it lives elsewhere: it never goes
back, and is only replaced by whoever knows what it says (compare and swap), so that two copies of one ledger cannot
both move it.

Limits. The mark follows the ledger by up to a second; entries younger than that can be cut off unnoticed by it. Whoever
can write both the database and the mark can set both back; then only someone else's memory helps: a witness, a clone, a
mail.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from audit import merkle, note, reads, tree
from audit.checkpoint import Checkpoint, claimed
from audit.errors import EntryError, ForkedError, NoteError, ProofError, RollbackError, StoreError, UnmarkedError
from audit.keys import Keys
from audit.stores import Connection


class HighWater:
    """The mark in the file at `path`. Not for use from two threads at once."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._known: str | None = None
        self._checked = False
        self._ended = False
        """Whether the mark is of an epoch that has ended: whoever opened the next one may have died before it moved."""

    def check(self, connection: Connection, keys: Keys, *, adopt: bool = False) -> None:
        """Compare ledger and mark before anything is appended; the rules are the table below, first match wins.

        | mark                       | ledger                           | answer                              |
        |----------------------------|----------------------------------|-------------------------------------|
        | none                       | empty                            | good; the first checkpoint begins it |
        | none                       | has entries                      | UnmarkedError; with `adopt`, good   |
        | of an epoch that was ended | the next epoch gives up just this | good                               |
        | another name               | any                              | ForkedError                         |
        | size n                     | fewer than n entries             | RollbackError                       |
        | size n                     | another root at n                | ForkedError                         |
        | size n                     | this root at n                   | good; it may have gone on since     |

        Not checked: that leaf hashes and bodies agree. The verifier does that.

        Raises:
            StoreError: the mark cannot be read, or none of the ledger's keys signed it.
        """
        with self._held():
            self._known = self._read()
            if self._known is not None:
                self._ended = _compare(self._known, connection, keys, self.path)
            elif reads.size(connection) and not adopt:
                raise UnmarkedError(
                    f"expected a high-water mark at {self.path} for a ledger of {reads.size(connection)} entries, "
                    "got none; if it was lost: twinseal ledger adopt"
                )
            self._checked = True

    def advance(self, signed: str, ledger: tuple[Connection, Keys] | None = None) -> None:
        """Move the mark to a checkpoint, durably. Moving it to where it is does nothing.

        `ledger` is given where others may write the same one: a mark that one of them moved is then compared with the
        ledger, as `check` does, and it is good if the ledger has just that tree.

        Raises:
            RollbackError: the checkpoint lies before the mark.
            ForkedError: somebody else moved the mark, or there is another root at the same size.
            StoreError: `check` has not passed, or the mark cannot be read or written.
        """
        if not self._checked:
            raise StoreError(f"expected the mark {self.path} to be checked before it is moved, got no check")
        wanted = _checkpoint(signed)
        with self._held():
            found = self._read()
            if found != self._known and (ledger is None or found is None):
                raise ForkedError(f"expected the mark {self.path} to be as we left it, got another: a second writer?")
            if found != self._known and ledger is not None:
                self._ended = _compare(str(found), *ledger, self.path)
            if found is not None and not self._ended:
                _follows(_checkpoint(found), wanted, self.path)
            if found != signed:
                self._write(signed)
            self._known, self._ended = signed, False

    def replace(self, signed: str) -> None:
        """Set the mark, whatever it says: for a new epoch, whose entry binds what is given up."""
        with self._held():
            self._write(signed)
            self._known, self._checked, self._ended = signed, True, False

    def read(self) -> str | None:
        """The note, or None.

        Raises:
            StoreError: it cannot be read.
        """
        with self._held():
            return self._read()

    def _read(self) -> str | None:
        try:
            return self.path.read_bytes().decode()
        except FileNotFoundError:
            return None
        except UnicodeDecodeError as error:
            raise StoreError(f"expected a high-water mark in {self.path}, got: {error}") from error

    def _write(self, signed: str) -> None:
        """Whole or not at all, and there after a power cut: file, then name, then directory."""
        beside = self.path.with_name(self.path.name + ".new")
        file = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        with os.fdopen(file, "wb") as out:
            out.write(signed.encode())
            out.flush()
            os.fsync(out.fileno())
        beside.rename(self.path)
        folder = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    @contextlib.contextmanager
    def _held(self) -> Iterator[None]:
        """Nobody else reads and replaces the mark meanwhile. Waits: the others hold it for milliseconds."""
        try:
            lock = os.open(f"{self.path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX)
                yield
            finally:
                os.close(lock)
        except OSError as error:
            raise StoreError(f"expected to read and write the high-water mark {self.path}, got: {error}") from error


def _compare(signed: str, connection: Connection, keys: Keys, path: Path) -> bool:
    """Return whether the mark, which the ledger continues, is of an epoch before its present one."""
    mark = _checkpoint(signed)
    # The recovery key has signed that this is given up; the keys that signed the mark do not count that far any more.
    if any((mark == epoch.given_up) for epoch in keys.epochs):
        return True
    if mark.origin not in {epoch.origin for epoch in keys.epochs}:
        here = keys.epochs[-1].origin if keys.epochs else "an empty ledger"
        kind = ForkedError if keys.epochs else RollbackError
        raise kind(f"expected the mark {path} of {here}, got that of {mark.origin} with {mark.size} entries")
    size = next((each.last for each in keys.epochs if each.origin == mark.origin), None)
    size = reads.size(connection) if size is None else size
    if size < mark.size:
        raise RollbackError(f"expected at least {mark.size} entries, as marked in {path}, got {size}")
    _check_signed(signed, keys.at(mark.origin, mark.size), path)
    try:
        found = merkle.root(mark.size, tree.nodes(connection, mark.size))
    except ProofError as error:
        raise ForkedError(f"expected the tree of {mark.size} entries to be there, got: {error}") from error
    if found != mark.root:
        raise ForkedError(f"expected root {mark.root.hex()} at {mark.size} entries, as marked, got {found.hex()}")
    return mark.origin != keys.epochs[-1].origin


def _check_signed(signed: str, keys: list[note.Key], path: Path) -> None:
    try:
        by = note.read(signed.encode(), keys).signatures
    except NoteError as error:
        raise StoreError(f"expected a high-water mark in {path}, got: {error}") from error
    if not by:
        raise StoreError(f"expected the mark {path} to be signed by a key that counts there, got none that we know")


def _follows(found: Checkpoint, wanted: Checkpoint, path: Path) -> None:
    if wanted.size < found.size:
        raise RollbackError(f"expected the mark {path} to move on from {found.size}, got {wanted.size}")
    if wanted.origin != found.origin:
        raise ForkedError(f"expected the mark {path} of {found.origin} to stay one, got {wanted.origin}")
    if wanted.size == found.size and wanted.root != found.root:
        raise ForkedError(f"expected {found.root.hex()} at size {found.size} in {path}, got {wanted.root.hex()}")


def _checkpoint(signed: str) -> Checkpoint:
    try:
        return claimed(signed)
    except (NoteError, EntryError) as error:
        raise StoreError(f"expected a checkpoint as high-water mark, got: {error}") from error
