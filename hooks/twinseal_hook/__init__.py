"""What git runs in front of a push: gather what it would change, ask the service, pass the answer on.

Every push waits for this package, so it lives on the C half of the standard library: ``posix`` instead of ``os``,
``_socket`` instead of ``socket``, no ``re``, ``json``, ``typing`` or ``dataclasses``. Each of those costs more to
import than most pushes cost to judge.
"""


class Refused(Exception):  # noqa: N818 - it is an answer, not an error
    """The push cannot go in as it is, whatever the service would say."""

    def __init__(self, code: str, what: str, remedy: str) -> None:
        self.code, self.what = code, what
        super().__init__(f"refused ({code})\n  what: {what}\n  next: {remedy}")


class Undecided(Exception):  # noqa: N818 - see above
    """Nobody said yes. The message names what was missing."""
