"""Alerts that nobody's act causes, what is on its way, and the test of every channel."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import asdict, dataclass
from typing import Any

from audit.entry import Actor, Draft, Entry
from audit.transaction import Transaction
from governance.channels import PERSONAL, Channel, Message, NotSent
from governance.errors import NotFoundError, RequestError
from governance.people.acts import accepted
from governance.people.statements import Statement, owner_only
from governance.people.tokens import Caller
from governance.record import MESSAGE_LIMIT, SERVICE, Kind, legible
from governance.service import Service
from governance.severity import CRITICAL, LOW
from governance.standing import Principal
from governance.state.tx import Tx
from governance.tell.addresses import address
from governance.tell.claims import ORDER
from governance.tell.composing import SUBJECT_MOST
from governance.tell.words import cut

LISTED = 100
TEST = "alert.test"
TEST_S = 20.0
"""How long whoever asks for a test waits; less than their client does."""


@dataclass(frozen=True, slots=True)
class Tried:
    """What became of a test on one channel."""

    channel: str
    where: str
    ok: bool
    said: str


def raised(tx: Transaction, severity: str, code: str, message: str, *, do: str, repository: str = "") -> Entry:
    """Record what is to be told and has no entry of its own."""
    return tx.append(_draft(SERVICE, severity, code, message, do=do, repository=repository))


def _draft(actor: Actor, severity: str, code: str, message: str, *, do: str, repository: str = "") -> Draft:
    data: dict[str, object] = {"severity": severity, "code": code, "message": legible(message, MESSAGE_LIMIT)}
    return Draft(Kind.ALERT_RAISED.value, actor, repository, code, data | {"do": legible(do)})


def test(
    service: Service, caller: Caller, statement: Statement, channels: Sequence[Channel]
) -> tuple[int, list[dict[str, Any]]]:
    """Send a test by each channel that is meant, at once and past the queue; return the entry and what happened.

    It goes to the owner who asks. Nothing is retried.

    Raises:
        RequestError: Malformed.
        NotFoundError: No such channel is set up.
        DeniedError: No owner asks.
    """
    named = str(statement.body.get("channel", ""))
    meant = [channel for channel in channels if named in {"", channel.name}]

    def command(tx: Transaction, who: Principal, actor: Actor) -> int:
        owner_only(who)
        if set(statement.body) != {"channel"}:
            raise RequestError("a test names a channel, or none for all", code="alert.malformed")
        if not meant:
            said = f"{named} is not set up" if named else "no channel is set up"
            mend = "twinseal doctor   (says which settings each takes; then start the service again)"
            raise NotFoundError(said, code="alert.no_channel", mend=mend)
        draft = _draft(actor, LOW, TEST, f"a test of {', '.join(c.name for c in meant)}", do="Nothing: it is a test.")
        return tx.append(Draft(draft.kind, actor, "", TEST, {**draft.data, "statement": statement.kept()})).seq

    entry = accepted(service, caller, statement, TEST, command)
    pool = ThreadPoolExecutor(len(meant), thread_name_prefix="alert-test")
    running = [(channel, pool.submit(_tried, service, channel, caller.principal, entry)) for channel in meant]
    pool.shutdown(wait=False)
    done = wait([asked for _, asked in running], timeout=TEST_S).done
    late = f"no answer within {TEST_S:g} s"
    tried = [
        asked.result() if asked in done else Tried(channel.name, channel.where, ok=False, said=late)
        for channel, asked in running
    ]
    return entry, [asdict(each) for each in tried]


def _tried(service: Service, channel: Channel, who: str, entry: int) -> Tried:
    with service.read() as look:
        to = address(look, service, channel.name, who)
    if to is None:
        return Tried(channel.name, channel.where, ok=False, said=f"{who} has no address there")
    said = f"This is a test of {channel.name}, asked for by {who}. Nothing is wrong."
    message = Message(
        to=to,
        subject=f"[twinseal] TEST: {channel.name} works (entry {entry})",
        text=f"{said}\n\nentry  {entry} of {service.log}\n\n{service.url}\n",
        short=f"twinseal TEST: {said} Entry {entry}.",
        about=entry,
        fields={"log": service.log, "severity": "test", "link": service.url, "title": said},
    )
    try:
        channel.send(
            message, key=hashlib.sha256(f"{service.log}|test|{entry}|{channel.name}".encode()).hexdigest()[:32]
        )
    except NotSent as exc:
        return Tried(channel.name, channel.where, ok=False, said=str(exc))
    return Tried(channel.name, channel.where, ok=True, said="taken")


def listed(look: Tx, channels: Sequence[Channel]) -> list[dict[str, Any]]:
    """Return the newest notices of each severity, each with what became of it on every channel.

    What is on its way by a channel that is none of `channels` is `not_set_up`. The newest of each severity: whoever
    makes noise of one pushes nothing out that matters more.
    """
    names = ("entry", "severity", "code", "repository", "time", "count")
    set_up = frozenset(channel.name for channel in channels)
    sql = "select seq, severity, code, repository, ts, count from notice where severity=? order by seq desc limit ?"
    rows = [row for severity in ORDER for row in look.execute(sql, (severity, LISTED)).fetchall()]
    found = [dict(zip(names, row, strict=True)) for row in sorted(rows, reverse=True)]
    return [each | {"deliveries": _deliveries(look, each["entry"], set_up)} for each in found]


def _deliveries(look: Tx, notice: int, set_up: frozenset[str]) -> list[dict[str, Any]]:
    sql = (
        "select d.channel, d.to_, d.state, d.closed_seq, coalesce(a.attempts, 0), coalesce(a.next_at, 0), "
        "coalesce(a.said, '') from delivery d left join delivery_attempt a on a.notice=d.notice and "
        "a.channel=d.channel and a.to_=d.to_ where d.notice=? order by d.channel, d.to_"
    )
    names = ("channel", "to", "state", "closed", "attempts", "next_at", "said")
    found = [dict(zip(names, row, strict=True)) for row in look.execute(sql, (notice,)).fetchall()]
    return [
        each | {"state": "not_set_up"} if each["state"] == "open" and each["channel"] not in set_up else each
        for each in found
    ]


def cried(service: Service, channel: Channel, why: str) -> bool:
    """Tell every owner by one channel that the ledger takes no entry: past the queue, for a notice would be an entry.

    Return whether it was taken, or there is nobody to tell. Sent again it has the same key.
    """
    with service.read() as look:
        sql = "select name from principal where role='owner' and kind='human' and retired_seq is null order by name"
        names = [row[0] for row in look.execute(sql).fetchall()] if channel.name in PERSONAL else [""]
        reached = [to for name in names if (to := address(look, service, channel.name, name)) is not None]
        size = look.execute("select size from ledger_head").fetchone()[0]
    said = cut(f"the ledger takes no entry any more, and every push is refused: {why}", MESSAGE_LIMIT)
    do = "twinseal ledger verify; then twinseal doctor"
    for to in reached:
        message = Message(
            to=to,
            subject=f"[twinseal] CRITICAL {said}"[:SUBJECT_MOST],
            text=f"{said}\n\nlog      {service.log}\nentries  {size}\n\nWhat to do next:\n  {do}\n\n{service.url}\n",
            short=f"twinseal CRITICAL: {said}. Next: {do}",
            about=size,
            fields={"log": service.log, "severity": CRITICAL, "link": service.url, "title": said, "do": do},
        )
        key = hashlib.sha256(f"{service.log}|broken|{size}|{channel.name}|{to}".encode()).hexdigest()[:32]
        try:
            channel.send(message, key=key)
        except NotSent:
            return False
    return True
