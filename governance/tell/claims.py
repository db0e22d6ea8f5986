"""Who sends what just now: claims on deliveries, taken and given back under the ledger's lock.

So of two rounds at once, or of two replicas, one sends. A claim ends by itself: what a killed process had in hand is
sent by the next, with the same key, which a receiver can tell. That is the one case in which something is sent twice.

More than `flood` messages of one severity to one recipient within an hour, and what is beyond is gathered: one message
that lists all that waits, ten minutes after the last. The members of a message stay what they were when it is retried.

Pauses, claims and floods are counted by the clock itself, not by the ledger's time, which stands still behind a clock
that jumped ahead and came back: what lies further ahead than it can is of such a jump, and counts as over.
"""

from __future__ import annotations

import hashlib
from collections.abc import Container
from dataclasses import dataclass, replace
from typing import Any

from audit.entry import Draft, Entry
from audit.transaction import Transaction
from governance.record import SERVICE, Kind
from governance.severity import CRITICAL, HIGH, LOW, MEDIUM, PERSONAL, REPORT
from governance.state.notices import DELIVERED, GIVEN_UP, HOUR_MS
from governance.state.tx import Tx
from governance.tell.backoff import GIVE_UP_ATTEMPTS, GIVE_UP_MS, WISH_MOST_MS, pause, wish

LEASE_MS = 2 * 60_000
"""How long a claim lasts that nobody renews."""
GATHER_MS = 10 * 60_000
GATHERED_MOST = 2000
"""Notices in one message; their numbers must fit into its entry."""
ORDER = (PERSONAL, CRITICAL, HIGH, MEDIUM, LOW, REPORT)
"""What goes first."""

_MINE = "channel=? and to_=?"
_FREE = "(a.next_at<=? or a.next_at>?) and (a.claimed_until<=? or a.claimed_until>?)"


@dataclass(frozen=True, slots=True)
class Claim:
    """One message that is ours to send now."""

    channel: str
    to: str
    severity: str
    key: str
    notices: tuple[int, ...]
    attempts: int
    first_at: int


def take(tx: Transaction, channel: str, to: str, *, now: int, flood: int, busy: Container[str] = ()) -> Claim | None:
    """Return the next message for a recipient, claimed; None where nothing is due. `busy` is what we have in hand."""
    sql = "select 1 from channel_hold where channel=? and until>? and until<=?"
    if tx.execute(sql, (channel, now, now + WISH_MOST_MS)).fetchone() is not None:
        return None
    again = _due_again(tx, channel, to, busy, now)
    fresh = _fresh(tx, channel, to, flood, now)
    if fresh is None or (again is not None and ORDER.index(again.severity) < ORDER.index(fresh.severity)):
        return _reclaimed(tx, again, now) if again else None
    for notice in fresh.notices:
        row = (notice, channel, to, fresh.key, fresh.severity, now, now, now + LEASE_MS)
        tx.execute("insert into delivery_attempt values(?,?,?,?,?,1,?,?,?,'')", row)
    return fresh


def _due_again(tx: Transaction, channel: str, to: str, busy: Container[str], now: int) -> Claim | None:
    sql = (
        "select distinct a.key, a.severity, a.attempts, a.first_at, a.next_at from delivery_attempt a "  # noqa: S608
        "join delivery d on d.notice=a.notice and d.channel=a.channel and d.to_=a.to_ and d.state='open' "
        f"where a.channel=? and a.to_=? and {_FREE}"
    )
    rows = tx.execute(sql, (channel, to, *_free(now))).fetchall()
    rows = sorted((ORDER.index(row[1]), row[4], row[0], row) for row in rows if row[0] not in busy)
    if not rows:
        return None
    key, severity, attempts, first_at, _ = rows[0][-1]
    sql = (
        "select a.notice from delivery_attempt a join delivery d on d.notice=a.notice and d.channel=a.channel "
        "and d.to_=a.to_ and d.state='open' where a.channel=? and a.to_=? and a.key=? order by a.notice"
    )
    notices = tuple(row[0] for row in tx.execute(sql, (channel, to, key)).fetchall())
    return Claim(channel, to, severity, key, notices, attempts, first_at)


def _reclaimed(tx: Transaction, claim: Claim, now: int) -> Claim:
    sql = f"update delivery_attempt set attempts=attempts+1, claimed_until=? where {_MINE} and key=?"  # noqa: S608
    tx.execute(sql, (now + LEASE_MS, claim.channel, claim.to, claim.key))
    return replace(claim, attempts=claim.attempts + 1)


def _fresh(tx: Transaction, channel: str, to: str, flood: int, now: int) -> Claim | None:
    """Return what nobody has tried yet: one notice, or all of a severity where there are too many."""
    sql = (
        "select d.notice, d.ts from delivery d left join delivery_attempt a on a.notice=d.notice "
        "and a.channel=d.channel and a.to_=d.to_ "
        "where d.channel=? and d.to_=? and d.state='open' and d.severity=? and a.notice is null "
        "order by d.notice limit ?"
    )
    for severity in ORDER:
        found = tx.execute(sql, (channel, to, severity, GATHERED_MOST)).fetchall()
        notices = [row[0] for row in found]
        if not notices:
            continue
        if severity in {PERSONAL, REPORT} or _recent(tx, channel, to, severity, now) < flood:
            notices = notices[:1]
        elif not _quiet(tx, channel, to, severity, now):
            continue
        # With its time: a ledger that was restored and went on otherwise tells something else under the same number.
        named = f"{channel}|{to}|{found[0][1]}|{','.join(map(str, notices))}"
        key = hashlib.sha256(named.encode()).hexdigest()[:32]
        return Claim(channel, to, severity, key, tuple(notices), 1, now)
    return None


