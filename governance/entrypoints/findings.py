"""What `doctor` says of one thing that it looked at."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at. `level` is good, warn or bad; bad means that a rule may not hold."""

    level: str
    what: str
    said: str
    mend: str = ""
