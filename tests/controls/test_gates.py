from __future__ import annotations

from dataclasses import replace

import pytest

from builders import (
    A_LANDER,
    MAIN,
    NEW,
    OLD,
    ZERO,
    a_change,
    a_commit,
    a_context,
    a_deletion,
    a_policy,
    a_push,
    a_roster,
    a_standing,
    oid,
)
from governance.controls.gates import Gates
from governance.facts import CarriedFacts, UpdateFacts
from governance.gating import DEPLOY, GREEN, PEER, QA, RED, Evidence, Feature, lacks, why_not
from governance.parameters import STAGES, GatedRef, Parameters
from governance.parameters import Gates as Section
from governance.patterns import Pattern
from governance.policy import LANDER, CarryOver, Policy
from governance.standing import Standing
from governance.verdict import Outcome

RELEASE = "refs/heads/release/1"


def gated(*rows: tuple[str, tuple[str, ...]]) -> Policy:
    required = tuple(GatedRef(ref=Pattern(ref), stages=stages) for ref, stages in rows)
    return a_policy(controls=Parameters(gates=Section(required=required)))


POLICY = gated((MAIN, (RED, GREEN, PEER)), ("refs/heads/release/**", STAGES), ("refs/heads/release/1", (QA,)))


def a_feature(*stages: str, commit: str = NEW, named: bool = False) -> Feature:
    passed = tuple((stage, oid("red") if stage == RED else commit) for stage in stages)
    return Feature("roses", "garden", passed, named=named)


def standing(feature: Feature | None = None) -> Standing:
    return a_standing(policy=POLICY, feature=feature, roster=a_roster(A_LANDER))


def carried(head: str) -> UpdateFacts:
    """The lander's merge of the tip and a head, as git makes it."""
    net = (a_change(),)
    merge = a_commit("merge", author=LANDER, parents=(OLD, head), changes=())
    facts = a_push(net, commits=(merge, a_commit("approved", changes=net)), new=oid("merge"))
    push = a_context(pusher=LANDER, transport=LANDER)
    return replace(facts, push=push, carried=CarriedFacts(1, head, oid("base"), oid("tree"), net, ()))


TOLD = [
    ("nothing is asked for on a topic", a_push(ref="refs/heads/topic/x"), standing(), "not_applicable"),
    ("a deletion is judged elsewhere", a_deletion(MAIN), standing(), "not_applicable"),
    ("it belongs to no feature", a_push(), standing(), "unbound"),
    ("a new release of what has landed", a_push(ref=RELEASE, old=ZERO, landed=True), standing(), "unbound"),
    ("nothing passed", a_push(), standing(a_feature()), "missing"),
    ("one gate is missing", a_push(), standing(a_feature(RED, GREEN)), "missing"),
    ("a feature is named that has not passed", a_push(), standing(a_feature(RED, named=True)), "bypass"),
    ("a feature is named that nobody started", a_push(), standing(a_feature(named=True)), "bypass"),
    ("passed for another commit", a_push(), standing(a_feature(RED, GREEN, PEER, commit=OLD)), "missing"),
    ("named, and passed for another", a_push(), standing(a_feature(*STAGES, commit=OLD, named=True)), "bypass"),
    ("all that is asked for here", a_push(), standing(a_feature(RED, GREEN, PEER)), "passed"),
    ("named, and passed", a_push(), standing(a_feature(*STAGES, named=True)), "passed"),
    ("enough for main and not for a release", a_push(ref=RELEASE), standing(a_feature(RED, GREEN, PEER)), "missing"),
    ("enough for a release", a_push(ref=RELEASE), standing(a_feature(*STAGES)), "passed"),
]  # fmt: skip


@pytest.mark.parametrize(("facts", "given", "reason"), [row[1:] for row in TOLD], ids=[row[0] for row in TOLD])
def test_what_is_gated(facts: UpdateFacts, given: Standing, reason: str) -> None:
    verdict = Gates.of(POLICY).evaluate(facts, given)
    good = {"passed": Outcome.SATISFIED, "not_applicable": Outcome.NOT_APPLICABLE}
    assert (verdict.reason, verdict.outcome) == (f"gates.{reason}", good.get(reason, Outcome.UNSATISFIED))


def test_where_no_ref_is_gated_nothing_is_asked() -> None:
    assert Gates.of(a_policy()).evaluate(a_push(), a_standing()).outcome is Outcome.NOT_APPLICABLE


