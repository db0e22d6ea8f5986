"""Time zones by name, from the data that is locked with everything else: one day has the same hours on every machine.

Pure: the data is a package of ours to read, not the machine's own, which is another version wherever one looks.
"""

from __future__ import annotations

import re
from datetime import UTC, tzinfo
from functools import cache
from importlib import resources
from zoneinfo import ZoneInfo

from governance.errors import SettingsError

_NAME = re.compile(r"[A-Za-z0-9_+-]+(?:/[A-Za-z0-9_+-]+){0,2}")


def known(name: str) -> bool:
    """Whether there is a zone of this name."""
    return name == "UTC" or (_NAME.fullmatch(name) is not None and name in _names())


@cache
def zone(name: str) -> tzinfo:
    """Return a zone.

    Raises:
        SettingsError: There is none of this name.
    """
    if name == "UTC":
        return UTC
    if not known(name):
        raise SettingsError(f"no time zone is called {name!a:.40}", mend="Name one of tzdata: Europe/Berlin.")
    with resources.files("tzdata").joinpath("zoneinfo", *name.split("/")).open("rb") as data:
        return ZoneInfo.from_file(data, key=name)


@cache
def _names() -> frozenset[str]:
    return frozenset(resources.files("tzdata").joinpath("zones").read_text("ascii").split())
