"""Canaries, reviews as they were given, and findings.

Folded from entries; read under the ledger lock for a decision. An entry holds only keyed marks of what a canary is made
of; their key and the canary itself are values kept beside the ledger, until it is revealed.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from audit.entry import Entry
from governance.errors import RecordError
from governance.record import Kind
from governance.state import repositories
from governance.state.tx import Tx

Data = Mapping[str, Any]

TABLES: tuple[str, ...] = ("canary", "canary_mark", "canary_answer", "opening", "review", "finding", "look")

SCHEMA = """
create table if not exists canary(
  seq integer primary key, repository text not null, at integer not null, revealed_seq integer, told_seq integer)
  strict;
create index if not exists canary_hidden on canary(seq) where revealed_seq is null;
create table if not exists canary_mark(mark text primary key, seq integer not null) strict, without rowid;
create table if not exists canary_answer(
  seq integer not null, reviewer text not null, missed integer not null, primary key(seq, reviewer))
  strict, without rowid;
create table if not exists opening(
  repository text not null, number integer not null, patch_set integer not null, author text not null,
  units integer not null, part text not null, at integer not null, primary key(repository, number, patch_set))
  strict, without rowid;
create table if not exists review(
  seq integer primary key, repository text not null, number integer not null, author text not null,
  approver text not null, verdict text not null, units integer not null, part text not null,
  opened_at integer not null, at integer not null) strict;
create index if not exists review_at on review(repository, at);
create table if not exists finding(
  name text not null, seq integer not null, place integer not null, repository text not null, pattern text not null,
  until integer not null, primary key(name, seq, place)) strict, without rowid;
create index if not exists finding_until on finding(name, until);
create table if not exists look(repository text primary key, seq integer not null, at integer not null)
  strict, without rowid;
"""

PARTS = 2
"""Folders of a path that name the part of the repository it is in."""
CHUNK = 400
NEVER = 2**53 - 1
FEW = 3
"""Reasons for a third reviewer that one decision names."""


def _planted(tx: Tx, entry: Entry, data: Data) -> None:
    tx.execute("insert into canary values(?,?,?,null,null)", (entry.seq, entry.repo, entry.ts))
    _marks(tx, data["marks"], entry.seq)
    repositories.statement(tx, entry, data)


def _marks(tx: Tx, marks: Iterable[str], seq: int) -> None:
    for mark in marks:
        tx.execute("insert into canary_mark values(?,?) on conflict(mark) do nothing", (mark, seq))


def _revealed(tx: Tx, entry: Entry, data: Data) -> None:
    tx.execute("update canary set revealed_seq=? where seq=?", (entry.seq, data["planted"]))
    _marks(tx, data["canary"]["reserved"], data["planted"])
    for reviewer, missed in data["answers"]:
        tx.execute("insert into canary_answer values(?,?,?)", (data["planted"], reviewer, int(missed)))
    repositories.statement(tx, entry, data)


def _decided(tx: Tx, entry: Entry, data: Data) -> None:
    if data.get("canary"):
        tx.execute("update canary set told_seq=? where seq=? and told_seq is null", (entry.seq, data["canary"]))
    for opened in data.get("opens", ()) if data["allowed"] else ():
        about = opened["about"]
        part = _part(about.get("paths", ()))
        row = (entry.repo, opened["change"], opened["patch_set"], entry.actor.id, about.get("units", 0), part, entry.ts)
        tx.execute("insert into opening values(?,?,?,?,?,?,?)", row)


def _part(paths: Iterable[str]) -> str:
    """Return the folder that most of these paths are in; of several, the first by name."""
    folders = ["/".join(path.split("/")[:-1][:PARTS]) for path in paths]
    return max(sorted(set(folders)), key=folders.count, default="")


def _given(tx: Tx, entry: Entry, data: Data) -> None:
    bound = data["binding"]
    sql = (
        "insert into review select ?, repository, number, author, ?, ?, units, part, at, ? from opening "
        "where repository=? and number=? and patch_set=?"
    )
    where = (entry.repo, bound["change"], bound["patch_set"])
    tx.execute(sql, (entry.seq, entry.actor.id, data["verdict"], entry.ts, *where))


def _found(tx: Tx, entry: Entry, data: Data) -> None:
    for place, found in enumerate(data["found"]):
        for name in found["people"]:
            row = (name, entry.seq, place, entry.repo, found["pattern"], data["until"])
            tx.execute("insert into finding values(?,?,?,?,?,?)", row)
    sql = "insert into look values(?,?,?) on conflict(repository) do update set seq=excluded.seq, at=excluded.at"
    tx.execute(sql, (entry.repo, entry.seq, entry.ts))
    repositories.statement(tx, entry, data)


FOLDS: Mapping[Kind, Callable[[Tx, Entry, Data], None]] = {
    Kind.CANARY_PLANTED: _planted,
    Kind.CANARY_REVEALED: _revealed,
    Kind.PUSH_DECIDED: _decided,
    Kind.SIGN_OFF_GIVEN: _given,
    Kind.FINDING_RECORDED: _found,
}


def third(tx: Tx, contributors: Iterable[str], now: int) -> tuple[str, ...]:
    """Return why a change of these contributors needs a third reviewer; nothing where no finding is in force."""
    sql = "select seq, pattern from finding where name=? and until>? order by seq desc limit ?"
    found = {
        f"finding of entry {seq} about {name} ({pattern})": None
        for name in sorted(set(contributors))
        for seq, pattern in tx.execute(sql, (name, now, FEW)).fetchall()
    }
    return tuple(found)[:FEW]


def mark(key: str, value: str) -> str:
    """Return what stands in an entry for a digest that nobody may recognise."""
    return hmac.digest(key.encode(), value.encode(), "sha256").hex()


def hidden_key(tx: Tx) -> str:
    """Return the key that all canaries not revealed yet are marked with; empty where there is none.

    Raises:
        RecordError: It was erased or pruned, so that a canary could not be told from a change.
    """
    row = tx.execute("select seq from canary where revealed_seq is null order by seq limit 1").fetchone()
    if row is None:
        return ""
    kept = tx.execute("select value from ledger_private where seq=? and field='key'", (row[0],)).fetchone()
    if kept is None:
        raise RecordError(
            f"the key of the canary of entry {row[0]} is gone; nothing can be told from it, nothing lands"
        )
    return str(kept[0])


def reserved(tx: Tx, values: Callable[[], Iterable[str]]) -> int:
    """Return the entry of the canary that one of these object names or digests belongs to; 0 for none."""
    if tx.execute("select 1 from canary limit 1").fetchone() is None:
        return 0
    names = {value for value in values() if value}
    key = hidden_key(tx)
    wanted = sorted(names | ({mark(key, name) for name in names} if key else set()))
    for first in range(0, len(wanted), CHUNK):
        some = wanted[first : first + CHUNK]
        sql = f"select seq from canary_mark where mark in ({','.join('?' * len(some))}) order by seq limit 1"  # noqa: S608 - question marks
        row = tx.execute(sql, tuple(some)).fetchone()
        if row is not None:
            return int(row[0])
    return 0


def planted(tx: Tx, repository: str) -> list[dict[str, Any]]:
    """Return every canary of a repository with what it is made of and what became of it. Never for an agent's eyes."""
    found = []
    sql = "select seq, revealed_seq, told_seq from canary where repository=? order by seq"
    for seq, revealed, told in tx.execute(sql, (repository,)).fetchall():
        kept = tx.execute("select value, salt from ledger_private where seq=? and field='canary'", (seq,)).fetchone()
        about = json.loads(kept[0]) if kept else {}
        number, answers = _answers(tx, repository, about.get("reserved", ()), told or NEVER)
        salt = bytes(kept[1]).hex() if kept else ""
        found.append(
            {"seq": seq, "revealed": revealed, "change": number, "answers": answers, "canary": about, "salt": salt}
        )
    return found


