from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from audit.entry import Draft
from governance.entrypoints import timed
from governance.entrypoints.schedule import Job, Schedule
from governance.errors import FactsError
from governance.record import SERVICE, Kind
from governance.tell.reports.periods import DAILY, WEEKLY
from governance.timetable import DAY_MS, MINUTE_MS, Daily
from service_world import FAR_OFF, ServiceWorld

if TYPE_CHECKING:
    from collections.abc import Iterator

HOUR_MS = 60 * MINUTE_MS
"""The world begins at midnight, UTC, of the first of January 2100, a Friday."""


@pytest.fixture
def world(both: None, tmp_path: Path) -> Iterator[ServiceWorld]:
    with ServiceWorld(tmp_path) as made:
        yield made


def morning(world: ServiceWorld) -> list[str]:
    """Do what the ticker does at this moment; return what the jobs said of their runs."""
    jobs = [
        Job(DAILY, Daily(7, "UTC"), partial(timed.report, world.service, DAILY)),
        Job(WEEKLY, Daily(7, "UTC", "monday"), partial(timed.report, world.service, WEEKLY)),
    ]
    schedule = Schedule(world.service, jobs, lambda *told: None)
    for job in schedule._due():
        schedule.attempt(job)
    return [row[0] for row in world.rows("select said from job_run order by run")]


def issued(world: ServiceWorld) -> list[tuple[str, str]]:
    found: list[dict[str, Any]] = [body["data"] for body in world.bodies("kind='report.issued'")]
    return [(data["report"], data["day"]) for data in found]


def test_a_day_before_there_was_a_ledger_has_no_report(world: ServiceWorld) -> None:
    world.now = FAR_OFF + 7 * HOUR_MS
    assert morning(world) == ["there was no ledger yet on 2099-12-31"]
    assert issued(world) == []


def test_each_morning_has_its_report_once_though_nothing_happened(world: ServiceWorld) -> None:
    world.now = FAR_OFF + DAY_MS + 7 * HOUR_MS
    assert morning(world) == ["number 1, of 2100-01-01"]
    world.now += HOUR_MS
    assert len(morning(world)) == 1
    world.now += DAY_MS
    morning(world)

    assert issued(world) == [("daily", "2100-01-01"), ("daily", "2100-01-02")]


def test_days_of_silence_are_caught_up_by_one_report_that_names_them(world: ServiceWorld) -> None:
    world.now = FAR_OFF + DAY_MS + 7 * HOUR_MS
    morning(world)
    world.now += 5 * DAY_MS
    morning(world)

    assert issued(world) == [("daily", "2100-01-01"), ("daily", "2100-01-06"), ("weekly", "2100-01-03")]
    assert world.difference() == ""


class Looked:
    """A reconciler that cannot look at one repository, and finds that another moved."""

    def __init__(self) -> None:
        self.at: list[str] = []

    def check(self, name: str, path: Path, *, hooks: bool) -> list[str]:
        self.at.append(name)
        if name == "garden":
            raise FactsError(f"{path} is gone")
        return ["refs/heads/main"] if hooks else []


def test_a_repository_that_cannot_be_looked_at_hides_no_other(world: ServiceWorld) -> None:
    looked, data = Looked(), json.loads(world.rows("select body from ledger_entry where kind='repository.added'")[0][0])
    added = data["data"] | {"name": "meadow", "id": "r2", "path": f"{data['data']['path']}2"}
    world.append(Draft(Kind.REPOSITORY_ADDED, SERVICE, "meadow", "meadow", added))
    with pytest.raises(ExceptionGroup, match="1 of 2 repositories"):
        timed.compare(world.service, looked)  # type: ignore[arg-type]
    assert looked.at == ["garden", "meadow"]
