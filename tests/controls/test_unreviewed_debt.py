from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from builders import (
    LATER,
    MAIN,
    NOW,
    TOPIC,
    ZERO,
    a_change,
    a_commit,
    a_deletion,
    a_person,
    a_push,
    a_review,
    a_roster,
    a_sign_off,
    a_standing,
)
from debt_world import DAY, shipped
from governance.controls.four_eyes import FourEyes
from governance.controls.unreviewed_debt import UnreviewedDebt
from governance.debt import Debt, Owed

if TYPE_CHECKING:
    from governance.facts import UpdateFacts
    from governance.standing import ChangeStanding
    from governance.verdict import Verdict

POLICY = shipped()
SMALL = a_push([a_change("src/a/x.py", 5)])


def owed(path: str = "src/a/x.py", units: int = 46, *, by: str = "dev-a", seq: int = 5, at: int = NOW - 1) -> Owed:
    return Owed(seq, path, (by,), ("owner",), units, at)


def asked(*rows: Owed, facts: UpdateFacts = SMALL, change: ChangeStanding | None = None) -> Verdict:
    known = a_standing(policy=POLICY, change=change, debt=Debt(rows))
    signed = FourEyes.of(POLICY).evaluate(facts, known).subjects
    return UnreviewedDebt.of(POLICY).evaluate(facts, replace(known, signed_off=signed))


def spread(count: int, units: int, *, folder: str = "m") -> list[Owed]:
    return [owed(f"{folder}{n}/x/y.py", units, seq=n) for n in range(count)]


def files(count: int) -> list[Owed]:
    return [owed(f"src/a/{n}.py", 1) for n in range(count)]


WITHIN = [
    ("nothing is owed", []),
    ("exactly the budget", [owed(units=45)]),
    ("exactly its files", files(2)),
    ("another group", [owed("src/b/x.py", 50)]),
    ("the folder above", [owed("src/x.py", 50)]),
    ("an operator's budget to the last unit", [*spread(3, 48)[:2], owed("m2/x/y.py", 49)]),
    ("as old as it may be", [owed(units=1, at=NOW - 30 * DAY)]),
    ("older, and elsewhere", [owed("src/b/x.py", 1, at=0)]),
]

OVER = [
    ("a unit more", [owed()], "51 units in 1 files of src/a"),
    ("a file more", files(3), "8 units in 4 files of src/a"),
    ("an operator's budget", [*spread(3, 49)], "152 units in 4 files of what owner answers for"),
    ("an operator's files", [*spread(9, 1)], "of what owner answers for"),
    ("everything", [replace(o, operators=("x",)) for o in spread(10, 50)], "505 units in 11 files of the repository"),
    ("every file", [replace(o, operators=("x",)) for o in spread(20, 1)], "25 units in 21 files of the repository"),
    ("older than a month", [owed(units=1, at=NOW - 30 * DAY - 1)], "unreviewed for more than 30 days"),
]


@pytest.mark.parametrize("rows", [row[1] for row in WITHIN], ids=[row[0] for row in WITHIN])
def test_within_the_budgets_it_lands_alone(rows: list[Owed]) -> None:
    verdict = asked(*rows)
    assert (verdict.reason, verdict.objects) == ("unreviewed_debt.within_budget", False)


@pytest.mark.parametrize(("rows", "why"), [row[1:] for row in OVER], ids=[row[0] for row in OVER])
def test_over_one_of_them_it_is_asked_for_review(rows: list[Owed], why: str) -> None:
    verdict = asked(*rows)
    assert (verdict.reason, verdict.objects) == ("unreviewed_debt.over_budget", True)
    assert why in verdict.message
    assert "twinseal debt show" in verdict.mend[0]
    assert any("refs/for/main" in step for step in verdict.mend)


NOT_ASKED = [
    ("a topic", a_push(ref=TOPIC)),
    ("a deletion", a_deletion(MAIN)),
    ("a change that needs four eyes by itself", a_push([a_change(lines=51)])),
    ("a protected branch that begins with what has landed",
     a_push([], commits=(), ref="refs/heads/release/1", old=ZERO, landed=True)),
]  # fmt: skip


@pytest.mark.parametrize("facts", [row[1] for row in NOT_ASKED], ids=[row[0] for row in NOT_ASKED])
def test_what_is_not_small_or_does_not_land_is_not_asked(facts: UpdateFacts) -> None:
    assert asked(owed(), facts=facts).reason == "unreviewed_debt.not_applicable"
    assert asked(owed()).reason == "unreviewed_debt.over_budget"


