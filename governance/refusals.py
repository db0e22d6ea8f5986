"""Why a signature proves nothing: every code that a verifier may refuse with. Codes are never reused."""

from __future__ import annotations

from collections.abc import Mapping

from governance.errors import FactsError

REFUSALS: Mapping[str, str] = {
    "signature.missing": "There is no signature.",
    "signature.size": "The signature is larger than any real one.",
    "signature.format": "This is not a signature of a kind that is enrolled here (OpenPGP or SSH).",
    "signature.armor": "The signature is not exactly one well-formed signature block.",
    "signature.crc": "The checksum of the armor does not match its content.",
    "signature.malformed": "The signature cannot be read.",
    "signature.not_one": "There is more than one packet, or one that is not a signature.",
    "signature.v6": "The signature is of OpenPGP version 6, which git's tools cannot verify yet.",
    "signature.version": "The signature is of another version than OpenPGP 4 or SSH 1.",
    "signature.type": "The signature is not over binary data; a text signature fits several different commits.",
    "signature.hash": "The signature uses a hash that is not SHA-256, SHA-384 or SHA-512.",
    "signature.algorithm": "The signature is made with something other than RSA, ECDSA or EdDSA.",
    "signature.namespace": "The SSH signature was made for another purpose.",
    "signature.certificate": "The signature is by an SSH certificate; only plain keys are enrolled here.",
    "signature.presence": "The signature was made on a token that nobody touched.",
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
"""Each code, and the sentence that people read."""


class SignatureRefused(FactsError):  # noqa: N818 - an answer about one signature, not a breakdown of ours
    """A signature that proves nothing. `code` is one of `REFUSALS`; `detail` says expected, got, which."""

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(f"{REFUSALS[code]} {detail}".rstrip(), code=code)
        self.detail = detail

    def __reduce__(self) -> tuple[type[SignatureRefused], tuple[str, str]]:
        return SignatureRefused, (self.code, self.detail)  # It crosses from the worker process.


class FactorRefused(FactsError):  # noqa: N818 - an answer about one assertion, not a breakdown of ours
    """A passkey's assertion that proves nothing. The message says why, for the record."""

    code = "factor.wrong"
