"""Where text messages to a person go. They alone say so, and the number stands in no entry.

The statement holds a salted digest of it; salt and number are a private value of the entry, sealed, and can be erased.
"""

from __future__ import annotations

import re
from typing import Any

from audit.entry import Actor, Draft
from audit.transaction import Transaction
from governance.channels import SMS
from governance.errors import DeniedError, NotFoundError, RequestError
from governance.people.acts import accepted
from governance.people.statements import Statement
from governance.people.tokens import Caller
from governance.policy import Kind as PrincipalKind
from governance.record import Kind
from governance.service import Service
from governance.standing import Principal
from governance.tell.addresses import PHONE, digest, sealed_as

NUMBER = re.compile(r"\+[1-9][0-9]{6,14}")
"""E.164, as text messages want it."""
SALT = re.compile(r"[0-9A-Za-z_-]{22,64}")
FIELDS = {"channel", "set", "digest"}


def contact(service: Service, caller: Caller, statement: Statement, *, phone: str, salt: str) -> dict[str, Any]:
    """Name one's number, or take it back.

    Raises:
        RequestError: Malformed, no number, or another than the statement speaks of.
        DeniedError: No person says so.
        NotFoundError: There is none to take back.
    """

    def command(tx: Transaction, who: Principal, actor: Actor) -> dict[str, Any]:
        body = statement.body
        if who.kind is not PrincipalKind.HUMAN:
            raise DeniedError(f"{who.name} is no person: text messages go to people", code="account.no_person")
        if set(body) != FIELDS or body["channel"] != SMS or type(body["set"]) is not bool:
            raise RequestError(f"expected {', '.join(sorted(FIELDS))}, of {SMS}", code="account.malformed")
        private: dict[str, str] = {}
        if body["set"]:
            _checked(body["digest"], phone, salt)
            private = {PHONE: service.vault.seal(sealed_as(service.log, who.name), f"{salt}:{phone}".encode())}
        elif tx.execute("select 1 from contact where principal=? and channel=?", (who.name, SMS)).fetchone() is None:
            raise NotFoundError("you have named no number", code="account.no_contact")
        data = {"channel": SMS, "set": body["set"], "statement": statement.kept()}
        entry = tx.append(Draft(Kind.ACCOUNT_CONTACT.value, actor, "", who.name, data, private))
        return {"name": who.name, "channel": SMS, "set": body["set"], "entry": entry.seq}

    return accepted(service, caller, statement, "account.contact", command)


def _checked(said: object, phone: str, salt: str) -> None:
    if not NUMBER.fullmatch(phone):
        # Never the number: refusals are recorded.
        raise RequestError("a number is written like +491701234567", code="account.number")
    if not SALT.fullmatch(salt) or said != digest(salt, phone):
        raise RequestError("the statement speaks of another number", code="account.other_number")
