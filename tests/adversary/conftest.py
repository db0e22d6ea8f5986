from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from playing import Ground, Member, Repository


@pytest.fixture(scope="session")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    """One running service for all attacks of a worker; every attack has a repository of its own."""
    made = Ground(tmp_path_factory.mktemp("a"))
    yield made
    made.assert_sound()
    made.close()


@pytest.fixture
def started(ground: Ground, tmp_path: Path) -> Repository:
    """A governed repository whose target branch has its first commit."""
    repository = ground.govern(tmp_path)
    repository.begin()
    return repository


@pytest.fixture(scope="session")
def standing(ground: Ground, tmp_path_factory: pytest.TempPathFactory) -> Repository:
    """A begun repository for questions that leave it as it is."""
    repository = ground.govern(tmp_path_factory.mktemp("s"))
    repository.begin()
    return repository


@pytest.fixture
def dev(ground: Ground) -> Member:
    return ground["dev-a"]
