from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from audit.entry import Actor, Draft
from builders import (
    MAIN,
    NEW,
    OLD,
    REPOSITORY,
    TOPIC,
    ZERO,
    a_change,
    a_commit,
    a_deletion,
    a_person,
    a_policy,
    a_push,
    a_review,
    a_sign_off,
    a_standing,
    oid,
)
from governance.decision import Decision, RefDecision
from governance.errors import NotFoundError
from governance.record import TEXT_LIMIT, Effects, Kind
from governance.review import changes
from service_world import NO, YES, ServiceWorld

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from governance.facts import UpdateFacts
    from governance.standing import ChangeStanding

OTHER = "refs/heads/topic/other"
PIN = "refs/changes/1/1"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[ServiceWorld]:
    with ServiceWorld(tmp_path) as made:
        yield made
        assert made.difference() == ""


def a_topic(ref: str = TOPIC, **changed: object) -> UpdateFacts:
    return a_push(**{"ref": ref, "old": ZERO} | changed)


def effects(
    world: ServiceWorld, *updates: UpdateFacts, change: ChangeStanding | None = None, allowed: bool = True
) -> Effects:
    verdicts = (YES if allowed else NO,)
    refs = tuple(RefDecision(update, a_standing(change=change), verdicts) for update in updates)
    with world.service.read() as tx:
        return changes.effects(tx, Decision(refs, "d"), handle="4-4")


def test_a_refused_push_begins_nothing(world: ServiceWorld) -> None:
    assert effects(world, a_topic(), allowed=False) == Effects(handle="4-4")


def test_a_new_topic_opens_a_change_and_pins_its_first_patch_set(world: ServiceWorld) -> None:
    found = effects(world, a_topic())
    (opened,) = found.opens

    assert found.reserve == ((ZERO, NEW, TOPIC), (ZERO, NEW, PIN))
    assert (opened["change"], opened["patch_set"], opened["target"], opened["head"]) == (1, 1, MAIN, NEW)
    assert (opened["base"], opened["tree"], opened["title"]) == (OLD, oid("new tree"), "Prune the roses")
    assert (found.spend, found.landed, found.abandoned) == ((), (), ())


def test_the_next_push_of_a_topic_is_the_next_patch_set(world: ServiceWorld) -> None:
    world.applied(world.open_change())
    (opened,) = effects(world, a_topic(old=NEW, new=oid("2"), commits=(a_commit("2"),))).opens

    assert (opened["change"], opened["patch_set"]) == (1, 2)


def test_a_patch_set_whose_push_never_landed_keeps_its_number(world: ServiceWorld) -> None:
    world.applied(world.open_change())
    again = effects(world, a_topic(old=NEW, new=oid("2"), commits=(a_commit("2"),)))
    world.decide(again, (NEW, oid("2"), TOPIC))
    (opened,) = effects(world, a_topic(old=NEW, new=oid("3"), commits=(a_commit("3"),))).opens

    assert (opened["change"], opened["patch_set"]) == (1, 3)


def test_a04_a_topic_deleted_and_pushed_again_is_another_change(world: ServiceWorld) -> None:
    world.applied(world.open_change())
    gone = effects(world, a_deletion(TOPIC))
    assert gone.abandoned == ((TOPIC, 1),)
    assert gone.opens == ()
    world.applied(world.decide(gone))

    (opened,) = effects(world, a_topic()).opens
    assert (opened["change"], opened["patch_set"]) == (2, 1)


def test_two_topics_in_one_push_are_two_changes(world: ServiceWorld) -> None:
    found = effects(world, a_topic(), a_topic(OTHER))

    assert [opened["change"] for opened in found.opens] == [1, 2]
    assert len({line[2] for line in found.reserve}) == 4


def test_a_number_that_was_given_to_a_push_that_died_is_not_given_again(world: ServiceWorld) -> None:
    world.open_change()
    (opened,) = effects(world, a_topic(OTHER)).opens

    assert opened["change"] == 2


def test_a_topic_that_brings_nothing_new_opens_no_change(world: ServiceWorld) -> None:
    found = effects(world, a_topic(commits=()))

    assert (found.opens, found.reserve) == ((), ((ZERO, NEW, TOPIC),))


