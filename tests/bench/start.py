"""How long it takes before anything happens: the hook, and the command line."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from governance.adapters import git, hook_files
from tests.bench.sizes import Sizes
from tests.bench.stub import Stub
from tests.bench.table import Figure, Reach, by_turns, progress, timed
from tests.bench.world import MAIN, World

PLAIN = {"PATH": os.defpath, "HOME": "/nonexistent", "LC_ALL": "C.UTF-8"}


def measure(world: World, sizes: Sizes) -> list[Figure]:
    """Start each program and wait for its end."""
    progress(f"start: {sizes.rounds} starts of the hook, {sizes.rounds} of the command line")
    return [_hook(world, sizes.rounds), _help(sizes.rounds)]


def _hook(world: World, rounds: int) -> Figure:
    socket = world.folder / "start.sock"
    repository = world.recorded("start", socket)
    conf = repository / "twinseal" / "conf"
    conf.write_text(conf.read_text().replace(f"git {git.program()}", f"git {shutil.which('true')}"))
    asked = f"{'0' * 40} {world.base} {MAIN}\n".encode()
    env = {**PLAIN, "GIT_DIR": str(repository)}
    hook, python = str(repository / "hooks" / "pre-receive"), hook_files.interpreter()
    with Stub(socket, judge=""):
        ours, other = by_turns(
            rounds,
            lambda _: _ran([hook], env, stdin=asked, code=1),
            lambda _: _ran([python, "-I", "-S", "-E", "-c", "pass"], env),
        )
    return Figure(
        id="hook.start", ours=ours, other=other, unit="ms", n=rounds,
        other_name="python -I -S -E -c pass, the same interpreter", reach=Reach("ours/other", 1.5),
        note="Connect, ask, be refused; `true` stands in for git",
    )  # fmt: skip


def _help(rounds: int) -> Figure:
    twinseal = str(Path(sys.executable).with_name("twinseal"))
    ours, other = by_turns(
        rounds,
        lambda _: _ran([twinseal, "--help"], PLAIN),
        lambda _: _ran([sys.executable, "-c", "import typer"], PLAIN),
    )
    return Figure(
        id="cli.help", ours=ours, other=other, unit="ms", n=rounds,
        other_name="python -c 'import typer', the same environment", reach=Reach("ours/other", 1.5),
    )  # fmt: skip


def _ran(command: Sequence[str], env: dict[str, str], *, stdin: bytes = b"", code: int = 0) -> float:
    """Return how long a program took, in milliseconds, if it ended as it should."""
    done: list[subprocess.CompletedProcess[bytes]] = []
    took = timed(lambda: done.append(subprocess.run(command, env=env, input=stdin, capture_output=True, check=False)))
    if done[0].returncode != code:
        raise AssertionError(f"{command[0]}: expected {code}, got {done[0].returncode}: {done[0].stderr!r}")
    return took * 1000
