"""Second factors: whether what was shown is good, now, once.

A code or an assertion is looked at under the ledger lock, and whoever uses it writes an entry that names its step and
count (`Used`): the same is never good again, in the whole service. Wrong ones are counted from the recorded refusals,
per person, so that neither a restart nor another session begins anew; nobody is counted who did not show a token or a
password before.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from audit.transaction import Transaction
from governance.errors import FactorError
from governance.limits import DAY_MS
from governance.parameters import SecondFactor
from governance.people import totp
from governance.policy import Kind
from governance.refusals import FactorRefused
from governance.service import Service
from governance.standing import Principal
from governance.state import factors
from governance.state.factors import PASSKEY, TOTP, Factor
from governance.state.tx import Tx

MINUTE_MS = 60 * 1000
NONE = "Enrol one: twinseal otp enroll"
NOT_YOU = "If that was not you: twinseal token rotate, which needs no factor; then twinseal key rotate."
"""Not to revoke: who is the only owner would stay outside."""


@dataclass(frozen=True, slots=True)
class Code:
    """Six digits, as typed."""

    code: str


@dataclass(frozen=True, slots=True)
class Assertion:
    """What a browser sent of a passkey; `id` names its credential."""

    credential: Mapping[str, Any]


Proof = Code | Assertion


@dataclass(frozen=True, slots=True)
class Used:
    """Which factor was used, and what must be remembered of it: an entry names all three."""

    factor: str
    step: int
    count: int

    def recorded(self) -> dict[str, Any]:
        """Return what an entry holds."""
        return asdict(self)


def check(tx: Transaction, service: Service, principal: Principal, proof: Proof, *, about: bytes) -> Used:
    """Return the factor in force that this proves. The caller appends an entry that names it, in the same command.

    `about` is what a passkey must have signed, 32 bytes; a code cannot be bound so, and its request names what it is
    for. Call before anything is appended, within `Service.act`.

    Raises:
        FactorError: `factor.wrong`, `factor.used`, `factor.locked`, `factor.none` or `factor.cooling`.
    """
    rules = service.under_lock.policy(tx).controls.second_factor
    held = factors.held(tx, principal.name) if principal.kind is Kind.HUMAN else ()
    if not held:
        raise FactorError(f"{principal.name} has no second factor", code="factor.none", mend=NONE)
    unlocked(tx, rules, principal.name, now=tx.now)
    counting = [factor for factor in held if factor.counts_from <= tx.now]
    if not counting:
        minutes = -(-(min(f.counts_from for f in held) - tx.now) // MINUTE_MS)
        said = f"the second factor of {principal.name} counts in {minutes // 60} h {minutes % 60} min"
        raise FactorError(said, code="factor.cooling", mend="Wait, or ask another person.")
    if isinstance(proof, Code):
        return _code(tx, service, [factor for factor in counting if factor.kind == TOTP], proof)
    return _assertion(service, [factor for factor in counting if factor.kind == PASSKEY], proof, about)


def unlocked(tx: Tx, rules: SecondFactor, name: str, *, now: int) -> None:
    """Refuse to look at anything more of who has guessed wrong too often.

    Raises:
        FactorError: `factor.locked`.
    """
    windows = ((rules.failures, rules.failure_minutes * MINUTE_MS), (rules.failures_day, DAY_MS))
    tried = [(factors.nth_failure(tx, name, most), length) for most, length in windows]
    until = max((ts + length for ts, length in tried if ts is not None), default=0)
    if until > now:
        minutes = -(-(until - now) // MINUTE_MS)
        said = f"too many wrong codes of {name}; no more are looked at for {minutes} min"
        raise FactorError(said, code="factor.locked", mend=NOT_YOU)


def _code(tx: Transaction, service: Service, held: list[Factor], proof: Code) -> Used:
    spent = False
    for factor in held:
        step = totp.step_of(opened(tx, service, factor), proof.code, now=tx.now)
        if step is not None and step > factor.last_step:
            return Used(factor.id, step, factor.count + 1)
        spent = spent or step is not None
    if spent:
        said = "this code, or a later one, was used before; each is good once"
        raise FactorError(said, code="factor.used", mend="Wait for the next code.")
    raise FactorError("this is not the code of now", mend="Look at the app, and at the clock of this machine.")


def opened(tx: Tx, service: Service, factor: Factor) -> bytes:
    """Return the secret of a factor."""
    return service.vault.open(sealed_name(service.log, factor.principal, factor.id), factors.sealed(tx, factor))


def sealed_name(log: str, principal: str, identifier: str) -> str:
    """Return the name that a secret is sealed under: one put beside another factor or person opens nothing."""
    return f"factor/{log}/{principal}/{identifier}"


def _assertion(service: Service, held: list[Factor], proof: Assertion, about: bytes) -> Used:
    wanted = proof.credential.get("id")
    factor = next((factor for factor in held if factor.public.get("id") == wanted), None)
    if factor is None:
        raise FactorError("this passkey is not enrolled")
    try:
        count = service.passkeys.verify(factor.public, proof.credential, challenge=about, count=factor.count)
    except FactorRefused as exc:
        raise FactorError(f"the passkey: {exc}") from exc
    return Used(factor.id, factor.last_step, count)


def identifier(material: bytes) -> str:
    """Return a factor's name: from its own secret or credential, so that the same is never enrolled twice."""
    return hashlib.sha256(b"twinseal-factor\0" + material).hexdigest()[:16]
