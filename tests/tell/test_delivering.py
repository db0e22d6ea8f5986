from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from governance.channels import SMS, WEBHOOK, Deferred, Refused
from governance.state import rebuilding
from governance.tell import claims, delivering
from governance.tell.backoff import FIRST_MS, GIVE_UP_MS, WISH_MOST_MS, pause
from governance.tell.claims import GATHER_MS, LEASE_MS
from tell_world import Kept, Killed, TellWorld, failing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from audit.transaction import Transaction

HOUR_MS = 3_600_000


@pytest.fixture
def world(tmp_path: Path, both: None) -> Iterator[TellWorld]:
    with TellWorld(tmp_path) as made:
        made.told()
        yield made


def test_what_happened_and_that_it_is_to_be_told_are_there_together(world: TellWorld) -> None:
    seq = world.raised()

    assert world.states(seq) == {
        ("mail", "owner"): "open", ("sms", "owner"): "open", ("tmux", ""): "open", ("webhook", ""): "open",
    }  # fmt: skip


def test_a_notice_goes_to_each_recipient_once_and_its_delivery_is_an_entry(world: TellWorld) -> None:
    mail, hook = Kept(), Kept(WEBHOOK)
    seq = world.raised()

    assert {(s.channel, s.to, s.outcome) for s in world.round(mail, hook)} == {
        ("mail", "owner", "delivered"), ("webhook", "", "delivered"),
    }  # fmt: skip
    assert world.round(mail, hook) == []
    assert (mail.abouts, hook.abouts) == ([seq], [seq])
    assert mail.taken[0][1].to == "owner@example.org"
    assert {(c["channel"], c["outcome"], c["attempts"]) for c in world.closed()} == {
        ("mail", "delivered", 1), ("webhook", "delivered", 1),
    }  # fmt: skip
    assert world.states(seq)["mail", "owner"] == "delivered"
    assert world.difference() == ""


def test_low_is_recorded_and_told_to_nobody(world: TellWorld) -> None:
    seq = world.raised(severity="low")

    assert world.states(seq) == {}
    assert world.round(Kept(), Kept(WEBHOOK)) == []


def test_a_channel_that_is_not_set_up_keeps_nothing_from_going_by_another(world: TellWorld) -> None:
    seq, hook = world.raised(), Kept(WEBHOOK)
    world.round(hook)

    assert hook.abouts == [seq]
    assert world.states(seq)["mail", "owner"] == "open"


def test_who_has_no_number_is_told_as_soon_as_there_is_one(world: TellWorld) -> None:
    sms = Kept(SMS)
    world.raised()

    assert world.round(sms) == []


def test_what_fails_is_tried_again_later_with_the_same_key(world: TellWorld) -> None:
    mail = Kept()
    mail.before = failing(Deferred("busy"))
    world.raised()

    assert [s.outcome for s in world.round(mail)] == ["again"]
    assert world.round(mail) == []
    world.now += 2 * FIRST_MS
    mail.before = lambda: None
    assert [s.outcome for s in world.round(mail)] == ["delivered"]
    assert mail.tried == 2
    assert world.closed()[0]["attempts"] == 2


def test_a_peer_that_asks_us_to_wait_is_left_alone_for_so_long(world: TellWorld) -> None:
    mail = Kept()
    mail.before = failing(Deferred("429", retry_after=600))
    world.raised("a.one")
    world.round(mail)
    world.raised("a.two")
    mail.before = lambda: None

    world.now += 599_000
    assert world.round(mail) == []
    world.now += 1_000
    assert [s.outcome for s in world.round(mail)] == ["delivered", "delivered"]


def test_a_peer_that_asks_for_a_year_is_asked_again_the_same_day(world: TellWorld) -> None:
    mail = Kept()
    mail.before = failing(Deferred("429", retry_after=365 * 86_400))
    world.raised()
    world.round(mail)
    mail.before = lambda: None
    world.now += WISH_MOST_MS

    assert [s.outcome for s in world.round(mail)] == ["delivered"]


