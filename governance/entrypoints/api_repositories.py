"""HTTP for the life of a repository: adopted, checked, observed or enforced, let go."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request

from governance.adapters import clock, git, histories, hook_files
from governance.entrypoints.api import FAILURES, Asking, The
from governance.entrypoints.models import Done, SignedStatement
from governance.errors import DeniedError, RequestError
from governance.people.statements import parse
from governance.people.tokens import Caller
from governance.reconcile import Reconciler
from governance.review import acts, repositories
from governance.service import Service
from governance.state import read, status

router = APIRouter(prefix="/v1", responses=FAILURES)


@router.post("/repositories/adoption", status_code=201)
def adopt(signed: SignedStatement, request: Request, caller: Asking, service: The) -> Done:
    """Register a repository with its history, or take a registered one as it is now."""
    said = parse(signed.statement, signed.signature)
    _owner_only(service, caller)  # Nobody else learns what lies where on this machine.
    path = Path(str(said.body.get("path")))
    uid = acts.git_user(path)
    if not git.is_bare(path):
        raise RequestError(f"{path} is not a bare repository", code="repository.not_bare")
    found = histories.baseline(path)
    done = repositories.adopt(service, caller, said, found=found, identifier=clock.nonce()[:16], git_uid=uid)
    (path / "twinseal" / "frozen").unlink(missing_ok=True)
    more = {"socket": str(request.app.state.socket), "separated": uid != os.getuid()}
    return Done(entry=done["entry"], done={**done, **more})


@router.post("/repositories/{repository}/mode")
def set_mode(repository: str, signed: SignedStatement, caller: Asking, service: The) -> Done:
    """Enforce the rules, or only observe."""
    done = repositories.set_mode(service, caller, parse(signed.statement, signed.signature), repository)
    return Done(entry=done["entry"], done=done)


@router.post("/repositories/{repository}/removal")
def remove(repository: str, signed: SignedStatement, caller: Asking, service: The) -> Done:
    """End the governance of a repository."""
    done = repositories.remove(service, caller, parse(signed.statement, signed.signature), repository)
    return Done(entry=done["entry"], done=done)


@router.post("/repositories/{repository}/check")
def check(repository: str, request: Request, caller: Asking, service: The) -> dict[str, Any]:
    """Compare refs, hooks and configuration with what is recorded, now, and write down what is news."""
    del caller
    reconciler: Reconciler = request.app.state.reconciler
    with service.read() as tx:
        known = read.repository(tx, repository)
    path = Path(known["path"])
    drifted = reconciler.check(repository, path, hooks=True)
    faults = hook_files.faults(path, identifier=known["id"])
    with service.read() as tx:
        freezes = [{"seq": f.seq, "reason": f.reason} for f in read.freezes(tx, repository)]
        return {
            "repository": repository,
            "mode": known["mode"],
            "advisory": bool(known["advisory"]),
            "faults": faults,
            "drift": [{"ref": ref, "recorded": old, "found": new} for ref, old, new in drifted],
            "freezes": freezes,
            "lapses": status.lapses(tx, repository),
        }


def _owner_only(service: Service, caller: Caller) -> None:
    with service.read() as tx:
        who = read.roster(tx).get(caller.principal)
    if who is None or who.role != "owner":
        raise DeniedError(f"{caller.principal} is not an owner", code="authority.owner_only")
