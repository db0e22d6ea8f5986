"""Unreviewed debt with real pushes, by the policy as it ships but that nothing is drawn for a third review.

Landed, seen, asked for, signed off, gone.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from builders import UNDRAWN, loose_policy
from landing_world import LandingWorld, landing_world, lines


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LandingWorld]:
    folder = tmp_path_factory.mktemp("d")
    with landing_world(folder, policy=loose_policy(folder / "policy", UNDRAWN)) as found:
        yield found
        found.sound()


def small(world: LandingWorld, count: int, start: int, *, refused: str = "") -> str:
    world.start("dev-a")
    world["dev-a"].write("src/a/x.py", lines(count, start))
    world["dev-a"].commit(f"{count} lines")
    said = world["dev-a"].push("HEAD:refs/heads/main", refused=refused)
    world.checked()
    return said


def test_slices_land_until_they_add_up_and_a_review_of_them_clears_them(world: LandingWorld) -> None:
    assert "nothing in demo is unreviewed" in world["dev-a"].twinseal("debt", "show")
    small(world, 30, 0)
    said = small(world, 51, 0, refused="unreviewed_debt.over_budget")  # 21 more than there are.
    assert "51 units in 1 files of src/a have landed unreviewed" in said
    shown = world["qa-a"].twinseal("debt", "show")
    assert "src/a" in shown
    assert "30 of 50" in shown
    found = world.json("qa-a", "debt", "show")
    assert [(item["path"], item["units"], item["contributors"]) for item in found["items"]] == [
        ("src/a/x.py", 30, ["dev-a"])
    ]

    world["dev-a"].push("HEAD:refs/for/main")
    number = world.newest()
    assert "src/a/x.py (30)" in world["dev-b"].twinseal("change", "show", str(number))
    world.land("dev-a", number, refused="four_eyes.missing_sign_offs")
    assert "src/a/x.py (30)" in world["dev-b"].twinseal("sign-off", str(number), "--approve")
    world.approve(number, "qa-a")
    world.land("dev-a", number)
    assert world.json("qa-a", "debt", "show")["items"] == []


def test_the_lander_lands_small_changes_into_the_same_debt(world: LandingWorld) -> None:
    world.start("dev-b")
    number = world.propose("dev-b", ("lib/b/x.py", lines(40)))
    world.land("dev-b", number)
    found = world.json("qa-a", "debt", "show")
    assert [(item["path"], item["units"], item["contributors"]) for item in found["items"]] == [
        ("lib/b/x.py", 40, ["dev-b"])
    ]
    assert {role["role"]: role["landings"] for role in found["roles"]}["dev-b"] == 1
