"""Whether a webhook comes from the provider that it says: by Twilio's and SendGrid's signatures, over what came.

The providers' own libraries are the reference, and the tests compare. Twilio's signs address and form and no time:
what was heard once is not heard again (`coordinate.confirming`). SendGrid's signs time and body.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Mapping
from urllib.parse import urlsplit

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_der_public_key

from governance.errors import SettingsError


def sms_signed(token: str, url: str, form: Mapping[str, str], signature: str) -> bool:
    """Whether Twilio signed this form for this address, with its port or without: their servers do either."""
    from twilio.request_validator import RequestValidator, add_port, remove_port  # noqa: PLC0415 - loaded when needed

    validator, parts = RequestValidator(token), urlsplit(url)
    given = signature.encode("utf-8", "replace")
    wanted = [validator.compute_signature(each(parts), form).encode() for each in (add_port, remove_port)]
    return any([hmac.compare_digest(given, each) for each in wanted])  # noqa: C419 - both are compared, whichever fits


def mail_key(text: str) -> ec.EllipticCurvePublicKey:
    """Return the verification key that SendGrid shows, in base64.

    Raises:
        SettingsError: It is none.
    """
    mend = "Copy the public key of the security policy of your inbound parse webhook."
    said = "sendgrid_inbound: not a public key of SendGrid, in base64"
    try:
        key = load_der_public_key(base64.b64decode(text, validate=True))
    except (ValueError, binascii.Error, UnsupportedAlgorithm) as exc:
        raise SettingsError(said, mend=mend) from exc
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise SettingsError(said, mend=mend)
    return key


def mail_signed(key: ec.EllipticCurvePublicKey, timestamp: str, body: bytes, signature: str) -> bool:
    """Whether SendGrid signed this body at this time: ECDSA with SHA-256 over both, as the bytes are."""
    try:
        raw = base64.b64decode(signature, validate=True)
        key.verify(raw, timestamp.encode("ascii") + body, ec.ECDSA(hashes.SHA256()))
    except (ValueError, binascii.Error, InvalidSignature):
        return False
    return True
