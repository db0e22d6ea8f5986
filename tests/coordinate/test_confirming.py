"""A critical decision that was approved awaits a word of who approved it, in another channel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from audit.entry import Actor, Draft
from audit.erasing import erase
from builders import REPOSITORY
from channels_world import CODE, MAIL, OTHER, PHONE, ChannelsWorld
from coordinate.shapes import assert_shaped
from factor_world import asking
from governance.coordinate import confirming, decisions, hearing
from governance.entrypoints import disowned
from governance.errors import RequestError
from governance.people import prompts
from governance.people.factors import Code
from governance.record import Kind
from governance.tell import claims, composing, delivering
from governance.two_channels import Answer, Channel, Word
from keys import key_of
from tell_world import Kept

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

MINUTE = 60_000
OWNER = Actor("owner", "human", "")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[ChannelsWorld]:
    with ChannelsWorld(tmp_path) as made:
        yield made
        assert_shaped(made)


def refused(code: str, do: Callable[[], object], world: ChannelsWorld) -> None:
    before = len(world.kinds())
    with pytest.raises(RequestError) as caught:
        do()
    assert caught.value.code == code, caught.value
    assert [line[2] for line in world.refusals(before)] == [code]


def by(world: ChannelsWorld, channel: Channel, word: Word = Word.YES, code: str = CODE, number: int = 0) -> str:
    how = "session" if not code else "reply"
    return str(confirming.reply(world.service, "owner", Answer(word, channel, code, number), how=how)["outcome"])


@pytest.mark.usefixtures("both")
def test_an_approved_decision_is_not_decided_until_it_is_confirmed(world: ChannelsWorld) -> None:
    number = world.approved()
    found = world.shown(number)
    assert (found["state"], found["outcome"]) == ("awaits confirmation", "")
    assert found["awaited"]["sent"] == ["mail", "sms"]
    assert found["awaited"]["approved_in"] == ["terminal"]
    assert "owner answers" in found["next"]
    assert "twinseal decision confirm" in found["next"]
    assert "message.sent" not in world.kinds()

    assert by(world, Channel.SMS) == "decided"
    assert world.shown(number)["state"] == "decided"
    said = world.bodies("kind='decision.confirmed'")[-1]
    assert (said["actor"]["id"], said["data"]["channel"], said["data"]["how"]) == ("owner", "sms", "reply")
    assert world.kinds()[-3:] == ["decision.confirmed", "decision.closed", "message.sent"]


@pytest.mark.parametrize("channel", [Channel.MAIL, Channel.SMS, Channel.WEB])
def test_the_code_confirms_whichever_way_it_comes_back(world: ChannelsWorld, channel: Channel) -> None:
    world.approved()
    assert by(world, channel) == "decided"


def test_a_signed_word_in_the_terminal_takes_the_code_that_was_sent(world: ChannelsWorld) -> None:
    number = world.approved()
    assert world.confirms(number)["outcome"] == "decided"
    said = world.bodies("kind='decision.confirmed'")[-1]
    assert (said["actor"]["key"], said["data"]["channel"]) == (key_of("owner").fingerprint, "terminal")


def test_the_code_stands_in_no_entry(world: ChannelsWorld) -> None:
    number = world.approved()
    world.confirms(number)
    other = world.approved(code=OTHER)
    world.confirms(other, OTHER, "fraud")
    text = "".join(row[0] for row in world.rows("select body from ledger_entry"))
    kept = "".join(row[0] for row in world.rows("select value from ledger_private"))
    for code in (CODE, OTHER):
        assert code not in text + kept
    assert world.code_sent(number) == CODE


def test_the_message_holds_it_and_goes_to_that_person_alone(world: ChannelsWorld) -> None:
    number = world.approved()
    entry = world.awaited(number).seq
    assert world.rows("select channel, to_ from delivery where notice=? order by channel", entry) == [
        ("mail", "owner"), ("sms", "owner"),
    ]  # fmt: skip
    claim = claims.Claim(
        notices=(entry,), channel="mail", to="owner", severity="personal", key="k", attempts=1, first_at=0
    )
    with world.service.read() as look:
        told = composing.compose(look, world.service, claim, MAIL)
        assert f"\n    YES-{CODE}\n" in told.text
        assert f"\n    FRAUD-{CODE}\n" in told.text
        assert not told.text.startswith(("YES", "FRAUD"))
        assert f"YES-{CODE}" in told.short
        assert f"FRAUD-{CODE}" in told.short
        assert CODE not in told.subject
        assert len(told.short) < 400
        world.now += 31 * MINUTE
        late = composing.compose(look, world.service, claim, MAIL)
    assert f"YES-{CODE}" not in late.text + late.short
    assert f"FRAUD-{CODE}" in late.text
    assert late.subject.startswith("[twinseal] Too late")


def test_it_is_sent_once_by_each_channel_and_to_nobody_else(world: ChannelsWorld) -> None:
    number = world.approved()
    kept = [Kept(name) for name in ("mail", "sms", "webhook", "tmux")]
    delivering.round(world.service, kept)
    delivering.round(world.service, kept)
    holding = [(channel.name, message.to) for channel in kept for _, message in channel.taken if CODE in str(message)]
    assert holding == [("mail", MAIL), ("sms", PHONE)]
    closed = [body["data"] for body in world.bodies("kind='notice.closed'")]
    assert {(data["channel"], data["outcome"]) for data in closed if world.awaited(number).seq in data["notices"]} == {
        ("mail", "delivered"), ("sms", "delivered"),
    }  # fmt: skip
    assert CODE not in str(closed)


def test_what_is_not_critical_is_decided_as_before(world: ChannelsWorld) -> None:
    number = world.asked("refactoring", by="orchestrator")
    assert world.signed(number, by="dev-b") == ""
    assert world.signed(number, by="qa-a") == "decided"
    assert world.shown(number)["awaited"] is None


def test_a_no_needs_no_second_channel(world: ChannelsWorld) -> None:
    assert world.signed(world.asked(), verdict="reject") == "rejected"


@pytest.mark.usefixtures("both")
def test_what_is_not_confirmed_in_time_is_on_hold_and_says_so_once(world: ChannelsWorld) -> None:
    number = world.approved()
    assert confirming.hold(world.service) == []
    world.now += 30 * MINUTE
    assert world.shown(number)["state"] == "on hold"
    assert confirming.hold(world.service) == [number]
    assert confirming.hold(world.service) == []
    assert world.kinds().count("decision.held") == 1
    assert world.rows("select severity from notice where kind='decision.held'") == [("high",)]
    refused("two_channels.expired", lambda: by(world, Channel.SMS), world)
    refused("decision.expired", lambda: world.signed(number, by="mia"), world)
    found = world.shown(number)
    assert (found["state"], found["outcome"]) == ("on hold", "")
    assert f"decision close {number}" in found["next"]
    assert world.does("dev-a", "decision.close", decision=number, reason="on hold")["outcome"] == "taken-back"


def test_where_nothing_can_be_sent_it_says_so_and_a_log_in_confirms(world: ChannelsWorld) -> None:
    world.service.sends = frozenset()
    number = world.approved()
    assert world.shown(number)["awaited"]["sent"] == []
    assert "doctor" in world.shown(number)["next"]
    assert world.rows("select code from notice where kind='decision.awaited'") == [("decision.not_sent",)]
    refused("two_channels.same_channel", lambda: world.confirms(number, ""), world)
    refused("two_channels.code", lambda: world.confirms(number), world)
    assert by(world, Channel.WEB, code="", number=number) == "decided"
    assert world.bodies("kind='decision.confirmed'")[-1]["data"]["channel"] == "web"


def test_a_person_is_sent_it_where_they_can_be_reached(world: ChannelsWorld) -> None:
    world.service.sends = frozenset({"sms"})
    assert world.shown(world.approved())["awaited"]["sent"] == ["sms"]
    gone = {"channel": "sms", "set": False}
    world.append(Draft(Kind.ACCOUNT_CONTACT, OWNER, "", "owner", gone))
    assert world.shown(world.approved())["awaited"]["sent"] == []


def test_fraud_freezes_everything_and_rejects(world: ChannelsWorld) -> None:
    number = world.approved()
    done = world.confirms(number, word="fraud")
    assert world.shown(number)["state"] == "rejected"
    assert world.frozen() == [
        f"FRAUD: owner says by terminal that they did not approve decision {number} of {REPOSITORY}"
    ]
    assert world.bodies("kind='freeze.imposed'")[-1]["seq"] == done["freeze"]
    assert {"decision.disowned", "freeze.imposed"} <= {
        row[0] for row in world.rows("select kind from notice where severity='critical'")
    }
    refused("two_channels.disowned", lambda: by(world, Channel.SMS), world)


@pytest.mark.usefixtures("both")
def test_a_fraud_has_its_audit_report_once(world: ChannelsWorld) -> None:
    audits = disowned.Audits(world.service)
    number = world.approved()
    assert audits.round() == []
    freeze = world.confirms(number, word="fraud")["freeze"]
    assert audits.round() == [freeze]
    assert disowned.Audits(world.service).round() == []
    (report,) = world.bodies("kind='report.issued'")
    assert (report["data"]["report"], report["data"]["about"]) == ("audit", freeze)
    other = world.approved(code=OTHER)
    world.now += 24 * 60 * MINUTE
    assert audits.round() == []
    freeze = by_code(world, other)
    assert audits.round() == [freeze]


def by_code(world: ChannelsWorld, number: int) -> int:
    assert by(world, Channel.SMS, Word.FRAUD, OTHER) == "rejected"
    assert world.shown(number)["state"] == "rejected"
    return int(world.bodies("kind='freeze.imposed'")[-1]["seq"])


def test_fraud_is_heard_after_it_was_confirmed_and_undoes_it(world: ChannelsWorld) -> None:
    number = world.approved()
    by(world, Channel.MAIL)
    assert by(world, Channel.SMS, Word.FRAUD) == "rejected"
    assert world.shown(number)["state"] == "rejected"
    assert len(world.frozen()) == 1


def test_fraud_is_heard_after_the_time_is_over(world: ChannelsWorld) -> None:
    number = world.approved()
    world.now += 29 * 24 * 60 * MINUTE
    confirming.hold(world.service)
    assert by(world, Channel.SMS, Word.FRAUD) == "rejected"
    assert world.shown(number)["awaited"]["disowned"] > 0


def test_a_rejection_stops_what_awaits(world: ChannelsWorld) -> None:
    number = world.approved()
    assert world.does("owner", "decision.close", decision=number, reason="not now")["outcome"] == "taken-back"
    refused("two_channels.over", lambda: by(world, Channel.SMS), world)


def test_a_second_yes_in_the_first_channel_changes_nothing(world: ChannelsWorld) -> None:
    number = world.approved()
    refused("decision.answered", lambda: world.signed(number), world)


def test_an_approval_that_ended_with_its_key_confirms_nothing(world: ChannelsWorld) -> None:
    world.approved()
    data = {"fingerprint": key_of("owner").fingerprint, "reason": "lost"}
    world.append(Draft(Kind.KEY_REVOKED, OWNER, "", "owner", data))
    refused("two_channels.unsettled", lambda: by(world, Channel.SMS), world)


def test_a_code_whose_value_was_erased_confirms_nothing(world: ChannelsWorld) -> None:
    entry = world.awaited(world.approved()).seq
    world.ledger.run(lambda tx: erase(tx, entry, ["code"], basis="asked", approver="owner", actor=OWNER))
    refused("two_channels.code", lambda: by(world, Channel.SMS), world)


def test_the_number_belongs_to_who_named_it(world: ChannelsWorld) -> None:
    assert hearing.known(world.service, Channel.SMS, PHONE) == "owner"
    assert hearing.known(world.service, Channel.MAIL, "OWNER@example.org") == "owner"
    world.number("mia", PHONE)
    with pytest.raises(RequestError, match="nobody's"):
        hearing.known(world.service, Channel.SMS, PHONE)


def test_a_person_approves_with_a_second_factor_and_where_they_did_is_no_second_channel(tmp_path: Path) -> None:
    with ChannelsWorld(tmp_path, policy=asking("decision")) as world:
        world.service.sends = frozenset()
        world.enroll("owner")
        number = world.asked()
        body = {"repository": REPOSITORY, "decision": number, "verdict": "approve", "reason": "looked at it"}
        said = world.said("decision.sign", "owner", body)

        def sign() -> dict[str, Any]:
            return decisions.sign(world.service, world.caller("owner"), said, REPOSITORY, code=CODE)

        refused("factor.needed", sign, world)
        prompt = world.ask(said)
        proof, asked = Code(world.code("owner")), prompt["prompt"]
        who, typed = world.caller("owner"), prompt["digest"]
        prompts.answer(world.service, who, asked, typed=typed, proof=proof, channel="browser")
        done = sign()
        assert (done["outcome"], done["awaits"]["approved_in"]) == ("awaits", ["terminal", "web"])
        assert world.bodies("kind='decision.signed'")[-1]["data"]["prompt"] == asked
        refused("two_channels.same_channel", lambda: by(world, Channel.WEB, code="", number=number), world)
        assert_shaped(world)
