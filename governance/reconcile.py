"""What git really did, compared with what the ledger says: applied, released, or moved behind our back.

A reservation is released only after its ref has been read and found unmoved, or gone where the ledger knows it to be,
and the process that held it is gone.
A ref that has another value than the ledger recorded, with no reservation to explain it, freezes its repository.
Where nothing is enforced it is taken as it is, and remembered as unreviewed.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from governance import moves
from governance.coordinate import in_flight
from governance.moves import Line, Look
from governance.ports import Watch
from governance.service import Service
from governance.state import read, stops
from governance.state.status import Refs


def _leave(path: Path, held: frozenset[str]) -> None:
    """Leave everything where it is."""
    del path, held


def _unwatched(path: Path, repository: Mapping[str, Any]) -> None:
    """Look at no hooks."""
    del path, repository


def _unmarked(path: Path) -> None:
    """Have no markers."""
    del path


def _unrevoked(path: Path, handles: frozenset[str]) -> None:
    """Revoke nothing."""
    del path, handles


@dataclass(frozen=True, slots=True)
class World:
    """What the reconciler asks of the machine the repository is on."""

    refs: Callable[[Path], Refs]
    alive: Callable[[str], bool]
    """Whether the process that a reservation is named for still runs."""
    pin: Callable[[Path, str, str, str], None]
    """(repository, ref, oid, reservation): create a ref that was promised."""
    mark_frozen: Callable[[Path, str], None]
    """(repository, why): make git refuse to move anything there."""
    tidy: Callable[[Path, frozenset[str]], None] = _leave
    """(repository, handles still held): remove reservation files that no push needs any more."""
    watch: Callable[[Path, Mapping[str, Any]], Watch | None] = _unwatched
    """(repository, what is recorded of it): hooks and configuration as they are."""
    lift: Callable[[Path], None] = _unmarked
    """Let git move refs there again."""
    revoke: Callable[[Path, frozenset[str]], None] = _unrevoked
    """(repository, handles): make git refuse what these reserved, and nothing else any more."""


class Reconciler:
    """One for each service; remembers how far it has read each repository's spool."""

    def __init__(self, service: Service, world: World) -> None:
        self._service = service
        self._world = world
        self._read: dict[str, int] = {}
        self._well: dict[str, int] = {}
        """When each repository was last seen to be well, by the service's clock."""
        self._marking = threading.Lock()
        self._ends: dict[str, int] = {}
        """When the next freeze of each repository that is marked ends by itself."""

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
        written = self._service.ledger.run(lambda tx: moves.apply_all(tx, repository, by_handle)) if by_handle else 0
        self._read[repository] = start + whole
        return written

    def check(self, repository: str, path: Path, *, hooks: bool = False) -> list[Line]:
        """Compare every ref with the ledger, and on request the hooks; close what is over, freeze on drift or lapse.

        Return the refs that drifted.
        """
        now = self._service.clock()
        watch = self._watch(repository, path) if hooks else None
        first = self._look(repository, path)
        pins, suspects = self._service.ledger.run(lambda tx: moves.close(tx, repository, first))
        for handle, oid, ref in pins:
            self._world.pin(path, ref, oid, handle)  # The spool will say that it was made.
        drifted: list[Line] = []
        if suspects or watch is not None:
            # Refs once more: a freeze is loud, and a look may have been unlucky.
            second = self._look(repository, path) if suspects else first
            since = self._well.get(repository)
            judged = self._service.ledger.run(lambda tx: moves.judge(tx, repository, suspects, second, watch, since))
            drifted, well = judged
            if watch is not None and well:
                self._well[repository] = now
        self.mark(repository, path)
        with self._service.read() as tx:  # As it is now: a push decided since the look may need its file for a pin.
            held = frozenset(handle for _, handle, _ in moves.under_way(tx, repository))
        self._world.tidy(path, held)
        return drifted

    def mark(self, repository: str, path: Path) -> None:
        """Let the markers in the repository say whether it is frozen, and which pushes under way may not move.

        The one place that sets them and takes them away: under a lock, so that one who found it frozen does not set
        the marker after another who thawed it. Another replica has another lock: whoever wrote looks once more.
        """
        with self._marking:
            written = None
            while (now := self._stopped(repository)) != written:
                why, handles = written = now
                if why:
                    self._world.mark_frozen(path, why)
                else:
                    self._world.lift(path)
                self._world.revoke(path, handles)

    def _stopped(self, repository: str) -> tuple[str, frozenset[str]]:
        """Return why a repository is frozen, empty if it is not, and the reservations that must not be carried out."""
        with self._service.read() as tx:
            at = self._service.now(tx)
            standing = stops.freezes(tx, repository, at=at)
            self._ends[repository] = min((f.expires_at for f in standing if f.expires_at), default=0)
            # The hook prints this as it is, to a terminal: it is our own text, no ref names, no reason.
            why = next((freeze.said for freeze in standing if freeze.whole), "")
            return why, in_flight.revoked(tx, repository, at=at)

    def mark_all(self) -> None:
        """Likewise in every repository: for what is not about one alone."""
        with self._service.read() as tx:
            governed = read.repositories(tx)
        for repository in governed:
            self.mark(repository["name"], Path(repository["path"]))

    def tick(self, repository: str, path: Path) -> None:
        """Take the markers away of a freeze that has ended by itself."""
        ends = self._ends.get(repository, 0)
        if ends and ends <= self._service.clock():
            self.mark(repository, path)

    def _watch(self, repository: str, path: Path) -> Watch | None:
        with self._service.read() as tx:
            known = read.repository(tx, repository)
        return self._world.watch(path, known)

    def _look(self, repository: str, path: Path) -> Look:
        """Look at the repository. The order matters: what is over before the refs are read has left its traces.

        A push that ends while we look is not judged by it: its process was alive, or it was decided after `horizon`.
        """
        with self._service.read() as tx:
            horizon = tx.execute("select coalesce(max(seq), -1) from ledger_entry").fetchone()[0]
            handles = [handle for _, handle, _ in moves.under_way(tx, repository)]
        over = frozenset(handle for handle in handles if not self._world.alive(handle))
        refs = self._world.refs(path)
        self.drain(repository, path)
        return Look(horizon, over, refs)
