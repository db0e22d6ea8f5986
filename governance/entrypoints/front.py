"""The front: git over smart HTTP for those who have no git server yet.

`/git/<repository>.git/...` is served by `git http-backend` as a child process, after the principal has proved
itself by token. Requests and answers are streamed; nothing of a pack is held in memory here.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes

import structlog

from audit.errors import AuditError
from audit.transaction import Transaction
from governance.adapters import clock, git
from governance.errors import (
    DeniedError,
    GovernanceError,
    NotFoundError,
    UnauthenticatedError,
    UnavailableError,
)
from governance.people import tokens
from governance.people.sessions import Sessions
from governance.people.tokens import Caller
from governance.reconcile import Reconciler
from governance.service import Service
from governance.state import read, scopes
from governance.state.fold import Tx

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

PREFIX = "/git/"
ROUTES = {
    ("GET", "info/refs"),
    ("POST", "git-upload-pack"),
    ("POST", "git-receive-pack"),
}
"""Smart HTTP only. Dumb HTTP serves files and runs no hooks; it is not offered."""
STATUS = ((UnauthenticatedError, 401), (DeniedError, 403), (UnavailableError, 503))
"""Everything else is a 404."""
SERVICES = frozenset({"git-upload-pack", "git-receive-pack"})
CHUNK = 64 * 1024

log = structlog.get_logger()


FLUSH = b"0000"
_WORDS = (
    b"\x03twinseal: git stopped this push after it was allowed, as it does where a freeze or a veto has come since.\n"
)
BROKE = b"%04x%b" % (4 + len(_WORDS), _WORDS) + FLUSH
"""What ends the answer of a receive-pack that ended without one: gitprotocol-pack(5), an error in the side band.

