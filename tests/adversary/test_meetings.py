"""Where parts meet: landing and observing, dead reservations and whoever waits for them. Each with its honest twin."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from adversary.raw import BOGUS, new_objects, packed, raw_push
from governance.adapters import processes
from governance.entrypoints.machine import world
from playing import MAIN, ZEROS, Ground, Member, Repository, ended, lines, until

SIDE = "refs/heads/side"
"""A branch that HEAD does not name: git itself keeps that one from being deleted."""


@pytest.fixture
def observed(started: Repository) -> Repository:
    """A begun repository in which nothing is refused for breaking a rule."""
    assert set_mode(started, "observe") == ""
    return started


def set_mode(repository: Repository, mode: str) -> str:
    """Return the code it was refused with; empty where it was done."""
    said = {"repository": repository.name, "mode": mode}
    return repository.ground.owner.say("repository.mode", f"/repositories/{repository.name}/mode", said).code


def lapses(repository: Repository) -> list[tuple[str, str, str, str]]:
    """Have refs compared once more, and return what moved without being allowed to."""
    owner = repository.ground.owner
    answer = repository.ground.ask("POST", f"/repositories/{repository.name}/check", {}, token=owner.tokens[""])
    return [(each["ref"], each["recorded"], each["found"], each["state"]) for each in answer.body["lapses"]]


def quiet(repository: Repository) -> None:
    until(lambda: not repository.reserved(), "nothing is under way")


@pytest.mark.parametrize("old", [ZEROS, BOGUS])
def test_a_deletion_that_lies_about_what_is_there_is_not_let_through(
    observed: Repository, dev: Member, old: str
) -> None:
    tip = observed.refs()[MAIN]
    assert observed.push(dev, f"{tip}:{SIDE}").landed
    raw_push(observed, dev, f"{old} {ZEROS} {SIDE}")
    quiet(observed)
    assert observed.refs().get(SIDE) == tip

    assert observed.push(dev, f"{observed.commit(dev, {'a': 'a'}, tip)}:{SIDE}").landed
    raw_push(observed, dev, f"{observed.refs()[SIDE]} {ZEROS} {SIDE}")
    quiet(observed)
    assert SIDE not in observed.refs()


def land(repository: Repository, by: Member, number: int) -> dict[str, Any]:
    """Ask the lander, and return how it went."""
    shown = repository.change(number)
    body = {"repository": repository.name, "change": number, "patch_set": shown["patch_set"], "head": shown["head"]}
    answer = by.say("land", f"/repositories/{repository.name}/landings", body, repository=repository.name)
    assert answer.status == 201, answer.raw

    def over() -> dict[str, Any]:
        found: dict[str, Any] = repository.change(number)["landing"]
        return found if found["state"] in {"landed", "refused"} else {}

    return dict(until(over, "the landing is over"))


def test_the_lander_lands_what_is_allowed_in_an_observed_repository_and_nothing_else(
    observed: Repository, dev: Member
) -> None:
    before = observed.refs()[MAIN]
    head = observed.commit(dev, {"large": lines(60)}, before)
    number = observed.open(dev, head)
    assert land(observed, dev, number)["code"] == "four_eyes.missing_sign_offs"
    quiet(observed)
    assert observed.refs()[MAIN] == before

    observed.approve(number, "dev-b", "qa-a")
    assert land(observed, dev, number)["state"] == "landed"
    assert (observed.refs()[MAIN], lapses(observed)) == (head, [])


def test_a_push_that_came_too_late_holds_nothing_for_ever(observed: Repository, dev: Member) -> None:
    tip = observed.refs()[MAIN]
    head = observed.commit(dev, {"a": "a\n"}, tip)
    raw_push(observed, dev, f"{BOGUS} {head} {MAIN}", pack=packed(observed, new_objects(observed, head, tip)))
    assert observed.refs()[MAIN] == tip
    quiet(observed)

    assert observed.push(dev, f"{head}:{MAIN}").landed
    quiet(observed)
    assert set_mode(observed, "enforce") == ""


def test_a_name_beyond_ascii_keeps_nobody_in_observation(observed: Repository, dev: Member) -> None:
    tip = observed.refs()[MAIN]
    one = observed.commit(dev, {"a": "a\n"}, tip)
    two = observed.commit(dev, {"a": "b\n"}, one)
    for head in (one, two):
        assert observed.push(dev, f"{head}:refs/heads/caf\u00e9").landed
        until(lambda: "refs/heads/caf\u00e9" in {line[0] for line in lapses(observed)}, "it is on the list")
    quiet(observed)
    assert set_mode(observed, "enforce") == ""


def test_a_large_push_that_is_long_in_gathering_keeps_no_other_from_being_judged(
    started: Repository, ground: Ground, dev: Member, tmp_path: Path
) -> None:
    """It has sent its commits ahead; whoever can make trees that take long to compare could hold up everybody."""
    other = ground.govern(tmp_path)
    other.begin()
    ahead, go_on = tmp_path / "ahead", tmp_path / "go-on"
    started.lying_hook(
        "true = receive._ahead",
        "def slow(service, raws):",
        "    true(service, raws)",
        f"    open({str(ahead)!r}, 'w').close()",
        f"    while not os.path.exists({str(go_on)!r}): time.sleep(0.01)",
        "receive._ahead = slow",
    )
    push = started.start_push(dev, f"{many(started, dev)}:refs/heads/topic/slow")
    until(ahead.exists, "its commits are sent ahead")
    honest = other.push(dev, f"{many(other, dev)}:refs/heads/topic/quick")
    go_on.touch()
    slow = ended(push)
    started.honest_hook()
    assert honest.landed, honest.said
    assert slow.landed, slow.said


def many(repository: Repository, dev: Member) -> str:
    """Return the last of so many commits that they are sent ahead of the facts."""
    head = repository.refs()[MAIN]
    tree = repository.tree({"a": "a\n"}, base=head)
    for _ in range(45):
        head = repository.commit(dev, {}, head, tree=tree)
    return head


def test_what_a_push_is_still_writing_is_not_tidied_away(tmp_path: Path) -> None:
    """The hook, and the lander, write a reservation under another name first."""
    folder = tmp_path / "twinseal" / "reservations"
    folder.mkdir(parents=True)
    ours = "{}-{}".format(*processes.this())
    landing = f"{ours}-0123456789abcdef"
    kept = {ours, f".{ours}", f"m-{ours}", landing, f".{landing}"}
    for name in (*kept, ".1-1", "1-1", "m-1-1", f"{ours}-fedcba9876543210"):
        (folder / name).touch()
    world((tmp_path / "hook.sock",), {landing}).tidy(tmp_path, frozenset())
    assert {file.name for file in folder.iterdir()} == kept
