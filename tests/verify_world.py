"""Material to verify: a log made by hand with its keys, laid down as a database, an export, lines or a proof."""

from __future__ import annotations

import base64
import hashlib
import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from audit import canonical, merkle, note, tiles
from audit.checkpoint import Checkpoint
from audit.entry import Actor, Draft, leaf_hash, seal
from audit.merkle import Frontier
from audit.note import Algorithm, Signer
from audit.tiles import Tile

SCHEMA = """
create table ledger_entry(
  seq     integer primary key,
  body    text not null,
  leaf    blob not null,
  kind    text not null generated always as (json_extract(body, '$.kind')) stored,
  actor   text not null generated always as (json_extract(body, '$.actor.id')) stored,
  ts      integer not null generated always as (json_extract(body, '$.ts')) stored,
  repo    text not null generated always as (json_extract(body, '$.repo')) stored,
  subject text not null generated always as (json_extract(body, '$.subject')) stored
) strict;
create table ledger_head(id integer primary key, size integer, head blob, ts integer, frontier blob);
create table ledger_tile(level integer, idx integer, root blob, primary key(level, idx));
create table ledger_checkpoint(size integer primary key, note text, cosigned integer);
create table ledger_private(seq integer, field text, salt blob, value text, primary key(seq, field));
create table ledger_pruned(idx integer primary key, leaves blob);
create table ledger_blob(sha256 blob primary key, data blob);
"""
"""The tables as far as a verifier reads them, and nothing that guards them."""

LOG = "example.com/ledger"
KEY = Signer(LOG, Algorithm.ED25519, bytes(range(32)))
OTHER = Signer(LOG, Algorithm.ED25519, bytes(range(1, 33)))
RECOVERY = Signer(f"{LOG}/recovery", Algorithm.ED25519, bytes(range(2, 34)))
SECOND = Signer(f"{LOG}/e2", Algorithm.ED25519, bytes(range(3, 35)))
WITNESSES = [Signer(f"witness-{n}.example.org", Algorithm.COSIGNATURE, bytes([n]) * 32) for n in (1, 2, 3)]
KINDS = {"sign_off.given": {"version": 1, "data": {"number": "whole", "text": "text", "items?": "any"}}}
ALICE = Actor("alice", "human", "SHA256:abc")


