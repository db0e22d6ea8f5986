"""Third reviews: what waits for whom, and the signed answer of the one whose turn it is."""

from __future__ import annotations

import json
from typing import Any

from audit.entry import Actor, Draft
from audit.transaction import Transaction
from governance.approvers import Contributors, Question, alone
from governance.draws import APPROVE, BLOCK, DISMISS, HOUR_MS, Draw, whose_turn
from governance.errors import ConflictError, DeniedError, RequestError
from governance.people.acts import accepted
from governance.people.statements import Statement, about, owner_only, written
from governance.people.tokens import Caller
from governance.policy import OWNER, Kind, Policy
from governance.record import Kind as EntryKind
from governance.review import changes
from governance.service import Service
from governance.standing import Principal
from governance.state import draws, read, stops
from governance.state.fold import Tx
from governance.stops import thawing

FIELDS = {"repository", "change", "patch_set", "diff_digest", "verdict", "reason"}
VERDICTS = (APPROVE, BLOCK, DISMISS)
REVIEWABLE = frozenset({"open", "abandoned"})


def give(service: Service, caller: Caller, statement: Statement, repository: str) -> dict[str, Any]:
    """Record a third party's answer about exactly one patch set; of a dismissal, an owner's.

    The only person, in solo, may dismiss what they wrote or signed off: it lets nothing land, and others go on.

    Raises:
        RequestError: Malformed.
        ConflictError: It was not drawn, is over, or has moved since it was shown.
        DeniedError: Whoever answers has a part in it, or it is not their turn.
    """

    def command(tx: Transaction, who: Principal, actor: Actor) -> dict[str, Any]:
        policy, roster = service.under_lock.policy(tx), service.under_lock.roster(tx)
        change = _shown(tx, statement, repository, policy)
        number, body = change["number"], statement.body
        draw = draws.drawn_for(tx, repository, number, change["diff_digest"])
        if draw is None or not draw.selected:
            raise ConflictError(f"change {number} was not drawn for a third review", code="tertiary.not_drawn")
        gave = approvers(tx, repository, number, change["diff_digest"])
        names = read.change_contributors(tx, repository, number)
        dismisses = body["verdict"] == DISMISS
        if not (dismisses and alone(who, roster, profile=policy.profile)):
            _may(who, gave, Question(policy, roster, Contributors(frozenset(names), ()), high_risk=False))
        if freeze := stops.parties(tx, repository, (who.name,), at=tx.now):
            said = f"the {freeze.scope} {freeze.value} is frozen since entry {freeze.seq}"
            raise DeniedError(said, code="tertiary.frozen", mend=f"An owner: {thawing(freeze)}")
        if dismisses:
            _dismisses(tx, who, repository, number)
        else:
            _turn(who, draw, policy, now=tx.now)
        kept = ("change", "patch_set", "diff_digest", "verdict", "reason")
        data = {name: body[name] for name in kept} | {"author": draw.author, "approvers": list(gave)}
        data["statement"] = statement.kept()
        draft = Draft(EntryKind.TERTIARY_GIVEN.value, actor, repository, str(number), data)
        return {"change": number, "verdict": body["verdict"], "by": who.name, "entry": tx.append(draft).seq}

    return accepted(service, caller, statement, "tertiary", command)


def _shown(tx: Tx, statement: Statement, repository: str, policy: Policy) -> dict[str, Any]:
    """Return the change, if the statement is about its patch set of now."""
    body = statement.body
    if set(body) != FIELDS or type(body["change"]) is not int or body["verdict"] not in VERDICTS:
        said = f"a third review names {', '.join(sorted(FIELDS))}; its verdict is {', '.join(VERDICTS)}"
        raise RequestError(said, code="tertiary.malformed")
    about(statement, repository)
    written(body["reason"], code="tertiary.reason")
    change = changes.shown(tx, repository, body["change"], policy=policy)
    if change["state"] not in REVIEWABLE:
        raise ConflictError(f"change {change['number']} is {change['state']}", code="tertiary.closed")
    if (body["patch_set"], body["diff_digest"]) != (change["patch_set"], change["diff_digest"]):
        said = f"change {change['number']} is at patch set {change['patch_set']}; you were shown another"
        mend = f"twinseal change show {change['number']} --repo {repository}"
        raise ConflictError(said, code="tertiary.moved", mend=mend)
    return change


