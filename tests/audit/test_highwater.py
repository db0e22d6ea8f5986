from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING

import pytest

from audit import highwater as highwater_module
from audit import stores
from audit.errors import AuditError, ForkedError, RollbackError, StoreError, UnmarkedError
from audit.highwater import HighWater
from audit.reads import NO_LEAF, Head
from ledger_world import LOG, draft

if TYPE_CHECKING:
    from ledger_world import World


def check(world: World, *, log: str = LOG, adopt: bool = False) -> HighWater:
    mark = HighWater(world.mark, log=log)
    with contextlib.closing(stores.open_reader(world.path)) as connection:
        mark.check(connection, adopt=adopt)
    return mark


def write(world: World, **changes: object) -> None:
    world.mark.write_text(
        json.dumps(json.loads(world.mark.read_text()) | changes, separators=(",", ":"), sort_keys=True)
    )


def test_an_empty_ledger_begins_a_mark_that_only_its_owner_reads(world: World) -> None:
    world.open().close()
    assert json.loads(world.mark.read_text()) == {"log": LOG, "size": 0, "head": "00" * 32}
    assert world.mark.stat().st_mode & 0o777 == 0o600


def test_the_mark_follows_the_ledger(world: World) -> None:
    world.grow(3)
    leaf = world.rows()[2][2]
    assert json.loads(world.mark.read_text()) == {"log": LOG, "size": 3, "head": leaf.hex()}  # type: ignore[attr-defined]
    check(world)


@pytest.mark.parametrize(
    ("changes", "kind", "words"),
    [
        ({"size": 4}, RollbackError, "at least 4 entries, as marked in"),
        ({"head": "ab" * 32}, ForkedError, "expected entry 2 to have leaf hash abab"),
        ({"size": 2}, ForkedError, "expected entry 1 to have leaf hash"),
        ({"log": "other"}, ForkedError, "got that of other"),
        ({"size": True}, StoreError, "log, size and head"),
        ({"size": -1}, StoreError, "log, size and head"),
        ({"size": "3"}, StoreError, "log, size and head"),
        ({"head": "ab"}, StoreError, "log, size and head"),
        ({"more": 1}, StoreError, "log, size and head"),
    ],
)
def test_a_ledger_that_does_not_fit_its_mark_is_not_opened(
    world: World, changes: dict[str, object], kind: type[AuditError], words: str
) -> None:
    world.grow(3)
    world.assert_honest()
    write(world, **changes)
    for adopt in (False, True):  # Adopting is for a lost mark, not for one that disagrees.
        with pytest.raises(kind) as caught:
            check(world, adopt=adopt)
        assert words in str(caught.value)
    with pytest.raises(kind):
        world.open()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"size": 3}', "\0" * 100])
def test_a_mark_that_cannot_be_read_is_not_taken_for_none(world: World, text: str) -> None:
    world.grow(3)
    world.mark.write_text(text)
    with pytest.raises(StoreError, match="expected a high-water mark in"):
        check(world, adopt=True)


def test_a_ledger_that_went_on_since_is_good_and_is_then_marked(world: World) -> None:
    world.grow(2)
    old = world.mark.read_bytes()
    world.grow(4)
    world.mark.write_bytes(old)
    check(world)
    world.open().close()
    assert json.loads(world.mark.read_text())["size"] == 4


def test_a_lost_mark_is_only_replaced_when_asked_for(world: World) -> None:
    world.grow(3)
    world.mark.unlink()
    with pytest.raises(UnmarkedError, match="ledger of 3 entries, got none"):
        world.open()
    assert not world.mark.exists()
    check(world, adopt=True)
    world.assert_honest()


def test_a_new_ledger_in_place_of_a_marked_one_is_refused(world: World) -> None:
    world.grow(3)
    for file in world.path.parent.iterdir():
        file.unlink()
    with pytest.raises(RollbackError, match="at least 3 entries"):
        world.open()


def test_the_mark_never_goes_back(world: World) -> None:
    world.grow(3)
    mark = check(world)
    with pytest.raises(RollbackError, match="move on from 3, got 2"):
        mark.advance(Head(2, b"a" * 32, 0))
    with pytest.raises(ForkedError, match="at size 3"):
        mark.advance(Head(3, b"a" * 32, 0))
    before = world.mark.stat().st_ino
    mark.advance(Head(3, bytes.fromhex(json.loads(world.mark.read_text())["head"]), 0))
    assert world.mark.stat().st_ino == before
    mark.advance(Head(4, b"b" * 32, 0))
    assert json.loads(world.mark.read_text())["size"] == 4


def test_only_who_knows_the_mark_may_move_it(world: World) -> None:
    world.grow(3)
    first, second = check(world), check(world)
    first.advance(Head(4, b"a" * 32, 0))
    with pytest.raises(ForkedError, match="a second writer"):
        second.advance(Head(9, b"b" * 32, 0))
    first.advance(Head(5, b"c" * 32, 0))
    world.mark.unlink()
    with pytest.raises(ForkedError, match="got None"):
        first.advance(Head(6, b"d" * 32, 0))
    with pytest.raises(StoreError, match="checked before it is moved"):
        HighWater(world.mark, log=LOG).advance(Head(1, NO_LEAF, 0))


@pytest.mark.parametrize("step", ["fsync", "write"])
def test_a_mark_that_was_not_wholly_written_leaves_the_old_one(
    world: World, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.grow(3)
    mark = check(world)
    old = world.mark.read_bytes()

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        if step == "fsync":
            broken.setattr(highwater_module.os, "fsync", fail)
        else:
            broken.setattr(highwater_module.os, "fdopen", fail)
        with pytest.raises(StoreError, match="No space left"):
            mark.advance(Head(4, b"a" * 32, 0))
    assert world.mark.read_bytes() == old
    mark.advance(Head(4, b"a" * 32, 0))
    assert json.loads(world.mark.read_text())["size"] == 4


def test_a_ledger_whose_mark_does_not_follow_stops(world: World) -> None:
    world.grow(2)
    ledger = world.open()
    write(world, size=9)
    world.clock.now += 5000
    ledger.run(lambda tx: tx.append(draft()))
    ledger.close()
    assert ledger.broken is not None
    assert "a second writer?" in ledger.broken
