"""Enrol and retire principals. The first owner comes in by the secret that `init` made; all others by an owner."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from audit.entry import Actor, Draft
from governance.errors import ConflictError, NotFoundError, RequestError
from governance.policy import LANDER, Policy
from governance.policy import Kind as PrincipalKind
from governance.record import SERVICE, Kind
from governance.standing import Principal, Roster
from governance.state.fold import Tx

NAME = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*")
EMAIL = re.compile(r"[a-z0-9._%+-]+@[a-z0-9.-]+")
NAME_LIMIT = 40
INVITATION_MS = 15 * 60 * 1000
"""How long an enrolment secret lives."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """Someone to be enrolled, checked for shape and against the roster."""

    name: str
    kind: str
    role: str
    operator: str
    model_family: str
    emails: tuple[str, ...]
    delegates: tuple[str, ...]
    uid: int | None

    def recorded(self) -> dict[str, object]:
        """Return what the entry holds."""
        return {
            "name": self.name,
            "kind": self.kind,
            "role": self.role,
            "operator": self.operator,
            "model_family": self.model_family,
            "emails": list(self.emails),
            "delegates": list(self.delegates),
            "uid": self.uid,
        }


def candidate(body: Mapping[str, Any], policy: Policy, roster: Roster, *, by: str) -> Candidate:
    """Check who is proposed. An agent without a named operator is run by the person who enrols it.

    Raises:
        RequestError: A name, role, operator or address that cannot be, or is not known.
        ConflictError: The name or an address is taken.
    """
    name = _text(body, "name")
    if not NAME.fullmatch(name) or len(name) > NAME_LIMIT:
        said = f"a principal's name is lower-case ASCII words joined by '-', at most {NAME_LIMIT}; got {name!r}"
        raise RequestError(said, code="principal.name")
    if roster.get(name) is not None:
        raise ConflictError(f"{name} is enrolled already; names are never reused", code="principal.taken")
    if LANDER in (name, body.get("role")):
        said = f"{LANDER} is the service's own principal; it enrols itself with its first landing"
        raise RequestError(said, code="principal.reserved")
    role = policy.roles.get(_text(body, "role"))
    if role is None:
        said = f"{body.get('role')!r} is not a role; known: {', '.join(sorted(policy.roles))}"
        raise RequestError(said, code="principal.role")
    operator = _operator(_text(body, "operator"), name, role.kind, roster, by=by)
    emails = tuple(dict.fromkeys(email.lower() for email in _texts(body, "emails")))
    _emails(emails, roster)
    uid = body.get("uid")
    if uid is not None and (type(uid) is not int or uid < 0):
        raise RequestError(f"uid: expected a whole number, got {uid!r}", code="principal.uid")
    delegates = _texts(body, "delegates")
    for other in delegates:
        if roster.get(other) is None:
            raise NotFoundError(f"delegate {other!r} is not enrolled")
    return Candidate(name, role.kind.value, role.name, operator, _text(body, "model_family"), emails, delegates, uid)


def _operator(operator: str, name: str, kind: PrincipalKind, roster: Roster, *, by: str) -> str:
    if kind is PrincipalKind.HUMAN:
        if operator not in {"", name}:
            raise RequestError("a person is their own operator", code="principal.operator")
        return name
    operator = operator or by
    who = roster.get(operator)
    if who is None or who.kind is not PrincipalKind.HUMAN or who.retired:
        raise RequestError(f"operator {operator!r} is not an enrolled person", code="principal.operator")
    return operator


def _emails(emails: tuple[str, ...], roster: Roster) -> None:
    if not emails:
        raise RequestError("a principal needs the address it commits with (--email)", code="principal.email")
    for email in emails:
        if not EMAIL.fullmatch(email):
            raise RequestError(f"{email!r} is not a plain ASCII address", code="principal.email")
        taken = roster.by_email(email)
        if taken:
            raise ConflictError(f"{email} is {taken}'s", code="principal.email_taken")


def _text(body: Mapping[str, Any], name: str) -> str:
    value = body.get(name, "")
    if not isinstance(value, str):
        raise RequestError(f"{name}: expected text, got {value!r}", code="request.malformed")
    return value


def _texts(body: Mapping[str, Any], name: str) -> tuple[str, ...]:
    value = body.get(name, [])
    if not isinstance(value, list | tuple) or not all(isinstance(item, str) for item in value):
        raise RequestError(f"{name}: expected a list of texts, got {value!r}", code="request.malformed")
    return tuple(value)


def added(who: Candidate, *, actor: Actor, statement: Mapping[str, Any], secret_digest: str, expires_at: int) -> Draft:
    """Return the entry that adds a principal, with an invitation to enrol its key."""
    invitation = {"digest": secret_digest, "principal": who.name, "expires_at": expires_at}
    data = {"principal": who.recorded(), "enrolment": invitation, "key": {}, "used": "", "statement": statement}
    return Draft(kind=Kind.PRINCIPAL_ADDED, actor=actor, repo="", subject=who.name, data=data)


def first_owner(who: Candidate, *, key: Mapping[str, Any], proof: Mapping[str, str], used: str) -> Draft:
    """Return entry 1: the first person, with the key whose possession was proved."""
    data = {"principal": who.recorded(), "enrolment": {}, "key": key, "used": used, "statement": {}, "proof": proof}
    actor = Actor(id=who.name, kind=who.kind, key=str(key["fingerprint"]))
    return Draft(kind=Kind.PRINCIPAL_ADDED, actor=actor, repo="", subject=who.name, data=data)


def lander(email: str) -> Candidate:
    """Return the service's own principal: it lands what was allowed, and nobody operates it."""
    return Candidate(LANDER, PrincipalKind.SERVICE.value, LANDER, "", "", (email,), (), None)


