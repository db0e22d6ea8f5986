"""Gates are passed in order, on evidence of two about one commit, asked by one and co-signed by another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from audit.entry import Draft
from builders import MAIN, NEW, OLD, REPOSITORY, TOPIC, ZERO, a_policy, oid
from coordinate.shapes import assert_shaped
from governance.authority import AuthorityRow
from governance.coordinate import gates, vetoing
from governance.errors import ConflictError, DeniedError, NotFoundError, RequestError
from governance.gating import Feature
from governance.parameters import STAGES
from governance.record import SERVICE, Effects, Kind
from governance.state import gating, read
from keys import key_of
from service_world import PEOPLE, ServiceWorld

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

SHOWS = "e" * 64
EARLIER = oid("the failing test")
WHO = {"RED": ("dev-a", "qa-a"), "GREEN": ("dev-a", "qa-a"), "PEER": ("dev-b", "qa-a"), "QA": ("qa-a", "mia"),
       "DEPLOY": ("qa-a", "owner")}  # fmt: skip


@pytest.fixture
def world(tmp_path: Path) -> Iterator[ServiceWorld]:
    """A service with change 1 open at NEW, by dev-a, and the feature roses started."""
    with ServiceWorld(tmp_path, people=(*PEOPLE, "planner-a", "orchestrator", "librarian", "qa-b")) as made:
        under_review(made, 1, NEW)
        start(made)
        yield made
        assert_shaped(made)


def under_review(world: ServiceWorld, number: int, head: str, *reasons: str) -> None:
    """Open a change of dev-a's that is consequential for these reasons."""
    opened = {
        "change": number, "patch_set": 1, "ref": f"{TOPIC}-{number}", "target": MAIN, "title": "", "head": head,
        "base": OLD, "tree": oid("tree"), "diff_digest": oid(head) + "0" * 24,
        "about": {"contributors": ["dev-a"], "target_tip": OLD, "reasons": list(reasons)},
    }  # fmt: skip
    lines = ((ZERO, head, f"{TOPIC}-{number}"), (ZERO, head, f"refs/changes/{number}/1"))
    world.applied(world.decide(Effects(handle=f"{number}-1", reserve=lines, opens=(opened,)), lines[0]))


def act(world: ServiceWorld, do: Callable[..., dict[str, Any]], by: str, type_: str, **body: Any) -> dict[str, Any]:  # noqa: ANN401
    said = world.said(type_, by, {"repository": REPOSITORY, **body}, nonce=str(len(world.kinds())))
    return do(world.service, world.caller(by), said, REPOSITORY)


def start(world: ServiceWorld, by: str = "planner-a", **changed: Any) -> dict[str, Any]:  # noqa: ANN401
    return act(world, gates.start, by, "gate.start", **{"feature": "roses"} | changed)


def show(world: ServiceWorld, by: str, stage: str, commit: str = "", **changed: Any) -> dict[str, Any]:  # noqa: ANN401
    of = commit or (EARLIER if stage == "RED" else NEW)
    body = {"feature": "roses", "stage": stage, "commit": of, "digest": SHOWS, "note": "the report"} | changed
    return act(world, gates.evidence, by, "gate.evidence", **body)


def status(world: ServiceWorld) -> dict[str, Any]:
    with world.service.read() as tx:
        return gates.shown(tx, REPOSITORY, "roses", read.policy(tx))


def ask(world: ServiceWorld, by: str = "orchestrator", **changed: Any) -> dict[str, Any]:  # noqa: ANN401
    now = status(world)
    body = {"feature": "roses", "stage": now["stage"], "commit": now["commit"], "evidence": now["counts"]} | changed
    return act(world, gates.advance, by, "gate.advance", **body)


def cosign(world: ServiceWorld, by: str = "librarian", **changed: Any) -> dict[str, Any]:  # noqa: ANN401
    asked = status(world)["asked"] or {"entry": 1, "stage": "RED", "commit": EARLIER}
    body = {"feature": "roses", "asked": asked["entry"], "stage": asked["stage"], "commit": asked["commit"]} | changed
    return act(world, gates.cosign, by, "gate.cosign", **body)


