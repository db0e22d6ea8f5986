"""Attacks on the write lock, each beside the honest way: decision and record are real, only git is not there."""

from __future__ import annotations

import contextlib
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adversary.card import attack
from adversary.pushing import Pushing, WorldCase, case_of
from audit.entry import Draft
from builders import REPOSITORY
from governance.coordinate.locks import MINUTE_MS
from governance.errors import RequestError
from governance.record import SERVICE, Kind

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Pushing]:
    with Pushing(tmp_path) as made:
        yield made
        assert made.difference() == ""


@pytest.fixture
def case(request: pytest.FixtureRequest, world: Pushing) -> WorldCase:
    return case_of(request, world)


@attack("X-LOCK-01")
def test_a_sleeper_s_token_opens_nothing_after_its_lease(case: WorldCase, world: Pushing) -> None:
    token = world.ask()["token"]
    world.ask("dev-b")
    world.now += 5 * MINUTE_MS
    case.refused(world.push(token=token), "write_lock.stale")
    theirs = world.status()[0]["holder"]["token"]
    assert theirs > token
    case.refused(world.push(token=theirs), "write_lock.none")
    case.passes(world.push("dev-b", token=theirs))


@attack("X-LOCK-01")
def test_a_push_that_began_in_time_and_was_held_back_is_too_late(case: WorldCase, world: Pushing) -> None:
    token, began = world.ask()["token"], world.now
    world.now += 5 * MINUTE_MS
    case.refused(world.push(token=token, at=began), "write_lock.stale")
    case.passes(world.push(token=world.ask()["token"]))


@attack("X-LOCK-03")
def test_a_clock_set_back_brings_no_lease_back(case: WorldCase, world: Pushing) -> None:
    token = world.ask()["token"]
    world.now += 5 * MINUTE_MS
    world.append(Draft(Kind.MAINTENANCE_BEGUN, SERVICE, REPOSITORY, "", {"refs": 0}))
    world.now -= 4 * MINUTE_MS
    case.refused(world.push(token=token), "write_lock.stale")
    case.passes(world.push(token=world.ask()["token"]))


OUTSIDE = ["SRC/app.py", "src/../etc/passwd", "src\u200b/app.py", "\uff53rc/app.py", "lib/app.py", "srcx/app.py"]


@attack("X-LOCK-04")
@pytest.mark.parametrize("path", OUTSIDE)
def test_a_path_that_reads_like_the_intent_is_outside_it(case: WorldCase, world: Pushing, path: str) -> None:
    token = world.ask()["token"]
    case.refused(world.push("dev-a", "src/app.py", path, token=token), "write_lock.intent")
    case.passes(world.push("dev-a", "src/app.py", "src/\u00fc b.py", token=token))


@attack("X-LOCK-05")
def test_a_huge_line_is_as_many_units_as_it_is_long(case: WorldCase, world: Pushing) -> None:
    token = world.ask(lines=40)["token"]
    case.refused(world.push(token=token, lines=1, size=80 * 41), "write_lock.intent")
    case.passes(world.push(token=token, lines=1, size=80 * 40))


@attack("X-LOCK-05")
def test_many_pushes_use_up_what_was_announced_for_all(case: WorldCase, world: Pushing) -> None:
    token = world.ask(lines=40)["token"]
    for _ in range(4):
        case.passes(world.push(token=token, lines=10))
    case.refused(world.push(token=token, lines=1), "write_lock.intent")


@attack("X-LOCK-07")
def test_a_lease_of_another_repository_opens_this_one_to_nobody(case: WorldCase, world: Pushing) -> None:
    other = {"name": "orchard", "id": "r2", "path": "/nowhere", "git_uid": 1, "advisory": False, "refs": []}
    world.append(Draft(Kind.REPOSITORY_ADDED, SERVICE, "orchard", "orchard", other))
    with pytest.raises(RequestError, match="handed in for garden"):
        world.ask(named="orchard")
    token = world.ask(repository="orchard", named="orchard")["token"]
    case.refused(world.push(token=token), "write_lock.stale")
    case.refused(world.push(), "write_lock.none")
    case.passes(world.push(token=world.ask()["token"]))


@attack("X-LOCK-08")
def test_the_token_is_no_right_by_itself(case: WorldCase, world: Pushing) -> None:
    token = world.ask()["token"]
    case.refused(world.push("dev-b", token=token), "write_lock.none")
    case.refused(world.push(), "write_lock.token")
    case.passes(world.push(token=token))


