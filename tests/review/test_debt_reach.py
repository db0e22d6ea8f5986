"""However a large change is sliced, somebody is asked before twice the threshold has landed unreviewed."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from debt_world import RELEASE, DebtWorld, file

if TYPE_CHECKING:
    from collections.abc import Iterable

LINES, FILES = 50, 3
FOLDERS = ("", "a", "a/b", "a/b/c", "a/c")
SIGNERS = ("mia", "qa-a", "librarian", "architect-a")

Slice = tuple[str, int, str, int]
"""Folder, file, who, units. A step that is none signs a change off, or lands the one that was."""

SLICES = st.tuples(
    st.sampled_from(FOLDERS), st.integers(0, 4), st.sampled_from(("dev-a", "dev-b", "docs")), st.integers(1, LINES)
)


@dataclass
class Model:
    """What is unreviewed, counted by somebody who knows nothing of the tables."""

    landed: list[tuple[str, str, int]] = field(default_factory=list)
    signed: int = 0

    def groups(self) -> Iterable[tuple[int, int]]:
        for group in {group for group, _, _ in self.landed}:
            mine = [(path, units) for found, path, units in self.landed if found == group]
            yield sum(units for _, units in mine), len({path for path, _ in mine})


def played(world: DebtWorld, steps: list[Slice | None]) -> int:
    """Play the steps, and compare after each; return how often somebody was asked."""
    model, pending, asked = Model(), 0, 0
    large = file("z/z/z.py", LINES + 10)
    for step in steps:
        if step is None and pending:
            assert world.land(pending, large).decision.allowed
            model.landed, pending = model.landed[model.signed :], 0
        elif step is None:
            pending = world.propose(large)
            world.sign(pending, *SIGNERS)
            model.signed = len(model.landed)
        else:
            folder, number, who, units = step
            path = f"{folder}/{number}".lstrip("/")
            told = world.push(file(path, units), by=who, ref=RELEASE)
            asked += not told.decision.allowed
            if told.decision.allowed:
                model.landed.append(("/".join(folder.split("/")[:2]), path, units))
        assert all(units <= LINES and files <= FILES for units, files in model.groups())
        assert sum(units for _, _, units in model.landed) <= 3 * LINES  # All of them are run by one operator.
        assert world.units() == sum(units for _, _, units in model.landed)
    return asked


@settings(max_examples=15, deadline=None)
@given(st.lists(st.one_of(SLICES, SLICES, SLICES, st.none()), min_size=8, max_size=25))
def test_no_slicing_lands_more_than_the_budget_before_somebody_is_asked(steps: list[Slice | None]) -> None:
    with TemporaryDirectory() as folder, DebtWorld(Path(folder)) as world:
        world.branch()
        played(world, steps)
        assert world.difference() == ""


def test_somebody_is_asked_when_all_of_it_goes_to_one_place(tmp_path: Path) -> None:
    with DebtWorld(tmp_path) as world:
        world.branch()
        nine: list[Slice | None] = [("a/b", n % 3, "dev-a", 10) for n in range(9)]
        assert played(world, [*nine, None, None, *nine]) == 8
