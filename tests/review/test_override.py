from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from audit.entry import Actor, Draft
from builders import MAIN, REPOSITORY
from draw_world import HOUR, DrawWorld
from governance import explain
from governance.errors import ConflictError, DeniedError, NotFoundError, RequestError
from governance.kinds import KINDS
from governance.record import Effects, Kind
from governance.state import overrides
from keys import key_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from governance.errors import GovernanceError

OWNER = Actor("owner", "human", "")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[DrawWorld]:
    """Change 1 by dev-a, which nobody has signed off."""
    with DrawWorld(tmp_path, True) as made:  # noqa: FBT003 - what is drawn
        made.propose("dev-a", "one")
        yield made
        assert made.difference() == ""
        for body in made.bodies("seq > 0"):
            if body["kind"].startswith(("override.", "draw.", "tertiary.")):
                KINDS.check(body["kind"], body["data"])


def refuses(
    error: type[GovernanceError], code: str, act: Callable[..., object], *args: object, **named: object
) -> None:
    with pytest.raises(error) as caught:
        act(*args, **named)
    assert caught.value.code == code


def stands(world: DrawWorld) -> int:
    seq = world.ask(1)
    world.sign(1, seq)
    return seq


def test_an_override_lands_one_change_loudly_and_once(world: DrawWorld) -> None:
    assert world.land("dev-a", "one")[0].code == "four_eyes.missing_sign_offs"
    seq = stands(world)
    decision, entry = world.land("dev-a", "one")

    assert decision.allowed, decision.code
    assert "four_eyes.override" in {verdict.reason for verdict in decision.refs[0].verdicts}
    text = explain.push(decision, Effects(handle=""), entry=entry, url="http://x")
    assert f"OVERRIDE OF ENTRY {seq}: THIS LANDS WITHOUT THE USUAL REVIEW." in text
    assert world.bodies("seq=?", entry)[0]["data"]["override"] == seq
    assert world.drawn() == []
    with world.service.read() as tx:
        found = overrides.one(tx, REPOSITORY, seq)
    assert found is not None
    assert (found.used_seq, found.landed_at, found.reviewed_seq) == (entry, world.now, None)


def test_it_does_not_stand_before_all_three_have_signed(world: DrawWorld) -> None:
    seq = world.ask(1)
    for name in ("librarian", "owner"):
        assert not world.land("dev-a", "one")[0].allowed
        world.sign(1, seq, name)
    assert world.land("dev-a", "one")[0].allowed


def test_what_was_drawn_and_then_overridden_is_owed_no_more(world: DrawWorld) -> None:
    world.approve(1)
    assert world.land("dev-a", "one")[0].code == "tertiary.drawn"
    stands(world)
    assert world.land("dev-a", "one")[0].allowed
    assert world.land("dev-a", "small", "src/small.py", lines=5)[0].allowed


def test_what_did_not_land_gives_it_back(world: DrawWorld) -> None:
    stands(world)
    assert world.land("dev-a", "one", applied=False)[0].allowed
    assert world.land("dev-a", "one")[0].allowed


def revoke(world: DrawWorld) -> None:
    world.append(
        Draft(Kind.KEY_REVOKED, OWNER, "", "", {"fingerprint": key_of("librarian").fingerprint, "statement": {}})
    )


def freeze(world: DrawWorld) -> None:
    data = {"refs": [], "count": 1, "reason": "a ref moved"}
    world.append(Draft(Kind.REFS_DRIFTED, OWNER, REPOSITORY, "", data))


def later(world: DrawWorld) -> None:
    world.now += 4 * HOUR


ENDS = [
    ("it expires at this very millisecond", later, "four_eyes.missing_sign_offs"),
    ("a signer's key is revoked", revoke, "four_eyes.missing_sign_offs"),
    ("a freeze is never set aside", freeze, "freeze.in_force"),
]


@pytest.mark.parametrize(("happens", "code"), [row[1:] for row in ENDS], ids=[row[0] for row in ENDS])
def test_what_ends_an_override_or_stands_above_it(
    world: DrawWorld, happens: Callable[[DrawWorld], None], code: str
) -> None:
    stands(world)
    happens(world)
    assert world.land("dev-a", "one")[0].code == code


def test_two_refs_in_one_push_have_no_override(world: DrawWorld) -> None:
    stands(world)
    assert not world.land("dev-a", "one", also=("refs/heads/release/1",))[0].allowed


