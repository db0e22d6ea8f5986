"""Third reviews and overrides as people do them: every command, every push and the clockwork are real."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from builders import loose_policy
from governance.entrypoints.playground import Playground
from landing_world import LandingWorld, lines
from playing import free_port

SEATS = ("dev-a", "dev-b", "qa-a", "librarian", "orchestrator")
REASON = ("--reason", "looked at all of it")


@pytest.fixture
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LandingWorld]:
    """A service that draws everything; nothing has landed."""
    folder = tmp_path_factory.mktemp("t")  # Its name is short: agents listen at paths of a hundred characters.
    policy = loose_policy(folder / "policy")
    text = policy.read_text()
    assert "tertiary: {percent: 0" in text
    policy.write_text(text.replace("tertiary: {percent: 0", "tertiary: {percent: 100"))
    play = Playground(folder, listen=f"127.0.0.1:{free_port()}", quiet=True, policy=policy)
    try:
        play.begin()
        seats = {name: play.enroll(name) for name in SEATS}
        made = LandingWorld(play, play.govern("demo", seats.values()), seats)
        play.owner.twinseal("token", "issue", "owner", "--repo", "demo", "--keep", str(play.owner.seat))
        made.checked()
        yield made
    finally:
        play.close()


def test_a_drawn_change_waits_for_its_third_and_an_override_for_its_reviews(world: LandingWorld) -> None:
    number = world.propose("dev-a", ("base.txt", lines(60)), ("other.txt", lines(5)), title="Begin")
    world.approve(number, "dev-b", "qa-a")
    world.land("dev-b", number, refused="tertiary.drawn")
    (item,) = world.json("dev-a", "review", "queue")["third_reviews"]
    assert item["change"] == number
    assert set(item["reviewers"]) == {"owner", "librarian", "orchestrator"}

    first = item["waits_for"][0]
    who = world.play.owner if first == "owner" else world[first]
    who.twinseal("review", "tertiary", str(number), "--approve", *REASON, "--repo", "demo")
    world.checked()
    world.land("dev-b", number)
    assert world.json("dev-a", "review", "queue") == {"third_reviews": [], "overrides": []}

    world.start("dev-a")
    urgent = world.propose("dev-a", ("base.txt", lines(120)), title="Mend it at once")
    world["orchestrator"].twinseal("override", "ask", str(urgent), "--reason", "the site is down")
    world.checked()
    (found,) = world.json("dev-a", "override", "list")
    seq = str(found["seq"])
    world["librarian"].twinseal("override", "sign", seq)
    world.land("dev-a", urgent, refused="four_eyes.missing_sign_offs")
    world.play.owner.twinseal("override", "sign", seq, "--repo", "demo")
    world.checked()
    world.land("dev-a", urgent)
    (owed,) = world.json("dev-a", "review", "queue")["overrides"]
    assert owed["seq"] == found["seq"]
    world["qa-a"].twinseal("override", "review", seq, "--verdict", "fine", *REASON)
    world.play.owner.twinseal("override", "review", seq, "--verdict", "fine", *REASON, "--repo", "demo")
    world.checked()
    assert world.json("dev-a", "review", "queue")["overrides"] == []

    opened = [entry["data"] for entry in world.entries() if entry["kind"] == "draw.epoch_opened"]
    assert [each["epoch"] for each in opened] == [1]
    assert (world.play.folder / "data" / "draw-1.key").stat().st_mode & 0o777 == 0o600
    world.sound()

    world.play.stop()
    (world.play.folder / "data" / "draw-1.key").unlink()
    world.play.start()
    kinds = [(e["kind"], e["data"].get("reason")) for e in world.entries() if e["kind"].startswith("draw.")][-2:]
    assert kinds == [("draw.epoch_revealed", "lost"), ("draw.epoch_opened", None)]
    report = json.loads(world["dev-a"].quiet("review", "audit", "--epoch", "1", "--json"))
    assert not report["checkable"]
    exported = world.play.folder / "entries.jsonl"
    exported.write_text("".join(json.dumps(entry) + "\n" for entry in world.entries()))
    read = json.loads(world["dev-a"].quiet("review", "audit", "--epoch", "1", "--ledger", str(exported), "--json"))
    hidden = [{**line, "change": 0} for line in read["lines"]]  # Of whose repository nothing was said.
    assert {**read, "lines": hidden} == report
