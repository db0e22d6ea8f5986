"""What freezes by itself: counted by role, in a window, once, and never more than the role at fault."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from audit.entry import Actor, Draft
from builders import MAIN, NEW, OLD, REPOSITORY
from debt_world import shipped
from governance import consequences
from governance.consequences import HOUR_MS
from governance.errors import DeniedError
from governance.parameters import Freezing
from governance.people.tokens import Caller
from governance.record import SERVICE, Kind
from governance.stops import Rule, full
from service_world import PEOPLE, ServiceWorld

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PUSH = {"enforced": True, "handle": "1-1", "refs": [[OLD, NEW, MAIN]]}
REFUSED = {**PUSH, "allowed": False}
LANDED = {
    **PUSH, "allowed": True, "code": "allowed", "verdicts": [], "reserve": [], "spend": [], "opens": [], "landed": [],
    "abandoned": [],
}  # fmt: skip


@pytest.fixture
def world(tmp_path: Path) -> Iterator[ServiceWorld]:
    with ServiceWorld(tmp_path, people=(*PEOPLE, "librarian", "orchestrator"), policy=shipped()) as made:
        yield made
        assert made.difference() == ""


def write(world: ServiceWorld, draft: Draft) -> None:
    """Append an entry as the service does: with what follows from it."""

    def command(tx: object) -> None:
        tx.append(draft)  # type: ignore[attr-defined]
        consequences.follow(tx, shipped())  # type: ignore[arg-type]

    world.ledger.run(command)


def pushed(
    world: ServiceWorld, code: str, *, by: str = "dev-a", verdicts: tuple[str, ...] = (), **more: object
) -> None:
    data = {**REFUSED, "code": code, "verdicts": [[code, *verdicts]], **more}
    write(world, Draft(Kind.PUSH_DECIDED, Actor(by, "agent", ""), REPOSITORY, MAIN, data))


def blocked(world: ServiceWorld, author: str, *approvers: str, change: int = 0) -> None:
    """Block another change each time, or the one that is named."""
    number = change or 1 + len(world.rows("select seq from third_review"))
    about = {"change": number, "patch_set": 1, "diff_digest": "d" * 64}
    data = {"verdict": "block", "author": author, "approvers": list(approvers), **about}
    write(world, Draft(Kind.TERTIARY_GIVEN, Actor("qa-a", "agent", ""), REPOSITORY, str(number), data))


def frozen(world: ServiceWorld) -> list[tuple[str, str, str, str]]:
    """Return (scope, value, repository, rule) of what stands."""
    sql = "select scope, value, repository, rule from halt where lifted_seq is null order by seq"
    return [tuple(row) for row in world.rows(sql)]  # type: ignore[misc]


def thaw(world: ServiceWorld) -> None:
    (seq,) = [row[0] for row in world.rows("select seq from halt where lifted_seq is null")]
    data = {"freeze": seq, "remediation": "x", "refs": [], "unreviewed": [], "scope": "role", "statement": {}}
    write(world, Draft(Kind.FREEZE_LIFTED, SERVICE, "", "x", data))


DEV_A = ("role", "dev-a", "", "gate_bypass")


@pytest.mark.usefixtures("both")
def test_three_gate_bypasses_freeze_the_role_that_pushed_them_and_nothing_else(world: ServiceWorld) -> None:
    for _ in range(2):
        pushed(world, "gates.bypass")
    assert frozen(world) == []

    pushed(world, "ref_rules.reserved", verdicts=("gates.bypass",))
    assert frozen(world) == [DEV_A]
    entry = world.bodies("kind='freeze.imposed'")[0]
    assert entry["actor"]["id"] == "twinseal"
    assert entry["data"]["reason"] == "3 gate bypasses in 24 h, the last by dev-a"
    assert len(entry["data"]["counted"]) == 3


def test_what_is_frozen_is_not_frozen_again_and_a_thaw_begins_a_new_count(world: ServiceWorld) -> None:
    for _ in range(6):
        pushed(world, "gates.bypass")
    assert frozen(world) == [DEV_A]

    thaw(world)
    for _ in range(2):
        pushed(world, "gates.bypass")
    assert frozen(world) == []
    pushed(world, "gates.bypass")
    assert frozen(world) == [DEV_A]


def test_what_is_older_than_the_window_does_not_count(world: ServiceWorld) -> None:
    for _ in range(2):
        pushed(world, "gates.bypass")
    world.now += 24 * HOUR_MS
    pushed(world, "gates.bypass")

    assert frozen(world) == []


def test_roles_are_counted_apart(world: ServiceWorld) -> None:
    for by in ("dev-a", "dev-b", "qa-a", "architect-a"):
        for _ in range(2):
            pushed(world, "gates.bypass", by=by)

    assert frozen(world) == []


def test_five_pushes_outside_the_intent_freeze_and_rules_are_counted_apart(world: ServiceWorld) -> None:
    pushed(world, "gates.bypass")
    for code in ("write_lock.intent", "write_lock.intent_files", "write_lock.intent_size", "write_lock.intent"):
        pushed(world, code)
    assert frozen(world) == []

    pushed(world, "write_lock.intent")
    assert frozen(world) == [("role", "dev-a", "", "intent_failure")]


@pytest.mark.parametrize(
    ("code", "by", "more"),
    [
        ("four_eyes.missing_sign_offs", "dev-a", {}),
        ("gates.bypassed_elsewhere", "dev-a", {}),
        ("write_lock.no_lease", "dev-a", {}),
        ("gates.bypass", "stranger", {}),
        ("gates.bypass", "dev-a", {"observed": True, "let_through": False}),
    ],
)
def test_what_is_no_misdeed_or_nobody_s_counts_for_nobody(
    world: ServiceWorld, code: str, by: str, more: dict[str, object]
) -> None:
    for _ in range(10):
        pushed(world, code, by=by, **more)

    assert frozen(world) == []


def test_a_refused_request_counts_for_who_was_authenticated(world: ServiceWorld) -> None:
    def bypass(tx: object) -> None:
        del tx
        raise DeniedError("the gate was not passed", code="gates.bypass")

    for _ in range(3):
        with pytest.raises(DeniedError):
            world.service.act(Caller("qa-a", "agent", REPOSITORY, "t"), "gate.advance", bypass)

    assert frozen(world) == [("role", "qa-a", "", "gate_bypass")]


def test_two_blocks_of_one_pair_freeze_its_author_s_role(world: ServiceWorld) -> None:
    blocked(world, "dev-a", "qa-a", "dev-b")
    blocked(world, "dev-a", "architect-a")
    blocked(world, "dev-b", "qa-a")
    assert frozen(world) == []

    blocked(world, "dev-a", "qa-a")
    assert frozen(world) == [("role", "dev-a", "", "pair_block")]


def test_one_reviewer_who_blocks_one_change_again_and_again_freezes_nobody(world: ServiceWorld) -> None:
    for _ in range(5):
        blocked(world, "dev-a", "qa-a", change=1)
    assert frozen(world) == []


def test_an_override_that_is_pushed_again_and_let_go_of_counts_once(world: ServiceWorld) -> None:
    override(world)
    (seq,) = [row[0] for row in world.rows("select seq from ledger_entry where kind='override.asked'")]
    for number in range(5):
        data = {**LANDED, "handle": f"8-{number}", "override": seq, "reserve": [[OLD, NEW, MAIN]]}
        write(world, Draft(Kind.PUSH_DECIDED, Actor("dev-a", "agent", ""), REPOSITORY, MAIN, data))
    assert frozen(world) == []


def override(world: ServiceWorld, *, by: str = "orchestrator") -> None:
    about = {"change": 1, "patch_set": 1, "head": NEW, "reason": "it burns", "expires_at": world.now + 1}
    asked = Draft(Kind.OVERRIDE_ASKED, Actor(by, "agent", ""), REPOSITORY, "1", about)
    seq = world.append(asked)[0].seq
    data = {**LANDED, "override": seq, "reserve": [[OLD, NEW, MAIN]]}
    write(world, Draft(Kind.PUSH_DECIDED, Actor("lander", "service", ""), REPOSITORY, MAIN, data))


def test_overrides_above_a_share_of_the_landings_freeze_the_role_that_asked(world: ServiceWorld) -> None:
    for number in range(40):
        data = {**LANDED, "handle": f"9-{number}", "reserve": [[OLD, NEW, MAIN]]}
        write(world, Draft(Kind.PUSH_DECIDED, Actor("dev-a", "agent", ""), REPOSITORY, MAIN, data))
    override(world)
    override(world, by="qa-a")
    override(world)
    assert frozen(world) == [], "two of 43"

    override(world)
    assert frozen(world) == [("role", "orchestrator", "", "overrides")], "three of 44"


LIMITS = Freezing()
FULL = [
    (Rule.GATE_BYPASS, 2, 0, False), (Rule.GATE_BYPASS, 3, 0, True), (Rule.INTENT, 4, 0, False),
    (Rule.INTENT, 5, 0, True), (Rule.PAIR_BLOCK, 1, 0, False), (Rule.PAIR_BLOCK, 2, 0, True),
    (Rule.OVERRIDES, 2, 2, False), (Rule.OVERRIDES, 3, 3, True), (Rule.OVERRIDES, 3, 60, False),
    (Rule.OVERRIDES, 3, 59, True),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "count", "landings", "is_full"), FULL)
def test_when_a_count_is_full(rule: Rule, count: int, landings: int, is_full: bool) -> None:  # noqa: FBT001 - a column
    assert full(rule, count, LIMITS, landings=landings) == is_full
