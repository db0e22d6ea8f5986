"""Observe mode: everything is decided and recorded, nothing is refused for breaking a rule. It is how one begins.

What stays refused is what could not be recorded truthfully: refs that only we write, or that replace objects, a ref
that another push under way holds, an old value that the ref does not have, whoever is not who they were when the push
began, and whatever never reaches us.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from governance.baseline import NEVER
from governance.decision import Decision
from governance.record import Effects

Line = tuple[str, str, str]
ENDED = frozenset({"identity.revoked", "identity.session"})
"""Not rules about a push, but whether the front knows who pushes: it would have refused them at the door."""


def effects(decision: Decision, *, handle: str) -> Effects:
    """Return what a push that was not allowed may do all the same: move its refs. It spends and opens nothing."""
    lines = [(ref.update.old, ref.update.new, ref.update.ref) for ref in decision.refs]
    held = any(ref.standing.reserved for ref in decision.refs)
    values = {ref.update.ref: ref.update.actual for ref in decision.refs}
    return Effects(handle=handle, reserve=() if held else movable(lines, values))


def movable(lines: Iterable[Line], values: Mapping[str, str]) -> tuple[Line, ...]:
    """Return the lines, or none of them. `values` are those the refs have, zeros for none.

    What we pinned stays what was reviewed, and reads as such, in every mode. A line with another old value than the
    ref has is one that git refuses too, or a deletion that git carries out without comparing: nobody could tell
    afterwards what was deleted.
    """
    found = tuple(lines)
    false = any(old != values[ref] or old == new for old, new, ref in found)
    return () if false or any(ref.startswith(NEVER) for _, _, ref in found) else found


def may_pass(code: str) -> bool:
    """Whether a push that could not be judged for this reason may pass where nothing is enforced."""
    return code not in ENDED
