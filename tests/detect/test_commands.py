"""The commands, as an owner uses them: real keys, real pushes, real gpg."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from landing_world import LandingWorld, landing_world

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CODE = "def fits(size, limit):\n    return size <= limit\n" + "".join(f"NAME_{n} = 'x'\n" for n in range(60))


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LandingWorld]:
    with landing_world(tmp_path_factory.mktemp("d")) as made:
        yield made
        made.sound()


def test_a_canary_is_planted_pushed_missed_and_revealed(world: LandingWorld, tmp_path: Path) -> None:
    owner, dev = world.play.owner, world["dev-a"]
    world.start("dev-a")
    source = world.propose("dev-a", ("src/fit.py", CODE), title="Fit")
    world.approve(source, "dev-b", "qa-a")
    world.land("dev-a", source)
    patch = tmp_path / "canary.patch"
    said = owner.twinseal("canary", "plant", str(source), "--seed", "4", "--out", str(patch), "--repo", "demo")
    world.checked()
    assert "is reserved" in said
    base = said.partition("git switch --detach ")[2].split()[0]
    dev.git("-C", str(dev.work), "switch", "-q", "--detach", base)
    subprocess.run(["git", "-C", str(dev.work), "apply", "--index", str(patch)], check=True)
    dev.git("-C", str(dev.work), "commit", "-q", "-S", "-m", "Fit, second part")
    dev.push("HEAD:refs/for/main")
    world.checked()
    number = world.newest()
    world.approve(number, "dev-b")
    assert "answered" in owner.quiet("canary", "list", "--repo", "demo")
    canary = world.entries()
    seq = next(entry["seq"] for entry in canary if entry["kind"] == "canary.planted")
    assert "missed by dev-b" in owner.quiet("canary", "reveal", str(seq), "--repo", "demo")
    report = owner.quiet("detect", "report", "--repo", "demo")
    assert "1 of 1" in report
    assert "essentially none" in report
    assert "0 findings" in owner.quiet("detect", "run", "--repo", "demo")
    owner.twinseal("detect", "run", "--repo", "demo", refused="detect.too_soon")
    world["qa-a"].twinseal("detect", "report", refused="authority.owner_only")
    world["qa-a"].twinseal("canary", "list", refused="authority.owner_only")
    world.checked()
