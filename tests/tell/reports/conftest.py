from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from report_world import Fleet, lively

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DAYS = 5


@pytest.fixture(scope="session")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """A fleet that has lived for five days, the last a bad one. Tests may only read it."""
    with Fleet(tmp_path_factory.mktemp("lived")) as fleet:
        lively(fleet, DAYS)
        fleet.sealed()
        yield fleet


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    """A fleet on which nothing has happened yet; no sign of life unless a test asks for it."""
    with Fleet(tmp_path) as made:
        made.beats = False
        yield made
        assert made.difference() == ""
