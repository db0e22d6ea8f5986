"""Freeze and thaw by hand. The librarian or an owner freezes, an owner alone thaws: the orchestrator does neither.

Each is a signed statement, run in the writer. A repository whose refs moved is thawed with its refs (`review.acts`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from audit.entry import Actor, Draft
from audit.transaction import Transaction
from governance.errors import ConflictError, DeniedError, NotFoundError, PolicyContentError, RequestError
from governance.patterns import Pattern
from governance.people.acts import accepted
from governance.people.statements import WRITTEN_LEAST, Statement, about, owner_only, written
from governance.people.tokens import Caller
from governance.policy import OWNER
from governance.policy import Kind as PrincipalKind
from governance.record import TEXT_LIMIT, Kind, legible
from governance.service import Service
from governance.standing import Principal
from governance.state import read, stops
from governance.stops import WHOLE, Scope

LIBRARIAN = "librarian"
HOUR_MS = 60 * 60 * 1000
HOURS_MOST = 24 * 366
STANDING_MOST = 50
"""Freezes that the librarian may have standing: each push is asked about all of them. There is `everything`."""

FIELDS = {"scope", "value", "repository", "reason", "hours"}
LIFT_FIELDS = {"freeze", "repository", "remediation"}


def impose(service: Service, caller: Caller, statement: Statement) -> dict[str, Any]:
    """Freeze what the statement says, from this entry on.

    Raises:
        RequestError: Malformed, or it names what is not there.
        DeniedError: Neither the librarian nor an owner asks, or with a token for another repository.
        ConflictError: Just that is frozen already, or too much is.
    """

    def command(tx: Transaction, who: Principal, actor: Actor) -> dict[str, Any]:
        _may_freeze(who)
        body = statement.body
        if set(body) != FIELDS or not all(isinstance(body[name], str) for name in FIELDS - {"hours"}):
            raise RequestError(f"a freeze has {', '.join(sorted(FIELDS))}", code="freeze.malformed")
        _token(caller, body["repository"])
        scope, hours = _scope(body["scope"]), body["hours"]
        _named(tx, service, scope, body)
        if type(hours) is not int or not 0 <= hours <= HOURS_MOST:
            raise RequestError(f"hours: expected 0 for no end, or 1 to {HOURS_MOST}", code="freeze.hours")
        reason = reasoned(body["reason"], code="freeze.reason")
        _room(tx, who, scope, body)
        expires = tx.now + hours * HOUR_MS if hours else 0
        data = {"scope": scope.value, "value": body["value"], "repository": body["repository"], "reason": reason}
        data |= {"expires_at": expires, "trigger": "", "statement": statement.kept()}
        subject = legible(body["value"] or body["repository"] or scope.value)
        entry = tx.append(Draft(Kind.FREEZE_IMPOSED.value, actor, body["repository"], subject, data))
        shown = {name: data[name] for name in ("scope", "value", "repository", "reason", "expires_at")}
        return {**shown, "freeze": entry.seq, "by": who.name, "entry": entry.seq}

    return accepted(service, caller, statement, "freeze.impose", command)


def _may_freeze(who: Principal) -> None:
    if who.role != LIBRARIAN and (who.kind is not PrincipalKind.HUMAN or who.role != OWNER):
        said = f"{who.name} is neither the librarian nor an owner"
        raise DeniedError(said, code="freeze.not_yours", mend="Ask the librarian, or veto the one change you mean.")


def _token(caller: Caller, repository: str) -> None:
    if caller.repository not in {"", repository}:
        raise DeniedError(f"this token opens {caller.repository} alone", code="token.other_repository")


def _scope(named: str) -> Scope:
    try:
        return Scope(named)
    except ValueError:
        raise RequestError(f"scope: expected one of {', '.join(Scope)}", code="freeze.scope") from None


def _named(tx: Transaction, service: Service, scope: Scope, body: Mapping[str, str]) -> None:
    """Refuse a freeze that names what is not there: it would stop nothing, and seem to."""
    repository, value = body["repository"], body["value"]
    if bool(repository) != (scope in {Scope.REPOSITORY, Scope.REF}) or bool(value) != (scope not in WHOLE):
        said = "a repository or a ref is frozen by repository, a ref, a role and an operator by name; nothing else is"
        raise RequestError(said, code="freeze.malformed")
    if repository:
        read.repository(tx, repository)
    lock = service.under_lock
    if scope is Scope.REF:
        try:
            Pattern(value)
        except PolicyContentError as exc:
            raise RequestError(str(exc), code="freeze.ref", mend=exc.mend) from exc
        if not value.startswith("refs/") or value != legible(value):
            raise RequestError("name the ref in full: refs/heads/main", code="freeze.ref")
    elif scope is Scope.ROLE and value not in lock.policy(tx).roles:
        raise NotFoundError(f"the policy knows no role {value!r:.80}", code="freeze.role", mend="twinseal policy show")
    elif scope is Scope.OPERATOR and value not in {p.operator for p in lock.roster(tx).principals.values()}:
        raise NotFoundError(f"nobody is run by {value!r:.80}", code="freeze.operator", mend="twinseal principal list")


def _room(tx: Transaction, who: Principal, scope: Scope, body: Mapping[str, str]) -> None:
    """Refuse what is frozen already, and a flood. An owner's freeze is never one too many."""
    standing = stops.halts(tx, at=tx.now)
    same = (scope, body["value"], body["repository"])
    twin = next((f for f in standing if (f.scope, f.value, f.repository) == same and not f.expires_at), None)
    if twin is not None:
        raise ConflictError(f"that is frozen since entry {twin.seq}, without end", code="freeze.already")
    if who.role == LIBRARIAN and len([f for f in standing if f.by == who.name]) >= STANDING_MOST:
        said = f"{STANDING_MOST} freezes of yours stand"
        raise ConflictError(said, code="freeze.too_many", mend="twinseal freeze --everything")


