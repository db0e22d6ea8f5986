"""A large change cut into slices, each of which needs nobody: however it is cut, somebody is asked.

Every push here is a real decision under the ledger lock, with the numbers that ship, on facts as the hook sends them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from adversary.card import Seen, attack
from builders import MAIN, a_change, a_commit, a_person
from debt_world import DAY, FLEET, HOUR, MINUTE, RELEASE, DebtWorld, Told, calm, file, shipped
from governance.people.statements import Statement
from governance.review import acts

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from governance.facts import Change

OVER, UNSHOWN = "unreviewed_debt.over_budget", "unreviewed_debt.not_shown"


class DebtCase(Seen):
    """What one test has seen of pushes that were decided."""

    def refused(self, world: DebtWorld, told: Told, code: str) -> None:
        """The slice was refused with this code, and its entry says so and reserves nothing."""
        assert told.code == code, (told.code, told.message)
        data = world.noted(told)
        recorded = (data["allowed"], data["code"], data.get("reserve", [])) == (False, code, [])
        self._saw(code, recorded=recorded)
        assert recorded, data

    def lands(self, told: Told) -> None:
        """The honest way went through."""
        assert told.decision.allowed, (told.code, told.message)
        self.seen["twin"] = True


@pytest.fixture
def case(request: pytest.FixtureRequest) -> DebtCase:
    made = DebtCase()
    ids = [each for mark in request.node.iter_markers("attack") for each in mark.args]
    request.node.user_properties.append(("attack", (ids, made.seen)))
    return made


@pytest.fixture
def world(tmp_path: Path) -> Iterator[DebtWorld]:
    """The numbers that ship, but for the windows, which would stop most attacks before the debt does."""
    with DebtWorld(tmp_path, policy=calm()) as made:
        yield made
        assert made.difference() == ""


@pytest.fixture
def whole(tmp_path: Path) -> Iterator[DebtWorld]:
    """All the numbers that ship."""
    with DebtWorld(tmp_path, policy=shipped()) as made:
        yield made
        assert made.difference() == ""


def slices(world: DebtWorld, case: DebtCase, *each: tuple[str, Change], ref: str = MAIN) -> None:
    """Land all slices but the last, which is refused."""
    *some, (who, last) = each
    for by, change in some:
        told = world.push(change, by=by, ref=ref)
        assert told.decision.allowed, (told.code, told.message)
    case.refused(world, world.push(last, by=who, ref=ref), OVER)


def reviewed(world: DebtWorld, change: Change, *names: str) -> Told:
    """Land a change of dev-a that was shown to these, or to a dev and a qa."""
    number = world.propose(change)
    world.sign(number, *(names or ("dev-b", "qa-a")))
    return world.land(number, change)


@attack("D-01")
def test_d01_a_slice_for_each_window(case: DebtCase, whole: DebtWorld) -> None:
    for _ in range(5):
        assert whole.push(file("src/a/x.py", 10)).decision.allowed
        whole.now += 25 * HOUR
    case.refused(whole, whole.push(file("src/a/x.py", 1)), OVER)
    case.lands(reviewed(whole, file("src/a/x.py", 1)))
    case.lands(whole.push(file("src/a/x.py", 10)))


@attack("D-02")
def test_d02_a_slice_for_each_agent(case: DebtCase, world: DebtWorld) -> None:
    agents = ("dev-a", "dev-b", "qa-a", "architect-a", "docs", "qa-b")
    slices(world, case, *((name, file("src/a/x.py", 10)) for name in agents))
    case.lands(world.push(file("src/b/x.py", 10), by="qa-b"))


@attack("D-02")
def test_d02_agents_of_one_operator_are_one_wherever_they_write(case: DebtCase, world: DebtWorld) -> None:
    agents = ("dev-a", "dev-b", "qa-a", "architect-a")
    slices(world, case, *((name, file(f"src/{name}/x.py", 40)) for name in agents))
    case.lands(world.push(file("src/mia/x.py", 40), by="mia"))


@attack("D-03")
def test_d03_a_slice_for_each_folder(case: DebtCase, world: DebtWorld) -> None:
    slices(world, case, *(("dev-a", file(f"m{n}/x/y.py", 50)) for n in range(4)))
    case.lands(reviewed(world, file("m3/x/y.py", 50)))


@attack("D-03")
def test_d03_one_file_in_each_folder(case: DebtCase, world: DebtWorld) -> None:
    slices(world, case, *(("dev-a", file(f"m{n}/x/y.py", 1)) for n in range(10)))
    case.lands(world.push(file("m1/x/y.py", 1)))


@attack("D-04")
def test_d04_reviewed_changes_in_between_clear_only_what_they_showed(case: DebtCase, world: DebtWorld) -> None:
    """Each is signed off before the next slice lands on another branch, and touches the same file."""
    world.branch()
    for _ in range(2):
        number = world.propose(file("src/a/x.py", 80))
        world.sign(number, "dev-b", "qa-a")
        assert world.push(file("src/a/x.py", 24), ref=RELEASE).decision.allowed
        assert world.land(number, file("src/a/x.py", 80)).decision.allowed
        assert world.units() == 24
    slices(world, case, ("dev-a", file("src/a/y.py", 26)), ("dev-a", file("src/a/y.py", 1)), ref=RELEASE)
    case.lands(reviewed(world, file("src/a/x.py", 80)))
    case.lands(world.push(file("src/a/y.py", 50), ref=RELEASE))


@attack("P-19")
def test_p19_the_threshold_exactly_and_again(case: DebtCase, world: DebtWorld) -> None:
    three = [file(f"src/a/{n}.py", units) for n, units in enumerate((16, 17, 17))]
    case.lands(world.push(*three))
    case.refused(world, world.push(*three), OVER)
    case.refused(world, world.push(file("src/a/0.py", 1)), OVER)


@attack("X-DEBT-01")
def test_what_was_added_and_taken_away_counts_twice(case: DebtCase, world: DebtWorld) -> None:
    there = a_change("src/a/x.py", 25)
    back = a_change("src/a/x.py", 25, old=there.new, new=there.old)
    slices(world, case, ("dev-a", there), ("dev-a", back), ("dev-a", there))
    there, back = (a_change("src/b/x.py", 25, new=one.new) for one in (there, back))
    case.lands(
        world.push(name="both", commits=(a_commit("there", changes=(there,)), a_commit("both", changes=(back,))))
    )
    assert world.units() == 100
    case.refused(world, world.push(there), OVER)


@attack("X-DEBT-02")
def test_a_rename_counts_where_it_left_and_where_it_arrived(case: DebtCase, world: DebtWorld) -> None:
    told = world.push(file("src/a/x.py", 25), file("src/b/x.py", 25))
    case.lands(told)
    for group in ("src/a", "src/b"):
        case.refused(world, world.push(file(f"{group}/y.py", 26)), OVER)
        case.lands(world.push(file(f"{group}/y.py", 25)))


@attack("X-DEBT-03")
def test_branches_have_one_debt(case: DebtCase, world: DebtWorld) -> None:
    world.branch()
    world.branch("refs/heads/release/2")
    for ref in (MAIN, RELEASE):
        assert world.push(file("src/a/x.py", 20), ref=ref).decision.allowed
    slices(world, case, ("dev-a", file("src/a/x.py", 20)), ref="refs/heads/release/2")
    case.lands(world.push(file("src/a/x.py", 10), ref="refs/heads/release/2"))


@attack("X-DEBT-04")
def test_two_pushes_of_one_moment_count_both(case: DebtCase, world: DebtWorld) -> None:
    world.branch()
    first = world.push(file("src/a/x.py", 40), land=False)
    case.refused(world, world.push(file("src/a/x.py", 40), ref=RELEASE), OVER)
    world.release(first)
    case.lands(world.push(file("src/a/x.py", 40), ref=RELEASE))


@attack("X-DEBT-05")
def test_sign_offs_from_before_there_was_debt_clear_none(case: DebtCase, world: DebtWorld) -> None:
    world.branch()
    small = file("src/a/y.py", 10)
    number = world.propose(small)
    world.sign(number, "dev-b", "qa-a")
    assert world.push(file("src/a/x.py", 45), ref=RELEASE).decision.allowed
    case.refused(world, world.land(number, small), UNSHOWN)
    world.sign(number, "dev-b")
    case.refused(world, world.land(number, small), UNSHOWN)
    world.sign(number, "qa-a")
    case.lands(world.land(number, small))
    assert world.owed() == ()


@attack("X-DEBT-06")
def test_a_landing_that_never_happened_clears_nothing(case: DebtCase, world: DebtWorld) -> None:
    world.branch()
    assert world.push(file("src/a/x.py", 50), ref=RELEASE).decision.allowed
    number = world.propose(file("src/c/x.py", 80))
    world.sign(number, "dev-b", "qa-a")
    under_way = world.land(number, file("src/c/x.py", 80), land=False)
    case.refused(world, world.push(file("src/a/x.py", 1), ref=RELEASE), OVER)
    world.release(under_way)
    case.refused(world, world.push(file("src/a/x.py", 1), ref=RELEASE), OVER)
    case.lands(world.land(number, file("src/c/x.py", 80)))
    case.lands(world.push(file("src/a/x.py", 1), ref=RELEASE))


@attack("X-DEBT-07")
def test_who_landed_it_does_not_sign_it_off_with_another_s_change(case: DebtCase, world: DebtWorld) -> None:
    assert world.push(file("src/a/x.py", 25), by="dev-b").decision.allowed
    assert world.push(file("src/a/x.py", 25), by="qa-a").decision.allowed
    number = world.propose(file("src/a/x.py", 5))
    world.sign(number, "dev-b", "qa-a")
    case.refused(world, world.land(number, file("src/a/x.py", 5)), UNSHOWN)
    world.sign(number, "mia", "architect-a")
    case.lands(world.land(number, file("src/a/x.py", 5)))


@attack("X-DEBT-08")
def test_a_cool_down_ends_by_the_ledger_s_clock(case: DebtCase, whole: DebtWorld) -> None:
    for n in range(5):
        assert whole.push(file(f"m{n % 3}/x/y.py", 1)).decision.allowed
        whole.now += 20 * MINUTE
    case.refused(whole, whole.push(file("m1/x/y.py", 1)), "small_changes.cool_down")
    for aside in (-DAY, -HOUR):
        whole.now += aside
        case.refused(whole, whole.push(file("m1/x/y.py", 1)), "small_changes.cool_down")
        whole.now -= aside
    case.lands(whole.push(file("m1/x/y.py", 1), by="dev-b"))
    whole.now += 100 * MINUTE
    case.lands(whole.push(file("m1/x/y.py", 1)))


@attack("X-DEBT-09")
def test_a_burst_is_of_who_signed_it_whoever_pushes(case: DebtCase, whole: DebtWorld) -> None:
    for name in ("dev-b", "qa-a", "qa-b", "docs", "librarian"):
        assert whole.push(file("m1/x/y.py", 1), by=name, author="dev-a").decision.allowed
    case.refused(whole, whole.push(file("m1/x/y.py", 1), by="architect-a", author="dev-a"), "small_changes.cool_down")
    case.lands(whole.push(file("m1/x/y.py", 1), by="architect-a"))


@attack("X-DEBT-10")
def test_paths_that_look_alike_in_a_table_are_different(case: DebtCase, world: DebtWorld) -> None:
    long = "src/a/" + "x" * 300
    odd = [f"{long}1", f"{long}2", "src/a/\udcff", "src/a/\\xff"]
    slices(world, case, *(("dev-a", file(path, 1)) for path in odd))
    assert len({owed.path for owed in world.owed()}) == 3
    case.lands(world.push(file(odd[0], 1)))


@attack("X-DEBT-11")
def test_ten_a_day_and_no_more(case: DebtCase, whole: DebtWorld) -> None:
    for n in range(10):
        assert whole.push(file(f"m{n % 3}/x/y.py", 1)).decision.allowed
        whole.now += HOUR
    case.refused(whole, whole.push(file("m1/x/y.py", 1)), "small_changes.window")
    number = whole.propose(file("m1/x/y.py", 1))
    whole.sign(number, "dev-b", "qa-a")
    case.lands(whole.land(number, file("m1/x/y.py", 1)))
    whole.now += 14 * HOUR
    case.lands(whole.push(file("m1/x/y.py", 1)))


@attack("X-DEBT-12")
def test_left_overs_are_asked_for_after_a_month(case: DebtCase, world: DebtWorld) -> None:
    assert world.push(file("src/a/x.py", 1)).decision.allowed
    world.now += 30 * DAY + 1
    case.refused(world, world.push(file("src/a/y.py", 1)), OVER)
    case.lands(reviewed(world, file("src/a/y.py", 1)))
    case.lands(world.push(file("src/a/y.py", 1)))


@attack("X-DEBT-13")
def test_half_of_two_sign_offs_clears_nothing(case: DebtCase, world: DebtWorld) -> None:
    assert world.push(file("src/a/x.py", 50)).decision.allowed
    number = world.propose(file("src/a/x.py", 5))
    world.sign(number, "dev-b", "qa-a")
    said: Statement = world.said("sign_off.withdraw", "qa-a", {"change": number, "repository": "garden"}, nonce="w")
    acts.withdraw(world.service, world.caller("qa-a"), said, "garden")
    case.refused(world, world.land(number, file("src/a/x.py", 5)), "four_eyes.missing_sign_offs")
    assert world.units() == 50
    world.sign(number, "qa-b")
    case.lands(world.land(number, file("src/a/x.py", 5)))
    assert world.units() == 0


@attack("X-DEBT-14")
def test_an_empty_file_is_a_file_and_a_unit(case: DebtCase, world: DebtWorld) -> None:
    slices(world, case, *(("dev-a", a_change(f"src/a/{n}", 0, size=0)) for n in range(4)))
    assert world.units() == 3
    case.lands(world.push(a_change("src/a/1", 0, size=0)))


@attack("X-DEBT-15")
@pytest.mark.parametrize("claim", ["co_authors", "committer"])
def test_naming_everybody_leaves_no_debt_that_nobody_may_review(case: DebtCase, world: DebtWorld, claim: str) -> None:
    names = [name for name in FLEET if name != "dev-a"]
    per_commit = [names] if claim == "co_authors" else [[name] for name in names]
    small = file("src/a/x.py", 1)

    def push(some: list[list[str]]) -> Told:
        world.count += 1
        name = f"naming {world.count}"
        people = [tuple(a_person(each) for each in each_commit) for each_commit in some]
        said = [{"co_authors": found} if claim == "co_authors" else {"committer": found[0]} for found in people]
        commits = [a_commit(f"{name} {n}", changes=(small,), **one) for n, one in enumerate(said)]
        return world.push(small, name=name, commits=(*commits, a_commit(name, changes=())))

    case.refused(world, push(per_commit), "unreviewed_debt.nobody_left")
    assert world.owed() == ()
    few = [["dev-b"]]
    case.lands(push(few))


@attack("X-DEBT-16")
def test_newcomers_sign_off_no_debt_by_themselves(case: DebtCase, world: DebtWorld) -> None:
    """They count with the change, where others beside them are known; of this debt they would be all there are."""
    world.now += 2 * DAY
    world.append(*(world.enrolment(name) for name in ("planner-a", "planner-b", "architect-c")))
    assert world.push(file("src/a/x.py", 50), by="planner-a").decision.allowed
    number = world.propose(file("src/a/x.py", 5))
    world.sign(number, "dev-b", "qa-a", "planner-b", "architect-c")
    case.refused(world, world.land(number, file("src/a/x.py", 5)), UNSHOWN)
    world.sign(number, "architect-b")
    case.lands(world.land(number, file("src/a/x.py", 5)))
    assert world.owed() == ()
