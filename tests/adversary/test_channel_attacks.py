"""Attacks on the second channel of critical decisions, over HTTP as the providers bring messages, and side by side."""

from __future__ import annotations

import base64
import hashlib
import itertools
import threading
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from sendgrid.helpers.eventwebhook import EventWebhook
from twilio.request_validator import RequestValidator

from adversary.card import Seen, attack
from builders import REPOSITORY
from channels_world import ACCOUNT, CODE, MAIL, OTHER, PHONE, TOKEN, URL, ChannelsWorld, multipart
from factor_world import asking
from governance.adapters import inbound
from governance.coordinate import confirming, decisions
from governance.entrypoints import api_inbound
from governance.errors import RequestError
from governance.people import prompts
from governance.people.factors import Code
from governance.state import decisions as decided
from governance.state import read
from governance.two_channels import ALPHABET, WRONG_MOST, WRONG_MS, Answer, Channel, Word

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

MINUTE = 60_000
STRANGER = "+491700000666"
CURVE = int("FFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551", 16)
"""The order of P-256: s and order - s are good for one message."""


class Case(Seen):
    """A service with two channels, and what one test has seen of the attacks on it."""

    def __init__(self, world: ChannelsWorld) -> None:
        super().__init__()
        self.world = world

    def refused(self, code: str, do: Callable[[], object]) -> None:
        """It is refused with this code, recorded, and nothing is decided."""
        before = len(self.world.kinds())
        with pytest.raises(RequestError) as caught:
            do()
        assert caught.value.code == code, caught.value
        self.unheard(code, before)

    def unheard(self, code: str, since: int) -> None:
        """What was done since is recorded as refused with this code, and is all that happened."""
        found = self.world.kinds(since)
        recorded = set(found) == {"request.refused"} and self.world.refusals(since)[-1][2] == code
        self._saw(code, recorded=recorded)
        assert recorded, (found, self.world.refusals(since))

    def brought(self, code: str, do: Callable[[], tuple[int, str]], *, status: int = 200, said: str = "") -> None:
        """A provider brings it, it is answered so, and recorded as refused with this code."""
        before = len(self.world.kinds())
        answer = do()
        assert answer[0] == status, answer
        assert said in answer[1], answer
        self.unheard(code, before)

    def decided(self, number: int) -> None:
        """The honest way went through."""
        assert self.world.shown(number)["state"] == "decided"
        self.seen["twin"] = True

    def undecided(self, number: int) -> None:
        assert self.world.shown(number)["outcome"] == ""


@pytest.fixture
def case(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Case]:
    with ChannelsWorld(tmp_path, policy=asking("decision" if "browser" in request.node.name else "account")) as world:
        made = Case(world)
        ids = [each for mark in request.node.iter_markers("attack") for each in mark.args]
        request.node.user_properties.append(("attack", (ids, made.seen)))
        yield made
        assert world.difference() == ""


def reply(world: ChannelsWorld, channel: Channel = Channel.SMS, word: Word = Word.YES, code: str = CODE) -> Any:  # noqa: ANN401
    return confirming.reply(world.service, "owner", Answer(word, channel, code), how="reply")


