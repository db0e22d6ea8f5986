from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import a_commit, a_person, a_policy, a_principal, a_push, a_roster, a_team_policy
from governance.approvers import (
    Contributors,
    Place,
    Question,
    Seating,
    contributors,
    excluded_because,
    independent,
    seat,
)
from governance.policy import Kind, Profile
from governance.standing import Roster

if TYPE_CHECKING:
    from collections.abc import Iterable


AGENTS = [name for name, role in a_policy().roles.items() if role.kind is Kind.AGENT]


def by(*names: str, proved: Iterable[str] = ()) -> Contributors:
    return Contributors(frozenset(names), (), frozenset(proved))


def a_question(
    *authors: str,
    roster: Roster | None = None,
    high_risk: bool = False,
    policy: object = None,
    proved: Iterable[str] = (),
) -> Question:
    return Question(policy or a_policy(), roster or a_roster(), by(*authors, proved=proved), high_risk)


def seatings(question: Question, given: Iterable[str]) -> list[Seating]:
    names = list(given)
    return [seat(question, row, names) for row in question.rows()]


def enough(question: Question, *given: str) -> bool:
    found = seatings(question, given)
    return bool(found) and all(seating.complete for seating in found)


# The table of REQUIREMENTS, S1, row by row: author, what is enough, and what is one thing short of it.
# The people are left out, since each may stand in for anyone.
WITHOUT_PEOPLE = a_policy(four_eyes={"humans_stand_in": False})
ROWS = [
    ("dev-a", [("dev-b", "qa-a"), ("dev-b", "qa-b")],
     [("dev-b",), ("qa-a", "qa-b"), ("dev-b", "architect-a"), ("dev-b", "owner"), ("architect-a", "architect-b")]),
    ("dev-b", [("dev-a", "qa-a")], [("dev-a", "docs"), ("qa-a", "qa-b")]),
    ("qa-a", [("qa-b", "dev-a"), ("qa-b", "dev-b")], [("dev-a", "dev-b"), ("qa-b", "architect-a")]),
    ("qa-b", [("qa-a", "dev-b")], [("qa-a",), ("qa-a", "librarian")]),
    ("planner-a", [("planner-b", "architect-a"), ("planner-b", "architect-c")],
     [("planner-b", "dev-a"), ("architect-a", "architect-b"), ("planner-b", "owner")]),
    ("planner-b", [("planner-a", "architect-b")], [("planner-a", "qa-a")]),
    ("architect-a", [("architect-b", "architect-c")], [("architect-b", "dev-a"), ("architect-b", "owner")]),
    ("architect-b", [("architect-a", "architect-c")], [("architect-a",)]),
    ("architect-c", [("architect-a", "architect-b")], [("architect-a", "qa-a")]),
    ("docs", [("librarian", "dev-a"), ("librarian", "qa-b")], [("dev-a", "qa-a"), ("librarian", "architect-a")]),
    ("librarian", [("docs", "dev-a"), ("docs", "dev-b")], [("docs", "qa-a"), ("dev-a", "dev-b"), ("docs", "owner")]),
    ("orchestrator", [("librarian", "owner")], [("librarian", "mia"), ("owner",), ("librarian", "dev-a")]),
    ("owner", [("mia", "architect-a"), ("dev-a", "qa-a", "architect-a"), ("dev-b", "qa-b", "architect-c")],
     [("mia",), ("mia", "dev-a"), ("dev-a", "qa-a"), ("dev-a", "dev-b", "architect-a"), ("dev-a", "architect-a"),
      ("qa-a", "architect-a"), ("architect-a", "architect-b")]),
    ("mia", [("owner", "architect-b"), ("dev-a", "qa-a", "architect-b")], [("owner", "dev-a"), ("dev-a", "qa-a")]),
]  # fmt: skip


def test_every_author_of_the_table_is_tested() -> None:
    assert {row[0] for row in ROWS} == {*AGENTS, "owner", "mia"}


@pytest.mark.parametrize(("author", "good", "bad"), ROWS, ids=[row[0] for row in ROWS])
def test_the_table_says_who_is_enough(author: str, good: list[tuple[str, ...]], bad: list[tuple[str, ...]]) -> None:
    question = a_question(author, policy=WITHOUT_PEOPLE)

    assert [given for given in good if not enough(question, *given)] == []
    assert [given for given in bad if enough(question, *given)] == []


