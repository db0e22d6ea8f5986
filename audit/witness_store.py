"""What a witness remembers: for each origin the last checkpoint it cosigned, as a signed note in a file of its own.

What `write` returned from is on the disk. Whoever holds an origin holds it alone, among threads and processes, so
nothing comes between what was read and what is written. A file is replaced whole or not at all.

Limits. A folder that is put back from a copy forgets what was cosigned since; a file that is removed forgets its log.
So a folder that was lost is not to be restored: its key ends with it, and a new witness begins.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
from collections.abc import Iterator
from pathlib import Path

from audit.errors import StoreError

_NAME = re.compile(r"[0-9a-f]{64}")


def name_of(origin: str) -> str:
    """Return the name of an origin's file, which is also its place in the witness's address."""
    return hashlib.sha256(origin.encode()).hexdigest()


class Store:
    """The folder at `path`, which is made where it is missing. For any number of threads."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._broken = ""
        with self._told("open"):
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._settle()  # What a process that was killed has renamed is on the disk before it is read.

    @contextlib.contextmanager
    def held(self, origin: str) -> Iterator[Slot]:
        """Hold an origin alone. Waits for whoever has it, for as long as that one writes.

        Raises:
            StoreError: it cannot be read or written, or a write has failed before: a failed fsync is not tried again,
                because the system may then say that it went well.
        """
        name = name_of(origin)
        with self._locked(name, fcntl.LOCK_EX):
            yield Slot(self, name)

    def read(self, name: str) -> bytes | None:
        """Return the note that is kept under a name, if there is one.

        Raises:
            StoreError: it cannot be read.
        """
        if not _NAME.fullmatch(name) or not (self._path / name).exists():
            return None
        # Not before it is on the disk: what somebody has seen must not be forgotten.
        with self._locked(name, fcntl.LOCK_SH):
            return self._bytes(name)

    @contextlib.contextmanager
    def _locked(self, name: str, how: int) -> Iterator[None]:
        with self._told("lock"):
            lock = os.open(self._path / f"{name}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            with self._told("lock"):
                fcntl.flock(lock, how)
            if self._broken:
                raise StoreError(f"expected a sound store, got one whose last write failed: {self._broken}")
            yield
        finally:
            os.close(lock)

    def _bytes(self, name: str) -> bytes | None:
        with self._told("read"):
            try:
                return (self._path / name).read_bytes()
            except FileNotFoundError:
                return None

    def _write(self, name: str, data: bytes) -> None:
        try:
            beside = self._path / f"{name}.new"
            file = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            with os.fdopen(file, "wb") as out:
                out.write(data)
                out.flush()
                os.fsync(out.fileno())
            beside.rename(self._path / name)
            self._settle()
        except OSError as error:
            self._broken = str(error)
            raise StoreError(f"expected to write {self._path / name}, got: {error}") from error

    def _settle(self) -> None:
        """Have the folder itself on the disk."""
        folder = os.open(self._path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    @contextlib.contextmanager
    def _told(self, deed: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise StoreError(f"expected to {deed} the witness's store {self._path}, got: {error}") from error


class Slot:
    """One origin, held."""

    __slots__ = ("_name", "_store")

    def __init__(self, store: Store, name: str) -> None:
        self._store = store
        self._name = name

    def read(self) -> bytes | None:
        """Return what is kept, if anything is."""
        return self._store._bytes(self._name)  # noqa: SLF001 - two halves of one thing

    def write(self, data: bytes) -> None:
        """Keep this instead, durably."""
        self._store._write(self._name, data)  # noqa: SLF001 - two halves of one thing