@attack("X-WORD-01")
def test_only_what_twilio_signed_for_this_address_is_read(case: Case) -> None:
    world, yes = case.world, f"YES-{CODE}"
    number = world.approved()
    with world.listening() as hooks:
        good = hooks.form(yes)
        unsigned = {"X-Twilio-Signature": ""}
        forged: list[Callable[[], tuple[int, str]]] = [
            lambda: hooks.sms(yes, token="another token"),
            lambda: hooks.sms(yes, **unsigned),
            lambda: hooks.sms(yes, url="https://evil.example/v1/inbound/sms"),
            lambda: hooks.sms(yes, url="http://twilio:1/v1/inbound/sms", Host="twilio:1", X_Forwarded_Host="twilio:1"),
            lambda: hooks.sms(yes, url=URL.replace("https", "http") + api_inbound.SMS, X_Forwarded_Proto="http"),
            lambda: hooks.sms(yes, url=URL + api_inbound.SMS + "?a=b", query="?a=b"),
            lambda: hooks.sms(yes, form=good, sent=good | {"Body": f"FRAUD-{CODE}"}),
            lambda: hooks.sms(yes, form=good, sent=good | {"From": STRANGER}),
            lambda: hooks.sms(yes, form=good, sent={"From": good["From"], "Body": yes}),
            lambda: hooks.sms(yes, form=hooks.form(yes, AccountSid="AC" + "1" * 32)),
        ]
        case.brought("two_channels.forged", forged[0], status=403)
        for each in forged[1:]:  # Each is refused; a flood of them is no flood of entries.
            before = len(world.kinds())
            assert each()[0] == 403
            assert world.kinds(before) == []
        case.undecided(number)
        assert "confirmed" not in hooks.sms(yes, url=f"{URL}/v1/inbound/sms".replace(".org/", ".org:443/"))[1]
        case.decided(number)


@attack("X-WORD-01")
@pytest.mark.parametrize(
    "body", [b"\xff\xfe", b"a=1&a=2", b"a=" + b"x" * 70_000, b"&".join(b"a%d=1" % n for n in range(200))]
)
def test_what_is_no_form_of_theirs_is_refused_before_anything_is_compared(case: Case, body: bytes) -> None:
    world = case.world
    number = world.approved()
    with world.listening() as hooks:
        headers = {"X-Twilio-Signature": "x", "Content-Type": "application/x-www-form-urlencoded"}
        status, said = hooks.post(api_inbound.SMS, body, headers)
        assert (status, "two_channels.malformed" in said) == (422, True), said
        assert hooks.post(api_inbound.SMS, b"x" * 300_000, headers)[0] == 413
        assert hooks.post(api_inbound.MAIL, b"x" * 300_000, {})[0] == 413
        case.brought("two_channels.forged", lambda: hooks.sms(f"YES-{CODE}", token="x"), status=403)
        hooks.sms(f"YES-{CODE}")
    case.decided(number)


@attack("X-WORD-02")
def test_only_what_sendgrid_signed_just_now_is_read(case: Case) -> None:
    world, yes = case.world, f"YES-{CODE}"
    number = world.approved()
    now = world.now // 1000
    with world.listening() as hooks:
        body = multipart(hooks.parts(yes))
        signed = hooks.stamped(str(now), body, hooks.secret)
        other = ec.generate_private_key(ec.SECP256R1())
        late = signed | {"X-Twilio-Email-Event-Webhook-Timestamp": str(now - 1)}
        forged: list[Callable[[], tuple[int, str]]] = [
            lambda: hooks.mail(yes, secret=other),
            lambda: hooks.post(api_inbound.MAIL, body, {"Content-Type": signed["Content-Type"]}),
            lambda: hooks.post(api_inbound.MAIL, body, late),
            lambda: hooks.mail(yes, body=body, sent=body.replace(b"YES", b"yes")),
            lambda: hooks.mail(yes, at=now - 301),
            lambda: hooks.mail(yes, at=now + 301),
            lambda: hooks.post(api_inbound.MAIL, body, hooks.stamped("+" + str(now), body, hooks.secret)),
            lambda: hooks.post(api_inbound.MAIL, body, hooks.stamped("", body, hooks.secret)),
            lambda: hooks.post(api_inbound.MAIL, body, signed | {"X-Twilio-Email-Event-Webhook-Signature": "!!"}),
        ]
        case.brought("two_channels.forged", forged[0], status=403)
        for each in forged[1:]:
            before = len(world.kinds())
            assert each()[0] == 403
            assert world.kinds(before) == []
        case.undecided(number)
        assert hooks.mail(yes, at=now - 299)[0] == 200
    case.decided(number)


