from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from builders import MAIN, TOPIC, a_deletion, a_policy, a_push, a_standing
from governance.controls.freeze import Freeze
from governance.standing import Freeze as InForce
from governance.verdict import Outcome

if TYPE_CHECKING:
    from governance.facts import UpdateFacts

REPOSITORY_FROZEN = InForce(41, "garden", "2 refs moved behind our back", "twinseal")
ALL_FROZEN = InForce(42, "", "the owner looks into it", "owner")

TABLE = [
    ("nothing is frozen", a_push(), (), "freeze.not_applicable"),
    ("the repository is frozen", a_push(), (REPOSITORY_FROZEN,), "freeze.in_force"),
    ("everything is frozen", a_push(), (ALL_FROZEN,), "freeze.in_force"),
    ("A-39 a tag, which may deploy, is no way around", a_push(ref="refs/tags/v1"), (ALL_FROZEN,), "freeze.in_force"),
    ("A-39 an alias is no way around", a_push(symref=MAIN, ref=TOPIC), (REPOSITORY_FROZEN,), "freeze.in_force"),
    ("a topic branch stands still too", a_push(ref=TOPIC), (REPOSITORY_FROZEN,), "freeze.in_force"),
    ("a deletion is a move", a_deletion(TOPIC), (REPOSITORY_FROZEN,), "freeze.in_force"),
]


@pytest.mark.parametrize(("facts", "freezes", "reason"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_freeze_answers_as_the_table_says(facts: UpdateFacts, freezes: tuple[InForce, ...], reason: str) -> None:
    verdict = Freeze.of(a_policy()).evaluate(facts, a_standing(freezes=freezes))

    assert verdict.reason == reason
    assert verdict.objects == bool(freezes)


def test_a_refusal_says_since_when_and_why_and_who_can_thaw() -> None:
    verdict = Freeze.of(a_policy()).evaluate(a_push(), a_standing(freezes=(REPOSITORY_FROZEN, ALL_FROZEN)))

    assert verdict.message == "garden is frozen since entry 41: 2 refs moved behind our back"
    assert verdict.helpers == ("owner",)
    assert "twinseal thaw" in verdict.mend[0]


def test_nothing_frozen_is_not_a_yes() -> None:
    assert Freeze.of(a_policy()).evaluate(a_push(), a_standing()).outcome is Outcome.NOT_APPLICABLE
