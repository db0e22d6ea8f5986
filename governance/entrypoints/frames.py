"""Frames on the hook's socket: a length in ASCII digits, a line feed, and so many bytes."""

from __future__ import annotations

import asyncio

from governance.errors import FactsError

PATIENCE_S = 60
"""How long the other side may take; gathering a large push takes a second or two."""


async def length(reader: asyncio.StreamReader, limit: int, *, patience: float = PATIENCE_S) -> int:
    """Return how long the next frame is, if it may be read.

    Raises:
        FactsError: Not a frame, or larger than `limit`.
        TimeoutError: Nothing came in time.
    """
    async with asyncio.timeout(patience):
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


async def payload(reader: asyncio.StreamReader, size: int) -> bytes:
    """Return what a frame holds, whose length was read.

    Raises:
        TimeoutError: It did not come in time.
    """
    async with asyncio.timeout(PATIENCE_S):
        return await reader.readexactly(size)


async def frame(reader: asyncio.StreamReader, limit: int, *, patience: float = PATIENCE_S) -> bytes:
    """Return the next frame whole; raises as `length` and `payload` do."""
    return await payload(reader, await length(reader, limit, patience=patience))


async def send(writer: asyncio.StreamWriter, text: str) -> None:
    """Send one frame."""
    data = text.encode("utf-8")
    writer.write(b"%d\n" % len(data) + data)
    await writer.drain()
