from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from builders import (
    A_LANDER,
    LATER,
    MAIN,
    NEW,
    NOW,
    OLD,
    TOPIC,
    ZERO,
    a_change,
    a_commit,
    a_deletion,
    a_person,
    a_policy,
    a_principal,
    a_push,
    a_review,
    a_roster,
    a_sign_off,
    a_standing,
    a_team_policy,
    oid,
)
from governance.controls.four_eyes import FourEyes, need
from governance.facts import CarriedFacts, Content, diff_digest
from governance.policy import LANDER, LONGEST_PATH, CarryOver, Kind, Profile

if TYPE_CHECKING:
    from governance.facts import UpdateFacts
    from governance.standing import ChangeStanding, Roster, SignOff
    from governance.verdict import Verdict

BIG = a_push([a_change(lines=51)])
RISKY = a_push([a_change("src/auth/login.py", lines=1)])
RELEASE = "refs/heads/release/1"


def asked(facts: UpdateFacts, change: ChangeStanding | None = None, **standing: object) -> Verdict:
    known = a_standing(change=change, **standing)
    return FourEyes.of(known.policy).evaluate(facts, known)


def files(count: int) -> list[object]:
    return [a_change(f"src/{number}.py", 1) for number in range(count)]


BELOW = [
    ("exactly fifty lines", a_push([a_change(lines=50)])),
    ("exactly three files", a_push(files(3))),
    ("fifty wide lines", a_push([a_change(lines=50, size=80 * 50)])),
    ("a path that only contains a risky word", a_push([a_change("src/authors.py")])),
    ("a new plain file", a_push([a_change(old_mode="000000", old=ZERO)])),
    ("a file deleted", a_push([a_change(new_mode="000000", new=ZERO)])),
    ("an executable deleted", a_push([a_change(old_mode="100755", new_mode="000000", new=ZERO)])),
    ("an executable that stays one", a_push([a_change(old_mode="100755", new_mode="100755")])),
    ("a merge that adds nothing of its own", a_push(commits=(a_commit(changes=(), parents=(oid("a"), oid("b"))),))),
]

ABOVE = [
    ("fifty-one lines", BIG, "51 changed lines, more than 50"),
    ("four files", a_push(files(4)), "4 files, more than 3"),
    ("fifty lines that are wide", a_push([a_change(lines=50, size=80 * 50 + 1)]), "51 changed lines"),
    ("one endless line", a_push([a_change(lines=1, size=1_000_000)]), "12500 changed lines"),
    ("added, then taken away again",
     a_push([], commits=(a_commit("add", changes=(a_change(lines=26),)), a_commit(changes=(a_change(lines=26),)))),
     "52 changed lines"),
    ("touched on the way and not in the end",
     a_push([], commits=tuple(a_commit(str(n), changes=(a_change(f"{n}.py", 1),)) for n in range(4))), "4 files"),
    ("a high-risk path", RISKY, "src/auth/login.py is high-risk"),
    ("a high-risk path in another case", a_push([a_change("SRC/Auth/login.py")]), "is high-risk"),
    ("a high-risk path with an invisible letter", a_push([a_change("src/au\u200bth/x")]), "is high-risk"),
    ("a high-risk path touched only on the way",
     a_push(commits=(a_commit("x", changes=(a_change("hooks/run"),)), a_commit())), "hooks/run is high-risk"),
    ("a high-risk file deleted", a_push([a_change(".github/ci.yml", new_mode="000000", new=ZERO)]), "is high-risk"),
    ("a path too long for anyone to read", a_push([a_change("x" * (LONGEST_PATH + 1))]), "is high-risk"),
    ("a binary file", a_push([a_change("rose.png", 0, content=Content.BINARY)]), "rose.png is a binary"),
    ("a symbolic link", a_push([a_change("l", 0, new_mode="120000", content=Content.SYMLINK)]), "l is a symlink"),
    ("a submodule", a_push([a_change("m", 0, new_mode="160000", content=Content.SUBMODULE)]), "m is a submodule"),
    ("a large file pointer", a_push([a_change("b", 3, content=Content.LFS)]), "b is a lfs"),
    ("a file made executable", a_push([a_change("run", 0, new_mode="100755")]), "run has mode 100755"),
    ("a new executable", a_push([a_change("run", old_mode="000000", new_mode="100755")]), "run has mode 100755"),
    ("a merge that git cannot redo", a_push(commits=(a_commit(measured=False),)), "automatic one"),
    ("several merge bases", a_push(bases=(oid("one"), oid("two"))), "several merge bases"),
    ("a protected branch begins", a_push(ref=RELEASE, old=ZERO), "creates the protected refs/heads/release/1"),
]  # fmt: skip


