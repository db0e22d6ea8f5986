"""kill -9 of the hook, of git and of the service, at each moment of a push that spends two sign-offs.

Moments are spread evenly over the time that such a push takes here. `make kills` tries two hundred; the suite a dozen.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from playing import MAIN, Ground, Repository, ended, lines, until

ROUNDS = int(os.environ.get("TWINSEAL_TEST_KILLS", "12"))
VICTIMS = ("hook", "git", "service")
LONGER = 1.3
"""Moments reach a little past the end of a push: to its pins, and to the next look of the reconciler."""


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    made = Ground(tmp_path_factory.mktemp("k"), uid_of="dev-a")
    yield made
    made.close()


def descendants(pid: int) -> Iterator[tuple[int, str]]:
    """Yield the processes below one, with their command lines."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        for child in map(int, children):
            yield child, Path(f"/proc/{child}/cmdline").read_text().replace("\0", " ")
            yield from descendants(child)
    except (FileNotFoundError, ProcessLookupError):
        return


def below(pid: int, *words: str) -> list[int]:
    return [child for child, command in descendants(pid) if any(word in command for word in words)]


def inside(folder: Path) -> list[int]:
    """Return the processes that work in a folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (process / "cwd").readlink() == folder:
                found.append(int(process.name))
    return found


def victims(ground: Ground, push: int, victim: str) -> list[int]:
    """Return what to kill; nothing where it does not run yet, or not any more."""
    if victim == "service":
        return [ground.pid]
    return below(push, "hooks/") if victim == "hook" else below(push, "receive-pack")


def kill(ground: Ground, push: int, victim: str) -> bool:
    found = victims(ground, push, victim)
    for pid in found:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            return False
    return bool(found)


def ready(repository: Repository, number: int) -> tuple[int, str]:
    """Return a change that two have signed off, and its head."""
    dev = repository.ground["dev-a"]
    head = repository.commit(dev, {"app.py": lines(60 + number)}, repository.refs()[MAIN])
    change = repository.open(dev, head, topic=f"topic/{number}")
    repository.approve(change, "dev-b", "qa-a")
    return change, head


def landing(repository: Repository, head: str, strike: Callable[[int], None]) -> float:
    """Push to the target by path, strike meanwhile, and return how long it took."""
    began = time.monotonic()
    push = repository.start_push(repository.ground["dev-a"], f"{head}:{MAIN}", url=str(repository.path))
    strike(push.pid)
    ended(push)
    return time.monotonic() - began


def asking(ground: Ground) -> int:
    """Count the conversations with hooks that the service is still in (proc(5): state 03 is connected)."""
    sockets = Path("/proc/net/unix").read_text().splitlines()
    return sum(line.endswith(f" {ground.socket}") and line.split()[5] == "03" for line in sockets)


def mend(repository: Repository, *, service: bool) -> None:
    """Do what an operator does after a crash: start the service again, remove git's stale locks.

    A hook outlives its git: it may still ask, be allowed, and find that there is nobody to move the ref. The service
    outlives a hook: what was asked by one that is dead may still be decided, and then spends until the next look.
    """
    if service:
        repository.ground.restart(kill=True)
    until(lambda: not inside(repository.path), "everything that ran in the repository has ended")
    until(lambda: not asking(repository.ground), "the service is through with every hook")
    repository.admit(repository.ground["dev-a"])  # The ledger writes in order: what was decided stands before this.
    for lock in [*repository.path.glob("refs/**/*.lock"), *repository.path.glob("*.lock")]:
        lock.unlink()
    until(lambda: not repository.reserved(), "every reservation is closed")


def settled(repository: Repository, change: int, head: str) -> bool:
    """Return whether it landed, having seen that git, the ledger and the sign-offs say the same."""
    landed = repository.refs()[MAIN] == head
    shown = repository.change(change)
    assert not repository.frozen()
    assert (shown["state"] == "landed") is landed
    assert [given["spent"] for given in shown["sign_offs"]] == [landed, landed]
    return landed


def test_killed_at_any_moment_a_push_lands_wholly_or_not_at_all(ground: Ground, tmp_path: Path) -> None:
    repository = ground.govern(tmp_path)
    repository.begin()
    change, head = ready(repository, 0)
    whole = max(landing(repository, head, lambda _: None), 0.1)
    changes, hit, through = [change], 0, 0
    for number in range(1, ROUNDS + 1):
        change, head = ready(repository, number)
        changes.append(change)
        victim = VICTIMS[number % len(VICTIMS)]
        moment = whole * LONGER * number / ROUNDS
        struck: list[bool] = []

        def strike(push: int, victim: str = victim, moment: float = moment, struck: list[bool] = struck) -> None:
            time.sleep(moment)
            struck.append(kill(ground, push, victim))

        landing(repository, head, strike)
        hit += struck[0]
        mend(repository, service=victim == "service")
        if settled(repository, change, head):
            through += 1
            continue
        again = repository.push(ground["dev-a"], f"{head}:{MAIN}", url=str(repository.path))
        assert again.landed, f"round {number}, {victim} at {moment:.3f} s: {again.said}"
        until(lambda: not repository.reserved(), "the second attempt is recorded")
        assert settled(repository, change, head)
    assert hit >= ROUNDS // 3, f"only {hit} of {ROUNDS} found somebody to kill"
    applied = [entry["data"] for entry in ground.entries("push.applied") if entry["repo"] == repository.name]
    landed = [number for data in applied for number in data["landed"]]
    assert sorted(landed) == sorted({*landed}), "no change landed twice"
    assert {*changes} <= {*landed}, "none was lost"
    print(f"{ROUNDS} rounds, {hit} kills, {through} pushes through at the first attempt")
    ground.assert_sound()


def test_what_is_decided_for_a_hook_that_is_dead_is_let_go_and_nothing_stays_spent(
    ground: Ground, tmp_path: Path
) -> None:
    """The hook has asked and hears that it is being read: it stops the service in the middle of that, and dies."""
    repository = ground.govern(tmp_path)
    repository.begin()
    change, head = ready(repository, 1)
    repository.lying_hook(
        "said, heard = [], wire.Service.receive",
        "def dying(service):",
        "    said.append(heard(service))",
        "    if len(said) == 3:  # Whose push it is, what to gather, and now this.",
        f"        os.kill(PID, {signal.SIGSTOP:d}); os.kill(os.getpid(), {signal.SIGKILL:d})",
        "    return said[-1]",
        "wire.Service.receive = dying",
    )
    seen = len(ground.entries())
    try:
        landing(repository, head, lambda _: None)
    finally:
        os.kill(ground.pid, signal.SIGCONT)
    repository.honest_hook()
    mend(repository, service=False)
    (decided,) = [entry for entry in ground.entries("push.decided", start=seen) if entry["repo"] == repository.name]
    assert decided["data"]["allowed"]
    assert len(decided["data"]["spend"]) == 2
    (let_go,) = [entry for entry in ground.entries("push.released", start=seen) if entry["repo"] == repository.name]
    assert let_go["data"]["decision"] == decided["seq"]
    assert not settled(repository, change, head)
    again = repository.push(ground["dev-a"], f"{head}:{MAIN}", url=str(repository.path))
    assert again.landed, again.said
    mend(repository, service=False)
    assert settled(repository, change, head)
