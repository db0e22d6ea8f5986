"""`python -m tests.detect [--smoke] [--repo PATH]`: how well what we detect is detected; out/detect.json.

A missed reach is red in the table and `met: false` in the file, and ends the run with 1.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from governance.detect import cases, graph, power
from governance.detect.exact import bounds
from governance.detect.graph import Review
from tests.detect import drawing, histories, looking, slicing
from tests.detect.fleets import HONEST, KINDS, SIZES

SEED = 20_261_121
ALARMS = looking.LIMITS.false_alarm_percent / 100


@dataclass(frozen=True, slots=True)
class Counts:
    """How many of each."""

    honest: int = 200
    large: int = 100
    """Honest fleets of the largest size: each takes a second."""
    fleets: int = 60
    slices: int = 400
    draws: int = 100_000
    sizes: tuple[int, ...] = SIZES


SMOKE = Counts(honest=6, large=2, fleets=3, slices=10, draws=4000, sizes=(6, 12))


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """So many of so many, with its exact 95 % interval; the reach where there is one."""

    what: str
    of: str
    hits: int
    tried: int
    reach: str = ""
    met: bool | None = None
    note: str = ""

    def plain(self) -> dict[str, Any]:
        """Return what a script reads."""
        low, high = bounds(self.hits, self.tried)
        return asdict(self) | {"rate": self.hits / self.tried, "low": low, "high": high}


def fleets(counts: Counts, progress: Progress) -> Iterator[Figure]:
    """Measure the detectors on made-up fleets."""
    for size in counts.sizes:
        for kind in KINDS:
            honest = counts.large if size == max(SIZES) else counts.honest
            tried = honest if kind in HONEST else counts.fleets
            name = f"{kind}, {size}"
            seeds = progress.track(range(SEED, SEED + tried), description=f"fleets: {name}")
            yield from _fleet(name, kind, [looking.look(size, kind, seed) for seed in seeds])
            yield from _canaries(name, kind, size, tried)


def _fleet(name: str, kind: str, seen: list[looking.Seen]) -> Iterator[Figure]:
    tried, false = len(seen), sum(each.false for each in seen)
    days = [each.day for each in seen if each.day is not None]
    soon = f"median day {median(days):g}, latest {max(days)}" if days else ""
    if kind in HONEST:
        alarms = {"reach": f"<= {ALARMS:.0%}", "met": false <= ALARMS * tried}
        yield Figure(what="graph: false alarm in 30 daily looks", of=name, hits=false, tried=tried, **alarms)
        wrong = sum(each.hurried_false for each in seen)
        alarms["met"] = wrong <= ALARMS * tried
        yield Figure(what="time: false alarm in 30 daily looks", of=name, hits=wrong, tried=tried, **alarms)
        alone = sum(each.windows for each in seen)
        yield Figure(what="windows alone, at the end", of=name, hits=alone, tried=tried, note="for comparison")
        return
    yield Figure(what="graph: seen in 30 days", of=name, hits=len(days), tried=tried, note=soon)
    yield Figure(what="graph: somebody else named", of=name, hits=false, tried=tried)
    if kind == "hasty":
        yield Figure(what="time: seen in 30 days", of=name, hits=sum(each.hurried for each in seen), tried=tried)


def _canaries(name: str, kind: str, size: int, tried: int) -> Iterator[Figure]:
    for count in looking.CANARIES:
        shown = [looking.canaries(size, kind, seed, count) for seed in range(SEED, SEED + tried)]
        right, wrong = (sum(column) for column in zip(*shown, strict=True))
        if kind in HONEST:
            alarms = {"reach": f"<= {ALARMS:.0%}", "met": wrong <= ALARMS * tried}
            yield Figure(what=f"{count} canaries each: false alarm", of=name, hits=wrong, tried=tried, **alarms)
        else:
            yield Figure(what=f"{count} canaries each: seen", of=name, hits=right, tried=tried)


def slices(counts: Counts) -> Iterator[Figure]:
    """Measure how much a change cut into slices lands."""
    for pattern in slicing.PATTERNS:
        ran = [slicing.run(pattern, SEED + number) for number in range(counts.slices)]
        good, worst = sum(each.in_time for each in ran), max(each.lines / each.budget for each in ran)
        reach = {"reach": "all", "met": good == len(ran), "note": f"at worst {worst:.2f} of its budget landed"}
        yield Figure(what="sliced: caught before twice the budget", of=pattern, hits=good, tried=len(ran), **reach)


def draws(counts: Counts) -> Iterator[Figure]:
    """Measure the draws."""
    drawn = drawing.measure(SEED, counts.draws)
    ps = (drawn.p_uniform, drawn.p_after, drawn.p_other_key)
    note = "chi-squared p: uniform {:.3f}, next draw {:.3f}, other key {:.3f}".format(*ps)
    met = min(ps) > 0.001 and drawn.interval[0] <= 0.1 <= drawn.interval[1]
    hits = round(drawn.rate * drawn.draws)
    yield Figure(what="drawn", of="every tenth", hits=hits, tried=drawn.draws, reach="p > 0.001", met=met, note=note)


def history(path: Path) -> dict[str, Any]:
    """Judge every window of a real history, by its end; say what could have been seen in the last."""
    found = histories.replayed(path)
    step = looking.LIMITS.window_days * graph.DAY_MS
    ends = range(found[0].at + step, found[-1].at + step, step) if found else range(0)
    named = [case for end in ends for case in _judged(found, end).found]
    last = power.of(found, looking.LIMITS, now=found[-1].at, seed=SEED) if found else None
    return {
        "repository": path.resolve().name,
        "reviews": len(found),
        "people": len(graph.people(found)),
        "windows": len(ends),
        "named": [{"pattern": case.pattern, "people": list(case.people), "q": case.q} for case in named],
        "power": last.said if last is not None else "none: git's history shows no review here",
    }


def _judged(found: list[Review], end: int) -> cases.Judged:
    return cases.judge(found, looking.LIMITS, now=end, seed=SEED, draws=looking.DRAWS)


def show(figures: list[Figure], past: dict[str, Any] | None, console: Console) -> None:
    """Print the table."""
    table = Table(title="what is detected, how often (exact 95 % intervals)", title_justify="left")
    for name in ("detector", "of", "hits", "rate", "interval", "reach", ""):
        table.add_column(name)
    for each in figures:
        plain = each.plain()
        interval = f"{plain['low']:.1%} to {plain['high']:.1%}"
        reach = "" if each.met is None else f"[{'green' if each.met else 'bold red'}]{each.reach}[/]"
        table.add_row(
            each.what, each.of, f"{each.hits}/{each.tried}", f"{plain['rate']:.1%}", interval, reach, each.note
        )
    console.print(table)
    if past is not None:
        console.print("history of {repository}: {reviews} reviews by {people} people, {windows} windows".format(**past))
        console.print(f"  named: {len(past['named'])}; power at its end: {past['power']}")


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(prog="python -m tests.detect", description="How well what we detect is detected.")
    parser.add_argument("--smoke", action="store_true", help="tiny counts: whether it runs, not how well it detects")
    parser.add_argument("--repo", type=Path, help="replay the merges of this git repository, too")
    parser.add_argument("--out", type=Path, default=Path("out/detect.json"), help="where the figures are written")
    asked = parser.parse_args()
    counts, console = SMOKE if asked.smoke else Counts(), Console()
    with Progress(console=Console(stderr=True), transient=True) as progress:
        figures = [*slices(counts), *draws(counts), *fleets(counts, progress)]
        past = history(asked.repo) if asked.repo else None
    show(figures, past, console if sys.stdout.isatty() else Console(width=170))
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    written = {"seed": SEED, "counts": asdict(counts), "figures": [each.plain() for each in figures], "history": past}
    asked.out.write_text(json.dumps(written, indent=1) + "\n", encoding="utf-8")
    sys.exit(any(each.met is False for each in figures) and not asked.smoke)


if __name__ == "__main__":
    main()
