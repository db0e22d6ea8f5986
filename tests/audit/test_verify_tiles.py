from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audit import tiles, verify
from audit.tiles import Tile
from verify_world import KEY, OTHER, Book, put

VECTORS = Path(os.environ.get("TWINSEAL_VECTORS", Path(__file__).parents[2].parent / "shared" / "vectors"))
PUBLISHED = VECTORS / "tessera-log"
PUBLISHED_KEY = "example.com/log/testdata+33d7b496+AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx"
here = pytest.mark.skipif(not PUBLISHED.is_dir(), reason=f"no published vectors in {VECTORS}: set TWINSEAL_VECTORS")
PINNED = verify.Demands(keys=(str(KEY.key),))


@pytest.fixture(scope="module")
def book() -> Book:
    book = Book(700)
    book.sign(1, 256, 300, 700)
    return book


@pytest.fixture(scope="module")
def exported(book: Book, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return book.export(tmp_path_factory.mktemp("exported"))


@pytest.fixture
def export(exported: Path, tmp_path: Path) -> Path:
    return shutil.copytree(exported, tmp_path / "export")


def test_an_honest_export_is_valid(export: Path) -> None:
    report = verify.verify(export, PINNED)
    assert (report.status, report.size, report.signed) == ("valid", 700, 700)
    believed = verify.verify(export)
    assert believed.status == "valid"
    assert any("keys.policy" in remark for remark in believed.remarks)


def test_tiles_and_a_checkpoint_alone_are_enough(book: Book, tmp_path: Path) -> None:
    assert verify.verify(book.export(tmp_path, bare=True)).status == "valid"


def flip(path: Path, at: int) -> None:
    with path.open("r+b") as file:  # In place: a file that is emptied and written again waits for the disk.
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ 1]))


