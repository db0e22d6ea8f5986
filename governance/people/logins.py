"""Logging in to the pages: a password and a second factor, or a passkey alone, which is both.

A session is an entry, and so is its end. Whoever fails learns one thing, that it failed; wrong passwords are counted
by person, under the ledger lock, so that guesses made at once or through many addresses are counted like any others.
That count stops passwords alone: passkeys, open sessions and the terminal go on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from audit.entry import Actor, Draft
from audit.transaction import Transaction
from governance.errors import DeniedError, FactorError, GovernanceError
from governance.limits import DAY_MS, HOUR_MS
from governance.people import factors
from governance.people.accounts import sealed_name
from governance.people.factors import Assertion, Code, Used
from governance.people.passkeys import factor_of
from governance.people.principals import NAME, secret_digest
from governance.people.tokens import Caller
from governance.policy import Kind as PrincipalKind
from governance.record import Kind
from governance.service import Service
from governance.standing import Principal
from governance.state import accounts
from governance.state.accounts import ID, WebSession

MINUTE_MS = 60 * 1000
IDLE_MS = 30 * MINUTE_MS
"""A session that was not used for so long is over."""
LIFE_MS = 12 * HOUR_MS
"""No session lasts longer."""
NOTED_EVERY_MS = MINUTE_MS
OPEN_MOST = 10
"""Sessions of one person; one more ends the oldest."""
FAILURES, FAILURE_MS, FAILURES_DAY = 5, 15 * MINUTE_MS, 20
"""Wrong passwords of one person after which no more are believed: in a quarter of an hour, and in a day."""
CHALLENGE_MS = 5 * MINUTE_MS
_CHALLENGE = "log-in challenge"
NOTHING = b""
"""What a code is about: it cannot be bound to anything but its time."""
STRANGER = Actor(id="unknown", kind="unknown", key="")


@dataclass(frozen=True, slots=True)
class Attempt:
    """What was typed: a name, its password, and a code."""

    name: str
    password: str
    code: str


def challenge(service: Service, nonce: str) -> str:
    """Return what a passkey is to sign for a log-in: our own seal over when it was given, good for five minutes.

    Nothing is remembered until it is used: who asks for many takes nobody's place.
    """
    with service.read() as tx:
        now = service.now(tx)
    return service.vault.seal(_CHALLENGE, f"{now} {nonce}".encode())


def about(text: str) -> bytes:
    """Return the bytes that a passkey signs for a challenge."""
    return bytes.fromhex(secret_digest(f"twinseal log-in\n{text}"))


def by_password(service: Service, attempt: Attempt, *, secret: str) -> WebSession:
    """Open a session, known by `secret`, for who knows a password and holds a second factor.

    The password is looked at outside the ledger's lock, for it takes long, and for every name, known or not.

    Raises:
        DeniedError: `login.refused`, whatever was wrong.
    """
    known = bool(NAME.fullmatch(attempt.name))
    with service.read() as tx:
        seq, sealed = accounts.password(tx, attempt.name) if known else (0, "")
    right = service.passwords.matches(_opened(service, attempt.name, sealed), attempt.password)
    if not seq:
        raise refused()
    caller = Caller(attempt.name, PrincipalKind.HUMAN.value, "", "")

    def command(tx: Transaction) -> WebSession | None:
        who = service.under_lock.roster(tx).get(attempt.name)
        if who is None or _held_back(tx, attempt.name) or accounts.password(tx, attempt.name)[0] != seq:
            return None
        if not right:
            tx.append(_failed(attempt.name))
            return None
        used = factors.check(tx, service, who, Code(attempt.code), about=NOTHING)
        return _open(tx, who, used, how="password and code", secret=secret)

    try:
        return _one_answer(service.act(caller, "log-in", command) if right else service.ledger.run(command))
    except FactorError as exc:  # It is recorded, and counts like a wrong code anywhere.
        raise refused() from exc


def by_passkey(service: Service, credential: Mapping[str, Any], text: str, *, secret: str) -> WebSession:
    """Open a session for who holds a passkey, which has seen its person's PIN or finger itself.

    What fails is not recorded: it is a stranger's, and must lock nobody out.

    Raises:
        DeniedError: `login.refused`.
    """

    def command(tx: Transaction) -> WebSession | None:
        who = service.under_lock.roster(tx).get(accounts.passkey_of(tx, factor_of(credential.get("id"))))
        if who is None or who.retired:
            return None
        if not _fresh(tx, service, text):
            return None
        try:
            used = factors.check(tx, service, who, Assertion(credential), about=about(text))
        except FactorError:
            return None
        return _open(tx, who, used, how="passkey", secret=secret, challenge=about(text).hex())

    return _one_answer(service.ledger.run(command))


def refused() -> DeniedError:
    """Return the one answer to whoever could not be let in."""
    said = "name, password or second factor are not right; or too many wrong ones were tried, and you must wait"
    return DeniedError(said, code="login.refused", mend="A passkey, and the terminal, are not held up by that.")


def _one_answer(opened: WebSession | None) -> WebSession:
    if opened is None:
        raise refused()
    return opened


def _opened(service: Service, name: str, sealed: str) -> str:
    if not sealed:
        return ""
    try:
        return service.vault.open(sealed_name(service.log, name), sealed).decode()
    except GovernanceError:
        return ""  # Sealed under a key that is gone, or moved here from another's entry: no password at all.


def _held_back(tx: Transaction, name: str) -> bool:
    lately = accounts.failures(tx, name, since=tx.now - FAILURE_MS)
    return lately >= FAILURES or accounts.failures(tx, name, since=tx.now - DAY_MS) >= FAILURES_DAY


def _fresh(tx: Transaction, service: Service, text: str) -> bool:
    """Whether this is a challenge of ours, of the last five minutes, that no log-in has used."""
    try:
        given = int(service.vault.open(_CHALLENGE, text).split()[0])
    except (GovernanceError, ValueError, IndexError):
        return False
    return abs(tx.now - given) <= CHALLENGE_MS and not accounts.challenged(tx, about(text).hex())


def _failed(name: str) -> Draft:
    data: dict[str, object] = {"principal": name, "code": "login.password"}
    return Draft(kind=Kind.SESSION_REFUSED.value, actor=STRANGER, repo="", subject=name, data=data)


def _open(tx: Transaction, who: Principal, used: Used, *, how: str, secret: str, challenge: str = "") -> WebSession:
    actor = Actor(id=who.name, kind=who.kind.value, key="")
    digest = secret_digest(secret)
    data = {
        "principal": who.name,
        "session": digest,
        "expires_at": tx.now + LIFE_MS,
        "how": how,
        "challenge": challenge,
        **used.recorded(),
    }
    opened = accounts.sessions(tx, who.name)
    tx.append(Draft(kind=Kind.SESSION_OPENED.value, actor=actor, repo="", subject=who.name, data=data))
    for old in opened[: max(0, len(opened) + 1 - OPEN_MOST)]:
        tx.append(_closed(old, "too many were open", actor))
    found = accounts.session(tx, digest)
    if found is None:
        raise refused()
    return found


def session(service: Service, secret: str) -> WebSession | None:
    """Return the session that a cookie names, if it is not over; who looks keeps it from becoming idle.

    One whose time is up is closed by an entry, so that no clock that is set back can bring it to life.
    """
    digest = secret_digest(secret)
    with service.read() as tx:
        found = accounts.session(tx, digest)
        now = service.now(tx)
    if found is None:
        return None
    if now >= min(found.expires_at, found.used_at + IDLE_MS):
        end(service, found, "its time was up")
        return None
    if now - found.used_at >= NOTED_EVERY_MS:
        service.ledger.run(lambda tx: accounts.used(tx, digest, tx.now))
    return found


def end(service: Service, found: WebSession, reason: str) -> None:
    """End a session at once; one that has ended stays so."""

    def command(tx: Transaction) -> None:
        if accounts.session(tx, found.digest) is not None:
            tx.append(_closed(found, reason, Actor(id=found.principal, kind=found.kind, key="")))

    service.ledger.run(command)


def end_all(service: Service, name: str, *, but: str = "") -> int:
    """End every session of a person, but the one with this public id; return how many those were."""

    def command(tx: Transaction) -> int:
        going = [one for one in accounts.sessions(tx, name) if one.id != but]
        for one in going:
            tx.append(_closed(one, "logged out everywhere", Actor(id=name, kind=one.kind, key="")))
        return len(going)

    return service.ledger.run(command)


def _closed(found: WebSession, reason: str, actor: Actor) -> Draft:
    data: dict[str, object] = {"principal": found.principal, "session": found.digest[:ID], "reason": reason}
    return Draft(kind=Kind.SESSION_CLOSED.value, actor=actor, repo="", subject=found.principal, data=data)
