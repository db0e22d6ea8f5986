"""A message is its bytes, from one, to some, in one repository; what is missing or was changed is seen."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import pytest

from audit.entry import Draft
from builders import REPOSITORY
from coordinate.shapes import assert_shaped
from governance.coordinate import messages
from governance.coordinate.messages import HOUR_MS, OURS, TYPES, compare
from governance.errors import RequestError
from governance.people import principals
from governance.record import SERVICE, Kind
from governance.state import read, registry
from keys import key_of
from service_world import PEOPLE, ServiceWorld

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

RAW = b"Please look at change 1.\n"


def sha(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[ServiceWorld]:
    with ServiceWorld(tmp_path, people=(*PEOPLE, "qa-b")) as made:
        made.applied(made.open_change())
        yield made
        assert_shaped(made)


def send(world: ServiceWorld, by: str = "dev-a", raw: bytes = RAW, **changed: Any) -> dict[str, Any]:  # noqa: ANN401
    body = {
        "repository": REPOSITORY, "to": ["dev-b"], "type": "sign-off-request", "digest": sha(raw), "size": len(raw),
        "change": 1, "expects": "sign-off-approval", "reply_to": 0,
    }  # fmt: skip
    said = world.said("message.send", by, body | changed, nonce=str(len(world.kinds())))
    return messages.send(world.service, world.caller(by), said, REPOSITORY)


def verify(world: ServiceWorld, by: str = "dev-b", raw: bytes = RAW, *, number: int = 0) -> dict[str, Any]:
    return messages.verify(world.service, world.caller(by), REPOSITORY, digest=sha(raw), number=number)


def refused(code: str, do: Callable[[], object], world: ServiceWorld) -> None:
    before = len(world.kinds())
    with pytest.raises(RequestError) as caught:
        do()
    assert caught.value.code == code, caught.value
    (last,) = world.bodies("seq >= ?", before)
    assert (last["kind"], last["data"]["code"]) == ("request.refused", code)


def mine(world: ServiceWorld, name: str) -> list[dict[str, Any]]:
    with world.service.read() as tx:
        who = read.roster(tx).get(name)
        assert who is not None
        return messages.concerning(tx, REPOSITORY, who)


def test_a_message_is_registered_and_known_by_its_bytes(world: ServiceWorld) -> None:
    sent = send(world)

    found = verify(world)
    assert (found["message"], found["from"], found["to"], found["change"]) == (sent["message"], "dev-a", ["dev-b"], 1)
    assert verify(world, number=sent["message"]) == found
    assert verify(world, "dev-a")["message"] == sent["message"]


def test_what_nobody_sent_or_was_changed_is_not_acted_on(world: ServiceWorld) -> None:
    sent = send(world)
    refused("message.unknown", lambda: verify(world, raw=RAW + b" "), world)
    refused("message.unknown", lambda: verify(world, number=sent["message"] + 1), world)
    refused("message.changed", lambda: verify(world, raw=RAW + b" ", number=sent["message"]), world)
    refused("message.not_yours", lambda: verify(world, "qa-a"), world)


def test_the_same_bytes_in_another_repository_say_nothing_here(world: ServiceWorld) -> None:
    data = {"name": "orchard", "id": "r2", "path": "/orchard", "git_uid": 1, "advisory": False, "refs": []}
    world.append(Draft(Kind.REPOSITORY_ADDED, SERVICE, "orchard", "orchard", data))
    body = {
        "repository": "orchard", "to": ["dev-b"], "type": "status", "digest": sha(RAW), "size": len(RAW), "change": 0,
        "expects": "", "reply_to": 0,
    }  # fmt: skip
    said = world.said("message.send", "dev-a", body)
    messages.send(world.service, world.caller("dev-a"), said, "orchard")

    refused("message.unknown", lambda: verify(world), world)
    refused("statement.other_repository", lambda: send(world, repository="orchard"), world)
    send(world)
    assert verify(world)["type"] == "sign-off-request"


def test_bytes_are_registered_once(world: ServiceWorld) -> None:
    send(world)
    refused("message.reused", lambda: send(world), world)
    refused("message.reused", lambda: send(world, "qa-a", to=["dev-a"]), world)


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"to": []}, "message.recipient"),
        ({"to": ["nobody"]}, "message.recipient"),
        ({"to": ["dev-\u044c"]}, "message.recipient"),
        ({"to": ["dev-b "]}, "message.recipient"),
        ({"to": ["d\u0435v-b"]}, "message.recipient"),
        ({"to": [1]}, "message.recipient"),
        ({"to": ["dev-b"] * 21}, "message.recipient"),
        ({"to": "dev-b"}, "message.malformed"),
        ({"type": "order"}, "message.type"),
        ({"type": "decision-announcement"}, "message.reserved"),
        ({"expects": "order"}, "message.type"),
        ({"digest": "E" * 64}, "message.malformed"),
        ({"size": 0}, "message.malformed"),
        ({"size": True}, "message.malformed"),
        ({"size": 2**40}, "message.malformed"),
        ({"change": 9}, "message.change"),
        ({"reply_to": 1}, "message.unknown"),
        ({"from": "owner"}, "message.malformed"),
    ],
)
def test_a_message_says_exactly_what_it_must(world: ServiceWorld, changed: dict[str, Any], code: str) -> None:
    refused(code, lambda: send(world, **changed), world)


def test_an_answer_that_is_missing_is_recorded_once_and_cleared_even_late(world: ServiceWorld) -> None:
    sent = send(world)
    assert sent["due_at"] == world.now + 4 * HOUR_MS
    world.now += 4 * HOUR_MS - 1
    assert messages.overdue(world.service) == 0
    world.now += 1
    assert messages.overdue(world.service) == 1
    assert messages.overdue(world.service) == 0
    (entry,) = world.bodies("kind='message.overdue'")
    assert (entry["data"]["message"], entry["data"]["from"], entry["data"]["to"]) == (
        sent["message"],
        "dev-a",
        ["dev-b"],
    )
    assert mine(world, "dev-a")[0]["overdue"]

    send(world, "dev-b", b"no\n", to=["dev-a"], type="sign-off-rejection", expects="", reply_to=sent["message"])
    first = mine(world, "dev-a")[-1]
    assert first["replied"]
    assert first["overdue"]


def test_an_answer_in_time_is_never_missed(world: ServiceWorld) -> None:
    sent = send(world, to=["dev-b", "qa-b"])
    send(world, "qa-b", b"yes\n", to=["dev-a"], type="sign-off-approval", expects="", reply_to=sent["message"])
    world.now += 5 * HOUR_MS
    assert messages.overdue(world.service) == 0


def test_another_type_is_no_answer(world: ServiceWorld) -> None:
    sent = send(world)
    send(world, "dev-b", b"seen\n", to=["dev-a"], type="status", expects="", reply_to=sent["message"])
    world.now += 5 * HOUR_MS
    assert messages.overdue(world.service) == 1


def test_only_who_was_asked_answers_and_to_who_asked(world: ServiceWorld) -> None:
    sent = send(world)
    answer = {"type": "sign-off-approval", "expects": "", "reply_to": sent["message"]}
    refused("message.not_asked", lambda: send(world, "qa-a", b"1", to=["dev-a"], **answer), world)
    refused("message.not_asked", lambda: send(world, "dev-a", b"1", to=["dev-a"], **answer), world)
    refused("message.recipient", lambda: send(world, "dev-b", b"1", to=["qa-a"], **answer), world)
    assert not mine(world, "dev-a")[0]["replied"]


def test_a_folder_is_compared_with_the_registry() -> None:
    registered = {7: sha(b"a"), 8: sha(b"b"), 9: sha(b"c"), 10: sha(b"mine")}
    files = {"7.md": sha(b"a"), "8.md": sha(b"B"), "notes": sha(b"n"), "11": sha(b"x"), "\u0667": sha(b"y")}
    found = compare(registered, files, {7, 8, 9})
    assert (found["missing"], found["changed"]) == ([9], [8])
    assert found["unknown"] == ["11", "notes", "\u0667"]
    assert compare(registered, {"a": sha(b"a"), "b": sha(b"b"), "c": sha(b"c")}, {7, 8, 9})["missing"] == []
    renamed = compare(registered, {"8": sha(b"a"), "7": sha(b"b"), "9": sha(b"c")}, {7, 8, 9})
    assert renamed["changed"] == [7, 8]


def test_a_check_is_recorded(world: ServiceWorld) -> None:
    found = compare({7: sha(b"a")}, {}, {7})
    body = {
        "repository": REPOSITORY, "registered": 1, "files": 0, "missing": found["missing"], "changed": [], "unknown": 0,
        "digest": found["digest"],
    }  # fmt: skip

    def check(**changed: Any) -> dict[str, Any]:  # noqa: ANN401
        said = world.said("message.check", "dev-b", body | changed, nonce=str(len(world.kinds())))
        return messages.checked(world.service, world.caller("dev-b"), said, REPOSITORY)

    check()
    assert world.bodies("kind='message.checked'")[0]["data"]["missing"] == [7]
    refused("message.malformed", lambda: check(missing=["7"]), world)
    refused("message.malformed", lambda: check(digest="x"), world)


def test_every_type_can_be_sent(world: ServiceWorld) -> None:
    for type_ in set(TYPES) - OURS:
        send(world, raw=type_.encode(), type=type_, expects="", change=0)
    assert len(mine(world, "dev-b")) == len(TYPES) - len(OURS)
    assert mine(world, "qa-a") == []


def test_what_others_write_hides_no_message(world: ServiceWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "SHOWN", 3)
    first = send(world, raw=b"the one that matters")["message"]
    for number in range(5):
        send(world, "qa-a", b"noise %d" % number, to=["qa-b"])
    assert [each["message"] for each in mine(world, "dev-b")] == [first]
    for number in range(5):
        send(world, "qa-a", b"more noise %d" % number)
    assert len(mine(world, "dev-b")) == 3


@pytest.mark.parametrize("ends", ["key", "principal"])
def test_a_message_of_a_key_that_was_revoked_is_not_acted_on(world: ServiceWorld, ends: str) -> None:
    send(world)
    verify(world)
    drafts = {
        "key": Draft(Kind.KEY_REVOKED, SERVICE, "", "", {"fingerprint": key_of("dev-a").fingerprint, "statement": {}}),
        "principal": principals.retired("dev-a", actor=SERVICE, statement={}),
    }
    world.append(drafts[ends])
    refused("message.disowned", lambda: verify(world), world)
