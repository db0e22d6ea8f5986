"""HTTP under `/v1`: parse, authenticate, call a room, answer. No rules here."""

from __future__ import annotations

import base64
import binascii
import json
import os
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from fastapi import Path as InPath

from audit import reads
from governance import version
from governance.adapters import clock, git, hook_watch
from governance.adapters.ssh_keys import is_ssh
from governance.entrypoints.models import (
    Challenge,
    ChallengeRequest,
    Done,
    Enrolled,
    EnrolRequest,
    Listing,
    Problem,
    RotateRequest,
    SignedStatement,
)
from governance.errors import DeniedError, NotFoundError, RequestError
from governance.hosts import HOSTS
from governance.people import acts, enrolment, principals, tokens
from governance.people.enrolment import Challenges, Enrolment
from governance.people.statements import Statement, parse
from governance.people.tokens import Caller
from governance.policy_text import describe
from governance.reconcile import Reconciler
from governance.record import pin
from governance.review import acts as review
from governance.review import changes, landing, registering
from governance.service import Service
from governance.state import landings, read, status
from governance.state.fold import Tx

PAGE = 200
LARGEST = 2**53 - 1
"""No number of ours is larger; the database could not look one up."""
NOBODY = -1
"""No uid."""
FAILURES: dict[int | str, dict[str, Any]] = {
    code: {"model": Problem, "content": {"application/problem+json": {}}} for code in (401, 403, 404, 409, 422, 503)
}


def authenticated(request: Request) -> Caller:
    """Return who asks."""
    service: Service = request.app.state.service
    header = request.headers.get("authorization", "").encode("latin-1")
    with service.read() as tx:
        return tokens.authenticate(tx, *tokens.presented(header), now=service.clock())


def of_repository(repository: str, caller: Annotated[Caller, Depends(authenticated)], request: Request) -> Caller:
    """Return who asks, if the token opens this repository. What was pushed a moment ago is recorded first."""
    if caller.repository != repository:
        raise DeniedError(f"this token does not open {repository}", code="token.other_repository")
    service: Service = request.app.state.service
    with service.read() as tx:
        path = read.repository(tx, repository)["path"]
    request.app.state.reconciler.drain(repository, Path(path))
    return caller


def the_service(request: Request) -> Service:
    """Return the service of this application."""
    service: Service = request.app.state.service
    return service


Asking = Annotated[Caller, Depends(authenticated)]
Inside = Annotated[Caller, Depends(of_repository)]
The = Annotated[Service, Depends(the_service)]
Number = Annotated[int, InPath(ge=0, le=LARGEST)]
router = APIRouter(prefix="/v1", responses=FAILURES)


def _said(signed: SignedStatement) -> Statement:
    return parse(signed.statement, signed.signature)


def _certificate(text: str) -> bytes:
    """Return the bytes of a key that came as armor, as a line of SSH, or as base64."""
    raw = text.encode("utf-8", "replace")
    if text.lstrip().startswith("-----BEGIN PGP") or is_ssh(raw):
        return raw
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as exc:
        raise RequestError("a certificate comes armored, or in base64", code="key.malformed") from exc


def _done(done: dict[str, Any], **more: object) -> Done:
    return Done(entry=done["entry"], done={**done, **more})


def _owner(tx: Tx, caller: Caller) -> bool:
    """Whether an owner asks: for what is shown. What is done is decided under the lock."""
    who = read.roster(tx).get(caller.principal)
    return who is not None and who.role == "owner"


def _challenges(request: Request) -> Challenges:
    challenges: Challenges = request.app.state.challenges
    return challenges


@router.get("/about")
def about(service: The) -> dict[str, Any]:
    """Say which log this is. The only question that needs no token."""
    return {"log": service.log, "version": version(), "time": service.clock()}


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
    done = acts.rotate_key(service, caller, _said(wanted), about=found, nonce=wanted.nonce, proof=wanted.proof)
    return _done(done)