def test_every_flipped_byte_of_an_export_is_caught(tmp_path: Path) -> None:
    small = Book(4)
    small.sign(2, 4)
    small.export(tmp_path)
    assert verify.verify(tmp_path, PINNED).status == "valid"
    files = sorted(path for path in tmp_path.rglob("*") if path.is_file())
    assert len(files) == 8
    for path in files:
        whole = path.read_bytes()
        for at in range(len(whole)):
            flip(path, at)
            report = verify.verify(tmp_path, PINNED)
            flip(path, at)
            assert report.status != "valid", (path, at)
            if path.parts[-2] in {"0", "entries"}:
                entry = next(n for n in range(4) if at < sum(len(body) + 2 for body in small.bodies[: n + 1]))
                assert report.first_bad == (at // 32 if path.parts[-2] == "0" else report.first_bad)
                assert path.parts[-2] == "0" or report.first_bad in {0, entry}
    assert verify.verify(tmp_path, PINNED).status == "valid"


@pytest.mark.parametrize(
    ("name", "at", "first_bad"),
    [
        ("tile/0/001", 32 * 7, 256 + 7),
        ("tile/0/002.p/188", 32 * 187, 699),
        ("tile/1/000.p/2", 32, 256),
        ("tile/entries/000", 5, 0),
        ("entries.jsonl", 5, 0),
    ],
)
def test_the_first_bad_entry_is_named(export: Path, name: str, at: int, first_bad: int) -> None:
    whole = bytearray((export / name).read_bytes())
    whole[at] ^= 1
    (export / name).write_bytes(whole)
    report = verify.verify(export)
    assert (report.status, report.first_bad) == ("tampered", first_bad), report


@pytest.mark.parametrize(
    "name", ["tile/0/001", "tile/0/002.p/188", "tile/1/000.p/2", "tile/entries/001", "tile/entries/002.p/188"]
)
def test_a_missing_or_cut_tile_is_found(export: Path, name: str) -> None:
    (export / name).write_bytes((export / name).read_bytes()[:-1])
    assert verify.verify(export).status == "tampered"
    (export / name).unlink()
    assert verify.verify(export).status == "tampered"


def test_lines_that_are_missing_or_too_many_are_found(export: Path) -> None:
    lines = (export / "entries.jsonl").read_bytes()
    put(export / "entries.jsonl", lines[: lines.rindex(b"\n", 0, -1) + 1])
    assert verify.verify(export).first_bad == 699
    put(export / "entries.jsonl", lines + b"{}\n")
    assert verify.verify(export).first_bad == 700


def test_other_checkpoints_and_blobs_of_an_export_are_judged(book: Book, export: Path) -> None:
    put(export / "checkpoints" / "300", book.checkpoint(300, root=bytes(32)).encode())
    assert "checkpoint 300" in verify.verify(export).reason
    put(export / "checkpoints" / "300", book.checkpoint(301).encode())
    assert verify.verify(export).status == "tampered"
    put(export / "checkpoints" / "300", book.checkpoint(300).encode())
    assert verify.verify(export).status == "valid"
    put(export / "checkpoints" / "x", b"")
    assert verify.verify(export).status == "tampered"
    (export / "checkpoints" / "x").unlink()
    put(export / "blob" / ("ab" * 32), b"other")
    assert "blob" in verify.verify(export).reason


def test_a_log_that_went_on_has_wider_tiles_and_older_ones(book: Book, tmp_path: Path) -> None:
    longer = Book(700)
    while longer.size < 1100:
        longer.given()
    folder = longer.export(tmp_path, bare=True)
    put(folder / "checkpoint", longer.checkpoint(700).encode())
    report = verify.verify(folder)
    assert (report.status, report.size) == ("valid", 700)
    assert any("beyond the checkpoint" in remark for remark in report.remarks)
    put(folder / "checkpoint", longer.checkpoint().encode())
    older = tiles.bundled(longer.bodies[256:300])
    put(folder / "tile/entries/001.p/44", older)
    put(folder / "tile/0/001.p/44", b"".join(longer.leaves[256:300]))
    assert verify.verify(folder).status == "valid"
    for name in ("tile/0/001.p/44", "tile/entries/001.p/44"):
        put(folder / name, (folder / name).read_bytes()[:-1] + b"!")
        assert verify.verify(folder).status == "tampered"
        shutil.rmtree((folder / name).parent)
    put(folder / "tile/odd", b"")
    assert verify.verify(folder).status == "tampered"


def test_the_checkpoint_of_a_directory_must_be_signed_by_its_key(book: Book, export: Path) -> None:
    put(export / "checkpoint", book.checkpoint(700, OTHER).encode())
    assert verify.verify(export, PINNED).status == "unverifiable"
    put(export / "checkpoint", book.checkpoint(700, root=bytes(32)).encode())
    assert verify.verify(export, PINNED).status == "tampered"
    put(export / "checkpoint", book.checkpoint(300).encode())
    put(export / "entries.jsonl", b"".join(body + b"\n" for body in book.bodies[:300]))
    shutil.rmtree(export / "checkpoints")
    assert verify.verify(export, PINNED).size == 300
    (export / "checkpoint").unlink()
    assert verify.verify(export).status == "unverifiable"


def test_another_policy_than_the_ledgers_own_is_noticed(export: Path) -> None:
    put(export / "keys.policy", f"log {OTHER.key}\nquorum none\n".encode())
    assert verify.verify(export).status == "tampered"
    assert verify.verify(export, PINNED).status == "tampered"
    put(export / "keys.policy", b"quorum none\n")
    assert verify.verify(export).status == "tampered"
    put(export / "keys.policy", b"what\n")
    assert verify.verify(export).status == "tampered"


def test_a_pruned_export_begins_later(book: Book, tmp_path: Path) -> None:
    pruned = Book(700)
    pruned.prune(256)
    pruned.sign(701)
    report = verify.verify(pruned.export(tmp_path), PINNED)
    assert (report.status, report.size) == ("valid", 701), report
    gone = Book(700)
    gone.below = 256
    report = verify.verify(gone.export(tmp_path / "gone"), PINNED)
    assert (report.status, report.first_bad) == ("tampered", 0)


def test_a_file_of_lines_is_judged_by_itself(book: Book, tmp_path: Path) -> None:
    path = book.lines(tmp_path / "entries.jsonl")
    report = verify.verify(path)
    assert (report.status, report.size, report.signed) == ("valid", 700, None)
    mark = put(tmp_path / "mark", book.notes[300].encode())
    assert verify.verify(path, verify.Demands((mark,), PINNED.keys)).signed == 300
    assert verify.verify(path, PINNED).status == "unverifiable"  # A key is given, and nothing is signed.
    lines = path.read_bytes()
    for spoilt in (lines[:-1], lines + b"\n", lines + b"{" * 70_000 + b"\n", lines.replace(b"alice", b"alicf", 1)):
        assert verify.verify(put(path, spoilt)).status == "tampered"


def test_what_is_no_file_is_not_waited_for(book: Book, export: Path) -> None:
    (export / "checkpoint").unlink()
    os.mkfifo(export / "checkpoint")
    assert verify.verify(export).status == "unverifiable"
    assert verify.verify(export / "checkpoint").status == "unverifiable"
    put(export.parent / "ledger", b"")
    assert verify.verify(export.parent / "ledger").status == "unverifiable"


@here
def test_a_published_log_is_judged_by_tree_and_signature(tmp_path: Path) -> None:
    demands = verify.Demands(keys=(PUBLISHED_KEY,), opaque=True)
    report = verify.verify(PUBLISHED, demands)
    assert (report.status, report.size) == ("valid", report.signed), report
    assert verify.main([str(PUBLISHED), "--entries", "any", "--key", PUBLISHED_KEY]) == 0
    against = tuple(sorted(PUBLISHED.glob("checkpoint.*")))
    assert len(against) == 16
    compared = verify.verify(PUBLISHED, verify.Demands(against, (PUBLISHED_KEY,), opaque=True))
    assert compared.status in {"valid", "rollback"}, compared
    assert verify.verify(PUBLISHED, verify.Demands(opaque=True)).status == "unverifiable"
    assert verify.verify(PUBLISHED, verify.Demands(keys=(PUBLISHED_KEY,))).status == "tampered"
    copy = shutil.copytree(PUBLISHED, tmp_path / "log")
    bundle = next(path for path in sorted((copy / "tile" / "entries").rglob("*")) if path.is_file())
    bundle.write_bytes(bundle.read_bytes()[:-1] + b"!")
    assert verify.verify(copy, demands).status == "tampered"


SMALL = Book(12)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.data())
def test_hostile_directories_do_not_crash(tmp_path: Path, data: st.DataObject) -> None:
    folder = tmp_path / "hostile"
    shutil.rmtree(folder, ignore_errors=True)
    SMALL.sign(5, 12)
    SMALL.export(folder)
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    for _ in range(data.draw(st.integers(1, 3))):
        path = data.draw(st.sampled_from(files))
        junk = data.draw(st.binary(max_size=200) | st.text(max_size=50).map(lambda text: text.encode(errors="replace")))
        whole = path.read_bytes()
        at = data.draw(st.integers(0, len(whole)))
        path.write_bytes(data.draw(st.sampled_from([junk, whole[:at], whole[:at] + junk + whole[at:], whole * 2])))
    assert verify.verify(folder, PINNED).status in verify.EXIT


def test_a_size_that_nobody_has_is_not_worked_through(export: Path, book: Book) -> None:
    put(export / "checkpoint", book.checkpoint(10**18, origin="example.com/ledger", root=bytes(32)).encode())
    assert verify.verify(export).status == "tampered"


def test_paths_of_tiles_are_those_of_the_specification() -> None:
    for tile in (Tile(0, 0), Tile(3, 1_234_067), Tile(0, 70_000, 3), Tile(0, 5, 9, entries=True)):
        assert verify._tile_path("entries" if tile.entries else str(tile.level), tile.index, tile.width) == tile.path()
