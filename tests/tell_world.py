"""A service whose people are told: a channel that keeps what it was given, and can fail before or after taking it."""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING, Any

from audit.entry import Actor, Draft
from factor_world import asking
from governance.channels import MAIL, Message, NotSent
from governance.record import SERVICE, Kind
from governance.tell import delivering
from service_world import REPOSITORY, ServiceWorld

if TYPE_CHECKING:
    from collections.abc import Callable

    from governance.tell.delivering import Sent


class Kept:
    """A channel that keeps messages. `before` and `after` run around taking one, and may raise."""

    def __init__(self, name: str = MAIL) -> None:
        self.name = name
        self.where = f"kept {name}"
        self.taken: list[tuple[str, Message]] = []
        self.tried = 0
        self.before: Callable[[], None] = lambda: None
        self.after: Callable[[], None] = lambda: None
        self._lock = Lock()

    def send(self, message: Message, *, key: str) -> None:
        with self._lock:
            self.tried += 1
        self.before()
        with self._lock:
            self.taken.append((key, message))
        self.after()

    @property
    def keys(self) -> list[str]:
        return [key for key, _ in self.taken]

    @property
    def abouts(self) -> list[int]:
        return [message.about for _, message in self.taken]


class Killed(BaseException):
    """The process was killed: nothing after this ran."""


def failing(error: NotSent) -> Callable[[], None]:
    def fail() -> None:
        raise error

    return fail


class TellWorld(ServiceWorld):
    """A world in which things worth telling happen, and a number is named without a second factor."""

    begins_with = asking("thaw")

    def raised(self, code: str = "test.alert", severity: str = "critical", message: str = "the shed burns") -> int:
        data = {"severity": severity, "code": code, "message": message, "do": "twinseal doctor"}
        return self.append(Draft(Kind.ALERT_RAISED, SERVICE, "", code, data))[0].seq

    def vetoed(self, name: str, *, by: str = "qa-a", reason: str = "it leaks") -> int:
        data = {"kind": "change", "name": name, "number": 1, "head": "h", "diff_digest": "d", "reason": reason}
        draft = Draft(Kind.VETO_CAST, Actor(by, "agent", "k"), REPOSITORY, name, data | {"statement": {}})
        return self.append(draft)[0].seq

    def round(self, *channels: Any) -> list[Sent]:  # noqa: ANN401 - anything with a channel's shape
        return delivering.round(self.service, channels)

    def told(self) -> None:
        """Close what the world's own beginning has to tell, so that a test sees its own alone."""
        sql = "select distinct channel, to_ from delivery where state='open'"
        for channel, to in self.rows(sql):
            notices = [n for (n,) in self.rows("select notice from delivery where channel=? and to_=?", channel, to)]
            data = {"notices": notices, "channel": channel, "to": to, "outcome": "void", "attempts": 0}
            self.append(Draft(Kind.NOTICE_CLOSED, SERVICE, "", f"{channel} {to}", data | {"key": "", "said": ""}))

    def states(self, notice: int) -> dict[tuple[str, str], str]:
        rows = self.rows("select channel, to_, state from delivery where notice=? order by channel, to_", notice)
        return {(channel, to): state for channel, to, state in rows}

    def closed(self) -> list[dict[str, Any]]:
        return [body["data"] for body in self.bodies("kind=?", Kind.NOTICE_CLOSED) if body["data"]["key"]]
