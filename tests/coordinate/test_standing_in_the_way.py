"""What a veto stops beside changes, that copies of one role are one, and that another change sheds no reviewer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from builders import MAIN, NEW, OLD, REPOSITORY, TOPIC, ZERO, oid
from coordinate import test_decisions as asking
from coordinate import test_gates as gating
from coordinate import test_messages as talking
from coordinate.shapes import assert_shaped
from governance.coordinate import decisions, vetoing
from governance.errors import RequestError
from governance.limits import HOUR_MS
from governance.people import keys, principals
from governance.people.principals import Candidate
from governance.people.statements import LIMIT, SIGNATURE_LIMIT, compose, parse
from governance.record import TEXT_LIMIT, Effects
from keys import key_of
from limit_world import FEW, LIMITED
from service_world import LOG, PEOPLE, ServiceWorld

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HERE = (*PEOPLE, "planner-a", "orchestrator", "librarian", "architect-b", "docs", "qa-b")
REASON = "nobody has looked at the roots"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[ServiceWorld]:
    with ServiceWorld(tmp_path, people=HERE) as made:
        yield made
        assert_shaped(made)


def veto(world: ServiceWorld, kind: str, name: str, by: str = "docs") -> int:
    body = {"repository": REPOSITORY, "kind": kind, "name": name, "head": "", "reason": REASON}
    said = world.said("veto.cast", by, body, nonce=str(len(world.kinds())))
    return int(vetoing.cast(world.service, world.caller(by), said, REPOSITORY)["veto"])


def withdraw(world: ServiceWorld, number: int, by: str = "docs") -> None:
    body = {"repository": REPOSITORY, "veto": number, "how": "withdraw", "reason": ""}
    said = world.said("veto.lift", by, body, nonce=str(len(world.kinds())))
    vetoing.drop(world.service, world.caller(by), said, REPOSITORY, number)


def copy(world: ServiceWorld, name: str, role: str) -> None:
    """Enrol another agent of a role, with the key of its name."""
    candidate = Candidate(name, "agent", role, "owner", "", (f"{name}@example.org",), (), None)
    world.append(principals.first_owner(candidate, key=keys.recorded(key_of(name).enrolled()), proof={}, used=""))


def open_change(world: ServiceWorld, number: int, by: str, *reasons: str, target: str = MAIN) -> None:
    """Open a change with the head NEW, by one contributor."""
    ref = f"{TOPIC}-{number}"
    opened = {
        "change": number, "patch_set": 1, "ref": ref, "target": target, "title": "", "head": NEW, "base": OLD,
        "tree": oid("tree"), "diff_digest": f"{number:064x}",
        "about": {"contributors": [by], "target_tip": OLD, "reasons": list(reasons)},
    }  # fmt: skip
    lines = ((ZERO, NEW, ref), (ZERO, NEW, f"refs/changes/{number}/1"))
    world.applied(world.decide(Effects(handle=f"{number}-1", reserve=lines, opens=(opened,)), lines[0]))


def test_a_vetoed_decision_is_never_decided(world: ServiceWorld) -> None:
    number = asking.ask(world)
    asking.answer(world, "dev-b", number)
    stops = veto(world, "decision", str(number))
    asking.refused("decision.vetoed", lambda: asking.answer(world, "qa-a", number), world)
    assert asking.shown(world, number)["state"] == "open"
    withdraw(world, stops)
    assert asking.answer(world, "qa-a", number) == "decided"


def test_a_veto_of_one_gate_leaves_the_others(world: ServiceWorld) -> None:
    gating.start(world)
    veto(world, "gate", "roses/QA")
    gating.passes(world, "RED")
    assert gating.status(world)["stage"] == "GREEN"


@pytest.mark.parametrize("name", ["roses", "roses/RED"])
def test_a_vetoed_gate_is_not_co_signed(world: ServiceWorld, name: str) -> None:
    gating.start(world)
    for by in ("dev-a", "qa-a"):
        gating.show(world, by, "RED")
    gating.ask(world)
    stops = veto(world, "gate", name)
    gating.refused("gates.vetoed", lambda: gating.cosign(world), world)
    withdraw(world, stops)
    assert gating.cosign(world)["stage"] == "RED"


@pytest.mark.parametrize(
    ("kind", "name"),
    [("decision", "1000"), ("decision", "x"), ("gate", "rosse"), ("gate", "rosse/QA"), ("gate", "roses/ALL")],
)
def test_a_veto_of_nothing_is_refused_and_does_not_look_like_one(world: ServiceWorld, kind: str, name: str) -> None:
    gating.start(world)
    asking.refused("veto.unknown", lambda: veto(world, kind, name), world)


def test_copies_of_one_role_answer_once(world: ServiceWorld) -> None:
    asking_of: dict[str, Any] = {"kind": "disagreement-architectural", "change": 1}
    open_change(world, 1, "dev-a")
    copy(world, "architect-c", "architect-a")
    asking.says(world, "qa-a", "reject")
    asking.says(world, "dev-b", "approve")
    number = asking.ask(world, "dev-a", **asking_of)
    asking.answer(world, "architect-a", number)
    asking.refused("decision.answered", lambda: asking.answer(world, "architect-c", number), world)
    assert asking.answer(world, "architect-b", number) == "decided"


def test_a_copy_of_who_asks_fills_no_place(world: ServiceWorld) -> None:
    open_change(world, 1, "dev-a")
    copy(world, "planner-b", "orchestrator")
    asking.says(world, "qa-a", "reject")
    asking.says(world, "orchestrator", "approve")
    number = asking.ask(world, "orchestrator", "disagreement-technical", change=1)
    asking.refused("decision.two_places", lambda: asking.answer(world, "planner-b", number), world)


@pytest.mark.parametrize("kind", ["technical", "architectural"])
def test_no_agent_sets_the_no_of_a_person_aside(world: ServiceWorld, kind: str) -> None:
    open_change(world, 1, "dev-a")
    asking.says(world, "mia", "reject")
    asking.says(world, "dev-b", "approve")
    asked = {"change": 1}
    asking.refused("decision.level", lambda: asking.ask(world, "dev-a", f"disagreement-{kind}", **asked), world)
    number = asking.ask(world, "dev-a", "disagreement-owner", **asked)
    assert asking.answer(world, "owner", number) == "awaits"
    assert world.confirm(number) == "decided"


def test_another_change_with_the_same_head_sheds_neither_reviewer_nor_author(world: ServiceWorld) -> None:
    open_change(world, 1, "dev-b", "60 changed lines, more than 50")
    open_change(world, 2, "dev-a", target="refs/heads/release/1")
    gating.start(world)
    gating.passes(world, "RED", "GREEN")
    gating.refused("gates.not_eligible", lambda: gating.show(world, "dev-b", "PEER"), world)
    assert "second" in gating.show(world, "qa-a", "PEER")["lacks"]


def test_raising_and_sending_are_counted_and_limited(tmp_path: Path) -> None:
    with ServiceWorld(tmp_path, people=HERE, policy=LIMITED) as world:
        open_change(world, 1, "dev-a")
        for number in range(FEW.hour):
            asking.ask(world, "architect-a", "new-dependency")
            talking.send(world, raw=b"message %d" % number)
        asking.refused(
            "rate_limits.critical_decision", lambda: asking.ask(world, "architect-a", "new-dependency"), world
        )
        asking.refused("rate_limits.message", lambda: talking.send(world), world)
        talking.send(world, "qa-a")  # The twin: another role has its own.
        world.now += HOUR_MS
        asking.ask(world, "architect-a", "new-dependency")
        talking.send(world, raw=b"later")


def test_the_largest_statement_with_the_largest_signature_fits_into_its_entry(world: ServiceWorld) -> None:
    options = ['"' * TEXT_LIMIT] * decisions.MOST_OPTIONS
    body = {"kind": "refactoring", "question": '"' * TEXT_LIMIT, "options": options, "change": 0}
    body |= {"repository": REPOSITORY}
    fixed = {"log": LOG, "by": "orchestrator", "at": world.now}
    room = LIMIT - len(compose("decision.raise", nonce="", body=body, **fixed))
    text = compose("decision.raise", nonce='"' * (room // 2), body=body, **fixed)
    first, rest = key_of("orchestrator").sign(text).decode().split("\n", 1)
    padding = (SIGNATURE_LIMIT - len(first) - len(rest)) // 17
    signature = first + "\n" + ("Comment: " + '"' * 7 + "\n") * padding + rest
    decisions.ask(world.service, world.caller("orchestrator"), parse(text.decode(), signature), REPOSITORY)
    assert world.kinds()[-1] == "decision.raised"
    with pytest.raises(RequestError, match="its signature"):
        parse(text.decode(), "\n" * SIGNATURE_LIMIT + signature)
