"""What an HTTP answer to a message means: taken, later, or never. Nothing that the peer wrote is passed on."""

from __future__ import annotations

from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from governance.adapters import clock
from governance.adapters.loopback import is_loopback
from governance.channels import Deferred, NotSent, Refused
from governance.errors import SettingsError

TIMEOUT_S = 10.0
NEVER = frozenset({400, 404, 405, 410, 413, 414, 415, 422})
"""Answers that the same message will get again. Not those about credentials (401, 403), which can be mended."""
YEAR_S = 366 * 86_400


def refusal(status: int, headers: Mapping[str, str], *, detail: str = "") -> NotSent:
    """Return what to raise for a status that is not the one we wait for."""
    said = f"answered {status}{detail}"
    if status in NEVER:
        return Refused(said)
    return Deferred(said, retry_after=retry_after(headers.get("Retry-After") or ""))


def retry_after(text: str) -> int:
    """Return the seconds that a header asks us to wait (RFC 9110, 10.2.3); 0 where it says nothing that we read."""
    text = text.strip()
    if text.isascii() and text.isdigit():
        return min(int(text[:10]), YEAR_S)
    try:
        at = parsedate_to_datetime(text).timestamp()
    except (TypeError, ValueError, OverflowError):
        return 0
    return max(0, min(int(at - clock.now() / 1000), YEAR_S))


def private_url(url: str, *, setting: str) -> str:
    """Return an address to which a secret may go: encrypted, or on this machine.

    Raises:
        SettingsError: It is not. The message does not repeat it: it may be the secret.
    """
    try:
        parts = urlsplit(url)
        _ = parts.port
        host = parts.hostname or ""
    except ValueError:
        host, parts = "", urlsplit("")
    if not host or not (parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host))):
        raise SettingsError(f"{setting}: expected https://..., or http:// on this machine alone")
    return url
