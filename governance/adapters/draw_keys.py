"""The keys of the tertiary draw on this machine: sealed like the ledger's, a file for each epoch, in the data folder.

Replicas on one database share that folder. A key that cannot be opened is as good as lost: its epoch ends, and says so.
"""

from __future__ import annotations

import base64
import binascii
import secrets
from contextlib import suppress

from cryptography.exceptions import InvalidTag

from governance.adapters import ledger_keys
from governance.adapters.settings import Settings
from governance.draws import KEY_BYTES


class FileKeys:
    """Keys by epoch. Keeps what it has read: an epoch is asked for at every landing."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._known: dict[int, bytes] = {}

    def get(self, epoch: int) -> bytes:
        """Return the key of an epoch; empty where it is lost."""
        if epoch not in self._known:
            key = self._read(epoch)
            if key:
                self._known = {epoch: key}
            return key
        return self._known[epoch]

    def make(self, epoch: int) -> bytes:
        """Return the key for an epoch: the one that lies there, or a new one, which is on disk before it is used."""
        lies = self._read(epoch)
        if lies:
            return lies
        key = secrets.token_bytes(KEY_BYTES)
        sealed = base64.b64encode(ledger_keys.sealed(self._settings, key, named=_name(epoch))) + b"\n"
        path = self._settings.data / f"draw-{epoch}.key"
        with suppress(FileExistsError):
            ledger_keys.secret_file(path, sealed)
            return key
        lies = self._read(epoch)  # Another replica was quicker.
        if not lies:
            ledger_keys.private_file(path, sealed)
        return lies or key

    def _read(self, epoch: int) -> bytes:
        try:
            blob = base64.b64decode((self._settings.data / f"draw-{epoch}.key").read_bytes(), validate=False)
            return ledger_keys.unsealed(self._settings, blob, named=_name(epoch))
        except (OSError, ValueError, binascii.Error, InvalidTag):
            return b""


def _name(epoch: int) -> str:
    return f"draw-{epoch}"
