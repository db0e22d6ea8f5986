"""This machine, as the reconciler asks it: refs, processes, hooks, markers. What fails is logged, and tried again."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Container, Mapping
from pathlib import Path
from typing import Any

import structlog

from governance.adapters import freeze_marks, git, hook_watch, processes
from governance.errors import FactsError
from governance.hosts import HOSTS
from governance.ports import Watch
from governance.reconcile import World

log = structlog.get_logger()


def world(socket: Path, underway: Container[str] = ()) -> World:
    """Return this machine, as the reconciler asks it. A landing lives as long as it is `underway` in this process."""

    def alive(handle: str) -> bool:
        return handle in underway or processes.alive(handle.removeprefix(processes.MAINTENANCE))

    def tidy(path: Path, held: frozenset[str]) -> None:
        _tidy(path, held, alive)

    def mark(path: Path, reason: str) -> None:
        _mark_frozen(path, reason, socket)

    def lift(path: Path) -> None:
        try:
            freeze_marks.lift(path, socket=socket)
        except OSError as exc:
            log.warning("freeze.not_lifted", path=str(path), error=str(exc))  # The next look tries again.

    def watch(path: Path, repository: Mapping[str, Any]) -> Watch:
        return hook_watch.watch(
            path, identifier=repository["id"], socket=socket, dispatched=HOSTS[repository["host"]].dispatched
        )

    return World(refs=git.refs, alive=alive, pin=_pin, mark_frozen=mark, tidy=tidy, watch=watch, lift=lift)


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