def _recent(tx: Transaction, channel: str, to: str, severity: str, now: int) -> int:
    """Count the messages of a severity that went out within the hour, and those that are still tried."""
    sql = f"select count(*) from delivered_lately where {_MINE} and severity=? and at>? and at<=?"  # noqa: S608
    sent: int = tx.execute(sql, (channel, to, severity, now - HOUR_MS, now)).fetchone()[0]
    sql = f"select count(distinct key) from delivery_attempt where {_MINE} and severity=?"  # noqa: S608
    trying: int = tx.execute(sql, (channel, to, severity)).fetchone()[0]
    return sent + trying


def _quiet(tx: Transaction, channel: str, to: str, severity: str, now: int) -> bool:
    """Whether no message of a severity was sent or first tried just now."""
    since = now - GATHER_MS
    sql = f"select 1 from delivered_lately where {_MINE} and severity=? and at>? and at<=? limit 1"  # noqa: S608
    if tx.execute(sql, (channel, to, severity, since, now)).fetchone() is not None:
        return False
    sql = f"select 1 from delivery_attempt where {_MINE} and severity=? and first_at>? and first_at<=? limit 1"  # noqa: S608
    return tx.execute(sql, (channel, to, severity, since, now)).fetchone() is None


def renew(tx: Transaction, claim: Claim, *, now: int) -> None:
    """Keep a claim while its message is still being sent."""
    sql = f"update delivery_attempt set claimed_until=? where {_MINE} and key=? and attempts=?"  # noqa: S608
    tx.execute(sql, (now + LEASE_MS, claim.channel, claim.to, claim.key, claim.attempts))


def close(tx: Transaction, claim: Claim, outcome: str = DELIVERED, *, now: int, said: str = "") -> Entry:
    """Record what became of a message. Whoever records it again gets the same entry."""
    data: dict[str, Any] = {"notices": list(claim.notices), "channel": claim.channel, "to": claim.to}
    data |= {"outcome": outcome, "attempts": claim.attempts, "key": claim.key, "said": said}
    subject = f"{claim.channel} {claim.to}".strip()
    entry = tx.append(Draft(Kind.NOTICE_CLOSED.value, SERVICE, "", subject, data), key=f"notice.closed/{claim.key}")
    tx.execute(f"delete from delivery_attempt where {_MINE} and key=?", (claim.channel, claim.to, claim.key))  # noqa: S608
    if outcome == DELIVERED:
        tx.execute("delete from delivered_lately where at<=? or at>?", (now - HOUR_MS, now))
        row = (claim.channel, claim.to, claim.key, claim.severity, now)
        tx.execute("insert into delivered_lately values(?,?,?,?,?) on conflict(key) do nothing", row)
    return entry


def put_off(tx: Transaction, claim: Claim, *, now: int, said: str, wish_ms: int = 0) -> str:
    """Have a message tried again, or give it up a day after the first attempt; return which."""
    if wish_ms:
        sql = "insert into channel_hold values(?,?) on conflict(channel) do update set until=excluded.until"
        tx.execute(sql, (claim.channel, now + wish(wish_ms)))
    last = claim.first_at + GIVE_UP_MS
    if now >= last and claim.attempts >= GIVE_UP_ATTEMPTS:
        close(tx, claim, GIVEN_UP, now=now, said=said)
        return GIVEN_UP
    again = now + pause(claim.key, claim.attempts, wish_ms=wish_ms)
    again = min(again, last) if now < last else again
    sql = f"update delivery_attempt set next_at=?, claimed_until=0, said=? where {_MINE} and key=? and attempts=?"  # noqa: S608
    tx.execute(sql, (again, said, claim.channel, claim.to, claim.key, claim.attempts))
    return "again"


def release(tx: Transaction) -> None:
    """End every claim: for a process that has just begun and has the ledger to itself."""
    tx.execute("update delivery_attempt set claimed_until=0 where claimed_until>0")


def due(look: Tx, channel: str, to: str, *, now: int) -> bool:
    """Whether `take` may find something: asked before the ledger's lock is."""
    fresh = (
        "select 1 from delivery d left join delivery_attempt a on a.notice=d.notice and a.channel=d.channel and "
        "a.to_=d.to_ where d.channel=? and d.to_=? and d.state='open' and a.notice is null limit 1"
    )
    if look.execute(fresh, (channel, to)).fetchone() is not None:
        return True
    sql = f"select 1 from delivery_attempt a where a.channel=? and a.to_=? and {_FREE} limit 1"  # noqa: S608
    return look.execute(sql, (channel, to, *_free(now))).fetchone() is not None


def _free(now: int) -> tuple[int, int, int, int]:
    return now, now + WISH_MOST_MS, now, now + LEASE_MS


def recipients(look: Tx, channel: str) -> list[str]:
    """Return for whom something waits on a channel: first for whom the most urgent does, so that no code waits long."""
    sql = "select distinct to_, severity from delivery where channel=? and state='open'"
    ranked: dict[str, int] = {}
    for to, severity in look.execute(sql, (channel,)).fetchall():
        ranked[to] = min(ranked.get(to, len(ORDER)), ORDER.index(severity))
    return sorted(ranked, key=lambda to: (ranked[to], to))
