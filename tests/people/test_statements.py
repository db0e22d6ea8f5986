from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from audit.entry import Draft
from governance.errors import ConflictError, DeniedError, RequestError
from governance.people.statements import FRESH_MS, LIMIT, Statement, compose, owner_only, parse
from governance.record import SERVICE, Kind
from keys import key_of
from service_world import LOG, ServiceWorld

if TYPE_CHECKING:
    from collections.abc import Iterator

    from governance.standing import Principal


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceWorld]:
    with ServiceWorld(tmp_path_factory.mktemp("desk")) as made:
        made.append(made.enrolment("docs"), Draft(Kind.PRINCIPAL_RETIRED, SERVICE, "", "docs", _gone("docs")))
        yield made


def _gone(name: str) -> dict[str, Any]:
    return {"principal": name, "statement": {}}


def accepted(world: ServiceWorld, statement: Statement, *, caller: str = "dev-a", type_: str = "sign_off") -> Principal:
    return world.ledger.run(lambda tx: world.service.desk(tx).accept(tx, statement, type_=type_, caller=caller))


BODY = {"verdict": "approve"}


def test_a_fresh_statement_by_who_hands_it_in_is_accepted(world: ServiceWorld) -> None:
    assert accepted(world, world.said("sign_off", "dev-a", BODY)).name == "dev-a"


# Each row changes one thing of the statement above.
DENIED = [
    ("of another type", {"type_": "sign_off.withdraw"}, "statement.other"),
    ("for another log", {"log": "example.org/other"}, "statement.other"),
    ("by another than the caller", {"by": "dev-b"}, "statement.not_yours"),
    ("signed by another key than the speaker's", {"signer": "dev-b"}, "statement.not_yours"),
    ("signed by an owner for somebody else", {"signer": "owner"}, "statement.not_yours"),
    ("signed by a key nobody enrolled", {"signer": "librarian"}, "signature.unknown_key"),
    ("a millisecond too old", {"ago": FRESH_MS + 1}, "statement.stale"),
    ("a millisecond too far ahead", {"ago": -FRESH_MS - 1}, "statement.stale"),
    ("from the beginning of time", {"at": 0}, "statement.stale"),
]


@pytest.mark.parametrize(("changed", "code"), [row[1:] for row in DENIED], ids=[row[0] for row in DENIED])
def test_a_statement_that_differs_in_one_thing_is_denied(
    world: ServiceWorld, changed: dict[str, Any], code: str
) -> None:
    changed = dict(changed)
    if "ago" in changed:
        changed["at"] = world.now - changed.pop("ago")
    type_, by = changed.pop("type_", "sign_off"), changed.pop("by", "dev-a")

    with pytest.raises(DeniedError) as denied:
        accepted(world, world.said(type_, by, BODY, **changed))
    assert denied.value.code == code


def test_ten_minutes_either_way_are_fresh(world: ServiceWorld) -> None:
    for ago in (FRESH_MS, -FRESH_MS):
        assert accepted(world, world.said("sign_off", "dev-a", BODY, at=world.now - ago))


def test_bytes_changed_after_they_were_signed_are_denied(world: ServiceWorld) -> None:
    said = world.said("sign_off", "dev-a", BODY)
    text = said.text.replace(b"approve", b"reject!")

    with pytest.raises(DeniedError) as denied:
        accepted(world, parse(text.decode(), said.signature.decode()))
    assert denied.value.code == "signature.bad"


def test_a_signed_commit_is_no_signed_statement(world: ServiceWorld) -> None:
    said = world.said("sign_off", "dev-a", BODY)
    signature = key_of("dev-a").sign(b"tree " + said.text)

    with pytest.raises(DeniedError):
        accepted(world, replace(said, signature=signature))


def test_one_who_has_retired_says_nothing(world: ServiceWorld) -> None:
    with pytest.raises(DeniedError) as denied:
        accepted(world, world.said("sign_off", "docs", BODY), caller="docs")
    assert denied.value.code == "statement.unknown"


