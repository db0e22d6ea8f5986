"""Attacks on the rate limits (T-12 to T-14, and further), each beside whoever keeps to them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from adversary.card import attack
from adversary.pushing import LimitedPushing, WorldCase, case_of
from audit.ledger import Ledger
from governance.limits import DAY_MS, HOUR_MS
from governance.receive import Receiver
from governance.service import Service
from governance.state.fold import fold
from governance.state.schema import SCHEMA
from service_world import LOG, no_reader

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FULL = "rate_limits.push"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[LimitedPushing]:
    with LimitedPushing(tmp_path) as made:
        for by in ("dev-a", "dev-b"):
            made.plan(by)
        yield made
        assert made.difference() == ""


@pytest.fixture
def case(request: pytest.FixtureRequest, world: LimitedPushing) -> WorldCase:
    return case_of(request, world)


def fill(world: LimitedPushing, by: str = "dev-a") -> None:
    for _ in range(3):
        assert world.push(by).allowed


@attack("T-12", "X-LOG-01")
def test_t12_attempts_count_and_not_successes(case: WorldCase, world: LimitedPushing) -> None:
    for _ in range(3):
        case.refused(world.push("dev-a", "auth/key.py"), "four_eyes.no_change")
    case.refused(world.push(), FULL)
    case.passes(world.push("dev-b"))


@attack("T-12")
def test_t12_ten_agents_of_one_role_and_operator_are_one(case: WorldCase, world: LimitedPushing) -> None:
    names = [f"dev-a-{number}" for number in range(10)]
    for name in names:
        world.enroll_copy(name, role="dev-a")
        world.plan(name)
    for name in names[:3]:
        assert world.push(name).allowed
    for name in (*names[3:], "dev-a"):
        case.refused(world.push(name), FULL)
    world.enroll_copy("dev-a-of-mia", role="dev-a", operator="mia")
    case.passes(world.push("dev-a-of-mia"))


@attack("T-13")
def test_t13_a_restart_forgets_nothing(case: WorldCase, world: LimitedPushing) -> None:
    fill(world)
    world.service.readers.close()
    world.ledger.close()
    world.ledger = Ledger(world.path, log=LOG, clock=lambda: world.now, projector=fold, schema=SCHEMA)
    verifier = world.service.verifier
    world.service = Service(LOG, "http://x", world.path, world.ledger, lambda: world.now, verifier, no_reader)
    world.receiver = Receiver(world.service)
    case.refused(world.push(), FULL)
    case.passes(world.push("dev-b"))


@attack("T-14")
def test_t14_nobody_uses_up_another_s(case: WorldCase, world: LimitedPushing) -> None:
    world.enroll_copy("dev-b-of-mia", role="dev-b", operator="mia")
    for by in ("dev-a", "dev-b-of-mia"):
        world.plan(by)
        fill(world, by)
        for _ in range(10):
            case.refused(world.push(by), FULL)
    for _ in range(20):
        world.refuse("push", "unknown")
        world.refuse("push", "twinseal")
    for _ in range(3):
        case.passes(world.push("dev-b"))


@attack("X-RATE-03")
def test_no_two_hours_meet(case: WorldCase, world: LimitedPushing) -> None:
    fill(world)
    world.now += HOUR_MS - 1
    case.refused(world.push(), FULL)
    world.now += 1
    case.passes(world.push())  # Exactly an hour after the three; the refused one is the fourth.


@attack("X-RATE-04")
def test_one_push_of_many_branches_asks_for_many_sign_offs(case: WorldCase, world: LimitedPushing) -> None:
    topics = tuple(f"refs/heads/topic/{number}" for number in range(4))
    case.refused(world.push(refs=topics), "rate_limits.sign_off_request")
    case.passes(world.push(refs=topics[:3]))
    case.refused(world.push(refs=topics[3:]), "rate_limits.sign_off_request")


@attack("X-RATE-06")
def test_a_clock_set_back_gives_no_hour_back(case: WorldCase, world: LimitedPushing) -> None:
    fill(world)
    world.now -= DAY_MS
    case.refused(world.push(), FULL)
    case.passes(world.push("dev-b"))


@attack("X-RATE-01")
@pytest.mark.parametrize("by", ["dev-a", "mia"])
def test_who_is_limited_raises_nothing(case: WorldCase, world: LimitedPushing, by: str) -> None:
    with case.refuses("authority.owner_only"):
        world.raise_limit(by)
    with case.refuses("statement.not_yours"):
        world.raise_limit("owner", signer=by)
    fill(world)
    assert world.window().free_at
    world.raise_limit()
    case.passes(world.push())


@attack("X-RATE-02")
def test_a_raised_limit_ends_and_is_not_said_again(case: WorldCase, world: LimitedPushing) -> None:
    until = world.now + DAY_MS
    world.raise_limit(until=until, nonce="once")
    with case.refuses("statement.replayed"):
        world.raise_limit(until=until, nonce="once")
    assert world.window().limit.hour == 10
    case.passes(world.push())
    world.now = until
    with case.refuses("limit.until"):
        world.raise_limit(until=until)
    assert world.window().limit.hour == 3


@attack("X-RATE-05")
def test_the_lander_is_no_way_around(case: WorldCase, world: LimitedPushing) -> None:
    fill(world)
    with case.refuses(FULL):
        world.ask_to_land()
    with case.refuses("landing.malformed"):
        world.ask_to_land("dev-b")  # The twin is asked what it wants: it is within its limits.
    case.went_well()
