"""When something is due: every so long, or at an hour of the day or of one weekday, as people's clocks have it.

Pure: the last time it was due and the time now go in, the time it is due comes out. What was missed is due once,
however often it was missed. Instants are milliseconds since 1970 UTC.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from governance import zones
from governance.parameters import WEEKDAYS

MINUTE_MS = 60 * 1000
DAY_MS = 24 * 60 * MINUTE_MS


@dataclass(frozen=True, slots=True)
class Every:
    """Every so many milliseconds, counted from when it last was due: elapsed time, whatever clocks on walls do."""

    ms: int

    def due(self, last: int, now: int) -> int:
        """Return since when it is due, 0 while it is not."""
        return now if now - last >= self.ms else 0


@dataclass(frozen=True, slots=True)
class Daily:
    """Once for each day of a zone's calendar, at an hour of it; on one `weekday` alone where that is named.

    On the day that skips this hour it is due as the clock jumps; on the day that has it twice, the first time.
    """

    hour: int
    zone: str
    weekday: str = ""

    def due(self, last: int, now: int) -> int:
        """Return the latest such hour that has come, 0 where that was `last` already, or before it."""
        latest = self.instant(self.day(now))
        return latest if latest > last else 0

    def day(self, now: int) -> date:
        """Return the day whose hour came last."""
        day = datetime.fromtimestamp(now / 1000, zones.zone(self.zone)).date()
        while (self.weekday and WEEKDAYS[day.weekday()] != self.weekday) or self.instant(day) > now:
            day -= timedelta(days=1)
        return day

    def instant(self, day: date) -> int:
        """Return when this hour of a day comes.

        An hour that the day skips is read with the offset of before (PEP 495, fold 0), which is the moment at which the
        clock jumps; of one that it has twice, the first is taken.
        """
        return round(datetime.combine(day, time(self.hour), zones.zone(self.zone)).timestamp() * 1000)


When = Every | Daily
