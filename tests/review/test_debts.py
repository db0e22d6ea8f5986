"""Unreviewed debt from the push that makes it to the landing that clears it: entries, tables and decisions together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from audit.entry import Actor, Draft
from builders import MAIN, REPOSITORY
from debt_world import DAY, RELEASE, DebtWorld, file
from governance.errors import ConflictError
from governance.record import Kind

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

OVER = "unreviewed_debt.over_budget"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[DebtWorld]:
    with DebtWorld(tmp_path) as made:
        yield made
        assert made.difference() == ""


def test_what_lands_below_the_threshold_is_written_down_and_owed(world: DebtWorld) -> None:
    told = world.push(file("src/a/x.py", 30), file("README", 2), by="dev-a")

    assert told.decision.allowed, told.message
    data = world.noted(told)
    assert data["small"] == [[MAIN, ["dev-a"], ["dev-a"], 32, 32, 2]]
    assert data["debt"] == [[MAIN, "README", 2], [MAIN, "src/a/x.py", 30]]
    assert [(o.path, o.people, o.operators, o.units, o.at) for o in world.owed()] == [
        ("README", ("dev-a",), ("owner",), 2, world.now), ("src/a/x.py", ("dev-a",), ("owner",), 30, world.now),
    ]  # fmt: skip


def test_the_push_that_would_exceed_a_budget_is_asked_for_four_eyes(world: DebtWorld) -> None:
    world.push(file("src/a/x.py", 40))
    exactly = world.push(file("src/a/y.py", 10))
    over = world.push(file("src/a/x.py", 1))

    assert (exactly.code, over.code) == ("allowed", OVER)
    assert "51 units in 2 files of src/a have landed unreviewed since 2100-01-01" in over.message
    assert any("refs/for/main" in step for step in over.verdict("unreviewed_debt").mend)
    assert "debt" not in world.noted(over)
    assert world.units() == 50
    assert world.push(file("src/b/x.py", 1)).code == "allowed"


def test_a_review_of_the_debt_shown_clears_it_when_it_has_landed(world: DebtWorld) -> None:
    world.push(file("src/a/x.py", 50))
    number = world.propose(file("src/a/x.py", 5))
    shown = world.shown(number)
    assert (shown["debt"]["units"], shown["debt"]["paths"]) == (50, [["src/a/x.py", 50]])
    assert shown["binding"]["debt"] == {name: shown["debt"][name] for name in ("through", "digest")}
    assert "src/a" in shown["about"]["reasons"][0]

    assert world.land(number, file("src/a/x.py", 5)).code == "four_eyes.missing_sign_offs"
    world.sign(number, "dev-b", "qa-a")
    told = world.land(number, file("src/a/x.py", 5), land=False)
    assert told.verdict("unreviewed_debt").reason == "unreviewed_debt.signed_off"
    assert world.noted(told)["cleared"] == [[MAIN, shown["debt"]["through"], ["dev-a"]]]
    assert world.units() == 50  # Nothing has moved yet.
    world.applied(told.seq)
    assert world.owed() == ()
    assert world.push(file("src/a/x.py", 50)).code == "allowed"


def test_a_landing_that_git_did_not_carry_out_clears_nothing_and_owes_nothing(world: DebtWorld) -> None:
    world.push(file("src/a/x.py", 50))
    number = world.propose(file("src/a/x.py", 5))
    world.sign(number, "dev-b", "qa-a")
    world.release(world.land(number, file("src/a/x.py", 5), land=False))
    assert world.units() == 50

    lost = world.push(file("src/b/x.py", 50), land=False)
    assert world.units() == 100
    world.release(lost)
    assert world.units() == 50
    assert world.push(file("src/b/x.py", 50)).code == "allowed"
    assert world.land(number, file("src/a/x.py", 5)).code != "allowed"  # Its base has moved on.


def test_a_sign_off_of_other_debt_than_there_is_now_is_refused(world: DebtWorld) -> None:
    world.branch()
    number = world.propose(file("src/b/x.py", 60))
    world.push(file("src/a/x.py", 20), ref=RELEASE)
    before = world.shown(number)["binding"]
    world.push(file("src/a/x.py", 20), ref=RELEASE)
    with pytest.raises(ConflictError, match="debt differ") as refused:
        world.sign(number, "dev-b", binding=before)
    assert refused.value.code == "sign_off.moved"
    world.sign(number, "dev-b", "qa-a")
    assert world.land(number, file("src/b/x.py", 60)).decision.allowed
    assert world.owed() == ()


def test_a_binding_says_nothing_of_debt_where_there_is_none(world: DebtWorld) -> None:
    number = world.propose(file("src/b/x.py", 60))
    shown = world.shown(number)
    assert (shown["debt"], "debt" in shown["binding"]) == ({}, False)
    world.sign(number, "dev-b", "qa-a")
    told = world.land(number, file("src/b/x.py", 60))
    assert (told.code, "cleared" in world.noted(told), "debt" in world.noted(told)) == ("allowed", False, False)


def test_what_landed_since_the_sign_offs_stays_and_is_what_is_left(world: DebtWorld) -> None:
    world.branch()
    world.push(file("src/a/x.py", 30), ref=RELEASE)
    number = world.propose(file("src/b/x.py", 60))
    world.sign(number, "dev-b", "qa-a")
    world.push(file("src/a/y.py", 7), ref=RELEASE)
    assert world.land(number, file("src/b/x.py", 60)).decision.allowed
    assert [(o.path, o.units) for o in world.owed()] == [("src/a/y.py", 7)]


def test_who_landed_it_does_not_sign_it_off(world: DebtWorld) -> None:
    """dev-b may review what dev-a changes now, and not what dev-b has landed before."""
    world.push(file("src/a/x.py", 50), by="dev-b")
    small = file("src/a/x.py", 5)
    number = world.propose(small)
    world.sign(number, "dev-b", "qa-a")
    refused = world.land(number, small)
    assert refused.code == "unreviewed_debt.not_shown"
    assert refused.verdict("unreviewed_debt").helpers == ("architect-a",)
    assert not {"dev-a", "dev-b"} & set(refused.verdict("unreviewed_debt").helpers)
    assert world.units() == 50
    world.sign(number, "architect-a")
    assert world.land(number, small).decision.allowed
    assert world.owed() == ()


def test_a_small_change_that_was_signed_off_all_the_same_owes_nothing(world: DebtWorld) -> None:
    world.push(file("src/b/x.py", 9))
    number = world.propose(file("src/a/x.py", 5))
    world.sign(number, "dev-b", "qa-a")
    told = world.land(number, file("src/a/x.py", 5))
    assert told.verdict("four_eyes").reason == "four_eyes.signed_off"
    assert world.owed() == ()

    number = world.propose(file("src/a/x.py", 5))
    world.sign(number, "dev-b")
    assert world.land(number, file("src/a/x.py", 5)).verdict("four_eyes").reason == "four_eyes.below_threshold"
    assert world.units() == 5


def test_an_adopted_tree_owes_nothing_and_neither_does_what_is_gone(world: DebtWorld) -> None:
    for kind in (Kind.REPOSITORY_ADOPTED, Kind.REPOSITORY_REMOVED):
        world.push(file("src/a/x.py", 50))
        assert world.units() == 50
        data = {"baseline": {}, "also": [], "reason": "r", "statement": {}}
        data = {"reason": "r", "statement": {}} if kind is Kind.REPOSITORY_REMOVED else data
        world.append(Draft(kind.value, Actor("owner", "human", ""), REPOSITORY, REPOSITORY, data))
        assert world.owed() == ()
        if kind is Kind.REPOSITORY_ADOPTED:
            refs = {"adopted": 1, "refs": [[MAIN, world.bodies()[-1] and "1" * 40, "commit"]]}
            world.append(Draft(Kind.BASELINE_RECORDED.value, Actor("owner", "human", ""), REPOSITORY, "", refs))


def test_what_is_left_over_for_a_month_is_asked_for_where_it_lies(world: DebtWorld) -> None:
    world.push(file("src/a/x.py", 1))
    world.now += 30 * DAY
    assert world.push(file("src/a/x.py", 1)).code == "allowed"
    world.now += 1
    old = world.push(file("src/a/y.py", 1))
    assert (old.code, "more than 30 days" in old.message) == (OVER, True)
    assert world.push(file("src/b/y.py", 1)).code == "allowed"


def test_the_report_says_what_is_used_of_every_budget(world: DebtWorld) -> None:
    world.push(file("src/a/x.py", 20), file("README", 1))
    world.push(file("src/a/x.py", 20), by="mia")
    found = world.report()

    assert [(b["kind"], b["name"], b["units"], b["files"], b["most_units"]) for b in found["budgets"]] == [
        ("group", "", 1, 1, 50), ("group", "src/a", 40, 1, 50), ("operator", "mia", 20, 1, 150),
        ("operator", "owner", 21, 2, 150), ("total", "", 41, 2, 500),
    ]  # fmt: skip
    assert [(i["path"], i["units"], i["contributors"]) for i in found["items"]] == [
        ("README", 1, ["dev-a"]), ("src/a/x.py", 20, ["dev-a"]), ("src/a/x.py", 20, ["mia"]),
    ]  # fmt: skip
    assert [(r["role"], r["landings"], r["units"], r["files"]) for r in found["roles"]] == [
        ("dev-a", 1, 21, 2), ("human", 1, 20, 1),
    ]  # fmt: skip


def test_where_nothing_is_enforced_what_is_allowed_counts_and_what_is_let_through_is_known_as_that(
    world: DebtWorld,
) -> None:
    world.observe()
    assert world.push(file("src/a/x.py", 50)).decision.allowed
    through = world.push(file("src/a/x.py", 9))
    world.applied(through.seq)
    assert (through.code, world.noted(through)["let_through"], world.units()) == (OVER, True, 50)
    assert world.rows("select ref, state from lapse") == [(MAIN, "observed")]
    world.observe("enforce")
    assert world.push(file("src/a/x.py", 1)).code == OVER


def test_each_landing_names_the_commits_to_compare(world: DebtWorld) -> None:
    before = world.tip(MAIN)
    world.push(file("src/a/x.py", 5))
    (item,) = world.report()["items"]
    assert (item["ref"], item["old"], item["new"]) == (MAIN, before, world.tip(MAIN))
