"""Features and the gates that they have passed.

Folded from entries; read under the ledger lock for a decision.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from audit.entry import Entry
from governance.gating import GREEN, Evidence, Feature
from governance.parameters import STAGES
from governance.record import Kind
from governance.state import repositories
from governance.state.tx import Tx

Data = Mapping[str, Any]

FIRST_OF_ONE = STAGES.index(GREEN)
"""The stage from which on everything is about one commit."""

TABLES: tuple[str, ...] = ("feature", "gate_evidence", "gate_asked", "gate_passed")

SCHEMA = """
create table if not exists feature(
  repository text not null, name text not null, commit_name text not null, passed integer not null,
  started_by text not null, seq integer not null, primary key(repository, name)) strict, without rowid;
create index if not exists feature_commit on feature(repository, commit_name);
create table if not exists gate_evidence(
  seq integer primary key, repository text not null, feature text not null, stage integer not null,
  commit_name text not null, principal text not null, role text not null, operator text not null,
  human integer not null, digest text not null, note text not null, key text not null, stale_seq integer) strict;
create index if not exists gate_evidence_good on gate_evidence(repository, feature, stage) where stale_seq is null;
create table if not exists gate_asked(
  repository text not null, feature text not null, stage integer not null, seq integer not null, by text not null,
  commit_name text not null, evidence text not null, primary key(repository, feature)) strict, without rowid;
create table if not exists gate_passed(
  repository text not null, feature text not null, stage integer not null, commit_name text not null,
  seq integer not null, primary key(repository, feature, stage)) strict, without rowid;
