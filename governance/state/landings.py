"""What a key has landed: every update that it signed for, as the ledger recorded it. Nothing is judged again.

Which keys signed an update stands in the decision's entry; whether it moved stands in its reservation; the names of
the commits stand in the facts document that the entry names. A ref that was accepted after drift is in none of them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from audit import reads
from audit.stores import Connection
from governance.state.fold import Tx

_MOVED = "from push_signer s join reservation r on r.seq=s.seq and r.ref=s.ref where r.state in ('applied', 'reserved')"
_COLUMNS = ("decision", "repository", "ref", "old", "new", "key", "count", "applied")
_HIS = "s.fingerprint in (select fingerprint from signing_key where principal=?)"


def totals(tx: Tx, key: str) -> dict[str, int]:
    """Return how many updates and commits of a key have landed, and how many updates are under way this moment.

    A commit counts once for each ref that it was pushed to.
    """
    sql = f"select r.state, count(*), cast(sum(s.commits) as integer) {_MOVED} and s.fingerprint=? group by r.state"
    found = {state: (updates, commits) for state, updates, commits in tx.execute(sql, (key,)).fetchall()}
    updates, commits = found.get("applied", (0, 0))
    return {"updates": updates, "commits": commits, "under_way": found.get("reserved", (0, 0))[0]}


def landings(look: Connection, *, key: str = "", principal: str = "", before: int, limit: int) -> list[dict[str, Any]]:
    """Return the updates of one key, or of all keys of a principal, of at most `limit` decisions, newest first.

    `applied` is the entry that says that the ref moved, None while it is under way; `commits` holds the names, fewer
    than `count` only where the facts document is gone.
    """
    whose, who = (_HIS, principal) if principal else ("s.fingerprint=?", key)
    some = f"select distinct s.seq {_MOVED} and {whose} and s.seq<? order by s.seq desc limit ?"
    sql = (
        f"select s.seq, r.repository, s.ref, r.old, r.new, s.fingerprint, s.commits, r.closed_seq {_MOVED} "
        f"and {whose} and s.seq in ({some}) order by s.seq desc, s.ref, s.fingerprint"
    )
    rows = [dict(zip(_COLUMNS, row, strict=True)) for row in look.execute(sql, (who, who, before, limit)).fetchall()]
    signed: dict[int, Mapping[tuple[str, str], list[str]]] = {}
    for row in rows:
        seq = row["decision"]
        if seq not in signed:
            signed = {seq: _signed(look, seq)}  # One document at a time; a large push has a large one.
        row["commits"] = signed[seq].get((row["ref"], row["key"]), [])
    return rows


def _signed(look: Connection, seq: int) -> Mapping[tuple[str, str], list[str]]:
    """Return, by ref and key, the objects that a decision found signed."""
    entry = reads.entry(look, seq)
    facts = json.loads(entry.body)["data"]["facts"] if entry else {}  # Its body may have been pruned.
    digest = facts.get("sha256", "")
    document = json.loads((reads.blob(look, digest) if digest else None) or b'{"refs": []}')
    found: dict[tuple[str, str], list[str]] = {}
    for ref in document["refs"]:
        for key, oid in _signatures(ref["facts"]):
            found.setdefault((ref["facts"]["ref"], key), []).append(oid)
    return found


def _signatures(facts: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    objects = [(commit["signature"], commit["oid"]) for commit in facts["commits"]]
    if facts["tag"]:
        objects.append((facts["tag"]["signature"], facts["new"]))
    return ((signature["fingerprint"], oid) for signature, oid in objects if not signature["code"])
