"""The write lock: one holder, a queue, an end, and a token that never comes again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from audit import stores
from audit.entry import Draft
from builders import MAIN, NEW, OLD, REPOSITORY
from governance.coordinate import vetoing
from governance.coordinate.locks import MINUTE_MS
from governance.errors import ConflictError, DeniedError, NotFoundError, RequestError
from governance.leases import Asked, next_in_line, outside
from governance.parameters import Parameters
from governance.people import tokens
from governance.policy_text import describe
from governance.record import SERVICE, Effects, Kind, released
from governance.state import leases as state
from governance.state.schema import SCHEMA
from keys import key_of
from lock_world import LEASED, LockWorld

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def world(tmp_path: Path) -> Iterator[LockWorld]:
    with LockWorld(tmp_path) as made:
        yield made
        assert made.difference() == ""


@pytest.mark.usefixtures("both")
def test_what_is_free_is_granted_at_once_and_what_is_not_waits_in_order(world: LockWorld) -> None:
    first = world.ask()
    assert (first["state"], first["ends_at"]) == ("held", world.now + 5 * MINUTE_MS)
    second, third = world.ask("dev-b"), world.ask("qa-a")
    assert [(each["state"], each["place"], each["token"]) for each in (second, third)] == [
        ("waiting", 1, 0), ("waiting", 2, 0),
    ]  # fmt: skip
    (shown,) = world.status()
    assert shown["holder"]["left_ms"] == 5 * MINUTE_MS
    assert [each["principal"] for each in shown["queue"]] == ["dev-b", "qa-a"]
    world.give_back(first["token"])
    assert world.holder() == "dev-b"
    assert world.kinds()[-2:] == ["lock.released", "lock.granted"]


def test_a_token_rises_and_never_comes_again(world: LockWorld) -> None:
    seen = []
    for by in ("dev-a", "dev-b") * 2:
        seen.append(world.ask(by)["token"])
        world.give_back(seen[-1], by)
    assert seen == sorted(set(seen))
    assert seen == [body["seq"] for body in world.bodies("kind='lock.granted'")]


@pytest.mark.usefixtures("both")
def test_a_lease_ends_by_itself_and_the_next_in_line_has_it(world: LockWorld) -> None:
    first = world.ask()
    world.ask("dev-b")
    world.now += 5 * MINUTE_MS - 1
    world.tick()
    assert world.holder() == "dev-a"
    world.now += 1
    world.tick()
    assert world.holder() == "dev-b"
    assert world.ends() == ["expired"]
    with pytest.raises(NotFoundError) as refused:
        world.give_back(first["token"])
    assert refused.value.code == "lock.stale"


def test_nothing_is_written_where_nothing_is_due(world: LockWorld) -> None:
    world.ask()
    world.ask("dev-b")
    before = world.kinds()
    world.tick()
    assert world.kinds() == before


def test_a_clock_set_back_makes_no_lease_longer(world: LockWorld) -> None:
    ends = world.ask(minutes=1)["ends_at"]
    world.now += MINUTE_MS
    world.append(Draft(Kind.MAINTENANCE_BEGUN, SERVICE, REPOSITORY, "", {"refs": 0}))
    world.now -= 10 * MINUTE_MS
    assert world.ask("dev-b", minutes=1)["ends_at"] == ends + MINUTE_MS
    assert world.ends() == ["expired"]


def test_who_waits_may_leave(world: LockWorld) -> None:
    world.ask()
    place = world.ask("dev-b")
    world.ask("qa-a")
    world.give_back(place["request"], "dev-b")
    assert [each["principal"] for each in world.status()[0]["queue"]] == ["qa-a"]


def test_who_leaves_and_asks_again_is_last(world: LockWorld) -> None:
    mine = world.ask()
    world.ask("dev-b")
    place = world.ask("qa-a")
    world.give_back(place["request"], "qa-a")
    world.ask("qa-a")
    world.give_back(mine["token"])
    world.ask()
    assert world.holder() == "dev-b"
    assert [each["principal"] for each in world.status()[0]["queue"]] == ["qa-a", "dev-a"]


GONE = {
    "retired": (Kind.PRINCIPAL_RETIRED, {"principal": "dev-b", "statement": {}}),
    "its token revoked": (Kind.TOKEN_REVOKED, {"id": tokens.fresh("dev-b".ljust(43, "x"))[1], "statement": {}}),
    "its key revoked": (Kind.KEY_REVOKED, {"fingerprint": key_of("dev-b").fingerprint, "reason": "", "statement": {}}),
}


@pytest.mark.parametrize(("kind", "data"), GONE.values(), ids=GONE)
def test_who_may_not_act_any_more_is_skipped_and_holds_nothing(
    world: LockWorld, kind: Kind, data: dict[str, Any]
) -> None:
    mine = world.ask()
    world.ask("dev-b")
    world.ask("qa-a")
    world.append(Draft(kind, SERVICE, "", "", data))
    world.give_back(mine["token"])
    assert world.holder() == "qa-a"
    assert world.ends() == ["revoked", "released"]


def test_whose_token_is_revoked_loses_the_lease(world: LockWorld) -> None:
    world.ask("dev-b")
    world.ask()
    world.append(Draft(*(GONE["its token revoked"][0], SERVICE, "", ""), GONE["its token revoked"][1]))
    world.ask("qa-a")
    assert world.holder() == "dev-a"


def test_while_the_repository_is_frozen_nothing_is_granted(world: LockWorld) -> None:
    mine = world.ask()
    world.ask("dev-b")
    world.append(Draft(Kind.REFS_DRIFTED, SERVICE, REPOSITORY, "", {"refs": [], "count": 1, "reason": "x"}))
    world.give_back(mine["token"])
    assert world.holder() == ""
    data = {"freeze": 1, "remediation": "looked into", "refs": [], "unreviewed": [], "statement": {}}
    world.append(Draft(Kind.FREEZE_LIFTED, SERVICE, REPOSITORY, "", data))
    world.tick()
    assert world.holder() == "dev-b"


def freeze(world: LockWorld, scope: str, value: str, *, expires_at: int = 0, repository: str = "") -> None:
    data = {"scope": scope, "value": value, "repository": repository, "reason": "x", "trigger": "intent_failure"}
    world.append(Draft(Kind.FREEZE_IMPOSED, SERVICE, "", value, data | {"expires_at": expires_at, "counted": []}))


@pytest.mark.parametrize(("scope", "value"), [("role", "dev-b"), ("ref", "refs/heads/x")])
def test_a_freeze_of_one_keeps_no_other_from_the_lock(world: LockWorld, scope: str, value: str) -> None:
    freeze(world, scope, value)
    assert world.ask("qa-a")["state"] == "held"


def test_a_freeze_that_has_ended_keeps_nobody_from_the_lock(world: LockWorld) -> None:
    freeze(world, "everything", "", expires_at=world.now + MINUTE_MS)
    asked = world.ask()
    assert (asked["state"], asked["place"]) == ("waiting", 1)
    world.now += MINUTE_MS
    world.tick()
    assert world.holder() == "dev-a"


@pytest.mark.parametrize(("scope", "value"), [("role", "dev-b"), ("operator", "mia")])
def test_who_is_frozen_does_not_even_wait(world: LockWorld, scope: str, value: str) -> None:
    world.enroll_copy("dev-b2", role="dev-b", operator="mia")
    freeze(world, scope, value)
    with pytest.raises(DeniedError) as caught:
        world.ask("dev-b2")
    assert caught.value.code == "lock.frozen"


def test_scopes_are_apart(world: LockWorld) -> None:
    assert world.ask()["state"] == world.ask("dev-b", scope="docs")["state"] == "held"
    with pytest.raises(NotFoundError):
        world.give_back(world.status()[0]["holder"]["token"], "dev-b", scope="write")


def test_nobody_waits_twice_or_holds_and_waits(world: LockWorld) -> None:
    world.ask()
    world.ask("dev-b")
    for by in ("dev-a", "dev-b"):
        with pytest.raises(ConflictError) as refused:
            world.ask(by)
        assert refused.value.code == "lock.asked_already"
    assert world.refusals() == ["lock.asked_already"] * 2


def test_nobody_gives_back_what_is_another_s(world: LockWorld) -> None:
    mine = world.ask()
    with pytest.raises(DeniedError) as refused:
        world.give_back(mine["token"], "dev-b")
    assert refused.value.code == "lock.not_yours"


MALFORMED = [
    ({"files": []}, "lock.files"),
    ({"files": ["src/**"] * 51}, "lock.files"),
    ({"files": "src/**"}, "lock.files"),
    ({"files": ["src/["]}, "lock.files"),
    ({"files": ["../etc/**"]}, "lock.files"),
    ({"files": ["x" * 201]}, "lock.files"),
    ({"files": [7]}, "lock.files"),
    ({"lines": 0}, "lock.lines"),
    ({"lines": 10_001}, "lock.lines"),
    ({"lines": True}, "lock.lines"),
    ({"minutes": 6}, "lock.minutes"),
    ({"minutes": 0}, "lock.minutes"),
    ({"scope": "Write"}, "lock.malformed"),
    ({"scope": 1}, "lock.malformed"),
    ({"holder": "dev-b"}, "lock.malformed"),
    ({"repository": "other"}, "statement.other_repository"),
]


@pytest.mark.parametrize(("changed", "code"), MALFORMED, ids=[f"{row[0]}"[:40] for row in MALFORMED])
def test_an_intent_is_read_strictly(world: LockWorld, changed: dict[str, Any], code: str) -> None:
    with pytest.raises(RequestError) as refused:
        world.ask(**changed)
    assert refused.value.code == code
    assert world.refusals() == [code]
    assert world.ask()["state"] == "held"


@pytest.mark.parametrize("changed", [{"token": "1"}, {"token": True}, {"more": 1}])
def test_a_release_is_read_strictly(world: LockWorld, changed: dict[str, Any]) -> None:
    with pytest.raises(RequestError) as refused:
        world.give_back(**{"token": 1} | changed)
    assert refused.value.code == "lock.malformed"


@pytest.mark.usefixtures("both")
def test_who_asks_all_the_time_is_refused_and_refusals_count(world: LockWorld) -> None:
    for _ in range(3):
        world.give_back(world.ask()["token"])
    for _ in range(2):
        with pytest.raises(RequestError):
            world.ask(lines=0)
    for _ in range(2):
        with pytest.raises(DeniedError) as refused:
            world.ask()
        assert refused.value.code == "lock.abuse"
    assert world.ask("dev-b")["state"] == "held"  # The twin: another's requests are its own.
    world.now += 10 * MINUTE_MS
    assert world.ask()["state"] == "held"


def test_three_holds_in_a_row_give_way_to_whoever_else_waits() -> None:
    """Two names of one role and operator take turns; a queue in order alone would let them keep it for ever."""
    line = [_asked(seq, name) for seq, name in ((1, "a2"), (2, "a3"), (3, "b"), (4, "a1"))]

    def party(name: str) -> str:
        return name[0]

    assert next_in_line(line, ["a1", "a2"], party, most=3) == (line[0], ())
    assert next_in_line(line, ["a1", "a2", "a1"], party, most=3) == (line[2], (1, 2))
    assert next_in_line(line, ["a1", "b", "a1"], party, most=3) == (line[0], ())
    assert next_in_line(line[:2], ["a1", "a2", "a1"], party, most=3) == (line[0], ())


def _asked(seq: int, name: str) -> Asked:
    return Asked(seq, "garden", "write", name, "k", "t", ("**",), 1, 1)


def test_holds_are_read_from_the_record(world: LockWorld) -> None:
    for by in ("dev-a", "dev-b", "dev-a"):
        world.give_back(world.ask(by)["token"], by)
    with world.service.read() as tx:
        assert state.last_holders(tx, REPOSITORY, "write", count=2) == ["dev-a", "dev-b"]


def test_an_intent_means_the_very_paths() -> None:
    files = ("src/**", "README.md", "docs/*.md", "**/Makefile")
    inside = ["src/a", "src/A/b c", "README.md", "docs/x.md", "a/b/Makefile", "Makefile"]
    out = ["SRC/a", "readme.md", "docs/a/x.md", "makefile", "src/../a", "src//a", "./README.md", "srcx/a"]
    assert outside(files, inside) == []
    assert outside(files, [*inside, *out, out[0]]) == out


def test_the_policy_of_these_tests_can_be_written_down() -> None:
    assert describe(LEASED)["write_lock"]["refs"] == [MAIN]
    assert Parameters().write_lock.refs == ()


def test_the_queue_is_found_without_walking_the_past() -> None:
    connection = stores.open_memory()
    connection.executescript(SCHEMA)
    asked: list[str] = []
    connection.set_trace_callback(asked.append)
    state.open_(connection, "garden")
    state.open_(connection, "garden", "write")
    state.last_holders(connection, "garden", "write", count=3)
    state.used(connection, 7)
    state.nth_try(connection, "dev-a", 5)
    state.first(connection, [7, 8])
    state.out_of_turn(connection, [7, 8])
    connection.set_trace_callback(None)
    plans = [row[3] for sql in asked for row in connection.execute(f"explain query plan {sql}")]
    assert not any(step.startswith("SCAN") for step in plans), plans
    assert any("lease_open" in step for step in plans), plans
    connection.close()


def test_what_git_did_not_carry_out_uses_nothing_up(world: LockWorld) -> None:
    token, moved = world.ask()["token"], (OLD, NEW, MAIN)
    effects = Effects(handle="1-1", reserve=(moved,), noted={"lease": {"token": token, "units": 30}})
    first, second = world.decide(effects), world.decide(effects)
    world.decide(effects, allowed=False)
    assert world.status()[0]["holder"]["used"] == 60
    world.append(released(first, [moved], repository=REPOSITORY, landed=False))
    world.append(released(second, [moved], repository=REPOSITORY, landed=True))
    assert world.status()[0]["holder"]["used"] == 30


def test_copies_of_one_agent_take_three_turns_and_then_give_way(world: LockWorld) -> None:
    copies = [f"dev-a{number}" for number in (2, 3, 4)]
    for name in copies:
        world.enroll_copy(name, role="dev-a")
    world.ask()
    last = [world.ask(name) for name in copies][-1]
    world.ask("dev-b")
    for name in ("dev-a", *copies[:2]):
        assert world.holder() == name
        world.give_back(world.status()[0]["holder"]["token"], name)
    assert world.holder() == "dev-b"
    assert world.bodies("kind='lock.granted'")[-1]["data"]["passed"] == [last["request"]]
    world.give_back(world.status()[0]["holder"]["token"], "dev-b")
    assert world.holder() == copies[2]


def frozen(world: LockWorld, scope: str, value: str = "", *, repository: str = "", expires_at: int = 0) -> None:
    data = {"scope": scope, "value": value, "repository": repository, "reason": "looked into", "trigger": ""}
    world.append(Draft(Kind.FREEZE_IMPOSED, SERVICE, repository, "x", data | {"expires_at": expires_at}))


@pytest.mark.usefixtures("both")
def test_a_frozen_role_or_ref_keeps_the_lock_from_nobody_else(world: LockWorld) -> None:
    frozen(world, "role", "dev-a")
    frozen(world, "ref", "refs/heads/release/1", repository=REPOSITORY)
    with pytest.raises(DeniedError):
        world.ask("dev-a")
    assert world.ask("dev-b")["state"] == "held"


def test_a_freeze_that_has_ended_by_itself_keeps_the_lock_from_nobody(world: LockWorld) -> None:
    frozen(world, "repository", repository=REPOSITORY, expires_at=world.now + 1000)
    assert world.ask("dev-a")["state"] == "waiting"
    world.now += 1000
    world.tick()
    assert world.holder() == "dev-a"


@pytest.mark.usefixtures("both")
def test_a_vetoed_lease_ends_and_the_next_in_line_has_the_lock(world: LockWorld) -> None:
    first, second = world.ask("dev-a"), world.ask("dev-b")
    world.ask("qa-a")
    body = {"repository": REPOSITORY, "kind": "lock", "head": "", "reason": "it sits on the lock"}
    for nonce, number in enumerate((first["token"], second["entry"])):
        said = world.said("veto.cast", "mia", body | {"name": str(number)}, nonce=f"no-{nonce}")
        vetoing.cast(world.service, world.caller("mia"), said, REPOSITORY)
    world.tick()
    assert world.holder() == "qa-a"
    assert [body["data"]["why"] for body in world.bodies("kind='lock.released'")] == ["vetoed", "vetoed"]
