"""What was allowed and has not moved yet, when a freeze or a veto comes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from audit.entry import Actor, Draft
from builders import (
    MAIN,
    NEW,
    OLD,
    REPOSITORY,
    TOPIC,
    a_commit,
    a_person,
    a_policy,
    a_push,
    a_standing,
    oid,
    patterns,
)
from governance import record
from governance.coordinate import in_flight
from governance.decision import Decision, RefDecision
from governance.parameters import GatedRef, Gates
from governance.policy import LANDER
from governance.policy_text import describe, from_meaning
from governance.reconcile import Reconciler, World
from governance.record import SERVICE, Effects, Kind
from service_world import PEOPLE, YES, ServiceWorld

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from governance.facts import UpdateFacts


@pytest.fixture
def world(tmp_path: Path) -> Iterator[ServiceWorld]:
    with ServiceWorld(tmp_path, people=(*PEOPLE, "librarian")) as made:
        yield made
        assert made.difference() == ""


def reserve(world: ServiceWorld, update: UpdateFacts, *, handle: str = "7-7", landed: int = 0) -> None:
    """Record the decision that allows an update, with its facts, as the receiver does."""
    line = (update.old, update.new, update.ref)
    effects = Effects(handle=handle, reserve=(line,), landed=((update.ref, landed),) if landed else ())
    decision = Decision((RefDecision(update, a_standing(), (YES,)),), "d")

    def command(tx: Any) -> None:  # noqa: ANN401 - a transaction
        document = tx.blob(record.facts_document(decision, single_person=False))
        actor = Actor(update.push.pusher, "agent", "")
        tx.append(record.decided(decision, effects, actor=actor, repository=REPOSITORY, document=document))

    world.ledger.run(command)


def freeze(world: ServiceWorld, scope: str, value: str = "", *, repository: str = "", expires_at: int = 0) -> None:
    data = {"scope": scope, "value": value, "repository": repository, "reason": "looked into", "trigger": ""}
    world.append(Draft(Kind.FREEZE_IMPOSED, SERVICE, repository, "x", data | {"expires_at": expires_at}))


def veto(world: ServiceWorld, number: int = 1) -> int:
    data = {"kind": "change", "name": str(number), "number": number, "head": NEW, "diff_digest": "", "reason": "no"}
    draft = Draft(Kind.VETO_CAST, Actor("qa-a", "agent", ""), REPOSITORY, "1", data | {"statement": {}})
    return world.append(draft)[0].seq


def revoked(world: ServiceWorld, *, at: int = 0) -> frozenset[str]:
    with world.service.read() as tx:
        return in_flight.revoked(tx, REPOSITORY, at=at or world.now)


HELPED = a_push(ref=TOPIC, pusher="qa-a", commits=[a_commit(author="qa-a", co_authors=(a_person("dev-b"),))])

SCOPES = [
    ("the ref", a_push(), ("ref", MAIN), True),
    ("another ref", a_push(ref=TOPIC), ("ref", MAIN), False),
    ("the pusher's role", a_push(ref=TOPIC), ("role", "dev-a"), True),
    ("a co-author's role", HELPED, ("role", "dev-b"), True),
    ("nobody's role", HELPED, ("role", "dev-a"), False),
    ("an operator", HELPED, ("operator", "owner"), True),
    ("an operator of nobody here", HELPED, ("operator", "mia"), False),
    ("the lander is nobody", a_push(pusher=LANDER, commits=[a_commit(author="qa-a")]), ("role", LANDER), False),
    ("whose work the lander lands", a_push(pusher=LANDER, commits=[a_commit(author="qa-a")]), ("role", "qa-a"), True),
]


@pytest.mark.usefixtures("both")
@pytest.mark.parametrize(("update", "frozen", "stops"), [row[1:] for row in SCOPES], ids=[row[0] for row in SCOPES])
def test_a_freeze_revokes_what_it_covers(
    world: ServiceWorld,
    update: UpdateFacts,
    frozen: tuple[str, str],
    stops: bool,  # noqa: FBT001 - a column
) -> None:
    reserve(world, update)
    assert revoked(world) == frozenset()

    freeze(world, *frozen, repository=REPOSITORY if frozen[0] == "ref" else "")
    assert revoked(world) == ({"7-7"} if stops else frozenset())


def test_what_was_decided_after_a_freeze_was_asked_about_it(world: ServiceWorld) -> None:
    freeze(world, "role", "dev-a")
    reserve(world, a_push(ref=TOPIC))

    assert revoked(world) == frozenset()


def test_a_freeze_that_has_ended_revokes_nothing_any_more(world: ServiceWorld) -> None:
    reserve(world, a_push())
    freeze(world, "role", "dev-a", expires_at=world.now + 1000)

    assert revoked(world) == {"7-7"}
    assert revoked(world, at=world.now + 1000) == frozenset()


def test_what_was_let_go_is_not_revoked(world: ServiceWorld) -> None:
    reserve(world, a_push())
    freeze(world, "role", "dev-a")
    (seq,) = [row[0] for row in world.rows("select seq from reservation")]
    world.append(record.released(seq, [(OLD, NEW, MAIN)], repository=REPOSITORY, landed=False))

    assert revoked(world) == frozenset()


def test_a_contributor_of_the_change_that_lands_counts_though_no_commit_names_them(world: ServiceWorld) -> None:
    world.applied(world.open_change(contributors=("qa-a", "architect-a")))
    reserve(world, a_push(pusher=LANDER, commits=[a_commit(author="qa-a")]), landed=1)
    freeze(world, "role", "architect-a")

    assert revoked(world) == {"7-7"}


def opened(world: ServiceWorld, update: UpdateFacts) -> None:
    world.applied(world.open_change(head=update.new, diff_digest=update.diff_digest))


def test_a_veto_revokes_the_landing_that_was_decided_before_it_and_ends_with_it(world: ServiceWorld) -> None:
    update = a_push(pusher="owner")
    opened(world, update)
    reserve(world, update, landed=1)
    assert revoked(world) == frozenset()

    number = veto(world)
    assert revoked(world) == {"7-7"}
    data = {"veto": number, "how": "withdraw", "reason": "", "statement": {}}
    world.append(Draft(Kind.VETO_LIFTED, SERVICE, REPOSITORY, "1", data))
    assert revoked(world) == frozenset()


def test_a_veto_revokes_the_same_difference_and_what_lies_on_top_but_no_work_elsewhere(world: ServiceWorld) -> None:
    update = a_push()
    opened(world, update)
    on_top = a_push(
        [], new=oid("top"), commits=[a_commit("new", changes=update.net), a_commit("top", changes=())], ref=MAIN
    )
    reserve(world, a_push(new=oid("reworded"), commits=[a_commit("reworded")]), handle="1-1")
    reserve(world, on_top, handle="2-2")
    reserve(world, a_push(ref=TOPIC), handle="3-3")
    veto(world)

    assert revoked(world) == {"1-1", "2-2"}


def test_the_reconciler_marks_what_is_revoked_and_lifts_the_marker_of_a_freeze_that_has_ended(
    world: ServiceWorld,
) -> None:
    told: list[object] = []
    here = World(
        refs=lambda path: {},
        alive=lambda handle: True,
        pin=lambda *line: None,
        mark_frozen=lambda path, why: told.append(why),
        lift=lambda path: told.append("lift"),
        revoke=lambda path, handles: told.append(set(handles)),
    )
    reconciler = Reconciler(world.service, here)
    reserve(world, a_push())
    freeze(world, "role", "dev-a")
    reconciler.mark_all()
    assert told == ["lift", {"7-7"}]

    told.clear()
    freeze(world, "everything", expires_at=world.now + 1000)
    reconciler.mark(REPOSITORY, world.repository)
    (seq,) = [row[0] for row in world.rows("select seq from halt where scope='everything'")]
    assert told == [f"everything, entry {seq}, by twinseal", {"7-7"}]
    told.clear()
    reconciler.tick(REPOSITORY, world.repository)
    assert told == []
    world.now += 1000
    reconciler.tick(REPOSITORY, world.repository)
    assert told == ["lift", {"7-7"}]
    reconciler.tick(REPOSITORY, world.repository)
    assert len(told) == 2


def test_the_words_that_a_hook_prints_hold_nothing_that_somebody_wrote(world: ServiceWorld) -> None:
    told: list[str] = []
    here = World(
        refs=lambda path: {},
        alive=lambda handle: True,
        pin=lambda *line: None,
        mark_frozen=lambda path, why: told.append(why),
    )
    data = {"scope": "repository", "value": "", "repository": REPOSITORY, "reason": "\x1b[2J: gone", "trigger": ""}
    entry = world.append(Draft(Kind.FREEZE_IMPOSED, SERVICE, REPOSITORY, "x", data | {"expires_at": 0}))[0]
    Reconciler(world.service, here).mark(REPOSITORY, world.repository)

    assert told == [f"entry {entry.seq}, by twinseal"]
    assert a_policy().is_protected(MAIN)


def test_a_freeze_by_another_replica_while_the_markers_are_written_is_not_taken_away(
    world: ServiceWorld, tmp_path: Path
) -> None:
    marker = tmp_path / "frozen"

    def lift(path: Path) -> None:
        """Take the marker away, late: meanwhile another replica has frozen and marked."""
        del path
        if not world.rows("select 1 from halt"):
            freeze(world, "repository", repository=REPOSITORY)
        marker.unlink(missing_ok=True)

    machine = World(
        refs=lambda path: {},
        alive=lambda handle: False,
        pin=lambda path, ref, value, handle: None,
        mark_frozen=lambda path, why: marker.write_text(why),  # type: ignore[arg-type,return-value]
        lift=lift,
    )
    Reconciler(world.service, machine).mark(REPOSITORY, tmp_path)
    assert marker.exists()


def test_a_veto_of_a_gate_revokes_what_went_through_it(tmp_path: Path) -> None:
    plain = a_policy()
    gated = Gates(required=(GatedRef(ref=patterns(MAIN)[0], stages=("RED",)),))
    policy = from_meaning(describe(replace(plain, controls=replace(plain.controls, gates=gated))))
    with ServiceWorld(tmp_path, policy=policy) as world:
        update = a_push()
        named = replace(update, push=replace(update.push, options=("twinseal.feature=roses",)))
        for handle, each in (("7-7", named), ("8-8", update), ("9-9", replace(named, ref="refs/heads/release/1"))):
            reserve(world, each, handle=handle)
        assert revoked(world) == frozenset()
        data = {"kind": "gate", "name": "roses/RED", "number": 0, "head": "", "diff_digest": "", "reason": "no"}
        world.append(Draft(Kind.VETO_CAST, Actor("qa-a", "agent", ""), REPOSITORY, "x", data | {"statement": {}}))
        assert revoked(world) == {"7-7"}
