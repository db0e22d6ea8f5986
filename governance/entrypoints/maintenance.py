"""Maintenance, as the service sees it: asked for by the git user on the hook's socket, allowed, checked, recorded.

Packing refs and objects keeps every ref's value, but git announces it as creations and deletions, which the
transaction hook refuses. So it runs under a reservation of its own, and every ref is compared afterwards. It needs no
principal: who may write the repository's files may pack them, and a timer of the git user can do it every night.
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

from audit.entry import Draft
from governance.entrypoints.frames import frame, send
from governance.errors import ConflictError, DeniedError, FactsError, GovernanceError
from governance.reconcile import Reconciler
from governance.record import SERVICE, Kind, legible
from governance.service import Service
from governance.state import read, status
from governance.state.fold import Tx
from governance.stops import thawing

LONG_S = 12 * 3600
END_LIMIT = 64 * 1024


class Maintenance:
    """One for each service. Blocking work is done on other threads: pushes are judged meanwhile."""

    def __init__(self, service: Service, look: Tx, reconciler: Reconciler) -> None:
        self._service = service
        self._look = look
        self._reconciler = reconciler

    async def serve(self, payload: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, uid: int) -> None:
        """Answer one request from beginning to end; what breaks off is recorded too."""
        try:
            repository = _known(self._look, _object(payload).get("repository"), uid)
            begun, lines = await asyncio.to_thread(self._begin, repository)
        except GovernanceError as exc:
            await send(writer, json.dumps({"code": exc.code, "message": str(exc), "mend": exc.mend}))
            return
        done: dict[str, Any] = {"ok": False, "said": "it broke off"}
        try:
            await send(writer, json.dumps({"entry": begun, "reserve": lines}))
            done = _object(await frame(reader, END_LIMIT, patience=LONG_S))
        finally:
            ended = await asyncio.to_thread(self._end, repository, begun, done)
        await send(writer, json.dumps(ended))

    def _begin(self, repository: dict[str, Any]) -> tuple[int, list[list[str]]]:
        """Refuse where refs are not as recorded; else write down what is about to happen, and let it."""
        name = repository["name"]
        self._reconciler.check(name, Path(repository["path"]))
        with self._service.read() as tx:
            at = self._service.now(tx)
            freezes = [freeze for freeze in read.freezes(tx, name, at=at) if freeze.whole]
            refs = status.refs(tx, name)
        if freezes:
            said = f"{name} is frozen since entry {freezes[0].seq}: {freezes[0].reason}"
            raise ConflictError(said, code="maintain.frozen", mend=thawing(freezes[0]))
        draft = Draft(Kind.MAINTENANCE_BEGUN.value, SERVICE, name, name, {"refs": len(refs)})
        begun = self._service.ledger.run(lambda tx: tx.append(draft).seq)
        lines = []
        for ref, oid in sorted(refs.items()):
            zero = "0" * len(oid)
            lines += [[zero, oid, ref], [oid, zero, ref]]
        return begun, lines

    def _end(self, repository: dict[str, Any], begun: int, done: dict[str, Any]) -> dict[str, Any]:
        """Compare every ref once more, and write down how it went."""
        name = repository["name"]
        drifted = self._reconciler.check(name, Path(repository["path"]))
        good = done.get("ok") is True and not drifted
        data = {
            "begun": begun,
            "ok": good,
            "said": legible(str(done.get("said", ""))),
            "drifted": len(drifted),
            **{key: value for key in ("before", "after") if type(value := done.get(key)) is int and value >= 0},
        }
        draft = Draft(Kind.MAINTENANCE_ENDED.value, SERVICE, name, name, data)
        entry = self._service.ledger.run(lambda tx: tx.append(draft).seq)
        return {**data, "entry": entry}


def _known(tx: Tx, identifier: object, uid: int) -> dict[str, Any]:
    repository = read.repository_by_id(tx, str(identifier))
    if uid != repository["git_uid"]:
        said = f"uid {uid} is not the git user of {repository['name']} (uid {repository['git_uid']})"
        raise DeniedError(said, code="identity.not_git_user")
    return repository


def _object(payload: bytes) -> dict[str, Any]:
    try:
        found = json.loads(payload)
    except ValueError as exc:
        raise FactsError("expected a JSON object in this frame", code="facts.frame") from exc
    if not isinstance(found, dict):
        raise FactsError("expected a JSON object in this frame", code="facts.frame")
    return found