def test_the_message_names_the_gates_and_where_to_look() -> None:
    verdict = Gates.of(POLICY).evaluate(a_push(), standing(a_feature(RED)))
    assert "GREEN, PEER" in verdict.message
    assert verdict.mend == ("twinseal gate status roses --repo garden",)


def test_rows_about_one_ref_add_up_in_any_order() -> None:
    rows = [("refs/heads/**", (RED,)), (MAIN, (PEER, DEPLOY))]
    for order in (rows, rows[::-1]):
        assert Gates.of(gated(*order)).asked(MAIN) == (RED, PEER, DEPLOY)


def test_what_the_lander_carries_is_judged_by_the_head_that_was_approved() -> None:
    feature = a_feature(*STAGES, commit=oid("approved"))
    assert Gates.of(POLICY).evaluate(carried(oid("approved")), standing(feature)).reason == "gates.passed"
    assert Gates.of(POLICY).evaluate(carried(oid("other")), standing(feature)).reason == "gates.missing"
    # Nobody but the lander carries anything.
    posing = replace(carried(oid("approved")), push=a_context())
    assert Gates.of(POLICY).evaluate(posing, standing(feature)).reason == "gates.missing"


def test_what_may_not_be_carried_over_has_its_gates_anew() -> None:
    feature = a_feature(*STAGES, commit=oid("approved"))
    never = replace(
        standing(feature), policy=replace(POLICY, four_eyes=replace(POLICY.four_eyes, carry_over=CarryOver.NEVER))
    )
    moved = replace(carried(oid("approved")), base=oid("moved on"))
    assert Gates.of(POLICY).evaluate(moved, never).reason == "gates.missing"


def word(stage: str, by: str, role: str = "", *, commit: str = NEW, operator: str = "owner") -> Evidence:
    return Evidence(1, stage, commit, by, role or by, operator, human=by in {"mia", "owner"})


ENOUGH = [
    ("nothing", RED, (), 2, "evidence"),
    ("two roles", RED, (word(RED, "dev-a"), word(RED, "qa-a")), 2, ""),
    ("one principal twice", RED, (word(RED, "dev-a"), word(RED, "dev-a", "qa-a")), 2, "second"),
    ("two of one role", RED, (word(RED, "x", "qa-a"), word(RED, "y", "qa-a")), 2, "second"),
    ("another stage's", RED, (word(RED, "dev-a"), word(GREEN, "qa-a")), 2, "second"),
    ("two commits", GREEN, (word(GREEN, "dev-a"), word(GREEN, "qa-a", commit=OLD)), 2, "several"),
    ("one reviewer below", PEER, (word(PEER, "dev-b"),), 1, ""),
    ("no reviewer below", PEER, (), 1, "evidence"),
    ("one reviewer above", PEER, (word(PEER, "dev-b"),), 2, "second"),
    ("one is only for peers", QA, (word(QA, "qa-a"),), 1, "second"),
    ("no person", DEPLOY, (word(DEPLOY, "qa-a"), word(DEPLOY, "qa-b")), 2, "person"),
    ("a person", DEPLOY, (word(DEPLOY, "qa-a"), word(DEPLOY, "mia", "human")), 2, ""),
]  # fmt: skip


@pytest.mark.parametrize(("stage", "given", "needed", "said"), [row[1:] for row in ENOUGH], ids=[r[0] for r in ENOUGH])
def test_what_is_enough(stage: str, given: tuple[Evidence, ...], needed: int, said: str) -> None:
    found = lacks(stage, given, reviewers=needed)
    assert found == "" if not said else said in found


def test_in_a_team_two_agents_of_one_person_are_one() -> None:
    given = (word(RED, "dev-a"), word(RED, "qa-a"))
    assert "second" in lacks(RED, given, distinct_operators=True)
    assert lacks(RED, (given[0], word(RED, "qa-a", operator="mia")), distinct_operators=True) == ""


def test_evidence_is_taken_for_the_next_gate_or_for_another_commit_of_a_passed_one() -> None:
    feature = a_feature(RED, GREEN)
    assert [why_not(feature, stage, NEW) for stage in STAGES] == ["", "passed", "", "order", "order"]
    assert [why_not(feature, stage, OLD) for stage in STAGES] == ["", "", "other_commit", "order", "order"]
    assert (feature.stage, feature.commit, a_feature(*STAGES).stage) == (PEER, NEW, "")
