"""A ceiling on what one request may send us, counted as it comes."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from governance.entrypoints.problems import problem

BODY_LIMIT = 256 * 1024

Message = MutableMapping[str, Any]


class TooLargeError(Exception):
    """More came than is read."""


class Limited:
    """ASGI middleware: an answer of 413 for a body above 256 KiB, before anyone parses it."""

    def __init__(self, app: Callable[..., Awaitable[None]]) -> None:
        self._app = app

    async def __call__(
        self, scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
    ) -> None:
        """Pass a request on, counting."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        length = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
        if not length.isdigit() or int(length) > BODY_LIMIT:
            await self._too_large(scope, receive, send)
            return
        seen, begun = 0, False

        async def counted() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > BODY_LIMIT:
                raise TooLargeError
            return message

        async def ours_first(message: Message) -> None:
            # The application may have caught our error and have an answer of its own for it.
            nonlocal begun
            if seen <= BODY_LIMIT or begun:
                begun = True
                await send(message)

        with contextlib.suppress(TooLargeError):
            await self._app(scope, counted, ours_first)
        if seen > BODY_LIMIT and not begun:
            await self._too_large(scope, receive, send)

    @staticmethod
    async def _too_large(
        scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
    ) -> None:
        said = f"a request body is at most {BODY_LIMIT} bytes"
        await problem(413, "request.too_large", said)(scope, receive, send)
