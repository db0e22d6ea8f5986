"""HTTP for people: keys, principals, tokens, and what a key has landed."""

from __future__ import annotations

import base64
import binascii
from typing import Annotated

from fastapi import APIRouter, Query, Request

from governance.adapters import clock
from governance.adapters.ssh_keys import is_ssh
from governance.entrypoints.asking import (
    FAILURES,
    LARGEST,
    PAGE,
    Asking,
    The,
    authenticated,
    is_owner,
    outcome,
    said_in,
)
from governance.entrypoints.models import (
    Challenge,
    ChallengeRequest,
    Done,
    Enrolled,
    EnrolRequest,
    Listing,
    RotateRequest,
    SignedStatement,
)
from governance.errors import DeniedError, RequestError
from governance.people import acts, enrolment, principals, rotating, tokens
from governance.people.enrolment import Challenges, Enrolment
from governance.state import landings, status

router = APIRouter(prefix="/v1", responses=FAILURES)


def _certificate(text: str) -> bytes:
    """Return the bytes of a key that came as armor, as a line of SSH, or as base64."""
    raw = text.encode("utf-8", "replace")
    if text.lstrip().startswith("-----BEGIN PGP") or is_ssh(raw):
        return raw
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as exc:
        raise RequestError("a certificate comes armored, or in base64", code="key.malformed") from exc


def _challenges(request: Request) -> Challenges:
    challenges: Challenges = request.app.state.challenges
    return challenges


@router.post("/challenges")
def challenge(wanted: ChallengeRequest, request: Request, service: The) -> Challenge:
    """Give a nonce for one key to sign, to who holds an enrolment secret or a token: looking at a key costs us gpg."""
    if wanted.secret:
        with service.read() as tx:
            principals.invitation(tx, wanted.secret, now=service.clock())
    else:
        authenticated(request)
    found = enrolment.inspected(service, _certificate(wanted.certificate), wanted.ends)
    nonce = _challenges(request).give(clock.nonce(), found.fingerprint, now=service.clock())
    return Challenge(log=service.log, nonce=nonce, fingerprint=found.fingerprint)


@router.post("/keys", status_code=201)
def enroll(wanted: EnrolRequest, request: Request, service: The) -> Enrolled:
    """Enrol a key with an enrolment secret and proof of possession."""
    found = enrolment.inspected(service, _certificate(wanted.certificate), wanted.ends)
    _challenges(request).take(wanted.nonce, found.fingerprint, now=service.clock())
    token, _ = tokens.fresh(clock.token())
    profile = {"name": wanted.name, "emails": wanted.emails}
    attempt = Enrolment(wanted.secret, found, wanted.nonce, wanted.proof, profile)
    name, fingerprint, entry = enrolment.enroll(service, attempt, token=token)
    return Enrolled(principal=name, fingerprint=fingerprint, token=token, entry=entry)


@router.post("/keys/rotation", status_code=201)
def rotate(wanted: RotateRequest, request: Request, caller: Asking, service: The) -> Done:
    """Replace one's own key."""
    found = enrolment.inspected(service, _certificate(wanted.certificate), wanted.ends)
    _challenges(request).take(wanted.nonce, found.fingerprint, now=service.clock())
    said = said_in(wanted)
    try:
        done = acts.rotate_key(service, caller, said, about=found, nonce=wanted.nonce, proof=wanted.proof)
    except DeniedError as exc:
        if exc.code == "factor.needed":  # The very same comes again, once it is approved.
            _challenges(request).give(wanted.nonce, found.fingerprint, now=service.clock())
        raise
    return outcome(done)


@router.post("/keys/revocation")
def revoke(signed: SignedStatement, caller: Asking, service: The) -> Done:
    """Revoke a key, at once."""
    return outcome(acts.revoke_key(service, caller, said_in(signed)))


@router.get("/landings")
def list_landings(
    caller: Asking,
    service: The,
    key: str = "",
    principal: str = "",
    before: Annotated[int, Query(ge=0, le=LARGEST)] = LARGEST,
) -> Listing:
    """List what a key, or every key of a principal, has landed; newest first, on from the decision `before`.

    A repository's token is shown what landed there.
    """
    if bool(key) == bool(principal):
        raise RequestError("name a key or a principal, and only one of them", code="landings.of_whom")
    with service.read() as tx:
        rows = landings.landings(tx, key=key, principal=principal, before=before, limit=PAGE)
    return Listing(items=[row for row in rows if caller.repository in {"", row["repository"]}])


@router.get("/principals")
def list_principals(caller: Asking, service: The) -> Listing:
    """List everyone enrolled, with their keys."""
    del caller
    with service.read() as tx:
        return Listing(items=status.principals(tx))


@router.post("/principals", status_code=201)
def add_principal(signed: SignedStatement, caller: Asking, service: The) -> Done:
    """Enrol a principal; the answer holds the secret by which it enrols its key."""
    secret = clock.token()
    return outcome(acts.add_principal(service, caller, said_in(signed), secret=secret), secret=secret)


@router.post("/principals/invitation", status_code=201)
def invite(signed: SignedStatement, caller: Asking, service: The) -> Done:
    """Give a principal another enrolment secret."""
    secret = clock.token()
    return outcome(acts.invite(service, caller, said_in(signed), secret=secret), secret=secret)


@router.post("/principals/retirement")
def retire(signed: SignedStatement, caller: Asking, service: The) -> Done:
    """Retire a principal."""
    return outcome(acts.retire_principal(service, caller, said_in(signed)))


@router.get("/tokens")
def list_tokens(caller: Asking, service: The) -> Listing:
    """List tokens, by public id; of one's own, or all for an owner."""
    with service.read() as tx:
        return Listing(items=status.tokens(tx, "" if is_owner(tx, caller) else caller.principal))


@router.post("/tokens", status_code=201)
def issue_token(signed: SignedStatement, caller: Asking, service: The) -> Done:
    """Issue a token; it is shown once."""
    token, _ = tokens.fresh(clock.token())
    return outcome(acts.issue_token(service, caller, said_in(signed), token=token), token=token)


@router.post("/tokens/rotation", status_code=201)
def rotate_token(signed: SignedStatement, caller: Asking, service: The) -> Done:
    """Replace a token; the new one is shown once, and the old one ends."""
    token, _ = tokens.fresh(clock.token())
    return outcome(rotating.rotate_token(service, caller, said_in(signed), token=token), token=token)


@router.post("/tokens/revocation")
def revoke_token(signed: SignedStatement, caller: Asking, service: The) -> Done:
    """End a token, at once."""
    return outcome(acts.revoke_token(service, caller, said_in(signed)))
