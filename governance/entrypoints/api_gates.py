"""HTTP for features and gates."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from governance.coordinate import gates
from governance.entrypoints.asking import FAILURES, Inside, The, outcome, said_in
from governance.entrypoints.models import Done, Listing, SignedStatement
from governance.state import gating, read

router = APIRouter(prefix="/v1", responses=FAILURES)


@router.get("/repositories/{repository}/features")
def list_features(repository: str, caller: Inside, service: The) -> Listing:
    """List features, with the gate at which each stands."""
    del caller
    with service.read() as tx:
        return Listing(items=gating.listed(tx, repository))


@router.get("/repositories/{repository}/features/{feature}")
def show_feature(repository: str, feature: str, caller: Inside, service: The) -> dict[str, Any]:
    """Show one feature: its gates, its evidence, and what the next gate lacks."""
    del caller
    with service.read() as tx:
        return gates.shown(tx, repository, feature, read.policy(tx))


@router.post("/repositories/{repository}/gates", status_code=201)
def gate(repository: str, signed: SignedStatement, caller: Inside, service: The) -> Done:
    """Start a feature, give evidence, ask to advance, or co-sign: what the statement's type says."""
    said = said_in(signed)
    acts = {"gate.start": gates.start, "gate.advance": gates.advance, "gate.cosign": gates.cosign}
    return outcome(acts.get(said.type, gates.evidence)(service, caller, said, repository))