def passes(world: ServiceWorld, *stages: str) -> None:
    for stage in stages:
        for by in WHO[stage]:
            show(world, by, stage)
        ask(world)
        cosign(world)


def again(world: ServiceWorld, commit: str, *, stage: str = "GREEN", by: tuple[str, ...] = WHO["GREEN"]) -> None:
    """Pass a stage again, for another commit."""
    for who in by:
        show(world, who, stage, commit)
    (found,) = (each for each in status(world)["could"] if (each["stage"], each["commit"]) == (stage, commit))
    ask(world, stage=stage, commit=commit, evidence=found["counts"])
    cosign(world)


def refused(code: str, do: Callable[[], object], world: ServiceWorld) -> None:
    """It is refused with this code, and the ledger says so."""
    before = len(world.kinds())
    with pytest.raises(RequestError) as caught:
        do()
    assert caught.value.code == code, caught.value
    (last,) = world.bodies("seq >= ?", before)
    assert (last["kind"], last["data"]["code"]) == ("request.refused", code)


def test_a_feature_passes_every_gate_in_order(world: ServiceWorld) -> None:
    passes(world, *STAGES)

    now = status(world)
    assert now["stage"] == ""
    assert [each["stage"] for each in now["passed"]] == list(STAGES)
    with world.service.read() as tx:
        assert gating.listed(tx, REPOSITORY)[0]["passed"] == len(STAGES)
        found = gating.standing(tx, REPOSITORY, named="", head=NEW)
    assert found is not None
    assert (found.name, found.missing(STAGES, NEW), found.named) == ("roses", (), False)
    assert found.missing(STAGES, oid("other")) == STAGES[1:]


@pytest.mark.parametrize("role", ["orchestrator", "librarian", "qa-a"])
def test_who_is_frozen_passes_no_gate_and_their_evidence_waits(world: ServiceWorld, role: str) -> None:
    for by in WHO["RED"]:
        show(world, by, "RED")
    data = {"scope": "role", "value": role, "repository": "", "reason": "looked into", "trigger": "", "expires_at": 0}
    (freeze,) = world.append(Draft(Kind.FREEZE_IMPOSED, SERVICE, "", role, data))
    if role == "librarian":
        ask(world)
        refused("gates.frozen", lambda: cosign(world), world)
    else:
        refused("gates.frozen", lambda: ask(world), world)
    if role == "qa-a":
        refused("gates.frozen", lambda: show(world, role, "RED", oid("another")), world)
    lifted = {"freeze": freeze.seq, "remediation": "looked into it", "refs": [], "unreviewed": [], "scope": "role"}
    world.append(Draft(Kind.FREEZE_LIFTED, SERVICE, "", role, lifted | {"statement": {}}))
    ask(world)
    cosign(world)  # The twin.
    assert status(world)["stage"] == "GREEN"


def test_who_is_frozen_keeps_no_gate_shut_that_others_have_shown_to_be_reached(world: ServiceWorld) -> None:
    for by in ("dev-a", "qa-a", "dev-b"):
        show(world, by, "RED")
    data = {"scope": "role", "value": "dev-b", "repository": "", "reason": "looked into", "trigger": ""}
    world.append(Draft(Kind.FREEZE_IMPOSED, SERVICE, "", "dev-b", data | {"expires_at": 0}))
    ask(world)
    cosign(world)
    assert status(world)["stage"] == "GREEN"


def test_the_record_names_the_row_who_asked_and_how_many_reviewers_were_needed(world: ServiceWorld) -> None:
    passes(world, "RED", "GREEN", "PEER")
    last = world.bodies("kind='gate.advanced'")[-1]

    assert last["actor"]["id"] == "librarian"
    assert last["actor"]["key"] == key_of("librarian").fingerprint
    assert (last["data"]["by"], last["data"]["row"], last["data"]["reviewers"]) == ("orchestrator", "gate-advance", 1)


