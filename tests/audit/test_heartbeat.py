from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from audit import heartbeat, reads, stores
from ledger_world import ALICE, draft

if TYPE_CHECKING:
    from ledger_world import World

MINUTE = 60_000


def kinds(world: World) -> list[str]:
    connection = stores.open_reader(world.place)
    try:
        return [json.loads(row.body)["kind"] for row in reads.entries(connection)]
    finally:
        connection.close()


def beat(world: World, *, at: int) -> None:
    with world.open() as ledger:
        ledger.run(lambda tx: heartbeat.beat(tx, at, ALICE))


@pytest.mark.parametrize(
    ("idle", "due"), [(0, False), (5 * MINUTE - 1, False), (5 * MINUTE, True), (99 * MINUTE, True)]
)
def test_it_beats_when_nothing_happened_for_five_minutes(idle: int, due: bool) -> None:  # noqa: FBT001
    assert heartbeat.due(1_000_000, 1_000_000 + idle) is due


@pytest.mark.parametrize(("behind", "due"), [(1, False), (4_999, False), (5_000, True), (3_600_000, True)])
def test_a_clock_that_stepped_back_is_told_from_one_that_wobbles(behind: int, due: bool) -> None:  # noqa: FBT001
    assert heartbeat.due(10_000_000, 10_000_000 - behind) is due


def test_a_quiet_tail_is_sealed(world: World) -> None:
    world.grow(2)
    world.clock.now += 6 * MINUTE
    beat(world, at=world.clock.now)
    beat(world, at=world.clock.now)  # Another replica, at the same moment.
    assert kinds(world)[2:] == ["ledger.heartbeat"]


def test_a_beat_that_came_too_late_is_none(world: World) -> None:
    world.grow(2)
    then = world.clock.now + 6 * MINUTE
    world.clock.now = then - 1
    with world.open() as ledger:
        ledger.run(lambda tx: tx.append(draft(2)))
    beat(world, at=then)
    assert kinds(world)[2:] == ["sign_off.given"]


def test_a_step_back_is_recorded_once_and_time_stands_still(world: World) -> None:
    world.grow(2)
    world.clock.now -= 3_600_000
    for wait in (0, 1000, 60_000):
        world.clock.now += wait
        beat(world, at=world.clock.now)
    assert kinds(world)[2:] == ["ledger.clock_stepped"]
    connection = stores.open_reader(world.place)
    last = json.loads(list(reads.entries(connection))[-1].body)
    before = json.loads(list(reads.entries(connection))[-2].body)
    connection.close()
    assert last["data"] == {"behind_ms": 3_600_000}
    assert last["ts"] == before["ts"]