def approvers(tx: Tx, repository: str, number: int, digest: str) -> tuple[str, ...]:
    """Return whoever has signed a change off and not taken it back."""
    given = read.sign_offs(tx, repository, number, diff_digest=digest)
    return tuple(sorted({s.principal for s in given if s.approves and not s.withdrawn}))


def _may(who: Principal, gave: tuple[str, ...], question: Question) -> None:
    """Refuse whoever has a part in the change, as an author or as an approver, or is a copy of one."""
    why, roster = question.excluded(who), question.roster
    others = (other for name in gave if (other := roster.get(name)) is not None)
    near = next((other.name for other in others if not question.two(who, other)), "")
    if near:
        why = f"{who.name} signed it off" if near == who.name else f"{who.name} counts as one with {near}, who did"
    if why:
        raise DeniedError(why, code="tertiary.not_independent")


def _dismisses(tx: Tx, who: Principal, repository: str, number: int) -> None:
    owner_only(who)
    if all(owed.change != number for owed in draws.owed(tx, repository)):
        raise ConflictError(f"no third review of change {number} is owed", code="tertiary.settled")


def _turn(who: Principal, draw: Draw, policy: Policy, *, now: int) -> None:
    """Refuse whoever is not asked yet; an owner always is, and anybody where nobody was free when it was drawn."""
    hours = policy.controls.tertiary.overdue_hours
    turn = whose_turn(draw, now=now, overdue_hours=hours)
    if not draw.reviewers or who.name in turn or (who.kind is Kind.HUMAN and who.role == OWNER):
        return
    said = f"it is for {' or '.join(turn)} to review this; after {hours} hours the next may as well"
    raise DeniedError(said, code="tertiary.not_your_turn", mend="twinseal review queue")


def queue(tx: Tx, repository: str, policy: Policy, *, now: int) -> list[dict[str, Any]]:
    """Return every drawn change that waits for a third review, the oldest first, and for whom."""
    sql = (
        "select d.number, d.author, d.reviewers, d.at, d.seq, d.settled_seq, c.state, c.patch_set, c.title, "
        "p.diff_digest from draw d join change c using(repository, number) "
        "join patch_set p on p.repository=c.repository and p.number=c.number and p.patch_set=c.patch_set "
        "where d.repository=? and d.selected=1 and (d.settled_seq is null or c.state='open') order by d.seq"
    )
    hours = policy.controls.tertiary.overdue_hours
    found: dict[int, dict[str, Any]] = {}
    rows = tx.execute(sql, (repository,)).fetchall()
    for number, author, listed, at, seq, settled, state, patch_set, title, digest in rows:
        gave = approvers(tx, repository, number, digest)
        reviews = draws.reviews(tx, repository, digest)
        given = {review.verdict for review in reviews if review.verdict == BLOCK or review.principal not in gave}
        if settled is not None and given:
            continue
        reviewers = tuple(json.loads(listed))
        draw = Draw(0, "", 0, selected=True, reviewers=reviewers, at=at)
        found[number] = {
            "change": number,
            "patch_set": patch_set,
            "title": title,
            "author": author,
            "state": "blocked" if BLOCK in given else state,
            "waits_for": list(whose_turn(draw, now=now, overdue_hours=hours)),
            "reviewers": list(reviewers),
            "since": at,
            "overdue": now >= at + hours * HOUR_MS,
            "entry": seq,
        }
    return list(found.values())
