"""A real service with one agent, its key, and the repositories it pushes to: governed ones, and what they are
measured against.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

import pysequoia

from governance.adapters import git, hook_files
from governance.adapters.seat import Seat
from governance.entrypoints.playground import Playground
from governance.entrypoints.seated import Seated
from tests.bench.history import line
from tests.builders import loose_policy
from tests.keys import Key, _fingerprints, _sequoia_signer

AGENT = "dev-a"
EMAIL = f"{AGENT}@example.org"
SECOND = "dev-b"
MAIN = "refs/heads/main"
EMPTY_HOOK = "#!/bin/sh\nexit 0\n"


class World:
    """One folder with everything in it. Names of repositories say what judges a push to them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        policy = loose_policy(folder / "policy")
        self.play = Playground(folder, listen=f"127.0.0.1:{_free_port()}", quiet=True, policy=policy)
        self.agent = Seated(self.play, AGENT)
        self.work = folder / "work.git"

    def begin(self) -> None:
        """Start the service, govern, and enrol the agent, also by its uid, for pushes over the file transport."""
        self.play.begin()
        self._init("work")
        for name in ("governed", "sibling"):
            # The agent's uid is the git user's here, which is what advisory admits; it costs nothing less.
            self.play.owner.twinseal("repo", "add", name, str(self._init(name)), "--advisory")
        self._enroll()
        second = self.play.enroll(SECOND)
        for seat in (self.play.owner, self.agent, second):
            self._token(seat, "governed")
        self._token(self.agent, "sibling")
        _only_hook(self.folder / "sibling.git", EMPTY_HOOK)
        git.set_config(self._init("bare"), hook_files.CONFIG)
        self._found(self.play.owner, second)
        if self.play.mistakes:
            raise AssertionError(self.play.mistakes)

    def _token(self, seat: Seated, name: str) -> None:
        self.play.owner.twinseal("token", "issue", seat.name, "--repo", name, "--keep", str(seat.seat))

    def _found(self, *approvers: Seated) -> None:
        """Put the base on main everywhere; where it is governed, two must approve the first commit."""
        self.push(self.url("governed"), self.base, "refs/heads/topic/base")
        for seat in approvers:
            seat.twinseal("sign-off", "1", "--approve", "--repo", "governed")
        for name in ("governed", "sibling", "bare"):
            self.push(self.path(name), self.base, MAIN)

    def _init(self, name: str) -> Path:
        path = self.folder / f"{name}.git"
        subprocess.run([git.program(), "init", "-q", "--bare", "-b", "main", str(path)], check=True)
        shutil.rmtree(path / "hooks")
        return path

    def _enroll(self) -> None:
        known = ("--role", AGENT, "--email", EMAIL, "--uid", str(os.getuid()))
        said = self.play.owner.twinseal("principal", "add", AGENT, *known, "--json", shown="principal add")
        self.agent.seat.mkdir()
        secret = self.agent.seat / "secret"
        secret.write_text(json.loads(said)["secret"], encoding="ascii")
        self.agent.twinseal("key", "generate", "--as", AGENT, "--email", EMAIL)
        self.agent.twinseal("key", "enroll", "--secret-file", str(secret))

    @cached_property
    def key(self) -> Key:
        """The agent's key, as gpg made it; signing goes fifty times quicker in this process."""
        seat = Seat(self.agent.seat)
        gpg = ["gpg", "--homedir", str(seat.keys), "--batch", "--export-secret-keys"]
        secret = pysequoia.Tsk.from_bytes(subprocess.run(gpg, check=True, capture_output=True).stdout)
        certificate = bytes(secret.extract_certificate())
        return Key(AGENT, EMAIL, *_fingerprints(certificate), certificate, _sequoia_signer(secret))

    @cached_property
    def base(self) -> str:
        """The first commit, on main everywhere."""
        return line(self.work, self.key, 1, name="base")[0]

    def path(self, name: str) -> str:
        """Where a repository is, for the file transport."""
        return str(self.folder / f"{name}.git")

    def url(self, name: str) -> str:
        """Where a repository is, for the front, with the agent's token."""
        return f"http://{AGENT}:{Seat(self.agent.seat).token(name)}@{self.play.listen}/git/{name}.git"

    def push(self, where: str, oid: str, ref: str, *, good: bool = True) -> str:
        """Push a commit of the work repository; return what was said, if it ended as it should."""
        command = [git.program(), "-C", str(self.work), "push", "-q", where, f"{oid}:{ref}"]
        env = self.play.environment(AGENT)
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
        if (done.returncode == 0) is not good:
            raise AssertionError(f"push of {ref}: expected {'yes' if good else 'no'}, got {done.stderr}")
        return done.stderr

    def recorded(self, name: str, stub: Path, *, tip: str = "") -> Path:
        """Return a new repository with our hooks, which ask at `stub`, and with the base (or `tip`) on main."""
        path = self._init(name)
        self.push(str(path), tip or self.base, MAIN)
        hook_files.install(path, identifier=name, socket=stub)
        return path

    def copy(self, name: str) -> dict[str, str]:
        """Return the settings of a copy of the service's data. The service must not be running meanwhile."""
        for each in ("data", "state"):
            shutil.copytree(self.folder / each, self.folder / name / each, ignore=shutil.ignore_patterns("*.sock"))
        places = {each: str(self.folder / name / each) for each in ("data", "state")}
        return {"HOME": str(self.folder), **{f"TWINSEAL_{each.upper()}": place for each, place in places.items()}}


@contextlib.contextmanager
def opened(folder: Path) -> Iterator[World]:
    """Begin a world in an empty folder, and end it."""
    world = World(folder)
    try:
        world.begin()
        yield world
    finally:
        world.play.close()


def _only_hook(repository: Path, text: str) -> None:
    shutil.rmtree(repository / "hooks")
    hook = repository / "hooks" / "pre-receive"
    hook.parent.mkdir()
    hook.write_text(text, encoding="ascii")
    hook.chmod(0o755)


def _free_port() -> int:
    with socket.socket() as asking:
        asking.bind(("127.0.0.1", 0))
        return int(asking.getsockname()[1])
