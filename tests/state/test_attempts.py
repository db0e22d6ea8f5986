"""Attempts are counted from the record: by role, operator and action, refused ones too."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from audit import stores
from audit.entry import Actor, Draft
from builders import REPOSITORY, TOPIC, a_context, a_deletion, a_policy, a_push, a_roster
from governance.limits import DAY_MS, HOUR_MS, OPENS, PUSH
from governance.parameters import RateLimit
from governance.policy import LANDER
from governance.record import SERVICE, Kind
from governance.state import attempts, read
from governance.state.schema import SCHEMA
from limit_world import FEW, LIMITED, LimitWorld

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def world(tmp_path: Path) -> Iterator[LimitWorld]:
    with LimitWorld(tmp_path) as made:
        yield made
        assert made.difference() == ""


@pytest.mark.usefixtures("both")
def test_pushes_count_whether_they_were_allowed_or_not_or_never_read(world: LimitWorld) -> None:
    world.try_push()
    world.try_push(allowed=True)
    world.refuse("push")
    assert world.counts() == [("dev-a", "owner", "push", 3)]
    assert world.window().free_at == world.now + HOUR_MS
    assert world.window(by="dev-b").free_at == 0


def test_a_push_that_opens_changes_asks_for_as_many_sign_offs(world: LimitWorld) -> None:
    world.open_change()
    assert world.counts() == [("dev-a", "owner", "push", 1), ("dev-a", "owner", OPENS, 1)]


SUBJECTS = [
    ("land", "push"),
    ("sign_off", "peer_review"),
    ("lock.request", "lock_request"),
    ("decision.raise", "critical_decision"),
    ("decision.ask", "message"),
    ("message.send", "message"),
]


@pytest.mark.parametrize(("subject", "action"), SUBJECTS)
def test_a_refused_request_counts_as_what_it_asked_for(world: LimitWorld, subject: str, action: str) -> None:
    world.refuse(subject)
    assert world.counts() == [("dev-a", "owner", action, 1)]


@pytest.mark.parametrize("subject", ["thaw", "principal.add", "lock.release", "PUSH", ""])
def test_what_has_no_limit_is_not_counted(world: LimitWorld, subject: str) -> None:
    world.refuse(subject)
    assert world.counts() == []


@pytest.mark.parametrize("name", ["unknown", "ghost", "twinseal"])
def test_who_was_never_known_counts_for_nobody(world: LimitWorld, name: str) -> None:
    world.refuse("push", name)
    assert world.counts() == []


def test_what_the_lander_tries_was_counted_when_it_was_asked(world: LimitWorld) -> None:
    data = {"change": 1, "patch_set": 1, "head": "1" * 40, "target": "refs/heads/main", "token": "t", "statement": {}}
    world.append(Draft(Kind.LANDING_ASKED, Actor("dev-a", "agent", "K"), REPOSITORY, "1", data))
    world.append(
        Draft(Kind.REQUEST_REFUSED, Actor(LANDER, "service", ""), REPOSITORY, "push", {"code": "x", "message": ""})
    )
    assert world.counts() == [("dev-a", "owner", "push", 1)]


@pytest.mark.usefixtures("both")
def test_a_raised_limit_holds_until_its_time_and_for_its_role(world: LimitWorld) -> None:
    until = world.raise_limit(until=world.now + HOUR_MS)["until"]
    for _ in range(4):
        world.try_push()
    assert world.window().free_at == 0
    assert world.window().limit == RateLimit(hour=10, day=20)
    assert world.window(by="dev-b").limit == world.window("peer_review").limit == FEW
    world.now = until - 1
    assert world.window().limit == RateLimit(hour=10, day=20)
    world.now = until
    assert world.window().limit == FEW


def test_what_is_used_is_shown(world: LimitWorld) -> None:
    for _ in range(2):
        world.try_push()
    world.now += 2 * HOUR_MS
    world.try_push()
    with world.service.read() as tx:
        who = read.roster(tx).principals["dev-a"]
        assert attempts.used(tx, who, "push", now=world.now, most=9) == (1, 3)
        assert attempts.used(tx, who, "push", now=world.now + DAY_MS, most=9) == (0, 0)


def test_one_push_is_asked_as_an_attempt_and_as_changes_it_would_open(world: LimitWorld) -> None:
    roster, policy = a_roster(), LIMITED
    two = replace(a_push(ref=TOPIC), push=a_context(refs=(TOPIC, f"{TOPIC}/2"), pusher="dev-a"))
    found = {}
    with world.service.read() as tx:
        for what, facts in (("main", a_push()), ("topics", two), ("deletion", a_deletion(TOPIC))):
            usage = attempts.standing(tx, facts, policy, roster)
            assert usage is not None
            found[what] = [(window.action, window.asked) for window in usage.windows]
        for nobody in (LANDER, "ghost"):
            facts = replace(a_push(), push=a_context(pusher=nobody))
            assert attempts.standing(tx, facts, policy, roster) is None
    assert found == {"main": [(PUSH, 1)], "topics": [(PUSH, 1), (OPENS, 2)], "deletion": [(PUSH, 1)]}


def test_the_tests_own_policy_leaves_room() -> None:
    assert a_policy().controls.rate_limits.push.hour == 10_000


def test_a_year_of_attempts_is_never_walked() -> None:
    connection = stores.open_memory()
    connection.executescript(SCHEMA)
    asked: list[str] = []
    connection.set_trace_callback(asked.append)
    who = a_roster().principals["dev-a"]
    attempts.window(connection, a_policy(), who, "push", now=1)
    connection.execute("insert into attempt values('dev-a','owner','push',1,1)")
    attempts.window(connection, a_policy(), who, "push", now=1)
    connection.set_trace_callback(None)
    plans = [
        row[3] for sql in asked if sql.startswith("select") for row in connection.execute(f"explain query plan {sql}")
    ]
    assert plans
    assert not any("SCAN" in step or "B-TREE" in step for step in plans), plans
    connection.close()


def test_the_count_survives_a_rebuild(world: LimitWorld) -> None:
    for _ in range(3):
        world.try_push()
    world.append(Draft(Kind.PRINCIPAL_RETIRED, SERVICE, "", "dev-a", {"principal": "dev-a", "statement": {}}))
    world.refuse("push")
    assert world.counts() == [("dev-a", "owner", "push", 4)]
    assert world.difference() == ""
