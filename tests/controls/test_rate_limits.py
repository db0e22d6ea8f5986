from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from builders import MAIN, NOW, TOPIC, a_deletion, a_policy, a_push, a_standing
from governance.controls.rate_limits import RateLimits
from governance.limits import HOUR_MS, OPENS, PUSH, Usage, Window
from governance.parameters import RateLimit
from governance.verdict import Outcome

if TYPE_CHECKING:
    from governance.facts import UpdateFacts

LIMIT = RateLimit(hour=2, day=9)
FREE, FULL = Window(PUSH, LIMIT, 0), Window(PUSH, LIMIT, NOW + HOUR_MS)
OPENS_FREE, OPENS_FULL = Window(OPENS, LIMIT, 0, 3), Window(OPENS, LIMIT, NOW + HOUR_MS, 3)


def usage(*windows: Window) -> Usage:
    return Usage("dev-a", "owner", windows)


TABLE = [
    ("nobody with limits pushes", a_push(), None, "not_applicable"),
    ("within both", a_push(ref=TOPIC), usage(FREE, OPENS_FREE), "not_applicable"),
    ("a push too many", a_push(), usage(FULL), "push"),
    ("a push too many, which would open too many as well", a_push(ref=TOPIC), usage(FULL, OPENS_FULL), "push"),
    ("a change too many", a_push(ref=TOPIC), usage(FREE, OPENS_FULL), "sign_off_request"),
    ("a deletion is an attempt", a_deletion(TOPIC), usage(FULL), "push"),
    ("an alias is no way around", a_push(symref=MAIN, ref=TOPIC), usage(FULL), "push"),
]


@pytest.mark.parametrize(("facts", "found", "reason"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_rate_limits_answer_as_the_table_says(facts: UpdateFacts, found: Usage | None, reason: str) -> None:
    verdict = RateLimits.of(a_policy()).evaluate(facts, a_standing(usage=found))

    assert verdict.reason == f"rate_limits.{reason}"
    assert verdict.objects == (reason != "not_applicable")


def test_to_be_within_one_s_limits_is_not_a_yes() -> None:
    verdict = RateLimits.of(a_policy()).evaluate(a_push(), a_standing(usage=usage(FREE)))
    assert verdict.outcome is Outcome.NOT_APPLICABLE


def test_a_refusal_says_the_limit_and_when_it_is_free_again() -> None:
    verdict = RateLimits.of(a_policy()).evaluate(a_push(), a_standing(usage=usage(FREE, OPENS_FULL)))

    assert verdict.message == (
        "dev-a (of owner) has used its 2 an hour or 9 a day of sign off request; this asks for 3 at once; "
        "if nothing more is tried, free again at 2023-11-14 23:13:20 UTC"
    )
    assert "limit raise" in verdict.mend[0]
    assert verdict.helpers == ("owner",)
