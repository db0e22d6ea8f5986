"""Frames on the hook's socket: a length in ASCII digits, a line feed, and so many bytes."""

from __future__ import annotations

import asyncio

from governance.errors import FactsError

PATIENCE_S = 60
"""How long the other side may take; gathering a large push takes a second or two."""


async def frame(reader: asyncio.StreamReader, limit: int, *, patience: float = PATIENCE_S) -> bytes:
    """Read one frame.

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
        return await reader.readexactly(int(head))


async def send(writer: asyncio.StreamWriter, text: str) -> None:
    """Send one frame."""
    payload = text.encode("utf-8")
    writer.write(b"%d\n" % len(payload) + payload)
    await writer.drain()