@pytest.mark.parametrize(("author", "good", "bad"), ROWS, ids=[row[0] for row in ROWS])
def test_with_the_author_instead_of_any_one_of_them_it_is_not_enough(
    author: str, good: list[tuple[str, ...]], bad: list[tuple[str, ...]]
) -> None:
    question = a_question(author, policy=WITHOUT_PEOPLE)
    for names in good:
        for at in range(len(names)):
            assert not enough(question, *names[:at], author, *names[at + 1 :])


FALLBACKS = [
    ("dev-a", ["dev-b"], ("architect-a", "qa-a"), ("librarian", "qa-a")),
    ("dev-a", ["qa-a", "qa-b"], ("dev-b", "architect-b"), ("dev-b", "librarian")),
    ("qa-a", ["qa-b"], ("architect-c", "dev-a"), ("dev-b", "dev-a")),
    ("planner-a", ["planner-b"], ("owner", "architect-a"), ("dev-a", "architect-a")),
    ("architect-a", ["architect-b"], ("architect-c", "owner"), ("architect-c", "mia")),
    ("docs", ["librarian"], ("architect-a", "dev-a"), ("qa-a", "dev-a")),
    ("librarian", ["docs"], ("owner", "dev-a"), ("qa-a", "dev-a")),
    ("orchestrator", ["librarian"], (), ("dev-a", "owner")),
]


@pytest.mark.parametrize(("author", "gone", "good", "bad"), FALLBACKS)
def test_a_fallback_steps_in_only_where_nobody_is_free(
    author: str, gone: list[str], good: tuple[str, ...], bad: tuple[str, ...]
) -> None:
    retired = a_roster(*(a_principal(name, retired=True) for name in gone))
    short = a_question(author, roster=retired, policy=WITHOUT_PEOPLE)
    full = a_question(author, policy=WITHOUT_PEOPLE)

    assert not good or enough(short, *good)
    assert not enough(short, *bad)
    assert not good or not enough(full, *good)


def test_a_council_is_two_of_three_and_its_author_never_one_of_them() -> None:
    council = a_question("architect-b")

    assert enough(council, "architect-a", "architect-c")
    assert not enough(council, "architect-a", "architect-b")
    assert not enough(a_question("architect-a", "architect-b", policy=WITHOUT_PEOPLE), "architect-c", "dev-a")


def test_a_change_by_two_roles_must_satisfy_the_row_of_each() -> None:
    both = a_question("dev-a", "docs", policy=WITHOUT_PEOPLE)

    assert not enough(both, "dev-b", "qa-a")
    assert not enough(both, "librarian", "dev-b")
    assert enough(both, "dev-b", "qa-a", "librarian")


def test_a_change_by_nobody_is_approved_by_nobody() -> None:
    assert not enough(a_question(), "dev-a", "qa-a", "owner")


def test_an_author_in_no_row_needs_the_owner_and_another_person() -> None:
    roster = a_roster(replace(a_principal("lander", "docs"), role="lander", kind=Kind.SERVICE))
    question = a_question("lander", roster=roster)

    assert enough(question, "owner", "mia")
    assert not enough(question, "owner", "dev-a")


def test_a_person_with_no_part_in_it_stands_in_for_any_place_where_policy_says_so() -> None:
    assert enough(a_question("dev-a"), "mia", "qa-a")
    assert enough(a_question("dev-a"), "dev-b", "mia")
    assert enough(a_question("dev-a"), "owner", "mia")
    assert not enough(a_question("dev-a"), "mia")
    assert not enough(a_question("dev-a", policy=WITHOUT_PEOPLE), "mia", "qa-a")


HIGH_RISK = [
    (("dev-b", "qa-a"), False),
    (("dev-b", "qa-a", "architect-a", "librarian"), False),
    (("dev-b", "owner"), True),
    (("mia", "qa-a"), True),
    (("owner", "mia"), True),
    (("owner",), False),
]


@pytest.mark.parametrize(("given", "complete"), HIGH_RISK)
@pytest.mark.parametrize("policy", [a_policy(), WITHOUT_PEOPLE], ids=["people stand in", "people do not stand in"])
def test_high_risk_needs_a_person_in_one_of_the_places(
    policy: object,
    given: tuple[str, ...],
    complete: bool,  # noqa: FBT001 - a row
) -> None:
    assert enough(a_question("dev-a", high_risk=True, policy=policy), *given) is complete


