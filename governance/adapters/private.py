"""A folder for secret keys: of this user alone, or not used."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from governance.errors import EnrolmentError


def private_folder(path: Path) -> Path:
    """Return the folder, made where it was missing.

    Raises:
        EnrolmentError: It is a link, somebody else's, or open to others.
    """
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    seen = path.lstat()
    if not stat.S_ISDIR(seen.st_mode) or seen.st_mode & 0o077 or seen.st_uid != os.getuid():
        raise EnrolmentError(
            f"key home {path}: expected a directory of uid {os.getuid()} with mode 0700, "
            f"got uid {seen.st_uid} and mode {stat.S_IMODE(seen.st_mode):04o}",
            code="key.home",
        )
    return path
