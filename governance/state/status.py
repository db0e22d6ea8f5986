"""What people look at: rows and overviews of the state tables. Nothing here decides."""

from __future__ import annotations

import json
from typing import Any

from governance.state.fold import Tx


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
        "select id, principal, repository, issued_at, expires_at, revoked_seq from token "
        "where principal=? or ?='' order by issued_at"
    )
    return _rows(tx, sql, (principal, principal))


def refs(tx: Tx, repository: str) -> dict[str, str]:
    """Return every recorded ref of a repository."""
    return dict(tx.execute("select ref, oid from ref_value where repository=?", (repository,)).fetchall())


def lapses(tx: Tx, repository: str) -> list[dict[str, Any]]:
    """Return every ref that moved without a decision and was not taken into a new baseline since."""
    sql = "select ref, recorded, found, state, seq from lapse where repository=? order by seq, ref"
    return _rows(tx, sql, (repository,))


def overview(tx: Tx) -> dict[str, Any]:
    """Return the figures that `status` shows."""
    one = tx.execute("select size, ts from ledger_head").fetchone() or (0, 0)
    found = _rows(tx, "select name, path, advisory, mode from repository where removed_seq is null order by name")
    for repository in found:
        name = (repository["name"],)
        repository["open_changes"] = _count(tx, "change where repository=? and state='open'", name)
        repository["reserved"] = _count(tx, "reservation where repository=? and state='reserved'", name)
        repository["unreviewed"] = _count(tx, "lapse where repository=? and state='unreviewed'", name)
        repository["frozen"] = _rows(
            tx, "select seq, reason from freeze where repository=? and lifted_seq is null", name
        )
    humans = _count(tx, "principal where kind='human' and retired_seq is null", ())
    return {
        "entries": one[0],
        "last_entry_at": one[1],
        "principals": _count(tx, "principal where retired_seq is null", ()),
        "humans": humans,
        "single_person": humans == 1,
        "policy": tx.execute("select digest from policy order by seq desc limit 1").fetchone()[0],
        "repositories": found,
        "pushes": dict(_last_pushes(tx)),
    }


def _count(tx: Tx, what: str, params: tuple[Any, ...]) -> int:
    return int(tx.execute(f"select count(*) from {what}", params).fetchone()[0])  # noqa: S608 - our own texts


def _last_pushes(tx: Tx) -> list[tuple[str, int]]:
    sql = (
        "select case json_extract(body,'$.data.allowed') when 1 then 'allowed' else 'refused' end, count(*) from "
        "(select body from ledger_entry where kind='push.decided' order by seq desc limit 1000) group by 1"
    )
    return [(row[0], row[1]) for row in tx.execute(sql).fetchall()]