def test_below_the_threshold_one_reviewer_is_enough_and_above_two(world: ServiceWorld) -> None:
    passes(world, "RED", "GREEN")
    assert show(world, "dev-b", "PEER")["lacks"] == ""
    under_review(world, 2, oid("large"), "60 changed lines, more than 50")
    again(world, oid("large"))
    assert "second" in show(world, "dev-b", "PEER", oid("large"))["lacks"]
    refused("gates.evidence", lambda: ask(world), world)
    assert show(world, "qa-a", "PEER", oid("large"))["lacks"] == ""
    ask(world)
    cosign(world)
    assert world.bodies("kind='gate.advanced'")[-1]["data"]["reviewers"] == 2
    with world.service.read() as tx:
        assert gates.reviewers(tx, REPOSITORY, oid("unknown")) == 2


@pytest.mark.parametrize("stage", STAGES[1:])
def test_no_gate_is_skipped(world: ServiceWorld, stage: str) -> None:
    refused("gates.order", lambda: show(world, WHO[stage][0], stage), world)
    show(world, "dev-a", "RED")
    show(world, "qa-a", "RED")
    refused("gates.order", lambda: ask(world, stage=stage), world)


def test_evidence_of_one_principal_or_one_role_is_not_enough(world: ServiceWorld) -> None:
    show(world, "dev-a", "RED")
    refused("gates.given", lambda: show(world, "dev-a", "RED"), world)
    refused("gates.evidence", lambda: ask(world), world)
    show(world, "qa-a", "RED")
    assert ask(world)["asked"] == "librarian"


def test_deploy_waits_for_a_person(world: ServiceWorld) -> None:
    passes(world, *STAGES[:4])
    show(world, "qa-a", "DEPLOY")
    show(world, "qa-b", "DEPLOY")
    refused("gates.evidence", lambda: ask(world), world)
    show(world, "owner", "DEPLOY")
    ask(world)
    assert cosign(world)["stage"] == "DEPLOY"


def test_peers_had_no_part_in_it_and_it_is_under_review(world: ServiceWorld) -> None:
    passes(world, "RED", "GREEN")
    refused("gates.not_eligible", lambda: show(world, "dev-a", "PEER"), world)
    again(world, oid("nowhere"))
    refused("gates.no_change", lambda: show(world, "dev-b", "PEER", oid("nowhere")), world)


def test_a_new_commit_takes_the_feature_back_when_that_is_co_signed(world: ServiceWorld) -> None:
    passes(world, "RED", "GREEN", "PEER")
    refused("gates.other_commit", lambda: show(world, "qa-a", "QA", oid("second")), world)
    refused("gates.passed", lambda: show(world, "dev-a", "GREEN"), world)
    again(world, oid("second"))

    now = status(world)
    assert (now["stage"], [each["stage"] for each in now["passed"]]) == ("PEER", ["RED", "GREEN"])
    assert {e["stage"] for e in now["evidence"] if e["stale"]} == {"GREEN", "PEER"}
    with world.service.read() as tx:
        assert gating.standing(tx, REPOSITORY, named="", head=NEW) is None
        assert gating.standing(tx, REPOSITORY, named="", head=oid("second")) is not None


@pytest.mark.parametrize("stage", ["RED", "GREEN"])
def test_a_word_alone_takes_no_gate_back_and_turns_none_to_another_commit(world: ServiceWorld, stage: str) -> None:
    passes(world, *STAGES)
    show(world, "dev-b", stage, oid("elsewhere"))
    refused("gates.evidence", lambda: ask(world, stage=stage, commit=oid("elsewhere"), evidence=_last(world)), world)
    with world.service.read() as tx:
        found = gating.standing(tx, REPOSITORY, named="", head=NEW)
    assert found is not None
    assert found.missing(STAGES, NEW) == ()


def test_evidence_about_another_commit_is_not_in_the_way_of_the_next_gate(world: ServiceWorld) -> None:
    passes(world, "RED")
    show(world, "dev-a", "GREEN")
    show(world, "qa-a", "GREEN")
    show(world, "dev-b", "GREEN", oid("elsewhere"))
    ask(world)
    show(world, "qa-b", "GREEN", oid("elsewhere"))
    assert cosign(world)["stage"] == "GREEN"
    assert status(world)["commit"] == NEW


