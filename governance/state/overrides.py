"""Overrides: asked for, signed by three, used, reviewed afterwards.

Folded from entries; read under the ledger lock for a decision.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from audit.entry import Entry
from governance.draws import HOUR_MS
from governance.facts import UpdateFacts
from governance.policy import Policy
from governance.record import Kind
from governance.standing import ChangeStanding
from governance.state import repositories, stops
from governance.state.tx import Tx

Data = Mapping[str, Any]

TABLES: tuple[str, ...] = ("override", "override_review")

SCHEMA = """
create table if not exists override(
  seq integer primary key, repository text not null, number integer not null, patch_set integer not null,
  head text not null, reason text not null, asked_by text not null, asked_key text not null, asked_at integer not null,
  expires_at integer not null, librarian text not null, librarian_key text not null, owner text not null,
  owner_key text not null, used_seq integer, landed_at integer, reviewed_seq integer) strict;
create index if not exists override_head on override(repository, head) where used_seq is null;
create index if not exists override_used on override(used_seq) where used_seq is not null;
create index if not exists override_unreviewed on override(landed_at)
  where landed_at is not null and reviewed_seq is null;
create table if not exists override_review(
  seq integer primary key, override integer not null, principal text not null, verdict text not null,
  reason text not null) strict;
create index if not exists override_review_of on override_review(override);
"""

LIBRARIAN, OWNER = "librarian", "owner"
_NAMES = (
    "seq", "repository", "number", "patch_set", "head", "reason", "asked_by", "asked_at", "expires_at", "librarian",
    "owner", "used_seq", "landed_at", "reviewed_seq",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Override:
    """One break-glass, from asking to the reviews after it."""

    seq: int
    repository: str
    number: int
    patch_set: int
    head: str
    reason: str
    asked_by: str
    asked_at: int
    expires_at: int
    librarian: str
    owner: str
    used_seq: int | None
    landed_at: int | None
    reviewed_seq: int | None

    @property
    def signers(self) -> tuple[str, ...]:
        """Return who has signed it so far."""
        return tuple(filter(None, (self.asked_by, self.librarian, self.owner)))

    @property
    def signed(self) -> bool:
        """Whether all three have."""
        return bool(self.librarian and self.owner)


def standing(tx: Tx, update: UpdateFacts, change: ChangeStanding | None, policy: Policy) -> int:
    """Return the override that stands for exactly this head of this change; 0 for none.

    A push that moves more than one ref has none: an override is for one. Nor does one stand while the role or the
    operator of somebody who signed it is frozen.
    """
    if change is None or len(update.push.refs) != 1 or update.new != change.head:
        return 0
    now = update.push.received_at
    sql = (
        "select o.seq, o.asked_by, o.librarian, o.owner from override o "
        "join signing_key a on a.fingerprint=o.asked_key join signing_key l on l.fingerprint=o.librarian_key "
        "join signing_key w on w.fingerprint=o.owner_key where o.repository=? and o.head=? and o.used_seq is null "
        "and o.number=? and o.patch_set=? and o.expires_at > ? "
        "and a.revoked_seq is null and l.revoked_seq is null and w.revoked_seq is null order by o.seq limit 1"
    )
    asked = (update.push.repository, change.head, change.number, change.patch_set, now)
    row = tx.execute(sql, asked).fetchone()
    if row is None or overdue(tx, policy=policy, now=now):
        return 0
    return 0 if stops.parties(tx, update.push.repository, row[1:], at=now) else int(row[0])


def overdue(tx: Tx, *, policy: Policy, now: int) -> tuple[int, ...]:
    """Return the overrides whose reviews should have been there by now, in whatever repository, the oldest first.

    Not of a repository that an owner took out of governance: nobody can review them any more.
    """
    sql = (
        "select o.seq from override o join repository r on r.name=o.repository where o.landed_at is not null "
        "and o.reviewed_seq is null and o.landed_at <= ? and r.removed_seq is null order by o.landed_at limit 10"
    )
    before = now - policy.controls.override.review_hours * HOUR_MS
    return tuple(row[0] for row in tx.execute(sql, (before,)))


def one(tx: Tx, repository: str, seq: int) -> Override | None:
    """Return one override; None where there is none by that number."""
    row = tx.execute(f"select {', '.join(_NAMES)} from override where repository=? and seq=?", (repository, seq))  # noqa: S608 - our own text
    found = row.fetchone()
    return Override(*found) if found else None


def listed(tx: Tx, repository: str, *, limit: int = 50) -> list[Override]:
    """Return the overrides of a repository, the newest first."""
    sql = f"select {', '.join(_NAMES)} from override where repository=? order by seq desc limit ?"  # noqa: S608 - our own text
    return [Override(*row) for row in tx.execute(sql, (repository, limit)).fetchall()]


def reviews(tx: Tx, seq: int) -> list[tuple[str, str, str]]:
    """Return who has reviewed an override, the verdict and the reason."""
    sql = "select principal, verdict, reason from override_review where override=? order by seq"
    return [tuple(row) for row in tx.execute(sql, (seq,)).fetchall()]


def _asked(tx: Tx, entry: Entry, data: Data) -> None:
    about = (entry.repo, data["change"], data["patch_set"], data["head"], data["reason"])
    row = (entry.seq, *about, entry.actor.id, entry.actor.key, entry.ts, data["expires_at"])
    tx.execute("insert into override values(?,?,?,?,?,?,?,?,?,?,'','','','',null,null,null)", row)
    repositories.statement(tx, entry, data)


def _signed(tx: Tx, entry: Entry, data: Data) -> None:
    who = (entry.actor.id, entry.actor.key, data["override"])
    if data["as"] == LIBRARIAN:
        tx.execute("update override set librarian=?, librarian_key=? where seq=?", who)
    else:
        tx.execute("update override set owner=?, owner_key=? where seq=?", who)
    repositories.statement(tx, entry, data)


def _reviewed(tx: Tx, entry: Entry, data: Data) -> None:
    row = (entry.seq, data["override"], entry.actor.id, data["verdict"], data["reason"])
    tx.execute("insert into override_review values(?,?,?,?,?)", row)
    if data["complete"]:
        tx.execute("update override set reviewed_seq=? where seq=?", (entry.seq, data["override"]))
    repositories.statement(tx, entry, data)


def _used(tx: Tx, entry: Entry, data: Data) -> None:
    if data.get("override") and data["allowed"]:
        tx.execute("update override set used_seq=? where seq=?", (entry.seq, data["override"]))


def _landed(tx: Tx, entry: Entry, data: Data) -> None:
    if data["landed"]:
        sql = "update override set landed_at=? where used_seq=? and landed_at is null"
        tx.execute(sql, (entry.ts, data["decision"]))


def _released(tx: Tx, entry: Entry, data: Data) -> None:
    if data["landed"]:
        _landed(tx, entry, data)
    else:
        sql = "update override set used_seq=null where used_seq=? and landed_at is null"
        tx.execute(sql, (data["decision"],))


FOLDS: Mapping[Kind, Callable[[Tx, Entry, Data], None]] = {
    Kind.OVERRIDE_ASKED: _asked,
    Kind.OVERRIDE_SIGNED: _signed,
    Kind.OVERRIDE_REVIEWED: _reviewed,
    Kind.PUSH_DECIDED: _used,
    Kind.PUSH_APPLIED: _landed,
    Kind.PUSH_RELEASED: _released,
}
