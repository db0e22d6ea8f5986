from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from builders import REPOSITORY
from governance.errors import DeniedError, RequestError
from governance.people import acts, tokens
from governance.signatures import CertificateInfo, SubKey, possession_challenge
from keys import key_of
from service_world import LOG, ServiceWorld

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from governance.people.statements import Statement

TOKEN, TOKEN_ID = tokens.fresh("a" * 43)
ROSE = {"name": "rose", "role": "dev-b", "emails": ["rose@example.org"]}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[ServiceWorld]:
    with ServiceWorld(tmp_path) as made:
        yield made
        assert made.difference() == ""


def fingerprint(name: str) -> str:
    return key_of(name).fingerprint


def rotated(world: ServiceWorld, by: str, said: Statement, *, new: str = "new", owner: str = "") -> dict[str, Any]:
    key = key_of(new)
    about = CertificateInfo(key.fingerprint, "ed25519", (), (SubKey(key.signing, None),), key.certificate)
    text = possession_challenge(LOG, principal=owner or by, fingerprint=key.fingerprint, nonce="n")
    proof = key.sign(text).decode()
    return acts.rotate_key(world.service, world.caller(by), said, about=about, nonce="n", proof=proof)


Act = tuple[str, dict[str, Any], "Callable[[ServiceWorld, str, Statement], dict[str, Any]]"]
ACTS: dict[str, Act] = {
    "add a principal": (
        "principal.add", ROSE, lambda w, by, s: acts.add_principal(w.service, w.caller(by), s, secret="x")),
    "invite one": (
        "principal.invite", {"name": "qa-a"}, lambda w, by, s: acts.invite(w.service, w.caller(by), s, secret="x")),
    "retire one": (
        "principal.retire", {"name": "qa-a"}, lambda w, by, s: acts.retire_principal(w.service, w.caller(by), s)),
    "revoke another's key": (
        "key.revoke", {"fingerprint": fingerprint("qa-a"), "reason": "lost"},
        lambda w, by, s: acts.revoke_key(w.service, w.caller(by), s)),
    "issue a token": (
        "token.issue", {"principal": "qa-a", "repository": REPOSITORY, "days": 1},
        lambda w, by, s: acts.issue_token(w.service, w.caller(by), s, token=TOKEN)),
}  # fmt: skip


@pytest.mark.parametrize(("type_", "body", "act"), ACTS.values(), ids=ACTS)
def test_an_owner_may_and_nobody_else(world: ServiceWorld, type_: str, body: dict[str, Any], act: Any) -> None:  # noqa: ANN401 - a row
    for who in ("dev-a", "mia"):
        with pytest.raises(DeniedError) as denied:
            act(world, who, world.said(type_, who, body))
        assert denied.value.code == "authority.owner_only"
        assert world.kinds()[-1] == "request.refused"
    with pytest.raises(DeniedError):
        act(world, "dev-a", world.said(type_, "owner", body))
    entries = len(world.kinds())

    assert act(world, "owner", world.said(type_, "owner", body))["entry"] == entries
    assert world.rows("select count(*) from statement") == [(1,)]
    assert world.signers("seq=?", entries) == [fingerprint("owner")]


@pytest.mark.parametrize(("type_", "body", "act"), ACTS.values(), ids=ACTS)
def test_no_act_is_done_twice_by_one_statement(world: ServiceWorld, type_: str, body: dict[str, Any], act: Any) -> None:  # noqa: ANN401 - a row
    said = world.said(type_, "owner", body)
    act(world, "owner", said)

    with pytest.raises(RequestError) as refused:
        act(world, "owner", said)
    assert refused.value.code == "statement.replayed"


@pytest.mark.parametrize(("type_", "body", "act"), ACTS.values(), ids=ACTS)
def test_a_body_with_nothing_in_it_is_refused_and_not_a_breakdown(
    world: ServiceWorld,
    type_: str,
    body: dict[str, Any],
    act: Any,  # noqa: ANN401 - a row
) -> None:
    entries = world.kinds()
    for hollow in ({}, dict.fromkeys(body), {name: ["x"] for name in body}, dict.fromkeys(body, 7)):
        with pytest.raises(RequestError):
            act(world, "owner", world.said(type_, "owner", hollow))
    assert world.kinds()[len(entries) :] == ["request.refused"] * 4


def test_the_last_owner_cannot_go(world: ServiceWorld) -> None:
    with pytest.raises(RequestError) as refused:
        acts.retire_principal(
            world.service, world.caller("owner"), world.said("principal.retire", "owner", {"name": "owner"})
        )
    assert refused.value.code == "principal.last_owner"


