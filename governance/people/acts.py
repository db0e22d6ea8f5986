"""What people may do to roster, keys and tokens: each act is a signed statement, run in the writer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from audit.entry import Actor, Draft
from audit.transaction import Transaction
from governance.errors import ConflictError, DeniedError, NotFoundError, RequestError
from governance.people import demands, keys, principals, tokens
from governance.people.principals import INVITATION_MS, secret_digest
from governance.people.statements import Statement, owner_only
from governance.people.tokens import DAY_MS, Caller
from governance.policy import Kind as PrincipalKind
from governance.record import Kind
from governance.service import Service
from governance.signatures import CertificateInfo
from governance.standing import Principal
from governance.state import landings, read, scopes

T = TypeVar("T")
TOKEN_DAYS_LIMIT = 366


def accepted(
    service: Service,
    caller: Caller,
    statement: Statement,
    type_: str,
    command: Callable[[Transaction, Principal, Actor], T],
    *,
    counted: str = "",
) -> T:
    """Run a command for a statement that is fresh, new, and signed by the one who hands it in.

    A person's critical act needs a second factor besides: an approval of exactly this statement.

    `counted` is what trying it counts for in `limits.COUNTED`, where that is not its type.
    """

    def run(tx: Transaction) -> T:
        who, key = service.desk(tx).accept(tx, statement, type_=type_, caller=caller.principal)
        actor = Actor(id=who.name, kind=who.kind.value, key=key)
        try:
            demands.approved(tx, service, who, statement)
        except DeniedError:
            # What is refused in any case is refused for that: nobody approves it in vain. What it wrote goes with it.
            command(tx, who, actor)
            raise
        return command(tx, who, actor)

    return service.act(caller, counted or type_, run)


def add_principal(service: Service, caller: Caller, statement: Statement, *, secret: str) -> dict[str, Any]:
    """Enrol a principal and invite it to bring its key. Owner only."""

    def command(tx: Transaction, who: Principal, actor: Actor) -> dict[str, Any]:
        owner_only(who)
        body, lock = statement.body, service.under_lock
        candidate = principals.candidate(body, lock.policy(tx), lock.roster(tx), by=who.name)
        expires = tx.now + INVITATION_MS
        kept = statement.kept()
        draft = principals.added(
            candidate, actor=actor, statement=kept, secret_digest=secret_digest(secret), expires_at=expires
        )
        return {"name": candidate.name, "role": candidate.role, "expires_at": expires, "entry": tx.append(draft).seq}

    return accepted(service, caller, statement, "principal.add", command)


def invite(service: Service, caller: Caller, statement: Statement, *, secret: str) -> dict[str, Any]:
    """Give a principal another enrolment secret, for a key it lost or never enrolled. Owner only."""

    def command(tx: Transaction, who: Principal, actor: Actor) -> dict[str, Any]:
        owner_only(who)
        name = principals.known(service.under_lock.roster(tx), str(statement.body.get("name"))).name
        expires = tx.now + INVITATION_MS
        invitation = {"digest": secret_digest(secret), "principal": name, "expires_at": expires}
        data = {"enrolment": invitation, "statement": statement.kept()}
        draft = Draft(kind=Kind.PRINCIPAL_INVITED.value, actor=actor, repo="", subject=name, data=data)
        return {"name": name, "expires_at": expires, "entry": tx.append(draft).seq}

    return accepted(service, caller, statement, "principal.invite", command)


def retire_principal(service: Service, caller: Caller, statement: Statement) -> dict[str, Any]:
    """Retire a principal: its tokens and keys end at once. Owner only; the last owner cannot go."""

    def command(tx: Transaction, who: Principal, actor: Actor) -> dict[str, Any]:
        owner_only(who)
        roster = service.under_lock.roster(tx)
        gone = principals.known(roster, str(statement.body.get("name")))
        owners = [p for p in roster.active() if p.role == "owner" and p.kind is PrincipalKind.HUMAN]
        if owners == [gone]:
            raise ConflictError(f"{gone.name} is the last owner", code="principal.last_owner")
        entry = tx.append(principals.retired(gone.name, actor=actor, statement=statement.kept()))
        return {"name": gone.name, "entry": entry.seq}

    return accepted(service, caller, statement, "principal.retire", command)


def rotate_key(
    service: Service, caller: Caller, statement: Statement, *, about: CertificateInfo, nonce: str, proof: str
) -> dict[str, Any]:
    """Replace one's key: the old one signs the statement, the new one the challenge. The old one is revoked."""

    def command(tx: Transaction, who: Principal, actor: Actor) -> dict[str, Any]:
        body = statement.body
        if body.get("fingerprint") != about.fingerprint:
            raise RequestError("the statement names another key than the one brought", code="key.other")
        old = _own_key(tx, str(body.get("replaces")), who.name)
        key = keys.proved(
            keys.free(tx, about),
            proof,
            origin=service.log,
            principal=who.name,
            nonce=nonce,
            verifier=service.verifier,
            at=tx.now // 1000,
        )
        proof_kept = {"nonce": nonce, "signature": proof}
        draft = keys.rotated(key, replaces=old, actor=actor, statement=statement.kept(), proof=proof_kept)
        return {"fingerprint": key.fingerprint, "replaces": old, "entry": tx.append(draft).seq}

    return accepted(service, caller, statement, "key.rotate", command)


