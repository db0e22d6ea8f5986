"""What is counted of a day: one function that adds an entry to the counts of its day.

Counts are by code and kind, never by text that somebody wrote.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from governance.policy import Policy
from governance.record import Kind
from governance.state.stops import BYPASS

Data = Mapping[str, Any]
Asked = Callable[[int], Data]

NAMES: Mapping[str, str] = {
    "pushes": "pushes",
    "refused": "pushes refused",
    "landed": "landed",
    "small": "landed unreviewed",
    "commits": "commits landed",
    "approvals": "sign-offs",
    "rejections": "rejections",
    "drawable": "landings that could be drawn",
    "drawn": "drawn for a third reviewer",
    "thirds": "third reviews",
    "blocks": "blocked by a third reviewer",
    "cosign_asked": "co-signatures asked",
    "cosigned": "co-signed",
    "requests_refused": "requests refused",
    "rate_limited": "rate-limit hits",
    "gate_bypasses": "gate bypasses tried",
    "let_through": "let through unenforced",
    "lapses": "lapses and drifts",
    "overrides": "overrides used",
    "freezes": "freezes",
    "vetoes": "vetoes",
    "overdue": "replies overdue",
    "factor_refused": "second factor refused",
    "login_refused": "log-in refused",
    "messages": "messages",
}
"""Every count, and what people call it."""

FACTOR = ("factor.", "prompt.", "two_channels.")
LOGIN = ("login.", "session.", "account.", "browser.")
ASKED = "factor.needed"
"""What every critical act is answered first, before its prompt: no failure of anybody's."""
SESSION_REFUSED = "session.refused"
LIMITS = "rate_limits."


@dataclass(frozen=True, slots=True)
class Refusal:
    """One no: by which control, with which code, to whom."""

    control: str
    code: str
    who: str


def refusal(kind: str, actor: str, data: Data) -> Refusal | None:
    """Return the no that an entry is; None where it is none."""
    no = kind == Kind.PUSH_DECIDED and not data["allowed"] and not data.get("let_through")
    if kind == Kind.REQUEST_REFUSED and data["code"] == ASKED:
        return None
    if no or kind in {Kind.REQUEST_REFUSED, Kind.LANDING_REFUSED, SESSION_REFUSED}:
        return Refusal(data["code"].partition(".")[0], data["code"], actor)
    return None


def count(into: Counter[str], kind: str, data: Data, policy: Policy, decision: Asked) -> None:
    """Add one entry. `decision` returns the data of another entry, where a landing has to be looked up."""
    adds = _ADDS.get(kind)
    if adds is not None:
        adds(into, data, policy, decision)


def commits(decided: Data, ref: str) -> int:
    """Return how many commits a decision let land on a ref, by the signatures it names."""
    pairs = zip(decided["refs"], decided.get("signers", ()), strict=False)
    return sum(int(number) for (_, _, name), signers in pairs if name == ref for _, number in signers)


def _pushed(into: Counter[str], data: Data, policy: Policy, decision: Asked) -> None:
    del policy, decision
    into["pushes"] += 1
    codes = {data["code"], *(reason for verdicts in data["verdicts"] for reason in verdicts)}
    if not data["allowed"]:
        through = bool(data.get("let_through"))
        into["let_through" if through else "refused"] += 1
        into["gate_bypasses"] += BYPASS in codes and not data.get("observed")
        _refused(into, data["code"])
    into["drawable"] += len(data.get("draws", ()))
    into["drawn"] += sum(row[5] for row in data.get("draws", ()))
    into["overrides"] += bool(data.get("override"))


def _applied(into: Counter[str], data: Data, policy: Policy, decision: Asked) -> None:
    moved = [ref for _, new, ref in data["moved"] if policy.is_protected(ref) and new.strip("0")]
    if not moved:
        return
    decided = decision(data["decision"])
    into["landed"] += len(moved)
    into["small"] += sum(row[0] in moved for row in decided.get("small", ()))
    into["commits"] += sum(commits(decided, ref) for ref in moved)


def _signed_off(into: Counter[str], data: Data, policy: Policy, decision: Asked) -> None:
    del policy, decision
    into["approvals" if data["verdict"] == "approve" else "rejections"] += 1


def _third(into: Counter[str], data: Data, policy: Policy, decision: Asked) -> None:
    del policy, decision
    into["thirds"] += data["verdict"] != "dismiss"
    into["blocks"] += data["verdict"] == "block"


def _asks(into: Counter[str], data: Data, policy: Policy, decision: Asked) -> None:
    del data, policy, decision
    into["cosign_asked"] += 1


def _cosigns(into: Counter[str], data: Data, policy: Policy, decision: Asked) -> None:
    del policy, decision
    into["cosigned"] += data.get("as", "librarian") == "librarian"


def _request(into: Counter[str], data: Data, policy: Policy, decision: Asked) -> None:
    del policy, decision
    into["requests_refused"] += data["code"] != ASKED
    into["gate_bypasses"] += data["code"] == BYPASS
    _refused(into, data["code"])


def _refused(into: Counter[str], code: str) -> None:
    into["rate_limited"] += code.startswith(LIMITS)
    into["factor_refused"] += code.startswith(FACTOR) and code != ASKED
    into["login_refused"] += code.startswith(LOGIN)


def _one(name: str) -> Callable[[Counter[str], Data, Policy, Asked], None]:
    def adds(into: Counter[str], data: Data, policy: Policy, decision: Asked) -> None:
        del data, policy, decision
        into[name] += 1

    return adds


_ADDS: Mapping[str, Callable[[Counter[str], Data, Policy, Asked], None]] = {
    Kind.PUSH_DECIDED: _pushed,
    Kind.PUSH_APPLIED: _applied,
    Kind.SIGN_OFF_GIVEN: _signed_off,
    Kind.TERTIARY_GIVEN: _third,
    Kind.GATE_ASKED: _asks,
    Kind.OVERRIDE_ASKED: _asks,
    Kind.GATE_ADVANCED: _cosigns,
    Kind.OVERRIDE_SIGNED: _cosigns,
    Kind.REQUEST_REFUSED: _request,
    Kind.CONTINUITY_LAPSE: _one("lapses"),
    Kind.REFS_DRIFTED: _one("lapses"),
    Kind.FREEZE_IMPOSED: _one("freezes"),
    Kind.VETO_CAST: _one("vetoes"),
    Kind.MESSAGE_OVERDUE: _one("overdue"),
    Kind.MESSAGE_SENT: _one("messages"),
    SESSION_REFUSED: _one("login_refused"),
}

KINDS = tuple(sorted(_ADDS))
"""Kinds that are counted: of the days that a report only compares with, nothing else is read."""
