"""The markers by which a freeze or a veto reaches git's own transaction hook, also where the service may not write.

In the repository where it can be: it stays with it over a restart of the machine. Where the git user's files are not
ours to write, beside the hook socket, in a folder of ours that the hook only reads.
"""

from __future__ import annotations

import contextlib
import hashlib
from pathlib import Path

IN_REPOSITORY = "twinseal/frozen"
FOLDER = "frozen"
REVOKED = "twinseal/revoked"
"""Where a push under way is marked by its reservation; beside the socket, it is the marker's name and that."""


def beside(socket: Path, repository: Path) -> Path:
    """Return where the marker lies that does not lie in the repository; the installer tells the hook."""
    return socket.parent / FOLDER / hashlib.sha256(str(repository).encode()).hexdigest()[:32]


def mark(repository: Path, reason: str, *, socket: Path) -> Path:
    """Make git refuse to move anything there, and return the marker.

    Raises:
        OSError: Neither place can be written.
    """
    text = f"{reason}\n"
    with contextlib.suppress(OSError):
        (repository / IN_REPOSITORY).write_text(text, encoding="utf-8")
        return repository / IN_REPOSITORY
    place = beside(socket, repository)
    place.parent.mkdir(parents=True, exist_ok=True)
    place.parent.chmod(0o755)
    place.write_text(text, encoding="utf-8")
    place.chmod(0o644)
    return place


def lift(repository: Path, *, socket: Path) -> None:
    """Take both markers away.

    Raises:
        OSError: One is there and stays.
    """
    beside(socket, repository).unlink(missing_ok=True)
    with contextlib.suppress(PermissionError):
        (repository / IN_REPOSITORY).unlink(missing_ok=True)


def revoke(repository: Path, handles: frozenset[str], *, socket: Path) -> None:
    """Make git refuse to move what these reservations hold, and what no other holds any more because of us.

    Raises:
        OSError: Neither place can be written, or a marker is there and stays.
    """
    place, marker = repository / REVOKED, beside(socket, repository)
    for handle in sorted(handles):
        _revoke(place, marker, handle)
    if place.is_dir():
        for file in place.iterdir():
            if file.name not in handles:
                with contextlib.suppress(PermissionError):
                    file.unlink(missing_ok=True)
    for file in marker.parent.glob(f"{marker.name}.*"):
        if file.name.removeprefix(f"{marker.name}.") not in handles:
            file.unlink(missing_ok=True)


def _revoke(place: Path, marker: Path, handle: str) -> None:
    with contextlib.suppress(OSError):
        place.mkdir(exist_ok=True)
        (place / handle).touch()
        return
    marker.parent.mkdir(parents=True, exist_ok=True)
    marker.parent.chmod(0o755)
    marker.with_name(f"{marker.name}.{handle}").touch()
