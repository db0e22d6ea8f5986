from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from builders import MAIN, REPOSITORY
from draw_world import DAY, HOUR, DrawWorld
from governance import draws
from governance.detect import draw_audit, looks
from governance.entrypoints import api_tertiary
from governance.errors import ConflictError, DeniedError, RequestError
from governance.review import epochs, tertiary
from governance.state import draws as rooms
from governance.state import read

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from governance.errors import GovernanceError


@pytest.fixture
def world(tmp_path: Path) -> Iterator[DrawWorld]:
    """A service whose key draws the first slot and no more of the next four."""
    with DrawWorld(tmp_path, True, False, False, False, False) as made:  # noqa: FBT003 - what is drawn
        yield made
        assert made.difference() == ""


@pytest.fixture
def waiting(world: DrawWorld) -> DrawWorld:
    """Change 1 by dev-a, signed off by dev-b and qa-a, was drawn when it asked to land."""
    world.ready()
    decision, _ = world.land("dev-a", "one")
    assert decision.code == "tertiary.drawn"
    return world


def refuses(error: type[GovernanceError], code: str, act: object, *args: object, **named: object) -> None:
    assert callable(act)
    with pytest.raises(error) as caught:
        act(*args, **named)
    assert caught.value.code == code


def test_a_drawn_change_lands_once_the_third_has_approved_it(waiting: DrawWorld) -> None:
    reviewer = waiting.first(1)
    assert reviewer not in {"dev-a", "dev-b", "qa-a"}

    waiting.third(1, reviewer)
    decision, _ = waiting.land("dev-a", "one")
    assert decision.allowed, decision.code
    assert waiting.drawn() == [(1, 0, 1)]


def test_what_is_not_drawn_lands_at_once_and_uses_its_slot(tmp_path: Path) -> None:
    with DrawWorld(tmp_path, False, False) as world:  # noqa: FBT003 - what is drawn
        for head in ("one", "two"):
            world.ready(head=head)
            assert world.land("dev-a", head)[0].allowed
        assert world.drawn() == [(1, 0, 0), (2, 1, 0)]
        assert world.difference() == ""


def test_below_the_threshold_nothing_is_drawn(world: DrawWorld) -> None:
    assert world.land("dev-a", "small", lines=5)[0].allowed
    assert world.drawn() == []


@pytest.mark.usefixtures("both")
def test_what_became_of_what_they_approved_is_told_of_each_approver(waiting: DrawWorld) -> None:
    third = waiting.first(1)
    with waiting.service.read() as tx:
        assert looks.shown(tx, REPOSITORY, waiting.policy.controls, now=waiting.now)["aftermath"] == []
    waiting.third(1, third, "block")
    with waiting.service.read() as tx:
        rows = looks.shown(tx, REPOSITORY, waiting.policy.controls, now=waiting.now)["aftermath"]
        later = looks.shown(tx, REPOSITORY, waiting.policy.controls, now=waiting.now + 31 * DAY)["aftermath"]
    assert [(row["reviewer"], row["blocked"], row["looked_at"]) for row in rows] == [("dev-b", 1, 1), ("qa-a", 1, 1)]
    assert {tuple(row["authors"]) for row in rows} == {("dev-a",)}
    assert later == []


def test_a_block_holds_for_its_patch_set_and_is_recorded_with_the_pair(waiting: DrawWorld) -> None:
    waiting.third(1, waiting.first(1), "block")
    (entry,) = waiting.bodies("kind='tertiary.given'")
    assert (entry["data"]["author"], entry["data"]["approvers"]) == ("dev-a", ["dev-b", "qa-a"])
    assert waiting.land("dev-a", "one")[0].code == "tertiary.blocked"

    waiting.propose("dev-a", "better", "src/app.py", "src/more.py", topic="one", again="one")
    waiting.approve(1)
    assert waiting.land("dev-a", "better", "src/app.py", "src/more.py")[0].code == "tertiary.drawn"
    waiting.third(1, waiting.first(1))
    assert waiting.land("dev-a", "better", "src/app.py", "src/more.py")[0].allowed


def test_the_next_may_step_in_when_the_first_is_overdue_and_an_owner_always(waiting: DrawWorld) -> None:
    with waiting.service.read() as tx:
        (item,) = tertiary.queue(tx, REPOSITORY, read.policy(tx), now=waiting.now)
    first, second, *_ = [name for name in item["reviewers"] if name != "owner"]
    late = item["reviewers"].index(second)
    refuses(DeniedError, "tertiary.not_your_turn", waiting.third, 1, second)
    waiting.now += late * 24 * HOUR
    waiting.third(1, second)
    assert first != second
    with waiting.service.read() as tx:
        assert tertiary.queue(tx, REPOSITORY, read.policy(tx), now=waiting.now) == []


def test_an_owner_without_a_part_in_it_may_always(waiting: DrawWorld) -> None:
    waiting.third(1, "owner")
    assert waiting.land("dev-a", "one")[0].allowed


WRONG = [
    ({"repository": "elsewhere"}, DeniedError, "statement.other_repository"),
    ({"verdict": "maybe"}, RequestError, "tertiary.malformed"),
    ({"more": 1}, RequestError, "tertiary.malformed"),
    ({"reason": "ok"}, RequestError, "tertiary.reason"),
    ({"patch_set": 2}, ConflictError, "tertiary.moved"),
    ({"diff_digest": "0" * 64}, ConflictError, "tertiary.moved"),
]


