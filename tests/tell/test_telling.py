"""Who is reached, and what is told past the queue."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from adversary.test_tell_attacks import NUMBER, SALT, asks_test, names
from audit import erasing
from audit.entry import Actor, Draft
from governance.adapters import ledger_keys, smtp
from governance.adapters.settings import load
from governance.adapters.vault import FileVault
from governance.channels import SMS, WEBHOOK, Deferred, Message
from governance.entrypoints import tell_job
from governance.entrypoints.doctor_telling import told
from governance.errors import NotFoundError, UnavailableError
from governance.people import principals
from governance.people.principals import Candidate
from governance.record import SERVICE, Kind
from governance.tell import alerts
from governance.tell.claims import GATHER_MS
from peers import Mailbox
from peers import smtp as smtp_server
from tell_world import Kept, TellWorld, failing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def world(tmp_path: Path) -> Iterator[TellWorld]:
    with TellWorld(tmp_path) as made:
        settings = load({"HOME": str(tmp_path)})
        settings.state.mkdir(parents=True)
        ledger_keys.make_kek(settings)
        made.service.vault = FileVault(settings)
        made.told()
        yield made


def test_every_owner_is_told_and_nobody_else(world: TellWorld) -> None:
    second = Candidate("olga", "human", "owner", "olga", "", ("olga@example.org", "o@example.org"), (), None)
    draft = principals.added(second, actor=SERVICE, statement={}, secret_digest="d", expires_at=1)
    world.append(draft)
    world.told()
    kept = Kept()
    world.raised()
    world.round(kept)

    assert sorted(message.to for _, message in kept.taken) == ["olga@example.org", "owner@example.org"]
    assert len(set(kept.keys)) == 2


@pytest.mark.parametrize(("named", "said"), [("", "no channel is set up"), ("sms", "sms is not set up")])
def test_a_test_says_what_is_not_set_up(world: TellWorld, named: str, said: str) -> None:
    asked = world.said("alert.test", "owner", {"channel": named})
    with pytest.raises(NotFoundError, match=f"^{said}$") as refused:
        alerts.test(world.service, world.caller("owner"), asked, [])
    assert refused.value.mend.startswith("twinseal doctor")


def test_a_number_that_was_erased_is_none(world: TellWorld) -> None:
    sms = Kept(SMS)
    entry = names(world, "owner", NUMBER)["entry"]
    world.told()
    world.raised("a.one")
    assert len(world.round(sms)) == 1
    assert sms.taken[0][1].to == NUMBER
    actor = Actor("owner", "human", "")
    world.ledger.run(lambda tx: erasing.erase(tx, entry, ["phone"], basis="asked for", approver="owner", actor=actor))
    world.raised("a.two")

    assert world.round(sms) == []
    assert world.difference() == ""


def test_a_number_sealed_under_another_key_is_none(world: TellWorld, tmp_path: Path) -> None:
    names(world, "owner", NUMBER)
    world.told()
    other = load({"HOME": str(tmp_path / "other")})
    other.state.mkdir(parents=True)
    ledger_keys.make_kek(other)
    vault = FileVault(other)
    with pytest.raises(UnavailableError):
        vault.open("x", FileVault(load({"HOME": str(tmp_path)})).seal("x", SALT.encode()))
    with pytest.raises(UnavailableError):
        vault.open("y", vault.seal("x", b"s"))
    assert vault.open("x", vault.seal("x", b"s")) == b"s"
    world.service.vault = vault
    world.raised()

    assert world.round(Kept(SMS)) == []


def test_what_waited_for_a_channel_is_gathered_when_there_is_one(world: TellWorld) -> None:
    told = [world.raised(f"long.ago{n}") for n in range(60)]
    world.now += 40 * 86_400_000
    kept = Kept(WEBHOOK)
    world.round(kept)
    world.now += GATHER_MS
    world.round(kept)

    assert len(kept.taken) == 11
    assert "50 notices at once" in kept.taken[-1][1].subject
    assert all(world.states(seq)["webhook", ""] == "delivered" for seq in told)


def test_a_policy_that_is_not_ours_counts_from_its_entry_on(world: TellWorld) -> None:
    world.ledger.run(lambda tx: tx.execute("insert into alert_rule values('veto.cast','critical')"))
    seq = world.vetoed("1")

    assert set(world.states(seq)) == {("mail", "owner"), ("sms", "owner"), ("tmux", ""), ("webhook", "")}


def test_a_broken_ledger_is_told_past_the_queue(world: TellWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tell_job, "ROUND_S", 0.01)
    monkeypatch.setattr(tell_job, "CRY_EVERY", 1)
    mail, hook = Kept(), Kept(WEBHOOK)
    mail.before = failing(Deferred("busy"))

    async def run() -> None:
        jobs = [asyncio.create_task(tell_job.tell(world.service, channel)) for channel in (mail, hook)]
        world.ledger.stop("the deep check found it altered")
        while mail.tried < 2 or not hook.taken:  # noqa: ASYNC110 - threads set them
            await asyncio.sleep(0.01)
        mail.before = lambda: None
        while not mail.taken:  # noqa: ASYNC110 - likewise
            await asyncio.sleep(0.01)
        for _ in range(5):
            await asyncio.sleep(0.01)
        for job in jobs:
            job.cancel()
            with suppress(asyncio.CancelledError):
                await job

    asyncio.run(run())
    assert (len(mail.taken), len(hook.taken)) == (1, 1)
    assert "takes no entry any more" in mail.taken[0][1].subject
    assert "twinseal ledger verify" in mail.taken[0][1].text


def test_mail_in_clear_goes_to_this_machine_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    box = Mailbox()
    with smtp_server(box) as port:
        channel = smtp.SmtpMail("127.0.0.1", port, "t@example.org")
        message = Message(to="owner@example.org", subject="s", text="t")
        channel.send(message, key="k")
        # The same server, as if it stood elsewhere.
        monkeypatch.setattr(smtp, "is_loopback", lambda host: False)
        with pytest.raises(Deferred, match="STARTTLS"):
            channel.send(message, key="k")

    assert len(box.mails) == 1


def test_what_the_ledger_says_of_itself_is_told(world: TellWorld) -> None:
    kept = Kept()
    world.append(Draft("ledger.clock_stepped", SERVICE, "", "", {"behind_ms": 90_000}))
    world.append(Draft("ledger.heartbeat", SERVICE, "", "", {}))
    world.round(kept)

    assert [message.subject for _, message in kept.taken] == [
        f"[twinseal] HIGH the clock stepped back by 90000 ms (entry {kept.abouts[0]})"
    ]


def test_a_test_of_a_channel_that_hangs_says_so(world: TellWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alerts, "TEST_S", 0.1)
    go_on = threading.Event()
    kept = Kept(WEBHOOK)

    def hold() -> None:
        go_on.wait(10)

    kept.before = hold
    _, tried = asks_test(world, "owner", kept)
    go_on.set()

    assert [(each["ok"], each["said"]) for each in tried] == [(False, "no answer within 0.1 s")]


def found(world: TellWorld, **settings: str) -> str:
    given = {f"TWINSEAL_{name.upper()}": value for name, value in settings.items()}
    with world.service.read() as look:
        return "\n".join(f"{f.level} {f.said} {f.mend}" for f in told(load({"HOME": "/x"} | given), look))


def test_doctor_says_who_would_hear_of_nothing(world: TellWorld) -> None:
    assert "warn nothing critical would reach anybody" in found(world)
    assert "warn what is critical goes by tmux alone" in found(world, tmux="watch")
    both = found(world, tmux="watch", webhook="https://hooks.example.org/x")
    assert "alone" not in both
    assert "good webhook goes by a webhook at hooks.example.org" in both
    assert "bad TWINSEAL_TWILIO: expected sid:token" in found(world, twilio="secret")
    mail = Kept()
    mail.before = failing(Deferred("busy"))
    world.raised()
    world.round(mail)
    world.now += 60_000
    world.round(mail)
    assert "1 notices wait for mail, tried up to 2 times: busy" in found(world)
    world.ledger.run(lambda tx: tx.execute("insert into alert_rule values('veto.cast','low')"))
    assert "the policy tells fewer people than is usual: veto.cast is low" in found(world)
    world.ledger.run(lambda tx: tx.execute("delete from alert_route"))
    assert "bad the tables were folded by a version that told nobody" in found(world)


def test_an_alert_of_ours_is_an_entry(world: TellWorld) -> None:
    world.ledger.run(lambda tx: alerts.raised(tx, "critical", "witness.ahead", "said\0\ud800", do="look"))
    assert world.bodies("kind=?", Kind.ALERT_RAISED)[-1]["data"]["message"] == "said??"
