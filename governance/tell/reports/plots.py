"""The plots of a report, as PNG: on a ground of their own, so that they read the same in light and dark mail.

The same facts give the same bytes with the same version of the library: its fonts are its own, nothing of the machine's
settings is asked, and no time or name is written into the file. Nowhere else is the library imported.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from governance.tell.reports import words
from governance.tell.reports.facts import Report
from governance.tell.reports.safe import text
from governance.tell.reports.trends import before_it, days

if TYPE_CHECKING:
    from matplotlib.axes import Axes

GROUND, INK, SOFT, LINE = "#f7f8fa", "#1c2430", "#5b6675", "#dde2e8"
GOOD, BAD, WAIT, PALE = "#2f8f5b", "#c0392b", "#c98a1b", "#b9c2cd"
WIDE, TALL, ROW, PAD = 4.6, 1.7, 0.26, 0.08
"""Inches, so that what is written is read on a telephone."""
DPI = 270
MOST = 6
"""Controls that are drawn."""
WEEK = 8
"""Days up to which each has its name."""


def plots(report: Report) -> dict[str, bytes]:
    """Return the plots by the name that the page calls them by; none where there is nothing to draw."""
    found = {}
    if any(counts["pushes"] for _, counts in report.history):
        found["pushes"] = _drawn(_pushes, report, TALL)
    if report.refused:
        found["refused"] = _drawn(_refused, report, 0.45 + ROW * len(_controls(report)))
    return found


def described(report: Report) -> Mapping[str, str]:
    """Return what each plot shows, for who does not see it."""
    landed, refused = days(report, "landed"), days(report, "refused")
    controls = ", ".join(f"{name} {count}" for name, count in _controls(report))
    return {
        "pushes": f"Landed by day: {', '.join(map(str, landed))}. Refused by day: {', '.join(map(str, refused))}.",
        "refused": f"Refused by control: {text(controls)}.",
    }


def _drawn(draw: Callable[[Axes, Report], None], report: Report, tall: float) -> bytes:
    from matplotlib import rc_context, rcParamsDefault  # noqa: PLC0415 - half a second, and paid only where one is drawn
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415 - likewise
    from matplotlib.figure import Figure  # noqa: PLC0415 - likewise
    from matplotlib.layout_engine import ConstrainedLayoutEngine  # noqa: PLC0415 - likewise

    plain = {name: value for name, value in rcParamsDefault.items() if not name.startswith("backend")}
    with rc_context(plain | {"font.family": "DejaVu Sans", "font.size": 8, "svg.fonttype": "path"}):
        figure = Figure(figsize=(WIDE, tall), dpi=DPI, facecolor=GROUND)
        figure.set_layout_engine(ConstrainedLayoutEngine(w_pad=PAD, h_pad=PAD))
        FigureCanvasAgg(figure)
        axes = figure.subplots()
        _plain(axes)
        draw(axes, report)
        out = io.BytesIO()
        figure.savefig(out, format="png", metadata={"Software": None})
    return out.getvalue()


def _plain(axes: Axes) -> None:
    axes.set_facecolor(GROUND)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(LINE)
    axes.tick_params(length=0, colors=SOFT)


def _pushes(axes: Axes, report: Report) -> None:
    names = [_day(day, index, len(report.history)) for index, (day, _) in enumerate(report.history)]
    places = list(range(len(names)))
    landed, refused = days(report, "landed"), days(report, "refused")
    old = len(before_it(report))
    _bars(axes, [place - 0.2 for place in places], landed, GOOD, "landed", old)
    _bars(axes, [place + 0.2 for place in places], refused, BAD, "refused", old)
    axes.set_xticks(places, names)
    axes.set_yticks([])
    axes.set_ylim(0, max(1, *landed, *refused) * 1.22)
    axes.set_title("Pushes by day", loc="left", color=INK, fontsize=9, fontweight="bold")
    axes.legend(loc="upper left", ncols=2, frameon=False, fontsize=8, labelcolor=SOFT, handlelength=1, borderpad=0)


def _bars(axes: Axes, places: list[float], heights: tuple[int, ...], colour: str, label: str, old: int) -> None:
    """Draw one kind of bar: those of the days before are paler."""
    axes.bar(places[old:], heights[old:], width=0.38, color=colour, label=label)
    axes.bar(places[:old], heights[:old], width=0.38, color=colour, alpha=0.45)
    for place, height in zip(places, heights, strict=True):
        if height:
            axes.text(place, height, str(height), ha="center", va="bottom", color=SOFT, fontsize=7)


def _refused(axes: Axes, report: Report) -> None:
    found = _controls(report)[::-1]
    places = list(range(len(found)))
    axes.barh(places, [count for _, count in found], height=0.6, color=BAD, alpha=0.8)
    axes.set_yticks(places, [_control(name) for name, _ in found], color=INK)
    axes.set_xticks([])
    axes.set_ylim(-0.6, len(found) - 0.4)
    most = max(count for _, count in found)
    for place, (_, count) in zip(places, found, strict=True):
        axes.text(count + most / 80, place, str(count), va="center", color=SOFT)
    axes.set_xlim(0, most * 1.1)
    axes.set_title("What said no", loc="left", color=INK, fontsize=9, fontweight="bold")


def _control(name: str) -> str:
    """Return a control's name as it is drawn: never taken for a formula."""
    return text(name).replace("_", " ").replace("$", "")[:24]


def _controls(report: Report) -> list[tuple[str, int]]:
    counts: dict[str, int] = {}
    for each in report.refused:
        counts[each.control] = counts.get(each.control, 0) + each.count
    return sorted(counts.items(), key=lambda each: (-each[1], each[0]))[:MOST]


def _day(day: str, index: int, count: int) -> str:
    """Return a day's name; of two weeks, every second one has none."""
    if count > WEEK and index % 2 != (count - 1) % 2:
        return ""
    _, number, month, _ = words.long_day(day).split()
    return f"{number} {month[:3]}"
