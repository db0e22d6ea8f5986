"""Whether critical decisions can be confirmed: who can be sent a code, and whether their answers come in."""

from __future__ import annotations

from collections.abc import Iterator

from audit.stores import Connection
from governance.adapters import telling
from governance.adapters.settings import Settings
from governance.channels import PERSONAL
from governance.entrypoints.findings import Finding
from governance.errors import SettingsError
from governance.policy import OWNER, Kind
from governance.standing import Principal
from governance.state import read

NAME = "two channels"
SEND = "Set TWINSEAL_SMTP and TWINSEAL_MAIL_FROM, or TWINSEAL_TWILIO and TWINSEAL_SMS_FROM."


def channels(connection: Connection, settings: Settings) -> Iterator[Finding]:
    """Say of each owner by what a decision that they approve can be confirmed, and what is missing."""
    sends = _sends(settings)
    owners = [who for who in read.roster(connection).active() if who.role == OWNER and who.kind is Kind.HUMAN]
    for who in owners:
        ways = _ways(connection, sends, who)
        account = connection.execute("select 1 from account where principal=?", (who.name,)).fetchone()
        if ways:
            yield Finding("good", NAME, f"{who.name} is sent a code by {' and '.join(ways)}")
        elif account is not None:
            said = f"{who.name} can be sent no code, and confirms in the browser what they approved in a terminal"
            yield Finding("warn", NAME, said, SEND)
        else:
            said = f"{who.name} can be sent no code: what they approve of critical decisions stays on hold"
            yield Finding("warn", NAME, said, f"{SEND} Or give them a page: twinseal account password.")
    yield from _answers(settings, sends)


def _sends(settings: Settings) -> frozenset[str]:
    """Return the channels that reach one person; of settings that are wrong it is said elsewhere."""
    try:
        return frozenset(channel.name for channel in telling.channels(settings)) & PERSONAL
    except SettingsError:
        return frozenset()


def _ways(connection: Connection, sends: frozenset[str], who: Principal) -> list[str]:
    named = {row[0] for row in connection.execute("select channel from contact where principal=?", (who.name,))}
    known = named | ({"mail"} if who.emails else set())
    return sorted(sends & known)


def _answers(settings: Settings, sends: frozenset[str]) -> Iterator[Finding]:
    """Say which answers come in by themselves; the others are typed in."""
    if "mail" in sends and not settings.sendgrid_inbound:
        said = "answers by mail are not read; they are typed in: twinseal decision confirm"
        yield Finding("warn", NAME, said, "Set TWINSEAL_SENDGRID_INBOUND to the key of an inbound parse webhook.")
    if "sms" in sends and not settings.url:
        said = "answers by SMS cannot come in: nobody outside knows this service's address"
        yield Finding("warn", NAME, said, "Set TWINSEAL_URL to the public address that Twilio's webhook calls.")
