"""The two shell scripts of deploy/, asked as their servers ask them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from playing import ENVIRONMENT

DEPLOY = Path(__file__).parents[2] / "deploy"
SECRET = "Basic c2VjcmV0"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with a governed repository, one that is not, and one outside it."""
    for name in ("srv/demo.git", "srv/plain.git", "other.git"):
        subprocess.run(["git", "init", "-q", "--bare", str(tmp_path / name)], check=True, env=ENVIRONMENT)
    for name in ("srv/demo.git", "other.git"):
        (tmp_path / name / "twinseal").mkdir()
        (tmp_path / name / "twinseal" / "conf").touch()
    return tmp_path / "srv"


def shell(root: Path, asked: str, *, name: str = "dev-a", **more: str) -> subprocess.CompletedProcess[str]:
    command = [str(DEPLOY / "twinseal-git-shell"), name, str(root)]
    env = ENVIRONMENT | {"SSH_ORIGINAL_COMMAND": asked} | more
    return subprocess.run(command, env=env, input="0000", capture_output=True, text=True, check=False)


@pytest.mark.parametrize("path", ["{root}/demo.git", "demo.git", "demo", "/demo.git"])
@pytest.mark.parametrize("service", ["git-receive-pack", "git-upload-pack"])
def test_a_governed_repository_is_served_by_its_name(root: Path, service: str, path: str) -> None:
    done = shell(root, f"{service} '{path.format(root=root)}'")
    assert done.returncode == 0, done.stderr
    assert "report-status" in done.stdout or "0000" in done.stdout


@pytest.mark.parametrize(
    "asked",
    [
        "",
        "sh",
        "git-receive-pack",
        "git-receive-pack demo.git",
        "git receive-pack 'demo.git'",
        "git-upload-archive 'demo.git'",
        "git-shell 'demo.git'",
        "git-receive-pack '../other.git'",
        "git-receive-pack '{root}/../other.git'",
        "git-receive-pack '..'",
        "git-receive-pack '.'",
        "git-receive-pack ''",
        "git-receive-pack '--upload-pack=id'",
        "git-receive-pack 'demo.git/objects'",
        "git-receive-pack 'demo.git' 'demo.git'",
        "git-receive-pack 'demo.git'; id '",
        "git-receive-pack '$(id)'",
        "git-receive-pack 'demo\n.git'",
        "git-receive-pack 'plain.git'",
        "git-receive-pack 'nothing.git'",
        "git-receive-pack 'DEMO.git'",
    ],
)
def test_nothing_else_is(root: Path, asked: str) -> None:
    done = shell(root, asked.format(root=root) if "{" in asked else asked)
    assert done.returncode == 1
    assert done.stderr.startswith("twinseal: refused: ")
    assert done.stdout == ""


@pytest.mark.parametrize("name", ["", "a b", "owner\nx", "$(id)", "Owner", "a/b"])
def test_a_key_without_a_proper_name_serves_nobody(root: Path, name: str) -> None:
    assert shell(root, "git-upload-pack 'demo.git'", name=name).returncode == 1


@pytest.fixture
def spy(tmp_path: Path) -> tuple[str, Path]:
    """A folder of programs of which git writes its environment down; the scripts are pointed at it."""
    (tmp_path / "bin").mkdir()
    git = tmp_path / "bin" / "git"
    git.write_text(f"#!/bin/sh\n/usr/bin/env >{tmp_path}/seen\n")
    git.chmod(0o755)
    return str(tmp_path / "bin"), tmp_path / "seen"


@pytest.mark.parametrize("script", ["twinseal-git-shell", "twinseal-git-http"])
def test_git_is_given_only_what_is_named(root: Path, tmp_path: Path, spy: tuple[str, Path], script: str) -> None:
    folder, seen = spy
    copy = tmp_path / script
    copy.write_text((DEPLOY / script).read_text().replace("PATH=/usr/bin:/bin", f"PATH={folder}:/usr/bin:/bin"))
    hostile = {
        "HTTP_AUTHORIZATION": SECRET, "HTTP_COOKIE": SECRET, "GL_USER": "owner", "TWINSEAL_RESERVATION": "1-1",
        "GIT_DIR": "/", "GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "core.hooksPath", "GIT_CONFIG_VALUE_0": "/tmp",
        "GIT_CONFIG_PARAMETERS": "'core.hooksPath'='/tmp'", "GIT_EXEC_PATH": "/tmp", "LD_LIBRARY_PATH": "/tmp",
        "GIT_PROTOCOL": "version=2:x", "HTTP_GIT_PROTOCOL": "version=9", "TWINSEAL_SESSION": "guess",
    }  # fmt: skip
    if script.endswith("shell"):
        command = ["sh", str(copy), "dev-a", str(root)]
        asked = {
            "SSH_ORIGINAL_COMMAND": "git-receive-pack 'demo.git'",
            "TWINSEAL_USER": "owner",
            "REMOTE_USER": "owner",
        }
    else:
        command = ["sh", str(copy)]
        asked = {"REMOTE_USER": "dev-a", "HTTP_REMOTE_USER": "owner", "GIT_PROJECT_ROOT": str(root)}
        hostile |= {"TWINSEAL_USER": "owner"}
    subprocess.run(command, env=ENVIRONMENT | hostile | asked, check=True, input=b"")
    found = dict(line.partition("=")[::2] for line in seen.read_text().splitlines())
    assert "owner" not in found.values()
    assert SECRET not in found.values()
    assert found["GIT_PROTOCOL"] == ""
    assert not found.keys() & (hostile.keys() - {"GIT_PROTOCOL"})
    assert found["TWINSEAL_USER" if script.endswith("shell") else "REMOTE_USER"] == "dev-a"
