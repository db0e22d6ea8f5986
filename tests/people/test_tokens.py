from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from audit.entry import Actor, Draft
from builders import REPOSITORY
from governance.errors import UnauthenticatedError
from governance.people import tokens
from governance.people.tokens import Caller
from governance.record import SERVICE, Kind
from service_world import ServiceWorld

if TYPE_CHECKING:
    from collections.abc import Iterator

OWNER = Actor("owner", "human", "")
TOKEN, PUBLIC = tokens.fresh("a" * 43)
SEAT, _ = tokens.fresh("b" * 43)
REVOKED, REVOKED_ID = tokens.fresh("c" * 43)
RETIRED, _ = tokens.fresh("d" * 43)
AFTERWARDS, _ = tokens.fresh("g" * 43)
LIFE = 1000


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceWorld]:
    def issued(token: str, principal: str, repository: str = "") -> Draft:
        return tokens.issued(
            token, principal=principal, repository=repository, expires_at=made.now + LIFE, actor=OWNER, statement={}
        )

    with ServiceWorld(tmp_path_factory.mktemp("tokens")) as made:
        made.append(issued(TOKEN, "dev-a", REPOSITORY), issued(SEAT, "dev-a"), issued(REVOKED, "dev-a"))
        made.append(tokens.revoked(REVOKED_ID, actor=OWNER, statement={}), issued(RETIRED, "qa-a"))
        made.append(Draft(Kind.PRINCIPAL_RETIRED, SERVICE, "", "qa-a", {"principal": "qa-a", "statement": {}}))
        made.append(issued(AFTERWARDS, "qa-a"))
        yield made


def shown(world: ServiceWorld, token: str, *, later: int = 0) -> Caller:
    with world.service.read() as tx:
        return tokens.authenticate(tx, token, now=world.now + later)


def test_a_token_says_who_and_for_which_repository(world: ServiceWorld) -> None:
    assert shown(world, TOKEN) == Caller("dev-a", "agent", REPOSITORY, PUBLIC)
    assert shown(world, SEAT).repository == ""
    assert shown(world, TOKEN, later=LIFE - 1)


REFUSED = {
    "nothing": "",
    "another": tokens.fresh("e" * 43)[0],
    "revoked": REVOKED,
    "of one who has retired": RETIRED,
    "issued to one who had retired": AFTERWARDS,
    "its public id": PUBLIC,
    "a character more": TOKEN + "a",
    "a line feed more": TOKEN + "\n",
    "a character less": TOKEN[:-1],
    "without its shape": TOKEN.removeprefix("tws_"),
    "in capitals": TOKEN.upper(),
    "not even text": "tws_" + "\udc80" * 43,
    "its digest": tokens.secret_digest(TOKEN),
}  # fmt: skip


@pytest.mark.parametrize("token", REFUSED.values(), ids=REFUSED)
def test_whatever_is_not_a_token_in_force_has_one_answer(world: ServiceWorld, token: str) -> None:
    with pytest.raises(UnauthenticatedError, match=r"^this token is not valid \(any more\)$"):
        shown(world, token)


def test_a_token_ends_at_its_millisecond(world: ServiceWorld) -> None:
    with pytest.raises(UnauthenticatedError):
        shown(world, TOKEN, later=LIFE)


def test_the_ledger_holds_no_token(world: ServiceWorld) -> None:
    bodies = "".join(row[0] for row in world.rows("select body from ledger_entry"))

    assert PUBLIC in bodies
    assert not any(token in bodies for token in (TOKEN, SEAT, REVOKED, RETIRED))
