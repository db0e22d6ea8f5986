"""What a push may say of itself: its change, its feature, its lease. An option never names an identity.

Options that do not begin with `twinseal.` are other people's business and are let pass unread, but for a slip of ours.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

PREFIX = "twinseal."
FORGOTTEN = ("change=", "lock=")
"""Our options without their prefix: passed over in silence, one would open a change that nobody meant."""
KNOWN: Mapping[str, tuple[re.Pattern[str], str]] = MappingProxyType(
    {
        "change": (re.compile(r"[1-9][0-9]{0,8}"), "twinseal.change=<number>"),
        "lock": (re.compile(r"[1-9][0-9]{0,14}"), "twinseal.lock=<token>"),
        "feature": (re.compile(r"[a-z0-9-]{1,40}"), "twinseal.feature=<name>"),
    }
)
"""Every option of ours: what its value looks like, and how to say so."""
MOST = 16
LONGEST = 256
PRINTABLE = re.compile(r"[\x20-\x7e]*")


@dataclass(frozen=True, slots=True)
class Options:
    """The options of one push, read: change and fencing token, 0 for none; its feature; and what is wrong."""

    change: int = 0
    fault: str = ""
    lock: int = 0
    feature: str = ""


def read(options: Sequence[str]) -> Options:
    """Return what the options say. Whatever begins like ours and is not known is a fault, not a guess."""
    if len(options) > MOST:
        return Options(fault=f"{len(options)} push options; at most {MOST} are read")
    for option in options:
        if len(option) > LONGEST or not PRINTABLE.fullmatch(option):
            return Options(fault=f"a push option is at most {LONGEST} printable ASCII characters, got {option[:40]!r}")
    ours = [option for option in options if option.lower().startswith((PREFIX, *FORGOTTEN))]
    said: dict[str, str] = {}
    for option in ours:
        name, _, value = option.removeprefix(PREFIX).partition("=")
        known = KNOWN.get(name) if option.startswith(PREFIX) else None
        if known is None or name in said or not known[0].fullmatch(value):
            expected = " or ".join(form for _, form in KNOWN.values())
            return Options(fault=f"expected {expected}, each once, got {', '.join(ours)[:120]}")
        said[name] = value
    change, lock = (int(said.get(name, "0")) for name in ("change", "lock"))
    return Options(change=change, lock=lock, feature=said.get("feature", ""))
