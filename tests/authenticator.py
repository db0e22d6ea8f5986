"""A passkey in a few lines: an authenticator and its browser, as honest or as dishonest as a test wants them.

Real ones, by way of Chromium's virtual authenticator, are in `e2e/test_browser.py`; this one lies where those cannot.
"""

# ruff: noqa: ANN401  # What a browser sends is JSON.
from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import Any

import cbor2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from webauthn import base64url_to_bytes
from webauthn.helpers import bytes_to_base64url

UP, UV, AT = 0x01, 0x04, 0x40


@dataclass
class Authenticator:
    """One passkey, made by `make`; it signs with `sign`. `changed` members of the client's data are lies."""

    origin: str = "http://localhost:8321"
    party: str = "localhost"
    flags: int = UP | UV
    count: int = 0
    secret: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    id: bytes = b""
    user: bytes = b""

    def make(self, options: dict[str, Any], *, flags: int | None = None, **changed: Any) -> dict[str, Any]:
        """Answer `navigator.credentials.create()`."""
        self.user = base64url_to_bytes(options["user"]["id"])
        numbers = self.secret.public_key().public_numbers()
        key = {1: 2, 3: -7, -1: 1, -2: numbers.x.to_bytes(32), -3: numbers.y.to_bytes(32)}
        self.id = hashlib.sha256(cbor2.dumps(key)).digest()
        data = self._data((self.flags if flags is None else flags) | AT)
        data += bytes(16) + len(self.id).to_bytes(2) + self.id + cbor2.dumps(key)
        client = self._client("webauthn.create", options["challenge"], changed)
        attested = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})
        return self._answer({"clientDataJSON": client, "attestationObject": attested})

    def sign(
        self,
        options: dict[str, Any],
        *,
        flags: int | None = None,
        step: int = 1,
        user: bytes | None = None,
        **changed: Any,
    ) -> dict[str, Any]:
        """Answer `navigator.credentials.get()`; the sign count rises by `step`."""
        self.count += step
        data = self._data(self.flags if flags is None else flags)
        client = self._client("webauthn.get", options["challenge"], changed)
        signature = self.secret.sign(data + hashlib.sha256(client).digest(), ec.ECDSA(hashes.SHA256()))
        parts = {"clientDataJSON": client, "authenticatorData": data, "signature": signature}
        return self._answer({**parts, "userHandle": self.user if user is None else user})

    def _data(self, flags: int) -> bytes:
        return hashlib.sha256(self.party.encode()).digest() + bytes([flags]) + self.count.to_bytes(4)

    def _client(self, type_: str, challenge: str, changed: dict[str, Any]) -> bytes:
        said = {"type": type_, "challenge": challenge, "origin": self.origin, "crossOrigin": False, **changed}
        return json.dumps(said).encode()

    def _answer(self, parts: dict[str, bytes]) -> dict[str, Any]:
        said = bytes_to_base64url(self.id)
        response = {name: bytes_to_base64url(value) for name, value in parts.items()}
        return {"id": said, "rawId": said, "type": "public-key", "response": response, "clientExtensionResults": {}}
