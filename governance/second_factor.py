"""Which acts of a person need a second factor, and how many persons must approve them. A pure rule.

Only persons are asked: nobody else can hold a factor, and what only a person may do stays with persons. To stop
something is never held up: a veto, a freeze, a rejection, a revocation and a withdrawal need none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from governance.authority import critical
from governance.draws import APPROVE, DISMISS
from governance.policy import Kind, Policy
from governance.standing import Principal

QUORUM = frozenset({"thaw", "roster"})
"""Acts that need as many persons as the policy says, or as hold a factor where those are fewer."""

_TYPES: Mapping[str, str] = {
    "thaw": "thaw",
    "freeze.lift": "thaw",
    "override.sign": "override",
    "override.review": "override",
    "principal.add": "roster",
    "principal.invite": "roster",
    "principal.retire": "roster",
    "repository.add": "repository",
    "repository.adopt": "repository",
    "repository.mode": "repository",
    "repository.remove": "repository",
    "key.rotate": "key",
    "limit.raise": "limit",
    "account.password": "account",
    "account.contact": "account",
    "factor.enroll": "factor",
    "factor.remove": "factor",
    "factor.reset": "factor",
}
"""Statements that need one whatever they say."""


@dataclass(frozen=True, slots=True)
class Demand:
    """What is asked for one act: which act it is, and how many persons must approve it."""

    act: str
    needs: int
    single_person: bool = False
    """Whether a quorum is asked for and there is one person to fill it."""


@dataclass(frozen=True, slots=True)
class Held:
    """What the rule must know of factors: how many persons a quorum is counted of, and whether this person holds one.

    `removes` says, of a removal, whether the factor that goes counts by now: taking back one that does not is to stop.
    """

    holders: int
    own: bool
    removes: bool = True


def demanded(
    policy: Policy, who: Principal, type_: str, body: Mapping[str, Any], held: Held, *, decides: str = ""
) -> Demand | None:
    """Return what this person's statement needs; None where it needs no second factor.

    `decides` is the kind of the decision that a `decision.sign` answers; of an unknown one it might be critical.
    """
    rules = policy.controls.second_factor
    if who.kind is not Kind.HUMAN:
        return None
    act = _act(policy, type_, body, decides)
    if act not in rules.acts or _vouched(type_, held):
        return None
    if act not in QUORUM:
        return Demand(act, 1)
    needs = max(1, min(rules.quorum, held.holders))
    return Demand(act, needs, single_person=needs == 1 and rules.quorum > 1)


def _vouched(type_: str, held: Held) -> bool:
    """Whether no factor can be asked for: a first one is enrolled, or one that does not count yet is taken back."""
    return (type_ == "factor.enroll" and not held.own) or (type_ == "factor.remove" and not held.removes)


def _act(policy: Policy, type_: str, body: Mapping[str, Any], decides: str) -> str:
    """Return the name of the act as the policy has it; empty where it is none of them."""
    verdict = body.get("verdict")
    if type_ == "sign_off":
        return "sign-off" if verdict == APPROVE else ""
    if type_ == "tertiary":
        return "tertiary" if verdict in (APPROVE, DISMISS) else ""
    if type_ == "veto.lift":
        return "veto-lift" if body.get("how") != "withdraw" else ""
    if type_ in {"gate.evidence", "gate.cosign"}:
        return "deploy" if body.get("stage") == "DEPLOY" else ""
    if type_ == "decision.sign":
        return "decision" if verdict == APPROVE and critical(policy.authority, decides) else ""
    return _TYPES.get(type_, "")
