"""Overrides: one change lands without its review, by three who sign for it, and two look at it afterwards.

The orchestrator asks, the librarian and an owner sign; nobody fills two of these places, since each is another role.
Where one person is alone (solo), that owner may have written the change, and may be one of the two who review it.
"""

from __future__ import annotations

from typing import Any

from audit.entry import Actor, Draft
from audit.transaction import Transaction
from governance.approvers import Contributors, Question, alone
from governance.draws import HOUR_MS
from governance.errors import ConflictError, DeniedError, NotFoundError, RequestError
from governance.people.acts import accepted
from governance.people.statements import Statement, about, written
from governance.people.tokens import Caller
from governance.policy import Kind, Policy
from governance.record import Kind as EntryKind
from governance.review import changes
from governance.service import Service
from governance.standing import Principal, Roster
from governance.state import overrides, read, stops
from governance.state.fold import Tx
from governance.state.overrides import LIBRARIAN, OWNER, Override
from governance.stops import thawing

ORCHESTRATOR = "orchestrator"
ASKED = {"repository", "change", "patch_set", "head", "reason"}
SIGNED = {"repository", "override", "change", "patch_set", "head"}
REVIEWED = {"repository", "override", "verdict", "reason"}
FINE, WRONG = "fine", "wrong"
REVIEWERS = 2


def ask(service: Service, caller: Caller, statement: Statement, repository: str) -> dict[str, Any]:
    """Ask that one patch set may land without its review. The orchestrator's alone.

    Raises:
        RequestError: Malformed, or without a reason.
        DeniedError: Somebody else asks.
        ConflictError: The change is not what it was, or an earlier override still waits for its reviews.
    """

    def command(tx: Transaction, who: Principal, actor: Actor) -> dict[str, Any]:
        body, policy = statement.body, service.under_lock.policy(tx)
        _fields(statement, ASKED, repository)
        written(body["reason"], code="override.reason")
        if who.role != ORCHESTRATOR:
            raise DeniedError(f"{who.name} is not the {ORCHESTRATOR}, who asks", code="override.not_yours")
        _not_frozen(tx, who, repository)
        change = changes.shown(tx, repository, _number(body["change"]), policy=policy)
        _current(change, body)
        _none_overdue(tx, policy, now=tx.now)
        expires = tx.now + policy.controls.override.hours * HOUR_MS
        data = {name: body[name] for name in ("change", "patch_set", "head", "reason")}
        data |= {"expires_at": expires, "statement": statement.kept()}
        entry = tx.append(Draft(EntryKind.OVERRIDE_ASKED.value, actor, repository, str(change["number"]), data))
        return {"override": entry.seq, "change": change["number"], "expires_at": expires, "entry": entry.seq}

    return accepted(service, caller, statement, "override.ask", command)


def sign(service: Service, caller: Caller, statement: Statement, repository: str) -> dict[str, Any]:
    """Sign an override that was asked for, as the librarian or as an owner. With both it stands.

    Raises:
        RequestError: Malformed.
        NotFoundError: Nobody asked for it.
        DeniedError: The signer is neither, or has a part in the change.
        ConflictError: It is signed already, used, expired, of another patch set, or another waits for its reviews.
    """

    def command(tx: Transaction, who: Principal, actor: Actor) -> dict[str, Any]:
        body, policy = statement.body, service.under_lock.policy(tx)
        _fields(statement, SIGNED, repository)
        found = _found(tx, repository, body["override"])
        if (body["change"], body["patch_set"], body["head"]) != (found.number, found.patch_set, found.head):
            raise ConflictError("this is not the override that you were shown", code="override.moved")
        if found.used_seq is not None or found.expires_at <= tx.now:
            state = "used" if found.used_seq is not None else "expired"
            raise ConflictError(f"override {found.seq} is {state}", code=f"override.{state}")
        place = _place(who, found)
        _not_frozen(tx, who, repository)
        _current(changes.shown(tx, repository, found.number, policy=policy), body)
        _none_overdue(tx, policy, now=tx.now)
        _no_hand(tx, who, found, policy)
        others = found.owner if place == LIBRARIAN else found.librarian
        data = {"override": found.seq, "as": place, "stands": bool(others), "statement": statement.kept()}
        entry = tx.append(Draft(EntryKind.OVERRIDE_SIGNED.value, actor, repository, str(found.number), data))
        return {"override": found.seq, "as": place, "stands": bool(others), "by": who.name, "entry": entry.seq}

    return accepted(service, caller, statement, "override.sign", command)


