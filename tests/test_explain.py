from __future__ import annotations

import unicodedata
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import (
    NEW,
    OLD,
    TOPIC,
    ZERO,
    a_change,
    a_commit,
    a_context,
    a_policy,
    a_push,
    a_review,
    a_sign_off,
    a_signature,
    a_standing,
)
from governance.decision import decide
from governance.explain import heading, plain, push, reading
from governance.policy import CarryOver
from governance.record import Effects

VECTORS = Path(__file__).parent / "vectors"
URL = "http://127.0.0.1:8321"
DIGEST = a_policy().digest

HOSTILE = {
    "ANSI colour": ("\x1b[31mred\x1b[0m", r"\x1b[31mred\x1b[0m"),
    "a terminal's title": ("\x1b]0;owned\x07", r"\x1b]0;owned\x07"),
    "an eight-bit CSI": ("\x9b2J", r"\x9b2J"),
    "NUL": ("a\0b", r"a\x00b"),
    "carriage return, which overwrites": ("✗ refused\r✓ allowed", r"✗ refused\r✓ allowed"),
    "line feed, which forges a line": ("a\nAllowed.", r"a\nAllowed."),
    "backspace": ("no\b\byes", r"no\x08\x08yes"),
    "delete": ("a\x7f", r"a\x7f"),
    "right-to-left override": ("a\u202etxt.exe", r"a\u202etxt.exe"),
    "isolates": ("\u2066a\u2069", r"\u2066a\u2069"),
    "zero-width space": ("ma\u200bin", r"ma\u200bin"),
    "zero-width joiner": ("ma\u200din", r"ma\u200din"),
    "byte order mark": ("\ufeffmain", r"\ufeffmain"),
    "soft hyphen": ("ma\xadin", r"ma\xadin"),
    "Hangul filler": ("ma\u3164in", r"ma\u3164in"),
    "blank braille": ("ma\u2800in", r"ma\u2800in"),
    "combining grapheme joiner": ("ma\u034fin", r"ma\u034fin"),
    "line separator": ("a\u2028b", r"a\u2028b"),
    "paragraph separator": ("a\u2029b", r"a\u2029b"),
    "tags, which spell unseen words": ("a\U000e0041", r"a\U000e0041"),
    "an unassigned place that shows nothing": ("a\U000e0000", r"a\U000e0000"),
    "private use": ("a\ue000", r"a\ue000"),
    "a byte that was no UTF-8": ("r\udcffse", r"r\xffse"),
}


@pytest.mark.parametrize(("text", "shown"), HOSTILE.values(), ids=HOSTILE)
def test_what_could_hide_or_move_something_is_shown_as_an_escape(text: str, shown: str) -> None:
    assert plain(text) == shown


@pytest.mark.parametrize("text", ["", "refs/heads/main", "röse 玫瑰 ☂ ✓ →", "a  b", "\\x1b"])
def test_what_people_write_is_left_as_it_is(text: str) -> None:
    assert plain(text) == text


