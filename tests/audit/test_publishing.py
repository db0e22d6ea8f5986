"""Checkpoints: in which order they become known, how often, and never a shorter one."""

from __future__ import annotations

import contextlib
import time
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from audit import note, publishing, reads, tree
from audit.checkpoint import Checkpoint
from audit.errors import AuditError, RollbackError
from audit.note import Algorithm, Signer
from ledger_world import LOG, SIGNER, append, checkpoint_of, draft, point

if TYPE_CHECKING:
    from collections.abc import Iterator

    from audit.publishing import Publisher
    from audit.stores import WritingConnection
    from ledger_world import World

WITNESS = Signer("witness.example", Algorithm.COSIGNATURE, bytes([5]) * 32)


@contextlib.contextmanager
def at_hand(world: World) -> Iterator[tuple[Publisher, WritingConnection]]:
    """A publisher that was checked, and the connection it works on."""
    publisher = world.publisher()
    with world.writer() as connection:
        publisher.check(connection)
        yield publisher, connection


def grown(world: World, number: int) -> None:
    """Entries that nobody has signed yet."""
    with world.open(marked=False) as ledger:
        while ledger.head.size < number:
            ledger.run(append(ledger.head.size))


def test_entries_are_durable_then_the_mark_moves_then_the_note_is_kept(world: World) -> None:
    world.grow(2)
    grown(world, 4)
    seen: list[tuple[str, int, int, bool]] = []

    def look(deed: str) -> None:
        with world.reader() as other:  # Another connection sees what is committed, and nothing else.
            seen.append((deed, reads.size(other), point(world.mark)[1], tree.note(other, 4) is not None))

    with at_hand(world) as (publisher, connection):
        signers, advance = publisher._signers, publisher.mark.advance
        publisher._signers = lambda: (look("sign"), signers())[1]

        def spied(*arguments: Any) -> None:  # noqa: ANN401
            look("before the mark")
            advance(*arguments)
            look("after the mark")

        publisher.mark.advance = spied  # type: ignore[method-assign]
        publisher.publish(connection)
        look("kept")
    assert seen == [
        ("sign", 4, 2, False),
        ("before the mark", 4, 2, False),
        ("after the mark", 4, 4, False),
        ("kept", 4, 4, True),
    ]
    assert world.mark.read_text() == world.checkpoint(4)
    world.assert_honest()


def test_what_was_marked_and_not_kept_is_kept_the_next_time(world: World) -> None:
    world.grow(2)
    grown(world, 4)
    with at_hand(world) as (publisher, connection):
        advance = publisher.mark.advance

        def fail(*arguments: Any) -> None:  # noqa: ANN401
            advance(*arguments)
            raise AuditError("the power failed here")

        publisher.mark.advance = fail  # type: ignore[method-assign]
        with pytest.raises(AuditError, match="the power failed"):
            publisher.publish(connection)
        assert not connection.in_transaction
    assert (point(world.mark)[1], world.checkpoint(4)) == (4, None)
    world.open().close()
    assert world.mark.read_text() == world.checkpoint(4)
    world.assert_honest()


def test_publishing_twice_is_once(world: World) -> None:
    world.grow(3)
    before, inode = world.checkpoint(3), world.mark.stat().st_ino
    with at_hand(world) as (publisher, connection):
        publisher.publish(connection)
        publisher.publish(connection)
    assert (world.checkpoint(3), world.mark.stat().st_ino) == (before, inode)


def test_an_empty_ledger_is_not_signed(world: World) -> None:
    world.open().close()
    with at_hand(world) as (publisher, connection):
        publisher.publish(connection)
    assert (world.checkpoint(), world.mark.exists()) == (None, False)


def test_never_a_shorter_one(world: World) -> None:
    world.grow(3)
    copy = world.copy_data("old")
    publisher = world.publisher()
    with world.writer() as connection:
        publisher.check(connection)
    world.grow(5)
    world.put_back(copy)
    grown(world, 4)
    with world.writer() as connection, pytest.raises(AuditError) as caught:
        publisher.publish(connection)
    assert isinstance(caught.value, RollbackError) or "a second writer?" in str(caught.value)
    assert (point(world.mark)[1], world.checkpoint(4)) == (5, None)


def test_at_most_one_a_second(world: World) -> None:
    world.grow(1)
    with world.open() as ledger:
        for number in range(1, 41):
            world.clock.now += 100
            ledger.run(append(number))
    with world.reader() as connection:
        sizes = [row[0] for row in connection.execute("select size from ledger_checkpoint order by size").fetchall()]
    # Once for each of the four seconds that passed by the clock, and when it opened and closed.
    assert sizes[-1] == 41
    assert 4 <= len(sizes) <= 7
    assert all(after - before >= 9 for before, after in pairwise(sizes[1:-1]))


def test_an_idle_ledger_is_published_within_a_second(world: World) -> None:
    world.grow(1)
    with world.open() as ledger:
        ledger.run(append(1))
        ledger.run(append(2))
        deadline = time.monotonic() + 20
        while world.checkpoint(3) is None and time.monotonic() < deadline:
            time.sleep(0.02)
        assert world.mark.read_text() == world.checkpoint(3)


def test_cosignatures_are_added_and_nothing_else(world: World) -> None:
    world.grow(3)
    signed = str(world.checkpoint(3))
    text = signed.rpartition("\n\n")[0] + "\n"
    both = note.written(text, [WITNESS.line(text, at=1_700_000_000)])
    with world.writer() as connection:
        publishing.add_signatures(connection, both)
        publishing.add_signatures(connection, both)  # Again: nothing new.
        for text in (Checkpoint(LOG, 2, bytes(32)).text(), Checkpoint(LOG, 3, bytes(32)).text()):
            with pytest.raises(AuditError, match="that was kept, got another"):
                publishing.add_signatures(connection, note.written(text, [WITNESS.line(text)]))
    kept = str(world.checkpoint(3))
    assert kept.startswith(signed)
    found = note.read(kept.encode(), [SIGNER.key, WITNESS.key])
    assert [each.key for each in found.signatures] == [SIGNER.key, WITNESS.key]
    world.open().close()
    assert world.mark.read_text() == kept
    world.assert_honest()


def test_too_few_cosignatures_do_not_push_out_enough_of_them(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publishing, "LAST", 1)
    for size in range(1, 7):
        world.grow(size)
        signed = str(world.checkpoint(size))
        text = signed.rpartition("\n\n")[0] + "\n"
        with world.writer() as connection:
            both = note.written(text, [WITNESS.line(text, at=1_700_000_000)])
            publishing.add_signatures(connection, both, enough=size == 3)
    with world.reader() as connection:
        sizes = [row[0] for row in connection.execute("select size from ledger_checkpoint order by size").fetchall()]
    assert sizes == [1, 3, 6]
    world.assert_honest()


def test_a_checkpoint_is_over_the_bodies(world: World) -> None:
    world.grow(300)
    with world.reader() as connection:
        assert checkpoint_of(connection, 300).text() in str(world.checkpoint(300))
        for size in (1, 2, 255, 256, 257, 299):
            assert checkpoint_of(connection, size).size == size
    with world.open() as ledger:
        ledger.run(lambda tx: tx.append(draft(300)))
    world.assert_honest()
