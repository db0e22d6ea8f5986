"""HTTP for answers that providers bring: text messages by Twilio, mails by SendGrid's inbound parse.

Nobody logs in here: the provider's signature says that the message came to us, the message says who sent it, and the
code that it was theirs to answer. What is not signed is refused before it is parsed, and recorded once an hour.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from typing import Any
from urllib.parse import parse_qsl

import structlog
from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool
from starlette.datastructures import FormData

from governance import replies
from governance.adapters import inbound
from governance.coordinate import confirming, hearing
from governance.entrypoints.asking import FAILURES
from governance.entrypoints.disowned import followed
from governance.errors import DeniedError, NotFoundError, RequestError
from governance.replies import Reply
from governance.service import Service
from governance.two_channels import Answer, Channel

router = APIRouter(prefix="/v1/inbound", responses=FAILURES)

SMS, MAIL = "/v1/inbound/sms", "/v1/inbound/mail"
AGE_MS = 5 * 60 * 1000
"""How old a signed mail may be when it comes, and how far ahead of our time."""
FORM_LIMIT = 64 * 1024
FIELDS_MOST = 100
FIELDS = ("headers", "dkim", "SPF", "envelope", "text")
"""What is read of a mail; each comes once."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Inbound:
    """What the providers' signatures are checked with; empty or None where a provider is not set up."""

    url: str
    """The public address of this service, as the providers were told."""
    account: str = ""
    token: str = ""
    mail_key: Any = None


@router.post("/sms")
async def sms(request: Request) -> Response:
    """Take a text message that Twilio brings; answer in TwiML."""
    service, known = _parts(request)
    if not known.token:
        raise NotFoundError("no text messages are taken here", code="two_channels.not_set_up")
    form = _form(await request.body())
    signature = _one(request, "x-twilio-signature")
    # Our own address, whatever the request says of its host: no header of a proxy is believed.
    good = not request.url.query and inbound.sms_signed(known.token, known.url + SMS, form, signature)
    if not good or form.get("AccountSid") != known.account:
        await run_in_threadpool(hearing.forged, service, Channel.SMS)
        raise DeniedError("this was not signed by Twilio for this address", code="two_channels.forged")
    said = await run_in_threadpool(_texted, request, service, form)
    words = f"<Message>{escape(said)}</Message>" if said else ""
    text = f'<?xml version="1.0" encoding="UTF-8"?><Response>{words}</Response>'
    return Response(text, media_type="text/xml")


@router.post("/mail")
async def mail(request: Request) -> dict[str, str]:
    """Take a mail that SendGrid's inbound parse brings."""
    service, known = _parts(request)
    if known.mail_key is None:
        raise NotFoundError("no mails are taken here", code="two_channels.not_set_up")
    body = await request.body()
    signature = _one(request, "x-twilio-email-event-webhook-signature")
    timestamp = _one(request, "x-twilio-email-event-webhook-timestamp")
    if not _timely(service, timestamp) or not inbound.mail_signed(known.mail_key, timestamp, body, signature):
        await run_in_threadpool(hearing.forged, service, Channel.MAIL)
        raise DeniedError("this was not signed by SendGrid just now", code="two_channels.forged")
    form = await request.form(max_files=FIELDS_MOST, max_fields=FIELDS_MOST)
    # Not of the signature: there are two that are good for every one.
    name = "mail " + hashlib.sha256(timestamp.encode() + b"." + body).hexdigest()
    said = await run_in_threadpool(_heard, request, service, name, Channel.MAIL, lambda: replies.mail(_fields(form)))
    return {"said": said}


def _texted(request: Request, service: Service, form: Mapping[str, str]) -> str:
    name = f"sms {form.get('MessageSid', '')[:64]}"
    return _heard(
        request, service, name, Channel.SMS, lambda: replies.text_message(form.get("From", ""), form.get("Body", ""))
    )


def _heard(request: Request, service: Service, name: str, channel: Channel, read: Any) -> str:  # noqa: ANN401 - a closure
    """Take an answer once, and say what came of it; a refusal is an answer too, and the provider need not try again."""
    if hearing.seen(service, name):
        return ""
    try:
        reply: Reply = read()
        who = hearing.known(service, channel, reply.sender)
        done = confirming.reply(service, who, Answer(reply.word, channel, reply.code), how="reply")
        followed(request, done)
        said = f"Decision {done['decision']} is {done['outcome']}." + (" All is frozen." if done.get("freeze") else "")
    except RequestError as exc:
        log.info("inbound.refused", channel=channel.value, code=exc.code)
        hearing.unheard(service, channel, exc)
        # Strangers and machines are told nothing: what answers them could go on for ever.
        said = f"{exc}. {exc.mend}".strip() if exc.code in hearing.TOLD else ""
    hearing.remember(service, name)
    return said


def _parts(request: Request) -> tuple[Service, Inbound]:
    return request.app.state.service, request.app.state.inbound


def _one(request: Request, header: str) -> str:
    found = request.headers.getlist(header)
    return found[0] if len(found) == 1 else ""


def _form(body: bytes) -> dict[str, str]:
    """Return a form whose fields each come once."""
    try:
        pairs = parse_qsl(
            body[: FORM_LIMIT + 1].decode("utf-8"), keep_blank_values=True, max_num_fields=FIELDS_MOST, errors="strict"
        )
    except ValueError as exc:
        raise RequestError("this is not a form that a text message comes in", code="two_channels.malformed") from exc
    form = dict(pairs)
    if len(form) != len(pairs) or len(body) > FORM_LIMIT:
        raise RequestError("this form is too long, or a field of it comes twice", code="two_channels.malformed")
    return form


def _fields(form: FormData) -> dict[str, str]:
    found = {name: form.getlist(name) for name in FIELDS}
    if any(len(values) > 1 or not all(isinstance(value, str) for value in values) for values in found.values()):
        raise RequestError("a field of this mail comes twice, or as a file", code="two_channels.malformed")
    return {name: str(values[0]) for name, values in found.items() if values}


def _timely(service: Service, timestamp: str) -> bool:
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 12):  # noqa: PLR2004 - of seconds
        return False
    with service.read() as look:
        return abs(service.now(look) - int(timestamp) * 1000) <= AGE_MS
