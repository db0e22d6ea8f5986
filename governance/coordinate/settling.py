"""How a decision ends: what its answers amount to, and the entries that say so. Called under the lock."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from audit.entry import Draft, Entry
from audit.transaction import Transaction
from governance.authority import Ruling, Signer, empty, judge
from governance.coordinate import disagreeing, messages
from governance.policy import Policy
from governance.record import SERVICE, Kind
from governance.state import stops


def ruled(policy: Policy, found: Mapping[str, Any]) -> Ruling:
    """Return what the table says of a decision with the yeses that it has."""
    return judge(policy.authority, found["kind"], found["role"], _signers(found, "approve"))


def unfrozen(tx: Transaction, repository: str, found: Mapping[str, Any]) -> dict[str, Any]:
    """Return a decision without the yeses of those who are frozen: they fill no place."""

    def stands(answer: Mapping[str, Any]) -> bool:
        yes = answer["verdict"] == "approve"
        return not yes or stops.parties(tx, repository, [answer["by"]], at=tx.now) is None

    return {**found, "answers": [answer for answer in found["answers"] if stands(answer)]}


def rejected(policy: Policy, found: Mapping[str, Any]) -> bool:
    """Whether the noes stop it: one is enough, but in a quarrel they must fill every place, as the yeses must."""
    noes = _signers(found, "reject")
    if found["kind"] not in disagreeing.KINDS:
        return bool(noes)
    rows = [row for row in policy.authority if row.action == found["kind"] and not row.forbid]
    return bool(noes) and any(not empty(row.places, noes) for row in rows)


def settle(
    tx: Transaction, policy: Policy, repository: str, found: Mapping[str, Any], outcome: str, *, reason: str = ""
) -> Entry:
    """Close a decision that its answers have settled, and announce it to every role."""
    settles = tuple(found["about"]["rejections"]) if outcome == "decided" and found["change"] else ()
    data = closing(found, outcome, row=ruled(policy, found).row, reason=reason, settles=settles)
    entry = tx.append(Draft(Kind.DECISION_CLOSED.value, SERVICE, repository, found["kind"], data))
    said = {name: data[name] for name in ("decision", "outcome", "row", "by")} | {
        "kind": found["kind"], "question": found["question"], "entry": entry.seq,
    }  # fmt: skip
    tx.append(messages.announced(SERVICE, repository, said, sorted(policy.roles)))
    return entry


def closing(
    found: Mapping[str, Any], outcome: str, *, row: str, reason: str, settles: tuple[Any, ...]
) -> dict[str, Any]:
    """Return what the entry says that closes a decision."""
    by = [each["by"] for each in found["answers"]]
    return {
        "decision": found["decision"], "outcome": outcome, "row": row, "by": by, "reason": reason,
        "settles": [list(line) for line in settles],
    }  # fmt: skip


def _signers(found: Mapping[str, Any], verdict: str) -> list[Signer]:
    return [Signer(each["by"], each["role"]) for each in found["answers"] if each["verdict"] == verdict]
