"""A statement: what a principal decided, in canonical bytes, signed with their enrolled key.

Every change of roster, key, token and repository, and every sign-off, is one; the ledger keeps it whole, so that
the server alone cannot make one up. A statement is acted on once, within ten minutes of its own time.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from audit import canonical
from audit.errors import EntryError
from governance.errors import ConflictError, DeniedError, RequestError
from governance.policy import Kind
from governance.refusals import SignatureRefused
from governance.signatures import Purpose, Registry, SignatureVerifier
from governance.standing import Principal, Roster
from governance.state.fold import Tx

FRESH_MS = 10 * 60 * 1000
"""How far a statement's own time may be from ours, either way."""

LIMIT = 16 * 1024
"""Bytes of one statement; its entry must hold it whole."""

SIGNATURE_LIMIT = 8 * 1024
"""Bytes of its signature. Written into an entry both may take twice the room, and an entry holds 65,535 bytes: what
does not fit would be refused without a record, and count for no limit."""

WRITTEN_LEAST = 10
"""Characters of a reason below which nobody has written one."""

FIELDS = frozenset({"type", "log", "by", "at", "nonce", "body"})


@dataclass(frozen=True, slots=True)
class Statement:
    """What was said, by whom, and the signature over exactly these bytes."""

    type: str
    log: str
    by: str
    at: int
    nonce: str
    body: Mapping[str, Any]
    text: bytes
    signature: bytes

    @property
    def digest(self) -> str:
        """SHA-256 of the signed bytes: a statement's name, used once."""
        return hashlib.sha256(self.text).hexdigest()

    def kept(self) -> dict[str, str]:
        """Return what the ledger keeps: the bytes, the signature, the digest."""
        text, signature = self.text.decode("utf-8"), self.signature.decode("ascii")
        return {"digest": self.digest, "text": text, "signature": signature}


def compose(type_: str, *, log: str, by: str, at: int, nonce: str, body: Mapping[str, Any]) -> bytes:
    """Return the canonical bytes to sign. `type_` is one of those a command names; `at` is in milliseconds."""
    return canonical.encode({"type": type_, "log": log, "by": by, "at": at, "nonce": nonce, "body": dict(body)})


def parse(text: str, signature: str) -> Statement:
    """Read a statement strictly; nothing about the signature is checked yet.

    Raises:
        RequestError: Not canonical JSON, wrong fields, wrong types, too large.
    """
    try:
        raw, sig = text.encode("utf-8"), signature.encode("ascii")
        if len(raw) > LIMIT or len(sig) > SIGNATURE_LIMIT:
            said = f"a statement is at most {LIMIT} bytes, its signature {SIGNATURE_LIMIT}"
            raise RequestError(said, code="statement.too_large")
        found = canonical.decode(raw)
    except (UnicodeEncodeError, EntryError) as exc:
        raise RequestError(f"not a canonical statement: {exc}", code="statement.malformed") from exc
    if set(found) != FIELDS:
        said = f"a statement has exactly {', '.join(sorted(FIELDS))}; got {', '.join(sorted(found))}"
        raise RequestError(said, code="statement.malformed")
    texts = all(isinstance(found[name], str) for name in ("type", "log", "by", "nonce"))
    if not (texts and type(found["at"]) is int and isinstance(found["body"], dict)):
        raise RequestError("a field of the statement has the wrong type", code="statement.malformed")
    fields: dict[str, Any] = dict(found)
    return Statement(**fields, text=raw, signature=sig)


@dataclass(frozen=True, slots=True)
class Desk:
    """What a statement is checked against, under the ledger lock."""

    log: str
    now: int
    roster: Roster
    registry: Registry
    verifier: SignatureVerifier

    def accept(self, tx: Tx, statement: Statement, *, type_: str, caller: str) -> tuple[Principal, str]:
        """Return who said it and the fingerprint of the key that proves it, or refuse.

        Raises:
            DeniedError: Another type, log or speaker; not signed by an enrolled key of the speaker, or stale.
            ConflictError: It was acted on before.
        """
        if (statement.type, statement.log) != (type_, self.log):
            said = f"this is {statement.type!r} for {statement.log!r}; expected {type_!r} for {self.log!r}"
            raise DeniedError(said, code="statement.other")
        if statement.by != caller:
            raise DeniedError(f"{caller} hands in what {statement.by} says", code="statement.not_yours")
        if abs(self.now - statement.at) > FRESH_MS:
            raise DeniedError("the statement is not from the last ten minutes", code="statement.stale")
        who = self.roster.get(statement.by)
        if who is None or who.retired:
            raise DeniedError(f"{statement.by} is not enrolled", code="statement.unknown")
        key = self._signature(statement)
        if tx.execute("select 1 from statement where digest=?", (statement.digest,)).fetchone():
            raise ConflictError("this statement was acted on before", code="statement.replayed")
        return who, key

    def _signature(self, statement: Statement) -> str:
        at = self.now // 1000
        try:
            proved = self.verifier.verify(
                statement.text, statement.signature, self.registry, at=at, purpose=Purpose.STATEMENT
            )
        except SignatureRefused as exc:
            raise DeniedError(f"the statement's signature: {exc}", code=exc.code) from exc
        signer = self.registry[proved.key].principal
        if signer != statement.by:
            raise DeniedError(f"signed by {signer}, not by {statement.by}", code="statement.not_yours")
        return proved.fingerprint


def owner_only(who: Principal) -> None:
    """Refuse anyone but an owner: a person with the role `owner`."""
    if who.kind is not Kind.HUMAN or who.role != "owner":
        raise DeniedError(f"{who.name} is not an owner", code="authority.owner_only")


def about(statement: Statement, repository: str) -> None:
    """Refuse a statement that names another repository than the one it is handed in for, or none.

    Raises:
        DeniedError: So it does.
    """
    named = statement.body.get("repository")
    if named != repository:
        said = f"the statement is about {named!r:.80}, handed in for {repository}"
        raise DeniedError(said, code="statement.other_repository")


def written(text: object, *, code: str) -> str:
    """Return a reason that somebody took the trouble to write.

    Raises:
        RequestError: Nobody did.
    """
    if not isinstance(text, str) or len(text.strip()) < WRITTEN_LEAST:
        said = f"write what was found and what was done about it, in {WRITTEN_LEAST} characters or more"
        raise RequestError(said, code=code)
    return text
