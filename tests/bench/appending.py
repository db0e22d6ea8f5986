"""What a durable append costs: the whole path, beside the least that a database can do, and beside others.

Ours: state change, canonical body, chain, tree, columns, guards, one commit for what waits. `raw`: the same bytes into
a bare table. The others append the same entries their own way, each with a commit of its own.
"""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import time_ns

import pytest
from pysqlite3 import dbapi2 as sqlite

from audit import reads, stores
from audit.entry import GENESIS_KIND, Actor, Draft, Entry
from audit.kinds import Kind, Kinds
from audit.ledger import Ledger
from audit.transaction import Transaction
from tests import postgres
from tests.bench.sizes import Sizes
from tests.bench.table import Figure, Reach, by_turns, progress, timed
from tests.bench.world import World

IN_FLIGHT = 64
LOG = "ledger.example/log"
WHO = Actor("agent-7", "agent", "a" * 40)
KINDS = Kinds({"push.decided": Kind(1, {"allowed": "bool", "handle": "text", "message": "text", "refs": "list"})})
STATE = "create table if not exists seen(name text primary key, n integer not null) strict;"
RAW = "create table e(seq integer primary key, body text not null, leaf blob not null) strict"
OTHERS = Path(__file__).with_name("others.lock")
"""Packages that are measured against and nothing else, in an environment of their own."""


def measure(world: World, sizes: Sizes) -> list[Figure]:
    """Append so many entries in each of these ways."""
    count, rounds = sizes.appends, sizes.append_rounds
    folder = world.folder / "appending"
    folder.mkdir()
    progress(f"appends: {rounds} times {count} in each way")
    figures = [*_on_sqlite(folder, count, rounds), *_on_postgres(count, rounds)]
    return [*figures, *_others(folder, count, rounds)] if sizes.others else figures


def _on_sqlite(folder: Path, count: int, rounds: int) -> Iterator[Figure]:
    where = iter(folder / f"ledger-{number}.sqlite" for number in range(10 * rounds))
    rows = _rows(next(where), count)
    raw = iter(folder / f"raw-{number}.sqlite" for number in range(rounds))
    ours, other = by_turns(rounds, lambda _: _rate(next(where), count, IN_FLIGHT), lambda _: _raw(next(raw), rows))
    yield _figure("append.sqlite.64", ours, other, "raw SQLite inserts of the same bytes in batches of 64", 0.2, rounds)
    few = count // 8
    ours, other = by_turns(rounds, lambda _: _rate(next(where), count, IN_FLIGHT), lambda _: _rate(next(where), few, 1))
    yield _figure("append.sqlite.single", ours, other, "ours, one commit for each append", 4, rounds)


def _on_postgres(count: int, rounds: int) -> Iterator[Figure]:
    few = count // 8
    try:
        with postgres.running() as server:
            ours, other = by_turns(
                rounds,
                lambda _: _rate(server.database(), count, IN_FLIGHT),
                lambda _: _rate(server.database(), few, 1),
            )
    except pytest.skip.Exception as reason:
        progress(f"append.pg.64 is not measured: {reason}")
        return
    yield _figure("append.pg.64", ours, other, "ours on PostgreSQL, one commit for each append", 4, rounds)


