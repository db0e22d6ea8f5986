from __future__ import annotations

import multiprocessing
import multiprocessing.synchronize
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from audit.errors import StoreError
from governance.adapters.ticker_lock import TickerLock
from governance.entrypoints.schedule import Job, Schedule
from governance.state import job_runs
from governance.state.job_runs import ATTEMPTS, RETRY_MS
from governance.timetable import DAY_MS, MINUTE_MS, Daily, Every
from service_world import FAR_OFF, ServiceWorld

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import postgres

HOUR_MS = 60 * MINUTE_MS
DAYS = Daily(7, "Europe/Berlin")


@pytest.fixture
def world(both: None, tmp_path: Path) -> Iterator[ServiceWorld]:
    with ServiceWorld(tmp_path) as made:
        yield made


class Deeds:
    """A job that remembers for when it was run, and fails as often as it is told to."""

    def __init__(self, world: ServiceWorld, when: Every | Daily, *, failures: int = 0, lease_ms: int = HOUR_MS) -> None:
        self.runs: list[int] = []
        self.told: list[tuple[str, str]] = []
        self.failures = failures
        self.job = Job("deed", when, self.run, lease_ms)
        self.schedule = Schedule(world.service, [self.job], lambda *told: self.told.append(told))

    def run(self, due_at: int) -> str:
        self.runs.append(due_at)
        if len(self.runs) <= self.failures:
            raise StoreError("the disk is full")
        return "well"

    def look(self) -> bool:
        """Do what a tick does, in this thread."""
        return any(self.schedule.attempt(job) for job in self.schedule._due())


def test_a_job_runs_when_it_is_due_and_its_runs_are_kept(world: ServiceWorld) -> None:
    deeds = Deeds(world, Every(MINUTE_MS))
    assert not deeds.look()
    world.now += MINUTE_MS
    assert [deeds.look(), deeds.look()] == [True, False]
    world.now += MINUTE_MS
    assert deeds.look()

    assert deeds.runs == [FAR_OFF + MINUTE_MS, FAR_OFF + 2 * MINUTE_MS]
    with world.service.read() as tx:
        (last,) = job_runs.latest(tx)
    assert (last["name"], last["due_at"], last["outcome"], last["said"]) == ("deed", world.now, "done", "well")
    assert "/" in last["by"]


def test_an_hour_of_the_day_before_the_ledger_began_is_not_owed(world: ServiceWorld) -> None:
    deeds = Deeds(world, DAYS)
    assert not deeds.look()
    world.now += DAY_MS
    assert deeds.look()


def test_days_that_were_missed_are_caught_up_once(world: ServiceWorld) -> None:
    deeds = Deeds(world, DAYS)
    world.now += 5 * DAY_MS
    assert [deeds.look(), deeds.look()] == [True, False]
    assert deeds.runs == [DAYS.due(FAR_OFF, world.now)]


def test_two_that_look_at_one_moment_run_it_once(world: ServiceWorld) -> None:
    deeds = Deeds(world, Every(MINUTE_MS))
    world.now += MINUTE_MS
    together = threading.Barrier(8)

    def look() -> bool:
        (job,) = deeds.schedule._due()
        together.wait(timeout=30)
        return deeds.schedule.attempt(job) is not None

    with ThreadPoolExecutor(8) as pool:
        tried = [pool.submit(look) for _ in range(8)]
    assert sorted(each.result() for each in tried) == [False] * 7 + [True]
    assert len(deeds.runs) == 1


def test_nothing_begins_while_the_run_before_is_at_work(world: ServiceWorld) -> None:
    deeds = Deeds(world, Every(MINUTE_MS))
    world.now += MINUTE_MS
    world.ledger.run(lambda tx: job_runs.claim(tx, "deed", deeds.job.when, lease_ms=HOUR_MS, now=world.now, by="x"))
    world.now += 30 * MINUTE_MS
    assert not deeds.look()


def test_whoever_dies_in_the_middle_is_followed_after_the_lease(world: ServiceWorld) -> None:
    deeds = Deeds(world, DAYS)
    world.now += DAY_MS
    died = world.ledger.run(
        lambda tx: job_runs.claim(tx, "deed", deeds.job.when, lease_ms=HOUR_MS, now=world.now, by="x")
    )
    assert died
    world.now += HOUR_MS - 1
    assert not deeds.look()
    world.now += 1
    assert deeds.look()
    assert deeds.runs == [died.due_at]
    assert not deeds.look()


