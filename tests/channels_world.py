"""A service that sends codes by mail and SMS, and hears answers over real HTTP, signed as the providers sign them.

Nothing is sent here: a test reads the code as the person would, from the message that would be made.
"""

from __future__ import annotations

import base64
import http.client
import json
import socket
import threading
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import uvicorn
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from fastapi import FastAPI
from twilio.request_validator import RequestValidator

from audit.entry import Actor, Draft
from builders import REPOSITORY, a_policy
from factor_world import FactorWorld
from governance.adapters import ledger_keys, settings
from governance.adapters.inbound import mail_key
from governance.adapters.vault import FileVault
from governance.coordinate import confirming, decisions
from governance.entrypoints import api_inbound, problems
from governance.entrypoints.limits import Limited
from governance.people import codes
from governance.reconcile import Reconciler, World
from governance.record import Kind
from governance.state import confirmations
from governance.tell import addresses
from playing import until
from service_world import PEOPLE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from governance.policy import Policy
    from governance.two_channels import Awaited

HERE = (*PEOPLE, "orchestrator", "librarian", "architect-b", "architect-c")
CODE, OTHER = "MFRGGZDF", "NBSWY3DP"
PHONE, MAIL = "+491700000001", "owner@example.org"
ACCOUNT, TOKEN = "AC" + "0" * 32, "the account's token"
URL = "https://twinseal.example.org/base"
"""What the providers call: not the address of the test's own server, which stands behind a proxy, as it were."""


class ChannelsWorld(FactorWorld):
    """A service with two channels set up, and an owner with a number."""

    def __init__(self, folder: Path, *, policy: Policy | None = None) -> None:
        super().__init__(folder, people=HERE, policy=policy or a_policy())
        here = settings.load({"HOME": str(folder)})
        here.state.mkdir(parents=True)
        ledger_keys.make_kek(here)
        self.service.vault = FileVault(here)
        self.service.sends = frozenset({"mail", "sms"})
        self.number("owner", PHONE)
        self.marked: list[str] = []

    def number(self, name: str, phone: str) -> None:
        """Record where text messages to somebody go."""
        text = self.service.vault.seal(addresses.sealed_as(self.service.log, name), f"salt:{phone}".encode())
        data = {"channel": "sms", "set": True}
        self.append(Draft(Kind.ACCOUNT_CONTACT, Actor(name, "human", ""), "", name, data, {addresses.PHONE: text}))

    def does(self, by: str, type_: str, **body: Any) -> dict[str, Any]:  # noqa: ANN401
        acts = {"decision.raise": decisions.ask, "decision.close": decisions.close}
        said = self.said(type_, by, {"repository": REPOSITORY, **body}, nonce=str(len(self.kinds())))
        return acts[type_](self.service, self.caller(by), said, REPOSITORY)

    def asked(self, kind: str = "architecture", *, by: str = "dev-a") -> int:
        question = f"Shall wall {len(self.kinds())} be moved?"
        body = {"kind": kind, "question": question, "options": [], "change": 0}
        return int(self.does(by, "decision.raise", **body)["decision"])

    def signed(self, number: int, *, by: str = "owner", verdict: str = "approve", code: str = CODE) -> str:
        body = {"repository": REPOSITORY, "decision": number, "verdict": verdict, "reason": "looked at it"}
        said = self.said("decision.sign", by, body, nonce=str(len(self.kinds())))
        return str(decisions.sign(self.service, self.caller(by), said, REPOSITORY, code=code)["outcome"])

    def approved(self, *, code: str = CODE) -> int:
        """Raise a critical decision and let the owner approve it; return its number."""
        number = self.asked()
        assert self.signed(number, code=code) == "awaits"
        return number

    def confirms(self, number: int, code: str = CODE, word: str = "yes", *, by: str = "owner") -> dict[str, Any]:
        """Say it in the terminal, signed."""
        body = {"repository": REPOSITORY, "decision": number, "word": word}
        said = self.said("decision.confirm", by, body, nonce=str(len(self.kinds())))
        return confirming.confirm(self.service, self.caller(by), said, REPOSITORY, code=code)

    def shown(self, number: int) -> dict[str, Any]:
        from governance.state import decisions as decided  # noqa: PLC0415
        from governance.state import read  # noqa: PLC0415

        with self.service.read() as tx:
            found = decided.decision(tx, REPOSITORY, number)
            assert found is not None
            return decisions.shown(found, read.policy(tx), self.now)

    def awaited(self, number: int) -> Awaited:
        with self.service.read() as tx:
            found = confirmations.of(tx, number)
        assert found is not None
        return found

    def code_sent(self, number: int) -> str:
        """Return the code as the service opens it to send it."""
        with self.service.read() as tx:
            return codes.code_of(tx, self.service, self.awaited(number))

    def frozen(self) -> list[str]:
        """Return the reasons of the freezes of everything that stand."""
        return [row[0] for row in self.rows("select reason from halt where scope='everything' and lifted_seq is null")]

    def refusals(self, since: int = 0) -> list[tuple[str, str, str]]:
        """Return (who, what, code) of each refusal that was recorded."""
        found = self.bodies("kind='request.refused' and seq >= ?", since)
        return [(body["actor"]["id"], body["subject"], body["data"]["code"]) for body in found]

    @contextmanager
    def listening(self) -> Iterator[Webhooks]:
        """Serve the webhooks on loopback."""
        secret = ec.generate_private_key(ec.SECP256R1())
        public = secret.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        app = FastAPI()
        app.state.service = self.service
        key = mail_key(base64.b64encode(public).decode())
        app.state.inbound = api_inbound.Inbound(URL, ACCOUNT, TOKEN, key)
        app.state.reconciler = Reconciler(self.service, self._machine())
        app.include_router(api_inbound.router)
        problems.install(app)
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            config = uvicorn.Config(Limited(app), lifespan="off", log_config=None)
            server = uvicorn.Server(config)
            thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
            thread.start()
            try:
                until(lambda: server.started, "the server listens")
                yield Webhooks(self, listener.getsockname()[1], secret, app)
            finally:
                server.should_exit = True
                thread.join()

    def _machine(self) -> World:
        return World(
            refs=lambda path: {}, alive=lambda handle: True, pin=lambda *args: None,
            mark_frozen=lambda path, why: self.marked.append(why),
        )  # fmt: skip


