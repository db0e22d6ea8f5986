"""Extend a lease, end one for who waits, or grant one out of order: asked for by one, co-signed by another.

Who may ask and who co-signs is the authority table's word. The co-signature is of exactly what was asked for; what has
changed since, a lease that ended or a place that was given up, is asked for again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from audit.entry import Actor
from audit.transaction import Transaction
from governance.coordinate.granting import MINUTE_MS, advance, draft, over
from governance.coordinate.table import asked_by, copies, exact, granted, not_frozen, worded
from governance.errors import ConflictError, DeniedError, NotFoundError, RequestError
from governance.leases import Asked, Deed, OutOfTurn
from governance.people.acts import accepted
from governance.people.statements import Statement
from governance.people.tokens import Caller
from governance.policy import Policy
from governance.record import Kind
from governance.service import Service
from governance.standing import Principal, Roster
from governance.state import leases as state
from governance.state import read

FIELDS = {"deed": str, "request": int, "token": int, "minutes": int}
MEND = "twinseal lock status"


def ask(service: Service, caller: Caller, statement: Statement, repository: str) -> dict[str, Any]:
    """Ask for more time, for a lease before those who wait longer, or for one that somebody holds.

    Raises:
        RequestError: Malformed.
        DeniedError: No row of the authority table lets this role ask, or the lease to extend is another's.
        NotFoundError: It names no lease in force, or nothing that waits.
    """

    def command(tx: Transaction, who: Principal, actor: Actor) -> dict[str, Any]:
        policy, roster, body = service.under_lock.policy(tx), service.under_lock.roster(tx), statement.body
        exact(body, {**FIELDS, "reason": str}, repository, code="lock")
        deed, reason = _deed(body, policy), worded(body["reason"], code="lock")
        ruling = asked_by(policy, deed.action, who)
        not_frozen(tx, repository, [who.name], code="lock", at=tx.now)
        advance(tx, repository, policy=policy, roster=roster)
        found = _meant(tx, repository, body)
        if deed is Deed.EXTENSION and found.principal != who.name:
            raise DeniedError(f"{found.principal} holds it", code="lock.not_yours")
        data = {"scope": found.scope, "reason": reason, "row": ruling.row, "statement": statement.kept()}
        entry = tx.append(draft(Kind.LOCK_ASKED, repository, data | {name: body[name] for name in FIELDS}, actor))
        return {"asked": entry.seq, "deed": deed.value, "by": who.name, "needs": ruling.said, "entry": entry.seq}

    return accepted(service, caller, statement, "lock.ask", command)


def cosign(service: Service, caller: Caller, statement: Statement, repository: str) -> dict[str, Any]:
    """Co-sign one thing that was asked for: then, and only then, it is done.

    Raises:
        ConflictError: It is not what is asked for now, or the repository is frozen.
        DeniedError: The row asks for somebody else, or this one asked, or would have the lease.
    """

    def command(tx: Transaction, who: Principal, actor: Actor) -> dict[str, Any]:
        policy, roster, body = service.under_lock.policy(tx), service.under_lock.roster(tx), statement.body
        exact(body, {"asked": int, **FIELDS}, repository, code="lock")
        advance(tx, repository, policy=policy, roster=roster)
        found = _meant(tx, repository, body)
        asked = _asked(tx, found, body)
        row = _co_signature(policy, roster, asked, found, who)
        not_frozen(tx, repository, [who.name, asked.by], code="lock", at=tx.now)
        if any(freeze.whole for freeze in read.freezes(tx, repository, at=tx.now)):
            raise ConflictError(f"{repository} is frozen; nothing is granted", code="lock.frozen", mend=MEND)
        ends_at = found.ends_at + asked.minutes * MINUTE_MS if asked.deed is Deed.EXTENSION else 0
        data = {"scope": found.scope, "asked": asked.seq, "deed": asked.deed.value, "request": found.seq}
        data |= {"token": asked.token, "by": asked.by, "ends_at": ends_at, "row": row, "statement": statement.kept()}
        entry = tx.append(draft(Kind.LOCK_COSIGNED, repository, data, actor))
        if asked.deed is Deed.STEAL:
            held = next(each for each in state.open_(tx, repository, found.scope) if each.token == asked.token)
            tx.append(over(held, "stolen", actor))
        advance(tx, repository, policy=policy, roster=roster)
        return {"asked": asked.seq, "deed": asked.deed.value, "for": found.principal, "by": who.name} | {
            "entry": entry.seq
        }

    return accepted(service, caller, statement, "lock.cosign", command)


def _deed(body: Mapping[str, Any], policy: Policy) -> Deed:
    """Return what is asked for.

    Raises:
        RequestError: Nobody knows it, or it is asked for with numbers that do not belong to it.
    """
    try:
        deed = Deed(body["deed"])
    except ValueError:
        said = f"a deed is one of {', '.join(Deed)}"
        raise RequestError(said, code="lock.malformed") from None
    most = policy.controls.write_lock.lease_minutes
    if deed is Deed.EXTENSION and not 1 <= body["minutes"] <= most:
        raise RequestError(f"minutes: expected 1 to {most}, got {body['minutes']!r:.40}", code="lock.minutes")
    if (deed is Deed.OUT_OF_ORDER) == bool(body["token"]) or (deed is not Deed.EXTENSION and body["minutes"]):
        said = "a grant out of order names no token; only an extension has minutes"
        raise RequestError(said, code="lock.malformed")
    return deed


def _meant(tx: Transaction, repository: str, body: Mapping[str, Any]) -> Asked:
    """Return the lease that is extended, or the request that would have one; what it would end is in force.

    Raises:
        NotFoundError: It is over, or never was.
    """
    open_ = state.open_(tx, repository)
    found = next((each for each in open_ if each.seq == body["request"]), None)
    if found is None or found.token != (body["token"] if body["deed"] == Deed.EXTENSION else 0):
        said = f"request {body['request']} of {repository} does not wait, or is no lease of that token"
        raise NotFoundError(said, code="lock.stale", mend=MEND)
    if body["token"] and not any((each.scope, each.token) == (found.scope, body["token"]) for each in open_):
        said = f"{body['token']} is no lease in force of {found.scope} in {repository}"
        raise NotFoundError(said, code="lock.stale", mend=MEND)
    return found


def _asked(tx: Transaction, found: Asked, body: Mapping[str, Any]) -> OutOfTurn:
    asked = next((each for each in state.out_of_turn(tx, [found.seq]) if each.seq == body["asked"]), None)
    if asked is None or any(getattr(asked, name) != body[name] for name in FIELDS):
        raise ConflictError("this is not what is asked for now", code="lock.moved", mend=MEND)
    return asked


def _co_signature(policy: Policy, roster: Roster, asked: OutOfTurn, found: Asked, who: Principal) -> str:
    """Return the row that this signature fulfils.

    Raises:
        ConflictError: Who asked is retired.
        DeniedError: The row asks for others, or this one asked, or gains by it.
    """
    asker, gains = roster.get(asked.by), roster.get(found.principal)
    if asker is None or asker.retired:
        raise ConflictError(f"{asked.by}, who asked, is retired", code="lock.moved", mend=MEND)
    if copies(who, asker) or (gains is not None and copies(who, gains)):
        said = f"{asked.by} asked, for {found.principal}; somebody else co-signs"
        raise DeniedError(said, code="lock.own_request")
    ruling = granted(policy, asked.deed.action, asker.role, [who])
    if not ruling.allowed:
        said = f"{who.name} ({who.role}) is no co-signature: the row {ruling.row!r} asks for {ruling.said}"
        raise DeniedError(said, code="lock.co_signature")
    return ruling.row
