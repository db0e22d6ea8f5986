"""Who can write what, with git and the service under two users, and what the tools say of it."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from governance.adapters import freeze_marks, git, hook_files
from governance.adapters.as_owner import as_owner, check
from governance.errors import SettingsError
from separated import Hosted, Separated, need_root, python, separated


@pytest.fixture(scope="module")
def ground() -> Iterator[Separated]:
    need_root()
    with separated() as made:
        yield made


@pytest.fixture(scope="module")
def repository(ground: Separated, tmp_path_factory: pytest.TempPathFactory) -> Hosted:
    return Hosted(ground, tmp_path_factory.mktemp("w"), name="demo", host="ssh")


def doctor(ground: Separated, name: str) -> list[dict[str, str]]:
    """Return what the doctor says of a repository, asked as the service's user."""
    program, packages = python()
    done = subprocess.run(
        [program, "-m", "governance", "doctor", "--json"], cwd="/", capture_output=True, text=True, check=False,
        user=ground.service.pw_uid, group=ground.service.pw_gid, extra_groups=[ground.git_user.pw_gid],
        env=ground.play.environment("owner") | {"PYTHONPATH": packages},
    )  # fmt: skip
    assert done.stdout, done.stderr
    return [finding for finding in json.loads(done.stdout) if finding["what"] == name]


def test_the_hooks_and_all_they_use_belong_to_the_git_user(repository: Hosted) -> None:
    owners = {path: path.stat().st_uid for path in (repository.path, *repository.path.rglob("*"))}
    assert set(owners.values()) == {repository.ground.git_user.pw_uid}
    assert hook_files.faults(repository.path, identifier=repository.id) == []


def test_the_doctor_is_content_with_a_separated_repository(ground: Separated, repository: Hosted) -> None:
    found = doctor(ground, "demo")
    assert [f["said"] for f in found if f["level"] != "good"] == []
    assert any("TWINSEAL_USER" in f["said"] for f in found)


def test_the_doctor_misses_what_the_service_cannot_read(ground: Separated, repository: Hosted) -> None:
    spool = repository.path / "twinseal" / "applied"
    spool.chmod(0o600)
    try:
        assert any(f["level"] == "bad" and "cannot be read" in f["said"] for f in doctor(ground, "demo"))
    finally:
        spool.chmod(0o640)


def test_the_doctor_sees_a_socket_that_git_cannot_come_to(ground: Separated, repository: Hosted) -> None:
    run = ground.play.folder / "run"
    run.chmod(0o700)
    try:
        assert any("cannot come through" in f["said"] for f in doctor(ground, "demo") if f["level"] == "bad")
    finally:
        run.chmod(0o755)


def test_the_doctor_sees_hooks_that_ask_elsewhere(ground: Separated, repository: Hosted) -> None:
    conf = repository.path / "twinseal" / "conf"
    text = conf.read_text()
    conf.write_text(text.replace("hook.sock", "other.sock"))
    try:
        assert any("does not name the socket" in f["said"] for f in doctor(ground, "demo"))
    finally:
        conf.write_text(text)


def test_neither_user_can_write_or_read_the_others_secrets(ground: Separated, repository: Hosted) -> None:
    forbidden = [
        (ground.git_user, ["cat", str(ground.data / "ledger.sqlite")]),
        (ground.git_user, ["touch", str(ground.play.folder / "run" / "x")]),
        (ground.service, ["touch", str(repository.path / "x")]),
        (ground.service, ["touch", str(repository.path / "twinseal" / "conf")]),
        (ground.service, ["rm", str(repository.path / "hooks" / "pre-receive")]),
    ]
    for who, command in forbidden:
        groups = [ground.git_user.pw_gid]
        done = subprocess.run(
            command, user=who.pw_uid, group=who.pw_gid, extra_groups=groups, capture_output=True, check=False
        )
        assert done.returncode != 0, command
        assert b"ermission denied" in done.stderr


def test_root_follows_no_link_that_the_git_user_laid(ground: Separated, tmp_path: Path) -> None:
    """The installer writes as the git user, also where root runs it; its twin without the link is installed."""
    for name, laid in (("trap", True), ("fair", False)):
        path = ground.root / f"{name}.git"
        ground.as_git(git.program(), "init", "-q", "--bare", str(path))
        target = tmp_path / "of-root"
        target.mkdir(exist_ok=True)
        ground.as_git("ln", "-s", str(target), str(path / "twinseal")) if laid else None
        if laid:
            with pytest.raises(SettingsError, match="PermissionError"):
                hook_files.install(path, identifier="r", socket=Path("/run/x.sock"))
        else:
            hook_files.install(path, identifier="r", socket=Path("/run/x.sock"))
        assert list(target.iterdir()) == []


def test_acting_as_the_owner_of_ones_own_folder_is_acting(tmp_path: Path) -> None:
    as_owner(tmp_path, (tmp_path / "here").touch)
    assert (tmp_path / "here").stat().st_uid == os.getuid()


def test_what_fails_as_the_owner_is_told(ground: Separated) -> None:
    def fail() -> None:
        raise ValueError("no such thing")

    with pytest.raises(SettingsError, match="ValueError: no such thing"):
        as_owner(ground.root, fail)


def test_who_is_neither_owner_nor_root_is_told_before_anything_is_registered(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    with pytest.raises(SettingsError, match=f"belongs to uid {os.getuid()}, and this is uid 12345"):
        check(tmp_path)


def test_a_marker_lies_in_the_repository_where_it_can(tmp_path: Path) -> None:
    socket, path = tmp_path / "run" / "hook.sock", tmp_path / "demo.git"
    (path / "twinseal").mkdir(parents=True)
    assert freeze_marks.mark(path, "drift", socket=socket) == path / "twinseal" / "frozen"
    other = tmp_path / "other.git"  # Nothing of ours is there to write into.
    beside = freeze_marks.mark(other, "drift", socket=socket)
    assert beside == freeze_marks.beside(socket, other)
    assert (beside.read_text(), beside.stat().st_mode & 0o777) == ("drift\n", 0o644)
    for each in (path, other):
        freeze_marks.lift(each, socket=socket)
        freeze_marks.lift(each, socket=socket)
    assert not beside.exists()
    assert not (path / "twinseal" / "frozen").exists()