def lift(service: Service, caller: Caller, statement: Statement, number: int) -> dict[str, Any]:
    """Lift one freeze by its number, after a written remediation. Owner only, whoever imposed it.

    Raises:
        RequestError: Malformed, or nobody wrote what was done.
        DeniedError: No owner asks, or the statement is about another repository.
        NotFoundError: No freeze of that number stands.
        ConflictError: The statement names another freeze.
    """

    def command(tx: Transaction, who: Principal, actor: Actor) -> dict[str, Any]:
        owner_only(who)
        found = stops.halt(tx, number)
        if found is None:
            said = f"entry {number} froze nothing by scope"
            raise NotFoundError(said, code="freeze.none", mend="twinseal freeze list; a repository: twinseal thaw NAME")
        freeze, lifted = found
        if set(statement.body) != LIFT_FIELDS:
            raise RequestError(f"a thaw by number has {', '.join(sorted(LIFT_FIELDS))}", code="thaw.malformed")
        about(statement, freeze.repository)
        _token(caller, freeze.repository)
        if statement.body["freeze"] != number:
            raise ConflictError("this is not the freeze that you were shown", code="thaw.moved")
        if lifted or not freeze.stands(tx.now):
            raise NotFoundError(f"freeze {number} is over already", code="freeze.over")
        remediation = written(statement.body["remediation"], code="thaw.remediation")
        data = {"freeze": number, "remediation": remediation, "refs": [], "unreviewed": []}
        data |= {"scope": freeze.scope.value, "statement": statement.kept()}
        subject = legible(freeze.value or freeze.repository or freeze.scope.value)
        entry = tx.append(Draft(Kind.FREEZE_LIFTED.value, actor, freeze.repository, subject, data))
        shown = {"freeze": number, "scope": freeze.scope.value, "value": freeze.value}
        return {**shown, "repository": freeze.repository, "entry": entry.seq}

    return accepted(service, caller, statement, "freeze.lift", command)


def reasoned(text: object, *, code: str) -> str:
    """Return a reason that somebody took the trouble to write, as an entry keeps it; the statement has it whole.

    Raises:
        RequestError: Nobody did.
    """
    if not isinstance(text, str) or len(text.strip()) < WRITTEN_LEAST:
        raise RequestError(f"write the reason, in {WRITTEN_LEAST} characters or more", code=code)
    return legible(text.strip(), TEXT_LIMIT)
