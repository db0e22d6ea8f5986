"""Whether the process that a reservation is named for still runs."""

from __future__ import annotations

import os
from pathlib import Path

MAINTENANCE = "m-"
"""What a reservation of maintenance begins with, before its process; the transaction hook knows it too."""

START_FIELD = 19
"""`starttime` is field 22 of /proc/<pid>/stat (proc(5)); 19 after the name, which may hold anything."""


def alive(handle: str) -> bool:
    """Whether `<pid>-<start>` names a process of this machine that still runs: not a zombie, nor a later one."""
    pid, _, start = handle.partition("-")
    if not (pid.isdigit() and start.isdigit()):
        return False
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return False
    state, *rest = stat.rpartition(")")[2].split()
    return state != "Z" and rest[START_FIELD - 1] == start


def own_handle() -> str:
    """Return the name of our own process, as a reservation is named."""
    stat = Path("/proc/self/stat").read_text(encoding="ascii", errors="replace")
    return f"{os.getpid()}-{stat.rpartition(')')[2].split()[START_FIELD]}"
