from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from builders import MAIN, TOPIC, a_change, a_deletion, a_policy, a_push, a_review, a_standing
from draw_world import keys_of
from governance.controls.tertiary import Tertiary, drawing
from governance.draws import Draw, Drawn, Epoch, Owed, ThirdReview, commitment, mark
from governance.verdict import Outcome

if TYPE_CHECKING:
    from governance.facts import UpdateFacts
    from governance.verdict import Verdict

YES, NO = keys_of(True), keys_of(False)  # noqa: FBT003 - drawn or not
BIG = a_push([a_change(lines=51)])
SIGNED = a_review(BIG, "dev-b", "qa-a")
BEFORE = Draw(1, "owner", 0, selected=True, reviewers=("docs", "librarian"), change=7, author="dev-a", at=0)
OWES = Owed(3, "dev-a", "owner", frozenset({mark("src/other.py")}), more=False, waits_for="docs")


def drawn(key: bytes = NO, /, **changed: Any) -> Drawn:  # noqa: ANN401 - any field
    epoch = Epoch(1, commitment(key), 0, percent=10, floor_slots=0)
    return Drawn(**{"epoch": epoch, "key": key, "author": "dev-a", "operator": "owner", "slot": 0} | changed)


def asked(facts: UpdateFacts, known: Drawn | None, **more: Any) -> Verdict:  # noqa: ANN401 - any field
    standing = a_standing(**{"change": SIGNED, "drawn": known, "signed_off": ("dev-b", "qa-a")} | more)
    return Tertiary.of(a_policy()).evaluate(facts, standing)


def reviewed(*given: tuple[str, str]) -> Drawn:
    return drawn(before=BEFORE, reviews=tuple(ThirdReview(who, verdict, 1, 50) for who, verdict in given))


OTHERS = a_push([a_change("src/other.py")], pusher="qa-b", commits=())
TABLE = [
    ("no epoch, nothing owed", BIG, None, {}, "tertiary.not_applicable"),
    ("a topic", a_push(ref=TOPIC), drawn(YES), {}, "tertiary.not_applicable"),
    ("a deletion", a_deletion(MAIN), drawn(YES), {}, "tertiary.not_applicable"),
    ("no change", BIG, drawn(YES), {"change": None}, "tertiary.not_applicable"),
    ("not signed off yet", BIG, drawn(YES), {"signed_off": ()}, "tertiary.not_applicable"),
    ("no epoch, another owes elsewhere", BIG, Drawn(owed=(replace(OWES, author="docs"),)), {},
     "tertiary.not_applicable"),
    ("an override", BIG, drawn(YES, owed=(OWES,)), {"override": 40}, "tertiary.not_applicable"),
    ("not drawn", BIG, drawn(), {}, "tertiary.not_drawn"),
    ("drawn", BIG, drawn(YES), {}, "tertiary.drawn"),
    ("the key is lost", BIG, drawn(YES, key=b""), {}, "tertiary.no_key"),
    ("not drawn before, whatever the key says now", BIG, drawn(YES, before=replace(BEFORE, selected=False)), {},
     "tertiary.not_drawn"),
    ("drawn before, whatever the key says now", BIG, reviewed(), {}, "tertiary.drawn"),
    ("approved", BIG, reviewed(("docs", "approve")), {}, "tertiary.reviewed"),
    ("approved by an approver", BIG, reviewed(("dev-b", "approve")), {}, "tertiary.drawn"),
    ("approved by its author", BIG, reviewed(("dev-a", "approve")), {}, "tertiary.drawn"),
    ("blocked", BIG, reviewed(("docs", "block")), {}, "tertiary.blocked"),
    ("blocked, then approved by another", BIG, reviewed(("docs", "block"), ("librarian", "approve")), {},
     "tertiary.blocked"),
    ("its author owes another", BIG, drawn(owed=(OWES,)), {}, "tertiary.owed"),
    ("so for a small landing", a_push(), drawn(owed=(OWES,)), {"change": None}, "tertiary.owed"),
    ("its own review is the one that is owed", BIG, drawn(owed=(replace(OWES, change=7),)), {},
     "tertiary.not_drawn"),
    ("another's landing, of the same path", OTHERS, drawn(owed=(OWES,)), {"change": None}, "tertiary.owed"),
    ("another's landing, elsewhere", a_push(pusher="qa-b", commits=()), drawn(owed=(OWES,)), {"change": None},
     "tertiary.not_applicable"),
    ("another's landing, where too many paths are owed", a_push(pusher="qa-b", commits=()),
     drawn(owed=(replace(OWES, more=True),)), {"change": None}, "tertiary.owed"),
    ("two protected branches at once", a_push([a_change(lines=51)], refs=(MAIN, "refs/heads/release/1")), drawn(), {},
     "tertiary.not_alone"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("facts", "known", "more", "reason"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE]
)
def test_tertiary_answers_as_the_table_says(
    facts: UpdateFacts, known: Drawn | None, more: dict[str, Any], reason: str
) -> None:
    assert asked(facts, known, **more).reason == reason


def test_an_observed_repository_draws_nothing() -> None:
    facts = replace(BIG, push=replace(BIG.push, observed=True))
    assert asked(facts, drawn(YES)).outcome is Outcome.NOT_APPLICABLE


def test_who_is_drawn_has_no_part_in_it_and_the_refusal_names_the_first() -> None:
    draw = drawing(BIG, a_standing(change=SIGNED, drawn=drawn(YES), signed_off=("dev-b", "qa-a")))
    assert draw is not None
    assert draw.selected
    assert not {"dev-a", "dev-b", "qa-a", "lander"} & set(draw.reviewers)
    verdict = asked(BIG, drawn(YES))
    assert verdict.helpers == draw.reviewers[:1]
    assert verdict.message == f"change 7 is drawn for a third review; {draw.reviewers[0]} looks at it"


def test_where_nobody_is_free_whoever_comes_may() -> None:
    few = a_standing().roster
    only = replace(few, principals={name: few.principals[name] for name in ("dev-a", "dev-b", "qa-a")})
    verdict = asked(BIG, drawn(YES), roster=only)
    assert (verdict.reason, verdict.helpers) == ("tertiary.drawn", ("owner",))
    assert "whoever has no part in it" in verdict.message


def test_the_key_stands_in_no_text() -> None:
    assert YES.hex() not in repr(drawn(YES))
    assert "key" not in repr(drawn(YES))
