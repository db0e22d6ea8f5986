"""How much an entry matters: from its kind and data alone, so that whoever folds the ledger tells the same.

What is not in the table is recorded and told to nobody. A policy may say otherwise of a kind or of a code
(`alerts.severities`): the code counts before the kind.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from governance.record import Kind

CRITICAL, HIGH, MEDIUM, LOW = "critical", "high", "medium", "low"
PERSONAL = "personal"
"""What is for one person on one channel: it takes no route, is never gathered, and counts for no flood."""
REPORT = "report"
"""Reports: by mail, to every owner."""

Data = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Weight:
    """What an entry is worth telling. `code` names what happened more closely than the kind, where it does."""

    severity: str
    code: str
    only: tuple[tuple[str, str], ...] = ()
    """(channel, principal) of what is personal."""


def weight(kind: str, data: Data) -> Weight:
    """Return how much an entry matters, where no policy says otherwise.

    It never raises: whatever an old entry lacks, it is folded, for what cannot be folded cannot be decided.
    """
    found = _BY_DATA[kind](data) if kind in _BY_DATA else _ALWAYS.get(kind, LOW)
    return found if isinstance(found, Weight) else Weight(found, kind)


_GATHERED = frozenset(
    {
        Kind.REQUEST_REFUSED.value,
        Kind.MESSAGE_OVERDUE.value,
        Kind.MESSAGE_CHECKED.value,
        Kind.NOTICE_CLOSED.value,
        Kind.SESSION_REFUSED.value,
        "ledger.clock_stepped",
    }
)


def repeats(kind: str, data: Data) -> bool:
    """Whether what comes again from the same cause is the same news: attempts, and what is missing.

    What was done is news each time, where anything of it differs: the second number, invitation or lifted freeze within
    an hour may be somebody else's.
    """
    if kind == Kind.PUSH_DECIDED.value:
        return not data.get("allowed")
    return kind in _GATHERED


_ALWAYS: Mapping[str, str] = MappingProxyType(
    {
        Kind.FREEZE_IMPOSED.value: CRITICAL,
        Kind.REFS_DRIFTED.value: CRITICAL,
        "ledger.epoch": CRITICAL,
        "ledger.key_rotated": HIGH,
        "ledger.erased": HIGH,
        "ledger.pruned": HIGH,
        "ledger.clock_stepped": HIGH,
        Kind.PRINCIPAL_ADDED.value: HIGH,
        Kind.PRINCIPAL_INVITED.value: HIGH,
        Kind.PRINCIPAL_RETIRED.value: HIGH,
        Kind.KEY_REVOKED.value: HIGH,
        Kind.KEY_ENROLLED.value: MEDIUM,
        Kind.KEY_ROTATED.value: MEDIUM,
        Kind.TOKEN_ISSUED.value: MEDIUM,
        Kind.REPOSITORY_ADDED.value: MEDIUM,
        Kind.REPOSITORY_ADOPTED.value: HIGH,
        Kind.REPOSITORY_MODE_SET.value: HIGH,
        Kind.REPOSITORY_REMOVED.value: HIGH,
        Kind.FREEZE_LIFTED.value: HIGH,
        Kind.VETO_CAST.value: HIGH,
        Kind.LIMIT_RAISED.value: HIGH,
        Kind.OVERRIDE_ASKED.value: HIGH,
        Kind.MESSAGE_OVERDUE.value: MEDIUM,
        Kind.ACCOUNT_CONTACT.value: HIGH,
        Kind.ACCOUNT_SET.value: HIGH,
        Kind.FACTOR_REMOVED.value: HIGH,
        Kind.FACTOR_RESET.value: CRITICAL,
        Kind.PROMPT_DENIED.value: HIGH,
        Kind.SESSION_REFUSED.value: MEDIUM,
        Kind.DECISION_CONFIRMED.value: MEDIUM,
        Kind.DECISION_HELD.value: HIGH,
        Kind.DECISION_DISOWNED.value: CRITICAL,
        Kind.REPORT_ISSUED.value: REPORT,
    }
)

PUSHES: Mapping[str, str] = MappingProxyType({"write_lock.intent": HIGH, "gates.bypass": HIGH})
"""Reasons for which a refused push is told, by their first words; any other refusal is everyday work.

