"""A witness over HTTP (C2SP tlog-witness), as a bare ASGI application.

POST /add-checkpoint · GET /<SHA-256 of the origin in hex>/checkpoint

Whoever can reach it may ask: only the signatures of the logs count. So what a stranger can make it do is bounded: a
request's bytes, the time to send them, and how many are answered at once.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol, TypeVar

from audit.errors import AuditError, BusyError
from audit.witness import ADD, LARGEST_REQUEST, Reply

SECONDS = 10.0
"""To send a request."""
AT_ONCE = 32
"""Requests that are answered at once; the next ones are told to come again."""

_LATEST = re.compile(r"/([0-9a-f]{64})/checkpoint")

T = TypeVar("T")
Send = Callable[[dict[str, Any]], Awaitable[None]]
Receive = Callable[[], Awaitable[Mapping[str, Any]]]


class Answering(Protocol):
    """What a witness does. Both may raise AuditError when its memory fails."""

    def add(self, body: bytes) -> Reply:
        """Answer a request to cosign."""
        ...

    def latest(self, name: str) -> bytes | None:
        """Return the last checkpoint cosigned under this name."""
        ...


class Application:
    """The ASGI application. `tell` is handed each failure that the operator must look into."""

    def __init__(self, witness: Answering, *, tell: Callable[[str], None], seconds: float = SECONDS) -> None:
        self._witness = witness
        self._tell = tell
        self._seconds = seconds
        self._running = 0

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request. Anything but HTTP is left alone, which the server takes for a no."""
        if scope["type"] != "http":
            return
        reply, more = await self._reply(scope["method"], scope["path"], receive)
        body = reply.body.encode()
        headers = {"content-type": reply.kind, "content-length": str(len(body)), **more}
        raw = [(name.encode(), value.encode()) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": reply.status, "headers": raw})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})

    async def _reply(self, method: str, path: str, receive: Receive) -> tuple[Reply, dict[str, str]]:
        latest = _LATEST.fullmatch(path)
        if path != ADD and not latest:
            return Reply(404, "nothing is here: POST /add-checkpoint, GET /<origin's SHA-256>/checkpoint\n"), {}
        allowed = ("POST",) if path == ADD else ("GET", "HEAD")
        if method not in allowed:
            return Reply(405, f"expected {' or '.join(allowed)}\n"), {"allow": ", ".join(allowed)}
        try:
            if latest:
                return await self._latest(latest[1])
            return await self._add(receive)
        except BusyError as error:
            return Reply(503, f"{error}\n"), {"retry-after": "1"}
        except AuditError as error:
            self._tell(str(error))
            return Reply(500, "this witness cannot answer; its operator was told\n"), {}

    async def _latest(self, name: str) -> tuple[Reply, dict[str, str]]:
        found = await self._done(lambda: self._witness.latest(name))
        kept = Reply(404, "nothing was cosigned under this name\n") if found is None else Reply(200, found.decode())
        return kept, {"cache-control": "no-store"}

    async def _add(self, receive: Receive) -> tuple[Reply, dict[str, str]]:
        try:
            async with asyncio.timeout(self._seconds):
                body = await _body(receive)
        except TimeoutError:
            return Reply(408, f"expected a whole request within {self._seconds:g} seconds\n"), {"connection": "close"}
        if body is None:
            return Reply(413, f"expected at most {LARGEST_REQUEST} bytes\n"), {"connection": "close"}
        return await self._done(lambda: self._witness.add(body)), {}

    async def _done(self, work: Callable[[], T]) -> T:
        """Do in a thread what waits for the disk."""
        if self._running >= AT_ONCE:
            raise BusyError("too many ask at once")
        self._running += 1
        try:
            return await asyncio.to_thread(work)
        finally:
            self._running -= 1


async def _body(receive: Receive) -> bytes | None:
    """Return what was sent, or nothing if it is too much or was given up."""
    parts: list[bytes] = []
    size, more = 0, True
    while more:
        event = await receive()
        if event["type"] != "http.request":
            return None
        parts.append(event.get("body", b""))
        size += len(parts[-1])
        if size > LARGEST_REQUEST:
            return None
        more = event.get("more_body", False)
    return b"".join(parts)
