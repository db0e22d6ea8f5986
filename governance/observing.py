"""Observe mode: everything is decided and recorded, nothing is refused for breaking a rule. It is how one begins.

What stays refused is what could not be recorded truthfully: refs that only we write, a ref that another push under
way holds, and whatever never reaches us.
"""

from __future__ import annotations

from collections.abc import Iterable

from governance.baseline import OURS
from governance.decision import Decision
from governance.record import Effects

Line = tuple[str, str, str]


def effects(decision: Decision, *, handle: str) -> Effects:
    """Return what a push that was not allowed may do all the same: move its refs. It spends and opens nothing."""
    lines = [(ref.update.old, ref.update.new, ref.update.ref) for ref in decision.refs]
    held = any(ref.standing.reserved for ref in decision.refs)
    return Effects(handle=handle, reserve=() if held else movable(lines))


def movable(lines: Iterable[Line]) -> tuple[Line, ...]:
    """Return the lines, or none of them: what we pinned stays what was reviewed, whatever the mode."""
    found = tuple(lines)
    return () if any(ref.startswith(OURS) for _, _, ref in found) else found
