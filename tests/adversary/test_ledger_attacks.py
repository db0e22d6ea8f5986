"""What someone does who can reach the ledger's data, its folder, its writer or its reader; and that it shows.

Each attack is a row of the catalogue, and follows an honest run on the same set-up, so that its refusal has no other
reason. Where the data alone cannot show it, that is asserted, too: it is a limit we state.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from pysqlite3 import dbapi2 as sqlite

import postgres
from adversary.card import LedgerCase, attack
from audit import canonical, erasing, exporting, merkle, note, private, reads, restoring, rotation, tree
from audit.checkpoint import Checkpoint
from audit.entry import leaf_hash, parse
from audit.errors import (
    AuditError,
    BrokenError,
    CanonicalError,
    EntryError,
    ForkedError,
    LockedError,
    OutcomeUnknownError,
    ProofError,
    RollbackError,
    StoreError,
)
from audit.stores import sqlite as sqlite_store
from ledger_world import (
    ALICE,
    ENGINES,
    GENESIS,
    LOG,
    SIGNER,
    STATE,
    PostgresWorld,
    World,
    append,
    draft,
    fold,
    judged,
    world_on,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from audit.entry import Entry
    from audit.transaction import Transaction

ROOT = Path(__file__).parents[2]


@pytest.fixture
def case(request: pytest.FixtureRequest) -> LedgerCase:
    made = LedgerCase()
    ids = [each for mark in request.node.iter_markers("attack") for each in mark.args]
    request.node.user_properties.append(("attack", (ids, made.seen)))
    return made


def honest(world: World, case: LedgerCase) -> World:
    """Six honest entries, marked and valid."""
    world.grow(6)
    world.assert_honest()
    case.went_well()
    return world


@pytest.fixture(params=ENGINES)
def world(request: pytest.FixtureRequest, tmp_path: Path, case: LedgerCase) -> World:
    return honest(world_on(request.param, tmp_path / "world", request), case)


@pytest.fixture
def sqlite_world(tmp_path: Path, case: LedgerCase) -> World:
    return honest(World(tmp_path / "world"), case)


@pytest.fixture
def postgres_world(request: pytest.FixtureRequest, tmp_path: Path, case: LedgerCase) -> PostgresWorld:
    made = world_on("postgresql", tmp_path / "world", request)
    honest(made, case)
    assert isinstance(made, PostgresWorld)
    return made


def changed(body: bytes, **changes: object) -> bytes:
    return canonical.encode(json.loads(body) | changes)


def rechained(old: list[bytes], at: int, body: bytes) -> dict[int, bytes]:
    """One other body, and every later one made to follow from it."""
    new = {at: body}
    for seq in range(at + 1, len(old)):
        new[seq] = changed(old[seq], prev=leaf_hash(new[seq - 1]).hex())
    return new


@attack("L-01")
@pytest.mark.parametrize("size", [1, 5])
def test_attack_01_cutting_off_the_end(world: World, case: LedgerCase, size: int) -> None:
    world.rewrite({}, size=size)
    world.sign()
    case.judged(world.report(), "rollback")
    assert world.report(marked=False)["status"] == "valid"  # The limit: the data alone cannot know.
    with case.refuses(RollbackError, match=f"at least 6 entries, as marked in .* got {size}"):
        world.open()


@attack("L-01")
def test_attack_01_cutting_off_the_end_and_forgetting_the_head_row(world: World, case: LedgerCase) -> None:
    with world.edited() as connection:
        connection.execute("delete from state where seq = 5")
        connection.execute("delete from ledger_entry where seq = 5")
    assert world.exit_status() in {1, 3}
    report = world.report(marked=False)
    case.judged(report, report["status"])
    assert report["exit"] in {1, 3}
    with case.refuses(RollbackError):
        world.open()
    with case.refuses(StoreError, match="to say 5 entries, got 6"):
        world.open(marked=False)


@attack("L-02")
def test_attack_02_two_copies_of_one_ledger(world: World, case: LedgerCase) -> None:
    twin = world.twin()
    with world.open() as ours, twin.open() as theirs:
        assert ours.run(append(1)) == 6
        ours.close()
        assert ours.broken is None
        # Longer than ours, so a mark that only grows would let it pass.
        assert theirs.run(lambda tx: (tx.append(draft(2)), tx.append(draft(3)))[1].seq) == 7
        theirs.close()
        assert theirs.broken is not None
        assert "a second writer?" in theirs.broken or "as marked, got" in theirs.broken
    case.judged(twin.report(), "fork")
    with case.refuses(ForkedError, match="at 7 entries, as marked"):
        twin.open()
    world.assert_honest()


@attack("L-03")
def test_attack_03_writing_history_anew(world: World, case: LedgerCase) -> None:
    old = world.bodies()
    world.rewrite(rechained(old, 3, changed(old[3], subject="refs/heads/other")))
    world.sign()
    assert world.report(marked=False)["status"] == "valid"  # The limit, again.
    case.judged(world.report(), "fork")
    with case.refuses(ForkedError, match="at 6 entries, as marked"):
        world.open()


@attack("L-03")
def test_attack_03_another_entry_at_the_end_only(world: World, case: LedgerCase) -> None:
    world.rewrite({5: changed(world.bodies()[5], subject="refs/heads/other")})
    world.sign()
    case.judged(world.report(), "fork")
    with case.refuses(ForkedError):
        world.open()


@attack("L-03")
def test_attack_03_a_body_changed_and_its_stored_hash_left_alone(world: World, case: LedgerCase) -> None:
    with world.edited() as connection:
        connection.execute("update ledger_entry set body = replace(body, 'b5', 'b7') where seq = 5")
    case.judged(world.report(), "tampered", 5)
    # The mark is over leaf hashes; at the end, the body is looked at as well.
    with case.refuses(StoreError, match="head row and last entry"):
        world.open()


@attack("L-04")
def test_attack_04_an_older_copy_put_back(world: World, case: LedgerCase) -> None:
    copy = world.copy_data("backup")
    world.grow(9)
    world.assert_honest()
    world.put_back(copy)
    case.judged(world.report(), "rollback")
    with case.refuses(RollbackError, match="at least 9 entries"):
        world.open()


@attack("L-04")
def test_attack_04_an_older_copy_that_grew_again(world: World, case: LedgerCase) -> None:
    copy, mark = world.copy_data("backup"), world.mark.read_bytes()
    world.grow(9)
    later = world.mark.read_bytes()
    world.put_back(copy)
    world.mark.write_bytes(mark)
    world.clock.now += 1000
    world.grow(12)
    world.mark.write_bytes(later)
    case.judged(world.report(), "fork")
    with case.refuses(ForkedError, match="at 9 entries, as marked"):
        world.open()


@attack("L-05")
def test_attack_05_two_entries_exchanged(world: World, case: LedgerCase) -> None:
    old = world.bodies()
    world.rewrite({2: old[3], 3: old[2]})
    case.judged(world.report(), "tampered", 2, "seq: expected 2, got 3")


@attack("L-05")
def test_attack_05_two_entries_exchanged_and_renumbered(world: World, case: LedgerCase) -> None:
    old = world.bodies()
    world.rewrite({2: changed(old[3], seq=2), 3: changed(old[2], seq=3)})
    case.judged(world.report(), "tampered", 2, "prev")


@attack("L-06")
def test_attack_06_an_entry_dated_back(world: World, case: LedgerCase) -> None:
    old = world.bodies()
    world.rewrite(rechained(old, 4, changed(old[4], ts=json.loads(old[2])["ts"])))
    case.judged(world.report(marked=False), "tampered", 4, "ts: expected at least")


@attack("L-06")
def test_attack_06_a_caller_cannot_say_when(world: World, case: LedgerCase) -> None:
    now = world.clock.now
    with world.open() as ledger:
        world.clock.now = 5
        assert ledger.run(lambda tx: tx.append(draft(ts=1)).ts) == now
    case.answered("time of the writer")
    world.assert_honest()


@attack("L-07")
@pytest.mark.parametrize(
    ("column", "value"), [("actor", "eve"), ("kind", "push.allowed"), ("ts", 1), ("repo", "orchard"), ("subject", "x")]
)
def test_attack_07_a_column_set_beside_the_body(world: World, case: LedgerCase, column: str, value: object) -> None:
    with world.sql() as connection, case.refuses(world.Error, match="generated column|can only be updated to DEFAULT"):
        connection.execute(f"update ledger_entry set {column} = ? where seq = 2", (value,))
    world.assert_honest()
    with world.edited() as connection:
        connection.execute(f"update ledger_entry set {column} = ? where seq = 2", (value,))
    case.judged(world.report(), "tampered", 2, f"column {column}")


@attack("L-08")
@pytest.mark.parametrize("seq", [0, 3, 5, 7, 99, -1])
def test_attack_08_a_number_used_twice_or_left_out(world: World, case: LedgerCase, seq: int) -> None:
    body = changed(world.bodies()[5], seq=seq)
    row = (seq, body.decode(), leaf_hash(body))
    verbs = ["insert"] + ["insert or replace", "insert or ignore", "replace"] * (world.engine == "sqlite")
    with world.sql() as connection:
        for verb in verbs:
            with case.refuses(world.Error, match="seq must be the next"):
                connection.execute(f"{verb} into ledger_entry(seq, body, leaf) values (?, ?, ?)", row)
    world.assert_honest()


AGAIN = "into ledger_entry(seq, body, leaf) select seq, body, leaf from ledger_entry where seq = 3"


@attack("L-09")
@pytest.mark.parametrize(
    ("engine", "sql"),
    [
        ("", "delete from ledger_entry"),
        ("", "delete from ledger_entry where seq = 5"),
        ("", "update ledger_entry set body = body"),
        ("sqlite", f"insert or replace {AGAIN}"),
        ("sqlite", f"insert or ignore {AGAIN}"),
        ("postgresql", f"insert {AGAIN} on conflict (seq) do update set body = excluded.body"),
        ("postgresql", "truncate ledger_entry cascade"),
        ("postgresql", "truncate ledger_checkpoint"),
    ],
)
def test_attack_09_sql_against_the_entries(
    tmp_path: Path, request: pytest.FixtureRequest, case: LedgerCase, engine: str, sql: str
) -> None:
    for each in [engine] if engine else ENGINES:
        world = honest(world_on(each, tmp_path / each, request), case)
        with world.sql() as connection, case.refuses(world.Error, match=r"append only|must be the next"):
            connection.execute(sql)
        world.assert_honest()


@attack("L-09")
def test_attack_09_guards_dropped_and_put_back(world: World, case: LedgerCase) -> None:
    with world.edited() as connection:
        connection.execute("update ledger_entry set body = replace(body, 'garden', 'orchard') where seq = 3")
    case.judged(world.report(), "tampered", 3, "stored leaf hash")


@attack("L-09")
def test_attack_09_guards_dropped_and_left_so(postgres_world: PostgresWorld, case: LedgerCase) -> None:
    with postgres_world.sql() as connection:
        connection.execute("alter table ledger_entry disable trigger all")
    with case.refuses(StoreError, match="as this version makes it"):
        postgres_world.open()


@attack("L-09")
def test_attack_09_a_byte_of_the_file(sqlite_world: World, case: LedgerCase) -> None:
    data = bytearray(sqlite_world.path.read_bytes())
    for seq in range(1, 6):
        needle = f"refs/heads/b{seq}".encode()
        at = data.index(needle)
        edited = bytearray(data)
        edited[at + len(needle) - 1] = ord("9")
        sqlite_world.path.write_bytes(edited)
        case.judged(sqlite_world.report(), "tampered", seq)
    sqlite_world.path.write_bytes(data)
    sqlite_world.assert_honest()


@attack("L-09")
def test_attack_09_a_byte_of_a_servers_file(postgres_world: PostgresWorld, case: LedgerCase) -> None:
    world = postgres_world
    with world.sql() as connection:
        connection.execute("checkpoint")
        name = connection.execute("select pg_relation_filepath('ledger_entry')").fetchone()[0]
    world.given.stop()
    path = world.given.data / name
    data = path.read_bytes()
    needle = b'"subject":"refs/heads/b3"'
    assert data.count(needle) >= 1
    path.write_bytes(data.replace(needle, needle.replace(b"b3", b"b9")))
    world.given.start()
    case.judged(world.report(), "tampered", 3)
    world.given.stop()
    path.write_bytes(data)
    world.given.start()
    world.assert_honest()


@attack("L-10")
def test_attack_10_fields_that_run_into_each_other(world: World, case: LedgerCase) -> None:
    pairs = [("a\nb", "c"), ("a", "b\nc"), ('a","data":{}', "c"), ("a", '","data":{}c'), ("", "a\nb\nc"), ("a b", "c")]
    with world.open() as ledger:
        for repo, subject in pairs:
            shaped = draft()
            ledger.run(lambda tx, r=repo, s=subject, d=shaped: tx.append(type(d)(d.kind, d.actor, r, s, d.data)))
    found = [json.loads(body) for body in world.bodies()[6:]]
    assert [(each["repo"], each["subject"]) for each in found] == pairs
    stripped = {canonical.encode({k: v for k, v in each.items() if k not in {"seq", "prev"}}) for each in found}
    assert len(stripped) == len(pairs)
    case.answered("canonical body")
    world.assert_honest()


@attack("L-11")
def test_attack_11_a_node_for_a_leaf_and_a_leaf_twice(world: World, case: LedgerCase) -> None:
    leaves = [leaf for _, _, leaf in world.rows()]
    with world.reader() as connection:
        root = merkle.root(6, tree.nodes(connection, 6))
        proof = merkle.inclusion_proof(2, 6, tree.nodes(connection, 6))
    # A leaf whose bytes are those of a node has another hash than the node.
    assert leaf_hash(leaves[0] + leaves[1]) != merkle.node_hash(leaves[0], leaves[1])
    assert merkle.Frontier().grown([*leaves, leaves[5]]).root() != root
    assert merkle.Frontier().grown([*leaves, *leaves[4:]]).root() != root
    inner = merkle.node_hash(leaves[2], leaves[3])
    for index, size, hashes in ((2, 6, proof[1:]), (1, 6, proof), (2, 6, [*proof, proof[0]])):
        with case.refuses(ProofError):
            merkle.verify_inclusion(inner, index, size, hashes, root)
    merkle.verify_inclusion(leaves[2], 2, 6, proof, root)
    world.rewrite({5: world.bodies()[4]})
    case.judged(world.report(), "tampered", 5)


@attack("L-12")
@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b'"data":{', b'"data":{"number":1,'),
        (b'"number":3', b'"number":3.0'),
        (b'"number":3', b'"number":1e400'),
        (b'"number":3', b'"number":NaN'),
        (b'"number":3', b'"number":9007199254740993'),
        (b'"number":3', b'"number": 3'),
        (b'"alice"', b'"\\u0061lice"'),
        (b'"alice"', b'"alice\\u0000"'),
        (b'"alice"', b'"\\udc00"'),
        (b'"alice"', b'"\xff"'),
        (b'"number"', b'"nombr\xc3\xa9"'),
    ],
)
def test_attack_12_a_second_spelling(sqlite_world: World, case: LedgerCase, before: bytes, after: bytes) -> None:
    body = sqlite_world.bodies()[3]
    other = body.replace(before, after, 1)
    assert parse(body).seq == 3
    assert other != body
    with case.refuses(CanonicalError):
        parse(other)
    rows = sqlite_world.rows()
    status, first_bad, reason = judged([*rows[:3], (3, other, leaf_hash(other)), *rows[4:]])
    assert (status, first_bad) == ("tampered", 3)
    assert "body" in reason


@attack("L-12")
def test_attack_12_a_second_spelling_where_the_data_lie(world: World, case: LedgerCase) -> None:
    honest_body = world.bodies()[3]
    spellings = [(b'"number":3', b'"number":3.0'), (b'"number":3', b'"number": 3'), (b'"alice"', b'"\\u0061lice"')]
    for before, after in [*spellings, (b'"data":{', b'"data":{"number":1,')]:
        other = honest_body.replace(before, after, 1)
        assert other != honest_body
        world.rewrite({3: other})
        case.judged(world.report(marked=False), "tampered", 3, "body")
    world.rewrite({3: honest_body})
    assert world.report()["status"] == "valid"


@attack("L-12")
def test_attack_12_two_spellings_of_a_name_are_two_names(world: World, case: LedgerCase) -> None:
    with world.open() as ledger:
        for text in ("\u00e9", "e\u0301"):
            assert ledger.run(lambda tx, text=text: tx.append(draft(text=text)).data["text"]) == text
    one, two = world.bodies()[-2:]
    assert json.loads(one)["data"]["text"] != json.loads(two)["data"]["text"]
    case.answered("bytes as given")
    world.assert_honest()


@attack("L-13")
def test_attack_13_two_processes_append(sqlite_world: World, case: LedgerCase) -> None:
    world = sqlite_world
    script = (
        "import sys; from pathlib import Path; from audit.stores import open_writer\n"
        "try: open_writer(Path(sys.argv[1]))\n"
        "except Exception as error: print(type(error).__name__, error)"
    )
    command = [sys.executable, "-c", script, str(world.path)]
    with world.open() as ledger:
        other = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
        assert other.stdout.startswith(LockedError.__name__)
        assert "before us" in other.stdout
        assert ledger.run(append()) == 6
        with case.refuses(LockedError):
            world.open()
    assert subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stdout == ""
    world.assert_honest()


@attack("L-13")
def test_attack_13_two_replicas_append(postgres_world: PostgresWorld, case: LedgerCase) -> None:
    world = postgres_world
    with world.open() as one, world.open() as other:
        futures = [ledger.submit(append(n)) for n in range(30) for ledger in (one, other)]
        answers = [future.result() for future in futures]
        assert (one.broken, other.broken) == (None, None)
    assert sorted(answers) == list(range(6, 66))
    case.answered("one after another")
    world.assert_honest()


@attack("L-13")
def test_attack_13_many_threads_append(world: World, case: LedgerCase) -> None:
    answers: list[int] = []
    start = threading.Barrier(6)

    def work() -> None:
        start.wait()
        answers.extend(future.result() for future in [ledger.submit(append(n)) for n in range(40)])

    with world.open() as ledger:
        threads = [threading.Thread(target=work) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(answers) == list(range(6, 246))
    case.answered("one after another")
    world.assert_honest()


@attack("L-13")
def test_attack_13_an_append_behind_the_writers_back(world: World, case: LedgerCase) -> None:
    body = changed(world.bodies()[5], seq=6)
    with world.open() as ledger:
        with world.sql() as connection:
            connection.execute(
                "insert into ledger_entry(seq, body, leaf) values (6, ?, ?)", (body.decode(), leaf_hash(body))
            )
        with case.refuses(StoreError, match="seq must be the next"):
            ledger.run(append())
    case.judged(world.report(), "tampered", 6)


@attack("L-14")
def test_attack_14_a_file_cut_short(sqlite_world: World, case: LedgerCase) -> None:
    world = sqlite_world
    whole = world.path.read_bytes()
    for part in (len(whole) // 2, len(whole) - 4096, 4096, 100, 0):
        world.path.write_bytes(whole[:part])
        report = world.report()
        assert report["exit"] in {1, 2, 3}, report
        case.judged(report, report["status"])
        with contextlib.suppress(OSError):
            world.path.with_name("ledger.sqlite-wal").unlink()
        with case.refuses(AuditError):
            world.open()
    world.path.write_bytes(whole)
    world.assert_honest()


@attack("L-14")
def test_attack_14_a_page_of_zeros(sqlite_world: World, case: LedgerCase) -> None:
    world = sqlite_world
    whole = world.path.read_bytes()
    with world.sql() as connection:
        root = connection.execute("select rootpage from sqlite_schema where name = 'ledger_entry'").fetchone()[0]
    at = (root - 1) * 4096
    world.path.write_bytes(whole[:at] + bytes(4096) + whole[at + 4096 :])
    report = world.report()
    assert report["exit"] in {1, 2, 3}, report
    case.judged(report, report["status"])
    with case.refuses(AuditError):
        world.open()
    world.path.write_bytes(whole)
    world.assert_honest()


@attack("L-14")
@pytest.mark.parametrize("torn", ["zeros", "junk", "cut"])
def test_attack_14_a_page_of_a_servers_file(postgres_world: PostgresWorld, case: LedgerCase, torn: str) -> None:
    world = postgres_world
    with world.sql() as connection:
        connection.execute("checkpoint")
        name = connection.execute("select pg_relation_filepath('ledger_entry')").fetchone()[0]
    path = world.given.data / name
    whole = path.read_bytes()
    world.given.stop()
    path.write_bytes({"zeros": bytes(8192) + whole[8192:], "junk": b"\xff" * 8192 + whole[8192:], "cut": b""}[torn])
    world.given.start()
    if torn == "zeros":  # To the server an empty page: its rows are gone without a word.
        report = world.report()
        assert report["exit"] in {1, 3}, report
        case.judged(report, report["status"])
    else:
        with case.refuses(StoreError, match="expected to read every row"):
            world.report()
    with case.refuses(AuditError):
        world.open()


class Failing:
    """A connection whose disk fails at the commit, and then answers as if nothing had been."""

    def __init__(self, real: Any) -> None:  # noqa: ANN401
        self._real = real
        self.failed = False

    def execute(self, sql: str, params: tuple[object, ...] = ()) -> Any:  # noqa: ANN401
        if sql == "commit" and not self.failed:
            self.failed = True
            if self._real.shared:
                raise psycopg.errors.IoError("could not fsync")
            error: Any = sqlite.OperationalError("disk I/O error")
            error.sqlite_errorcode = sqlite.SQLITE_IOERR
            raise error
        return self._real.execute(sql, params)

    def __getattr__(self, name: str) -> object:
        return getattr(self._real, name)


@attack("L-15")
def test_attack_15_an_io_error_and_then_success(world: World, case: LedgerCase) -> None:
    ledger = world.open()
    ledger._writer._connection = Failing(ledger._writer._connection)  # type: ignore[assignment]
    with case.refuses(OutcomeUnknownError):
        ledger.run(append(6))
    with case.refuses(StoreError, match="the store failed"):
        ledger.run(append(7))
    ledger.close()
    assert len(world.rows()) == 6
    world.assert_honest()


@attack("L-16")
def test_attack_16_a_full_disk(sqlite_world: World, case: LedgerCase) -> None:
    world = sqlite_world
    outcomes: list[tuple[int, int | None]] = []
    with world.open() as ledger:
        pages = ledger._connection.execute("pragma page_count").fetchone()[0]
        ledger._connection.execute(f"pragma max_page_count = {pages + 40}")
        futures = [(n, ledger.submit(lambda tx, n=n: tx.append(draft(n, x="a" * 3000)).seq)) for n in range(200)]
        for number, future in futures:
            error = future.exception()
            assert error is None or "disk is full" in str(error)
            outcomes.append((number, None if error else future.result()))
        assert ledger.broken is None
        with case.refuses(StoreError, match="disk is full"):
            ledger.run(append(778, x="a" * 3000))
        ledger._connection.execute("pragma max_page_count = 100000")
        ledger.run(append(777))  # Room again, and it goes on.
    written = [seq for _, seq in outcomes if seq is not None]
    assert 0 < len(written) < 200
    stored = world.bodies()
    assert len(stored) == 6 + len(written) + 1
    for number, seq in outcomes:
        if seq is not None:
            assert json.loads(stored[seq])["data"]["number"] == number
    world.assert_honest()


@attack("L-16")
def test_attack_16_a_full_disk_under_a_server(
    postgres_world: PostgresWorld, case: LedgerCase, small_disk: Path
) -> None:
    world = postgres_world
    folder = small_disk / "space"
    folder.mkdir()
    os.chown(folder, postgres.NOBODY, postgres.NOBODY)
    for place in small_disk.parents:  # Its user has to get there.
        if place.stat().st_mode & 0o1 == 0:
            place.chmod(place.stat().st_mode | 0o1)
    world._admin(f"create tablespace small location '{folder}'")
    world._admin(f"alter database {world.name} set tablespace small")
    kept = []
    with world.open() as ledger:
        with pytest.raises(StoreError, match="No space left"):
            kept += [ledger.run(append(n, x=secrets.token_hex(15_000))) for n in range(2000)]
        assert ledger.broken is None
        with case.refuses(StoreError, match="No space left"):
            for number in range(50):
                ledger.run(append(number, x=secrets.token_hex(15_000)))
    world.given.stop()
    world.given.start()
    world._admin(f"alter database {world.name} set tablespace pg_default")
    world.assert_honest()
    with world.open() as ledger:  # Room again, and it goes on.
        size = ledger.head.size
        assert ledger.run(append()) == size
    world.assert_honest()
    world._admin("drop tablespace small")


@attack("L-17")
def test_attack_17_the_clock_set_back_and_forth(world: World, case: LedgerCase) -> None:
    with world.open() as ledger:
        start = world.clock.now
        stamps = []
        for step in (0, -3_600_000, 0, 3_600_000, -1):
            world.clock.now = start + step
            stamps.append(ledger.run(lambda tx: tx.append(draft()).ts))
    assert stamps == [start, start, start, start + 3_600_000, start + 3_600_000]
    case.answered("time stands still")
    world.assert_honest()


@attack("L-17")
@pytest.mark.parametrize("now", [2**53, 1.5, None, True, "1", -1])
def test_attack_17_a_clock_that_makes_no_sense(world: World, case: LedgerCase, now: object) -> None:
    with world.open() as ledger:
        good, world.clock.now = world.clock.now, now  # type: ignore[assignment]
        if now == -1:  # Only very late: time stands still.
            assert ledger.run(lambda tx: tx.now) == good
            case.answered("time stands still")
        else:
            with case.refuses(StoreError, match="the clock to say milliseconds"):
                ledger.run(append())
        world.clock.now = good
        assert ledger.run(append()) == 6
    world.assert_honest()


SECOND = note.Signer(LOG, note.Algorithm.ED25519, bytes([7]) * 32)


@attack("L-18")
def test_attack_18_a_stolen_key_that_was_replaced(world: World, case: LedgerCase) -> None:
    world.signers = [SIGNER, SECOND]
    with world.open() as ledger:
        ledger.run(lambda tx: tx.append(rotation.rotation(tx._connection, SIGNER, SECOND, actor=ALICE, overlap=0)))
    world.signers = [SECOND]
    world.grow(9)
    world.assert_honest()
    mark = world.mark.read_text()
    thief = mark.rpartition("\n\n")[0] + "\n"
    world.mark.write_text(note.written(thief, [SIGNER.line(thief)]))
    with case.refuses(StoreError, match="by a key that counts there"):
        world.open()
    world.mark.write_text(mark)
    with world.edited() as connection:
        connection.execute(
            "update ledger_checkpoint set note = ? where size = 9", (note.written(thief, [SIGNER.line(thief)]),)
        )
    report = world.report()
    assert report["exit"] != 0, report
    case.judged(report, report["status"])


@attack("L-19")
def test_attack_19_another_tree_for_another_reader(world: World, case: LedgerCase, tmp_path: Path) -> None:
    other = Checkpoint(LOG, 5, bytes(range(32))).text()
    (tmp_path / "seen").write_text(note.written(other, [SIGNER.line(other)]))
    case.judged(world.report(against=[tmp_path / "seen"]), "fork")
    (tmp_path / "seen").write_text(str(world.checkpoint(6)))
    assert world.report(against=[tmp_path / "seen"])["status"] == "valid"


@attack("L-20")
def test_attack_20_another_ledger_under_the_same_name(world: World, case: LedgerCase, tmp_path: Path) -> None:
    sly = World(tmp_path / "sly")
    thief = note.Signer(LOG, note.Algorithm.ED25519, bytes(32))
    sly.signers = [thief]
    sly.clock.now = world.clock.now
    born = {**GENESIS.data, "ledger_key": str(thief.key)}
    with sly.open() as ledger:
        ledger.run(lambda tx: tx.append(type(GENESIS)(GENESIS.kind, ALICE, "", "", born)))
        ledger.run(append(1))
    report = sly.report()
    assert report["exit"] != 0, report
    case.judged(report, report["status"])
    sly.mark.write_bytes(world.mark.read_bytes())
    with case.refuses(AuditError):
        sly.open()


@attack("L-21")
def test_attack_21_an_action_without_its_entry(world: World, case: LedgerCase) -> None:
    def broken(tx: Transaction, entry: Entry) -> None:
        fold(tx, entry)
        raise LookupError("no more")

    with world.open(projector=broken) as ledger, case.refuses(LookupError):
        ledger.run(append(6))
    held = STATE + "create table if not exists held(seq integer primary key references ledger_entry(seq)) strict;"
    with world.open(schema=held) as ledger:
        with case.refuses(StoreError, match=r"FOREIGN KEY|foreign key"):
            ledger.run(lambda tx: tx.execute("insert into held values (99)"))
        with case.refuses(StoreError, match="one that names ours"):
            ledger.run(lambda tx: tx.execute("delete from ledger_entry where seq = 5"))
    assert world.state() == list(range(6))
    world.assert_honest()


@attack("L-22")
def test_attack_22_edited_after_it_was_answered_and_before_it_is_signed(world: World, case: LedgerCase) -> None:
    with world.open() as ledger:
        for seq in (6, 7):
            assert ledger.run(append(seq)) == seq
            with world.reader() as connection:  # Nothing waits outside the tree: what is answered is in it.
                assert (reads.head(connection).size, tree.frontier(connection).size) == (seq + 1, seq + 1)
        world.rewrite({7: changed(world.bodies()[7], subject="refs/heads/other")})
        with case.refuses(StoreError, match="as we left it|the one we saw last|to be as marked"):
            ledger.run(append(8))
        assert ledger.broken is not None
        with case.refuses(BrokenError):
            ledger.run(append(8))
    assert len(world.rows()) == 8


@attack("L-23")
@pytest.mark.parametrize(("version", "exits"), [(2, {2}), (0, {2}), (True, {1, 2}), ("1", {1, 2}), (None, {1, 2})])
def test_attack_23_an_entry_of_another_version(
    world: World, case: LedgerCase, version: object, exits: set[int]
) -> None:
    old = world.bodies()
    world.rewrite(rechained(old, 5, changed(old[5], v=version)))
    report = world.report(marked=False)
    assert report["exit"] in exits
    case.judged(report, report["status"], 5)
    with case.refuses(StoreError, match="well-formed"):
        world.open(marked=False)


@attack("L-23")
def test_attack_23_a_kind_that_nobody_registered(world: World, case: LedgerCase) -> None:
    sly = type(GENESIS)("push.allowed", ALICE, "garden", "", {})
    with world.open() as ledger, case.refuses(EntryError, match="expected a kind that is registered"):
        ledger.run(lambda tx: tx.append(sly))
    world.assert_honest()
    with world.open(kinds=None) as ledger:
        ledger.run(lambda tx: tx.append(sly))
    case.judged(world.report(), "unverifiable", 6)


@attack("L-23")
def test_attack_23_a_second_genesis(world: World, case: LedgerCase) -> None:
    with world.open() as ledger, case.refuses(EntryError):
        ledger.run(lambda tx: tx.append(GENESIS))
    world.assert_honest()
    old = world.bodies()
    world.rewrite(rechained(old, 4, changed(old[4], kind=GENESIS.kind)))
    case.judged(world.report(marked=False), "tampered", 4)


@attack("L-24")
@pytest.mark.parametrize("bomb", ["deep", "wide", "note", "number"])
def test_attack_24_a_verifier_that_is_made_to_work_without_end(
    sqlite_world: World, case: LedgerCase, bomb: str, tmp_path: Path
) -> None:
    world = sqlite_world
    body = world.bodies()[5]
    what: Path | None = None
    if bomb == "note":
        line = SIGNER.line("x\n")
        world.mark.write_text("x\n\n" + line * 200_000)
    else:
        huge = {"deep": b"[" * 30_000 + b"]" * 30_000, "wide": b'"' + b"x" * 5_000_000 + b'"', "number": b"9" * 60_000}
        what = tmp_path / "entries.jsonl"
        what.write_bytes(
            b"\n".join([*world.bodies()[:5], body.replace(b'"number":5', b'"number":' + huge[bomb])]) + b"\n"
        )
    began = time.monotonic()
    report = world.report(what=what)
    assert time.monotonic() - began < 20
    assert report["exit"] in {1, 2}, report
    case.judged(report, report["status"])
    if bomb != "note":
        with case.refuses(EntryError):
            parse(what.read_bytes().splitlines()[5])  # type: ignore[union-attr]
    else:
        with case.refuses(AuditError):
            world.open()


@attack("L-24")
def test_attack_24_a_row_without_end(world: World, case: LedgerCase) -> None:
    body = world.bodies()[5].replace(b'"number":5', b'"number":"' + b"x" * 5_000_000 + b'"')
    with world.edited() as connection:
        connection.execute("update ledger_entry set body = ?, leaf = ? where seq = 5", (body.decode(), leaf_hash(body)))
    began = time.monotonic()
    case.judged(world.report(marked=False), "tampered", 5)
    assert time.monotonic() - began < 20
    with case.refuses(AuditError):
        world.open(marked=False)


@attack("L-25")
def test_attack_25_personal_data_written_for_ever(world: World, case: LedgerCase, tmp_path: Path) -> None:
    secret = "Ada Lovelace"
    with world.open() as ledger:
        ledger.run(lambda tx: tx.append(replace(draft(6), private={"name": secret})))
        ledger.run(lambda tx: erasing.erase(tx, 6, ["name"], basis="GDPR 17", approver="olga", actor=ALICE))
    with world.reader() as connection:
        assert reads.private(connection, 6) == {}
        exporting.export(connection, tmp_path / "x")
        assert list(restoring.private_lines(connection, 99)) == []  # type: ignore[arg-type]
    files = [path.read_bytes() for path in (tmp_path / "x").rglob("*") if path.is_file()]
    assert not any(secret.encode() in data for data in files)
    commit = json.loads(world.bodies()[6])["data"]["commit"]["name"]
    guesses = {private.commitment(bytes(32), secret), private.commitment(b"", secret), leaf_hash(secret.encode()).hex()}
    assert commit not in guesses  # Whoever guesses the name cannot check it: the salt is gone.
    case.answered("erased")
    world.assert_honest()


@attack("L-26")
def test_attack_26_an_sqlite_that_may_lose_what_it_committed(
    sqlite_world: World, case: LedgerCase, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = sqlite_world
    with case.refuses(StoreError, match="without the WAL-reset bug"):
        sqlite_store.check_version((3, 40, 1))
    check = sqlite_store.check_version
    with monkeypatch.context() as old:
        old.setattr(sqlite_store, "check_version", lambda: check((3, 51, 2)))
        with case.refuses(StoreError, match=r"got 3\.51\.2"):
            world.open()
    world.assert_honest()


@attack("L-26")
def test_attack_26_a_server_that_may_lose_what_it_committed(
    postgres_world: PostgresWorld, case: LedgerCase, server_setting: Callable[[str, str], None]
) -> None:
    server_setting("full_page_writes", "off")
    with case.refuses(StoreError, match="expected a server that keeps what it commits"):
        postgres_world.open()
    server_setting("full_page_writes", "on")
    postgres_world.assert_honest()
