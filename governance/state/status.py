"""What people look at: rows and overviews of the state tables. Nothing here decides."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from typing import Any

from governance.record import CHECKPOINTS
from governance.state import stops
from governance.state.fold import Tx

Refs = Mapping[str, tuple[str, str]]
"""Refs as they are found: by name, the object name and, where it is symbolic, what it points to."""


def _rows(tx: Tx, sql: str, params: tuple[Any, ...] = ()) -> list[dict[str, Any]]:
    cursor = tx.execute(sql, params)
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def principals(tx: Tx) -> list[dict[str, Any]]:
    """Return everyone ever enrolled, with their keys, in order of enrolment."""
    people = _rows(
        tx,
        "select name, kind, role, operator, model_family, emails, uid, added_seq, retired_seq "
        "from principal order by added_seq",
    )
    keys = _rows(tx, "select principal, fingerprint, enrolled_at, revoked_at from signing_key order by enrolled_seq")
    for person in people:
        person["emails"] = json.loads(person["emails"])
        person["keys"] = [k for k in keys if k["principal"] == person["name"]]
    return people


def tokens(tx: Tx, principal: str = "") -> list[dict[str, Any]]:
    """Return tokens by public id, of one principal or of all."""
    sql = (
        "select id, principal, repository, issued_at, expires_at, revoked_seq, "
        "coalesce((select scope from token_scope s where s.id = token.id), 'act') as scope from token "
        "where principal=? or ?='' order by issued_at"
    )
    return _rows(tx, sql, (principal, principal))


def drift(tx: Tx, repository: str, actual: Refs, *, until: int = 2**53) -> list[tuple[str, str, str]]:
    """Return (ref, recorded, found) of every ref that is not as recorded up to entry `until`, by name."""
    rows = tx.execute("select ref, oid, seq from ref_value where repository=?", (repository,)).fetchall()
    recorded = {ref: (oid, seq) for ref, oid, seq in rows}
    actual = {ref: found for ref, found in actual.items() if ref != CHECKPOINTS}
    found = []
    for ref in sorted(recorded.keys() | actual.keys()):
        oid, seq = recorded.get(ref, ("", -1))
        value, symref = actual.get(ref, ("", ""))
        if (value != oid or symref) and seq <= until:
            found.append((ref, oid, f"-> {symref}" if symref else value))
    return found


def refs(tx: Tx, repository: str) -> dict[str, str]:
    """Return every recorded ref of a repository."""
    return dict(tx.execute("select ref, oid from ref_value where repository=?", (repository,)).fetchall())


def lapses(tx: Tx, repository: str) -> list[dict[str, Any]]:
    """Return every ref that moved without being allowed to, and was not taken into a new baseline since."""
    sql = "select ref, recorded, found, state, seq from lapse where repository=? order by seq, ref"
    return _rows(tx, sql, (repository,))


def overview(tx: Tx, *, repository: str = "", at: int = 0) -> dict[str, Any]:
    """Return the figures that `status` shows; of one repository only, where it is named."""
    one = tx.execute("select size, ts from ledger_head").fetchone() or (0, 0)
    sql = (
        "select name, path, advisory, host, mode from repository "
        "where ? in ('', name) and removed_seq is null order by name"
    )
    found = _rows(tx, sql, (repository,))
    for one_of_them in found:
        name = (one_of_them["name"],)
        one_of_them["open_changes"] = _count(tx, "change where repository=? and state='open'", name)
        one_of_them["reserved"] = _count(tx, "reservation where repository=? and state='reserved'", name)
        one_of_them["unreviewed"] = _count(tx, "lapse where repository=? and state<>'frozen'", name)
        standing = stops.freezes(tx, *name, at=at)
        one_of_them["frozen"] = [{"seq": f.seq, "reason": f.reason} for f in standing if f.whole]
        one_of_them["vetoes"] = _count(tx, "veto where repository=? and lifted_seq is null", name)
    humans = _count(tx, "principal where kind='human' and retired_seq is null", ())
    return {
        "entries": one[0],
        "last_entry_at": one[1],
        "principals": _count(tx, "principal where retired_seq is null", ()),
        "humans": humans,
        "single_person": humans == 1,
        "policy": tx.execute("select digest from policy order by seq desc limit 1").fetchone()[0],
        "repositories": found,
        "freezes": [
            {"seq": f.seq, "scope": f.scope.value, "value": f.value, "repository": f.repository, "reason": f.reason}
            for f in stops.halts(tx, at=at)
            if f.repository == "" or repository in {"", f.repository}
        ],
        "pushes": dict(_last_pushes(tx)),
    }


def _count(tx: Tx, what: str, params: tuple[Any, ...]) -> int:
    return int(tx.execute(f"select count(*) from {what}", params).fetchone()[0])  # noqa: S608 - our own texts


def _last_pushes(tx: Tx) -> Counter[str]:
    """Count how the last thousand pushes ended."""
    sql = "select body from ledger_entry where kind='push.decided' order by seq desc limit 1000"
    return Counter(_ended(json.loads(row[0])["data"]) for row in tx.execute(sql).fetchall())


def _ended(decided: Mapping[str, Any]) -> str:
    return "allowed" if decided["allowed"] else "let_through" if decided.get("let_through") else "refused"
