"""Prompts: what is asked of a person is shown whole, and approved with a second factor, for exactly these statements.

A prompt holds statements that are signed and could be acted on now; opening it acts on none of them. Who approves types
its digest back and shows a factor. Then the very same statements may be handed in, within its five minutes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from audit.entry import Actor, Draft, Entry
from audit.transaction import Transaction
from governance.errors import ConflictError, DeniedError, NotFoundError, RequestError
from governance.people import demands, factors, showing
from governance.people.factors import MINUTE_MS, Proof
from governance.people.statements import Statement
from governance.people.tokens import Caller
from governance.policy import Kind as PrincipalKind
from governance.record import Kind, legible
from governance.second_factor import Demand
from governance.service import Service
from governance.standing import Principal
from governance.state import factors as held
from governance.state import prompts
from governance.state.prompts import Prompt
from governance.state.tx import Tx

MOST_STATEMENTS = 20
MOST_OPEN = 3
"""Prompts of one person that wait at once: more would be a way to tire somebody out."""

MOST_VAIN = 6
VAIN_MS = 60 * MINUTE_MS
"""Prompts of one person that were denied or ran out, within an hour, after which no more are opened."""

DIGEST_CHARACTERS = 6
ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
"""Crockford's base32: no i, l, o, u, and who types one of the first three means 1, 1 and 0."""

CHANNELS = ("terminal", "browser")


def open_prompt(service: Service, caller: Caller, statements: Sequence[Statement]) -> dict[str, Any]:
    """Open a prompt for statements of the caller's own, all of which need a second factor.

    Raises:
        RequestError: None, too many, twice the same, or too much to show.
        DeniedError: No person asks, or one without a factor in force; a statement that is not good; too many prompts.
    """

    def command(tx: Transaction) -> dict[str, Any]:
        lock = service.under_lock
        policy, roster = lock.policy(tx), lock.roster(tx)
        if not 1 <= len(statements) <= MOST_STATEMENTS or len({s.digest for s in statements}) != len(statements):
            raise RequestError(f"a prompt is for 1 to {MOST_STATEMENTS} different statements", code="prompt.malformed")
        desk, wanted = service.desk(tx), []
        who = _person(service, tx, caller.principal)
        for statement in statements:
            who, _ = desk.accept(tx, statement, type_=statement.type, caller=caller.principal)
            need = demands.demand(tx, policy, who, statement, at=tx.now)
            if need is None:
                raise RequestError(f"{statement.type} needs no second factor here", code="prompt.needless")
            wanted.append(need)
        if who.name not in held.holders(tx, tx.now):
            raise demands.none(tx, who, wanted[0], at=tx.now)
        _not_too_many(tx, who)
        shown = showing.text(tx, policy, roster, who, list(statements))
        if not showing.fits(shown):
            raise RequestError("this is too much for one prompt", code="prompt.too_large", mend="Ask for less at once.")
        expires = tx.now + policy.controls.second_factor.prompt_minutes * MINUTE_MS
        entry = tx.append(_opened(who, list(statements), shown, wanted, expires))
        return {"prompt": entry.seq, **_plain(_found(tx, entry.seq), tx.now), "entry": entry.seq}

    return service.act(caller, "prompt.open", command)


def _opened(who: Principal, statements: list[Statement], shown: str, wanted: list[Demand], expires: int) -> Draft:
    data: dict[str, object] = {
        "for": who.name,
        "statements": [[statement.digest, statement.type] for statement in statements],
        "shown": shown,
        "digest": short(shown, [statement.digest for statement in statements]),
        "acts": sorted({need.act for need in wanted}),
        "needs": max(need.needs for need in wanted),
        "single_person": any(need.single_person for need in wanted),
        "expires_at": expires,
    }
    return Draft(Kind.PROMPT_OPENED.value, _actor(who), _repository(statements), who.name, data)


def _repository(statements: list[Statement]) -> str:
    """Return the one repository that all of it is about, or none: whoever may not read there reads no such entry.

    Raises:
        RequestError: It is about several.
    """
    bodies = [statement.body for statement in statements]
    bodies += [body["binding"] for body in bodies if isinstance(body.get("binding"), dict)]
    said = [body.get("repository") for body in bodies]
    said += [statement.body.get("name") for statement in statements if statement.type.startswith("repository.")]
    named = {name for name in said if isinstance(name, str) and name}
    if len(named) > 1:
        raise RequestError("a prompt is about one repository", code="prompt.malformed", mend="Ask for each by itself.")
    return next(iter(named), "")


def answer(service: Service, by: Caller, prompt: int, *, typed: str, proof: Proof, channel: str) -> dict[str, Any]:
    """Approve a prompt with a second factor; `typed` is the digest that was shown.

    Raises:
        NotFoundError: There is no such prompt for this person.
        ConflictError: It is over, or they have approved it.
        DeniedError: Another digest; or a token that may only read.
        FactorError: The proof is not good.
    """

    def command(tx: Transaction) -> dict[str, Any]:
        who = _person(service, tx, by.principal)
        found = _answerable(tx, who, prompt)
        if normal(typed) != found.digest:
            said = "this is not the digest of what is asked; look at it again"
            raise DeniedError(said, code="prompt.digest", mend=f"twinseal otp verify {prompt}")
        used = factors.check(tx, service, who, proof, about=challenge(service.log, found, who.name))
        approvers = {*found.approved_by, who.name}
        complete = found.for_ in approvers and len(approvers) >= found.needs
        data = {"prompt": prompt, "by": who.name, **used.recorded(), "channel": channel}
        data |= {"complete": complete, "single_person": found.single_person}
        entry = tx.append(Draft(Kind.PROMPT_APPROVED.value, _actor(who), "", str(prompt), data))
        return _answered(tx, prompt, entry)

    return service.act(by, "prompt.answer", command)


