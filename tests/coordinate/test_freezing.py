from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from audit.entry import Draft
from builders import MAIN, NEW, OLD, REPOSITORY
from governance import record
from governance.coordinate import freezing
from governance.coordinate.freezing import HOUR_MS
from governance.errors import ConflictError, DeniedError, NotFoundError, RequestError
from governance.people.tokens import Caller
from governance.record import SERVICE, Kind
from governance.review import acts
from governance.state import read, status, stops
from keys import key_of
from service_world import PEOPLE, ServiceWorld

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

REASON = "two keys were seen on one laptop"
DONE = "the laptop was wiped, both keys are new"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[ServiceWorld]:
    with ServiceWorld(tmp_path, people=(*PEOPLE, "librarian", "orchestrator")) as made:
        data = {"name": "orchard", "id": "r2", "path": str(tmp_path / "orchard.git"), "git_uid": 1, "advisory": False}
        made.append(Draft(Kind.REPOSITORY_ADDED, SERVICE, "orchard", "orchard", data | {"refs": []}))
        yield made
        assert made.difference() == ""


def freeze(world: ServiceWorld, by: str = "librarian", **changed: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    body = {"scope": "repository", "value": "", "repository": REPOSITORY, "reason": REASON, "hours": 0} | changed
    said = world.said("freeze.impose", by, body, nonce=str(len(world.kinds())))
    return freezing.impose(world.service, seat(world, by), said)


def seat(world: ServiceWorld, name: str, repository: str = "") -> Caller:
    return Caller(name, world.caller(name).kind, repository, "t")


def thaw(world: ServiceWorld, number: int, by: str = "owner", **changed: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    body = {"freeze": number, "repository": REPOSITORY, "remediation": DONE} | changed
    said = world.said("freeze.lift", by, body, nonce=str(len(world.kinds())))
    return freezing.lift(world.service, seat(world, by), said, number)


def standing(world: ServiceWorld, repository: str = REPOSITORY) -> list[int]:
    with world.service.read() as tx:
        return [found.seq for found in read.freezes(tx, repository, at=world.now)]


@pytest.mark.usefixtures("both")
@pytest.mark.parametrize("by", ["librarian", "owner"])
def test_the_librarian_and_the_owner_freeze_and_the_owner_thaws(world: ServiceWorld, by: str) -> None:
    number = freeze(world, by)["freeze"]

    assert standing(world) == [number]
    assert standing(world, "orchard") == []
    thaw(world, number)
    assert standing(world) == []
    kinds = ("freeze.imposed", "freeze.lifted")
    assert world.signers("kind in (?, ?)", *kinds) == [key_of(by).fingerprint, key_of("owner").fingerprint]


@pytest.mark.parametrize("by", ["orchestrator", "dev-a", "qa-a", "architect-a", "mia"])
def test_nobody_else_freezes_and_it_is_recorded(world: ServiceWorld, by: str) -> None:
    with pytest.raises(DeniedError) as refused:
        freeze(world, by)

    assert refused.value.code == "freeze.not_yours"
    assert world.bodies("kind='request.refused'")[-1]["data"]["code"] == "freeze.not_yours"
    assert standing(world) == []


@pytest.mark.parametrize("by", ["librarian", "orchestrator", "dev-a", "mia"])
def test_nobody_but_an_owner_thaws_not_even_who_froze(world: ServiceWorld, by: str) -> None:
    number = freeze(world)["freeze"]
    with pytest.raises(DeniedError) as refused:
        thaw(world, number, by)

    assert refused.value.code == "authority.owner_only"
    assert standing(world) == [number]


SCOPES = [
    ({"scope": "everything", "repository": ""}, ["garden", "orchard"]),
    ({"scope": "repository"}, ["garden"]),
    ({"scope": "ref", "value": MAIN}, ["garden"]),
    ({"scope": "ref", "value": "refs/heads/**"}, ["garden"]),
    ({"scope": "role", "value": "dev-a", "repository": ""}, ["garden", "orchard"]),
    ({"scope": "operator", "value": "owner", "repository": ""}, ["garden", "orchard"]),
]


@pytest.mark.parametrize(("changed", "where"), SCOPES, ids=str)
def test_every_scope_is_found_where_it_holds(world: ServiceWorld, changed: dict[str, Any], where: list[str]) -> None:
    number = freeze(world, **changed)["freeze"]

    assert [name for name in ("garden", "orchard") if number in standing(world, name)] == where
    with world.service.read() as tx:
        assert [found["seq"] for found in status.overview(tx, at=world.now)["freezes"]] == [number]


WRONG = [
    ({"scope": "planet"}, "freeze.scope"),
    ({"hours": -1}, "freeze.hours"),
    ({"hours": True}, "freeze.hours"),
    ({"hours": 100_000}, "freeze.hours"),
    ({"reason": " short    "}, "freeze.reason"),
    ({"reason": 7}, "freeze.malformed"),
    ({"until": 4}, "freeze.malformed"),
    ({"repository": ""}, "freeze.malformed"),
    ({"value": MAIN}, "freeze.malformed"),
    ({"repository": "nowhere"}, "request.not_found"),
    ({"scope": "everything"}, "freeze.malformed"),
    ({"scope": "role", "value": "dev-a"}, "freeze.malformed"),
    ({"scope": "role", "value": "", "repository": ""}, "freeze.malformed"),
    ({"scope": "role", "value": "dev", "repository": ""}, "freeze.role"),
    ({"scope": "operator", "value": "nobody", "repository": ""}, "freeze.operator"),
    ({"scope": "ref", "value": "main"}, "freeze.ref"),
    ({"scope": "ref", "value": "refs/heads/[a]"}, "freeze.ref"),
]


@pytest.mark.parametrize(("changed", "code"), WRONG, ids=[f"{code} {changed}" for changed, code in WRONG])
def test_what_would_stop_nothing_or_cannot_be_read_is_refused(
    world: ServiceWorld, changed: dict[str, Any], code: str
) -> None:
    with pytest.raises(RequestError) as refused:
        freeze(world, **changed)

    assert refused.value.code == code
    assert standing(world) == []


def test_a_token_of_another_repository_freezes_nothing_here(world: ServiceWorld) -> None:
    body = {"scope": "repository", "value": "", "repository": REPOSITORY, "reason": REASON, "hours": 0}
    said = world.said("freeze.impose", "librarian", body)
    with pytest.raises(DeniedError) as refused:
        freezing.impose(world.service, seat(world, "librarian", "orchard"), said)

    assert refused.value.code == "token.other_repository"


def test_a_freeze_ends_by_itself_by_our_clock(world: ServiceWorld) -> None:
    number = freeze(world, hours=2)["freeze"]
    world.now += 2 * HOUR_MS - 1
    assert standing(world) == [number]

    world.now += 1
    assert standing(world) == []
    with pytest.raises(NotFoundError) as refused:
        thaw(world, number)
    assert refused.value.code == "freeze.over"


def test_a_clock_set_back_neither_ends_nor_revives_what_the_ledger_has_seen_pass(world: ServiceWorld) -> None:
    freeze(world, hours=1)
    world.now += HOUR_MS
    world.append(Draft(Kind.KEY_REVOKED, SERVICE, "", "", {"fingerprint": "F", "statement": {}}))
    world.now -= HOUR_MS
    with world.service.read() as tx:
        assert stops.freezes(tx, REPOSITORY, at=world.service.now(tx)) == ()


def test_the_same_again_is_refused_and_a_longer_one_is_not(world: ServiceWorld) -> None:
    first = freeze(world, hours=1)["freeze"]
    second = freeze(world)["freeze"]
    with pytest.raises(ConflictError) as refused:
        freeze(world, "owner")

    assert refused.value.code == "freeze.already"
    assert standing(world) == [first, second]


def test_a_librarian_s_flood_ends_and_the_owner_s_freeze_is_never_one_too_many(
    world: ServiceWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(freezing, "STANDING_MOST", 3)
    for number in range(3):
        freeze(world, scope="ref", value=f"refs/heads/{number}")
    with pytest.raises(ConflictError) as refused:
        freeze(world, scope="ref", value="refs/heads/last")
    assert refused.value.code == "freeze.too_many"

    freeze(world, "owner", scope="everything", repository="")
    assert len(standing(world)) == 4


def test_a_thaw_lifts_the_freeze_it_names_and_no_other(world: ServiceWorld) -> None:
    first = freeze(world)["freeze"]
    second = freeze(world, scope="ref", value=MAIN)["freeze"]
    for named, code in ((second, "thaw.moved"), (99, "thaw.moved")):
        with pytest.raises(ConflictError) as refused:
            thaw(world, first, freeze=named)
        assert refused.value.code == code

    thaw(world, first)
    assert standing(world) == [second]
    with pytest.raises(NotFoundError) as twice:
        thaw(world, first)
    assert twice.value.code == "freeze.over"


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"repository": "orchard"}, "statement.other_repository"),
        ({"remediation": "done"}, "thaw.remediation"),
        ({"more": 1}, "thaw.malformed"),
    ],
)
def test_a_thaw_says_where_and_what_was_done(world: ServiceWorld, changed: dict[str, Any], code: str) -> None:
    number = freeze(world)["freeze"]
    with pytest.raises(RequestError) as refused:
        thaw(world, number, **changed)

    assert refused.value.code == code
    assert standing(world) == [number]


