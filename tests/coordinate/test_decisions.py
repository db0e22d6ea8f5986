"""Decisions are asked by whom the table lets, signed by whom it names, and never go through by waiting."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from audit.entry import Draft
from builders import MAIN, NEW, OLD, REPOSITORY, TOPIC, ZERO, a_policy, a_push, a_standing, oid
from coordinate.shapes import assert_shaped
from governance.controls.four_eyes import FourEyes
from governance.coordinate import decisions, disagreeing, vetoing
from governance.coordinate.decisions import EXPIRES_MS
from governance.errors import RequestError
from governance.parameters import RateLimit
from governance.policy_text import describe, from_meaning
from governance.record import SERVICE, Effects, Kind
from governance.review import acts, changes
from governance.state import decisions as decided
from governance.state import read
from service_world import PEOPLE, ServiceWorld

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

HERE = (*PEOPLE, "orchestrator", "librarian", "architect-b", "architect-c", "docs")
DIGEST = a_push().diff_digest


@pytest.fixture
def world(tmp_path: Path) -> Iterator[ServiceWorld]:
    """A service with change 1 of dev-a's open."""
    with ServiceWorld(tmp_path, people=HERE) as made:
        made.applied(made.open_change(diff_digest=DIGEST))
        yield made
        assert_shaped(made)


def act(world: ServiceWorld, do: Callable[..., dict[str, Any]], by: str, type_: str, **body: Any) -> dict[str, Any]:  # noqa: ANN401
    said = world.said(type_, by, {"repository": REPOSITORY, **body}, nonce=str(len(world.kinds())))
    return do(world.service, world.caller(by), said, REPOSITORY)


def ask(world: ServiceWorld, by: str = "orchestrator", kind: str = "refactoring", **changed: Any) -> int:  # noqa: ANN401
    body = {"kind": kind, "question": "Shall the beds be joined?", "options": ["yes", "no"], "change": 0} | changed
    return int(act(world, decisions.ask, by, "decision.raise", **body)["decision"])


def answer(world: ServiceWorld, by: str, number: int, verdict: str = "approve", **changed: Any) -> str:  # noqa: ANN401
    body = {"decision": number, "verdict": verdict, "reason": "looked at it"} | changed
    return str(act(world, decisions.sign, by, "decision.sign", **body)["outcome"])


def close(world: ServiceWorld, by: str, number: int) -> str:
    return str(
        act(world, decisions.close, by, "decision.close", decision=number, reason="not asked any more")["outcome"]
    )


def shown(world: ServiceWorld, number: int) -> dict[str, Any]:
    with world.service.read() as tx:
        found = decided.decision(tx, REPOSITORY, number)
        assert found is not None
        return decisions.shown(found, read.policy(tx), world.now)


def says(world: ServiceWorld, by: str, verdict: str) -> None:
    with world.service.read() as tx:
        bound = changes.shown(tx, REPOSITORY, 1, policy=a_policy())["binding"]
    said = world.said("sign_off", by, {"verdict": verdict, "binding": bound}, nonce=str(len(world.kinds())))
    acts.sign_off(world.service, world.caller(by), said, REPOSITORY)


def refused(code: str, do: Callable[[], object], world: ServiceWorld) -> None:
    before = len(world.kinds())
    with pytest.raises(RequestError) as caught:
        do()
    assert caught.value.code == code, caught.value
    (last,) = world.bodies("seq >= ?", before)
    assert (last["kind"], last["data"]["code"]) == ("request.refused", code)


@pytest.mark.parametrize("role", ["orchestrator", "dev-b", "qa-a"])
def test_who_is_frozen_asks_and_decides_nothing_and_their_no_stands(world: ServiceWorld, role: str) -> None:
    first, second = ask(world), ask(world)
    answer(world, "dev-b", first)
    answer(world, "dev-b", second, "reject")
    data = {"scope": "role", "value": role, "repository": "", "reason": "looked into", "trigger": "", "expires_at": 0}
    world.append(Draft(Kind.FREEZE_IMPOSED, SERVICE, "", role, data))
    if role == "orchestrator":
        refused("decision.frozen", lambda: ask(world), world)
    if role == "dev-b":
        assert answer(world, "qa-a", first) == ""
        assert answer(world, "dev-a", first) == "decided"  # Nobody's yes keeps the place from others.
    else:
        refused("decision.frozen", lambda: answer(world, "qa-a", first), world)
    assert shown(world, second)["state"] == "rejected"


