"""HTTP for write locks and limits."""

from __future__ import annotations

from fastapi import APIRouter

from governance.coordinate import lock_exceptions, locks, raising
from governance.entrypoints.asking import FAILURES, Asking, Inside, The, outcome, said_in
from governance.entrypoints.models import Done, Listing, SignedStatement

router = APIRouter(prefix="/v1", responses=FAILURES)
ACTS = {"lock.release": locks.release, "lock.ask": lock_exceptions.ask, "lock.cosign": lock_exceptions.cosign}


@router.get("/repositories/{repository}/locks")
def lock_status(repository: str, caller: Inside, service: The) -> Listing:
    """List each scope that is held or waited for: holder, token, intent, time left, queue."""
    del caller
    with service.read() as tx:
        return Listing(items=locks.status(tx, repository, now=service.now(tx)))


@router.post("/repositories/{repository}/locks", status_code=201)
def lock(repository: str, signed: SignedStatement, caller: Inside, service: The) -> Done:
    """Ask for a lease, release it, ask for what is out of order, co-sign that: as the statement's type says."""
    said = said_in(signed)
    return outcome(ACTS.get(said.type, locks.request)(service, caller, said, repository))


@router.get("/limits")
def limits(caller: Asking, service: The, principal: str = "") -> Listing:
    """List the limits of one's own role, and how much of each is used; of another's for an owner."""
    with service.read() as tx:
        return Listing(items=raising.shown(tx, caller, principal, now=service.now(tx)))


@router.post("/limits", status_code=201)
def raise_limit(signed: SignedStatement, caller: Asking, service: The) -> Done:
    """Raise a limit of a role until a time. Owner only."""
    return outcome(raising.raise_limit(service, caller, said_in(signed)))
