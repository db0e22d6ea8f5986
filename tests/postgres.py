"""A PostgreSQL server of the tests' own: real, on a socket in a temporary folder, gone when they end.

It runs as another user where the tests run as root, because PostgreSQL will not. A test that needs it skips with the
reason where there is no PostgreSQL on the machine.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

NOBODY = 65534
USER = "twinseal"
SETTINGS = {
    "listen_addresses": "''",
    "max_connections": "40",
    "shared_buffers": "16MB",
    "fsync": "on",
    "log_min_messages": "fatal",
}


def program(name: str) -> str:
    """Where a program of PostgreSQL is; Debian keeps them off the PATH. Skips where it is not."""
    places = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), reverse=True)
    found = str(places[0]) if places else shutil.which(name)
    if found is None:
        pytest.skip(f"no PostgreSQL on this machine ({name}); on Debian: apt-get install postgresql")
    return found


class Server:
    """A running server, and databases in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.data = folder / "data"
        self._numbers = count()
        self._as = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.getuid() == 0 else {}
        if self._as:
            os.chown(folder, NOBODY, NOBODY)
        arguments = ["-D", str(self.data), "-U", USER, "--auth=trust", "-E", "UTF8", "--locale=C", "--no-sync"]
        subprocess.run([program("initdb"), *arguments], check=True, capture_output=True, cwd=folder, **self._as)
        self.start()

    def start(self) -> None:
        """Start it, and wait until it answers."""
        options = " ".join(f"-c {name}={value}" for name, value in SETTINGS.items())
        self._pg_ctl("start", "-o", f"-k {self.folder} {options}", "-l", str(self.folder / "log"))

    def stop(self, mode: str = "fast") -> None:
        """Stop it; `immediate` is as if the machine had lost power."""
        with contextlib.suppress(subprocess.CalledProcessError):
            self._pg_ctl("stop", "-m", mode)

    def kill(self) -> None:
        """Kill it by -9: the postmaster and every process of its, before any of them can say or close anything."""
        postmaster = int((self.data / "postmaster.pid").read_text().split()[0])
        os.kill(postmaster, signal.SIGSTOP)  # It makes no more of them while we look.
        children = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split()
        for process in (*map(int, children), postmaster):
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)

    def database(self) -> str:
        """Make an empty database, and return its address."""
        name = f"ledger{next(self._numbers)}"
        with psycopg.connect(self.address("postgres"), autocommit=True) as connection:
            connection.execute(f"create database {name}".encode())
        return self.address(name)

    def address(self, name: str) -> str:
        return f"postgresql://{USER}@/{name}?host={self.folder}"

    def _pg_ctl(self, verb: str, *more: str) -> None:
        command = [program("pg_ctl"), "-D", str(self.data), "-w", *more, verb]
        subprocess.run(
            command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=self.folder, **self._as
        )


def _roomy(place: Path) -> Path | None:
    """The place, if some hundred databases have room there."""
    return place if os.access(place, os.W_OK) and shutil.disk_usage(place).free > 4 << 30 else None


@contextlib.contextmanager
def running() -> Iterator[Server]:
    """A server for as long as the block lasts."""
    program("initdb")
    # It is made to keep what it commits, as ours demands; in memory that costs nothing.
    folder = Path(tempfile.mkdtemp(prefix="twinseal-pg-", dir=_roomy(Path("/dev/shm"))))
    server = None
    try:
        server = Server(folder)
        yield server
    finally:
        if server is not None:
            server.stop("immediate")
        shutil.rmtree(folder, ignore_errors=True)
