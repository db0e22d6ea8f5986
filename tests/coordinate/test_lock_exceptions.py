"""Extensions, steals and grants out of order: one asks, the librarian co-signs exactly that, and it is done."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from audit.entry import Draft
from builders import REPOSITORY
from governance.coordinate.locks import MINUTE_MS
from governance.errors import ConflictError, DeniedError, RequestError
from governance.kinds import KINDS
from governance.record import SERVICE, Kind
from lock_world import LockWorld

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture
def world(tmp_path: Path) -> Iterator[LockWorld]:
    with LockWorld(tmp_path) as made:
        made.admit_rulers()
        yield made
        for body in made.bodies("kind like 'lock.%'"):
            KINDS.check(body["kind"], body["data"])
        assert made.difference() == ""


@pytest.fixture
def queued(world: LockWorld) -> tuple[int, int, int]:
    """Return dev-a's token, and the requests of dev-b and of qa-a, who wait in this order."""
    return world.ask()["token"], world.ask("dev-b")["request"], world.ask("qa-a")["request"]


@pytest.mark.usefixtures("both")
def test_an_extension_adds_minutes_once_it_is_co_signed(world: LockWorld, queued: tuple[int, int, int]) -> None:
    token, ends = queued[0], world.now + 5 * MINUTE_MS
    request = world.status()[0]["holder"]["request"]
    asked = world.beyond("extension", request, token, by="dev-a", minutes=3)
    (shown,) = world.status()[0]["asked"]
    assert (shown["asked"], shown["by"], shown["minutes"], shown["reason"]) == (asked, "dev-a", 3, "it burns")
    assert world.status()[0]["holder"]["ends_at"] == ends
    world.cosign(asked)
    holder = world.status()[0]["holder"]
    assert (holder["principal"], holder["token"], holder["ends_at"]) == ("dev-a", token, ends + 3 * MINUTE_MS)
    assert world.status()[0]["asked"] == []
    with pytest.raises(ConflictError) as again:
        world.cosign(asked)
    assert again.value.code == "lock.moved"
    world.now = ends + 3 * MINUTE_MS
    world.tick()
    assert world.holder() == "dev-b"


@pytest.mark.usefixtures("both")
def test_a_grant_out_of_order_goes_before_who_waits_longer(world: LockWorld, queued: tuple[int, int, int]) -> None:
    token, earlier, later = queued
    world.cosign(world.beyond("out-of-order", later))
    assert world.holder() == "dev-a"
    world.give_back(token)
    assert world.holder() == "qa-a"
    assert world.bodies("kind='lock.granted'")[-1]["data"]["passed"] == [earlier]
    world.give_back(world.status()[0]["holder"]["token"], "qa-a")
    assert world.holder() == "dev-b"


@pytest.mark.usefixtures("both")
def test_a_steal_ends_one_lease_and_gives_another_with_a_higher_token(
    world: LockWorld, queued: tuple[int, int, int]
) -> None:
    token, _, later = queued
    world.cosign(world.beyond("steal", later, token))
    holder = world.status()[0]["holder"]
    assert (holder["principal"], holder["token"] > token) == ("qa-a", True)
    assert world.ends() == ["stolen"]
    assert world.kinds()[-3:] == ["lock.cosigned", "lock.released", "lock.granted"]


def test_the_first_that_was_co_signed_goes_first(world: LockWorld, queued: tuple[int, int, int]) -> None:
    token, earlier, later = queued
    for request in (later, earlier):
        world.cosign(world.beyond("out-of-order", request))
    world.give_back(token)
    assert world.holder() == "qa-a"


def test_whoever_was_told_to_go_first_and_left_keeps_no_place(world: LockWorld, queued: tuple[int, int, int]) -> None:
    token, _, later = queued
    world.cosign(world.beyond("out-of-order", later))
    world.give_back(later, "qa-a")
    world.ask("qa-a")
    world.give_back(token)
    assert world.holder() == "dev-b"


ASKED_WRONG: list[tuple[dict[str, Any], str]] = [
    ({"deed": "gift"}, "lock.malformed"),
    ({"minutes": 1}, "lock.malformed"),
    ({"token": 0}, "lock.malformed"),
    ({"deed": "out-of-order"}, "lock.malformed"),
    ({"reason": ""}, "lock.text"),
    ({"reason": "a\x1b[2J"}, "lock.text"),
    ({"request": 1}, "lock.stale"),
    ({"request": True}, "lock.malformed"),
    ({"token": 7}, "lock.stale"),
    ({"repository": "orchard"}, "statement.other_repository"),
    ({"by": "dev-b"}, "authority.denied"),
    ({"by": "librarian"}, "authority.denied"),
    ({"deed": "extension", "by": "dev-b", "minutes": 6}, "lock.minutes"),
    ({"deed": "extension", "by": "dev-b", "minutes": 0}, "lock.minutes"),
    ({"deed": "extension", "by": "dev-b", "minutes": 5}, "lock.stale"),
    ({"deed": "extension", "by": "librarian", "minutes": 5}, "authority.denied"),
]


