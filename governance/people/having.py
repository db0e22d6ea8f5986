"""Enrol, remove and reset second factors: what a person may do to their own, and another person to theirs.

A factor counts at once if the invitation vouches for it (within fifteen minutes of the person's first key) or if one
in force approves it; else only after the cool-down. Who enrols proves possession.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from audit.entry import Actor, Draft
from audit.erasing import erase
from audit.transaction import Transaction
from governance.errors import ConflictError, DeniedError, FactorError, NotFoundError, RequestError
from governance.people import demands, factors, principals, totp
from governance.people.acts import accepted
from governance.people.factors import MINUTE_MS, Assertion, Proof, Used
from governance.people.prompts import ALPHABET, normal
from governance.people.statements import Statement
from governance.people.tokens import Caller
from governance.policy import Kind as PrincipalKind
from governance.record import Kind, legible
from governance.service import Service
from governance.standing import Principal
from governance.state import factors as held
from governance.state.factors import TOTP, Factor

VOUCHED_MS = 15 * MINUTE_MS
HOUR_MS = 60 * MINUTE_MS
MOST_HELD = 10
CODES = 10
CODE_BYTES = 10
"""Of a recovery code: 80 bits, so that its plain digest may stand in an entry."""


@dataclass(frozen=True, slots=True)
class New:
    """A factor that somebody has proved to hold. `public` of a passkey has its credential's `id`."""

    kind: str
    id: str
    label: str
    secret: bytes = b""
    public: Mapping[str, Any] = field(default_factory=dict)
    step: int = 0
    count: int = 0


def app(secret: str, code: str, *, label: str, now: int) -> New:
    """Return the factor that is an authenticator app, which has just shown this code.

    Raises:
        RequestError: Not a secret of 160 bits, or not its code.
    """
    raw = totp.read_secret(secret)
    if raw is None:
        raise RequestError("a secret is 160 bits in base32", code="factor.secret")
    step = totp.step_of(raw, code, now=now)
    if step is None:
        mend = "Look at the app, and at the clock of this machine."
        raise RequestError("this is not the code of that secret now", code="factor.not_proved", mend=mend)
    return New(TOTP, factors.identifier(raw), legible(label, 60), raw, step=step, count=1)


def enroll(
    service: Service,
    caller: Caller,
    new: Callable[[int], New],
    *,
    codes: Sequence[str],
    statement: Statement | None = None,
    proof: Proof | None = None,
    about: bytes = b"",
    recovery: str = "",
) -> dict[str, Any]:
    """Enrol a factor of the caller's own; by a statement, or within a session by a proof of one in force.

    `new` is asked with the time under the lock. `codes` are kept, by digest, as recovery codes where none is left. A
    statement of `factor.recover` spends `recovery` instead of an approval.

    Raises:
        RequestError: No person asks; the factor is not proved, or not the one that the statement names.
        DeniedError: It was not approved.
        FactorError: The proof or the recovery code is not good.
        ConflictError: It is enrolled already, or too many are.
    """

    def command(tx: Transaction, who: Principal, actor: Actor) -> dict[str, Any]:
        if who.kind is not PrincipalKind.HUMAN:
            raise DeniedError("only persons hold second factors", code="factor.persons_only")
        used, how = _vouched(tx, service, who, statement, proof, about)
        redeemed = ""
        if statement is not None and statement.type == "factor.recover":
            redeemed, how = _redeemed(tx, service, who, recovery), "recovered"
        made = new(tx.now)
        body = statement.body if statement else {"kind": made.kind, "label": made.label, "factor": made.id}
        if body != {"kind": made.kind, "label": made.label, "factor": made.id}:
            raise RequestError("the statement names another factor than the one proved", code="factor.other")
        if held.known(tx, made.id):
            raise ConflictError("this factor was enrolled before; make a new one", code="factor.known")
        if len(held.held(tx, who.name)) >= MOST_HELD:
            raise ConflictError(f"{who.name} holds {MOST_HELD} factors", code="factor.too_many")
        at_once = how in {"first", "another"}
        cool = service.under_lock.policy(tx).controls.second_factor.cool_down_hours * HOUR_MS
        given = () if held.recovery_codes(tx, who.name) - bool(redeemed) else tuple(codes)
        data: dict[str, object] = {
            "factor": made.id, "principal": who.name, "kind": made.kind, "label": made.label, "how": how,
            "counts_from": tx.now + (0 if at_once else cool), "public": dict(made.public), "step": made.step,
            "count": made.count, "recovery": [recovery_digest(service.log, who.name, code) for code in given],
            "redeemed": redeemed, "used": _recorded(used, proof, about),
        }  # fmt: skip
        if statement is not None:
            data["statement"] = statement.kept()
        secret = {}
        if made.secret:
            secret["secret"] = service.vault.seal(factors.sealed_name(service.log, who.name, made.id), made.secret)
        entry = tx.append(Draft(Kind.FACTOR_ENROLLED.value, actor, "", who.name, data, secret))
        said = {name: data[name] for name in ("factor", "kind", "label", "how", "counts_from")}
        return {**said, "recovery_codes": list(given), "entry": entry.seq}

    return _said(service, caller, statement, "factor.enroll", command)


