"""`python -m tests.bench.clients SOCKET FRAMES CLIENTS`: hooks by the dozen, in a process of their own.

FRAMES holds hello and facts of each push as they go over the wire. Prints how long all of them took, and what they
were told, so that an endpoint which answers quickly and wrongly gives itself away.
"""

from __future__ import annotations

import collections
import io
import json
import socket
import sys
import threading
from pathlib import Path
from time import perf_counter
from typing import IO

Push = tuple[bytes, bytes]

PATIENCE_S = 20
"""Longer than any answer takes; a client that gives up is missed among the answers."""


def main() -> None:
    """Push everything, so many at a time."""
    path, frames, clients = sys.argv[1:]
    waiting = collections.deque(_pushes(Path(frames)))
    answers: collections.Counter[str] = collections.Counter()
    gate = threading.Barrier(int(clients) + 1)
    threads = [threading.Thread(target=_client, args=(path, waiting, answers, gate)) for _ in range(int(clients))]
    for thread in threads:
        thread.start()
    gate.wait()
    began = perf_counter()
    for thread in threads:
        thread.join()
    print(json.dumps({"seconds": perf_counter() - began, "answers": answers}))


def _pushes(path: Path) -> list[Push]:
    stream = io.BytesIO(path.read_bytes())
    frames: list[bytes] = []
    while head := stream.readline():
        frames.append(head + stream.read(int(head)))
    return list(zip(frames[::2], frames[1::2], strict=True))


def _client(
    path: str, waiting: collections.deque[Push], answers: collections.Counter[str], gate: threading.Barrier
) -> None:
    gate.wait()
    while waiting:
        try:
            push = waiting.popleft()
        except IndexError:
            return
        answers[_code(_pushed(path, *push))] += 1


def _pushed(path: str, hello: bytes, facts: bytes) -> str:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(PATIENCE_S)
        connection.connect(path)
        with connection.makefile("rb") as stream:
            connection.sendall(hello)
            said = _heard(stream)
            if said.startswith("plan\n"):
                connection.sendall(facts)
                said = _heard(stream)
    return said


def _heard(stream: IO[bytes]) -> str:
    """Return the next frame that is not talk."""
    said = "say\n"
    while said.startswith("say\n"):
        said = stream.read(int(stream.readline())).decode()
    return said


def _code(said: str) -> str:
    """Return the reason that stands in brackets at the end of an answer."""
    return said.rpartition("(")[2].partition(")")[0]


if __name__ == "__main__":
    main()
