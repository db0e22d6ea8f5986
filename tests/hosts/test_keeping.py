"""A repository with a history under a git user of its own: root adopts and lets go, the git user packs, nobody else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from governance.adapters import git, histories, hook_files
from playing import MAIN
from separated import Separated, need_root, python, separated

COMMIT = f"commit {MAIN}\ncommitter old <old@example.com> 1600000000 +0000\ndata 2\nx\nM 644 inline f\ndata 2\nx\n"


@pytest.fixture(scope="module")
def ground() -> Iterator[Separated]:
    need_root()
    with separated() as made:
        yield made


@pytest.fixture(scope="module")
def adopted(ground: Separated) -> Path:
    path = ground.root / "old.git"
    ground.as_git(git.program(), "init", "-q", "--bare", "-b", "main", str(path))
    ground.as_git(git.program(), "-C", str(path), "fast-import", "--quiet", input=COMMIT)
    ground.as_git(git.program(), "-C", str(path), "branch", "-q", "topic/old", "main")
    said = {"name": "old", "path": str(path), "host": "ssh", "baseline": histories.baseline(path).summary()}
    done = ground.owner.say("repository.adopt", "/repositories/adoption", said).done
    assert (done["separated"], done["host"], done["baseline"]["refs"]) == (True, "ssh", 2)
    hook_files.install(path, identifier=done["id"], socket=Path(done["socket"]))
    return path


def check(ground: Separated) -> list[object]:
    """Return what is not right."""
    found = ground.ask("POST", "/repositories/old/check", {}, token=ground.owner.tokens[""]).body
    return [found[what] for what in ("faults", "drift", "freezes", "lapses")]


def maintain(ground: Separated, path: Path) -> dict[str, object]:
    program, packages = python()
    done = ground.as_git(program, "-m", "governance", "repo", "maintain", str(path), "--json", PYTHONPATH=packages)
    found: dict[str, object] = json.loads(done.stdout)
    return found


def test_what_is_installed_belongs_to_the_git_user_and_is_seen_to_be_good(ground: Separated, adopted: Path) -> None:
    owners = {place.stat().st_uid for place in adopted.rglob("*")}
    assert owners == {ground.git_user.pw_uid}
    assert check(ground) == [[], [], [], []]
    kinds = [entry["kind"] for entry in ground.entries()]
    assert "continuity.checked" in kinds


def test_the_git_user_packs_and_root_does_not(ground: Separated, adopted: Path) -> None:
    before = git.refs(adopted)
    refused = ground.twinseal("repo", "maintain", str(adopted))
    assert (refused.returncode, "identity.not_git_user" in refused.stderr + refused.stdout) == (1, True)

    assert maintain(ground, adopted)["ok"] is True
    assert git.refs(adopted) == before
    assert not list((adopted / "refs/heads").rglob("*/old"))
    assert {place.stat().st_uid for place in adopted.rglob("*")} == {ground.git_user.pw_uid}
    assert check(ground) == [[], [], [], []]


def test_root_lets_go_as_the_git_user(ground: Separated, adopted: Path) -> None:
    said = {"repository": "old", "reason": "it goes elsewhere"}
    assert ground.owner.say("repository.remove", "/repositories/old/removal", said).status == 200
    assert hook_files.remove(adopted) == []
    assert not (adopted / "twinseal").exists()
    assert not (adopted / "hooks/pre-receive").exists()
    ground.as_git(git.program(), "-C", str(adopted), "update-ref", "refs/heads/free", "main")
