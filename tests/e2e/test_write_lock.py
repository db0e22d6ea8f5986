"""The write lock over real git, real HTTP and the command line: who holds it pushes, and no further than was said."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from builders import loose_policy
from governance.entrypoints.playground import Playground
from governance.entrypoints.seated import Seated
from playing import MAIN, Ground, Member, Pushed, Repository, free_port, lines, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    folder = tmp_path_factory.mktemp("w")
    policy = loose_policy(folder / "leased")
    text = policy.read_text()
    assert "\nwrite_lock:\n" in text
    policy.write_text(text.replace("\nwrite_lock:\n", f"\nwrite_lock:\n  refs: [{MAIN}]\n"))
    made = Ground(folder, policy=policy)
    yield made
    made.assert_sound()
    made.close()


@pytest.fixture
def garden(ground: Ground, tmp_path: Path) -> Iterator[Repository]:
    repository = ground.govern(tmp_path)
    yield repository
    ground.forget(repository)


def ask(garden: Repository, by: Member, *files: str, count: int = 100) -> dict[str, Any]:
    said = {"repository": garden.name, "scope": "write", "files": list(files), "lines": count, "minutes": 5}
    return by.say("lock.request", f"/repositories/{garden.name}/locks", said, repository=garden.name).done


def give_back(garden: Repository, by: Member, token: int) -> None:
    said = {"repository": garden.name, "scope": "write", "token": token}
    assert by.say("lock.release", f"/repositories/{garden.name}/locks", said, repository=garden.name).status == 201


def push(garden: Repository, by: Member, head: str, token: int = 0) -> Pushed:
    return garden.push(by, f"{head}:{MAIN}", more=("-o", f"twinseal.lock={token}") if token else ())


def begin(garden: Repository, dev: Member) -> str:
    """Land the first commit, under a lease."""
    first = garden.commit(dev, {"README": "first\n"})
    garden.approve(garden.open(dev, first, topic="topic/begin"), "dev-b", "qa-a")
    assert push(garden, dev, first).code == "write_lock.none"
    token = ask(garden, dev, "README")["token"]
    assert push(garden, dev, first).code == "write_lock.token"
    assert push(garden, dev, first, token).landed
    give_back(garden, dev, token)
    return first


def test_main_moves_only_under_a_lease_and_within_its_intent(ground: Ground, garden: Repository) -> None:
    dev, other = ground["dev-a"], ground["dev-b"]
    first = begin(garden, dev)
    mine = ask(garden, dev, "src/**", count=10)
    theirs = ask(garden, other, "docs/**")
    assert (mine["state"], theirs["state"]) == ("held", "waiting")
    outside = garden.commit(dev, {"src/a": "1\n", "SRC/a": "1\n"}, first)
    large = garden.commit(dev, {"src/a": lines(11)}, first)
    inside = garden.commit(dev, {"src/a": lines(10)}, first)
    assert push(garden, dev, outside, mine["token"]).code == "write_lock.intent"
    assert push(garden, dev, large, mine["token"]).code == "write_lock.intent"
    assert push(garden, dev, inside, mine["token"]).landed
    more = garden.commit(dev, {"src/b": "1\n"}, inside)
    assert push(garden, dev, more, mine["token"]).code == "write_lock.intent"  # What was announced is used up.
    give_back(garden, dev, mine["token"])
    assert push(garden, dev, more, mine["token"]).code == "write_lock.stale"
    shown = other.get(f"/repositories/{garden.name}/locks", repository=garden.name).body["items"]
    assert (shown[0]["holder"]["principal"], shown[0]["queue"]) == ("dev-b", [])


def test_the_lander_lands_under_the_lease_of_who_asked(ground: Ground, garden: Repository) -> None:
    dev = ground["dev-a"]
    first = begin(garden, dev)
    head = garden.commit(dev, {"src/a": lines(60)}, first)
    number = garden.open(dev, head)
    garden.approve(number, "dev-b", "qa-a")

    def landed() -> tuple[str, str]:
        body = {"repository": garden.name, "change": number, "patch_set": 1, "head": head}
        assert dev.say("land", f"/repositories/{garden.name}/landings", body, repository=garden.name).status == 201
        until(lambda: garden.change(number)["landing"]["state"] in {"landed", "refused"}, "the lander has been there")
        found = garden.change(number)["landing"]
        return found["state"], found["code"]

    assert landed() == ("refused", "write_lock.none")
    token = ask(garden, dev, "docs/**")["token"]
    assert landed() == ("refused", "write_lock.intent")
    give_back(garden, dev, token)
    ask(garden, dev, "src/**")
    assert landed() == ("landed", "")


def out_of_order(dev: Seated, other: Seated, orchestrator: Seated, librarian: Seated) -> None:
    """Ask for more time, for another's lease and for a place; the librarian co-signs each."""
    ask = ("lock", "request", "--file", "docs/**", "--lines", "10", "--json")
    token = str(json.loads(dev.quiet(*ask))["token"])
    place = str(json.loads(other.quiet(*ask))["request"])

    def cosigned(seat: Seated, *args: str) -> str:
        entry = str(json.loads(seat.quiet("lock", *args, "--reason", "it burns", "--json"))["asked"])
        assert "it burns" in librarian.quiet("lock", "status")
        seat.twinseal("lock", "cosign", entry, refused="lock.own_request")
        return librarian.quiet("lock", "cosign", entry)

    assert "extension for dev-a" in cosigned(dev, "extend", token)
    assert "out-of-order for dev-b" in cosigned(orchestrator, "prefer", place)
    assert "steal for dev-b" in cosigned(orchestrator, "steal", token, "--for", place)
    dev.twinseal("lock", "release", token, refused="lock.stale")
    held = json.loads(other.quiet("lock", "status", "--json"))[0]["holder"]
    assert held["principal"] == "dev-b"
    other.twinseal("lock", "release", str(held["token"]))
    librarian.twinseal("lock", "cosign", "7", refused="lock.moved")
    dev.twinseal("lock", "extend", token, "--reason", "gone", refused="lock.stale")


def test_the_command_line_asks_shows_gives_back_and_raises(tmp_path: Path) -> None:
    play = Playground(tmp_path, listen=f"127.0.0.1:{free_port()}", quiet=True, policy=loose_policy(tmp_path / "policy"))
    try:
        play.begin()
        dev = play.enroll("dev-a")
        others = [play.enroll(name, ssh=True) for name in ("dev-b", "orchestrator", "librarian")]
        play.govern("demo", [dev, *others])
        asked = json.loads(dev.quiet("lock", "request", "--file", "docs/**", "--lines", "10", "--json"))
        token = str(asked["token"])
        shown = dev.quiet("lock", "status")
        assert (token in shown, "10 in docs/**" in shown) == (True, True), shown
        dev.twinseal("lock", "release", token)
        assert "nobody holds" in dev.quiet("lock", "status")
        dev.twinseal("lock", "release", token, refused="lock.stale")
        out_of_order(dev, *others)
        raised = ("limit", "raise", "dev-a", "lock_request", "--hour", "10000", "--day", "100000")
        play.owner.twinseal(*raised, "--for", "1")
        dev.twinseal(*raised, refused="authority.owner_only")
        rows = json.loads(dev.quiet("limit", "show", "--json"))
        assert next(row["used_hour"] for row in rows if row["action"] == "lock_request") == 3
        assert "3 of 10000" in play.owner.quiet("limit", "show", "--principal", "dev-a")
        assert not play.mistakes, play.mistakes
    finally:
        play.close()