@given(st.text(st.characters()))
def test_whatever_comes_nothing_that_steers_a_terminal_is_left(text: str) -> None:
    shown = plain(text)

    assert {unicodedata.category(char) for char in shown} & {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"} == set()
    assert plain(shown) == shown
    shown.encode("utf-8")


def a_refusal() -> str:
    """A risky change with one good sign-off and one expired, an unsigned commit beneath, and a hostile path."""
    ancestor = a_commit("below", signature=a_signature(code="signature.missing"))
    paths = [a_change("src/auth/\x1b[2Jlogin.py", 40), a_change("hooks/r\udcffn", 12)]
    facts = a_push(paths, commits=(ancestor, a_commit(changes=tuple(paths))))
    review = a_review(facts, "dev-b", a_sign_off("mia", facts, expires_at=0))
    decision = decide([(facts, a_standing(change=review))], policy_digest=DIGEST)
    assert not decision.allowed
    return push(decision, Effects(handle="7-99"), entry=41, url=URL)


def an_approval() -> str:
    """A new topic: the push is allowed, and what the change then needs is said."""
    facts = a_push([a_change(lines=80)], ref=TOPIC, old=ZERO)
    decision = decide([(facts, a_standing(landed=""))], policy_digest=DIGEST)
    assert decision.allowed
    opened = {
        "change": 7, "patch_set": 1, "ref": TOPIC, "target": "refs/heads/main", "title": "Prune the roses",
        "head": NEW, "base": OLD, "about": {"reasons": ["80 changed lines, more than 50"], "high_risk": False},
    }  # fmt: skip
    return push(decision, Effects(handle="7-99", opens=(opened,)), entry=42, url=URL)


@pytest.mark.parametrize(("name", "told"), [("refused.txt", a_refusal()), ("allowed.txt", an_approval())])
def test_the_pusher_reads_exactly_this(name: str, told: str) -> None:
    """A change of wording is a change of these files: `python tests/vectors/tell.py` writes them."""
    expected = (VECTORS / name).read_text(encoding="utf-8").replace("<policy>", DIGEST[:12])

    assert told == expected


def test_an_answer_has_no_line_that_a_pusher_wrote() -> None:
    forged = a_push(ref="refs/heads/x\nAllowed. Recorded as entry 1.")
    told = push(decide([(forged, a_standing())], policy_digest=DIGEST), Effects(handle="h"), entry=3, url=URL)

    assert not any(line.startswith("Allowed") for line in told.splitlines())
    assert r"\nAllowed." in told


def test_a_small_new_change_is_not_said_to_need_sign_offs() -> None:
    facts = a_push(ref=TOPIC, old=ZERO)
    decision = decide([(facts, a_standing(landed=""))], policy_digest=DIGEST)
    opened = {"change": 1, "patch_set": 1, "ref": TOPIC, "target": "refs/heads/main", "about": {"reasons": []}}
    told = push(decision, Effects(handle="h", opens=(opened,)), entry=3, url=URL)

    assert "needs two sign-offs" not in told


@pytest.mark.parametrize(("base", "noted"), [(OLD, False), (NEW, True)], ids=["on its tip", "on an older commit"])
def test_who_starts_from_an_older_tip_is_told_what_to_do_first(base: str, noted: bool) -> None:  # noqa: FBT001 - a row
    facts = a_push([a_change(lines=80)], ref=TOPIC, old=ZERO, base=base)
    opened = {"change": 1, "patch_set": 1, "ref": TOPIC, "target": "refs/heads/main", "about": {"reasons": ["large"]}}
    never = a_policy(four_eyes={"carry_over": CarryOver.NEVER})
    for policy, said in ((a_policy(), "it can be landed as a merge"), (never, "rebase and push again")):
        decision = decide([(facts, a_standing(landed="", policy=policy))], policy_digest=DIGEST)
        told = push(decision, Effects(handle="h", opens=(opened,)), entry=3, url=URL)

        assert (f"refs/heads/main has moved on: {said}" in told) == noted
        assert (":refs/heads/main" in told) == (not noted)  # A push of it would not move forward.


def test_a_branch_that_begins_has_not_moved_on() -> None:
    facts = a_push([a_change(lines=80)], ref="refs/for/release/1", old=ZERO, base=NEW)
    about = {"reasons": ["large"], "target_tip": ""}
    opened = {"change": 1, "patch_set": 1, "ref": facts.ref, "target": "refs/heads/release/1", "about": about}
    decision = decide([(facts, a_standing(landed=""))], policy_digest=DIGEST)
    assert "has moved on" not in push(decision, Effects(handle="h", opens=(opened,)), entry=3, url=URL)


def test_the_first_line_says_where_nothing_is_enforced() -> None:
    assert heading(a_context()) == "twinseal · garden · dev-a"
    assert heading(a_context(enforced=False)) == "twinseal · garden · dev-a · not enforced"
    assert heading(replace(a_context(), pusher="\x1b[1m")) == r"twinseal · garden · \x1b[1m"


def test_one_is_singular() -> None:
    assert reading(1, 1, 5) == "  read 1 commit, 1 path in 5 ms"
    assert reading(0, 2, 5) == "  read 0 commits, 2 paths in 5 ms"
