"""A small ledger for tests, on either engine: its people, its clock, and the ways an attacker gets at its data."""

from __future__ import annotations

import contextlib
import io
import json
import re
import shutil
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
from pysqlite3 import dbapi2 as sqlite

from audit import copying, merkle, note, reads, stores, tree, verify
from audit.checkpoint import Checkpoint
from audit.entry import GENESIS_KIND, GENESIS_PREV, Actor, Draft, leaf_hash
from audit.highwater import HighWater
from audit.kinds import Kind, Kinds
from audit.ledger import Ledger
from audit.publishing import Publisher
from audit.stores import sqlite_schema
from audit.stores.postgres import Connection as PostgresConnection
from audit.tiles import roots_of_full_tiles

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    import pytest

    import postgres
    from audit.entry import Entry
    from audit.transaction import Transaction

LOG = "example.com/ledger"
ALICE = Actor("alice", "human", "SHA256:abc")
KINDS = Kinds(
    {
        "sign_off.given": Kind(
            1, {"number": "whole", "text?": "any", "blob?": "object", "x?": "any", "ts?": "any", "refuse?": "bool"}
        )
    }
)
SIGNER = note.Signer(LOG, note.Algorithm.ED25519, bytes(range(32)))
RECOVERY = note.Signer(f"{LOG}/recovery", note.Algorithm.ED25519, bytes(range(1, 33)))
BORN = {"ledger_key": str(SIGNER.key), "recovery_key": str(RECOVERY.key), "kinds": KINDS.registration()}
GENESIS = Draft(GENESIS_KIND, ALICE, "", "", {"format": 1, **BORN})
STATE = "create table if not exists state(seq integer primary key, subject text) strict;"
REFERRING = STATE.replace("primary key", "primary key references ledger_entry(seq)")
COLUMNS = ("kind", "actor", "ts", "repo", "subject")
ENGINES = ("sqlite", "postgresql")
TRIGGERS = [
    f"ledger_{table}_{deed}"
    for table in ("entry", "head", "blob", "tile", "checkpoint")
    for deed in ("insert", "update", "delete")
]


class Clock:
    def __init__(self, now: int = 1_700_000_000_000) -> None:
        self.now = now

    def __call__(self) -> int:
        return self.now


def draft(number: int = 0, **data: object) -> Draft:
    return Draft("sign_off.given", ALICE, "garden", f"refs/heads/b{number}", {"number": number, **data})


def fold(tx: Transaction, entry: Entry) -> None:
    tx.execute("insert into state values (?, ?)", (entry.seq, entry.subject))


def point(signed: str | bytes | Path) -> tuple[str, int]:
    """Who a signed checkpoint speaks of, and how many entries."""
    text = signed.read_bytes() if isinstance(signed, Path) else signed
    origin, size, *_ = (text.decode() if isinstance(text, bytes) else text).split("\n")
    return origin, int(size)


