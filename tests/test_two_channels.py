"""What confirms a critical decision, what does not, and what is always heard."""

from __future__ import annotations

from dataclasses import replace

import pytest

from governance import two_channels
from governance.two_channels import FRAUD_MS, HELD, WAITING, WRONG_MOST, WRONG_MS, Answer, Awaited, Channel, Word

NOW = 1_000_000_000_000
CODE, OTHER = "MFRGGZDF", "ABCDEFGH"
IT = Awaited(
    seq=9, repository="garden", decision=7, to="mia", approved_in=frozenset({"terminal"}),
    sent=frozenset({"mail"}), sent_at=NOW, expires_at=NOW + 1000, state=WAITING,
)  # fmt: skip
UNSENT = replace(IT, sent=frozenset())
YES = Answer(Word.YES, Channel.SMS, CODE)


def why(answer: Answer, about: Awaited, now: int = NOW) -> str:
    found = two_channels.refusal(answer, about, now=now)
    return found.code.removeprefix("two_channels.") if found else ""


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("YES-MFRGGZDF", "yes"),
        ("yes-mfrggzdf", "yes"),
        ("  \r\n\tYes MFRG GZDF thanks, Mia", "yes"),
        ("YES - MFRG-GZDF.", "yes"),
        ("YES\u2013MFRGGZDF", "yes"),
        ("\u00a0fraud-MFRGGZDF!!", "fraud"),
        ("FRAUD MFRGGZDF\n> YES-MFRGGZDF", "fraud"),
    ],
)
def test_an_answer_is_read_from_its_first_words(text: str, word: str) -> None:
    assert two_channels.read(text) == (Word(word), CODE)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "YES",
        "MFRGGZDF",
        "YES-MFRGGZD",
        "YES-MFRGGZDFA",
        "YESMFRGGZDF",
        "I am away.\nYES-MFRGGZDF",
        "> YES-MFRGGZDF",
        "no YES-MFRGGZDF",
        "YES-MFRGGZ9F",
        "YE\u017f-MFRGGZDF",
        "YES-\u041cFRGGZDF",
        "YES" + " " * 200 + "MFRGGZDF",
        "YES" + " " * 100_000,
    ],
)
def test_what_begins_otherwise_says_nothing(text: str) -> None:
    assert two_channels.read(text) is None


def test_figures_are_read_as_the_letters_they_look_like() -> None:
    assert two_channels.read("YES-10AB 8CDE") == (Word.YES, "IOABBCDE")
    assert two_channels.read(two_channels.spelt(Word.FRAUD, CODE)) == (Word.FRAUD, CODE)


@pytest.mark.parametrize("channel", list(Channel))
def test_the_code_confirms_in_every_channel_it_comes_back_in(channel: Channel) -> None:
    assert why(replace(YES, channel=channel), IT) == ""


def test_a_log_in_confirms_what_was_approved_in_the_terminal_where_nothing_could_be_sent() -> None:
    session = Answer(Word.YES, Channel.WEB, decision=7)
    assert why(session, UNSENT) == ""
    assert why(session, IT) == "code_needed"
    assert why(session, replace(UNSENT, approved_in=frozenset({"terminal", "web"}))) == "same_channel"


@pytest.mark.parametrize("channel", [Channel.TERMINAL, Channel.MAIL, Channel.SMS])
@pytest.mark.parametrize("about", [IT, UNSENT])
def test_nothing_but_a_log_in_does_without_the_code(channel: Channel, about: Awaited) -> None:
    assert why(Answer(Word.YES, channel, decision=7), about) == "same_channel"


def test_time_ends_it_on_the_millisecond() -> None:
    assert why(YES, IT, NOW + 999) == ""
    assert why(YES, IT, NOW + 1000) == "expired"
    assert why(YES, replace(IT, state=HELD)) == "expired"


@pytest.mark.parametrize("state", ["confirmed", "rejected", "taken-back"])
def test_what_is_over_is_over(state: str) -> None:
    assert why(YES, replace(IT, state=state)) == "over"


def test_a_code_names_its_own_decision() -> None:
    assert why(replace(YES, decision=7), IT) == ""
    assert why(replace(YES, decision=8), IT) == "other"
    assert why(Answer(Word.FRAUD, Channel.SMS, CODE, 8), IT) == "other"


@pytest.mark.parametrize("state", [WAITING, HELD, "confirmed", "rejected"])
def test_fraud_is_heard_at_any_time(state: str) -> None:
    assert why(Answer(Word.FRAUD, Channel.SMS, CODE), replace(IT, state=state), NOW + FRAUD_MS) == ""
    assert why(YES, replace(IT, disowned=12)) == "disowned"


def test_the_code_finds_its_decision_among_those_of_one_person() -> None:
    both = [(IT, CODE), (replace(IT, seq=10, decision=8), OTHER)]
    assert two_channels.meant(YES, both, now=NOW) is IT
    found = two_channels.meant(replace(YES, code=OTHER), both, now=NOW)
    assert found is not None
    assert found.decision == 8
    assert two_channels.meant(replace(YES, code="ZZZZZZZZ"), both, now=NOW) is None
    assert two_channels.meant(YES, both, now=NOW + FRAUD_MS) is None


def test_no_code_is_no_code() -> None:
    assert two_channels.meant(replace(YES, code=CODE), [(IT, "")], now=NOW) is None
    assert two_channels.meant(Answer(Word.YES, Channel.WEB), [(IT, "")], now=NOW) is None
    assert two_channels.meant(Answer(Word.YES, Channel.WEB, decision=7), [(IT, "")], now=NOW) is IT


def test_a_few_wrong_codes_lock_a_channel_for_a_while() -> None:
    wrong = [NOW - n for n in range(WRONG_MOST)]
    assert two_channels.locked(wrong, now=NOW)
    assert not two_channels.locked(wrong[1:], now=NOW)
    assert two_channels.locked(wrong, now=NOW + WRONG_MS - WRONG_MOST)
    assert not two_channels.locked(wrong, now=NOW + WRONG_MS)
