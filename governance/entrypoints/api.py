"""HTTP under `/v1`: parse, authenticate, call a room, answer. No rules here.

This file: the log, the policy, how things stand. The other files are named for what they are about.
"""

from __future__ import annotations

import json
from typing import Annotated, Any

from fastapi import APIRouter, Query

from audit import reads
from governance import version
from governance.entrypoints.asking import FAILURES, LARGEST, PAGE, Asking, Number, The, is_owner
from governance.entrypoints.models import Listing
from governance.errors import NotFoundError
from governance.people.tokens import Caller
from governance.policy_text import describe
from governance.state import read, status
from governance.state.fold import Tx

router = APIRouter(prefix="/v1", responses=FAILURES)


@router.get("/about")
def about(service: The) -> dict[str, Any]:
    """Say which log this is. The only question that needs no token."""
    return {"log": service.log, "version": version(), "time": service.clock()}


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
        return {"log": service.log, **status.overview(tx, repository=caller.repository, at=service.now(tx))}


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
    return repository in {"", caller.repository} or (caller.repository == "" and is_owner(tx, caller))
