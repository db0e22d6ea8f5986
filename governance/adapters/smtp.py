"""Mail by SMTP: encrypted, to a server whose certificate is verified; in clear to this machine alone.

Nothing that the server says is passed on: a hostile one could repeat the password.
"""

from __future__ import annotations

import contextlib
import smtplib
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, field
from threading import Timer
from urllib.parse import parse_qs, unquote, urlsplit

from governance.adapters import mail
from governance.adapters.loopback import is_loopback
from governance.channels import MAIL, Deferred, Message, Refused
from governance.errors import SettingsError

TIMEOUT_S = 10.0
"""For one answer."""
WHOLE_S = 30.0
"""For all of them: a server that answers a byte at a time keeps nobody."""
PORTS = {"smtp": 587, "smtps": 465}
PERMANENT = range(500, 600)
OURS = frozenset({530, 534, 535, 538})
"""Answers about our credentials, which can be mended."""


@dataclass(frozen=True)
class SmtpMail:
    """A server and how to reach it."""

    host: str
    port: int
    sender: str
    tls_at_once: bool = False
    user: str = ""
    password: str = field(default="", repr=False)
    ca: str = ""
    """A file of certificates to trust, in place of the system's."""
    timeout: float = TIMEOUT_S
    whole: float = WHOLE_S
    name: str = MAIL

    @property
    def where(self) -> str:
        """The server, and who we are there."""
        return f"SMTP {self.host}:{self.port}, from {self.sender}"

    def send(self, message: Message, *, key: str) -> None:
        """Hand one mail to the server; its answer to the data is the answer."""
        made = mail.made(message, sender=self.sender, key=key)
        try:
            server = self._unconnected()
            try:
                with _ended(server, self.whole):
                    self._connect(server)
                    _handed_over(server, self.sender, message.to, made.as_bytes())
            finally:
                # Not by the context of smtplib: what goes wrong at QUIT would call a mail untaken that was taken.
                with contextlib.suppress(smtplib.SMTPException, OSError):
                    server.quit()
                server.close()
        except smtplib.SMTPResponseException as exc:
            raise Deferred(f"the server answered {exc.smtp_code}") from None
        except smtplib.SMTPNotSupportedError:
            raise Deferred("the server cannot do what is needed: STARTTLS, or a way to log in") from None
        except ssl.SSLCertVerificationError:
            raise Deferred("the server's certificate does not verify") from None
        except (smtplib.SMTPException, OSError) as exc:
            raise Deferred(f"the server could not be reached ({type(exc).__name__})") from None

    def _unconnected(self) -> smtplib.SMTP:
        """Return a client that has not asked yet: what its first answer takes must have an end, too."""
        if self.tls_at_once:
            server: smtplib.SMTP = smtplib.SMTP_SSL(timeout=self.timeout, context=self._trust())
        else:
            server = smtplib.SMTP(timeout=self.timeout)
        server._host = self.host  # type: ignore[attr-defined]  # noqa: SLF001 - whose certificate it must be
        return server

    def _connect(self, server: smtplib.SMTP) -> None:
        code, _ = server.connect(self.host, self.port)
        if code != 220:  # noqa: PLR2004 - RFC 5321, 4.2.3
            raise Deferred(f"the server answered {code}")
        server.ehlo_or_helo_if_needed()
        if not self.tls_at_once and (server.has_extn("starttls") or not is_loopback(self.host)):
            server.starttls(context=self._trust())
            server.ehlo()
        if self.user:
            server.login(self.user, self.password)

    def _trust(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self.ca or None)


@contextlib.contextmanager
def _ended(server: smtplib.SMTP, seconds: float) -> Iterator[None]:
    """End the conversation after so long, whatever the server is doing."""

    def end() -> None:
        with contextlib.suppress(OSError):
            if server.sock is not None:
                server.sock.shutdown(socket.SHUT_RDWR)

    timer = Timer(seconds, end)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _handed_over(server: smtplib.SMTP, sender: str, to: str, data: bytes) -> None:
    """Send one mail to one recipient. After the server took the data nothing that fails makes it untaken."""
    code, _ = server.mail(sender)
    if code != 250:  # noqa: PLR2004 - RFC 5321, 4.2.3
        raise Deferred(f"the server answered {code} to the sender")
    _taken(server.rcpt(to)[0])
    try:
        code, _ = server.data(data)
    except smtplib.SMTPDataError as exc:
        code = exc.smtp_code
    _taken(code)


def _taken(code: int) -> None:
    if code in PERMANENT and code not in OURS:
        raise Refused(f"the server answered {code}")
    if code not in {250, 251}:
        raise Deferred(f"the server answered {code}")


def from_url(url: str, *, sender: str) -> SmtpMail:
    """Return the channel that a setting names.

    Raises:
        SettingsError: It is not `smtp[s]://[user:password@]host[:port][?ca=FILE]`, or there is no sender.
    """
    try:
        parts = urlsplit(url)
        port = parts.port or PORTS[parts.scheme]
        ca = parse_qs(parts.query, strict_parsing=bool(parts.query)).get("ca", [""])[0]
    except (ValueError, KeyError):
        parts, port, ca = urlsplit(""), 0, ""
    if not parts.hostname or parts.path not in {"", "/"}:
        said = "TWINSEAL_SMTP: expected smtp://user:password@host:port or smtps://"  # Never what was given.
        raise SettingsError(said)
    try:
        mail.address(sender)
    except Refused:
        raise SettingsError("TWINSEAL_MAIL_FROM: expected an address of mail beside TWINSEAL_SMTP") from None
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    at_once = parts.scheme == "smtps"
    return SmtpMail(parts.hostname, port, sender, tls_at_once=at_once, user=user, password=password, ca=ca)
