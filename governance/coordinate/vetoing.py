"""Veto a change, a gate, a lock or a decision; withdraw one's own veto, or lift another's as an owner.

Anybody enrolled may, but the orchestrator and services: who hands out the work neither blocks it nor unblocks it.
"""

from __future__ import annotations

import re
from typing import Any

from audit.entry import Actor, Draft
from audit.transaction import Transaction
from governance.coordinate.freezing import reasoned
from governance.errors import ConflictError, DeniedError, NotFoundError, RequestError
from governance.parameters import STAGES
from governance.people.acts import accepted
from governance.people.statements import Statement, about, owner_only
from governance.people.tokens import Caller
from governance.policy import Kind as PrincipalKind
from governance.record import Kind, legible
from governance.review import changes
from governance.service import Service
from governance.standing import Principal
from governance.state import decisions, gating, leases, read, stops
from governance.state.fold import Tx
from governance.stops import Subject

ORCHESTRATOR = "orchestrator"
FIELDS = {"repository", "kind", "name", "head", "reason"}
DROP_FIELDS = {"repository", "veto", "how", "reason"}
WITHDRAW, LIFT = "withdraw", "lift"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/@:-]{0,99}")
NUMBER = re.compile(r"0|[1-9][0-9]{0,14}")
STANDING_MOST = 20
"""Vetoes of one agent that may stand in a repository: one that stops everything is stopped by that, and is seen."""


def cast(service: Service, caller: Caller, statement: Statement, repository: str) -> dict[str, Any]:
    """Stop a change as it was shown, or something else by its name.

    Raises:
        RequestError: Malformed, or without a reason.
        DeniedError: The orchestrator or a service asks, or about another repository.
        ConflictError: The change is closed or has moved since it was shown, or the asker has vetoed it already.
    """

    def command(tx: Transaction, who: Principal, actor: Actor) -> dict[str, Any]:
        _may_veto(who)
        about(statement, repository)
        read.repository(tx, repository)
        body = statement.body
        if set(body) != FIELDS or not all(isinstance(body[name], str) for name in FIELDS):
            raise RequestError(f"a veto has {', '.join(sorted(FIELDS))}", code="veto.malformed")
        kind, name = _subject(body["kind"]), body["name"]
        reason = reasoned(body["reason"], code="veto.reason")
        bound = (
            _change(tx, service, repository, name, body["head"])
            if kind is Subject.CHANGE
            else _other(tx, repository, kind, body)
        )
        _room(tx, who, repository, (kind, name))
        data = {"kind": kind.value, "name": name, "reason": reason, **bound, "statement": statement.kept()}
        entry = tx.append(Draft(Kind.VETO_CAST.value, actor, repository, name, data))
        shown = {"veto": entry.seq, "kind": kind.value, "name": name, "by": who.name, "reason": reason}
        return {**shown, "entry": entry.seq}

    return accepted(service, caller, statement, "veto.cast", command)


def _may_veto(who: Principal) -> None:
    if who.kind is PrincipalKind.SERVICE or who.role == ORCHESTRATOR:
        raise DeniedError(
            f"{who.name} may veto nothing: the {who.role} neither blocks nor lifts", code="veto.not_yours"
        )


def _subject(named: str) -> Subject:
    try:
        return Subject(named)
    except ValueError:
        raise RequestError(f"kind: expected one of {', '.join(Subject)}", code="veto.malformed") from None


def _change(tx: Transaction, service: Service, repository: str, name: str, head: str) -> dict[str, Any]:
    """Return what binds the veto of a change: its number, and its difference as it was shown."""
    if not NUMBER.fullmatch(name):
        raise RequestError(f"name: expected the number of a change, got {name!r:.80}", code="veto.malformed")
    change = changes.shown(tx, repository, int(name), policy=service.under_lock.policy(tx))
    if change["state"] != "open":
        raise ConflictError(f"change {name} is {change['state']}", code="veto.closed")
    if change["head"] != head:
        said = f"change {name} is at {change['head'][:12]}, not at what you were shown"
        raise ConflictError(said, code="veto.moved", mend=f"twinseal change show {name} --repo {repository}")
    return {"number": int(name), "head": head, "diff_digest": change["diff_digest"]}


