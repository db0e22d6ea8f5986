"""This machine, as the reconciler asks it: refs, processes, hooks, markers. What fails is logged, and tried again."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Container, Mapping, Sequence
from pathlib import Path
from typing import Any

import structlog

from governance.adapters import freeze_marks, git, hook_files, hook_watch, processes
from governance.errors import FactsError
from governance.hosts import HOSTS
from governance.ports import Watch
from governance.reconcile import World

CHECKPOINT = "c-"
"""What the reservation of a checkpoint's ref begins with, before its process."""

log = structlog.get_logger()


def world(sockets: Sequence[Path], underway: Container[str] = ()) -> World:
    """Return this machine, as the reconciler asks it. A landing lives as long as it is `underway` in this process.

    `sockets` are our own first, then those of the other replicas on this machine.
    """
    ours = "-".join(map(str, processes.this()))

    def alive(handle: str) -> bool:
        process, own = _process(handle)
        # Of what another replica does we know only that, as long as it runs, it will close it itself.
        return handle in underway or (not (own and process == ours) and processes.alive(process))

    def tidy(path: Path, held: frozenset[str]) -> None:
        _tidy(path, held, alive)

    def mark(path: Path, reason: str) -> None:
        _mark_frozen(path, reason, hook_files.asks(path, sockets))

    def lift(path: Path) -> None:
        try:
            freeze_marks.lift(path, socket=hook_files.asks(path, sockets))
        except OSError as exc:
            log.warning("freeze.not_lifted", path=str(path), error=str(exc))  # The next look tries again.

    def watch(path: Path, repository: Mapping[str, Any]) -> Watch:
        socket, dispatched = hook_files.asks(path, sockets), HOSTS[repository["host"]].dispatched
        return hook_watch.watch(path, identifier=repository["id"], socket=socket, dispatched=dispatched)

    def revoke(path: Path, handles: frozenset[str]) -> None:
        try:
            freeze_marks.revoke(path, handles, socket=hook_files.asks(path, sockets))
        except OSError as exc:
            log.warning("push.not_revoked", path=str(path), error=str(exc))  # The next look tries again.

    return World(
        refs=git.refs, alive=alive, pin=_pin, mark_frozen=mark, tidy=tidy, watch=watch, lift=lift, revoke=revoke
    )


def _process(handle: str) -> tuple[str, bool]:
    """Return the process that a handle names, and whether it is a service's own move: a landing, a checkpoint."""
    checkpoint = handle.startswith(CHECKPOINT)
    pid, _, rest = handle.removeprefix(CHECKPOINT).removeprefix(processes.MAINTENANCE).partition("-")
    start, _, landing = rest.partition("-")
    return f"{pid}-{start}", checkpoint or bool(landing)


def _pin(path: Path, ref: str, oid: str, handle: str) -> None:
    try:
        git.create_ref(path, ref, oid, reservation=handle)
    except FactsError as exc:
        log.warning("pin.failed", ref=ref, error=str(exc))  # The next round tries again; the reservation stays.


def _tidy(path: Path, held: frozenset[str], alive: Callable[[str], bool]) -> None:
    """Remove reservation files of processes that are gone, so that a later one with the same id finds none."""
    for file in (path / "twinseal" / "reservations").glob("*[0-9]-[0-9]*"):
        name = file.name.removeprefix(".")  # So one is called while it is being written.
        if name not in held and not alive(name):
            with contextlib.suppress(OSError):
                file.unlink()


def _mark_frozen(path: Path, reason: str, socket: Path) -> None:
    try:
        freeze_marks.mark(path, reason, socket=socket)
    except OSError as exc:
        log.warning("freeze.not_marked", path=str(path), error=str(exc))
