"""Somebody wants that people are not told, or are told something else; each attack with the honest way beside it.

The ledger, the rules and the peers are real; time is the world's own, so that an hour of outage takes no hour.
"""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from adversary.card import Seen, attack
from audit.entry import Actor, Draft
from governance.adapters import ledger_keys, smtp
from governance.adapters.sendgrid_mail import SendGridMail
from governance.adapters.settings import load
from governance.adapters.twilio_sms import TwilioSms
from governance.adapters.vault import FileVault
from governance.adapters.webhook import Webhook
from governance.channels import SMS, WEBHOOK, Channel, Deferred, Message
from governance.entrypoints.doctor_telling import told
from governance.errors import DeniedError, NotFoundError, RequestError
from governance.record import Kind
from governance.tell import alerts, contacts, delivering
from governance.tell.addresses import digest, phone
from governance.tell.claims import GATHER_MS, LEASE_MS
from peers import KEY, SID, TOKEN, USER, Mailbox, Peer, SendGrid, Slack, Twilio, certified
from peers import smtp as smtp_server
from service_world import LOG, REPOSITORY
from tell_world import Kept, Killed, TellWorld, failing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from governance.people.statements import Statement

FROM, NUMBER, OTHER = "twinseal@example.org", "+493012345678", "+19005550199"
SALT = "s" * 43
MINUTE_MS, HOUR_MS = 60_000, 3_600_000
HOSTILE = "x\r\nBcc: evil@example.org\r\n\r\n<script>ü</script>\u202e <!channel> #(touch /tmp/x) $(id) `id`"


class TellCase(Seen):
    """What one test has seen of an attack on what people are told."""

    def held(self, what: str, *, recorded: bool = False) -> None:
        """The attack came to nothing; the caller has just seen how."""
        self._saw(what, recorded=recorded)

    def refused(self, world: TellWorld, kind: type[RequestError], code: str, act: Any) -> None:  # noqa: ANN401 - a call
        """An act was refused with this code, and that was written down without what must not be."""
        with pytest.raises(kind) as caught:
            act()
        assert caught.value.code == code
        last = world.bodies("kind=?", Kind.REQUEST_REFUSED)[-1]
        self._saw(code, recorded=last["data"]["code"] == code)

    def went_well(self) -> None:
        self.seen["twin"] = True


@pytest.fixture
def case(request: pytest.FixtureRequest) -> TellCase:
    made = TellCase()
    ids = [each for mark in request.node.iter_markers("attack") for each in mark.args]
    request.node.user_properties.append(("attack", (ids, made.seen)))
    return made


@pytest.fixture
def world(tmp_path: Path) -> Iterator[TellWorld]:
    with TellWorld(tmp_path) as made:
        settings = load({"HOME": str(tmp_path)})
        settings.state.mkdir(parents=True)
        ledger_keys.make_kek(settings)
        made.service.vault = FileVault(settings)
        made.told()
        yield made


def names(world: TellWorld, by: str, number: str, *, said: str = "", salt: str = SALT) -> dict[str, Any]:
    """Have somebody name a number; `said` is another that the statement speaks of."""
    statement = world.said("account.contact", by, {"channel": SMS, "set": True, "digest": digest(SALT, said or number)})
    return contacts.contact(world.service, world.caller(by), statement, phone=number, salt=salt)


def asks_test(world: TellWorld, by: str, channel: Channel) -> Any:  # noqa: ANN401 - JSON
    statement: Statement = world.said("alert.test", by, {"channel": ""})
    return alerts.test(world.service, world.caller(by), statement, [channel])


def hostile(world: TellWorld) -> int:
    data = {"scope": "ref", "value": HOSTILE, "repository": REPOSITORY, "reason": HOSTILE, "expires_at": 0}
    draft = Draft(Kind.FREEZE_IMPOSED, Actor(HOSTILE, "agent", "k"), REPOSITORY, HOSTILE, data | {"trigger": ""})
    return world.append(draft)[0].seq


