"""How much of what somebody approved a third party blocked: once for each difference, with exact bounds."""

from __future__ import annotations

import pytest

from governance.detect.aftermath import rates
from governance.draws import Told


def told(number: int, *approvers: str, blocked: bool = False, author: str = "dev-a") -> Told:
    return Told((number, f"d{number}"), author, approvers, blocked)


def test_each_approver_is_told_what_was_blocked_of_theirs_the_worst_first() -> None:
    found = [
        *(told(number, "careful", "careless") for number in range(8)),
        *(told(number, "careless", "new", blocked=True, author=f"dev-{number}") for number in (8, 9)),
    ]
    rows = rates(found)
    assert [(row["reviewer"], row["blocked"], row["looked_at"]) for row in rows] == [
        ("new", 2, 2), ("careless", 2, 10), ("careful", 0, 8),
    ]  # fmt: skip
    assert rows[1]["authors"] == ["dev-8", "dev-9"]
    assert (rows[2]["low"], rows[2]["high"]) == (0, pytest.approx(1 - 0.025 ** (1 / 8)))  # Clopper-Pearson.


def test_one_difference_counts_once_and_a_block_is_not_taken_back_by_asking_again() -> None:
    (row,) = rates([told(1, "qa-a", blocked=True), told(1, "qa-a"), told(1, "qa-a", blocked=True)])
    assert (row["blocked"], row["looked_at"]) == (1, 1)


def test_nothing_was_looked_at() -> None:
    assert rates([]) == []
