"""Limits as acts: one place checks them before a statement is acted on, and owners raise them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from governance.coordinate import raising
from governance.errors import ConflictError, DeniedError, NotFoundError, RequestError
from governance.limits import DAY_MS, HOUR_MS
from limit_world import LimitWorld

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def world(tmp_path: Path) -> Iterator[LimitWorld]:
    with LimitWorld(tmp_path) as made:
        yield made
        assert made.difference() == ""


@pytest.mark.usefixtures("both")
def test_a_statement_beyond_the_limit_is_refused_before_it_is_read_and_counts(world: LimitWorld) -> None:
    for _ in range(3):
        world.give_back(world.ask()["token"])
    for _ in range(2):
        with pytest.raises(DeniedError) as refused:
            world.ask(signer="qa-a")  # Its signature is not even looked at.
        assert refused.value.code == "rate_limits.lock_request"
    assert world.refusals() == ["rate_limits.lock_request"] * 2
    assert world.ask("dev-b")["state"] == "held"  # The twin: another role has its own.
    world.now += HOUR_MS
    with pytest.raises(DeniedError, match="5 a day"):
        world.ask()


def test_an_owner_raises_a_limit_and_it_is_recorded(world: LimitWorld) -> None:
    done = world.raise_limit()
    assert world.kinds()[-1] == "limit.raised"
    assert (done["hour"], done["day"]) == (10, 20)


def test_what_an_owner_says_holds_at_once(world: LimitWorld) -> None:
    for _ in range(3):
        world.give_back(world.ask()["token"])
    world.raise_limit(action="lock_request")
    assert world.ask()["state"] == "held"


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"by": "dev-a"}, "authority.owner_only"),
    ({"by": "mia"}, "authority.owner_only"),
    ({"signer": "dev-a"}, "statement.not_yours"),
    ({"role": "ghost"}, "limit.unknown"),
    ({"action": "thaw"}, "limit.unknown"),
    ({"hour": 2}, "limit.lowers"),
    ({"day": 4}, "limit.lowers"),
    ({"hour": 10_001}, "limit.too_high"),
    ({"day": 100_001}, "limit.too_high"),
    ({"hour": True}, "limit.malformed"),
    ({"more": 1}, "limit.malformed"),
    ({"until": 1}, "limit.until"),
]


@pytest.mark.parametrize(("changed", "code"), REFUSED, ids=[row[1] + str(row[0])[:20] for row in REFUSED])
def test_nobody_else_raises_and_no_further_than_a_policy_may(
    world: LimitWorld, changed: dict[str, Any], code: str
) -> None:
    with pytest.raises(RequestError) as refused:
        world.raise_limit(**changed)
    assert refused.value.code == code
    assert world.refusals() == [code]
    assert world.raise_limit()["role"] == "dev-a"


@pytest.mark.parametrize(("days", "good"), [(31 * DAY_MS, True), (31 * DAY_MS + 1, False), (0, False), (1, True)])
def test_a_raise_ends_within_31_days(world: LimitWorld, days: int, good: bool) -> None:  # noqa: FBT001 - a column
    if good:
        assert world.raise_limit(until=world.now + days)
        return
    with pytest.raises(RequestError) as refused:
        world.raise_limit(until=world.now + days)
    assert refused.value.code == "limit.until"


def test_a_raise_is_acted_on_once(world: LimitWorld) -> None:
    until = world.now + DAY_MS
    world.raise_limit(nonce="once", until=until)
    with pytest.raises(ConflictError) as refused:
        world.raise_limit(nonce="once", until=until)
    assert refused.value.code == "statement.replayed"


def test_everybody_sees_their_own_limits_and_owners_everybody_s(world: LimitWorld) -> None:
    world.try_push()
    with world.service.read() as tx:
        mine = raising.shown(tx, world.caller("dev-a"), "", now=world.now)
        push = next(row for row in mine if row["action"] == "push")
        assert (push["used_hour"], push["hour"], push["free_at"]) == (1, 3, 0)
        assert raising.shown(tx, world.caller("owner"), "dev-a", now=world.now) == mine
        with pytest.raises(DeniedError):
            raising.shown(tx, world.caller("dev-b"), "dev-a", now=world.now)
        with pytest.raises(NotFoundError):
            raising.shown(tx, world.caller("owner"), "ghost", now=world.now)
