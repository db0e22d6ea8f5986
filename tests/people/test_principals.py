from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import pytest

from builders import a_policy, a_principal, a_roster
from governance.errors import ConflictError, NotFoundError, RequestError
from governance.people.principals import candidate, invitation, known, secret_digest
from governance.people.sessions import Sessions
from governance.people.tokens import Caller
from service_world import FAR_OFF, SECRET, ServiceWorld

if TYPE_CHECKING:
    from pathlib import Path

GOOD: dict[str, Any] = {"name": "rose", "role": "dev-a", "emails": ["rose@example.org"]}
ROSTER = a_roster(a_principal("old-owner", "owner", retired=True))


def proposed(**changed: Any) -> object:  # noqa: ANN401 - a field of a request
    body = {name: value for name, value in (GOOD | changed).items() if value != ()}
    return candidate(body, a_policy(), ROSTER, by="owner")


def test_an_agent_is_run_by_the_person_who_enrols_it_unless_another_is_named() -> None:
    assert candidate(GOOD, a_policy(), ROSTER, by="owner").operator == "owner"
    assert candidate(GOOD | {"operator": "mia"}, a_policy(), ROSTER, by="owner").operator == "mia"
    assert candidate(GOOD | {"role": "human"}, a_policy(), ROSTER, by="owner").operator == "rose"


def test_addresses_are_kept_in_lower_case_and_once() -> None:
    who = candidate(GOOD | {"emails": ["Rose@Example.org", "rose@example.org"]}, a_policy(), ROSTER, by="owner")

    assert who.emails == ("rose@example.org",)
    assert who.recorded()["kind"] == "agent"


BAD = [
    ("a name in capitals", {"name": "Rose"}, "principal.name"),
    ("a name with a letter of another alphabet", {"name": "r\u043ese"}, "principal.name"),
    ("a name with a line feed", {"name": "rose\n"}, "principal.name"),
    ("a name like an option", {"name": "-rose"}, "principal.name"),
    ("a name with two hyphens", {"name": "ro--se"}, "principal.name"),
    ("an empty name", {"name": ""}, "principal.name"),
    ("no name", {"name": ()}, "principal.name"),
    ("a name of 41", {"name": "r" * 41}, "principal.name"),
    ("a name that is no text", {"name": 7}, "request.malformed"),
    ("a name that is taken", {"name": "dev-b"}, "principal.taken"),
    ("the name of one who has retired", {"name": "old-owner"}, "principal.taken"),
    ("a role that there is not", {"role": "emperor"}, "principal.role"),
    ("no role", {"role": ()}, "principal.role"),
    ("a role that is a list", {"role": ["dev-a"]}, "request.malformed"),
    ("run by nobody", {"operator": "ghost"}, "principal.operator"),
    ("run by an agent", {"operator": "dev-b"}, "principal.operator"),
    ("run by one who has retired", {"operator": "old-owner"}, "principal.operator"),
    ("a person run by another", {"role": "human", "operator": "mia"}, "principal.operator"),
    ("no address", {"emails": []}, "principal.email"),
    ("addresses missing", {"emails": ()}, "principal.email"),
    ("addresses that are no list", {"emails": "rose@example.org"}, "request.malformed"),
    ("addresses that are null", {"emails": None}, "request.malformed"),
    ("an address that is a number", {"emails": [7]}, "request.malformed"),
    ("an address that is none", {"emails": ["rose"]}, "principal.email"),
    ("an address with a name", {"emails": ["Rose <rose@example.org>"]}, "principal.email"),
    ("an address in another alphabet", {"emails": ["r\u043ese@example.org"]}, "principal.email"),
    ("somebody's address", {"emails": ["dev-b@example.org"]}, "principal.email_taken"),
    ("somebody's address in capitals", {"emails": ["DEV-B@EXAMPLE.ORG"]}, "principal.email_taken"),
    ("the address of one who has retired", {"emails": ["old-owner@example.org"]}, "principal.email_taken"),
    ("a uid in words", {"uid": "1000"}, "principal.uid"),
    ("a uid below nought", {"uid": -1}, "principal.uid"),
    ("true for a uid", {"uid": True}, "principal.uid"),
    ("a delegate nobody enrolled", {"delegates": ["ghost"]}, "request.not_found"),
    ("delegates that are a number", {"delegates": 7}, "request.malformed"),
    ("a family that is no text", {"model_family": {}}, "request.malformed"),
]


@pytest.mark.parametrize(("changed", "code"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
def test_who_cannot_be_enrolled_is_told_why(changed: dict[str, Any], code: str) -> None:
    assert proposed()
    with pytest.raises(RequestError) as refused:
        proposed(**changed)
    assert refused.value.code == code


def test_an_agent_is_not_run_by_nobody_in_particular() -> None:
    with pytest.raises(RequestError):
        candidate(GOOD, a_policy(), ROSTER, by="")


def test_a_name_of_forty_is_a_name() -> None:
    assert proposed(name="r" * 40)


def test_who_has_retired_is_not_known_any_more() -> None:
    assert known(ROSTER, "dev-b").name == "dev-b"
    for name in ("old-owner", "ghost"):
        with pytest.raises(NotFoundError, match="is not enrolled here"):
            known(ROSTER, name)


def test_an_enrolment_secret_opens_until_it_is_a_millisecond_too_old(tmp_path: Path) -> None:
    with ServiceWorld(tmp_path) as world, world.service.read() as tx:
        until = FAR_OFF + 1000
        assert invitation(tx, SECRET, now=until - 1) == (secret_digest(SECRET), "")
        for secret, now in ((SECRET, until), (SECRET + " ", FAR_OFF), ("", FAR_OFF), ("\udc80", FAR_OFF)):
            with pytest.raises(NotFoundError) as refused:
                invitation(tx, secret, now=now)
            assert refused.value.code == "enrolment.secret"


def test_a_conflict_is_not_mistaken_for_a_slip() -> None:
    with pytest.raises(ConflictError):
        proposed(name="dev-b")


def test_a_session_is_known_while_it_is_open_and_no_longer() -> None:
    sessions, caller = Sessions(), Caller("dev-a", "agent", "garden", "t")

    assert sessions.get("s") is None
    with contextlib.suppress(RuntimeError), sessions.opened("s", caller):
        assert sessions.get("s") is caller
        assert sessions.get("") is None
        raise RuntimeError("the connection broke")
    assert sessions.get("s") is None
