"""Where the hook asks: a Unix socket, length-prefixed frames, the peer's uid from the kernel.

One connection is one push: hello, plan, facts, answer. Whatever goes wrong here is an answer that refuses, or a
closed connection, which the hook takes as one.
"""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

from audit.errors import AuditError
from governance import explain, gathered
from governance.errors import DeniedError, FactsError, GovernanceError, NotFoundError
from governance.people.sessions import Sessions
from governance.receive import ATTEMPTS, UNDECIDED, Answer, Identity, KeysMovedError, Plan, Receiver
from governance.reconcile import Reconciler
from governance.record import PINS
from governance.service import Service
from governance.state.fold import Tx

HELLO_LIMIT = 2 * 1024 * 1024
FACTS_LIMIT = 256 * 1024 * 1024
PATIENCE_S = 60
"""How long a hook may take to gather; large pushes take a second or two."""
LARGE = 64 * 1024
"""Facts above this size are completed on another thread, so that small pushes do not wait."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Peer:
    """The process at the other end, as the kernel names it."""

    pid: int
    uid: int


class HookSocket:
    """Serves hooks. Reads the state through one connection of its own; decides only through the writer."""

    def __init__(self, service: Service, look: Tx, sessions: Sessions, reconciler: Reconciler) -> None:
        self._service = service
        self._look = look
        self._sessions = sessions
        self._reconciler = reconciler
        self._receiver = Receiver(service)

    async def serve(self, path: Path) -> asyncio.Server:
        """Listen on a socket in a folder that others cannot enter; replaces a stale socket file."""
        listener = _listener(path)
        return await asyncio.start_unix_server(self._connected, sock=listener, limit=LARGE)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            answer = await self._push(reader, writer, _peer(writer))
            await _send(writer, _answer(answer))
        except (OSError, asyncio.IncompleteReadError, TimeoutError):
            log.info("hook.gone")
        except Exception:
            log.exception("hook.broke")  # The hook sees a closed connection, and refuses.
        finally:
            writer.close()

    async def _push(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, peer: Peer) -> Answer:
        try:
            hello = gathered.hello(await _frame(reader, HELLO_LIMIT))
        except FactsError as exc:
            log.warning("hook.malformed", code=exc.code, uid=peer.uid)
            return Answer(UNDECIDED, f"twinseal: {exc} ({exc.code})\n")
        who: Identity | None = None
        name = ""
        try:
            repository = _repository(self._look, hello.repository)
            name = repository["name"]
            who = self._identify(hello, repository, peer)
            self._reconciler.drain(name, Path(repository["path"]))
            plan = self._receiver.begin(self._look, hello, name, who)
            await _send(writer, f"say\n{explain.heading(plan.context)}\n")
            await _send(writer, _plan(plan))
            payload = await _frame(reader, FACTS_LIMIT)
            return await self._judge(plan, payload, writer)
        except GovernanceError as exc:
            log.info("push.refused", code=exc.code, repository=name, uid=peer.uid)
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
            except AuditError as exc:
                log.exception("push.not_recorded")
                said = f"twinseal: the decision could not be recorded, so it does not stand: {exc}\n"
                return Answer(UNDECIDED, said)
        return Answer(UNDECIDED, "twinseal: keys keep changing; push again in a moment\n")

    def _identify(self, hello: gathered.Hello, repository: dict[str, Any], peer: Peer) -> Identity:
        """Return who pushes. Facts are taken only from the registered git user or from ourselves."""
        if peer.uid not in {repository["git_uid"], os.getuid()}:
            said = f"uid {peer.uid} is not the git user of {repository['name']} (uid {repository['git_uid']})"
            raise DeniedError(said, code="identity.not_git_user")
        if hello.session:
            caller = self._sessions.get(hello.session)
            if caller is None or caller.repository != repository["name"]:
                raise DeniedError("this push belongs to no session of this repository", code="identity.session")
            return Identity(caller.principal, caller.kind, "http", enforced=not repository["advisory"])
        sql = "select name, kind from principal where uid=? and retired_seq is null"
        row = self._look.execute(sql, (peer.uid,)).fetchone()
        if row is None:
            raise DeniedError(
                f"nobody is enrolled with uid {peer.uid}, and the file transport says nothing else",
                code="identity.none",
                mend="Push through the front: git remote set-url origin http://NAME:TOKEN@HOST/git/REPOSITORY.git",
            )
        return Identity(row[0], row[1], "file", enforced=False)


def _listener(path: Path) -> socket.socket:
    """Bind the socket anew. Who may speak is decided by uid; the hook may run as any git user."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    path.chmod(0o666)
    return listener


def _repository(tx: Tx, identifier: str) -> dict[str, Any]:
    sql = "select name, path, git_uid, advisory from repository where id=?"
    row = tx.execute(sql, (identifier,)).fetchone()
    if row is None:
        raise NotFoundError(f"repository {identifier!r} is not registered here", code="repository.unknown")
    return dict(zip(("name", "path", "git_uid", "advisory"), row, strict=True))


def _peer(writer: asyncio.StreamWriter) -> Peer:
    raw = writer.get_extra_info("socket").getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    pid, uid, _ = struct.unpack("3i", raw)
    return Peer(pid, uid)


async def _frame(reader: asyncio.StreamReader, limit: int) -> bytes:
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
        return await reader.readexactly(int(head))


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
