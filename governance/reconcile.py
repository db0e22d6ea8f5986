"""What git really did, compared with what the ledger says: applied, released, or moved behind our back.

A reservation is released only after its ref has been read and found unmoved and the process that held it is gone.
A ref that has another value than the ledger recorded, with no reservation to explain it, freezes its repository.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from audit.transaction import Transaction
from governance import record
from governance.service import Service
from governance.state.fold import Tx

Line = tuple[str, str, str]
Refs = Mapping[str, tuple[str, str]]


@dataclass(frozen=True, slots=True)
class World:
    """What the reconciler asks of the machine the repository is on."""

    refs: Callable[[Path], Refs]
    alive: Callable[[str], bool]
    """Whether the process that a reservation is named for still runs."""
    pin: Callable[[Path, str, str, str], None]
    """(repository, ref, oid, reservation): create a ref that was promised."""
    mark_frozen: Callable[[Path, str], None]


class Reconciler:
    """One for each service; remembers how far it has read each repository's spool."""

    def __init__(self, service: Service, world: World) -> None:
        self._service = service
        self._world = world
        self._read: dict[str, int] = {}

    def drain(self, repository: str, path: Path) -> int:
        """Record what the spool says was applied since the last look; return how many entries that made."""
        spool = path / "twinseal" / "applied"
        try:
            size = spool.stat().st_size
        except FileNotFoundError:
            return 0
        start = self._read.get(repository, 0)
        if size == start:
            return 0
        start = start if size > start else 0  # It was cut or replaced: what is closed already is not closed again.
        with spool.open("rb") as file:
            file.seek(start)
            data = file.read(size - start)
        whole = data.rfind(b"\n") + 1
        by_handle: dict[str, list[Line]] = {}
        for raw in data[:whole].decode("ascii", "replace").splitlines():
            handle, *line = raw.split(" ")
            if len(line) == 3:  # noqa: PLR2004 - old, new, ref
                by_handle.setdefault(handle, []).append((line[0], line[1], line[2]))
        written = self._service.ledger.run(lambda tx: _apply_all(tx, repository, by_handle)) if by_handle else 0
        self._read[repository] = start + whole
        return written

    def check(self, repository: str, path: Path) -> list[Line]:
        """Compare every ref with the ledger; close what is over, freeze on drift. Return the refs that drifted."""
        self.drain(repository, path)
        with self._service.read() as tx:
            horizon = tx.execute("select coalesce(max(seq), -1) from ledger_entry").fetchone()[0]
        actual = self._world.refs(path)
        suspects, pins = self._service.ledger.run(lambda tx: self._close(tx, repository, actual, horizon))
        for handle, oid, ref in pins:
            self._world.pin(path, ref, oid, handle)  # The spool will say that it was made.
        if not suspects:
            return []
        again = self._world.refs(path)  # Once more: a freeze is loud, and a look may have been unlucky.
        drifted: list[Line] = self._service.ledger.run(lambda tx: _freeze(tx, repository, suspects, again))
        if drifted:
            self._world.mark_frozen(path, f"{len(drifted)} refs moved behind our back")
        return drifted

    def _close(self, tx: Transaction, repository: str, actual: Refs, horizon: int) -> tuple[list[Line], list[Line]]:
        """Close reservations whose push is over. Return suspects, and pins still to be made."""
        held: set[str] = set()
        pins: list[Line] = []
        for seq, handle, lines in _open(tx, repository):
            if self._world.alive(handle) or seq > horizon:
                held |= {ref for _, _, ref in lines}
                continue
            moved = [line for line in lines if _value(actual, line[2], line[1]) == line[1]]
            if moved:
                _applied(tx, repository, seq, moved)
            still = [line for line in lines if line not in moved]
            promised = [line for line in still if line[2].startswith(record.PINS)] if _landed(tx, seq) else []
            pins += [(handle, new, ref) for _, new, ref in promised]
            held |= {ref for _, _, ref in promised}
            unmoved = [line for line in still if line not in promised and _value(actual, line[2], line[0]) == line[0]]
            if unmoved:
                tx.append(record.released(seq, unmoved, repository=repository, landed=_landed(tx, seq)))
        return [line for line in _differences(tx, repository, actual, horizon) if line[0] not in held], pins


def _apply_all(tx: Transaction, repository: str, by_handle: Mapping[str, Iterable[Line]]) -> int:
    written = 0
    for seq, handle, lines in _open(tx, repository):
        moved = [line for line in by_handle.get(handle, ()) if line in lines]
        if moved:
            _applied(tx, repository, seq, moved)
            written += 1
    return written


def _applied(tx: Transaction, repository: str, seq: int, moved: list[Line]) -> None:
    body = tx.execute("select body from ledger_entry where seq=?", (seq,)).fetchone()[0]
    data: dict[str, Any] = json.loads(body)["data"]
    tx.append(record.applied(data, seq, moved, repository=repository))


def _open(tx: Tx, repository: str) -> list[tuple[int, str, list[Line]]]:
    sql = "select seq, handle, old, new, ref from reservation where repository=? and state='reserved' order by seq"
    found: dict[int, tuple[int, str, list[Line]]] = {}
    for seq, handle, old, new, ref in tx.execute(sql, (repository,)).fetchall():
        found.setdefault(seq, (seq, handle, []))[2].append((old, new, ref))
    return list(found.values())


def _landed(tx: Tx, seq: int) -> bool:
    """Whether a line of this decision was carried out; its sign-offs stay spent then."""
    sql = "select 1 from reservation where seq=? and state='applied' limit 1"
    return tx.execute(sql, (seq,)).fetchone() is not None


def _differences(tx: Tx, repository: str, actual: Refs, horizon: int) -> list[Line]:
    """Return (ref, recorded, found) of every ref that differs and was not recorded after we looked."""
    sql = "select ref, oid, seq from ref_value where repository=?"
    recorded = {ref: (oid, seq) for ref, oid, seq in tx.execute(sql, (repository,)).fetchall()}
    found = []
    for ref in sorted(recorded.keys() | actual.keys()):
        oid, seq = recorded.get(ref, ("", -1))
        value, symref = actual.get(ref, ("", ""))
        if (value != oid or symref) and seq <= horizon:
            found.append((ref, oid, f"-> {symref}" if symref else value))
    return found


def _freeze(tx: Transaction, repository: str, suspects: Iterable[Line], actual: Refs) -> list[Line]:
    still = {line[0]: line for line in _differences(tx, repository, actual, 2**53)}
    drifted = [still[ref] for ref, _, _ in suspects if ref in still]
    frozen = tx.execute("select 1 from freeze where repository=? and lifted_seq is null", (repository,)).fetchone()
    if drifted and frozen is None:
        tx.append(record.drifted(drifted, repository=repository))
    return drifted


def _value(actual: Refs, ref: str, like: str) -> str:
    """Return a ref's value, all zeros of the right length where it does not exist."""
    return actual.get(ref, ("0" * len(like), ""))[0]
