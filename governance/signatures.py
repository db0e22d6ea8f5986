"""Who may sign, and what a checked signature proves: values, refusals, and the port that verifiers implement.

A signature is judged at *receive* time. When it was made is the signer's claim; a thief who holds an expired or
revoked key can date a signature back, and libraries that judge a key at the signature's own time accept that.
All times here are whole seconds since the epoch, UTC. All fingerprints are upper-case hex.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from governance.errors import EnrolmentError, FactsError

MAX_SIGNATURE = 16 * 1024
"""Bytes of armored signature that we look at; RSA-4096 with every usual subpacket needs under 2 KiB."""

MAX_AHEAD = 300
"""Seconds that a signer's clock may be ahead of ours."""

REFUSALS: Mapping[str, str] = {
    "signature.missing": "There is no signature.",
    "signature.size": "The signature is larger than any real one.",
    "signature.format": "This is not an OpenPGP signature (SSH and X.509 signatures are not enrolled here).",
    "signature.armor": "The signature is not exactly one well-formed PGP SIGNATURE block.",
    "signature.crc": "The checksum of the armor does not match its content.",
    "signature.malformed": "The signature packet cannot be read.",
    "signature.not_one": "There is more than one packet, or one that is not a signature.",
    "signature.v6": "The signature is of OpenPGP version 6, which git's tools cannot verify yet.",
    "signature.version": "The signature is of an OpenPGP version other than 4.",
    "signature.type": "The signature is not over binary data; a text signature fits several different commits.",
    "signature.hash": "The signature uses a hash that is not SHA-256, SHA-384 or SHA-512.",
    "signature.algorithm": "The signature is made with something other than RSA, ECDSA or EdDSA.",
    "signature.no_time": "The signature does not say, exactly once and signed, when it was made.",
    "signature.no_fingerprint": "The signature does not name its key, exactly once and signed, by full fingerprint.",
    "signature.unsigned_area": "The signature's unsigned area holds more than the issuer's own id.",
    "signature.unknown_key": "No enrolled key has that fingerprint.",
    "signature.key_not_yet": "The key was enrolled after this was received.",
    "signature.key_revoked": "The key was revoked before this was received.",
    "signature.key_expired": "The key had expired when this was received, whatever date the signature claims.",
    "signature.expired": "The signature itself had expired when this was received.",
    "signature.future": "The signature claims to be made in the future.",
    "signature.bad": "The signature does not verify: content, signature and key do not belong together.",
    "signature.other_key": "The signature was verified by another key than the one it names.",
}
"""Every code a verifier may refuse with, and the sentence people read. Codes are never reused."""


class SignatureRefused(FactsError):  # noqa: N818 - an answer about one signature, not a breakdown of ours
    """A signature that proves nothing. `code` is one of `REFUSALS`; `detail` says expected, got, which."""

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(f"{REFUSALS[code]} {detail}".rstrip(), code=code)
        self.detail = detail

    def __reduce__(self) -> tuple[type[SignatureRefused], tuple[str, str]]:
        return SignatureRefused, (self.code, self.detail)  # It crosses from the worker process.


@dataclass(frozen=True, slots=True)
class SubKey:
    """A key that may sign for its certificate; the primary itself is one where it may sign."""

    fingerprint: str
    expires: int | None
    """The earlier of its own expiry and the primary's; None where neither expires."""


@dataclass(frozen=True, slots=True)
class EnrolledKey:
    """A certificate bound to one principal, with the signing keys it had at enrolment and no others.

    Whoever steals the primary key can add a signing subkey to the certificate; it is not in `subkeys`.
    """

    fingerprint: str
    principal: str
    certificate: bytes
    subkeys: tuple[SubKey, ...]
    enrolled_at: int
    revoked_at: int | None = None


@dataclass(frozen=True, slots=True)
class CertificateInfo:
    """What a certificate says of itself, once it has passed inspection."""

    fingerprint: str
    algorithm: str
    user_ids: tuple[str, ...]
    """Claims by whoever made the key. They grant nothing."""
    signing_keys: tuple[SubKey, ...]
    certificate: bytes
    """Binary, exactly one public certificate: what to enrol."""

    def enrol(self, principal: str, *, at: int) -> EnrolledKey:
        """Return the key bound to a principal. That the principal holds it must have been proved before."""
        return EnrolledKey(self.fingerprint, principal, self.certificate, self.signing_keys, at)


