"""A small ledger for tests: its people, its clock, and the ways an attacker gets at the file."""

from __future__ import annotations

import contextlib
import re
import shutil
from typing import TYPE_CHECKING

from pysqlite3 import dbapi2 as sqlite

from audit import reads, stores, verify
from audit.entry import GENESIS_KIND, Actor, Draft, leaf_hash
from audit.highwater import HighWater
from audit.ledger import Ledger

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from audit.entry import Entry
    from audit.transaction import Transaction

LOG = "example.com/ledger"
ALICE = Actor("alice", "human", "SHA256:abc")
GENESIS = Draft(GENESIS_KIND, ALICE, "", "", {"format": 1})
STATE = "create table if not exists state(seq integer primary key references ledger_entry(seq), subject text) strict;"
TRIGGERS = [f"ledger_{table}_{deed}" for table in ("entry", "head", "blob") for deed in ("insert", "update", "delete")]


class Clock:
    def __init__(self, now: int = 1_700_000_000_000) -> None:
        self.now = now

    def __call__(self) -> int:
        return self.now


def draft(number: int = 0, **data: object) -> Draft:
    return Draft("sign_off.given", ALICE, "garden", f"refs/heads/b{number}", {"number": number, **data})


def fold(tx: Transaction, entry: Entry) -> None:
    tx.execute("insert into state values (?, ?)", (entry.seq, entry.subject))


class World:
    """A folder with a ledger and, elsewhere, its mark."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "data" / "ledger.sqlite"
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.mark = folder / "mark"
        self.clock = Clock()

    def open(self, *, log: str = LOG, marked: bool = True, **options: object) -> Ledger:
        highwater = HighWater(self.mark, log=log) if marked else None
        options = {"clock": self.clock, "projector": fold, "schema": STATE} | options
        return Ledger(self.path, log=log, highwater=highwater, **options)

    def grow(self, number: int) -> None:
        """Append until there are `number` entries, one millisecond apart."""
        with self.open() as ledger:
            while ledger.head.size < number:
                self.clock.now += 1
                seq = ledger.head.size
                ledger.run(lambda tx, seq=seq: tx.append(draft(seq) if seq else GENESIS))
            assert ledger.broken is None

    def rows(self) -> list[tuple[object, ...]]:
        with contextlib.closing(stores.open_reader(self.path)) as connection:
            return [tuple(row) for row in reads.entries(connection)]

    def state(self) -> list[int]:
        with contextlib.closing(stores.open_reader(self.path)) as connection:
            return [seq for (seq,) in connection.execute("select seq from state order by seq")]

    def report(self, *, marked: bool = True) -> verify.Report:
        return verify.verify_file(self.path, mark=verify.read_mark(self.mark) if marked else None)

    def assert_honest(self) -> None:
        """Before the attack: valid with the mark, and the ledger opens."""
        assert self.report().status == "valid", self.report()
        self.open().close()

    def copy_data(self, name: str) -> Path:
        return shutil.copytree(self.path.parent, self.folder / name)

    def put_back(self, copy: Path) -> None:
        shutil.rmtree(self.path.parent)
        shutil.copytree(copy, self.path.parent)

    @contextlib.contextmanager
    def sql(self) -> Iterator[sqlite.Connection]:
        """Whoever may run SQL on the file, with nothing switched off."""
        with contextlib.closing(sqlite.connect(self.path, isolation_level=None)) as connection:
            yield connection

    @contextlib.contextmanager
    def edited(self) -> Iterator[sqlite.Connection]:
        """Whoever may write the file: no triggers, no generated columns, no checks; and all of it put back after."""
        with self.sql() as connection:
            objects = dict(connection.execute("select name, sql from sqlite_schema where sql is not null"))
            for name in TRIGGERS:
                connection.execute(f"drop trigger {name}")
        self._declare(_without_generation(objects["ledger_entry"]))
        with self.sql() as connection:
            connection.execute("pragma ignore_check_constraints = on")
            yield connection
        self._declare(objects["ledger_entry"])
        with self.sql() as connection:
            for name in TRIGGERS:
                connection.execute(objects[name])

    def _declare(self, sql: str) -> None:
        """Say that the entries' table was created by `sql`; a connection only sees it when it opens."""
        with self.sql() as connection:
            connection.execute("pragma writable_schema = on")
            connection.execute("update sqlite_schema set sql = ? where name = 'ledger_entry'", (sql,))

    def rewrite(self, bodies: dict[int, bytes], *, size: int | None = None) -> None:
        """A careful forger: new bodies with their leaf hashes and columns, and a head row to go with them."""
        with self.edited() as connection:
            if size is not None:
                connection.execute("delete from state where seq >= ?", (size,))
                connection.execute("delete from ledger_entry where seq >= ?", (size,))
            for seq, body in bodies.items():
                connection.execute(
                    "update ledger_entry set body = :body, leaf = :leaf, kind = :body ->> '$.kind',"
                    " actor = :body ->> '$.actor.id', ts = :body ->> '$.ts', repo = :body ->> '$.repo',"
                    " subject = :body ->> '$.subject' where seq = :seq",
                    {"seq": seq, "body": body.decode(), "leaf": leaf_hash(body)},
                )
            connection.execute(
                "update ledger_head set (size, head, ts) ="
                " (select seq + 1, leaf, ts from ledger_entry order by seq desc limit 1)"
            )


def _without_generation(sql: str) -> str:
    return re.sub(r" generated always as \(.*\) stored,", ",", sql)
