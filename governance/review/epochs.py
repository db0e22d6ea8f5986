"""Open and close the epochs of the tertiary draw: the key is committed to first, and shown when it is over.

Old key and new commitment stand in one transaction, so that there is no moment in which nothing is drawn.
"""

from __future__ import annotations

from audit.entry import Draft
from audit.transaction import Transaction
from governance.draws import DAY_MS, Epoch, commitment
from governance.policy import Policy
from governance.ports import DrawKeys
from governance.record import SERVICE, Kind
from governance.service import Service
from governance.state import draws, read
from governance.state.fold import Tx

OVER, LOST = "over", "lost"


def tend(service: Service) -> None:
    """Open an epoch where none is, and close one that is over or whose key is lost. Of several replicas one does."""
    with service.read() as tx:
        due = _due(tx, service.draw_keys, read.policy(tx), now=service.clock())
    if due:
        service.ledger.run(lambda tx: _tend(tx, service.draw_keys, service.under_lock.policy(tx)))


def _due(tx: Tx, keys: DrawKeys, policy: Policy, *, now: int) -> bool:
    epoch = draws.open_epoch(tx)
    return _wanted(policy) if epoch is None else bool(_ends(epoch, keys, policy, now=now))


def _wanted(policy: Policy) -> bool:
    numbers = policy.controls.tertiary
    return bool(numbers.percent or numbers.floor_slots)


def _ends(epoch: Epoch, keys: DrawKeys, policy: Policy, *, now: int) -> str:
    """Return why an epoch ends now; empty while it lasts."""
    if commitment(keys.get(epoch.number)) != epoch.commitment:
        return LOST
    return OVER if now - epoch.opened_at >= policy.controls.tertiary.epoch_days * DAY_MS else ""


def _tend(tx: Transaction, keys: DrawKeys, policy: Policy) -> None:
    """Do it under the lock, if it is still to be done."""
    epoch = draws.open_epoch(tx)
    if epoch is not None:
        why = _ends(epoch, keys, policy, now=tx.now)
        if not why:
            return
        tx.append(_revealed(epoch, keys.get(epoch.number) if why == OVER else b"", why))
    number = 1 + tx.execute("select coalesce(max(epoch), 0) from draw_epoch").fetchone()[0]
    key = keys.make(number) if _wanted(policy) else b""
    if key:
        tx.append(_opened(number, key, policy, now=tx.now))


def _opened(number: int, key: bytes, policy: Policy, *, now: int) -> Draft:
    """Return the entry that commits to a key. The epoch's numbers stand in it: who checks it needs no policy."""
    numbers = policy.controls.tertiary
    data: dict[str, object] = {"epoch": number, "commitment": commitment(key), "opens_at": now}
    data |= {"percent": numbers.percent, "floor_slots": numbers.floor_slots}
    return Draft(kind=Kind.DRAW_EPOCH_OPENED.value, actor=SERVICE, repo="", subject=str(number), data=data)


def _revealed(epoch: Epoch, key: bytes, why: str) -> Draft:
    data: dict[str, object] = {"epoch": epoch.number, "key": key.hex(), "reason": why}
    return Draft(kind=Kind.DRAW_EPOCH_REVEALED.value, actor=SERVICE, repo="", subject=str(epoch.number), data=data)
