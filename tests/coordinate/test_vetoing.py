from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from audit.entry import Actor, Draft
from builders import NEW, OLD, REPOSITORY, ZERO, oid
from governance.coordinate import vetoing
from governance.errors import ConflictError, DeniedError, NotFoundError, RequestError
from governance.record import Effects, Kind
from governance.state import stops
from governance.stops import Subject
from keys import key_of
from service_world import DIGEST, PEOPLE, ServiceWorld

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

REASON = "it drops the audit log of payments"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[ServiceWorld]:
    """A service with change 1 open: written by dev-a."""
    with ServiceWorld(tmp_path, people=(*PEOPLE, "librarian", "orchestrator")) as made:
        made.applied(made.open_change())
        yield made
        assert made.difference() == ""


def veto(
    world: ServiceWorld,
    by: str = "qa-a",
    *,
    repository: str = REPOSITORY,
    **changed: Any,  # noqa: ANN401 - JSON
) -> dict[str, Any]:
    body = {"repository": REPOSITORY, "kind": "change", "name": "1", "head": NEW, "reason": REASON} | changed
    said = world.said("veto.cast", by, body, nonce=str(len(world.kinds())))
    return vetoing.cast(world.service, world.caller(by), said, repository)


def drop(
    world: ServiceWorld,
    number: int,
    by: str = "qa-a",
    *,
    how: str = "withdraw",
    reason: str = "",
    **changed: Any,  # noqa: ANN401 - JSON
) -> dict[str, Any]:
    body = {"repository": REPOSITORY, "veto": number, "how": how, "reason": reason} | changed
    said = world.said("veto.lift", by, body, nonce=str(len(world.kinds())))
    return vetoing.drop(world.service, world.caller(by), said, REPOSITORY, number)


def against(
    world: ServiceWorld, number: int = 1, *, digest: str = "", heads: tuple[str, ...] = (), repository: str = REPOSITORY
) -> list[int]:
    with world.service.read() as tx:
        found = stops.vetoes(tx, repository, number=number, digests=(digest,), heads=heads)
    return [each.seq for each in found]


@pytest.mark.usefixtures("both")
@pytest.mark.parametrize("by", ["dev-a", "dev-b", "qa-a", "architect-a", "librarian", "mia", "owner"])
def test_anybody_enrolled_vetoes_their_own_change_too_and_withdraws_it(world: ServiceWorld, by: str) -> None:
    number = veto(world, by)["veto"]
    assert against(world) == [number]

    drop(world, number, by)
    assert against(world) == []
    assert world.signers("kind like 'veto.%'") == [key_of(by).fingerprint] * 2


def test_the_orchestrator_neither_vetoes_nor_lifts(world: ServiceWorld) -> None:
    with pytest.raises(DeniedError) as refused:
        veto(world, "orchestrator")
    assert refused.value.code == "veto.not_yours"

    number = veto(world)["veto"]
    for how, code in (("lift", "authority.owner_only"), ("withdraw", "veto.not_yours")):
        with pytest.raises(DeniedError) as not_theirs:
            drop(world, number, "orchestrator", how=how, reason=REASON)
        assert not_theirs.value.code == code
    assert against(world) == [number]


@pytest.mark.parametrize("by", ["dev-a", "dev-b", "librarian", "mia"])
def test_another_s_veto_is_lifted_by_an_owner_alone_with_a_reason(world: ServiceWorld, by: str) -> None:
    number = veto(world)["veto"]
    with pytest.raises(DeniedError):
        drop(world, number, by, how="lift", reason=REASON)
    with pytest.raises(RequestError) as short:
        drop(world, number, "owner", how="lift", reason="no")
    assert short.value.code == "veto.reason"
    with pytest.raises(DeniedError) as own:
        drop(world, number, "owner")
    assert own.value.code == "veto.not_yours"

    drop(world, number, "owner", how="lift", reason="qa-a and I looked into it together")
    assert against(world) == []
    with pytest.raises(NotFoundError) as twice:
        drop(world, number, "owner", how="lift", reason=REASON)
    assert twice.value.code == "veto.over"


def another(world: ServiceWorld, *, head: str, digest: str, ref: str = "refs/heads/topic/other") -> None:
    world.applied(world.open_change(head=head, ref=ref, diff_digest=digest))


def patch_set(world: ServiceWorld, *, head: str, digest: str) -> None:
    """Push the next patch set of change 1."""
    opened = {
        "change": 1, "patch_set": 2, "ref": "refs/heads/topic/roses", "target": "refs/heads/main", "title": "Prune",
        "head": head, "base": OLD, "tree": oid("tree"), "diff_digest": digest,
        "about": {"contributors": ["dev-a"], "target_tip": OLD},
    }  # fmt: skip
    lines = ((NEW, head, "refs/heads/topic/roses"), (ZERO, head, "refs/changes/1/2"))
    world.applied(world.decide(Effects(handle="1-2", reserve=lines, opens=(opened,)), lines[0]))


def test_it_is_not_shed_by_another_number_branch_message_or_patch_set(world: ServiceWorld) -> None:
    number = veto(world)["veto"]
    another(world, head=oid("reworded"), digest=DIGEST)
    assert against(world, 2, digest=DIGEST) == [number], "the same difference"
    assert against(world, 0, digest="e" * 64, heads=(oid("on top"), NEW)) == [number], "its commit below another"

    patch_set(world, head=oid("second"), digest="f" * 64)
    assert against(world, 1, digest="f" * 64) == [number]
    assert against(world, 9, digest="f" * 64) == [number], "what it became, under another number"
    assert against(world, 9, digest="e" * 64, heads=(oid("else"),)) == [], "something else"
    assert against(world, 1, digest=DIGEST, repository="orchard") == []