@pytest.mark.parametrize("facts", [row[1] for row in BELOW], ids=[row[0] for row in BELOW])
def test_below_the_threshold_one_lands_alone(facts: UpdateFacts) -> None:
    verdict = asked(facts)

    assert (verdict.reason, verdict.objects) == ("four_eyes.below_threshold", False)


@pytest.mark.parametrize(("lines", "said"), [(1, "1 changed line in 1 file"), (2, "2 changed lines in 1 file")])
def test_how_little_it_is_is_said(lines: int, said: str) -> None:
    assert asked(a_push([a_change(lines=lines)])).message == f"{said}: below the threshold"


@pytest.mark.parametrize(("facts", "why"), [row[1:] for row in ABOVE], ids=[row[0] for row in ABOVE])
def test_above_it_nobody_does_and_the_reason_is_said(facts: UpdateFacts, why: str) -> None:
    verdict = asked(facts)

    assert (verdict.reason, verdict.objects) == ("four_eyes.no_change", True)
    assert why in verdict.message
    assert facts.ref.replace("refs/heads/", "HEAD:refs/for/") in verdict.mend[0]
    assert any("refs/heads/topic/" in step for step in verdict.mend) == (facts.ref == MAIN)


ELSEWHERE = [
    ("a release branch begins", a_push(ref=RELEASE, old=ZERO), "creates the protected"),
    ("a release branch moves by much", a_push([a_change(lines=51)], ref=RELEASE), "51 changed lines"),
]


@pytest.mark.parametrize(("facts", "why"), [row[1:] for row in ELSEWHERE], ids=[row[0] for row in ELSEWHERE])
def test_who_pushes_to_a_protected_ref_that_is_not_the_target_is_told_how_to_have_it_reviewed_for_that(
    facts: UpdateFacts, why: str
) -> None:
    verdict = asked(facts)

    assert verdict.reason == "four_eyes.no_change"
    assert why in verdict.message
    assert "HEAD:refs/for/release/" in verdict.mend[0]
    assert not any("topic" in step for step in verdict.mend)  # A topic is reviewed for the target branch.


def test_a_protected_ref_that_begins_where_everything_has_landed_needs_nobody() -> None:
    landed = a_push([], commits=(), ref=RELEASE, old=ZERO, landed=True)
    verdict = asked(landed)

    assert (verdict.reason, verdict.objects) == ("four_eyes.all_landed", False)
    assert f"landed on {MAIN}" in verdict.message


NOT_ALL_LANDED = [
    ("it begins with what has not landed", a_push(ref=RELEASE, old=ZERO, landed=False), "four_eyes.no_change"),
    ("it stands already, and what moves it is large", a_push([a_change(lines=51)], ref=RELEASE, landed=True),
     "four_eyes.no_change"),
    ("it is a topic", a_push([], commits=(), ref=TOPIC, old=ZERO, landed=True), "four_eyes.not_applicable"),
]  # fmt: skip


@pytest.mark.parametrize(("facts", "reason"), [row[1:] for row in NOT_ALL_LANDED], ids=[r[0] for r in NOT_ALL_LANDED])
def test_all_has_landed_only_where_a_protected_ref_begins_with_it(facts: UpdateFacts, reason: str) -> None:
    assert asked(facts).reason == reason


@pytest.mark.parametrize("facts", [a_push(ref=TOPIC), a_deletion(TOPIC), a_deletion(MAIN)])
def test_it_is_asked_only_where_something_lands_on_a_protected_ref(facts: UpdateFacts) -> None:
    assert asked(facts).reason == "four_eyes.not_applicable"


def test_a_small_new_topic_is_not_said_to_need_four_eyes() -> None:
    assert need(a_push(ref=TOPIC, old=ZERO), a_policy()).reasons == ()


def test_a_message_names_three_risky_paths_and_counts_the_rest() -> None:
    verdict = asked(a_push([a_change(f"hooks/{n}") for n in range(5)]))

    assert verdict.message.count("is high-risk") == 3
    assert "and 2 more of that kind" in verdict.message


