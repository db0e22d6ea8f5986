"""HTTP for findings and canaries. All of it is for owners: whoever reviews must not know what is a canary."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fastapi import APIRouter

from governance.adapters import canary_objects, clock, git
from governance.detect import canaries, looks, mutations
from governance.detect.canaries import Bait
from governance.entrypoints.asking import FAILURES, Asking, The, is_owner, outcome, said_in
from governance.entrypoints.models import Done, Listing, SignedStatement
from governance.errors import DeniedError
from governance.people.statements import Statement
from governance.people.tokens import Caller
from governance.service import Service
from governance.state import read
from governance.state.fold import Tx

router = APIRouter(prefix="/v1", responses=FAILURES)


@router.get("/repositories/{repository}/detection")
def report(repository: str, caller: Asking, service: The) -> dict[str, Any]:
    """Return who reviews whom, ranked cases, what could have been noticed, and miss rates. For owners."""
    with service.read() as tx:
        _owner(tx, caller, repository)
        return looks.shown(tx, repository, read.policy(tx).controls, now=service.clock())


@router.post("/repositories/{repository}/looks", status_code=201)
def look(repository: str, signed: SignedStatement, caller: Asking, service: The) -> Done:
    """Judge the reviews, and record what was found."""
    with service.read() as tx:
        _owner(tx, caller, repository)
        limits = read.policy(tx).controls.collusion
        found = looks.look(tx, repository, limits, now=service.clock())
    return outcome(looks.record(service, caller, said_in(signed), repository, limits=limits, report=found))


@router.get("/repositories/{repository}/canaries")
def list_canaries(repository: str, caller: Asking, service: The) -> Listing:
    """List canaries and who answered them. For owners."""
    with service.read() as tx:
        _owner(tx, caller, repository)
        return Listing(items=canaries.listed(tx, repository))


@router.post("/repositories/{repository}/canaries", status_code=201)
def plant(repository: str, signed: SignedStatement, caller: Asking, service: The) -> Done:
    """Plant a canary; the answer holds its patch, which is nowhere else."""
    said = said_in(signed)
    with service.read() as tx:
        _owner(tx, caller, repository)
    bait, patch = _made(service, repository, said)
    done = canaries.plant(service, caller, said, repository, bait, key=clock.nonce())
    title = mutations.retitled(bait.source.title, bait.seed)
    return outcome(done, patch=patch, base=bait.source.base, title=title, author=bait.source.author)


@router.post("/repositories/{repository}/canaries/reveal", status_code=201)
def reveal(repository: str, signed: SignedStatement, caller: Asking, service: The) -> Done:
    """Reveal a canary that was answered."""
    with service.read() as tx:
        _owner(tx, caller, repository)
    return outcome(canaries.reveal(service, caller, said_in(signed), repository))


def _made(service: Service, repository: str, said: Statement) -> tuple[Bait, str]:
    """Return the canary that a statement asks for, and its patch. Nothing is written."""
    number, seed = canaries.asked(said, repository)
    with service.read() as tx:
        source = canaries.source(tx, repository, number, policy=read.policy(tx))
        path = Path(read.repository(tx, repository)["path"])
    defect = canaries.defect(git.diff(path, source.base, source.head), seed)
    changed = mutations.applied(canary_objects.text(path, source.head, defect.path), defect)
    made = canary_objects.make(path, source.base, source.head, defect.path, changed)
    return Bait(source, seed, defect, (made.tree, made.diff_digest, made.blob)), made.patch


def _owner(tx: Tx, caller: Caller, repository: str) -> None:
    """Refuse anyone but an owner, and an owner's token of another repository."""
    if caller.repository not in {"", repository}:
        raise DeniedError(f"this token does not open {repository}", code="token.other_repository")
    if not is_owner(tx, caller):
        raise DeniedError("this is for owners: who reviews must not know", code="authority.owner_only")
    read.repository(tx, repository)
