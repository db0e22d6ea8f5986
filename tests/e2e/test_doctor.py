"""What keeps the rules from holding is found and named, with its mending; what is well is said to be."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from pysqlite3 import dbapi2 as sqlite

from governance.adapters import git
from playing import ENVIRONMENT, Ground, Repository


def configured(name: str, value: str) -> Callable[[Repository], object]:
    def change(repository: Repository) -> object:
        command = [git.program(), "-C", str(repository.path), "config", name, value]
        return subprocess.run(command, env=ENVIRONMENT, check=True)

    return change


def hook(name: str) -> Callable[[Repository], Path]:
    return lambda repository: repository.path / "hooks" / name


def skipped(name: str) -> Callable[[Repository], object]:
    return lambda repository: hook(name)(repository).chmod(0o644)


def missing(name: str) -> Callable[[Repository], object]:
    return lambda repository: hook(name)(repository).unlink()


NAMES = ("pre-receive", "reference-transaction", "post-receive")
FAULTS: dict[str, tuple[Callable[[Repository], object], str]] = {
    **{f"{name} not executable": (skipped(name), "is not executable: git skips it") for name in NAMES},
    **{f"{name} missing": (missing(name), "is missing: pushes are not checked") for name in NAMES},
    "a hook of another's": (lambda r: hook("pre-receive")(r).write_text("#!/bin/sh\n"), "is not the hook"),
    "a module edited": (
        lambda r: (r.path / "twinseal/hook/twinseal_hook/gather.py").write_text("pass\n"),
        "is not the module",
    ),
    "another repository's name": (
        lambda r: (r.path / "twinseal/conf").write_text("repository x\n"),
        "does not name this repository",
    ),
    "hooks elsewhere": (configured("core.hooksPath", "/tmp"), "core.hooksPath is set to /tmp"),
    "fsck off": (configured("receive.fsckObjects", "false"), "receive.fsckobjects is false"),
    "collection on": (configured("gc.auto", "6700"), "gc.auto is 6700"),
    "shallow pushes": (configured("receive.shallowUpdate", "true"), "receive.shallowupdate is true"),
}


@pytest.mark.parametrize(("change", "said"), FAULTS.values(), ids=FAULTS)
def test_a_fault_of_a_repository_is_found_by_both_and_mended_by_installing(
    repository: Repository, change: Callable[[Repository], object], said: str
) -> None:
    ground = repository.ground
    assert faults(ground, repository) == []
    change(repository)
    found = faults(ground, repository)
    assert len(found) == 1, found
    assert said in found[0].lower() or said in found[0]
    assert found == [f["said"] for f in findings(ground, repository.name) if f["level"] == "bad"]
    repository.honest_hook()
    if said.startswith("core.hooksPath"):
        command = [git.program(), "-C", str(repository.path), "config", "--unset", "core.hooksPath"]
        subprocess.run(command, env=ENVIRONMENT, check=True)
    assert faults(ground, repository) == []
    assert not [f for f in findings(ground, repository.name) if f["level"] == "bad"]


def faults(ground: Ground, repository: Repository) -> list[str]:
    """Ask as `hooks check` does; its exit code must agree."""
    from governance.adapters import hook_files  # noqa: PLC0415 - beside its one use

    return hook_files.faults(repository.path, identifier=repository.id)


def findings(ground: Ground, what: str) -> list[dict[str, str]]:
    done = ground.twinseal("doctor", "--json")
    found = json.loads(done.stdout)
    assert done.returncode == (1 if any(f["level"] == "bad" for f in found) else 0)
    return [f for f in found if f["what"] == what]


def test_a_ref_that_moved_and_a_repository_that_is_gone_are_named(repository: Repository) -> None:
    ground = repository.ground
    head = repository.commit(ground["dev-a"], {"a": "1\n"})
    repository.open(ground["dev-a"], head)
    (repository.path / "refs" / "heads" / "stray").write_text(f"{head}\n")
    (warned,) = [f for f in findings(ground, repository.name) if "not as recorded" in f["said"]]
    assert "refs/heads/stray" in warned["said"]
    (repository.path / "refs" / "heads" / "stray").unlink()
    away = repository.path.rename(repository.path.with_suffix(".away"))
    assert [f["level"] for f in findings(ground, repository.name)] == ["bad"]
    away.rename(repository.path)
    assert "bad" not in [f["level"] for f in findings(ground, repository.name)]


def test_a_folder_that_others_can_read_is_bad(ground: Ground) -> None:
    ground.data.chmod(0o755)
    (found,) = findings(ground, "folder")
    ground.data.chmod(0o700)
    assert (found["level"], found["mend"]) == ("bad", f"chmod 700 {ground.data}")
    assert findings(ground, "folder") == []


def test_what_is_not_separated_and_who_is_alone_is_said(repository: Repository) -> None:
    said = [f["said"] for f in findings(repository.ground, repository.name)]
    assert any("not separated" in text for text in said)
    (people,) = findings(repository.ground, "people")
    assert "single_person" in people["said"]


def test_a_job_that_failed_is_named(ground: Ground) -> None:
    columns = "run, name, due_at, attempt, started_at, outcome, said, by"
    row = "9999, 'sweep', 1, 3, 1, 'failed', 'OSError: gone', 'here'"
    with closing(sqlite.connect(ground.data / "ledger.sqlite")) as connection:
        connection.execute(f"insert into job_run({columns}) values({row})")
        connection.commit()
        (found,) = findings(ground, "job")
        connection.execute("delete from job_run where run=9999")
        connection.commit()
    assert (found["level"], found["said"]) == ("bad", "sweep failed 3 times: OSError: gone")


def test_with_the_service_down_doctor_says_that_pushes_are_refused(ground: Ground) -> None:
    ground.play.stop()
    try:
        (found,) = findings(ground, "service")
        assert found["level"] == "bad"
        assert "every push is refused" in found["said"]
    finally:
        ground.play.start()
    assert "answers at" in findings(ground, "service")[0]["said"]


@pytest.mark.parametrize(("mode", "level"), [(0o700, "warn"), (0o711, "good")])
def test_a_socket_that_no_other_git_user_reaches_is_said(ground: Ground, mode: int, level: str) -> None:
    ground.data.chmod(mode)
    try:
        assert [found["level"] for found in findings(ground, "service")] == [level]
    finally:
        ground.data.chmod(0o700)


def test_a_lock_that_a_killed_git_left_is_found_and_a_fresh_one_is_somebodys(repository: Repository) -> None:
    lock = repository.path / "refs" / "heads" / "main.lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    lock.touch()
    assert "main.lock" not in repository.ground.twinseal("doctor").stdout
    os.utime(lock, (1, 1))
    said = repository.ground.twinseal("doctor").stdout
    lock.unlink()
    assert "refs/heads/main.lock was left by a git that was killed" in said
    assert f"rm {lock}" in said


@pytest.mark.parametrize(
    ("url", "warned"),
    [
        ("http://127.0.0.1:8321", False),
        ("http://localhost:8321", False),
        ("https://seal.example.org", False),
        ("http://seal.example.org", True),
        ("http://192.0.2.7:8321", True),
    ],
)
def test_plain_http_beyond_this_machine_is_said(ground: Ground, url: str, warned: bool) -> None:  # noqa: FBT001 - a column
    env = ground.play.environment("owner") | {"TWINSEAL_URL": url}
    command = [sys.executable, "-m", "governance", "doctor", "--json"]
    found = json.loads(subprocess.run(command, env=env, capture_output=True, text=True, check=False).stdout)
    assert any(each["what"] == "address" for each in found) is warned, found
