"""Give and withdraw sign-offs. Eligibility is checked here, when one is given, and again when it is used."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from audit.entry import Actor, Draft
from governance.approvers import Contributors, excluded_because
from governance.errors import ConflictError, DeniedError, RequestError
from governance.people.statements import Statement
from governance.policy import CarryOver, Policy
from governance.record import Kind
from governance.review import changes
from governance.standing import Principal, Roster
from governance.state import read
from governance.state.fold import Tx

HOUR_MS = 60 * 60 * 1000
VERDICTS = ("approve", "reject")


def given(
    tx: Tx,
    statement: Statement,
    *,
    by: Principal,
    actor: Actor,
    repository: str,
    policy: Policy,
    roster: Roster,
    now: int,
) -> Draft:
    """Return the entry of a sign-off, or refuse it.

    The statement must bind exactly the current patch set of an open change: a client cannot sign off "the latest".

    Raises:
        RequestError: Malformed.
        ConflictError: The change moved since it was shown, or is closed.
        DeniedError: The signer may not review it.
    """
    body = statement.body
    if set(body) != {"verdict", "binding"} or body["verdict"] not in VERDICTS or not isinstance(body["binding"], dict):
        raise RequestError("a sign-off has a verdict (approve or reject) and a binding", code="sign_off.malformed")
    change = changes.shown(tx, repository, _number(body["binding"]), policy=policy)
    if change["state"] != "open":
        raise ConflictError(f"change {change['number']} is {change['state']}", code="sign_off.closed")
    if body["binding"] != change["binding"]:
        differ = sorted(k for k, v in change["binding"].items() if body["binding"].get(k) != v)
        raise ConflictError(
            f"change {change['number']} is not what you were shown: {', '.join(differ) or 'extra fields'} differ",
            code="sign_off.moved",
            mend=f"twinseal change show {change['number']} --repo {repository}",
        )
    tip = read.ref_value(tx, repository, change["target"])
    carries = policy.four_eyes.carry_over is not CarryOver.NEVER
    if body["verdict"] == "approve" and not carries and tip != change["about"]["target_tip"]:
        raise ConflictError(
            f"{change['target']} has moved on since this patch set was pushed; a sign-off of it could not be used",
            code="sign_off.stale",
            mend=f"Its author rebases onto {change['target']} (or amends), pushes again, and asks again.",
        )
    authors = _authors(tx, repository, change["number"], roster)
    families = policy.controls.approval.distinct_families
    why = excluded_because(by, authors, roster, profile=policy.profile, families=families)
    if why:
        raise DeniedError(why, code="sign_off.not_eligible")
    data = {
        "verdict": body["verdict"],
        "binding": dict(body["binding"]),
        "expires_at": now + policy.four_eyes.expires_hours * HOUR_MS,
        "single_person": len(roster.humans()) == 1,
        "statement": statement.kept(),
    }
    return Draft(
        kind=Kind.SIGN_OFF_GIVEN.value,
        actor=actor,
        repo=repository,
        subject=str(change["number"]),
        data=data,
    )


def withdrawn(tx: Tx, statement: Statement, *, actor: Actor, repository: str) -> Draft:
    """Return the entry that withdraws one's own unspent sign-offs of a change. Nothing older comes back.

    Raises:
        ConflictError: There is none to withdraw, or it has been used.
    """
    if set(statement.body) != {"change", "repository"} or statement.body["repository"] != repository:
        raise RequestError(f"a withdrawal names its change and {repository}", code="sign_off.malformed")
    number = _number(statement.body)
    mine = [s for s in read.sign_offs(tx, repository, number, diff_digest="") if s.principal == actor.id]
    if not mine or mine[0].withdrawn:
        raise ConflictError(f"you have no sign-off of change {number} to withdraw", code="sign_off.none")
    if mine[0].spent:
        raise ConflictError(f"your sign-off of change {number} was used by a landing", code="sign_off.spent")
    return Draft(
        kind=Kind.SIGN_OFF_WITHDRAWN.value,
        actor=actor,
        repo=repository,
        subject=str(number),
        data={"change": number, "statement": statement.kept()},
    )


def _number(body: Mapping[str, Any]) -> int:
    number = body.get("change")
    if type(number) is not int:
        raise RequestError(f"change: expected a number, got {number!r}", code="sign_off.malformed")
    return number


def _authors(tx: Tx, repository: str, number: int, roster: Roster) -> Contributors:
    names = read.change_contributors(tx, repository, number)
    return Contributors(frozenset(names), tuple(name for name in names if roster.get(name) is None))
