"""What the reconciler makes of odd names, of very many refs, and of a push that moved only half of what it might."""

from __future__ import annotations

import pytest

from playing import MAIN, Ground, Repository, lines, until

SIDE = "refs/heads/topic/side"


def settled(repository: Repository) -> None:
    """Have everything compared, as a start of the service does, and wait until nothing is under way."""
    repository.ground.restart()
    until(lambda: not repository.reserved(), "every reservation is closed")


@pytest.mark.parametrize("name", ["topic/x\u2028y", "x\x85y", "\ufffd", "sneaky"])
def test_a_ref_written_by_hand_freezes_whatever_its_name(started: Repository, standing: Repository, name: str) -> None:
    """What text calls a line end is part of a name. The other repositories are looked at all the same."""
    stray = started.path / "refs" / "heads" / name
    stray.parent.mkdir(parents=True, exist_ok=True)
    stray.write_text(f"{started.refs()[MAIN]}\n")
    started.ground.restart()
    until(started.frozen, "the freeze")
    drifted = [e for e in started.ground.entries("refs.drifted") if e["repo"] == started.name]
    assert len(drifted) == 1
    shown = started.ground.owner.get(f"/repositories/{started.name}/drift").body
    assert [item["ref"] for item in shown["items"]] == [f"refs/heads/{name}"]
    assert not standing.frozen()


def test_a_ref_whose_name_is_no_text_freezes(started: Repository) -> None:
    stray = bytes(started.path / "refs" / "heads") + b"/\xff\xfe"
    with open(stray, "w", encoding="ascii") as file:  # noqa: PTH123 - a name of bytes
        file.write(f"{started.refs()[MAIN]}\n")
    started.ground.restart()
    until(started.frozen, "the freeze")


def test_fifteen_hundred_refs_freeze_too(started: Repository, ground: Ground) -> None:
    """More than an entry could list."""
    dev, first = ground["dev-a"], started.refs()[MAIN]
    for number in range(1500):
        (started.path / "refs" / "heads" / f"sneaky-{number:05}").write_text(f"{first}\n")
    ground.restart()
    until(started.frozen, "the freeze")
    head = started.commit(dev, {"notes": "1\n"}, first)
    assert started.push(dev, f"{head}:{MAIN}").code == "freeze.in_force"
    (drifted,) = [e for e in ground.entries("refs.drifted") if e["repo"] == started.name]
    assert "1500" in str(drifted["data"]), drifted["data"]


@pytest.mark.parametrize("moves", [False, True])
def test_sign_offs_are_used_up_exactly_where_the_protected_ref_moved(
    started: Repository,
    moves: bool,  # noqa: FBT001 - a table
) -> None:
    """git moves each ref for itself: a side topic may move in a push whose protected ref could not."""
    dev, first = started.ground["dev-a"], started.refs()[MAIN]
    head = started.commit(dev, {"app.py": lines(60)}, first)
    number = started.open(dev, head)
    started.approve(number, "dev-b", "qa-a")
    in_the_way = started.path / f"{MAIN}.lock"
    if not moves:
        in_the_way.touch()
    pushed = started.push(dev, f"{head}:{MAIN}", f"{first}:{SIDE}")
    in_the_way.unlink(missing_ok=True)
    settled(started)
    assert pushed.landed is moves, pushed.said
    assert started.refs()[SIDE] == first, "the side topic moved either way"
    assert started.refs()[MAIN] == (head if moves else first)
    shown = started.change(number)
    assert [given["spent"] for given in shown["sign_offs"]] == [moves, moves]
    assert shown["state"] == ("landed" if moves else "open")
    assert not started.frozen()
    if not moves:
        again = started.push(dev, f"{head}:{MAIN}")
        assert again.landed, again.said
    started.ground.assert_sound()