def _answers(tx: Tx, repository: str, values: Iterable[str], told: int) -> tuple[int, list[list[Any]]]:
    """Return the change that a canary was opened as, 0 for none, and who approved it: the last answer of each.

    Before a refusal told what it is: who takes their word back afterwards has missed it all the same.
    """
    names = list(values)
    marks = ",".join("?" * len(names))
    sql = (
        f"select number from patch_set where repository=? and (tree in ({marks}) or diff_digest in ({marks})) "  # noqa: S608 - question marks
        "order by number limit 1"
    )
    row = tx.execute(sql, (repository, *names, *names)).fetchone() if names else None
    if row is None:
        return 0, []
    sql = (
        "select principal, verdict from sign_off where coalesce(withdrawn_seq, ?) >= ? and seq in (select max(seq) "
        "from sign_off where repository=? and number=? and seq<? group by principal) order by principal"
    )
    found = tx.execute(sql, (NEVER, told, repository, row[0], told)).fetchall()
    return row[0], [[who, verdict == "approve"] for who, verdict in found]


def count(tx: Tx, repository: str, *, since: int) -> int:
    """Return how many canaries were planted since then."""
    sql = "select count(*) from canary where repository=? and at>?"
    return int(tx.execute(sql, (repository, since)).fetchone()[0])


def misses(tx: Tx, repository: str) -> list[tuple[str, int, int]]:
    """Return (reviewer, canaries missed, canaries answered), of those that were revealed."""
    sql = (
        "select reviewer, sum(missed), count(*) from canary_answer join canary using(seq) where repository=? "
        "group by reviewer order by reviewer"
    )
    return [(who, int(missed), int(count)) for who, missed, count in tx.execute(sql, (repository,)).fetchall()]


def reviews(tx: Tx, repository: str, *, since: int) -> list[tuple[Any, ...]]:
    """Return (at, author, approver, verdict, units, opened_at, part) of each review since then, canaries left out."""
    hidden = {canary["change"] for canary in planted(tx, repository)}
    sql = (
        "select number, at, author, approver, verdict, units, opened_at, part from review "
        "where repository=? and at>? order by seq"
    )
    return [tuple(row[1:]) for row in tx.execute(sql, (repository, since)).fetchall() if row[0] not in hidden]


def last_look(tx: Tx, repository: str) -> int:
    """Return when the reviews were last judged; 0 for never."""
    row = tx.execute("select at from look where repository=?", (repository,)).fetchone()
    return int(row[0]) if row else 0
