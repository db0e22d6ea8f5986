"""Do something as the user who owns a folder: root must not write where somebody else may have laid links."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from pathlib import Path

from governance.errors import SettingsError

SAID_LIMIT = 4096


def check(folder: Path) -> None:
    """Refuse early what `as_owner` could not do.

    Raises:
        SettingsError: We are neither the owner nor root.
    """
    owner = folder.stat().st_uid
    if os.geteuid() not in {0, owner}:
        said = f"{folder} belongs to uid {owner}, and this is uid {os.geteuid()}"
        raise SettingsError(said, mend="Run this as root, or as that user: sudo twinseal ...")


def as_owner(folder: Path, act: Callable[[], None]) -> None:
    """Run `act` as the owner of a folder: here where that is us, in a child that gave up root where we are root.

    Raises:
        SettingsError: We are neither, or it failed in the child.
    """
    check(folder)
    stat = folder.stat()
    if os.geteuid() == stat.st_uid:
        act()
        return
    ours, theirs = os.pipe()
    with warnings.catch_warnings():
        # Python warns of forks beside threads; the child only calls the system and ends.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        _become_and_exit(stat.st_uid, stat.st_gid, act, theirs)
    os.close(theirs)
    with os.fdopen(ours, "rb") as said:
        words = said.read(SAID_LIMIT).decode("utf-8", "replace")
    _, status = os.waitpid(child, 0)
    if os.waitstatus_to_exitcode(status):
        raise SettingsError(f"as uid {stat.st_uid}, in {folder}: {words or 'ended without a word'}")


def _become_and_exit(uid: int, gid: int, act: Callable[[], None], words: int) -> None:
    status = 1
    try:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
        act()
        status = 0
    except BaseException as exc:  # noqa: BLE001 - nothing may escape into a second copy of the program
        os.write(words, f"{type(exc).__name__}: {exc}".encode()[:SAID_LIMIT])
    finally:
        os._exit(status)
