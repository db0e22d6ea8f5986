"""Grant the write lock: end what is over, and give what is free to the next who waits.

Runs before whatever depends on a lease, and by the service's clockwork; nobody is asked, for the order is the queue's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from audit.entry import Actor, Draft
from audit.transaction import Transaction
from governance import leases
from governance.leases import Asked
from governance.policy import Policy
from governance.record import SERVICE, Kind
from governance.service import Service
from governance.standing import Roster
from governance.state import leases as state
from governance.state import read, stops
from governance.state.tx import Tx
from governance.stops import Freeze, Subject, party

MINUTE_MS = 60 * 1000


def advance(tx: Transaction, repository: str, *, policy: Policy, roster: Roster) -> None:
    """Write down which leases are over, and grant what is free to the next in line. Call under the lock.

    While the repository or everything is frozen nothing is granted; the queue waits, and leases end as they would.
    Whoever is frozen by role or operator keeps nobody waiting: what they hold or wait for is over.
    """
    asked = state.open_(tx, repository)
    if not asked:
        return
    freezes = read.freezes(tx, repository, at=tx.now)
    left: list[Asked] = []
    for each in asked:
        if why := _ended(tx, each, freezes, roster, tx.now):
            tx.append(over(each, why, SERVICE))
        else:
            left.append(each)
    if any(freeze.whole for freeze in freezes):
        return
    for scope in sorted({each.scope for each in left}):
        line = [each for each in left if each.scope == scope]
        if not any(each.token for each in line):
            _grant(tx, line, policy=policy, roster=roster)


def tick(service: Service) -> None:
    """Advance where something is due: for the service's own clockwork, when nobody asks."""
    with service.read() as tx:
        now = service.now(tx)
        roster = read.roster(tx)
        due = [name for name in state.repositories_open(tx) if _due(tx, name, roster, now)]

    def command(tx: Transaction) -> None:
        lock = service.under_lock
        for name in due:
            advance(tx, name, policy=lock.policy(tx), roster=lock.roster(tx))

    if due:
        service.ledger.run(command)


def _due(tx: Tx, repository: str, roster: Roster, now: int) -> bool:
    asked, freezes = state.open_(tx, repository), read.freezes(tx, repository, at=now)
    held = {each.scope for each in asked if each.token}
    return any(each.scope not in held or _ended(tx, each, freezes, roster, now) for each in asked)


def _ended(tx: Tx, asked: Asked, freezes: Sequence[Freeze], roster: Roster, now: int) -> str:
    """Return why a lease, or a place in the queue, is over; empty while it is not."""
    if asked.token and asked.ends_at <= now:
        return "expired"
    who = roster.get(asked.principal)
    if who is not None and party(freezes, role=who.role, operator=who.operator, at=now) is not None:
        return "frozen"
    if stops.vetoed(tx, asked.repository, Subject.LOCK, str(asked.token or asked.seq)):
        return "vetoed"
    sql = (
        "select 1 from principal p join token t on t.principal=p.name join signing_key k on k.principal=p.name "
        "where p.name=? and p.retired_seq is null and t.id=? and t.revoked_seq is null "
        "and k.fingerprint=? and k.revoked_seq is null"
    )
    return "" if tx.execute(sql, (asked.principal, asked.auth, asked.key)).fetchone() else "revoked"


def _grant(tx: Transaction, line: Sequence[Asked], *, policy: Policy, roster: Roster) -> None:
    def party(name: str) -> object:
        who = roster.get(name)
        return (who.role, who.operator) if who else name

    first, most = line[0], policy.controls.write_lock.holds_in_row
    last = state.last_holders(tx, first.repository, first.scope, count=most)
    before = state.first(tx, [each.seq for each in line])
    chosen, passed = leases.next_in_line(line, last, party, most=most, first=before)
    data: dict[str, object] = {
        "scope": chosen.scope,
        "request": chosen.seq,
        "principal": chosen.principal,
        "ends_at": tx.now + chosen.minutes * MINUTE_MS,
        "passed": list(passed),
    }
    tx.append(draft(Kind.LOCK_GRANTED, chosen.repository, data, SERVICE))


def over(asked: Asked, why: str, actor: Actor, **more: object) -> Draft:
    """Return the entry that ends a lease, or a place in the queue."""
    data = {"scope": asked.scope, "request": asked.seq, "token": asked.token, "why": why, **more}
    return draft(Kind.LOCK_RELEASED, asked.repository, data, actor)


def draft(kind: Kind, repository: str, data: Mapping[str, object], actor: Actor) -> Draft:
    """Return an entry about a scope of a repository."""
    return Draft(kind=kind.value, actor=actor, repo=repository, subject=str(data["scope"]), data=dict(data))
