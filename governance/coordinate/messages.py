"""Register messages by the digest of their bytes, check before one is acted on, and say which answers are missing.

The body of a message travels elsewhere; here stands who said which bytes to whom, in which repository.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Container, Mapping
from typing import Any

from audit import canonical
from audit.entry import Actor, Draft
from audit.transaction import Transaction
from governance.coordinate.table import exact
from governance.errors import ConflictError, DeniedError, NotFoundError, RequestError
from governance.people.acts import accepted
from governance.people.statements import Statement
from governance.people.tokens import Caller
from governance.policy import Policy
from governance.record import SERVICE, Kind
from governance.service import Service
from governance.standing import Principal, Roster
from governance.state import read, registry
from governance.state.fold import Tx

TYPES = (
    "task-assignment", "task-completion", "write-request", "write-grant", "write-complete", "sign-off-request",
    "sign-off-approval", "sign-off-rejection", "peer-review", "tertiary-review", "co-signature", "critical-decision",
    "decision-announcement", "freeze", "thaw", "status",
)  # fmt: skip
"""Every type of message."""
OURS = frozenset({"decision-announcement"})
"""Types that the service alone sends: an agent that announced a decision would be believed."""
ANSWERS = {
    "sign-off-approval": frozenset({"sign-off-approval", "sign-off-rejection"}),
    "sign-off-rejection": frozenset({"sign-off-approval", "sign-off-rejection"}),
}
"""Types that answer for each other: a no is an answer to who asked for a yes."""
DIGEST = re.compile(r"[0-9a-f]{64}")
LARGEST = 16 * 1024 * 1024
MOST_RECIPIENTS = 20
NAMED = 30
"""Missing and changed messages that an entry names one by one; it counts them all."""
HOUR_MS = 60 * 60 * 1000


def send(service: Service, caller: Caller, statement: Statement, repository: str) -> dict[str, Any]:
    """Register one message: its bytes by digest, and to whom."""

    def command(tx: Transaction, who: Principal, actor: Actor) -> dict[str, Any]:
        body = statement.body
        fields = {"to": list, "type": str, "digest": str, "size": int, "change": int, "expects": str, "reply_to": int}
        exact(body, fields, repository, code="message")
        lock = service.under_lock
        policy = lock.policy(tx)
        _well_formed(body, policy, lock.roster(tx))
        if body["change"]:
            _change(tx, repository, body["change"])
        earlier = registry.by_digest(tx, repository, body["digest"])
        if earlier is not None:
            said = f"these bytes are message {earlier['message']} of {earlier['from']} already"
            raise ConflictError(said, code="message.reused", mend="Say in the message when and why it was written.")
        answers = _answers(tx, repository, body, who) if body["reply_to"] else False
        due = tx.now + policy.controls.messages.reply_hours * HOUR_MS if body["expects"] else 0
        data = {name: body[name] for name in fields} | {
            "role": who.role, "answers": answers, "due_at": due, "statement": statement.kept(),
        }  # fmt: skip
        entry = tx.append(Draft(Kind.MESSAGE_SENT.value, actor, repository, body["type"], data))
        return {"message": entry.seq, "to": body["to"], "type": body["type"], "due_at": due, "entry": entry.seq}

    return accepted(service, caller, statement, "message.send", command)


def verify(service: Service, caller: Caller, repository: str, *, digest: str, number: int = 0) -> dict[str, Any]:
    """Return the message with these bytes, if it was sent in this repository to whom asks, or by them.

    A refusal is recorded. With a number, the bytes must be those of exactly that message.
    """

    def command(tx: Transaction) -> dict[str, Any]:
        found = registry.message(tx, repository, number) if number else registry.by_digest(tx, repository, digest)
        if found is None:
            said = f"{repository} has no message {number}" if number else f"nobody sent these bytes in {repository}"
            raise NotFoundError(said, code="message.unknown", mend="Do not act on it; ask who it says it is from.")
        if found["digest"] != digest:
            said = f"message {number} was registered with other bytes: {found['digest'][:12]}, not {digest[:12]}"
            raise ConflictError(said, code="message.changed", mend="Do not act on it; ask for it again.")
        who = service.under_lock.roster(tx).get(caller.principal)
        if who is None or not _concerns(found, who):
            raise DeniedError(f"message {found['message']} is not to {caller.principal}", code="message.not_yours")
        if registry.disowned(tx, found["message"]):
            said = f"the key that message {found['message']} was sent with was revoked, or {found['from']} is retired"
            raise ConflictError(said, code="message.disowned", mend="Do not act on it; ask for it again.")
        return found

    return service.act(caller, "message.verify", command)


def checked(service: Service, caller: Caller, statement: Statement, repository: str) -> dict[str, Any]:
    """Record what somebody found when comparing a folder of messages with the registry."""

    def command(tx: Transaction, who: Principal, actor: Actor) -> dict[str, Any]:
        body = statement.body
        fields = {"registered": int, "files": int, "missing": list, "changed": list, "unknown": int, "digest": str}
        exact(body, fields, repository, code="message")
        lists = [body["missing"], body["changed"]]
        if not DIGEST.fullmatch(body["digest"]) or not all(type(n) is int for each in lists for n in each):
            raise RequestError("a check names messages by number, and its files by digest", code="message.malformed")
        data = {name: body[name][:NAMED] if fields[name] is list else body[name] for name in fields}
        data |= {"statement": statement.kept()}
        entry = tx.append(Draft(Kind.MESSAGE_CHECKED.value, actor, repository, who.name, data))
        return {"by": who.name, "entry": entry.seq}

    return accepted(service, caller, statement, "message.check", command)


def compare(registered: Mapping[int, str], files: Mapping[str, str], expected: Container[int]) -> dict[str, Any]:
    """Compare a folder with the registry: both by SHA-256. A file is named `<number>` or `<number>.<anything>`.

    Missing is what is expected to be there: messages that one was sent.

    Whatever its name, a file with the bytes of a message is that message; one that has its number and not its bytes
    was changed.
    """
    found = set(files.values())
    claims = {name: int(stem) for name in files if (stem := name.partition(".")[0]).isascii() and stem.isdigit()}
    changed = {number for name, number in claims.items() if registered.get(number, files[name]) != files[name]}
    gone = (number for number, digest in registered.items() if digest not in found and number in expected)
    missing = [number for number in gone if number not in changed]
    known = set(registered.values())
    unknown = [name for name, digest in files.items() if digest not in known and claims.get(name) not in changed]
    lines = "".join(f"{digest} {name}\n" for name, digest in sorted(files.items()))
    whole = hashlib.sha256(lines.encode("utf-8", "surrogateescape")).hexdigest()
    return {"missing": sorted(missing), "changed": sorted(changed), "unknown": sorted(unknown), "digest": whole}


def announced(actor: Actor, repository: str, said: Mapping[str, Any], roles: list[str]) -> Draft:
    """Return the message by which the service tells every role what was decided; its body stands in the entry."""
    text = canonical.encode(dict(said))
    data = {
        "to": roles, "type": "decision-announcement", "digest": hashlib.sha256(text).hexdigest(), "size": len(text),
        "change": 0, "expects": "", "reply_to": 0, "role": actor.id, "answers": False, "due_at": 0,
        "body": text.decode(),
    }  # fmt: skip
    return Draft(Kind.MESSAGE_SENT.value, actor, repository, "decision-announcement", data)


def overdue(service: Service) -> int:
    """Record every answer that is missing by now, once each; return how many."""
    with service.read() as look:
        if not registry.due(look, service.clock(), limit=1):
            return 0

    def command(tx: Transaction) -> int:
        late = registry.due(tx, tx.now)
        for repository, message in late:
            data = {name: message[name] for name in ("message", "type", "expects", "from", "to")}
            tx.append(Draft(Kind.MESSAGE_OVERDUE.value, SERVICE, repository, str(message["message"]), data))
        return len(late)

    return service.ledger.run(command)


def concerning(tx: Tx, repository: str, who: Principal) -> list[dict[str, Any]]:
    """Return the newest messages to or from somebody; `sent` is true of their own."""
    found = [message for message in registry.listed(tx, repository, {who.name, who.role}) if _concerns(message, who)]
    return [message | {"sent": message["from"] == who.name} for message in found]


def _concerns(message: Mapping[str, Any], who: Principal) -> bool:
    return who.name == message["from"] or bool({who.name, who.role} & set(message["to"]))


def _well_formed(body: Mapping[str, Any], policy: Policy, roster: Roster) -> None:
    """Refuse a type nobody knows, a recipient nobody is, and what is no digest."""
    if body["type"] not in TYPES or body["expects"] not in {"", *TYPES}:
        raise RequestError(f"a message is one of {', '.join(TYPES)}", code="message.type")
    if body["type"] in OURS:
        raise DeniedError(f"{body['type']} is sent by the service alone", code="message.reserved")
    if not DIGEST.fullmatch(body["digest"]) or not 0 < body["size"] <= LARGEST:
        raise RequestError("a message is named by its SHA-256 in hex, and not empty", code="message.malformed")
    known = {*policy.roles, *(who.name for who in roster.active())}
    to = body["to"]
    if not 0 < len(to) <= MOST_RECIPIENTS or not all(isinstance(name, str) and name in known for name in to):
        wrong = [name for name in to if not isinstance(name, str) or name not in known]
        raise RequestError(f"nobody here is {wrong[:1]!a:.80}; name roles or principals", code="message.recipient")


def _change(tx: Transaction, repository: str, number: int) -> None:
    if read.open_change(tx, repository, number) is None:
        raise NotFoundError(f"{repository} has no open change {number}", code="message.change")


def _answers(tx: Transaction, repository: str, body: Mapping[str, Any], who: Principal) -> bool:
    """Return whether this reply is the one that is waited for. Only who was written to may answer, to who wrote."""
    asked = registry.message(tx, repository, body["reply_to"])
    if asked is None:
        raise NotFoundError(f"{repository} has no message {body['reply_to']}", code="message.unknown")
    if not {who.name, who.role} & set(asked["to"]):
        raise DeniedError(f"message {asked['message']} was not to {who.name}", code="message.not_asked")
    if not {asked["from"], asked["role"]} & set(body["to"]):
        raise RequestError(f"a reply goes to {asked['from']}, who asked", code="message.recipient")
    expected = asked["expects"]
    return bool(expected) and body["type"] in ANSWERS.get(expected, frozenset({expected}))
