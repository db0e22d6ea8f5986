"""A ledger as files and back, and what is let go of: archives, pruning, proofs that stay."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from audit import erasing, exporting, keys, merkle, note, pruning, reads, restoring, rotation, tree
from audit.entry import Draft, leaf_hash
from audit.errors import AuditError, EntryError, ProofError, StoreError
from audit.proof import Proof
from audit.tiles import Tile, bundled, unbundled
from ledger_world import ALICE, GENESIS, LOG, RECOVERY, REFERRING, SIGNER, PostgresWorld, World, append, draft, point

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import postgres
    from audit.exporting import Exported

    Make = Callable[[World], None]


def filled(world: World, number: int = 300) -> World:
    """Entries enough for a full tile, with everything beside them that a ledger can have."""
    world.grow(number - 3)
    with world.open() as ledger:
        blob = ledger.run(lambda tx: tx.blob(b"payload" * 100))
        ledger.run(
            lambda tx: tx.append(replace(draft(1, blob=blob), private={"name": "Ada", "city": "London"}), key="once")
        )
        ledger.run(append(2, text="é\u2028\x7f"))
        ledger.run(lambda tx: erasing.erase(tx, number - 3, ["city"], basis="b", approver="a", actor=ALICE))
    return world


def export(world: World, folder: Path) -> Exported:
    with world.reader() as connection:
        return exporting.export(connection, folder)


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def restored(world: World, folder: Path) -> World:
    with world.writer() as connection:
        restoring.restore(connection, folder)
    return world


def test_an_export_is_all_that_the_verifier_needs(world: World, tmp_path: Path) -> None:
    filled(world)
    done = export(world, tmp_path / "x")
    found = files(tmp_path / "x")
    assert (done.size, done.first, done.files, done.checkpoint) == (300, 0, len(found), world.checkpoint())
    assert found["checkpoint"].decode() == world.checkpoint()
    assert found["entries.jsonl"].splitlines() == world.bodies()
    assert found["tile/0/000"] == b"".join(leaf for _, _, leaf in world.rows()[:256])
    assert found["tile/0/001.p/44"] == b"".join(leaf for _, _, leaf in world.rows()[256:])
    assert {"tile/entries/000", "tile/entries/001.p/44", "tile/1/000.p/1", "keys.policy", "checkpoints/300"} <= {*found}
    assert found["keys.policy"].decode() == f"log {SIGNER.key}\nquorum none\n"
    assert b"Ada" not in b"".join(found.values())
    report = world.report(what=tmp_path / "x")
    assert (report["status"], report["size"]) == ("valid", 300), report


def test_exporting_again_writes_only_what_is_new(world: World, tmp_path: Path) -> None:
    filled(world)
    export(world, tmp_path / "x")
    times = {path: path.stat().st_mtime_ns for path in (tmp_path / "x" / "tile").rglob("*") if path.is_file()}
    world.grow(600)
    export(world, tmp_path / "x")
    export(world, tmp_path / "y")
    again, anew = files(tmp_path / "x"), files(tmp_path / "y")
    assert anew.items() <= again.items()
    assert all(".p/" in name for name in again.keys() - anew.keys())  # Partial tiles of before, which stay right.
    assert (tmp_path / "x/tile/0/000").stat().st_mtime_ns == times[tmp_path / "x/tile/0/000"]
    for name in "xy":
        assert world.report(what=tmp_path / name)["status"] == "valid"


def test_an_export_goes_as_far_as_the_newest_checkpoint(world: World, tmp_path: Path) -> None:
    world.grow(3)
    with world.open(marked=False) as ledger:
        ledger.run(append(3))
    assert export(world, tmp_path / "x").size == 3
    assert len(files(tmp_path / "x")["entries.jsonl"].splitlines()) == 3


def test_what_was_never_signed_is_not_exported(world: World, tmp_path: Path) -> None:
    world.open().close()
    with pytest.raises(ProofError, match="never signed"):
        export(world, tmp_path / "x")


@pytest.mark.parametrize("there", ["another log", "a longer one", "other files", "no folder"])
def test_a_folder_that_holds_something_else_is_left_alone(world: World, tmp_path: Path, there: str) -> None:
    world.grow(3)
    folder = tmp_path / "x"
    if there == "no folder":
        folder.write_text("a file")
    else:
        folder.mkdir()
        said = {"another log": (f"{LOG}s", 1), "a longer one": (LOG, 4)}.get(there)
        name = "checkpoint" if said else "precious"
        (folder / name).write_text(f"{said[0]}\n{said[1]}\n{'A' * 43}=\n\n- x\n" if said else "")
    before = files(folder) if folder.is_dir() else folder.read_bytes()
    with pytest.raises(StoreError):
        export(world, folder)
    assert (files(folder) if folder.is_dir() else folder.read_bytes()) == before


def test_to_the_other_engine_and_back_is_the_same_export(
    tmp_path: Path, pg_server: postgres.Server, sqlite_world: World
) -> None:
    filled(sqlite_world)
    export(sqlite_world, tmp_path / "1")
    there = restored(PostgresWorld(tmp_path / "pg", pg_server), tmp_path / "1")
    export(there, tmp_path / "2")
    back = restored(World(tmp_path / "back"), tmp_path / "2")
    export(back, tmp_path / "3")
    assert files(tmp_path / "1") == files(tmp_path / "2") == files(tmp_path / "3")
    for world in (there, back):
        assert world.rows() == sqlite_world.rows()
        shutil.copy(sqlite_world.mark, world.mark)
        world.clock.now = sqlite_world.clock.now
        with world.open(schema="", projector=lambda *_: None) as ledger:
            assert ledger.run(append(300)) == 300
        assert world.report()["status"] == "valid"


def test_values_that_can_be_erased_travel_in_a_file_of_their_own(world: World, tmp_path: Path) -> None:
    filled(world)
    export(world, tmp_path / "x")
    with world.writer() as connection:
        (tmp_path / "x" / restoring.PRIVATE).write_bytes(b"".join(restoring.private_lines(connection, 300)))
    back = restored(World(tmp_path / "back"), tmp_path / "x")
    with back.reader() as connection:
        assert reads.private(connection, 297) == {"name": "Ada"}
    line = json.loads((tmp_path / "x" / restoring.PRIVATE).read_bytes())
    for place, value in ((3, "Eve"), (1, "town"), (0, 5), (2, "00" * 32)):
        other = [*line]
        other[place] = value
        (tmp_path / "x" / restoring.PRIVATE).write_text(json.dumps(other))
        with pytest.raises(AuditError, match=r"to commit to .* as the back-up has it"):
            restored(World(tmp_path / f"not{place}"), tmp_path / "x")


def backup(world: World, folder: Path) -> None:
    """As `twinseal ledger backup` writes it."""
    done = export(world, folder)
    with world.reader() as connection:
        (folder / restoring.PRIVATE).write_bytes(b"".join(restoring.private_lines(connection, done.size)))


def test_a_back_up_holds_no_value_of_an_entry_after_its_checkpoint(world: World, tmp_path: Path) -> None:
    world.grow(5)
    with world.open(marked=False) as ledger:
        ledger.run(lambda tx: tx.append(replace(draft(5), private={"name": "Ada"})))
    backup(world, tmp_path / "x")
    assert len(restored(World(tmp_path / "back"), tmp_path / "x").rows()) == 5


def test_what_was_erased_is_not_restored_from_an_older_copy_beside_it(world: World, tmp_path: Path) -> None:
    filled(world, 20)
    backup(world, tmp_path / "x")
    with world.open() as ledger:
        ledger.run(lambda tx: erasing.erase(tx, 17, ["name"], basis="b", approver="a", actor=ALICE))
    export(world, tmp_path / "x")
    back = restored(World(tmp_path / "back"), tmp_path / "x")
    with back.reader() as connection:
        assert reads.private(connection, 17) == {}
    assert back.report(marked=False)["status"] == "valid"


def test_an_export_that_died_is_finished_by_the_next(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.grow(5)
    export(world, tmp_path / "x")
    world.grow(7)
    with monkeypatch.context() as patch:
        patch.setattr(exporting.os, "fsync", lambda _: (_ for _ in ()).throw(OSError("the power failed")))
        with pytest.raises(StoreError):
            export(world, tmp_path / "x")
    world.grow(9)
    export(world, tmp_path / "x")
    assert world.report(what=tmp_path / "x")["status"] == "valid"


BUNDLE = "tile/entries/000.p/20"
"""Where an export of twenty entries has them."""


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-10])


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def high(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b'"alice"', b'"alic\xff"', 1))


def swap(path: Path) -> None:
    bodies = unbundled(path.read_bytes())
    path.write_bytes(bundled([*bodies[:3], bodies[4], bodies[3], *bodies[5:]]))


def forge(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b"refs/heads/b7", b"refs/heads/b8"))


def strange(path: Path) -> None:
    text = path.read_text().rpartition("\n\n")[0] + "\n"
    path.write_text(note.written(text, [note.Signer(LOG, SIGNER.algorithm, bytes(32)).line(text)]))


@pytest.mark.parametrize(
    ("name", "deed"),
    [
        (BUNDLE, cut),
        (BUNDLE, flip),
        (BUNDLE, high),
        (BUNDLE, swap),
        (BUNDLE, forge),
        (BUNDLE, lambda path: path.write_bytes(b"")),
        (BUNDLE, lambda path: path.unlink()),
        (BUNDLE, lambda path: path.write_bytes(path.read_bytes() * 2)),
        (BUNDLE, lambda path: path.write_bytes(bundled(unbundled(path.read_bytes())[5:]))),
        ("checkpoint", cut),
        ("checkpoint", flip),
        ("checkpoint", strange),
        ("checkpoint", lambda path: path.unlink()),
        ("checkpoint", lambda path: path.write_bytes(b"\xff")),
        ("blob", lambda path: flip(next(path.iterdir()))),
        ("blob", lambda path: next(path.iterdir()).rename(path / "junk")),
        ("checkpoints", lambda path: (path / "100x").write_text("junk")),
        ("checkpoints", lambda path: (path / "3").write_text("junk")),
        ("checkpoints", lambda path: (path / "3").write_text((path / "20").read_text())),
        ("checkpoints", lambda path: strange(next(path.iterdir()))),
    ],
)
def test_an_export_that_was_meddled_with_is_not_restored(
    sqlite_world: World, tmp_path: Path, name: str, deed: Callable[[Path], object]
) -> None:
    filled(sqlite_world, 20)
    export(sqlite_world, tmp_path / "x")
    restored(World(tmp_path / "good"), tmp_path / "x")
    deed(tmp_path / "x" / name)
    into = World(tmp_path / "bad")
    with pytest.raises(AuditError):
        restored(into, tmp_path / "x")
    assert into.rows() == []


def test_an_export_is_restored_into_an_empty_place_only(world: World, tmp_path: Path) -> None:
    world.grow(3)
    export(world, tmp_path / "x")
    with pytest.raises(StoreError, match="expected an empty ledger to restore into, got 3"):
        restored(world, tmp_path / "x")
    world.assert_honest()


def test_a_restored_ledger_that_lacks_the_end_is_not_opened(world: World, tmp_path: Path) -> None:
    world.grow(3)
    export(world, tmp_path / "x")
    world.grow(5)
    world.empty()
    restored(world, tmp_path / "x")
    with pytest.raises(AuditError, match="at least 5 entries"):
        world.open()


# Pruning. State that refers to entries would hold them; what is pruned is folded no more.

LOOSE = {"schema": "", "projector": lambda *_: None}


def long(world: World, number: int) -> World:
    with world.open(**LOOSE) as ledger:
        if not ledger.head.size:
            ledger.run(lambda tx: tx.append(GENESIS))
        futures = [ledger.submit(append(n, text="x" * 50)) for n in range(ledger.head.size, number)]
        assert futures[-1].result() == number - 1
    return world


def proofs(world: World, sizes: tuple[int, ...], upto: int) -> list[Any]:
    with world.reader() as connection:
        found: list[Any] = []
        for size in sizes:
            nodes = tree.nodes(connection, size)
            found += [merkle.root(size, nodes), merkle.consistency_proof(1, size, nodes)]
            found += [merkle.inclusion_proof(at, size, nodes) for at in range(0, min(size, upto), 37)]
        return found


def prune(world: World, folder: Path, below: int) -> int:
    def command(tx: Any) -> int:  # noqa: ANN401
        return pruning.prune(tx, pruning.check_archive(tx._connection, folder, below), actor=ALICE).seq

    with world.open(**LOOSE) as ledger:
        return ledger.run(command)


def refuses_to_delete(world: World) -> None:
    with world.sql() as connection, pytest.raises(world.Error, match="append only"):
        connection.execute("delete from ledger_entry where seq = (select max(seq) from ledger_entry)")


def test_what_is_pruned_leaves_every_hash_and_every_proof(world: World, tmp_path: Path) -> None:
    long(world, 800)
    with world.open(**LOOSE) as ledger:
        ledger.run(lambda tx: tx.append(replace(draft(800), private={"name": "Ada"}), key="once"))
    export(world, tmp_path / "archive")
    before, rows = proofs(world, (255, 256, 257, 512, 700, 801), 801), world.rows()
    assert prune(world, tmp_path / "archive", 512) == 801
    assert proofs(world, (255, 256, 257, 512, 700, 801), 801) == before
    kept = world.rows()
    assert kept[0] == rows[0]  # What the ledger says of itself stays.
    assert kept[1:290] == rows[512:801]
    assert [seq for seq, _, _ in kept][:3] == [0, 512, 513]
    refuses_to_delete(world)
    said = json.loads(kept[-1][1])["data"]
    with world.reader() as connection:
        assert exporting.first_kept(connection) == 512
        assert said["below"] == 512
        nodes = tree.nodes(connection, 802)
        body = (tmp_path / "archive/tile/entries/000").read_bytes()[2:]
        proof = merkle.inclusion_proof(0, 802, nodes)
        merkle.verify_inclusion(leaf_hash(rows[0][1]), 0, 802, proof, merkle.root(802, nodes))
        assert body.startswith(rows[0][1])
        with pytest.raises(ProofError, match="expected an entry below"):
            exporting.prove(connection, 5)
        shown = Proof.parse(exporting.prove(connection, 600))
        shown.verify(leaf_hash(rows[600][1]), keys.read(connection).at(LOG, 802))
    with world.open(**LOOSE) as ledger:  # It opens, and goes on.
        assert ledger.run(append(802)) == 802
    assert point(world.mark) == (LOG, 803)


def test_a_second_prune_goes_on_from_the_first(world: World, tmp_path: Path) -> None:
    long(world, 600)
    export(world, tmp_path / "1")
    prune(world, tmp_path / "1", 256)
    long(world, 1000)
    export(world, tmp_path / "2")
    assert not (tmp_path / "2/tile/entries/000").exists()
    assert (tmp_path / "2/tile/0/000").read_bytes() == (tmp_path / "1/tile/0/000").read_bytes()
    before = proofs(world, (256, 512, 1000), 1000)
    for wrong in (256, 128, 512 + 1, 0, 1024, 4096):
        with pytest.raises(ProofError, match="expected a multiple of 256 above 256"):
            prune(world, tmp_path / "2", wrong)
    assert prune(world, tmp_path / "2", 768) == 1000
    assert proofs(world, (256, 512, 1000), 1000) == before
    refuses_to_delete(world)
    with world.open(**LOOSE) as ledger:
        assert ledger.run(append(1001)) == 1001


def test_of_two_prunes_at_one_time_the_later_does_not_say_less(world: World, tmp_path: Path) -> None:
    long(world, 600)
    export(world, tmp_path / "x")
    with world.reader() as connection:
        less, more = (pruning.check_archive(connection, tmp_path / "x", below) for below in (256, 512))
    with world.open(**LOOSE) as ledger:
        ledger.run(lambda tx: pruning.prune(tx, more, actor=ALICE))
        with pytest.raises(ProofError, match="expected to prune entries from 512 on, got those below 256"):
            ledger.run(lambda tx: pruning.prune(tx, less, actor=ALICE))
    assert world.report()["status"] == "valid"


def rotated_and_pruned(world: World, tmp_path: Path) -> Path:
    """An export of a ledger whose key was rotated among the entries that are pruned."""
    new = note.Signer(LOG, SIGNER.algorithm, bytes([7]) * 32)
    long(world, 5)
    with world.open(**LOOSE) as ledger:
        ledger.run(lambda tx: tx.append(rotation.rotation(tx._connection, SIGNER, new, actor=ALICE, overlap=0)))
    world.signers = [new]
    long(world, 600)
    export(world, tmp_path / "1")
    prune(world, tmp_path / "1", 256)
    export(world, tmp_path / "2")
    assert world.report(what=tmp_path / "2")["status"] == "valid"
    return tmp_path / "2"


def sign_by_the_old_key(folder: Path) -> None:
    text, _ = note.split((folder / "checkpoint").read_text())
    (folder / "checkpoint").write_text(note.written(text, [SIGNER.line(text)]))


def test_a_pruned_export_still_tells_which_key_counts(world: World, tmp_path: Path) -> None:
    folder = rotated_and_pruned(world, tmp_path)
    sign_by_the_old_key(folder)
    assert world.report(what=folder)["status"] == "unverifiable"


def test_a_rotation_taken_out_of_what_was_kept_does_not_bring_the_old_key_back(world: World, tmp_path: Path) -> None:
    folder = rotated_and_pruned(world, tmp_path)
    kept = (folder / "kept.jsonl").read_bytes().splitlines(keepends=True)
    (folder / "kept.jsonl").write_bytes(b"".join(line for line in kept if b"key_rotated" not in line))
    shutil.rmtree(folder / "checkpoints")
    sign_by_the_old_key(folder)
    found = world.report(what=folder, marked=False)
    assert (found["status"], "what was kept" in found["reason"]) == ("tampered", True)


def test_a_pruned_export_holds_checkpoints_of_earlier_epochs(world: World, tmp_path: Path) -> None:
    later = note.Signer(f"{LOG}/e2", SIGNER.algorithm, bytes([9]) * 32)
    long(world, 5)
    world.signers = [later]
    with world.writer() as connection:
        loss = rotation.Loss(world.mark.read_text(), "the key is gone", "olga")
        begun = rotation.epoch(connection, RECOVERY, later, loss, actor=ALICE)
        rotation.begin_epoch(connection, begun, world.publisher(), clock=world.clock, projector=lambda *_: None)
    with world.open(log=later.name, **LOOSE) as ledger:
        for number in range(6, 600):
            ledger.submit(append(number))
    export(world, tmp_path / "1")
    with world.reader() as connection:
        archive = pruning.check_archive(connection, tmp_path / "1", 256)
    with world.open(log=later.name, **LOOSE) as ledger:
        ledger.run(lambda tx: pruning.prune(tx, archive, actor=ALICE))
    export(world, tmp_path / "2")
    report = world.report(what=tmp_path / "2")
    assert report["status"] == "valid", report


def test_a_kind_that_nobody_registered_is_not_valid_in_a_pruned_ledger_either(world: World, tmp_path: Path) -> None:
    long(world, 600)
    export(world, tmp_path / "x")
    prune(world, tmp_path / "x", 256)
    with world.open(**LOOSE | {"kinds": None}) as ledger:
        ledger.run(lambda tx: tx.append(Draft("made.up", ALICE, "", "", {})))
    assert world.report()["status"] == "unverifiable"


def test_a_pruned_ledger_is_valid_as_it_stands_and_exported(world: World, tmp_path: Path) -> None:
    long(world, 600)
    export(world, tmp_path / "1")
    prune(world, tmp_path / "1", 512)
    report = world.report()
    assert report["status"] == "valid", report
    export(world, tmp_path / "2")
    report = world.report(what=tmp_path / "2")
    assert report["status"] == "valid", report


@pytest.mark.parametrize("deed", [cut, flip, forge, lambda path: path.unlink(), lambda path: path.write_bytes(b"")])
def test_an_archive_that_does_not_hold_it_all_prunes_nothing(
    world: World, tmp_path: Path, deed: Callable[[Path], object]
) -> None:
    long(world, 600)
    export(world, tmp_path / "x")
    before = world.rows()
    deed(tmp_path / "x" / Tile(0, 1, entries=True).path())
    if deed is forge:
        (tmp_path / "x" / Tile(0, 1, entries=True).path()).write_bytes(b"\x00\x02{}" * 256)
    with pytest.raises(AuditError):
        prune(world, tmp_path / "x", 512)
    assert world.rows() == before
    refuses_to_delete(world)


def test_a_prune_that_fails_midway_leaves_everything_and_the_guard(world: World, tmp_path: Path) -> None:
    long(world, 600)
    export(world, tmp_path / "x")
    before = world.rows()

    def command(tx: Any) -> None:  # noqa: ANN401
        pruning.prune(tx, pruning.check_archive(tx._connection, tmp_path / "x", 512), actor=ALICE)
        raise ZeroDivisionError

    with world.open(**LOOSE) as ledger, pytest.raises(ZeroDivisionError):
        ledger.run(command)
    assert world.rows() == before
    refuses_to_delete(world)


def test_state_that_refers_to_entries_holds_them(world: World, tmp_path: Path) -> None:
    world.open(schema=REFERRING).close()
    world.grow(300)
    export(world, tmp_path / "x")
    before = world.rows()
    with pytest.raises(StoreError, match=r"FOREIGN KEY|foreign key"):
        prune(world, tmp_path / "x", 256)
    assert world.rows() == before
    world.assert_honest()


def test_a_request_whose_entry_was_pruned_is_not_done_again(world: World, tmp_path: Path) -> None:
    with world.open(**LOOSE) as ledger:
        ledger.run(lambda tx: tx.append(GENESIS))
        ledger.run(lambda tx: tx.append(draft(1), key="once"))
    long(world, 300)
    export(world, tmp_path / "x")
    prune(world, tmp_path / "x", 256)
    with world.open(**LOOSE) as ledger:
        with pytest.raises(EntryError, match="got that of entry 1, whose body is pruned"):
            ledger.run(lambda tx: tx.append(draft(1), key="once"))
        assert ledger.run(lambda tx: tx.append(Draft("ledger.heartbeat", ALICE, "", "", {})).seq) == 301