def lander_added(who: Candidate, *, key: Mapping[str, Any], proof: Mapping[str, str]) -> Draft:
    """Return the entry by which the service enrols its own principal, with the key whose possession was proved."""
    data = {"principal": who.recorded(), "enrolment": {}, "key": key, "used": "", "statement": {}, "proof": proof}
    return Draft(kind=Kind.PRINCIPAL_ADDED, actor=SERVICE, repo="", subject=who.name, data=data)


def retired(name: str, *, actor: Actor, statement: Mapping[str, Any]) -> Draft:
    """Return the entry that retires a principal: its tokens and keys end with it."""
    data = {"principal": name, "statement": statement}
    return Draft(kind=Kind.PRINCIPAL_RETIRED, actor=actor, repo="", subject=name, data=data)


def invitation(tx: Tx, secret: str, *, now: int) -> tuple[str, str]:
    """Return (digest, principal) of the invitation this secret opens; principal is empty for the first owner.

    There may have been several invitations for the first owner, and there is one first owner.

    Raises:
        NotFoundError: No such secret, used, or expired. The three are not told apart.
    """
    digest = secret_digest(secret)
    sql = (
        "select principal from enrolment where digest=? and used_seq is null and expires_at>? "
        "and (principal<>'' or not exists (select 1 from principal))"
    )
    row = tx.execute(sql, (digest, now)).fetchone()
    if row is None:
        raise NotFoundError(
            "this enrolment secret is unknown, used or older than 15 minutes",
            code="enrolment.secret",
            mend="Ask the owner for a new one: twinseal principal invite NAME. The first owner: twinseal init --again.",
        )
    return digest, row[0]


def secret_digest(secret: str) -> str:
    """Return how a random secret or token is kept: SHA-256, since it has 256 random bits of its own."""
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()


def known(roster: Roster, name: str) -> Principal:
    """Return the active principal of that name.

    Raises:
        NotFoundError: Not enrolled, or retired.
    """
    who = roster.get(name)
    if who is None or who.retired:
        raise NotFoundError(f"{name!r} is not enrolled here", mend="twinseal principal list")
    return who
