"""When a change is rejected by some and approved by others: who may take it up a level, and what the answer settles.

Peers first, by themselves; then the orchestrator where it is technical, or two of the council where it is
architectural; then the owner. Nobody with a part in the change, and nobody who said yes or no to it, decides.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from governance.approvers import Contributors, excluded_because
from governance.errors import ConflictError, DeniedError, NotFoundError
from governance.policy import OWNER, Kind, Policy
from governance.standing import ChangeStanding, Principal, Roster, SignOff
from governance.state import decisions, read
from governance.state.fold import Tx

SECOND, LAST = frozenset({"disagreement-technical", "disagreement-architectural"}), "disagreement-owner"
KINDS = SECOND | {LAST}


def about(tx: Tx, repository: str, number: int, kind: str, who: Principal, now: int) -> dict[str, Any]:
    """Return what a decision about this change binds: its patch set, its difference, who rejected it.

    Raises:
        NotFoundError: No such open change.
        ConflictError: Nobody disagrees, it is being decided, or it was decided at this level already.
        DeniedError: Who asks has no part in it.
    """
    change = read.open_change(tx, repository, number)
    if change is None:
        raise NotFoundError(f"{repository} has no open change {number}", code="decision.no_change")
    digest = _digest(tx, repository, change)
    against, for_it = _sides(change, digest, now)
    _part_in(who, change)
    if not against or not for_it:
        said = (
            f"change {number} has {len(against)} rejections and {len(for_it)} approvals that stand; both make a quarrel"
        )
        raise ConflictError(said, code="decision.no_disagreement")
    roster = read.roster(tx)
    people = sorted(
        {g.principal for g in against if (p := roster.get(g.principal)) is not None and p.kind is Kind.HUMAN}
    )
    if people and kind != LAST:
        said = f"{people[0]}, a person, rejected it: no agent sets that aside"
        raise ConflictError(
            said, code="decision.level", mend=f"twinseal decision raise --kind {LAST} --change {number}"
        )
    heard = decisions.about(tx, repository, digest)
    _level(heard, kind, {given.principal for given in against}, now, first=not people)
    rejections = [[_number(tx, given.seq), digest, given.principal] for given in against]
    return {
        "patch_set": change.patch_set, "head": change.head, "diff_digest": digest, "rejections": rejections,
        "contributors": list(change.contributors), "approvers": sorted({given.principal for given in for_it}),
    }  # fmt: skip


def may_decide(who: Principal, about: Mapping[str, Any], roster: Roster, policy: Policy) -> None:
    """Refuse a word from somebody with a part in the quarrel.

    Raises:
        DeniedError: They contributed to the change, or said yes or no to it, or are run by who did in a team.
    """
    authors = Contributors(frozenset(about["contributors"]), ())
    why = excluded_because(who, authors, roster, profile=policy.profile)
    sides = {*about["approvers"], *(line[2] for line in about["rejections"])}
    if who.name in sides:
        why = f"{who.name} signed off this change, one way or the other"
    if why:
        raise DeniedError(why, code="decision.not_eligible")


def still(tx: Tx, repository: str, decision: Mapping[str, Any]) -> None:
    """Refuse to decide about a change that has moved on since it was asked.

    Raises:
        ConflictError: It has.
    """
    change = read.open_change(tx, repository, decision["change"])
    if change is None or (change.patch_set, change.head) != (decision["about"]["patch_set"], decision["about"]["head"]):
        said = f"change {decision['change']} is not what was asked about"
        raise ConflictError(said, code="decision.moved", mend="Ask again about what is under review now.")


def _sides(change: ChangeStanding, digest: str, now: int) -> tuple[list[SignOff], list[SignOff]]:
    standing = [given for given in change.sign_offs if not (given.withdrawn or given.spent or given.settled)]
    against = [g for g in standing if not g.approves and g.diff_digest == digest and g.target == change.target]
    for_it = [g for g in standing if g.approves and g.head == change.head and g.expires_at > now and not g.key_revoked]
    return against, for_it


def _part_in(who: Principal, change: ChangeStanding) -> None:
    parts = {*change.contributors, *(given.principal for given in change.sign_offs if not given.withdrawn)}
    if who.name not in parts and not (who.role == OWNER and who.kind is Kind.HUMAN):
        said = f"{who.name} has no part in change {change.number}: neither wrote it nor signed it off"
        raise DeniedError(said, code="decision.not_involved")


def _level(earlier: list[dict[str, Any]], kind: str, against: set[str], now: int, *, first: bool) -> None:
    """Refuse a second question at one level, and the owner's word before the level below has had its own.

    `first` is whether it has one: what a person rejected goes to the owner at once.
    """
    earlier = [each for each in earlier if each["outcome"] != "taken-back"]
    waiting = [each for each in earlier if not each["outcome"] and each["expires_at"] > now]
    if waiting:
        raise ConflictError(f"it is being decided: decision {waiting[0]['decision']}", code="decision.waiting")
    level = SECOND if kind in SECOND else {LAST}
    heard = {line[2] for each in earlier if each["kind"] in level for line in each["about"]["rejections"]}
    if heard and against <= heard:
        mend = "" if kind == LAST else f"The owner is next: twinseal decision raise --kind {LAST} --change N"
        raise ConflictError(
            "this was asked at this level already, about these rejections", code="decision.asked", mend=mend
        )
    if kind == LAST and first and not any(each["kind"] in SECOND for each in earlier):
        said = "the orchestrator or the council decides first"
        raise ConflictError(said, code="decision.level", mend="twinseal decision raise --kind disagreement-technical")


def _digest(tx: Tx, repository: str, change: ChangeStanding) -> str:
    sql = "select diff_digest from patch_set where repository=? and number=? and patch_set=?"
    return str(tx.execute(sql, (repository, change.number, change.patch_set)).fetchone()[0])


def _number(tx: Tx, seq: int) -> int:
    """Return the number of the change that a sign-off was given for: maybe another, which brought the same."""
    return int(tx.execute("select number from sign_off where seq=?", (seq,)).fetchone()[0])
