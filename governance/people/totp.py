"""One-time codes by time (RFC 6238), as authenticator apps make them: SHA-1, six digits, thirty seconds.

Nothing here remembers: whether a code was used before is for the ledger to say, by its step.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import re

import pyotp

STEP_MS = 30_000
SECRET_BYTES = 20
"""RFC 4226, section 4: 160 bits are recommended."""

DRIFT = 1
"""Steps either way that a clock may be off; each is a further code that would be right."""

_CODE = re.compile(r"[0-9]{6}")


def read_secret(text: str) -> bytes | None:
    """Return the bytes of a secret in base32, as apps show it; None where it is none of the right length."""
    try:
        raw = base64.b32decode(text.replace(" ", "").upper())
    except (binascii.Error, ValueError):
        return None
    return raw if len(raw) == SECRET_BYTES else None


def step_of(secret: bytes, typed: str, *, now: int) -> int | None:
    """Return the step that a typed code belongs to, of this one and one either way; None where it is none of theirs.

    Every candidate is compared, whatever came out before.
    """
    code = "".join(typed.split())
    if not _CODE.fullmatch(code):
        return None
    here, found = now // STEP_MS, None
    for step in range(here - DRIFT, here + DRIFT + 1):
        if hmac.compare_digest(at(secret, step), code):
            found = step
    return found


def at(secret: bytes, step: int) -> str:
    """Return the code of one step."""
    return pyotp.TOTP(base64.b32encode(secret).decode()).generate_otp(step)


def address(secret: bytes, *, principal: str, log: str) -> str:
    """Return the `otpauth:` address that a QR code holds."""
    plain = base64.b32encode(secret).decode()
    return pyotp.TOTP(plain).provisioning_uri(name=f"{principal}@{log}", issuer_name="Twinseal")
