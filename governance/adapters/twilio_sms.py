"""Text messages by Twilio, with its official client, which waits for ever unless it is told otherwise."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass, field

from governance.adapters.answers import TIMEOUT_S, refusal
from governance.channels import SMS, Deferred, Message, Refused
from governance.explain import plain

NUMBER = re.compile(r"\+[1-9][0-9]{6,14}")
"""E.164."""
BODY_MOST = 480
"""Three parts of a text message."""


@dataclass(frozen=True)
class TwilioSms:
    """An account, by its token."""

    sid: str
    token: str = field(repr=False)
    sender: str
    url: str = "https://api.twilio.com"
    timeout: float = TIMEOUT_S
    name: str = SMS

    @property
    def where(self) -> str:
        """The service, and who we are there."""
        return f"Twilio, from {self.sender}"

    def send(self, message: Message, *, key: str) -> None:
        """Hand one text message over. Twilio knows no key: what is sent again arrives again."""
        del key
        import requests  # noqa: PLC0415 - loaded with the first text message
        from twilio.base.exceptions import TwilioException, TwilioRestException  # noqa: PLC0415
        from twilio.http.http_client import TwilioHttpClient  # noqa: PLC0415
        from twilio.rest import Client  # noqa: PLC0415

        if not NUMBER.fullmatch(message.to):
            raise Refused("the recipient has no usable number")
        silent = logging.getLogger("governance.twilio")
        silent.disabled = True  # It logs every request, with what it says and to whom.
        http = TwilioHttpClient(timeout=self.timeout, logger=silent)
        client = Client(self.sid, self.token, http_client=http)
        client.api.base_url = self.url
        body = plain(message.short or message.subject)[:BODY_MOST]
        try:
            client.messages.create(to=message.to, from_=self.sender, body=body)
        except TwilioRestException as exc:
            last = http._test_only_last_response  # noqa: SLF001 - the one place where it keeps the headers
            headers = dict(last.headers or {}) if last is not None else {}
            raise refusal(int(exc.status), headers, detail=f" (code {exc.code})" if exc.code else "") from None
        except (requests.RequestException, TwilioException, OSError) as exc:
            raise Deferred(f"Twilio could not be reached ({type(exc).__name__})") from None
        finally:
            if http.session is not None:
                http.session.close()
