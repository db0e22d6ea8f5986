"""A report that is safe to show: every text in it escaped before any renderer sees it, so that none can forget.

Titles, branches and reasons come from those who are reported on. What could move a cursor, reverse a line or look like
a link is shown as what it is. The attached JSON needs none of this: its spelling is ASCII.
"""

from __future__ import annotations

import re
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar

from governance.explain import plain
from governance.tell.reports.facts import Report

_LINK = re.compile(r"(?i):(?=//)|(?<=mailto):|(?<=javascript):|(?<=data):|(?<=www)\.")

T = TypeVar("T")


def safe(report: Report) -> Report:
    """Return the report with every text escaped; the checkpoint keeps its lines."""
    shown = _safe(report)
    lines = (plain(line) for line in report.issue.checkpoint.split("\n"))
    return replace(shown, issue=replace(shown.issue, checkpoint="\n".join(lines)))


def text(said: str) -> str:
    """Return one text, escaped: on one line, and no link for a mail program to make of it."""
    return _LINK.sub(lambda found: f"[{found[0]}]", plain(said))


def _safe(value: T) -> T:
    made: Any = value
    if isinstance(value, str):
        made = text(value)
    elif isinstance(value, tuple):
        made = tuple(_safe(each) for each in value)
    elif is_dataclass(value) and not isinstance(value, type):
        made = replace(value, **{each.name: _safe(getattr(value, each.name)) for each in fields(value)})
    found: T = made
    return found