def test_the_only_person_need_not_wait_for_themself_where_it_is_proved_that_they_wrote_it() -> None:
    alone = a_roster(without=["mia"])
    enough_for_owner = ("dev-a", "qa-a", "architect-a")

    assert enough(a_question("owner", roster=alone, high_risk=True, proved=["owner"]), *enough_for_owner)
    assert not enough(a_question("owner", roster=alone, high_risk=True), *enough_for_owner)
    assert not enough(a_question("owner", high_risk=True, proved=["owner"]), *enough_for_owner)
    assert not enough(
        a_question("owner", roster=alone, high_risk=True, proved=["owner"], policy=a_team_policy()), *enough_for_owner
    )


def test_with_no_person_left_high_risk_waits() -> None:
    nobody = a_roster(without=["mia", "owner"])

    assert not enough(a_question("dev-a", roster=nobody, high_risk=True, proved=["dev-a"]), "dev-b", "qa-a")
    assert enough(a_question("dev-a", roster=nobody), "dev-b", "qa-a")


COPY = a_principal("dev-b2", "dev-b")
EXCLUDED = [
    ("the author", "dev-a", "contributed"),
    ("a copy of the author's role", "dev-a2", "copies of one role are one"),
    ("a service", "lander", "services do not review"),
    ("one who has retired", "qa-b", "is retired"),
]


@pytest.mark.parametrize(("who", "why"), [row[1:] for row in EXCLUDED], ids=[row[0] for row in EXCLUDED])
def test_who_may_not_count_is_told_why(who: str, why: str) -> None:
    roster = a_roster(
        a_principal("dev-a2", "dev-a"),
        a_principal("qa-b", retired=True),
        replace(a_principal("lander", "docs"), kind=Kind.SERVICE),
    )
    principal = roster.get(who)
    assert principal is not None

    assert why in excluded_because(principal, by("dev-a"), roster, profile=Profile.SOLO)
    assert not excluded_because(a_principal("dev-b"), by("dev-a"), roster, profile=Profile.SOLO)


def test_people_of_one_role_are_two_and_copies_of_an_agent_are_one() -> None:
    kim, mia = a_principal("kim", "human"), a_principal("mia", "human")

    assert independent(kim, mia, profile=Profile.SOLO)
    assert not excluded_because(kim, by("mia"), a_roster(kim), profile=Profile.SOLO)
    assert not independent(a_principal("dev-b"), COPY, profile=Profile.SOLO)
    assert not independent(COPY, COPY, profile=Profile.SOLO)
    assert enough(a_question("owner", roster=a_roster(COPY)), "mia", "dev-b", "dev-b2") is False


OPERATORS = [
    ("each run by another person", {"dev-a": "kim", "dev-b": "mia", "qa-a": "owner"}, True),
    ("two approvers run by one", {"dev-a": "kim", "dev-b": "mia", "qa-a": "mia"}, False),
    ("A-25 an approver run by the author's operator", {"dev-a": "kim", "dev-b": "kim", "qa-a": "mia"}, False),
    ("all run by one", {"dev-a": "kim", "dev-b": "kim", "qa-a": "kim"}, False),
]


@pytest.mark.parametrize(("run_by", "complete"), [row[1:] for row in OPERATORS], ids=[row[0] for row in OPERATORS])
def test_in_a_team_operators_must_differ_and_alone_they_need_not(
    run_by: dict[str, str],
    complete: bool,  # noqa: FBT001 - a row
) -> None:
    agents = (a_principal(name, operator=operator) for name, operator in run_by.items())
    roster = a_roster(a_principal("kim", "human"), *agents)

    assert enough(a_question("dev-a", roster=roster, policy=a_team_policy()), "dev-b", "qa-a") is complete
    assert enough(a_question("dev-a", roster=roster), "dev-b", "qa-a")


