"""SSH keys from making to revoking, by the commands that people use, over real git: and what a key has landed."""

from __future__ import annotations

import json
import socket
import subprocess
import time
from typing import TYPE_CHECKING, Any

import pytest

from builders import loose_policy
from governance.adapters.seat import Seat
from governance.adapters.ssh_home import SshHome
from governance.entrypoints.playground import Playground
from governance.entrypoints.seated import Seated

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PAGE = "x\n" * 60


class Garden:
    """A service with an owner and agents who sign by SSH, but for one, and a repository with its first commit."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as asking:
            asking.bind(("127.0.0.1", 0))
            port = asking.getsockname()[1]
        self.play = Playground(folder, listen=f"127.0.0.1:{port}", quiet=True, policy=loose_policy(folder / "policy"))
        self.play.begin()
        self.dev = self.play.enroll("dev-a", ssh=True)
        self.other = self.play.enroll("dev-b", ssh=True)
        self.qa = self.play.enroll("qa-a")
        self.path = self.play.govern("garden", (self.dev, self.other, self.qa))
        self.dev.write("README", PAGE)
        self.first = self.dev.commit("Begin")
        self.land(self.dev, "begin")
        self.sound()

    def sound(self) -> None:
        assert self.play.mistakes == []

    def land(self, by: Seated, topic: str) -> None:
        """Open a change, have it signed off by the two who did not write it, and land it."""
        number = by.push(f"HEAD:refs/heads/topic/{topic}").split("Change ")[1].split(",")[0]
        for seat in {self.dev, self.other, self.qa} - {by}:
            seat.twinseal("sign-off", number, "--approve")
        by.push("HEAD:refs/heads/main")

    def json(self, seat: Seated, *args: str) -> Any:  # noqa: ANN401 - JSON
        return json.loads(seat.quiet(*args, "--json"))

    def key(self, seat: Seated) -> str:
        return Seat(seat.seat).need("fingerprint")

    def applied(self, seat: Seated, name: str) -> list[dict[str, Any]]:
        """Return what somebody has landed, once nothing of it is under way any more."""
        until = time.monotonic() + 20
        while time.monotonic() < until:
            found: list[dict[str, Any]] = self.json(seat, "principal", "show", name)["landings"]
            if found and all(update["applied"] is not None for update in found):
                return found
            time.sleep(0.05)
        raise AssertionError(f"{name}: still under way: {found}")


@pytest.fixture
def garden(tmp_path: Path) -> Iterator[Garden]:
    made = Garden(tmp_path)
    yield made
    made.play.close()


def test_an_ssh_key_enrols_signs_off_lands_rotates_and_is_revoked_with_a_list_of_what_it_landed(garden: Garden) -> None:
    owner, dev = garden.play.owner, garden.dev
    old = garden.key(dev)
    assert old.startswith("SHA256:")
    dev.twinseal("key", "rotate")
    new = garden.key(dev)
    assert new != old

    dev.write("two", PAGE)
    second = dev.commit("By the new key")  # The clone's configuration is as it was: the link was moved.
    garden.land(dev, "two")
    garden.sound()
    landed = garden.applied(owner, "dev-a")
    assert {(u["key"], u["ref"], tuple(u["commits"])) for u in landed} == {
        (old, "refs/heads/topic/begin", (garden.first,)),
        (old, "refs/heads/main", (garden.first,)),
        (new, "refs/heads/topic/two", (second,)),
        (new, "refs/heads/main", (second,)),
    }

    said = garden.json(owner, "key", "revoke", new, "--reason", "laptop lost")
    assert said["landed"] == {"updates": 2, "commits": 2, "under_way": 0}
    assert [(u["ref"], u["commits"], u["applied"] > u["decision"]) for u in said["landings"]] == [
        ("refs/heads/main", [second], True),
        ("refs/heads/topic/two", [second], True),
    ]
    assert owner.quiet("principal", "show", "dev-a").count(second[:12]) == 2

    dev.write("three", "x\n")
    dev.commit("After")
    dev.push("HEAD:refs/heads/topic/three", refused="signature.key_revoked")
    refused = subprocess.run(["git", "-C", str(garden.path), "rev-parse", "main"], capture_output=True, check=True)
    assert refused.stdout.decode().strip() == second, "what has landed stays landed"
    assert garden.play.owner.twinseal("ledger", "rebuild", "--check")
    garden.sound()


def test_people_read_what_a_revoked_key_has_landed(garden: Garden) -> None:
    key = garden.key(garden.dev)
    garden.applied(garden.play.owner, "dev-a")
    said = garden.dev.twinseal("key", "revoke", key)
    garden.sound()
    assert "has landed 2 commits in 2 updates" in said
    assert garden.first[:12] in said
    assert "landed nothing" in garden.other.twinseal("key", "revoke", garden.key(garden.other))


def test_a_key_goes_from_one_kind_to_the_other_and_back(garden: Garden) -> None:
    dev = garden.dev
    dev.twinseal("key", "rotate", "--openpgp")
    assert not garden.key(dev).startswith("SHA256:")
    dev.twinseal("key", "rotate")
    assert not garden.key(dev).startswith("SHA256:")
    dev.twinseal("key", "rotate", "--ssh", "--days", "3")
    assert garden.key(dev).startswith("SHA256:")
    dev.write("again", "x\n")
    dev.commit("Again")
    dev.push("HEAD:refs/heads/topic/again")
    garden.sound()
    entry = garden.json(garden.play.owner, "ledger", "tail", "-n", "100")
    (rotated,) = [e for e in entry if e["kind"] == "key.rotated" and e["subject"] == garden.key(dev)]
    ((name, ends),) = rotated["data"]["key"]["subkeys"]
    assert name == garden.key(dev)
    assert ends == pytest.approx(rotated["ts"] / 1000 + 3 * 86400, abs=60)


@pytest.mark.parametrize("kind", ["another's key", "a key of nobody", "no key"])
def test_a_commit_by_another_ssh_key_does_not_land(garden: Garden, kind: str) -> None:
    dev, thief = garden.dev, garden.other
    if kind == "another's key":
        thief.write("evil", "x\n")
        thief.commit("In another's name", author=dev)
        thief.push("HEAD:refs/heads/topic/evil", refused="signed_commits.not_the_author")
    elif kind == "a key of nobody":
        dev.write("evil", "x\n")
        home = SshHome(dev.seat / "made-up")
        file = home.use(home.generate("dev-a@example.org"))
        dev.git("-C", str(dev.work), "config", "user.signingkey", str(file))
        dev.commit("By a key that was never enrolled")
        dev.push("HEAD:refs/heads/topic/evil", refused="signature.unknown_key")
    else:
        dev.write("evil", "x\n")
        dev.commit("Unsigned", sign=False)
        dev.push("HEAD:refs/heads/topic/evil", refused="signed_commits.unsigned")
    dev.git("-C", str(dev.work), "reset", "-q", "--hard", garden.first)
    dev.write("good", "x\n")
    dev.git("-C", str(dev.work), "config", "user.signingkey", str(SshHome(dev.seat / "ssh").current))
    dev.commit("By its own")
    dev.push("HEAD:refs/heads/topic/good")
    garden.sound()
