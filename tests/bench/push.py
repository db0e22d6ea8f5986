"""What one push pays: through the front against a sibling with an empty hook, and on its own against no hook."""

from __future__ import annotations

from tests.bench.history import line
from tests.bench.sizes import Sizes
from tests.bench.table import Figure, Reach, by_turns, progress, timed
from tests.bench.world import MAIN, World


def measure(world: World, sizes: Sizes) -> list[Figure]:
    """Push a line of small signed commits, one by one, onto the protected branch."""
    rounds = sizes.rounds
    commits = line(world.work, world.key, 2 * rounds, name="small", base=world.base)
    progress(f"push: {rounds} pushes through the front")
    governed, sibling = _pushed(world, commits[:rounds], world.url("governed"), world.url("sibling"))
    progress(f"push: {rounds} pushes over the file transport")
    world.push(world.path("bare"), commits[rounds - 1], MAIN)
    hooked, bare = _pushed(world, commits[rounds:], world.path("governed"), world.path("bare"))
    return [
        Figure(
            id="push.http.1", ours=governed, other=sibling, unit="ms", n=rounds,
            other_name="the same push through the same front, where the only hook is an empty shell script",
            reach=Reach("ours/other", 1.6),
        ),
        Figure(
            id="push.added_ms", ours=hooked, other=bare, unit="ms", n=rounds,
            other_name="the same push over the file transport, no hooks",
            reach=Reach("ours-other", 35),
            note=f"Adds {hooked - bare:.1f} ms; each also records that the one before it moved",
        ),
        Figure(
            id="push.file.1", ours=hooked, other=bare, unit="ms", n=rounds,
            other_name="the same pushes, no hooks",
            reach=Reach("ours/other", 2.6), note="A floor: by path nothing is enforced, unless git has its own uid",
        ),
    ]  # fmt: skip


def _pushed(world: World, commits: list[str], ours: str, other: str) -> tuple[float, float]:
    """Return the medians of pushing each commit to both, in milliseconds."""

    def one(where: str, number: int) -> float:
        return timed(lambda: world.push(where, commits[number], MAIN)) * 1000

    return by_turns(len(commits), lambda number: one(ours, number), lambda number: one(other, number))
