"""A service that only listens: what a hook said to it, and how long the hook took to gather."""

from __future__ import annotations

import json
import socket
import threading
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import IO, Any, Self

from governance import gathered


@dataclass(frozen=True, slots=True)
class Heard:
    """One push as the hook told it; no facts where the plan was to skip."""

    hello: bytes
    facts: bytes
    gather_s: float
    """From our plan until the last byte of the facts was here."""


class Stub:
    """Answers every push with one plan, then refuses it, so that nothing moves."""

    def __init__(self, path: Path, *, judge: str) -> None:
        self.heard: list[Heard] = []
        self._plan = f"judge {judge}" if judge else "skip"
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection, connection.makefile("rb") as stream:
                self.heard.append(self._talk(connection, stream))

    def _talk(self, connection: socket.socket, stream: IO[bytes]) -> Heard:
        hello = _frame(stream)
        lines: list[Any] = json.loads(hello)["lines"]
        _send(connection, "plan\n" + f"{self._plan}\n" * len(lines))
        began = perf_counter()
        facts = _frame(stream)
        if gathered.kind(facts) == "commits":
            facts = _frame(stream)
        gather_s = perf_counter() - began
        _send(connection, "answer 1\ntext\nrefused: only listening\n")
        return Heard(hello, facts, gather_s)


def _frame(stream: IO[bytes]) -> bytes:
    return stream.read(int(stream.readline()))


def _send(connection: socket.socket, text: str) -> None:
    connection.sendall(b"%d\n%b" % (len(text), text.encode()))