@router.post("/keys/revocation")
def revoke(signed: SignedStatement, caller: Asking, service: The) -> Done:
    """Revoke a key, at once."""
    return _done(acts.revoke_key(service, caller, _said(signed)))


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
    return _done(acts.add_principal(service, caller, _said(signed), secret=secret), secret=secret)


@router.post("/principals/invitation", status_code=201)
def invite(signed: SignedStatement, caller: Asking, service: The) -> Done:
    """Give a principal another enrolment secret."""
    secret = clock.token()
    return _done(acts.invite(service, caller, _said(signed), secret=secret), secret=secret)


@router.post("/principals/retirement")
def retire(signed: SignedStatement, caller: Asking, service: The) -> Done:
    """Retire a principal."""
    return _done(acts.retire_principal(service, caller, _said(signed)))


@router.get("/tokens")
def list_tokens(caller: Asking, service: The) -> Listing:
    """List tokens, by public id; of one's own, or all for an owner."""
    with service.read() as tx:
        return Listing(items=status.tokens(tx, "" if _owner(tx, caller) else caller.principal))


@router.post("/tokens", status_code=201)
def issue_token(signed: SignedStatement, caller: Asking, service: The) -> Done:
    """Issue a token; it is shown once."""
    token, _ = tokens.fresh(clock.token())
    return _done(acts.issue_token(service, caller, _said(signed), token=token), token=token)


@router.post("/tokens/revocation")
def revoke_token(signed: SignedStatement, caller: Asking, service: The) -> Done:
    """End a token, at once."""
    return _done(acts.revoke_token(service, caller, _said(signed)))


@router.get("/repositories")
def repositories(caller: Asking, service: The) -> Listing:
    """List governed repositories: the token's own, or all for a seat's token."""
    with service.read() as tx:
        return Listing(items=[r for r in read.repositories(tx) if caller.repository in {"", r["name"]}])


@router.post("/repositories", status_code=201)
def add_repository(signed: SignedStatement, request: Request, caller: Asking, service: The) -> Done:
    """Register an empty bare repository."""
    said = _said(signed)
    with service.read() as tx:
        owner = _owner(tx, caller)
    # Nobody else learns what lies where on this machine; the act refuses them, and that is recorded.
    uid = registering.git_user(Path(str(said.body.get("path")))) if owner else NOBODY
    done = registering.add_repository(service, caller, said, identifier=clock.nonce()[:16], git_uid=uid)
    return _done(done, socket=str(request.app.state.socket), separated=uid != os.getuid())


@router.get("/repositories/{repository}/changes")
def list_changes(repository: str, caller: Inside, service: The, state: str = "open") -> Listing:
    """List changes: open (the default), landed, abandoned or all."""
    del caller
    with service.read() as tx:
        return Listing(items=changes.listed(tx, repository, state=state))


@router.get("/repositories/{repository}/changes/{number}")
def show_change(repository: str, number: Number, caller: Inside, service: The) -> dict[str, Any]:
    """Show one change, with exactly what a sign-off of it binds."""
    del caller
    with service.read() as tx:
        return changes.shown(tx, repository, number, policy=read.policy(tx))


@router.get("/repositories/{repository}/changes/{number}/diff")
def diff_change(repository: str, number: Number, caller: Inside, service: The) -> dict[str, Any]:
    """Return the patch of a change's current patch set."""
    del caller
    with service.read() as tx:
        change = changes.shown(tx, repository, number, policy=read.policy(tx))
        path = Path(read.repository(tx, repository)["path"])
    pinned = git.refs(path).get(pin({"change": number, "patch_set": change["patch_set"]}), ("", ""))[0]
    if pinned != change["head"]:
        said = f"patch set {change['patch_set']} of change {number} is not pinned (yet): expected {change['head'][:12]}"
        raise NotFoundError(said, code="change.not_pinned", mend="Look again in a few seconds.")
    text = git.diff(path, change["base"], change["head"])
    return {"head": change["head"], "diff_digest": change["diff_digest"], "diff": text}