def _said(
    service: Service,
    caller: Caller,
    statement: Statement | None,
    type_: str,
    command: Callable[[Transaction, Principal, Actor], dict[str, Any]],
) -> dict[str, Any]:
    """Run a command for a statement, or for somebody in a session, who signs none."""
    if statement is not None:
        recovers = type_ == "factor.enroll" and statement.type == "factor.recover"
        return accepted(service, caller, statement, "factor.recover" if recovers else type_, command)

    def within(tx: Transaction) -> dict[str, Any]:
        who = principals.known(service.under_lock.roster(tx), caller.principal)
        return command(tx, who, Actor(id=who.name, kind=who.kind.value, key=""))

    return service.act(caller, type_, within)


def _vouched(
    tx: Transaction, service: Service, who: Principal, statement: Statement | None, proof: Proof | None, about: bytes
) -> tuple[Used | None, str]:
    """Return the factor that a session proved, and how the new one is vouched for."""
    if proof is not None:
        return _proved(tx, service, who, proof, about), "another"
    if statement is None and who.name in held.holders(tx, tx.now):
        raise DeniedError("another factor is approved by one in force", code="factor.needed")
    if statement is not None and demands.demand(tx, service.under_lock.policy(tx), who, statement, at=tx.now):
        return None, "another"  # It would not be run if it had not been approved.
    first_key = held.first_key_at(tx, who.name)
    fresh = first_key is not None and tx.now < first_key + VOUCHED_MS and not held.ever(tx, who.name)
    return None, "first" if fresh else "alone"


def _proved(tx: Transaction, service: Service, who: Principal, proof: Proof, about: bytes) -> Used:
    """Return the factor that was shown; what a passkey signs for is good once, as a code is."""
    if isinstance(proof, Assertion) and held.challenged(tx, about.hex()):
        said = "what this passkey signed was used before"
        raise FactorError(said, code="factor.used", mend="Load the page again.")
    return factors.check(tx, service, who, proof, about=about)


def _recorded(used: Used | None, proof: Proof | None, about: bytes) -> dict[str, Any]:
    challenge = {"challenge": about.hex()} if isinstance(proof, Assertion) else {}
    return used.recorded() | challenge if used else {}


def _redeemed(tx: Transaction, service: Service, who: Principal, code: str) -> str:
    factors.unlocked(tx, service.under_lock.policy(tx).controls.second_factor, who.name, now=tx.now)
    digest = recovery_digest(service.log, who.name, code)
    if not held.recovers(tx, who.name, digest):
        raise FactorError("this is no unused recovery code of yours", code="factor.recovery")
    return digest


