"""Who sent a mail or a text message, and what it says: as proved, not as shown."""

from __future__ import annotations

import json

import pytest

from governance import replies
from governance.errors import RequestError
from governance.two_channels import Word

CODE = "MFRGGZDF"
OUT_OF_OFFICE = f"I am away until Monday.\n\nOn Friday you wrote:\n> YES-{CODE} confirms it\n> FRAUD-{CODE} freezes"


def fields(**changed: str) -> dict[str, str]:
    envelope = json.dumps({"to": ["answers@in.example.org"], "from": "mia@example.org"})
    return {
        "headers": "From: Mia <mia@example.org>\nTo: answers@in.example.org\nSubject: Re: decision 7\n",
        "dkim": "{@example.org : pass}", "SPF": "pass", "envelope": envelope, "text": f"YES-{CODE}\n\n> old",
    } | changed  # fmt: skip


def code(**changed: str) -> str:
    with pytest.raises(RequestError) as caught:
        replies.mail(fields(**changed))
    return caught.value.code.removeprefix("two_channels.")


def test_an_honest_mail_is_read() -> None:
    assert replies.mail(fields()) == replies.Reply("mia@example.org", Word.YES, CODE)


@pytest.mark.parametrize(
    "changed",
    [
        {"dkim": "none"},
        {"SPF": "softfail"},
        {"dkim": "{@list.example.net : fail, @example.org : pass}", "SPF": "fail"},
        {"headers": 'From: "Mia, of the garden" <mia@EXAMPLE.org>\n'},
        {"headers": "From: =?utf-8?q?M=C3=ADa?=\n <mia@example.org>\n"},
        {"headers": "From: mia@example.org\nAuto-Submitted: no\n"},
    ],
)
def test_one_proof_of_the_sender_is_enough(changed: dict[str, str]) -> None:
    assert replies.mail(fields(**changed)).sender == "mia@example.org"


@pytest.mark.parametrize(
    "changed",
    [
        {"dkim": "none", "SPF": "fail"},
        {"dkim": "{@example.org : fail}", "SPF": "none"},
        {"dkim": "{@evil.example : pass}", "SPF": "fail"},
        {"dkim": "{@mail.example.org : pass}", "SPF": "fail"},
        {"dkim": "{@example.org.evil.example : pass}", "SPF": "fail"},
        {"dkim": "{@example.org : pass, @example.org : fail}", "SPF": "none"},
        {"dkim": "none", "envelope": json.dumps({"from": "mallory@evil.example"})},
        {"dkim": "none", "envelope": json.dumps({"from": ["mia@example.org"]})},
        {"dkim": "none", "envelope": "[]"},
        {"dkim": "none", "envelope": "{"},
        {"dkim": "", "SPF": ""},
    ],
)
def test_a_sender_that_nobody_proved_is_none(changed: dict[str, str]) -> None:
    assert code(**changed) == "unproved"


@pytest.mark.parametrize(
    "line",
    [
        "",
        "From: \n",
        "From: mia@example.org\nFrom: mallory@evil.example\n",
        "From: mia@example.org, mallory@evil.example\n",
        "From: <mia@example.org>, mallory@evil.example\n",
        'From: "<mia@example.org>" <mallory@evil.example>\n',
        "From: m\u00eda@example.org\n",
        "From: mia@ex\u0430mple.org\n",
        "From: mia@localhost\n",
        "Sender: mia@example.org\n",
        "From: mia@example.org" + "x" * 400 + "\n",
    ],
)
def test_a_mail_names_its_sender_once(line: str) -> None:
    assert code(headers=line) == "unproved"


def test_the_name_that_is_shown_is_nobody() -> None:
    headers = 'From: "mia@example.org" <mallory@evil.example>\n'
    found = replies.mail(fields(headers=headers, dkim="{@evil.example : pass}"))
    assert found.sender == "mallory@evil.example"


@pytest.mark.parametrize(
    "line",
    [
        "Auto-Submitted: auto-replied", "auto-submitted: auto-generated; type=x", "Precedence: bulk",
        "X-Autoreply: yes", "X-Autorespond: away", "List-Id: <garden.example.org>",
    ],
)  # fmt: skip
def test_what_nobody_wrote_is_no_answer(line: str) -> None:
    assert code(headers=f"From: mia@example.org\n{line}\n") == "automatic"


@pytest.mark.parametrize("text", ["", OUT_OF_OFFICE, f"> YES-{CODE}", f"On Friday you wrote:\nYES-{CODE}"])
def test_the_question_quoted_is_no_answer(text: str) -> None:
    assert code(text=text) == "unread"


def test_text_messages() -> None:
    assert replies.text_message("+491700000001", f"yes {CODE.lower()} ok").word is Word.YES
    for sender in ("", "491700000001", "+0491700000001", "mia", "+49 170 0000001", "+49170000000100000"):
        with pytest.raises(RequestError, match="telephone number"):
            replies.text_message(sender, f"YES-{CODE}")