@router.post("/repositories/{repository}/sign-offs", status_code=201)
def sign_off(repository: str, signed: SignedStatement, caller: Inside, service: The) -> Done:
    """Approve, reject, or withdraw: what the statement's type says."""
    said = _said(signed)
    act = review.withdraw if said.type == "sign_off.withdraw" else review.sign_off
    return _done(act(service, caller, said, repository))


@router.post("/repositories/{repository}/landings", status_code=201)
def land(repository: str, signed: SignedStatement, caller: Inside, service: The) -> Done:
    """Queue a change for the lander; what became of it stands in the change."""
    return _done(landing.ask(service, caller, _said(signed), repository, here=os.getuid()))


@router.get("/repositories/{repository}/drift")
def drift(repository: str, caller: Asking, service: The) -> dict[str, Any]:
    """Say which freeze is in force, and list refs that are not as recorded. For the repository's own, and owners."""
    with service.read() as tx:
        if caller.repository != repository and not (caller.repository == "" and _owner(tx, caller)):
            raise DeniedError(f"this token does not open {repository}", code="token.other_repository")
        path = Path(read.repository(tx, repository)["path"])
        rows = status.drift(tx, repository, git.refs(path))
        freeze = next((f.seq for f in read.freezes(tx, repository) if f.repository == repository), None)
    return {"freeze": freeze, "items": [{"ref": r, "recorded": old, "found": new} for r, old, new in rows]}


@router.post("/repositories/{repository}/thaw")
def thaw(repository: str, signed: SignedStatement, request: Request, caller: Asking, service: The) -> Done:
    """Lift a freeze, after a written remediation."""
    with service.read() as tx:
        known = read.repository(tx, repository)
    path, socket = Path(known["path"]), request.app.state.socket
    watch = hook_watch.watch(path, identifier=known["id"], socket=socket, dispatched=HOSTS[known["host"]].dispatched)
    done = review.thaw(service, caller, _said(signed), repository, actual=git.refs(path), watch=watch)
    reconciler: Reconciler = request.app.state.reconciler
    reconciler.mark(repository, path)
    return _done(done)


@router.get("/policy")
def policy(caller: Asking, service: The) -> dict[str, Any]:
    """Return the policy in force: its meaning and its digest."""
    del caller
    with service.read() as tx:
        found = read.policy(tx)
    return {"digest": found.digest, "meaning": describe(found)}


@router.get("/status")
def show_status(caller: Asking, service: The) -> dict[str, Any]:
    """Return what a person wants to know first: of the token's own repository, or of all for a seat's token."""
    with service.read() as tx:
        return {"log": service.log, **status.overview(tx, repository=caller.repository)}


@router.get("/ledger/entries")
def entries(
    caller: Asking,
    service: The,
    start: Annotated[int, Query(ge=0, le=LARGEST)] = 0,
    limit: Annotated[int, Query(ge=1, le=PAGE)] = PAGE,
) -> Listing:
    """Return entries from a sequence number on, as they were chained; those of other repositories are left out."""
    with service.read() as tx:
        rows = [row for row in reads.entries(tx, start, start + limit) if _may_see(tx, caller, row.body)]
    return Listing(items=[{"seq": row.seq, "leaf": row.leaf.hex(), "body": row.body} for row in rows])


@router.get("/ledger/entries/{seq}")
def entry(seq: Number, caller: Asking, service: The) -> dict[str, Any]:
    """Return one entry."""
    with service.read() as tx:
        rows = [row for row in reads.entries(tx, seq, seq + 1) if _may_see(tx, caller, row.body)]
    if not rows:
        raise NotFoundError(f"there is no entry {seq} that this token may see")
    return {"seq": rows[0].seq, "leaf": rows[0].leaf.hex(), "body": rows[0].body}


def _may_see(tx: Tx, caller: Caller, body: bytes) -> bool:
    repository = json.loads(body)["repo"]
    return repository in {"", caller.repository} or (caller.repository == "" and _owner(tx, caller))