def test_who_has_retired_can_do_nothing_from_that_entry_on(world: ServiceWorld) -> None:
    said = world.said("key.revoke", "qa-a", {"fingerprint": fingerprint("qa-a")})
    acts.retire_principal(
        world.service, world.caller("owner"), world.said("principal.retire", "owner", {"name": "qa-a"})
    )

    with pytest.raises(DeniedError) as denied:
        acts.revoke_key(world.service, world.caller("qa-a"), said)
    assert denied.value.code == "statement.unknown"


@pytest.mark.usefixtures("both")
def test_a_holder_revokes_their_own_key_and_it_speaks_no_more(world: ServiceWorld) -> None:
    body = {"fingerprint": fingerprint("dev-a"), "reason": "stolen"}
    later = world.said("token.revoke", "dev-a", {"id": "t"})
    acts.revoke_key(world.service, world.caller("dev-a"), world.said("key.revoke", "dev-a", body))

    with pytest.raises(DeniedError) as denied:
        acts.revoke_token(world.service, world.caller("dev-a"), later)
    assert denied.value.code == "signature.key_revoked"


def test_a_key_is_revoked_once_and_only_if_it_is_there(world: ServiceWorld) -> None:
    def revoke(fpr: str, nonce: str) -> None:
        body = {"fingerprint": fpr}
        acts.revoke_key(world.service, world.caller("owner"), world.said("key.revoke", "owner", body, nonce=nonce))

    revoke(fingerprint("qa-a"), "1")
    for fpr, code in ((fingerprint("qa-a"), "key.revoked_already"), ("F" * 40, "request.not_found")):
        with pytest.raises(RequestError) as refused:
            revoke(fpr, code)
        assert refused.value.code == code


def rotation(world: ServiceWorld, by: str, **changed: str) -> Statement:
    body = {"fingerprint": fingerprint("new"), "replaces": fingerprint(by)} | changed
    return world.said("key.rotate", by, body)


def test_the_old_key_hands_over_to_the_new_one(world: ServiceWorld) -> None:
    rotated(world, "dev-a", rotation(world, "dev-a"))

    found = dict(world.rows("select fingerprint, revoked_seq is null from signing_key where principal='dev-a'"))
    assert found == {fingerprint("dev-a"): 0, fingerprint("new"): 1}


ROTATIONS = [
    ("another's key given up", {"replaces": fingerprint("qa-a")}, {}, "request.not_found"),
    ("a key given up that there is not", {"replaces": "F" * 40}, {}, "request.not_found"),
    ("another new key than the one brought", {"fingerprint": "F" * 40}, {}, "key.other"),
    ("a new key that is somebody's", {"fingerprint": fingerprint("qa-a")}, {"new": "qa-a"}, "key.taken"),
    ("a proof for another principal", {}, {"owner": "qa-a"}, "key.not_possessed"),
]


@pytest.mark.parametrize(("body", "how", "code"), [row[1:] for row in ROTATIONS], ids=[row[0] for row in ROTATIONS])
def test_a_rotation_that_differs_in_one_thing_is_refused(
    world: ServiceWorld, body: dict[str, str], how: dict[str, str], code: str
) -> None:
    with pytest.raises(RequestError) as refused:
        rotated(world, "dev-a", rotation(world, "dev-a", **body), **how)
    assert refused.value.code == code
    assert rotated(world, "dev-a", rotation(world, "dev-a"))


@pytest.mark.parametrize("days", [0, 367, -1, True, "1", None])
def test_a_token_lives_a_day_at_least_and_a_year_at_most(world: ServiceWorld, days: object) -> None:
    said = world.said("token.issue", "owner", {"principal": "qa-a", "repository": "", "days": days})
    with pytest.raises(RequestError) as refused:
        acts.issue_token(world.service, world.caller("owner"), said, token=TOKEN)
    assert refused.value.code == "token.days"


def test_a_token_is_issued_for_a_repository_that_there_is(world: ServiceWorld) -> None:
    said = world.said("token.issue", "owner", {"principal": "qa-a", "repository": "orchard", "days": 1})
    with pytest.raises(RequestError, match="orchard"):
        acts.issue_token(world.service, world.caller("owner"), said, token=TOKEN)


def test_a_token_is_revoked_by_its_holder_or_an_owner_and_by_no_other(world: ServiceWorld) -> None:
    body = {"principal": "dev-a", "repository": REPOSITORY, "days": 366}
    issued = acts.issue_token(
        world.service, world.caller("owner"), world.said("token.issue", "owner", body), token=TOKEN
    )
    assert issued["id"] == TOKEN_ID

    def revoke(who: str) -> None:
        said = world.said("token.revoke", who, {"id": TOKEN_ID})
        acts.revoke_token(world.service, world.caller(who), said)

    with pytest.raises(DeniedError):
        revoke("qa-a")
    revoke("dev-a")
    with pytest.raises(RequestError, match="is in force"):
        revoke("owner")
