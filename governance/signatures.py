"""Who may sign, and what a checked signature proves: values, refusals, and the port that verifiers implement.

A signature is judged at *receive* time. When it was made is the signer's claim; a thief who holds an expired or
revoked key can date a signature back, and libraries that judge a key at the signature's own time accept that.
All times here are whole seconds since the epoch, UTC. A fingerprint is upper-case hex where the key is OpenPGP,
and `SHA256:` with base64 where it is SSH: so it names the kind of its key too, and cannot be mistaken.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Protocol, TypeAlias

from governance.errors import EnrolmentError
from governance.refusals import SignatureRefused

MAX_SIGNATURE = 16 * 1024
"""Bytes of armored signature that we look at; RSA-4096 with every usual subpacket needs under 2 KiB."""

MAX_AHEAD = 300
"""Seconds that a signer's clock may be ahead of ours."""


class Purpose(StrEnum):
    """What a signature is for. An SSH signature names it (its namespace); OpenPGP's does not, and needs the text."""

    OBJECT = "git"
    """A commit or a tag; git's own namespace."""
    STATEMENT = "twinseal"
    """A statement, or a proof of possession. Their texts begin as no git object does, nor as each other."""


class KeyKind(StrEnum):
    """The two kinds of key that sign here."""

    OPENPGP = "openpgp"
    SSH = "ssh"


def kind_of(fingerprint: str) -> KeyKind:
    """Return the kind of the key that this is the fingerprint of."""
    return KeyKind.SSH if fingerprint.startswith("SHA256:") else KeyKind.OPENPGP


@dataclass(frozen=True, slots=True)
class SubKey:
    """A key that may sign for its certificate; the primary itself is one where it may sign."""

    fingerprint: str
    expires: int | None
    """The earlier of its own expiry and the primary's; None where neither expires."""


@dataclass(frozen=True, slots=True)
class EnrolledKey:
    """A certificate bound to one principal, with the signing keys it had at enrolment and no others.

    Whoever steals the primary key can add a signing subkey to the certificate; it is not in `subkeys`. An SSH key is
    its own only signing key; its end is what its holder asked for at enrolment.
    """

    fingerprint: str
    principal: str
    certificate: bytes
    """The binary OpenPGP certificate, or the SSH public key blob."""
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
    ends: int | None = None
    """When an SSH key shall end, by its holder's word at enrolment. An OpenPGP certificate says so itself."""

    def until(self, ends: int | None, *, at: int) -> CertificateInfo:
        """Return it with the end that its holder asks for.

        Raises:
            EnrolmentError: The end has passed at `at`, or the key is OpenPGP.
        """
        if ends is None:
            return self
        if kind_of(self.fingerprint) is KeyKind.OPENPGP:
            said = f"key {self.fingerprint}: its certificate says when it ends; expected no other end, got {ends}"
            raise EnrolmentError(said, code="key.ends")
        if ends <= at:
            raise EnrolmentError(f"key {self.fingerprint}: expected an end after {at}, got {ends}", code="key.expired")
        return replace(self, signing_keys=tuple(SubKey(key.fingerprint, ends) for key in self.signing_keys), ends=ends)

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
    created: int | None
    """The signer's claim, at most `MAX_AHEAD` seconds in our future; None for SSH, which makes none."""


Item: TypeAlias = tuple[bytes, bytes | None]
"""What was signed, and the armored signature if there is one."""


class ObjectVerifier(Protocol):
    """Decides what the signatures of git objects prove. Keeps no state that an answer depends on."""

    def verify_many(self, items: Sequence[Item], registry: Registry, *, at: int) -> list[Verified | SignatureRefused]:
        """Return one answer for each git object, in order; a refusal of one does not stop the others."""
        ...


class SignatureVerifier(ObjectVerifier, Protocol):
    """Decides what a detached signature proves, of whatever kind."""

    def verify(
        self,
        payload: bytes,
        signature: bytes | None,
        registry: Registry,
        *,
        at: int,
        purpose: Purpose = Purpose.OBJECT,
    ) -> Verified:
        """Return who signed `payload`, judged at `at`, for this purpose.

        Raises:
            SignatureRefused: it proves nothing; the code says why.
            SignatureToolError: the tool broke, so nothing is known.
        """
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


def possession_challenge(
    origin: str, *, principal: str, fingerprint: str, nonce: str, ends: int | None = None
) -> bytes:
    """Return what a principal signs to prove that it holds a key it wants enrolled.

    The first line keeps the proof from being anything else: no git object starts so, and no commit signature
    passes for a proof. `nonce` is ours, unguessable and used once; the caller remembers it.
    `ends` is in it where the holder asks for an end of its key, so that nobody on the way puts it off.

    Raises:
        EnrolmentError: a field is empty or could smuggle in a line of its own.
    """
    fields = {"origin": origin, "principal": principal, "fingerprint": fingerprint, "nonce": nonce}
    if ends is not None:
        fields["ends"] = str(ends)
    for name, value in fields.items():
        if not value or not value.isprintable():
            raise EnrolmentError(f"{name}: expected one printable line, got {value!r}")
    lines = [f"{name} {value}\n" for name, value in fields.items()]
    return ("twinseal possession proof v1\n" + "".join(lines)).encode()
