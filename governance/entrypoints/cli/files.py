"""Files that a command is given: what they hold, or a sentence about why not."""

from __future__ import annotations

import hashlib
from pathlib import Path

from governance.errors import RequestError


def read(path: Path) -> bytes:
    """Return what a file holds.

    Raises:
        RequestError: It cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as exc:
        raise RequestError(f"{path} cannot be read: {exc.strerror}", code="file.unreadable") from exc


def digests(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of every file in a folder, by name.

    Raises:
        RequestError: The folder, or a file in it, cannot be read.
    """
    try:
        paths = [path for path in folder.iterdir() if path.is_file()]
    except OSError as exc:
        raise RequestError(f"{folder} cannot be read: {exc.strerror}", code="file.unreadable") from exc
    return {path.name: digest(read(path)) for path in paths}


def digest(raw: bytes) -> str:
    """Return the SHA-256 of some bytes, in hex."""
    return hashlib.sha256(raw).hexdigest()