def test_in_a_team_a_person_cannot_approve_what_their_own_agent_wrote() -> None:
    roster = a_roster(
        a_principal("dev-a", operator="mia"), a_principal("qa-a", operator="kim"), a_principal("kim", "human")
    )
    question = a_question("dev-a", roster=roster, policy=a_team_policy())

    assert not enough(question, "mia", "qa-a")
    assert enough(question, "owner", "qa-a")
    assert not enough(question, "kim", "qa-a")


def test_contributors_are_everyone_whose_name_is_on_it() -> None:
    facts = a_push(
        pusher="librarian",
        commits=(
            a_commit("1", author="dev-a", signer="dev-b", committer=a_person("qa-a")),
            a_commit(author="docs", co_authors=(a_person("planner-a"), a_person("eve@example.org"))),
        ),
    )
    found = contributors(facts, ("architect-a", "ghost"), a_roster())

    wrote = {"librarian", "dev-a", "dev-b", "qa-a", "docs", "planner-a", "architect-a", "ghost"}
    assert found.names == wrote
    assert found.unknown == ("<eve@example.org>", "ghost")
    assert found.proved == {"librarian"}


def test_a_signer_is_proved_only_where_they_signed_every_commit() -> None:
    all_his = a_push(commits=(a_commit("1", author="owner"), a_commit(author="owner")))
    one_his = a_push(commits=(a_commit("1", author="owner"), a_commit(author="dev-b")))

    assert contributors(all_his, (), a_roster()).proved == {"owner", "dev-a"}
    assert contributors(one_his, (), a_roster()).proved == {"dev-a"}
    assert contributors(a_push(pusher=""), (), a_roster(without=["dev-a"])).unknown == ("dev-a",)


def test_a_place_names_who_could_fill_it_and_never_who_could_not() -> None:
    first, second = seatings(a_question("dev-a", policy=WITHOUT_PEOPLE), ["dev-b"])[0].places

    assert (first.filled_by, second.filled_by) == ("dev-b", "")
    assert second.candidates == ("qa-a", "qa-b")


principals = st.builds(
    lambda number, role, operator, retired: a_principal(f"p{number}", role, operator=operator, retired=retired),
    st.integers(0, 30),
    st.sampled_from([*AGENTS, "human", "owner"]),
    st.sampled_from(["h1", "h2", "h3"]),
    st.sampled_from([False, False, False, True]),
)
rosters = st.lists(principals, min_size=2, max_size=14).map(lambda made: Roster({p.name: p for p in made}))
policies = st.sampled_from([a_policy(), a_team_policy(), WITHOUT_PEOPLE])


@st.composite
def situations(draw: st.DrawFn) -> tuple[Question, list[str], list[str]]:
    roster = draw(rosters)
    names = sorted(roster.principals)
    authors = draw(st.lists(st.sampled_from(names), min_size=1, max_size=3))
    proved = draw(st.lists(st.sampled_from(authors), max_size=1))
    question = a_question(*authors, roster=roster, policy=draw(policies), high_risk=draw(st.booleans()), proved=proved)
    given = draw(st.lists(st.sampled_from([*names, "ghost"]), max_size=8, unique=True))
    return question, given, draw(st.lists(st.sampled_from(names), max_size=4))


@given(situations())
def test_whatever_is_given_no_seating_holds_two_who_are_one(situation: tuple[Question, list[str], list[str]]) -> None:
    question, given, _ = situation
    team = question.policy.profile is Profile.TEAM
    for seating in seatings(question, given):
        seated = [question.roster.principals[place.filled_by] for place in seating.places if place.filled_by]
        assert {p.name for p in seated} <= set(given) - question.authors.names
        assert len({p.name for p in seated}) == len(seated)
        assert not any(p.retired for p in seated)
        agents = [p.role for p in seated if p.kind is Kind.AGENT]
        authors = [question.roster.principals[name] for name in question.authors.names]
        if team:
            operators = [p.operator for p in seated]
            assert len(set(operators)) == len(operators)
            assert not set(operators) & {p.operator for p in authors}
        else:
            assert len(set(agents)) == len(agents)
            assert not set(agents) & {p.role for p in authors}
        if seating.complete:
            assert len(seated) >= 2
            lone = not question.wants_human()
            assert lone or any(p.kind is Kind.HUMAN for p in seated)


@given(situations())
def test_more_approvals_never_make_a_complete_seating_incomplete(
    situation: tuple[Question, list[str], list[str]],
) -> None:
    question, given, more = situation
    for row in question.rows():
        if seat(question, row, given).complete:
            assert seat(question, row, [*given, *more]).complete


