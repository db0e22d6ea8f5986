"""What was said, or may be seen, in one repository is worth nothing in another."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from playing import MAIN, Ground, Member, Repository, lines, until

REMEDIATION = "a backup wrote the ref; it was looked at"


@pytest.fixture
def other(ground: Ground, tmp_path: Path) -> Repository:
    """A second repository, begun, of the same people."""
    repository = ground.govern(tmp_path / "other")
    repository.begin()
    return repository


@pytest.fixture
def foreign(ground: Ground, tmp_path: Path) -> tuple[Repository, Repository]:
    """Two empty repositories: the first is dev-a's alone, the second dev-b's."""
    return ground.govern(tmp_path, "dev-a"), ground.govern(tmp_path, "dev-b")


def test_a_withdrawal_signed_for_one_repository_is_none_in_another(
    started: Repository, other: Repository, ground: Ground, dev: Member
) -> None:
    """Both have a change of the same number with a sign-off of the same person."""
    reviewer, numbers = ground["dev-b"], []
    for place in (started, other):
        numbers.append(place.open(dev, place.commit(dev, {"app.py": lines(60)}, place.refs()[MAIN])))
        place.approve(numbers[-1], "dev-b")
    assert numbers[0] == numbers[1]
    said = reviewer.signed("sign_off.withdraw", {"change": numbers[0], "repository": started.name})
    elsewhere = ground.ask("POST", f"/repositories/{other.name}/sign-offs", said, token=reviewer.tokens[other.name])
    assert (elsewhere.status, elsewhere.code) == (422, "sign_off.malformed")
    assert not other.change(numbers[1])["sign_offs"][0]["withdrawn"]
    unnamed = reviewer.say(
        "sign_off.withdraw", f"/repositories/{other.name}/sign-offs", {"change": numbers[1]}, repository=other.name
    )
    assert unnamed.code == "sign_off.malformed"
    here = ground.ask("POST", f"/repositories/{started.name}/sign-offs", said, token=reviewer.tokens[started.name])
    assert here.status == 201, here.raw
    assert started.change(numbers[0])["sign_offs"][0]["withdrawn"]


def test_a_thaw_lifts_the_freeze_it_names_and_takes_no_ref_that_it_does_not(
    started: Repository, other: Repository, ground: Ground, dev: Member
) -> None:
    places = (started, other)
    for place in places:
        stray = place.path / "refs" / "heads" / "sneaky"
        stray.write_text(f"{place.refs()[MAIN]}\n")
    ground.restart()
    until(lambda: started.frozen() and other.frozen(), "both are frozen")
    shown = [ground.owner.get(f"/repositories/{place.name}/drift").body for place in places]
    bodies = [
        {
            "repository": place.name,
            "freeze": seen["freeze"],
            "remediation": REMEDIATION,
            "refs": {item["ref"]: item["found"] for item in seen["items"]},
        }
        for place, seen in zip(places, shown, strict=True)
    ]
    path = f"/repositories/{other.name}/thaw"
    wrong = [bodies[0], bodies[1] | {"repository": started.name}, bodies[1] | {"freeze": bodies[0]["freeze"]}]
    wrong += [bodies[1] | {"refs": {}}, bodies[1] | {"refs": {"refs/heads/sneaky": "0" * 40}}, {"refs": {}}]
    wrong += [bodies[1] | {"refs": bodies[1]["refs"] | {MAIN: other.refs()[MAIN]}}]
    for body in wrong:
        refused = ground.owner.say("thaw", path, body)
        assert refused.status in {409, 422}, (body, refused.raw)
        assert other.frozen()
        assert (other.path / "twinseal" / "frozen").exists()
    said = ground.owner.signed("thaw", bodies[0])
    assert ground.ask("POST", path, said, token=ground.owner.tokens[""]).code == "thaw.moved"
    assert ground.ask("POST", f"/repositories/{started.name}/thaw", said, token=ground.owner.tokens[""]).status == 200
    assert (started.frozen(), other.frozen()) == (False, True)
    assert ground.owner.say("thaw", path, bodies[1]).status == 200
    for place in places:
        head = place.commit(dev, {"notes": "1\n"}, place.refs()[MAIN])
        assert place.push(dev, f"{head}:{MAIN}").landed


def test_a_repositorys_token_shows_nothing_of_another(foreign: tuple[Repository, Repository], ground: Ground) -> None:
    theirs, own = foreign
    head = theirs.commit(ground["dev-a"], {"app.py": lines(60)})
    theirs.open(ground["dev-a"], head)
    reader, seqs = ground["dev-b"], []
    for start in range(0, 100_000, 200):
        page = ground.owner.get(f"/ledger/entries?start={start}").body["items"]
        seqs += [item["seq"] for item in page if json.loads(item["body"])["repo"] == theirs.name]
        if not page:
            break
    assert len(seqs) > 2
    for seq in seqs:
        assert reader.get(f"/ledger/entries/{seq}", repository=own.name).code == "request.not_found"
    assert ground.owner.get(f"/ledger/entries/{seqs[0]}").status == 200
    near = reader.get(f"/ledger/entries?start={seqs[0]}", repository=own.name).body["items"]
    assert not [item for item in near if json.loads(item["body"])["repo"] == theirs.name]
    assert reader.get(f"/repositories/{theirs.name}/drift", repository=own.name).code == "token.other_repository"
    assert reader.get(f"/repositories/{own.name}/drift", repository=own.name).status == 200
    for path in ("/repositories", "/status"):
        shown = reader.get(path, repository=own.name)
        assert f'"{theirs.name}"' not in shown.raw.decode(), path
        assert f'"{own.name}"' in shown.raw.decode(), path


def test_an_agents_seat_does_not_show_what_differs_in_a_repository(
    foreign: tuple[Repository, Repository], ground: Ground
) -> None:
    theirs, _ = foreign
    for name in ("dev-a", "dev-b"):
        assert ground[name].get(f"/repositories/{theirs.name}/drift").code == "token.other_repository"
    assert ground.owner.get(f"/repositories/{theirs.name}/drift").status == 200
