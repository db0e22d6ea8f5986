"""Gitea and Forgejo cannot be had here: their documented environment and hook folders, imitated around a real push.

What this shows is that our hooks work there as documented; it does not show that nothing passes them by.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from governance.adapters import git, hook_files
from playing import MAIN, Member, Pushed, until
from separated import Hosted, Separated, need_root, separated

OWNER = "Team"
DISPATCHER = """#!/bin/bash
# As the forge's own: it reads the lines and hands them to every executable file of the folder.
data=$(cat)
status=0
for hook in "${GIT_DIR:-.}"/hooks/"$(basename "$0")".d/*; do
    test -x "$hook" -a -f "$hook" || continue
    echo "$data" | "$hook" || status=1
done
exit $status
"""


class Forged(Hosted):
    """A repository that is pushed to as a forge does: receive-pack as the git user, with names in the environment."""

    said: dict[str, str]

    def url(self, by: Member) -> str:
        return str(self.path)

    def push(self, by: Member, *refspecs: str, url: str = "", more: tuple[str, ...] = ()) -> Pushed:  # type: ignore[override]
        who = self.ground.git_user
        named = {"GITEA_PUSHER_NAME": by.name, "GITEA_PUSHER_ID": "7", "GITEA_REPO_USER_NAME": OWNER}
        env = named | {"GITEA_REPO_NAME": self.path.stem} | self.said
        words = " ".join(f"{name}={value}" for name, value in env.items() if value)
        drop = f"setpriv --reuid={who.pw_uid} --regid={who.pw_gid} --clear-groups"
        pack = f"--receive-pack=umask 027; exec {drop} env {words} git receive-pack"
        return super().push(by, *refspecs, url=url, more=(pack, *more))


@pytest.fixture(scope="module")
def ground() -> Iterator[Separated]:
    need_root("setpriv")
    with separated() as made:
        yield made


@pytest.fixture(scope="module", params=["gitea", "forgejo"])
def forged(request: pytest.FixtureRequest, ground: Separated, tmp_path_factory: pytest.TempPathFactory) -> Forged:
    """A repository laid out as the forge lays it out, with its first commit landed."""
    path = ground.root / OWNER.lower() / f"{request.param}.git"
    ground.as_git("mkdir", "-p", str(path.parent))
    ground.as_git(git.program(), "init", "-q", "--bare", "-b", "main", str(path))
    for name in ("pre-receive", "post-receive"):
        ground.as_git("mkdir", f"{path}/hooks/{name}.d")
        ground.as_git("sh", "-c", f"cat >{path}/hooks/{name}; chmod 755 {path}/hooks/{name}", input=DISPATCHER)
    made = Forged(ground, tmp_path_factory.mktemp("w"), name=request.param, host=request.param, path=path)
    made.said = {}
    made.begin()
    return made


def small(repository: Forged, name: str) -> str:
    return repository.commit(repository.ground["dev-a"], {name: f"{name}\n"}, repository.refs()[MAIN])


def test_a_push_is_decided_pinned_and_recorded_as_not_enforced(forged: Forged) -> None:
    head = small(forged, "lands")
    forged.land(forged.ground["dev-a"], head, topic="topic/lands")
    assert forged.refs()[MAIN] == head
    entry = [e for e in forged.ground.entries("push.decided") if e["repo"] == forged.name][-1]
    assert (entry["actor"]["id"], entry["data"]["transport"]) == ("dev-a", forged.name)
    assert entry["data"]["enforced"] is False
    assert "refs/changes/1/1" in forged.refs()
    until(lambda: not forged.reserved(), "the push is seen as applied")
    assert not forged.frozen()


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ({"GITEA_PUSHER_NAME": ""}, "identity.none"),
        ({"GITEA_PUSHER_NAME": "", "REMOTE_USER": "dev-a", "TWINSEAL_USER": "dev-a"}, "identity.none"),
        ({"GITEA_PUSHER_NAME": "mallory"}, "identity.unknown"),
        ({"GITEA_REPO_NAME": "other"}, "identity.other_repository"),
        ({"GITEA_REPO_NAME": ""}, "identity.other_repository"),
        ({"GITEA_REPO_USER_NAME": "others"}, "identity.other_repository"),
    ],
)
def test_another_name_or_repository_is_refused(forged: Forged, said: dict[str, str], code: str) -> None:
    head = small(forged, f"said-{len(str(said))}")
    forged.said = said
    try:
        assert forged.push(forged.ground["dev-a"], f"+{head}:refs/heads/topic/said").code == code
    finally:
        forged.said = {}
    assert forged.push(forged.ground["dev-a"], f"+{head}:refs/heads/topic/said").landed


def test_the_forges_own_dispatcher_stays_and_is_missed(forged: Forged) -> None:
    assert forged.path.joinpath("hooks/pre-receive").read_text() == DISPATCHER
    known = {"identifier": forged.id, "dispatched": True}
    assert hook_files.faults(forged.path, **known) == []
    forged.path.joinpath("hooks/pre-receive").chmod(0o644)
    found = hook_files.faults(forged.path, **known)
    forged.path.joinpath("hooks/pre-receive").chmod(0o755)
    assert len(found) == 1
    assert "it runs ours" in found[0]


def test_the_forges_own_review_hook_stays_and_changes_come_by_topics(forged: Forged) -> None:
    """Gitea and Forgejo have a proc-receive of their own, and the setting that goes with it."""
    theirs = forged.path / "hooks" / "proc-receive"
    assert not theirs.exists()
    assert "receive.procreceiverefs" not in git.config(forged.path)
    forged.ground.as_git("sh", "-c", f"cat >{theirs}; chmod 755 {theirs}", input="#!/bin/sh\nexit 1\n")
    forged.ground.as_git(git.program(), "-C", str(forged.path), "config", "receive.procReceiveRefs", "refs/for")
    head = small(forged, "for-review")
    done = forged.push(forged.ground["dev-a"], f"{head}:refs/for/main")
    assert "push.no_review_refs" in done.said
    assert hook_files.faults(forged.path, identifier=forged.id, dispatched=True) == []
    forged.ground.as_git("rm", str(theirs))
    forged.ground.as_git(git.program(), "-C", str(forged.path), "config", "--unset", "receive.procReceiveRefs")
    assert forged.push(forged.ground["dev-a"], f"{head}:refs/heads/topic/for-review").landed


def test_where_no_forge_is_the_host_a_git_user_of_its_own_pins_what_is_pushed_for_review(
    ground: Separated, tmp_path: Path
) -> None:
    plain = Forged(ground, tmp_path, name="plain", host="ssh")
    plain.said = {"TWINSEAL_USER": "dev-a"}
    plain.begin()
    head = small(plain, "for-review")
    before = plain.refs()
    done = plain.push(ground["dev-a"], f"{head}:refs/for/main")
    assert done.landed, done.said
    new = {ref: oid for ref, oid in plain.refs().items() if ref not in before}
    assert list(new.values()) == [head]
    assert next(iter(new)).startswith("refs/changes/")
    until(lambda: not plain.reserved(), "the pin is seen as applied")
    assert plain.refs()[MAIN] == before[MAIN]


@pytest.mark.parametrize(
    ("host", "code"),
    [("gitlab", "repository.host_unreached"), ("ghes", "repository.host_unreached"), ("svn", "repository.host")],
)
def test_where_our_hooks_cannot_run_nothing_is_registered(ground: Separated, host: str, code: str) -> None:
    path = Path(ground.root) / f"{host}.git"
    ground.as_git(git.program(), "init", "-q", "--bare", str(path))
    said = {"name": host, "path": str(path), "advisory": False, "host": host}
    assert ground.owner.say("repository.add", "/repositories", said).code == code
