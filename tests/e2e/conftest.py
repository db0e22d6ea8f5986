from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from playing import Ground, Repository


@pytest.fixture(scope="session")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    """One running service for all tests of a worker. Who stops it starts it again."""
    made = Ground(tmp_path_factory.mktemp("g"))
    yield made
    made.close()


@pytest.fixture
def repository(ground: Ground, tmp_path: Path) -> Iterator[Repository]:
    """An empty governed repository that everybody may push to."""
    made = ground.govern(tmp_path)
    yield made
    ground.forget(made)


@pytest.fixture
def started(repository: Repository) -> Repository:
    """A governed repository whose target branch has its first commit."""
    repository.begin()
    return repository


@pytest.fixture(scope="session")
def standing(ground: Ground, tmp_path_factory: pytest.TempPathFactory) -> Repository:
    """A begun repository for questions that leave it as it is."""
    repository = ground.govern(tmp_path_factory.mktemp("s"))
    repository.begin()
    return repository
