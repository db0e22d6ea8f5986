"""The channels that the settings set up, and which they do not."""

from __future__ import annotations

from governance.adapters import mail, smtp, tmux
from governance.adapters.answers import private_url
from governance.adapters.sendgrid_mail import SendGridMail
from governance.adapters.settings import Settings
from governance.adapters.twilio_sms import NUMBER, TwilioSms
from governance.adapters.webhook import Webhook
from governance.channels import MAIL, SMS, TMUX, WEBHOOK, Channel, Refused
from governance.errors import SettingsError

SETTINGS = {
    MAIL: "TWINSEAL_SMTP or TWINSEAL_SENDGRID_KEY, with TWINSEAL_MAIL_FROM",
    SMS: "TWINSEAL_TWILIO and TWINSEAL_SMS_FROM",
    TMUX: "TWINSEAL_TMUX",
    WEBHOOK: "TWINSEAL_WEBHOOK",
}
"""What sets each channel up."""


def channels(settings: Settings) -> list[Channel]:
    """Return every channel that is set up.

    Raises:
        SettingsError: One is set up by halves, twice, or so that secrets would travel in clear.
    """
    found = [_mail(settings), _sms(settings), _tmux(settings), _webhook(settings)]
    return [channel for channel in found if channel is not None]


def _mail(settings: Settings) -> Channel | None:
    if settings.smtp and settings.sendgrid_key:
        # What one of them may have taken already, the other would send again.
        raise SettingsError("mail goes by TWINSEAL_SMTP or by TWINSEAL_SENDGRID_KEY: set one of them")
    if settings.smtp:
        return smtp.from_url(settings.smtp, sender=settings.mail_from)
    if not settings.sendgrid_key:
        return None
    try:
        mail.address(settings.mail_from)
    except Refused:
        said = "TWINSEAL_MAIL_FROM: expected an address of mail beside TWINSEAL_SENDGRID_KEY"
        raise SettingsError(said) from None
    url = private_url(settings.sendgrid_url, setting="TWINSEAL_SENDGRID_URL")
    return SendGridMail(settings.sendgrid_key, settings.mail_from, url.rstrip("/"))


def _sms(settings: Settings) -> Channel | None:
    if not settings.twilio:
        return None
    sid, _, token = settings.twilio.partition(":")
    if not (sid and token):
        raise SettingsError("TWINSEAL_TWILIO: expected sid:token")  # Never what was given.
    if not NUMBER.fullmatch(settings.sms_from):
        raise SettingsError("TWINSEAL_SMS_FROM: expected a number like +491701234567 beside TWINSEAL_TWILIO")
    url = private_url(settings.twilio_url, setting="TWINSEAL_TWILIO_URL")
    return TwilioSms(sid, token, settings.sms_from, url.rstrip("/"))


def _tmux(settings: Settings) -> Channel | None:
    if not settings.tmux:
        return None
    found = tmux.from_setting(settings.tmux)
    if not found.target or found.target.startswith("-"):
        raise SettingsError("TWINSEAL_TMUX: expected a session, or /path/of/its/socket:session")
    return found


def _webhook(settings: Settings) -> Channel | None:
    return Webhook(settings.webhook) if settings.webhook else None
