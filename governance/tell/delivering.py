"""Sends what is due. The only part of telling that waits for a network, and it holds no lock while it waits.

A message is claimed under the ledger's lock, made and sent outside it, and what became of it is an entry. Killed before
the claim, nothing happened; after it, the claim ends and the next round sends; after the peer took it, it is sent once
more with the same key. Who is told to stop waits a few seconds for the message in hand, and then leaves it as a kill
would: a provider that is slow keeps no service from ending.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from threading import Thread

from audit.transaction import Transaction
from governance.channels import Channel, Deferred, NotSent, Refused
from governance.service import Service
from governance.state.notices import DELIVERED, REFUSED
from governance.tell import claims
from governance.tell.addresses import address
from governance.tell.claims import Claim
from governance.tell.composing import compose

RENEW_S = 30.0
"""Between two renewals of a claim whose message is still being sent: a quarter of its length."""
LOOK_S = 0.5
"""Between two looks at whether the service is to end."""
GRACE_S = 3.0
"""How long it then waits for the message in hand."""
BURST = 50
"""Messages to one recipient in one round; the next round goes on."""
SAID_MOST = 200
AGAIN = "again"


class _LeftError(Exception):
    """The service ends, and whether the message is taken nobody waits to see. Its claim stays."""


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of one attempt: delivered, refused, given_up, or again."""

    channel: str
    to: str
    notices: tuple[int, ...]
    outcome: str
    said: str = ""


def round(service: Service, channels: Sequence[Channel]) -> list[Sent]:  # noqa: A001 - what the schedule calls it
    """Send what is due on these channels, side by side, and return what became of it.

    Any number of rounds may run at once, here and in other replicas. It returns when the slowest channel has answered.

    Raises:
        AuditError: The ledger cannot be written; what is due stays due.
    """
    if not channels:
        return []
    with ThreadPoolExecutor(len(channels), thread_name_prefix="tell") as pool:
        running = [pool.submit(_channel, service, channel) for channel in channels]
        return [sent for future in running for sent in future.result()]


def _channel(service: Service, channel: Channel) -> list[Sent]:
    with service.read() as look:
        now = service.clock()
        open_ = claims.recipients(look, channel.name)
        waiting = [who for who in open_ if claims.due(look, channel.name, who, now=now)]
        reached = {who: address(look, service, channel.name, who) for who in waiting}
    # Who has no address here is not tried: it stays due until they name one.
    return [sent for who, to in reached.items() if to is not None for sent in _recipient(service, channel, who, to)]


def _recipient(service: Service, channel: Channel, who: str, to: str) -> list[Sent]:
    done: list[Sent] = []
    while len(done) < BURST and not service.ending.is_set():
        claim = service.ledger.run(lambda tx: _take(service, tx, channel.name, who))
        if claim is None:
            break
        service.telling.add(claim.key)
        try:
            done.append(_deliver(service, channel, claim, to))
        finally:
            service.telling.discard(claim.key)
        if done[-1].outcome == AGAIN:
            break  # The next would wait as long for nothing, and so would whoever stops the service.
    return done


def _take(service: Service, tx: Transaction, channel: str, who: str) -> Claim | None:
    flood = service.under_lock.policy(tx).controls.alerts.flood
    return claims.take(tx, channel, who, now=service.clock(), flood=flood, busy=frozenset(service.telling))


def _deliver(service: Service, channel: Channel, claim: Claim, to: str) -> Sent:
    outcome, said, asked = DELIVERED, "", 0
    try:
        _send(service, channel, claim, to)
    except _LeftError:
        return Sent(claim.channel, claim.to, claim.notices, AGAIN, "left: the service ends")
    except Refused as exc:
        outcome, said = REFUSED, str(exc)[:SAID_MOST]
    except NotSent as exc:
        outcome, said = AGAIN, str(exc)[:SAID_MOST]
        asked = exc.retry_after * 1000 if isinstance(exc, Deferred) else 0
    except Exception as exc:  # noqa: BLE001 - whatever breaks in one message, it is tried again, and the others go on
        # Only what it was: what it said may hold anything.
        outcome, said = AGAIN, f"failed with {type(exc).__name__}"
    if outcome == AGAIN:
        outcome = service.ledger.run(
            lambda tx: claims.put_off(tx, claim, now=service.clock(), said=said, wish_ms=asked)
        )
    else:
        service.ledger.run(lambda tx: claims.close(tx, claim, outcome, now=service.clock(), said=said))
    return Sent(claim.channel, claim.to, claim.notices, outcome, said)


def _send(service: Service, channel: Channel, claim: Claim, to: str) -> None:
    """Make the message and send it, and keep the claim for as long as both take.

    Raises:
        _LeftError: The service is told to stop, and the peer does not answer.
    """
    sending: Future[None] = Future()
    # A thread that nobody waits for: the end of the process does not hang on a peer.
    Thread(target=_handed_over, args=(sending, service, channel, claim, to), name="tell-send", daemon=True).start()
    kept = leaving = 0.0
    look = min(LOOK_S, RENEW_S)
    while not wait([sending], timeout=look).done:
        kept += look
        if kept >= RENEW_S:
            service.ledger.run(lambda tx: claims.renew(tx, claim, now=service.clock()))
            kept = 0.0
        leaving += look if service.ending.is_set() else 0.0
        if leaving >= GRACE_S:
            raise _LeftError
    sending.result()


def _handed_over(sending: Future[None], service: Service, channel: Channel, claim: Claim, to: str) -> None:
    try:
        with service.read() as look:
            message = compose(look, service, claim, to)
        # Two services may write to one address: what one of them sends is not the other's again.
        key = hashlib.sha256(f"{service.log}|{claim.key}".encode()).hexdigest()[:32]
        channel.send(message, key=key)
    except BaseException as exc:  # noqa: BLE001 - it is for whoever waits
        sending.set_exception(exc)
    else:
        sending.set_result(None)
