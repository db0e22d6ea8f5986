"""How a service begins: origin, ledger key, recovery key, policy and the first invitation, bound in entry 0.

The recovery key is printed once and kept nowhere; entry 0 holds its public half. The ledger key is sealed under a
key-encryption key that lives outside the data directory, with the high-water mark.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from base64 import b64encode
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from audit.entry import Draft
from audit.highwater import HighWater
from audit.ledger import Ledger
from audit.transaction import Transaction
from governance.adapters import clock
from governance.adapters.settings import BEGIN, Settings
from governance.errors import SettingsError
from governance.people.principals import INVITATION_MS, secret_digest
from governance.policy import Policy
from governance.policy_text import describe
from governance.record import SERVICE, Kind
from governance.state.fold import fold
from governance.state.schema import SCHEMA

VKEY_ED25519 = b"\x01"
"""Signature type of a C2SP signed note."""


@dataclass(frozen=True, slots=True)
class Begun:
    """What `init` made, and what it must show once."""

    log: str
    vkey: str
    recovery_key: str
    secret: str
    secret_file: Path


def begin(settings: Settings, policy: Policy, *, origin: str) -> Begun:
    """Make a new service in empty folders.

    Raises:
        SettingsError: There is one already, or the two folders are one.
    """
    data, state = settings.data.resolve(), settings.state.resolve()
    if data == state or data in state.parents:
        raise SettingsError(f"the state folder {state} must lie outside the data folder {data}")
    if settings.database.exists():
        raise SettingsError(f"{settings.database} exists: this service has begun", mend="twinseal status")
    for folder in (data, state):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
    kek = AESGCM.generate_key(256)
    _secret_file(state / "kek", kek)
    ledger_key, recovery = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    nonce = secrets.token_bytes(12)
    sealed = nonce + AESGCM(kek).encrypt(nonce, ledger_key.private_bytes_raw(), origin.encode())
    _secret_file(data / "ledger.key", sealed)
    secret = clock.token()
    draft = _genesis(policy, origin=origin, ledger_key=ledger_key, recovery=recovery, secret=secret)
    mark = HighWater(state / "high-water", log=origin)
    with Ledger(
        settings.database, log=origin, clock=clock.now, projector=fold, schema=SCHEMA, highwater=mark
    ) as ledger:
        ledger.run(lambda tx: tx.append(draft))
    secret_file = settings.state / "enrolment-secret"
    _secret_file(secret_file, secret.encode())
    printed = "twinseal-recovery-" + recovery.private_bytes_raw().hex()
    return Begun(origin, vkey(origin, ledger_key.public_key().public_bytes_raw()), printed, secret, secret_file)


def invite_again(settings: Settings) -> Path:
    """Make another enrolment secret for the first owner, while nobody is enrolled. The service must be stopped.

    Raises:
        SettingsError: Somebody is enrolled already; from then on only an owner invites.
        AuditError: Another process has the ledger.
    """
    origin = origin_of(settings)
    secret = clock.token()

    def command(tx: Transaction) -> None:
        if tx.execute("select 1 from principal limit 1").fetchone():
            raise SettingsError("somebody is enrolled already", mend="An owner invites: twinseal principal invite NAME")
        invitation = {"digest": secret_digest(secret), "principal": "", "expires_at": tx.now + INVITATION_MS}
        data: dict[str, object] = {"enrolment": invitation, "statement": {}}
        tx.append(Draft(kind=Kind.PRINCIPAL_INVITED.value, actor=SERVICE, repo="", subject=origin, data=data))

    with _ledger(settings, origin) as ledger:
        ledger.run(command)
    file = settings.state / "enrolment-secret"
    file.unlink(missing_ok=True)
    _secret_file(file, secret.encode())
    return file


def _ledger(settings: Settings, origin: str) -> Ledger:
    mark = HighWater(settings.state / "high-water", log=origin)
    return Ledger(settings.database, log=origin, clock=clock.now, projector=fold, schema=SCHEMA, highwater=mark)


def _genesis(
    policy: Policy, *, origin: str, ledger_key: Ed25519PrivateKey, recovery: Ed25519PrivateKey, secret: str
) -> Draft:
    data: dict[str, object] = {
        "format": 1,
        "origin": origin,
        "ledger_key": vkey(origin, ledger_key.public_key().public_bytes_raw()),
        "recovery_key": vkey(origin + "/recovery", recovery.public_key().public_bytes_raw()),
        "policy": {"digest": policy.digest, "meaning": describe(policy)},
        "enrolment": {
            "digest": secret_digest(secret),
            "principal": "",
            "expires_at": clock.now() + INVITATION_MS,
        },
    }
    return Draft(kind=Kind.GENESIS.value, actor=SERVICE, repo="", subject=origin, data=data)


def vkey(name: str, public: bytes) -> str:
    """Return a C2SP verifier key: name, key id, type and key (signed-note, "Verifier keys")."""
    typed = VKEY_ED25519 + public
    key_id = hashlib.sha256(name.encode() + b"\n" + typed).hexdigest()[:8]
    return f"{name}+{key_id}+{b64encode(typed).decode()}"


def origin_of(settings: Settings) -> str:
    """Return the origin of the ledger in the data folder.

    Raises:
        SettingsError: Nothing has begun there.
    """
    from audit import stores

    if not settings.database.exists():
        raise SettingsError(f"nothing has begun in {settings.data}", mend=BEGIN)
    connection = stores.open_reader(settings.database)
    try:
        body = connection.execute("select body from ledger_entry where seq=0").fetchone()
    finally:
        connection.close()
    if body is None:
        raise SettingsError(f"{settings.database} has no first entry")
    return str(json.loads(body[0])["log"])


def _secret_file(path: Path, data: bytes) -> None:
    """Write a file that only its owner can read, and that was never anything else."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
