"""Mail by SendGrid, with its official client, which waits for ever unless it is told otherwise."""

from __future__ import annotations

import base64
import logging
from dataclasses import dataclass, field
from typing import Any

from governance.adapters import mail
from governance.adapters.answers import TIMEOUT_S, refusal
from governance.channels import MAIL, Deferred, Message
from governance.explain import plain

ACCEPTED = 202


@dataclass(frozen=True)
class SendGridMail:
    """An account, by its key."""

    key: str = field(repr=False)
    sender: str
    url: str = "https://api.sendgrid.com"
    timeout: float = TIMEOUT_S
    name: str = MAIL

    @property
    def where(self) -> str:
        """The service, and who we are there."""
        return f"SendGrid, from {self.sender}"

    def send(self, message: Message, *, key: str) -> None:
        """Hand one mail over. It is taken only by 202: a redirect that ends well is no answer of SendGrid's."""
        from python_http_client.exceptions import HTTPError  # noqa: PLC0415 - loaded with the first mail
        from sendgrid import SendGridAPIClient  # noqa: PLC0415

        # Below this it logs the headers of what it sends, with the key among them.
        logging.getLogger("python_http_client").setLevel(logging.WARNING)
        body = _body(message, sender=self.sender, key=key)
        api = SendGridAPIClient(self.key, host=self.url)
        api.client.timeout = self.timeout
        try:
            answer = api.client.mail.send.post(request_body=body)
        except HTTPError as exc:
            raise refusal(int(exc.status_code), exc.headers) from None
        except OSError as exc:  # URLError and TimeoutError are.
            raise Deferred(f"SendGrid could not be reached ({type(exc).__name__})") from None
        if answer.status_code != ACCEPTED:
            raise Deferred(f"answered {answer.status_code}, expected {ACCEPTED}")


def _body(message: Message, *, sender: str, key: str) -> dict[str, Any]:
    mail.address(message.to)
    content = [{"type": "text/plain", "value": message.text}]
    if message.html:
        content.append({"type": "text/html", "value": message.html})
    files = [
        {"content": _b64(data), "type": "image/png", "filename": f"{cid}.png", "disposition": "inline"}
        | {"content_id": cid}
        for cid, data in message.inline.items()
    ]
    files += [
        {"content": _b64(each.data), "type": each.type, "filename": plain(each.name), "disposition": "attachment"}
        for each in message.attachments
    ]
    return {
        "personalizations": [{"to": [{"email": message.to}], "custom_args": {"twinseal_key": key}}],
        "from": {"email": sender, "name": "Twinseal"},
        "subject": plain(message.subject)[: mail.SUBJECT_MOST],
        "content": content,
        "headers": {"X-Twinseal-Key": key, "X-Twinseal-Entry": str(message.about), "Auto-Submitted": "auto-generated"},
        # Nobody who opens a mail is counted, and no link is anything but what it shows.
        "tracking_settings": {"click_tracking": {"enable": False}, "open_tracking": {"enable": False}},
        **({"attachments": files} if files else {}),
    }


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()
