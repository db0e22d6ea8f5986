"""In which channels a person approved a statement, by the prompts that were answered for it. Reads; folds nothing."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any

from governance.state.tx import Tx
from governance.two_channels import Channel

_NAMED = {"browser": Channel.WEB.value}
"""What a prompt's entry calls a channel, where it is another word than ours."""


def prompt(tx: Tx, statement: str) -> int:
    """Return the prompt in which this statement was approved with a second factor; 0 where there was none."""
    sql = (
        "select max(p.seq) from prompt p join prompt_statement s on s.prompt = p.seq "
        "where s.digest=? and p.state='approved'"
    )
    return int(tx.execute(sql, (statement,)).fetchone()[0] or 0)


def approved_in(tx: Tx, statement: str) -> frozenset[str]:
    """Return the channels in which prompts for exactly this statement were answered; none where none was asked."""
    sql = (
        "select e.body from prompt_approval a join prompt_statement s on s.prompt = a.prompt "
        "join ledger_entry e on e.seq = a.seq where s.digest=?"
    )
    found: list[dict[str, Any]] = [json.loads(row[0])["data"] for row in tx.execute(sql, (statement,)).fetchall()]
    return frozenset(_NAMED.get(str(data["channel"]), str(data["channel"])) for data in found)


def statements(tx: Tx, entries: Collection[int]) -> tuple[str, ...]:
    """Return the digests of the statements that these entries keep."""
    rows = [tx.execute("select body from ledger_entry where seq=?", (seq,)).fetchone() for seq in entries]
    found = [json.loads(row[0])["data"].get("statement", {}) for row in rows if row is not None and row[0]]
    return tuple(str(each["digest"]) for each in found if "digest" in each)
