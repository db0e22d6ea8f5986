"""Which authenticated connection a push belongs to, while it lasts.

The front hands each git child an unguessable session name; the hook hands it back. So a process that merely runs
as the git user cannot say it is somebody else.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from governance.people.tokens import Caller


class Sessions:
    """Open sessions, in memory: they end with the connection, and with the service."""

    def __init__(self) -> None:
        self._open: dict[str, Caller] = {}

    def get(self, name: str) -> Caller | None:
        """Return who opened the session, if it is still open."""
        return self._open.get(name)

    @contextmanager
    def opened(self, name: str, caller: Caller) -> Iterator[None]:
        """Hold a session open. `name` must be unguessable and new."""
        self._open[name] = caller
        try:
            yield
        finally:
            del self._open[name]
