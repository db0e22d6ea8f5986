"""Whether the process that a reservation is named for still runs."""

from __future__ import annotations

import os
from pathlib import Path

MAINTENANCE = "m-"
"""What a reservation of maintenance begins with, before its process; the transaction hook knows it too."""

START_FIELD = 19
"""`starttime` is field 22 of /proc/<pid>/stat (proc(5)); 19 after the name, which may hold anything."""


def alive(handle: str) -> bool:
    """Whether `<pid>-<start>` names a process of this machine that still runs: not a zombie, nor a later one.

    A landing's handle has a third part; that its service runs does not say that the landing is still under way.
    """
    pid, _, start = handle.partition("-")
    if not (pid.isdigit() and start.isdigit()):
        return False
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return False
    state, *rest = stat.rpartition(")")[2].split()
    return state != "Z" and rest[START_FIELD - 1] == start


def this() -> tuple[int, int]:
    """Return our own process id and start time, as a handle holds them."""
    stat = Path("/proc/self/stat").read_text(encoding="ascii", errors="replace")
    return os.getpid(), int(stat.rpartition(")")[2].split()[START_FIELD])
