"""What a push may say of itself: which change it belongs to, and nothing else. An option never names an identity.

Options that do not begin with `twinseal.` are other people's business and are let pass unread, but for a slip of ours.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

PREFIX = "twinseal."
FORGOTTEN = "change="
"""Our option without its prefix: passed over in silence, it would open a change that nobody meant."""
CHANGE = re.compile(r"twinseal\.change=([1-9][0-9]{0,8})")
MOST = 16
LONGEST = 256
PRINTABLE = re.compile(r"[\x20-\x7e]*")


@dataclass(frozen=True, slots=True)
class Options:
    """The options of one push, read: the change it names, 0 for none; and what is wrong with them."""

    change: int = 0
    fault: str = ""


def read(options: Sequence[str]) -> Options:
    """Return what the options say. Whatever begins like ours and is not known is a fault, not a guess."""
    if len(options) > MOST:
        return Options(fault=f"{len(options)} push options; at most {MOST} are read")
    for option in options:
        if len(option) > LONGEST or not PRINTABLE.fullmatch(option):
            return Options(fault=f"a push option is at most {LONGEST} printable ASCII characters, got {option[:40]!r}")
    ours = [option for option in options if option.lower().startswith((PREFIX, FORGOTTEN))]
    if not ours:
        return Options()
    named = [CHANGE.fullmatch(option) for option in ours]
    if len(ours) != 1 or named[0] is None:
        return Options(fault=f"expected twinseal.change=<number>, once, got {', '.join(ours)[:120]}")
    return Options(int(named[0][1]))
