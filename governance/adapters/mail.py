"""Makes a mail of a message: no header can be injected, and every part says what it is."""

from __future__ import annotations

from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate

from governance.channels import Message, Refused
from governance.explain import plain

SUBJECT_MOST = 200


def address(text: str) -> Address:
    """Return an address of mail.

    Raises:
        Refused: It is none that goes into a header or an envelope.
    """
    try:
        found = Address(addr_spec=text)
    except (MessageError, ValueError, IndexError):
        found = Address()
    if not (found.username and found.domain and text.isascii() and text.isprintable()) or set(text) & set(' <>,;:"\\'):
        raise Refused("the recipient has no usable address")
    return found


def made(message: Message, *, sender: str, key: str) -> EmailMessage:
    """Return a mail in text and HTML, with its pictures inside it and its files beside it."""
    mail = EmailMessage(policy=SMTP)
    author = address(sender)
    mail["Subject"] = plain(message.subject)[:SUBJECT_MOST]
    mail["From"] = Address("Twinseal", author.username, author.domain)
    mail["To"] = address(message.to)
    mail["Date"] = formatdate(usegmt=True)
    mail["Message-ID"] = f"<{key}@{author.domain}>"
    mail["X-Twinseal-Key"] = key
    mail["X-Twinseal-Entry"] = str(message.about)
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(message.text)
    if message.html:
        mail.add_alternative(message.html, subtype="html")
        html = mail.get_payload()[1]  # type: ignore[index]
        for name, data in message.inline.items():
            html.add_related(data, "image", "png", cid=f"<{name}>", disposition="inline")  # type: ignore[union-attr]
    for each in message.attachments:
        main, _, sub = each.type.partition("/")
        mail.add_attachment(each.data, maintype=main, subtype=sub, filename=plain(each.name))
    return mail
