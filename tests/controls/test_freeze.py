from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from builders import (
    MAIN,
    NOW,
    TOPIC,
    a_commit,
    a_deletion,
    a_person,
    a_policy,
    a_principal,
    a_push,
    a_review,
    a_roster,
    a_standing,
)
from governance.controls.freeze import Freeze
from governance.policy import LANDER
from governance.stops import Freeze as InForce
from governance.stops import Scope
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


def frozen(scope: Scope, value: str = "", *, repository: str = "", expires_at: int = 0) -> InForce:
    return InForce(50, repository, "somebody looks into it", "librarian", scope, value, expires_at)


def of_role(role: str = "dev-a") -> InForce:
    return frozen(Scope.ROLE, role)


ROSTER = a_roster(a_principal("twin", "dev-a", operator="mia"))
WITH_HELP = a_push(pusher="qa-a", commits=[a_commit(author="qa-a", co_authors=(a_person("dev-a"),))])
SIGNED_FOR = a_push(pusher="qa-a", commits=[a_commit(author="qa-a", signer="dev-a")])
OF_TWIN = a_push(pusher="twin", commits=[a_commit(author="twin")])
LANDED = a_push(pusher=LANDER, commits=[a_commit(author="qa-a")])

SCOPES = [
    ("the ref that is named", a_push(), frozen(Scope.REF, MAIN, repository="garden"), "ref_frozen"),
    ("another ref", a_push(ref=TOPIC), frozen(Scope.REF, MAIN, repository="garden"), ""),
    ("a ref that only begins like it", a_push(ref=f"{MAIN}2"), frozen(Scope.REF, MAIN, repository="garden"), ""),
    ("a pattern", a_push(ref=TOPIC), frozen(Scope.REF, "refs/heads/topic/**", repository="garden"), "ref_frozen"),
    ("A-39 a tag is another name", a_push(ref="refs/tags/v1"), frozen(Scope.REF, MAIN, repository="garden"), ""),
    ("A-39 an alias of it", a_push(ref=TOPIC, symref=MAIN), frozen(Scope.REF, MAIN, repository="garden"), "ref_frozen"),
    ("its deletion", a_deletion(MAIN), frozen(Scope.REF, MAIN, repository="garden"), "ref_frozen"),
    ("that ref of another repository", a_push(), frozen(Scope.REF, MAIN, repository="orchard"), ""),
    ("another repository", a_push(), frozen(Scope.REPOSITORY, repository="orchard"), ""),
    ("everything", a_push(), frozen(Scope.EVERYTHING), "in_force"),
    ("the pusher's role", a_push(), of_role(), "role_frozen"),
    ("another role", a_push(), of_role("dev-b"), ""),
    ("a role of a co-author", WITH_HELP, of_role(), "role_frozen"),
    ("a role of a signer", SIGNED_FOR, of_role(), "role_frozen"),
    ("a role whose name begins like it", a_push(), of_role("dev"), ""),
    ("a copy with the role, run by another", a_push(pusher="twin"), of_role(), "role_frozen"),
    ("what the lander lands is not the lander's", LANDED, of_role(LANDER), ""),
    ("the role of who wrote what the lander lands", LANDED, of_role("qa-a"), "role_frozen"),
    ("an operator's agent", a_push(), frozen(Scope.OPERATOR, "owner"), "operator_frozen"),
    ("another operator's", OF_TWIN, frozen(Scope.OPERATOR, "owner"), ""),
    ("an operator alone", a_push(pusher="mia", commits=[a_commit(author="mia")]), frozen(Scope.OPERATOR, "mia"),
     "operator_frozen"),
    ("it ends later", a_push(), frozen(Scope.EVERYTHING, expires_at=NOW + 1), "in_force"),
    ("it ends now", a_push(), frozen(Scope.EVERYTHING, expires_at=NOW), ""),
]  # fmt: skip


@pytest.mark.parametrize(("facts", "freeze", "reason"), [row[1:] for row in SCOPES], ids=[row[0] for row in SCOPES])
def test_a_freeze_stops_its_scope_and_no_more(facts: UpdateFacts, freeze: InForce, reason: str) -> None:
    verdict = Freeze.of(a_policy()).evaluate(facts, a_standing(roster=ROSTER, freezes=(freeze,)))

    assert verdict.reason == f"freeze.{reason or 'not_applicable'}"


def test_a_change_is_stopped_by_the_role_of_whoever_contributed_to_it_earlier() -> None:
    facts = a_push(pusher="qa-a", commits=[a_commit(author="qa-a")])
    change = a_review(facts, contributors=["qa-a", "dev-a"])
    verdict = Freeze.of(a_policy()).evaluate(facts, a_standing(change=change, freezes=(of_role(),)))

    assert verdict.reason == "freeze.role_frozen"


def test_the_first_that_covers_is_named_and_those_that_do_not_are_none() -> None:
    others = (of_role("dev-b"), frozen(Scope.EVERYTHING, expires_at=NOW + 1))
    verdict = Freeze.of(a_policy()).evaluate(a_push(), a_standing(freezes=others))

    assert verdict.message == "everything is frozen since entry 50: somebody looks into it"
    assert "ends by itself" in verdict.mend[1]