@pytest.mark.parametrize(("changed", "code"), ASKED_WRONG, ids=[f"{row[0]}"[:50] for row in ASKED_WRONG])
def test_what_is_asked_for_is_read_strictly_and_by_the_table(
    world: LockWorld, queued: tuple[int, int, int], changed: dict[str, Any], code: str
) -> None:
    token, earlier, _ = queued
    given = {"deed": "steal", "request": earlier, "token": token} | changed
    with pytest.raises(RequestError) as refused:
        world.beyond(given.pop("deed"), given.pop("request"), given.pop("token"), **given)
    assert (refused.value.code, world.refusals()) == (code, [code])
    world.cosign(world.beyond("steal", earlier, token))  # The twin.
    assert world.holder() == "dev-b"


def test_nobody_extends_another_s_lease(world: LockWorld, queued: tuple[int, int, int]) -> None:
    request = world.status()[0]["holder"]["request"]
    with pytest.raises(DeniedError) as refused:
        world.beyond("extension", request, queued[0], by="dev-b")
    assert refused.value.code == "lock.not_yours"


@pytest.mark.parametrize("by", ["dev-a", "dev-b", "orchestrator", "qa-a"])
def test_only_whom_the_row_names_co_signs_and_nobody_their_own(
    world: LockWorld, queued: tuple[int, int, int], by: str
) -> None:
    asked = world.beyond("steal", queued[1], queued[0])
    with pytest.raises(DeniedError) as refused:
        world.cosign(asked, by)
    assert refused.value.code == ("lock.own_request" if by in {"orchestrator", "dev-b"} else "lock.co_signature")
    assert world.holder() == "dev-a"


def test_a_librarian_who_waits_gives_itself_nothing(world: LockWorld) -> None:
    token, mine = world.ask()["token"], world.ask("librarian")["request"]
    asked = world.beyond("steal", mine, token)
    with pytest.raises(DeniedError) as refused:
        world.cosign(asked)
    assert refused.value.code == "lock.own_request"
    world.enroll_copy("librarian-2", role="librarian")
    with pytest.raises(DeniedError):
        world.cosign(asked, "librarian-2")


@pytest.mark.parametrize("changed", [{"request": 1}, {"token": 1}, {"minutes": 4}, {"deed": "out-of-order"}])
def test_a_co_signature_is_of_exactly_what_was_asked_for(
    world: LockWorld, queued: tuple[int, int, int], changed: dict[str, Any]
) -> None:
    asked = world.beyond("steal", queued[1], queued[0])
    with pytest.raises(RequestError) as refused:
        world.cosign(asked, **changed)
    assert refused.value.code in {"lock.moved", "lock.stale"}
    assert world.holder() == "dev-a"


def test_what_was_asked_for_is_void_once_the_lease_is_over(world: LockWorld, queued: tuple[int, int, int]) -> None:
    token, earlier, later = queued
    request = world.status()[0]["holder"]["request"]
    extension = world.beyond("extension", request, token, by="dev-a")
    steal = world.beyond("steal", later, token)
    world.now += 5 * MINUTE_MS
    for asked in (extension, steal):
        with pytest.raises(RequestError) as refused:
            world.cosign(asked)
        assert refused.value.code == "lock.stale"
    with pytest.raises(RequestError) as refused:
        world.beyond("extension", request, token, by="dev-a")
    assert refused.value.code == "lock.stale"
    world.tick()
    assert earlier == world.status()[0]["holder"]["request"]


GONE: dict[str, Callable[[LockWorld], object]] = {
    "retired": lambda world: world.append(
        Draft(Kind.PRINCIPAL_RETIRED, SERVICE, "", "", {"principal": "orchestrator", "statement": {}})
    ),
    "frozen": lambda world: freeze(world, "role", "orchestrator"),
    "its co-signer frozen": lambda world: freeze(world, "role", "librarian"),
    "everything frozen": lambda world: freeze(world, "everything", ""),
}


def freeze(world: LockWorld, scope: str, value: str) -> None:
    data = {"scope": scope, "value": value, "repository": "", "reason": "x", "trigger": "", "expires_at": 0}
    world.append(Draft(Kind.FREEZE_IMPOSED, SERVICE, "", value, data))


@pytest.mark.parametrize("what", GONE)
def test_who_is_gone_or_frozen_lends_nothing(world: LockWorld, queued: tuple[int, int, int], what: str) -> None:
    asked = world.beyond("steal", queued[1], queued[0])
    GONE[what](world)
    with pytest.raises(RequestError) as refused:
        world.cosign(asked)
    assert refused.value.code == ("lock.moved" if what == "retired" else "lock.frozen")
    assert "stolen" not in world.ends()


def test_a_frozen_orchestrator_asks_for_nothing(world: LockWorld, queued: tuple[int, int, int]) -> None:
    freeze(world, "role", "orchestrator")
    with pytest.raises(DeniedError) as refused:
        world.beyond("steal", queued[1], queued[0])
    assert refused.value.code == "lock.frozen"


def test_asking_counts_as_asking_for_a_lock(world: LockWorld, queued: tuple[int, int, int]) -> None:
    sql = "select count(*) from attempt where role='orchestrator' and action='lock_request'"
    before = world.rows(sql)[0][0]
    world.beyond("steal", queued[1], queued[0])
    assert world.rows(sql)[0][0] == before + 1
    assert world.bodies("kind='lock.asked'")[0]["repo"] == REPOSITORY
