"""Where the hook asks: a Unix socket, length-prefixed frames, the peer's uid from the kernel.

One connection is one push: hello, plan, facts, answer. Whatever goes wrong here is an answer that refuses, or a
closed connection, which the hook takes as one.
"""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from pathlib import Path
from typing import Any

import structlog

from audit.errors import AuditError, EntryError
from governance import explain, gathered
from governance.errors import DeniedError, FactsError, GovernanceError, NotFoundError
from governance.identify import Asker, Identity, identify
from governance.people.sessions import Sessions
from governance.receive import ATTEMPTS, UNDECIDED, Answer, KeysMovedError, Plan, Receiver
from governance.reconcile import Reconciler
from governance.record import PINS
from governance.service import Service
from governance.state.fold import Tx

HELLO_LIMIT = 2 * 1024 * 1024
FACTS_LIMIT = 64 * 1024 * 1024
PATIENCE_S = 60
"""How long a hook may take to gather; large pushes take a second or two."""
LARGE = 64 * 1024
"""Facts above this size are completed on another thread, so that small pushes do not wait."""

log = structlog.get_logger()


class HookSocket:
    """Serves hooks. Reads the state through one connection of its own; decides only through the writer."""

    def __init__(self, service: Service, look: Tx, sessions: Sessions, reconciler: Reconciler) -> None:
        self._service = service
        self._look = look
        self._sessions = sessions
        self._reconciler = reconciler
        self._receiver = Receiver(service)
        self._large = asyncio.Semaphore(1)
        """One large push is judged at a time: its facts take many times their size in memory."""

    async def serve(self, path: Path) -> asyncio.Server:
        """Listen on a socket in a folder that others cannot enter; replaces a stale socket file."""
        listener = _listener(path)
        return await asyncio.start_unix_server(self._connected, sock=listener, limit=LARGE)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            answer = await self._push(reader, writer, _peer_uid(writer))
            await _send(writer, _answer(answer))
        except (OSError, asyncio.IncompleteReadError, TimeoutError):
            log.info("hook.gone")
        except Exception:
            log.exception("hook.broke")  # The hook sees a closed connection, and refuses.
        finally:
            writer.close()

    async def _push(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, uid: int) -> Answer:
        try:
            hello = gathered.hello(await _payload(reader, await _length(reader, HELLO_LIMIT)))
        except FactsError as exc:
            log.warning("hook.malformed", code=exc.code, uid=uid)
            return Answer(UNDECIDED, f"twinseal: {exc} ({exc.code})\n")
        who: Identity | None = None
        name = ""
        try:
            repository = _repository(self._look, hello.repository)
            name = repository["name"]
            asker = Asker(uid, uid == os.getuid(), self._sessions.get(hello.session))
            who = identify(self._look, hello, repository, asker)
            self._reconciler.drain(name, Path(repository["path"]))
            plan = self._receiver.begin(self._look, hello, name, who)
            await _send(writer, f"say\n{explain.heading(plan.context)}\n")
            await _send(writer, _plan(plan))
            size = await _length(reader, FACTS_LIMIT)
            if size <= LARGE:
                return await self._judge(plan, await _payload(reader, size), writer)
            async with self._large:
                return await self._judge(plan, await _payload(reader, size), writer)
        except GovernanceError as exc:
            log.info("push.refused", code=exc.code, repository=name, uid=uid)
            return self._receiver.refuse(hello, who, name, exc)

    async def _judge(self, plan: Plan, payload: bytes, writer: asyncio.StreamWriter) -> Answer:
        aside = len(payload) > LARGE
        parse, complete = self._receiver.parse, self._receiver.complete
        found = await asyncio.to_thread(parse, plan, payload) if aside else parse(plan, payload)
        paths = {change.path for ref in found.refs.values() for change in ref.net}
        await _send(writer, f"say\n{explain.reading(len(found.commits), len(paths), found.gather_ms)}\n")
        for _ in range(ATTEMPTS):
            facts = await asyncio.to_thread(complete, plan, found) if aside else complete(plan, found)
            try:
                return self._receiver.answer(await asyncio.wrap_future(self._receiver.decide(plan, facts)))
            except KeysMovedError:
                plan = self._receiver.again(self._look, plan)
            except EntryError as exc:
                said = f"this push is too much for one entry of the record: {exc}"
                raise DeniedError(said, code="push.too_large_to_record", mend="Push fewer refs at a time.") from exc
            except AuditError as exc:
                log.exception("push.not_recorded")
                said = f"twinseal: the decision could not be recorded, so it does not stand: {exc}\n"
                return Answer(UNDECIDED, said)
        return Answer(UNDECIDED, "twinseal: keys keep changing; push again in a moment\n")


def _listener(path: Path) -> socket.socket:
    """Bind the socket anew. Who may speak is decided by uid; the hook may run as any git user."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    path.chmod(0o666)
    return listener


def _repository(tx: Tx, identifier: str) -> dict[str, Any]:
    sql = "select name, path, git_uid, advisory, host from repository where id=?"
    row = tx.execute(sql, (identifier,)).fetchone()
    if row is None:
        raise NotFoundError(f"repository {identifier!r} is not registered here", code="repository.unknown")
    return dict(zip(("name", "path", "git_uid", "advisory", "host"), row, strict=True))


def _peer_uid(writer: asyncio.StreamWriter) -> int:
    """Return whose process is at the other end, as the kernel says (unix(7), SO_PEERCRED)."""
    raw = writer.get_extra_info("socket").getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    _, uid, _ = struct.unpack("3i", raw)
    return int(uid)


async def _length(reader: asyncio.StreamReader, limit: int) -> int:
    """Return how long the next frame is, if it may be read."""
    async with asyncio.timeout(PATIENCE_S):
        try:
            head = await reader.readuntil(b"\n")
        except asyncio.LimitOverrunError as exc:
            raise FactsError("a frame without a length", code="facts.frame") from exc
    if not head[:-1].isdigit() or len(head) > 12:  # noqa: PLR2004 - eleven digits are enough for any length
        raise FactsError(f"expected the length of a frame, got {head[:20]!r}", code="facts.frame")
    if int(head) > limit:
        said = f"{int(head)} bytes of facts; at most {limit} are read"
        raise FactsError(said, code="facts.too_large", mend="Push in smaller parts.")
    return int(head)


async def _payload(reader: asyncio.StreamReader, size: int) -> bytes:
    async with asyncio.timeout(PATIENCE_S):
        return await reader.readexactly(size)


async def _send(writer: asyncio.StreamWriter, text: str) -> None:
    payload = text.encode("utf-8")
    writer.write(b"%d\n" % len(payload) + payload)
    await writer.drain()


def _plan(plan: Plan) -> str:
    lines = ["plan"]
    for line in plan.hello.lines:
        exclude = plan.excludes.get(line.ref)
        lines.append("skip" if exclude is None else f"judge {exclude or '-'}")
    return "\n".join(lines) + "\n"


def _answer(answer: Answer) -> str:
    lines, proposals = [f"answer {answer.code}"], dict(answer.proposals)
    for old, new, ref in answer.reserve:
        lines.append(f"reserve {old} {new} {ref}")
        if ref in proposals:
            lines.append(f"propose {new} {ref} {proposals[ref]}")
        elif ref.startswith(PINS):
            lines.append(f"pin {new} {ref}")
    return "\n".join([*lines, "text", answer.text])