def review(service: Service, caller: Caller, statement: Statement, repository: str) -> dict[str, Any]:
    """Say afterwards whether what an override landed is fine. Two must, one of them a person.

    Raises:
        RequestError: Malformed, or without a reason.
        NotFoundError: There is no such override.
        DeniedError: The reviewer has a part in the change, signed the override, or is frozen.
        ConflictError: It has landed nothing, or is reviewed.
    """

    def command(tx: Transaction, who: Principal, actor: Actor) -> dict[str, Any]:
        body, policy = statement.body, service.under_lock.policy(tx)
        roster = service.under_lock.roster(tx)
        _fields(statement, REVIEWED, repository)
        written(body["reason"], code="override.reason")
        if body["verdict"] not in {FINE, WRONG}:
            raise RequestError(f"verdict: expected {FINE} or {WRONG}", code="override.malformed")
        found = _found(tx, repository, body["override"])
        if found.landed_at is None or found.reviewed_seq is not None:
            state = "landed nothing yet" if found.landed_at is None else "is reviewed"
            raise ConflictError(f"override {found.seq} {state}", code="override.nothing_owed")
        _not_frozen(tx, who, repository)
        before = _apart(tx, who, found, policy, roster)
        both = [*before, who]
        complete = len(both) >= REVIEWERS and any(p.kind is Kind.HUMAN for p in both)
        data = {name: body[name] for name in ("override", "verdict", "reason")}
        data |= {"change": found.number, "complete": complete, "statement": statement.kept()}
        entry = tx.append(Draft(EntryKind.OVERRIDE_REVIEWED.value, actor, repository, str(found.number), data))
        return {"override": found.seq, "verdict": body["verdict"], "complete": complete, "entry": entry.seq}

    return accepted(service, caller, statement, "override.review", command)


def _fields(statement: Statement, names: set[str], repository: str) -> None:
    if set(statement.body) != names:
        raise RequestError(f"expected exactly {', '.join(sorted(names))}", code="override.malformed")
    about(statement, repository)


def _number(value: object) -> int:
    if type(value) is not int:
        raise RequestError(f"expected a number, got {value!r:.80}", code="override.malformed")
    return value


def _found(tx: Tx, repository: str, seq: object) -> Override:
    found = overrides.one(tx, repository, _number(seq))
    if found is None:
        mend = f"twinseal override list --repo {repository}"
        raise NotFoundError(f"nobody asked for an override {seq} here", code="override.unknown", mend=mend)
    return found


def _current(change: dict[str, Any], body: Any) -> None:  # noqa: ANN401 - JSON
    """Refuse another patch set than the one of now: nobody overrides "the latest"."""
    if change["state"] != "open" or (body["patch_set"], body["head"]) != (change["patch_set"], change["head"]):
        said = f"change {change['number']} is {change['state']} at patch set {change['patch_set']}"
        raise ConflictError(said, code="override.moved", mend=f"twinseal change show {change['number']}")


def _not_frozen(tx: Transaction, who: Principal, repository: str) -> None:
    freeze = stops.parties(tx, repository, (who.name,), at=tx.now)
    if freeze is not None:
        said = f"the {freeze.scope} {freeze.value} is frozen since entry {freeze.seq}"
        raise DeniedError(said, code="override.frozen", mend=f"An owner: {thawing(freeze)}")


def _none_overdue(tx: Tx, policy: Policy, *, now: int) -> None:
    late = overrides.overdue(tx, policy=policy, now=now)
    if late:
        said = f"the reviews of override {late[0]} are overdue; until they are given there is no other"
        mend = f"twinseal override review {late[0]} --verdict fine --reason ..."
        raise ConflictError(said, code="override.review_overdue", mend=mend)


def _place(who: Principal, found: Override) -> str:
    """Return which of the two places this signature fills."""
    owner = who.kind is Kind.HUMAN and who.role == OWNER
    if who.role != LIBRARIAN and not owner:
        raise DeniedError(f"{who.name} is neither the librarian nor an owner", code="override.not_yours")
    place = OWNER if owner else LIBRARIAN
    if (found.owner if owner else found.librarian) or who.name in found.signers:
        raise ConflictError(f"override {found.seq} is signed by the {place} already", code="override.signed_already")
    return place


def _no_hand(tx: Tx, who: Principal, found: Override, policy: Policy) -> None:
    names = read.change_contributors(tx, found.repository, found.number)
    if who.name in names and not alone(who, read.roster(tx), profile=policy.profile):
        raise DeniedError(f"{who.name} contributed to the change", code="override.not_independent")


def _apart(tx: Tx, who: Principal, found: Override, policy: Policy, roster: Roster) -> list[Principal]:
    """Return who has reviewed it before, if this reviewer counts beside them; refuse one who does not."""
    names = read.change_contributors(tx, found.repository, found.number)
    question = Question(policy, roster, Contributors(frozenset(names), ()), high_risk=False)
    why = question.excluded(who) or (f"{who.name} signed the override" if who.name in found.signers else "")
    if why and not alone(who, roster, profile=policy.profile):
        raise DeniedError(why, code="override.not_independent")
    given = (roster.get(name) for name, _, _ in overrides.reviews(tx, found.seq))
    before = [each for each in given if each is not None]
    if any(not question.two(who, each) for each in before):
        raise DeniedError(f"{who.name} has reviewed it, or a copy has", code="override.reviewed_already")
    return before