def _others(folder: Path, count: int, rounds: int) -> Iterator[Figure]:
    few = max(64, count // 16)
    python = _environment(folder)
    for name in ("auditchain", "pymerkle"):
        ours, other = by_turns(
            rounds,
            lambda each, name=name: _rate(folder / f"beside-{name}-{each}.sqlite", count, IN_FLIGHT),  # type: ignore[misc]
            lambda each, name=name: _theirs(python, name, folder / f"{name}-{each}.sqlite", few),  # type: ignore[misc]
        )
        yield _figure(f"append.{name}", ours, other, f"{name} on SQLite, an append at a time", 1, rounds)


def _figure(id_: str, ours: float, other: float, against: str, least: float, rounds: int) -> Figure:
    return Figure(
        id=id_, ours=ours, other=other, other_name=against, unit="/s", n=rounds,
        reach=Reach("ours/other", least, at_least=True), note="Durable appends a second, 64 of ours in flight",
    )  # fmt: skip


def fold(tx: Transaction, entry: Entry) -> None:
    """Change state, as an entry does."""
    sql = "insert into seen values (?, 1) on conflict(name) do update set n = seen.n + 1"
    tx.execute(sql, (entry.subject,))


def draft(number: int) -> Draft:
    """Return an entry of some 400 bytes."""
    data: dict[str, object] = {
        "allowed": True,
        "handle": f"{number}-5678",
        "message": "ok",
        "refs": [["0" * 40, f"{number:040x}", "refs/heads/main"]],
    }
    return Draft("push.decided", WHO, "app", f"refs/heads/b{number % 100}", data)


@contextmanager
def opened(place: stores.Place) -> Iterator[Ledger]:
    """A ledger that has begun."""
    clock: Callable[[], int] = lambda: time_ns() // 1_000_000  # noqa: E731  # As the service hands it in.
    with Ledger(place, log=LOG, clock=clock, projector=fold, schema=STATE, kinds=KINDS) as ledger:
        genesis = Draft(GENESIS_KIND, WHO, "", "", {"kinds": KINDS.registration()})
        ledger.run(lambda tx: tx.append(genesis))
        yield ledger


@contextmanager
def unlooked() -> Iterator[None]:
    """While this lasts, nobody looks for garbage among the rows and drafts that were made before."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def _rate(place: stores.Place, count: int, in_flight: int) -> float:
    """Return how many appends a second, so many waiting for their answer at any moment."""
    drafts = [draft(number) for number in range(count)]  # As the rows of the others are made before.

    def all_of_them() -> None:
        waiting: deque[object] = deque()
        for one in drafts:
            if len(waiting) >= in_flight:
                waiting.popleft().result()  # type: ignore[attr-defined]
            waiting.append(ledger.submit(lambda tx, one=one: tx.append(one).seq))  # type: ignore[misc]
        for future in waiting:
            future.result()  # type: ignore[attr-defined]

    with opened(place) as ledger, unlooked():
        return count / timed(all_of_them)


def _rows(path: Path, count: int) -> list[tuple[int, str, bytes]]:
    """Return what our ledger writes, to be written barely."""
    _rate(path, count, IN_FLIGHT)
    connection = stores.open_reader(path)
    try:
        return [(row.seq, row.body.decode(), row.leaf) for row in reads.entries(connection, 1)]
    finally:
        connection.close()


def _raw(path: Path, rows: list[tuple[int, str, bytes]]) -> float:
    connection = sqlite.connect(path, isolation_level=None)
    connection.execute("pragma journal_mode = wal")
    connection.execute("pragma synchronous = full")
    connection.execute(RAW)

    def all_of_them() -> None:
        for at in range(0, len(rows), IN_FLIGHT):
            connection.execute("begin immediate")
            connection.executemany("insert into e values (?, ?, ?)", rows[at : at + IN_FLIGHT])
            connection.execute("commit")

    with unlooked():
        seconds = timed(all_of_them)
    connection.close()
    return len(rows) / seconds


def _environment(folder: Path) -> Path:
    """Make the environment of the others, from hashes; return its Python."""
    made = folder / "others"
    subprocess.run([sys.executable, "-m", "venv", str(made)], check=True)
    python = made / "bin" / "python"
    subprocess.run([python, "-m", "pip", "-q", "install", "--require-hashes", "-r", str(OTHERS)], check=True)
    return python


def _theirs(python: Path, name: str, path: Path, count: int) -> float:
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(Path(__file__).parent)}
    done = subprocess.run(
        [python, "-m", "others", name, str(path), str(count)], check=True, capture_output=True, env=environment
    )
    return count / float(done.stdout)
