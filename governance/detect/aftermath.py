"""What became of what a reviewer had approved: how much of it a third party looked at, and how much of that it blocked.

Whose turn a third review is, a draw says; so the share that was blocked is an estimate of how often this reviewer
approves what should not land. It ranks, and asks for nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from governance.detect.exact import bounds
from governance.draws import Told


def rates(told: Iterable[Told]) -> list[dict[str, Any]]:
    """Return, of each approver, how much was looked at and blocked, with exact 95 % bounds; the worst first.

    One difference counts once, and as blocked if anybody blocked it.
    """
    seen: dict[str, dict[tuple[int, str], Told]] = {}
    for each in told:
        for name in each.approvers:
            before = seen.setdefault(name, {}).get(each.what)
            seen[name][each.what] = each if before is None or not before.blocked else before
    rows = []
    for name, looked in seen.items():
        blocked = [each for each in looked.values() if each.blocked]
        low, high = bounds(len(blocked), len(looked))
        numbers = {"looked_at": len(looked), "blocked": len(blocked), "low": low, "high": high}
        rows.append({"reviewer": name, **numbers, "authors": sorted({each.author for each in blocked})})
    return sorted(rows, key=lambda row: (-row["low"], -row["high"], row["reviewer"]))