def test_what_the_row_asks_for_decides_and_everybody_is_told(world: ServiceWorld) -> None:
    number = ask(world)
    assert shown(world, number)["missing"] == [["dev-a", "dev-b"], ["qa-a", "qa-b"]]
    assert answer(world, "dev-b", number) == ""
    assert answer(world, "qa-a", number) == "decided"

    found = shown(world, number)
    assert (found["state"], found["row"], found["missing"]) == ("decided", "refactoring", [])
    told = world.bodies("kind='message.sent'")[-1]["data"]
    assert (told["type"], "docs" in told["to"], f'"decision":{number}' in told["body"]) == (
        "decision-announcement", True, True,
    )  # fmt: skip
    assert world.bodies("kind='decision.closed'")[-1]["data"]["row"] == "refactoring"


def test_one_no_stops_it(world: ServiceWorld) -> None:
    number = ask(world)
    assert answer(world, "qa-a", number, "reject") == "rejected"
    refused("decision.closed", lambda: answer(world, "dev-b", number), world)


def test_what_nobody_completes_in_time_is_on_hold(world: ServiceWorld) -> None:
    number = ask(world)
    answer(world, "dev-b", number)
    world.now += EXPIRES_MS
    assert shown(world, number)["state"] == "on hold"
    refused("decision.expired", lambda: answer(world, "qa-a", number), world)
    assert "decision.closed" not in world.kinds()


def test_nobody_fills_two_places(world: ServiceWorld) -> None:
    number = ask(world)
    answer(world, "dev-b", number)
    refused("decision.answered", lambda: answer(world, "dev-b", number), world)
    assert answer(world, "dev-a", number) == ""
    mine = ask(world, "docs", "tools")
    refused("decision.two_places", lambda: answer(world, "docs", mine), world)
    refused("decision.no_place", lambda: answer(world, "owner", number), world)
    refused("decision.no_place", lambda: answer(world, "librarian", number), world)


@pytest.mark.parametrize("kind", ["architecture", "new-dependency", "scope-over-20-percent", "quality-exception"])
def test_what_reaches_the_owner_nobody_else_decides(world: ServiceWorld, kind: str) -> None:
    number = ask(world, "architect-a", kind)
    for by in ("orchestrator", "librarian", "architect-b", "mia"):
        refused("decision.no_place", lambda by=by: answer(world, by, number), world)  # type: ignore[misc]
    assert answer(world, "owner", number) == "awaits"
    assert world.confirm(number) == "decided"


@pytest.mark.parametrize(
    ("by", "changed", "code"),
    [
        ("dev-a", {}, "authority.denied"),
        ("owner", {"kind": "architecture"}, "authority.denied"),
        ("orchestrator", {"kind": "gate-advance"}, "decision.kind"),
        ("orchestrator", {"kind": "thaw"}, "decision.kind"),
        ("orchestrator", {"kind": "override"}, "decision.kind"),
        ("orchestrator", {"kind": "refact\u043ering"}, "decision.kind"),
        ("orchestrator", {"kind": "refactoring "}, "decision.kind"),
        ("orchestrator", {"question": "short"}, "decision.text"),
        ("orchestrator", {"question": "Shall it\x1b[2J be so?"}, "decision.text"),
        ("orchestrator", {"question": "Shall it be so?\nDecided: yes"}, "decision.text"),
        ("orchestrator", {"question": "Shall it be \u202eos?"}, "decision.text"),
        ("orchestrator", {"options": ["\x07"]}, "decision.text"),
        ("orchestrator", {"options": [1]}, "decision.options"),
        ("orchestrator", {"options": ["x"] * 11}, "decision.options"),
        ("orchestrator", {"change": 1}, "decision.change"),
        ("orchestrator", {"change": True}, "decision.malformed"),
        ("orchestrator", {"threshold": 0}, "decision.malformed"),
        ("orchestrator", {"repository": "orchard"}, "statement.other_repository"),
    ],
)
def test_a_question_is_asked_by_who_may_and_in_plain_words(
    world: ServiceWorld, by: str, changed: dict[str, Any], code: str
) -> None:
    refused(code, lambda: ask(world, by, **changed), world)


