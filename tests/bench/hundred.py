"""A push of a hundred signed commits: governed, through an empty hook, and through one `git verify-commit` for each."""

from __future__ import annotations

import subprocess
from statistics import median

from tests.bench.history import line
from tests.bench.sizes import Sizes
from tests.bench.table import Figure, Reach, progress, timed
from tests.bench.world import MAIN, World, _only_hook

TOPIC = "refs/heads/topic/hundred"
VERIFYING = """#!/bin/sh
# What hooks usually do: one git, and one gpg, for each commit.
export GNUPGHOME='{ring}' PATH=/usr/local/bin:/usr/bin:/bin
while read -r old new ref; do
    for commit in $(git rev-list "$new" --not --all); do
        git verify-commit "$commit" 2>/dev/null || exit 1
    done
done
"""


def measure(world: World, sizes: Sizes) -> list[Figure]:
    """Push lines of signed commits through the front, to each of three repositories in turn."""
    count, rounds = sizes.hundred, sizes.hundred_rounds
    _verifying(world)
    progress(f"hundred: making {rounds} times {count} signed commits")
    lines = [line(world.work, world.key, count, name=f"hundred-{n}", base=world.base) for n in range(rounds)]
    progress(f"hundred: {rounds} pushes of {count} commits, to us, an empty hook and git verify-commit")
    took: dict[str, list[float]] = {"governed": [], "sibling": [], "verifying": []}
    for number, commits in enumerate(lines):
        for name in sorted(took, reverse=bool(number % 2)):  # Who goes first warms what the others use.
            ref = f"{TOPIC}-{number}"
            took[name].append(timed(lambda n=name, c=commits, r=ref: world.push(world.url(n), c[-1], r)) * 1000)
    ours, empty, verifying = (median(took[name]) for name in ("governed", "sibling", "verifying"))
    return [
        Figure(
            id=f"push.http.{count}", ours=ours, other=empty, unit="ms", n=rounds,
            other_name="the same push through the same front, where the only hook is an empty shell script",
            reach=Reach("ours/other", 1.5),
        ),
        Figure(
            id=f"push.verifycommit.{count}", ours=ours, other=verifying, unit="ms", n=rounds,
            other_name="the same push, where the hook calls git verify-commit for each commit",
            reach=Reach("other/ours", 5, at_least=True),
            note=f"That hook takes {verifying / empty:.1f} times the empty one",
        ),
    ]  # fmt: skip


def _verifying(world: World) -> None:
    """Make a repository whose only hook verifies by git and gpg, with a ring that holds the agent's key."""
    ring = world.folder / "ring"
    ring.mkdir(mode=0o700)
    command = ["gpg", "--homedir", str(ring), "--batch", "--quiet", "--no-autostart", "--import"]
    subprocess.run(command, input=world.key.certificate, check=True, capture_output=True)
    world.play.owner.twinseal("repo", "add", "verifying", str(world._init("verifying")), "--advisory")
    world._token(world.agent, "verifying")
    _only_hook(world.folder / "verifying.git", VERIFYING.format(ring=ring))
    world.push(world.url("verifying"), world.base, MAIN)