@pytest.mark.parametrize(("changed", "error", "code"), WRONG, ids=[row[2] + str(row[0]) for row in WRONG])
def test_a_third_review_is_of_exactly_what_was_shown(
    waiting: DrawWorld, changed: dict[str, object], error: type[GovernanceError], code: str
) -> None:
    refuses(error, code, waiting.third, 1, waiting.first(1), **changed)


def test_only_what_was_drawn_is_reviewed_and_only_while_it_is_open(world: DrawWorld) -> None:
    world.ready()
    refuses(ConflictError, "tertiary.not_drawn", world.third, 1, "owner")
    world.land("dev-a", "one")
    world.third(1, world.first(1))
    world.land("dev-a", "one")
    refuses(ConflictError, "tertiary.closed", world.third, 1, "owner")


def test_what_was_given_up_is_dismissed_by_an_owner_and_owed_no_more(waiting: DrawWorld) -> None:
    waiting.ready(head="two")
    assert waiting.land("dev-a", "two")[0].code == "tertiary.owed"
    refuses(DeniedError, "authority.owner_only", waiting.third, 1, waiting.first(1), "dismiss")
    waiting.third(1, "owner", "dismiss")
    refuses(ConflictError, "tertiary.settled", waiting.third, 1, "owner", "dismiss")
    waiting.propose("dev-a", "three", "src/three.py")
    waiting.approve(3)
    assert waiting.land("dev-a", "three", "src/three.py")[0].allowed
    assert "tertiary.drawn" in {v.reason for v in waiting.land("dev-a", "one")[0].refs[0].verdicts}


def test_the_queue_says_what_is_overdue(waiting: DrawWorld) -> None:
    waiting.now += 24 * HOUR
    with waiting.service.read() as tx:
        (item,) = tertiary.queue(tx, REPOSITORY, read.policy(tx), now=waiting.now)
    assert (item["change"], item["state"], item["overdue"], len(item["waits_for"])) == (1, "open", True, 2)


def test_an_epoch_ends_with_its_key_and_the_next_begins_in_one_transaction(waiting: DrawWorld) -> None:
    first = waiting.kept.keys[1]
    waiting.now += 7 * DAY - 1
    epochs.tend(waiting.service)
    assert waiting.kinds()[-1] == "push.decided"
    waiting.now += 1
    epochs.tend(waiting.service)
    assert waiting.kinds()[-2:] == ["draw.epoch_revealed", "draw.epoch_opened"]
    with waiting.service.read() as tx:
        found = rooms.open_epoch(tx)
    assert found is not None
    assert (found.number, found.commitment) == (2, draws.commitment(waiting.kept.keys[2]))

    report = draw_audit.audit(waiting.bodies(), 1)
    assert report.good, report
    assert [(line.change, line.slot, line.selected) for line in report.lines] == [(1, 0, True)]
    assert waiting.bodies("kind='draw.epoch_revealed'")[0]["data"]["key"] == first.hex()
    assert not draw_audit.audit(waiting.bodies(), 2).checkable


def test_a_lost_key_ends_its_epoch_and_is_said(waiting: DrawWorld) -> None:
    del waiting.kept.keys[1]
    waiting.third(1, waiting.first(1))
    waiting.land("dev-a", "one")
    waiting.ready(head="two")
    assert waiting.land("dev-a", "two")[0].code == "tertiary.no_key"
    epochs.tend(waiting.service)
    report = draw_audit.audit(waiting.bodies(), 1)
    assert (report.checkable, report.faults) == (False, ("its key is lost: the epoch cannot be checked",))
    assert waiting.land("dev-a", "two")[0].code in {"allowed", "tertiary.drawn"}


def test_of_two_who_tend_one_opens(world: DrawWorld) -> None:
    epochs.tend(world.service)
    assert world.kinds().count("draw.epoch_opened") == 1


def test_one_protected_branch_in_a_push(world: DrawWorld) -> None:
    world.ready()
    decision, _ = world.land("dev-a", "one", also=("refs/heads/release/1",))
    assert "tertiary.not_alone" in {verdict.reason for verdict in decision.refs[0].verdicts}
    assert world.drawn() == []
    assert world.tip(MAIN)


def test_whoever_has_a_token_may_audit_and_learns_nothing_of_other_repositories(waiting: DrawWorld) -> None:
    waiting.now += 7 * DAY
    epochs.tend(waiting.service)
    inside, elsewhere = waiting.caller("dev-a"), replace(waiting.caller("qa-a"), repository="orchard")
    for caller, change in ((inside, 1), (elsewhere, 0)):
        items = api_tertiary.draws_of(1, caller, waiting.service).items
        report = draw_audit.audit(items, 1)
        assert report.good, report
        assert [line.change for line in report.lines] == [change]
    assert REPOSITORY not in str(items)
    assert "dev-a" not in str([item["data"].get("draws") for item in items])


def test_the_only_person_may_dismiss_what_they_signed_off_and_that_lets_nothing_land(tmp_path: Path) -> None:
    people = ("owner", "dev-a", "dev-b", "qa-a")
    with DrawWorld(tmp_path, True, False, people=people) as world:  # noqa: FBT003 - what is drawn
        world.propose("dev-a", "one")
        world.approve(1, "dev-b", "qa-a", "owner")
        assert world.land("dev-a", "one")[0].code == "tertiary.drawn"
        refuses(DeniedError, "tertiary.not_independent", world.third, 1, "owner")
        world.third(1, "owner", "dismiss")
        assert world.land("dev-a", "one")[0].code == "tertiary.drawn"
        number = world.propose("dev-a", "two", "src/two.py")
        world.approve(number, "dev-b", "qa-a")
        assert world.land("dev-a", "two", "src/two.py")[0].allowed
