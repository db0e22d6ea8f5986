"""The documents tell the truth: README's commands run, and what exists is written down."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import fields
from http.client import HTTPConnection
from pathlib import Path

import pytest
import typer

from governance.adapters.settings import Settings
from governance.controls import CONTROLS
from governance.entrypoints.cli.main import app
from playing import free_port

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
SECURITY = (ROOT / "SECURITY.md").read_text()
BLOCKS = re.findall(r"```bash\n(.*?)```", README, re.DOTALL)


def leaves(command: object, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    children = getattr(command, "commands", {})
    for name, child in children.items():
        yield from leaves(child, (*path, name))
    if not children:
        yield path


COMMANDS = tuple(leaves(typer.main.get_command(app)))


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_command_stands_in_the_readme(path: tuple[str, ...]) -> None:
    assert f"twinseal {' '.join(path)}" in README or f"make {' '.join(path)}" in README


def test_the_readme_names_no_command_that_does_not_exist() -> None:
    named = set(
        re.findall(r"twinseal ((?:[a-z-]+)(?: [a-z]+)?)", "\n".join([*BLOCKS, *re.findall(r"`([^`]+)`", README)]))
    )
    known = {" ".join(path) for path in COMMANDS} | {path[0] for path in COMMANDS}
    unknown = {name for name in named if name not in known and name.split()[0] not in known}
    assert unknown == set()


@pytest.mark.parametrize("name", [field.name for field in fields(Settings)])
def test_every_setting_stands_in_the_readme(name: str) -> None:
    assert f"`TWINSEAL_{name.upper()}`" in README


@pytest.mark.parametrize("control", CONTROLS, ids=lambda control: control.NAME)
def test_every_control_has_its_paragraph(control: type) -> None:
    paragraph = re.search(rf"### {control.NAME}\n(.*?)\n###", SECURITY, re.DOTALL)
    assert paragraph is not None
    assert "*Claims*" in paragraph[1]
    assert "*Limits*" in paragraph[1]


def test_the_commands_of_the_readme_run_as_they_stand(tmp_path_factory: pytest.TempPathFactory) -> None:
    port = free_port()
    folder = tmp_path_factory.mktemp("readme")
    (folder / "bin").mkdir()
    (folder / "bin" / "twinseal").write_text(f'#!/bin/sh\nexec {sys.executable} -m governance "$@"\n')
    (folder / "bin" / "twinseal").chmod(0o755)
    env = {
        "PATH": f"{folder}/bin:{os.environ['PATH']}",
        "HOME": str(folder),
        "GIT_CONFIG_NOSYSTEM": "1",
        "TWINSEAL_LISTEN": f"127.0.0.1:{port}",
        "PYTHONPATH": str(ROOT),
    }
    begin, *rest = [block for block in BLOCKS if "make demo" not in block]
    begin, serve = begin.replace("twinseal serve\n", ""), "exec twinseal serve\n"
    log = (folder / "service.log").open("wb")
    exports = "\n".join(line for line in begin.splitlines() if line.startswith("export"))
    sh(begin, folder, env)
    with subprocess.Popen(
        ["bash", "-ec", f"{exports}\n{serve}"], cwd=folder, env=env, stdout=log, stderr=log
    ) as service:
        try:
            wait_until_healthy(port)
            said = sh("\n".join(rest).replace("127.0.0.1:8321", f"127.0.0.1:{port}"), folder, env)
        finally:
            service.terminate()
    log.close()
    assert "unbroken from the first" in said
    assert "Change 1, patch set 1: needs two sign-offs" in said


def sh(script: str, folder: Path, env: dict[str, str]) -> str:
    done = subprocess.run(
        ["bash", "-eo", "pipefail", "-c", script], cwd=folder, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def wait_until_healthy(port: int) -> None:
    until = time.monotonic() + 20
    while time.monotonic() < until:
        connection = HTTPConnection("127.0.0.1", port, timeout=2)
        try:
            connection.request("GET", "/healthz")
            if connection.getresponse().status == 200:
                return
        except OSError:
            time.sleep(0.05)
        finally:
            connection.close()
    pytest.fail("the service of the README did not start")
