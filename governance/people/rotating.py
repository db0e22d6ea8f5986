"""Replace a token by another that is good for the same, and no longer: by its holder, or by an owner for longer."""

from __future__ import annotations

from typing import Any

from audit.entry import Actor
from audit.transaction import Transaction
from governance.errors import NotFoundError, RequestError
from governance.people import tokens
from governance.people.acts import TOKEN_DAYS_LIMIT, accepted
from governance.people.statements import Statement, owner_only
from governance.people.tokens import DAY_MS, Caller
from governance.service import Service
from governance.standing import Principal
from governance.state import scopes


def rotate_token(service: Service, caller: Caller, statement: Statement, *, token: str) -> dict[str, Any]:
    """Issue `token` in the place of one that is in force, which ends at once.

    What an owner granted until a day stays granted until that day: only an owner names another.
    """

    def command(tx: Transaction, who: Principal, actor: Actor) -> dict[str, Any]:
        old, days = str(statement.body.get("id")), statement.body.get("days", 0)
        sql = "select principal, repository, expires_at from token where id=? and revoked_seq is null"
        row = tx.execute(sql, (old,)).fetchone()
        if row is None or row[2] <= tx.now:
            raise NotFoundError(f"no token {old} is in force", mend="twinseal token list")
        principal, repository, expires = row
        if principal != who.name or days:
            owner_only(who)
        if type(days) is not int or not 0 <= days <= TOKEN_DAYS_LIMIT:
            raise RequestError(f"days: expected 1 to {TOKEN_DAYS_LIMIT}, got {days!r}", code="token.days")
        until = tx.now + days * DAY_MS if days else expires
        said, scope = statement.kept(), scopes.scope(tx, old)
        issued = tokens.issued(
            token, principal=principal, repository=repository, expires_at=until, actor=actor, statement=said,
            scope=scope, replaces=old,
        )  # fmt: skip
        entry = tx.append(issued)
        tx.append(tokens.revoked(old, actor=actor, statement={}))
        about = {"principal": principal, "repository": repository, "scope": scope, "replaces": old}
        return {**about, "id": entry.subject, "expires_at": until, "entry": entry.seq}

    return accepted(service, caller, statement, "token.rotate", command)
