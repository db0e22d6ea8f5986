"""Reviews of a made-up fleet as entries of a real ledger: each opens a change, and each is a sign-off of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from audit.entry import Actor, Draft
from builders import MAIN, REPOSITORY, ZERO, oid
from governance.detect import looks
from governance.detect.graph import DAY_MS
from governance.parameters import Collusion
from governance.record import Kind
from tests.detect.fleets import START

if TYPE_CHECKING:
    from collections.abc import Sequence

    from governance.detect.graph import Review
    from service_world import ServiceWorld

LIMITS = Collusion()


def opened(number: int, author: str, units: int, part: str, *, head: str = "", **changed: str) -> Draft:
    """Return the decision that opens a change."""
    named = {
        "change": number, "patch_set": 1, "ref": "refs/for/main", "target": MAIN, "title": "work",
        "head": head or oid(f"head {number}"), "base": oid("base"), "tree": oid(f"tree {number}"),
        "diff_digest": f"{number:064x}", "about": {"units": units, "paths": [f"{part}/a.py"], "contributors": [author]},
    } | changed  # fmt: skip
    pin = [ZERO, named["head"], f"refs/changes/{number}/1"]
    data: dict[str, Any] = {
        "allowed": True, "code": "allowed", "enforced": True, "handle": f"{number}-1", "refs": [], "verdicts": [],
        "signers": [], "reserve": [pin], "spend": [], "opens": [named], "landed": [], "abandoned": [],
    }  # fmt: skip
    return Draft(Kind.PUSH_DECIDED, Actor(author, "agent", ""), REPOSITORY, "refs/for/main", data)


def given(number: int, approver: str, verdict: str, **changed: str) -> Draft:
    """Return the sign-off of a change."""
    bound = {
        "repository": REPOSITORY, "change": number, "patch_set": 1, "target": MAIN, "head": oid(f"head {number}"),
        "base": oid("base"), "tree": oid(f"tree {number}"), "diff_digest": f"{number:064x}", "policy_digest": "p",
    } | changed  # fmt: skip
    data = {"verdict": verdict, "binding": bound, "expires_at": 2**50, "single_person": False}
    return Draft(Kind.SIGN_OFF_GIVEN, Actor(approver, "agent", "k"), REPOSITORY, str(number), data)


def feed(world: ServiceWorld, reviews: Sequence[Review]) -> None:
    """Write them into the ledger in the order in which they happened."""
    begin = world.now - START
    events = []
    for number, review in enumerate(reviews, 1000):
        events.append((review.opened_at, opened(number, review.author, review.units, review.group)))
        events.append((review.at, given(number, review.approver, review.verdict)))
    for at, draft in sorted(events, key=lambda event: event[0]):
        world.now = begin + at
        world.append(draft)


def run(world: ServiceWorld, by: str = "owner", **said: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    """Judge them, as the command does."""
    statement = world.said("detect.run", by, {"repository": REPOSITORY} | said, nonce=str(len(world.kinds())))
    with world.service.read() as tx:
        report = looks.look(tx, REPOSITORY, LIMITS, now=world.now)
    return looks.record(world.service, world.caller(by), statement, REPOSITORY, limits=LIMITS, report=report)


def later(world: ServiceWorld, days: float) -> None:
    """Let time pass."""
    world.now += int(days * DAY_MS)