def remove(
    service: Service,
    caller: Caller,
    identifier: str,
    *,
    statement: Statement | None = None,
    proof: Proof | None = None,
    about: bytes = b"",
) -> dict[str, Any]:
    """Remove a factor of the caller's own. One that does not count yet is taken back without another.

    Raises:
        NotFoundError: They hold no such factor.
        DeniedError: It was not approved.
        FactorError: The proof is not good.
        RequestError: The statement names another.
    """

    def command(tx: Transaction, who: Principal, actor: Actor) -> dict[str, Any]:
        if statement is not None and statement.body != {"factor": identifier}:
            raise RequestError("the statement names another factor", code="factor.other")
        going = next((factor for factor in held.held(tx, who.name) if factor.id == identifier), None)
        if going is None:
            raise NotFoundError(f"{who.name} holds no factor {identifier:.20}", code="factor.unknown")
        used = _proved(tx, service, who, proof, about) if proof else None
        if statement is None and used is None and going.counts_from <= tx.now:
            raise DeniedError("a factor in force is removed with one in force", code="factor.needed")
        data: dict[str, object] = {"factor": going.id, "principal": who.name, "kind": going.kind}
        data["used"] = _recorded(used, proof, about)
        if statement is not None:
            data["statement"] = statement.kept()
        entry = tx.append(Draft(Kind.FACTOR_REMOVED.value, actor, "", who.name, data))
        _erase(tx, (going,), actor)
        return {"factor": going.id, "entry": entry.seq}

    return _said(service, caller, statement, "factor.remove", command)


def reset(service: Service, caller: Caller, statement: Statement) -> dict[str, Any]:
    """Take every factor and recovery code from another person, who may then enrol again, and wait.

    Raises:
        DeniedError: No person asks, or one for themselves.
        NotFoundError: No such person is enrolled, or they hold none.
    """

    def command(tx: Transaction, who: Principal, actor: Actor) -> dict[str, Any]:
        if set(statement.body) != {"principal"}:
            raise RequestError("a reset names a principal, and nothing else", code="factor.malformed")
        other = principals.known(service.under_lock.roster(tx), str(statement.body["principal"]))
        if who.kind is not PrincipalKind.HUMAN or other.name == who.name:
            raise DeniedError("another person resets one's factors", code="factor.not_oneself")
        gone = held.held(tx, other.name)
        if not gone:
            raise NotFoundError(f"{other.name} holds no second factor", code="factor.unknown")
        data = {"principal": other.name, "factors": [factor.id for factor in gone], "statement": statement.kept()}
        entry = tx.append(Draft(Kind.FACTOR_RESET.value, actor, "", other.name, data))
        _erase(tx, gone, actor)
        return {"principal": other.name, "factors": data["factors"], "entry": entry.seq}

    return accepted(service, caller, statement, "factor.reset", command)


def _erase(tx: Transaction, gone: Sequence[Factor], actor: Actor) -> None:
    """Erase the secrets of factors that are gone: nobody needs them any more."""
    for factor in gone:
        if held.sealed(tx, factor):
            basis = f"the factor {factor.id} was removed"
            erase(tx, factor.enrolled_seq, ["secret"], basis=basis, approver=actor.id, actor=actor)


def recovery_code(random: bytes) -> str:
    """Return a recovery code of ten random bytes, as it is written down: sixteen characters in four groups."""
    bits = int.from_bytes(random[:CODE_BYTES])
    plain = "".join(ALPHABET[bits >> 5 * place & 31] for place in reversed(range(CODE_BYTES * 8 // 5)))
    return "-".join(plain[start : start + 4] for start in range(0, len(plain), 4))


def recovery_digest(log: str, principal: str, code: str) -> str:
    """Return how a recovery code is kept: SHA-256, for this log and person, since it has 80 random bits."""
    return hashlib.sha256("\0".join(["twinseal-recovery", log, principal, normal(code)]).encode()).hexdigest()


def listed(factors_held: Sequence[Factor], at: int) -> list[dict[str, Any]]:
    """Return factors as their holder sees them."""
    return [
        {
            "factor": factor.id, "kind": factor.kind, "label": factor.label, "counts_from": factor.counts_from,
            "counts": factor.counts_from <= at, "enrolled": factor.enrolled_seq, "used": factor.count,
        }
        for factor in factors_held
    ]  # fmt: skip
