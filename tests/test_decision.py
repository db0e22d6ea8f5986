from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Self

import pytest

from builders import OLD, TOPIC, ZERO, a_change, a_deletion, a_policy, a_push, a_review, a_standing
from governance import decision as deciding
from governance.controls import CONTROLS
from governance.controls.four_eyes import FourEyes
from governance.decision import Decision, RefDecision, decide
from governance.stops import Freeze
from governance.verdict import Outcome, Verdict

if TYPE_CHECKING:
    from governance.facts import UpdateFacts
    from governance.policy import Policy
    from governance.standing import Standing

YES, NO, NA, ERR = Outcome.SATISFIED, Outcome.UNSATISFIED, Outcome.NOT_APPLICABLE, Outcome.ERROR


def a_verdict(outcome: Outcome, number: int) -> Verdict:
    return Verdict(control="c", outcome=outcome, reason=f"c.{outcome}_{number}", message="why")


def a_ref(*outcomes: Outcome) -> RefDecision:
    return RefDecision(a_push(), a_standing(), tuple(a_verdict(o, n) for n, o in enumerate(outcomes)))


# The outcomes of each ref, whether the push may land, and its code.
TABLE = [
    ("one yes", [[YES]], True, "allowed"),
    ("a yes beside what does not apply", [[NA, YES, NA]], True, "allowed"),
    ("two refs, both yes", [[YES], [NA, YES]], True, "allowed"),
    ("no ref at all", [], False, "decision.nothing_checked"),
    ("a ref that nobody asked about", [[]], False, "decision.nothing_checked"),
    ("a ref to which nothing applies", [[NA, NA]], False, "decision.nothing_checked"),
    ("one of two refs to which nothing applies", [[YES], [NA]], False, "decision.nothing_checked"),
    ("one no among many yes", [[YES, YES, NO, YES]], False, "c.unsatisfied_2"),
    ("a control that broke, among yes", [[YES, ERR]], False, "c.error_1"),
    ("a no in the second ref", [[YES], [YES, NO]], False, "c.unsatisfied_1"),
    ("of several objections the first is the code", [[YES, ERR], [NO]], False, "c.error_1"),
]


@pytest.mark.parametrize(("refs", "allowed", "code"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_one_objection_refuses_and_nothing_checked_is_not_a_yes(
    refs: list[list[Outcome]],
    allowed: bool,  # noqa: FBT001 - a row
    code: str,
) -> None:
    decision = Decision(tuple(a_ref(*outcomes) for outcomes in refs), "digest")

    assert (decision.allowed, decision.code) == (allowed, code)


def test_a_decision_has_no_truth_value() -> None:
    with pytest.raises(TypeError, match=r"ask \.allowed"):
        bool(decide([(a_push(), a_standing())], policy_digest="d"))


def test_every_control_is_asked_about_every_ref_even_after_an_objection() -> None:
    frozen = a_standing(freezes=(Freeze(4, "garden", "why", "owner"),))
    decision = decide([(a_push(), frozen), (a_push(ref=TOPIC), frozen)], policy_digest="d")

    names = [control.NAME for control in CONTROLS]
    assert [[v.control for v in ref.verdicts] for ref in decision.refs] == [names, names]
    assert decision.code == "freeze.in_force"


def test_deciding_about_nothing_refuses() -> None:
    assert decide([], policy_digest="d").code == "decision.nothing_checked"


class Breaking:
    NAME: ClassVar[str] = "breaking"

    @classmethod
    def of(cls, policy: Policy) -> Self:
        return cls()

    def evaluate(self, facts: UpdateFacts, standing: Standing) -> Verdict:
        raise KeyError("a secret detail")


def test_a_control_that_raises_refuses_and_says_no_more_than_its_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = deciding.controls_for
    monkeypatch.setattr(deciding, "controls_for", lambda policy: (*honest(policy), Breaking()))
    decision = decide([(a_push(), a_standing())], policy_digest="d")

    assert (decision.allowed, decision.code) == (False, "breaking.broke")
    said = decision.refs[0].verdicts[-1]
    assert said.outcome is Outcome.ERROR
    assert "KeyError" in said.message
    assert "secret" not in said.message


def test_facts_that_no_hook_sends_refuse_rather_than_raise() -> None:
    nonsense = a_push([a_change(lines="many")])  # type: ignore[arg-type]
    decision = decide([(nonsense, a_standing())], policy_digest="d")

    assert decision.allowed is False
    assert decision.code == "four_eyes.broke"
    assert "small_changes.broke" in {verdict.reason for verdict in decision.refs[0].verdicts}


def test_what_a_topic_and_a_deletion_need_is_less_and_still_something() -> None:
    topic, gone = a_push(ref=TOPIC, old=ZERO), a_deletion(TOPIC)

    assert decide([(topic, a_standing(landed=""))], policy_digest="d").code == "allowed"
    assert decide([(gone, a_standing(landed=OLD))], policy_digest="d").code == "allowed"


def test_the_policy_of_the_standing_is_the_one_that_is_asked() -> None:
    strict = a_policy(four_eyes={"lines": 1})
    facts = a_push([a_change(lines=2)])

    assert decide([(facts, a_standing())], policy_digest="d").allowed
    assert decide([(facts, a_standing(policy=strict))], policy_digest="d").code == "four_eyes.no_change"


def test_an_override_sets_aside_what_people_owe_and_never_what_stops_everything() -> None:
    big = a_push([a_change(lines=51)])
    change = a_review(big)
    plain = decide([(big, a_standing(change=change))], policy_digest="d")
    assert plain.code == "four_eyes.missing_sign_offs"
    aside = decide([(big, a_standing(change=change, override=40))], policy_digest="d")
    assert aside.allowed
    (said,) = [v for v in aside.refs[0].verdicts if v.reason == "four_eyes.override"]
    assert said.message.startswith("OVERRIDE of entry 40 sets this aside: change 7 needs two approvers")
    frozen = decide([(big, a_standing(change=change, override=40, freezes=(Freeze(1, "", "why", "owner"),)))],
                    policy_digest="d")  # fmt: skip
    assert frozen.code == "freeze.in_force"
    never = {"freeze", "vetoes", "signed_commits", "ref_rules", "write_lock", "rate_limits", "proposals"}
    assert not never & deciding.STANDS_ASIDE


def test_what_broke_is_not_set_aside(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken(FourEyes):
        def evaluate(self, facts: UpdateFacts, standing: Standing) -> Verdict:
            raise ZeroDivisionError

    monkeypatch.setattr(deciding, "controls_for", lambda policy: (Broken(policy),))
    assert decide([(a_push(), a_standing(override=40))], policy_digest="d").code == "four_eyes.broke"
