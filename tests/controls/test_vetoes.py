from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from builders import TOPIC, a_deletion, a_policy, a_push, a_review, a_standing
from governance.controls.vetoes import Vetoes
from governance.stops import Subject, Veto
from governance.verdict import Outcome

if TYPE_CHECKING:
    from governance.facts import UpdateFacts

VETO = Veto(41, "qa-a", "it drops the audit log", "garden", Subject.CHANGE, "7")
GATE = Veto(42, "qa-a", "the test proves nothing", "garden", Subject.GATE, "roses/RED")

TABLE = [
    ("nobody vetoed it", a_push(), (), "vetoes.not_applicable"),
    ("it is vetoed", a_push(), (VETO,), "vetoes.in_force"),
    ("a gate of its feature is vetoed", a_push(), (GATE,), "vetoes.gate"),
    ("work on it goes on", a_push(ref=TOPIC), (VETO,), "vetoes.not_applicable"),
    ("a deletion lands nothing", a_deletion("refs/heads/main"), (VETO,), "vetoes.not_applicable"),
]


@pytest.mark.parametrize(("facts", "vetoes", "reason"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_vetoes_answer_as_the_table_says(facts: UpdateFacts, vetoes: tuple[Veto, ...], reason: str) -> None:
    verdict = Vetoes.of(a_policy()).evaluate(facts, a_standing(vetoes=vetoes))

    assert verdict.reason == reason
    assert verdict.objects == (reason in {"vetoes.in_force", "vetoes.gate"})


def test_no_number_of_sign_offs_outvotes_it() -> None:
    facts = a_push()
    change = a_review(facts, "dev-b", "qa-a", "architect-a", "mia", "owner")
    verdict = Vetoes.of(a_policy()).evaluate(facts, a_standing(change=change, vetoes=(VETO,)))

    assert verdict.reason == "vetoes.in_force"
    assert verdict.message == "change 7 is vetoed by qa-a since entry 41: it drops the audit log"
    assert verdict.helpers == ("qa-a", "owner")


def test_a_change_that_only_looks_like_another_says_whose_veto_stops_it() -> None:
    facts = a_push()
    verdict = Vetoes.of(a_policy()).evaluate(facts, a_standing(change=a_review(facts, number=9), vetoes=(VETO,)))

    assert "change 7, which has had the same difference or commits, is vetoed by qa-a" in verdict.message


def test_nothing_vetoed_is_not_a_yes() -> None:
    assert Vetoes.of(a_policy()).evaluate(a_push(), a_standing()).outcome is Outcome.NOT_APPLICABLE
