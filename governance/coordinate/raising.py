"""Raise a limit for a role, for a while; and show how much of each is used."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from audit.entry import Actor, Draft
from audit.transaction import Transaction
from governance.errors import DeniedError, NotFoundError, RequestError
from governance.limits import ACTIONS, DAY_MS
from governance.parameters import RateLimit
from governance.people.acts import accepted
from governance.people.statements import Statement, owner_only
from governance.people.tokens import Caller
from governance.policy import Kind as PrincipalKind
from governance.policy import Policy
from governance.policy_reading import MOST
from governance.record import Kind
from governance.service import Service
from governance.standing import Principal
from governance.state import attempts, read
from governance.state.tx import Tx

LONGEST_MS = 31 * DAY_MS
"""How long a raised limit may last."""
FIELDS = {"role", "action", "hour", "day", "until"}


def raise_limit(service: Service, caller: Caller, statement: Statement) -> dict[str, Any]:
    """Raise what every agent of a role may try, until a time. Owner only; it never lowers, and ends by itself.

    Raises:
        DeniedError: Not an owner.
        RequestError: An unknown role or action, a number that lowers or is above what any policy may say, or a time
            that is over or too far off.
    """

    def command(tx: Transaction, who: Principal, actor: Actor) -> dict[str, Any]:
        owner_only(who)
        said = _said(statement.body, service.under_lock.policy(tx), now=tx.now)
        data = {**said, "statement": statement.kept()}
        draft = Draft(kind=Kind.LIMIT_RAISED.value, actor=actor, repo="", subject=said["role"], data=data)
        return {**said, "entry": tx.append(draft).seq}

    return accepted(service, caller, statement, "limit.raise", command)


def _said(body: Mapping[str, Any], policy: Policy, *, now: int) -> dict[str, Any]:
    if set(body) != FIELDS or any(type(body[name]) is not int for name in ("hour", "day", "until")):
        raise RequestError(f"a raised limit names {', '.join(sorted(FIELDS))}", code="limit.malformed")
    if body["role"] not in policy.roles or body["action"] not in ACTIONS:
        said = f"expected a role of the policy and one of {', '.join(ACTIONS)}"
        raise RequestError(said, code="limit.unknown")
    limit: RateLimit = getattr(policy.controls.rate_limits, body["action"])
    if body["hour"] > MOST["hour"] or body["day"] > MOST["day"]:
        said = f"expected at most {MOST['hour']} an hour and {MOST['day']} a day"
        raise RequestError(said, code="limit.too_high")
    if body["hour"] < limit.hour or body["day"] < limit.day:
        said = f"the policy allows {limit.hour} an hour and {limit.day} a day already; a limit is only ever raised"
        raise RequestError(said, code="limit.lowers")
    if not now < body["until"] <= now + LONGEST_MS:
        raise RequestError("until: expected a time within the next 31 days", code="limit.until")
    return dict(body)


def shown(tx: Tx, caller: Caller, name: str, *, now: int) -> list[dict[str, Any]]:
    """Return each action's limit in force and how much is used: one's own; of anybody for an owner.

    Raises:
        NotFoundError: Nobody of that name.
        DeniedError: Somebody else's, and the caller is no owner.
    """
    policy, roster = read.policy(tx), read.roster(tx)
    asking, who = roster.get(caller.principal), roster.get(name or caller.principal)
    owner = asking is not None and asking.kind is PrincipalKind.HUMAN and asking.role == "owner"
    if name not in {"", caller.principal} and not owner:
        raise DeniedError("only an owner sees the limits of others", code="authority.owner_only")
    if who is None:
        raise NotFoundError(f"{name!r:.80} is not enrolled here", mend="twinseal principal list")
    return [_row(tx, policy, who, action, now=now) for action in ACTIONS]


def _row(tx: Tx, policy: Policy, who: Principal, action: str, *, now: int) -> dict[str, Any]:
    window = attempts.window(tx, policy, who, action, now=now)
    limit = window.limit
    hour, day = attempts.used(tx, who, action, now=now, most=limit.day)
    limits = {"hour": limit.hour, "day": limit.day, "used_hour": min(hour, limit.hour), "used_day": day}
    return {"role": who.role, "operator": who.operator, "action": action, **limits, "free_at": window.free_at}