@attack("X-LOCK-11")
def test_nobody_steals_a_lease_alone_or_with_a_copy_of_themselves(case: WorldCase, world: Pushing) -> None:
    world.admit_rulers()
    world.enroll_copy("orchestrator-2", role="orchestrator")
    token, place = world.ask()["token"], world.ask("dev-b")["request"]
    with case.refuses("authority.denied"):
        world.beyond("steal", place, token, by="dev-b")
    asked = world.beyond("steal", place, token)
    for by in ("orchestrator", "orchestrator-2", "dev-b"):
        with case.refuses("lock.own_request"):
            world.cosign(asked, by)
    with case.refuses("lock.co_signature"):
        world.cosign(asked, "qa-a")
    assert world.holder() == "dev-a"
    world.cosign(asked)
    assert world.holder() == "dev-b"
    case.went_well()


@attack("X-LOCK-12")
def test_who_lost_the_lease_writes_nothing_more_under_it(case: WorldCase, world: Pushing) -> None:
    world.admit_rulers()
    token, place = world.ask()["token"], world.ask("dev-b")["request"]
    world.cosign(world.beyond("steal", place, token))
    case.refused(world.push(token=token), "write_lock.stale")
    theirs = world.status()[0]["holder"]["token"]
    case.refused(world.push(token=theirs), "write_lock.none")
    case.passes(world.push("dev-b", token=theirs))


@attack("X-LOCK-13")
def test_a_co_signature_is_of_one_lease_and_of_one_request(case: WorldCase, world: Pushing) -> None:
    world.admit_rulers()
    token, place = world.ask()["token"], world.ask("dev-b")["request"]
    asked = world.beyond("steal", place, token)
    world.give_back(token)
    world.give_back(world.status()[0]["holder"]["token"], "dev-b")
    held, again = world.ask("qa-a")["token"], world.ask("dev-b")["request"]
    for changed in ({}, {"token": held}, {"token": held, "request": again}):
        with pytest.raises(RequestError) as caught:
            world.cosign(asked, **changed)
        assert caught.value.code in {"lock.stale", "lock.moved"}
    with case.refuses("lock.moved"):
        world.cosign(asked, token=held, request=again)
    assert world.holder() == "qa-a"
    world.cosign(world.beyond("steal", again, held))
    assert world.holder() == "dev-b"
    case.went_well()


@attack("X-LOCK-14")
def test_a_lease_is_no_longer_than_its_holder_asked_and_another_co_signed(case: WorldCase, world: Pushing) -> None:
    world.admit_rulers()
    token, ends = world.ask()["token"], world.now + 5 * MINUTE_MS
    request = world.status()[0]["holder"]["request"]
    with case.refuses("lock.minutes"):
        world.beyond("extension", request, token, by="dev-a", minutes=10**6)
    with case.refuses("lock.not_yours"):
        world.beyond("extension", request, token, by="dev-b")
    asked = world.beyond("extension", request, token, by="dev-a")
    with case.refuses("lock.own_request"):
        world.cosign(asked, "dev-a")
    world.cosign(asked)
    with case.refuses("lock.moved"):
        world.cosign(asked)
    world.now = ends
    case.passes(world.push(token=token))
    world.now = ends + 5 * MINUTE_MS
    with case.refuses("lock.stale"):
        world.beyond("extension", request, token, by="dev-a")


OFTEN = [
    *("ask",) * 3, "give back", "wait", "extension", "out-of-order", *("steal",) * 2, *("cosign",) * 3, "forge",
]  # fmt: skip
DEEDS = st.lists(
    st.tuples(
        st.sampled_from(OFTEN),
        st.sampled_from(["dev-a", "dev-b", "qa-a"]),
    ),
    min_size=6,
    max_size=12,
)