def test_who_may_ask_and_sign(world: DrawWorld) -> None:
    refuses(DeniedError, "override.not_yours", world.ask, 1, "librarian")
    refuses(RequestError, "override.reason", world.ask, 1, reason="urgent")
    refuses(ConflictError, "override.moved", world.ask, 1, patch_set=2)
    refuses(RequestError, "override.malformed", world.ask, 1, more=1)
    seq = world.ask(1)
    refuses(DeniedError, "override.not_yours", world.sign, 1, seq, "orchestrator")
    refuses(DeniedError, "override.not_yours", world.sign, 1, seq, "mia")
    refuses(NotFoundError, "override.unknown", world.sign, 1, seq + 1)
    refuses(RequestError, "override.malformed", world.sign, 1, "7")
    refuses(ConflictError, "override.moved", world.sign, 1, seq, head="0" * 40)
    world.sign(1, seq, "librarian")
    refuses(ConflictError, "override.signed_already", world.sign, 1, seq, "librarian")


def test_a_signer_had_no_hand_in_it(world: DrawWorld) -> None:
    number = world.propose("librarian", "mine", "docs/a.md")
    seq = world.ask(number)
    refuses(DeniedError, "override.not_independent", world.sign, number, seq, "librarian")


def test_another_patch_set_ends_it(world: DrawWorld) -> None:
    seq = world.ask(1)
    world.sign(1, seq, "librarian")
    world.propose("dev-a", "two", topic="one", again="one")
    refuses(ConflictError, "override.moved", world.sign, 1, seq, "owner", patch_set=1)
    assert world.land("dev-a", "two")[0].code == "four_eyes.missing_sign_offs"


def test_two_review_it_one_of_them_a_person_and_neither_a_signer(world: DrawWorld) -> None:
    seq = stands(world)
    refuses(ConflictError, "override.nothing_owed", world.after, seq, "mia")
    world.land("dev-a", "one")
    refuses(DeniedError, "override.not_independent", world.after, seq, "dev-a")
    refuses(DeniedError, "override.not_independent", world.after, seq, "owner")
    refuses(RequestError, "override.malformed", world.after, seq, "qa-a", "perhaps")
    assert not world.after(seq, "qa-a")["complete"]
    refuses(DeniedError, "override.reviewed_already", world.after, seq, "qa-a")
    assert not world.after(seq, "qa-b")["complete"]
    assert world.after(seq, "mia", "wrong")["complete"]
    refuses(ConflictError, "override.nothing_owed", world.after, seq, "dev-b")


def test_while_a_review_is_overdue_there_is_no_other(world: DrawWorld) -> None:
    seq = stands(world)
    world.land("dev-a", "one")
    number = world.propose("dev-a", "two", "src/two.py")
    world.now += 24 * HOUR - 1
    waiting = world.ask(number)
    world.now += 1
    refuses(ConflictError, "override.review_overdue", world.ask, number)
    refuses(ConflictError, "override.review_overdue", world.sign, number, waiting, "librarian")
    world.after(seq, "qa-a")
    world.after(seq, "mia")
    world.sign(number, waiting)
    assert world.land("dev-a", "two", "src/two.py")[0].allowed
    assert world.tip(MAIN)


def test_a_signed_override_does_not_land_while_another_is_overdue(world: DrawWorld) -> None:
    stands(world)
    world.land("dev-a", "one")
    world.now += 22 * HOUR
    number = world.propose("dev-a", "two", "src/two.py")
    world.sign(number, world.ask(number))
    world.now += 2 * HOUR
    assert world.land("dev-a", "two", "src/two.py")[0].code == "four_eyes.missing_sign_offs"


def test_where_one_person_is_alone_they_may_review_what_they_signed(tmp_path: Path) -> None:
    people = ("owner", "dev-a", "dev-b", "qa-a", "librarian", "orchestrator")
    with DrawWorld(tmp_path, people=people) as world:
        world.propose("dev-a", "one")
        seq = stands(world)
        world.land("dev-a", "one")
        world.after(seq, "qa-a")
        assert world.after(seq, "owner")["complete"]


@pytest.mark.usefixtures("both")
def test_a_repository_that_is_governed_no_more_holds_up_no_override_elsewhere(world: DrawWorld) -> None:
    seq = stands(world)
    assert world.land("dev-a", "one")[0].allowed
    world.now += 25 * HOUR
    with world.service.read() as tx:
        assert overrides.overdue(tx, policy=world.policy, now=world.now) == (seq,)
    data = {"reason": "it moved to another server", "statement": {}}
    world.append(Draft(Kind.REPOSITORY_REMOVED, OWNER, REPOSITORY, REPOSITORY, data))
    with world.service.read() as tx:
        assert overrides.overdue(tx, policy=world.policy, now=world.now) == ()
