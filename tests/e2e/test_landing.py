"""Review and landing, end to end: refs/for, patch sets, fast-forward, merge, two at once, and what must not land."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest

from governance.adapters import git
from landing_world import LandingWorld, landing_world, lines, until


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LandingWorld]:
    with landing_world(tmp_path_factory.mktemp("w")) as found:
        yield found


def test_a_push_for_review_moves_no_branch_and_is_pinned(world: LandingWorld) -> None:
    world.start("dev-a")
    before = world.main()
    world["dev-a"].write("review.txt", lines(60))
    world["dev-a"].commit("For review")
    said = world["dev-a"].push("HEAD:refs/for/main")
    world.checked()
    number = world.newest()
    assert f"refs/changes/{number}/1" in said
    assert f"Change {number}, patch set 1: needs two sign-offs" in said
    refs = git.refs(world.repo)
    assert (world.main(), refs[f"refs/changes/{number}/1"][0]) == (before, world.head("dev-a"))
    assert not [ref for ref in refs if ref.startswith("refs/for/")]
    assert (world.change(number)["state"], world.change(number)["target"]) == ("open", "refs/heads/main")


def test_a_patch_set_is_added_by_naming_the_change_and_the_old_one_stays(world: LandingWorld) -> None:
    world.start("dev-a")
    number = world.propose("dev-a", ("sets.txt", lines(60)))
    first = world.head("dev-a")
    world.approve(number, "dev-b")
    world["dev-a"].write("sets.txt", lines(61))
    world["dev-a"].git("-C", str(world["dev-a"].work), "commit", "-q", "--amend", "-S", "-m", "again")
    world["dev-a"].push("HEAD:refs/for/main", "-o", f"twinseal.change={number}")
    world.checked()
    refs = git.refs(world.repo)
    assert [refs[f"refs/changes/{number}/{n}"][0] for n in (1, 2)] == [first, world.head("dev-a")]
    assert world.change(number)["patch_set"] == 2
    assert [given["current"] for given in world.change(number)["sign_offs"]] == [False]
    world["dev-a"].push("HEAD:refs/for/main", refused="proposals.already_open")
    world.land("dev-a", number, refused="four_eyes.missing_sign_offs")


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (("twinseal.user=owner",), "proposals.option"),
        (("twinseal.change=0",), "proposals.option"),
        (("twinseal.change=1", "twinseal.change=2"), "proposals.option"),
        (("Twinseal.Change=1",), "proposals.option"),
        (("twinseal.change=9999",), "proposals.no_such_change"),
        (("twinseal.change=1",), "proposals.no_such_change"),  # It has landed.
        (("x" * 300,), "proposals.option"),
    ],
)
def test_options_that_are_not_a_change_are_refused(world: LandingWorld, options: tuple[str, ...], code: str) -> None:
    world.start("dev-b")
    world["dev-b"].write("options.txt", lines(3))
    world["dev-b"].commit("options")
    flags = [word for option in options for word in ("-o", option)]
    world["dev-b"].push("HEAD:refs/for/main", *flags, refused=code)
    world.checked()


def test_options_of_other_tools_are_let_pass(world: LandingWorld) -> None:
    world.start("dev-b")
    world["dev-b"].write("options.txt", lines(4))
    world["dev-b"].commit("options")
    world["dev-b"].push("HEAD:refs/for/main", "-o", "ci.skip")
    world.checked()


def test_refs_for_goes_to_protected_branches_only_and_brings_something_new(world: LandingWorld) -> None:
    world.start("dev-b")
    world["dev-b"].push("HEAD:refs/for/topic/x", refused="ref_rules.proposal_target")
    world["dev-b"].push("HEAD:refs/for/main", refused="proposals.nothing_new")
    world["dev-b"].push(":refs/for/main", refused="refs/for/main")
    world.checked()


@pytest.mark.parametrize("broken", ["hook", "setting"])
def test_without_its_hook_or_its_setting_nothing_is_opened(world: LandingWorld, broken: str) -> None:
    hook = world.repo / "hooks" / "proc-receive"
    world.start("dev-a")
    world["dev-a"].write(f"broken-{broken}.txt", lines(3))
    world["dev-a"].commit("broken")
    before = git.refs(world.repo)
    try:
        if broken == "hook":
            hook.chmod(0o644)
        else:
            git.run(world.repo, "config", "--unset-all", "receive.procReceiveRefs")
        world["dev-a"].push("HEAD:refs/for/main", refused="the hook proc-receive or its setting is missing")
        world["dev-a"].twinseal("hooks", "check", "demo", refused="hooks.fault")
        assert git.refs(world.repo) == before
    finally:
        hook.chmod(0o755)
        git.set_config(world.repo, {"receive.procReceiveRefs": "refs/for"})
    world["dev-a"].push("HEAD:refs/for/main")
    world.checked()


def test_the_lander_moves_the_branch_forward_to_the_very_commit_that_was_signed_off(world: LandingWorld) -> None:
    world.start("dev-a")
    number = world.propose("dev-a", ("forward.txt", lines(60)))
    world.land("dev-a", number, refused="four_eyes.missing_sign_offs")
    assert world.change(number)["landing"]["state"] == "refused"
    world.approve(number, "dev-b", "qa-a")
    world.land("qa-a", number)  # An approver asks: that is no part in the change.
    assert world.main() == world.head("dev-a")
    assert (world.change(number)["state"], world.change(number)["landing"]["state"]) == ("landed", "landed")
    assert {given["spent"] for given in world.change(number)["sign_offs"]} == {True}
    decision = [e for e in world.entries() if e["kind"] == "push.decided" and e["data"]["allowed"]][-1]
    assert (decision["actor"]["id"], decision["data"]["transport"]) == ("lander", "lander")


def test_two_changes_to_different_paths_both_land_the_second_by_a_signed_merge(world: LandingWorld) -> None:
    for seat in ("dev-a", "dev-b"):
        world.start(seat)
    one = world.propose("dev-a", ("race-a.txt", lines(60)), title="One")
    two = world.propose("dev-b", ("race-b.txt", lines(60)), title="Two")
    world.approve(one, "dev-b", "qa-a")
    world.approve(two, "dev-a", "qa-a")
    for seat, number in (("dev-a", one), ("dev-b", two)):
        world[seat].twinseal("land", str(number), "--no-wait")
    for seat, number in (("dev-a", one), ("dev-b", two)):
        world[seat].twinseal("land", str(number), refused="landing")  # Queued or landed: nothing lands twice.
    world.play.mistakes.clear()
    until("both have landed", lambda: {world.change(n)["state"] for n in (one, two)} == {"landed"})
    assert world.parents() == [world.head("dev-a"), world.head("dev-b")]
    assert {"race-a.txt", "race-b.txt"} <= world.files().keys()
    shown = (
        git.run(world.repo, "log", "-1", "--format=%an%x00%ae%x00%s", "refs/heads/main").decode().strip().split("\0")
    )
    assert shown == ["lander", "twinseal-lander@localhost", f"Merge change {two} into main: Two"]
    world.start("dev-a")
    check = [git.program(), "-C", str(world["dev-a"].work), "verify-commit", "--raw", "HEAD"]
    told = subprocess.run(check, env=world.play.environment("dev-a"), capture_output=True, text=True, check=False)
    assert "ERRSIG" in told.stderr  # Signed; the lander's key is not in dev-a's ring.
    world.sound()


def test_a_sign_off_does_not_carry_over_where_both_sides_changed_a_path(world: LandingWorld) -> None:
    for seat in ("dev-a", "dev-b"):
        world.start(seat)
    mine = world.propose("dev-a", ("same.txt", lines(60)), ("base.txt", lines(5) + "end\n"))
    yours = world.propose("dev-b", ("yours.txt", lines(60)), ("base.txt", "top\n" + lines(5)))
    world.approve(mine, "dev-b", "qa-a")
    world.approve(yours, "dev-a", "qa-a")
    world.land("dev-a", mine)
    before = world.main()
    world.land("dev-b", yours, refused="four_eyes.missing_sign_offs")
    assert "base.txt" in world.change(yours)["landing"]["message"]
    assert (world.main(), world.change(yours)["state"]) == (before, "open")
    assert {given["spent"] for given in world.change(yours)["sign_offs"]} == {False}


def test_a_conflict_is_said_in_words_and_the_change_stays_open(world: LandingWorld) -> None:
    for seat in ("dev-a", "dev-b"):
        world.start(seat)
    mine = world.propose("dev-a", ("clash.txt", "mine\n" + lines(60)))
    yours = world.propose("dev-b", ("clash.txt", "yours\n" + lines(60)))
    world.approve(mine, "dev-b", "qa-a")
    world.approve(yours, "dev-a", "qa-a")
    world.land("dev-a", mine)
    world.land("dev-b", yours, refused="landing.conflict")
    assert "clash.txt" in world.change(yours)["landing"]["message"]
    assert world.change(yours)["state"] == "open"


def test_who_has_no_part_in_a_change_may_not_ask_for_it(world: LandingWorld) -> None:
    world.start("dev-a")
    number = world.propose("dev-a", ("part.txt", lines(60)))
    world.land("qa-a", number, refused="landing.not_involved")


def test_a_change_of_another_branch_lands_there(world: LandingWorld) -> None:
    world.start("dev-a")
    number = world.propose("dev-a", ("release.txt", lines(3)), to="refs/for/release/1")
    assert world.change(number)["target"] == "refs/heads/release/1"
    world.approve(number, "dev-b", "qa-a")
    world.land("dev-a", number)
    assert world.main("refs/heads/release/1") == world.head("dev-a")


def test_everything_is_on_record_and_sound(world: LandingWorld) -> None:
    world.sound()
    world.play.owner.twinseal("hooks", "check", "demo")
    world.checked()
