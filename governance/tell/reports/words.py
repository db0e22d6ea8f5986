"""Sentences and dates that text and page share. Of a report that is safe already; no locale has a say in them."""

from __future__ import annotations

from datetime import UTC, date, datetime

from governance import zones
from governance.parameters import WEEKDAYS
from governance.tell.reports import risks
from governance.tell.reports.facts import Landed, Report
from governance.tell.reports.periods import AUDIT, DAILY

MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip
HOW = {
    "override": "by override, without its review",
    "let through": "let through; nothing was enforced",
    "small": "below the threshold, nobody asked",
    "reviewed": "",
}


def many(count: int, one: str, more: str = "") -> str:
    """Return a number with its noun."""
    return f"{count} {one if count == 1 else more or one + 's'}"


def long_day(day: str) -> str:
    """Return a day in full."""
    found = date.fromisoformat(day)
    return f"{WEEKDAYS[found.weekday()].capitalize()} {found.day} {MONTHS[found.month - 1]} {found.year}"


def covers(report: Report) -> str:
    """Return what time a report is about, in words."""
    named = long_day(report.day)
    return named if report.kind == DAILY else f"the week to {named}"


def clock(ms: int, zone: str, *, days: bool = False) -> str:
    """Return a time of day in a zone, with its day where a report is of several."""
    found = datetime.fromtimestamp(ms / 1000, UTC).astimezone(zones.zone(zone))
    hour = f"{found.hour:02}:{found.minute:02}"
    return f"{found.day} {MONTHS[found.month - 1][:3]} {hour}" if days else hour


def title(report: Report) -> str:
    """Return what a report is called."""
    kind = {DAILY: "Daily report", AUDIT: "Audit"}.get(report.kind, "Weekly report")
    return f"{kind} {report.issue.number}" if report.issue.number else f"{kind}, not issued"


def headline(report: Report) -> str:
    """Return the one sentence that somebody reads who reads one."""
    if report.integrity.faults:
        return "The record of this time does not hold. Nothing below can be relied on until somebody has looked."
    needing = many(report.needing, "thing cannot wait", "things cannot wait") if report.needing else "Nothing needs you"
    if not any(report.tallies.values()):
        return f"{needing}. Nothing happened, and the record holds."
    return f"{needing}. {summary(report)}"


def summary(report: Report) -> str:
    """Return what happened, in one sentence."""
    t = report.tallies
    said = [f"{t['landed']} landed", f"{t['refused'] + t['requests_refused']} refused"]
    said += [f"{t['overrides']} by override"] if t["overrides"] else []
    said += [f"{t['let_through']} let through"] if t["let_through"] else []
    said.append("refs moved behind our back" if t["lapses"] else "nothing came past the rules")
    if t["let_through"]:
        said.pop()
    return f"{', '.join(said)}."


def mood(report: Report) -> str:
    """Return `bad`, `wait` or `good`: the colour of the whole."""
    worst = {risk.level for risk in report.risks}
    return "bad" if risks.CRITICAL in worst else "wait" if risks.HIGH in worst else "good"


def subject(report: Report) -> str:
    """Return the subject of its mail: ASCII, and nothing in it that somebody chose."""
    kind = {DAILY: "Daily report", AUDIT: "Audit"}.get(report.kind, "Weekly report")
    state = f"{report.needing} cannot wait" if report.needing else "nothing needs you"
    return f"[Twinseal] {kind} {report.issue.number}, {report.day}: {state}"


def approved(each: Landed) -> str:
    """Return who approved something that landed."""
    said = [f"approved by {', '.join(each.approvers)}" if each.approvers else "approved by nobody"]
    said += [f"third reviewer {', '.join(each.third)}"] if each.third else []
    said += [HOW[each.how]] if HOW[each.how] else []
    return "; ".join(said)


def size(each: Landed) -> str:
    """Return how large something is that landed."""
    return f"{many(each.units, 'unit')} in {many(each.files, 'file')}, {many(each.commits, 'commit')}"


def branch(ref: str) -> str:
    """Return a ref without its prefix."""
    return ref.removeprefix("refs/heads/")


def holds(report: Report) -> str:
    """Return what is known of the record of this time."""
    found, count = report.integrity, report.integrity.entries
    if found.faults:
        return f"{many(count, 'entry', 'entries')} read; the first fault: {found.faults[0][1]}."
    said = f"{many(count, 'entry', 'entries')} ({report.first} to {max(report.first, report.upto - 1)}), chain unbroken"
    if found.covered:
        return f"{said}; the checkpoint below is of {many(found.covered, 'entry', 'entries')} and holds all of them."
    return f"{said}; no checkpoint holds them yet."


def deep(report: Report) -> str:
    """Return which deep checks passed."""
    done = [f"the {what} ({size})" for what, size, _ in report.integrity.checked]
    return f"Deep check passed: {', '.join(dict.fromkeys(done))}." if done else "No deep check passed in this time."


def chained(report: Report) -> str:
    """Return where a report stands in its series."""
    issue = report.issue
    if not issue.number:
        return "This report was not issued: it has no number and no checkpoint."
    before = (
        f"The one before is {issue.number - 1}, of {issue.previous_day}, digest {issue.previous}."
        if issue.previous
        else "It is the first of its series."
    )
    return f"Number {issue.number} of its series. {before} A number that is missing in your mail is an alarm."
