"""HTTP for vetoes and freezes. Each act reaches the pushes under way before it is answered."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request

from governance.coordinate import freezing, vetoing
from governance.entrypoints.asking import FAILURES, Asking, Inside, Number, The, outcome, said_in
from governance.entrypoints.models import Done, Listing, SignedStatement
from governance.reconcile import Reconciler
from governance.state import read, stops
from governance.stops import Freeze, thawing

router = APIRouter(prefix="/v1", responses=FAILURES)


@router.get("/freezes")
def list_freezes(caller: Asking, service: The) -> Listing:
    """List the freezes that stand: of the token's own repository, or of all for a seat's token."""
    with service.read() as tx:
        at = service.now(tx)
        names = [caller.repository] if caller.repository else [each["name"] for each in read.repositories(tx)]
        found = {freeze.seq: freeze for name in names for freeze in stops.freezes(tx, name, at=at)}
        if not caller.repository:
            found |= {freeze.seq: freeze for freeze in stops.halts(tx, at=at)}
    return Listing(items=[_shown(found[seq]) for seq in sorted(found)])


@router.post("/freezes", status_code=201)
def freeze(signed: SignedStatement, request: Request, caller: Asking, service: The) -> Done:
    """Freeze everything, a repository, a ref, a role or an operator."""
    done = freezing.impose(service, caller, said_in(signed))
    _marked(request, service, done["repository"])
    return outcome(done)


@router.post("/freezes/{number}/thaw")
def thaw(number: Number, signed: SignedStatement, request: Request, caller: Asking, service: The) -> Done:
    """Lift one freeze, after a written remediation."""
    done = freezing.lift(service, caller, said_in(signed), number)
    _marked(request, service, done["repository"])
    return outcome(done)


@router.get("/repositories/{repository}/vetoes")
def list_vetoes(repository: str, caller: Inside, service: The) -> Listing:
    """List the vetoes that stand in a repository."""
    del caller
    with service.read() as tx:
        found = stops.standing_vetoes(tx, repository)
    names = ("seq", "kind", "name", "by", "reason")
    return Listing(items=[{name: getattr(veto, name) for name in names} for veto in found])


@router.post("/repositories/{repository}/vetoes", status_code=201)
def veto(repository: str, signed: SignedStatement, request: Request, caller: Inside, service: The) -> Done:
    """Stop one change, gate, lock or decision."""
    done = vetoing.cast(service, caller, said_in(signed), repository)
    _marked(request, service, repository)
    return outcome(done)


@router.post("/repositories/{repository}/vetoes/{number}/lift")
def lift_veto(
    repository: str, number: Number, signed: SignedStatement, request: Request, caller: Inside, service: The
) -> Done:
    """Withdraw one's own veto, or lift another's as an owner: what the statement says."""
    done = vetoing.drop(service, caller, said_in(signed), repository, number)
    _marked(request, service, repository)
    return outcome(done)


def _shown(found: Freeze) -> dict[str, Any]:
    names = ("seq", "repository", "value", "reason", "by", "expires_at", "rule")
    return {**{name: getattr(found, name) for name in names}, "scope": found.scope.value, "thaw": thawing(found)}


def _marked(request: Request, service: The, repository: str) -> None:
    """Let git's own hook know, of pushes that were allowed before and have not moved yet."""
    reconciler: Reconciler = request.app.state.reconciler
    if not repository:
        reconciler.mark_all()
        return
    with service.read() as tx:
        path = Path(read.repository(tx, repository)["path"])
    reconciler.mark(repository, path)
