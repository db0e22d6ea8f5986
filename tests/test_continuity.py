"""What one look at hooks and refs makes of what the ledger knew; the ledger and its state are real."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from audit.entry import Draft
from builders import MAIN, NEW, OLD, REPOSITORY
from governance import continuity
from governance.ports import Watch
from governance.record import DRIFT_LIMIT, SERVICE, Kind
from governance.state import read, status
from service_world import ServiceWorld

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

GOOD = Watch((), "hooks as installed")
OFF = Watch(("pre-receive is not executable",), "hooks switched off")
UNSEEN = Watch(("hooks cannot be looked at: Permission denied",), "")
OLDER = Watch(("pre-receive is not the hook that this version installs",), GOOD.found)
MOVED = ((MAIN, OLD, NEW),)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[ServiceWorld]:
    with ServiceWorld(tmp_path) as made:
        yield made
        assert made.difference() == ""


def look(
    world: ServiceWorld,
    watch: Watch | None = GOOD,
    moved: tuple[continuity.Line, ...] = (),
    *,
    since: int | None = None,
) -> list[str]:
    """Look once; return the kinds that were written."""
    before = len(world.kinds())
    world.ledger.run(lambda tx: continuity.look(tx, REPOSITORY, watch, moved, since=since))
    return world.kinds(before)


def observe(world: ServiceWorld) -> None:
    data = {"mode": "observe", "statement": {}}
    world.append(Draft(Kind.REPOSITORY_MODE_SET, SERVICE, REPOSITORY, "", data))


def frozen(world: ServiceWorld) -> int:
    with world.service.read() as tx:
        return len(read.freezes(tx, REPOSITORY))


def test_a_good_look_is_written_once_and_again_only_when_something_is_new(world: ServiceWorld) -> None:
    assert look(world) == ["continuity.checked"]
    assert look(world, since=world.now) == []
    assert look(world) == ["continuity.checked"]
    assert look(world, Watch((), "other hooks"), since=world.now) == ["continuity.checked"]


def test_nothing_lapses_before_it_was_ever_good(world: ServiceWorld) -> None:
    assert look(world, OFF) == []
    assert look(world, None) == []
    assert frozen(world) == 0


def test_an_upgrade_of_ours_is_no_lapse_while_the_hooks_are_what_they_were(world: ServiceWorld) -> None:
    look(world)
    assert look(world, OLDER, since=world.now) == []
    assert look(world, OLDER) == ["continuity.checked"]
    assert frozen(world) == 0


def test_hooks_that_went_off_are_written_once_freeze_and_end_with_a_good_look(world: ServiceWorld) -> None:
    look(world)
    seen = world.now
    world.now += 60_000
    assert look(world, OFF, since=seen) == ["continuity.lapse"]
    assert look(world, OFF) == []
    assert frozen(world) == 1
    last = world.bodies()[-1]
    assert (last["data"]["since"], last["ts"]) == (seen, seen + 60_000)
    assert look(world) == ["continuity.checked"]
    assert frozen(world) == 1


def test_the_gap_begins_at_the_last_good_look_that_was_written_where_nobody_remembers_a_later_one(
    world: ServiceWorld,
) -> None:
    look(world)
    seen = world.now
    world.now += 5000
    look(world, OFF)
    assert world.bodies()[-1]["data"]["since"] == seen


def test_what_moved_is_told_once_while_frozen_and_again_after_a_thaw(world: ServiceWorld) -> None:
    assert look(world, None, MOVED) == ["continuity.lapse"]
    assert look(world, None, MOVED) == []
    data = {"refs": [[MAIN, OLD]], "unreviewed": [[MAIN, OLD, OLD]], "statement": {}}
    world.append(Draft(Kind.FREEZE_LIFTED, SERVICE, REPOSITORY, "", data))
    assert look(world, None, MOVED) == ["continuity.lapse"]
    assert frozen(world) == 1


def test_where_nothing_is_enforced_a_gap_freezes_nothing_and_takes_the_refs_as_unreviewed(world: ServiceWorld) -> None:
    observe(world)
    look(world)
    assert look(world, OFF, MOVED) == ["continuity.lapse"]
    assert frozen(world) == 0
    with world.service.read() as tx:
        assert read.ref_value(tx, REPOSITORY, MAIN) == NEW
        assert [line["state"] for line in status.lapses(tx, REPOSITORY)] == ["unreviewed"]


def test_a_name_that_is_no_text_and_more_refs_than_an_entry_holds_are_written_all_the_same(world: ServiceWorld) -> None:
    many = tuple((f"refs/heads/\udcff{n:04}{'x' * 230}", "", NEW) for n in range(2 * DRIFT_LIMIT))
    assert look(world, None, many) == ["continuity.lapse"]
    assert look(world, None, many) == ["continuity.lapse"]
    assert look(world, None, many) == []


def test_where_nothing_is_enforced_what_cannot_be_recorded_is_told_once_and_what_moves_again_each_time(
    world: ServiceWorld,
) -> None:
    observe(world)
    odd = (("refs/heads/\udcff", "", NEW), ("refs/heads/alias", "", f"-> {MAIN}"))
    assert look(world, None, odd) == ["continuity.lapse"]
    assert look(world, None, odd) == []
    for _ in range(2):
        assert look(world, None, MOVED) == ["continuity.lapse"]
    with world.service.read() as tx:
        assert status.refs(tx, REPOSITORY) == {MAIN: NEW}
        assert {line["state"] for line in status.lapses(tx, REPOSITORY)} == {"unreviewed"}


def test_hooks_that_cannot_be_looked_at_any_more_lapsed_and_those_that_never_could_did_not(world: ServiceWorld) -> None:
    assert look(world, UNSEEN) == []
    look(world)
    assert look(world, UNSEEN) == ["continuity.lapse"]
    assert look(world, UNSEEN) == []
    assert frozen(world) == 1
