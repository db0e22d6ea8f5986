"""The separated set-up of deploy/README.md for real: git under one user, the service under another, both new.

Needs root. Users, folders and servers are made for one fixture and taken away with it.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from builders import loose_policy
from governance.adapters import git, hook_files
from governance.entrypoints.playground import Playground
from playing import ENVIRONMENT, LOG, Ground, Member, Repository, free_port

ROOT = Path(__file__).parent.parent
MASK = 0o027


@cache
def python() -> tuple[str, str]:
    """Return an interpreter that any user may start, and the path of packages that it finds everything on."""
    packages = next(path for path in sys.path if path.endswith("site-packages"))
    for candidate in (os.path.realpath(sys.executable), f"/usr/bin/python3.{sys.version_info.minor}"):
        asked = [candidate, "-c", "import governance, pysqlite3, fastapi, pysequoia, uvloop"]
        env = {"PYTHONPATH": f"{ROOT}:{packages}", "PATH": os.defpath}
        with suppress(OSError):
            done = subprocess.run(
                asked, user=65534, group=65534, extra_groups=[], env=env, cwd="/", capture_output=True, check=False
            )
            if done.returncode == 0:
                return candidate, f"{ROOT}:{packages}"
    return "", ""


def need_root(*programs: str) -> None:
    """Skip, saying why, where users cannot be made or a server is not installed."""
    if os.getuid() != 0:
        pytest.skip("only root can run git and the service as two other users")
    missing = [name for name in programs if shutil.which(name, path="/usr/sbin:/usr/bin:/sbin:/bin") is None]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")
    if not python()[0]:
        pytest.skip("no Python that another user may start can load the packages of this environment")


@contextmanager
def user(kind: str, home: Path, *groups: str) -> Iterator[pwd.struct_passwd]:
    """Make a user of its own, with a group of its own; remove both afterwards."""
    name = f"ts{kind}{os.getpid()}"
    options = ["--system", "--user-group", "--no-create-home", "--shell", "/bin/sh", "--password", "*"]
    more = ["--groups", ",".join(groups)] if groups else []
    subprocess.run(["useradd", *options, "--home-dir", str(home), *more, name], check=True, capture_output=True)
    try:
        yield pwd.getpwnam(name)
    finally:
        subprocess.run(["userdel", "--force", name], check=False, capture_output=True)
        subprocess.run(["groupdel", name], check=False, capture_output=True)


class Apart(Playground):
    """A playground whose service runs as a user of its own, with its socket where the git user can come."""

    def __init__(self, folder: Path, who: pwd.struct_passwd, groups: Iterable[int]) -> None:
        super().__init__(folder, listen=f"127.0.0.1:{free_port()}", quiet=True)
        self.who = who
        self.groups = list(groups)

    def environment(self, seat: str) -> dict[str, str]:
        return super().environment(seat) | {"TWINSEAL_SOCKET": str(self.folder / "run" / "hook.sock")}

    def start(self) -> None:
        program, packages = python()
        env = self.environment("owner") | {"PYTHONPATH": packages}
        with (self.folder / "service.log").open("ab") as log:
            self._service = subprocess.Popen(
                [program, "-m", "governance", "serve"], env=env, cwd="/", stdout=log, stderr=log, umask=0o077,
                user=self.who.pw_uid, group=self.who.pw_gid, extra_groups=self.groups,
            )  # fmt: skip
        self._answers()


class Separated(Ground):
    """One service under its own user, everyone enrolled, and a git user whose repositories it may only read."""

    def __init__(self, folder: Path, git_user: pwd.struct_passwd, service: pwd.struct_passwd) -> None:
        self.git_user = git_user
        self.service = service
        self.play = Apart(folder, service, [git_user.pw_gid])
        self.advisory = False
        self.members = {}
        self.root = folder / "git"
        self.lib = folder / "lib"
        self._numbers = iter(range(1, 10_000))
        policy = loose_policy(folder / "policy")
        self.play.owner.twinseal("init", "--origin", LOG, "--policy", str(policy))
        assert not self.play.mistakes, self.play.mistakes
        self._folders(folder)
        self.play.start()
        try:
            self._enroll_all(folder, "")
        except BaseException:
            self.play.stop()
            raise

    def _folders(self, folder: Path) -> None:
        for place in ("run", "git", "lib"):
            (folder / place).mkdir()
        for name in ("twinseal-git-shell", "twinseal-git-http"):
            shutil.copy(ROOT / "deploy" / name, self.lib / name)
        own(self.service, folder / "data", folder / "state", folder / "run")
        own(self.git_user, self.root)
        self.root.chmod(0o750)

    def as_git(self, *command: str, input: str = "", **more: Any) -> subprocess.CompletedProcess[str]:  # noqa: A002, ANN401
        """Run something as the git user; it must succeed."""
        who = self.git_user
        done = subprocess.run(
            command, user=who.pw_uid, group=who.pw_gid, extra_groups=[], umask=MASK, cwd="/", env=ENVIRONMENT | more,
            capture_output=True, text=True, check=False, input=input,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done


class Hosted(Repository):
    """A repository of the git user's, pushed to at whatever address its server gives a member."""

    def __init__(self, ground: Separated, work: Path, *, name: str, host: str, path: Path | None = None) -> None:
        self.ground: Separated = ground
        self.name = name
        self.path = path or ground.root / f"{name}.git"
        self.work = work / f"{name}-work"
        self.address = ""
        if path is None:
            ground.as_git(git.program(), "init", "-q", "--bare", "-b", "main", str(self.path))
        subprocess.run([git.program(), "init", "-q", "-b", "main", str(self.work)], check=True, env=ENVIRONMENT)
        said = {"name": name, "path": str(self.path), "advisory": False, "host": host}
        done = ground.owner.say("repository.add", "/repositories", said).done
        assert done["separated"] is True
        self.id = done["id"]
        dispatched = host in {"gitea", "forgejo"}
        hook_files.install(self.path, identifier=self.id, socket=Path(done["socket"]), dispatched=dispatched)
        for member in ground.members:
            self.admit(ground[member])

    def url(self, by: Member) -> str:
        return self.address.format(name=by.name)


def own(who: pwd.struct_passwd, *folders: Path) -> None:
    """Give folders to a user, with all that is in them."""
    for folder in folders:
        for path in (folder, *folder.rglob("*")):
            os.chown(path, who.pw_uid, who.pw_gid)


@contextmanager
def separated() -> Iterator[Separated]:
    """Make users and a service in a folder that others may pass through; take everything away afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="twinseal-apart-"))
    folder.chmod(0o755)
    try:
        with user("g", folder / "home") as git_user, user("s", folder, git_user.pw_name) as service:
            ground = Separated(folder, git_user, service)
            try:
                yield ground
            finally:
                ground.close()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