def revoke_key(service: Service, caller: Caller, statement: Statement) -> dict[str, Any]:
    """Revoke a key at once, by its holder or an owner alone; answer with how much it has landed."""

    def command(tx: Transaction, who: Principal, actor: Actor) -> dict[str, Any]:
        fingerprint = str(statement.body.get("fingerprint"))
        row = tx.execute(
            "select principal, revoked_seq from signing_key where fingerprint=?", (fingerprint,)
        ).fetchone()
        if row is None:
            raise NotFoundError(f"no key {fingerprint} is enrolled")
        if row[0] != who.name:
            owner_only(who)
        if row[1] is not None:
            raise ConflictError(f"key {fingerprint} is revoked since entry {row[1]}", code="key.revoked_already")
        reason = str(statement.body.get("reason", ""))[:200]
        entry = tx.append(keys.revoked(fingerprint, reason=reason, actor=actor, statement=statement.kept()))
        landed = landings.totals(tx, fingerprint)
        return {"fingerprint": fingerprint, "principal": row[0], "landed": landed, "entry": entry.seq}

    return accepted(service, caller, statement, "key.revoke", command)


def _own_key(tx: Transaction, fingerprint: str, name: str) -> str:
    sql = "select principal from signing_key where fingerprint=? and revoked_seq is null"
    row = tx.execute(sql, (fingerprint,)).fetchone()
    if row is None or row[0] != name:
        raise NotFoundError(f"{name} has no key {fingerprint} in force")
    return fingerprint


def issue_token(service: Service, caller: Caller, statement: Statement, *, token: str) -> dict[str, Any]:
    """Issue a token for a principal, bound to one repository. Owner only."""

    def command(tx: Transaction, who: Principal, actor: Actor) -> dict[str, Any]:
        owner_only(who)
        body = statement.body
        name = principals.known(service.under_lock.roster(tx), str(body.get("principal"))).name
        repository = str(body.get("repository", ""))
        if repository:
            read.repository(tx, repository)
        days = body.get("days")
        if type(days) is not int or not 1 <= days <= TOKEN_DAYS_LIMIT:
            raise RequestError(f"days: expected 1 to {TOKEN_DAYS_LIMIT}, got {days!r}", code="token.days")
        scope = body.get("scope", scopes.ACT)
        if scope not in scopes.SCOPES:
            raise RequestError(f"scope: expected one of {', '.join(scopes.SCOPES)}, got {scope!r}", code="token.scope")
        expires = tx.now + days * DAY_MS
        draft = tokens.issued(
            token,
            principal=name,
            repository=repository,
            expires_at=expires,
            actor=actor,
            statement=statement.kept(),
            scope=scope,
        )
        entry = tx.append(draft)
        return {
            "principal": name,
            "repository": repository,
            "id": entry.subject,
            "scope": scope,
            "expires_at": expires,
            "entry": entry.seq,
        }

    return accepted(service, caller, statement, "token.issue", command)


def revoke_token(service: Service, caller: Caller, statement: Statement) -> dict[str, Any]:
    """End a token at once, by its holder or an owner."""

    def command(tx: Transaction, who: Principal, actor: Actor) -> dict[str, Any]:
        token_id = str(statement.body.get("id"))
        row = tx.execute("select principal, revoked_seq from token where id=?", (token_id,)).fetchone()
        if row is None or row[1] is not None:
            raise NotFoundError(f"no token {token_id} is in force", mend="twinseal token list")
        if row[0] != who.name:
            owner_only(who)
        entry = tx.append(tokens.revoked(token_id, actor=actor, statement=statement.kept()))
        return {"id": token_id, "principal": row[0], "entry": entry.seq}

    return accepted(service, caller, statement, "token.revoke", command)
