"""Ask for the write lock, give it back, and see who holds it: requests wait in order, and none waits on a sleeper.

Nobody is asked for a grant in queue order. What is out of it is asked for and co-signed in `lock_exceptions`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from audit.entry import Actor
from audit.transaction import Transaction
from governance.coordinate.granting import MINUTE_MS, advance, draft, over
from governance.errors import ConflictError, DeniedError, NotFoundError, PolicyContentError, RequestError
from governance.leases import WRITE, Asked, OutOfTurn
from governance.patterns import exactly
from governance.people.acts import accepted
from governance.people.statements import Statement, about
from governance.people.tokens import Caller
from governance.policy import Policy
from governance.policy_reading import MOST
from governance.record import Kind
from governance.service import Service
from governance.standing import Principal
from governance.state import leases as state
from governance.state import read
from governance.state.tx import Tx

MOST_FILES = 50
THAW = "Wait until the owner has looked into it and thawed: twinseal freeze list"
LONGEST = 200
"""Characters of one pattern of an intent."""
SCOPE = re.compile(r"[a-z][a-z0-9_-]{0,39}")
FIELDS = {"repository", "scope", "files", "lines", "minutes"}


def request(service: Service, caller: Caller, statement: Statement, repository: str) -> dict[str, Any]:
    """Ask for a scope's lease with an intent: granted at once where it is free, else queued.

    Raises:
        RequestError: The intent is malformed.
        DeniedError: The statement is of another repository, or its speaker asks all the time.
        ConflictError: Its speaker holds the scope already, or waits for it.
    """

    def command(tx: Transaction, who: Principal, actor: Actor) -> dict[str, Any]:
        policy, roster = service.under_lock.policy(tx), service.under_lock.roster(tx)
        about(statement, repository)
        read.repository(tx, repository)
        _no_abuse(tx, policy, who.name)
        asked = _intent(statement.body, policy)
        advance(tx, repository, policy=policy, roster=roster)
        for mine in state.open_(tx, repository, asked["scope"]):
            if mine.principal == who.name:
                said = f"{who.name} holds {mine.scope} already" if mine.token else f"{who.name} waits for it already"
                raise ConflictError(said, code="lock.asked_already", mend=f"twinseal lock release {name_of(mine)}")
        data = {**asked, "token": caller.token, "statement": statement.kept()}
        seq = tx.append(draft(Kind.LOCK_REQUESTED, repository, data, actor)).seq
        advance(tx, repository, policy=policy, roster=roster)
        line = state.open_(tx, repository, asked["scope"])
        new = next((each for each in line if each.seq == seq), None)
        if new is None:
            raise DeniedError(f"{who.name} is frozen and takes no place in line", code="lock.frozen", mend=THAW)
        before = [each for each in line if each.seq < seq and not each.token]
        return {**_shown(new), "place": 0 if new.token else 1 + len(before), "entry": seq}

    return accepted(service, caller, statement, "lock.request", command)


def release(service: Service, caller: Caller, statement: Statement, repository: str) -> dict[str, Any]:
    """Give back the lease of this token, or leave the queue: there the number of the request is named.

    Raises:
        NotFoundError: No such lease is held, and no such request waits.
        DeniedError: It is somebody else's.
    """

    def command(tx: Transaction, who: Principal, actor: Actor) -> dict[str, Any]:
        policy, roster, body = service.under_lock.policy(tx), service.under_lock.roster(tx), statement.body
        about(statement, repository)
        if set(body) != {"repository", "scope", "token"} or type(body["token"]) is not int:
            raise RequestError("a release names repository, scope and token", code="lock.malformed")
        advance(tx, repository, policy=policy, roster=roster)
        open_ = state.open_(tx, repository, str(body["scope"]))
        mine = next((each for each in open_ if name_of(each) == body["token"]), None)
        if mine is None:
            said = f"{body['token']} is no lease in force of {repository}, and nothing that waits for one"
            raise NotFoundError(said, code="lock.stale", mend="twinseal lock status")
        if mine.principal != who.name:
            raise DeniedError(f"{mine.principal} holds it, or waits for it", code="lock.not_yours")
        entry = tx.append(over(mine, "released", actor, statement=statement.kept()))
        advance(tx, repository, policy=policy, roster=roster)
        return {"scope": mine.scope, "token": body["token"], "by": who.name, "entry": entry.seq}

    return accepted(service, caller, statement, "lock.release", command)


def status(tx: Tx, repository: str, *, now: int) -> list[dict[str, Any]]:
    """Return each scope that is held or waited for: holder, token, intent, time left, and the queue."""
    asked = state.open_(tx, repository)
    found = []
    for scope in sorted({each.scope for each in asked}):
        line = [each for each in asked if each.scope == scope]
        held = next((each for each in line if each.token and each.ends_at > now), None)
        shown: dict[str, Any] = {"scope": scope, "holder": _shown(held) if held else None}
        if held:
            shown["holder"] |= {"left_ms": held.ends_at - now, "used": state.used(tx, held.token)}
        asked_for = [_asked_for(each) for each in state.out_of_turn(tx, [each.seq for each in line])]
        found.append(shown | {"queue": [_shown(each) for each in line if not each.token], "asked": asked_for})
    return found


def name_of(asked: Asked) -> int:
    """Return the number that its holder releases it by: the token, or the request's own while it waits."""
    return asked.token or asked.seq