class Book:
    """A log as its bodies. Everything else follows, unless a test changes it."""

    def __init__(self, number: int = 0, *, keys: bool = True) -> None:
        self.log, self.ts = LOG, 1_700_000_000_000
        self.bodies: list[bytes] = []
        self.blobs: list[bytes] = [b"blob"]
        self.private: list[tuple[int, str, bytes, str]] = []
        self.notes: dict[int, str] = {}
        self.below = 0
        if number:
            self.add("ledger.genesis", {"ledger_key": str(KEY.key), "recovery_key": str(RECOVERY.key)} if keys else {})
            self.add("ledger.kinds", {"kinds": KINDS})
            while self.size < number:
                self.given()

    @property
    def size(self) -> int:
        return len(self.bodies)

    @property
    def leaves(self) -> list[bytes]:
        return [leaf_hash(body) for body in self.bodies]

    def given(self, text: str = "", **more: object) -> None:
        self.add("sign_off.given", {"number": self.size, "text": text, **more})

    def add(self, kind: str, data: dict[str, Any], *, log: str = "") -> None:
        self.log = log or self.log
        self.ts += 1
        prev = leaf_hash(self.bodies[-1]).hex() if self.bodies else "0" * 64
        draft = Draft(kind, ALICE, "garden", f"refs/heads/b{self.size}", data)
        self.bodies.append(seal(draft, log=self.log, seq=self.size, prev=prev, ts=self.ts)[1])

    def root(self, size: int | None = None) -> bytes:
        return Frontier().grown(self.leaves[:size]).root()

    def checkpoint(self, size: int | None = None, *signers: Signer, origin: str = "", root: bytes = b"") -> str:
        size = self.size if size is None else size
        origin = origin or (json.loads(self.bodies[size - 1])["log"] if 0 < size <= self.size else self.log)
        text = Checkpoint(origin, size, root or self.root(size)).text()
        return note.written(text, [each.line(text, at=7) for each in signers or (KEY,)])

    def sign(self, *sizes: int) -> None:
        self.notes |= {size: self.checkpoint(size) for size in sizes}

    def rotate(self, new: Signer, *, old: Signer = KEY, overlap: int = 0, by: tuple[Signer, ...] = ()) -> None:
        text = f"ledger key rotation\n{self.log}\n{self.size}\n{old.key}\n{new.key}\n"
        signed = note.written(text, [each.line(text) for each in by or (old, new)])
        self.add("ledger.key_rotated", {"note": signed, "overlap": overlap})

    def turn(
        self, new: Signer = SECOND, *, lost: str = "", by: Signer = RECOVERY, origin: str = "", **lines: object
    ) -> None:
        """Open an epoch. `lines` replaces what the note says."""
        point = (
            Checkpoint.parse(lost.split("\n\n", maxsplit=1)[0] + "\n")
            if lost
            else Checkpoint(self.log, self.size, self.root())
        )
        said = {
            "origin": origin or f"{LOG}/e2", "seq": self.size, "base": _text(self.root()), "old": point.origin,
            "size": point.size, "root": _text(point.root), "key": new.key,
        } | lines  # fmt: skip
        text = "ledger epoch\n" + "".join(f"{each}\n" for each in said.values())
        signed = note.written(text, [by.line(text)])
        data = {"note": signed, "lost": lost, "reason": "restored", "operator": "bob"}
        self.add("ledger.epoch", data, log=origin or f"{LOG}/e2")

    def prune(self, below: int) -> None:
        root = _text(self.root(below))
        data = {"below": below, "archive": "ab" * 32, "root": root, "kept": hashlib.sha256().hexdigest()}
        self.add("ledger.pruned", data)
        self.below = below

    def copy(self) -> Book:
        other = Book()
        vars(other).update({name: _copied(value) for name, value in vars(self).items()})
        return other

    def changed(self, at: int, **changes: object) -> Book:
        """A careful forger's: one other entry, and every later one made to follow from it."""
        other = self.copy()
        fields = json.loads(self.bodies[at]) | changes
        other.bodies[at] = canonical.encode({name: value for name, value in fields.items() if value is not ...})
        for seq in range(at + 1, self.size):
            fields = json.loads(self.bodies[seq]) | {"prev": leaf_hash(other.bodies[seq - 1]).hex()}
            other.bodies[seq] = canonical.encode(fields)
        return other

    def rows(self) -> list[tuple[Any, ...]]:
        return [(seq, body, leaf_hash(body)) for seq, body in enumerate(self.bodies)]

    def database(self, path: Path) -> Path:
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.executescript(SCHEMA)
            connection.executemany(
                "insert into ledger_entry(seq, body, leaf) values (?, ?, ?)",
                [(seq, body.decode(), leaf) for seq, body, leaf in self.rows() if seq >= self.below],
            )
            roots, leaves = dict[tuple[int, int], bytes](), self.leaves
            edge = Frontier().grown(leaves, lambda level, index, root: roots.update({(level, index): root}))
            found = [(n // 8 - 1, index, root) for (n, index), root in roots.items() if n and not n % 8]
            connection.executemany("insert into ledger_tile values (?, ?, ?)", found)
            head = (len(leaves), leaves[-1], self.ts, b"".join(edge.hashes)) if leaves else (0, bytes(32), 0, b"")
            connection.execute("insert into ledger_head values (1, ?, ?, ?, ?)", head)
            connection.executemany("insert into ledger_checkpoint(size, note) values (?, ?)", self.notes.items())
            connection.executemany("insert into ledger_private values (?, ?, ?, ?)", self.private)
            pruned = [(n, b"".join(leaves[n * 256 : n * 256 + 256])) for n in range(self.below // 256)]
            connection.executemany("insert into ledger_pruned values (?, ?)", pruned)
            connection.executemany("insert into ledger_blob values (?, ?)", self._named_blobs())
        return path

    def _named_blobs(self) -> list[tuple[bytes, bytes]]:
        return [(hashlib.sha256(data).digest(), data) for data in self.blobs]

    def export(self, folder: Path, *, bare: bool = False) -> Path:
        """Lay down tiles and a checkpoint; unless `bare`, all else that an export has."""
        leaves, size = self.leaves, self.size
        nodes = dict[tuple[int, int], bytes]()
        Frontier().grown(leaves, lambda level, index, root: nodes.update({(level, index): root}))
        for tile in tiles.tiles_of(size):
            first = tile.index * 256
            put(folder / tile.path(), b"".join(nodes[tile.level * 8, first + n] for n in range(tile.width)))
            if tile.level == 0 and first >= self.below:
                entries = Tile(0, tile.index, tile.width, entries=True)
                put(folder / entries.path(), tiles.bundled(self.bodies[first : first + tile.width]))
        put(folder / "checkpoint", (self.notes.get(size) or self.checkpoint()).encode())
        if not bare:
            put(folder / "entries.jsonl", b"".join(body + b"\n" for body in self.bodies[self.below :]))
            put(folder / "keys.policy", f"log {KEY.key}\nquorum none\n".encode())
            for key, data in self._named_blobs():
                put(folder / "blob" / key.hex(), data)
            for at, text in self.notes.items():
                put(folder / "checkpoints" / str(at), text.encode())
        return folder

    def lines(self, path: Path) -> Path:
        return put(path, b"".join(body + b"\n" for body in self.bodies))

    def proof(self, index: int, *signers: Signer) -> bytes:
        nodes = dict[tuple[int, int], bytes]()
        Frontier().grown(self.leaves, lambda level, at, root: nodes.update({(level, at): root}))
        path = merkle.inclusion_proof(index, self.size, lambda level, at: nodes[level, at])
        head = ["c2sp.org/tlog-proof@v1", f"extra {_text(self.bodies[index])}", f"index {index}", *map(_text, path)]
        return "".join(f"{line}\n" for line in head).encode() + b"\n" + self.checkpoint(None, *signers).encode()


def put(path: Path, data: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _copied(value: object) -> object:
    return value.copy() if isinstance(value, list | dict) else value
