"""Whose signature counts for which size: genesis, rotations, epochs, and notes that only look like them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from audit import keys, note, reads, rotation
from audit.checkpoint import Checkpoint
from audit.errors import AuditError, EntryError, RollbackError
from ledger_world import ALICE, BORN, LOG, RECOVERY, SIGNER, append, fold, point

if TYPE_CHECKING:
    from audit.entry import Entry
    from ledger_world import World

ED = note.Algorithm.ED25519
SECOND = note.Signer(LOG, ED, bytes([7]) * 32)
THIRD = note.Signer(LOG, ED, bytes([8]) * 32)
EPOCH = f"{LOG}/e2"
NEXT = note.Signer(EPOCH, ED, bytes([9]) * 32)
LOSS = rotation.Loss("", "the disk burnt", "olga")


def begun(**changes: Any) -> keys.Keys:  # noqa: ANN401
    data = {name: value for name, value in ({"format": 1} | BORN | changes).items() if value is not None}
    return keys.step(keys.Keys((), ()), {"seq": 0, "log": LOG, "kind": "ledger.genesis", "data": data})


def rotated(text: str, *by: note.Signer, overlap: int = 2) -> dict[str, object]:
    signed = note.written(text, [each.line(text) for each in by])
    return {"seq": 10, "log": LOG, "kind": keys.ROTATED, "data": {"note": signed, "overlap": overlap}}


def allowed(found: keys.Keys, origin: str = LOG) -> dict[int, set[bytes]]:
    return {size: {key.public for key in found.at(origin, size)} for size in (1, 10, 11, 12, 13, 14, 15, 99)}


def rotate(world: World, old: note.Signer, new: note.Signer, *, overlap: int = 3) -> Entry:
    def command(tx: Any) -> Entry:  # noqa: ANN401
        return tx.append(rotation.rotation(tx._connection, old, new, actor=ALICE, overlap=overlap))  # type: ignore[no-any-return]

    with world.open() as ledger:
        return ledger.run(command)


def test_a_ledger_begins_with_the_keys_of_its_first_entry() -> None:
    assert begun().at(LOG, 0) == begun().at(LOG, 10**9) == [SIGNER.key]
    assert begun().recovery == RECOVERY.key
    assert begun().at("other", 5) == []
    assert begun(recovery_key=None).recovery is None
    assert begun(ledger_key=None).current() is None


@pytest.mark.parametrize(
    "changes",
    [
        {"ledger_key": str(RECOVERY.key)},
        {"recovery_key": str(SIGNER.key)},
        {"ledger_key": "nonsense"},
        {"ledger_key": 7},
        {"recovery_key": ""},
    ],
)
def test_keys_of_another_name_do_not_begin_it(changes: dict[str, object]) -> None:
    with pytest.raises(EntryError, match=r"^entry 0: expected|^entry 0: "):
        begun(**changes)


def test_a_rotation_ends_one_key_and_begins_another() -> None:
    text = keys.rotation_text(LOG, 10, SIGNER.key, SECOND.key)
    after = keys.step(begun(), rotated(text, SIGNER, SECOND))
    old, new = SIGNER.key.public, SECOND.key.public
    both = {old, new}
    assert allowed(after) == {1: {old}, 10: {old}, 11: both, 12: both, 13: both, 14: {new}, 15: {new}, 99: {new}}
    assert after.current() == SECOND.key
    at_once = keys.step(begun(), rotated(text, SIGNER, SECOND, overlap=0))
    assert allowed(at_once)[11] == both  # The rotation's own size: either may seal it.
    assert allowed(at_once)[12] == {new}


GOOD = (LOG, 10, SIGNER.key, SECOND.key)


@pytest.mark.parametrize(
    ("text", "by", "overlap", "words"),
    [
        (GOOD, [SIGNER], 2, "expected a signature by"),
        (GOOD, [SECOND], 2, "expected a signature by"),
        (GOOD, [SIGNER, THIRD], 2, "expected a signature by"),
        (GOOD, [RECOVERY, SECOND], 2, "expected a signature by"),
        ((LOG, 11, SIGNER.key, SECOND.key), [SIGNER, SECOND], 2, "expected a note that says"),
        (("other", 10, SIGNER.key, SECOND.key), [SIGNER, SECOND], 2, "expected a note that says"),
        ((LOG, 10, THIRD.key, SECOND.key), [THIRD, SECOND], 2, "expected"),
        ((LOG, 10, SIGNER.key, RECOVERY.key), [SIGNER, RECOVERY], 2, "to be replaced by another"),
        (GOOD, [SIGNER, SECOND], -1, "to be replaced by another"),
    ],
)
def test_a_forged_rotation_is_refused(text: Any, by: list[note.Signer], overlap: int, words: str) -> None:  # noqa: ANN401
    with pytest.raises(EntryError) as caught:
        keys.step(begun(), rotated(keys.rotation_text(*text), *by, overlap=overlap))
    assert words in str(caught.value)
    assert "entry 10" in str(caught.value)


def test_a_rotation_in_the_name_of_a_note_that_was_altered_is_refused() -> None:
    body = rotated(keys.rotation_text(*GOOD), SIGNER, SECOND)
    data: Any = body["data"]
    for change in (lambda text: text.replace("\n10\n", "\n11\n"), lambda text: text[:-8], lambda _: "", lambda _: "\n"):
        with pytest.raises(EntryError):
            keys.step(begun(), {**body, "data": {**data, "note": change(data["note"])}})


def test_a_ledger_without_a_key_has_none_to_rotate() -> None:
    with pytest.raises(EntryError, match="to be replaced by another"):
        keys.step(begun(ledger_key=None), rotated(keys.rotation_text(*GOOD), SIGNER, SECOND))


def test_a_ledger_goes_on_under_its_new_key(world: World) -> None:
    world.grow(3)
    world.signers = [SIGNER, SECOND]
    assert rotate(world, SIGNER, SECOND, overlap=2).seq == 3
    found = note.read(str(world.checkpoint(4)).encode(), [SIGNER.key, SECOND.key])
    assert {each.key for each in found.signatures} == {SIGNER.key, SECOND.key}
    world.signers = [SECOND]
    world.grow(5)
    world.assert_honest()
    world.signers = [SIGNER]  # Somebody who kept the old one: good up to size 6, and no further.
    world.grow(6)
    with world.open() as ledger:
        assert ledger.run(append(6)) == 6
    assert "expected a key at hand that may sign" in str(ledger.broken)
    world.signers = [SECOND]
    world.open().close()
    assert point(world.mark) == (LOG, 7)
    world.assert_honest()


def test_a_rotation_is_asked_of_the_key_in_force(world: World) -> None:
    world.grow(3)
    for old, new in ((SECOND, THIRD), (SIGNER, SIGNER), (SIGNER, NEXT)):
        with pytest.raises(EntryError, match="to give way to another"):
            rotate(world, old, new)
    world.assert_honest()


def begin_epoch(world: World, loss: rotation.Loss = LOSS, new: note.Signer = NEXT, by: note.Signer = RECOVERY) -> int:
    world.signers = [new]
    with world.writer() as connection:
        draft = rotation.epoch(connection, by, new, loss, actor=ALICE)
        return rotation.begin_epoch(connection, draft, world.publisher(), clock=world.clock, projector=fold)


def test_a_new_epoch_goes_on_after_a_copy_was_put_back(world: World) -> None:
    world.grow(3)
    copy = world.copy_data("old")
    world.grow(6)
    lost = world.mark.read_text()
    world.put_back(copy)
    with pytest.raises(RollbackError):
        world.open()
    assert begin_epoch(world, rotation.Loss(lost, "an old copy was put back", "olga")) == 3
    assert point(world.mark) == (EPOCH, 4)
    with world.open(log=EPOCH) as ledger:
        assert ledger.run(append(9)) == 4
    assert point(world.mark) == (EPOCH, 5)
    bodies = [json.loads(body) for body in world.bodies()]
    assert [body["log"] for body in bodies] == [LOG, LOG, LOG, EPOCH, EPOCH]
    world.assert_sound()
    assert world.report()["status"] == "valid"
    with world.reader() as connection:
        found = keys.read(connection)
    assert (found.at(LOG, 3), found.at(LOG, 4), found.at(EPOCH, 3)) == ([SIGNER.key], [], [])
    assert found.at(EPOCH, 4) == [NEXT.key]
    assert found.epochs[0].given_up == Checkpoint.parse(lost.rpartition("\n\n")[0] + "\n")


@pytest.mark.parametrize("given_up", [True, False])
def test_an_older_mark_is_good_only_if_the_epoch_gives_up_just_that(world: World, given_up: bool) -> None:  # noqa: FBT001
    world.grow(3)
    copy = world.copy_data("old")
    world.grow(6)
    lost = world.mark.read_text()
    world.put_back(copy)
    begin_epoch(world, rotation.Loss(lost if given_up else "", "an old copy was put back", "olga"))
    world.mark.write_text(lost)  # The power failed before it was set.
    if given_up:
        with world.open(log=EPOCH) as ledger:
            assert ledger.broken is None
    else:
        with pytest.raises(RollbackError, match=r"at least 6 entries, as marked in .* got 3"):
            world.open(log=EPOCH)


def numbered(number: int) -> note.Signer:
    return note.Signer(f"{LOG}/e{number}", ED, bytes([number + 9]) * 32)


def test_a_mark_that_was_left_behind_by_a_new_epoch_follows_it(world: World) -> None:
    world.grow(3)
    lost = world.mark.read_text()
    begin_epoch(world, rotation.Loss(lost, "the key is gone", "olga"))
    world.mark.write_text(lost)  # The power failed before it was set.
    with world.open(log=EPOCH) as ledger:
        ledger.run(append(4))
    assert ledger.broken is None
    assert point(world.mark) == (EPOCH, 5)


def test_a_mark_that_was_left_behind_is_not_given_up_twice(world: World) -> None:
    world.grow(3)
    lost = world.mark.read_text()
    begin_epoch(world, rotation.Loss(lost, "the key is gone", "olga"))
    begin_epoch(world, rotation.Loss(lost, "and again", "olga"), new=numbered(3))
    assert point(world.mark) == (f"{LOG}/e3", 5)
    assert world.report()["status"] == "valid"


def test_no_name_signs_twice_where_the_copy_is_older_than_the_epoch(world: World) -> None:
    world.grow(3)
    copy = world.copy_data("old")
    begin_epoch(world)
    with world.open(log=EPOCH) as ledger:
        ledger.run(append(4))
    lost = world.folder / "lost"
    lost.write_text(world.mark.read_text())
    world.put_back(copy)
    begin_epoch(world, rotation.Loss(lost.read_text(), "an old copy was put back", "olga"), new=numbered(3))
    report = world.report(against=[lost])
    assert (report["status"], report["origin"]) == ("valid", f"{LOG}/e3")
    assert any("accepted loss: 2 entries" in remark for remark in report["remarks"])
    with world.open(log=f"{LOG}/e3") as ledger:
        ledger.run(append(5))
    assert ledger.broken is None


def test_a_mark_of_another_log_or_of_a_fork_is_no_loss(world: World) -> None:
    world.grow(3)
    other = Checkpoint("else.where/ledger", 9, bytes(32)).text()
    fork = Checkpoint(LOG, 2, bytes(32)).text()
    for text, words in ((other, "got that of else.where/ledger"), (fork, "got a fork of it")):
        with pytest.raises(EntryError, match=words):
            begin_epoch(world, rotation.Loss(note.written(text, [SIGNER.line(text)]), "", "olga"))
    world.signers = [SIGNER]
    world.assert_honest()


def test_an_epoch_that_was_made_for_another_place_is_not_appended(world: World) -> None:
    world.grow(3)
    with world.writer() as connection:
        draft = rotation.epoch(connection, RECOVERY, NEXT, LOSS, actor=ALICE)
    world.grow(4)
    with world.writer() as connection, pytest.raises(EntryError, match="expected a note on the epoch"):
        rotation.begin_epoch(connection, draft, world.publisher(), clock=world.clock, projector=fold)
    world.assert_honest()


def test_a_ledger_under_its_old_name_is_not_written_any_more(world: World) -> None:
    world.grow(3)
    begin_epoch(world)
    with pytest.raises(AuditError, match=f"expected a ledger named {LOG}, got one named {EPOCH}"):
        world.open()
    world.signers = [SIGNER, NEXT]
    begin_epoch(world, new=note.Signer(f"{LOG}/e3", ED, bytes([10]) * 32))
    with world.reader() as connection:
        assert reads.origin(connection) == f"{LOG}/e3"
    assert world.report()["status"] == "valid"


def test_only_the_recovery_key_begins_an_epoch(world: World) -> None:
    world.grow(3)
    for by, new in ((SIGNER, NEXT), (note.Signer(f"{LOG}/recovery", ED, bytes(32)), NEXT), (RECOVERY, SECOND)):
        with pytest.raises(EntryError, match=r"expected the recovery key|expected a key named"):
            begin_epoch(world, by=by, new=new)
    world.signers = [SIGNER]
    world.assert_honest()


def epoch_entry(text: str, *by: note.Signer) -> dict[str, object]:
    signed = note.written(text, [each.line(text) for each in by])
    data = {"note": signed, "lost": "", "reason": "", "operator": "eve"}
    return {"seq": 10, "log": EPOCH, "kind": keys.EPOCH, "data": data}


ROOT = bytes(range(32))
TEXT = keys.epoch_text(EPOCH, 10, ROOT, (LOG, 12, ROOT), NEXT.key)


@pytest.mark.parametrize(
    ("text", "by", "log"),
    [
        (TEXT, [SIGNER], EPOCH),
        (TEXT, [NEXT], EPOCH),
        (TEXT, [RECOVERY], LOG),
        (TEXT.replace("\n10\n", "\n11\n"), [RECOVERY], EPOCH),
        (TEXT.replace("ledger epoch", "ledger other"), [RECOVERY], EPOCH),
        (TEXT.replace(f"\n{EPOCH}\n10", f"\n{LOG}/e9\n10"), [RECOVERY], EPOCH),
        (TEXT.replace("\n12\n", "\n012\n"), [RECOVERY], EPOCH),
        ("\n".join(TEXT.split("\n")[:3]) + f"\n{NEXT.key}\n", [RECOVERY], EPOCH),
    ],
)
def test_a_forged_epoch_is_refused(text: str, by: list[note.Signer], log: str) -> None:
    with pytest.raises(EntryError):
        keys.step(begun(), {**epoch_entry(text, *by), "log": log})


def test_an_epoch_ends_every_key_before_it() -> None:
    after = keys.step(begun(), rotated(keys.rotation_text(*GOOD), SIGNER, SECOND, overlap=1000))
    after = keys.step(after, {**epoch_entry(TEXT.replace("\n10\n", "\n13\n"), RECOVERY), "seq": 13})
    assert allowed(after)[13] == {SIGNER.key.public, SECOND.key.public}
    assert allowed(after)[14] == set()
    assert allowed(after, EPOCH)[13] == set()
    assert allowed(after, EPOCH)[14] == {NEXT.key.public}
    assert after.epochs == (
        keys.Epoch(LOG, -1, 13, Checkpoint(LOG, 12, ROOT)),
        keys.Epoch(EPOCH, 13),
    )


def test_a_ledger_without_a_recovery_key_has_no_second_epoch() -> None:
    with pytest.raises(EntryError, match="signed by the recovery key"):
        keys.step(begun(recovery_key=None), epoch_entry(TEXT, RECOVERY))


@pytest.mark.parametrize(
    ("origin", "first", "after"),
    [
        ("a.org/log", "a.org/log", "a.org/log/e2"),
        ("a.org/log/e2", "a.org/log", "a.org/log/e3"),
        ("a.org/log/e9", "a.org/log", "a.org/log/e10"),
        ("a.org/eggs", "a.org/eggs", "a.org/eggs/e2"),
        ("a.org/e/log", "a.org/e/log", "a.org/e/log/e2"),
        ("a.org/e01", "a.org/e01", "a.org/e01/e2"),
    ],
)
def test_names_of_epochs(origin: str, first: str, after: str) -> None:
    assert (keys.lineage(origin), rotation.next_origin(origin)) == (first, after)