"""


def feature(tx: Tx, repository: str, name: str) -> Feature | None:
    """Return a feature with what it has passed; None where there is none of that name here."""
    if tx.execute("select 1 from feature where repository=? and name=?", (repository, name)).fetchone() is None:
        return None
    sql = "select stage, commit_name from gate_passed where repository=? and feature=? order by stage"
    passed = tuple((STAGES[stage], commit) for stage, commit in tx.execute(sql, (repository, name)))
    return Feature(name, repository, passed)


def standing(tx: Tx, repository: str, *, named: str, head: str) -> Feature | None:
    """Return the feature that a landing of this head belongs to: the one the push names, or the one that is about it.

    A name that nobody started comes back as a feature that has passed nothing.
    """
    if named:
        found = feature(tx, repository, named) or Feature(named, repository)
        return Feature(found.name, repository, found.passed, named=True)
    sql = "select name from feature where repository=? and commit_name=? order by passed desc, name limit 1"
    row = tx.execute(sql, (repository, head)).fetchone()
    return feature(tx, repository, row[0]) if row else None


def evidence(tx: Tx, repository: str, name: str) -> tuple[Evidence, ...]:
    """Return the evidence that is not stale, by people who are still enrolled, signed with keys not revoked since."""
    sql = (
        "select e.seq, e.stage, e.commit_name, e.principal, e.role, e.operator, e.human from gate_evidence e "
        "join signing_key k on k.fingerprint=e.key and k.revoked_seq is null "
        "join principal p on p.name=e.principal and p.retired_seq is null "
        "where e.repository=? and e.feature=? and e.stale_seq is null order by e.seq"
    )
    rows = tx.execute(sql, (repository, name)).fetchall()
    return tuple(Evidence(row[0], STAGES[row[1]], row[2], row[3], row[4], row[5], bool(row[6])) for row in rows)


def asked(tx: Tx, repository: str, name: str) -> dict[str, Any] | None:
    """Return the advance that was asked for last and is not co-signed yet."""
    sql = "select stage, seq, by, commit_name, evidence from gate_asked where repository=? and feature=?"
    row = tx.execute(sql, (repository, name)).fetchone()
    if row is None:
        return None
    return {"stage": STAGES[row[0]], "entry": row[1], "by": row[2], "commit": row[3], "evidence": row[4]}


def listed(tx: Tx, repository: str) -> list[dict[str, Any]]:
    """Return the features of a repository by name."""
    sql = "select name, passed, commit_name, started_by, seq from feature where repository=? order by name"
    names = ("name", "passed", "commit", "started_by", "entry")
    rows = [dict(zip(names, row, strict=True)) for row in tx.execute(sql, (repository,)).fetchall()]
    return [row | {"stage": STAGES[row["passed"]] if row["passed"] < len(STAGES) else ""} for row in rows]


def given(tx: Tx, repository: str, name: str) -> list[dict[str, Any]]:
    """Return all evidence of a feature, what is stale as well, as it is shown."""
    sql = (
        "select seq, stage, commit_name, principal, role, digest, note, stale_seq from gate_evidence "
        "where repository=? and feature=? order by seq"
    )
    names = ("entry", "stage", "commit", "by", "role", "digest", "note", "stale")
    rows = tx.execute(sql, (repository, name)).fetchall()
    return [dict(zip(names, (row[0], STAGES[row[1]], *row[2:]), strict=True)) for row in rows]


def _started(tx: Tx, entry: Entry, data: Data) -> None:
    row = (entry.repo, data["feature"], entry.actor.id, entry.seq)
    tx.execute("insert into feature values(?,?,'',0,?,?)", row)
    repositories.statement(tx, entry, data)


def _evidence(tx: Tx, entry: Entry, data: Data) -> None:
    name, stage, commit = data["feature"], STAGES.index(data["stage"]), data["head"]
    sql = "delete from gate_asked where repository=? and feature=? and stage=? and commit_name=?"
    tx.execute(sql, (entry.repo, name, stage, commit))
    who = data["by"]
    bound = (entry.actor.id, who["role"], who["operator"], int(who["human"]))
    row = (entry.seq, entry.repo, name, stage, commit, *bound, data["digest"], data["note"], entry.actor.key)
    tx.execute("insert into gate_evidence values(?,?,?,?,?,?,?,?,?,?,?,?,null)", row)
    repositories.statement(tx, entry, data)


def _asked(tx: Tx, entry: Entry, data: Data) -> None:
    text = ",".join(str(seq) for seq in data["evidence"])
    row = (entry.repo, data["feature"], STAGES.index(data["stage"]), entry.seq, entry.actor.id, data["head"], text)
    sql = (
        "insert into gate_asked values(?,?,?,?,?,?,?) on conflict(repository, feature) do update set "
        "stage=excluded.stage, seq=excluded.seq, by=excluded.by, commit_name=excluded.commit_name, "
        "evidence=excluded.evidence"
    )
    tx.execute(sql, row)
    repositories.statement(tx, entry, data)


def _advanced(tx: Tx, entry: Entry, data: Data) -> None:
    name, stage, commit = data["feature"], STAGES.index(data["stage"]), data["head"]
    where = "repository=? and feature=?"
    # Passed again for a new commit, a stage undoes every later one, and what was said of other commits.
    sql = f"update gate_evidence set stale_seq=? where {where} and stage>=? and commit_name<>? and stale_seq is null"  # noqa: S608 - our own text
    tx.execute(sql, (entry.seq, entry.repo, name, stage, commit))
    tx.execute(f"delete from gate_passed where {where} and stage>=?", (entry.repo, name, stage))  # noqa: S608 - our own text
    tx.execute("insert into gate_passed values(?,?,?,?,?)", (entry.repo, name, stage, commit, entry.seq))
    tx.execute("update feature set passed=? where repository=? and name=?", (stage + 1, entry.repo, name))
    if stage <= FIRST_OF_ONE:
        of = commit if stage == FIRST_OF_ONE else ""  # The commit whose test fails is not the one that lands.
        tx.execute("update feature set commit_name=? where repository=? and name=?", (of, entry.repo, name))
    tx.execute("delete from gate_asked where repository=? and feature=?", (entry.repo, name))
    repositories.statement(tx, entry, data)


FOLDS: Mapping[Kind, Callable[[Tx, Entry, Data], None]] = {
    Kind.GATE_STARTED: _started,
    Kind.GATE_EVIDENCE: _evidence,
    Kind.GATE_ASKED: _asked,
    Kind.GATE_ADVANCED: _advanced,
}
