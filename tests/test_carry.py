"""When a sign-off carries over, and what the lander may sign: one table, good and bad rows from one set-up."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from governance import options
from governance.approvers import contributors
from governance.carry import automatic, no_carry
from governance.facts import (
    CarriedFacts,
    Change,
    CommitFacts,
    Content,
    Person,
    PushContext,
    SignatureFacts,
    UpdateFacts,
)
from governance.policy import LANDER, CarryOver, Kind, Policy
from governance.policy_text import describe, from_meaning, load
from governance.standing import Principal, Roster

HEAD, BASE, TIP, MERGE = (digit * 40 for digit in "abcd")
POLICIES = Path(__file__).parents[1] / "policies"
POLICY_FILES = [(POLICIES / f"{name}.yaml").read_bytes() for name in ("policy", "roles")]
POLICY = load(*POLICY_FILES, policy_name="policy.yaml", roles_name="roles.yaml")
ROSTER = Roster(
    {
        "dev-a": Principal("dev-a", Kind.AGENT, "dev-a", "owner", emails=("dev-a@example.org",)),
        "bot": Principal("bot", Kind.SERVICE, "bot", "owner", emails=("bot@example.org",)),
        LANDER: Principal(LANDER, Kind.SERVICE, LANDER, "", emails=("lander@example.org",)),
    }
)


def change(path: str) -> Change:
    return Change(path, "100644", "100644", "1" * 40, "2" * 40, Content.TEXT, 1, 10)


def commit(oid: str, who: str, parents: tuple[str, ...], **other: Any) -> CommitFacts:  # noqa: ANN401 - any field
    person = Person(f"{who}@example.org", who)
    found = CommitFacts(
        oid, "t", "9" * 40, parents, person, person, (), SignatureFacts("", "", "F", "F", who), (), (), measured=True
    )
    return replace(found, **other)


GOOD = commit(MERGE, LANDER, (TIP, HEAD))


def landing(
    merge: CommitFacts = GOOD,
    *,
    new: str = MERGE,
    ours: str = "mine",
    theirs: str = "theirs",
    base: str = BASE,
    transport: str = LANDER,
    lands: str = "",
) -> UpdateFacts:
    push = PushContext("demo", LANDER, transport, enforced=True, received_at=0, refs=("refs/heads/main",))
    return UpdateFacts(
        push, "refs/heads/main", TIP, new, TIP, "", "commit", TIP, fast_forward=True, landed=False, bases=(TIP,),
        commits=(merge, commit(HEAD, "dev-a", (BASE,))), net=(change(lands or ours),),
        carried=CarriedFacts(1, HEAD, base, "8" * 40, (change(ours),), (theirs,)),
    )  # fmt: skip


def with_rule(rule: CarryOver) -> Policy:
    return replace(POLICY, four_eyes=replace(POLICY.four_eyes, carry_over=rule))


@pytest.mark.parametrize(
    ("facts", "rule", "why"),
    [
        (landing(), CarryOver.DISJOINT, ""),
        (landing(theirs="mine"), CarryOver.DISJOINT, "changed mine too"),
        (landing(theirs="MINE"), CarryOver.DISJOINT, "changed mine too"),
        (landing(theirs="mine."), CarryOver.DISJOINT, "changed mine too"),
        (landing(theirs="mine/deeper"), CarryOver.DISJOINT, "changed mine too"),  # A file there, a folder here.
        (landing(theirs="MINE/deeper"), CarryOver.DISJOINT, "changed mine too"),
        (landing(ours="theirs/deeper"), CarryOver.DISJOINT, "changed theirs/deeper too"),
        (landing(ours="minefield", theirs="mine/deeper"), CarryOver.DISJOINT, ""),
        (landing(ours="folder/mine", theirs="folder/theirs"), CarryOver.DISJOINT, ""),
        (landing(lands="elsewhere"), CarryOver.DISJOINT, "would do something else"),  # Git followed a rename.
        (landing(lands="elsewhere"), CarryOver.ANY, ""),
        (landing(theirs="mine"), CarryOver.ANY, ""),
        (landing(), CarryOver.NEVER, "by policy"),
        (landing(new=HEAD, base=TIP), CarryOver.NEVER, ""),  # Nothing moved: there is nothing to carry.
        (landing(new=HEAD), CarryOver.NEVER, "by policy"),
        (landing(transport="http"), CarryOver.DISJOINT, "only the lander"),
        (landing(commit(MERGE, LANDER, (HEAD, TIP))), CarryOver.DISJOINT, "no merge of"),
        (landing(commit(MERGE, LANDER, (TIP,))), CarryOver.DISJOINT, "no merge of"),
        (landing(commit(MERGE, LANDER, (TIP, "e" * 40))), CarryOver.DISJOINT, "no merge of"),
        (landing(commit(MERGE, LANDER, (TIP, HEAD), changes=(change("evil"),))), CarryOver.ANY, "not what git makes"),
        (landing(commit(MERGE, LANDER, (TIP, HEAD), measured=False)), CarryOver.ANY, "not what git makes"),
        (landing(commit(MERGE, "dev-a", (TIP, HEAD))), CarryOver.ANY, "not what git makes"),
        (landing(commit(MERGE, "bot", (TIP, HEAD))), CarryOver.ANY, "not what git makes"),
        (landing(commit(MERGE, LANDER, (TIP, HEAD), author=Person("x", "dev-a"))), CarryOver.ANY, "not what git makes"),
        (landing(commit(MERGE, LANDER, (TIP, HEAD), co_authors=(Person("x", ""),))), CarryOver.ANY, "not what git"),
    ],
)
def test_a_sign_off_carries_over_only_so(facts: UpdateFacts, rule: CarryOver, why: str) -> None:
    said = no_carry(facts, with_rule(rule), ROSTER)
    assert (said == "") if not why else (why in said)


def test_the_lander_and_who_asks_it_are_no_contributors() -> None:
    assert contributors(landing(), (), ROSTER).names == {"dev-a"}
    assert contributors(landing(transport="http"), (), ROSTER).names == {"dev-a", LANDER}


def test_a_service_that_is_not_the_lander_is_a_contributor_like_anybody() -> None:
    facts = landing(commit(MERGE, "bot", (TIP, HEAD)))
    assert not automatic(facts.commits[0], ROSTER)
    assert "bot" in contributors(facts, (), ROSTER).names


def test_a_policy_from_before_carry_over_keeps_its_digest_and_carries_nothing() -> None:
    never = load(POLICY_FILES[0].replace(b"carry_over: disjoint", b"carry_over: never"), POLICY_FILES[1],
                 policy_name="p", roles_name="r")  # fmt: skip
    assert "carry_over" not in describe(never)["four_eyes"]  # type: ignore[operator]
    assert from_meaning(describe(never)) == never
    assert from_meaning(describe(POLICY)) == POLICY
    assert POLICY.four_eyes.carry_over is CarryOver.DISJOINT


@pytest.mark.parametrize(
    ("said", "number", "fault"),
    [
        ((), 0, False),
        (("ci.skip",), 0, False),
        (("twinseal.change=12",), 12, False),
        (("ci.skip", "twinseal.change=12"), 12, False),
        (("twinseal.change=012",), 0, True),
        (("twinseal.change=1", "twinseal.change=1"), 0, True),
        (("twinseal.principal=owner",), 0, True),
        (("TWINSEAL.change=1",), 0, True),
        (("a\x1b[2J",), 0, True),
        (("x" * 257,), 0, True),
        (("x",) * 17, 0, True),
    ],
)
def test_options(said: tuple[str, ...], number: int, fault: bool) -> None:  # noqa: FBT001 - a column of the table
    read = options.read(said)
    assert (read.change, bool(read.fault)) == (number, fault)
