"""A witness's own key: made once, kept in a file of its own that nobody else can read.

The file is one line in the form that Go's `note` uses: `PRIVATE+KEY+<name>+<id>+<base64 of type and seed>`.
"""

from __future__ import annotations

import base64
import binascii
import os
import stat
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from audit.errors import NoteError
from audit.note import Algorithm, Signer
from governance.errors import SettingsError

FILE = "key"
_PREFIX = "PRIVATE+KEY+"


def load(folder: Path) -> Signer | None:
    """Return the key in this folder, if there is one.

    Raises:
        SettingsError: It is somebody else's, open to others, or not a key.
    """
    path = folder / FILE
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return None
    except OSError as exc:
        raise SettingsError(f"the witness's key {path} cannot be read: {exc.strerror}") from exc
    with os.fdopen(file, "rb") as opened:
        seen = os.fstat(opened.fileno())
        if not stat.S_ISREG(seen.st_mode) or seen.st_mode & 0o077 or seen.st_uid != os.getuid():
            said = f"the witness's key {path}: expected a file of uid {os.getuid()} with mode 0600"
            got = f"uid {seen.st_uid} and mode {stat.S_IMODE(seen.st_mode):04o}"
            raise SettingsError(f"{said}, got {got}", mend=f"If nobody else has read it: chmod 600 {path}")
        return _parsed(opened.read(4096), path)


def make(folder: Path, name: str) -> Signer:
    """Make a key and keep it, durably, before anybody hears of it.

    Raises:
        SettingsError: There is one, the name is none, or it cannot be written.
    """
    secret = Ed25519PrivateKey.generate().private_bytes_raw()
    signer = Signer(name, Algorithm.COSIGNATURE, secret)
    try:
        line = f"{_PREFIX}{name}+{signer.key.id.hex()}+{_encoded(secret)}\n"
    except NoteError as exc:
        raise SettingsError(f"{exc}", mend="--name example.org/witness") from exc
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = os.open(folder / FILE, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        with os.fdopen(file, "wb") as out:
            out.write(line.encode())
            out.flush()
            os.fsync(out.fileno())
        _settle(folder)
    except OSError as exc:
        raise SettingsError(f"the witness's key cannot be kept in {folder}: {exc.strerror}") from exc
    return signer


def _parsed(data: bytes, path: Path) -> Signer:
    try:
        line = data.decode().removesuffix("\n")
        name, _, rest = line.removeprefix(_PREFIX).partition("+")
        claimed, _, encoded = rest.partition("+")
        typed = base64.b64decode(encoded, validate=True)
        signer = Signer(name, Algorithm.COSIGNATURE, typed[1:])
        if line != f"{_PREFIX}{name}+{claimed}+{_encoded(typed[1:])}" or signer.key.id.hex() != claimed:
            raise NoteError("it is not in its one spelling, or its id is not its own")  # noqa: TRY301 - told below
    except (ValueError, binascii.Error, NoteError) as exc:
        # Not what was read: it may be a secret.
        raise SettingsError(f"the witness's key {path}: expected {_PREFIX}<name>+<id>+<key>, got another") from exc
    return signer


def _encoded(secret: bytes) -> str:
    return base64.b64encode(bytes([Algorithm.COSIGNATURE]) + secret).decode()


def _settle(folder: Path) -> None:
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
