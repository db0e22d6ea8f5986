"""Unreviewed debt on its way: what a decision leaves of it and clears, and how it is shown to who may sign it off."""

from __future__ import annotations

from typing import Any

from governance import debt, unreviewed
from governance.controls.four_eyes import FourEyes
from governance.debt import Account, Added, Lately, Owed
from governance.decision import Decision, RefDecision
from governance.facts import UpdateFacts, size
from governance.policy import Policy
from governance.standing import Roster
from governance.state import debts
from governance.state.fold import Tx

SHOWN = 20
"""Paths that are shown with a change; `twinseal debt show` shows all."""


def noted(decision: Decision) -> dict[str, object]:
    """Return what an allowed decision lands unreviewed, and what its sign-offs clear once it has landed."""
    refs = decision.refs if decision.allowed else ()
    small = [ref for ref in refs if _answered(ref, "below_threshold")]
    signed = [ref for ref in refs if _answered(ref, "signed_off")]
    adds = [(ref.update, unreviewed.adds(ref.update, ref.standing)) for ref in small]
    found: dict[str, list[list[object]]] = {
        "small": [_small(update, added) for update, added in adds],
        "debt": [[update.ref, owed.path, owed.units] for update, added in adds for owed in added.owed],
        "cleared": [line for ref in signed for line in _cleared(ref)],
    }
    return {name: rows for name, rows in found.items() if rows}


def _answered(ref: RefDecision, reason: str) -> bool:
    return any(verdict.reason == f"{FourEyes.NAME}.{reason}" for verdict in ref.verdicts)


def _small(update: UpdateFacts, adds: Added) -> list[object]:
    return [update.ref, list(adds.roles), list(adds.people), size(update).lines, adds.units, len(adds.owed)]


def _cleared(ref: RefDecision) -> list[list[object]]:
    bound = unreviewed.bound(ref.update, ref.standing, ref.standing.approvals())
    return [[ref.update.ref, through, list(people)] for people, through in sorted(bound.items())]


def with_change(tx: Tx, repository: str) -> dict[str, Any]:
    """Return the debt that a sign-off given now is shown and binds; empty where there is none."""
    owed = debts.owed(tx, repository, Roster({}))
    if not owed:
        return {}
    units: dict[str, int] = {}
    for each in owed:
        units[each.path] = units.get(each.path, 0) + each.units
    found = {"units": sum(units.values()), "files": len(units), "since": owed[0].at}
    return debts.bound(owed) | found | {"paths": [[path, units[path]] for path in sorted(units)[:SHOWN]]}


def report(tx: Tx, repository: str, *, policy: Policy, roster: Roster, now: int) -> dict[str, Any]:
    """Return everything that is owed, by budget and by landing, and what each role landed lately."""
    owed = debts.owed(tx, repository, roster)
    limits = policy.controls.small_changes
    return {
        "budgets": [_account(account) for account in debt.accounts(owed, policy)],
        "items": _items(owed, debts.moves(tx, repository)),
        "roles": [_role(each) for each in debts.lately(tx, repository, policy, now=now)],
        "window": {"hours": limits.window_hours, "landings": limits.landings, "units": limits.lines}
        | {"files": limits.files},
    }


def _items(owed: tuple[Owed, ...], moved: dict[int, tuple[str, str, str]]) -> list[dict[str, Any]]:
    """Return each landing of each path, with the commits to compare."""
    found = []
    for each in owed:
        ref, old, new = moved[each.seq]
        item = {"path": each.path, "units": each.units, "at": each.at, "entry": each.seq}
        found.append(item | {"contributors": list(each.people), "ref": ref, "old": old, "new": new})
    return found


def _account(account: Account) -> dict[str, Any]:
    return {
        "kind": account.kind,
        "name": account.name,
        "units": account.units,
        "files": len(account.paths),
        "most_units": account.most_units,
        "most_files": account.most_files,
        "since": account.since,
    }


def _role(each: Lately) -> dict[str, Any]:
    return {
        "role": each.role,
        "landings": each.landings,
        "units": each.units,
        "files": each.files,
        "cool_until": each.cool_until,
    }
