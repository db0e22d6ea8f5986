"""Ask a person for a word in another channel, and take it: the second half of a critical decision.

Who is asked is who approved it, alone. The code is a private value of its entry, sealed, and leaves the service by mail
and SMS only: in no answer, no log and no other entry is it ever written. Both words are commands of the writer, so that
a YES and a FRAUD at one moment are one after the other: whichever comes first, everything is frozen in the end.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from audit.entry import Actor, Draft, Entry
from audit.transaction import Transaction
from governance import two_channels
from governance.coordinate import disagreeing, settling
from governance.coordinate.table import exact
from governance.errors import ConflictError, DeniedError, FactorError, NotFoundError, RequestError
from governance.people import codes
from governance.people.acts import accepted
from governance.people.statements import Statement
from governance.people.tokens import Caller
from governance.policy import OWNER, Policy
from governance.policy import Kind as PrincipalKind
from governance.record import SERVICE, Kind
from governance.service import Service
from governance.standing import Principal, Roster
from governance.state import approvals, confirmations, decisions, stops
from governance.state.confirmations import SUBJECT, WRONG
from governance.state.fold import Tx
from governance.stops import Scope, Subject
from governance.tell import addresses
from governance.two_channels import Answer, Awaited, Channel, Word

MINUTE_MS = 60 * 1000
TRIGGER = "fraud"
"""What imposed a freeze of everything that a FRAUD asked for."""


@dataclass(frozen=True, slots=True)
class Said:
    """An answer as it came in: by whom, how, and the statement where one was signed."""

    answer: Answer
    actor: Actor
    how: str
    """`reply`, `code` or `session`."""
    statement: Mapping[str, Any] = field(default_factory=dict)


def awaits(
    tx: Transaction, service: Service, repository: str, found: Mapping[str, Any], *, code: str, statement: str
) -> Entry:
    """Write down that a decision awaits a word, by which the notice is sent that holds the code.

    `statement` is the digest of the last approval. In whichever channel a prompt for it was answered, or one for an
    approval of whoever is asked, is one not to confirm in.
    """
    policy, number = service.under_lock.policy(tx), found["decision"]
    who = _person(found, service.under_lock.roster(tx), policy)
    sent = _reached(tx, service, who.name) if who is not None and code else []
    data = {
        "decision": number, "to": who.name if who else "", "sent": sent,
        "approved_in": sorted(_approved_in(tx, found, who, statement)),
        "expires_at": tx.now + policy.controls.two_channels.minutes * MINUTE_MS,
    }  # fmt: skip
    private = codes.sealed(service, number, code) if sent else {}
    return tx.append(Draft(Kind.DECISION_AWAITED.value, SERVICE, repository, str(number), data, private))


def confirm(service: Service, caller: Caller, statement: Statement, repository: str, *, code: str) -> dict[str, Any]:
    """Take the word of somebody who signs it with their key; the code travels beside it, for a statement is kept.

    Raises:
        RequestError: Malformed, or not heard: the codes of `two_channels`.
        DeniedError: The wrong code, or too many of them.
        NotFoundError: Nothing awaits their word.
    """

    def command(tx: Transaction, who: Principal, actor: Actor) -> dict[str, Any]:
        body = statement.body
        exact(body, {"decision": int, "word": str}, repository, code="decision")
        if body["word"] not in {word.value for word in Word} or (code and not two_channels.CODE.fullmatch(code)):
            raise RequestError("say yes or fraud, with the eight characters of the code", code="decision.malformed")
        answer = Answer(Word(body["word"]), Channel.TERMINAL, code, body["decision"])
        return _heard(tx, service, who, Said(answer, actor, "code" if code else "session", statement.kept()))

    return accepted(service, caller, statement, SUBJECT, command)


def reply(service: Service, name: str, answer: Answer, *, how: str) -> dict[str, Any]:
    """Take the word of somebody who is known by the channel that they answer in: a log-in, a number, an address.

    Raises:
        RequestError: As for `confirm`.
    """

    def command(tx: Transaction) -> dict[str, Any]:
        who = service.under_lock.roster(tx).get(name)
        if who is None or who.retired or who.kind is not PrincipalKind.HUMAN:
            raise DeniedError(f"{name} is no person here", code="two_channels.stranger")
        return _heard(tx, service, who, Said(answer, Actor(name, who.kind.value, ""), how))

    caller = Caller(name, PrincipalKind.HUMAN.value, "", "")
    return service.act(caller, f"{SUBJECT}.{answer.channel}", command)


def hold(service: Service) -> list[int]:
    """Record which decisions were not confirmed in time, once each; return them."""
    with service.read() as look:
        if not confirmations.late(look, service.now(look)):
            return []

    def command(tx: Transaction) -> list[int]:
        late = confirmations.late(tx, tx.now)
        for each in late:
            data = {"decision": each.decision, "awaited": each.seq, "to": each.to, "sent": sorted(each.sent)}
            tx.append(Draft(Kind.DECISION_HELD.value, SERVICE, each.repository, str(each.decision), data))
        return [each.decision for each in late]

    return service.ledger.run(command)


def _reached(tx: Tx, service: Service, who: str) -> list[str]:
    """Return the channels that a code can be sent by: of those that are set up, where this person has an address."""
    return [channel for channel in sorted(service.sends) if addresses.address(tx, service, channel, who) is not None]


def _approved_in(tx: Tx, found: Mapping[str, Any], who: Principal | None, statement: str) -> set[str]:
    """Return the channels of the last approval, and of those by whoever is asked, who need not be the last."""
    own = [each["entry"] for each in found["answers"] if who is not None and each["by"] == who.name]
    signed = {statement, *approvals.statements(tx, own)}
    return {Channel.TERMINAL.value}.union(*(approvals.approved_in(tx, each) for each in sorted(signed)))


def _person(found: Mapping[str, Any], roster: Roster, policy: Policy) -> Principal | None:
    """Return who is asked: the person who approved it last and whose word it is in the end, else any owner."""
    rows = [row for row in policy.authority if row.action == found["kind"] and not row.forbid]
    reached = frozenset().union(*(row.reaches for row in rows)) if rows else frozenset()
    yeses = [roster.get(each["by"]) for each in found["answers"] if each["verdict"] == "approve"]
    people = [who for who in yeses if who is not None and who.kind is PrincipalKind.HUMAN]
    last = [who for who in people if who.role in reached] or people
    owners = [who for who in roster.active() if who.role == OWNER and who.kind is PrincipalKind.HUMAN]
    return next(iter([*reversed(last), *sorted(owners, key=lambda who: who.name)]), None)


def _heard(tx: Transaction, service: Service, who: Principal, said: Said) -> dict[str, Any]:
    answer = said.answer
    sent = [(each, codes.code_of(tx, service, each)) for each in confirmations.to(tx, who.name, now=tx.now)]
    wrong = confirmations.wrong(tx, who.name, answer.channel, since=tx.now - two_channels.WRONG_MS)
    if answer.word is Word.YES and two_channels.locked(wrong, now=tx.now):
        text = f"{len(wrong)} wrong codes came from {who.name} by {answer.channel}; it is not looked at"
        mend = "Wait a quarter of an hour, or answer in another channel. FRAUD is always heard."
        raise DeniedError(text, code="two_channels.locked", mend=mend)
    about = two_channels.meant(answer, sent, now=tx.now)
    if about is None and answer.code:
        mend = "Type it as it was sent; a few wrong ones lock this channel for a while."
        raise FactorError(f"no such code was sent to {who.name}", code=WRONG, mend=mend)
    if about is None:
        raise NotFoundError(f"no decision awaits a word of {who.name}", code="two_channels.none")
    refused = two_channels.refusal(answer, about, now=tx.now)
    if refused is not None:
        raise ConflictError(refused.said, code=refused.code, mend=refused.mend)
    if answer.word is Word.FRAUD:
        return _disowned(tx, service, about, said)
    return _confirmed(tx, service, about, said)


def _confirmed(tx: Transaction, service: Service, about: Awaited, said: Said) -> dict[str, Any]:
    policy = service.under_lock.policy(tx)
    found = _still(tx, policy, about)
    _written(tx, Kind.DECISION_CONFIRMED, about, said, {})
    entry = settling.settle(tx, policy, about.repository, found, "decided")
    return _told(about, "decided", entry.seq)


def _still(tx: Transaction, policy: Policy, about: Awaited) -> dict[str, Any]:
    """Return the decision, if what was approved still stands: nothing has been withdrawn, vetoed or moved meanwhile."""
    found = decisions.decision(tx, about.repository, about.decision)
    if found is None or found["outcome"]:
        raise ConflictError(f"decision {about.decision} is closed", code="decision.closed")
    veto = stops.vetoed(tx, about.repository, Subject.DECISION, str(about.decision))
    if veto is not None:
        raise ConflictError(f"decision {about.decision} is {veto.said}", code="decision.vetoed", mend=veto.mend)
    standing = settling.unfrozen(tx, about.repository, found)
    if settling.rejected(policy, found) or not settling.ruled(policy, standing).allowed:
        why = "an answer ended with its key or is frozen, or the table changed"
        text = f"decision {about.decision} is not approved any more: {why}"
        raise ConflictError(text, code="two_channels.unsettled", mend=two_channels.again(about.decision))
    if found["kind"] in disagreeing.KINDS:
        disagreeing.still(tx, about.repository, found)
    return found


def _disowned(tx: Transaction, service: Service, about: Awaited, said: Said) -> dict[str, Any]:
    """Freeze everything, reject the decision, whatever became of it. The same word again changes nothing."""
    number, by, channel = about.decision, said.actor.id, said.answer.channel.value
    if about.disowned:
        return _told(about, "rejected", about.disowned)
    reason = f"FRAUD: {by} says by {channel} that they did not approve decision {number} of {about.repository}"
    scope = {"scope": Scope.EVERYTHING.value, "value": "", "repository": "", "expires_at": 0}
    draft = Draft(Kind.FREEZE_IMPOSED.value, said.actor, "", Scope.EVERYTHING.value, scope | {
        "reason": reason, "trigger": TRIGGER,
    })  # fmt: skip
    freeze = tx.append(draft).seq
    _written(tx, Kind.DECISION_DISOWNED, about, said, {"freeze": freeze})
    found = decisions.decision(tx, about.repository, number)
    if found is not None:
        settling.settle(tx, service.under_lock.policy(tx), about.repository, found, "rejected", reason=TRIGGER)
    return _told(about, "rejected", freeze) | {"freeze": freeze}


def _written(tx: Transaction, kind: Kind, about: Awaited, said: Said, more: Mapping[str, Any]) -> None:
    data: dict[str, Any] = {"decision": about.decision, "awaited": about.seq, **more}
    data |= {"channel": said.answer.channel.value, "how": said.how}
    data |= {"statement": dict(said.statement)} if said.statement else {}
    tx.append(Draft(kind.value, said.actor, about.repository, str(about.decision), data))


def _told(about: Awaited, outcome: str, entry: int) -> dict[str, Any]:
    return {
        "decision": about.decision, "repository": about.repository, "by": about.to, "outcome": outcome, "entry": entry,
    }  # fmt: skip
