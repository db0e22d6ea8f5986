"""Attacks on review and landing, each with its honest twin: on a real repository."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest

from governance.adapters import git
from landing_world import LandingWorld, landing_world, lines, settings_of, until


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LandingWorld]:
    with landing_world(tmp_path_factory.mktemp("a")) as found:
        yield found


def test_an_evil_merge_signed_with_the_landers_stolen_key_is_refused(world: LandingWorld) -> None:
    for seat in ("dev-a", "dev-b"):
        world.start(seat)
    number = world.propose("dev-a", ("victim.txt", lines(60)))
    head = world.head("dev-a")
    world.approve(number, "dev-b", "qa-a")
    small = world.propose("dev-b", ("small.txt", lines(3)))
    world.land("dev-b", small)
    seat = world["dev-a"]
    seat.git("-C", str(seat.work), "fetch", "-q", "origin")
    tip = world.main()
    tree = seat.git("-C", str(seat.work), "merge-tree", "--write-tree", tip, head).strip()
    seat.write("evil.txt", "one line\n")
    evil = seat.git("-C", str(seat.work), "write-tree").strip()
    for what, code in ((evil, "signed_commits.lander_content"), (tree, "four_eyes.no_change")):
        forged = world.merge_as_lander("dev-a", what, (tip, head))
        seat.push(f"{forged}:refs/heads/main", refused=code)
    single = world.merge_as_lander("dev-a", evil, (tip,))
    seat.push(f"{single}:refs/heads/main", refused="signed_commits.lander_content")
    world.checked()
    assert world.main() == tip
    world.land("dev-a", number)  # The twin: the same merge, by the lander itself.
    assert world.parents() == [tip, head]


def test_a_head_swapped_after_approval_does_not_land(world: LandingWorld) -> None:
    world.start("dev-a")
    number = world.propose("dev-a", ("swap.txt", lines(60)))
    good = world.head("dev-a")
    world.approve(number, "dev-b", "qa-a")
    world["dev-a"].write("swap.txt", lines(60) + "evil\n")
    world["dev-a"].git("-C", str(world["dev-a"].work), "commit", "-q", "--amend", "-S", "-m", "swapped")
    world["dev-a"].push("HEAD:refs/for/main", "-o", f"twinseal.change={number}")
    world.land("dev-b", number, refused="four_eyes.missing_sign_offs")
    assert world.main() != world.head("dev-a")
    world["dev-a"].git("-C", str(world["dev-a"].work), "reset", "-q", "--hard", good)
    world["dev-a"].push("HEAD:refs/for/main", "-o", f"twinseal.change={number}")
    world.checked()
    world.land("dev-a", number)  # The twin: back at what was signed off, by its exact binding.
    assert world.main() == good


def test_a_change_cannot_be_moved_to_another_branch(world: LandingWorld) -> None:
    world.start("dev-a")
    number = world.propose("dev-a", ("retarget.txt", lines(60)))
    world.approve(number, "dev-b", "qa-a")
    named = ("-o", f"twinseal.change={number}")
    world["dev-a"].push("HEAD:refs/for/release/9", *named, refused="proposals.other_target")
    world["dev-a"].push("HEAD:refs/heads/release/9", refused="four_eyes.no_change")
    world.checked()
    world.land("dev-a", number)  # The twin: where it was signed off for.


def test_a_topic_deleted_and_made_again_takes_no_sign_off_along(world: LandingWorld) -> None:
    world.start("dev-a")
    number = world.propose("dev-a", ("again.txt", lines(60)), to="refs/heads/topic/again")
    world.approve(number, "dev-b", "qa-a")
    world["dev-a"].push(":refs/heads/topic/again")
    world["dev-a"].push("HEAD:refs/heads/topic/again")
    world.checked()
    other = world.newest()
    assert other != number
    world.land("dev-a", number, refused="landing.closed")
    world.land("dev-a", other, refused="four_eyes.missing_sign_offs")
    world.approve(other, "dev-b", "qa-a")
    world.land("dev-a", other)


def test_a_patch_set_comes_only_from_who_has_a_hand_in_the_change(world: LandingWorld) -> None:
    world.start("dev-a")
    number = world.propose("dev-a", ("hand.txt", lines(60)))
    world.start("dev-b")
    world["dev-b"].write("hand.txt", lines(61))
    world["dev-b"].commit("taken over")
    world["dev-b"].push("HEAD:refs/for/main", "-o", f"twinseal.change={number}", refused="proposals.not_yours")
    world["dev-a"].write("hand.txt", lines(62))
    world["dev-a"].commit("mine")
    world["dev-a"].push("HEAD:refs/for/main", "-o", f"twinseal.change={number}")
    world.checked()


def test_nobody_enrols_as_the_lander(world: LandingWorld) -> None:
    options = ("--role", "dev-a", "--email", "l@example.org")
    world.play.owner.twinseal("principal", "add", "lander", *options, refused="principal")
    world.play.owner.twinseal("principal", "add", "other", "--role", "lander", *options[2:], refused="principal")
    world.checked()


_KILLED = """
import os, signal, sys
from pathlib import Path
from governance.adapters import settings
from governance.adapters.yard import GitYard
from governance.entrypoints.house import opened
from governance.reconcile import Reconciler
from governance.state import read
step, when = sys.argv[1:]
kind = Reconciler if step == "drain" else GitYard
plain = getattr(kind, step)
def deadly(self, *args):
    if when == "after":
        plain(self, *args)
    os.kill(os.getpid(), signal.SIGKILL)
with opened(settings.load()) as house:
    with house.service.read() as tx:
        path = read.repository(tx, "demo")["path"]
    house.reconciler.check("demo", Path(path))  # Should the service have been killed while it landed this.
    setattr(kind, step, deadly)
    print(house.lander.round())
"""


@pytest.mark.parametrize(
    ("step", "when"),
    [("merge", "before"), ("store", "after"), ("gather", "after"), ("reserve", "before"), ("reserve", "after"),
     ("move", "before"), ("move", "after"), ("drain", "after")],
)  # fmt: skip
def test_a_landing_that_is_killed_converges_and_spends_its_sign_offs_once(
    world: LandingWorld, step: str, when: str
) -> None:
    for seat in ("dev-a", "dev-b"):
        world.start(seat)
    name = f"killed-{step}-{when}"
    number = world.propose("dev-a", (f"{name}.txt", lines(60)), title=name)
    small = world.propose("dev-b", (f"{name}-small.txt", lines(3)))
    world.approve(number, "dev-b", "qa-a")
    world.land("dev-b", small)  # So that there is something to merge with.
    tip = world.main()
    world["dev-a"].twinseal("land", str(number), "--no-wait")
    world.play.stop(kill=True)
    if world.main() == tip:
        command = [sys.executable, "-c", _KILLED, step, when]
        done = subprocess.run(command, env=settings_of(world), capture_output=True, text=True, check=False)
        assert done.returncode == -9, done.stdout + done.stderr
    world.play.start()
    until("the landing is over", lambda: world.change(number)["landing"]["state"] == "landed", seconds=40)
    assert world.parents() == [tip, world.head("dev-a")]
    assert {given["spent"] for given in world.change(number)["sign_offs"]} == {True}
    assert git.run(world.repo, "rev-list", "--count", f"{tip}..refs/heads/main") == b"2\n"
    world.sound()
