"""Whoever is frozen, by role or operator, lends no sign-off, no third review and no signature to what others land."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from audit.entry import Draft
from builders import MAIN, REPOSITORY
from draw_world import HOUR, DrawWorld
from governance.coordinate import in_flight
from governance.errors import DeniedError
from governance.record import SERVICE, Kind

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def world(tmp_path: Path) -> Iterator[DrawWorld]:
    """Change 1 by dev-a, signed off by dev-b and qa-a; the first slot is drawn."""
    with DrawWorld(tmp_path, True) as made:  # noqa: FBT003 - what is drawn
        made.ready()
        yield made
        assert made.difference() == ""


def frozen(world: DrawWorld, role: str, *, hours: int = 0) -> int:
    data = {"scope": "role", "value": role, "repository": "", "reason": "looked into", "trigger": ""}
    ends = world.now + hours * HOUR if hours else 0
    return world.append(Draft(Kind.FREEZE_IMPOSED, SERVICE, "", "x", data | {"expires_at": ends}))[0].seq


@pytest.mark.usefixtures("both")
def test_a_sign_off_of_a_frozen_role_does_not_count_while_it_is(world: DrawWorld) -> None:
    frozen(world, "dev-b", hours=1)
    decision, _ = world.land("dev-a", "one")
    assert decision.code == "four_eyes.missing_sign_offs"
    assert any("dev-b is frozen" in line for v in decision.refs[0].verdicts for line in v.mend)
    world.now += HOUR
    assert world.land("dev-a", "one")[0].code == "tertiary.drawn"


def test_a_third_review_of_a_frozen_role_is_refused_and_one_given_before_does_not_count(world: DrawWorld) -> None:
    world.land("dev-a", "one")
    third = world.first(1)
    frozen(world, third, hours=1)
    with pytest.raises(DeniedError) as caught:
        world.third(1, third)
    assert caught.value.code == "tertiary.frozen"
    world.now += HOUR
    world.third(1, third)
    frozen(world, third)
    assert world.land("dev-a", "one")[0].code == "tertiary.drawn"


@pytest.mark.usefixtures("both")
@pytest.mark.parametrize("role", ["orchestrator", "librarian"])
def test_an_override_does_not_stand_while_a_signer_is_frozen(world: DrawWorld, role: str) -> None:
    world.sign(1, world.ask(1))
    frozen(world, role)
    assert world.land("dev-a", "one")[0].code == "tertiary.drawn"


def test_a_frozen_orchestrator_asks_for_none_and_a_frozen_librarian_signs_none(world: DrawWorld) -> None:
    frozen(world, "librarian", hours=1)
    seq = world.ask(1)
    with pytest.raises(DeniedError) as caught:
        world.sign(1, seq, "librarian")
    assert caught.value.code == "override.frozen"
    frozen(world, "orchestrator")
    with pytest.raises(DeniedError) as caught:
        world.ask(1)
    assert caught.value.code == "override.frozen"


def test_a_frozen_reviewer_reviews_no_override_afterwards(world: DrawWorld) -> None:
    seq = world.ask(1)
    world.sign(1, seq)
    assert world.land("dev-a", "one")[0].allowed
    frozen(world, "qa-a", hours=1)
    with pytest.raises(DeniedError) as caught:
        world.after(seq, "qa-a")
    assert caught.value.code == "override.frozen"
    world.now += HOUR
    world.after(seq, "qa-a")


@pytest.mark.usefixtures("both")
@pytest.mark.parametrize(("role", "by_override"), [("dev-b", False), ("librarian", True), ("docs", False)])
def test_what_was_decided_on_the_signature_of_who_is_frozen_now_does_not_move(
    tmp_path: Path,
    role: str,
    by_override: bool,  # noqa: FBT001 - a column
) -> None:
    with DrawWorld(tmp_path, False) as world:  # noqa: FBT003 - what is drawn
        world.propose("dev-a", "one") if by_override else world.ready()
        if by_override:
            world.sign(1, world.ask(1))
        decision, effects, _ = world._push("dev-a", "one", MAIN, "src/app.py", lines=60, old=world.tip())
        assert decision.allowed
        frozen(world, role)
        with world.service.read() as tx:
            revoked = in_flight.revoked(tx, REPOSITORY, at=world.now)
        assert revoked == (frozenset() if role == "docs" else {effects.handle})