Registry: TypeAlias = Mapping[str, EnrolledKey]
"""From the fingerprint of a pinned signing key to the enrolment that pinned it."""


def register(keys: Iterable[EnrolledKey]) -> dict[str, EnrolledKey]:
    """Return the registry of these keys.

    Raises:
        EnrolmentError: two enrolments claim the same signing key, or one pins none.
    """
    registry: dict[str, EnrolledKey] = {}
    for key in keys:
        if not key.subkeys:
            raise EnrolmentError(f"key {key.fingerprint} of {key.principal}: expected a signing key, got none")
        for subkey in key.subkeys:
            other = registry.setdefault(subkey.fingerprint, key)
            if other is not key:
                raise EnrolmentError(
                    f"signing key {subkey.fingerprint}: expected one enrolment, got two, "
                    f"of {other.principal} and of {key.principal}"
                )
    return registry


@dataclass(frozen=True, slots=True)
class Verified:
    """A signature that proves: the holder of `key` signed exactly these bytes, and may."""

    fingerprint: str
    """Of the primary key: what enrolment names."""
    key: str
    """Of the signing key that did it."""
    created: int
    """The signer's claim, at most `MAX_AHEAD` seconds in our future."""


Item: TypeAlias = tuple[bytes, bytes | None]
"""What was signed, and the armored signature if there is one."""


class SignatureVerifier(Protocol):
    """Decides what a detached signature proves. Keeps no state that an answer depends on."""

    def verify(self, payload: bytes, signature: bytes | None, registry: Registry, *, at: int) -> Verified:
        """Return who signed `payload`, judged at `at`.

        Raises:
            SignatureRefused: it proves nothing; the code says why.
            SignatureToolError: the tool broke, so nothing is known.
        """
        ...

    def verify_many(self, items: Sequence[Item], registry: Registry, *, at: int) -> list[Verified | SignatureRefused]:
        """Return one answer for each item, in order; a refusal of one does not stop the others."""
        ...

    def close(self) -> None:
        """Let go of whatever runs on our behalf. Safe to call twice."""
        ...


def standing_of(registry: Registry, issuer: str, *, created: int, at: int) -> EnrolledKey:
    """Return the enrolment of a signing key that may sign at `at`. The signature itself is not looked at.

    Raises:
        SignatureRefused: unknown, not yet enrolled, revoked or expired at `at`, or `created` in the future.
    """
    key = registry.get(issuer)
    pinned = next((sub for sub in key.subkeys if sub.fingerprint == issuer), None) if key is not None else None
    if key is None or pinned is None:
        raise SignatureRefused("signature.unknown_key", f"Got {issuer}.")
    if key.enrolled_at > at:
        raise SignatureRefused("signature.key_not_yet", f"{issuer}: enrolled at {key.enrolled_at}, received at {at}.")
    if key.revoked_at is not None and key.revoked_at <= at:
        raise SignatureRefused("signature.key_revoked", f"{issuer}: revoked at {key.revoked_at}, received at {at}.")
    if pinned.expires is not None and pinned.expires <= at:
        raise SignatureRefused("signature.key_expired", f"{issuer}: expired at {pinned.expires}, received at {at}.")
    if created > at + MAX_AHEAD:
        raise SignatureRefused("signature.future", f"Made at {created}, received at {at}.")
    return key


def possession_challenge(origin: str, *, principal: str, fingerprint: str, nonce: str) -> bytes:
    """Return what a principal signs to prove that it holds a key it wants enrolled.

    The first line keeps the proof from being anything else: no git object starts so, and no commit signature
    passes for a proof. `nonce` is ours, unguessable and used once; the caller remembers it.

    Raises:
        EnrolmentError: a field is empty or could smuggle in a line of its own.
    """
    fields = {"origin": origin, "principal": principal, "fingerprint": fingerprint, "nonce": nonce}
    for name, value in fields.items():
        if not value or not value.isprintable():
            raise EnrolmentError(f"{name}: expected one printable line, got {value!r}")
    lines = [f"{name} {value}\n" for name, value in fields.items()]
    return ("twinseal possession proof v1\n" + "".join(lines)).encode()
