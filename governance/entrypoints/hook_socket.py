"""Where the hook asks: a Unix socket, length-prefixed frames, the peer's uid from the kernel.

One connection is one push: hello, plan, facts, answer. Whatever goes wrong here is an answer that refuses, or a
closed connection, which the hook takes as one.
"""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from collections.abc import Sequence
from pathlib import Path

import structlog

from audit.errors import AuditError, EntryError
from governance import explain, gathered, undecided
from governance.entrypoints import maintenance
from governance.entrypoints.frames import frame, length, payload, send
from governance.errors import DeniedError, FactsError, GovernanceError
from governance.identify import Asker, Identity, git_user_only, identify
from governance.people.sessions import Sessions
from governance.receive import ATTEMPTS, UNDECIDED, Answer, KeysMovedError, Plan, Receiver
from governance.reconcile import Reconciler
from governance.record import PINS
from governance.service import Service
from governance.signatures import ObjectVerifier
from governance.state import read
from governance.state.fold import Tx

HELLO_LIMIT = 2 * 1024 * 1024
FACTS_LIMIT = 64 * 1024 * 1024
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
        self._maintenance = maintenance.Maintenance(service, look, reconciler)

    async def serve(self, path: Path) -> asyncio.Server:
        """Listen on a socket in a folder that others cannot enter; replaces a stale socket file."""
        listener = _listener(path)
        return await asyncio.start_unix_server(self._connected, sock=listener, limit=LARGE)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            answer = await self._asked(reader, writer, _peer_uid(writer))
            if answer is not None:
                await send(writer, _answer(answer))
        except (OSError, asyncio.IncompleteReadError, TimeoutError):
            log.info("hook.gone")
        except Exception:
            log.exception("hook.broke")  # The hook sees a closed connection, and refuses.
        finally:
            writer.close()

    async def _asked(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, uid: int) -> Answer | None:
        """Return the answer to a push; None where maintenance was asked for, which answers by itself."""
        try:
            first = await frame(reader, HELLO_LIMIT)
            if gathered.kind(first) == "maintain":
                await self._maintenance.serve(first, reader, writer, uid)
                return None
            if gathered.kind(first) == "refusal":
                return self._refused_there(gathered.refusal(first), uid)
            hello = gathered.hello(first)
        except FactsError as exc:
            log.warning("hook.malformed", code=exc.code, uid=uid)
            return Answer(UNDECIDED, f"twinseal: {exc} ({exc.code})\n")
        try:
            return await self._push(hello, reader, writer, uid)
        except AuditError as exc:
            log.warning("push.no_record", error=str(exc))
            said = "the record cannot be read or written just now, so this could not be decided; push again in a moment"
            return Answer(UNDECIDED, f"twinseal: {said}\nCould not decide, so refused (record.failed).\n")

    def _asker(self, hello: gathered.Hello, uid: int) -> Asker:
        return Asker(uid, uid == os.getuid(), self._sessions.get(hello.session))

    def _refused_there(self, refusal: gathered.Refusal, uid: int) -> Answer:
        """Record what the hook refused by itself."""
        who: Identity | None = None
        name = ""
        error: GovernanceError = DeniedError(refusal.said, code=refusal.code)
        try:
            repository = read.repository_by_id(self._look, refusal.hello.repository)
            name = repository["name"]
            who = identify(self._look, refusal.hello, repository, self._asker(refusal.hello, uid))
        except GovernanceError as exc:
            error = exc
        return undecided.refuse(self._service, refusal.hello, who, name, error)

    async def _push(
        self, hello: gathered.Hello, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, uid: int
    ) -> Answer:
        who: Identity | None = None
        name, ours = "", False
        try:
            repository = read.repository_by_id(self._look, hello.repository)
            name = repository["name"]
            asker = self._asker(hello, uid)
            git_user_only(repository, asker)
            ours = True
            who = identify(self._look, hello, repository, asker)
            self._reconciler.drain(name, Path(repository["path"]))
            plan = self._receiver.begin(self._look, hello, name, who)
            await send(writer, f"say\n{explain.heading(plan.context)}\n")
            await send(writer, _plan(plan))
            return await self._heard(plan, reader, writer)
        except GovernanceError as exc:
            log.info("push.refused", code=exc.code, repository=name, uid=uid)
            end = undecided.undecidable if ours else undecided.refuse
            return end(self._service, hello, who, name, exc)

    async def _heard(self, plan: Plan, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Answer:
        size = await length(reader, FACTS_LIMIT)
        said = await payload(reader, size) if size <= LARGE else b""
        if said and gathered.kind(said) != "commits":
            return await self._judge(plan, said, writer)
        async with self._large:
            said = said or await payload(reader, size)
            if gathered.kind(said) != "commits":
                return await self._judge(plan, said, writer)
            raws = gathered.ahead(said)
        # The signatures are verified while the hook compares trees. That may take long: nobody waits for it but us.
        looking = asyncio.create_task(self._foreseen(plan, raws))
        try:
            facts = await frame(reader, FACTS_LIMIT)
        except BaseException:
            looking.cancel()  # The hook is gone; nobody asks any more.
            raise
        verifier = await looking
        async with self._large:
            return await self._judge(plan, facts, writer, verifier)

    async def _foreseen(self, plan: Plan, raws: Sequence[bytes]) -> ObjectVerifier:
        async with self._large:
            return await asyncio.to_thread(self._receiver.foresee, plan, raws)

    async def _judge(
        self,
        plan: Plan,
        gathered_: bytes,
        writer: asyncio.StreamWriter,
        verifier: ObjectVerifier | None = None,
    ) -> Answer:
        aside = len(gathered_) > LARGE
        parse, complete = self._receiver.parse, self._receiver.complete
        found = await asyncio.to_thread(parse, plan, gathered_) if aside else parse(plan, gathered_)
        paths = {change.path for ref in found.refs.values() for change in ref.net}
        await send(writer, f"say\n{explain.reading(len(found.commits), len(paths), found.gather_ms)}\n")
        for _ in range(ATTEMPTS):
            facts = await asyncio.to_thread(complete, plan, found, verifier) if aside else complete(plan, found)
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


def _peer_uid(writer: asyncio.StreamWriter) -> int:
    """Return whose process is at the other end, as the kernel says (unix(7), SO_PEERCRED)."""
    raw = writer.get_extra_info("socket").getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    _, uid, _ = struct.unpack("3i", raw)
    return int(uid)


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