def test_two_independent_sign_offs_of_exactly_this_let_it_land() -> None:
    verdict = asked(BIG, a_review(BIG, "dev-b", "qa-a"))

    assert (verdict.reason, verdict.objects) == ("four_eyes.signed_off", False)
    assert verdict.message == "change 7 signed off by dev-b and qa-a (row dev-a, dev-b)"


# Each row changes one thing of the approval by qa-a that the test above accepts.
FAULTS = [
    ("withdrawn", {"withdrawn": True}, "withdrawn"),
    ("used by a landing", {"spent": True}, "already used by a landing"),
    ("expired at this very millisecond", {"expires_at": NOW}, "expired"),
    ("expired long ago", {"expires_at": 0}, "expired"),
    ("A-10 given in another repository", {"repository": "orchard"}, "given for something else"),
    ("A-03 given for another target", {"target": RELEASE}, "given for something else"),
    ("A-01 given for the head before this", {"head": oid("before")}, "given for something else"),
    ("A-07 given on another base", {"base": oid("older")}, "given for something else"),
    ("given for another tree", {"tree": oid("another tree")}, "given for something else"),
    ("A-08 given for another difference", {"diff_digest": "0" * 64}, "given for something else"),
    ("A-36 given under another policy", {"policy_digest": "0" * 64}, "given under another policy"),
    ("signed with a key that was revoked since", {"key_revoked": True}, "key that was revoked"),
    ("given by nobody we know", {"principal": "ghost"}, "not enrolled"),
    ("A-24 given by the author", {"principal": "dev-a"}, "dev-a contributed to the change"),
    ("A-18 another case of a name", {"principal": "QA-A"}, "not enrolled"),
    ("A-23 given by a service", {"principal": "lander"}, "services do not review"),
    ("given by one who has retired", {"principal": "qa-b"}, "qa-b is retired"),
    ("A-25 given by a copy of the author's role", {"principal": "dev-a2"}, "copies of one role are one"),
]


@pytest.mark.parametrize(("changed", "why"), [row[1:] for row in FAULTS], ids=[row[0] for row in FAULTS])
def test_a_sign_off_that_differs_in_one_thing_is_set_aside(changed: dict[str, object], why: str) -> None:
    people = a_roster(
        replace(a_principal("lander", "docs"), kind=Kind.SERVICE),
        a_principal("qa-b", retired=True),
        a_principal("dev-a2", "dev-a"),
    )
    given = a_review(BIG, "dev-b", a_sign_off("qa-a", BIG, **changed))
    verdict = asked(BIG, given, roster=people)

    assert (verdict.reason, verdict.objects) == ("four_eyes.missing_sign_offs", True)
    assert any(step.startswith("Set aside: ") and why in step for step in verdict.mend)
    assert "qa-a" in verdict.helpers or changed.get("principal") != "qa-a"
    assert not asked(BIG, a_review(BIG, "dev-b", "qa-a"), roster=people).objects


def test_a_sign_off_lives_until_the_millisecond_before_it_expires() -> None:
    given = a_review(BIG, "dev-b", a_sign_off("qa-a", BIG, expires_at=NOW + 1))

    assert not asked(BIG, given).objects
    assert asked(a_push([a_change(lines=51)], received_at=LATER), a_review(BIG, "dev-b", "qa-a")).objects


def test_one_who_approves_twice_is_one() -> None:
    twice = a_review(BIG, a_sign_off("qa-a", BIG, seq=10), a_sign_off("qa-a", BIG, seq=11))

    assert asked(BIG, twice).reason == "four_eyes.missing_sign_offs"


def test_a_rejection_outweighs_any_number_of_approvals() -> None:
    against = a_sign_off("architect-a", BIG, approves=False)
    verdict = asked(BIG, a_review(BIG, "dev-b", "qa-a", against))

    assert (verdict.reason, verdict.helpers) == ("four_eyes.rejected", ("architect-a",))


# A rejection is of what the change does. Each row changes one thing that would set an approval aside.
STILL_REJECTED = [
    ("of another head, as after an amended message", {"head": oid("before")}),
    ("of another base, as after a rebase", {"base": oid("older")}),
    ("of another tree, as after a rebase", {"tree": oid("another tree")}),
    ("under another policy", {"policy_digest": "0" * 64}),
    ("that has expired", {"expires_at": 0}),
    ("that a landing has used", {"spent": True}),
    ("signed with a key that was revoked since", {"key_revoked": True}),
    ("by one who contributed", {"principal": "dev-a"}),
    ("by one who has retired", {"principal": "docs"}),
    ("by a service", {"principal": "lander"}),
]