def test_a_missing_fact_is_no_debt() -> None:
    assert UnreviewedDebt.of(POLICY).evaluate(SMALL, a_standing(policy=POLICY)).reason.endswith("within_budget")


def signed(*through: int, names: tuple[str, ...] = ("dev-b", "qa-a"), **changed: object) -> ChangeStanding:
    digest = {"policy_digest": POLICY.digest}
    pairs = zip(names, through, strict=True)
    given = [a_sign_off(name, SMALL, debt_through=seq, **{**digest, **changed}) for name, seq in pairs]
    return a_review(SMALL, *given)


def test_two_sign_offs_of_all_that_is_owed_are_enough() -> None:
    assert asked(owed(), change=signed(5, 9)).reason == "unreviewed_debt.signed_off"


SHORT = [
    ("bound no debt", (0, 0), "unreviewed_debt.not_shown"),
    ("one of them bound none", (5, 0), "unreviewed_debt.not_shown"),
    ("bound what was owed before", (5, 4), "unreviewed_debt.not_shown"),
]


@pytest.mark.parametrize(("through", "reason"), [row[1:] for row in SHORT], ids=[row[0] for row in SHORT])
def test_sign_offs_that_did_not_see_it_are_not(through: tuple[int, int], reason: str) -> None:
    verdict = asked(owed(), change=signed(*through))
    assert (verdict.reason, verdict.objects) == (reason, True)
    assert any("twinseal sign-off 7" in step for step in verdict.mend)
    assert "qa-a" in verdict.helpers


SET_ASIDE = [{"withdrawn": True}, {"spent": True}, {"expires_at": NOW}, {"tree": "0" * 40}, {"key_revoked": True}]


@pytest.mark.parametrize("changed", SET_ASIDE, ids=[next(iter(row)) for row in SET_ASIDE])
def test_sign_offs_that_four_eyes_sets_aside_clear_nothing(changed: dict[str, object]) -> None:
    assert asked(owed(), change=signed(5, 5, **changed)).reason == "unreviewed_debt.over_budget"
    assert asked(owed(), change=signed(5, 5, expires_at=LATER)).reason == "unreviewed_debt.signed_off"


def test_what_is_newer_than_the_sign_offs_must_fit_by_itself() -> None:
    newer = owed("src/a/y.py", 45, seq=9)
    assert asked(owed(), newer, change=signed(5, 5)).reason == "unreviewed_debt.signed_off"
    more = owed("src/a/y.py", 46, seq=9)
    assert asked(owed(), more, change=signed(5, 5)).reason == "unreviewed_debt.not_shown"


def test_whoever_landed_it_does_not_count_for_it() -> None:
    of_dev_b = owed(by="dev-b")
    assert asked(of_dev_b, change=signed(5, 5)).reason == "unreviewed_debt.not_shown"
    three = signed(5, 5, 5, names=("dev-b", "qa-a", "architect-a"))
    assert asked(of_dev_b, change=three).reason == "unreviewed_debt.signed_off"


def test_naming_everybody_as_co_author_leaves_nobody_to_review_it() -> None:
    change = a_change("src/a/x.py", 5)
    everybody = tuple(a_person(name) for name in a_roster().principals if name not in {"dev-a", "twinseal-lander"})
    named = a_push([change], commits=(a_commit(changes=(change,), co_authors=everybody),))
    verdict = asked(facts=named)
    assert (verdict.reason, verdict.objects) == ("unreviewed_debt.nobody_left", True)
    assert "dev-b" in verdict.message
    one = a_push([change], commits=(a_commit(changes=(change,), co_authors=everybody[:1]),))
    assert asked(facts=one).reason == "unreviewed_debt.within_budget"


def test_who_is_asked_for_would_be_enough_and_no_more_than_that() -> None:
    rows = (owed(by="dev-b"), owed("docs/a/x.md", 1, by="docs", seq=6))
    verdict = asked(*rows, change=signed(6, 6))
    assert verdict.helpers == ("architect-a",)
    names = ("dev-b", "qa-a", *verdict.helpers)
    assert asked(*rows, change=signed(6, 6, 6, names=names)).reason == "unreviewed_debt.signed_off"
    assert "architect-a would be enough" in verdict.mend[-1]
