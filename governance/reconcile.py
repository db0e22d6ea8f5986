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
from governance.state import status
from governance.state.fold import Tx
from governance.state.status import Refs

Line = tuple[str, str, str]


def _leave(path: Path, held: frozenset[str]) -> None:
    """Leave everything where it is."""
    del path, held


@dataclass(frozen=True, slots=True)
class World:
    """What the reconciler asks of the machine the repository is on."""

    refs: Callable[[Path], Refs]
    alive: Callable[[str], bool]
    """Whether the process that a reservation is named for still runs."""
    pin: Callable[[Path, str, str, str], None]
    """(repository, ref, oid, reservation): create a ref that was promised."""
    mark_frozen: Callable[[Path, str], None]
    tidy: Callable[[Path, frozenset[str]], None] = _leave
    """(repository, handles still held): remove reservation files that no push needs any more."""


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
        first = self._look(repository, path)
        pins, suspects = self._service.ledger.run(lambda tx: _close(tx, repository, first))
        for handle, oid, ref in pins:
            self._world.pin(path, ref, oid, handle)  # The spool will say that it was made.
        drifted: list[Line] = []
        if suspects:
            second = self._look(repository, path)  # Once more: a freeze is loud, and a look may have been unlucky.
            drifted = self._service.ledger.run(lambda tx: _freeze(tx, repository, suspects, second))
        if drifted:
            self._world.mark_frozen(path, f"{len(drifted)} refs moved behind our back")
        with self._service.read() as tx:  # As it is now: a push decided since the look may need its file for a pin.
            held = frozenset(handle for _, handle, _ in _open(tx, repository))
        self._world.tidy(path, held)
        return drifted

    def _look(self, repository: str, path: Path) -> Look:
        """Look at the repository. The order matters: what is over before the refs are read has left its traces.

        A push that ends while we look is not judged by it: its process was alive, or it was decided after `horizon`.
        """
        with self._service.read() as tx:
            horizon = tx.execute("select coalesce(max(seq), -1) from ledger_entry").fetchone()[0]
            handles = [handle for _, handle, _ in _open(tx, repository)]
        over = frozenset(handle for handle in handles if not self._world.alive(handle))
        refs = self._world.refs(path)
        self.drain(repository, path)
        return Look(horizon, over, refs)


@dataclass(frozen=True, slots=True)
class Look:
    """One look at a repository: up to which entry, which of the reservations held then are over, and its refs."""

    horizon: int
    over: frozenset[str]
    refs: Refs


def _close(tx: Transaction, repository: str, look: Look) -> tuple[list[Line], list[Line]]:
    """Close reservations whose push is over. Return pins still to be made, and refs that nothing explains."""
    held: set[str] = set()
    pins: list[Line] = []
    for seq, handle, lines in _open(tx, repository):
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
        unmoved = [line for line in still if line not in promised and _value(look.refs, line[2], line[0]) == line[0]]
        if unmoved:
            landed = any(ref in done for ref, _ in _decided(tx, seq)["landed"])
            tx.append(record.released(seq, unmoved, repository=repository, landed=landed))
    return pins, [line for line in status.drift(tx, repository, look.refs, until=look.horizon) if line[0] not in held]


def _apply_all(tx: Transaction, repository: str, by_handle: Mapping[str, Iterable[Line]]) -> int:
    written = 0
    for seq, handle, lines in _open(tx, repository):
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


def _open(tx: Tx, repository: str) -> list[tuple[int, str, list[Line]]]:
    sql = "select seq, handle, old, new, ref from reservation where repository=? and state='reserved' order by seq"
    found: dict[int, tuple[int, str, list[Line]]] = {}
    for seq, handle, old, new, ref in tx.execute(sql, (repository,)).fetchall():
        found.setdefault(seq, (seq, handle, []))[2].append((old, new, ref))
    return list(found.values())


def _carried_out(tx: Tx, seq: int) -> dict[str, str]:
    """Return the refs that a decision has moved, and where to."""
    sql = "select ref, new from reservation where seq=? and state='applied'"
    return dict(tx.execute(sql, (seq,)).fetchall())


def _freeze(tx: Transaction, repository: str, suspects: Iterable[Line], look: Look) -> list[Line]:
    """Freeze if a suspect still differs at the second look, and no push under way explains it."""
    moving = {ref for _, handle, lines in _open(tx, repository) if handle not in look.over for _, _, ref in lines}
    still = {
        line[0]: line for line in status.drift(tx, repository, look.refs, until=look.horizon) if line[0] not in moving
    }
    drifted = [still[ref] for ref, _, _ in suspects if ref in still]
    frozen = tx.execute("select 1 from freeze where repository=? and lifted_seq is null", (repository,)).fetchone()
    if drifted and frozen is None:
        tx.append(record.drifted(drifted, repository=repository))
    return drifted


def _value(actual: Refs, ref: str, like: str) -> str:
    """Return a ref's value, all zeros of the right length where it does not exist."""
    return actual.get(ref, ("0" * len(like), ""))[0]
