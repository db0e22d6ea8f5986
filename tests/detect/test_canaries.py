"""Planting, listing, revealing; and that nobody who reads the ledger can tell."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from audit.entry import Actor, Draft
from builders import MAIN, NEW, OLD, REPOSITORY, a_change, a_commit, a_policy, a_push, a_standing, oid
from governance import loading, noting
from governance.decision import decide
from governance.detect import canaries as baits
from governance.detect.canaries import Bait, Source
from governance.detect.mutations import Defect
from governance.entrypoints import api_detection
from governance.entrypoints.models import SignedStatement
from governance.errors import ConflictError, DeniedError, NotFoundError, RecordError, RequestError
from governance.facts import CarriedFacts, names
from governance.kinds import KINDS
from governance.ports import NoKeys
from governance.record import SERVICE, Effects, Kind
from governance.state import canaries, read
from service_world import ServiceWorld
from tests.detect.feeding import given, opened

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from governance.facts import UpdateFacts

TREE, DIGEST, BLOB = oid("canary tree"), "c" * 64, oid("canary blob")
DEFECT = Defect("src/app.py", 3, "a <= b", "a >= b", "comparison flipped")
BAIT = Bait(Source(1, OLD, NEW, "Prune the roses", "dev-a"), 5, DEFECT, (TREE, DIGEST, BLOB))


@pytest.fixture
def world(tmp_path: Path) -> Iterator[ServiceWorld]:
    """A service whose change 1, by dev-a, was approved and has landed."""
    with ServiceWorld(tmp_path) as made:
        made.applied(made.open_change())
        bound = {"head": NEW, "base": OLD, "tree": oid("tree"), "diff_digest": "d" * 64}
        made.append(given(1, "dev-b", "approve", **bound))
        made.applied(made.decide(Effects(handle="9-9", reserve=((OLD, NEW, MAIN),), landed=((MAIN, 1),))))
        yield made
        assert made.difference() == ""


def plant(world: ServiceWorld, by: str = "owner", bait: Bait = BAIT, **changed: Any) -> int:  # noqa: ANN401 - JSON
    body = {"repository": REPOSITORY, "change": 1, "seed": 5} | changed
    said = world.said("canary.plant", by, body, nonce=str(len(world.kinds())))
    return int(baits.plant(world.service, world.caller(by), said, REPOSITORY, bait, key="secret")["canary"])


def reveal(world: ServiceWorld, number: object, by: str = "owner") -> dict[str, Any]:
    said = world.said("canary.reveal", by, {"repository": REPOSITORY, "canary": number}, nonce=str(len(world.kinds())))
    return baits.reveal(world.service, world.caller(by), said, REPOSITORY)


def push_for_review(world: ServiceWorld, *answers: tuple[str, str]) -> None:
    """Push the canary for review as change 2, and answer it."""
    entry = world.append(opened(2, "dev-a", 20, "src", tree=TREE, diff_digest=DIGEST))[0]
    world.applied(entry.seq)
    world.append(*(given(2, who, verdict, tree=TREE, diff_digest=DIGEST) for who, verdict in answers))


def listed(world: ServiceWorld) -> list[dict[str, Any]]:
    with world.service.read() as tx:
        return baits.listed(tx, REPOSITORY)


def holds(world: ServiceWorld, update: UpdateFacts) -> int:
    with world.service.read() as tx:
        return loading.standing(tx, update, a_policy(), read.roster(tx), NoKeys()).canary


def test_an_entry_says_nothing_by_which_a_canary_could_be_known(world: ServiceWorld) -> None:
    seq = plant(world)
    body = world.bodies("seq=?", seq)[0]
    KINDS.check(body["kind"], body["data"])
    assert set(body["data"]) == {"marks", "statement", "commit"}
    assert set(body["data"]["statement"]) == {"digest"}
    text = json.dumps(body)
    digests = [hashlib.sha256(name.encode()).hexdigest() for name in BAIT.reserved]
    for secret in (*BAIT.reserved, *digests, "src/app.py", "Prune", "comparison", '"seed"', "secret"):
        assert secret not in text


def test_whatever_holds_a_canary_is_known_by_any_of_its_names(world: ServiceWorld) -> None:
    plain = a_push(old=NEW)
    assert holds(world, plain) == 0
    seq = plant(world)
    assert holds(world, plain) == 0
    blob = replace(a_change("elsewhere.py"), new=BLOB)
    commit = replace(a_commit(), tree=TREE)
    carried = CarriedFacts(2, oid("h"), OLD, TREE, (), ())
    for update in (
        a_push([blob]),
        a_push([replace(blob, new_mode="100755")]),
        a_push(commits=(commit,)),
        a_push(ref="refs/heads/release/1", commits=(commit,)),
        replace(plain, carried=carried),
        replace(plain, carried=replace(carried, tree=oid("t"), net=(blob,))),
    ):
        assert holds(world, update) == seq
    assert holds(world, a_push(ref="refs/for/main", commits=(commit,))) == 0


def test_two_canaries_have_one_key_and_the_same_is_not_planted_twice(world: ServiceWorld) -> None:
    first = plant(world)
    with pytest.raises(ConflictError) as caught:
        plant(world)
    assert caught.value.code == "canary.planted"
    second = plant(world, bait=replace(BAIT, seed=6, reserved=(oid("t2"), "e" * 64, oid("b2"))), seed=6)
    assert holds(world, a_push([replace(a_change(), new=BLOB)])) == first
    assert holds(world, a_push([replace(a_change(), new=oid("b2"))])) == second


def test_a_canary_is_listed_revealed_and_measured(world: ServiceWorld) -> None:
    seq = plant(world)
    assert [(one["canary"], one["state"]) for one in listed(world)] == [(seq, "not pushed yet")]
    push_for_review(world)
    assert listed(world)[0]["state"] == "under review"
    with pytest.raises(ConflictError) as early:
        reveal(world, seq)
    assert early.value.code == "canary.unanswered"
    world.append(
        *(given(2, who, v, tree=TREE, diff_digest=DIGEST) for who, v in (("dev-b", "approve"), ("qa-a", "reject")))
    )
    answer = reveal(world, seq)
    assert (answer["change"], answer["missed"]) == (2, ["dev-b"])
    data = world.bodies("kind='canary.revealed'")[0]["data"]
    KINDS.check("canary.revealed", data)
    kept = json.dumps(data["canary"], sort_keys=True, separators=(",", ":"))
    commitment = hashlib.sha256(b"\x02" + bytes.fromhex(data["salt"]) + kept.encode()).hexdigest()
    assert commitment == world.bodies("seq=?", seq)[0]["data"]["commit"]["canary"]
    assert holds(world, a_push([replace(a_change(), new=BLOB)])) == seq  # For good.
    with world.service.read() as tx:
        rates = {one["reviewer"]: one for one in baits.rates(canaries.misses(tx, REPOSITORY))}
        reviewers = [row[2] for row in canaries.reviews(tx, REPOSITORY, since=0)]
    assert reviewers == ["dev-b"]  # Of change 1; the answers to a canary are no reviews.
    assert (rates["dev-b"]["missed"], rates["qa-a"]["missed"]) == (1, 0)
    assert (rates["qa-a"]["low"], rates["qa-a"]["high"]) == (0, pytest.approx(0.975))
    with pytest.raises(ConflictError) as again:
        reveal(world, seq)
    assert again.value.code == "canary.revealed"


def test_a_key_that_is_gone_lets_nothing_land(world: ServiceWorld) -> None:
    plant(world)

    class Gone:
        def __init__(self, tx: Any) -> None:  # noqa: ANN401 - a connection
            self.tx = tx

        def execute(self, sql: str, params: Any = ()) -> Any:  # noqa: ANN401 - the driver's
            return self.tx.execute(sql.replace("field='key'", "field='gone'"), params)

    with world.service.read() as tx, pytest.raises(RecordError, match="key of the canary"):
        canaries.reserved(Gone(tx), lambda: names(a_push()))


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"change": True}, "canary.malformed"),
        ({"seed": -1}, "canary.malformed"),
        ({"seed": 6}, "canary.malformed"),
        ({"more": 1}, "canary.malformed"),
        ({"repository": "other"}, "statement.other_repository"),
    ],
)
def test_a_statement_asks_for_exactly_one_canary(world: ServiceWorld, changed: dict[str, Any], code: str) -> None:
    with pytest.raises((RequestError, DeniedError)) as caught:
        plant(world, **changed)
    assert caught.value.code == code
    assert "canary.planted" not in world.kinds()


def test_only_an_owner_plants_and_reveals(world: ServiceWorld) -> None:
    with pytest.raises(DeniedError) as caught:
        plant(world, "qa-a")
    assert caught.value.code == "authority.owner_only"
    seq = plant(world)
    with pytest.raises(DeniedError) as caught:
        reveal(world, seq, "qa-a")
    assert caught.value.code == "authority.owner_only"
    with pytest.raises(NotFoundError):
        reveal(world, 1)


def test_a_canary_is_made_from_what_was_approved_and_has_landed(world: ServiceWorld) -> None:
    push_for_review(world)
    with world.service.read() as tx:
        assert baits.source(tx, REPOSITORY, 1, policy=a_policy()) == BAIT.source
        with pytest.raises(ConflictError) as caught:
            baits.source(tx, REPOSITORY, 2, policy=a_policy())
    assert caught.value.code == "canary.not_approved"
    with pytest.raises(ConflictError) as moved:
        plant(world, bait=replace(BAIT, source=replace(BAIT.source, head=oid("other"))))
    assert moved.value.code == "canary.moved"
    with pytest.raises(RequestError) as none:
        baits.defect("+++ b/notes.txt\n@@ -0,0 +1 @@\n+a < b\n", 1)
    assert none.value.code == "canary.no_defect"


def test_a_word_taken_back_after_the_refusal_told_what_it_is_was_missed(world: ServiceWorld) -> None:
    seq = plant(world)
    answers = [("dev-b", "approve"), ("qa-a", "approve"), ("architect-a", "approve")]
    push_for_review(world, *answers)
    world.append(withdrawn("architect-a"))  # Before anybody was told: it saw what is wrong.
    world.decide(Effects(handle="7-7", noted={"canary": seq}), (OLD, NEW, MAIN), allowed=False)
    world.append(withdrawn("dev-b"), given(2, "qa-a", "reject", tree=TREE, diff_digest=DIGEST))
    world.append(given(2, "owner", "reject", tree=TREE, diff_digest=DIGEST))
    assert reveal(world, seq)["missed"] == ["dev-b", "qa-a"]
    assert world.bodies("kind='canary.revealed'")[0]["data"]["answers"] == [["dev-b", True], ["qa-a", True]]


def test_a_refusal_that_tells_is_noted_with_its_canary() -> None:
    facts = a_push()
    decision = decide([(facts, a_standing(canary=41))], policy_digest="d")
    assert noting.noted(decision)["canary"] == 41
    assert "canary" not in noting.noted(decide([(facts, a_standing())], policy_digest="d"))


@pytest.mark.parametrize("mode", ["observe"])
def test_nothing_is_planted_where_it_could_land(world: ServiceWorld, mode: str) -> None:
    world.append(Draft(Kind.REPOSITORY_MODE_SET, SERVICE, REPOSITORY, REPOSITORY, {"mode": mode, "statement": {}}))
    with pytest.raises(ConflictError) as caught:
        plant(world)
    assert caught.value.code == "canary.not_enforced"


def test_an_owners_token_of_another_repository_opens_nothing_of_it(world: ServiceWorld) -> None:
    number = plant(world)
    push_for_review(world, ("dev-b", "approve"))
    said = world.said("canary.reveal", "owner", {"repository": REPOSITORY, "canary": number})
    signed = SignedStatement(statement=said.text.decode(), signature=said.signature.decode())
    elsewhere = replace(world.caller("owner"), repository="orchard")
    for ask in (
        lambda: api_detection.reveal(REPOSITORY, signed, elsewhere, world.service),
        lambda: api_detection.plant(REPOSITORY, signed, elsewhere, world.service),
        lambda: api_detection.look(REPOSITORY, signed, elsewhere, world.service),
        lambda: api_detection.list_canaries(REPOSITORY, elsewhere, world.service),
        lambda: api_detection.report(REPOSITORY, elsewhere, world.service),
    ):
        with pytest.raises(DeniedError) as caught:
            ask()
        assert caught.value.code == "token.other_repository"
    assert api_detection.reveal(REPOSITORY, signed, world.caller("owner"), world.service).done["missed"] == ["dev-b"]


def withdrawn(by: str) -> Draft:
    return Draft(Kind.SIGN_OFF_WITHDRAWN, Actor(by, "agent", "k"), REPOSITORY, "2", {"change": 2})