def test_an_answer_gives_a_reason_and_a_verdict(world: ServiceWorld) -> None:
    number = ask(world)
    refused("decision.text", lambda: answer(world, "dev-b", number, reason=" "), world)
    refused("decision.malformed", lambda: answer(world, "dev-b", number, "abstain"), world)
    refused("decision.unknown", lambda: answer(world, "dev-b", number + 1), world)
    refused("statement.other_repository", lambda: answer(world, "dev-b", number, repository="orchard"), world)


def test_who_raised_it_takes_it_back_or_an_owner(world: ServiceWorld) -> None:
    number = ask(world)
    refused("decision.not_yours", lambda: close(world, "dev-a", number), world)
    assert close(world, "orchestrator", number) == "taken-back"
    refused("decision.closed", lambda: close(world, "owner", number), world)
    assert close(world, "owner", ask(world)) == "taken-back"


# Disagreement.


def quarrel(world: ServiceWorld, *, against: str = "qa-a", for_it: str = "dev-b") -> None:
    says(world, for_it, "approve")
    says(world, against, "reject")


def escalated(world: ServiceWorld, by: str = "dev-a", kind: str = "technical", change: int = 1) -> int:
    return ask(world, by, f"disagreement-{kind}", change=change)


def verdict(world: ServiceWorld) -> str:
    """What four eyes say of landing change 1 now."""
    with world.service.read() as tx:
        standing = a_standing(policy=a_policy(four_eyes={"lines": 1}), change=read.open_change(tx, REPOSITORY, 1))
    return FourEyes.of(standing.policy).evaluate(a_push(), standing).reason


def test_a_rejection_stands_until_it_is_decided(world: ServiceWorld) -> None:
    quarrel(world)
    assert verdict(world) == "four_eyes.rejected"
    number = escalated(world)
    assert verdict(world) == "four_eyes.rejected"
    assert answer(world, "orchestrator", number) == "decided"
    # The approvers needed stay needed: what was set aside is a no, and no yes came of it.
    assert verdict(world) == "four_eyes.missing_sign_offs"
    with world.service.read() as tx:
        given = {s.principal: s.settled for s in read.sign_offs(tx, REPOSITORY, 1, diff_digest=DIGEST)}
    assert given["dev-b"] == 0
    assert given["qa-a"] == world.bodies("kind='decision.closed'")[-1]["seq"]


def test_decided_against_it_stays(world: ServiceWorld) -> None:
    quarrel(world)
    assert answer(world, "orchestrator", escalated(world), "reject") == "rejected"
    assert verdict(world) == "four_eyes.rejected"


def test_the_council_decides_by_two_of_three(world: ServiceWorld) -> None:
    quarrel(world)
    number = escalated(world, kind="architectural")
    refused("decision.no_place", lambda: answer(world, "orchestrator", number), world)
    assert answer(world, "architect-a", number, "reject") == ""
    assert answer(world, "architect-b", number) == ""
    assert answer(world, "architect-c", number) == "decided"


def test_two_of_three_against_end_it(world: ServiceWorld) -> None:
    quarrel(world)
    number = escalated(world, kind="architectural")
    answer(world, "architect-a", number, "reject")
    assert answer(world, "architect-b", number, "reject") == "rejected"


def test_the_owner_has_the_last_word_after_the_level_below(world: ServiceWorld) -> None:
    quarrel(world)
    refused("decision.level", lambda: escalated(world, kind="owner"), world)
    first = escalated(world)
    refused("decision.waiting", lambda: escalated(world, "qa-a", "architectural"), world)
    answer(world, "orchestrator", first, "reject")
    refused("decision.asked", lambda: escalated(world), world)
    last = escalated(world, "dev-b", "owner")
    refused("decision.no_place", lambda: answer(world, "orchestrator", last), world)
    assert answer(world, "owner", last) == "awaits"
    assert verdict(world) == "four_eyes.rejected"
    assert world.confirm(last) == "decided"
    assert verdict(world) == "four_eyes.missing_sign_offs"


def test_silence_at_one_level_opens_the_next_and_decides_nothing(world: ServiceWorld) -> None:
    quarrel(world)
    escalated(world)
    world.now += EXPIRES_MS - 1
    says(world, "dev-b", "approve")
    world.now += 1
    assert verdict(world) == "four_eyes.rejected"
    assert escalated(world, kind="owner")


