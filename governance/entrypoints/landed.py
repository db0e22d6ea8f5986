"""What a key has landed: asked page by page, and shown as a table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import urlencode

from governance.adapters.client import Client
from governance.entrypoints import terminal

NAMED = 3
"""How many commits of an update a table names before it counts the rest."""
ROWS = 40
"""How many updates a table shows; JSON has them all."""


def fetched(client: Client, **whose: str) -> Iterator[dict[str, Any]]:
    """Yield every update of a key (`key=`) or a principal (`principal=`), newest first."""
    asked: dict[str, object] = dict(whose)
    while items := client.get(f"/landings?{urlencode(asked)}")["items"]:
        yield from items
        asked["before"] = items[-1]["decision"]


def shown(updates: Iterable[dict[str, Any]]) -> None:
    """Print a table of updates, the newest of them."""
    found = list(updates)
    rows = [
        (
            u["decision"],
            "under way" if u["applied"] is None else u["applied"],
            u["repository"],
            u["ref"],
            _key(u["key"]),
            _names(u),
        )
        for u in found[:ROWS]
    ]
    terminal.table(("decided", "landed", "repository", "ref", "key", "signed"), rows, empty="nothing has landed")
    if len(found) > ROWS:
        terminal.say(f"and {len(found) - ROWS} older updates: --json lists them all")


def _key(fingerprint: str) -> str:
    return f"…{fingerprint[-8:]}"


def _names(update: dict[str, Any]) -> str:
    named = [oid[:12] for oid in update["commits"][:NAMED]]
    more = update["count"] - len(named)
    return " ".join(named) + (f" and {more} more" if named and more else f"{more} commits" if more else "")