def test_one_whom_nobody_enrolled_says_nothing(world: ServiceWorld) -> None:
    with pytest.raises(DeniedError) as denied:
        accepted(world, world.said("sign_off", "ghost", BODY), caller="ghost")
    assert denied.value.code == "statement.unknown"


def test_what_was_acted_on_is_not_acted_on_again_even_with_a_new_signature(world: ServiceWorld) -> None:
    said = world.said("token.revoke", "dev-a", {"id": "t"})
    data = {"id": "t", "statement": said.kept()}
    world.append(Draft(Kind.TOKEN_REVOKED, SERVICE, "", "t", data))
    again = parse(said.text.decode(), key_of("dev-a").sign(said.text).decode())

    for statement in (said, again):
        with pytest.raises(ConflictError) as refused:
            accepted(world, statement, type_="token.revoke")
        assert refused.value.code == "statement.replayed"


GOOD = {"type": "t", "log": LOG, "by": "dev-a", "at": 1, "nonce": "n", "body": {}}


def spelt(**changed: object) -> str:
    return json.dumps(GOOD | changed, sort_keys=True, separators=(",", ":"))


MALFORMED = {
    "nothing": "",
    "no JSON": "approve",
    "a list": "[]",
    "white space": spelt().replace(",", ", "),
    "keys in another order": json.dumps(GOOD, separators=(",", ":")),
    "a key twice": spelt().replace('"at":1', '"at":1,"at":1'),
    "a field more": spelt(extra=1),
    "a field less": json.dumps({k: v for k, v in GOOD.items() if k != "log"}, sort_keys=True, separators=(",", ":")),
    "a time in words": spelt(at="1"),
    "true for a time": spelt(at=True),
    "half a millisecond": spelt(at=1.5),
    "a speaker that is no text": spelt(by=None),
    "a body that is a list": spelt(body=[]),
    "a lone surrogate": '{"at":"\udc80"}',
    "a thousand brackets": "[" * 9000,
    "NUL": spelt(nonce="\0"),
}  # fmt: skip


@pytest.mark.parametrize("text", MALFORMED.values(), ids=MALFORMED)
def test_what_is_not_spelt_as_a_statement_is_refused(text: str) -> None:
    assert parse(spelt(), "s").by == "dev-a"
    with pytest.raises(RequestError) as refused:
        parse(text, "s")
    assert refused.value.code == "statement.malformed"


def test_a_statement_has_a_largest_size() -> None:
    room = LIMIT - len(spelt(nonce=""))

    assert parse(spelt(nonce="x" * room), "s")
    for text, signature in ((spelt(nonce="x" * (room + 1)), "s"), (spelt(), "s" * (LIMIT + 1))):
        with pytest.raises(RequestError) as refused:
            parse(text, signature)
        assert refused.value.code == "statement.too_large"


def test_a_signature_that_is_not_ascii_is_refused() -> None:
    with pytest.raises(RequestError):
        parse(spelt(), "ß")


def test_what_is_composed_is_what_is_parsed_and_kept() -> None:
    text = compose("t", log=LOG, by="dev-a", at=1, nonce="n", body={})
    said = parse(text.decode(), "s")

    assert said.kept() == {"digest": said.digest, "text": text.decode(), "signature": "s"}
    assert text.decode() == spelt()


@pytest.mark.parametrize(("name", "may"), [("owner", True), ("mia", False), ("dev-a", False)])
def test_only_a_person_called_owner_is_one(world: ServiceWorld, name: str, may: bool) -> None:  # noqa: FBT001 - a row
    who = accepted(world, world.said("sign_off", name, BODY), caller=name)
    if may:
        owner_only(who)
        return
    with pytest.raises(DeniedError) as denied:
        owner_only(who)
    assert denied.value.code == "authority.owner_only"


def test_an_agent_with_the_owner_s_role_is_no_owner(world: ServiceWorld) -> None:
    agent = accepted(world, world.said("sign_off", "dev-a", BODY))

    with pytest.raises(DeniedError):
        owner_only(replace(agent, role="owner"))
