"""Reads the section of a policy that says when reports are sent, and in which zone a day is a day."""

from __future__ import annotations

from governance import zones
from governance.parameters import WEEKDAYS, Reports
from governance.policy_reading import Reading
from governance.strict_yaml import Found

HOURS = 24


def read(reading: Reading, at: Found) -> Reports:
    """Return what the section says; what it leaves out has its default."""
    found, plain = reading.fields(at, (), ("zone", "hour", "weekday")), Reports()
    hour, weekday, zone = found.get("hour"), found.get("weekday"), found.get("zone")
    if zone is not None and not (isinstance(zone.value, str) and zones.known(zone.value)):
        reading.wrong(zone, "a time zone", "Name one of tzdata: UTC, Europe/Berlin.")
        zone = None
    if weekday is not None and weekday.value not in WEEKDAYS:
        reading.wrong(weekday, " or ".join(WEEKDAYS), "Write a day in English, in small letters.")
        weekday = None
    if hour is not None and (type(hour.value) is not int or not 0 <= hour.value < HOURS):
        reading.wrong(hour, "an hour from 0 to 23", "Write plain digits, without quotes.")
        hour = None
    return Reports(
        zone=str(zone.value) if zone else plain.zone,
        hour=hour.value if hour and isinstance(hour.value, int) else plain.hour,
        weekday=str(weekday.value) if weekday else plain.weekday,
    )