def deny(service: Service, by: Caller, prompt: int, reason: str) -> dict[str, Any]:
    """Deny a prompt: it is over at once. To stop something needs no factor.

    Raises:
        NotFoundError: There is no such prompt for this person.
        ConflictError: It is over.
        DeniedError: It is another's, or a token that may only read was shown.
    """

    def command(tx: Transaction) -> dict[str, Any]:
        who = _person(service, tx, by.principal)
        _answerable(tx, who, prompt, again=True)
        data = {"prompt": prompt, "by": who.name, "reason": legible(reason)}
        entry = tx.append(Draft(Kind.PROMPT_DENIED.value, _actor(who), "", str(prompt), data))
        return _answered(tx, prompt, entry)

    return service.act(by, "prompt.answer", command)


def pending(tx: Tx, at: int) -> list[dict[str, Any]]:
    """Return every prompt that can still be answered, the oldest first. For persons only."""
    return [_plain(found, at) for found in prompts.alive(tx, at)]


def pending_for(tx: Tx, name: str, at: int) -> list[dict[str, Any]]:
    """Return the prompts that wait for this person's approval."""
    return [_plain(found, at) for found in prompts.alive(tx, at) if _may(found, name) and name not in found.approved_by]


def shown(tx: Tx, prompt: int, *, at: int) -> dict[str, Any]:
    """Return one prompt with everything that is shown of it, in whatever state.

    Raises:
        NotFoundError: There is none by that number.
    """
    return _plain(_found(tx, prompt), at)


def challenge(log: str, prompt: Prompt, name: str) -> bytes:
    """Return what a passkey signs to approve this prompt: 32 bytes that hold for it and this person alone."""
    parts = (log, str(prompt.seq), name, prompt.shown, *(digest for digest, _ in prompt.statements))
    return hashlib.sha256(b"\0".join([b"twinseal-prompt", *(part.encode() for part in parts)])).digest()


def challenge_of(tx: Tx, log: str, prompt: int, name: str) -> bytes:
    """Return the challenge of a prompt by its number, for the page that asks for a passkey."""
    return challenge(log, _found(tx, prompt), name)


def short(shown: str, digests: Sequence[str]) -> str:
    """Return the digest that is typed back: thirty bits, against slips and blind approval.

    It is no proof of anything by itself: what is approved is the prompt of this number, and its statements' digests.
    """
    whole = hashlib.sha256("\0".join([shown, *digests]).encode()).digest()
    bits = int.from_bytes(whole[:4]) >> 2
    return "".join(ALPHABET[bits >> 5 * place & 31] for place in reversed(range(DIGEST_CHARACTERS)))


def normal(typed: str) -> str:
    """Return a typed digest as it is meant: in lower case, without spaces or hyphens, look-alikes read as digits."""
    plain = "".join(c for c in typed.lower() if c not in " -\t")
    return plain.translate(str.maketrans("ilo", "110"))


def _person(service: Service, tx: Transaction, name: str) -> Principal:
    who = service.under_lock.roster(tx).get(name)
    if who is None or who.retired or who.kind is not PrincipalKind.HUMAN:
        raise DeniedError("prompts are for persons", code="prompt.persons_only")
    return who


def _actor(who: Principal) -> Actor:
    return Actor(id=who.name, kind=who.kind.value, key="")


def _not_too_many(tx: Transaction, who: Principal) -> None:
    waiting, vain = prompts.unanswered(tx, who.name, since=tx.now - VAIN_MS, now=tx.now)
    if waiting >= MOST_OPEN or vain >= MOST_VAIN:
        said = f"{waiting} prompts of {who.name} wait, and {vain} of this hour were denied or ran out"
        mend = f"Answer those that wait (twinseal otp verify N), or deny them (--deny). {factors.NOT_YOU}"
        raise DeniedError(said, code="prompt.too_many", mend=mend)


def _may(prompt: Prompt, name: str) -> bool:
    return prompt.for_ == name or prompt.needs > 1


def _found(tx: Tx, prompt: int) -> Prompt:
    found = prompts.prompt(tx, prompt)
    if found is None:
        raise NotFoundError(f"there is no prompt {prompt}", code="prompt.unknown", mend="twinseal otp verify")
    return found


def _answerable(tx: Transaction, who: Principal, prompt: int, *, again: bool = False) -> Prompt:
    found = _found(tx, prompt)
    if not _may(found, who.name):
        said = f"prompt {prompt} is for {found.for_} alone"
        raise DeniedError(said, code="prompt.not_yours")
    if not found.alive(tx.now):
        raise ConflictError(f"prompt {prompt} is {found.standing(tx.now)}", code="prompt.over", mend="Ask again.")
    if who.name in found.approved_by and not again:
        said = f"{who.name} has approved it; {found.needs} persons must"
        raise ConflictError(said, code="prompt.approved_already")
    return found


def _answered(tx: Transaction, prompt: int, entry: Entry) -> dict[str, Any]:
    found = _found(tx, prompt)
    return {**_plain(found, tx.now), "complete": found.state == prompts.APPROVED, "entry": entry.seq}


def _plain(prompt: Prompt, at: int) -> dict[str, Any]:
    return {
        "prompt": prompt.seq,
        "for": prompt.for_,
        "acts": list(prompt.acts),
        "statements": [list(each) for each in prompt.statements],
        "shown": prompt.shown,
        "digest": prompt.digest,
        "needs": prompt.needs,
        "single_person": prompt.single_person,
        "approved_by": list(prompt.approved_by),
        "opened_at": prompt.opened_at,
        "expires_at": prompt.expires_at,
        "state": prompt.standing(at),
    }
