"""What a channel is: it takes one message for one recipient, and says what became of it.

Values and promises only. Adapters fill them; what is told, to whom and when, is decided in `tell`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

MAIL, SMS, TMUX, WEBHOOK = CHANNELS = ("mail", "sms", "tmux", "webhook")
PERSONAL = frozenset({MAIL, SMS})
"""Channels that reach one person each; the others reach whoever looks."""


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that travels with a mail."""

    name: str
    type: str
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What one recipient is told. Text may hold anything: each channel makes it harmless for itself."""

    to: str
    """An address of mail, or a number; empty where the channel has a place of its own."""
    subject: str
    text: str
    html: str = ""
    short: str = ""
    """What a text message and a status line say; the subject where empty."""
    inline: Mapping[str, bytes] = field(default_factory=dict)
    """PNG pictures of the HTML, by content id."""
    attachments: tuple[Attachment, ...] = ()
    about: int = 0
    """The entry it is about."""
    fields: Mapping[str, Any] = field(default_factory=dict)
    """What machines read of it: for the webhook."""


class NotSent(Exception):  # noqa: N818 - an answer of the peer, not a fault of ours
    """It was not taken. The message says what happened, and never holds a secret."""


class Deferred(NotSent):
    """It may be taken later; `retry_after` in seconds is the peer's wish, 0 where it has none."""

    def __init__(self, said: str, *, retry_after: int = 0) -> None:
        super().__init__(said)
        self.retry_after = retry_after


class Refused(NotSent):
    """It will never be taken: the peer looked at it and said so."""


class Channel(Protocol):
    """One way to reach somebody."""

    @property
    def name(self) -> str:
        """One of `CHANNELS`."""
        ...

    @property
    def where(self) -> str:
        """Where it goes, for people to read; holds no secret."""
        ...

    def send(self, message: Message, *, key: str) -> None:
        """Hand the message over; it is the peer's when this returns. Every wait has an end.

        `key` is the same when the same message is sent again, and travels along so that a receiver can tell.

        Raises:
            Deferred: Not now, or nobody knows.
            Refused: Never.
        """
        ...