class World:
    """A folder with a ledger and, elsewhere, its mark. This one keeps it in a file of SQLite."""

    engine = "sqlite"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "data" / "ledger.sqlite"
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.mark = folder / "mark"
        self.clock = Clock()
        self.signers = [SIGNER]
        self._reports = count()

    @property
    def place(self) -> stores.Place:
        return self.path

    def twin(self) -> World:
        """Another ledger, whose data are a copy of these; the mark is one."""
        twin = World(self.folder / "twin")
        for file in self.path.parent.iterdir():
            (twin.path.parent / file.name).write_bytes(file.read_bytes())
        twin.mark = self.mark
        return twin

    def publisher(self) -> Publisher:
        return Publisher(HighWater(self.mark), lambda: self.signers)

    def open(self, *, log: str = LOG, marked: bool = True, **options: Any) -> Ledger:  # noqa: ANN401
        options = {"clock": self.clock, "projector": fold, "schema": STATE, "kinds": KINDS} | options
        return Ledger(self.place, log=log, publisher=self.publisher() if marked else None, **options)

    def grow(self, number: int) -> None:
        """Append until there are `number` entries, one millisecond apart."""
        with self.open() as ledger:
            while ledger.head.size < number:
                self.clock.now += 1
                seq = ledger.head.size
                ledger.run(lambda tx, seq=seq: tx.append(draft(seq) if seq else GENESIS))
            assert ledger.broken is None

    @contextlib.contextmanager
    def reader(self) -> Iterator[stores.Connection]:
        with contextlib.closing(stores.open_reader(self.place)) as connection:
            yield connection

    @contextlib.contextmanager
    def writer(self) -> Iterator[stores.WritingConnection]:
        with contextlib.closing(stores.open_writer(self.place)) as connection:
            yield connection

    def rows(self) -> list[tuple[Any, ...]]:
        with self.reader() as connection:
            return [tuple(row) for row in reads.entries(connection)]

    def bodies(self) -> list[bytes]:
        return [row[1] for row in self.rows()]

    def state(self) -> list[int]:
        with self.reader() as connection:
            return [seq for (seq,) in connection.execute("select seq from state order by seq").fetchall()]

    def checkpoint(self, size: int | None = None) -> str | None:
        with self.reader() as connection:
            return tree.note(connection, size)

    # What the verifier says. The one place that knows its command line.

    def report(self, *, marked: bool = True, what: Path | None = None, against: Iterable[Path] = ()) -> dict[str, Any]:
        known = [self.mark] if marked and self.mark.exists() else []
        arguments = [str(what or self.file()), "--json", "--key", str(SIGNER.key)]
        for path in [*known, *against]:
            arguments += ["--against", str(path)]
        with contextlib.redirect_stdout(io.StringIO()) as said, contextlib.redirect_stderr(io.StringIO()):
            try:
                status = verify.main(arguments)
            except SystemExit as usage:  # pytest would take it for its own end.
                raise AssertionError(f"expected a verifier that takes {arguments}, got exit {usage.code}") from usage
        return {"exit": status, **json.loads(said.getvalue())}

    def exit_status(self, *, marked: bool = True, what: Path | None = None) -> int:
        status: int = self.report(marked=marked, what=what)["exit"]
        return status

    def file(self) -> Path:
        """A file that the verifier reads, with every row as it is."""
        return self.path

    def assert_honest(self) -> None:
        """Before the attack: valid with the mark, and the ledger opens."""
        self.assert_sound()
        report = self.report()
        assert report["status"] == "valid", report
        self.open().close()

    def assert_sound(self) -> None:
        """What a crash must leave: one chain, one tree, a row of state for each entry. No code of ours but hashes."""
        prev, leaves = GENESIS_PREV, []
        for number, (seq, body, leaf) in enumerate(self.rows()):
            fields = json.loads(body)
            assert (seq, fields["seq"], fields["prev"], leaf) == (number, number, prev, leaf_hash(body))
            leaves.append(leaf)
            prev = leaf.hex()
        filled, edge = roots_of_full_tiles(merkle.Frontier(), leaves)
        with self.reader() as connection:
            size, head, frontier = connection.execute("select size, head, frontier from ledger_head").fetchone()
            tiles = connection.execute("select level, idx, root from ledger_tile").fetchall()
            notes = connection.execute("select size, note from ledger_checkpoint").fetchall()
        assert (size, bytes(head).hex(), bytes(frontier)) == (len(leaves), prev, b"".join(edge.hashes))
        assert sorted((level, idx, bytes(root)) for level, idx, root in tiles) == sorted(filled)
        assert all(point(signed)[1] == size <= len(leaves) for size, signed in notes)
        assert self.state() == list(range(len(leaves)))

    # What an attacker does.

    def copy_data(self, name: str) -> object:
        return shutil.copytree(self.path.parent, self.folder / name)

    def put_back(self, copy: Any) -> None:  # noqa: ANN401
        shutil.rmtree(self.path.parent)
        shutil.copytree(copy, self.path.parent)

    def empty(self) -> None:
        """Take the data away, so that the next to open finds nothing."""
        for file in self.path.parent.iterdir():
            file.unlink()

    @property
    def Error(self) -> type[Exception]:  # noqa: N802
        """What the engine refuses with."""
        found: type[Exception] = sqlite.DatabaseError
        return found

    @contextlib.contextmanager
    def sql(self) -> Iterator[Any]:
        """Whoever may run SQL on the data, with nothing switched off."""
        with contextlib.closing(sqlite.connect(self.path, isolation_level=None)) as connection:
            yield connection

    @contextlib.contextmanager
    def edited(self) -> Iterator[Any]:
        """Whoever may write the data: no triggers, no generated columns, no checks; and all of it put back after."""
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
        """A careful forger: new bodies with their leaf hashes and columns, and head row and tiles to go with them.

        The ledger's own checkpoints go, from the first one on that would give the forgery away.
        """
        first = min([*bodies, *([] if size is None else [size])])
        with self.edited() as connection:
            connection.execute("delete from ledger_checkpoint where size > ?", (first,))
            if size is not None:
                connection.execute("delete from state where seq >= ?", (size,))
                connection.execute("delete from ledger_entry where seq >= ?", (size,))
            for seq, body in bodies.items():
                said = json.loads(body)
                columns = [said["kind"], said["actor"]["id"], said["ts"], said["repo"], said["subject"]]
                sql = "update ledger_entry set body = ?, leaf = ?, kind = ?, actor = ?, ts = ?, repo = ?, subject = ?"
                connection.execute(f"{sql} where seq = ?", (body.decode(), leaf_hash(body), *columns, seq))
            ends = connection.execute("select seq + 1, leaf, ts from ledger_entry order by seq desc limit 1").fetchone()
            rows = connection.execute("select leaf from ledger_entry order by seq").fetchall()
            filled, edge = roots_of_full_tiles(merkle.Frontier(), [bytes(row[0]) for row in rows])
            sql = "update ledger_head set size = ?, head = ?, ts = ?, frontier = ?"
            connection.execute(sql, (*ends, b"".join(edge.hashes)))
            connection.execute("delete from ledger_tile")
            for tile in filled:
                connection.execute("insert into ledger_tile values (?, ?, ?)", tile)

    def sign(self, *, signer: note.Signer = SIGNER) -> None:
        """A forger who has the key: a checkpoint over the ledger as it is now, kept where the ledger keeps its own."""
        with self.reader() as connection:
            text = checkpoint_of(connection, reads.size(connection)).text()
        with self.edited() as connection:
            row = (point(text)[1], note.written(text, [signer.line(text)]))
            connection.execute("delete from ledger_checkpoint where size = ?", row[:1])
            connection.execute("insert into ledger_checkpoint(size, note) values (?, ?)", row)


