"""What may be appended, and how the log comes to know it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from audit import registering
from audit.entry import Draft
from audit.errors import EntryError
from audit.kinds import Kind, Kinds
from ledger_world import ALICE, draft

if TYPE_CHECKING:
    from ledger_world import World

SHAPE = {
    "name": "text",
    "size": "whole",
    "good": "bool",
    "more": "list",
    "in": "object",
    "what": "any",
    "maybe?": "text",
}
SOME = Kinds({"thing.done": Kind(1, SHAPE)})
GOOD: dict[str, object] = {"name": "", "size": 0, "good": False, "more": [], "in": {}, "what": None}


@pytest.mark.parametrize(
    "changes",
    [{}, {"maybe": "x"}, {"commit": {}}, {"what": 1}, {"what": True}, {"what": "x"}, {"what": []}, {"what": {}}],
)
def test_what_has_the_shape_of_its_kind_is_good(changes: dict[str, object]) -> None:
    SOME.check("thing.done", GOOD | changes)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"name": ...}, "missing or unknown: name"),
        ({"other": 1}, "missing or unknown: other"),
        ({"maybe?": "x"}, "missing or unknown: maybe?"),
        ({"name": 1}, "expected name to be another type than int"),
        ({"name": None}, "expected name to be another type than NoneType"),
        ({"maybe": None}, "expected maybe to be another type than NoneType"),
        ({"size": True}, "expected size to be another type than bool"),
        ({"size": "1"}, "expected size to be another type than str"),
        ({"good": 1}, "expected good to be another type than int"),
        ({"more": {}}, "expected more to be another type than dict"),
        ({"in": []}, "expected in to be another type than list"),
        ({"commit": "x"}, "expected commit to be another type than str"),
    ],
)
def test_what_has_not_is_refused(changes: dict[str, object], words: str) -> None:
    data = {name: value for name, value in (GOOD | changes).items() if value is not ...}
    with pytest.raises(EntryError, match=r"thing\.done: expected") as caught:
        SOME.check("thing.done", data)
    assert words in str(caught.value)


@pytest.mark.parametrize("kind", ["thing.undone", "", "ledger.genesis", "ledger.other"])
def test_a_kind_that_is_not_registered_is_refused(kind: str) -> None:
    with pytest.raises(EntryError, match="expected a kind that is registered"):
        SOME.check(kind, GOOD)


def test_the_ledgers_own_kinds_need_no_registering() -> None:
    SOME.check("ledger.heartbeat", {})
    SOME.check("ledger.clock_stepped", {"behind_ms": 5})
    with pytest.raises(EntryError):
        SOME.check("ledger.heartbeat", {"x": 1})


def test_an_application_cannot_make_the_ledgers_own_kinds_mean_something_else() -> None:
    sly = Kinds({"ledger.heartbeat": Kind(9, {"x": "any"})})
    with pytest.raises(EntryError):
        sly.check("ledger.heartbeat", {"x": 1})


@pytest.mark.parametrize(("name", "type_"), [("a", "float"), ("a", ""), ("commit", "object"), ("commit?", "any")])
def test_a_shape_is_made_of_known_types(name: str, type_: str) -> None:
    with pytest.raises(EntryError, match="expected a type of text, whole"):
        Kind(1, {name: type_})


def registered(world: World, wanted: Kinds) -> Any:  # noqa: ANN401
    with world.open() as ledger:
        entry = ledger.run(lambda tx: registering.register(tx, wanted, ALICE))
        return entry and json.loads(json.dumps(entry.data))


def test_what_is_new_is_registered_once(world: World) -> None:
    world.grow(2)
    first = {"version": 1, "data": dict(SHAPE)}
    assert registered(world, SOME) == {"kinds": {"thing.done": first}}
    assert registered(world, SOME) is None
    more = Kinds({"thing.done": Kind(1, SHAPE), "thing.begun": Kind(1, {})})
    assert registered(world, more) == {"kinds": {"thing.begun": {"version": 1, "data": {}}}}
    with world.reader() as connection:
        assert sorted(registering.registered(connection)) == ["sign_off.given", "thing.begun", "thing.done"]
    world.assert_honest()


def test_another_shape_has_a_higher_version(world: World) -> None:
    world.grow(2)
    registered(world, SOME)
    other = {"name": "text"}
    for version in (0, 1):
        with pytest.raises(EntryError, match="expected a version above 1 for another shape"):
            registered(world, Kinds({"thing.done": Kind(version, other)}))
    assert registered(world, Kinds({"thing.done": Kind(2, other)})) == {
        "kinds": {"thing.done": {"version": 2, "data": other}}
    }
    with pytest.raises(EntryError, match="expected a version above 2"):
        registered(world, SOME)  # An older program does not take it back.
    world.assert_honest()


def test_what_is_not_registered_is_not_appended(world: World) -> None:
    world.grow(2)
    with world.open() as ledger:
        for bad in (Draft("thing.done", ALICE, "", "", {}), draft(1, colour="red"), draft("1")):  # type: ignore[arg-type]
            with pytest.raises(EntryError):
                ledger.run(lambda tx, bad=bad: tx.append(bad))
        assert ledger.run(lambda tx: tx.append(draft(2)).seq) == 2
    world.assert_honest()