def _other(tx: Transaction, repository: str, kind: Subject, body: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    """Refuse a veto of what is not there: it would stop nothing, and seem to."""
    name = body["name"]
    if not NAME.fullmatch(name) or body["head"]:
        raise RequestError("name: expected letters, digits and ._/@:-, and no head", code="veto.malformed")
    if not _is_there(tx, repository, kind, name):
        said, mend = _NAMED[kind]
        raise NotFoundError(f"{name} is no {kind} of {repository} now: name {said}", code="veto.unknown", mend=mend)
    return {"number": 0, "head": "", "diff_digest": ""}


_NAMED = {
    Subject.GATE: ("a feature, or feature/STAGE", "twinseal gate list"),
    Subject.LOCK: ("the number of a lease, or of a request that waits", "twinseal lock status"),
    Subject.DECISION: ("the number of an open decision", "twinseal decision list"),
}


def _is_there(tx: Tx, repository: str, kind: Subject, name: str) -> bool:
    if kind is Subject.GATE:
        feature, slash, stage = name.partition("/")
        return gating.feature(tx, repository, feature) is not None and (stage in STAGES or not slash)
    if kind is Subject.LOCK:
        return any(str(each.token or each.seq) == name for each in leases.open_(tx, repository))
    found = decisions.decision(tx, repository, int(name)) if NUMBER.fullmatch(name) else None
    return found is not None and not found["outcome"]


def _room(tx: Tx, who: Principal, repository: str, what: tuple[Subject, str]) -> None:
    """Refuse what they have vetoed already, and an agent's flood. A person's veto is never one too many."""
    mine = [veto for veto in stops.standing_vetoes(tx, repository) if veto.by == who.name]
    twin = next((veto for veto in mine if (veto.kind, veto.name) == what), None)
    if twin is not None:
        raise ConflictError(f"you vetoed it with entry {twin.seq}, and that stands", code="veto.already")
    if len(mine) >= STANDING_MOST and who.kind is PrincipalKind.AGENT:
        said = f"{len(mine)} vetoes of yours stand in {repository}"
        mend = "Withdraw one (twinseal veto list), or ask the librarian or an owner to freeze what is wrong."
        raise ConflictError(said, code="veto.too_many", mend=mend)


def drop(service: Service, caller: Caller, statement: Statement, repository: str, number: int) -> dict[str, Any]:
    """Withdraw one's own veto, or lift another's: an owner, with a written reason.

    Raises:
        RequestError: Malformed, or an owner gives no reason.
        DeniedError: It is another's and no owner asks; or about another repository.
        NotFoundError: No veto of that number stands here.
        ConflictError: The statement names another veto.
    """

    def command(tx: Transaction, who: Principal, actor: Actor) -> dict[str, Any]:
        about(statement, repository)
        body = statement.body
        if set(body) != DROP_FIELDS or body["how"] not in {WITHDRAW, LIFT} or not isinstance(body["reason"], str):
            raise RequestError(
                f"how: {WITHDRAW} or {LIFT}, with {', '.join(sorted(DROP_FIELDS))}", code="veto.malformed"
            )
        if body["veto"] != number:
            raise ConflictError("this is not the veto that you were shown", code="veto.other")
        found = stops.veto(tx, number)
        if found is None or found[0].repository != repository:
            raise NotFoundError(f"entry {number} vetoes nothing in {repository}", code="veto.none")
        veto, over = found
        reason = body["reason"].strip()
        if body["how"] == LIFT:
            owner_only(who)
            reason = reasoned(reason, code="veto.reason")
        elif veto.by != who.name:
            said = f"it is {veto.by}'s veto; only they withdraw it, and only an owner lifts it"
            raise DeniedError(said, code="veto.not_yours")
        if over:
            raise NotFoundError(f"veto {number} is over already", code="veto.over")
        data = {"veto": number, "how": body["how"], "reason": legible(reason), "statement": statement.kept()}
        entry = tx.append(Draft(Kind.VETO_LIFTED.value, actor, repository, veto.name, data))
        return {"veto": number, "kind": veto.kind.value, "name": veto.name, "by": veto.by, "entry": entry.seq}

    return accepted(service, caller, statement, "veto.lift", command)
