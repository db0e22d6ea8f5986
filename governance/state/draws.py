"""Tertiary review: epochs, landing slots, what was drawn and what became of it.

Folded from entries; read under the ledger lock for a decision.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from audit.entry import Entry
from governance.carry import signed_off
from governance.draws import APPROVE, BLOCK, DISMISS, Draw, Drawn, Epoch, Owed, ThirdReview, Told, commitment
from governance.facts import UpdateFacts
from governance.ports import DrawKeys
from governance.record import Kind
from governance.standing import ChangeStanding, Roster
from governance.state import repositories
from governance.state.tx import Tx

Data = Mapping[str, Any]

TABLES: tuple[str, ...] = ("draw_epoch", "draw_slot", "draw", "third_review")

SCHEMA = """
create table if not exists draw_epoch(
  epoch integer primary key, commitment text not null, percent integer not null, floor_slots integer not null,
  opened_at integer not null, opened_seq integer not null, revealed_seq integer, key text not null) strict;
create index if not exists draw_epoch_open on draw_epoch(epoch) where revealed_seq is null;
create table if not exists draw_slot(
  epoch integer not null, operator text not null, used integer not null, primary key(epoch, operator))
  strict, without rowid;
create table if not exists draw(
  epoch integer not null, operator text not null, slot integer not null, selected integer not null,
  repository text not null, number integer not null, diff_digest text not null, author text not null,
  reviewers text not null, marks text not null, more integer not null, at integer not null, seq integer not null,
  settled_seq integer, primary key(epoch, operator, slot)) strict, without rowid;
create index if not exists draw_change on draw(repository, number) where selected = 1;
create index if not exists draw_digest on draw(repository, diff_digest);
create index if not exists draw_owed on draw(repository) where selected = 1 and settled_seq is null;
create index if not exists draw_seq on draw(seq);
create table if not exists third_review(
  seq integer primary key, repository text not null, number integer not null, patch_set integer not null,
  diff_digest text not null, principal text not null, verdict text not null, key text not null) strict;
create index if not exists third_review_digest on third_review(repository, diff_digest);
"""

MOST_OWED = 200
"""Nobody who owes a review is drawn again, so that there are never more than there are authors."""

_DRAW = "epoch, operator, slot, selected, reviewers, number, author, diff_digest, at"


def standing(
    tx: Tx, update: UpdateFacts, change: ChangeStanding | None, roster: Roster, keys: DrawKeys
) -> Drawn | None:
    """Return what a landing must know of the draw; None where nothing is drawn or owed."""
    repository = update.push.repository
    epoch = open_epoch(tx)
    waiting = owed(tx, repository)
    if epoch is None and not waiting:
        return None
    if change is None:
        return Drawn(epoch=epoch, owed=waiting)
    author = _author(tx, repository, change.number)
    who = roster.get(author)
    operator = who.operator if who is not None else author
    digest = signed_off(update)[-1]
    return Drawn(
        epoch=epoch,
        key=_key(epoch, keys),
        author=author,
        operator=operator,
        slot=_next_slot(tx, epoch, operator),
        before=_before(tx, repository, change.number, digest),
        reviews=reviews(tx, repository, digest),
        owed=waiting,
    )


def open_epoch(tx: Tx) -> Epoch | None:
    """Return the epoch whose key is not revealed yet."""
    sql = (
        "select epoch, commitment, opened_at, percent, floor_slots from draw_epoch "
        "where revealed_seq is null order by epoch desc limit 1"
    )
    row = tx.execute(sql).fetchone()
    return Epoch(*row) if row else None


def owed(tx: Tx, repository: str) -> tuple[Owed, ...]:
    """Return the drawn changes that nobody has looked at."""
    sql = (
        "select number, author, operator, marks, more, reviewers from draw "
        "where repository=? and selected=1 and settled_seq is null order by epoch, operator, slot limit ?"
    )
    return tuple(
        Owed(number, author, operator, frozenset(json.loads(marks)), bool(more), next(iter(json.loads(reviewers)), ""))
        for number, author, operator, marks, more, reviewers in tx.execute(sql, (repository, MOST_OWED))
    )


def reviews(tx: Tx, repository: str, digest: str) -> tuple[ThirdReview, ...]:
    """Return what third parties said of a difference, with keys that are still good."""
    sql = (
        "select t.principal, t.verdict, t.patch_set, t.seq from third_review t "
        "left join signing_key k on k.fingerprint = t.key where t.repository=? and t.diff_digest=? "
        "and t.verdict <> ? and (t.verdict <> ? or k.revoked_seq is null) order by t.seq"
    )
    return tuple(ThirdReview(*row) for row in tx.execute(sql, (repository, digest, DISMISS, APPROVE)))


def told(tx: Tx, repository: str, *, since: int) -> list[Told]:
    """Return what third parties said since then, of what its author's approvers had signed off."""
    sql = (
        "select e.body from third_review t join ledger_entry e on e.seq=t.seq "
        "where t.repository=? and t.verdict<>? and e.ts>? order by t.seq"
    )
    bodies = (row[0] for row in tx.execute(sql, (repository, DISMISS, since)).fetchall())
    found = (json.loads(body)["data"] for body in bodies if body is not None)  # Pruned ones are gone.
    return [
        Told((data["change"], data["diff_digest"]), data["author"], tuple(data["approvers"]), data["verdict"] == BLOCK)
        for data in found
    ]


