"""A critical decision is approved in one channel and confirmed in another, or never goes through: the rule, as values.

Pure. What proves the second channel is a code of 40 random bits that was sent there and nowhere else, or, where nothing
could be sent, a log-in in a browser when the approval came from a terminal. To stop is easier than to go on: FRAUD is
heard late, twice and while a channel is locked; it takes a code that was sent to that person all the same, so that no
stranger stops a fleet.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import StrEnum

WRONG_MOST = 5
"""Wrong codes of one person in one channel, in `WRONG_MS`, after which YES is not looked at there."""
WRONG_MS = 15 * 60 * 1000
FRAUD_MS = 30 * 24 * 60 * 60 * 1000
"""How long after it was sent a code still says FRAUD."""
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
"""Base32 of RFC 4648. It has no 0, 1 or 8, which are read as the letters that they are taken for."""
CODE = re.compile(rf"[{ALPHABET}]{{8}}")


class Word(StrEnum):
    """What the person says of a decision that was approved in their name."""

    YES = "yes"
    FRAUD = "fraud"


class Channel(StrEnum):
    """A way to reach a person, and to hear of them."""

    TERMINAL = "terminal"
    WEB = "web"
    MAIL = "mail"
    SMS = "sms"


@dataclass(frozen=True, slots=True)
class Awaited:
    """A decision that waits for a word of one person in another channel than it was approved in."""

    seq: int
    repository: str
    decision: int
    to: str
    approved_in: frozenset[str]
    sent: frozenset[str]
    """The channels that the code was sent by; empty where there was none."""
    sent_at: int
    expires_at: int
    state: str
    """`waiting`, `held`, or how the decision ended."""
    disowned: int = 0
    """The entry that says FRAUD; 0 where none does."""

    def waits(self, now: int) -> bool:
        """Whether YES is still heard."""
        return self.state == WAITING and now < self.expires_at


WAITING, HELD, CONFIRMED = "waiting", "held", "confirmed"


@dataclass(frozen=True, slots=True)
class Answer:
    """What somebody says, in which channel; the code as it was read, empty where they gave none."""

    word: Word
    channel: Channel
    code: str = ""
    decision: int = 0
    """The decision that it names; 0 where the code alone does."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why an answer is not heard: a stable code, a sentence, and what to do."""

    code: str
    said: str
    mend: str = ""


_ANSWER = re.compile(
    r"(?P<word>yes|fraud)[ \t]*[-\u2010-\u2015 \t][ \t]*(?P<first>[a-z0-9]{4})[ -]?(?P<last>[a-z0-9]{4})(?![a-z0-9])",
    re.IGNORECASE | re.ASCII,
)
READ_MOST = 100
_LOOKALIKES = str.maketrans("018", "OIB")


def read(text: str) -> tuple[Word, str] | None:
    """Return the word and the code that a text begins with, None where it begins otherwise.

    Whatever case, with spaces before and text after; nothing further down is read: there the question is quoted.
    """
    found = _ANSWER.match(text.lstrip()[:READ_MOST])
    if found is None:
        return None
    code = (found["first"] + found["last"]).upper().translate(_LOOKALIKES)
    return (Word(found["word"].lower()), code) if CODE.fullmatch(code) else None


def spelt(word: Word, code: str) -> str:
    """Return what the person shall answer."""
    return f"{word.upper()}-{code}"


def same(given: str, wanted: str) -> bool:
    """Compare two codes in a time that says nothing about where they differ; nothing equals no code."""
    return bool(wanted) and hmac.compare_digest(given.encode(), wanted.encode())


def meant(answer: Answer, to_them: Iterable[tuple[Awaited, str]], *, now: int) -> Awaited | None:
    """Return which of those that were sent to somebody an answer is about; None where it is about none.

    Every code is compared, whichever fits. Without one, a log-in names its decision.
    """
    found = None
    for each, code in to_them:
        if now - each.sent_at >= FRAUD_MS:
            continue
        fits = same(answer.code, code) if answer.code else answer.decision == each.decision
        found = each if fits else found
    return found


def refusal(answer: Answer, about: Awaited, *, now: int) -> Refusal | None:
    """Return why this answer is not heard about this decision; None where it is."""
    number = about.decision
    if answer.decision not in {0, number}:
        said = f"this code is not for decision {answer.decision}"
        return Refusal("two_channels.other", said, "Answer with the code that was sent for it.")
    if answer.word is Word.FRAUD:
        return None
    if not answer.code and (why := _without_code(answer, about)):
        return why
    if about.disowned:
        return Refusal("two_channels.disowned", f"decision {number} was called a fraud, entry {about.disowned}")
    if about.state not in {WAITING, HELD}:
        return Refusal("two_channels.over", f"decision {number} is {about.state} already")
    if not about.waits(now):
        said = f"decision {number} was not confirmed in time and is on hold"
        return Refusal("two_channels.expired", said, again(number))
    return None


def _without_code(answer: Answer, about: Awaited) -> Refusal | None:
    """Return why a log-in alone does not do: it must be another channel than the approval's, and the only one left."""
    if answer.channel is not Channel.WEB:
        said = f"decision {about.decision} was approved in the {' and the '.join(sorted(about.approved_in))}"
        return Refusal("two_channels.same_channel", said, "Give the code that was sent by another channel.")
    if about.sent:
        said = f"a code was sent by {' and '.join(sorted(about.sent))}"
        return Refusal("two_channels.code_needed", said, "Type it in.")
    if Channel.WEB in about.approved_in:
        said = f"decision {about.decision} was approved in the browser: the same channel does not confirm it"
        return Refusal("two_channels.same_channel", said, "Set up mail or SMS, and raise it again.")
    return None


def locked(wrong: Collection[int], *, now: int) -> bool:
    """Whether so many wrong codes of one person in one channel, at these times, lock it."""
    return len([at for at in wrong if now - at < WRONG_MS]) >= WRONG_MOST


NOT_SENT = (
    "No code could be sent: neither mail nor SMS is set up for them (twinseal doctor). A log-in in the browser "
    "confirms it, unless it was approved there; else it is on hold."
)


def again(number: int) -> str:
    """Say how a decision that is on hold is taken up again."""
    return f'twinseal decision close {number} --reason "not confirmed in time", and raise it again.'
