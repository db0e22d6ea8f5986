"""What became of what was reserved, and which refs nothing explains: under the ledger lock, from one look at them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from audit.transaction import Transaction
from governance import continuity, record
from governance.ports import Watch
from governance.state import read, status
from governance.state.fold import Tx
from governance.state.status import Refs

Line = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Look:
    """One look at a repository: up to which entry, which of the reservations held then are over, and its refs."""

    horizon: int
    over: frozenset[str]
    refs: Refs


def close(tx: Transaction, repository: str, look: Look) -> tuple[list[Line], list[Line]]:
    """Close reservations whose push is over. Return pins still to be made, and refs that nothing explains."""
    held: set[str] = set()
    pins: list[Line] = []
    for seq, handle, lines in under_way(tx, repository):
        if handle not in look.over or seq > look.horizon:
            held |= {ref for _, _, ref in lines}
            continue
        moved = [line for line in lines if _value(look.refs, line[2], line[1]) == line[1]]
        if moved:
            _applied(tx, repository, seq, moved)
        done = _carried_out(tx, seq)
        still = [line for line in lines if line not in moved]
        promised = [line for line in still if line[2].startswith(record.PINS) and line[1] in done.values()]
        pins += [(handle, new, ref) for _, new, ref in promised]
        unmoved = [line for line in still if line not in promised and _unmoved(tx, repository, look.refs, line)]
        if unmoved:
            landed = any(ref in done for ref, _ in _decided(tx, seq)["landed"])
            tx.append(record.released(seq, unmoved, repository=repository, landed=landed))
    for seq in _let_go(tx, repository):
        tx.append(record.released(seq, (), repository=repository, landed=False))
    return pins, [line for line in status.drift(tx, repository, look.refs, until=look.horizon) if line[0] not in held]


def _let_go(tx: Tx, repository: str) -> list[int]:
    """Return decisions to land that hold nothing any more: an owner took their refs over, thawing or adopting."""
    sql = (
        "select decided_seq from landing l where repository=? and closed_seq is null and state='landing' "
        "and not exists (select 1 from reservation r where r.seq=l.decided_seq and r.state='reserved')"
    )
    return [row[0] for row in tx.execute(sql, (repository,)).fetchall()]


def apply_all(tx: Transaction, repository: str, by_handle: Mapping[str, Iterable[Line]]) -> int:
    """Record what notes of the transaction hook say was carried out, by handle; return how many entries that made."""
    written = 0
    for seq, handle, lines in under_way(tx, repository):
        moved = [line for line in by_handle.get(handle, ()) if line in lines]
        if moved:
            _applied(tx, repository, seq, moved)
            written += 1
    return written


def _applied(tx: Transaction, repository: str, seq: int, moved: list[Line]) -> None:
    tx.append(record.applied(_decided(tx, seq), seq, moved, repository=repository))


def _decided(tx: Tx, seq: int) -> dict[str, Any]:
    """Return what a decision's entry says."""
    body = tx.execute("select body from ledger_entry where seq=?", (seq,)).fetchone()[0]
    data: dict[str, Any] = json.loads(body)["data"]
    return data


def under_way(tx: Tx, repository: str) -> list[tuple[int, str, list[Line]]]:
    """Return (decision, handle, lines) of everything that is still reserved."""
    sql = "select seq, handle, old, new, ref from reservation where repository=? and state='reserved' order by seq"
    found: dict[int, tuple[int, str, list[Line]]] = {}
    for seq, handle, old, new, ref in tx.execute(sql, (repository,)).fetchall():
        found.setdefault(seq, (seq, handle, []))[2].append((old, new, ref))
    return list(found.values())


def _carried_out(tx: Tx, seq: int) -> dict[str, str]:
    """Return the refs that a decision has moved, and where to."""
    sql = "select ref, new from reservation where seq=? and state='applied'"
    return dict(tx.execute(sql, (seq,)).fetchall())


def judge(
    tx: Transaction, repository: str, suspects: Iterable[Line], look: Look, watch: Watch | None, since: int | None
) -> tuple[list[Line], bool]:
    """Write down what is news: a drift freezes. Return the refs that drifted, and whether all was well."""
    drifted = _drifted(tx, repository, suspects, look)
    enforced = read.repository(tx, repository)["mode"] != "observe"
    frozen = tx.execute('select 1 from "freeze" where repository=? and lifted_seq is null', (repository,)).fetchone()
    if drifted and enforced and frozen is None:
        tx.append(record.drifted(drifted, repository=repository))
    return drifted, continuity.look(tx, repository, watch, drifted, since=since)


def _drifted(tx: Transaction, repository: str, suspects: Iterable[Line], look: Look) -> list[Line]:
    """Return the suspects that still differ at the second look, and that no push under way explains."""
    moving = {ref for _, handle, lines in under_way(tx, repository) if handle not in look.over for _, _, ref in lines}
    still = {
        line[0]: line for line in status.drift(tx, repository, look.refs, until=look.horizon) if line[0] not in moving
    }
    return [still[ref] for ref, _, _ in suspects if ref in still]


def _unmoved(tx: Tx, repository: str, actual: Refs, line: Line) -> bool:
    """Whether a ref stands where it stood, or where it is known to have gone since without what was reserved."""
    old, _, ref = line
    return _value(actual, ref, old) in {old, read.ref_value(tx, repository, ref) or "0" * len(old)}


def _value(actual: Refs, ref: str, like: str) -> str:
    """Return a ref's value, all zeros of the right length where it does not exist."""
    return actual.get(ref, ("0" * len(like), ""))[0]
