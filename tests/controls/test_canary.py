from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from builders import MAIN, TOPIC, a_change, a_deletion, a_policy, a_push, a_review, a_standing
from governance.controls.canary import Canary
from governance.decision import decide
from governance.verdict import Outcome

if TYPE_CHECKING:
    from governance.facts import UpdateFacts

TABLE = [
    ("nothing is reserved", a_push(), 0, "canary.not_applicable"),
    ("it holds a canary", a_push(), 41, "canary.reserved"),
    ("under another protected branch", a_push(ref="refs/heads/release/1"), 41, "canary.reserved"),
    ("pushed for review, like any change", a_push(ref="refs/for/main"), 41, "canary.not_applicable"),
    ("on a topic branch, like any change", a_push(ref=TOPIC), 41, "canary.not_applicable"),
    ("a deletion holds nothing", a_deletion(MAIN), 41, "canary.not_applicable"),
]


@pytest.mark.parametrize(("facts", "canary", "reason"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_canary_answers_as_the_table_says(facts: UpdateFacts, canary: int, reason: str) -> None:
    verdict = Canary.of(a_policy()).evaluate(facts, a_standing(canary=canary))

    assert verdict.reason == reason
    assert verdict.objects == (reason == "canary.reserved")


def test_sign_offs_by_everybody_do_not_help() -> None:
    facts = a_push([a_change(lines=60)])
    standing = a_standing(canary=41, change=a_review(facts, "dev-b", "qa-a", "architect-a", "owner"))
    verdict = Canary.of(a_policy()).evaluate(facts, standing)

    assert (verdict.outcome, verdict.reason) == (Outcome.UNSATISFIED, "canary.reserved")
    assert "entry 41" in verdict.message


def test_under_an_override_that_sets_four_eyes_aside_it_is_refused_all_the_same() -> None:
    facts = a_push([a_change(lines=60)])
    decision = decide([(facts, a_standing(canary=41, override=40))], policy_digest="d")

    assert decision.code == "canary.reserved"


def test_before_it_is_signed_off_a_canary_is_answered_like_anything_else() -> None:
    facts = a_push([a_change(lines=60)])

    for change in (None, a_review(facts, "dev-b")):
        asked = [decide([(facts, a_standing(canary=canary, change=change))], policy_digest="d") for canary in (0, 41)]
        assert asked[0].refs[0].verdicts == asked[1].refs[0].verdicts
        assert asked[0].code == ("four_eyes.missing_sign_offs" if change else "four_eyes.no_change")
    enough = a_standing(canary=41, change=a_review(facts, "dev-b", "qa-a"))
    assert decide([(facts, enough)], policy_digest="d").code == "canary.reserved"