def test_what_fails_is_tried_again_and_at_last_told_of(world: ServiceWorld) -> None:
    deeds = Deeds(world, DAYS, failures=ATTEMPTS)
    world.now += DAY_MS
    for _ in range(ATTEMPTS):
        assert deeds.look()
        assert not deeds.look()
        world.now += RETRY_MS
    assert not deeds.look()

    assert len(deeds.runs) == ATTEMPTS
    assert deeds.told == [("deed", "StoreError: the disk is full")]
    world.now += DAY_MS
    assert deeds.look()  # The next day is a new one.


def test_what_fails_once_is_done_the_second_time_and_not_told_of(world: ServiceWorld) -> None:
    deeds = Deeds(world, DAYS, failures=1)
    world.now += DAY_MS
    deeds.look()
    world.now += RETRY_MS
    assert deeds.look()
    world.now += RETRY_MS
    assert not deeds.look()
    assert (len(set(deeds.runs)), deeds.told) == (1, [])


@pytest.mark.parametrize("when", [Every(HOUR_MS), DAYS])
def test_a_clock_that_jumped_a_year_ahead_and_back_holds_nothing_up(world: ServiceWorld, when: Every | Daily) -> None:
    deeds = Deeds(world, when)
    world.now += DAY_MS
    assert deeds.look()
    world.now += 365 * DAY_MS
    assert deeds.look()
    world.now -= 365 * DAY_MS
    assert not deeds.look()
    world.now += DAY_MS
    assert deeds.look()


def test_of_a_job_the_last_two_hundred_runs_are_kept(world: ServiceWorld) -> None:
    deeds = Deeds(world, Every(1))
    for _ in range(job_runs.KEPT + 5):
        world.now += 1
        deeds.look()
    assert world.rows("select count(*) from job_run") == [(job_runs.KEPT,)]


def test_working_tables_are_nothing_that_a_rebuild_looks_at(world: ServiceWorld) -> None:
    world.now += 1
    Deeds(world, Every(1)).look()
    assert world.difference() == ""


def test_the_ticker_runs_what_is_due_and_stops_when_told(world: ServiceWorld) -> None:
    ran = threading.Event()
    world.now += MINUTE_MS

    def run(_: int) -> None:
        ran.set()

    schedule = Schedule(world.service, [Job("deed", Every(MINUTE_MS), run)], print)
    schedule.start()
    try:
        assert ran.wait(timeout=30)
    finally:
        schedule.stop()
    assert world.rows("select outcome from job_run") == [("done",)]


def _hold(place: str, held: multiprocessing.synchronize.Event, leave: multiprocessing.synchronize.Event) -> None:
    lock = TickerLock(place)
    assert lock.held()
    held.set()
    leave.wait(timeout=60)


def test_of_two_processes_one_ticks_and_the_other_follows_it(pg_server: postgres.Server) -> None:
    place, spawn = pg_server.database(), multiprocessing.get_context("spawn")
    held, leave = spawn.Event(), spawn.Event()
    first = spawn.Process(target=_hold, args=(place, held, leave))
    first.start()
    try:
        assert held.wait(timeout=60)
        ours = TickerLock(place)
        assert not ours.held()
        first.kill()  # Not told to let go: dead.
        first.join()
        until_held = [ours.held() for _ in range(200) if not ours._session]
        assert until_held[-1]
        assert ours.held()
        ours.release()
    finally:
        first.kill()
        first.join()


def test_a_job_that_hangs_is_told_of_once_and_keeps_neither_others_nor_the_end(
    world: ServiceWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("governance.entrypoints.schedule.STOP_S", 0.1)
    hangs, entered, ended = Deeds(world, Every(MINUTE_MS)), threading.Event(), threading.Event()

    def hang(due_at: int) -> None:
        hangs.runs.append(due_at)
        entered.set()
        ended.wait(20)

    job = Job("hangs", Every(MINUTE_MS), hang, HOUR_MS)
    world.now += MINUTE_MS
    hangs.schedule.begin(job)
    assert entered.wait(20)
    hangs.schedule.begin(job)
    assert hangs.told == []
    world.now += HOUR_MS
    for _ in range(3):
        hangs.schedule.begin(job)
    assert hangs.told == [("hangs", "it has not ended within 60 minutes, and is still at work")]
    hangs.schedule.begin(hangs.job)
    hangs.schedule._at_work["deed"][0].join()
    assert len(hangs.runs) == 2
    hangs.schedule.stop()
    ended.set()
    hangs.schedule._at_work["hangs"][0].join()
    assert len(hangs.runs) == 2