def _no_abuse(tx: Transaction, policy: Policy, name: str) -> None:
    rules = policy.controls.write_lock
    nearest = state.nth_try(tx, name, rules.requests)
    if nearest is not None and nearest > tx.now - rules.request_minutes * MINUTE_MS:
        said = f"{name} asked for locks {rules.requests} times in {rules.request_minutes} minutes"
        raise DeniedError(said, code="lock.abuse", mend="Wait; each request counts, refused ones too.")


def _intent(body: Mapping[str, Any], policy: Policy) -> dict[str, Any]:
    """Return scope and intent as an entry keeps them.

    Raises:
        RequestError: A field is missing, unknown, or out of bounds.
    """
    rules = policy.controls.write_lock
    if set(body) != FIELDS or not isinstance(body["scope"], str) or not SCOPE.fullmatch(body["scope"]):
        said = f"a request names {', '.join(sorted(FIELDS))}; a scope is a word such as {WRITE}"
        raise RequestError(said, code="lock.malformed")
    for name, most in (("lines", MOST["lines"]), ("minutes", rules.lease_minutes)):
        if type(body[name]) is not int or not 1 <= body[name] <= most:
            raise RequestError(f"{name}: expected 1 to {most}, got {body[name]!r:.40}", code=f"lock.{name}")
    files = body["files"]
    texts = isinstance(files, list) and all(isinstance(text, str) and len(text) <= LONGEST for text in files)
    if not texts or not 1 <= len(files) <= MOST_FILES:
        said = f"files: expected 1 to {MOST_FILES} patterns of at most {LONGEST} characters"
        raise RequestError(said, code="lock.files")
    try:
        exactly(tuple(files))
    except PolicyContentError as exc:
        raise RequestError(f"files: {exc}", code="lock.files", mend=exc.mend) from exc
    return {name: body[name] for name in ("scope", "files", "lines", "minutes")}


def _asked_for(each: OutOfTurn) -> dict[str, Any]:
    return {"asked": each.seq, "deed": each.deed.value} | {
        name: getattr(each, name) for name in ("request", "token", "minutes", "by", "reason")
    }


def _shown(asked: Asked) -> dict[str, Any]:
    state_ = "held" if asked.token else "waiting"
    names = ("scope", "principal", "lines", "minutes", "token", "ends_at")
    shown = {name: getattr(asked, name) for name in names}
    return {"request": asked.seq, "state": state_, "files": list(asked.files), **shown}
