"""HTTP for what has landed that nobody reviewed."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from governance.entrypoints.asking import FAILURES, Inside, The
from governance.review import debts
from governance.state import read

router = APIRouter(prefix="/v1", responses=FAILURES)


@router.get("/repositories/{repository}/debt")
def show_debt(repository: str, caller: Inside, service: The) -> dict[str, Any]:
    """Say what has landed unreviewed, by budget and by landing, and what each role landed lately."""
    del caller
    with service.read() as tx:
        policy, roster = read.policy(tx), read.roster(tx)
        return debts.report(tx, repository, policy=policy, roster=roster, now=service.clock())
