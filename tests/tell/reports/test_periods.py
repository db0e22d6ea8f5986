"""Which time a report is about, in zones whose clocks change."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from governance import zones
from governance.errors import RequestError, SettingsError
from governance.parameters import Reports
from governance.tell.reports import periods
from governance.tell.reports.periods import day_of, due, parse, period

HOUR = periods.HOUR_MS
ZONES = ("UTC", "Europe/Berlin", "America/Santiago", "Asia/Kathmandu", "Africa/Cairo", "Pacific/Apia")


def ms(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)


@pytest.mark.parametrize(
    ("day", "zone", "hours"),
    [
        ("2026-03-28", "Europe/Berlin", 24),
        ("2026-03-29", "Europe/Berlin", 23),
        ("2026-10-25", "Europe/Berlin", 25),
        ("2026-10-25", "UTC", 24),
        ("2026-04-24", "Africa/Cairo", 23),  # Clocks skip the very midnight: the day begins at one.
        ("2011-12-30", "Pacific/Apia", 0),  # A day that the calendar left out.
    ],
)
def test_a_day_is_as_long_as_its_zone_has_it(day: str, zone: str, hours: int) -> None:
    assert period("daily", date.fromisoformat(day), zone).hours == hours


def test_a_week_is_seven_days_and_names_its_last() -> None:
    week = period("weekly", date(2026, 3, 29), "Europe/Berlin")
    assert (week.hours, day_of(week.since, week.zone)) == (7 * 24 - 1, date(2026, 3, 23))
    assert [name for name, _ in week.history][-7:] == [f"2026-03-{day}" for day in range(23, 30)]
    assert len(week.history) == 14


@given(day=st.dates(date(1990, 1, 1), date(2037, 1, 1)), zone=st.sampled_from(ZONES))
def test_days_follow_one_another_without_a_gap(day: date, zone: str) -> None:
    one, two = period("daily", day, zone), period("daily", day + timedelta(days=1), zone)
    assert one.until == two.since
    assert 0 <= one.hours <= 26
    if one.hours:
        assert day_of(one.since, zone) == day
        assert day_of(one.until - 1, zone) == day


@pytest.mark.parametrize(
    ("now", "zone", "weekday", "found"),
    [
        ("2026-03-30T07:00+00:00", "UTC", "monday", ("2026-03-29", "2026-03-29")),
        ("2026-03-30T06:59+00:00", "UTC", "monday", ("2026-03-28", "2026-03-22")),
        ("2026-03-31T12:00+00:00", "UTC", "monday", ("2026-03-30", "2026-03-29")),
        ("2026-03-30T05:00+00:00", "Europe/Berlin", "monday", ("2026-03-29", "2026-03-29")),
        ("2026-03-30T05:00+00:00", "Europe/Berlin", "sunday", ("2026-03-29", "2026-03-28")),
    ],
)
def test_what_is_due_is_of_yesterday_and_of_the_week_that_ended_last(
    now: str, zone: str, weekday: str, found: tuple[str, str]
) -> None:
    said = Reports(zone=zone, weekday=weekday)
    assert [(kind, day.isoformat()) for kind, day in due(said, ms(now))] == [("daily", found[0]), ("weekly", found[1])]


@pytest.mark.parametrize(
    "text", ["", "yesterday", "2026-02-30", "2026-1-1", "2026-01-01T00:00", "\u0662\u0660\u0662\u0666-01-01"]
)
def test_what_is_no_day_is_refused(text: str) -> None:
    with pytest.raises(RequestError) as refused:
        parse(text)
    assert refused.value.code == "report.day"


def test_there_are_three_kinds() -> None:
    with pytest.raises(RequestError) as refused:
        period("hourly", date(2026, 1, 1), "UTC")
    assert refused.value.code == "report.kind"
    assert period("audit", date(2026, 1, 7), "UTC", until=5).until == 5


def test_zones_are_those_of_the_locked_data_and_no_path_leads_out_of_them() -> None:
    assert zones.zone("UTC") is UTC
    assert zones.known("Europe/Berlin")
    for name in ("Mars/Olympus", "../../etc/passwd", "/etc/localtime", "Europe", "europe/berlin", "", "zones"):
        assert not zones.known(name)
        with pytest.raises(SettingsError):
            zones.zone(name)