class Webhooks:
    """The providers: they sign what they bring, and a forger signs something else."""

    def __init__(self, world: ChannelsWorld, port: int, secret: ec.EllipticCurvePrivateKey, app: FastAPI) -> None:
        self.world = world
        self.app = app
        self._port = port
        self.secret = secret
        self.sids = 0

    def post(self, path: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, str]:
        with closing(http.client.HTTPConnection("127.0.0.1", self._port, timeout=20)) as connection:
            connection.request("POST", path, body, dict(headers))
            answer = connection.getresponse()
            return answer.status, answer.read().decode()

    def form(self, text: str, sender: str = PHONE, **changed: str) -> dict[str, str]:
        """Return a form as Twilio posts it."""
        self.sids += 1
        sid = f"SM{self.sids:032x}"
        return {
            "AccountSid": ACCOUNT, "ApiVersion": "2010-04-01", "Body": text, "From": sender, "MessageSid": sid,
            "NumMedia": "0", "SmsMessageSid": sid, "To": "+491700000099",
        } | changed  # fmt: skip

    def sms(
        self, text: str, sender: str = PHONE, *, form: dict[str, str] | None = None, url: str = "", token: str = TOKEN,
        sent: dict[str, str] | None = None, query: str = "", **headers: str,
    ) -> tuple[int, str]:  # fmt: skip
        """Bring a text message; `form` is what is signed, `sent` what is sent instead."""
        form = form or self.form(text, sender)
        signature = RequestValidator(token).compute_signature(url or URL + api_inbound.SMS, form)
        usual = {"Content-Type": "application/x-www-form-urlencoded", "X-Twilio-Signature": signature}
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.post(api_inbound.SMS + query, urlencode(sent or form).encode(), usual | named)

    def parts(self, text: str, sender: str = MAIL, **changed: str) -> dict[str, str]:
        """Return the fields that SendGrid's inbound parse posts."""
        domain = sender.rpartition("@")[2]
        envelope = json.dumps({"to": ["answers@in.example.org"], "from": sender})
        return {
            "headers": f"From: The Owner <{sender}>\nTo: answers@in.example.org\nSubject: Re: Confirm\n",
            "dkim": f"{{@{domain} : pass}}", "SPF": "pass", "envelope": envelope, "to": "answers@in.example.org",
            "from": f"The Owner <{sender}>", "text": text, "subject": "Re: Confirm", "charsets": '{"text":"utf-8"}',
        } | changed  # fmt: skip

    def mail(
        self, text: str, sender: str = MAIL, *, at: int | None = None, secret: ec.EllipticCurvePrivateKey | None = None,
        body: bytes = b"", sent: bytes = b"", **changed: str,
    ) -> tuple[int, str]:  # fmt: skip
        """Bring a mail; `sent` is sent instead of what was signed."""
        body = body or multipart(self.parts(text, sender, **changed))
        stamp = str(at if at is not None else self.world.now // 1000)
        return self.post(api_inbound.MAIL, sent or body, self.stamped(stamp, body, secret or self.secret))

    @staticmethod
    def stamped(stamp: str, body: bytes, secret: ec.EllipticCurvePrivateKey) -> dict[str, str]:
        """Return the headers of a mail that was signed at this time."""
        signature = secret.sign(stamp.encode() + body, ec.ECDSA(hashes.SHA256()))
        return {
            "Content-Type": "multipart/form-data; boundary=xYzZY",
            "X-Twilio-Email-Event-Webhook-Signature": base64.b64encode(signature).decode(),
            "X-Twilio-Email-Event-Webhook-Timestamp": stamp,
        }


def multipart(fields: Mapping[str, str]) -> bytes:
    """Return a form with these fields, as SendGrid writes it."""
    parts = [
        f'--xYzZY\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n' for name, value in fields.items()
    ]
    return ("".join(parts) + "--xYzZY--\r\n").encode()
