"""A figure, what it should reach, and how both are shown."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter

from rich.console import Console
from rich.table import Table

FORMS: Mapping[str, Callable[[float, float], float]] = {
    "ours/other": lambda ours, other: ours / other,
    "other/ours": lambda ours, other: other / ours,
    "ours-other": lambda ours, other: ours - other,
    "ours": lambda ours, other: ours,
}
"""What a reach may look at."""


@dataclass(frozen=True, slots=True)
class Reach:
    """A bound on one form of the two figures; the lower one where `at_least`."""

    form: str
    limit: float
    at_least: bool = False

    def met(self, ours: float, other: float) -> bool:
        """Whether the figures are within it."""
        found = FORMS[self.form](ours, other)
        return found >= self.limit if self.at_least else found <= self.limit

    def said(self, unit: str) -> str:
        """Return it as people and scripts read it; a ratio has no unit."""
        tail = "" if "/" in self.form else f" {unit}"
        return f"{self.form} {'>=' if self.at_least else '<='} {self.limit:g}{tail}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """Ours and the other's, medians of `n` measurements each unless the note says otherwise."""

    id: str
    ours: float
    other: float
    other_name: str
    unit: str
    reach: Reach
    n: int
    note: str = ""

    @property
    def met(self) -> bool:
        """Whether the reach is met."""
        return self.reach.met(self.ours, self.other)

    @property
    def ratio(self) -> float:
        """How many times: ours over the other's, or turned round where the reach reads so."""
        return FORMS[self.reach.form if "/" in self.reach.form else "ours/other"](self.ours, self.other)

    def plain(self) -> dict[str, object]:
        """Return what a script reads."""
        return {
            "id": self.id,
            "ours": round(self.ours, 4),
            "other": round(self.other, 4),
            "other_name": self.other_name,
            "unit": self.unit,
            "ratio": round(self.ratio, 3),
            "reach": self.reach.said(self.unit),
            "met": self.met,
            "n": self.n,
            "note": self.note,
        }


def by_turns(rounds: int, ours: Callable[[int], float], other: Callable[[int], float]) -> tuple[float, float]:
    """Return the medians of two measurements taken in turn, so that what disturbs the machine disturbs both.

    Each is told the round. Who goes first changes from round to round, for the one may warm what the other uses.
    """
    found: tuple[list[float], list[float]] = ([], [])
    for each in range(rounds):
        for which in (0, 1) if each % 2 else (1, 0):
            found[which].append((ours, other)[which](each))
    return median(found[0]), median(found[1])


def timed(deed: Callable[[], object]) -> float:
    """Return how many seconds it took."""
    began = perf_counter()
    deed()
    return perf_counter() - began


def progress(text: str) -> None:
    """Say what is going on, where it does not get into a pipe."""
    print(f"bench: {text}", file=sys.stderr, flush=True)


def show(figures: Iterable[Figure]) -> None:
    """Print the table."""
    table = Table(caption="medians; n measurements of each, taken in turn", caption_justify="left")
    for name, justify in {"id": "left", "ours": "right", "other": "right", "unit": "left", "ratio": "right"}.items():
        table.add_column(name, justify="right" if justify == "right" else "left", no_wrap=True)
    for name in ("reach", "n", "against, and how"):
        table.add_column(name)
    for each in figures:
        colour = "green" if each.met else "bold red"
        cells = (each.id, f"{each.ours:.4g}", f"{each.other:.4g}", each.unit, f"{each.ratio:.2f}")
        reach = f"[{colour}]{each.reach.said(each.unit)}{'' if each.met else ' MISSED'}[/]"
        table.add_row(*cells, reach, str(each.n), f"{each.other_name}. {each.note}".strip())
    Console(width=None if sys.stdout.isatty() else 180).print(table)


def write(figures: Iterable[Figure], path: Path) -> None:
    """Write what a script reads."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps([each.plain() for each in figures], indent=1) + "\n", encoding="utf-8")
