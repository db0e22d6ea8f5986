"""Reads the section `alerts` of a policy, and writes it out again: who is told of what, by which channels."""

from __future__ import annotations

import re
from typing import Any

from governance.channels import CHANNELS
from governance.parameters import SEVERITIES, Alerts
from governance.policy_reading import Reading
from governance.strict_yaml import Found

SECTION = "alerts"

_NAME = re.compile(r"[a-z][a-z0-9_]*(\.[a-z0-9_]+)+")
"""A kind of entry, or the code of a refusal or an alert."""


def read(reading: Reading, at: Found) -> Alerts:
    """Return what the section says; what it leaves out has its default."""
    plain = Alerts()
    fields = reading.fields(at, (), ("routes", "severities", "flood"))
    return Alerts(
        routes=_routes(reading, fields["routes"]) if "routes" in fields else plain.routes,
        severities=_severities(reading, fields["severities"]) if "severities" in fields else (),
        flood=reading.whole(fields.get("flood"), plain.flood),
    )


def described(alerts: Alerts) -> dict[str, Any]:
    """Return the section as plain JSON, defaults included."""
    said: dict[str, Any] = {"routes": {severity: list(channels) for severity, channels in alerts.routes}}
    if alerts.severities:
        said["severities"] = dict(alerts.severities)
    return said | {"flood": alerts.flood}


def _routes(reading: Reading, at: Found) -> tuple[tuple[str, tuple[str, ...]], ...]:
    found = dict(Alerts().routes)
    for severity, item in reading.fields(at, (), SEVERITIES).items():
        # Nobody is told of what is routed nowhere; that may be meant, but not of what is critical.
        nothing = isinstance(item.value, list) and not item.value and severity != "critical"
        named = frozenset() if nothing else reading.names(item, "channels", CHANNELS)
        found[severity] = tuple(channel for channel in CHANNELS if channel in named)
    return tuple(found.items())


def _severities(reading: Reading, at: Found) -> tuple[tuple[str, str], ...]:
    if not isinstance(at.value, dict) or not at.value:
        reading.wrong(at, "a mapping of kinds or codes to severities", "Write one a line, or leave the key out.")
        return ()
    found = {}
    for name, item in at.value.items():
        if not _NAME.fullmatch(name):
            reading.problem(item, "expected a kind of entry or a code, like veto.cast", "Correct the name.")
        if item.value in SEVERITIES:
            found[name] = str(item.value)
        else:
            reading.wrong(item, " or ".join(SEVERITIES), f"Write one of {', '.join(SEVERITIES)}.")
    return tuple(sorted(found.items()))
