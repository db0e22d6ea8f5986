"""Enrolment: a secret shown once, a nonce to sign, a key bound to a principal, a first token.

Who holds the secret may enrol one key, once, within 15 minutes, and must prove possession of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from audit.entry import Actor
from audit.transaction import Transaction
from governance.errors import EnrolmentError, RequestError
from governance.people import keys, principals, tokens
from governance.people.principals import Candidate
from governance.people.tokens import DAY_MS, Caller
from governance.service import Service
from governance.signatures import CertificateInfo, EnrolledKey

CHALLENGE_MS = 5 * 60 * 1000
SEAT_TOKEN_DAYS = 90
MOST_CHALLENGES = 1000
CERTIFICATE_LIMIT = 64 * 1024


@dataclass
class Challenges:
    """Nonces given out and not yet signed. In memory: a restart means asking again."""

    _open: dict[str, tuple[str, int]] = field(default_factory=dict)

    def give(self, nonce: str, fingerprint: str, *, now: int) -> str:
        """Remember a nonce for one key.

        Raises:
            RequestError: Too many are waiting.
        """
        self._open = {n: (f, until) for n, (f, until) in self._open.items() if until > now}
        if len(self._open) >= MOST_CHALLENGES:
            raise RequestError("too many enrolments are under way; try again in a minute", code="enrolment.busy")
        self._open[nonce] = (fingerprint, now + CHALLENGE_MS)
        return nonce

    def take(self, nonce: str, fingerprint: str, *, now: int) -> None:
        """Use a nonce up.

        Raises:
            EnrolmentError: Unknown, used, expired, or given for another key.
        """
        known, until = self._open.pop(nonce, ("", 0))
        if known != fingerprint or until <= now:
            raise EnrolmentError("this challenge is unknown, used or too old; ask for a new one", code="key.challenge")


def inspected(service: Service, certificate: bytes, ends: int | None = None) -> CertificateInfo:
    """Return what the certificate holds, if it may be enrolled at all; `ends` is when an SSH key shall."""
    if len(certificate) > CERTIFICATE_LIMIT:
        raise EnrolmentError(f"a certificate is at most {CERTIFICATE_LIMIT} bytes", code="key.too_large")
    at = service.clock() // 1000
    return service.reader(certificate, at=at).until(ends, at=at)


@dataclass(frozen=True, slots=True)
class Enrolment:
    """One attempt: the secret, the key, and the proof. `profile` is what the first owner says of itself."""

    secret: str
    about: CertificateInfo
    nonce: str
    proof: str
    profile: Mapping[str, Any]


def enroll(service: Service, attempt: Enrolment, *, token: str) -> tuple[str, str, int]:
    """Enrol a key by invitation; return (principal, fingerprint, entry). `token` becomes its seat's token.

    Raises:
        RequestError: The secret, the key, the proof or the person cannot be accepted.
    """

    def command(tx: Transaction) -> tuple[str, str, int]:
        digest, name = principals.invitation(tx, attempt.secret, now=tx.now)
        first = not name
        who = _first(service, tx, attempt.profile) if first else None
        name = who.name if who else name
        about = keys.free(tx, attempt.about)
        key = keys.proved(
            about,
            attempt.proof,
            origin=service.log,
            principal=name,
            nonce=attempt.nonce,
            verifier=service.verifier,
            at=tx.now // 1000,
        )
        actor = _enrol(tx, service, key, who, digest=digest, attempt=attempt)
        issued = tokens.issued(
            token,
            principal=name,
            repository="",
            expires_at=tx.now + SEAT_TOKEN_DAYS * DAY_MS,
            actor=actor,
            statement={},
        )
        return name, key.fingerprint, tx.append(issued).seq

    with service.read() as tx:
        principals.invitation(tx, attempt.secret, now=service.clock())  # A stranger's guess is not worth an entry.
    return service.act(Caller("unknown", "unknown", "", ""), "enrolment", command)


def _first(service: Service, tx: Transaction, profile: Mapping[str, Any]) -> Candidate:
    body = {"name": profile.get("name", ""), "role": "owner", "emails": profile.get("emails", [])}
    return principals.candidate(body, service.under_lock.policy(tx), service.under_lock.roster(tx), by="")


def _enrol(
    tx: Transaction, service: Service, key: EnrolledKey, who: Candidate | None, *, digest: str, attempt: Enrolment
) -> Actor:
    proof = {"nonce": attempt.nonce, "signature": attempt.proof}
    if who is not None:
        tx.append(principals.first_owner(who, key=keys.recorded(key), proof=proof, used=digest))
        return Actor(id=who.name, kind=who.kind, key=key.fingerprint)
    known = principals.known(service.under_lock.roster(tx), key.principal)
    actor = Actor(id=known.name, kind=known.kind.value, key=key.fingerprint)
    tx.append(keys.enrolled(key, actor=actor, used=digest, proof=proof))
    return actor
