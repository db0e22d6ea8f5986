from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from adversary.card import Card, Case
from adversary.without import Without
from playing import Ground, Member, Repository


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--without", metavar="CONTROL", help="switch it off: every case that names it must come through")
    parser.addoption("--card", metavar="FILE", help="write the score card of the attacks there, and show it")


def pytest_configure(config: pytest.Config) -> None:
    if name := config.getoption("--without", None):
        (plugin := Without(name)).switch_off()
        config.pluginmanager.register(plugin)
    path = config.getoption("--card", None)
    if path and not hasattr(config, "workerinput"):  # One card, kept by the process that all workers report to.
        config.pluginmanager.register(Card(Path(path)))


@pytest.fixture(scope="session")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    """One running service for all attacks of a worker; every attack has a repository of its own."""
    made = Ground(tmp_path_factory.mktemp("a"))
    yield made
    made.assert_sound()
    made.close()


@pytest.fixture
def case(request: pytest.FixtureRequest, ground: Ground) -> Case:
    """What this test sees of the attacks it is marked with."""
    made = Case(ground)
    ids = [each for mark in request.node.iter_markers("attack") for each in mark.args]
    request.node.user_properties.append(("attack", (ids, made.seen)))
    return made


@pytest.fixture
def started(ground: Ground, tmp_path: Path) -> Iterator[Repository]:
    """A governed repository whose target branch has its first commit."""
    repository = ground.govern(tmp_path)
    repository.begin()
    yield repository
    ground.forget(repository)


@pytest.fixture
def lax(started: Repository) -> Repository:
    """Likewise, with git's own checks of objects switched off: what is refused, we refuse."""
    for name in ("receive.fsckObjects", "transfer.fsckObjects"):
        started.config(name, "false")
    return started


@pytest.fixture(scope="session")
def standing(ground: Ground, tmp_path_factory: pytest.TempPathFactory) -> Repository:
    """A begun repository for questions that leave it as it is."""
    repository = ground.govern(tmp_path_factory.mktemp("s"))
    repository.begin()
    return repository


@pytest.fixture
def dev(ground: Ground) -> Member:
    return ground["dev-a"]
