"""Attacks on the draw, on who may approve, and on the override: through the real decision, with facts made here."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

import pytest

from adversary.card import Seen, attack
from audit.entry import Actor, Draft
from builders import REPOSITORY
from draw_world import DAY, EVERYBODY, HOUR, DrawWorld, drawing_policy
from governance import draws
from governance.detect import draw_audit
from governance.errors import GovernanceError
from governance.policy import Profile
from governance.policy_text import describe, from_meaning
from governance.record import Kind
from governance.review import epochs
from governance.state import tenure
from service_world import ServiceWorld

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from governance.decision import Decision

OWNER = Actor("owner", "human", "")
DRAWN = (True, False, False, False, False, False)


class DrawCase(Seen):
    """What one test has seen of an attack."""

    def __init__(self, world: DrawWorld) -> None:
        super().__init__()
        self._world = world

    def refused(self, asked: tuple[Decision, int], code: str) -> None:
        """The landing was refused with this code among its reasons, and the entry says so."""
        decision, entry = asked
        assert not decision.allowed
        assert code in {v.reason for ref in decision.refs for v in ref.verdicts if v.objects}, decision.code
        (body,) = self._world.bodies("seq=?", entry)
        recorded = not body["data"]["allowed"] and any(code in reasons for reasons in body["data"]["verdicts"])
        self._saw(code, recorded=recorded)
        assert recorded

    def denied(self, code: str, act: Callable[..., object], *args: object, **named: object) -> None:
        """The act was refused with this code, and the attempt is an entry."""
        with pytest.raises(GovernanceError) as caught:
            act(*args, **named)
        assert caught.value.code == code
        last = self._world.bodies("1=1")[-1]
        recorded = (last["kind"], last["data"].get("code")) == ("request.refused", code)
        self._saw(code, recorded=recorded)
        assert recorded

    def found(self, report: draw_audit.Report, words: str) -> None:
        """Whoever audits the epoch reads this."""
        assert not report.good
        assert any(words in fault for fault in report.faults), report.faults
        self._saw("audit", recorded=True)

    def lands(self, asked: tuple[Decision, int]) -> None:
        """The honest twin."""
        assert asked[0].allowed, asked[0].code
        self.seen["twin"] = True

    def went_well(self) -> None:
        self.seen["twin"] = True


@pytest.fixture
def world(tmp_path: Path) -> Iterator[DrawWorld]:
    """The first slot is drawn, the next five are not."""
    with DrawWorld(tmp_path, *DRAWN) as made:
        yield made
        assert made.difference() == ""


@pytest.fixture
def case(request: pytest.FixtureRequest, world: DrawWorld) -> DrawCase:
    made = DrawCase(world)
    ids = [each for mark in request.node.iter_markers("attack") for each in mark.args]
    request.node.user_properties.append(("attack", (ids, made.seen)))
    return made


def drawn(world: DrawWorld, case: DrawCase) -> int:
    """A change by dev-a that friends have signed off, and that is drawn when it asks to land."""
    number = world.ready()
    case.refused(world.land("dev-a", "one"), "tertiary.drawn")
    return number


def slots(world: DrawWorld) -> int:
    return int(world.rows("select coalesce(max(used), 0) from draw_slot")[0][0])


def settled(world: DrawWorld, case: DrawCase, number: int, head: str = "one", *files: str) -> None:
    """The way it is meant: the third looks, and it lands."""
    world.third(number, world.first(number))
    case.lands(world.land("dev-a", head, *files))


@attack("D-06")
@pytest.mark.parametrize("content", ["one", "another"])
def test_amending_draws_nothing_anew(world: DrawWorld, case: DrawCase, content: str) -> None:
    """Another message or time is the same difference; another difference is the same change."""
    bad = drawn(world, case)
    head = "one"
    for number in range(12):
        world.propose("dev-a", f"{number}", topic="one", again=head, content=content)
        head = f"{number}"
        world.approve(bad)
        case.refused(world.land("dev-a", head, content=content), "tertiary.drawn")
    assert slots(world) == 1
    world.third(bad, world.first(bad))
    case.lands(world.land("dev-a", head, content=content))


@attack("D-07")
def test_the_third_is_whom_the_key_names(world: DrawWorld, case: DrawCase) -> None:
    bad = drawn(world, case)
    first = world.first(bad)
    for friend in {"qa-b", "docs", "librarian", "architect-b"} - {first}:
        case.denied("tertiary.not_your_turn", world.third, bad, friend)
    case.refused(world.land("dev-a", "one"), "tertiary.drawn")
    settled(world, case, bad)


@attack("X-DRAW-08")
def test_who_signed_it_off_or_wrote_it_is_no_third(world: DrawWorld, case: DrawCase) -> None:
    bad = drawn(world, case)
    for name in ("dev-b", "qa-a", "dev-a"):
        case.denied("tertiary.not_independent", world.third, bad, name)
    settled(world, case, bad)


@attack("X-DRAW-08")
def test_a_third_who_then_signs_it_off_counts_once(world: DrawWorld, case: DrawCase) -> None:
    bad = drawn(world, case)
    world.third(bad, "owner")
    world.approve(bad, "owner")
    case.refused(world.land("dev-a", "one"), "tertiary.drawn")
    settled(world, case, bad)


@attack("X-DRAW-01")
def test_proposing_it_anew_waits_for_the_old_one(world: DrawWorld, case: DrawCase) -> None:
    bad = drawn(world, case)
    again = world.propose("dev-a", "again", topic="fresh", content="one")
    world.approve(again)
    case.refused(world.land("dev-a", "again", content="one"), "tertiary.owed")
    assert slots(world) == 1
    settled(world, case, bad)


@attack("X-DRAW-02")
@pytest.mark.parametrize("file", ["src/app.py", "src/elsewhere.py"])
def test_splitting_it_into_small_ones_lands_none(world: DrawWorld, case: DrawCase, file: str) -> None:
    bad = drawn(world, case)
    case.refused(world.land("dev-a", "part", file, lines=5), "tertiary.owed")
    settled(world, case, bad)


@attack("X-DRAW-03")
def test_another_agent_does_not_land_it_either(world: DrawWorld, case: DrawCase) -> None:
    bad = drawn(world, case)
    other = world.propose("dev-b", "copy", "src/app.py", "src/more.py")
    world.approve(other, "dev-a", "qa-b")
    case.refused(world.land("dev-b", "copy", "src/app.py", "src/more.py"), "tertiary.owed")
    case.refused(world.land("qa-b", "copy2", "src/app.py", lines=5), "tertiary.owed")
    settled(world, case, bad)


@attack("X-DRAW-04")
def test_trying_again_is_answered_the_same(world: DrawWorld, case: DrawCase) -> None:
    bad = drawn(world, case)
    for _ in range(20):
        case.refused(world.land("dev-a", "one"), "tertiary.drawn")
    assert slots(world) == 1
    settled(world, case, bad)


@attack("X-DRAW-04")
def test_a_landing_that_git_did_not_carry_out_gives_no_slot_back(tmp_path: Path, case: DrawCase) -> None:
    folder = tmp_path / "other"
    folder.mkdir()
    with DrawWorld(folder, False, True) as world:  # noqa: FBT003 - what is drawn
        world.ready()
        assert world.land("dev-a", "one", applied=False)[0].allowed
        case.lands(world.land("dev-a", "one"))
        assert world.drawn() == [(1, 0, 0)]
        case._world = world
        world.ready(head="two")
        case.refused(world.land("dev-a", "two"), "tertiary.drawn")


@attack("X-DRAW-05")
def test_the_past_and_the_commitment_tell_nothing(world: DrawWorld, case: DrawCase) -> None:
    """Whoever guesses by the last outcome, by the count since the last one, or by the commitment guesses in vain."""
    bad = drawn(world, case)
    guessed = {"repeats": [], "is due": [], "commitment": []}
    for number in range(100):
        key = number.to_bytes(draws.KEY_BYTES)
        public = draws.commitment(key)
        seen = [draws.selected(key, "owner", slot, percent=10, floor_slots=0) for slot in range(200)]
        for slot in range(1, 200):
            if seen[slot - 1]:
                guessed["repeats"].append(seen[slot])
            if not any(seen[max(0, slot - 10) : slot]):
                guessed["is due"].append(seen[slot])
            if draws.selected(bytes.fromhex(public), "owner", slot, percent=10, floor_slots=0):
                guessed["commitment"].append(seen[slot])
    for name, hits in guessed.items():
        rate, noise = sum(hits) / len(hits), (0.09 / len(hits)) ** 0.5
        assert abs(rate - 0.1) < 4 * noise, (name, rate)
    case.refused(world.land("dev-a", "one"), "tertiary.drawn")
    settled(world, case, bad)


@attack("X-DRAW-06")
def test_another_key_than_the_one_committed_to_is_seen_by_anybody(world: DrawWorld, case: DrawCase) -> None:
    bad = drawn(world, case)
    settled(world, case, bad)
    world.now += 7 * DAY
    epochs.tend(world.service)
    honest = world.bodies()
    assert draw_audit.audit(honest, 1).good
    for entry in honest:
        if entry["kind"] == "draw.epoch_revealed":
            entry["data"]["key"] = (99).to_bytes(draws.KEY_BYTES).hex()
    case.found(draw_audit.audit(honest, 1), "not the one that was committed to")


@attack("X-DRAW-07")
def test_without_its_key_nothing_lands_undrawn(world: DrawWorld, case: DrawCase) -> None:
    bad = drawn(world, case)
    settled(world, case, bad)
    del world.kept.keys[1]
    world.ready(head="two")
    case.refused(world.land("dev-a", "two"), "tertiary.no_key")
    world.kept.keys[1] = (1).to_bytes(draws.KEY_BYTES)
    case.refused(world.land("dev-a", "two"), "tertiary.no_key")
    epochs.tend(world.service)
    assert world.kinds()[-2:] == ["draw.epoch_revealed", "draw.epoch_opened"]
    case.found(draw_audit.audit(world.bodies(), 1), "cannot be checked")


@attack("X-DRAW-09")
def test_what_was_reviewed_is_what_lands(world: DrawWorld, case: DrawCase) -> None:
    bad = drawn(world, case)
    world.third(bad, world.first(bad))
    world.propose("dev-a", "worse", topic="one", again="one")
    world.approve(bad)
    case.refused(world.land("dev-a", "worse"), "tertiary.drawn")
    world.third(bad, world.first(bad))
    case.lands(world.land("dev-a", "worse"))


@attack("X-DRAW-10")
def test_who_looks_at_a_slot_has_used_it(world: DrawWorld, case: DrawCase) -> None:
    """While frozen, an author would see which of their changes is drawn, and give the slot to a harmless one."""
    data = {"refs": [], "count": 1, "reason": "a ref moved"}
    number = world.ready()
    world.append(Draft(Kind.REFS_DRIFTED, OWNER, REPOSITORY, "", data))
    case.refused(world.land("dev-a", "one"), "tertiary.drawn")
    assert world.drawn() == [(number, 0, 1)]
    lifted = {"freeze": 0, "remediation": "looked", "refs": [], "unreviewed": [], "statement": {}}
    world.append(Draft(Kind.FREEZE_LIFTED, OWNER, REPOSITORY, "", lifted))
    world.ready(head="harmless")
    case.refused(world.land("dev-a", "harmless"), "tertiary.owed")
    settled(world, case, number)


def stands(world: DrawWorld, number: int) -> int:
    seq = world.ask(number)
    world.sign(number, seq)
    return seq


@attack("A-38")
def test_an_override_is_used_once(world: DrawWorld, case: DrawCase) -> None:
    seq = stands(world, world.propose("dev-a", "one"))
    case.lands(world.land("dev-a", "one"))
    other = world.propose("dev-a", "two", "src/two.py")
    case.refused(world.land("dev-a", "two", "src/two.py"), "four_eyes.missing_sign_offs")
    case.denied("override.moved", world.sign, other, seq)


@attack("A-38")
def test_an_override_that_nobody_reviewed_is_the_last(world: DrawWorld, case: DrawCase) -> None:
    seq = stands(world, world.propose("dev-a", "one"))
    world.land("dev-a", "one")
    world.now += 24 * HOUR
    other = world.propose("dev-a", "two", "src/two.py")
    case.denied("override.review_overdue", world.ask, other)
    world.after(seq, "qa-b")
    case.denied("override.review_overdue", world.ask, other)
    world.after(seq, "mia")
    stands(world, other)
    case.lands(world.land("dev-a", "two", "src/two.py"))


@attack("X-OVER-01")
def test_nobody_wears_two_hats(world: DrawWorld, case: DrawCase) -> None:
    number = world.propose("dev-a", "one")
    case.denied("override.not_yours", world.ask, number, "owner")
    case.denied("override.not_yours", world.ask, number, "librarian")
    seq = world.ask(number)
    case.denied("override.not_yours", world.sign, number, seq, "orchestrator")
    world.sign(number, seq, "owner")
    case.denied("override.signed_already", world.sign, number, seq, "owner")
    case.refused(world.land("dev-a", "one"), "four_eyes.missing_sign_offs")
    world.sign(number, seq, "librarian")
    case.lands(world.land("dev-a", "one"))


@attack("X-OVER-02")
def test_an_override_ends_by_itself(world: DrawWorld, case: DrawCase) -> None:
    number = world.propose("dev-a", "one")
    seq = stands(world, number)
    world.now += 4 * HOUR
    case.refused(world.land("dev-a", "one"), "four_eyes.missing_sign_offs")
    case.denied("override.expired", world.sign, number, seq)
    stands(world, number)
    case.lands(world.land("dev-a", "one"))


@attack("X-OVER-03")
def test_an_override_is_of_one_patch_set(world: DrawWorld, case: DrawCase) -> None:
    number = world.propose("dev-a", "one")
    stands(world, number)
    world.propose("dev-a", "worse", topic="one", again="one")
    case.refused(world.land("dev-a", "worse"), "four_eyes.missing_sign_offs")
    case.refused(world.land("dev-a", "one"), "four_eyes.no_change")
    stands(world, number)
    case.lands(world.land("dev-a", "worse"))


@attack("X-OVER-04")
def test_no_override_melts_a_freeze(world: DrawWorld, case: DrawCase) -> None:
    stands(world, world.propose("dev-a", "one"))
    data = {"refs": [], "count": 1, "reason": "a ref moved"}
    world.append(Draft(Kind.REFS_DRIFTED, OWNER, REPOSITORY, "", data))
    case.refused(world.land("dev-a", "one"), "freeze.in_force")
    lifted = {"freeze": 0, "remediation": "looked", "refs": [], "unreviewed": [], "statement": {}}
    world.append(Draft(Kind.FREEZE_LIFTED, OWNER, REPOSITORY, "", lifted))
    case.lands(world.land("dev-a", "one"))


@attack("X-OVER-05")
def test_who_broke_the_glass_does_not_review_it(world: DrawWorld, case: DrawCase) -> None:
    seq = stands(world, world.propose("dev-a", "one"))
    case.lands(world.land("dev-a", "one"))
    for name in ("orchestrator", "librarian", "owner", "dev-a"):
        case.denied("override.not_independent", world.after, seq, name)


@attack("K-17", "B-12")
def test_two_who_came_yesterday_are_not_enough(tmp_path: Path, case: DrawCase) -> None:
    folder = tmp_path / "other"
    folder.mkdir()
    people = tuple(name for name in EVERYBODY if name not in {"dev-b", "qa-b"})
    with DrawWorld(folder, False, people=people) as world:  # noqa: FBT003 - what is drawn
        case._world = world
        world.now += 30 * DAY
        epochs.tend(world.service)
        world.append(world.enrolment("dev-b"), world.enrolment("qa-b"))
        world.propose("dev-a", "one")
        world.approve(1, "dev-b", "qa-b")
        case.refused(world.land("dev-a", "one"), "four_eyes.missing_sign_offs")
        world.approve(1, "qa-a")
        assert "four_eyes.signed_off" in {v.reason for v in world.land("dev-a", "one")[0].refs[0].verdicts}
        with world.service.read() as tx:
            assert tenure.newcomers(tx, days=14, now=world.now) == {"dev-b", "qa-b"}
            assert tenure.newcomers(tx, days=14, now=world.now + 14 * DAY) == frozenset()
        case.went_well()
        assert world.difference() == ""


class Team(DrawWorld):
    """Several people: mia runs dev-a, kim runs qa-a, and the owner everybody else."""

    begins_with = from_meaning(describe(replace(drawing_policy(percent=0), profile=Profile.TEAM)))
    runs: ClassVar = {"dev-a": "mia", "qa-a": "kim"}

    @staticmethod
    def enrolment(name: str, *, operator: str = "owner") -> Draft:
        return ServiceWorld.enrolment(name, operator=Team.runs.get(name, operator))


@attack("A-26")
def test_who_runs_the_author_approves_nothing_of_its(tmp_path: Path, case: DrawCase) -> None:
    folder = tmp_path / "other"
    folder.mkdir()
    with Team(folder) as world:
        case._world = world
        number = world.propose("dev-a", "one")
        case.denied("sign_off.not_eligible", world.approve, number, "mia")
        world.approve(number, "dev-b")
        case.refused(world.land("dev-a", "one"), "four_eyes.missing_sign_offs")
        world.approve(number, "qa-a")
        case.lands(world.land("dev-a", "one"))
        assert world.difference() == ""


@attack("A-26")
def test_who_runs_both_approvers_is_one(tmp_path: Path, case: DrawCase) -> None:
    """dev-b and qa-b are two agents, and one person's."""
    folder = tmp_path / "other"
    folder.mkdir()
    with Team(folder) as world:
        case._world = world
        number = world.propose("dev-a", "one")
        world.approve(number, "dev-b", "qa-b")
        case.refused(world.land("dev-a", "one"), "four_eyes.missing_sign_offs")
        world.approve(number, "qa-a")
        case.lands(world.land("dev-a", "one"))


@attack("D-11")
def test_agents_of_one_model_are_one_where_the_policy_says_so(tmp_path: Path, case: DrawCase) -> None:
    class Diverse(DrawWorld):
        plain = drawing_policy(percent=0)
        approval = replace(plain.controls.approval, distinct_families=True)
        begins_with = from_meaning(describe(replace(plain, controls=replace(plain.controls, approval=approval))))

    folder = tmp_path / "other"
    folder.mkdir()
    with Diverse(folder) as world:
        case._world = world
        number = world.propose("dev-a", "one")
        case.denied("sign_off.not_eligible", world.approve, number, "dev-b")
        case.refused(world.land("dev-a", "one"), "four_eyes.missing_sign_offs")
        world.approve(number, "owner", "mia")
        case.lands(world.land("dev-a", "one"))