@pytest.mark.parametrize("changed", [row[1] for row in STILL_REJECTED], ids=[row[0] for row in STILL_REJECTED])
def test_a_rejection_of_this_difference_counts_whatever_else_is_another(changed: dict[str, object]) -> None:
    people = a_roster(replace(a_principal("lander", "docs"), kind=Kind.SERVICE), a_principal("docs", retired=True))
    against = a_sign_off("architect-a", BIG, **{"approves": False} | changed)
    verdict = asked(BIG, a_review(BIG, "dev-b", "qa-a", against), roster=people)

    assert (verdict.reason, verdict.helpers) == ("four_eyes.rejected", (against.principal,))


def test_a_rejection_under_another_number_counts_for_the_same_difference() -> None:
    against = a_sign_off("architect-a", BIG, approves=False)

    for number in (7, 8):
        assert asked(BIG, a_review(BIG, "dev-b", "qa-a", against, number=number)).reason == "four_eyes.rejected"


REJECTED_SOMETHING_ELSE = [
    ("withdrawn", {"withdrawn": True}),
    ("set aside by a decision", {"settled": 12}),
    ("of another repository", {"repository": "orchard"}),
    ("of another target", {"target": RELEASE}),
    ("of another difference", {"diff_digest": "0" * 64}),
    ("by nobody we know", {"principal": "ghost"}),
]


@pytest.mark.parametrize(
    "changed", [row[1] for row in REJECTED_SOMETHING_ELSE], ids=[row[0] for row in REJECTED_SOMETHING_ELSE]
)
def test_a_rejection_that_does_not_count_stops_nothing(changed: dict[str, object]) -> None:
    against = a_sign_off("architect-a", BIG, **{"approves": False} | changed)

    assert not asked(BIG, a_review(BIG, "dev-b", "qa-a", against)).objects


def test_a_yes_beside_a_no_that_was_set_aside_names_the_decision() -> None:
    against = a_sign_off("architect-a", BIG, approves=False, settled=12)

    verdict = asked(BIG, a_review(BIG, "dev-b", "qa-a", against))
    assert verdict.reason == "four_eyes.signed_off"
    assert "set aside by the decision of entry 12" in verdict.message
    alone = asked(BIG, a_review(BIG, "dev-b", against))
    assert alone.reason == "four_eyes.missing_sign_offs"


# What the lander would land: its merge of NEW, which was signed off before the target moved from BASE to OLD.
BASE, MERGE = oid("base"), oid("merge")
NET = (a_change(lines=51, old=oid("then")),)
MERGED = a_commit("merge", author=LANDER, parents=(OLD, NEW), changes=())
LANDING = replace(
    a_push(NET, commits=(MERGED, a_commit(changes=NET, parents=(BASE,))), new=MERGE, pusher=LANDER),
    carried=CarriedFacts(7, NEW, BASE, oid("new tree"), NET, ("elsewhere",)),
)
LANDING = replace(LANDING, push=replace(LANDING.push, transport=LANDER))
OF_THE_HEAD = {"head": NEW, "base": BASE, "tree": oid("new tree")}
KNOWN = a_roster(A_LANDER)


def landed(*answers: SignOff, facts: UpdateFacts = LANDING) -> Verdict:
    return asked(facts, a_review(facts, *answers), roster=KNOWN)


def yes(*people: str) -> list[SignOff]:
    return [a_sign_off(name, LANDING, **OF_THE_HEAD) for name in people]


def test_sign_offs_of_the_head_carry_over_to_the_landers_merge_of_it() -> None:
    assert landed(*yes("dev-b", "qa-a")).reason == "four_eyes.signed_off"


CARRIED_NOT = [
    ("pushed by anybody", replace(LANDING, push=replace(LANDING.push, transport="http"))),
    ("both sides changed a path", replace(LANDING, carried=replace(LANDING.carried, theirs=("src/app.py",)))),
    ("another head is carried", replace(LANDING, carried=replace(LANDING.carried, head=oid("other")))),
    ("the head had another tree", replace(LANDING, carried=replace(LANDING.carried, tree=oid("other")))),
    ("the head had another base", replace(LANDING, carried=replace(LANDING.carried, base=oid("other")))),
    ("the merge does something else", replace(LANDING, net=(a_change("elsewhere.py", 51),))),
    ("the merge is somebody's own", replace(LANDING, commits=(replace(MERGED, changes=NET), LANDING.commits[1]))),
]


