"""Plant, list and reveal canaries: changes with a defect that is known, made from changes that were approved.

Planting reserves what the canary is made of, so that it can never land, and hands the patch to whoever will push it for
review: a principal, with its own name and key, like any change. So no entry says what nobody did, and a reviewer sees
nothing that is not so in every other change. Until it is revealed the ledger holds only a commitment to it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from audit.entry import Actor, Draft
from audit.transaction import Transaction
from governance.detect import mutations
from governance.detect.exact import bounds
from governance.detect.mutations import Defect
from governance.errors import ConflictError, NotFoundError, RequestError
from governance.people.acts import accepted
from governance.people.statements import Statement, about, owner_only
from governance.people.tokens import Caller
from governance.policy import Policy
from governance.record import Kind
from governance.review import changes
from governance.service import Service
from governance.standing import Principal
from governance.state import canaries, read
from governance.state.fold import Tx

MOST_SEED = 2**31
FIELDS = {"repository", "change", "seed"}
ENFORCE = "enforce"


@dataclass(frozen=True, slots=True)
class Source:
    """The approved change that a canary is made from."""

    number: int
    base: str
    head: str
    title: str
    author: str


@dataclass(frozen=True, slots=True)
class Bait:
    """What is planted: the defect, and by which names it can be recognised."""

    source: Source
    seed: int
    defect: Defect
    reserved: tuple[str, ...]


def asked(statement: Statement, repository: str) -> tuple[int, int]:
    """Return the change and the seed that a statement asks for.

    Raises:
        RequestError: Malformed.
    """
    body = statement.body
    whole = all(type(body.get(name)) is int and 0 <= body[name] < MOST_SEED for name in ("change", "seed"))
    if set(body) != FIELDS or not whole:
        raise RequestError("a canary names its repository, a change and a seed", code="canary.malformed")
    about(statement, repository)
    return body["change"], body["seed"]


def source(tx: Tx, repository: str, number: int, *, policy: Policy) -> Source:
    """Return the change that a canary is to be made from.

    Raises:
        ConflictError: It has not landed, or nobody approved it.
    """
    change = changes.shown(tx, repository, number, policy=policy)
    if change["state"] != "landed" or not any(s["verdict"] == "approve" for s in change["sign_offs"]):
        said = f"change {number} is {change['state']}; a canary is made from one that was approved and has landed"
        raise ConflictError(said, code="canary.not_approved", mend="twinseal change list --state landed")
    return Source(number, change["base"], change["head"], change["title"], change["author"])


def defect(patch: str, seed: int) -> Defect:
    """Return the defect that this seed puts into what a patch adds.

    Raises:
        RequestError: Nothing in it can be got wrong.
    """
    found = mutations.seeded(mutations.added(patch), seed)
    if found is None:
        said = "no line that it adds can be got wrong: there is no source text in it, or nothing but comments"
        raise RequestError(said, code="canary.no_defect", mend="Choose another change.")
    return found


def plant(
    service: Service, caller: Caller, statement: Statement, repository: str, bait: Bait, *, key: str
) -> dict[str, Any]:
    """Reserve a canary, so that it never lands. Owner only. `key` is a fresh secret, for the first that is hidden."""

    def command(tx: Transaction, who: Principal, actor: Actor) -> dict[str, Any]:
        owner_only(who)
        if asked(statement, repository) != (bait.source.number, bait.seed):
            raise RequestError("this is not the canary that was asked for", code="canary.malformed")
        if source(tx, repository, bait.source.number, policy=service.under_lock.policy(tx)) != bait.source:
            raise ConflictError("the change moved meanwhile", code="canary.moved")
        _enforced(tx, repository)
        if canaries.reserved(tx, lambda: bait.reserved):
            raise ConflictError("this canary is planted already", code="canary.planted", mend="Take another seed.")
        used = canaries.hidden_key(tx) or key
        marks = sorted(canaries.mark(used, name) for name in bait.reserved)
        kept = {"canary": _text(asdict(bait)), "key": used, "statement": _text(statement.kept())}
        data = {"marks": marks, "statement": {"digest": statement.digest}}
        entry = tx.append(Draft(Kind.CANARY_PLANTED.value, actor, repository, "canary", data, kept))
        return {"canary": entry.seq, "entry": entry.seq}

    return accepted(service, caller, statement, "canary.plant", command)


def _enforced(tx: Tx, repository: str) -> None:
    """Refuse to plant where it could land."""
    known = read.repository(tx, repository)
    if known["advisory"] or known["mode"] != ENFORCE:
        said = f"nothing is enforced in {repository}; a canary could land there"
        raise ConflictError(said, code="canary.not_enforced", mend=f"twinseal repo mode {repository} {ENFORCE}")


def reveal(service: Service, caller: Caller, statement: Statement, repository: str) -> dict[str, Any]:
    """Say what a canary was and who missed it. Owner only; it stays reserved."""

    def command(tx: Transaction, who: Principal, actor: Actor) -> dict[str, Any]:
        owner_only(who)
        about(statement, repository)
        number = statement.body.get("canary")
        found = next((each for each in canaries.planted(tx, repository) if each["seq"] == number), None)
        if found is None or set(statement.body) != {"repository", "canary"}:
            raise NotFoundError(f"{repository} has no canary {number!r:.20}", code="canary.none")
        if found["revealed"] is not None:
            raise ConflictError(f"it was revealed by entry {found['revealed']}", code="canary.revealed")
        if not found["answers"]:
            said = "nobody has answered it yet; what is revealed measures nobody any more"
            raise ConflictError(said, code="canary.unanswered", mend="Wait for a sign-off of it.")
        names = ("canary", "salt", "change", "answers")
        data = {"planted": number, "statement": statement.kept(), **{name: found[name] for name in names}}
        draft = Draft(Kind.CANARY_REVEALED.value, actor, repository, str(found["change"]), data)
        entry = tx.append(draft)
        missed = [reviewer for reviewer, wrong in found["answers"] if wrong]
        return {"canary": number, "change": found["change"], "missed": missed, "entry": entry.seq}

    return accepted(service, caller, statement, "canary.reveal", command)


def listed(tx: Tx, repository: str) -> list[dict[str, Any]]:
    """Return every canary, for an owner."""
    return [
        {
            "canary": each["seq"],
            "state": _state(each),
            "change": each["change"],
            "from": each["canary"].get("source", {}).get("number", 0),
            "defect": each["canary"].get("defect", {}),
            "answers": [{"reviewer": who, "missed": missed} for who, missed in each["answers"]],
        }
        for each in canaries.planted(tx, repository)
    ]


def _state(each: dict[str, Any]) -> str:
    if each["revealed"] is not None:
        return "revealed"
    if each["answers"]:
        return "answered"
    return "under review" if each["change"] else "not pushed yet"


def rates(missed: Sequence[tuple[str, int, int]]) -> list[dict[str, Any]]:
    """Return each reviewer's miss rate with its exact 95 % bounds."""
    rows = []
    for reviewer, misses, answered in missed:
        low, high = bounds(misses, answered)
        rate = misses / answered
        rows.append(
            {"reviewer": reviewer, "missed": misses, "answered": answered, "rate": rate, "low": low, "high": high}
        )
    return rows


def _text(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))
