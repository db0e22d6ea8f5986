"""The authority table, asked under the lock: who may do this, and what every refusal of it has in common."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from governance.authority import Ruling, Signer, judge
from governance.errors import DeniedError, RequestError
from governance.policy import Kind, Policy
from governance.record import TEXT_LIMIT, legible
from governance.standing import Principal
from governance.state import stops
from governance.state.tx import Tx
from governance.stops import thawing


def asked_by(policy: Policy, action: str, who: Principal) -> Ruling:
    """Return the ruling on an action that somebody asks for, who may ask for it.

    Raises:
        DeniedError: No row lets this role, or one forbids it; the row is named.
    """
    ruling = judge(policy.authority, action, who.role)
    if not ruling.asks:
        said = f"{who.name} ({who.role}) may not ask for {action}: decided by the row {ruling.row!r}"
        raise DeniedError(said, code="authority.denied", mend="twinseal decision table")
    return ruling


def alone(policy: Policy, action: str, who: Principal) -> str:
    """Return the row by which somebody may do this by themselves.

    Raises:
        DeniedError: They may not, or a row asks for others beside them: what takes one signature does not relax it.
    """
    ruling = asked_by(policy, action, who)
    if not ruling.allowed:
        said = f"{who.name} may not do {action} alone: the row {ruling.row!r} asks for {ruling.said}"
        raise DeniedError(said, code="authority.denied", mend="twinseal decision table")
    return ruling.row


def granted(policy: Policy, action: str, role: str, signers: Iterable[Principal]) -> Ruling:
    """Return the ruling on an action with those who signed it."""
    return judge(policy.authority, action, role, [Signer(who.name, who.role) for who in signers])


def not_frozen(tx: Tx, repository: str, names: Sequence[str], *, code: str, at: int) -> None:
    """Refuse what these principals would lend their names to while one of them is frozen.

    Raises:
        DeniedError: The role or the operator of one of them is.
    """
    freeze = stops.parties(tx, repository, names, at=at)
    if freeze is not None:
        said = f"the {freeze.scope} {freeze.value} is frozen; who is frozen lends nothing"
        raise DeniedError(said, code=f"{code}.frozen", mend=f"Wait until an owner has thawed it: {thawing(freeze)}")


def copies(one: Principal, other: Principal) -> bool:
    """Whether two principals are one: the same, or agents of one role that one operator runs."""
    agents = {one.kind, other.kind} == {Kind.AGENT}
    return one.name == other.name or (agents and (one.role, one.operator) == (other.role, other.operator))


def exact(body: Mapping[str, Any], fields: Mapping[str, type], repository: str, *, code: str) -> None:
    """Refuse a body that has not exactly these fields, of these types, for this repository.

    Raises:
        RequestError: Something is missing, too much, or of another type.
        DeniedError: It names another repository.
    """
    wanted = {"repository": str, **fields}
    wrong = sorted({*wanted} ^ {*body} | {name for name in {*wanted} & {*body} if type(body[name]) is not wanted[name]})
    if wrong:
        said = f"expected exactly {', '.join(sorted(wanted))}; wrong here: {legible(', '.join(wrong))}"
        raise RequestError(said, code=f"{code}.malformed")
    if body["repository"] != repository:
        said = f"the statement is about {body['repository']!r:.80}, handed in for {repository}"
        raise DeniedError(said, code="statement.other_repository")


def worded(text: str, *, code: str, least: int = 1) -> str:
    """Return a text that somebody wrote and that is safe to keep.

    Raises:
        RequestError: It is empty, too long, or holds what is not shown.
    """
    if not least <= len(text.strip()) <= TEXT_LIMIT or not text.isprintable():
        said = f"write {least} to {TEXT_LIMIT} characters, on one line, all of them shown"
        raise RequestError(said, code=f"{code}.text")
    return text