def test_red_passed_again_undoes_all_that_follows(world: ServiceWorld) -> None:
    passes(world, *STAGES)
    again(world, oid("another test"), stage="RED", by=WHO["RED"])
    assert [(p["stage"], p["commit"]) for p in status(world)["passed"]] == [("RED", oid("another test"))]
    with world.service.read() as tx:
        assert gating.standing(tx, REPOSITORY, named="", head=NEW) is None


def _last(world: ServiceWorld) -> list[int]:
    return [status(world)["evidence"][-1]["entry"]]


def test_evidence_of_two_commits_is_none(world: ServiceWorld) -> None:
    show(world, "dev-a", "RED")
    show(world, "qa-a", "RED", oid("another"))
    refused("gates.evidence", lambda: ask(world), world)


def test_what_is_asked_is_what_is_co_signed(world: ServiceWorld) -> None:
    show(world, "dev-a", "RED")
    show(world, "qa-a", "RED")
    refused("gates.moved", lambda: cosign(world), world)
    refused("gates.moved", lambda: ask(world, evidence=[1, 2]), world)
    asked = ask(world)
    refused("gates.moved", lambda: cosign(world, asked=asked["entry"] - 1), world)
    refused("gates.moved", lambda: cosign(world, commit=NEW), world)
    show(world, "mia", "RED")
    refused("gates.moved", lambda: cosign(world, asked=asked["entry"]), world)
    ask(world)
    cosign(world)
    refused("gates.moved", lambda: cosign(world, asked=asked["entry"]), world)


def test_evidence_with_a_key_that_was_revoked_is_none(world: ServiceWorld) -> None:
    show(world, "dev-a", "RED")
    show(world, "qa-a", "RED")
    ask(world)
    data = {"fingerprint": key_of("qa-a").fingerprint, "statement": {}}
    world.append(Draft(Kind.KEY_REVOKED, SERVICE, "", "", data))

    refused("gates.moved", lambda: cosign(world), world)
    assert status(world)["lacks"] == "evidence of a second, independent role"


@pytest.mark.parametrize("by", ["dev-a", "librarian", "owner", "qa-a"])
def test_the_orchestrator_alone_asks(world: ServiceWorld, by: str) -> None:
    show(world, "dev-a", "RED")
    show(world, "qa-a", "RED")
    refused("authority.denied", lambda: ask(world, by), world)


@pytest.mark.parametrize(
    ("by", "code"),
    [("orchestrator", "gates.own_request"), ("owner", "gates.co_signature"), ("dev-b", "gates.co_signature")],
)
def test_the_librarian_alone_co_signs(world: ServiceWorld, by: str, code: str) -> None:
    show(world, "dev-a", "RED")
    show(world, "qa-a", "RED")
    ask(world)
    refused(code, lambda: cosign(world, by), world)


@pytest.mark.parametrize("by", ["librarian", "orchestrator"])
def test_who_advances_gives_no_evidence(world: ServiceWorld, by: str) -> None:
    refused("authority.denied", lambda: show(world, by, "RED"), world)


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"repository": "orchard"}, "statement.other_repository"),
        ({"digest": "E" * 64}, "gates.malformed"),
        ({"commit": NEW[:12]}, "gates.malformed"),
        ({"note": ""}, "gates.text"),
        ({"note": "x" * 201}, "gates.text"),
        ({"note": "fine\x1b[2Jpassed"}, "gates.text"),
        ({"note": "fine\nAll gates passed"}, "gates.text"),
        ({"note": "\u202egnp.etaf"}, "gates.text"),
        ({"note": 1}, "gates.malformed"),
        ({"role": "qa-a"}, "gates.malformed"),
        ({"feature": "r\u043eses"}, "gates.unknown"),
        ({"feature": "roses "}, "gates.unknown"),
        ({"feature": "Roses"}, "gates.unknown"),
    ],
)
def test_evidence_says_exactly_what_it_must(world: ServiceWorld, changed: dict[str, Any], code: str) -> None:
    refused(code, lambda: show(world, "dev-a", "RED", **changed), world)


