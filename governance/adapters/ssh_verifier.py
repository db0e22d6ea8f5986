"""Verifies SSH signatures in this process, with `cryptography` alone: no ssh-keygen, no allowed_signers file.

ssh-keygen would add a process for each commit, principals by pattern, and dates that git takes from the commit. Here
the roster says whose a key is, and receipt says when. Nobody can hand in a key: it is looked up by what it is.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from governance.adapters.ssh_keys import PublicKey, public_key
from governance.adapters.ssh_wire import Reader, WireError
from governance.adapters.sshsig import SshSignature, admit
from governance.errors import EnrolmentError, SignatureToolError
from governance.refusals import SignatureRefused
from governance.signatures import EnrolledKey, Item, Purpose, Registry, Verified

_ECDSA_HASHES = {"secp256r1": hashes.SHA256(), "secp384r1": hashes.SHA384(), "secp521r1": hashes.SHA512()}
_RSA_HASHES = {"rsa-sha2-256": hashes.SHA256(), "rsa-sha2-512": hashes.SHA512()}


class SshVerifier:
    """A `SignatureVerifier`. Threads may share one; it keeps nothing."""

    def verify(
        self,
        payload: bytes,
        signature: bytes | None,
        registry: Registry,
        *,
        at: int,
        purpose: Purpose = Purpose.OBJECT,
    ) -> Verified:
        """Return who signed `payload`, judged at `at`; see `SignatureVerifier.verify`."""
        framed, key, signed = admit(payload, signature, registry, at=at, purpose=purpose)
        try:
            _check(_enrolled(key), framed, signed)
        except WireError as exc:
            raise SignatureRefused("signature.malformed", f"{exc}.".capitalize()) from None
        except InvalidSignature:
            raise SignatureRefused("signature.bad") from None
        return Verified(key.fingerprint, key.fingerprint, None)

    def verify_many(self, items: Sequence[Item], registry: Registry, *, at: int) -> list[Verified | SignatureRefused]:
        """Return one answer for each item, in order; see `SignatureVerifier.verify_many`."""
        answers: list[Verified | SignatureRefused] = []
        for payload, signature in items:
            try:
                answers.append(self.verify(payload, signature, registry, at=at))
            except SignatureRefused as refused:
                answers.append(refused.with_traceback(None))  # Which would keep every payload alive.
        return answers

    def close(self) -> None:
        """Nothing runs between calls."""


def _enrolled(key: EnrolledKey) -> PublicKey:
    try:
        return public_key(key.certificate)
    except EnrolmentError as exc:
        raise SignatureToolError(f"key {key.fingerprint} of {key.principal}: it is unreadable: {exc}") from None


def _check(public: PublicKey, framed: SshSignature, signed: bytes) -> None:
    """Raise unless the signature is right."""
    key = public.key
    if isinstance(key, ed25519.Ed25519PublicKey):
        key.verify(framed.value, _on_token(public, framed, signed) if framed.flags else signed)
    elif isinstance(key, rsa.RSAPublicKey):
        key.verify(framed.value, signed, PKCS1v15(), _RSA_HASHES[framed.algorithm])
    else:
        reader = Reader(framed.value)
        pair = encode_dss_signature(reader.mpint("r"), reader.mpint("s"))
        reader.end("signature value")
        key.verify(pair, signed, ec.ECDSA(_ECDSA_HASHES[key.curve.name]))


def _on_token(public: PublicKey, framed: SshSignature, signed: bytes) -> bytes:
    """Return what a token signs: the digests of its application and of the data, with flags and counter between."""
    return hashlib.sha256(public.application).digest() + framed.flags + hashlib.sha256(signed).digest()
