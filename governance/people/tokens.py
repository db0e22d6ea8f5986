"""Tokens: how a connection says who it is. Hashed at rest, bound to one repository, expiring, revocable."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from audit.entry import Actor, Draft
from governance.errors import DeniedError, UnauthenticatedError
from governance.people.principals import secret_digest
from governance.record import Kind
from governance.state import scopes
from governance.state.fold import Tx

DAY_MS = 24 * 60 * 60 * 1000
SHAPE = re.compile(r"tws_[A-Za-z0-9_-]{43}")
"""The shape lets secret scanners find a leaked one."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Whose token was shown. `repository` is empty for a seat's own token, which opens no repository."""

    principal: str
    kind: str
    repository: str
    token: str
    scope: str = scopes.ACT
    """What the token is good for: one that may only `read` carries no act and no push."""


def may_act(caller: Caller) -> None:
    """Refuse whoever shows a token that may only read.

    Raises:
        DeniedError: So it may.
    """
    if caller.scope != scopes.ACT:
        said = f"token {caller.token} of {caller.principal} may only read"
        raise DeniedError(said, code="token.read_only", mend="Use one that may act: twinseal token list")


def fresh(random_text: str) -> tuple[str, str]:
    """Return (token, public id) from 43 characters of random text."""
    token = f"tws_{random_text}"
    return token, secret_digest(token)[:12]


def issued(
    token: str,
    *,
    principal: str,
    repository: str,
    expires_at: int,
    actor: Actor,
    statement: Mapping[str, Any],
    scope: str = scopes.ACT,
    replaces: str = "",
) -> Draft:
    """Return the entry of a token; of the token itself it holds only the digest."""
    digest = secret_digest(token)
    data: dict[str, object] = {"replaces": replaces} if replaces else {}
    data |= {
        "id": digest[:12],
        "digest": digest,
        "principal": principal,
        "repository": repository,
        "expires_at": expires_at,
        "scope": scope,
        "statement": statement,
    }
    return Draft(kind=Kind.TOKEN_ISSUED, actor=actor, repo=repository, subject=digest[:12], data=data)


def revoked(token_id: str, *, actor: Actor, statement: Mapping[str, Any]) -> Draft:
    """Return the entry that ends a token at once."""
    data = {"id": token_id, "statement": statement}
    return Draft(kind=Kind.TOKEN_REVOKED, actor=actor, repo="", subject=token_id, data=data)


def presented(authorization: bytes) -> tuple[str, str]:
    """Return (name, token) from an Authorization header, Basic or Bearer; a bearer token comes without a name.

    Raises:
        UnauthenticatedError: Neither, or without a token.
    """
    scheme, _, value = authorization.partition(b" ")
    if scheme.lower() == b"bearer":
        return "", value.decode("ascii", "replace")
    try:
        name, _, token = base64.b64decode(value, validate=True).decode("utf-8").partition(":")
    except (binascii.Error, UnicodeDecodeError):
        name, token = "", ""
    if scheme.lower() != b"basic" or not token:
        raise UnauthenticatedError("a token is needed: Basic with name and token, or Bearer")
    return name, token


def authenticate(tx: Tx, name: str, token: str, *, now: int) -> Caller:
    """Return who shows this token; `name` must be theirs, where one came with it.

    The look-up is by digest, so its time says nothing about the token.

    Raises:
        UnauthenticatedError: Unknown, expired, revoked, or its principal retired; not told apart.
    """
    if SHAPE.fullmatch(token):
        sql = (
            "select p.name, p.kind, t.repository, t.id, coalesce(s.scope, 'act') from token t "
            "join principal p on p.name = t.principal left join token_scope s on s.id = t.id "
            "where t.digest=? and t.expires_at>? and t.revoked_seq is null and p.retired_seq is null"
        )
        row = tx.execute(sql, (secret_digest(token), now)).fetchone()
        if row is not None and name in {"", row[0]}:
            return Caller(*row)
    raise UnauthenticatedError("this token is not valid (any more)", mend="Ask the owner: twinseal token issue NAME")


def holds(tx: Tx, name: str, repository: str, *, now: int) -> bool:
    """Whether somebody holds a token for a repository that is good now."""
    sql = "select 1 from token where principal=? and repository=? and expires_at>? and revoked_seq is null limit 1"
    return tx.execute(sql, (name, repository, now)).fetchone() is not None
