"""Values that can be erased, requests that are done once."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from audit import erasing, reads
from audit.entry import Draft
from audit.errors import EntryError, StoreError
from ledger_world import ALICE, append, draft

if TYPE_CHECKING:
    from audit.ledger import Ledger
    from ledger_world import World

SECRET = "Ada Lovelace <ada@example.org>, +44 20 7946 0000"


def given(ledger: Ledger) -> int:
    return ledger.run(lambda tx: tx.append(replace(draft(1), private={"name": SECRET, "city": "London"})).seq)


def erase(ledger: Ledger, of: int, *fields: str) -> int:
    deed = {"basis": "GDPR 17", "approver": "olga", "actor": ALICE}
    return ledger.run(lambda tx: erasing.erase(tx, of, fields, **deed).seq)  # type: ignore[arg-type]


def values(world: World, seq: int) -> dict[str, str]:
    with world.reader() as connection:
        return reads.private(connection, seq)


def test_an_entry_commits_to_what_it_does_not_say(world: World) -> None:
    world.grow(1)
    with world.open() as ledger:
        assert given(ledger) == 1
    body = world.bodies()[1]
    assert SECRET.encode() not in body
    commit = json.loads(body)["data"]["commit"]
    with world.reader() as connection:
        rows = connection.execute("select field, salt, value from ledger_private order by field").fetchall()
    for field, salt, value in rows:
        assert commit[field] == hashlib.sha256(b"\x02" + bytes(salt) + value.encode()).hexdigest()
    assert values(world, 1) == {"name": SECRET, "city": "London"}
    assert len({bytes(salt) for _, salt, _ in rows}) == 2
    world.assert_honest()


def test_what_is_erased_does_not_come_back(world: World) -> None:
    world.grow(1)
    with world.open() as ledger:
        given(ledger)
        before = world.bodies()
        assert erase(ledger, 1, "name") == 2
        assert values(world, 1) == {"city": "London"}
        with pytest.raises(EntryError, match="expected entry 1 to hold name, got city"):
            erase(ledger, 1, "name")
        with pytest.raises(EntryError, match="expected entry 1 to hold city, name"):
            erase(ledger, 1, "name", "city")
        assert values(world, 1) == {"city": "London"}
    assert world.bodies()[:2] == before
    said = json.loads(world.bodies()[2])
    assert said["kind"] == erasing.ERASED
    assert said["data"] == {"of": 1, "fields": ["name"], "basis": "GDPR 17", "approver": "olga"}
    world.assert_honest()
    with world.open() as ledger:
        assert erase(ledger, 1, "city") == 3
    assert values(world, 1) == {}
    world.assert_honest()


def test_a_value_that_was_erased_and_put_back_shows(world: World) -> None:
    world.grow(1)
    with world.open() as ledger:
        given(ledger)
    with world.reader() as connection:
        [row] = connection.execute("select seq, field, salt, value from ledger_private where field = 'name'").fetchall()
    with world.open() as ledger:
        erase(ledger, 1, "name")
    with world.sql() as connection:
        connection.execute("insert into ledger_private values (?, ?, ?, ?)", tuple(row))
    report = world.report()
    assert (report["exit"], report["first_bad"]) == (1, 1)


@pytest.mark.parametrize(("of", "fields"), [(0, ["name"]), (9, ["name"]), (1, []), (1, ["other"]), (1, ["name", "x"])])
def test_only_what_is_there_can_be_erased(world: World, of: int, fields: list[str]) -> None:
    world.grow(1)
    with world.open() as ledger:
        given(ledger)
        with pytest.raises(EntryError, match=f"expected entry {of} to hold"):
            erase(ledger, of, *fields)
        assert ledger.head.size == 2
    assert values(world, 1) == {"name": SECRET, "city": "London"}
    world.assert_honest()


def test_a_command_that_fails_after_erasing_has_erased_nothing(world: World) -> None:
    world.grow(1)
    with world.open() as ledger:
        given(ledger)
        with pytest.raises(ZeroDivisionError):
            ledger.run(lambda tx: (erasing.erase(tx, 1, ["name"], basis="", approver="", actor=ALICE), 1 // 0))
        with pytest.raises(StoreError, match="expected an entry that says what is done"):
            ledger.run(lambda tx: tx.maintain(lambda connection: connection.execute("delete from ledger_private")))
    assert values(world, 1) == {"name": SECRET, "city": "London"}
    world.assert_honest()


def test_what_is_erased_is_not_in_the_file_any_more(sqlite_world: World) -> None:
    world = sqlite_world
    world.grow(1)
    needle = b"SECRET-" * 40
    with world.open() as ledger:
        seqs = [
            ledger.run(lambda tx: tx.append(replace(draft(1), private={"name": needle.decode() + "é" * 2000})).seq)
            for _ in range(20)
        ]
        ledger._connection.execute("pragma wal_checkpoint(truncate)")
        assert needle in world.path.read_bytes()
        for seq in seqs:
            erase(ledger, seq, "name")
        ledger._connection.execute("pragma wal_checkpoint(truncate)")  # Until then the journal may hold it.
        assert holding(world, needle) == []
    assert holding(world, needle) == []
    world.assert_honest()


def holding(world: World, needle: bytes) -> list[str]:
    return [file.name for file in world.path.parent.iterdir() if needle in file.read_bytes()]


def test_values_are_kept_with_the_entry_or_not_at_all(world: World) -> None:
    world.grow(1)
    with world.open() as ledger:
        with pytest.raises(EntryError):
            ledger.run(lambda tx: tx.append(replace(draft(1, x=0.5), private={"name": SECRET})))
        with pytest.raises(ZeroDivisionError):
            ledger.run(lambda tx: (tx.append(replace(draft(1), private={"name": SECRET})), 1 // 0))
        with pytest.raises(EntryError):
            ledger.run(lambda tx: tx.append(draft(1, commit="taken")))
    with world.reader() as connection:
        assert connection.execute("select count(*) from ledger_private").fetchone() == (0,)
    world.assert_honest()


def test_a_request_is_done_once(world: World) -> None:
    world.grow(1)
    with world.open() as ledger:
        first = ledger.run(lambda tx: tx.append(draft(7), key="a").seq)
        world.clock.now += 5
        again = ledger.run(lambda tx: tx.append(draft(7), key="a"))
        assert (first, again.seq) == (1, 1)
        assert ledger.run(lambda tx: (tx.append(draft(8), key="b").seq, tx.append(draft(8), key="b").seq)) == (2, 2)
        with pytest.raises(ZeroDivisionError):
            ledger.run(lambda tx: (tx.append(draft(9), key="c"), 1 // 0))
        assert ledger.run(lambda tx: tx.append(draft(9), key="c").seq) == 3  # What failed was not done.
        assert ledger.run(append(7)) == 4  # Without a key, it is another.
    with world.open() as ledger:  # Also after a restart.
        assert ledger.run(lambda tx: tx.append(draft(7), key="a").seq) == 1
    assert len(world.rows()) == 5
    world.assert_honest()


def test_a_key_that_was_used_for_something_else_is_refused(world: World) -> None:
    world.grow(1)
    with world.open() as ledger:
        ledger.run(lambda tx: tx.append(draft(7), key="a"))
        other = draft(7)
        for bad in (
            draft(8),
            Draft("ledger.heartbeat", ALICE, other.repo, other.subject, {}),
            Draft(other.kind, ALICE, "orchard", other.subject, other.data),
        ):
            with pytest.raises(EntryError, match=r"expected the key 'a' to be for sign_off\.given"):
                ledger.run(lambda tx, bad=bad: tx.append(bad, key="a"))

        # The command may go on.
        def command(tx: object) -> int:
            with pytest.raises(EntryError):
                tx.append(draft(8), key="a")  # type: ignore[attr-defined]
            return tx.append(draft(8), key="b").seq  # type: ignore[attr-defined,no-any-return]

        assert ledger.run(command) == 2
    world.assert_honest()
