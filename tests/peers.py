"""The services that people are told by, on loopback: what they check of real clients, they check here.

A real SMTP server (aiosmtpd), and HTTP servers that refuse what SendGrid, Twilio and Slack refuse.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import datetime as dt
import ipaddress
import json
import re
import ssl
import threading
import urllib.parse
from concurrent.futures import Future
from email import message_from_bytes, policy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from aiosmtpd import smtp as serving
from aiosmtpd.smtp import AuthResult, LoginPassword
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from email.message import EmailMessage
    from pathlib import Path

USER, PASSWORD = "twinseal", "p@ss:word/7"
KEY = "SG.abcdefghijklmnopqrstuv.0123456789abcdefghijklmnopqrstuvwxyzABCDEFG"
SID, TOKEN = "AC" + "0a" * 16, "f0" * 16


def certified(folder: Path, *, host: str = "127.0.0.1") -> tuple[Path, Path]:
    """Return (certificate, key) files of a server, signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a test")])
    now = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
    alternative: x509.GeneralName = x509.DNSName(host)
    with contextlib.suppress(ValueError):
        alternative = x509.IPAddress(ipaddress.ip_address(host))
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(now)
        .not_valid_after(now.replace(year=2120))
        .add_extension(x509.SubjectAlternativeName([alternative]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem, secret = folder / "cert.pem", folder / "key.pem"
    pem.write_bytes(built.public_bytes(serialization.Encoding.PEM))
    secret.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return pem, secret


class Mailbox:
    """What an SMTP server does with a mail: keeps it, or answers something else."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.envelopes: list[tuple[str, list[str]]] = []
        self.tls: list[bool] = []
        self.users: list[bytes] = []
        self.rcpt = self.data = "250 OK"

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:  # noqa: ANN401, N802
        if self.rcpt.startswith("250"):
            envelope.rcpt_tos.append(address)
        return self.rcpt

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: ANN401, N802
        if self.data.startswith("250"):
            self.mails.append(message_from_bytes(envelope.content, policy=policy.default))  # type: ignore[arg-type]
            self.envelopes.append((envelope.mail_from, list(envelope.rcpt_tos)))
            self.tls.append(session.ssl is not None)
        return self.data

    def login(self, server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:  # noqa: ANN401
        good = isinstance(data, LoginPassword) and (data.login.decode(), data.password.decode()) == (USER, PASSWORD)
        if good:
            self.users.append(data.login)
        return AuthResult(success=good, handled=False)


@contextlib.contextmanager
def smtp(box: Mailbox, *, certificate: tuple[Path, Path] | None = None, auth: bool = False) -> Iterator[int]:
    """Run an SMTP server for as long as the block lasts; return its port."""
    options: dict[str, Any] = {}
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
        options = {"tls_context": context, "require_starttls": True}
    if auth:
        options |= {"authenticator": box.login, "auth_required": True, "auth_require_tls": certificate is not None}

    loop = asyncio.new_event_loop()
    served = asyncio.Event()
    started: Future[int] = Future()

    async def serve() -> None:
        server = await loop.create_server(lambda: serving.SMTP(box, loop=loop, **options), "127.0.0.1", 0)
        started.set_result(server.sockets[0].getsockname()[1])
        await served.wait()
        server.close()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    try:
        yield started.result(10)
    finally:
        loop.call_soon_threadsafe(served.set)
        thread.join()
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()


class Peer:
    """An HTTP service: `check` returns (status, headers, body) for a request, and what is wanted instead may be set."""

    def __init__(self) -> None:
        self.taken: list[dict[str, Any]] = []
        self.keys: list[str] = []
        self.asked: list[bytes] = []
        """Whatever was sent to it, answered or not."""
        self.url = ""
        self.instead: Callable[[], tuple[int, dict[str, str], bytes] | None] = lambda: None
        self.wait = threading.Event()
        self.wait.set()

    @property
    def tried(self) -> int:
        return len(self.asked)

    def check(self, path: str, headers: Any, body: bytes) -> tuple[int, dict[str, str], bytes]:  # noqa: ANN401
        raise NotImplementedError

    @contextlib.contextmanager
    def serving(self) -> Iterator[Peer]:
        peer = self

        class Answering(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                peer.asked.append(body)
                peer.wait.wait(30)
                status, headers, said = peer.instead() or peer.check(self.path, self.headers, body)
                with contextlib.suppress(OSError):
                    self.send_response(status)
                    for name, value in headers.items():
                        self.send_header(name, value)
                    self.send_header("Content-Length", str(len(said)))
                    self.end_headers()
                    self.wfile.write(said)

            def log_message(self, *args: object) -> None:
                pass

        class Serving(ThreadingHTTPServer):
            def handle_error(self, request: object, client_address: object) -> None:
                """Say nothing of a client that was killed."""

        server = Serving(("127.0.0.1", 0), Answering)
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        self.url = f"http://127.0.0.1:{server.server_port}"
        try:
            yield self
        finally:
            self.wait.set()
            server.shutdown()
            thread.join()
            server.server_close()


class SendGrid(Peer):
    """`POST /v3/mail/send` as its reference has it: a key, JSON of one shape, 202 with X-Message-Id."""

    def check(self, path: str, headers: Any, body: bytes) -> tuple[int, dict[str, str], bytes]:  # noqa: ANN401
        if headers["Authorization"] != f"Bearer {KEY}":
            return 401, {}, b'{"errors":[{"message":"The provided authorization grant is invalid"}]}'
        try:
            mail = json.loads(body)
            wrong = self._wrong(path, headers, mail)
        except (ValueError, KeyError, TypeError, IndexError) as exc:
            wrong = repr(exc)
        if wrong:
            return 400, {}, json.dumps({"errors": [{"message": wrong}]}).encode()
        self.taken.append(mail)
        self.keys.append(mail["personalizations"][0]["custom_args"]["twinseal_key"])
        return 202, {"X-Message-Id": f"id{len(self.taken)}"}, b""

    @staticmethod
    def _wrong(path: str, headers: Any, mail: Any) -> str:  # noqa: ANN401
        known = {"personalizations", "from", "subject", "content", "headers", "tracking_settings", "attachments"}
        if path != "/v3/mail/send" or headers["Content-Type"] != "application/json":
            return "expected JSON at /v3/mail/send"
        if set(mail) - known:
            return f"unknown: {sorted(set(mail) - known)}"
        to = mail["personalizations"][0]["to"]
        addresses = [*(each["email"] for each in to), mail["from"]["email"]]
        if not all(re.fullmatch(r"[^@\s]+@[^@\s]+\.[a-z]+", each) for each in addresses):
            return "Does not contain a valid address."
        if [each["type"] for each in mail["content"]] not in (["text/plain"], ["text/plain", "text/html"]):
            return "content: text/plain first, then text/html"
        if not mail["subject"] or not all(each["value"] for each in mail["content"]):
            return "The subject and content are required."
        if any("\n" in f"{name}{value}" or "\r" in f"{name}{value}" for name, value in mail["headers"].items()):
            return "headers must not hold line breaks"
        for each in mail.get("attachments", ()):
            base64.b64decode(each["content"], validate=True)
        return ""


class Twilio(Peer):
    """`POST /2010-04-01/Accounts/{sid}/Messages.json`: Basic auth, a form, 201 with a JSON message."""

    def check(self, path: str, headers: Any, body: bytes) -> tuple[int, dict[str, str], bytes]:  # noqa: ANN401
        basic = base64.b64encode(f"{SID}:{TOKEN}".encode()).decode()
        if headers["Authorization"] != f"Basic {basic}":
            return 401, {}, json.dumps({"code": 20003, "message": "Authenticate", "status": 401}).encode()
        form = dict(urllib.parse.parse_qsl(body.decode(), strict_parsing=True))
        number = re.compile(r"\+[1-9][0-9]{6,14}")
        good = path == f"/2010-04-01/Accounts/{SID}/Messages.json" and set(form) == {"To", "From", "Body"}
        if (
            not good
            or not number.fullmatch(form["To"])
            or not number.fullmatch(form["From"])
            or len(form["Body"]) > 1600
        ):
            return 400, {}, json.dumps({"code": 21211, "message": "Invalid 'To'", "status": 400}).encode()
        self.taken.append(form)
        said = {
            "sid": "SM" + "0" * 32,
            "status": "queued",
            "to": form["To"],
            "from": form["From"],
            "body": form["Body"],
        }
        return 201, {"Content-Type": "application/json"}, json.dumps(said).encode()


class Slack(Peer):
    """An incoming webhook: JSON with a text, answered by `ok`."""

    def check(self, path: str, headers: Any, body: bytes) -> tuple[int, dict[str, str], bytes]:  # noqa: ANN401
        said = json.loads(body)
        if path != "/services/T0/B0/secret" or not headers["Content-Type"].startswith("application/json"):
            return 404, {}, b"no_service"
        if not isinstance(said.get("text"), str) or not said["text"]:
            return 400, {}, b"no_text"
        self.taken.append(said)
        self.keys.append(headers["Idempotency-Key"])
        return 200, {}, b"ok"

    @property
    def address(self) -> str:
        return f"{self.url}/services/T0/B0/secret"
