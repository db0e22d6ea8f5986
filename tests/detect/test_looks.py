"""The daily look over a real ledger: what it records, what follows, and how often it may be taken."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from builders import REPOSITORY
from governance.detect import looks
from governance.errors import ConflictError, DeniedError, RequestError
from governance.kinds import KINDS
from governance.parameters import Parameters
from governance.state import canaries
from service_world import ServiceWorld
from tests.detect.feeding import LIMITS, feed, given, later, opened, run
from tests.detect.fleets import fleet, reviews

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PAIR = fleet(12, "ring of two", 3)


@pytest.fixture(scope="module")
def paired(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceWorld]:
    """Twelve who review each other for a month, two of them only each other; and the look that was taken then."""
    with ServiceWorld(tmp_path_factory.mktemp("paired")) as world:
        feed(world, reviews(PAIR, 4, 30))
        later(world, 0.1)
        run(world)
        yield world
        assert world.difference() == ""


@pytest.fixture
def world(tmp_path: Path) -> Iterator[ServiceWorld]:
    with ServiceWorld(tmp_path) as made:
        yield made
        assert made.difference() == ""


def third(world: ServiceWorld, *names: str, after: int = 0) -> tuple[str, ...]:
    with world.service.read() as tx:
        return canaries.third(tx, names, world.now + after)


def test_reviews_are_what_the_ledger_says(world: ServiceWorld) -> None:
    made = reviews(fleet(6, "honest", 1), 2, 2)
    shift = world.now - made[0].opened_at
    feed(world, made)
    with world.service.read() as tx:
        found = looks.reviews(tx, REPOSITORY, LIMITS, now=world.now)
    assert len(found) == len(made)
    assert {(r.author, r.approver, r.verdict, r.units, r.group) for r in found} == {
        (r.author, r.approver, r.verdict, r.units, r.group) for r in made
    }
    assert sorted(r.latency_ms for r in found) == sorted(r.latency_ms for r in made)
    assert shift


def test_a_finding_is_recorded_and_asks_for_a_third_reviewer_for_a_while(paired: ServiceWorld) -> None:
    body = paired.bodies("kind='finding.recorded'")[0]
    data = body["data"]
    KINDS.check(body["kind"], data)
    assert [(each["pattern"], sorted(each["people"])) for each in data["found"]] == [("pair", sorted(PAIR.bad))]
    assert (data["people"], data["spent"]) == (12, "0.00167")
    assert "would be noticed" in data["power"]
    assert data["until"] == body["ts"] + LIMITS.third_reviewer_days * 86_400_000
    reason = f"finding of entry {body['seq']} about {PAIR.bad[0]} (pair)"
    assert third(paired, PAIR.bad[0], "somebody") == (reason,)
    others = [name for name in PAIR.people if name not in PAIR.bad]
    assert third(paired, *others) == ()
    assert third(paired, *PAIR.bad, after=LIMITS.third_reviewer_days * 86_400_000) == ()


def test_a_finding_freezes_nothing_and_takes_no_right(paired: ServiceWorld) -> None:
    assert paired.rows('select count(*) from "freeze"') == [(0,)]
    assert paired.rows("select count(*) from principal where retired_seq is not null") == [(0,)]


def test_there_is_one_look_a_day(paired: ServiceWorld) -> None:
    with pytest.raises(ConflictError) as caught:
        run(paired)
    assert caught.value.code == "detect.too_soon"
    assert paired.bodies("kind='request.refused'")[-1]["data"]["code"] == "detect.too_soon"


def test_the_report_shows_the_case_and_records_nothing(paired: ServiceWorld) -> None:
    before = len(paired.kinds())
    with paired.service.read() as tx:
        shown = looks.shown(tx, REPOSITORY, Parameters(), now=paired.now)
    assert shown["canaries_due"] == -(-3 * shown["reviews"] // 100)
    assert (shown["cases"][0]["pattern"], shown["cases"][0]["found"]) == ("pair", True)
    assert {shown["most"][0]["author"], shown["most"][0]["approver"]} == set(PAIR.bad)
    assert shown["last_look"] > 0
    assert len(paired.kinds()) == before


def test_a_look_without_reviews_says_that_it_could_see_nothing_and_is_recorded(world: ServiceWorld) -> None:
    answer = run(world)
    assert answer["found"] == []
    assert "essentially none; 0 people" in answer["power"]
    later(world, 1)
    assert run(world)["found"] == []
    assert world.kinds().count("finding.recorded") == 2


def test_only_an_owner_looks_and_says_where(world: ServiceWorld) -> None:
    with pytest.raises(DeniedError) as caught:
        run(world, "dev-a")
    assert caught.value.code == "authority.owner_only"
    with pytest.raises(DeniedError) as caught:
        run(world, repository="other")
    assert caught.value.code == "statement.other_repository"
    with pytest.raises(RequestError) as asked:
        run(world, days=1)
    assert asked.value.code == "detect.malformed"
    assert "finding.recorded" not in world.kinds()


def test_the_part_of_the_repository_is_where_most_of_its_paths_are(world: ServiceWorld) -> None:
    draft = opened(1, "dev-a", 3, "")
    draft.data["opens"][0]["about"]["paths"] = ["a/b/c/d.py", "a/b/e.py", "z.py"]  # type: ignore[index]
    world.append(draft, given(1, "dev-b", "approve"), given(2, "dev-b", "approve"))
    assert world.rows("select part from opening") == [("a/b",)]
    assert world.rows("select number, author, approver from review") == [
        (1, "dev-a", "dev-b")
    ]  # Of 2 nothing is known.
