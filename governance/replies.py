"""What a mail or a text message that came in says, and who sent it. Pure; nothing of it is believed but what is proved.

A mail's sender is believed only where the domain of its address has signed it (DKIM), or the envelope names the very
same address and its domain lets that server send (SPF): both as the receiving server found. Only the first words of its
plain text are read. What is below them may be our own question, which holds both answers.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.message import Message
from email.parser import HeaderParser

from governance import two_channels
from governance.errors import DeniedError, RequestError
from governance.two_channels import Word

NUMBER = re.compile(r"\+[1-9][0-9]{6,14}")
"""A telephone number as E.164 writes it."""
_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+")
_DKIM = re.compile(r"@([A-Za-z0-9.-]+)\s{0,4}:\s{0,4}([a-z]+)")
_LONGEST = 320
_BY_ITSELF: Mapping[str, Callable[[str], bool]] = {
    "auto-submitted": lambda value: value.split(";")[0].strip() != "no",
    "precedence": lambda value: value in {"bulk", "junk", "list", "auto_reply"},
    "x-autoreply": lambda value: value != "no",
    "x-autorespond": bool,
    "list-id": bool,
}
"""Headers by which a mail says that nobody wrote it (RFC 3834, and what was usual before it)."""


@dataclass(frozen=True, slots=True)
class Reply:
    """Who answers, by address or number, and what."""

    sender: str
    word: Word
    code: str


def text_message(sender: str, body: str) -> Reply:
    """Return what a text message says.

    Raises:
        RequestError: It does not begin with YES- or FRAUD- and a code.
        DeniedError: Its sender is no telephone number.
    """
    if not NUMBER.fullmatch(sender):
        raise DeniedError("a text message comes from a telephone number", code="two_channels.stranger")
    return _reply(sender, body)


def mail(fields: Mapping[str, str]) -> Reply:
    """Return what a mail says, from the fields that SendGrid's inbound parse posts.

    Raises:
        RequestError: It does not begin with YES- or FRAUD- and a code, or nobody wrote it.
        DeniedError: It has not exactly one sender, or that sender is not proved.
    """
    headers = HeaderParser().parsestr(fields.get("headers", ""))
    if _wrote_itself(headers):
        raise RequestError("this mail says that nobody wrote it", code="two_channels.automatic")
    sender = _sender(headers)
    if not _proved(sender, fields):
        said = "the sender of this mail is not proved: neither DKIM of its own domain nor SPF for its own address"
        raise DeniedError(said, code="two_channels.unproved")
    return _reply(sender, fields.get("text", ""))


def _reply(sender: str, text: str) -> Reply:
    said = two_channels.read(text)
    if said is None:
        raise RequestError("an answer begins with YES- or FRAUD- and a code", code="two_channels.unread")
    return Reply(sender, *said)


def _wrote_itself(headers: Message) -> bool:
    return any(
        says(str(value).strip().lower()) for name, says in _BY_ITSELF.items() for value in headers.get_all(name, [])
    )


def _sender(headers: Message) -> str:
    """Return the one address of the From header, whatever name is shown before it.

    Raises:
        DeniedError: There is not exactly one.
    """
    lines = [str(value).strip() for value in headers.get_all("from", [])]
    address = ""
    if len(lines) == 1 and len(lines[0]) <= _LONGEST:
        _, opens, rest = lines[0].rpartition("<") if lines[0].count("<") == 1 else ("", "", lines[0])
        address = rest.removesuffix(">") if opens else rest
    if not _ADDRESS.fullmatch(address):
        raise DeniedError("a mail has one sender, and names it once", code="two_channels.unproved")
    local, _, domain = address.rpartition("@")
    return f"{local}@{domain.lower()}"


def _proved(sender: str, fields: Mapping[str, str]) -> bool:
    domain = sender.rpartition("@")[2]
    signed = {(found[0].lower().rstrip("."), found[1]) for found in _DKIM.findall(fields.get("dkim", "")[:4096])}
    if (domain, "pass") in signed and (domain, "fail") not in signed:
        return True
    try:
        envelope = json.loads(fields.get("envelope", ""))
    except ValueError:
        return False
    from_ = envelope.get("from") if isinstance(envelope, dict) else None
    return (
        fields.get("SPF", "").strip().lower() == "pass" and isinstance(from_, str) and from_.lower() == sender.lower()
    )


def same_address(one: str, other: str) -> bool:
    """Whether two addresses are one: the domain in any case, the rest as it is enrolled, in any ASCII case."""
    return one.isascii() and other.isascii() and one.lower() == other.lower()
