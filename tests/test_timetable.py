from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from governance.parameters import WEEKDAYS
from governance.timetable import DAY_MS, Daily, Every

BERLIN = "Europe/Berlin"
HOUR_MS = 60 * 60 * 1000


def at(text: str, zone: str = "UTC") -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp() * 1000)


def utc(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%m-%d %H:%M")


class TestEvery:
    @pytest.mark.parametrize(("now", "due"), [(1999, 0), (2000, 2000), (900_000, 900_000)])
    def test_it_is_due_when_its_time_is_over_and_once_however_much_later(self, now: int, due: int) -> None:
        assert Every(1000).due(1000, now) == due


class TestDaily:
    def test_it_is_due_from_its_hour_on(self) -> None:
        daily, last = Daily(7, "UTC"), at("2026-06-01 07:00")
        assert daily.due(last, at("2026-06-02 06:59")) == 0
        assert daily.due(last, at("2026-06-02 07:00")) == at("2026-06-02 07:00")
        assert daily.due(last, at("2026-06-02 23:30")) == at("2026-06-02 07:00")

    def test_days_that_were_missed_are_due_once(self) -> None:
        assert Daily(7, "UTC").due(at("2026-06-01 07:00"), at("2026-06-09 06:00")) == at("2026-06-08 07:00")

    def test_a_weekday_is_due_on_that_day_alone(self) -> None:
        weekly = Daily(7, "UTC", "monday")
        last = at("2026-06-01 07:00")  # A Monday.
        assert weekly.due(last, at("2026-06-07 23:59")) == 0
        assert weekly.due(last, at("2026-06-08 07:00")) == at("2026-06-08 07:00")

    def test_the_hour_that_a_day_skips_is_due_as_the_clock_jumps(self) -> None:
        daily = Daily(2, BERLIN)
        assert utc(daily.instant(date(2026, 3, 29))) == "03-29 01:00"  # 02:00 is 03:00.
        assert daily.due(daily.instant(date(2026, 3, 28)), at("2026-03-29 00:59")) == 0

    def test_the_hour_that_a_day_has_twice_is_due_the_first_time(self) -> None:
        daily = Daily(2, BERLIN)
        first = daily.instant(date(2026, 10, 25))
        assert utc(first) == "10-25 00:00"  # Summer time.
        assert daily.due(first, first + HOUR_MS) == 0

    def test_a_zone_has_days_of_its_own(self) -> None:
        assert utc(Daily(7, "Asia/Tokyo").instant(date(2026, 6, 2))) == "06-01 22:00"

    @given(
        day=st.dates(date(2005, 1, 1), date(2035, 1, 1)),
        hour=st.integers(0, 23),
        zone=st.sampled_from(
            ["UTC", BERLIN, "America/New_York", "Australia/Lord_Howe", "America/Havana", "Asia/Kathmandu"]
        ),
        weekday=st.sampled_from(["", *WEEKDAYS]),
    )
    def test_whoever_looks_each_hour_runs_it_once_a_day(self, day: date, hour: int, zone: str, weekday: str) -> None:
        when = Daily(hour, zone, weekday)
        start = when.instant(day)
        last, runs = when.due(0, start), []
        for now in range(start, start + 21 * DAY_MS, HOUR_MS // 2):
            if due := when.due(last, now):
                last = due
                runs.append(due)
                assert now - due < HOUR_MS // 2
        days = [datetime.fromtimestamp(run / 1000, ZoneInfo(zone)).date() for run in runs]
        wanted = [days[0] + timedelta(n) for n in range((days[-1] - days[0]).days + 1)]
        assert days == [each for each in wanted if not weekday or WEEKDAYS[each.weekday()] == weekday]