Where the transaction hook refuses, git 2.39 dies without a report, and its own client would wait for it for ever.
"""


class Front:
    """An ASGI application for everything below `/git/`."""

    def __init__(self, service: Service, look: Tx, sessions: Sessions, reconciler: Reconciler) -> None:
        self._service = service
        self._look = look
        self._sessions = sessions
        self._reconciler = reconciler

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        try:
            name, route, service = _route(scope)
            caller = self._caller(scope, name)
            if service == "git-receive-pack" and caller.scope != scopes.ACT:
                await asyncio.to_thread(self._service.act, caller, "push", _nothing)  # Refused, and recorded.
            repository = read.repository(self._look, name)
            _ours(repository)
        except GovernanceError as exc:
            await _refuse(send, exc)
            return
        except AuditError as exc:
            log.warning("front.no_record", error=str(exc))
            mend = "Try again in a moment; the service's log knows more."
            await _refuse(send, UnavailableError("the record cannot be read just now", mend=mend))
            return
        session = clock.nonce()
        with self._sessions.opened(session, caller):
            env = self._environment(scope, repository, route, caller, session)
            await _relay(env, receive, send)
        if service == "git-receive-pack" and route == service:
            self._reconciler.drain(name, Path(repository["path"]))

    def _caller(self, scope: Scope, repository: str) -> Caller:
        header = next((value for name, value in scope["headers"] if name == b"authorization"), b"")
        caller = tokens.authenticate(self._look, *tokens.presented(header), now=self._service.now(self._look))
        if caller.repository != repository:
            raise DeniedError(f"this token does not open {repository}", code="token.other_repository")
        return caller

    def _environment(
        self, scope: Scope, repository: dict[str, Any], route: str, caller: Caller, session: str
    ) -> dict[str, str]:
        """Return everything http-backend and, through it, the hooks may see. No credential is among it."""
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        client = scope.get("client") or ("", 0)
        path = Path(repository["path"])
        return {
            "PATH": os.defpath,
            "HOME": "/nonexistent",
            "LC_ALL": "C",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_PROJECT_ROOT": str(path.parent),
            "GIT_HTTP_EXPORT_ALL": "1",
            "PATH_INFO": f"/{path.name}/{route}",
            "REQUEST_METHOD": scope["method"],
            "QUERY_STRING": scope["query_string"].decode("ascii", "replace"),
            "CONTENT_TYPE": headers.get(b"content-type", ""),
            # Not the client's number: http-backend waits for so many bytes for ever, and busily, where fewer come
            # (pipe_fixed_length in http-backend.c, git 2.39). Without one it hands the stream to receive-pack as it is.
            "CONTENT_LENGTH": "",
            "HTTP_CONTENT_ENCODING": headers.get(b"content-encoding", ""),
            "GIT_PROTOCOL": _protocol(headers.get(b"git-protocol", "")),
            "REMOTE_USER": caller.principal,
            "REMOTE_ADDR": str(client[0]),
            "TWINSEAL_SESSION": session,
        }


def _nothing(tx: Transaction) -> None:
    """Do nothing: what matters is whether this caller may do anything."""


def _ours(repository: dict[str, Any]) -> None:
    """Refuse a repository that is reached another way: there the git user serves it, and names who pushes."""
    if repository["host"] != "front":
        raise DeniedError(
            f"{repository['name']} is registered with host {repository['host']}, not with the front",
            code="front.other_host",
            mend="Fetch and push where that host serves it.",
        )


def _protocol(value: str) -> str:
    return value if value in {"version=1", "version=2"} else ""


def _route(scope: Scope) -> tuple[str, str, str]:
    """Return (repository, route, git service), or refuse what is not smart HTTP."""
    raw: bytes = scope.get("raw_path") or scope["path"].encode()
    path = unquote_to_bytes(raw.split(b"?")[0]).decode("utf-8", "replace")
    name, _, route = path.removeprefix(PREFIX).partition(".git/")
    if (scope["method"], route) not in ROUTES or not name or "/" in name:
        raise NotFoundError("only git's smart HTTP is served here", code="front.not_smart")
    service = route
    if route == "info/refs":
        service = scope["query_string"].decode("ascii", "replace").removeprefix("service=")
    if service not in SERVICES:
        raise NotFoundError("dumb HTTP is not served here", code="front.not_smart")
    return name, route, service


async def _refuse(send: Send, exc: GovernanceError) -> None:
    status = next((number for kind, number in STATUS if isinstance(exc, kind)), 404)
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"cache-control", b"no-store")]
    if status == 401:  # noqa: PLR2004 - RFC 9110, 15.5.2
        headers.append((b"www-authenticate", b'Basic realm="twinseal", charset="UTF-8"'))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    text = f"twinseal: {exc} ({exc.code})\n" + (f"{exc.mend}\n" if exc.mend else "")
    await send({"type": "http.response.body", "body": text.encode()})


async def _relay(env: dict[str, str], receive: Receive, send: Send) -> None:
    """Run http-backend: the request's body in, its answer out, both as they come."""
    pipe = asyncio.subprocess.PIPE
    child = await asyncio.create_subprocess_exec(
        git.program(), "http-backend", stdin=pipe, stdout=pipe, stderr=asyncio.subprocess.DEVNULL, env=env, limit=CHUNK
    )
    feeding = asyncio.create_task(_feed(child, receive))
    try:
        await _answer(child, send, pushed=env["PATH_INFO"].endswith("/git-receive-pack"))
    finally:
        feeding.cancel()
        # A client that hangs up does not stop a push that has been handed to git: it ends as git ends it.
        while child.stdout and await child.stdout.read(CHUNK):
            pass
        await child.wait()


async def _feed(child: asyncio.subprocess.Process, receive: Receive) -> None:
    stdin = child.stdin
    if stdin is None:
        return
    try:
        while True:
            message = await receive()
            if message["type"] != "http.request":
                break
            stdin.write(message.get("body", b""))
            await stdin.drain()
            if not message.get("more_body", False):
                break
        stdin.close()
    except (BrokenPipeError, ConnectionResetError):
        return


async def _answer(child: asyncio.subprocess.Process, send: Send, *, pushed: bool) -> None:
    stdout = child.stdout
    if stdout is None:
        return
    status, headers = 200, []
    try:
        head = await stdout.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        await send({"type": "http.response.start", "status": 502, "headers": []})
        await send({"type": "http.response.body", "body": b"git http-backend gave no answer\n"})
        return
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"status":
            status = int(value.split()[0])
        elif name:
            headers.append((name.lower(), value.strip()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    tail = b""
    while chunk := await stdout.read(CHUNK):
        tail = (tail + chunk)[-len(FLUSH) :]
        await send({"type": "http.response.body", "body": chunk, "more_body": True})
    broke = pushed and tail not in {b"", FLUSH}
    await send({"type": "http.response.body", "body": BROKE if broke else b""})
