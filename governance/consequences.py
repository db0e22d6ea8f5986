"""What follows from an entry by rule, in the same transaction: freezes that nobody had to ask for.

Each is of the role at fault and no more: an agent's deeds stop no other's work, and never a repository or everything.
Who is at fault is who was authenticated, or whom an entry of ours names; no claim in a push is asked. What was counted
before a thaw counts no more, and nothing is frozen twice for the same.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from audit.entry import Draft
from audit.transaction import Transaction
from governance.policy import Kind as PrincipalKind
from governance.policy import Policy
from governance.record import SERVICE, Kind
from governance.state.fold import Tx
from governance.stops import Rule, Scope, full

HOUR_MS = 60 * 60 * 1000
COUNTED_MOST = 20
"""Entries that a freeze by rule names; its reason says how many there were."""

_WORDS = {
    Rule.GATE_BYPASS: "gate bypasses",
    Rule.INTENT: "pushes outside the declared intent",
    Rule.OVERRIDES: "landings by override",
    Rule.PAIR_BLOCK: "tertiary blocks of one author and approver",
}


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that counts, and who did it: by name and role."""

    rule: Rule
    who: str
    role: str
    about: str


def follow(tx: Transaction, policy: Policy) -> None:
    """Append what the rules say must follow from what was just written. Call after every entry that may cause it."""
    if not tx.leaves:
        return
    last = tx.execute("select max(seq) from ledger_entry").fetchone()[0]
    sql = "select rule, who, about from misdeed where seq > ? order by seq, position"
    rows = tx.execute(sql, (last - len(tx.leaves),)).fetchall()
    for rule, who, about in rows:
        fault = _fault(tx, Rule(rule), who, about)
        if fault is not None:
            _freeze(tx, policy, fault)


def _fault(tx: Tx, rule: Rule, who: str, about: str) -> Fault | None:
    """Return whose fault it is; nobody's where nobody is known, or a service did it for somebody."""
    name = _asker(tx, int(about)) if rule is Rule.OVERRIDES else who
    row = tx.execute("select role, kind from principal where name=?", (name,)).fetchone()
    return None if row is None or row[1] == PrincipalKind.SERVICE else Fault(rule, name, row[0], about)


def _asker(tx: Tx, seq: int) -> str:
    """Return who asked for an override: the actor of the entry that asks, which a later one names as `asked`."""
    found = _entry(tx, seq)
    if found.get("kind") != Kind.OVERRIDE_ASKED.value:
        found = _entry(tx, found.get("data", {}).get("asked", -1))
    return str(found["actor"]["id"]) if found.get("kind") == Kind.OVERRIDE_ASKED.value else ""


def _entry(tx: Tx, seq: int) -> dict[str, Any]:
    row = tx.execute("select body from ledger_entry where seq=?", (seq,)).fetchone()
    found: dict[str, Any] = json.loads(row[0]) if row else {}
    return found


def _freeze(tx: Transaction, policy: Policy, fault: Fault) -> None:
    limits, role = policy.controls.freezing, fault.role
    named = (fault.rule.value, Scope.ROLE.value, role)
    sql = "select 1 from halt where rule=? and scope=? and value=? and lifted_seq is null"
    if tx.execute(sql, named).fetchone():
        return
    sql = "select coalesce(max(lifted_seq), -1) from halt where rule=? and scope=? and value=?"
    thawed = tx.execute(sql, named).fetchone()[0]
    since = tx.now - limits.window_hours * HOUR_MS
    counted = _counted(tx, fault, since=since, after=thawed)
    landings = _landings(tx, policy, since=since) if fault.rule is Rule.OVERRIDES else 0
    if not full(fault.rule, len(counted), limits, landings=landings):
        return
    reason = f"{len(counted)} {_WORDS[fault.rule]} in {limits.window_hours} h, the last by {fault.who}"
    data = {"scope": Scope.ROLE.value, "value": role, "repository": "", "reason": reason, "expires_at": 0}
    data |= {"trigger": fault.rule.value, "counted": counted[-COUNTED_MOST:]}
    tx.append(Draft(Kind.FREEZE_IMPOSED.value, SERVICE, "", role, data))


def _counted(tx: Tx, fault: Fault, *, since: int, after: int) -> list[int]:
    """Return the entries that count with this fault: of its role, or of its pair.

    An override that git let go of and that was pushed again counts once, and so do the blocks of one change by one
    reviewer: nobody fills a count by saying the same again.
    """
    where, params = "", [fault.rule.value, since, after]
    if fault.rule is Rule.PAIR_BLOCK:
        where, params = "and m.who=? and m.about=?", [*params, fault.who, fault.about]
    elif fault.rule is not Rule.OVERRIDES:
        where = "and m.who in (select name from principal where role=?)"
        params = [*params, fault.role]
    sql = f"select m.seq, m.about from misdeed m where m.rule=? and m.ts>? and m.seq>? {where} order by m.seq"  # noqa: S608
    rows = tx.execute(sql, tuple(params)).fetchall()
    if fault.rule is Rule.OVERRIDES:
        rows = [row for row in rows if (theirs := _fault(tx, fault.rule, "", row[1])) and theirs.role == fault.role]
        return list({about: seq for seq, about in rows}.values())
    if fault.rule is Rule.PAIR_BLOCK:
        return list({_block(tx, seq): seq for seq, _ in rows}.values())
    return [seq for seq, _ in rows]


def _block(tx: Tx, seq: int) -> tuple[str, ...]:
    """Return which change was blocked, and by whom."""
    found = _entry(tx, seq)
    return found["repo"], found["subject"], found["actor"]["id"]


def _landings(tx: Tx, policy: Policy, *, since: int) -> int:
    """Count what landed in the window. Asked only where somebody has just landed by override."""
    sql = "select body from ledger_entry where kind=? and ts>? and seq>? order by seq"
    first = "select coalesce(max(seq), 0) from ledger_entry where kind=? and ts<=?"
    start = tx.execute(first, (Kind.PUSH_DECIDED.value, since)).fetchone()[0]
    rows = tx.execute(sql, (Kind.PUSH_DECIDED.value, since, start)).fetchall()
    decided = [json.loads(row[0])["data"] for row in rows]
    return sum(
        1 for data in decided if data["allowed"] and any(policy.is_protected(line[2]) for line in data["reserve"])
    )