@attack("X-TELL-01")
def test_a_name_adds_no_header_and_no_recipient(case: TellCase, world: TellWorld) -> None:
    box = Mailbox()
    hostile(world)
    with smtp_server(box) as port, SendGrid().serving() as other:
        for channel in (smtp.SmtpMail("127.0.0.1", port, FROM), SendGridMail(KEY, FROM, other.url)):
            world.round(channel)
            world.raised(f"an.honest_{channel.port if isinstance(channel, smtp.SmtpMail) else 'one'}")
        seq = world.raised("an.honest")
        world.round(smtp.SmtpMail("127.0.0.1", port, FROM))

    assert all(to == ["owner@example.org"] for _, to in box.envelopes)
    mail = box.mails[0]
    assert "Bcc" not in mail
    assert "evil@example.org" in mail["Subject"]
    assert not set("\r\n\u202e") & set(mail["Subject"])
    case.held("escaped")
    assert box.mails[-1]["X-Twinseal-Entry"] == str(seq)
    case.went_well()


@attack("X-TELL-02")
def test_what_came_from_elsewhere_is_only_text(case: TellCase, world: TellWorld) -> None:
    kept = Kept()
    hostile(world)
    world.round(kept)
    message = kept.taken[0][1]

    assert "<script>" not in message.html
    assert "&lt;script&gt;" in message.html
    assert all(c.isprintable() or c == "\n" for c in message.text + message.short + message.subject)
    # A line of its own would be taken for what we say.
    assert not [line for line in message.text.split("\n") if line.startswith(("Bcc", "<script"))]
    data = {"principal": {"name": "$(id)"}, "enrolment": {}}
    world.append(Draft("ledger.heartbeat", Actor("x", "service", ""), "", "", {}))
    from governance.tell.words import words  # noqa: PLC0415 - what makes the command

    body = {
        "kind": "principal.retired",
        "seq": 9,
        "ts": 1,
        "actor": {"id": "owner"},
        "subject": "$(id); x",
        "data": data,
    }
    assert words(body).do == "twinseal principal show '$(id); x'"
    case.held("quoted")
    body["subject"] = "dev-a"
    assert words(body).do == "twinseal principal show dev-a"
    case.went_well()


def providers(world: TellWorld, mail: SendGrid, text: Twilio, hook: Slack) -> list[Channel]:
    return [
        SendGridMail(KEY, FROM, mail.url, timeout=0.2),
        TwilioSms(SID, TOKEN, NUMBER, text.url, timeout=0.2),
        Webhook(hook.address, timeout=0.2),
    ]


@attack("X-TELL-03")
@pytest.mark.parametrize("how", ["500", "429", "slow"])
def test_an_hour_of_outage_loses_nothing_and_sends_nothing_twice(case: TellCase, world: TellWorld, how: str) -> None:
    with SendGrid().serving() as mail, Twilio().serving() as text, Slack().serving() as hook:
        assert isinstance(mail, SendGrid)
        assert isinstance(text, Twilio)
        assert isinstance(hook, Slack)
        names(world, "owner", NUMBER)
        world.told()
        channels = providers(world, mail, text, hook)
        peers: tuple[Peer, ...] = (mail, text, hook)
        for peer in peers:
            if how == "slow":
                peer.wait.clear()
            peer.instead = lambda: (500, {}, b"") if how != "429" else (429, {"Retry-After": "120"}, b"")
        told_of: list[int] = []
        minutes = range(0, 60, 5) if how == "slow" else range(60)
        for minute in minutes:
            if minute % 10 == 0:
                told_of.append(world.raised(f"out.age{minute}"))
            delivering.round(world.service, channels)
            seq = world.open_change(ref=f"refs/heads/topic/{minute}", diff_digest=f"{minute:064x}")
            assert world.bodies("seq=?", seq)[0]["data"]["allowed"]
            world.now += MINUTE_MS * (5 if how == "slow" else 1)
        assert [peer.taken for peer in peers] == [[], [], []]
        tries = [peer.tried for peer in peers]
        assert all(len(told_of) <= tried <= 16 * len(told_of) for tried in tries)  # It is backed off, not hammered.
        for peer in peers:
            peer.instead = lambda: None
            peer.wait.set()
        for _ in range(8):
            delivering.round(world.service, channels)
            world.now += 10 * MINUTE_MS
    by_mail = {m["headers"]["X-Twinseal-Key"]: int(m["headers"]["X-Twinseal-Entry"]) for m in mail.taken}
    by_hook = {m["twinseal"]["key"]: m["twinseal"]["entry"] for m in hook.taken}
    assert [sorted(by_mail.values()), sorted(by_hook.values())] == [told_of, told_of]
    if how != "slow":  # Who takes a message and says so too late gets it again, with its key; a text message has none.
        assert [len(peer.taken) for peer in peers] == [len(told_of)] * 3
    closed = world.closed()
    assert sorted(n for c in closed if c["channel"] == "mail" for n in c["notices"]) == told_of
    assert all(c["outcome"] == "delivered" and c["attempts"] > 1 for c in closed[-3:])
    assert world.difference() == ""
    case.held("delivered", recorded=len(closed) == 3 * len(told_of))
    case.went_well()


