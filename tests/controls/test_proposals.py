from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from builders import MAIN, NEW, TOPIC, ZERO, a_context, a_policy, a_push, a_standing, oid
from governance.controls.proposals import Proposals
from governance.standing import ChangeStanding

if TYPE_CHECKING:
    from governance.facts import UpdateFacts
    from governance.standing import Standing
    from governance.verdict import Verdict

FOR_MAIN, FOR_RELEASE = "refs/for/main", "refs/for/release/1"
MINE = ChangeStanding(7, 2, FOR_MAIN, MAIN, oid("before"), ("dev-a",))
NAMED = "twinseal.change=7"


def proposed(*options: str, ref: str = FOR_MAIN, refs: tuple[str, ...] = (), by: str = "dev-a") -> UpdateFacts:
    push = a_context(refs=refs or (ref,), options=options, pusher=by)
    return replace(a_push(ref=ref, old=ZERO), push=push)


def standing(change: ChangeStanding | None = None, here: ChangeStanding | None = None) -> Standing:
    return a_standing(landed="", proposed=change, change=here)


def asked(facts: UpdateFacts, given: Standing) -> Verdict:
    return Proposals.of(a_policy()).evaluate(facts, given)


GOOD = [
    ("a change is opened", proposed(), standing(), "opens"),
    ("somebody else's option is not read", proposed("ci.skip"), standing(), "opens"),
    ("a patch set is added", proposed(NAMED), standing(MINE), "adds"),
    ("a lease is named that is not asked for", proposed(NAMED, "twinseal.lock=41"), standing(MINE), "adds"),
    ("to a change of a release branch", proposed(NAMED, ref=FOR_RELEASE),
     standing(replace(MINE, ref=FOR_RELEASE, target="refs/heads/release/1")), "adds"),
    ("a topic beside what is proposed", proposed(NAMED, ref=TOPIC, refs=(TOPIC, FOR_MAIN)), standing(),
     "not_applicable"),
    ("a topic", proposed(ref=TOPIC), standing(), "not_applicable"),
    ("a landing", a_push(), a_standing(), "not_applicable"),
]  # fmt: skip

BAD = [
    ("an option that names an identity", proposed("twinseal.principal=owner"), standing(), "option"),
    ("an option of ours in capitals", proposed("TWINSEAL.change=7"), standing(MINE), "option"),
    ("our option without its prefix", proposed("change=7"), standing(MINE), "option"),
    ("a lease without its prefix", proposed("lock=41"), standing(), "option"),
    ("a lease that is no number", proposed("twinseal.lock=mine"), standing(), "option"),
    ("a lease that begins with 0", proposed("twinseal.lock=041"), standing(), "option"),
    ("two leases", proposed("twinseal.lock=41", "twinseal.lock=42"), standing(), "option"),
    ("two changes", proposed(NAMED, "twinseal.change=8"), standing(MINE), "option"),
    ("a number with a sign", proposed("twinseal.change=+7"), standing(MINE), "option"),
    ("an option that moves a cursor", proposed("x\x1b[2J"), standing(), "option"),
    ("a change named for a push that proposes nothing", proposed(NAMED, ref=TOPIC), standing(), "option"),
    ("a change named for two", proposed(NAMED, refs=(FOR_MAIN, FOR_RELEASE)), standing(MINE), "option"),
    ("what brings no commit", replace(proposed(), commits=(), landed=True), standing(), "nothing_new"),
    ("what is proposed already", proposed(), standing(here=replace(MINE, head=NEW)), "already_open"),
    ("the same patch set again", proposed(NAMED), standing(MINE, here=replace(MINE, head=NEW)), "already_open"),
    ("a change that is not open", proposed(NAMED), standing(), "no_such_change"),
    ("a change that follows a topic", proposed(NAMED), standing(replace(MINE, ref=TOPIC)), "follows_branch"),
    ("A-03 a change moved to another branch", proposed(NAMED, ref=FOR_RELEASE), standing(MINE), "other_target"),
    ("a change of somebody else's", proposed(NAMED, by="dev-b"), standing(MINE), "not_yours"),
]  # fmt: skip


@pytest.mark.parametrize(("facts", "given", "reason"), [row[1:] for row in GOOD], ids=[row[0] for row in GOOD])
def test_what_may_be_proposed_is_let_in(facts: UpdateFacts, given: Standing, reason: str) -> None:
    verdict = asked(facts, given)
    assert (verdict.reason, verdict.objects) == (f"proposals.{reason}", False)


@pytest.mark.parametrize(("facts", "given", "reason"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
def test_what_may_not_is_not(facts: UpdateFacts, given: Standing, reason: str) -> None:
    verdict = asked(facts, given)
    assert (verdict.reason, verdict.objects) == (f"proposals.{reason}", True)


def test_who_has_no_hand_in_it_is_told_who_has() -> None:
    assert asked(proposed(NAMED, by="dev-b"), standing(MINE)).helpers == ("dev-a",)


def test_the_number_that_comes_next_is_said() -> None:
    assert "patch set 3 to change 7" in asked(proposed(NAMED), standing(MINE)).message