def test_after_a_day_it_is_given_up_and_the_other_channels_say_so(world: TellWorld) -> None:
    mail, hook = Kept(), Kept(WEBHOOK)
    mail.before = failing(Deferred("down"))
    seq = world.raised()
    end = world.now + GIVE_UP_MS
    outcomes = []
    while world.now <= end + HOUR_MS and "given_up" not in outcomes:
        outcomes += [s.outcome for s in world.round(mail)]
        world.now += 10 * 60_000
    world.round(hook)

    assert outcomes[-1] == "given_up"
    assert 45 < len(outcomes) < 80  # Every half hour, in the end.
    assert world.states(seq)["mail", "owner"] == "given_up"
    said = hook.taken[-1][1]
    assert "not taken within a day" in said.subject
    assert "twinseal alert test --channel mail" in said.text
    assert world.states(said.about).keys() == {("sms", "owner"), ("tmux", ""), ("webhook", "")}


def test_that_a_failure_could_not_be_told_is_not_told(world: TellWorld) -> None:
    mail, hook = Kept(), Kept(WEBHOOK)
    mail.before = hook.before = failing(Refused("no"))
    world.raised()
    for _ in range(5):
        world.round(mail, hook)
        world.now += HOUR_MS

    assert [c["outcome"] for c in world.closed()] == ["refused"] * 4
    assert len(world.rows("select 1 from notice where kind='notice.closed'")) == 2


def test_what_the_peer_will_never_take_is_not_tried_again(world: TellWorld) -> None:
    mail = Kept()
    mail.before = failing(Refused("550"))
    world.raised()

    assert [s.outcome for s in world.round(mail)] == ["refused"]
    world.now += GIVE_UP_MS
    assert world.round(mail) == []


def test_the_same_cause_is_told_once_an_hour_and_counted(world: TellWorld) -> None:
    mail = Kept()
    first = world.raised()
    world.round(mail)
    for _ in range(7):
        world.raised()
    assert world.round(mail) == []
    assert world.rows("select count from notice where seq=?", first) == [(8,)]

    world.now += HOUR_MS
    again = world.raised()
    world.round(mail)
    assert mail.abouts == [first, again]
    assert "the same 7 times more after it was last told" in mail.taken[-1][1].text


def test_another_actor_another_subject_or_another_severity_is_another_cause(world: TellWorld) -> None:
    told = [world.vetoed("1"), world.vetoed("2"), world.vetoed("1", by="mia"), world.raised(), world.raised("b.other")]
    told.append(world.raised(severity="high"))

    assert all(world.states(seq) for seq in told)


def test_a_flood_is_gathered_and_nothing_of_it_is_lost(world: TellWorld) -> None:
    mail = Kept()
    told = [world.raised(f"flood.n{n}") for n in range(35)]
    assert len(world.round(mail)) == 10
    world.now += GATHER_MS
    assert [len(s.notices) for s in world.round(mail)] == [25]
    gathered = mail.taken[-1][1]
    assert "25 notices at once" in gathered.subject
    assert all(f"entry {seq}" in gathered.text for seq in told[10:])
    assert all(world.states(seq)["mail", "owner"] == "delivered" for seq in told)

    late = world.raised("flood.late")
    assert world.round(mail) == []
    world.now += GATHER_MS
    assert [s.notices for s in world.round(mail)] == [(late,)]


def test_a_flood_of_one_severity_does_not_hold_up_another(world: TellWorld) -> None:
    mail = Kept()
    for n in range(40):
        world.raised(f"flood.n{n}", severity="high")
    critical = world.raised()
    world.round(mail)

    assert mail.abouts[0] == critical


def test_a_gathered_message_that_is_retried_holds_what_it_held(world: TellWorld) -> None:
    mail = Kept()
    for n in range(15):
        world.raised(f"flood.n{n}")
    world.round(mail)
    world.now += GATHER_MS
    mail.before = failing(Deferred("busy"))
    first = world.round(mail)[0].notices
    world.raised("flood.later")
    world.now += GATHER_MS
    mail.before = lambda: None
    sent = world.round(mail)

    assert first in [s.notices for s in sent]
    assert len(first) == 5