@pytest.mark.parametrize("stage", ["red", "ALL", "", "RED ", "\u13a1ED"])
def test_a_stage_is_one_of_five(world: ServiceWorld, stage: str) -> None:
    refused("gates.malformed", lambda: show(world, "dev-a", stage), world)


@pytest.mark.parametrize("name", ["", "x" * 41, "Roses", "r\u043eses", "ro ses", "roses\n", "../roses", "roses/2"])
def test_a_feature_has_a_plain_name(world: ServiceWorld, name: str) -> None:
    refused("gates.name", lambda: start(world, feature=name), world)


def test_a_feature_is_started_once_by_who_may(world: ServiceWorld) -> None:
    refused("gates.taken", lambda: start(world), world)
    refused("authority.denied", lambda: start(world, "dev-a", feature="tulips"), world)
    with world.service.read() as tx, pytest.raises(NotFoundError):
        gates.shown(tx, "orchard", "roses", read.policy(tx))


def test_a_row_that_asks_for_others_is_not_relaxed_by_an_act_of_one(
    world: ServiceWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    more = AuthorityRow(name="zzz", action="gate-red", by=frozenset({"dev-a"}), with_=(frozenset({"owner"}),))
    strict = a_policy(authority=(*a_policy().authority, more))
    monkeypatch.setattr(world.service.under_lock, "policy", lambda tx: strict)
    refused("authority.denied", lambda: show(world, "dev-a", "RED"), world)
    refused("authority.denied", lambda: show(world, "qa-a", "RED"), world)


def test_a_statement_works_once(world: ServiceWorld) -> None:
    body = {"repository": REPOSITORY, "feature": "roses", "stage": "RED", "commit": EARLIER, "digest": SHOWS}
    said = world.said("gate.evidence", "dev-a", body | {"note": "a report"})
    gates.evidence(world.service, world.caller("dev-a"), said, REPOSITORY)
    with pytest.raises(ConflictError) as again:
        gates.evidence(world.service, world.caller("dev-a"), said, REPOSITORY)
    assert again.value.code == "statement.replayed"
    with pytest.raises(DeniedError):
        gates.evidence(world.service, world.caller("qa-a"), said, REPOSITORY)


def test_a_name_that_nobody_started_has_passed_nothing(world: ServiceWorld) -> None:
    with world.service.read() as tx:
        assert gating.standing(tx, REPOSITORY, named="ghost", head=NEW) == Feature("ghost", REPOSITORY, named=True)
        assert gating.standing(tx, "orchard", named="roses", head=NEW) == Feature("roses", "orchard", named=True)


def no(world: ServiceWorld, kind: str, name: str, by: str = "qa-b") -> int:
    body = {"kind": kind, "name": name, "head": "", "reason": "the test proves nothing"}
    return int(act(world, vetoing.cast, by, "veto.cast", **body)["veto"])


@pytest.mark.parametrize("name", ["roses", "roses/RED"])
def test_a_vetoed_gate_is_neither_asked_for_nor_co_signed_nor_landed_through(world: ServiceWorld, name: str) -> None:
    for by in WHO["RED"]:
        show(world, by, "RED")
    seq = no(world, "gate", name)
    refused("gates.vetoed", lambda: ask(world), world)
    body = {"veto": seq, "how": "withdraw", "reason": ""}
    said = world.said("veto.lift", "qa-b", {"repository": REPOSITORY, **body}, nonce="lift")
    vetoing.drop(world.service, world.caller("qa-b"), said, REPOSITORY, seq)
    ask(world)
    no(world, "gate", name)
    refused("gates.vetoed", lambda: cosign(world), world)


def test_a_veto_of_another_gate_stops_this_one_not(world: ServiceWorld) -> None:
    no(world, "gate", "roses/QA")
    passes(world, "RED", "GREEN")
