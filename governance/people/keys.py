"""Enrol, rotate and revoke signing keys. A key is enrolled by proving possession: it signs the nonce we gave."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from audit.entry import Actor, Draft
from governance.errors import ConflictError, EnrolmentError
from governance.record import Kind
from governance.refusals import SignatureRefused
from governance.signatures import (
    CertificateInfo,
    EnrolledKey,
    Purpose,
    SignatureVerifier,
    possession_challenge,
    register,
)
from governance.state.fold import Tx


def free(tx: Tx, about: CertificateInfo) -> CertificateInfo:
    """Return it, unless the key or one of its signing keys is or was enrolled.

    Raises:
        ConflictError: It is, by whomever.
    """
    claimed = {about.fingerprint, *(subkey.fingerprint for subkey in about.signing_keys)}
    for fingerprint, subkeys in tx.execute("select fingerprint, subkeys from signing_key").fetchall():
        if fingerprint in claimed or any(one in subkeys for one in claimed):
            raise ConflictError(f"key {about.fingerprint} is or was enrolled", code="key.taken")
    return about


def proved(
    about: CertificateInfo,
    proof: str,
    *,
    origin: str,
    principal: str,
    nonce: str,
    verifier: SignatureVerifier,
    at: int,
) -> EnrolledKey:
    """Return the enrolled key, if `proof` is this very key's signature over our challenge. `at` is Unix seconds.

    Raises:
        EnrolmentError: It is not.
    """
    key = about.enrol(principal, at=at)
    text = possession_challenge(
        origin, principal=principal, fingerprint=about.fingerprint, nonce=nonce, ends=about.ends
    )
    try:
        verifier.verify(text, proof.encode("ascii"), register([key]), at=at, purpose=Purpose.STATEMENT)
    except (SignatureRefused, UnicodeEncodeError) as exc:
        raise EnrolmentError(f"possession not proved: {exc}", code="key.not_possessed") from exc
    return key


def recorded(key: EnrolledKey) -> dict[str, object]:
    """Return what the entry holds of a key."""
    subkeys = [[subkey.fingerprint, subkey.expires] for subkey in key.subkeys]
    text = base64.b64encode(key.certificate).decode("ascii")
    return {"fingerprint": key.fingerprint, "certificate": text, "subkeys": subkeys}


def enrolled(key: EnrolledKey, *, actor: Actor, used: str, proof: Mapping[str, str]) -> Draft:
    """Return the entry of an enrolment by invitation."""
    data = {"principal": key.principal, "key": recorded(key), "enrolment": used, "proof": dict(proof)}
    return Draft(kind=Kind.KEY_ENROLLED, actor=actor, repo="", subject=key.fingerprint, data=data)


def rotated(
    key: EnrolledKey, *, replaces: str, actor: Actor, statement: Mapping[str, Any], proof: Mapping[str, str]
) -> Draft:
    """Return the entry by which an old key, signing the statement, gives way to a new one."""
    data = {
        "principal": key.principal,
        "key": recorded(key),
        "replaces": replaces,
        "statement": statement,
        "proof": dict(proof),
    }
    return Draft(kind=Kind.KEY_ROTATED, actor=actor, repo="", subject=key.fingerprint, data=data)


def revoked(fingerprint: str, *, reason: str, actor: Actor, statement: Mapping[str, Any]) -> Draft:
    """Return the entry that revokes a key, at once. What it has landed stays landed."""
    data = {"fingerprint": fingerprint, "reason": reason, "statement": statement}
    return Draft(kind=Kind.KEY_REVOKED, actor=actor, repo="", subject=fingerprint, data=data)
