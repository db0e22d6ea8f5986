"""An account for the pages: a person's password, set by a statement that their key signs.

The password never comes here to be set: the seat hashes it, and its statement names the digest of that hash. What a
database holds of it is sealed under the key-encryption key, so that a copy of the database alone tells nobody.
"""

from __future__ import annotations

import hashlib
from typing import Any

from audit.entry import Actor, Draft
from audit.erasing import erase
from audit.transaction import Transaction
from governance.errors import DeniedError, RequestError
from governance.people.acts import accepted
from governance.people.statements import Statement
from governance.people.tokens import Caller
from governance.policy import Kind as PrincipalKind
from governance.record import Kind
from governance.service import Service
from governance.standing import Principal
from governance.state import accounts
from governance.state.accounts import PASSWORD


def sealed_name(log: str, name: str) -> str:
    """Return the name that a password's hash is sealed under: one put beside another person opens nothing."""
    return f"password/{log}/{name}"


def digest(encoded: str) -> str:
    """Return how a statement names an encoded hash, whose salt nobody can guess."""
    return hashlib.sha256(encoded.encode()).hexdigest()


def set_password(service: Service, caller: Caller, statement: Statement, *, encoded: str) -> dict[str, Any]:
    """Set one's own password, for the pages; the sessions of the old one end, and its hash is erased."""

    def command(tx: Transaction, who: Principal, actor: Actor) -> dict[str, Any]:
        if who.kind is not PrincipalKind.HUMAN:
            raise DeniedError(f"{who.name} is no person, and has no account", code="account.no_person")
        if statement.body.get("digest") != digest(encoded):
            raise RequestError("the statement names another password than the one brought", code="account.other")
        if not service.passwords.fit(encoded):
            said = "expected a hash by argon2id, with the parameters that this version asks for"
            raise RequestError(said, code="account.hash", mend="twinseal account password, of this version")
        before, _ = accounts.password(tx, who.name)
        data = {"principal": who.name, "digest": digest(encoded), "statement": statement.kept()}
        private = {PASSWORD: service.vault.seal(sealed_name(service.log, who.name), encoded.encode())}
        kind = Kind.ACCOUNT_SET.value
        entry = tx.append(Draft(kind=kind, actor=actor, repo="", subject=who.name, data=data, private=private))
        if before:
            erase(tx, before, [PASSWORD], basis="replaced by another", approver=who.name, actor=actor)
        return {"name": who.name, "entry": entry.seq}

    return accepted(service, caller, statement, "account.password", command)
