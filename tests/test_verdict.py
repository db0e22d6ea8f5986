from __future__ import annotations

import dataclasses

import pytest

from governance.verdict import Outcome, Verdict

OBJECTS = {
    Outcome.SATISFIED: False,
    Outcome.NOT_APPLICABLE: False,
    Outcome.UNSATISFIED: True,
    Outcome.ERROR: True,
}


def a_verdict(outcome: Outcome) -> Verdict:
    return Verdict(control="c", outcome=outcome, reason="c.reason", message="why")


def test_every_outcome_is_in_the_table() -> None:
    assert set(OBJECTS) == set(Outcome)


@pytest.mark.parametrize(("outcome", "objects"), OBJECTS.items())
def test_only_a_no_and_a_breakdown_object(outcome: Outcome, objects: bool) -> None:  # noqa: FBT001 - a row
    assert a_verdict(outcome).objects is objects


@pytest.mark.parametrize("outcome", Outcome)
def test_a_verdict_has_no_truth_value_not_even_a_yes(outcome: Outcome) -> None:
    with pytest.raises(TypeError, match=r"ask \.outcome"):
        bool(a_verdict(outcome))


def test_a_verdict_cannot_be_changed_after_it_was_given() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        a_verdict(Outcome.UNSATISFIED).outcome = Outcome.SATISFIED  # type: ignore[misc]


def test_the_words_of_outcomes_are_stable() -> None:
    assert [outcome.value for outcome in Outcome] == ["satisfied", "unsatisfied", "not_applicable", "error"]
