"""Ask for a decision, answer it, close it: signed statements, run in the writer. The table of authority says who may.

A decision that nobody completes in time is on hold: it never goes through. A critical one that is approved is not
decided yet: it awaits a word in another channel (`confirming`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from audit.entry import Actor, Draft, Entry
from audit.transaction import Transaction
from governance import authority, two_channels
from governance.authority import judge
from governance.coordinate import confirming, disagreeing, settling
from governance.coordinate.table import asked_by, copies, exact, not_frozen, worded
from governance.errors import ConflictError, DeniedError, NotFoundError, RequestError
from governance.people.acts import accepted
from governance.people.statements import Statement
from governance.people.tokens import Caller
from governance.policy import OWNER, Policy
from governance.policy import Kind as PrincipalKind
from governance.record import Kind
from governance.service import Service
from governance.standing import Principal, Roster
from governance.state import approvals, decisions, read, stops
from governance.state.fold import Tx
from governance.stops import Subject
from governance.two_channels import WAITING

EXPIRES_MS = 72 * 60 * 60 * 1000
MOST_OPTIONS = 10
VERDICTS = ("approve", "reject")
AWAITS = "YES- and the code confirms it, FRAUD- and the code freezes everything. To type it: twinseal decision confirm"
NOT_DECIDED = ("gate-", "lock-", "override")
"""Actions of the table that have a procedure of their own."""


def decidable(policy: Policy) -> tuple[str, ...]:
    """Return the actions of the table that are decided by asking."""
    named = {row.action for row in policy.authority if not row.forbid}
    return tuple(sorted(name for name in named if name == "gate-reading" or not name.startswith(NOT_DECIDED)))


def critical(policy: Policy, kind: object) -> bool:
    """Whether a decision of this kind must reach somebody, as the table says; of an unknown kind it might."""
    return authority.critical(policy.authority, kind)


def ask(service: Service, caller: Caller, statement: Statement, repository: str) -> dict[str, Any]:
    """Raise a question of a kind that the table knows."""

    def command(tx: Transaction, who: Principal, actor: Actor) -> dict[str, Any]:
        body = statement.body
        exact(body, {"kind": str, "question": str, "options": list, "change": int}, repository, code="decision")
        policy, kind = service.under_lock.policy(tx), body["kind"]
        if kind not in decidable(policy):
            said = f"no decision is of the kind {kind[:60]!a}; known: {', '.join(decidable(policy))}"
            raise RequestError(said, code="decision.kind")
        ruling = asked_by(policy, kind, who)
        not_frozen(tx, repository, [who.name], code="decision", at=tx.now)
        question, options = worded(body["question"], code="decision", least=10), _options(body["options"])
        quarrel = kind in disagreeing.KINDS
        if quarrel != bool(body["change"]):
            raise RequestError("a disagreement names its change, and nothing else does", code="decision.change")
        about = disagreeing.about(tx, repository, body["change"], kind, who, tx.now) if quarrel else {}
        expires = tx.now + EXPIRES_MS
        data = {
            "kind": kind, "question": question, "options": options, "role": who.role, "row": ruling.row,
            "expires_at": expires, "change": body["change"], "about": about, "critical": critical(policy, kind),
            "statement": statement.kept(),
        }  # fmt: skip
        entry = tx.append(Draft(Kind.DECISION_RAISED.value, actor, repository, kind, data))
        return {"decision": entry.seq, "kind": kind, "asks": ruling.said, "expires_at": expires, "entry": entry.seq}

    with service.read() as look:
        counted = "" if critical(read.policy(look), statement.body.get("kind")) else "decision.ask"
    return accepted(service, caller, statement, "decision.raise", command, counted=counted)


def sign(service: Service, caller: Caller, statement: Statement, repository: str, *, code: str = "") -> dict[str, Any]:
    """Approve or reject, with a reason, as one who may fill a place; the last word closes the decision.

    `code` is what a critical one is confirmed with in another channel; without it, none can be sent.
    """

    def command(tx: Transaction, who: Principal, actor: Actor) -> dict[str, Any]:
        body = statement.body
        exact(body, {"decision": int, "verdict": str, "reason": str}, repository, code="decision")
        if body["verdict"] not in VERDICTS:
            raise RequestError("a verdict is approve or reject", code="decision.malformed")
        reason = worded(body["reason"], code="decision")
        policy = service.under_lock.policy(tx)
        found = _open(tx, repository, body["decision"])
        _may_answer(tx, service, policy, repository, found, who)
        asker = [found["by"]] if body["verdict"] == "approve" else []
        not_frozen(tx, repository, [who.name, *asker], code="decision", at=tx.now)
        if found["awaited"] is not None and body["verdict"] == "approve":
            said = f"decision {found['decision']} is approved and awaits a word of {found['awaited']['to']}"
            raise ConflictError(said, code="decision.awaits", mend=AWAITS)
        data = {
            "decision": found["decision"], "verdict": body["verdict"], "reason": reason, "role": who.role,
            "statement": statement.kept(),
        }  # fmt: skip
        data |= {"prompt": prompt} if (prompt := approvals.prompt(tx, statement.digest)) else {}
        entry = tx.append(Draft(Kind.DECISION_SIGNED.value, actor, repository, found["kind"], data))
        ended = _outcome(tx, service, repository, found["decision"], code=code, statement=statement.digest)
        outcome = "" if ended is None else str(ended.data.get("outcome", "awaits"))
        told = _awaits(ended) if ended is not None and outcome == "awaits" else {}
        return {
            "decision": found["decision"], "by": who.name, "verdict": body["verdict"], "outcome": outcome,
            "entry": ended.seq if ended else entry.seq, **told,
        }  # fmt: skip

    return accepted(service, caller, statement, "decision.sign", command)


def _awaits(entry: Entry) -> dict[str, Any]:
    names = ("to", "sent", "approved_in", "expires_at")
    said = {name: entry.data[name] for name in names}
    return {"awaits": said, "next": "" if said["sent"] else two_channels.NOT_SENT}


def close(service: Service, caller: Caller, statement: Statement, repository: str) -> dict[str, Any]:
    """Take a question back: who raised it, or an owner."""

    def command(tx: Transaction, who: Principal, actor: Actor) -> dict[str, Any]:
        body = statement.body
        exact(body, {"decision": int, "reason": str}, repository, code="decision")
        reason = worded(body["reason"], code="decision")
        found = _known(tx, repository, body["decision"])
        if found["outcome"]:
            raise ConflictError(f"decision {found['decision']} is {found['outcome']}", code="decision.closed")
        if who.name != found["by"] and not (who.role == OWNER and who.kind is PrincipalKind.HUMAN):
            raise DeniedError(f"{found['by']} raised it, or an owner closes it", code="decision.not_yours")
        data = settling.closing(found, "taken-back", row="", reason=reason, settles=()) | {
            "statement": statement.kept()
        }
        entry = tx.append(Draft(Kind.DECISION_CLOSED.value, actor, repository, found["kind"], data))
        return {"decision": found["decision"], "outcome": "taken-back", "by": who.name, "entry": entry.seq}

    return accepted(service, caller, statement, "decision.close", command)


def shown(found: Mapping[str, Any], policy: Policy, now: int) -> dict[str, Any]:
    """Return a decision as it stands now: its state, the row that decides, and whose word is missing."""
    ruling, awaited = settling.ruled(policy, found), found["awaited"]
    waits = awaited is not None and awaited["state"] == WAITING and now < awaited["expires_at"]
    over = awaited is not None or found["expires_at"] <= now
    state = found["outcome"] or ("awaits confirmation" if waits else "on hold" if over else "open")
    missing = [sorted(place) for place in ruling.missing]
    return {**found, "state": state, "row": ruling.row, "missing": missing, "next": _next(found, state)}


def _next(found: Mapping[str, Any], state: str) -> str:
    """Say what brings a decision on; empty where nothing does, or where it is plain."""
    awaited = found["awaited"]
    if state == "awaits confirmation":
        if awaited["sent"]:
            return f"{awaited['to']} answers what was sent by {' and '.join(awaited['sent'])}: {AWAITS}"
        return two_channels.NOT_SENT
    if state == "on hold":
        return two_channels.again(found["decision"])
    return ""


def _options(options: list[Any]) -> list[str]:
    if len(options) > MOST_OPTIONS or not all(isinstance(option, str) for option in options):
        raise RequestError(f"at most {MOST_OPTIONS} options, each a line of text", code="decision.options")
    return [worded(option, code="decision") for option in options]


def _known(tx: Tx, repository: str, number: int) -> dict[str, Any]:
    found = decisions.decision(tx, repository, number)
    if found is None:
        mend = f"twinseal decision list --repo {repository}"
        raise NotFoundError(f"{repository} has no decision {number}", code="decision.unknown", mend=mend)
    return found


def _open(tx: Transaction, repository: str, number: int) -> dict[str, Any]:
    found = _known(tx, repository, number)
    if found["outcome"]:
        raise ConflictError(f"decision {number} is {found['outcome']}", code="decision.closed")
    awaited = found["awaited"]
    if awaited is not None and (awaited["state"] != WAITING or awaited["expires_at"] <= tx.now):
        said = f"decision {number} was not confirmed in time and is on hold"
        raise ConflictError(said, code="decision.expired", mend=two_channels.again(number))
    if awaited is None and found["expires_at"] <= tx.now:
        said = f"decision {number} was not completed in time and is on hold"
        raise ConflictError(said, code="decision.expired", mend="Raise it again.")
    veto = stops.vetoed(tx, repository, Subject.DECISION, str(number))
    if veto is not None:
        raise ConflictError(f"decision {number} is {veto.said}", code="decision.vetoed", mend=veto.mend)
    return found


def _may_answer(
    tx: Transaction, service: Service, policy: Policy, repository: str, found: Mapping[str, Any], who: Principal
) -> None:
    """Refuse who fills no place, who asked, who answered already, and who has a part in the quarrel."""
    roster = service.under_lock.roster(tx)
    if _same(who, found["by"], roster):
        said = f"{found['by']} raised it; nobody fills two places, and copies of one role are one"
        raise DeniedError(said, code="decision.two_places")
    rows = [row for row in policy.authority if row.action == found["kind"] and not row.forbid]
    if not any(who.role in place for row in rows for place in row.places):
        ruling = judge(policy.authority, found["kind"], found["role"])
        said = f"{who.name} ({who.role}) fills no place: the row {ruling.row!r} asks for {ruling.said}"
        raise DeniedError(said, code="decision.no_place")
    answered = next((each["by"] for each in found["answers"] if _same(who, each["by"], roster)), "")
    if answered:
        said = f"{answered} has answered it" + ("; copies of one role are one" if answered != who.name else "")
        raise ConflictError(said, code="decision.answered")
    if found["kind"] in disagreeing.KINDS:
        disagreeing.still(tx, repository, found)
        disagreeing.may_decide(who, found["about"], roster, policy)


def _same(who: Principal, name: str, roster: Roster) -> bool:
    other = roster.get(name)
    return other is not None and copies(who, other)


def _outcome(
    tx: Transaction, service: Service, repository: str, number: int, *, code: str, statement: str
) -> Entry | None:
    """Close the decision where the last answer settled it; a critical one that is approved awaits a word first."""
    policy, found = service.under_lock.policy(tx), _known(tx, repository, number)
    if settling.rejected(policy, found):
        return settling.settle(tx, policy, repository, found, "rejected")
    if not settling.ruled(policy, settling.unfrozen(tx, repository, found)).allowed:
        return None
    if critical(policy, found["kind"]):
        return confirming.awaits(tx, service, repository, found, code=code, statement=statement)
    return settling.settle(tx, policy, repository, found, "decided")