@pytest.mark.parametrize("facts", [row[1] for row in CARRIED_NOT], ids=[row[0] for row in CARRIED_NOT])
def test_they_do_not_where(facts: UpdateFacts) -> None:
    assert landed(*yes("dev-b", "qa-a"), facts=facts).objects


@pytest.mark.parametrize("of", ["what was signed off", "what the merge does"])
def test_a_rejection_stops_the_lander_whichever_side_it_was_given_of(of: str) -> None:
    policy = a_policy(four_eyes={"carry_over": CarryOver.ANY})
    facts = replace(LANDING, net=(a_change("src/app.py", 51, old=oid("now")),))
    digest = diff_digest(NET) if of == "what was signed off" else facts.diff_digest
    against = a_sign_off("architect-a", facts, approves=False, diff_digest=digest)
    for answers, reason in (((), "signed_off"), ((against,), "rejected")):
        review = a_review(facts, *yes("dev-b", "qa-a"), *answers)
        assert asked(facts, review, roster=KNOWN, policy=policy).reason == f"four_eyes.{reason}"


CONTRIBUTED = [
    ("A-19 wrote an earlier commit", a_push([a_change(lines=51)], commits=(a_commit("1", author="qa-a"), a_commit()))),
    ("A-20 is only the committer", a_push([a_change(lines=51)], commits=(a_commit(committer=a_person("qa-a")),))),
    ("is a co-author", a_push([a_change(lines=51)], commits=(a_commit(co_authors=(a_person("qa-a"),)),))),
    ("signed for the author", a_push([a_change(lines=51)], commits=(a_commit(signer="qa-a"),))),
    ("pushes the landing", a_push([a_change(lines=51)], pusher="qa-a")),
]  # fmt: skip


@pytest.mark.parametrize("facts", [row[1] for row in CONTRIBUTED], ids=[row[0] for row in CONTRIBUTED])
def test_nobody_with_a_hand_in_it_counts(facts: UpdateFacts) -> None:
    verdict = asked(facts, a_review(facts, "dev-b", "qa-a"))

    assert verdict.reason == "four_eyes.missing_sign_offs"
    assert any("qa-a contributed to the change" in step for step in verdict.mend)


def test_nobody_with_a_hand_in_an_earlier_patch_set_counts() -> None:
    verdict = asked(BIG, a_review(BIG, "dev-b", "qa-a", contributors=("dev-a", "qa-a")))

    assert verdict.reason == "four_eyes.missing_sign_offs"


UNKNOWN = [
    ("A-21 a co-author nobody knows", a_push([a_change(lines=51)],
     commits=(a_commit(co_authors=(a_person("eve@example.org"),)),)), ("dev-a",), "<eve@example.org>"),
    ("a committer nobody knows", a_push([a_change(lines=51)],
     commits=(a_commit(committer=a_person("ci@example.org")),)), ("dev-a",), "<ci@example.org>"),
    ("a stranger in an earlier patch set", BIG, ("dev-a", "<eve@example.org>"), "<eve@example.org>"),
    ("a pusher the roster does not know", a_push([a_change(lines=51)], pusher="ghost"), ("dev-a",), "ghost"),
]  # fmt: skip


@pytest.mark.parametrize(("facts", "earlier", "who"), [row[1:] for row in UNKNOWN], ids=[row[0] for row in UNKNOWN])
def test_where_a_contributor_is_unknown_nobody_can_be_independent(
    facts: UpdateFacts, earlier: tuple[str, ...], who: str
) -> None:
    verdict = asked(facts, a_review(facts, "dev-b", "qa-a", contributors=earlier))

    assert verdict.reason == "four_eyes.unknown_contributor"
    assert who in verdict.message


def test_a_high_risk_change_waits_for_a_person() -> None:
    agents, person = a_review(RISKY, "dev-b", "qa-a"), a_review(RISKY, "dev-b", "mia")
    refused = asked(RISKY, agents)

    assert refused.reason == "four_eyes.missing_sign_offs"
    assert "one of them a person" in refused.message
    assert refused.helpers == ("mia", "owner")
    assert asked(RISKY, person).reason == "four_eyes.signed_off"


def test_people_alone_are_named_only_where_the_last_place_needs_one() -> None:
    nobody, agent, person = (asked(RISKY, a_review(RISKY, *given)) for given in ((), ("dev-b",), ("mia",)))

    assert {"dev-b", "qa-a", "mia", "owner"} <= set(nobody.helpers)
    assert agent.helpers == ("mia", "owner")
    assert {"qa-a", "owner"} <= set(person.helpers)
    assert "mia" not in person.helpers
    assert {"qa-a", "owner"} <= set(asked(BIG, a_review(BIG, "dev-b")).helpers)


