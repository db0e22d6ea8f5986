"""HTTP for the life of a repository: added, adopted, checked, observed or enforced, let go."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request

from governance.adapters import clock, freeze_marks, git, histories, hook_files
from governance.entrypoints.asking import FAILURES, Asking, The, is_owner, outcome, said_in
from governance.entrypoints.models import Done, Listing, SignedStatement
from governance.errors import DeniedError, RequestError
from governance.hosts import HOSTS
from governance.people.tokens import Caller
from governance.reconcile import Reconciler
from governance.review import registering, repositories
from governance.service import Service
from governance.state import read, status
from governance.stops import thawing

NOBODY = -1
"""No uid."""

router = APIRouter(prefix="/v1", responses=FAILURES)


@router.get("/repositories")
def list_repositories(caller: Asking, service: The) -> Listing:
    """List governed repositories: the token's own, or all for a seat's token."""
    with service.read() as tx:
        return Listing(items=[r for r in read.repositories(tx) if caller.repository in {"", r["name"]}])


@router.post("/repositories", status_code=201)
def add_repository(signed: SignedStatement, request: Request, caller: Asking, service: The) -> Done:
    """Register an empty bare repository."""
    said = said_in(signed)
    with service.read() as tx:
        owner = is_owner(tx, caller)
    # Nobody else learns what lies where on this machine; the act refuses them, and that is recorded.
    uid = registering.git_user(Path(str(said.body.get("path")))) if owner else NOBODY
    done = registering.add_repository(service, caller, said, identifier=clock.nonce()[:16], git_uid=uid)
    return outcome(done, socket=str(request.app.state.socket), separated=uid != os.getuid())


@router.post("/repositories/adoption", status_code=201)
def adopt(signed: SignedStatement, request: Request, caller: Asking, service: The) -> Done:
    """Register a repository with its history, or take a registered one as it is now."""
    said = said_in(signed)
    _owner_only(service, caller)  # Nobody else learns what lies where on this machine.
    path, reconciler = Path(str(said.body.get("path"))), _reconciler(request)
    uid = registering.git_user(path)
    if not git.is_bare(path):
        raise RequestError(f"{path} is not a bare repository", code="repository.not_bare")
    name = str(said.body.get("name"))
    horizon = _settled(service, reconciler, name)
    seen = repositories.Seen(histories.baseline(path), uid, horizon)
    done = repositories.adopt(service, caller, said, seen=seen, identifier=clock.nonce()[:16])
    reconciler.mark(name, path)
    return outcome(done, socket=str(request.app.state.socket), separated=uid != os.getuid())


def _settled(service: Service, reconciler: Reconciler, name: str) -> int:
    """Close what is over in a repository that we govern already, freeze it where refs moved; return the last entry."""
    with service.read() as tx:
        governed = {repository["name"]: Path(repository["path"]) for repository in read.repositories(tx)}
    if name in governed:
        reconciler.check(name, governed[name])
    with service.read() as tx:
        return int(tx.execute("select max(seq) from ledger_entry").fetchone()[0])


@router.post("/repositories/{repository}/mode")
def set_mode(repository: str, signed: SignedStatement, caller: Asking, service: The) -> Done:
    """Enforce the rules, or only observe."""
    done = repositories.set_mode(service, caller, said_in(signed), repository)
    return outcome(done)


@router.post("/repositories/{repository}/removal")
def remove(repository: str, signed: SignedStatement, request: Request, caller: Asking, service: The) -> Done:
    """End the governance of a repository."""
    done = repositories.remove(service, caller, said_in(signed), repository)
    path = Path(done["path"])
    socket = hook_files.asks(path, request.app.state.sockets)
    freeze_marks.lift(path, socket=socket)
    freeze_marks.revoke(path, frozenset(), socket=socket)
    return outcome(done)


@router.post("/repositories/{repository}/check")
def check(repository: str, request: Request, caller: Asking, service: The) -> dict[str, Any]:
    """Compare refs, hooks and configuration with what is recorded, now, and write down what is news.

    For the repository's own, and owners.
    """
    if caller.repository != repository:
        if caller.repository:
            raise DeniedError(f"this token does not open {repository}", code="token.other_repository")
        _owner_only(service, caller)
    with service.read() as tx:
        known = read.repository(tx, repository)
    path = Path(known["path"])
    drifted = _reconciler(request).check(repository, path, hooks=True)
    socket = hook_files.asks(path, request.app.state.sockets)
    faults = hook_files.faults(path, identifier=known["id"], socket=socket, dispatched=HOSTS[known["host"]].dispatched)
    with service.read() as tx:
        standing = [f for f in read.freezes(tx, repository, at=service.now(tx)) if f.whole]
        freezes = [{"seq": f.seq, "reason": f.reason, "mend": thawing(f)} for f in standing]
        return {
            "repository": repository,
            "mode": known["mode"],
            "host": known["host"],
            "advisory": bool(known["advisory"]),
            "faults": faults,
            "drift": [{"ref": ref, "recorded": old, "found": new} for ref, old, new in drifted],
            "freezes": freezes,
            "lapses": status.lapses(tx, repository),
        }


def _reconciler(request: Request) -> Reconciler:
    reconciler: Reconciler = request.app.state.reconciler
    return reconciler


def _owner_only(service: Service, caller: Caller) -> None:
    with service.read() as tx:
        owner = is_owner(tx, caller)
    if not owner:
        raise DeniedError(f"{caller.principal} is not an owner", code="authority.owner_only")
