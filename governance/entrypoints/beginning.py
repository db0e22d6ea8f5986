"""How a service begins: origin, ledger key, recovery key, policy and the first invitation, bound in entry 0.

The recovery key is printed once and kept nowhere; entry 0 holds its public half. The ledger key is sealed under a
key-encryption key that lives outside the data directory, with the high-water mark.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from pathlib import Path

from audit.entry import Draft
from audit.keys import RECOVERY
from audit.note import Algorithm, Signer
from audit.transaction import Transaction
from governance.adapters import clock, ledger_keys
from governance.adapters.settings import Settings
from governance.entrypoints import opening
from governance.errors import SettingsError
from governance.kinds import KINDS
from governance.people.principals import INVITATION_MS, secret_digest
from governance.policy import Policy
from governance.policy_text import describe
from governance.record import SERVICE, Kind

PRINTED = "twinseal-recovery-"
"""What a recovery key begins with, as it is printed."""


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
    if opening.begun(settings):
        raise SettingsError(f"{settings.where} exists: this service has begun", mend="twinseal status")
    for folder in (data, state):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
    ledger_keys.make_kek(settings)
    ledger_key, recovery = new_signer(origin), new_signer(origin + RECOVERY)
    ledger_keys.keep(settings, ledger_key)
    secret = clock.token()
    draft = _genesis(policy, origin=origin, ledger_key=ledger_key, recovery=recovery, secret=secret)
    with opening.ledger(settings, origin) as ledger:
        ledger.run(lambda tx: tx.append(draft))
    secret_file = settings.state / "enrolment-secret"
    ledger_keys.secret_file(secret_file, secret.encode())
    return Begun(origin, str(ledger_key.key), PRINTED + recovery.secret.hex(), secret, secret_file)


def new_signer(name: str) -> Signer:
    """Make a key pair of this name."""
    return Signer(name, Algorithm.ED25519, secrets.token_bytes(32))


def invite_again(settings: Settings) -> Path:
    """Make another enrolment secret for the first owner, while nobody is enrolled. The service must be stopped.

    Raises:
        SettingsError: Somebody is enrolled already; from then on only an owner invites.
        AuditError: Another process has the ledger.
    """
    origin = opening.origin_of(settings)
    secret = clock.token()

    def command(tx: Transaction) -> None:
        if tx.execute("select 1 from principal limit 1").fetchone():
            raise SettingsError("somebody is enrolled already", mend="An owner invites: twinseal principal invite NAME")
        invitation = {"digest": secret_digest(secret), "principal": "", "expires_at": tx.now + INVITATION_MS}
        data: dict[str, object] = {"enrolment": invitation, "statement": {}}
        tx.append(Draft(kind=Kind.PRINCIPAL_INVITED.value, actor=SERVICE, repo="", subject=origin, data=data))

    with opening.ledger(settings, origin) as ledger:
        ledger.run(command)
    file = settings.state / "enrolment-secret"
    file.unlink(missing_ok=True)
    ledger_keys.secret_file(file, secret.encode())
    return file


def _genesis(policy: Policy, *, origin: str, ledger_key: Signer, recovery: Signer, secret: str) -> Draft:
    data: dict[str, object] = {
        "format": 1,
        "origin": origin,
        "kinds": KINDS.registration(),
        "ledger_key": str(ledger_key.key),
        "recovery_key": str(recovery.key),
        "policy": {"digest": policy.digest, "meaning": describe(policy)},
        "enrolment": {
            "digest": secret_digest(secret),
            "principal": "",
            "expires_at": clock.now() + INVITATION_MS,
        },
    }
    return Draft(kind=Kind.GENESIS.value, actor=SERVICE, repo="", subject=origin, data=data)
