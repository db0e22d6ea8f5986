"""What `doctor` says of telling: which channels are set up, and whether anybody would hear of what is critical."""

from __future__ import annotations

from collections.abc import Iterator

from audit.stores import Connection
from governance.adapters import telling
from governance.adapters.settings import Settings
from governance.adapters.telling import SETTINGS
from governance.channels import MAIL, SMS, Channel
from governance.entrypoints.findings import Finding
from governance.errors import SettingsError
from governance.severity import CRITICAL, HIGH, weight
from governance.state.tx import Tx

WHAT = "alerts"
TRY = "twinseal alert test"


def told(settings: Settings, connection: Connection) -> Iterator[Finding]:
    """Look at every channel, at who is reached by it, and at what waits."""
    try:
        channels = telling.channels(settings)
    except SettingsError as exc:
        yield Finding("bad", WHAT, str(exc), exc.mend or "Mend the setting: the service does not start with it.")
        return
    if connection.execute("select 1 from alert_route limit 1").fetchone() is None:
        said = "the tables were folded by a version that told nobody, and nobody is told"
        yield Finding("bad", WHAT, said, "With the service stopped: twinseal ledger rebuild")
    yield from _channels(connection, channels)
    yield from _lowered(connection)
    yield from _waiting(connection)


def _channels(look: Tx, channels: list[Channel]) -> Iterator[Finding]:
    there = {channel.name: channel for channel in channels}
    for name, setting in SETTINGS.items():
        if name in there:
            yield Finding("good", WHAT, f"{name} goes by {there[name].where}; try it: {TRY} --channel {name}")
        else:
            yield Finding("warn", WHAT, f"{name} is not set up", f"Set {setting}.")
    routed = {
        row[0] for row in look.execute("select channel from alert_route where severity=?", (CRITICAL,)).fetchall()
    }
    reaching = [name for name in there if name in routed and _reached(look, name)]
    if not reaching:
        said = "nothing critical would reach anybody: no channel that it is routed to is set up and has a recipient"
        yield Finding("warn", WHAT, said, f"Set up one of {', '.join(sorted(routed) or SETTINGS)}; then: {TRY}")
    elif len(reaching) == 1:
        said = f"what is critical goes by {reaching[0]} alone: where that fails, nobody hears of it"
        yield Finding("warn", WHAT, said, "Set up a second channel.")
    if SMS in there:
        yield from _numbers(look)


def _owners(look: Tx) -> list[str]:
    sql = "select name from principal where role='owner' and kind='human' and retired_seq is null order by name"
    return [row[0] for row in look.execute(sql).fetchall()]


def _reached(look: Tx, channel: str) -> bool:
    if channel == MAIL:
        return bool(_owners(look))
    return channel != SMS or bool(_numbered(look))


def _numbered(look: Tx) -> set[str]:
    sql = "select c.principal from contact c join ledger_private p on p.seq=c.seq where c.channel=?"
    return {row[0] for row in look.execute(sql, (SMS,)).fetchall()}


def _numbers(look: Tx) -> Iterator[Finding]:
    without = [name for name in _owners(look) if name not in _numbered(look)]
    if without:
        said = f"no text message reaches {', '.join(without)}: no number is named"
        yield Finding("warn", WHAT, said, "Each for themselves: twinseal account contact")


def _lowered(look: Tx) -> Iterator[Finding]:
    """Name what is critical or high as shipped, and is told to fewer by the policy in force."""
    rows = look.execute("select name, severity from alert_rule order by name").fetchall()
    usual = {name: weight(name, {}).severity for name, _ in rows}
    lowered = [
        f"{name} is {severity}" for name, severity in rows if severity not in {CRITICAL, HIGH, usual[name]} and
        usual[name] in {CRITICAL, HIGH}
    ]  # fmt: skip
    if lowered:
        yield Finding("warn", WHAT, f"the policy tells fewer people than is usual: {', '.join(lowered)}")


def _waiting(look: Tx) -> Iterator[Finding]:
    sql = (
        "select d.channel, count(*), max(a.attempts), max(a.said) from delivery_attempt a join delivery d on "
        "d.notice=a.notice and d.channel=a.channel and d.to_=a.to_ and d.state='open' where a.attempts>1 "
        "group by d.channel order by d.channel"
    )
    for channel, count, attempts, said in look.execute(sql).fetchall():
        what = f"{count} notices wait for {channel}, tried up to {attempts} times: {said}"
        yield Finding("warn", WHAT, what, f"{TRY} --channel {channel}")
    sql = (
        "select channel, count(*) from delivery where state in ('given_up','refused') group by channel order by channel"
    )
    for channel, count in look.execute(sql).fetchall():
        yield Finding("warn", WHAT, f"{count} notices could never be told by {channel}", "twinseal alert list")
