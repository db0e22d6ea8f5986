"""A whole governed repository with agents, for tests of review and landing: every command and every push is real."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from audit import reads, stores
from builders import loose_policy
from governance.adapters import git
from governance.entrypoints.playground import Playground
from governance.entrypoints.seated import Seated

ROLES = ("dev-a", "dev-b", "qa-a")


def lines(count: int, start: int = 0) -> str:
    return "".join(f"line {number}\n" for number in range(start, start + count))


def as_lander(
    play: Playground, work: Path, tree: str, parents: tuple[str, ...], message: str = "Merge change 9"
) -> str:
    """Write a commit in the lander's name, with its own stolen key."""
    stolen = play.folder / "data" / "lander"
    key = json.loads((stolen / "seat.json").read_text())["fingerprint"]
    env = play.environment("owner") | {"GNUPGHOME": str(stolen / "gnupg")}
    for who in ("AUTHOR", "COMMITTER"):
        env |= {f"GIT_{who}_NAME": "lander", f"GIT_{who}_EMAIL": "twinseal-lander@localhost"}
    options = [option for parent in parents for option in ("-p", parent)]
    command = [git.program(), "-C", str(work), "commit-tree", f"-S{key}", tree, *options, "-m", message]
    return subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout.strip()


@dataclass
class LandingWorld:
    play: Playground
    repo: Path
    seats: dict[str, Seated]

    def __getitem__(self, name: str) -> Seated:
        return self.seats[name]

    def checked(self) -> None:
        mistakes, self.play.mistakes = self.play.mistakes, []
        assert not mistakes, "\n".join(mistakes)

    def json(self, seat: str, *args: str) -> Any:  # noqa: ANN401 - JSON
        return json.loads(self.seats[seat].quiet(*args, "--json"))

    def change(self, number: int) -> Any:  # noqa: ANN401 - JSON
        return self.json("qa-a", "change", "show", str(number))

    def newest(self) -> int:
        return int(self.json("qa-a", "change", "list", "--state", "all")[0]["number"])

    def start(self, seat: str) -> None:
        """Let a seat's clone begin anew from what has landed."""
        self.seats[seat].update()

    def propose(self, seat: str, *files: tuple[str, str], to: str = "refs/for/main", title: str = "a change") -> int:
        """Commit and push for review; return the change's number."""
        for name, text in files:
            self.seats[seat].write(name, text)
        self.seats[seat].commit(title)
        self.seats[seat].push(f"HEAD:{to}")
        self.checked()
        return self.newest()

    def approve(self, number: int, *seats: str) -> None:
        for seat in seats:
            who = self.play.owner if seat == "owner" else self.seats[seat]
            who.twinseal("sign-off", str(number), "--approve", "--repo", "demo")
        self.checked()

    def land(self, seat: str, number: int, *, refused: str = "") -> None:
        self.seats[seat].twinseal("land", str(number), refused=refused)
        self.checked()

    def main(self, ref: str = "refs/heads/main") -> str:
        return git.run(self.repo, "rev-parse", ref).decode().strip()

    def parents(self, ref: str = "refs/heads/main") -> list[str]:
        return git.run(self.repo, "log", "-1", "--format=%P", ref).decode().split()

    def files(self, ref: str = "refs/heads/main") -> dict[str, str]:
        out = git.run(self.repo, "ls-tree", "-r", ref).decode()
        return {line.split("\t")[1]: line.split()[2] for line in out.splitlines()}

    def head(self, seat: str) -> str:
        return self.seats[seat].git("-C", str(self.seats[seat].work), "rev-parse", "HEAD").strip()

    def codes(self) -> list[str]:
        """Return the code of every refused push and landing on record."""
        found = []
        for entry in self.entries():
            decided = entry["kind"] == "push.decided" and not entry["data"]["allowed"]
            if decided or entry["kind"] == "landing.refused":
                found.append(entry["data"]["code"])
        return found

    def entries(self) -> list[dict[str, Any]]:
        connection = stores.open_reader(self.play.folder / "data" / "ledger.sqlite")
        try:
            return [json.loads(row.body) for row in reads.entries(connection, 0, reads.size(connection))]
        finally:
            connection.close()

    def sound(self) -> None:
        """Every entry chains, every state row follows from entries, every ref is as recorded."""
        self.play.owner.twinseal("ledger", "verify")
        self.play.owner.twinseal("ledger", "rebuild", "--check")
        self.checked()
        assert json.loads(self.play.owner.quiet("status", "--json"))["repositories"][0]["frozen"] == []

    def merge_as_lander(self, seat: str, tree: str, parents: tuple[str, ...], message: str = "Merge change 9") -> str:
        """Write a commit with the lander's own stolen key, in a seat's clone."""
        return as_lander(self.play, self.seats[seat].work, tree, parents, message)


@contextmanager
def landing_world(folder: Path, *, policy: Path | None = None) -> Iterator[LandingWorld]:
    """Serve a repository in which main has begun with `base.txt`, by the shipped policy loosened or by another."""
    with socket.socket() as asking:
        asking.bind(("127.0.0.1", 0))
        port = asking.getsockname()[1]
    play = Playground(folder, listen=f"127.0.0.1:{port}", quiet=True, policy=policy or loose_policy(folder / "policy"))
    try:
        play.begin()
        seats = {name: play.enroll(name) for name in ROLES}
        world = LandingWorld(play, play.govern("demo", seats.values()), seats)
        number = world.propose("dev-a", ("base.txt", lines(5)), ("other.txt", lines(5)), title="Begin")
        world.approve(number, "dev-b", "qa-a")
        world.land("dev-b", number)
        yield world
    finally:
        play.close()


def until(what: str, true: Callable[[], bool], *, seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if true():
            return
        time.sleep(0.1)
    raise AssertionError(f"not within {seconds} s: {what}")


def settings_of(world: LandingWorld) -> dict[str, str]:
    """Return the environment of a process that opens this world's service itself."""
    return world.play.environment("owner") | {"PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[1])])}