def test_agents_cannot_name_the_only_person_as_co_author_to_be_rid_of_them() -> None:
    alone = a_roster(without=["mia"])
    named = a_push([a_change("src/auth/x")], commits=(a_commit(co_authors=(a_person("owner"),)),))
    committer = a_push([a_change("src/auth/x")], commits=(a_commit(committer=a_person("owner")),))
    beside = a_push([a_change("src/auth/x")], commits=(a_commit("harmless", author="owner"), a_commit()))

    for facts in (named, committer, beside):
        row = a_review(facts, "dev-b", "qa-a", "architect-a", "librarian")
        assert asked(facts, row, roster=alone).reason == "four_eyes.missing_sign_offs"


def test_what_the_only_person_wrote_two_agents_may_let_land() -> None:
    alone = a_roster(without=["mia"])
    own = a_push([a_change("src/auth/x")], commits=(a_commit(author="owner"),), pusher="owner")
    given = a_review(own, "dev-a", "qa-a", "architect-a", contributors=("owner",))

    assert asked(own, given, roster=alone).reason == "four_eyes.signed_off"
    assert asked(own, a_review(own, "dev-a", contributors=("owner",)), roster=alone).objects
    team = a_team_policy()
    assert team.profile is Profile.TEAM
    assert asked(own, given, roster=alone, policy=team).objects


def test_in_a_team_one_operator_is_one_however_many_agents_sign() -> None:
    team = a_team_policy()
    mine = a_roster(a_principal("dev-a", operator="mia"))
    theirs = a_roster(
        a_principal("dev-a", operator="mia"), a_principal("qa-a", operator="kim"), a_principal("kim", "human")
    )

    def answer(roster: Roster) -> Verdict:
        return asked(BIG, a_review(BIG, "dev-b", "qa-a"), policy=team, roster=roster)

    assert answer(mine).reason == "four_eyes.missing_sign_offs"
    assert answer(theirs).reason == "four_eyes.signed_off"


def test_a_refusal_says_how_many_are_there_and_whom_to_ask() -> None:
    verdict = asked(BIG, a_review(BIG, "dev-b"))

    assert "1 given by dev-b" in verdict.message
    assert {"qa-a", "qa-b", "owner"} <= set(verdict.helpers)
    assert "dev-a" not in verdict.helpers
    assert verdict.mend[-1] == "twinseal sign-off 7 --approve --repo garden"


def test_a_change_without_any_sign_off_is_refused() -> None:
    assert "0 given" in asked(BIG, a_review(BIG)).message


def test_a_change_by_two_roles_needs_what_each_of_them_needs() -> None:
    both = a_push([a_change(lines=51)], commits=(a_commit("1", author="docs"), a_commit()))

    assert asked(both, a_review(both, "dev-b", "qa-a")).reason == "four_eyes.missing_sign_offs"
    assert asked(both, a_review(both, "dev-b", "qa-a", "librarian")).reason == "four_eyes.signed_off"


def test_two_newcomers_are_told_who_could_help() -> None:
    verdict = asked(BIG, a_review(BIG, "dev-b", "qa-a"), newcomers=frozenset({"dev-b", "qa-a"}))
    assert verdict.reason == "four_eyes.missing_sign_offs"
    assert "one of them no newcomer" in verdict.message
    assert not {"dev-b", "qa-a"} & set(verdict.helpers)


def test_a_finding_asks_for_three_and_says_why() -> None:
    third = ("finding 12: dev-a and dev-b approve each other",)
    verdict = asked(BIG, a_review(BIG, "dev-b", "qa-a"), third=third)
    assert verdict.reason == "four_eyes.missing_sign_offs"
    assert "three approvers, as finding 12" in verdict.message
    assert asked(BIG, a_review(BIG, "dev-b", "qa-a", "docs"), third=third).reason == "four_eyes.signed_off"


def test_the_row_that_decided_is_named() -> None:
    docs = a_push([a_change(lines=51)], pusher="docs", commits=(a_commit(author="docs"),))
    verdict = asked(docs, a_review(docs, "librarian", "qa-a", contributors=("docs",)))
    assert verdict.message == "change 7 signed off by librarian and qa-a (row docs)"
