"""What a token is good for, where that is less than everything: a table beside the tokens' own, which is older."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from audit.entry import Entry
from governance.record import Kind
from governance.state.tx import Tx

Data = Mapping[str, Any]

ACT, READ = "act", "read"
SCOPES = (ACT, READ)

TABLES: tuple[str, ...] = ("token_scope",)

SCHEMA = """
create table if not exists token_scope(id text primary key, scope text not null) strict, without rowid;
"""


def scope(tx: Tx, token_id: str) -> str:
    """Return what a token is good for; one of which nothing is written may act, as all could once."""
    row = tx.execute("select scope from token_scope where id=?", (token_id,)).fetchone()
    return row[0] if row else ACT


def _issued(tx: Tx, entry: Entry, data: Data) -> None:
    del entry
    if data.get("scope", ACT) != ACT:
        tx.execute("insert into token_scope values(?,?)", (data["id"], data["scope"]))


FOLDS: Mapping[Kind, Callable[[Tx, Entry, Data], None]] = {Kind.TOKEN_ISSUED: _issued}
