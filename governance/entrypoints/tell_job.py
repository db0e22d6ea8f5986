"""The clockwork of telling: one for each channel, so that a slow one keeps no other waiting."""

from __future__ import annotations

import asyncio

import structlog

from governance.channels import Channel
from governance.service import Service
from governance.tell import alerts, delivering

ROUND_S = 1.0
CRY_EVERY = 30
"""Rounds between two tries to say that the ledger is broken."""

log = structlog.get_logger()


async def tell(service: Service, channel: Channel) -> None:
    """Run until cancelled. What fails is logged, in words of ours alone, and tried again."""
    cried, rounds = False, 0
    while True:
        broken = service.ledger.broken
        if broken is not None:
            # No round can run, for its answers would be entries. That nothing can is what must be told.
            if not cried and rounds % CRY_EVERY == 0:
                cried = await asyncio.to_thread(_cried, service, channel, broken)
            rounds += 1
            await asyncio.sleep(ROUND_S)
            continue
        try:
            for sent in await asyncio.to_thread(delivering.round, service, [channel]):
                told = log.info if sent.outcome == "delivered" else log.warning
                told("notice", channel=sent.channel, outcome=sent.outcome, said=sent.said, notices=len(sent.notices))
        except Exception:
            log.exception("telling.failed", channel=channel.name)
        await asyncio.sleep(ROUND_S)


def _cried(service: Service, channel: Channel, why: str) -> bool:
    try:
        return alerts.cried(service, channel, why)
    except Exception:
        log.exception("telling.failed", channel=channel.name)
        return False
