"""An old ledger: a young one, grown through the real append path by pushes like those it has seen."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from audit.entry import Actor, Draft
from audit.ledger import Ledger
from audit.transaction import Transaction
from governance import record
from governance.record import Kind
from governance.state.fold import Tx
from tests.bench.world import MAIN

STEPS = 1000
"""Steps in one transaction."""
STEP = 5
"""Entries in one: three pushes refused, one allowed that opens a change, and that it was applied."""
ACTOR = Actor(id="gone", kind="agent", key="")
"""Nobody who is here: a million pushes within minutes would use up every limit of whoever made them."""
REPOSITORY = "governed"

Data = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Seen:
    """The data of one refused and of one allowed push, as really decided."""

    refused: Data
    allowed: Data


def seen(look: Tx) -> Seen:
    """Find them. Both are among the first entries."""
    bodies = [json.loads(body) for (body,) in look.execute("select body from ledger_entry order by seq limit 1000")]
    decided = [body["data"] for body in bodies if body["kind"] == Kind.PUSH_DECIDED]
    refused = next(data for data in decided if not data["allowed"])
    return Seen(refused, next(data for data in decided if data["allowed"] and data["opens"]))


def grow(ledger: Ledger, like: Seen, *, size: int) -> None:
    """Append until there are `size` entries, or up to four more."""
    while (missing := size - ledger.head.size) > 0:
        steps, first = min(STEPS, -(-missing // STEP)), ledger.head.size
        ledger.run(lambda tx, first=first, steps=steps: _steps(tx, like, first, steps))  # type: ignore[misc]


def _steps(tx: Transaction, like: Seen, first: int, steps: int) -> None:
    for number in range(first, first + steps * STEP, STEP):
        for each in range(number, number + 3):
            tx.append(_draft(_refused(like.refused, each), MAIN))
        data = _allowed(like.allowed, number)
        seq = tx.append(_draft(data, data["refs"][0][2])).seq
        tx.append(record.applied(data, seq, data["reserve"], repository=REPOSITORY))


def _draft(data: Data, ref: str) -> Draft:
    return Draft(kind=Kind.PUSH_DECIDED, actor=ACTOR, repo=REPOSITORY, subject=ref, data=data)


def _refused(like: Data, number: int) -> Data:
    old, _, ref = like["refs"][0]
    return {**like, "handle": f"{number}-1", "refs": [[old, f"{number:040x}", ref]]}


def _allowed(like: Data, number: int) -> Data:
    new, ref = f"{number:040x}", f"refs/heads/topic/{number}"
    lines = [["0" * 40, new, ref], ["0" * 40, new, f"refs/changes/{number}/1"]]
    opened = {**like["opens"][0], "change": number, "patch_set": 1, "ref": ref, "head": new}
    return {**like, "handle": f"{number}-1", "refs": lines[:1], "reserve": lines, "opens": [opened]}
