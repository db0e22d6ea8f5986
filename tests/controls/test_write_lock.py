from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from builders import MAIN, NOW, TOPIC, a_change, a_commit, a_context, a_policy, a_push, a_review, a_standing, patterns
from governance.controls.write_lock import HELD, WriteLock
from governance.leases import Asked, Lander, Leases
from governance.parameters import Parameters
from governance.parameters import WriteLock as Rules

if TYPE_CHECKING:
    from governance.facts import UpdateFacts

RELEASE = "refs/heads/release/1"
POLICY = a_policy(controls=Parameters(write_lock=Rules(refs=patterns(MAIN, RELEASE, TOPIC))))
LEASE = Asked(40, "garden", "write", "dev-a", "K", "t", ("src/**", "README.md"), 100, 5, 41, NOW + 1)
MINE = Leases(LEASE)
TOKEN = "twinseal.lock=41"


def push(*paths: str, token: str = TOKEN, lines: int = 10, size: int = 200, **changed: Any) -> UpdateFacts:  # noqa: ANN401 - any field
    facts = a_push([a_change(path, lines, size=size) for path in paths or ("src/app.py",)], **changed)
    return replace(facts, push=replace(facts.push, options=(token,) if token else ()))


def landing(facts: UpdateFacts, *, by: str, seq: int = 45, lease: Asked | None = LEASE) -> tuple[UpdateFacts, Leases]:
    by_lander = replace(facts, push=a_context(pusher="lander", transport="lander", options=()))
    return by_lander, Leases(lease, landing=Lander(by, seq))


GOOD = [
    ("within the intent", push(), MINE),
    ("every path of the intent", push("src/a/b.py", "README.md"), MINE),
    ("exactly as much as was announced", push(lines=100, size=0), MINE),
    ("what is left of it", push(lines=40, size=0), Leases(LEASE, used=60)),
    ("a millisecond is left", push(received_at=NOW), MINE),
    ("others wait", push(), Leases(LEASE, waiting=("dev-b",))),
    ("a landing asked by the holder", *landing(push(), by="dev-a")),
    ("a landing of the holder's change, asked by another", *landing(push(), by="dev-b")),
]
BAD = [
    ("nobody holds it", push(token=""), Leases(), "none"),
    ("somebody else holds it", push(token="", pusher="dev-b"), MINE, "none"),
    ("with the holder's token in another's hand", push(pusher="dev-b"), MINE, "none"),
    ("the token is not named", push(token=""), MINE, "token"),
    ("T fencing: a token of before", push(token="twinseal.lock=39"), MINE, "stale"),
    ("a token where nothing is held", push(), Leases(), "stale"),
    ("the lease ends this very millisecond", push(received_at=NOW + 1), MINE, "stale"),
    ("another's turn by now", push(), Leases(replace(LEASE, principal="dev-b", token=50)), "stale"),
    ("the number of the request is no token", push(token="twinseal.lock=40"), MINE, "stale"),
    ("a path outside", push("src/app.py", "etc/passwd"), MINE, "intent"),
    ("another case of a path", push("SRC/app.py"), MINE, "intent"),
    ("another case of a name", push("readme.md"), MINE, "intent"),
    ("a look-alike of a folder", push("\uff53rc/app.py"), MINE, "intent"),
    ("out by two dots", push("src/../etc/passwd"), MINE, "intent"),
    ("a prefix that is no folder", push("src-evil/app.py"), MINE, "intent"),
    ("bytes that are not UTF-8", push("\udcff/app.py"), MINE, "intent"),
    ("P-02 renamed from outside: both paths show", push("src/app.py", "lib/app.py"), MINE, "intent"),
    ("P-15 touched on the way and taken back", replace(push(), commits=(a_commit(changes=(a_change("x"),)),)), MINE,
     "intent"),
    ("a line too many", push(lines=101, size=0), MINE, "intent"),
    ("P-07 one huge line is many units", push(lines=1, size=80 * 100 + 1), MINE, "intent"),
    ("in two pushes what one may not", push(lines=41, size=0), Leases(LEASE, used=60), "intent"),
    ("two refs under one lease", push(refs=(MAIN, RELEASE)), MINE, "one_ref"),
    ("a landing that nobody with a hand in it has a lease for", *landing(push(), by="qa-a",
     lease=replace(LEASE, principal="dev-b")), "none"),
    ("a landing while nobody holds", *landing(push(), by="dev-a", lease=None), "none"),
    ("a landing asked for before this lease", *landing(push(), by="dev-a", seq=39), "stale"),
    ("the lander outside the intent", *landing(push("etc/passwd"), by="dev-a"), "intent"),
]  # fmt: skip


def reason(facts: UpdateFacts, found: Leases | None) -> str:
    change = a_review(facts) if found and found.landing else None
    return WriteLock.of(POLICY).evaluate(facts, a_standing(leases=found, change=change)).reason


@pytest.mark.parametrize(("facts", "found"), [row[1:] for row in GOOD], ids=[row[0] for row in GOOD])
def test_the_holder_writes_what_it_said(facts: UpdateFacts, found: Leases) -> None:
    assert reason(facts, found) == HELD == "write_lock.held"


@pytest.mark.parametrize(("facts", "found", "why"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
def test_nobody_else_does_and_nothing_else(facts: UpdateFacts, found: Leases, why: str) -> None:
    assert reason(facts, found) == f"write_lock.{why}"


def test_where_the_policy_asks_for_no_lease_the_control_has_nothing_to_say() -> None:
    assert reason(push(token=""), None) == "write_lock.not_applicable"


def test_a_refusal_says_what_lies_outside_and_how_to_ask() -> None:
    verdict = WriteLock.of(POLICY).evaluate(push("a", "b"), a_standing(leases=MINE))
    assert verdict.message == "2 paths lie outside the intent of lease 41: a, b"
    assert verdict.subjects == ("a", "b")
    asked = WriteLock.of(POLICY).evaluate(push(token=""), a_standing(leases=Leases()))
    assert "twinseal lock request" in asked.mend[0]
