"""The mark outside, row by row of the table in `HighWater.check`, and how it moves."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest

from audit import highwater as highwater_module
from audit import keys, note
from audit.checkpoint import Checkpoint
from audit.errors import AuditError, ForkedError, NoteError, RollbackError, StoreError, UnmarkedError
from audit.highwater import HighWater
from ledger_world import LOG, RECOVERY, SIGNER, append, draft, point

if TYPE_CHECKING:
    from collections.abc import Callable

    from ledger_world import World

OTHER = hashlib.sha256(b"another tree").digest()
OTHERS = note.Signer("other", note.Algorithm.ED25519, SIGNER.secret)
STRANGER = note.Signer(LOG, note.Algorithm.ED25519, bytes(32))


def check(world: World, *, adopt: bool = False) -> HighWater:
    mark = HighWater(world.mark)
    with world.reader() as connection:
        mark.check(connection, keys.read(connection), adopt=adopt)
    return mark


def signed(size: int, root: bytes = OTHER, *, origin: str = LOG, by: note.Signer = SIGNER) -> str:
    text = Checkpoint(origin, size, root).text()
    return note.written(text, [by.line(text)])


def test_an_empty_ledger_has_no_mark_and_the_first_checkpoint_begins_it(world: World) -> None:
    world.open().close()
    assert not world.mark.exists()
    check(world)
    world.grow(1)
    assert point(world.mark) == (LOG, 1)
    assert world.mark.stat().st_mode & 0o777 == 0o600


def test_the_mark_is_the_newest_checkpoint_and_nothing_else(world: World) -> None:
    world.grow(3)
    assert world.mark.read_text() == world.checkpoint(3)
    found = note.read(world.mark.read_bytes(), [SIGNER.key])
    assert found.by(SIGNER.key)
    assert Checkpoint.parse(found.text).size == 3
    check(world)


def flipped(text: str) -> str:
    head, _, line = text.rpartition(" ")
    return f"{head} {line[:10]}{'A' if line[10] != 'A' else 'B'}{line[11:]}"


@pytest.mark.parametrize(
    ("mark", "kind", "words"),
    [
        (lambda _: signed(4), RollbackError, "at least 4 entries, as marked in"),
        (lambda _: signed(2), ForkedError, "at 2 entries, as marked"),
        (lambda _: signed(3), ForkedError, "at 3 entries, as marked"),
        (lambda _: signed(3, origin="other", by=OTHERS), ForkedError, "got that of other"),
        (lambda _: signed(3, by=STRANGER), StoreError, "to be signed by a key that counts there"),
        (lambda _: signed(3, by=RECOVERY), StoreError, "to be signed by a key that counts there"),
        (flipped, (StoreError, NoteError), "does not verify"),
        (lambda text: text.replace("\n3\n", "\n03\n"), StoreError, "expected a checkpoint as high-water mark"),
        (lambda text: text.replace("\n3\n", "\n-3\n"), StoreError, "expected a checkpoint as high-water mark"),
        (lambda text: text.replace("\n3\n", "\n2\n"), (StoreError, NoteError), "does not verify"),
        (lambda text: text.rpartition("\n\n")[0] + "\n", StoreError, "expected a checkpoint as high-water mark"),
        (lambda _: "", StoreError, "expected a checkpoint as high-water mark"),
        (lambda _: "\n\n", StoreError, "expected a checkpoint as high-water mark"),
        (lambda _: "\0" * 100, StoreError, "expected a checkpoint as high-water mark"),
        (lambda _: '{"log":"example.com/ledger","size":3}', StoreError, "expected a checkpoint as high-water mark"),
    ],
)  # fmt: skip
def test_a_ledger_that_does_not_fit_its_mark_is_not_opened(
    world: World, mark: Callable[[str], str], kind: type[AuditError], words: str
) -> None:
    world.grow(3)
    world.open().close()
    world.mark.write_text(mark(world.mark.read_text()))
    for adopt in (False, True):  # Adopting is for a lost mark, not for one that disagrees.
        with pytest.raises(kind) as caught:
            check(world, adopt=adopt)
        assert words in str(caught.value)
    with pytest.raises(kind):
        world.open()


def test_a_mark_that_is_not_text_is_not_taken_for_none(world: World) -> None:
    world.grow(3)
    world.mark.write_bytes(b"\xff" * 100)
    with pytest.raises(StoreError, match="expected a high-water mark in"):
        check(world, adopt=True)


def test_a_ledger_that_went_on_since_is_good_and_is_then_marked(world: World) -> None:
    world.grow(2)
    old = world.mark.read_bytes()
    world.grow(4)
    world.mark.write_bytes(old)
    check(world)
    world.open().close()
    assert point(world.mark) == (LOG, 4)


def test_a_lost_mark_is_only_replaced_when_asked_for(world: World) -> None:
    world.grow(3)
    world.mark.unlink()
    with pytest.raises(UnmarkedError, match="ledger of 3 entries, got none"):
        world.open()
    assert not world.mark.exists()
    adopted = check(world, adopt=True)
    adopted.advance(str(world.checkpoint(3)))
    world.assert_honest()


def test_a_new_ledger_in_place_of_a_marked_one_is_refused(world: World) -> None:
    world.grow(3)
    world.empty()
    with pytest.raises(RollbackError, match=f"got that of {LOG} with 3 entries"):
        world.open()


def test_the_mark_never_goes_back(world: World) -> None:
    world.grow(3)
    mark = check(world)
    with pytest.raises(RollbackError, match="move on from 3, got 2"):
        mark.advance(signed(2))
    with pytest.raises(ForkedError, match="at size 3"):
        mark.advance(signed(3))
    with pytest.raises(ForkedError, match="to stay one, got other"):
        mark.advance(signed(4, origin="other"))
    before = world.mark.stat().st_ino
    mark.advance(world.mark.read_text())
    assert world.mark.stat().st_ino == before
    mark.advance(signed(4))
    assert point(world.mark) == (LOG, 4)


def test_only_who_knows_the_mark_may_move_it(world: World) -> None:
    world.grow(3)
    first, second = check(world), check(world)
    first.advance(signed(4))
    with pytest.raises(ForkedError, match="a second writer"):
        second.advance(signed(9))
    first.advance(signed(5))
    world.mark.unlink()
    with pytest.raises(ForkedError, match="a second writer"):
        first.advance(signed(6))
    with pytest.raises(StoreError, match="checked before it is moved"):
        HighWater(world.mark).advance(signed(1))


def test_where_several_write_one_ledger_they_share_its_mark(world: World) -> None:
    world.grow(3)
    first, second = check(world), check(world)
    world.grow(4)  # By yet another, who moved the mark.
    with world.reader() as connection:
        ledger = connection, keys.read(connection)
        first.advance(world.mark.read_text(), ledger)
        world.mark.write_text(signed(5))
        with pytest.raises(RollbackError, match="at least 5 entries"):
            second.advance(signed(6), ledger)
        world.mark.write_text(signed(4))
        with pytest.raises(ForkedError, match="at 4 entries, as marked"):
            second.advance(signed(6), ledger)
        world.mark.write_text(signed(2, by=STRANGER))
        with pytest.raises(StoreError, match="to be signed by a key that counts there"):
            second.advance(signed(6), ledger)
        world.mark.unlink()
        with pytest.raises(ForkedError, match="a second writer"):
            second.advance(signed(6), ledger)


@pytest.mark.parametrize("step", ["fsync", "fdopen"])
def test_a_mark_that_was_not_wholly_written_leaves_the_old_one(
    sqlite_world: World, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = sqlite_world
    world.grow(3)
    mark = check(world)
    old = world.mark.read_bytes()

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(highwater_module.os, step, fail)
        with pytest.raises(StoreError, match="No space left"):
            mark.advance(signed(4))
    assert world.mark.read_bytes() == old
    mark.advance(signed(4))
    assert point(world.mark) == (LOG, 4)


def test_a_ledger_whose_mark_does_not_follow_stops(world: World) -> None:
    world.grow(2)
    ledger = world.open()
    world.mark.write_text(signed(9))
    world.clock.now += 5000
    ledger.run(lambda tx: tx.append(draft()))
    ledger.close()
    assert ledger.broken is not None
    assert ("a second writer?" if world.engine == "sqlite" else "at least 9 entries") in ledger.broken


def test_a_ledger_without_a_key_that_may_sign_is_not_opened(world: World) -> None:
    world.grow(2)
    world.signers = [RECOVERY, STRANGER]
    with pytest.raises(StoreError, match=r"a key at hand that may sign example.com/ledger at 2, got none"):
        world.open()
    world.signers = [SIGNER]
    world.open().close()


def test_a_ledger_whose_key_is_taken_away_stops(world: World) -> None:
    world.grow(2)
    ledger = world.open()
    world.signers = [RECOVERY, STRANGER]
    world.clock.now += 5000
    assert ledger.run(append(2)) == 2
    ledger.close()
    assert "expected a key at hand that may sign example.com/ledger at 3" in str(ledger.broken)
    assert (point(world.mark), world.checkpoint(3)) == ((LOG, 2), None)
    world.signers = [SIGNER]
    world.open().close()
    world.assert_honest()
    assert point(world.mark) == (LOG, 3)
