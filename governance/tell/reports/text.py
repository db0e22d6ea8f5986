"""A report as lines of text: for a terminal, with styles, and for the plain part of its mail, without."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple

from governance.tell.reports import events, risks, words
from governance.tell.reports.facts import Event, Open, Report
from governance.tell.reports.periods import DAILY
from governance.tell.reports.safe import safe
from governance.tell.reports.trends import bars, trends

WIDTH = 78
SHOWN = 25
"""Of each list; the JSON has more."""
LABEL, NUMBER, USUAL = 29, 16, 16


class Line(NamedTuple):
    """A line and how it looks: `title`, `head`, `bad`, `wait`, `good`, `dim`, `command` or nothing."""

    text: str
    style: str = ""


def plain_text(report: Report, *, warning: str = "") -> str:
    """Return the plain part of a mail."""
    return "\n".join(line.text for line in lines(report, warning=warning)) + "\n"


def lines(report: Report, *, warning: str = "") -> list[Line]:
    """Return every line, the most important first."""
    shown = safe(report)
    first = [*_wrapped(f"✗ {warning}", style="bad"), Line("")] if warning else []
    rooms = (_top, _do, _figures, _landed, _refused, _events, _trail, _standing, _record)
    return [*first, *(line for room in rooms for line in room(shown))]


def _top(report: Report) -> Iterator[Line]:
    day = words.covers(report)
    name = f"Twinseal  {words.title(report)}"
    yield Line(f"{name}{day:>{WIDTH - len(name)}}", "title")
    yield Line(f"{report.log} · {report.hours} hours, {report.zone}", "dim")
    yield Line("")
    marks = {"bad": "✗", "wait": "!", "good": "✓"}
    mood = words.mood(report)
    yield from _wrapped(f"{marks[mood]} {words.headline(report)}", indent="  ", style=mood)


def _head(name: str) -> Iterator[Line]:
    yield Line("")
    yield Line(name.upper(), "head")


def _wrapped(said: str, *, indent: str = "  ", style: str = "", hang: int = 0) -> Iterator[Line]:
    after = " " * hang or indent
    for line in textwrap.wrap(said, WIDTH, initial_indent=indent, subsequent_indent=after, break_on_hyphens=False):
        yield Line(line, style)


def _do(report: Report) -> Iterator[Line]:
    if not report.risks:
        return
    yield from _head("What to do")
    styles = {risks.CRITICAL: "bad", risks.HIGH: "wait"}
    for risk in report.risks[:SHOWN]:
        when = risks.WORDS[risk.level]
        if risk.level == risks.LOW:
            yield from _wrapped(f"{when:<13}{risk.what}: {risk.why}", hang=15)
            yield Line(f"{' ' * 15}$ {risk.do}", "dim")
            continue
        yield Line(f"  {when:<13}{risk.what}", styles.get(risk.level, ""))
        yield from _wrapped(risk.why, indent=" " * 15)
        yield Line(f"{' ' * 15}$ {risk.do}", "command")


def _figures(report: Report) -> Iterator[Line]:
    yield from _head("In figures")
    usual = "usual" if report.kind == DAILY else "week before"
    yield Line(f"  {'':<{LABEL}}{'now':>{NUMBER}}{usual:>{USUAL}}   {len(report.history)} days", "dim")
    for each in trends(report):
        style = "wait" if each.alarm and each.up > 0 else "" if each.now != "0" else "dim"
        yield Line(f"  {each.label:<{LABEL}}{each.now:>{NUMBER}}{each.usual:>{USUAL}}   {bars(each.series)}", style)


def _landed(report: Report) -> Iterator[Line]:
    count = len(report.landed) + report.landed_more
    yield from _head(f"Landed, and who approved it ({count})")
    if not count:
        yield Line("  nothing", "dim")
    for each in report.landed[:SHOWN]:
        when = words.clock(each.at, report.zone, days=report.kind != DAILY)
        what = f"change {each.change}: {each.title}" if each.change else f"pushed at once (entry {each.seq})"
        style = "wait" if each.how in {"override", "let through"} else ""
        yield from _wrapped(f"{when}  {each.repository} {words.branch(each.ref)} · {what}", style=style)
        risk = f" High risk: {'; '.join(each.reasons)}." if each.high_risk else ""
        yield from _wrapped(f"by {each.author}; {words.approved(each)}. {words.size(each)}.{risk}", indent=" " * 9)
    yield from _more(count)


def _refused(report: Report) -> Iterator[Line]:
    total = sum(each.count for each in report.refused)
    yield from _head(f"Refused, by control ({total})")
    if not total:
        yield Line("  nothing", "dim")
    for each in report.refused[:SHOWN]:
        yield Line(f"  {each.count:>5}  {each.control.replace('_', ' '):<18}{each.code}")
    if report.refused_most:
        yield from _wrapped(f"most often: {', '.join(f'{who} {n}' for who, n in report.refused_most)}", style="dim")


def _events(report: Report) -> Iterator[Line]:
    ordered = sorted(report.events, key=lambda each: events.GROUPS.index(each.group))
    if not ordered:
        return
    yield from _head("What else happened")
    for group, some in groupby(ordered, key=attrgetter("group")):
        found = list(some)
        yield Line(f"  {group}", "dim")
        yield from _told(found[:SHOWN], report)
        yield from _more(len(found))


def _told(some: Iterable[Event], report: Report) -> Iterator[Line]:
    for each in some:
        when = words.clock(each.at, report.zone, days=report.kind != DAILY)
        where = f" [{each.repository}]" if each.repository else ""
        said = each.said.removeprefix(f"{each.who} ")  # Many a sentence begins with who it was.
        yield from _wrapped(f"{when}  {each.who}{where} {said} (entry {each.seq})", indent="    ", hang=11)


def _trail(report: Report) -> Iterator[Line]:
    if not report.about:
        return
    yield from _head(f"All that {report.person or 'nobody we know'} did, or that was done about them")
    yield from _told(report.trail, report)


def _standing(report: Report) -> Iterator[Line]:
    stands, at = report.standing, report.standing
    yield from _head("How things stood at the end")
    named = (
        ("freezes", at.freezes), ("vetoes", at.vetoes), ("overrides to review", at.overrides),
        ("replies overdue", at.replies), ("third reviews owed", at.thirds), ("under review", at.changes),
        ("findings in force", at.findings),
    )  # fmt: skip
    for name, some in named:
        yield from _wrapped(f"{name:<21}{_open(some)}", style="" if some else "dim", hang=23)
    for owed in stands.debt:
        used = f"{owed.units} of {owed.most_units} units, {owed.files} of {owed.most_files} files"
        yield Line(f"  {'unreviewed work':<21}{owed.repository}: {used}")
    if stands.observed:
        yield from _wrapped(f"{'not enforced':<21}{', '.join(stands.observed)}", style="wait")
    yield Line(
        f"  {'enrolled':<21}{words.many(stands.people, 'person', 'people')}, {words.many(stands.agents, 'agent')}"
    )


def _open(some: tuple[Open, ...]) -> str:
    named = ", ".join(f"{each.seq}{' (overdue)' if each.overdue else ''}" for each in some[:8])
    return f"{len(some)}: {named}" if some else "none"


def _more(count: int) -> Iterator[Line]:
    if count > SHOWN:
        yield Line(f"    and {count - SHOWN} more in the attached JSON", "dim")


def _record(report: Report) -> Iterator[Line]:
    yield from _head("The record")
    style = "bad" if report.integrity.faults else ""
    for said in (words.holds(report), words.deep(report), words.chained(report)):
        yield from _wrapped(said, style=style)
    if not report.issue.checkpoint:
        return
    yield from _wrapped("Save this mail. Whoever has it can tell whether the ledger still says what it said:")
    yield Line("  $ twinseal ledger verify --against MAIL", "command")
    yield Line("")
    yield from (Line(line, "dim") for line in report.issue.checkpoint.rstrip("\n").split("\n"))
    yield Line("")