@attack("X-LOCK-15")
def test_whatever_the_order_one_holds_and_nobody_but_two_change_whose_turn_it_is(
    case: WorldCase, world: Pushing
) -> None:
    world.admit_rulers()
    scopes = (f"s{number}" for number in count())

    @settings(max_examples=15, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(DEEDS)
    def tried(deeds: list[tuple[str, str]]) -> None:
        scope, asked = next(scopes), 0
        world.now += 15 * MINUTE_MS
        for deed, who in deeds:
            with contextlib.suppress(RequestError):
                asked = turned(world, scope, deed, who, asked)
            sound(world, scope)

    tried()
    with case.refuses("authority.denied"):
        world.beyond("steal", 1, 1, by="dev-b")
    assert "stolen" in world.ends()
    assert world.ask("dev-b")["state"] == "held"
    case.went_well()


def turned(world: Pushing, scope: str, deed: str, who: str, asked: int) -> int:
    """Do one thing with a scope; return what was last asked for out of order."""
    shown = next((each for each in world.status() if each["scope"] == scope), {"holder": None, "queue": []})
    holder = shown["holder"] or {"principal": "", "token": 0, "request": 0}
    place = next((each["request"] for each in shown["queue"] if each["principal"] == who), 0)
    match deed:
        case "ask":
            world.now += 2 * MINUTE_MS + 1  # More often would be abuse.
            world.ask(who, scope=scope)
        case "give back":
            world.give_back(holder["token"] if holder["principal"] == who else place, who, scope=scope)
        case "wait":
            world.now += MINUTE_MS
            world.tick()
        case "extension":
            return world.beyond("extension", holder["request"], holder["token"], by=who, minutes=1)
        case "out-of-order" | "steal":
            return world.beyond(deed, place, holder["token"] if deed == "steal" else 0)
        case "cosign":
            world.cosign(asked)
        case "forge":
            world.cosign(asked, who)
    return asked


def sound(world: Pushing, scope: str) -> None:
    """One holds at most; tokens rise; whoever lost a lease or went first did so on the librarian's word."""
    held = world.rows("select count(*) from lease where scope=? and token>0 and closed_seq is null", scope)
    assert held[0][0] <= 1
    tokens = [row[0] for row in world.rows("select token from lease where scope=? and token>0 order by token", scope)]
    assert tokens == sorted(set(tokens))
    done = world.bodies("kind='lock.cosigned' and subject=?", scope)
    assert {body["actor"]["id"] for body in done} <= {"librarian"}
    granted = world.bodies("kind='lock.granted' and subject=?", scope)
    before_others = {body["data"]["request"] for body in granted if body["data"]["passed"]}
    first = {body["data"]["request"] for body in done if body["data"]["deed"] != "extension"}
    assert before_others <= first
    stolen = world.rows("select count(*) from lease where scope=? and why='stolen'", scope)[0][0]
    assert stolen == sum(body["data"]["deed"] == "steal" for body in done)


@attack("X-LOCK-02")
def test_of_those_who_ask_at_once_one_holds(case: WorldCase, world: Pushing) -> None:
    with ThreadPoolExecutor(3) as pool:
        answers = list(pool.map(world.ask, ("dev-a", "dev-b", "qa-a")))
    held = [each for each in answers if each["state"] == "held"]
    assert len(held) == len(world.bodies("kind='lock.granted'")) == 1
    assert len(world.status()[0]["queue"]) == 2
    loser = next(each["principal"] for each in answers if each["state"] == "waiting")
    with case.refuses("lock.not_yours"):
        world.give_back(held[0]["token"], loser)
    world.give_back(held[0]["token"], held[0]["principal"])
    assert world.holder() != held[0]["principal"]
    case.went_well()


@attack("X-LOCK-06")
def test_no_way_through_the_queue_is_shorter(case: WorldCase, world: Pushing) -> None:
    token = world.ask()["token"]
    first, second = world.ask("dev-b"), world.ask("qa-a")
    with case.refuses("lock.asked_already"):
        world.ask("qa-a")
    with case.refuses("lock.not_yours"):
        world.give_back(first["request"], "qa-a")
    world.give_back(second["request"], "qa-a")
    world.ask("qa-a")
    world.give_back(token)
    assert world.holder() == "dev-b"
    case.went_well()


@attack("X-LOCK-09")
def test_who_asks_all_the_time_is_kept_out_and_keeps_nobody_out(case: WorldCase, world: Pushing) -> None:
    for _ in range(5):
        world.give_back(world.ask()["token"])
    for _ in range(3):
        with case.refuses("lock.abuse"):
            world.ask()
    assert world.ask("dev-b")["state"] == "held"
    case.went_well()


@attack("X-LOCK-10")
def test_who_lost_its_token_loses_place_and_lease(case: WorldCase, world: Pushing) -> None:
    token = world.ask()["token"]
    world.ask("qa-a")
    world.ask("dev-b")
    for gone in ("dev-a", "qa-a"):
        data = {"id": world.auth(gone), "statement": {}}
        world.append(Draft(Kind.TOKEN_REVOKED, SERVICE, "", world.auth(gone), data))
    with case.refuses("lock.stale"):
        world.give_back(token)
    world.tick()
    assert world.ends() == ["revoked", "revoked"]
    assert world.holder() == "dev-b"
    case.went_well()