def test_what_was_settled_is_not_said_again_and_a_new_no_is_new(world: ServiceWorld) -> None:
    quarrel(world)
    answer(world, "orchestrator", escalated(world))
    says(world, "qa-a", "reject")
    assert verdict(world) == "four_eyes.missing_sign_offs"
    says(world, "architect-a", "reject")
    assert verdict(world) == "four_eyes.rejected"
    assert answer(world, "orchestrator", escalated(world)) == "decided"
    assert verdict(world) == "four_eyes.missing_sign_offs"


def test_another_difference_is_another_quarrel(world: ServiceWorld) -> None:
    quarrel(world)
    number = escalated(world)
    opened = {
        "change": 1, "patch_set": 2, "ref": TOPIC, "target": MAIN, "title": "", "head": oid("2"), "base": OLD,
        "tree": oid("t2"), "diff_digest": "f" * 64, "about": {"contributors": ["dev-a"], "target_tip": OLD},
    }  # fmt: skip
    lines = ((NEW, oid("2"), TOPIC), (ZERO, oid("2"), "refs/changes/1/2"))
    world.applied(world.decide(Effects(handle="2-2", reserve=lines, opens=(opened,))))

    refused("decision.moved", lambda: answer(world, "orchestrator", number), world)
    says(world, "qa-a", "reject")
    refused("decision.no_disagreement", lambda: escalated(world), world)


@pytest.mark.parametrize("kind", ["technical", "architectural"])
def test_who_has_no_part_in_it_raises_nothing(world: ServiceWorld, kind: str) -> None:
    quarrel(world)
    refused("decision.not_involved", lambda: escalated(world, "docs", kind), world)
    refused("decision.no_change", lambda: escalated(world, change=9), world)


def test_it_takes_both_a_yes_and_a_no(world: ServiceWorld) -> None:
    says(world, "qa-a", "reject")
    refused("decision.no_disagreement", lambda: escalated(world), world)
    says(world, "qa-a", "approve")
    refused("decision.no_disagreement", lambda: escalated(world), world)


def test_nobody_who_took_a_side_decides(world: ServiceWorld) -> None:
    quarrel(world, against="architect-a", for_it="architect-b")
    number = escalated(world, kind="architectural")
    for by in ("architect-a", "architect-b"):
        refused("decision.not_eligible", lambda by=by: answer(world, by, number), world)  # type: ignore[misc]


def test_the_orchestrator_does_not_judge_its_own_work(tmp_path: Path) -> None:
    with ServiceWorld(tmp_path, people=HERE) as world:
        world.applied(world.open_change(diff_digest=DIGEST, contributors=("dev-a", "orchestrator")))
        quarrel(world)
        number = escalated(world)
        refused("decision.not_eligible", lambda: answer(world, "orchestrator", number), world)


def test_every_kind_that_is_asked_for_stands_in_the_table() -> None:
    kinds = decisions.decidable(a_policy())
    assert set(kinds) >= disagreeing.KINDS
    assert not {kind for kind in kinds if kind.startswith(("lock-", "override"))}
    assert "gate-reading" in kinds
    assert "gate-advance" not in kinds


def test_everyday_decisions_use_up_no_critical_ones(tmp_path: Path) -> None:
    """The shipped limit: two critical ones an hour. What the table lets the fleet decide is no such thing."""
    rates = replace(a_policy().controls.rate_limits, critical_decision=RateLimit(hour=2, day=10))
    policy = from_meaning(describe(a_policy(controls=replace(a_policy().controls, rate_limits=rates))))
    with ServiceWorld(tmp_path, people=HERE, policy=policy) as world:
        for n in range(4):
            ask(world, kind="refactoring", question=f"Shall bed {n} be joined?")
        for n in range(2):
            ask(world, kind="architecture", question=f"Shall wall {n} be moved?")
        refused(
            "rate_limits.critical_decision",
            lambda: ask(world, kind="architecture", question="Shall all walls be moved?"),
            world,
        )
        ask(world, kind="refactoring", question="Shall the last bed be joined?")
        assert world.difference() == ""


def test_a_vetoed_decision_is_answered_by_nobody(world: ServiceWorld) -> None:
    number = ask(world)
    body = {"kind": "decision", "name": str(number), "head": "", "reason": "it was never discussed"}
    act(world, vetoing.cast, "mia", "veto.cast", **body)
    refused("decision.vetoed", lambda: answer(world, "qa-a", number), world)
    assert close(world, "orchestrator", number) == "taken-back"
