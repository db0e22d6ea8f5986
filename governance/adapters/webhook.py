"""A webhook: JSON as Slack takes it, with fields of our own for whoever reads more than the text."""

from __future__ import annotations

import json
import socket
import ssl
from contextlib import suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from threading import Timer
from urllib.parse import urlsplit

from governance.adapters.answers import TIMEOUT_S, private_url, refusal
from governance.channels import WEBHOOK, Deferred, Message
from governance.explain import plain

WHOLE_S = 30.0
SLACK = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
"""What Slack reads as more than text: without this, a name could ring everybody's bell or hide where a link goes."""


@dataclass(frozen=True)
class Webhook:
    """An address. It is a secret: whoever knows it may write there."""

    url: str = field(repr=False)
    timeout: float = TIMEOUT_S
    whole: float = WHOLE_S
    name: str = WEBHOOK

    def __post_init__(self) -> None:
        """Refuse an address that anybody on the way could read."""
        private_url(self.url, setting="TWINSEAL_WEBHOOK")

    @property
    def where(self) -> str:
        """The host alone."""
        return f"a webhook at {urlsplit(self.url).hostname}"

    def send(self, message: Message, *, key: str) -> None:
        """Post one message. A redirect is not followed."""
        parts = urlsplit(self.url)
        text = plain(message.short or message.subject).translate(SLACK)
        said = {"text": text, "twinseal": {**message.fields, "entry": message.about, "key": key}}
        headers = {"Content-Type": "application/json; charset=utf-8", "User-Agent": "twinseal", "Idempotency-Key": key}
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection = self._connection()
        timer = Timer(self.whole, _end, (connection,))
        timer.daemon = True
        timer.start()
        try:
            connection.request("POST", path, json.dumps(said).encode(), headers)
            answer = connection.getresponse()
            status, answered = answer.status, dict(answer.getheaders())
        except ssl.SSLCertVerificationError:
            raise Deferred("the webhook's certificate does not verify") from None
        except (OSError, HTTPException, ValueError) as exc:
            raise Deferred(f"the webhook could not be reached ({type(exc).__name__})") from None
        finally:
            timer.cancel()
            connection.close()
        if not 200 <= status < 300:  # noqa: PLR2004 - RFC 9110, 15.3
            raise refusal(status, {name.title(): value for name, value in answered.items()})

    def _connection(self) -> HTTPConnection:
        parts = urlsplit(self.url)
        host, port = parts.hostname or "", parts.port
        if parts.scheme == "https":
            return HTTPSConnection(host, port, timeout=self.timeout, context=ssl.create_default_context())
        return HTTPConnection(host, port, timeout=self.timeout)


def _end(connection: HTTPConnection) -> None:
    """End a conversation that takes too long: a peer that answers a byte at a time keeps nobody."""
    with suppress(OSError):
        if connection.sock is not None:
            connection.sock.shutdown(socket.SHUT_RDWR)
