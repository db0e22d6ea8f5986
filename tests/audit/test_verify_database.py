from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audit import verify
from verify_world import KEY, LOG, OTHER, RECOVERY, Book

SALT = bytes(32)
VALUE = "alice@example.com"


def commitment(value: str = VALUE) -> str:
    return verify.hashlib.sha256(b"\2" + SALT + value.encode()).hexdigest()


@pytest.fixture(scope="module")
def book() -> Book:
    book = Book(5)
    book.given("with a field", commit={"mail": commitment()})
    while book.size < 600:
        book.given('"' if book.size % 7 == 0 else "")
    book.private = [(5, "mail", SALT, VALUE)]
    book.sign(5, 256, 300, 513, 600)
    return book


@pytest.fixture
def path(book: Book, tmp_path: Path) -> Path:
    return book.database(tmp_path / "ledger.sqlite")


def edit(path: Path, *statements: str) -> None:
    """Whoever may write the file: no generated columns, and all of it looks as before."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        (sql,) = connection.execute("select sql from sqlite_schema where name = 'ledger_entry'").fetchone()
    declare(path, verify.re.sub(r" generated always as \(.*\) stored", "", sql))
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)
    declare(path, sql)


def declare(path: Path, sql: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("pragma writable_schema = on")
        connection.execute("update sqlite_schema set sql = ? where name = 'ledger_entry'", (sql,))


def test_an_honest_database_is_valid(book: Book, path: Path) -> None:
    report = verify.verify_file(path, verify.Demands(keys=(str(KEY.key),)))
    assert (report.status, report.size, report.signed, report.origin) == ("valid", 600, 600, LOG)
    assert report.remarks == ("nothing to compare with (--against): entries cut off at the end would go unseen",)
    assert verify.verify(path).status == "valid"


@pytest.mark.parametrize(
    ("statement", "status", "first_bad", "words"),
    [
        ("update ledger_entry set kind = 'x' where seq = 300", "tampered", 300, "column kind"),
        ("update ledger_entry set actor = 'eve' where seq = 300", "tampered", 300, "column actor"),
        ("update ledger_entry set ts = 1 where seq = 300", "tampered", 300, "column ts"),
        ("update ledger_entry set repo = 'x' where seq = 300", "tampered", 300, "column repo"),
        ("update ledger_entry set subject = '' where seq = 300", "tampered", 300, "column subject"),
        ("update ledger_entry set subject = cast(x'ff' as text) where seq = 300", "tampered", 300, "row"),
        ("update ledger_entry set body = replace(body, 'alice', 'eve') where seq = 300", "tampered", 300, "leaf hash"),
        ("update ledger_entry set body = zeroblob(5000000) || 'x' where seq = 300", "tampered", 300, "row"),
        ("update ledger_entry set leaf = zeroblob(32) where seq = 300", "tampered", 300, "leaf hash"),
        ("delete from ledger_entry where seq = 300", "tampered", 300, "number"),
        ("delete from ledger_entry where seq < 256", "tampered", 0, "entry"),
        ("delete from ledger_entry where seq >= 500", "tampered", None, "head row"),
        ("delete from ledger_entry", "tampered", None, "head row"),
        ("update ledger_head set size = 3", "tampered", None, "head row"),
        ("update ledger_head set head = zeroblob(32)", "tampered", None, "head row"),
        ("update ledger_head set ts = 1", "tampered", None, "head row"),
        ("update ledger_head set frontier = zeroblob(160)", "tampered", None, "head row"),
        ("delete from ledger_head", "tampered", None, "head row"),
        ("update ledger_tile set root = zeroblob(32) where idx = 1", "tampered", 256, "tile row 0, 1"),
        ("delete from ledger_tile where idx = 0", "tampered", 0, "tile row 0, 0"),
        ("insert into ledger_tile values (0, 2, zeroblob(32))", "tampered", None, "tile rows"),
        ("update ledger_checkpoint set size = 299 where size = 300", "tampered", None, "checkpoint 299"),
        ("update ledger_checkpoint set note = 'no' where size = 300", "tampered", None, "checkpoint 300"),
        ("update ledger_checkpoint set note = replace(note, 'example', 'example2')", "tampered", None, "checkpoint 5"),
        ("update ledger_private set value = 'bob@example.com'", "tampered", 5, "private field mail"),
        ("update ledger_private set salt = zeroblob(31)", "tampered", 5, "private field mail"),
        ("update ledger_private set field = 'name'", "tampered", 5, "private field name"),
        ("update ledger_private set seq = 6", "tampered", 6, "private field mail"),
        ("update ledger_private set seq = 600", "tampered", 600, "private field mail"),
        ("update ledger_blob set data = 'x'", "tampered", None, "blob"),
        ("drop table ledger_tile", "unverifiable", None, "ledger_tile"),
    ],
)
def test_what_was_edited_is_found(path: Path, statement: str, status: str, first_bad: int | None, words: str) -> None:
    edit(path, statement)
    report = verify.verify_file(path)
    assert (report.status, report.first_bad) == (status, first_bad), report.reason
    assert words in report.reason


def test_rows_may_be_gone_where_they_may(path: Path) -> None:
    edit(path, "delete from ledger_private", "delete from ledger_checkpoint", "delete from ledger_blob")
    report = verify.verify_file(path)
    assert (report.status, report.signed) == ("valid", None)
    assert verify.verify_file(path, verify.Demands(keys=(str(KEY.key),))).status == "unverifiable"


def test_a_tail_cut_off_with_its_head_row_is_a_roll_back_by_its_own_checkpoints(book: Book, tmp_path: Path) -> None:
    shorter = book.copy()
    del shorter.bodies[550:]
    shorter.ts -= 50
    report = verify.verify_file(shorter.database(tmp_path / "cut"))
    assert (report.status, report.size) == ("rollback", 550)


def test_a_checkpoint_of_other_entries_is_found(book: Book, tmp_path: Path) -> None:
    odd = book.copy()
    odd.notes[300] = book.checkpoint(300, root=bytes(32))
    report = verify.verify_file(odd.database(tmp_path / "odd"))
    assert (report.status, "root" in report.reason) == ("tampered", True)
    odd.notes[300] = book.checkpoint(300, OTHER)
    assert verify.verify_file(odd.database(tmp_path / "other")).status == "unverifiable"
    odd.notes[300] = book.checkpoint(300)[:-9] + "AAAAAAA=\n"
    assert verify.verify_file(odd.database(tmp_path / "forged")).status == "tampered"


def test_what_was_erased_and_is_still_there_is_found(book: Book, tmp_path: Path) -> None:
    erased = book.copy()
    erased.add("ledger.erased", {"of": 5, "fields": ["mail"], "basis": "asked", "approver": "bob"})
    assert "erased" in verify.verify_file(erased.database(tmp_path / "still")).reason
    erased.private = []
    assert verify.verify_file(erased.database(tmp_path / "gone")).status == "valid"


@pytest.mark.parametrize("data", [{"of": 5, "fields": [1]}, {"of": 900, "fields": []}, {"of": -1, "fields": []}])
def test_an_erasure_of_nothing_is_refused(book: Book, data: dict[str, object]) -> None:
    erased = book.copy()
    erased.add("ledger.erased", {"basis": "asked", "approver": "bob", **data})
    assert verify.verify_rows(erased.rows()).status == "tampered"


def test_pruned_entries_are_known_by_their_leaves(book: Book, tmp_path: Path) -> None:
    pruned = book.copy()
    pruned.private = []
    pruned.prune(512)
    pruned.sign(601)
    demands = verify.Demands(keys=(str(KEY.key), str(RECOVERY.key)))
    path = pruned.database(tmp_path / "pruned")
    report = verify.verify_file(path, demands)
    assert (report.status, report.size, report.signed) == ("valid", 601, 601), report.reason
    assert "entries before 512 are pruned: known by their leaf hashes only" in report.remarks
    assert "registered by what is pruned, or not at all: sign_off.given" in report.remarks
    # Entry 0 is not there to be believed.
    assert verify.verify_file(path).status == "unverifiable"
    for statement, at in [
        ("update ledger_pruned set leaves = zeroblob(8192) where idx = 1", 512),
        ("delete from ledger_pruned where idx = 0", 0),
        ("update ledger_pruned set leaves = zeroblob(8191) where idx = 1", 256),
    ]:
        copy = Path(shutil.copy(path, tmp_path / "copy"))
        edit(copy, statement)
        report = verify.verify_file(copy, demands)
        assert (report.status, report.first_bad) == ("tampered", at)


def test_entries_gone_without_a_word_are_tampering(book: Book, tmp_path: Path) -> None:
    gone = book.copy()
    gone.private = []
    gone.below = 256
    report = verify.verify_file(gone.database(tmp_path / "gone"), verify.Demands(keys=(str(KEY.key),)))
    assert (report.status, report.first_bad) == ("tampered", 0)
    assert "an entry that prunes them" in report.reason


@pytest.mark.parametrize(
    "data",
    [
        {"below": 300, "archive": "ab" * 32, "root": "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=", "kept": "00"},
        {"below": 1024, "archive": "ab" * 32, "root": "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=", "kept": "00"},
        {"below": 256, "archive": "ab" * 32, "root": "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=", "kept": "00"},
        {"below": 256, "archive": "ab", "root": "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=", "kept": "00"},
        {"below": 256, "archive": "ab" * 32, "root": "?", "kept": "00"},
    ],
)
def test_a_pruning_that_is_not_so_is_found(book: Book, data: dict[str, object]) -> None:
    odd = book.copy()
    odd.add("ledger.pruned", data)
    report = verify.verify_rows(odd.rows())
    assert (report.status, report.first_bad) == ("tampered", 600)


def test_an_empty_ledger_was_not_verified(tmp_path: Path) -> None:
    assert verify.verify_file(Book().database(tmp_path / "empty")).status == "unverifiable"


def test_a_ledger_in_use_is_read_in_one_snapshot(book: Book, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify, "PROGRESS_EVERY", 1)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("pragma journal_mode = wal")

    def spoil(_: int) -> None:
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute("delete from ledger_head")

    assert verify.verify_file(path, progress=spoil).status == "valid"
    assert verify.verify_file(path).status == "tampered"


def test_verifying_does_not_change_the_file(path: Path) -> None:
    before = path.read_bytes()
    path.chmod(0o400)
    assert verify.verify_file(path).status == "valid"
    assert path.read_bytes() == before
    assert [each.name for each in path.parent.iterdir()] == [path.name]


def test_a_view_is_not_read(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("alter table ledger_blob rename to other")
        connection.execute("create view ledger_blob as select * from other")
    assert verify.verify_file(path).status == "unverifiable"


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-I", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, env={"PATH": "/usr/bin:/bin"})


def test_one_file_copied_elsewhere_is_enough(book: Book, path: Path, tmp_path: Path) -> None:
    copy = shutil.copy(Path(verify.__file__), tmp_path / "standalone.py")
    mark = tmp_path / "mark"
    mark.write_text(book.notes[600])
    good = run(copy, path, "--against", mark, "--key", KEY.key)
    assert (good.returncode, good.stderr) == (0, "")
    assert good.stdout.startswith("valid: 600 good entries, head ")
    assert "--against" in run(copy, path).stdout
    report = json.loads(run(copy, path, "--against", mark, "--json").stdout)
    assert (report["status"], report["size"], report["exit"], report["first_bad"]) == ("valid", 600, 0, None)


def test_each_answer_has_its_exit_status(
    book: Book, path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def answer(*arguments: object) -> tuple[int, str]:
        status = verify.main([*map(str, arguments)])
        return status, capsys.readouterr().out

    mark = tmp_path / "mark"
    mark.write_text(book.checkpoint())
    (tmp_path / "text").write_text("not a ledger")
    assert answer(path, "--against", mark)[0] == 0
    for odd in (tmp_path / "none", tmp_path / "text", tmp_path):
        assert answer(odd)[0] == 2
        assert answer(path, "--against", odd)[0] == 2
        assert answer(path, "--policy", odd)[0] == 2
    assert answer(path, "--key", "odd")[0] == 2
    assert answer(path, "--key", OTHER.key)[0] == 2
    older = Book(400).database(tmp_path / "older")
    status, text = answer(older, "--against", mark)
    assert (status, text.split(":")[0]) == (3, "rollback")
    edit(path, "update ledger_entry set repo = 'x' where seq = 5")
    status, text = answer(path, "--against", mark, "--json")
    assert (status, json.loads(text)["first_bad"]) == (1, 5)
    with pytest.raises(SystemExit) as caught:
        verify.main([])
    assert caught.value.code == 2


def test_what_nobody_foresaw_is_no_yes(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify, "verify", lambda *_: 1 // 0)
    assert verify.main([str(path)]) == 2


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    small = Book(6)
    small.sign(6)
    return small.database(tmp_path_factory.mktemp("honest") / "ledger").read_bytes()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.data())
def test_no_flipped_byte_of_the_file_crashes(tmp_path: Path, honest: bytes, data: st.DataObject) -> None:
    """Free pages and the like may change; what is judged is judged on what can be read."""
    path = tmp_path / "small"
    whole = bytearray(honest)
    for _ in range(data.draw(st.integers(1, 20))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(whole)
    assert verify.verify(path).status in verify.EXIT