@pytest.mark.usefixtures("both")
def test_a_landing_spends_every_sign_off_of_its_change_once(world: ServiceWorld) -> None:
    facts = a_push()
    review = a_review(
        facts,
        a_sign_off("dev-b", facts, seq=11),
        a_sign_off("qa-a", facts, seq=12, expires_at=0),
        a_sign_off("mia", facts, seq=13, approves=False),
        a_sign_off("qa-b", facts, seq=14, spent=True),
        a_sign_off("docs", facts, seq=15, withdrawn=True),
    )
    found = effects(world, facts, change=review)

    assert (found.landed, found.spend, found.opens) == (((MAIN, 7),), (11, 12, 13), ())
    assert effects(world, facts).landed == ()


def test_a_small_new_topic_says_that_it_needs_nobody(world: ServiceWorld) -> None:
    about = effects(world, a_topic()).opens[0]["about"]

    assert about["reasons"] == []
    assert (about["lines"], about["files"], about["high_risk"]) == (10, 1, False)


def test_what_cannot_be_read_or_is_too_long_still_fits_an_entry(world: ServiceWorld) -> None:
    odd = [a_change("a/auth/r\udcffse"), *(a_change(f"auth/{number}/" + "x" * 4000) for number in range(40))]
    strange = a_commit(changes=tuple(odd), co_authors=(a_person("\udcff@example.org"),))
    found = effects(world, a_topic(net=tuple(odd), commits=(strange,)))
    world.applied(world.decide(found, (ZERO, NEW, TOPIC)))

    about = found.opens[0]["about"]
    assert "a/auth/r?se" in about["paths"]
    assert "<?@example.org>" in about["contributors"]
    assert max(map(len, [*about["paths"], *about["reasons"]])) <= TEXT_LIMIT


def test_a_change_is_shown_with_exactly_what_a_sign_off_binds(world: ServiceWorld) -> None:
    seq = world.open_change()
    with world.service.read() as tx, pytest.raises(NotFoundError):
        changes.shown(tx, REPOSITORY, 1, policy=a_policy())
    world.applied(seq)

    with world.service.read() as tx:
        shown = changes.shown(tx, REPOSITORY, 1, policy=a_policy())
        assert [change["number"] for change in changes.listed(tx, REPOSITORY)] == [1]
        assert changes.listed(tx, "orchard") == []
        for repository, number in (("orchard", 1), (REPOSITORY, 2)):
            with pytest.raises(NotFoundError):
                changes.shown(tx, repository, number, policy=a_policy())
    assert shown["binding"] == {
        "repository": REPOSITORY, "change": 1, "patch_set": 1, "policy_digest": a_policy().digest, "target": MAIN,
        "head": NEW, "base": OLD, "tree": oid("tree"), "diff_digest": "d" * 64,
    }  # fmt: skip


def test_a_patch_set_keeps_the_tip_that_it_was_measured_from(world: ServiceWorld) -> None:
    (opened,) = effects(world, a_topic(base=oid("tip"), bases=(OLD,))).opens

    assert (opened["about"]["target_tip"], opened["base"]) == (oid("tip"), OLD)


def test_a_topic_is_of_those_with_a_hand_in_its_open_change(world: ServiceWorld) -> None:
    def of(ref: str = TOPIC, repository: str = REPOSITORY) -> tuple[str, ...]:
        with world.service.read() as tx:
            return changes.contributors_of(tx, repository, ref)

    assert of() == ()
    world.applied(world.open_change(contributors=("dev-a", "qa-a")))
    assert of() == ("dev-a", "qa-a")
    assert of(OTHER) == of(repository="orchard") == ()
    world.applied(world.decide(effects(world, a_deletion(TOPIC))))
    assert of() == ()


def test_a_rejection_under_another_number_is_shown_with_a_change(world: ServiceWorld) -> None:
    world.applied(world.open_change())
    world.applied(world.open_change(ref=OTHER))
    with world.service.read() as tx:
        bound = changes.shown(tx, REPOSITORY, 1, policy=a_policy())["binding"]
    data = {"verdict": "reject", "binding": bound, "expires_at": world.now, "statement": {}}
    world.append(Draft(Kind.SIGN_OFF_GIVEN, Actor("dev-b", "agent", ""), REPOSITORY, "1", data))

    with world.service.read() as tx:
        shown = changes.shown(tx, REPOSITORY, 2, policy=a_policy())["sign_offs"]
    assert [(given["principal"], given["verdict"]) for given in shown] == [("dev-b", "reject")]


def test_a_new_change_beside_a_new_patch_set_has_the_next_number(world: ServiceWorld) -> None:
    world.applied(world.open_change())
    again = a_topic(old=NEW, new=oid("2"), commits=(a_commit("2"),))

    assert [(o["change"], o["patch_set"]) for o in effects(world, again, a_topic(OTHER)).opens] == [(1, 2), (2, 1)]