def test_several_stand_until_each_is_gone(world: ServiceWorld) -> None:
    first, second = veto(world)["veto"], veto(world, "mia")["veto"]
    with pytest.raises(ConflictError) as again:
        veto(world)
    assert again.value.code == "veto.already"

    drop(world, first)
    assert against(world) == [second]


WRONG = [
    ({"head": OLD}, "veto.moved"),
    ({"name": "2"}, "request.not_found"),
    ({"name": "01"}, "veto.malformed"),
    ({"name": "¹"}, "veto.malformed"),
    ({"name": 1}, "veto.malformed"),
    ({"kind": "agent"}, "veto.malformed"),
    ({"reason": "no"}, "veto.reason"),
    ({"more": ""}, "veto.malformed"),
    ({"repository": "orchard"}, "statement.other_repository"),
    ({"kind": "gate", "name": "roses/QA"}, "veto.malformed"),
    ({"kind": "gate", "name": "a\nb", "head": ""}, "veto.malformed"),
]


@pytest.mark.parametrize(("changed", "code"), WRONG, ids=[f"{code} {changed}" for changed, code in WRONG])
def test_what_is_not_what_was_shown_or_cannot_be_read_is_refused(
    world: ServiceWorld, changed: dict[str, Any], code: str
) -> None:
    with pytest.raises(RequestError) as refused:
        veto(world, **changed)

    assert refused.value.code == code
    assert world.bodies("kind='request.refused'")[-1]["data"]["code"] == code


def started(world: ServiceWorld, *features: str) -> None:
    rows = [{"feature": name, "row": "gate-start", "statement": {}} for name in features]
    actor = Actor("dev-a", "agent", "")
    world.append(*(Draft(Kind.GATE_STARTED, actor, REPOSITORY, row["feature"], row) for row in rows))


@pytest.mark.parametrize(("name", "gates"), [("roses/QA", ["QA"]), ("roses", ["RED", "QA"])])
def test_gates_are_vetoed_by_name_for_who_asks_of_them(world: ServiceWorld, name: str, gates: list[str]) -> None:
    started(world, "roses", "lilies")
    number = veto(world, kind="gate", name=name, head="")["veto"]
    with world.service.read() as tx:
        (found,) = stops.of_feature(tx, REPOSITORY, "roses")
        assert (found.seq, found.by, found.reason) == (number, "qa-a", REASON)
        assert [stage for stage in ("RED", "QA") if found.of_gate(stage)] == gates
        assert stops.vetoed(tx, REPOSITORY, Subject.LOCK, name) is None
        assert stops.of_feature(tx, REPOSITORY, "lilies") == stops.of_feature(tx, "orchard", "roses") == ()
    assert against(world, 0) == []

    drop(world, number)
    with world.service.read() as tx:
        assert stops.of_feature(tx, REPOSITORY, "roses") == ()


@pytest.mark.parametrize(
    ("kind", "name"),
    [("gate", "lilies"), ("gate", "roses/ROUND"), ("gate", "roses/"), ("lock", "write"), ("lock", "7"),
     ("decision", "7"), ("decision", "roses"), ("decision", "9" * 90)],
)  # fmt: skip
def test_what_is_not_there_is_not_vetoed(world: ServiceWorld, kind: str, name: str) -> None:
    started(world, "roses")
    with pytest.raises(NotFoundError) as caught:
        veto(world, kind=kind, name=name, head="")
    assert caught.value.code == "veto.unknown"


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"veto": 99}, "veto.other"),
        ({"how": "ignore"}, "veto.malformed"),
        ({"repository": "orchard"}, "statement.other_repository"),
        ({"more": ""}, "veto.malformed"),
    ],
)
def test_a_lift_names_the_veto_it_is_handed_in_for(world: ServiceWorld, changed: dict[str, Any], code: str) -> None:
    number = veto(world)["veto"]
    with pytest.raises(RequestError) as refused:
        drop(world, number, **changed)

    assert refused.value.code == code
    assert against(world) == [number]


def test_what_is_no_veto_is_not_withdrawn(world: ServiceWorld) -> None:
    with pytest.raises(NotFoundError) as refused:
        drop(world, 0)
    assert refused.value.code == "veto.none"


def test_an_agent_s_flood_ends_and_a_person_s_veto_is_never_one_too_many(world: ServiceWorld) -> None:
    names = [f"roses-{number}" for number in range(vetoing.STANDING_MOST)]
    started(world, *names)
    for name in names:
        for by in ("qa-a", "owner"):
            veto(world, by, kind="gate", name=name, head="")
    with pytest.raises(ConflictError) as caught:
        veto(world, "qa-a")
    assert caught.value.code == "veto.too_many"
    veto(world, "owner")
    drop(world, int(world.rows("select min(seq) from veto where by='qa-a'")[0][0]))
    veto(world, "qa-a")


@pytest.mark.parametrize("name", ["9" * 5000, "01", "-1", "\u0661", "", "1 "])
def test_a_number_that_is_none_is_refused_and_breaks_nothing(world: ServiceWorld, name: str) -> None:
    with pytest.raises(RequestError) as caught:
        veto(world, name=name)
    assert caught.value.code == "veto.malformed"
