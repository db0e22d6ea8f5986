from __future__ import annotations

import os
import shutil
import subprocess
import time
from typing import TYPE_CHECKING

import psycopg
import pytest

import postgres
import service_world
import starting
from governance.entrypoints.playground import Playground
from governance.entrypoints.seated import COMMAND_S, Seated

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """For `-n auto`: more than there are processors, because half of the time tests wait for disks and clocks."""
    given = os.environ.get("PYTEST_XDIST_AUTO_NUM_WORKERS")
    processors = len(os.sched_getaffinity(0))
    return int(given) if given else processors + min(processors, 4)


@pytest.fixture(scope="session", autouse=True)
def _starting() -> Iterator[None]:
    """Let playgrounds start our commands, and the service as it is, by a fork of what is loaded already."""

    def run(seat: Seated, command: list[str], *, timeout: float = COMMAND_S) -> subprocess.CompletedProcess[str]:
        return starting.run(command, env=seat.play.environment(seat.name), timeout=timeout)

    def start(play: Playground) -> None:
        if starting.COLD or play.program != ("-m", "governance"):
            return cold(play)
        with (play.folder / "service.log").open("ab") as log:
            play._service = starting.serve(env=play.environment("owner"), log=log)  # type: ignore[assignment]
        return play._answers()

    cold = Playground.start
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Seated, "_run", run)
        patch.setattr(Playground, "start", start)
        yield


@pytest.fixture(scope="session")
def pg_server() -> Iterator[postgres.Server]:
    """One server for all tests of this process; each test makes a database of its own in it."""
    with postgres.running() as server:
        yield server


@pytest.fixture(scope="session", autouse=True)
def _elsewhere(request: pytest.FixtureRequest) -> None:
    """With TWINSEAL_TEST_DATABASE=postgresql every `ServiceWorld` keeps its ledger in a database of its own."""
    if os.environ.get("TWINSEAL_TEST_DATABASE") == "postgresql":
        server: postgres.Server = request.getfixturevalue("pg_server")
        service_world.ELSEWHERE.append(server.database)


@pytest.fixture(params=["sqlite", "postgresql"])
def both(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run a test on both engines: every `ServiceWorld` that it makes keeps its ledger there."""
    made = [request.getfixturevalue("pg_server").database] if request.param == "postgresql" else []
    monkeypatch.setattr(service_world, "ELSEWHERE", made)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of a few megabytes."""
    folder = tmp_path / "small"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(folder)]
    if (
        os.getuid() != 0
        or not shutil.which("mount")
        or subprocess.run(command, capture_output=True, check=False).returncode
    ):
        pytest.skip("a small file system is mounted by root only")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.fixture
def server_setting(pg_server: postgres.Server) -> Iterator[Callable[[str, str], None]]:
    """Change a setting of the server, and back: what it believes when it answers again."""
    changed: set[str] = set()

    def set_(name: str, value: str) -> None:
        with psycopg.connect(pg_server.address("postgres"), autocommit=True) as connection:
            connection.execute(f"alter system set {name} = {value}".encode())
            connection.execute("select pg_reload_conf()")
        changed.add(name)
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            with psycopg.connect(pg_server.address("postgres")) as connection:
                if connection.execute(f"show {name}".encode()).fetchone() == (value,):
                    return
            time.sleep(0.05)

    yield set_
    for name in changed:
        set_(name, "on")
