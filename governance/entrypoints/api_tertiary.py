"""HTTP for third reviews and overrides."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

from fastapi import APIRouter

from audit import reads
from governance.entrypoints.asking import FAILURES, Asking, Inside, Number, The, is_owner, outcome, said_in
from governance.entrypoints.models import Done, Listing, SignedStatement
from governance.errors import RequestError
from governance.record import Kind
from governance.review import override, tertiary
from governance.state import overrides, read

router = APIRouter(prefix="/v1", responses=FAILURES)

ACTS = {"override.ask": override.ask, "override.sign": override.sign, "override.review": override.review}


@router.get("/repositories/{repository}/third-reviews")
def queue(repository: str, caller: Inside, service: The) -> Listing:
    """List what waits for a third review, and for whom."""
    del caller
    with service.read() as tx:
        return Listing(items=tertiary.queue(tx, repository, read.policy(tx), now=service.clock()))


@router.post("/repositories/{repository}/third-reviews", status_code=201)
def third_review(repository: str, signed: SignedStatement, caller: Inside, service: The) -> Done:
    """Approve or block what was drawn; an owner may dismiss what was given up."""
    return outcome(tertiary.give(service, caller, said_in(signed), repository))


@router.get("/draws/{epoch}")
def draws_of(epoch: Number, caller: Asking, service: The) -> Listing:
    """Return what an audit of one epoch computes again; of another repository's draws neither ref nor change."""
    sql = (
        "select opened_seq as seq from draw_epoch where epoch=:epoch union "
        "select revealed_seq from draw_epoch where epoch=:epoch and revealed_seq is not null union "
        "select seq from draw where epoch=:epoch order by 1"
    )
    with service.read() as tx:
        numbers = [row[0] for row in tx.execute(sql, {"epoch": epoch}).fetchall()]
        rows = [reads.entry(tx, seq) for seq in numbers]
        everything = caller.repository == "" and is_owner(tx, caller)
    bodies = [json.loads(row.body) for row in rows if row is not None]
    return Listing(items=[_drawn(body, all_of_it=everything or body["repo"] == caller.repository) for body in bodies])


def _drawn(body: dict[str, Any], *, all_of_it: bool) -> dict[str, Any]:
    """Return the draws of an entry, or of the epoch's own entries everything."""
    data = body["data"]
    if body["kind"] == Kind.PUSH_DECIDED:
        plain = [row if all_of_it else ["", 0, *row[2:7], "", "", [], 0] for row in data["draws"]]
        data = {"draws": plain}
    return {"seq": body["seq"], "kind": body["kind"], "data": data}


@router.get("/repositories/{repository}/overrides")
def list_overrides(repository: str, caller: Inside, service: The) -> Listing:
    """List overrides, the newest first, with what is still owed for them."""
    del caller
    with service.read() as tx:
        late = overrides.overdue(tx, policy=read.policy(tx), now=service.clock())
        items = []
        for found in overrides.listed(tx, repository):
            given = [{"by": by, "verdict": v, "reason": why} for by, v, why in overrides.reviews(tx, found.seq)]
            more: dict[str, Any] = {"reviews": given, "overdue": found.seq in late}
            items.append({**dataclasses.asdict(found), **more})
    return Listing(items=items)


@router.post("/repositories/{repository}/overrides", status_code=201)
def break_glass(repository: str, signed: SignedStatement, caller: Inside, service: The) -> Done:
    """Ask for an override, sign it, or review what it landed: what the statement's type says."""
    said = said_in(signed)
    act = ACTS.get(said.type)
    if act is None:
        raise RequestError(f"expected one of {', '.join(ACTS)}, got {said.type!r:.80}", code="override.malformed")
    return outcome(act(service, caller, said, repository))