@given(situations())
def test_approvals_of_everyone_whom_a_place_names_complete_it_unless_nobody_can(
    situation: tuple[Question, list[str], list[str]],
) -> None:
    """Whom a refusal sends one to must be able to help."""
    question, given, _ = situation
    for row in question.rows():
        seating = seat(question, row, given)
        open_ = [place for place in seating.places if not place.filled_by]
        for name in {name for place in open_ for name in place.candidates} - set(given):
            assert seat(question, row, [*given, name]).filled > seating.filled or row.first_together


def test_a_large_fleet_is_seated_without_trying_every_way() -> None:
    """Three places of hundreds each have millions of fillings; one that is as good as can be is enough."""
    roles = ("dev-a", "dev-b", "qa-a", "qa-b", "architect-a")
    many = [a_principal(f"{role}{number}", role) for role in roles for number in range(200)]
    question = a_question("owner", roster=a_roster(*many, without=["mia"]), proved=["owner"])

    assert enough(question, "dev-a7", "qa-b9", "architect-a199")
    assert not enough(question, "dev-a7", "dev-b9", "architect-a199")


def test_fewer_than_two_places_are_never_enough() -> None:
    one = Seating((Place("mia", ("mia",)),), needs_human=False)

    assert one.filled == len(one.places)
    assert not one.complete
    assert not Seating((), needs_human=False).complete
    assert Seating((*one.places, Place("owner", ())), needs_human=False).complete


# Newcomers, model families, and a third approver.
def asked(*given: str, newcomers: Iterable[str] = (), third: bool = False, policy: object = None) -> Seating:
    question = replace(a_question("dev-a", policy=policy), newcomers=frozenset(newcomers), third=third)
    return seat(question, question.rows()[0], given)


def test_b12_newcomers_count_only_beside_somebody_who_is_none() -> None:
    both = asked("dev-b", "qa-a", newcomers=("dev-b", "qa-a"))
    assert (both.complete, both.only_newcomers) == (False, True)
    assert asked("dev-b", "qa-a", newcomers=("dev-b",)).complete
    assert asked("dev-b", "qa-a", newcomers=("dev-a",)).complete
    assert asked("dev-b", "qa-a", "qa-b", newcomers=("dev-b", "qa-a")).complete


def of_family(**families: str) -> Roster:
    return a_roster(*(a_principal(name.replace("_", "-"), model_family=family) for name, family in families.items()))


FAMILIES = [
    ("all known, all different", {"dev_a": "x", "dev_b": "y", "qa_a": "z"}, True),
    ("the approvers of one", {"dev_a": "x", "dev_b": "y", "qa_a": "y"}, False),
    ("an approver of the author's", {"dev_a": "x", "dev_b": "x", "qa_a": "z"}, False),
    ("an approver of none that is known", {"dev_a": "x", "dev_b": "y"}, False),
    ("nothing known", {}, False),
]


@pytest.mark.parametrize(("families", "good"), [row[1:] for row in FAMILIES], ids=[row[0] for row in FAMILIES])
def test_d11_two_agents_of_one_model_family_are_one_where_the_policy_says_so(
    families: dict[str, str],
    good: bool,  # noqa: FBT001 - a table
) -> None:
    shipped = a_policy()
    approval = replace(shipped.controls.approval, distinct_families=True)
    policy = a_policy(controls=replace(shipped.controls, approval=approval))
    roster = of_family(**families)
    assert enough(a_question("dev-a", roster=roster, policy=policy), "dev-b", "qa-a") == good
    assert enough(a_question("dev-a", roster=roster), "dev-b", "qa-a")
    assert enough(a_question("dev-a", roster=roster, policy=policy), "mia", "owner")


def test_a_finding_asks_for_one_more_who_is_independent_of_both() -> None:
    assert not asked("dev-b", "qa-a", third=True).complete
    assert asked("dev-b", "qa-a", "docs", third=True).complete
    assert not asked("dev-b", "qa-a", "dev-a", third=True).complete
    places = asked("dev-b", "qa-a", third=True).places
    assert (len(places), places[2].filled_by) == (3, "")
    assert "docs" in places[2].candidates
