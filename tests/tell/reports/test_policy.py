"""When reports are sent is policy, read strictly."""

from __future__ import annotations

import pytest

from builders import POLICIES
from governance.errors import PolicyContentError
from governance.parameters import Reports
from governance.policy import Policy
from governance.policy_text import describe, from_meaning, load

SHIPPED = (POLICIES / "policy.yaml").read_text()
BEGINS = SHIPPED.index("\nreports:\n")


def with_section(section: str) -> Policy:
    roles = (POLICIES / "roles.yaml").read_bytes()
    return load((SHIPPED[:BEGINS] + section).encode(), roles, policy_name="policy.yaml", roles_name="roles.yaml")


def test_the_shipped_policy_says_the_defaults() -> None:
    assert with_section(SHIPPED[BEGINS:]).controls.reports == with_section("").controls.reports == Reports()


def test_a_section_is_read_and_written_back() -> None:
    policy = with_section("\nreports: {zone: America/Santiago, hour: 0, weekday: friday}\n")
    assert policy.controls.reports == Reports(zone="America/Santiago", hour=0, weekday="friday")
    assert from_meaning(describe(policy)) == policy
    assert with_section("\nreports: {hour: 9}\n").controls.reports == Reports(hour=9)


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ("{zone: Mars/Olympus}", "a time zone"),
        ("{zone: ../../etc/passwd}", "a time zone"),
        ("{zone: 7}", "a time zone"),
        ("{hour: 24}", "an hour from 0 to 23"),
        ("{hour: -1}", "an hour from 0 to 23"),
        ("{hour: true}", "an hour from 0 to 23"),
        ("{hour: '7'}", "an hour from 0 to 23"),
        ("{weekday: Monday}", "monday or tuesday"),
        ("{weekday: 1}", "monday or tuesday"),
        ("{minute: 5}", "a known key"),
        ("monday", "a mapping"),
    ],
)
def test_what_means_nothing_is_an_error_with_its_line(section: str, said: str) -> None:
    with pytest.raises(PolicyContentError, match=said) as wrong:
        with_section(f"\nreports: {section}\n")
    assert wrong.value.file == "policy.yaml"
    assert wrong.value.line > 400


def test_a_policy_from_before_there_were_reports_keeps_its_digest() -> None:
    meaning = dict(describe(with_section("")))
    whole = from_meaning(meaning)
    meaning.pop("reports")
    old = from_meaning(meaning)
    assert old.controls.reports == Reports()
    assert old.digest != whole.digest
    assert from_meaning(meaning).digest == old.digest
