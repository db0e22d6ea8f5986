"""SSH public keys: which we enrol, and what they are to the library that checks their signatures.

Source: RFC 4253 section 6.6 (RSA), RFC 5656 (ECDSA), RFC 8709 (Ed25519), OpenSSH's PROTOCOL.u2f (keys on a token).
Certificates are not enrolled: who issued one could issue another, and the roster says who may sign. A comment is a
claim by whoever wrote it. Pure.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from governance.adapters.ssh_wire import Reader, WireError, fingerprint
from governance.errors import EnrolmentError
from governance.signatures import CertificateInfo, SubKey

MAX_LINE = 16 * 1024
"""Bytes of a public key with its comment; RSA-16384 takes three thousand."""
LEAST_RSA, MOST_RSA = 2048, 16384
"""Bits. Above, one signature takes as long as ten thousand others."""
LEAST_EXPONENT, MOST_EXPONENT = 65537, 2**32
KEYS_KEPT = 512

_LINE = re.compile(rb"(?P<type>[!-~]{1,64}) (?P<blob>[A-Za-z0-9+/]+={0,2})(?: (?P<comment>[^\x00-\x1f\x7f]*))?\r?\n?\Z")
_BEGINS = re.compile(rb"\s*(?:ssh-|ecdsa-sha2-|sk-|-----BEGIN (?:OPENSSH|RSA|EC|DSA) PRIVATE)")
_CURVES: Mapping[str, ec.EllipticCurve] = {
    "nistp256": ec.SECP256R1(),
    "nistp384": ec.SECP384R1(),
    "nistp521": ec.SECP521R1(),
}
Key: TypeAlias = ed25519.Ed25519PublicKey | ec.EllipticCurvePublicKey | rsa.RSAPublicKey


@dataclass(frozen=True, slots=True)
class PublicKey:
    """One key, ready to check signatures."""

    algorithm: str
    key: Key
    application: bytes = b""
    """What a key on a token is bound to; empty for every other."""


def is_ssh(data: bytes) -> bool:
    """Whether this is meant to be an SSH key, good or bad."""
    return _BEGINS.match(data[:100]) is not None


def inspect_ssh(data: bytes, *, at: int) -> CertificateInfo:
    """Return what a public key line holds, if it is one that we enrol. It names no end of its own.

    Raises:
        EnrolmentError: Secret, several, unreadable, weak, or a certificate.
    """
    del at
    if len(data) > MAX_LINE:
        raise EnrolmentError(f"key: expected at most {MAX_LINE} bytes, got {len(data)}", code="key.size")
    if b"PRIVATE KEY-----" in data:
        said = "key: expected a public key, got a secret one: make a new key, this one has been shown"
        raise EnrolmentError(said, code="key.secret")
    match = _LINE.match(data.lstrip())
    if match is None:
        raise EnrolmentError("key: expected one line of type, base64 and comment", code="key.unreadable")
    try:
        blob = base64.b64decode(match["blob"], validate=True)
        named = Reader(blob).name("type")
    except (binascii.Error, WireError) as exc:
        raise EnrolmentError(f"key: expected an SSH public key, got none: {exc}", code="key.unreadable") from None
    if named != match["type"].decode():
        said = f"key: expected a key of type {match['type'].decode()}, got one of type {named}"
        raise EnrolmentError(said, code="key.unreadable")
    found = public_key(blob)
    comment = (match["comment"] or b"").decode("utf-8", "replace")
    name = fingerprint(blob)
    return CertificateInfo(name, found.algorithm, (comment,) if comment else (), (SubKey(name, None),), blob)


@lru_cache(maxsize=KEYS_KEPT)
def public_key(blob: bytes) -> PublicKey:
    """Return the key that a blob holds.

    Raises:
        EnrolmentError: Weak, a certificate, or of a kind that we do not know.
    """
    try:
        reader = Reader(blob)
        algorithm = reader.name("type")
        if algorithm.endswith("-cert-v01@openssh.com"):
            said = f"key: expected a plain key, got a certificate ({algorithm})"
            raise EnrolmentError(said, code="key.ssh_certificate")
        read = _READ.get(algorithm)
        if read is None:
            said = f"key: expected one of {', '.join(_READ)}, got {algorithm}"
            raise EnrolmentError(said, code="key.weak")
        found = read(algorithm, reader)
        reader.end("key")
    except (WireError, ValueError, UnsupportedAlgorithm) as exc:
        raise EnrolmentError(f"key: expected a whole SSH public key, got {exc}", code="key.unreadable") from None
    return found


def _ed25519(algorithm: str, reader: Reader) -> PublicKey:
    return PublicKey(algorithm, ed25519.Ed25519PublicKey.from_public_bytes(reader.string("point")))


def _token(algorithm: str, reader: Reader) -> PublicKey:
    key = ed25519.Ed25519PublicKey.from_public_bytes(reader.string("point"))
    return PublicKey(algorithm, key, reader.name("application").encode())


def _ecdsa(algorithm: str, reader: Reader) -> PublicKey:
    curve = reader.name("curve")
    if algorithm != f"ecdsa-sha2-{curve}":
        raise WireError(f"curve {curve} in a key of type {algorithm}")
    point = reader.string("point")
    if point[:1] != b"\x04":
        raise WireError("a compressed point")
    return PublicKey(algorithm, ec.EllipticCurvePublicKey.from_encoded_point(_CURVES[curve], point))


def _rsa(algorithm: str, reader: Reader) -> PublicKey:
    exponent, modulus = reader.mpint("exponent"), reader.mpint("modulus")
    bits = modulus.bit_length()
    if not LEAST_RSA <= bits <= MOST_RSA or not LEAST_EXPONENT <= exponent < MOST_EXPONENT or not exponent % 2:
        said = f"key: expected RSA of {LEAST_RSA} to {MOST_RSA} bits, exponent 65537; got {bits} bits, {exponent}"
        raise EnrolmentError(said, code="key.weak")
    return PublicKey(algorithm, rsa.RSAPublicNumbers(exponent, modulus).public_key())


_READ: Mapping[str, Callable[[str, Reader], PublicKey]] = {
    "ssh-ed25519": _ed25519,
    "sk-ssh-ed25519@openssh.com": _token,
    **{f"ecdsa-sha2-{curve}": _ecdsa for curve in _CURVES},
    "ssh-rsa": _rsa,
}
