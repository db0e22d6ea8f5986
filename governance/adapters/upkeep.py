"""Maintenance, as the git user runs it: ask the service, reserve, pack, say how it went."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from governance.adapters import histories, processes
from governance.errors import GovernanceError, RequestError, SettingsError, UnavailableError
from governance.record import CHECKPOINTS

PATIENCE_S = 30
TRIES = 3
"""How often refs are packed again because the service showed a checkpoint there meanwhile; it does so seldom."""
FRAME_LIMIT = 64 * 1024 * 1024


def settings(repository: Path) -> dict[str, str]:
    """Return what `repo add` wrote beside the hooks: which repository this is, and where the service listens.

    Raises:
        SettingsError: No governed repository.
    """
    conf = repository / "twinseal" / "conf"
    try:
        found = dict(line.split(" ", 1) for line in conf.read_text(encoding="utf-8").splitlines())
        return {key: found[key] for key in ("repository", "socket")}
    except (OSError, ValueError, KeyError) as exc:
        raise SettingsError(f"{repository} is not governed: {conf} cannot be read", mend="twinseal repo list") from exc


def maintain(repository: Path) -> dict[str, Any]:
    """Pack refs and objects; every ref keeps its value. Return what the service recorded.

    Raises:
        UnavailableError: The service does not answer; nothing was done.
        GovernanceError: It refused, or git failed; what git said is recorded.
    """
    conf = settings(repository)
    with socket.socket(socket.AF_UNIX) as line:
        try:
            line.settimeout(PATIENCE_S)
            line.connect(conf["socket"])
            _send(line, {"v": 1, "kind": "maintain", "repository": conf["repository"]})
            allowed = _receive(line)
            if "reserve" not in allowed:
                raise RequestError(allowed["message"], code=allowed["code"], mend=allowed["mend"])
            _send(line, _packed(repository, allowed["reserve"]))
            return _receive(line)
        except OSError as exc:
            raise UnavailableError(f"nobody answers at {conf['socket']}: {exc}", mend="twinseal serve") from exc


def _packed(repository: Path, lines: Iterable[tuple[str, str, str]]) -> dict[str, Any]:
    """Do it under a reservation that goes when it is done. A packed ref needs none: git moves only loose ones."""
    folder = repository / "twinseal" / "reservations"
    for left in folder.glob(f"{processes.MAINTENANCE}*"):  # Of one that was killed; the service may not write here.
        if not processes.alive(left.name.removeprefix(processes.MAINTENANCE)):
            left.unlink(missing_ok=True)
    # The transaction hook reads one of this name at once, not line by line.
    pid, start = processes.this()
    name = f"{processes.MAINTENANCE}{pid}-{start}"
    reservation = folder / name
    loose = [f"{old} {new} {ref}\n" for old, new, ref in lines if (repository / ref).is_file()]
    before = histories.size(repository)
    try:
        for more in reversed(range(TRIES)):
            reservation.write_text("".join([*loose, *_checkpoint(repository)]), encoding="utf-8")
            try:
                histories.pack_refs(repository, reservation=name)
                break
            except GovernanceError:
                if not more:
                    raise
        histories.collect(repository, reservation=name)
    except (GovernanceError, OSError) as exc:
        return {"ok": False, "said": str(exc), "before": before}
    finally:
        reservation.unlink(missing_ok=True)
    return {"ok": True, "said": "", "before": before, "after": histories.size(repository)}


def _checkpoint(repository: Path) -> list[str]:
    """Return the lines of the ledger's own ref: it stands in no ledger, so the service cannot name them."""
    try:
        oid = (repository / CHECKPOINTS).read_text(encoding="ascii").strip()
    except FileNotFoundError:
        return []
    zero = "0" * len(oid)
    return [f"{zero} {oid} {CHECKPOINTS}\n", f"{oid} {zero} {CHECKPOINTS}\n"]


def _send(line: socket.socket, message: dict[str, Any]) -> None:
    payload = json.dumps(message, separators=(",", ":")).encode()
    line.sendall(b"%d\n" % len(payload) + payload)


def _receive(line: socket.socket) -> dict[str, Any]:
    with line.makefile("rb") as file:
        head = file.readline(12)
        if not head[:-1].isdigit() or int(head) > FRAME_LIMIT:
            raise UnavailableError("the service broke off; nothing more is known", mend="twinseal serve")
        payload = file.read(int(head))
    return dict(json.loads(payload))
