"""Who answers by mail or SMS, and what was heard already. What is refused is recorded, by strangers once an hour each.

`inbound` is no projection: it only says what need not be looked at again. A provider that brings a message twice, and
who plays one back, change nothing by it: an answer that was taken is not taken again.
"""

from __future__ import annotations

import hashlib

from audit.entry import Actor
from audit.transaction import Transaction
from governance.errors import DeniedError, RequestError
from governance.people.tokens import Caller
from governance.policy import Kind as PrincipalKind
from governance.replies import same_address
from governance.service import Service, refusal
from governance.state import confirmations, read
from governance.tell import addresses
from governance.two_channels import Channel

HOUR_MS = 60 * 60 * 1000
KEPT_MS = 24 * HOUR_MS
UNKNOWN = Actor("unknown", "unknown", "")
TOLD = frozenset(
    f"two_channels.{code}" for code in ("code", "locked", "expired", "over", "disowned", "unsettled", "other")
) | {"decision.vetoed", "decision.moved", "decision.closed"}
"""Refusals that are told to whom they concern."""
RECORDED = TOLD | {"two_channels.none", "two_channels.same_channel", "two_channels.code_needed"}
"""Refusals that the command has recorded itself."""


class StrangerError(DeniedError):
    """A message from an address or a number that is nobody's here."""

    def __init__(self, sender: str) -> None:
        super().__init__("this address or number is nobody's here", code="two_channels.stranger")
        self.sender = sender


def known(service: Service, channel: Channel, sender: str) -> str:
    """Return whose address or number this is.

    Raises:
        StrangerError: Nobody's, or that of more than one.
    """
    with service.read() as look:
        people = [who for who in read.roster(look).active() if who.kind is PrincipalKind.HUMAN]
        if channel is Channel.MAIL:
            found = [who.name for who in people if any(same_address(sender, each) for each in who.emails)]
        else:
            found = [who.name for who in people if addresses.phone(look, service, who.name) == sender]
    if len(found) != 1:
        raise StrangerError(sender)
    return found[0]


def seen(service: Service, name: str) -> bool:
    """Whether this message was heard before."""
    with service.read() as look:
        return bool(look.execute("select 1 from inbound where id=?", (name,)).fetchone())


def remember(service: Service, name: str) -> None:
    """Remember that this message was heard, for a day."""

    def command(tx: Transaction) -> None:
        tx.execute("delete from inbound where at < ?", (tx.now - KEPT_MS,))
        tx.execute("insert into inbound values(?,?) on conflict(id) do nothing", (name, tx.now))

    service.ledger.run(command)


def forged(service: Service, channel: Channel) -> None:
    """Record that somebody forges messages of a provider: once an hour, however many there are."""
    error = DeniedError("messages come that the provider has not signed for this address", code="two_channels.forged")
    _once(service, channel, error, "")


def unheard(service: Service, channel: Channel, error: RequestError) -> None:
    """Record a message that was no answer, or nobody's, unless the command has: once an hour for each sender."""
    if error.code not in RECORDED:
        _once(service, channel, error, getattr(error, "sender", ""))


def _once(service: Service, channel: Channel, error: RequestError, sender: str) -> None:
    with service.read() as look:
        hour = service.now(look) // HOUR_MS
        # The sender by digest: an address of a stranger is not ours to keep for good.
        key = f"unheard {channel} {error.code} {hashlib.sha256(sender.encode()).hexdigest()[:16]} {hour}"
        if look.execute("select 1 from ledger_request where id=?", (key,)).fetchone():
            return
    caller = Caller(UNKNOWN.id, UNKNOWN.kind, "", "")
    draft = refusal(caller, f"{confirmations.SUBJECT}.{channel}", error)
    service.ledger.run(lambda tx: tx.append(draft, key=key))