def drawn_for(tx: Tx, repository: str, number: int, digest: str) -> Draw | None:
    """Return the draw that decides about this patch set of a change; None where there was none."""
    return _before(tx, repository, number, digest)


def _key(epoch: Epoch | None, keys: DrawKeys) -> bytes:
    """Return the key that the open epoch is committed to; empty where it cannot be had."""
    key = keys.get(epoch.number) if epoch else b""
    return key if epoch and commitment(key) == epoch.commitment else b""


def _author(tx: Tx, repository: str, number: int) -> str:
    row = tx.execute("select author from change where repository=? and number=?", (repository, number)).fetchone()
    return row[0] if row else ""


def _next_slot(tx: Tx, epoch: Epoch | None, operator: str) -> int:
    number = epoch.number if epoch else -1
    row = tx.execute("select used from draw_slot where epoch=? and operator=?", (number, operator)).fetchone()
    return row[0] if row else 0


def _before(tx: Tx, repository: str, number: int, digest: str) -> Draw | None:
    """Return what was drawn for this change, whatever its patch set, or for this difference, whatever its change."""
    # Two questions, each with its index: asked as one, SQLite walks every draw of the repository.
    asked = f"select {_DRAW}, seq from draw where repository=?"  # noqa: S608 - our own text
    mine = f"{asked} and number=? and selected=1 order by seq desc limit 1"
    same = f"{asked} and diff_digest=? order by selected desc, seq desc limit 1"
    row = tx.execute(mine, (repository, number)).fetchone() or tx.execute(same, (repository, digest)).fetchone()
    if row is None:
        return None
    epoch, operator, slot, selected, reviewers, *about, _ = row
    return Draw(epoch, operator, slot, bool(selected), tuple(json.loads(reviewers)), *about)


def _epoch_opened(tx: Tx, entry: Entry, data: Data) -> None:
    row = (data["epoch"], data["commitment"], data["percent"], data["floor_slots"], data["opens_at"], entry.seq)
    tx.execute("insert into draw_epoch values(?,?,?,?,?,?,null,'')", row)


def _epoch_revealed(tx: Tx, entry: Entry, data: Data) -> None:
    sql = "update draw_epoch set revealed_seq=?, key=? where epoch=?"
    tx.execute(sql, (entry.seq, data["key"], data["epoch"]))


def _drawn(tx: Tx, entry: Entry, data: Data) -> None:
    for _, number, epoch, operator, slot, selected, reviewers, digest, author, marks, more in data.get("draws", ()):
        about = (entry.repo, number, digest, author, _text(reviewers), _text(marks), more, entry.ts, entry.seq)
        row = (epoch, operator, slot, selected, *about)
        tx.execute("insert into draw values(?,?,?,?,?,?,?,?,?,?,?,?,?,null)", row)
        sql = (
            "insert into draw_slot values(?,?,?) on conflict(epoch, operator) "
            "do update set used=excluded.used where excluded.used > draw_slot.used"
        )
        tx.execute(sql, (epoch, operator, slot + 1))


def _given(tx: Tx, entry: Entry, data: Data) -> None:
    row = (entry.seq, entry.repo, data["change"], data["patch_set"], data["diff_digest"], entry.actor.id)
    tx.execute("insert into third_review values(?,?,?,?,?,?,?,?)", (*row, data["verdict"], entry.actor.key))
    if data["verdict"] in {APPROVE, DISMISS}:
        _settle(tx, entry, data["change"])
    repositories.statement(tx, entry, data)


def _landed(tx: Tx, entry: Entry, data: Data) -> None:
    """Owe nothing for what landed all the same, by an override: two people review that."""
    for number in data["landed"]:
        _settle(tx, entry, number)


def _settle(tx: Tx, entry: Entry, number: int) -> None:
    sql = "update draw set settled_seq=? where repository=? and number=? and selected=1 and settled_seq is null"
    tx.execute(sql, (entry.seq, entry.repo, number))


def _text(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


FOLDS: Mapping[Kind, Callable[[Tx, Entry, Data], None]] = {
    Kind.DRAW_EPOCH_OPENED: _epoch_opened,
    Kind.DRAW_EPOCH_REVEALED: _epoch_revealed,
    Kind.PUSH_DECIDED: _drawn,
    Kind.PUSH_APPLIED: _landed,
    Kind.TERTIARY_GIVEN: _given,
}
