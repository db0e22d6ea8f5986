"""One attack of the catalogue."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """One attack."""

    id: str
    title: str
    control: str = ""
    beats: str = ""
    """What lets it through: somebody's system, or a way to write a hook."""
    unrecorded: str = ""
    """Why there is no entry of it; empty where there must be one."""
    not_here: str = ""
    """Why it does not apply; empty where it does."""