def test_a_repository_whose_refs_moved_is_not_thawed_by_number_nor_a_frozen_scope_with_its_refs(
    world: ServiceWorld,
) -> None:
    world.append(record.drifted([(MAIN, OLD, NEW)], repository=REPOSITORY))
    drift = standing(world)[0]
    with pytest.raises(NotFoundError) as refused:
        thaw(world, drift)
    assert refused.value.code == "freeze.none"

    by_hand = freeze(world)["freeze"]
    body = {"repository": REPOSITORY, "freeze": drift, "remediation": DONE, "refs": {MAIN: NEW}}
    said = world.said("thaw", "owner", body)
    acts.thaw(world.service, world.caller("owner"), said, REPOSITORY, actual={MAIN: (NEW, "")})
    assert standing(world) == [by_hand]

    said = world.said("thaw", "owner", body | {"freeze": by_hand, "refs": {}}, nonce="again")
    with pytest.raises(NotFoundError) as other:
        acts.thaw(world.service, world.caller("owner"), said, REPOSITORY, actual={MAIN: (NEW, "")})
    assert (other.value.code, other.value.mend) == ("freeze.none", f"twinseal thaw --freeze {by_hand}")


def test_an_entry_of_a_thaw_that_names_a_scope_leaves_refs_and_their_freeze_alone(world: ServiceWorld) -> None:
    by_hand = freeze(world)["freeze"]
    world.append(record.drifted([(MAIN, OLD, NEW)], repository=REPOSITORY))
    thaw(world, by_hand)

    with world.service.read() as tx:
        (left,) = read.freezes(tx, REPOSITORY, at=world.now)
        assert left.of_refs(REPOSITORY)
        assert read.ref_value(tx, REPOSITORY, MAIN) == OLD