@attack("X-WORD-02")
def test_a_mail_that_is_played_back_is_not_heard_again_whatever_its_signature(case: Case) -> None:
    world = case.world
    world.approved()
    with world.listening() as hooks:
        body = multipart(hooks.parts(f"YES-{OTHER}"))
        signed = hooks.stamped(str(world.now // 1000), body, hooks.secret)
        case.brought("two_channels.code", lambda: hooks.post(api_inbound.MAIL, body, signed))
        name = "X-Twilio-Email-Event-Webhook-Signature"
        r, s = decode_dss_signature(base64.b64decode(signed[name]))
        twin = signed | {name: base64.b64encode(encode_dss_signature(r, CURVE - s)).decode()}
        before = len(world.kinds())
        for headers in (signed, twin):
            assert hooks.post(api_inbound.MAIL, body, headers) == (200, '{"said":""}')
        assert world.kinds(before) == []
        number = world.approved(code=OTHER)
        assert hooks.post(api_inbound.MAIL, body, signed)[0] == 200
        case.undecided(number)
        assert hooks.mail(f"YES-{OTHER}\r\n")[0] == 200
    case.decided(number)


def test_our_checks_agree_with_the_providers_own() -> None:
    secret = ec.generate_private_key(ec.SECP256R1())
    from cryptography.hazmat.primitives import hashes, serialization  # noqa: PLC0415

    public = secret.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    text = base64.b64encode(public).decode()
    theirs, ours = EventWebhook(text), inbound.mail_key(text)
    body, stamp = "a=b & grüße", "1600000000"
    sign = base64.b64encode(secret.sign((stamp + body).encode(), ec.ECDSA(hashes.SHA256()))).decode()
    for given, at, signature in ((body, stamp, sign), (body + "x", stamp, sign), (body, "1600000001", sign)):
        assert theirs.verify_signature(given, signature, at) == inbound.mail_signed(ours, at, given.encode(), signature)
    assert not inbound.mail_signed(ours, stamp, body.encode(), "not base64")

    twilio, form = RequestValidator(TOKEN), {"Body": "YES", "From": PHONE}
    for url in ("https://a.example/x", "https://a.example:443/x", "http://a.example:8321/x", "https://b.example/x"):
        signature = twilio.compute_signature("https://a.example/x", form)
        assert inbound.sms_signed(TOKEN, url, form, signature) == twilio.validate(url, form, signature)
    assert not inbound.sms_signed(TOKEN, "https://a.example/x", form, "")
    assert not inbound.sms_signed(TOKEN, "https://a.example/x", form, "\u20ac")


@attack("X-WORD-03")
def test_yes_comes_from_the_person_it_was_sent_to(case: Case) -> None:
    world, yes = case.world, f"YES-{CODE}"
    world.number("mia", "+491700000002")
    number = world.approved()
    with world.listening() as hooks:
        case.brought("two_channels.stranger", lambda: hooks.sms(yes, STRANGER))
        case.brought("two_channels.stranger", lambda: hooks.mail(yes, "owner@example.org.evil.example"))
        case.brought("two_channels.code", lambda: hooks.sms(yes, "+491700000002"))
        case.brought("two_channels.code", lambda: hooks.mail(yes, "mia@example.org"))
        before = len(world.kinds())
        for sender in ("owner", "+49 1700000001", "00491700000001", ""):
            assert hooks.sms(yes, sender) == (200, '<?xml version="1.0" encoding="UTF-8"?><Response></Response>')
        assert set(world.kinds(before)) <= {"request.refused"}
        case.undecided(number)
        hooks.sms(yes)
    case.decided(number)
    assert STRANGER not in "".join(row[0] for row in world.rows("select body from ledger_entry"))


@attack("X-WORD-04")
@pytest.mark.parametrize(
    "changed",
    [
        {"headers": f'From: "{MAIL}" <mallory@evil.example>\n', "dkim": "{@evil.example : pass}"},
        {"headers": f"From: {MAIL}\n", "dkim": "{@evil.example : pass}", "envelope": '{"from":"mallory@evil.example"}'},
        {"dkim": "none", "SPF": "softfail"},
        {"headers": f"From: {MAIL}\nFrom: mallory@evil.example\n"},
        {"headers": f"Sender: {MAIL}\nFrom: mallory@evil.example\n", "dkim": "{@evil.example : pass}"},
        {"headers": "Subject: x\n", "from": MAIL},
    ],
)
def test_a_sender_that_is_only_shown_confirms_nothing(case: Case, changed: dict[str, str]) -> None:
    world, before = case.world, 0
    number = world.approved()
    with world.listening() as hooks:
        before = len(world.kinds())
        assert hooks.mail(f"YES-{CODE}", **changed) == (200, '{"said":""}')
        case.unheard(world.refusals(before)[-1][2], before)
        assert world.refusals(before)[-1][2] in {"two_channels.unproved", "two_channels.stranger"}
        case.undecided(number)
        hooks.mail(f"YES-{CODE}")
    case.decided(number)


@attack("X-WORD-04")
def test_a_field_that_comes_twice_is_not_chosen_from(case: Case) -> None:
    world = case.world
    number = world.approved()
    with world.listening() as hooks:
        parts = hooks.parts(f"YES-{CODE}")
        twice = multipart(parts)[: -len(b"--xYzZY--\r\n")] + multipart({"dkim": "{@example.org : pass}"})
        case.brought("two_channels.malformed", lambda: hooks.mail("", body=twice), said='{"said":""}')
        case.brought("two_channels.unproved", lambda: hooks.mail(f"YES-{CODE}", dkim="none", SPF="fail"))
        case.undecided(number)
        hooks.mail(f"YES-{CODE}")
    case.decided(number)


@attack("X-WORD-05")
def test_guesses_end_after_a_few_and_are_recorded(case: Case) -> None:
    world = case.world
    number = world.approved()
    guesses = ("".join(found) for found in itertools.product(ALPHABET, repeat=8))
    for _ in range(WRONG_MOST):
        case.refused("two_channels.code", lambda: reply(world, code=next(guesses)))
    case.refused("two_channels.locked", lambda: reply(world))  # Not even the right one is looked at now.
    case.undecided(number)
    assert reply(world, Channel.MAIL)["outcome"] == "decided"  # A channel that nobody guessed in goes on.
    case.decided(number)
    world.now += WRONG_MS
    other = world.approved(code=OTHER)
    assert reply(world, code=OTHER)["outcome"] == "decided"
    case.decided(other)


@attack("X-WORD-05")
def test_guesses_side_by_side_are_counted_one_after_the_other(case: Case) -> None:
    world = case.world
    number = world.approved()
    guesses, codes = 24, []

    def guess(n: int) -> None:
        try:
            codes.append(reply(world, code="AAAAAA" + ALPHABET[n % 32] + "A")["outcome"])
        except RequestError as exc:
            codes.append(exc.code)

    threads = [threading.Thread(target=guess, args=(n,)) for n in range(guesses)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert codes.count("two_channels.code") == WRONG_MOST
    assert codes.count("two_channels.locked") == guesses - WRONG_MOST
    case.unheard("two_channels.locked", len(world.kinds()) - guesses)
    reply(world, Channel.MAIL)
    case.decided(number)


@attack("X-WORD-06")
def test_a_code_is_good_for_its_own_decision_in_time_and_once(case: Case) -> None:
    world = case.world
    first, second = world.approved(), world.approved(code=OTHER)
    case.refused("two_channels.other", lambda: world.confirms(first, OTHER))
    case.refused("two_channels.other", lambda: world.confirms(second, CODE))
    assert reply(world)["outcome"] == "decided"
    case.undecided(second)
    before = len(world.kinds())
    case.refused("two_channels.over", lambda: reply(world))
    assert world.kinds(before) == ["request.refused"]
    world.now += 30 * MINUTE
    case.refused("two_channels.expired", lambda: reply(world, code=OTHER))
    confirming.hold(world.service)
    case.refused("two_channels.expired", lambda: reply(world, code=OTHER))
    case.undecided(second)
    case.decided(first)


@attack("X-WORD-06")
def test_a_message_that_twilio_brings_again_is_heard_once(case: Case) -> None:
    world = case.world
    number = world.approved()
    with world.listening() as hooks:
        form = hooks.form(f"YES-{CODE}")
        assert f"Decision {number} is decided." in hooks.sms("", form=form)[1]
        before = len(world.kinds())
        for _ in range(3):
            assert hooks.sms("", form=form) == (200, '<?xml version="1.0" encoding="UTF-8"?><Response></Response>')
        assert world.kinds(before) == []
        case.brought("two_channels.over", lambda: hooks.sms(f"YES-{CODE}"), said="is confirmed already")
    case.decided(number)


@attack("X-WORD-07")
def test_the_browser_it_was_approved_in_does_not_confirm_it(case: Case) -> None:
    world = case.world
    world.service.sends = frozenset()
    world.enroll("owner")

    def approved(channel: str) -> int:
        number = world.asked()
        body = {"repository": REPOSITORY, "decision": number, "verdict": "approve", "reason": "looked at it"}
        said = world.said("decision.sign", "owner", body, nonce=str(number))
        prompt = world.ask(said)
        by, proof = world.caller("owner"), Code(world.code("owner"))
        prompts.answer(world.service, by, prompt["prompt"], typed=prompt["digest"], proof=proof, channel=channel)
        assert decisions.sign(world.service, world.caller("owner"), said, REPOSITORY, code=CODE)["outcome"] == "awaits"
        world.later()
        return number

    def session(number: int) -> dict[str, Any]:
        answer = Answer(Word.YES, Channel.WEB, decision=number)
        return confirming.reply(world.service, "owner", answer, how="session")

    number = approved("browser")
    case.refused("two_channels.same_channel", lambda: session(number))
    case.undecided(number)
    # Nor where somebody else fills the last place, in a terminal: it is the owner who is asked.
    with world.service.read() as tx:
        found = decided.decision(tx, REPOSITORY, number)
        assert found is not None
        owner = read.roster(tx).get("owner")
        assert confirming._approved_in(tx, found, owner, "0" * 64) == {"terminal", "web"}
        assert confirming._approved_in(tx, found, None, "0" * 64) == {"terminal"}
    other = approved("terminal")
    session(other)
    case.decided(other)


@attack("X-WORD-08")
def test_the_agent_at_the_owners_terminal_has_no_code(case: Case) -> None:
    """It holds the owner's key and token, and may have learnt the second factor: the code went elsewhere."""
    world = case.world
    number = world.approved()
    case.refused("two_channels.same_channel", lambda: world.confirms(number, ""))
    case.refused("two_channels.code", lambda: world.confirms(number, OTHER))
    text = "".join(row[0] for row in world.rows("select body from ledger_entry"))
    shown = str(world.shown(number))
    for guess in (CODE, CODE.lower()):
        assert guess not in text + shown
    case.refused("two_channels.code", lambda: world.confirms(number, by="mia"))
    case.undecided(number)
    world.confirms(number)
    case.decided(number)


@attack("X-WORD-09")
def test_a_stranger_stops_nothing(case: Case) -> None:
    world = case.world
    world.number("mia", "+491700000002")
    number = world.approved()
    with world.listening() as hooks:
        case.brought("two_channels.forged", lambda: hooks.sms(f"FRAUD-{CODE}", token="x"), status=403)
        case.brought("two_channels.stranger", lambda: hooks.sms(f"FRAUD-{CODE}", STRANGER))
        case.brought("two_channels.unproved", lambda: hooks.mail(f"FRAUD-{CODE}", dkim="none", SPF="none"))
        case.brought("two_channels.code", lambda: hooks.sms(f"FRAUD-{OTHER}"))
        case.brought("two_channels.code", lambda: hooks.sms(f"FRAUD-{CODE}", "+491700000002"))
        case.brought("two_channels.unread", lambda: hooks.sms("FRAUD"))
        case.refused("two_channels.code", lambda: world.confirms(number, OTHER, "fraud"))
        case.refused("two_channels.none", lambda: world.confirms(number, "", "fraud", by="mia"))
        for name in ("dev-a", "orchestrator"):
            case.refused("two_channels.code", lambda name=name: world.confirms(number, CODE, "fraud", by=name))  # type: ignore[misc]
        assert world.frozen() == []
        case.undecided(number)
        assert "All is frozen" in hooks.sms(f"fraud {CODE.lower()} this was not me!")[1]
        assert len(world.frozen()) == 1
        assert world.marked
    assert world.shown(number)["state"] == "rejected"
    case.seen["twin"] = True


@attack("X-WORD-09")
def test_fraud_is_heard_where_guesses_have_locked_the_channel(case: Case) -> None:
    world = case.world
    number = world.approved()
    for _ in range(WRONG_MOST + 1):
        with pytest.raises(RequestError):
            reply(world, code=OTHER)
    case.refused("two_channels.locked", lambda: reply(world))
    assert reply(world, word=Word.FRAUD)["freeze"]
    assert world.shown(number)["state"] == "rejected"
    case.seen["twin"] = True


@attack("X-WORD-10")
def test_one_fraud_freezes_once(case: Case) -> None:
    """A message that is kept and played back after the thaw, with its good signature, stops nobody."""
    world = case.world
    number = world.approved()
    with world.listening() as hooks:
        form = hooks.form(f"FRAUD-{CODE}")
        hooks.sms("", form=form)
        assert len(world.frozen()) == 1
        world.ledger.run(lambda tx: tx.execute("delete from inbound"))  # However long ago that was.
        before = len(world.kinds())
        hooks.sms("", form=form)
        hooks.sms(f"FRAUD-{CODE}")
        reply(world, Channel.MAIL, Word.FRAUD)
        assert world.kinds(before) == []
        assert len(world.frozen()) == 1
        case.brought("two_channels.disowned", lambda: hooks.sms(f"YES-{CODE}"))
        other = world.approved(code=OTHER)
        hooks.sms(f"FRAUD-{OTHER}")
        assert len(world.frozen()) == 2
    assert [world.shown(each)["state"] for each in (number, other)] == ["rejected", "rejected"]
    case.seen["twin"] = True


@attack("X-WORD-11")
@pytest.mark.parametrize("first", ["yes", "fraud"])
def test_whichever_word_comes_first_everything_is_frozen_in_the_end(case: Case, first: str) -> None:
    world = case.world
    number = world.approved()
    gate, said = threading.Barrier(6), []

    def answer(word: Word, channel: Channel) -> None:
        gate.wait()
        try:
            said.append(reply(world, channel, word)["outcome"])
        except RequestError as exc:
            said.append(exc.code)

    words = [(Word.YES, Channel.SMS), (Word.FRAUD, Channel.MAIL)] * 3
    threads = [threading.Thread(target=answer, args=each) for each in (words if first == "yes" else words[::-1])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(world.frozen()) == 1
    assert world.shown(number)["state"] == "rejected"
    assert world.kinds().count("decision.confirmed") <= 1
    assert said.count("rejected") == 3
    assert set(said) <= {"decided", "rejected", "two_channels.over", "two_channels.disowned"}
    case.refused("two_channels.disowned", lambda: reply(world))
    case.seen["twin"] = True


@attack("X-WORD-12")
def test_a_clock_that_jumps_confirms_nothing(case: Case) -> None:
    world = case.world
    number = world.approved()
    with world.listening() as hooks:
        body = multipart(hooks.parts(f"YES-{CODE}"))
        signed = hooks.stamped(str(world.now // 1000), body, hooks.secret)
        world.now += 31 * MINUTE
        case.brought("two_channels.forged", lambda: hooks.post(api_inbound.MAIL, body, signed), status=403)
        confirming.hold(world.service)
        world.now -= 62 * MINUTE
        assert world.shown(number)["outcome"] == ""
        case.refused("two_channels.expired", lambda: reply(world))
        assert hooks.post(api_inbound.MAIL, body, signed)[0] == 403  # Not young again: our time does not go back.
        assert hooks.mail(f"YES-{CODE}", at=world.now // 1000)[0] == 403
        case.undecided(number)
        world.now += 64 * MINUTE
        other = world.approved(code=OTHER)
        assert world.awaited(other).expires_at > world.awaited(number).expires_at
        hooks.sms(f"YES-{OTHER}")
    case.decided(other)


@attack("X-WORD-13")
@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"text": f"I am away.\n\nYou wrote:\n> YES-{CODE}\n> FRAUD-{CODE}"}, "unread"),
        ({"text": f"Twinseal: decision 7 was approved in your name.\n    FRAUD-{CODE}\n    YES-{CODE}"}, "unread"),
        ({"text": f"\n\n> YES-{CODE}"}, "unread"),
        ({"text": f"FRAUD-{CODE}", "headers": f"From: {MAIL}\nAuto-Submitted: auto-replied\n"}, "automatic"),
        ({"text": f"YES-{CODE}", "headers": f"From: {MAIL}\nPrecedence: auto_reply\n"}, "automatic"),
    ],
)
def test_what_a_machine_sends_back_is_no_word(case: Case, changed: dict[str, str], code: str) -> None:
    world = case.world
    number = world.approved()
    with world.listening() as hooks:
        case.brought(f"two_channels.{code}", lambda: hooks.mail(**{"text": ""} | changed), said='{"said":""}')
        for method_path in ("/v1/inbound/mail", "/v1/inbound/sms", f"/confirm?answer=YES-{CODE}"):
            status, _ = _get(hooks, method_path)
            assert status in {401, 404, 405}
        case.undecided(number)
        assert world.frozen() == []
        hooks.mail(f"yes-{CODE}, it was me\n\nOn Friday twinseal wrote:\n> FRAUD-{CODE} freezes everything")
    case.decided(number)


def test_mail_without_plain_text_is_not_read(tmp_path: Path) -> None:
    with ChannelsWorld(tmp_path) as world, world.listening() as hooks:
        number = world.approved()
        assert hooks.mail("", html=f"<p>YES-{CODE}</p>") == (200, '{"said":""}')
        assert world.refusals()[-1][2] == "two_channels.unread"
        assert world.shown(number)["outcome"] == ""


def _get(hooks: Any, path: str) -> tuple[int, str]:  # noqa: ANN401
    import http.client  # noqa: PLC0415
    from contextlib import closing  # noqa: PLC0415

    with closing(http.client.HTTPConnection("127.0.0.1", hooks._port, timeout=20)) as connection:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()


@attack("X-WORD-14")
def test_nothing_in_the_ledger_gives_a_code_away(case: Case) -> None:
    """A digest of forty bits is found again in minutes: what an entry says of a code is salted, and the salt is not."""
    world = case.world
    number = world.approved()
    entry = world.awaited(number).seq
    (body,) = (row[0] for row in world.rows("select body from ledger_entry where seq=?", entry))
    for each in (CODE, f"YES-{CODE}", f"FRAUD-{CODE}", CODE.lower()):
        for name in ("sha256", "sha1", "md5", "blake2b"):
            assert hashlib.new(name, each.encode()).hexdigest() not in body
    (salt,) = (row[0] for row in world.rows("select salt from ledger_private where seq=?", entry))
    assert len(salt) == 32
    case.refused("two_channels.code", lambda: reply(world, code=OTHER))
    reply(world)
    case.decided(number)


def test_nothing_is_taken_where_no_provider_is_set_up(tmp_path: Path) -> None:
    with ChannelsWorld(tmp_path) as world, world.listening() as hooks:
        assert ACCOUNT
        bare = api_inbound.Inbound(URL)
        hooks.app.state.inbound = bare
        assert hooks.sms(f"YES-{CODE}")[0] == 404
        assert hooks.mail(f"YES-{CODE}")[0] == 404
        assert world.kinds()[-1] != "request.refused"
