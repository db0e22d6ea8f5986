"""Telling the log which kinds of entries there are: the genesis entry may say it, `ledger.kinds` what came since."""

from __future__ import annotations

import json
from typing import Any

from audit.entry import GENESIS_KIND, Actor, Draft, Entry
from audit.errors import EntryError
from audit.kinds import REGISTERS, Kinds
from audit.stores import Asked
from audit.transaction import Transaction


def register(tx: Transaction, kinds: Kinds, actor: Actor) -> Entry | None:
    """Append what the log does not know yet of these kinds; None if it knows them all.

    Raises:
        EntryError: a kind has another shape than the log knows and not a higher version: what was appended under the
            old shape would be judged by the new one.
    """
    known = registered(tx)
    wanted = kinds.registration()
    new = {name: kind for name, kind in wanted.items() if known.get(name) != kind}
    for name, kind in new.items():
        if name in known and kind["version"] <= known[name]["version"]:
            raise EntryError(f"{name}: expected a version above {known[name]['version']} for another shape")
    return tx.append(Draft(REGISTERS, actor, "", "", {"kinds": new})) if new else None


def registered(connection: Asked) -> dict[str, Any]:
    """The kinds that a log knows, each as its last registration has it."""
    sql = f"select body from ledger_entry where kind in ('{GENESIS_KIND}', '{REGISTERS}') order by seq"  # noqa: S608
    known: dict[str, Any] = {}
    for (body,) in connection.execute(sql).fetchall():
        known |= json.loads(body)["data"].get("kinds", {})
    return known
