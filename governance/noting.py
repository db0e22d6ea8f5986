"""What the entry of a decision keeps for the next one: debt, slots, leases and overrides that it used."""

from __future__ import annotations

from governance.controls.tertiary import drawing
from governance.controls.write_lock import HELD
from governance.decision import Decision, RefDecision
from governance.draws import MOST_PATHS, MOST_REVIEWERS, Draw, mark
from governance.facts import all_changes, size
from governance.review import debts

CANARY = "canary.reserved"
TOLD = frozenset({"tertiary.drawn", "tertiary.not_drawn"})
"""What a pusher reads where a slot was looked at."""


def noted(decision: Decision) -> dict[str, object]:
    """Return what the entry of a decision keeps for the rooms: members of its data, none where a room has nothing."""
    rooms = (_lease, debts.noted, _draws, _override, _canary)
    return {name: value for room in rooms for name, value in room(decision).items()}


def _lease(decision: Decision) -> dict[str, object]:
    """Return which lease was written under, and how much."""
    for ref in decision.refs:
        held = ref.standing.leases.held if ref.standing.leases else None
        if held is not None and decision.allowed and any(verdict.reason == HELD for verdict in ref.verdicts):
            return {"lease": {"token": held.token, "units": size(ref.update).units}}
    return {}


def _draws(decision: Decision) -> dict[str, object]:
    """Return what was drawn here, allowed or not: whoever saw what a slot holds has used it."""
    told = [ref for ref in decision.refs if any(v.reason in TOLD for v in ref.verdicts)]
    made = [(ref, drawing(ref.update, ref.standing)) for ref in told]
    rows = [_draw(ref, draw) for ref, draw in made if draw is not None]
    return {"draws": rows} if rows else {}


def _draw(ref: RefDecision, draw: Draw) -> list[object]:
    marks = sorted({mark(change.path) for change in all_changes(ref.update)}) if draw.selected else []
    reviewers = list(draw.reviewers[:MOST_REVIEWERS])
    about = [ref.update.ref, draw.change, draw.epoch, draw.operator, draw.slot, int(draw.selected), reviewers]
    return [*about, draw.diff_digest, draw.author, marks[:MOST_PATHS], int(len(marks) > MOST_PATHS)]


def _canary(decision: Decision) -> dict[str, object]:
    """Return the canary that this answer gives away: what is said of it from now on measures nobody."""
    told = (ref for ref in decision.refs if any(verdict.reason == CANARY for verdict in ref.verdicts))
    found = next((ref.standing.canary for ref in told), 0)
    return {"canary": found} if found else {}


def _override(decision: Decision) -> dict[str, object]:
    """Return the override that an allowed landing uses up."""
    used = next((ref.standing.override for ref in decision.refs if ref.standing.override), 0)
    return {"override": used} if used and decision.allowed else {}
