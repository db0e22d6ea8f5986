"""A report's figures beside what is usual: this day against the seven before, this week against the last one. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from governance.tell.reports.facts import Report
from governance.tell.reports.tally import NAMES

Counts = Mapping[str, int]

FIRST = ("pushes", "refused", "landed", "commits", "approvals")
"""Figures that are always shown; the others where there is something to say of them."""
RATES: tuple[tuple[str, str, str], ...] = (
    ("third reviews drawn", "drawn", "drawable"),
    ("co-signed of asked", "cosigned", "cosign_asked"),
)
WITHIN = frozenset({"drawable", "drawn", "cosign_asked", "cosigned"})
"""Figures that are shown as rates only."""
ALARMS = ("refused", "requests_refused", "rate_limited", "gate_bypasses", "let_through", "lapses", "overrides",
          "freezes", "vetoes", "overdue", "factor_refused", "login_refused", "blocks", "rejections")  # fmt: skip
"""Figures that are better low."""
BARS = "▁▂▃▄▅▆▇█"


@dataclass(frozen=True, slots=True)
class Trend:
    """One figure: now, what is usual in tenths, and day by day."""

    name: str
    label: str
    now: str
    usual: str
    series: tuple[int, ...]
    up: int
    """1 where it is well above what is usual, -1 where it is well below."""
    alarm: bool = False


def trends(report: Report) -> tuple[Trend, ...]:
    """Return every figure worth a line."""
    first: list[Trend] = []
    rest: list[Trend] = []
    for each in _figures(report):
        (first if each.name in FIRST else rest).append(each)
    return (*first, *_rates(report), *rest)


def _figures(report: Report) -> Iterator[Trend]:
    for name, label in NAMES.items():
        if name in WITHIN:
            continue
        series, usual = days(report, name), _usual(report, name)
        now = report.tallies[name]
        if name in FIRST or now or usual:
            up = (now * 10 >= 2 * usual and now >= 3) - (2 * now * 10 <= usual and usual >= 30)  # noqa: PLR2004 - double, half
            yield Trend(name, label, str(now), _tenths(usual), series, up, name in ALARMS)


def _rates(report: Report) -> Iterator[Trend]:
    for label, part, whole in RATES:
        now, of = report.tallies[part], report.tallies[whole]
        before = [counts for _, counts in before_it(report)]
        was, was_of = sum(counts[part] for counts in before), sum(counts[whole] for counts in before)
        if of or was_of:
            series = tuple(_percent(counts[part], counts[whole]) for _, counts in report.history)
            yield Trend(part, label, _share(now, of), _share(was, was_of), series, 0)


def days(report: Report, name: str) -> tuple[int, ...]:
    """Return a figure day by day."""
    return tuple(counts[name] for _, counts in report.history)


def before_it(report: Report) -> tuple[tuple[str, Counts], ...]:
    """Return the days that a report is compared with."""
    own = 1 if report.kind == "daily" else len(report.history) // 2
    return tuple(report.history[:-own])


def _usual(report: Report, name: str) -> int:
    """Return what is usual for the length of the report, in tenths."""
    before = before_it(report)
    total = sum(counts[name] for _, counts in before)
    return (10 * total + len(before) // 2) // len(before) if report.kind == "daily" else 10 * total


def _tenths(number: int) -> str:
    return f"{number // 10}.{number % 10}" if number % 10 else str(number // 10)


def _percent(part: int, whole: int) -> int:
    return (100 * part + whole // 2) // whole if whole else 0


def _share(part: int, whole: int) -> str:
    return f"{_percent(part, whole)} % ({part} of {whole})" if whole else "none"


def bars(series: tuple[int, ...]) -> str:
    """Return a line of small bars; the tallest is the most."""
    most = max(series, default=0)
    return "".join(BARS[(each * (len(BARS) - 1) + most - 1) // most] if most else BARS[0] for each in series)
