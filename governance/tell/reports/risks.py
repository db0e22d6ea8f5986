"""What to look at first, and the command for it. Pure: of a report's facts, and of nothing else.

Ranked by how little the record can be relied on until somebody has looked: a broken record before a way round it,
that before what waits too long, and figures that only look odd last.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping

from governance.tell.reports import events, landed
from governance.tell.reports.facts import Event, Open, Report, Risk

CRITICAL, HIGH, MEDIUM, LOW = "critical", "high", "medium", "low"
LEVELS = (CRITICAL, HIGH, MEDIUM, LOW)
SILENT_MS = 15 * 60 * 1000
"""A service that runs says something every five minutes; three are missing."""
OFTEN, MANY = 3, 10
"""So many times what is usual, and so many at least, is worth a look."""
FULL_PERCENT = 80
HOUR_MS = 3600 * 1000
NAMED = 5


def ranked(report: Report) -> tuple[Risk, ...]:
    """Return everything to look at, the worst first; each rule keeps its place among its level."""
    found = [risk for rule in _RULES for risk in rule(report)]
    return tuple(sorted(found, key=lambda risk: LEVELS.index(risk.level)))


def _broken(report: Report) -> Iterator[Risk]:
    for _, said in report.integrity.faults[:1]:
        yield _risk(CRITICAL, "The record of this time does not hold", said, "twinseal ledger verify")


def _lapses(report: Report) -> Iterator[Risk]:
    for each in _of(report, events.BYPASSES):
        check = f"twinseal repo check {shlex.quote(each.repository)}"
        yield _risk(CRITICAL, f"Refs of {each.repository} moved, or hooks were off", each.said, check)


def _fraud(report: Report) -> Iterator[Risk]:
    for each in _of(report, events.CHOICES):
        if each.kind == "decision.disowned":  # Never by words: whoever freezes may write any reason.
            yield _risk(CRITICAL, "Somebody answered FRAUD", each.said, f"twinseal ledger show {each.seq}")


def _held(report: Report) -> Iterator[Risk]:
    for each in _of(report, events.CHOICES):
        if each.kind == "decision.held":
            show = f"twinseal decision list --repo {shlex.quote(each.repository)}"
            yield _risk(HIGH, "A critical decision was not confirmed", each.said, show)


def _freezes(report: Report) -> Iterator[Risk]:
    for each in report.standing.freezes:
        named = each.repository if each.what == "refs" else f"--freeze {each.seq}"
        thaw = f"twinseal thaw {named} --remediation 'what was found and done'"
        yield _risk(HIGH, "A freeze stands", each.said, thaw)


def _registry(report: Report) -> Iterator[Risk]:
    for each in _of(report, events.MESSAGES):
        if each.kind == "message.checked":
            show = f"twinseal ledger show {each.seq}"
            yield _risk(HIGH, "Messages are not what was sent", f"{each.who} found {each.said}", show)


def _overrides(report: Report) -> Iterator[Risk]:
    for each in report.standing.overrides:
        level = HIGH if each.overdue else MEDIUM
        what = "An override is overdue for its two reviews" if each.overdue else "An override waits for two reviews"
        review = f"twinseal override review {each.seq} --verdict fine --reason 'what you found'{_at(each)}"
        yield _risk(level, what, each.said, review)


def _through(report: Report) -> Iterator[Risk]:
    count = report.tallies["let_through"]
    if count:
        why = f"{_many(count, 'push', 'pushes')} would have been refused and went through"
        where = shlex.quote(report.standing.observed[0]) if report.standing.observed else "NAME"
        yield _risk(HIGH, "Rules were not enforced", why, f"twinseal repo check {where}")
    for name in () if count else report.standing.observed:
        add = f"twinseal repo add {shlex.quote(name)} --mode enforce"
        yield _risk(LOW, f"{name} is only observed", "nothing is refused there", add)


def _thirds(report: Report) -> Iterator[Risk]:
    for each in report.standing.thirds:
        if each.overdue:
            number = each.said.split()[1]
            review = f"twinseal review tertiary {number} --approve --reason 'what you found'{_at(each)}"
            yield _risk(HIGH, "A third review is overdue", each.said, review)


def _findings(report: Report) -> Iterator[Risk]:
    for each in report.standing.findings:
        look = f"twinseal detect report{_at(each)}"
        yield _risk(MEDIUM, "Who reviews whom looks odd", f"{each.what}: {each.said}", look)
    for told in _of(report, events.FINDINGS):
        if "missed" in told.said:
            yield _risk(MEDIUM, "A known defect was approved", told.said, "twinseal canary list")


def _silence(report: Report) -> Iterator[Risk]:
    silent = report.integrity.silence_ms
    if silent > SILENT_MS:
        why = f"{span(silent)} without an entry, not even a sign of life"
        yield _risk(HIGH if silent > HOUR_MS else MEDIUM, "The service was silent", why, "twinseal doctor")


def _undelivered(report: Report) -> Iterator[Risk]:
    lost = [each for each in _of(report, events.LEDGER) if each.kind == "notice.closed"]
    for each in lost[-1:]:
        yield _risk(MEDIUM, "Notices did not reach anybody", each.said, "twinseal alert list")


def _deep(report: Report) -> Iterator[Risk]:
    if report.integrity.entries and not report.integrity.checked:
        yield _risk(LOW, "No deep check has passed in this time", "it runs once a day", "twinseal ledger verify")


def _skipped(report: Report) -> Iterator[Risk]:
    days = report.issue.skipped
    if days:
        more = f" and {len(days) - NAMED} more" if len(days) > NAMED else ""
        why = f"none is about {', '.join(days[:NAMED])}{more}"
        yield _risk(MEDIUM, "Days without a report", why, f"twinseal report daily --date {days[0]} --send")


def _bypasses(report: Report) -> Iterator[Risk]:
    count = report.tallies["gate_bypasses"]
    if count:
        yield _risk(MEDIUM, "Gates were tried to be passed by", _many(count, "push", "pushes"), "twinseal gate list")


def _blocks(report: Report) -> Iterator[Risk]:
    count = report.tallies["blocks"]
    if count:
        why = f"{_many(count, 'change', 'changes')} had been approved by two, and was not fit to land"
        yield _risk(MEDIUM, "A third reviewer blocked", why, "twinseal review queue")


def _factors(report: Report) -> Iterator[Risk]:
    for name, what in (("factor_refused", "A second factor was refused"), ("login_refused", "A log-in was refused")):
        count = report.tallies[name]
        if count:
            level = MEDIUM if count >= OFTEN else LOW
            yield _risk(level, what, _many(count, "time", "times"), "twinseal ledger tail -n 200")


def _replies(report: Report) -> Iterator[Risk]:
    waiting = report.standing.replies
    for each in waiting[:1]:
        why = f"{_many(len(waiting), 'reply is', 'replies are')} overdue; the oldest: {each.said}"
        yield _risk(MEDIUM, "Nobody answers", why, f"twinseal message list{_at(each)}")


def _debt(report: Report) -> Iterator[Risk]:
    for each in report.standing.debt:
        share = max(100 * each.units // each.most_units, 100 * each.files // each.most_files)
        if share >= FULL_PERCENT:
            why = (
                f"{each.units} of {each.most_units} units, {each.files} of {each.most_files} files in {each.repository}"
            )
            show = f"twinseal debt show --repo {shlex.quote(each.repository)}"
            yield _risk(MEDIUM, "The budget of unreviewed work is nearly used", why, show)


def _stale(report: Report) -> Iterator[Risk]:
    waiting = [each for each in report.standing.changes if each.overdue]
    for each in waiting[:1]:
        why = f"{_many(len(waiting), 'change', 'changes')}, the oldest is change {each.seq} {each.said}"
        yield _risk(LOW, "Changes wait for a review", why, f"twinseal change show {each.seq}{_at(each)}")


def _odd(report: Report) -> Iterator[Risk]:
    days = report.history[:-1] if report.kind == "daily" else report.history[:7]
    usual = sum(counts["refused"] + counts["requests_refused"] for _, counts in days)
    usual //= max(1, len(days)) if report.kind == "daily" else 1
    now = report.tallies["refused"] + report.tallies["requests_refused"]
    if now >= max(MANY, OFTEN * usual):
        most = f", most of them to {report.refused_most[0][0]}" if report.refused_most else ""
        yield _risk(LOW, "More refusals than usual", f"{now}, usually {usual}{most}", "twinseal ledger tail -n 200")


def _unreviewed(report: Report) -> Iterator[Risk]:
    glass = [each for each in report.landed if each.how == landed.OVERRIDE]
    for each in glass[:NAMED]:
        show = f"twinseal change show {each.change} --repo {shlex.quote(each.repository)}"
        yield _risk(MEDIUM, "An override landed", f"change {each.change} of {each.author}", show)


def _alone(report: Report) -> Iterator[Risk]:
    if report.standing.people == 1:
        why = "what needs two people has one; nobody else can reset a factor or review a veto"
        yield _risk(LOW, "There is one person", why, "twinseal principal add NAME --role owner")


_RULES: tuple[Callable[[Report], Iterable[Risk]], ...] = (
    _broken, _fraud, _lapses, _held, _freezes, _through, _registry, _overrides, _thirds, _silence, _skipped, _blocks,
    _findings, _undelivered, _unreviewed, _bypasses, _factors, _replies, _debt, _odd, _stale, _deep, _alone,
)  # fmt: skip


def _risk(level: str, what: str, why: str, do: str) -> Risk:
    return Risk(level=level, what=what, why=why, do=do)


def _of(report: Report, group: str) -> list[Event]:
    return [each for each in report.events if each.group == group]


def _at(each: Open) -> str:
    return f" --repo {shlex.quote(each.repository)}" if each.repository else ""


def _many(count: int, one: str, more: str) -> str:
    return f"{count} {one if count == 1 else more}"


def span(ms: int) -> str:
    """Return a length of time as people say it."""
    hours, minutes = divmod(ms // 60_000, 60)
    said = [f"{hours} h"] if hours else []
    return " ".join([*said, f"{minutes} min"] if minutes or not hours else said)


WORDS: Mapping[str, str] = {CRITICAL: "now", HIGH: "today", MEDIUM: "this week", LOW: "when you can"}
"""How soon each level wants somebody."""