@attack("X-TELL-03")
def test_a_decision_waits_for_no_provider(case: TellCase, world: TellWorld) -> None:
    with Slack().serving() as hook:
        assert isinstance(hook, Slack)
        hook.wait.clear()
        seq = world.raised()
        sending = threading.Thread(target=world.round, args=(Webhook(hook.address),))
        sending.start()
        try:
            while not hook.tried:
                threading.Event().wait(0.01)
            decided = world.open_change()
            assert sending.is_alive()
            assert hook.taken == []
        finally:
            hook.wait.set()
            sending.join()
    case.held("decided", recorded=world.bodies("seq=?", decided)[0]["kind"] == Kind.PUSH_DECIDED)
    assert [m["twinseal"]["entry"] for m in hook.taken] == [seq]
    case.went_well()


@attack("X-TELL-04")
def test_nobody_silences_us_by_asking_for_a_year(case: TellCase, world: TellWorld) -> None:
    with Slack().serving() as hook:
        assert isinstance(hook, Slack)
        hook.instead = lambda: (429, {"Retry-After": "31536000"}, b"")
        seq = world.raised()
        world.round(Webhook(hook.address))
        world.now += 3 * HOUR_MS
        assert world.round(Webhook(hook.address)) == []  # The twin: what is asked within reason is honoured.
        case.went_well()
        hook.instead = lambda: None
        world.now += HOUR_MS
        world.round(Webhook(hook.address))
    assert [m["twinseal"]["entry"] for m in hook.taken] == [seq]
    case.held("delivered", recorded=bool(world.closed()))


