from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from builders import MAIN, NOW, TOPIC, a_change, a_deletion, a_push, a_review, a_sign_off, a_standing
from debt_world import HOUR, shipped
from governance.controls.four_eyes import FourEyes
from governance.controls.small_changes import SmallChanges
from governance.debt import Debt, Lately, cool_until

if TYPE_CHECKING:
    from governance.facts import UpdateFacts
    from governance.standing import ChangeStanding
    from governance.verdict import Verdict

POLICY = shipped()
LIMITS = POLICY.controls.small_changes
SMALL = a_push([a_change("src/a/x.py", 5)])


def asked(lately: Lately, *, facts: UpdateFacts = SMALL, change: ChangeStanding | None = None) -> Verdict:
    known = a_standing(policy=POLICY, change=change, debt=Debt((), (lately,)))
    signed = FourEyes.of(POLICY).evaluate(facts, known).subjects
    return SmallChanges.of(POLICY).evaluate(facts, replace(known, signed_off=signed))


FULL = Lately("dev-a", 9, 495, 19)
WINDOWS = [
    ("ten landings", FULL, ""),
    ("eleven", replace(FULL, landings=10), "11 landings, more than 10"),
    ("501 units", replace(FULL, units=496), "501 units, more than 500"),
    ("21 files", replace(FULL, files=20), "21 files, more than 20"),
]


@pytest.mark.parametrize(("lately", "why"), [row[1:] for row in WINDOWS], ids=[row[0] for row in WINDOWS])
def test_a_role_lands_only_so_much_within_the_window(lately: Lately, why: str) -> None:
    verdict = asked(lately)
    wanted = "small_changes.window" if why else "small_changes.within_window"
    assert (verdict.reason, verdict.objects) == (wanted, bool(why))
    assert why in verdict.message
    assert not why or any("refs/for/main" in step for step in verdict.mend)


def test_while_a_cool_down_runs_everything_needs_four_eyes() -> None:
    hot = Lately("dev-a", 5, 5, 5, cool_until=NOW + 1)
    verdict = asked(hot)
    assert (verdict.reason, verdict.objects) == ("small_changes.cool_down", True)
    assert "dev-a landed 5 small changes in 2 h; until 2023-11-14" in verdict.message
    assert asked(replace(hot, cool_until=NOW)).reason == "small_changes.within_window"


def test_one_that_was_signed_off_lands_whatever_the_window_says() -> None:
    def given(*names: str) -> ChangeStanding:
        return a_review(SMALL, *(a_sign_off(name, SMALL, policy_digest=POLICY.digest) for name in names))

    hot = Lately("dev-a", 10, 5, 5, cool_until=NOW + 1)
    assert asked(hot, change=given("dev-b", "qa-a")).reason == "small_changes.signed_off"
    assert asked(hot, change=given("dev-b")).reason == "small_changes.cool_down"


@pytest.mark.parametrize("facts", [a_push(ref=TOPIC), a_deletion(MAIN), a_push([a_change(lines=51)])])
def test_what_is_not_small_or_does_not_land_is_not_asked(facts: UpdateFacts) -> None:
    assert asked(Lately("dev-a", 10, 5, 5), facts=facts).reason == "small_changes.not_applicable"


def test_a_missing_fact_is_no_landing() -> None:
    known = a_standing(policy=POLICY)
    assert SmallChanges.of(POLICY).evaluate(SMALL, known).reason == "small_changes.within_window"


BURSTS = [
    ("four", [4, 3, 2, 1], 0),
    ("five", [5, 4, 3, 2, 1], 5 + 2 * HOUR),
    ("five in two hours less a millisecond", [2 * HOUR, 4, 3, 2, 1], 4 * HOUR),
    ("five in two hours exactly", [2 * HOUR + 1, 4, 3, 2, 1], 0),
    ("none", [], 0),
]


@pytest.mark.parametrize(("landed", "until"), [row[1:] for row in BURSTS], ids=[row[0] for row in BURSTS])
def test_a_burst_starts_a_cool_down(landed: list[int], until: int) -> None:
    assert cool_until(landed, LIMITS) == until