class PostgresWorld(World):
    """A world whose data are a database of a PostgreSQL server."""

    engine = "postgresql"

    def __init__(self, folder: Path, server: postgres.Server | None, address: str = "") -> None:
        super().__init__(folder)
        self.server = server
        self.address = address or self.given.database()

    @property
    def given(self) -> postgres.Server:
        assert self.server is not None, "expected the world of the process that has the server"
        return self.server

    @property
    def place(self) -> stores.Place:
        return self.address

    @property
    def name(self) -> str:
        return re.findall(r"@/(\w+)\?", self.address)[0]

    def twin(self) -> World:
        twin = PostgresWorld(self.folder / "twin", self.server, self.given.address(str(self.copy_data("twin"))))
        twin.mark = self.mark
        return twin

    def file(self) -> Path:
        """Copy every row, wrong ones too, into a file: the verifier reads no servers."""
        path = self.folder / f"report{next(self._reports)}.sqlite"
        with self.reader() as connection:
            copying.copy(connection, path)
        return path

    def copy_data(self, name: str) -> object:
        copy = f"{self.name}_{name}"
        self._admin(f"create database {copy} template {self.name}")
        return copy

    def put_back(self, copy: Any) -> None:  # noqa: ANN401
        self._admin(f"drop database {self.name} with (force)")
        self._admin(f"create database {self.name} template {copy}")

    def empty(self) -> None:
        self._admin(f"drop database {self.name} with (force)")
        self._admin(f"create database {self.name}")

    def _admin(self, sql: str) -> None:
        with psycopg.connect(self.given.address("postgres"), autocommit=True) as connection:
            connection.execute(sql.encode())

    @property
    def Error(self) -> type[Exception]:  # noqa: N802
        return psycopg.Error

    @contextlib.contextmanager
    def sql(self) -> Iterator[Any]:
        with contextlib.closing(PostgresConnection(self.address, writes=True)) as connection:
            yield connection

    @contextlib.contextmanager
    def edited(self) -> Iterator[Any]:
        """As a superuser can: what watches is switched off in the catalogue, and on again."""
        with self.sql() as connection:
            _watched(connection, watched=False)
        with self.sql() as connection:
            yield connection
        with self.sql() as connection:
            _watched(connection, watched=True)


def _watched(connection: Any, *, watched: bool) -> None:  # noqa: ANN401
    connection.execute("set allow_system_table_mods = on")
    for table in sqlite_schema.TABLES:
        connection.execute(f"alter table {table} {'enable' if watched else 'disable'} trigger all")
    connection.execute("alter table state disable trigger all") if not watched else None
    checks = "(select count(*) from pg_constraint n where n.conrelid = c.oid and n.contype = 'c')" if watched else "0"
    connection.execute(f"update pg_class c set relchecks = {checks} where relname like 'ledger_%' and relkind = 'r'")
    generated = "s" if watched else ""
    connection.execute(
        f"update pg_attribute set attgenerated = '{generated}' where attrelid = 'ledger_entry'::regclass "
        f"and attname in {COLUMNS}"
    )
    connection.execute("alter table state enable trigger all") if watched else None


def checkpoint_of(connection: stores.Asked, size: int) -> Checkpoint:
    """What there is to say of the first entries."""
    return Checkpoint(LOG, size, merkle.root(size, tree.nodes(connection, size)))


def _without_generation(sql: str) -> str:
    return re.sub(r" generated always as \(.*\) stored,", ",", sql)


def world_on(engine: str, folder: Path, request: pytest.FixtureRequest) -> World:
    """A world of its own on one of ENGINES."""
    if engine == "sqlite":
        return World(folder)
    return PostgresWorld(folder, request.getfixturevalue("pg_server"))


def arguments(world: World) -> list[str]:
    """What a child process needs to find this world."""
    return [str(world.folder), str(world.place)]


def found(arguments: Sequence[str]) -> World:
    """The world that another process described."""
    folder, place = arguments
    return PostgresWorld(Path(folder), None, place) if stores.is_postgres(place) else World(Path(folder))


def append(number: int = 0, **data: object) -> Callable[[Transaction], int]:
    return lambda tx: tx.append(draft(number, **data)).seq


def judged(rows: Iterable[Sequence[Any]]) -> tuple[str, int | None, str]:
    """What the verifier says of bare rows: verdict, first bad entry, reason."""
    report = verify.verify_rows(rows)
    return report.status, report.first_bad, report.reason