@pytest.mark.parametrize("moment", ["before", "after"])
def test_killed_while_sending_it_is_sent_by_the_next(world: TellWorld, moment: str) -> None:
    mail = Kept()

    def die() -> None:
        raise Killed

    setattr(mail, moment, die)
    seq = world.raised()
    with pytest.raises(Killed):
        world.round(mail)
    setattr(mail, moment, lambda: None)
    assert world.round(mail) == []
    world.now += LEASE_MS
    assert [s.outcome for s in world.round(mail)] == ["delivered"]
    assert set(mail.abouts) == {seq}
    assert len(set(mail.keys)) == 1
    assert len(mail.taken) == (1 if moment == "before" else 2)


def test_of_many_rounds_at_once_one_sends(world: TellWorld) -> None:
    mail = Kept()
    told = [world.raised(f"at.once{n}") for n in range(8)]
    gate = threading.Barrier(6)

    def run() -> None:
        gate.wait()
        world.round(mail)

    threads = [threading.Thread(target=run) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(mail.abouts) == told


def test_a_clock_that_jumps_takes_no_message_from_who_is_sending_it(world: TellWorld) -> None:
    mail, other = Kept(), Kept()
    world.raised()

    def jump() -> None:
        world.now += 10 * HOUR_MS
        assert world.round(other) == []

    mail.before = jump
    world.round(mail)
    assert (len(mail.taken), other.taken) == (1, [])


def test_who_is_retired_is_told_nothing_more(world: TellWorld) -> None:
    from governance.people import principals  # noqa: PLC0415
    from governance.record import SERVICE  # noqa: PLC0415

    mail = Kept()
    world.raised()
    world.append(principals.retired("owner", actor=SERVICE, statement={}))

    assert world.round(mail) == []
    assert world.difference() == ""


def test_a_rebuild_forgets_no_attempt_and_sends_nothing_again(world: TellWorld) -> None:
    mail = Kept()
    world.raised("a.one")
    world.round(mail)
    mail.before = failing(Deferred("busy"))
    world.raised("a.two")
    world.round(mail)
    world.ledger.close()
    rebuilding.replace(world.path, progress=lambda done, total: None)

    assert world.rows("select attempts from delivery_attempt") == [(1,)]
    assert world.difference() == ""


def test_pauses_double_within_bounds_and_are_the_same_for_the_same_key() -> None:
    pauses = [pause("k", n) for n in range(1, 15)]

    assert pauses == [pause("k", n) for n in range(1, 15)]
    assert all(FIRST_MS * 2 ** min(n, 9) * 0.74 < p for n, p in enumerate(pauses) if n < 8)
    assert max(pauses) <= 30 * 60_000 * 1.25
    assert pause("k", 1) != pause("l", 1)
    assert pause("k", 1, wish_ms=10**12) == WISH_MOST_MS


def test_who_is_told_to_stop_begins_no_other_message(world: TellWorld) -> None:
    kept = Kept()
    first, second = world.raised(), world.raised("test.other")
    kept.after = world.service.ending.set

    assert [s.notices for s in world.round(kept)] == [(first,)]
    world.service.ending.clear()
    assert [s.notices for s in world.round(kept)] == [(second,)]


def test_a_message_that_is_left_at_the_end_keeps_its_claim_and_its_key(
    world: TellWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivering, "GRACE_S", 0.1)
    monkeypatch.setattr(delivering, "LOOK_S", 0.05)
    kept, answers = Kept(), threading.Event()
    world.raised()

    def hangs() -> None:
        world.service.ending.set()
        answers.wait(20)

    kept.before = hangs
    assert [s.outcome for s in world.round(kept)] == ["again"]
    answers.set()
    kept.before = lambda: None
    world.service.ending.clear()
    assert world.round(kept) == []
    world.now += LEASE_MS
    assert [s.outcome for s in world.round(kept)] == ["delivered"]
    assert len(set(kept.keys)) == 1


def test_who_waits_for_what_matters_most_comes_first(world: TellWorld) -> None:
    rows = [("anna", "low"), ("bert", "high"), ("bert", "low"), ("carl", "personal"), ("dora", "high")]

    def waits(tx: Transaction) -> None:
        for number, (who, severity) in enumerate(rows):
            tx.execute(
                "insert into delivery values(?,?,?,?,?,'open',null,null)", (900 + number, "pigeon", who, severity, 1)
            )

    world.ledger.run(waits)
    with world.service.read() as look:
        assert claims.recipients(look, "pigeon") == ["carl", "bert", "dora", "anna"]
