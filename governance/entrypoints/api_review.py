"""HTTP for reviewing: changes, sign-offs, landings, drift and thaw."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request

from governance.adapters import git, hook_files, hook_watch
from governance.entrypoints.asking import FAILURES, Asking, Inside, Number, The, is_owner, outcome, said_in
from governance.entrypoints.models import Done, Listing, SignedStatement
from governance.errors import DeniedError, NotFoundError
from governance.hosts import HOSTS
from governance.reconcile import Reconciler
from governance.record import pin
from governance.review import acts as review
from governance.review import changes, landing
from governance.state import read, status

router = APIRouter(prefix="/v1", responses=FAILURES)


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
    said = said_in(signed)
    act = review.withdraw if said.type == "sign_off.withdraw" else review.sign_off
    return outcome(act(service, caller, said, repository))


@router.post("/repositories/{repository}/landings", status_code=201)
def land(repository: str, signed: SignedStatement, caller: Inside, service: The) -> Done:
    """Queue a change for the lander; what became of it stands in the change."""
    return outcome(landing.ask(service, caller, said_in(signed), repository, here=os.getuid()))


@router.get("/repositories/{repository}/drift")
def drift(repository: str, caller: Asking, service: The) -> dict[str, Any]:
    """Say which freeze is in force, and list refs that are not as recorded. For the repository's own, and owners."""
    with service.read() as tx:
        if caller.repository != repository and not (caller.repository == "" and is_owner(tx, caller)):
            raise DeniedError(f"this token does not open {repository}", code="token.other_repository")
        path = Path(read.repository(tx, repository)["path"])
        rows = status.drift(tx, repository, git.refs(path))
        freeze = next((f.seq for f in read.freezes(tx, repository) if f.of_refs(repository)), None)
    return {"freeze": freeze, "items": [{"ref": r, "recorded": old, "found": new} for r, old, new in rows]}


@router.post("/repositories/{repository}/thaw")
def thaw(repository: str, signed: SignedStatement, request: Request, caller: Asking, service: The) -> Done:
    """Lift a freeze, after a written remediation."""
    with service.read() as tx:
        known = read.repository(tx, repository)
    path = Path(known["path"])
    socket = hook_files.asks(path, request.app.state.sockets)
    watch = hook_watch.watch(path, identifier=known["id"], socket=socket, dispatched=HOSTS[known["host"]].dispatched)
    done = review.thaw(service, caller, said_in(signed), repository, actual=git.refs(path), watch=watch)
    reconciler: Reconciler = request.app.state.reconciler
    reconciler.mark(repository, path)
    return outcome(done)
