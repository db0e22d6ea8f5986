"""The ledger's private keys on this machine: sealed under the key-encryption key, which lies outside the data folder.

Each file names the verifier key it belongs to, and is bound to that name: a file put under another name opens nothing.
"""

from __future__ import annotations

import base64
import binascii
import os
import secrets
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from audit.errors import AuditError
from audit.note import Key, Signer
from governance.adapters.settings import Settings
from governance.errors import SettingsError

NONCE = 12
PATTERN = "ledger*.key"


def make_kek(settings: Settings) -> None:
    """Make the key-encryption key.

    Raises:
        FileExistsError: There is one.
    """
    secret_file(settings.state / "kek", AESGCM.generate_key(256))


def keep(settings: Settings, signer: Signer) -> Path:
    """Seal a private key in the data folder, and return where.

    Raises:
        SettingsError: The key-encryption key cannot be read.
    """
    named = str(signer.key)
    blob = base64.b64encode(sealed(settings, signer.secret, named=named)).decode()
    path = settings.data / f"ledger-{signer.key.id.hex()}.key"
    secret_file(path, f"{named}\n{blob}\n".encode())
    return path


def sealed(settings: Settings, secret: bytes, *, named: str) -> bytes:
    """Return a secret sealed under the key-encryption key, bound to its name.

    Raises:
        SettingsError: The key-encryption key cannot be read.
    """
    nonce = secrets.token_bytes(NONCE)
    return nonce + AESGCM(_kek(settings)).encrypt(nonce, secret, named.encode())


def unsealed(settings: Settings, blob: bytes, *, named: str) -> bytes:
    """Return what was sealed under this name.

    Raises:
        SettingsError: The key-encryption key cannot be read.
        InvalidTag: Sealed under another key or name, or altered.
    """
    return AESGCM(_kek(settings)).decrypt(blob[:NONCE], blob[NONCE:], named.encode())


def signers(settings: Settings) -> list[Signer]:
    """Return every private key that is here.

    Raises:
        SettingsError: The key-encryption key cannot be read, or a file was sealed under another.
    """
    kek = AESGCM(_kek(settings))
    return [_opened(path, kek) for path in sorted(settings.data.glob(PATTERN))]


def _opened(path: Path, kek: AESGCM) -> Signer:
    try:
        named, sealed = path.read_text("ascii").split()
        blob, key = base64.b64decode(sealed, validate=True), Key.parse(named)
        return Signer(key.name, key.algorithm, kek.decrypt(blob[:NONCE], blob[NONCE:], named.encode()))
    except (OSError, ValueError, binascii.Error, InvalidTag, AuditError) as exc:
        said = f"{path}: not a ledger key sealed under this key-encryption key"
        raise SettingsError(said, mend="Restore the file `kek` of the state folder that belongs to it.") from exc


def _kek(settings: Settings) -> bytes:
    path = settings.state / "kek"
    try:
        return path.read_bytes()
    except OSError as exc:
        said = f"{path} cannot be read ({exc.strerror}): without it the ledger key stays sealed"
        raise SettingsError(said, mend="Restore it from where it is kept, or: twinseal ledger recover") from exc


def secret_file(path: Path, data: bytes) -> None:
    """Write a file that only its owner can read, and that was never anything else."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def private_file(path: Path, data: bytes) -> None:
    """Write a file that only its owner can read, in place of one that may be there."""
    beside = path.with_name(f".{path.name}.new")
    beside.unlink(missing_ok=True)
    secret_file(beside, data)
    beside.rename(path)
