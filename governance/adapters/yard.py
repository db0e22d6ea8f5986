"""What the lander does to a repository, with git as its child and the hook's own code as its eyes."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable
from pathlib import Path

from governance.adapters import git, hook_files, resources
from governance.adapters.gnupg_home import KeyHome
from governance.adapters.seat import Seat
from governance.errors import FactsError
from governance.ports import Merged

GATHER_S = 60
MERGE = ("-c", "protocol.allow=never", "-c", "core.attributesFile=/dev/null", "merge-tree", "--write-tree")
"""As `twinseal_hook.processes` runs it: both must make the same tree."""

_GATHER = """
import sys
sys.path.insert(0, sys.argv[1])
from twinseal_hook.landing import main
sys.stdout.buffer.write(main(*sys.argv[2:]))
"""


class GitYard:
    """A `Yard`: see the port. Keeps nothing between calls."""

    def tip(self, path: str, ref: str) -> str:
        """Return the value of a ref, empty where it does not exist."""
        out = git.run(Path(path), "for-each-ref", "--format=%(objectname) %(refname)", ref).decode("utf-8", "replace")
        found = (line.split(" ", 1) for line in out.splitlines())
        return next((oid for oid, name in found if name == ref), "")

    def contains(self, path: str, head: str, tip: str) -> bool:
        """Whether the tip is the head or one of its ancestors."""
        return git.run(Path(path), "rev-list", "--max-count=1", tip, f"^{head}") == b""

    def merge(self, path: str, tip: str, head: str) -> Merged:
        """Merge two commits as the hook will, without touching a ref."""
        try:
            return Merged(git.run(Path(path), *MERGE, tip, head).decode("ascii").strip())
        except git.GitError:
            # Again, to hear which paths: this exit code says "conflicts", and any other raises.
            told = git.run(Path(path), *MERGE, "--name-only", "-z", "--no-messages", tip, head, ok=(1,))
        names = told.decode("utf-8", "replace").split("\0")[1:]
        return Merged("", tuple(name for name in names if name) or ("(no path)",))

    def store(self, path: str, commit: bytes) -> str:
        """Keep a commit, still unreferenced; return its name."""
        return git.run(Path(path), "hash-object", "-t", "commit", "-w", "--stdin", stdin=commit).decode("ascii").strip()

    def gather(self, path: str, request: str) -> bytes:
        """Return what the hook's own code gathers, in a process of its own as for a push."""
        code = [hook_files.interpreter(), "-ISB", "-c", _GATHER, str(resources.folder("hooks"))]
        try:
            done = subprocess.run(
                [*code, git.program(), path, request],
                env={"PATH": os.defpath, "LC_ALL": "C"}, capture_output=True, timeout=GATHER_S, check=False,
            )  # fmt: skip
        except (OSError, subprocess.TimeoutExpired) as exc:
            raise FactsError(f"the facts of the landing: {exc}", code="facts.landing") from exc
        if done.returncode != 0:
            last = done.stderr.decode("utf-8", "replace").strip().rpartition("\n")[2][:400]
            raise FactsError(f"the facts of the landing: {last}", code="facts.landing")
        return done.stdout

    def reserve(self, path: str, handle: str, lines: Iterable[tuple[str, str, str]]) -> None:
        """Write the reservation in one step: the transaction hook reads it as soon as it is there."""
        file = _reservation(path, handle)
        draft = file.with_name(f".{handle}")
        draft.write_text("".join(f"{' '.join(line)}\n" for line in lines), encoding="latin-1")
        draft.replace(file)

    def move(self, path: str, handle: str, line: tuple[str, str, str]) -> None:
        """Move a ref under a reservation, from exactly the old value."""
        old, new, ref = line
        said = f"update {ref} {new} {old}\n".encode("latin-1")
        git.run(Path(path), "update-ref", "--stdin", stdin=said, extra={"TWINSEAL_RESERVATION": handle})

    def clear(self, path: str, handle: str) -> None:
        """Remove a reservation that is over, if it is there."""
        _reservation(path, handle).unlink(missing_ok=True)


def _reservation(path: str, handle: str) -> Path:
    return Path(path) / hook_files.FOLDER / "reservations" / handle


class SeatKey:
    """A `LanderKey` in a seat of its own, so that the owner can replace it with the ordinary commands."""

    def __init__(self, seat: Seat) -> None:
        self._seat = seat

    def make(self, name: str, email: str) -> bytes:
        """Make a key and return its certificate."""
        with KeyHome(self._seat.keys) as home:
            fingerprint = home.generate(name, email)
            self._seat.remember(fingerprint=fingerprint, principal=name)
            return home.export_public(fingerprint)

    def sign(self, data: bytes, fingerprint: str) -> bytes:
        """Return an armored detached signature by exactly this key."""
        with KeyHome(self._seat.keys) as home:
            return home.sign(data, fingerprint)
