"""The documents tell the truth: README's commands run, and what exists is written down."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import fields
from http.client import HTTPConnection
from pathlib import Path

import psycopg
import pytest
import typer

import postgres
from audit.stores.postgres_schema import script
from builders import loose_policy
from governance.adapters.settings import Settings
from governance.controls import CONTROLS
from governance.entrypoints.cli.main import app
from governance.entrypoints.playground import Playground
from governance.entrypoints.seated import App
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


def test_help_cuts_no_sentence_off_where_there_is_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    context = typer.main.get_command(app).make_context("twinseal", ["status"], resilient_parsing=True)
    assert "..." not in context.get_help().replace("[ARGS]...", "")


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
    # By chance the shipped policy has the change wait for a third reviewer; here it never does.
    policy = loose_policy(folder / "policy")
    policy.write_text(re.sub(r"(?m)^second_factor: .*\n", "", policy.read_text()))  # What is asked, is answered.
    begin = begin.replace("twinseal init ", f"twinseal init --policy {policy} ")
    log = (folder / "service.log").open("wb")
    exports = "\n".join(line for line in begin.splitlines() if line.startswith("export"))
    sh(begin, folder, env)
    with subprocess.Popen(
        ["bash", "-ec", f"{exports}\n{serve}"], cwd=folder, env=env, stdout=log, stderr=log
    ) as service:
        try:
            wait_until_healthy(port)
            said = at_a_terminal("\n".join(rest).replace("127.0.0.1:8321", f"127.0.0.1:{port}"), folder, env)
        finally:
            service.terminate()
    log.close()
    assert "unbroken from the first" in said
    assert "Change 1, patch set 1: needs two sign-offs" in said
    assert said.count("Type the digest") == 3
    assert said.count("(prompt.digest)") == 1  # A slip, for which no code is asked.
    assert said.count("Code: ") == 2
    assert said.count("not the code of that secret now  (factor.not_proved)") == 1  # It may be mistyped.


def sh(script: str, folder: Path, env: dict[str, str]) -> str:
    done = subprocess.run(
        ["bash", "-eo", "pipefail", "-c", script], cwd=folder, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def at_a_terminal(script: str, folder: Path, env: dict[str, str]) -> str:
    """Run a script at a terminal of its own, where somebody with an authenticator app answers what is asked."""
    ours, theirs = pty.openpty()
    command, env = ["bash", "-eo", "pipefail", "-c", script], env | {"TERM": "dumb"}
    running = subprocess.Popen(
        command, cwd=folder, env=env, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
    )
    os.close(theirs)
    said, seen, app = "", 0, App("")
    try:
        while more := read(ours):
            said += more
            if secret := re.search(r"type the secret:\s+([A-Z2-7]{32})", said[seen:]):
                app = App(secret[1])
            if answer := answered(said[seen:], said, app):
                seen = len(said)
                os.write(ours, f"{answer}\n".encode())
    finally:
        os.close(ours)
        running.wait(60)
    assert running.returncode == 0, said
    return said


def read(terminal: int) -> str:
    try:
        return os.read(terminal, 65536).decode(errors="replace")
    except OSError:  # The last who had it open is gone.
        return ""


def answered(new: str, said: str, app: App) -> str:
    """Return what somebody types who is asked this at last; nothing where it is no question."""
    if new.endswith("if that is what you want: "):
        if "(prompt.digest)" not in said:
            return "a slip"
        return str(re.findall(r"digest: (\w{6})\r?\n", said)[-1])
    if new.endswith("the app shows now: ") and "(factor.not_proved)" not in said:
        return "a typo"
    return app.code() if new.endswith(("the app shows now: ", "Code: ")) else ""


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


def test_the_two_roles_of_the_postgresql_document_serve_and_satisfy_doctor(
    pg_server: postgres.Server, tmp_path: Path
) -> None:
    text = (ROOT / "deploy" / "postgresql.md").read_text()
    (roles, grants), (tables,) = (
        re.findall(r"```sql\n(.*?)```", text, re.DOTALL),
        re.findall(r"script\(\"(\w+)\"", text),
    )
    # The superuser of the tests is called as the document calls the service.
    roles, grants = (
        re.sub(r"\btwinseal\b", "served", each).replace("twinseal_", "served_") for each in (roles, grants)
    )
    with psycopg.connect(pg_server.address("postgres"), autocommit=True) as admin:
        for statement in filter(str.strip, roles.split(";")):
            admin.execute(statement.encode())
    with psycopg.connect(pg_server.address("served"), autocommit=True) as admin:
        admin.execute(grants.encode())
    address = pg_server.address("served").replace("twinseal@", "{}@")
    with psycopg.connect(address.format("served_owner")) as owner:
        owner.execute(script(tables.replace("twinseal", "served")).encode())

    more = {"TWINSEAL_DATABASE": address.format("served")}
    env = Playground(tmp_path, listen=f"127.0.0.1:{free_port()}", quiet=True, settings=more).environment("owner")
    begun = twinseal(env, "init", "--origin", "example.org/two-roles")
    assert begun.returncode == 0, begun.stdout + begun.stderr
    found = [line for line in json.loads(twinseal(env, "doctor", "--json").stdout) if line["what"] == "postgresql"]
    assert [line["level"] for line in found if "append" in line["said"] or "fsync" in line["said"]] == ["good", "good"]
    for command in (("ledger", "rebuild"), ("ledger", "rebuild", "--check"), ("ledger", "tail")):
        done = twinseal(env, *command)
        assert done.returncode == 0, done.stdout + done.stderr


def twinseal(env: dict[str, str], *args: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "governance", *args]
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=False)
