"""Which time a report is about: whole days of one zone, named by the last of them.

A day is as long as its zone has it: 23 hours or 25 where clocks change. The days of a zone follow one another without
a gap, whatever its clocks do at midnight.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from governance import zones
from governance.errors import RequestError
from governance.parameters import WEEKDAYS, Reports

DAILY, WEEKLY, AUDIT = "daily", "weekly", "audit"
LENGTHS = {DAILY: 1, WEEKLY: 7, AUDIT: 7}
"""Days of each kind. An audit ends when it is asked for."""
HISTORY = {DAILY: 8, WEEKLY: 14, AUDIT: 14}
"""Days that a report compares, its own among them."""
HOUR_MS = 3600 * 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """From `since` up to but not including `until`, in milliseconds."""

    kind: str
    day: date
    """Its last day."""
    zone: str
    since: int
    until: int

    @property
    def hours(self) -> int:
        """How long it is, in whole hours."""
        return round((self.until - self.since) / HOUR_MS)

    @property
    def history(self) -> tuple[tuple[str, int], ...]:
        """The days that are compared, the oldest first, and when each begins."""
        days = [self.day - timedelta(days=back) for back in range(HISTORY[self.kind] - 1, -1, -1)]
        return tuple((each.isoformat(), begins(each, self.zone)) for each in days)


def begins(day: date, zone: str) -> int:
    """Return when a day begins, in milliseconds. Where clocks skip midnight, it begins when they do."""
    return round(datetime.combine(day, time(), zones.zone(zone)).timestamp() * 1000)


def day_of(ms: int, zone: str) -> date:
    """Return which day a moment belongs to."""
    return datetime.fromtimestamp(ms / 1000, UTC).astimezone(zones.zone(zone)).date()


def period(kind: str, day: date, zone: str, *, until: int = 0) -> Period:
    """Return the time of a report: `day` is its last; an audit ends at `until`.

    Raises:
        RequestError: There is no such kind.
    """
    if kind not in LENGTHS:
        raise RequestError(f"a report is one of {', '.join(LENGTHS)}, got {kind!a:.40}", code="report.kind")
    first = day - timedelta(days=LENGTHS[kind] - 1)
    end = until if kind == AUDIT else begins(day + timedelta(days=1), zone)
    return Period(kind=kind, day=day, zone=zone, since=begins(first, zone), until=end)


def parse(text: str) -> date:
    """Return a day as people write it.

    Raises:
        RequestError: It is none.
    """
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise RequestError(f"expected a day as 2026-03-31, got {text!a:.40}", code="report.day") from None


def due(said: Reports, now: int) -> tuple[tuple[str, date], ...]:
    """Return the reports that should have been issued by now: of yesterday, and of the week that ended last.

    For whoever keeps the time. To issue one again costs nothing, so it may be asked at any moment.
    """
    here = datetime.fromtimestamp(now / 1000, UTC).astimezone(zones.zone(said.zone))
    today = here.date() if here.hour >= said.hour else here.date() - timedelta(days=1)
    since = (today.weekday() - WEEKDAYS.index(said.weekday)) % 7
    return ((DAILY, today - timedelta(days=1)), (WEEKLY, today - timedelta(days=since + 1)))
