"""One HTTP request to somebody who is not trusted: bounded in time and in bytes, and sent nowhere else.

The proxy settings of the environment are not read. Over plain HTTP nobody is authenticated; that is enough here,
because a checkpoint is public and a cosignature proves itself. With https, certificates and host names are checked.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from typing import Self
from urllib.parse import SplitResult, urlsplit

LARGEST_ANSWER = 64 * 1024


class WireError(Exception):
    """No answer, or not one that can be taken."""


@dataclass(frozen=True, slots=True)
class Answered:
    """What came back: never a redirect that was followed."""

    status: int
    kind: str
    body: bytes


def post(url: str, body: bytes, seconds: float) -> Answered:
    """Send a request and return its answer, within so many seconds from when it is connected.

    Connecting may take as long again for each of the host's addresses.

    Raises:
        WireError: no address we would ask, no answer in time, or one that is too long.
    """
    where = _address(url)
    headers = {"Content-Type": "text/plain; charset=utf-8", "Connection": "close", "User-Agent": "twinseal"}
    try:
        with _connected(where, seconds) as (connection, line):
            connection.request("POST", where.path or "/", body, headers)
            response = connection.getresponse()
            # Not read to its end: the limit is on what comes, whatever length it names.
            data = response.read(LARGEST_ANSWER + 1)
            # A line that was cut looks like one that was ended, and what came until then like an answer.
            if line.over or (response.length and len(data) <= LARGEST_ANSWER):
                raise TimeoutError("it did not come to an end")
            kind = response.headers.get_content_type() if response.headers.get("content-type") else ""
    except (OSError, HTTPException, ValueError) as error:
        raise WireError(f"expected an answer from {where.netloc} within {seconds:g} s, got: {error!r:.200}") from error
    if len(data) > LARGEST_ANSWER:
        raise WireError(f"expected at most {LARGEST_ANSWER} bytes from {where.netloc}, got more")
    return Answered(response.status, kind, data)


def _address(url: str) -> SplitResult:
    try:
        where = urlsplit(url)
        port = where.port
    except ValueError as error:
        raise WireError(f"expected an address, got {url!a:.200}: {error}") from error
    plain = url.isascii() and url.isprintable() and " " not in url and port != 0
    if where.scheme not in {"http", "https"} or not where.hostname or not plain:
        raise WireError(f"expected an address of http or https in ASCII, got {url!a:.200}")
    if where.username is not None or where.query or where.fragment:
        raise WireError(f"expected an address without user, query and fragment, got {url!a:.200}")
    return where


@contextlib.contextmanager
def _connected(where: SplitResult, seconds: float) -> Iterator[tuple[HTTPConnection, _Line]]:
    """Connect, and hang up when the time is over: a time-out on each read alone would let bytes drip for ever."""
    secure = where.scheme == "https"
    host = where.hostname or ""
    with contextlib.ExitStack() as stack:
        raw = socket.create_connection((host, where.port or (443 if secure else 80)), timeout=seconds)
        line = stack.enter_context(_Line(raw))
        timer = threading.Timer(seconds, line.cut)
        timer.daemon = True
        timer.start()
        stack.callback(timer.cancel)
        if secure:
            # The handshake waits until the timer knows this socket: `raw` is not one any more.
            tls = ssl.create_default_context().wrap_socket(raw, server_hostname=host, do_handshake_on_connect=False)
            line.sock = tls
            tls.do_handshake()
        connection = HTTPConnection(host, where.port or (443 if secure else 80))
        connection.sock = line.sock
        connection.auto_open = 0
        stack.callback(connection.close)
        yield connection, line


class _Line:
    """The socket in use, which a timer may cut from another thread."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.over = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.sock.close()

    def cut(self) -> None:
        self.over = True
        with contextlib.suppress(OSError):
            # Not SSLSocket's own: that would wait for the other side's farewell.
            socket.socket.shutdown(self.sock, socket.SHUT_RDWR)
