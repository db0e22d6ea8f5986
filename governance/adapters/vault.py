"""Seals secrets of the database under the key-encryption key, which lies outside it."""

from __future__ import annotations

import base64
import binascii

from cryptography.exceptions import InvalidTag

from governance.adapters import ledger_keys
from governance.adapters.settings import Settings
from governance.errors import UnavailableError


class FileVault:
    """A vault over the `kek` of the state folder."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def seal(self, named: str, secret: bytes) -> str:
        """Return a secret sealed and bound to its name."""
        return base64.b64encode(ledger_keys.sealed(self._settings, secret, named=named)).decode()

    def open(self, named: str, text: str) -> bytes:
        """Return what was sealed under this name."""
        try:
            return ledger_keys.unsealed(self._settings, base64.b64decode(text, validate=True), named=named)
        except (InvalidTag, binascii.Error, ValueError) as exc:
            raise UnavailableError(f"{named} was sealed under another key, or altered") from exc
