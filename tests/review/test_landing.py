"""Who may ask for a landing, of what, and until when that holds. The lander itself is tried on real repositories."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from audit.entry import Actor, Draft
from builders import MAIN, NEW, OLD, REPOSITORY, ZERO, oid
from governance.errors import ConflictError, DeniedError, GovernanceError, RequestError
from governance.lander import Lander
from governance.people import tokens
from governance.people.tokens import Caller
from governance.record import SERVICE, Effects, Kind
from governance.review import landing
from governance.review.landing import Landing, WaitError
from keys import key_of
from service_world import ServiceWorld

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

OWNER = Actor("owner", "human", "")
HERE = 12345
"""The uid that the repository of `ServiceWorld` belongs to."""
BODY = {"repository": REPOSITORY, "change": 1, "patch_set": 1, "head": NEW}


class World(ServiceWorld):
    """A service with change 1 open, written by dev-a, and a token for everybody."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.tokens = {}
        for number, name in enumerate(self.people):
            token, self.tokens[name] = tokens.fresh(f"{number}" * 43)
            life = self.now + 60_000
            self.append(
                tokens.issued(token, principal=name, repository=REPOSITORY, expires_at=life, actor=OWNER, statement={})
            )
        self.applied(self.open_change())

    def ask(self, by: str = "dev-a", *, here: int = HERE, **changed: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
        said = self.said("land", by, BODY | changed, nonce=str(len(self.kinds())))
        caller = Caller(by, "agent", REPOSITORY, self.tokens[by])
        return landing.ask(self.service, caller, said, REPOSITORY, here=here)

    def waiting(self) -> list[Landing]:
        with self.service.read() as tx:
            return landing.queue(tx)

    def still(self, asked: Landing) -> None:
        self.ledger.run(lambda tx: landing.still_asked(tx, asked))

    def approve(self, by: str) -> None:
        data = {"verdict": "approve", "expires_at": self.now + 1, "statement": {}}
        bound = {"change": 1, "patch_set": 1, "diff_digest": "d" * 64, "repository": REPOSITORY, "target": MAIN}
        bound |= {"head": NEW, "base": OLD, "tree": oid("tree"), "policy_digest": "p"}
        self.append(Draft(Kind.SIGN_OFF_GIVEN, Actor(by, "agent", "k"), REPOSITORY, "1", data | {"binding": bound}))


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with World(tmp_path) as made:
        yield made
        assert made.difference() == ""


@pytest.mark.usefixtures("both")
def test_an_asking_is_on_record_and_waits_with_key_and_token(world: World) -> None:
    answer = world.ask()

    assert world.waiting() == [
        Landing(answer["entry"], REPOSITORY, 1, 1, NEW, "dev-a", key_of("dev-a").fingerprint, world.tokens["dev-a"])
    ]
    body = json.loads(world.rows("select body from ledger_entry where seq=?", answer["entry"])[0][0])
    assert body["data"]["statement"]["text"]
    world.still(world.waiting()[0])


def test_an_approver_and_an_owner_may_ask(world: World) -> None:
    world.approve("qa-a")
    world.ask("qa-a")
    world.append(landing.refused(world.waiting()[0], code="x.y", message="m", actor=SERVICE))
    world.ask("owner")
    assert [asked.asked_by for asked in world.waiting()] == ["owner"]


ASKED_WRONG = [
    ("of another repository", {"repository": "field"}, RequestError, "landing.malformed"),
    ("with a field of their own", {"force": True}, RequestError, "landing.malformed"),
    ("of a change that is text", {"change": "1"}, RequestError, "landing.malformed"),
    ("of a change that is true", {"change": True}, RequestError, "landing.malformed"),
    ("of another patch set", {"patch_set": 2}, ConflictError, "landing.moved"),
    ("of another head", {"head": OLD}, ConflictError, "landing.moved"),
    ("of no change", {"change": 2}, RequestError, "not_found"),
    ("by who has no part in it", {"by": "dev-b"}, DeniedError, "landing.not_involved"),
    ("of another user's repository", {"here": HERE + 1}, RequestError, "landing.separated"),
]


@pytest.mark.parametrize(("changed", "kind", "code"), [row[1:] for row in ASKED_WRONG], ids=[r[0] for r in ASKED_WRONG])
def test_what_is_asked_wrongly_is_not_queued(
    world: World, changed: dict[str, Any], kind: type[GovernanceError], code: str
) -> None:
    with pytest.raises(kind) as refused:
        world.ask(**changed)
    assert refused.value.code.endswith(code)
    assert world.waiting() == []
    world.ask()  # The twin.


def test_a_forge_that_would_not_hear_of_it_is_not_gone_behind(world: World) -> None:
    data = {"name": "forge", "id": "r2", "path": "/forge.git", "git_uid": HERE, "advisory": False, "host": "gitea"}
    world.append(Draft(Kind.REPOSITORY_ADDED, SERVICE, "forge", "forge", data | {"refs": []}))
    said = world.said("land", "dev-a", BODY | {"repository": "forge"})
    with pytest.raises(RequestError) as refused:
        landing.ask(world.service, Caller("dev-a", "agent", "forge", "t"), said, "forge", here=HERE)
    assert refused.value.code == "landing.host"


def test_what_waits_is_not_asked_twice(world: World) -> None:
    world.ask()
    with pytest.raises(ConflictError) as refused:
        world.ask()
    assert refused.value.code == "landing.asked_already"


def another_patch_set(world: World) -> None:
    opened = {
        "change": 1, "patch_set": 2, "ref": "refs/heads/topic/roses", "target": MAIN, "title": "", "head": oid("2"),
        "base": OLD, "tree": oid("t"), "diff_digest": "e" * 64, "about": {"contributors": ["dev-a"], "target_tip": OLD},
    }  # fmt: skip
    lines = ((NEW, oid("2"), "refs/heads/topic/roses"), (ZERO, oid("2"), "refs/changes/1/2"))
    world.applied(world.decide(Effects(handle="8-8", reserve=lines, opens=(opened,)), lines[0]))


def landed(world: World) -> None:
    line = (OLD, NEW, MAIN)
    world.applied(world.decide(Effects(handle="9-9", reserve=(line,), landed=((MAIN, 1),)), line))


def a_revoked_token(world: World) -> None:
    world.append(tokens.revoked(world.tokens["dev-a"], actor=OWNER, statement={}))


def a_revoked_key(world: World) -> None:
    data = {"fingerprint": key_of("dev-a").fingerprint, "statement": {}}
    world.append(Draft(Kind.KEY_REVOKED, OWNER, "", "", data))


def retired(world: World) -> None:
    world.append(Draft(Kind.PRINCIPAL_RETIRED, OWNER, "", "dev-a", {"principal": "dev-a", "statement": {}}))


MEANWHILE: list[tuple[Callable[[World], None], str]] = [
    (another_patch_set, "landing.moved"),
    (landed, "landing.moved"),
    (a_revoked_token, "landing.asker_revoked"),
    (a_revoked_key, "landing.asker_revoked"),
    (retired, "landing.asker_revoked"),
]


@pytest.mark.parametrize(("deed", "code"), MEANWHILE, ids=[deed.__name__ for deed, _ in MEANWHILE])
def test_what_was_asked_ends_with_its_change_and_its_asker(
    world: World, deed: Callable[[World], None], code: str
) -> None:
    world.ask()
    (asked,) = world.waiting()
    world.still(asked)  # The twin.
    deed(world)

    with pytest.raises(GovernanceError) as refused:
        world.still(asked)
    assert refused.value.code == code


def test_a_token_that_expires_meanwhile_ends_nothing(world: World) -> None:
    world.ask()
    world.now += 60_001
    world.still(world.waiting()[0])


def test_what_a_push_is_landing_is_waited_for_and_back_in_the_queue_where_it_did_not_move(world: World) -> None:
    world.ask()
    (asked,) = world.waiting()
    line = (OLD, NEW, MAIN)
    seq = world.decide(Effects(handle="9-9", reserve=(line,), landed=((MAIN, 1),)), line)
    assert world.waiting() == []
    with pytest.raises(WaitError):
        world.still(asked)

    data = {"decision": seq, "lines": [list(line)], "landed": False}
    world.append(Draft(Kind.PUSH_RELEASED, SERVICE, REPOSITORY, str(seq), data))
    assert world.waiting() == [asked]


def test_a_refusal_is_kept_whatever_bytes_a_path_has(world: World) -> None:
    world.ask()
    (asked,) = world.waiting()
    world.append(landing.refused(asked, code="x.y", message="changed bad\udcff\0.txt too" + "x" * 1000, actor=SERVICE))
    assert world.waiting() == []
    (said,) = world.rows("select message from landing")[0]
    assert said.startswith("changed bad??.txt too")


def test_a_merge_is_written_as_git_writes_it() -> None:
    raw = landing.merge_commit("a" * 40, ("b" * 40, "c" * 40), who="l <l@x>", at=7, message="m\n")
    assert landing.signed(raw, b"-BEGIN\nx\n-END\n", width=40) == (
        b"tree %b\nparent %b\nparent %b\nauthor l <l@x> 7 +0000\ncommitter l <l@x> 7 +0000\n"
        b"gpgsig -BEGIN\n x\n -END\n\nm\n" % (b"a" * 40, b"b" * 40, b"c" * 40)
    )
    assert b"\ngpgsig-sha256 " in landing.signed(raw, b"x", width=64)


def test_who_comes_late_writes_down_no_refusal_of_what_has_landed(world: World) -> None:
    """Two replicas' landers reach for one landing; the slower finds the change closed."""
    world.ask()
    (asked,) = world.waiting()
    late = Lander(world.service, None, None, None, process=(1, 1), nonce=str, underway=set())  # type: ignore[arg-type]
    error = ConflictError("it has moved on", code="landing.moved")
    assert late._refuse(asked, error) == "landing.moved"
    assert world.kinds()[-1] == "landing.refused"

    world.ask("dev-a", repository=REPOSITORY)
    (again,) = world.waiting()
    decided = world.decide(
        Effects(handle="1-2", reserve=((OLD, NEW, MAIN),), landed=((MAIN, 1),)), (OLD, NEW, MAIN), by="dev-a"
    )
    world.applied(decided)
    before = world.kinds()
    assert late._refuse(again, error) == "landing.moved"
    assert world.kinds() == before