What a canary is refused for is not among them: who reads the webhook would learn which change is one."""
REFUSALS: Mapping[str, str] = MappingProxyType(
    {
        "factor.locked": HIGH,
        "factor.used": HIGH,
        "factor.recovery": HIGH,
        "authority.owner_only": MEDIUM,
        "rate_limits": MEDIUM,
        "statement.not_yours": HIGH,
        "statement.replayed": MEDIUM,
        "message.changed": HIGH,
        "two_channels.code": HIGH,
        "two_channels.locked": HIGH,
        "two_channels.forged": HIGH,
    }
)
"""The same of refused requests."""


def _worst(codes: list[str], table: Mapping[str, str]) -> tuple[str, str]:
    """Return the severity and code of the one that matters most; low and nothing where none does."""
    found = [
        ((CRITICAL, HIGH, MEDIUM).index(severity), severity, code)
        for code in codes
        for name, severity in table.items()
        if code == name or code.startswith((f"{name}.", f"{name}_"))
    ]
    _, severity, code = min(found, default=(0, LOW, ""))
    return severity, code


def _pushed(data: Data) -> Weight:
    if data.get("let_through"):
        return Weight(MEDIUM, "push.let_through")
    if data.get("allowed"):
        return Weight(HIGH, "push.overridden") if data.get("override") else Weight(LOW, Kind.PUSH_DECIDED.value)
    severity, code = _worst([data.get("code", ""), *(r for rs in data.get("verdicts", ()) for r in rs)], PUSHES)
    return Weight(severity, code or Kind.PUSH_DECIDED.value)


def _refused(data: Data) -> Weight:
    severity, _ = _worst([data.get("code", "")], REFUSALS)
    return Weight(severity, data.get("code", Kind.REQUEST_REFUSED.value))


def _lapse(data: Data) -> Weight:
    return Weight(CRITICAL if data.get("freezes", True) else HIGH, Kind.CONTINUITY_LAPSE.value)


def _maintained(data: Data) -> Weight:
    quiet = data.get("ok") and not data.get("drifted")
    return Weight(LOW if quiet else HIGH, Kind.MAINTENANCE_ENDED.value)


def _signed(data: Data) -> Weight:
    return Weight(CRITICAL, "override.stands") if data.get("stands") else Weight(HIGH, Kind.OVERRIDE_SIGNED.value)


def _override_reviewed(data: Data) -> Weight:
    return Weight(LOW if data.get("verdict") == "fine" else HIGH, Kind.OVERRIDE_REVIEWED.value)


def _lifted(data: Data) -> Weight:
    return Weight(HIGH if data.get("how") == "lift" else MEDIUM, Kind.VETO_LIFTED.value)


def _third(data: Data) -> Weight:
    blocked = data.get("verdict") == "block"
    return Weight(HIGH, "tertiary.blocked") if blocked else Weight(LOW, Kind.TERTIARY_GIVEN.value)


def _checked(data: Data) -> Weight:
    wrong = any(data.get(name) for name in ("missing", "changed", "unknown"))
    return Weight(HIGH if wrong else LOW, Kind.MESSAGE_CHECKED.value)


def _asked(data: Data) -> Weight:
    return Weight(HIGH if data.get("critical", True) else LOW, Kind.DECISION_RAISED.value)


def _awaited(data: Data) -> Weight:
    """To whom it is addressed, and to nobody else: it holds a code."""
    to, sent = data.get("to", ""), data.get("sent", ())
    if not to or not sent:
        return Weight(HIGH, "decision.not_sent")
    return Weight(PERSONAL, Kind.DECISION_AWAITED.value, tuple((channel, to) for channel in sent))


def _factor(data: Data) -> Weight:
    """One that nobody vouched for waits so that its person may hear of it, and take it back: that is loud."""
    severity = {"first": MEDIUM, "another": HIGH}.get(data.get("how", ""), CRITICAL)
    return Weight(severity, Kind.FACTOR_ENROLLED.value)


def _found(data: Data) -> Weight:
    return Weight(HIGH if data.get("found") else LOW, Kind.FINDING_RECORDED.value)


def _raised(data: Data) -> Weight:
    said = data.get("severity")
    return Weight(said if said in {CRITICAL, HIGH, MEDIUM, LOW} else HIGH, data.get("code", Kind.ALERT_RAISED.value))


_BY_DATA: Mapping[str, Callable[[Data], Weight]] = MappingProxyType(
    {
        Kind.PUSH_DECIDED.value: _pushed,
        Kind.REQUEST_REFUSED.value: _refused,
        Kind.CONTINUITY_LAPSE.value: _lapse,
        Kind.MAINTENANCE_ENDED.value: _maintained,
        Kind.OVERRIDE_SIGNED.value: _signed,
        Kind.OVERRIDE_REVIEWED.value: _override_reviewed,
        Kind.VETO_LIFTED.value: _lifted,
        Kind.TERTIARY_GIVEN.value: _third,
        Kind.MESSAGE_CHECKED.value: _checked,
        Kind.DECISION_RAISED.value: _asked,
        Kind.FINDING_RECORDED.value: _found,
        Kind.ALERT_RAISED.value: _raised,
        Kind.DECISION_AWAITED.value: _awaited,
        Kind.FACTOR_ENROLLED.value: _factor,
    }
)
