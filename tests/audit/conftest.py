from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ledger_world import ENGINES, PostgresWorld, World, world_on

if TYPE_CHECKING:
    from pathlib import Path

    import postgres


@pytest.fixture(params=ENGINES)
def world(request: pytest.FixtureRequest, tmp_path: Path) -> World:
    return world_on(request.param, tmp_path / "world", request)


@pytest.fixture
def sqlite_world(tmp_path: Path) -> World:
    return World(tmp_path / "world")


@pytest.fixture
def postgres_world(pg_server: postgres.Server, tmp_path: Path) -> PostgresWorld:
    return PostgresWorld(tmp_path / "world", pg_server)