@attack("X-TELL-05")
def test_of_eight_rounds_at_once_one_sends(case: TellCase, world: TellWorld) -> None:
    with Slack().serving() as hook:
        assert isinstance(hook, Slack)
        told_of = [world.raised(f"at.once{n}") for n in range(6)]
        gate = threading.Barrier(8)

        def run() -> None:
            gate.wait()
            world.round(Webhook(hook.address))

        threads = [threading.Thread(target=run) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(m["twinseal"]["entry"] for m in hook.taken) == told_of
    case.held("claimed")
    case.went_well()


@attack("X-TELL-06")
@pytest.mark.parametrize("moment", ["claimed", "sent", "answered"])
def test_killed_at_any_moment_nothing_is_lost_and_a_receiver_can_tell(
    case: TellCase, world: TellWorld, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = Kept()

    def die(*_: object, **__: object) -> None:
        raise Killed

    if moment == "claimed":
        kept.before = die
    elif moment == "sent":
        kept.after = die
    else:
        monkeypatch.setattr("governance.tell.claims.close", die)
    seq = world.raised()
    with pytest.raises(Killed):
        world.round(kept)
    kept.before = kept.after = lambda: None
    monkeypatch.undo()
    assert world.closed() == []
    world.now += LEASE_MS
    world.round(kept)
    assert kept.abouts == [seq] * (1 if moment == "claimed" else 2)
    assert len(set(kept.keys)) == 1
    assert [c["outcome"] for c in world.closed()] == ["delivered"]
    case.held("sent again with its key" if moment != "claimed" else "sent")
    case.went_well()


@attack("X-TELL-07")
def test_a_flood_drowns_nobody(case: TellCase, world: TellWorld) -> None:
    kept = Kept()
    noise = [world.vetoed(str(n)) for n in range(200)]
    critical = world.raised()
    world.round(kept)
    assert kept.abouts[0] == critical
    for _ in range(7):
        world.now += GATHER_MS
        world.round(kept)
    assert len(kept.taken) == 1 + 10 + 1
    assert "190 notices at once" in kept.taken[-1][1].subject
    closed = sorted(n for c in world.closed() for n in c["notices"])
    assert closed == sorted([*noise, critical])
    case.held("gathered", recorded=True)
    case.went_well()


@attack("X-TELL-08")
def test_a_harmless_repetition_hides_no_other_cause(case: TellCase, world: TellWorld) -> None:
    kept = Kept()
    told_of = [world.vetoed("1"), world.vetoed("1", by="mia"), world.vetoed("2")]
    told_of += [world.raised("test.alert", "high"), world.raised("test.alert", "critical")]
    world.round(kept)
    assert sorted(kept.abouts) == told_of
    case.held("told")
    world.vetoed("1")
    assert world.round(kept) == []
    case.went_well()


@attack("X-TELL-15")
def test_an_act_is_told_though_the_same_was_done_just_before(case: TellCase, world: TellWorld) -> None:
    """Whoever waits until the owner changes their number, and then changes it again, is told of as well."""
    kept = Kept()
    told_of = [done(world, Kind.ACCOUNT_SET, {"principal": "owner", "digest": digest}) for digest in ("a", "b")]
    told_of += [
        done(world, Kind.REPOSITORY_MODE_SET, {"mode": mode, "reason": "a move"})
        for mode in ("observe", "enforce", "observe ")
    ]
    world.round(kept)
    assert sorted(kept.abouts) == told_of
    case.held("told")
    for _ in range(3):
        done(world, Kind.REQUEST_REFUSED, {"code": "factor.locked", "message": "too many"})
    assert len(world.round(kept)) == 1
    case.went_well()


def done(world: TellWorld, kind: Kind, data: dict[str, Any]) -> int:
    """Append an act of the owner's."""
    return world.append(Draft(kind, Actor("owner", "human", "k"), REPOSITORY, "owner", {**data, "statement": {}}))[
        0
    ].seq


@attack("X-TELL-16")
def test_noise_pushes_nothing_out_of_what_is_gathered_or_listed(case: TellCase, world: TellWorld) -> None:
    kept = Kept()
    for n in range(15):
        world.vetoed(f"before-{n}")
    key = done(world, Kind.ACCOUNT_SET, {"principal": "owner", "digest": "a"})
    for n in range(150):
        world.vetoed(f"after-{n}")
    world.round(kept)
    world.now += GATHER_MS
    world.round(kept)
    gathered = kept.taken[-1][1]
    assert "notices at once" in gathered.subject
    assert f"entry {key}  owner has another password" in gathered.text
    assert "more like these" in gathered.text
    case.held("named")
    critical = world.raised()
    for n in range(150):
        world.vetoed(f"later-{n}")
    with world.service.read() as look:
        assert critical in [each["entry"] for each in alerts.listed(look, ())]
    case.went_well()


@attack("X-TELL-17")
def test_a_clock_that_jumped_ahead_and_came_back_silences_nobody(case: TellCase, world: TellWorld) -> None:
    """The ledger's time stands still for a week; pauses, claims, floods and gathering go on by the clock."""
    kept, honest = Kept(), world.now
    waits = world.raised("test.waits", "high")
    kept.before = failing(Deferred("busy", retry_after=3600))
    world.now += 7 * 24 * HOUR_MS
    assert [s.outcome for s in world.round(kept)] == ["again"]
    for n in range(30):
        world.vetoed(f"ahead-{n}")
    kept.before = lambda: None
    world.now = honest + 1000
    world.round(kept)
    assert waits in kept.abouts
    for n in range(30):
        world.vetoed(f"back-{n}")
    taken = len(kept.taken)
    for _ in range(3):
        world.now += GATHER_MS
        world.round(kept)
    assert 1 <= len(kept.taken) - taken <= 3
    assert "notices at once" in kept.taken[-1][1].subject
    assert world.rows("select count(*) from delivery where state='open' and channel='mail'") == [(0,)]
    case.held("told")

    leapt = world.raised("test.leaps", "high")
    kept.before = failing(Deferred("busy"))
    world.now += 10 * 24 * HOUR_MS
    world.round(kept)
    world.now += 10 * 24 * HOUR_MS
    assert "given_up" not in {s.outcome for s in world.round(kept)}
    kept.before = lambda: None
    world.now += HOUR_MS
    world.round(kept)
    assert leapt in kept.abouts
    case.went_well()


@attack("X-TELL-09")
def test_no_secret_is_written_anywhere(
    case: TellCase, world: TellWorld, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    password = "hunter2hunter2"
    certificate = certified(tmp_path)
    names(world, "owner", NUMBER)
    with (
        smtp_server(Mailbox(), certificate=certificate, auth=True) as port,
        SendGrid().serving() as mail,
        Twilio().serving() as text,
        Slack().serving() as hook,
    ):
        assert isinstance(hook, Slack)
        hook.instead = lambda: (500, {}, hook.address.encode())
        text.instead = lambda: (500, {}, NUMBER.encode())
        channels: list[Channel] = [
            smtp.from_url(f"smtp://{USER}:{quote(password)}@127.0.0.1:{port}?ca={certificate[0]}", sender=FROM),
            SendGridMail("SG.wrong-key", FROM, mail.url),
            TwilioSms(SID, "wrongtokenwrongtoken", NUMBER, text.url),
            Webhook(hook.address),
        ]
        for number, channel in enumerate(channels):
            world.raised(f"for.n{number}")
            world.round(channel)
        env = {
            "HOME": str(tmp_path), "TWINSEAL_SMTP": f"smtp://{USER}:{password}@mail.example.org",
            "TWINSEAL_MAIL_FROM": FROM, "TWINSEAL_TWILIO": f"{SID}:wrongtokenwrongtoken",
            "TWINSEAL_SMS_FROM": "+15005550006", "TWINSEAL_WEBHOOK": "https://hooks.example.org/services/T0/B0/secret",
        }  # fmt: skip
        with world.service.read() as look:
            found = list(told(load(env), look))
            listed = alerts.listed(look, channels)
    written = [caplog.text, str(found), str(listed), str(world.bodies()), repr(channels)]
    for secret in (password, "SG.wrong-key", "wrongtokenwrongtoken", "/B0/secret", NUMBER):
        # Our own sending number is no secret; the channel shows it.
        assert not [text for text in written if secret in text.replace(f"sender='{NUMBER}'", "")], secret
    assert any("answered 535" in str(each) for each in listed)
    case.held("not there")
    assert any("mail.example.org" in finding.said for finding in found)
    case.went_well()


@attack("X-TELL-10")
def test_a_server_that_is_not_who_it_should_be_learns_nothing(case: TellCase, world: TellWorld, tmp_path: Path) -> None:
    other, box = tmp_path / "other", Mailbox()
    other.mkdir()
    mine, theirs = certified(tmp_path), certified(other)
    world.raised()
    with smtp_server(box, certificate=theirs, auth=True) as port:
        sent = world.round(smtp.from_url(f"smtp://{USER}:x@127.0.0.1:{port}?ca={mine[0]}", sender=FROM))
    assert (sent[0].outcome, sent[0].said) == ("again", "the server's certificate does not verify")
    assert (box.mails, box.users) == ([], [])
    # Without encryption at all: what is not on this machine is refused. 127.0.0.1 by another name is not this machine.
    with smtp_server(box) as port:
        plain = smtp.SmtpMail("localhost.localdomain", port, FROM)
        if resolves("localhost.localdomain"):
            with pytest.raises(Deferred, match="STARTTLS"):
                plain.send(Message(to="owner@example.org", subject="s", text="t"), key="k")
    case.held("not sent")
    world.now += HOUR_MS
    with smtp_server(box, certificate=mine) as port:
        world.round(smtp.from_url(f"smtp://127.0.0.1:{port}?ca={mine[0]}", sender=FROM))
    assert box.tls == [True]
    case.went_well()


def resolves(name: str) -> bool:
    import socket  # noqa: PLC0415 - asked once

    try:
        return socket.gethostbyname(name).startswith("127.")
    except OSError:
        return False


@attack("X-TELL-11")
def test_an_agent_neither_asks_for_tests_nor_is_sent_to(case: TellCase, world: TellWorld) -> None:
    kept = Kept(WEBHOOK)
    case.refused(world, DeniedError, "authority.owner_only", lambda: asks_test(world, "dev-a", kept))
    case.refused(world, DeniedError, "account.no_person", lambda: names(world, "dev-a", NUMBER))
    statement = world.said("account.contact", "dev-a", {"channel": SMS, "set": True, "digest": digest(SALT, OTHER)})

    def in_anothers_name() -> None:
        contacts.contact(world.service, world.caller("owner"), statement, phone=OTHER, salt=SALT)

    case.refused(world, DeniedError, "statement.not_yours", in_anothers_name)
    assert kept.taken == []
    entry, tried = asks_test(world, "owner", kept)
    assert [(each["channel"], each["ok"]) for each in tried] == [("webhook", True)]
    assert kept.abouts == [entry]
    case.went_well()


@attack("X-TELL-12")
def test_a_number_that_was_not_signed_for_is_not_taken(case: TellCase, world: TellWorld) -> None:
    for number, said, salt, code in (
        (OTHER, NUMBER, SALT, "account.other_number"),
        (NUMBER, NUMBER, "t" * 43, "account.other_number"),
        (NUMBER, NUMBER, "short", "account.other_number"),
        ("0170 123", "0170 123", SALT, "account.number"),
    ):
        case.refused(
            world, RequestError, code, lambda n=number, s=said, t=salt: names(world, "owner", n, said=s, salt=t)
        )
    taken = world.said("account.contact", "owner", {"channel": SMS, "set": False, "digest": ""})

    def take_back() -> dict[str, Any]:
        return contacts.contact(world.service, world.caller("owner"), taken, phone="", salt="")

    case.refused(world, NotFoundError, "account.no_contact", take_back)
    names(world, "owner", NUMBER)
    with world.service.read() as look:
        assert phone(look, world.service, "owner") == NUMBER
        sealed = look.execute("select value from ledger_private").fetchall()
    assert not [body for body in world.bodies() if NUMBER[1:] in str(body)]
    assert NUMBER[1:] not in str(sealed)
    case.went_well()


@attack("X-TELL-13")
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_takes_no_message_and_no_key_along(case: TellCase, world: TellWorld, status: int) -> None:
    with SendGrid().serving() as mail, Twilio().serving() as text, Slack().serving() as hook, Slack().serving() as evil:
        assert isinstance(hook, Slack)
        names(world, "owner", NUMBER)
        world.told()
        world.raised()
        for peer in (mail, text, hook):
            peer.instead = lambda: (status, {"Location": evil.url + "/services/T0/B0/secret"}, b"")
        channels = [
            SendGridMail(KEY, FROM, mail.url), TwilioSms(SID, TOKEN, NUMBER, text.url), Webhook(hook.address)
        ]  # fmt: skip
        assert {sent.outcome for sent in delivering.round(world.service, channels)} == {"again"}
        assert evil.tried == 0
        case.held("not followed")
        for peer in (mail, text, hook):
            peer.instead = lambda: None
        world.now += HOUR_MS
        assert {sent.outcome for sent in delivering.round(world.service, channels)} == {"delivered"}
    case.went_well()


@attack("X-TELL-14")
def test_the_others_say_that_one_has_failed(case: TellCase, world: TellWorld) -> None:
    mail, hook = Kept(), Kept(WEBHOOK)
    mail.before = failing(Deferred("down"))
    world.raised()
    for _ in range(50):
        world.round(mail, hook)
        world.now += 31 * MINUTE_MS
    said = [message for _, message in hook.taken if "not taken within a day" in message.subject]
    assert len(said) == 1
    assert "mail" in said[0].subject
    case.held("told", recorded=any(c["outcome"] == "given_up" for c in world.closed()))
    mail.before = lambda: None
    late = world.raised("an.other")
    world.round(mail, hook)
    assert late in mail.abouts
    case.went_well()


def test_the_log_is_not_the_key(world: TellWorld) -> None:
    assert LOG not in str(world.closed())
