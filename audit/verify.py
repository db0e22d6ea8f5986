"""Is this ledger what it says it is? One file, the standard library only: copy it to where you trust it.

    python verify.py WHAT [--against FILE]... [--key VKEY]... [--policy FILE] [--entries any] [--json]

WHAT is a ledger's database (SQLite), an export or any directory of tiles (C2SP tlog-tiles), a file of entries, one a
line, or a `.tlog-proof`. `--against` is a copy of a checkpoint found anywhere: a note, a mail, a git repository.

Exit status: 0 valid; 1 tampered with (the first bad entry is named); 2 could not be verified (unreadable, empty, of a
later version, of a kind that nothing registers, or not signed where that is demanded); 3 rolled back or forked.

The steps, in the order of this file. (1) Hash the leaves, grow the tree of RFC 6962. (2) Read keys and signed notes.
(3) Follow the ledger's keys and epochs. (4) Walk the entries: each is the canonical spelling of a well-formed entry of
a known version; numbers run without a gap; each names the leaf hash of the one before; time does not go back; what the
ledger says of itself (rotations, epochs, prunings, erasures) is so. (5) At the end: each entry is of a registered kind
and of its schema. (6) Everything that names a root at a size is right: own checkpoints, and those found elsewhere. (7)
Cosignatures meet the policy. (8) The stores hold what follows from the entries, and nothing else.

Not checked: what was cut off or written anew after the newest checkpoint that you hold; entries whose bodies were
pruned, beyond their leaf hashes; and the tables folded from the entries. The first key is believed from entry 0 unless
pinned by `--key`; the report says so. A database is opened read-only and read in one snapshot; SQLite may leave an
empty -wal and a -shm file beside it, so what lies on a read-only medium is to be copied first. Ed25519 is verified by
`cryptography` where it can be imported, else by the `openssl` command, else not, and then nothing signed is accepted.

Longer than other files here, because it imports none of them: who does not trust the ledger need not trust its code.
"""

from __future__ import annotations

import argparse
import base64
import binascii
import email
import hashlib
import html
import json
import os
import re
import sqlite3
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, NoReturn
from urllib.parse import quote

EXIT = {"valid": 0, "tampered": 1, "unverifiable": 2, "rollback": 3, "fork": 3}
VERSION = 1
MAX_BODY = 65_535
MAX_INT = 2**53 - 1
MAX_DEPTH = 16
MAX_NOTE = 1_000_000
MAX_MAIL = 32_000_000
MAX_ROW = 4_000_000
MAX_BLOB = 1_000_000_000
MAX_SIGNATURES = 100
MAX_PROOF = 63
MAX_FOUND = 1000
"""Checkpoints in one file given by `--against`."""
NO_LEAF = "0" * 64
PROGRESS_EVERY = 10_000
WIDTH = 256
HASH = 32
ENDLESS = 1 << 63

Progress = Callable[[int], None]
Row = Sequence[Any]
"""(seq, body, leaf), or with the columns kind, actor, ts, repo, subject after. A leaf of None is not compared."""


@dataclass(frozen=True, slots=True)
class Demands:
    """What is asked of a ledger, besides being whole. `opaque` entries are no JSON of ours: only the tree is judged."""

    against: tuple[Path, ...] = ()
    keys: tuple[str, ...] = ()
    policy: Path | None = None
    opaque: bool = False


@dataclass(frozen=True, slots=True)
class Report:
    """The judgement: `status` is a key of EXIT, `size` counts the good entries, `head` is the last good leaf hash.

    `signed` is the size of the newest checkpoint by a key in force, `cosigned` that of the newest which meets the
    policy: what came after it, no witness has seen. `root` is the tree's at `size`, in base64.
    """

    status: str
    size: int = 0
    head: str = NO_LEAF
    first_bad: int | None = None
    reason: str = ""
    origin: str = ""
    root: str = ""
    signed: int | None = None
    cosigned: int | None = None
    remarks: tuple[str, ...] = ()


class _VerdictError(Exception):
    """What ends the work: not valid, and why. `at` is the entry where it shows."""

    def __init__(self, status: str, reason: str, at: int | None = None) -> None:
        super().__init__(reason if at is None or reason.startswith("entry ") else f"entry {at}: {reason}")
        self.status = status
        self.at = at


def _bad(what: str, expected: object, got: object, *, at: int | None = None) -> NoReturn:
    raise _VerdictError("tampered", f"{what}: expected {expected!s:.200}, got {got!a:.200}", at)


def _unknown(what: str, expected: object, got: object, *, at: int | None = None) -> NoReturn:
    raise _VerdictError("unverifiable", f"{what}: expected {expected!s:.200}, got {got!s:.200}", at)


# 1. The tree (RFC 6962, section 2.1): leaves and nodes by SHA-256, the two kept apart by their first byte.


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\1" + left + right).digest()


def _push(edge: list[bytes], index: int, node: bytes) -> None:
    """Add the complete subtree `index` of its level to an edge of such subtrees."""
    while index & 1:
        node = _node(edge.pop(), node)
        index >>= 1
    edge.append(node)


def _folded(edge: Sequence[bytes]) -> bytes:
    """Return the root over complete subtrees, each smaller than the one before."""
    if not edge:
        return hashlib.sha256().digest()
    found = edge[-1]
    for left in reversed(edge[:-1]):
        found = _node(left, found)
    return found


class _Tree:
    """All leaves so far, in blocks of 256. `rows[0]` are the roots of full blocks, `rows[1]` those of 256 such."""

    def __init__(self) -> None:
        self.rows: list[list[bytes]] = []
        self.open: list[bytes] = []
        """Leaves after the last full block. Whoever fills it calls `close_block` at 256."""
        self._blocks: list[bytes] = []
        """32 bytes an entry are kept, so that the root at any size can be asked for at the end."""

    @property
    def size(self) -> int:
        return len(self._blocks) * WIDTH + len(self.open)

    def close_block(self) -> None:
        self._blocks.append(b"".join(self.open))
        hashes = self.open[:]
        self.open.clear()
        level = 0
        sha256 = hashlib.sha256
        while len(hashes) == WIDTH:
            while len(hashes) > 1:
                halves = iter(hashes)
                hashes = [sha256(b"\1" + left + right).digest() for left, right in zip(halves, halves, strict=True)]
            if level == len(self.rows):
                self.rows.append([])
            self.rows[level].append(hashes[0])
            full = len(self.rows[level]) % WIDTH == 0
            hashes = self.rows[level][-WIDTH:] if full else []
            level += 1

    def fill(self, leaves: bytes) -> None:
        """Add a block whose leaf hashes are known, and the entries not."""
        self.open.extend(leaves[at : at + HASH] for at in range(0, len(leaves), HASH))
        if len(self.open) == WIDTH:
            self.close_block()

    def hashes(self, level: int, index: int) -> bytes:
        """Return what is in a tile: up to 256 hashes."""
        if level:
            row = self.rows[level - 1] if level <= len(self.rows) else []
            return b"".join(row[index * WIDTH : (index + 1) * WIDTH])
        if index < len(self._blocks):
            return self._blocks[index]
        return b"".join(self.open) if index == len(self._blocks) else b""

    def edges(self, sizes: Iterable[int]) -> Iterator[tuple[int, list[bytes]]]:
        """Yield the right edge at each of these sizes, smallest first, in one pass over the tree."""
        edge: list[bytes] = []
        within: list[bytes] = []
        at = done = 0
        block = b""
        for size in sorted(set(sizes)):
            while (at + 1) * WIDTH <= size:
                _push(edge, at, self.rows[0][at])
                at, done, within, block = at + 1, 0, [], b""
            block = block or self.hashes(0, at)
            for leaf in range(done, size - at * WIDTH):
                _push(within, leaf, block[leaf * HASH : (leaf + 1) * HASH])
            done = size - at * WIDTH
            yield size, [*edge, *within]

    def roots(self, sizes: Iterable[int]) -> dict[int, bytes]:
        """Return the root at each of these sizes."""
        return {size: _folded(edge) for size, edge in self.edges(sizes)}


def _inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes]) -> bytes:
    """Return the root that a proof leads to (section 2.1.1); ValueError where it cannot be one."""
    inner = (index ^ (size - 1)).bit_length()
    if not 0 <= index < size or len(proof) != inner + (index >> inner).bit_count() or len(proof) > MAX_PROOF:
        raise ValueError(f"expected the proof of a leaf below {size}, got {len(proof)} hashes for {index}")
    found = leaf
    for height, sibling in enumerate(proof):
        right = height >= inner or index >> height & 1
        found = _node(sibling, found) if right else _node(found, sibling)
    return found


# 2. Keys, signed notes and checkpoints (C2SP signed-note, tlog-checkpoint, tlog-cosignature).

_SIZE = re.compile(r"0|[1-9][0-9]{0,18}")
_DASH = "\N{EM DASH} "
_NOTE_KEY, _COSIGNER = 0x01, 0x04
_SPKI = bytes.fromhex("302a300506032b6570032100")


class _UnsignedError(Exception):
    """Nothing here can verify a signature."""


class _Key(NamedTuple):
    name: str
    typed: bytes
    """The algorithm's byte and the public key."""
    id: bytes


def _made_key(name: str, typed: bytes) -> _Key:
    return _Key(name, typed, hashlib.sha256(name.encode() + b"\n" + typed).digest()[:4])


class _Point(NamedTuple):
    """What a checkpoint says."""

    origin: str
    size: int
    root: bytes


class _Note(NamedTuple):
    text: str
    lines: tuple[tuple[str, bytes], ...]
    """Name, and key id with signature."""

    def by(self, keys: Iterable[_Key]) -> list[_Key]:
        """Return who of these signed. A signature of theirs that does not verify condemns the note: ValueError."""
        return self.among({(key.name, key.id): key for key in keys})

    def among(self, keys: Mapping[tuple[str, bytes], _Key]) -> list[_Key]:
        found = []
        for name, blob in self.lines:
            key = keys.get((name, blob[:4]))
            if key is not None and not _signed(key, self.text, blob[4:]):
                raise ValueError(f"expected a signature by {name}, got one that does not verify")
            found += [] if key is None else [key]
        return found


def _base64(text: str) -> bytes:
    """Return the bytes, if this is their one spelling: the last character has bits that decoders pass over."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        data = b""
    if not data or base64.b64encode(data).decode() != text:
        raise ValueError(f"expected base64, got {text!a:.80}")
    return data


def _key(text: object) -> _Key:
    """Return the key that a vkey names; ValueError for what is none."""
    name, _, rest = text.partition("+") if isinstance(text, str) else ("", "", "")
    claimed, _, encoded = rest.partition("+")
    if not name or any(each.isspace() or each < " " for each in name) or len(name) > MAX_ROW:
        raise ValueError(f"expected a key as name+id+base64, got {text!a:.200}")
    key = _made_key(name, _base64(encoded))
    if key.typed[0] not in {_NOTE_KEY, _COSIGNER} or len(key.typed) != 1 + HASH or key.id.hex() != claimed:
        raise ValueError(f"expected an Ed25519 key with its own id, got {text!a:.200}")
    return key


def _note(data: bytes) -> _Note:
    """Return a signed note, not verified; ValueError for what is none."""
    if len(data) > MAX_NOTE:
        raise ValueError(f"expected at most {MAX_NOTE} bytes of note, got {len(data)}")
    head, blank, tail = data.decode().rpartition("\n\n")
    text, lines = head + "\n", tail.split("\n")
    if not blank or lines.pop() or not 0 < len(lines) <= MAX_SIGNATURES:
        raise ValueError("expected a text, a blank line and signature lines")
    if any(each < " " and each != "\n" for each in text):
        raise ValueError("expected a text without control characters")
    return _Note(text, tuple(map(_signature, lines)))


def _signature(line: str) -> tuple[str, bytes]:
    name, _, encoded = line.removeprefix(_DASH).partition(" ")
    if not line.startswith(_DASH) or not name:
        raise ValueError(f"expected a signature line, got {line!a:.120}")
    return name, _base64(encoded)


def _point(text: str) -> _Point:
    """Return what a note's text says as a checkpoint; ValueError if it is none."""
    *lines, _ = text.split("\n")
    if len(lines) < len(_Point._fields) or not all(lines) or not _SIZE.fullmatch(lines[1]):
        raise ValueError(f"expected the origin, size and root of a checkpoint, got {text!a:.120}")
    return _Point(lines[0], int(lines[1]), _root(lines[2]))


def _root(text: str) -> bytes:
    root = _base64(text)
    if len(root) != HASH:
        raise ValueError(f"expected a root of {HASH} bytes, got {len(root)}")
    return root


def _signed(key: _Key, text: str, blob: bytes) -> bool:
    """Whether this is a signature by that key; `_UnsignedError` where nothing can tell."""
    message = text.encode()
    if key.typed[0] == _COSIGNER:
        message = b"cosignature/v1\ntime %d\n%b" % (int.from_bytes(blob[:8], "big"), message)
        blob = blob[8:]
    return len(blob) == 2 * HASH and _ed25519(key.typed[1:], blob, message)


def _ed25519(public: bytes, signature: bytes, message: bytes) -> bool:
    try:
        from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 - need not be there
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey  # noqa: PLC0415
    except ImportError:
        return _openssl(public, signature, message)
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except InvalidSignature:
        return False
    return True


def _openssl(public: bytes, signature: bytes, message: bytes) -> bool:
    with tempfile.TemporaryDirectory(prefix="verify-") as folder:
        for name, data in (("key", _SPKI + public), ("text", message), ("signature", signature)):
            Path(folder, name).write_bytes(data)
        command = "openssl pkeyutl -verify -pubin -keyform DER -inkey key -rawin -in text -sigfile signature"
        try:
            done = subprocess.run(command.split(), cwd=folder, capture_output=True, check=False, timeout=60)
        except (OSError, subprocess.SubprocessError) as error:
            raise _UnsignedError(f"neither cryptography nor openssl: {error}") from error
    said = done.stdout + done.stderr
    if done.returncode == 0 or b"Signature Verification Failure" in said:
        return done.returncode == 0
    raise _UnsignedError(f"openssl cannot verify Ed25519: {said.decode(errors='replace')[:120]}")


# 3. The ledger's keys. Each counts for checkpoints of a range of sizes; an epoch is the time of one origin.


@dataclass(slots=True)
class _Held:
    key: _Key
    first: int
    last: int = ENDLESS


@dataclass(slots=True)
class _Epoch:
    """Checkpoints of sizes beyond `after`, up to `until`, have this origin. What was `lost` lies beyond `until`."""

    origin: str
    after: int = -1
    until: int = ENDLESS
    keys: list[_Held] = field(default_factory=list)
    lost: _Point | None = None


@dataclass(slots=True)
class _Ring:
    """Who may sign what. `pinned` keys were given by whoever asks."""

    pinned: tuple[_Key, ...] = ()
    epochs: list[_Epoch] = field(default_factory=list)
    recovery: _Key | None = None
    believed: bool = False
    stranger: str = ""
    """Why the first key is not the pinned one."""

    def begin(self, origin: str, ledger: _Key | None, recovery: _Key | None) -> None:
        """Take the first keys: those that entry 0 names, if they may be believed, else the pinned ones."""
        pinned = {key.name: key for key in self.pinned}
        held = [key for key in self.pinned if key.name == origin] if ledger is None else [ledger]
        self.believed = ledger is not None and not self.pinned
        if ledger is not None and self.pinned and ledger not in self.pinned:
            self.stranger = (
                f"expected the log's first key among those that were given, got {_vkey(ledger)} in entry 0; "
                "if you know it from then: --key, or a line `log` in the policy, beside the later ones"
            )
        self.recovery = recovery or pinned.get(f"{origin}/recovery")
        self.epochs.append(_Epoch(origin, keys=[_Held(key, 0) for key in held]))

    def rotate(self, new: _Key, size: int, overlap: int) -> None:
        self.epochs[-1].keys[-1].last = size + overlap
        self.epochs[-1].keys.append(_Held(new, size))

    def turn(self, origin: str, seq: int, lost: _Point, key: _Key) -> None:
        """Close the epoch with the first `seq` entries, and open another."""
        old = self.epochs[-1]
        old.until, old.lost = seq, lost
        for held in old.keys:
            held.last = min(held.last, seq)
        self.epochs.append(_Epoch(origin, seq, keys=[_Held(key, seq + 1)]))

    def next_origin(self, lost: str) -> str:
        """Return what the next epoch is called: after the present one, or after a later one of which all is lost."""
        (name, number), (lineage, last) = _numbered(self.epochs[-1].origin), _numbered(lost)
        if lineage != name or last < number:
            raise ValueError(f"expected what is lost to be of {self.epochs[-1].origin}, got {lost!a:.200}")
        return f"{name}/e{last + 1}"

    def epoch(self, origin: str) -> _Epoch | None:
        return next((each for each in self.epochs if each.origin == origin), None)

    def all_keys(self) -> list[_Key]:
        return [held.key for epoch in self.epochs for held in epoch.keys]


def _numbered(origin: str) -> tuple[str, int]:
    """Return the name that a log was begun with, and which epoch of it this is."""
    found = re.fullmatch(r"(.*)/e([1-9][0-9]{0,8})", origin)
    return (found[1], int(found[2])) if found else (origin, 1)


def _vkey(key: _Key) -> str:
    return f"{key.name}+{key.id.hex()}+{base64.b64encode(key.typed).decode()}"


# 4. The entries. A body is the one spelling of its value (RFC 8785, less what can be argued about).

GENESIS, EPOCH = "ledger.genesis", "ledger.epoch"

_LOG = re.compile(r"[!-*,-~]{1,255}")
_KIND = re.compile(r"[a-z][a-z0-9_]*(\.[a-z0-9_]+)*")
_MEMBER = re.compile(r"[a-z0-9_.]+")
_HEX = re.compile(r"[0-9a-f]{64}")
_TEXTS = ("log", "prev", "kind", "repo", "subject")
_FIELDS = {"v", "seq", "ts", "actor", "data", *_TEXTS}
_PLAIN_HEAD = re.compile(r'\{"actor":\{"id":"([^"\\\x00-\x1f]+)","key":"[^"\\\x00-\x1f]*","kind":"[^"\\\x00-\x1f]*"')
_PLAIN_TAIL = re.compile(
    r',"kind":"([^"]*)","log":"[^"]*","prev":"[^"]*","repo":"([^"]*)","seq":[0-9]+,"subject":"([^"]*)","ts":([0-9]{1,16}),"v":1\}'
)
_NOT_PLAIN = (ValueError, TypeError, KeyError, AttributeError, StopIteration, RecursionError)
_MOST_ACTORS = 10_000
_CONTAINERS = {dict, list}

Shape = tuple[Any, ...]
"""A kind, the names of its data's members, and their types."""


def _entry(fields: dict[str, Any]) -> dict[str, Any]:
    """The fields, if they are those of an entry, each of its type and shape."""
    version = fields.get("v")
    if type(version) is not int or version < 0:
        _bad("v", "a whole number", version)
    if version != VERSION:
        _unknown("v", VERSION, f"{version}; a later verifier may know it")
    if fields.keys() != _FIELDS:
        _bad("fields", sorted(_FIELDS), sorted(fields))
    actor, data = fields["actor"], fields["data"]
    if not isinstance(actor, dict) or actor.keys() != {"id", "kind", "key"} or not actor["id"]:
        _bad("actor", "id, kind and key", actor)
    if not isinstance(data, dict) or not all(map(_MEMBER.fullmatch, data)):
        _bad("data", f"an object with keys of {_MEMBER.pattern}", data)
    if not all(isinstance(text, str) for text in (*actor.values(), *(fields[name] for name in _TEXTS))):
        _bad("fields", "text", "something else")
    # Not isinstance: true is an int to Python.
    if any(type(fields[name]) is not int or fields[name] < 0 for name in ("seq", "ts")):
        _bad("seq and ts", "whole numbers from 0", (fields["seq"], fields["ts"]))
    for name, shape in (("log", _LOG), ("kind", _KIND), ("prev", _HEX)):
        if not shape.fullmatch(fields[name]):
            _bad(name, shape.pattern, fields[name])
    return fields


def _canonical(body: bytes) -> dict[str, Any]:
    """The object that the body spells, if it is the one spelling of it."""
    try:
        value = json.loads(body.decode(), parse_float=_no_float, parse_constant=_no_float)
        _plain(value, 0)
        again = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        _bad("body", "canonical JSON", error)
    if again != body or not isinstance(value, dict):
        _bad("body", "an object in its canonical spelling", body[:80])
    return value


def _plain(value: object, depth: int) -> None:
    if isinstance(value, str):
        if "\0" in value:
            raise ValueError("U+0000 in a text")
    elif isinstance(value, int):
        if abs(value) > MAX_INT:
            raise ValueError("a whole number beyond 2^53-1")
    elif isinstance(value, dict | list):
        if depth == MAX_DEPTH:
            raise ValueError(f"nesting deeper than {MAX_DEPTH}")
        if isinstance(value, dict) and not all(key.isascii() and "\0" not in key for key in value):
            raise ValueError("a key outside ASCII, or with U+0000")
        for member in value.values() if isinstance(value, dict) else value:
            _plain(member, depth + 1)


def _no_float(text: str) -> NoReturn:
    raise ValueError(f"{text[:40]} is not a whole number")


def _small(text: str) -> int:
    number = int(text)
    if abs(number) > MAX_INT:
        raise ValueError("a whole number beyond 2^53-1")
    return number


def _regular(data: object) -> bool:
    """Whether the containers in an entry's data lie no deeper than they may, and their keys are ASCII."""
    level = [data]
    for _ in range(MAX_DEPTH - 1):
        below: list[object] = []
        for each in level:
            if isinstance(each, dict) and not "".join(each).isascii():
                return False
            members = each.values() if isinstance(each, dict) else each
            below += [member for member in members if type(member) in _CONTAINERS]  # type: ignore[attr-defined]
        if not below:
            return True
        level = below
    return False


def _encoder(*, sort_keys: bool) -> Callable[[Any, int], Iterable[str]]:
    """Return what spells a value, in pieces. The one in C, made once, where this Python has it as we know it."""
    plain = json.JSONEncoder(
        check_circular=False, ensure_ascii=False, allow_nan=False, sort_keys=sort_keys, separators=(",", ":")
    ).encode
    try:
        keywords = (sort_keys, False, False)  # No key is skipped, no NaN allowed.
        made = json.encoder.c_make_encoder(None, None, json.encoder.encode_basestring, None, ":", ",", *keywords)  # type: ignore[attr-defined]
        probe = {"b": ['"é', True, None, -1], "a": {}}
        if "".join(made(probe, 0)) == plain(probe):
            return made  # type: ignore[no-any-return]
    except (AttributeError, TypeError):
        pass
    return lambda value, _: plain(value)


class _Walk:
    """What the entries so far commit the next one to, and what they said."""

    def __init__(self, pinned: tuple[_Key, ...] = (), *, opaque: bool = False) -> None:
        self.log, self.size, self.prev, self.ts = "", 0, NO_LEAF, 0
        self.opaque = opaque
        self.first = 0
        """Entries before it are pruned: known by their leaf hashes only."""
        self.born = False
        """Whether entry 0 was kept of those, and with it what else the ledger says of itself."""
        self.tree = _Tree()
        self.ring = _Ring(pinned)
        self.kinds = _Kinds()
        self.claims: list[tuple[int, int, bytes, str]] = []
        """What entries say of roots: by which entry, size, root, and in which words."""
        self.erased: set[tuple[int, str]] = set()
        self.below, self.kept = 0, ""
        """Entries before this were pruned, as the ledger says; and the digest of what was kept among them."""
        self.kept_leaves: list[bytes] = []

    def begin_at(self, first: int) -> None:
        """Go on after entries that are pruned, whose leaf hashes the tree has."""
        self.first = self.size = first
        self.prev = self.tree.hashes(0, first // WIDTH - 1)[-HASH:].hex()

    def keep(self, row: Row) -> None:
        """Judge an entry that was kept among those that are pruned: what the ledger says of itself."""
        number, body, stored, *columns = row
        leaf = hashlib.sha256(b"\0" + body).digest() if isinstance(body, bytes) else b""
        try:
            if type(number) is not int or not number < self.tree.size:
                _bad("number", f"one below {self.tree.size}", number)
            known = self.tree.hashes(0, number // WIDTH)[number % WIDTH * HASH :][:HASH]
            if not leaf == stored == known:
                _bad("stored leaf hash", known.hex(), leaf.hex())
            entry = _entry(_canonical(body))
            if (entry["seq"], (entry["kind"] == GENESIS)) != (number, number == 0) or entry["kind"] not in BUILT_IN:
                _bad("entry", f"number {number}, of a kind of the ledger's own", f"{entry['seq']} {entry['kind']}")
            if columns:
                _columns(entry, columns)
            self.size = number
            self.kept_leaves.append(leaf)
            self.born = self.born or number == 0
            self._says(entry)
        except _VerdictError as verdict:
            raise _VerdictError(verdict.status, str(verdict), number if type(number) is int else None) from verdict
        self.log = entry["log"]

    def run(self, rows: Iterable[Row], progress: Progress | None = None) -> None:
        """Judge rows in order.

        A body is taken apart at its first `},"data":{`, which no text can contain, for quotes in it are escaped. What
        lies before is matched, the data is parsed and spelt again, and the rest can be foretold from the row's columns,
        the last entry and the number. If all of it together is the body, to the letter, and no column smuggles in a
        quote or an escape, then the body is canonical and the entry's fields are the foretold ones. Whatever is not
        exactly so goes the slow way, `take`, which alone refuses.
        """
        if self.opaque:
            self._hash_only(rows, progress)
            return
        scan = json.JSONDecoder(parse_float=_no_float, parse_constant=_no_float, parse_int=_small).scan_once  # type: ignore[attr-defined]
        as_is, in_order = _encoder(sort_keys=False), _encoder(sort_keys=True)
        sha256, join, shapes, leaves = hashlib.sha256, "".join, self.kinds.shapes, self.tree.open
        actors: dict[str, str] = {}
        log, size, prev, last = self.log, self.size, self.prev, self.ts
        try:
            for row in rows:
                plain, leaf, ts = False, b"", 0
                try:
                    number, body, stored = row[0], row[1], row[2]
                    leaf = sha256(b"\0" + body).digest()
                    text = body.decode()
                    at = text.find('},"data":{')
                    head = text[:at]
                    name = actors.get(head)
                    if name is None:
                        if len(actors) >= _MOST_ACTORS:
                            actors.clear()
                        name = actors[head] = _PLAIN_HEAD.fullmatch(head)[1]  # type: ignore[index]
                    data, end = scan(text, at + 9)
                    if len(row) > 3:  # noqa: PLR2004 - with columns
                        kind, actor, ts, repo, subject = row[3:]
                    else:
                        kind, repo, subject, digits = _PLAIN_TAIL.fullmatch(text, end).groups()  # type: ignore[union-attr]
                        actor, ts = name, int(digits)
                    braces, brackets = text.count("{"), text.count("[")
                    # Three are the entry, its actor and its data: no object below, whose order `shapes` would not see.
                    spelt = join((as_is if braces == 3 else in_order)(data, 0))  # noqa: PLR2004
                    shape = (kind, *data, *map(type, data.values()))
                    plain = (
                        text[at + 9 :]
                        == f'{spelt},"kind":"{kind}","log":"{log}","prev":"{prev}","repo":"{repo}",'
                        f'"seq":{size},"subject":"{subject}","ts":{ts},"v":1}}'
                        and number == size
                        and (stored == leaf or stored is None)
                        and actor == name
                        and type(ts) is int
                        and last <= ts <= MAX_INT
                        and (
                            "\\" not in text
                            or (
                                "\\" not in log + repo + subject and "\\u0000" not in text
                            )  # Escapes in the data are fine.
                        )
                        and '"' not in log
                        and '"' not in repo
                        and '"' not in subject
                        and repo.isprintable()
                        and subject.isprintable()
                        and len(body) <= MAX_BODY
                        and (
                            (braces + brackets <= MAX_DEPTH and (braces == 3 or text.isascii()))  # noqa: PLR2004
                            or _regular(data)
                        )
                        and not kind.startswith("ledger.")
                        and "commit" not in data
                        and (shape in shapes or self.kinds.known_shape(shape, data, size))
                    )
                except _NOT_PLAIN:
                    plain = False
                if plain:
                    prev, last = leaf.hex(), ts
                    leaves.append(leaf)
                    size += 1
                    if len(leaves) == WIDTH:
                        self.tree.close_block()
                else:
                    self.log, self.size, self.prev, self.ts = log, size, prev, last
                    self.take(row)
                    log, size, prev, last = self.log, self.size, self.prev, self.ts
                if size % PROGRESS_EVERY == 0 and progress is not None:
                    progress(size)
        finally:
            self.log, self.size, self.prev, self.ts = log, size, prev, last

    def take(self, row: Row) -> None:
        """Judge one row, the plain and slow way."""
        number, body, stored, *columns = row
        if not isinstance(body, bytes) or len(body) > MAX_BODY:
            _bad("body", f"at most {MAX_BODY} bytes", f"{len(body)}" if isinstance(body, bytes) else body, at=self.size)
        leaf = hashlib.sha256(b"\0" + body).digest()
        try:
            if stored is not None and stored != leaf:
                _bad("stored leaf hash", leaf.hex(), stored.hex() if isinstance(stored, bytes) else stored)
            entry = _entry(_canonical(body))
            self._follows(number, entry)
            if columns:
                _columns(entry, columns)
            self._says(entry)
        except _VerdictError as verdict:
            raise _VerdictError(verdict.status, str(verdict), self.size) from verdict
        self.log, self.ts = entry["log"], entry["ts"]
        self._grow(leaf)

    def _grow(self, leaf: bytes) -> None:
        self.prev, self.size = leaf.hex(), self.size + 1
        self.tree.open.append(leaf)
        if len(self.tree.open) == WIDTH:
            self.tree.close_block()

    def _hash_only(self, rows: Iterable[Row], progress: Progress | None) -> None:
        for number, body, stored, *_ in rows:
            leaf = hashlib.sha256(b"\0" + body).digest()
            if number != self.size or (stored is not None and stored != leaf):
                _bad("leaf hash", stored.hex() if isinstance(stored, bytes) else stored, leaf.hex(), at=self.size)
            self._grow(leaf)
            if progress is not None and self.size % PROGRESS_EVERY == 0:
                progress(self.size)

    def _follows(self, number: object, entry: dict[str, Any]) -> None:
        if number != self.size:
            _bad("number", self.size, number)
        if entry["seq"] != self.size:
            _bad("seq", self.size, entry["seq"])
        if entry["prev"] != self.prev:
            _bad("prev", self.prev, entry["prev"])
        if (entry["kind"] == GENESIS) != (self.size == 0):
            _bad("kind", f"{GENESIS} first and only first", entry["kind"])
        if (self.size > self.first or self.log) and self.size and entry["log"] != self.log and entry["kind"] != EPOCH:
            _bad("log", self.log, entry["log"])
        if entry["ts"] < self.ts:
            _bad("ts", f"at least {self.ts}", entry["ts"])

    def _says(self, entry: dict[str, Any]) -> None:
        """Remember the entry's kind and, where the ledger speaks of itself, do what it says."""
        kind, data = entry["kind"], entry["data"]
        if self.size == self.first and self.first and not self.ring.epochs:
            self.ring.begin(entry["log"], None, None)
        self.kinds.shapes.setdefault((kind, *data, *map(type, data.values())), self.size)
        commit = data.get("commit", {})
        if not isinstance(commit, dict) or not all(
            isinstance(each, str) and _HEX.fullmatch(each) for each in commit.values()
        ):
            self.kinds.doubt(self.size, "data.commit: expected hashes by field")
        fits = kind in BUILT_IN and _fits(BUILT_IN[kind], data)
        if kind == EPOCH and not fits:
            _unknown("data", f"that of {EPOCH}", sorted(data))
        deed = {
            GENESIS: self._genesis, EPOCH: self._epoch, "ledger.kinds": self._register, "ledger.pruned": self._pruned,
            "ledger.key_rotated": self._rotated, "ledger.erased": self._erased,
        }.get(kind)  # fmt: skip
        if deed and fits:
            try:
                deed(entry, data)
            except ValueError as error:
                raise _VerdictError("tampered", f"{kind}: {error}") from error

    def _genesis(self, entry: dict[str, Any], data: dict[str, Any]) -> None:
        keys: list[_Key | None] = [None, None]
        for at, (member, name) in enumerate((("ledger_key", ""), ("recovery_key", "/recovery"))):
            if member in data:
                keys[at] = key = _key(data[member])
                _same(f"the name in {member}", entry["log"] + name, key.name)
        self.ring.begin(entry["log"], *keys)
        if "kinds" in data:
            self._register(entry, data)

    def _register(self, _: dict[str, Any], data: dict[str, Any]) -> None:
        self.kinds.register(self.size, data["kinds"])

    def _rotated(self, _: dict[str, Any], data: dict[str, Any]) -> None:
        held = self.ring.epochs[-1].keys
        note = _note(data["note"].encode())
        *lines, _end = note.text.split("\n")
        if not held:
            _unknown("key rotation", "a ledger key that is known by now", "none: give it by --key")
        new = _key(lines[-1])
        _same("the note", ["ledger key rotation", self.log, str(self.size), _vkey(held[-1].key), _vkey(new)], lines)
        _same("the new key's name", self.log, new.name)
        _same("signers", 2, len({*_by(note, (held[-1].key, new))}))
        if data["overlap"] < 0:
            raise ValueError(f"expected an overlap from 0, got {data['overlap']}")
        self.ring.rotate(new, self.size + 1, data["overlap"])

    def _epoch(self, entry: dict[str, Any], data: dict[str, Any]) -> None:
        if not self.ring.epochs:
            _unknown("epoch", "the epoch before it", "none: its entries are pruned")
        note = _note(data["note"].encode())
        *lines, _end = note.text.split("\n")
        if len(lines) != 8 or not _SIZE.fullmatch(lines[5]):  # noqa: PLR2004 - as the format has it
            raise ValueError(f"expected eight lines of an epoch, got {note.text!a:.200}")
        base, lost, key = _root(lines[3]), _Point(lines[4], int(lines[5]), _root(lines[6])), _key(lines[7])
        _same("the note", ["ledger epoch", entry["log"], str(self.size)], lines[:3])
        _same("the log", self.ring.next_origin(lost.origin), entry["log"])
        _same("the new key's name", entry["log"], key.name)
        if self.ring.recovery is None:
            _unknown("epoch", "a recovery key that is known", "none: give it by --key")
        _same("signers", [self.ring.recovery], _by(note, [self.ring.recovery]))
        self._lost(lost, base, data["lost"])
        self.claims.append((self.size, self.size, base, "the root of what the epoch began with"))
        self.ring.turn(entry["log"], self.size, lost, key)

    def _lost(self, lost: _Point, base: bytes, given_up: str) -> None:
        """Judge what an epoch says that it gives up."""
        if not given_up:
            _same("what is lost", (self.log, self.size, base.hex()), (lost.origin, lost.size, lost.root.hex()))
        else:
            note = _note(given_up.encode())
            _same("the lost checkpoint", lost, _point(note.text))
            _by(note, [held.key for held in self.ring.epochs[-1].keys])
        # Of a later epoch that began after these entries nothing is known here: no root of it is one of ours.
        if lost.size <= self.size and lost.origin == self.log:
            self.claims.append((self.size, lost.size, lost.root, "the root of the checkpoint given up"))

    def _pruned(self, _: dict[str, Any], data: dict[str, Any]) -> None:
        below, root = data["below"], _root(data["root"])
        if below % WIDTH or not self.below <= below <= self.size or not _HEX.fullmatch(data["archive"]):
            raise ValueError(f"expected a whole block up to {self.size} and an archive's hash, got {below}")
        self.below, self.kept = below, data["kept"]
        self.claims.append((self.size, below, root, "the root of what was pruned"))

    def _erased(self, _: dict[str, Any], data: dict[str, Any]) -> None:
        if not 0 <= data["of"] < self.size or not all(isinstance(each, str) for each in data["fields"]):
            raise ValueError(f"expected fields of an earlier entry, got {data['of']}")
        self.erased.update((data["of"], each) for each in data["fields"])

    def end(self) -> None:
        """Judge what entries said of roots."""
        roots = self.tree.roots(size for _, size, _, _ in self.claims)
        for seq, size, root, words in self.claims:
            if roots[size] != root:
                _bad(f"{words}, at size {size}", roots[size].hex(), root.hex(), at=seq)
        if self.first > self.below:
            _bad("entries", f"those before {self.first}, or an entry that prunes them", "none", at=0)
        kept = hashlib.sha256(b"".join(self.kept_leaves)).hexdigest()
        if self.first and self.first == self.below and kept != self.kept:
            _bad("what was kept of the pruned entries", f"that with the digest {self.kept}", kept, at=0)


def _same(what: str, expected: object, got: object) -> None:
    if expected != got:
        raise ValueError(f"expected {what} to be {expected!a:.300}, got {got!a:.300}")


def _by(note: _Note, keys: Sequence[_Key]) -> list[_Key]:
    try:
        return note.by(keys)
    except _UnsignedError as error:
        raise _VerdictError("unverifiable", f"signatures: {error}") from error


def _columns(entry: dict[str, Any], columns: Sequence[object]) -> None:
    expected = (entry["kind"], entry["actor"]["id"], entry["ts"], entry["repo"], entry["subject"])
    for name, wanted, got in zip(("kind", "actor", "ts", "repo", "subject"), expected, columns, strict=True):
        if got != wanted or type(got) is not type(wanted):
            _bad(f"column {name}", wanted, got)


# 5. Kinds: every entry is of one that is registered, and of its schema; else nobody can say what it means.

TYPES = {"text": str, "whole": int, "bool": bool, "list": list, "object": dict, "any": object}
BUILT_IN: dict[str, dict[str, str] | None] = {
    GENESIS: None,
    "ledger.kinds": {"kinds": "object"},
    "ledger.heartbeat": {},
    "ledger.clock_stepped": {"behind_ms": "whole"},
    "ledger.key_rotated": {"note": "text", "overlap": "whole"},
    EPOCH: {"note": "text", "lost": "text", "reason": "text", "operator": "text"},
    "ledger.erased": {"of": "whole", "fields": "list", "basis": "text", "approver": "text"},
    "ledger.pruned": {"below": "whole", "archive": "text", "root": "text", "kept": "text"},
}
"""The kinds of the ledger itself, with their schemas. Those of entry 0 are free."""


def _fits(schema: dict[str, str] | None, data: dict[str, Any]) -> bool:
    return _shape_fits(schema, dict(zip(data, map(type, data.values()), strict=True)))


def _shape_fits(schema: dict[str, str] | None, types: dict[str, type]) -> bool:
    if schema is None:
        return True
    known = {name.removesuffix("?"): TYPES[kind] for name, kind in schema.items()}
    needed = {name for name in schema if not name.endswith("?")}
    rest = {name: kind for name, kind in types.items() if name != "commit" or "commit" in known}
    return needed <= rest.keys() and all(known.get(name) in {kind, object} for name, kind in rest.items())


class _Kinds:
    """Which kinds are registered, and which shapes of data were seen. The first registration also counts backwards."""

    def __init__(self) -> None:
        self.shapes: dict[Shape, int] = {}
        """Each shape since the last change of a schema, with its first entry."""
        self._unregistered: dict[Shape, int] = {}
        self._now: dict[str, tuple[int, dict[str, str]]] = {}
        self._first: dict[str, dict[str, str]] = {}
        self.doubts: tuple[int, str] | None = None

    def doubt(self, seq: int, reason: str) -> None:
        if self.doubts is None or seq < self.doubts[0]:
            self.doubts = (seq, reason)

    def known_shape(self, shape: Shape, data: dict[str, Any], seq: int) -> bool:
        """Whether a shape that was not seen yet is well-formed; if so, it is remembered."""
        good = bool(_KIND.fullmatch(shape[0])) and list(data) == sorted(data) and all(map(_MEMBER.fullmatch, data))
        if good:
            self.shapes[shape] = seq
        return good

    def register(self, seq: int, kinds: dict[str, Any]) -> None:
        """Take a registration. Shapes are judged by the schema that was in force until now."""
        if any(kind in self._now for kind in kinds):
            self._settle()
        for kind, about in kinds.items():
            match about:
                case {"version": int(version), "data": dict(schema), **rest} if not rest and _is_schema(kind, schema):
                    old = self._now.get(kind, (0, None))
                    if type(version) is int and (version > old[0] or (version, schema) == old):
                        self._now[kind] = (version, schema)
                        self._first.setdefault(kind, schema)
                        continue
            self.doubt(seq, f"ledger.kinds: expected a later version and a schema for {kind:.80}, got {about!a:.120}")

    def _settle(self) -> None:
        for shape, seq in self.shapes.items():
            if shape[0] in BUILT_IN:
                self._judge(shape, seq, BUILT_IN[shape[0]])
            elif shape[0] in self._now:
                self._judge(shape, seq, self._now[shape[0]][1])
            else:
                self._unregistered.setdefault(shape, seq)
        self.shapes.clear()

    def _judge(self, shape: Shape, seq: int, schema: dict[str, str] | None) -> None:
        half = len(shape) // 2 + 1
        if not _shape_fits(schema, dict(zip(shape[1:half], shape[half:], strict=True))):
            self.doubt(seq, f"data of {shape[0]}: expected {schema}, got members {', '.join(shape[1:half])}")

    def unregistered(self) -> dict[str, int]:
        """Judge what is left; return kinds that nothing registers, each with its first entry."""
        self._settle()
        found: dict[str, int] = {}
        for shape, seq in self._unregistered.items():
            if shape[0] in self._first:
                self._judge(shape, seq, self._first[shape[0]])
            else:
                found[shape[0]] = min(seq, found.get(shape[0], seq))
        return found


def _is_schema(kind: str, schema: dict[str, Any]) -> bool:
    """Whether this may be registered. The ledger's own kinds cannot be."""
    return (
        bool(_KIND.fullmatch(kind))
        and not kind.startswith("ledger.")
        and all(_MEMBER.fullmatch(name.removesuffix("?")) for name in schema)
        and all(isinstance(each, str) and each in TYPES for each in schema.values())
    )


# 6. Checkpoints: the ledger's own, and those found elsewhere.


def _is_named(log: str, origin: str) -> bool:
    """Whether this is a log's origin, or that of a later epoch of it."""
    return origin == log or bool(re.fullmatch(re.escape(log) + r"/e[1-9][0-9]*", origin))


class _Found(NamedTuple):
    """A note, where it was found, and whether it came with the ledger or from outside."""

    where: str
    data: bytes
    own: bool


class _Case:
    """One verification: what is asked, what was found."""

    def __init__(self, demands: Demands, progress: Progress | None = None) -> None:
        self.demands, self.progress = demands, progress
        self.remarks: list[str] = []
        self.policy = _Policy()
        self.outside: list[_Found] = []
        self.walk = _Walk(opaque=demands.opaque)
        self.signed: dict[int, list[_Note]] = {}
        """By size, what keys in force have signed."""
        self.cosigned: int | None = None
        self._known: dict[tuple[str, bytes], _Key] = {}
        """All keys, once the entries have been walked."""
        self.signature_demanded = bool(demands.keys or demands.policy)

    def prepare(self) -> None:
        """Read what was given. Before the ledger: it may only be behind one that is in use."""
        if self.demands.policy is not None:
            try:
                self.policy = _policy(_read(self.demands.policy, MAX_NOTE).decode())
            except (OSError, ValueError) as error:
                _unknown("policy", f"one in {self.demands.policy}", error)
        try:
            pinned = tuple(map(_key, self.demands.keys)) or self.policy.logs
        except ValueError as error:
            _unknown("--key", "a vkey", error)
        self.walk.ring.pinned = pinned
        for path in self.demands.against:
            self.outside += _found(path)

    def close(self) -> None:
        """Judge what can only be judged at the end: roots, checkpoints, kinds, and what is demanded."""
        walk = self.walk
        walk.end()
        self.judge(self._of_this_log())
        if walk.size == 0:
            _unknown("entries", "some", "none: nothing was checked")
        self._kinds()
        if walk.ring.stranger:
            raise _VerdictError("unverifiable", f"keys: {walk.ring.stranger}")
        if not self.signed and self.signature_demanded:
            _unknown("checkpoint", "one signed by a key in force", "none")
        self._cosigned()
        self._remark()

    @property
    def newest(self) -> int:
        """The size of the newest checkpoint by a key in force; 0 without one."""
        return max(self.signed, default=0)

    def _cosigned(self) -> None:
        """Demand the quorum of some checkpoint, and say of which: the newest may be too young for witnesses."""
        if self.policy.quorum == "none":
            return
        size = next((size for size in sorted(self.signed, reverse=True) if self.policy.met(self.signed[size])), None)
        if size is None:
            _unknown("cosignatures", f"the quorum {self.policy.quorum}", "no checkpoint that has it")
        self.cosigned = size
        self.remarks.append(f"cosigned as {self.policy.quorum} demands up to entry {size} of {self.walk.size}")

    def _kinds(self) -> None:
        kinds = self.walk.kinds
        missing = kinds.unregistered()
        if self.walk.first and not self.walk.born and missing:
            self.remarks.append(f"registered by what is pruned, or not at all: {', '.join(sorted(missing))}"[:300])
        else:
            for kind, seq in missing.items():
                kinds.doubt(seq, f"kind: expected one that is registered, got {kind:.80}")
        if kinds.doubts:
            seq, reason = kinds.doubts
            raise _VerdictError("unverifiable", reason, seq)

    def _remark(self) -> None:
        walk = self.walk
        if walk.ring.believed:
            self.remarks.append("the ledger key is believed from entry 0; to pin it, give --key")
        if walk.first:
            self.remarks.append(f"entries before {walk.first} are pruned: known by their leaf hashes only")
        if self.newest < walk.size:
            bare = walk.size - self.newest
            said = "1 entry at the end is" if bare == 1 else f"{bare} entries at the end are"
            self.remarks.append(f"{said} under no signature that was seen")
        if not self.demands.against:
            self.remarks.append("nothing to compare with (--against): entries cut off at the end would go unseen")

    def _of_this_log(self) -> list[_Found]:
        """Return what was found of this log. A file may hold others' checkpoints too, but not only theirs."""
        epochs = self.walk.ring.epochs
        ours = [each for each in self.outside if epochs and _is_named(epochs[0].origin, self._parsed(each)[1].origin)]
        places = {each.where for each in ours}
        strangers = [each for each in self.outside if each not in ours]
        for where in sorted(places & {each.where for each in strangers}):
            self.remarks.append(f"{where}: checkpoints of other logs are passed over")
        return [*ours, *(each for each in strangers if each.where not in places)]

    def judge(self, found: Iterable[_Found]) -> None:
        """Judge notes by the tree and the keys in force at their size."""
        notes = [(each, *self._parsed(each)) for each in found]
        roots = self.walk.tree.roots(point.size for _, _, point in notes if point.size <= self.walk.size)
        for each, note, point in notes:
            if self._placed(each, note, point):
                self._judge(each, note, point, roots[point.size])

    @staticmethod
    def _parsed(found: _Found) -> tuple[_Note, _Point]:
        try:
            note = _note(found.data)
            return note, _point(note.text)
        except ValueError as error:
            raise _VerdictError("tampered" if found.own else "unverifiable", f"{found.where}: {error}") from error

    def _placed(self, found: _Found, note: _Note, point: _Point) -> bool:
        """Whether a checkpoint is of these entries; not, if it is of some that were given up."""
        epoch = self.walk.ring.epoch(point.origin)
        gone = next((each for each in self.walk.ring.epochs if each.lost and each.lost.origin == point.origin), None)
        if epoch is None and gone is not None and not found.own:
            self._given_up(found, note, point, gone)
            return False
        if epoch is None:
            return self._of_another(found, note, point)
        if point.size <= epoch.after:
            words = f"expected sizes beyond {epoch.after} of {point.origin}, got {point.size}"
            raise _VerdictError("tampered" if found.own else "fork", f"{found.where}: {words}")
        if point.size > epoch.until and not found.own:
            self._given_up(found, note, point, epoch)
            return False
        if point.size > epoch.until:
            _bad(found.where, f"an origin of size {point.size}", point.origin)
        if point.size > self.walk.size:
            self._signers(found, note)
            words = f"expected at least {point.size} entries, as it says, got {self.walk.size}"
            raise _VerdictError("rollback", f"{found.where}: {words}")
        return True

    def _of_another(self, found: _Found, note: _Note, point: _Point) -> NoReturn:
        """Judge a checkpoint with an origin that this ledger never had."""
        here = [epoch.origin for epoch in self.walk.ring.epochs]
        later = here and _is_named(here[0], point.origin)
        words = (
            f"{found.where}: expected a checkpoint of {' or '.join(here) or 'these entries'}, got {point.origin:.200}"
        )
        if found.own and self.walk.size:
            raise _VerdictError("tampered", words)
        self._signers(found, note)
        back = later or (self.walk.size < point.size and not here)
        raise _VerdictError("rollback" if back else "fork", words + f" at {point.size}, and {self.walk.size} entries")

    def _given_up(self, found: _Found, note: _Note, point: _Point, epoch: _Epoch) -> None:
        """Judge a checkpoint beyond the end of an epoch: whether the next one said that it is lost."""
        lost = epoch.lost
        self._signers(found, note)
        if lost is None or point.size > lost.size:
            words = f"expected at most size {lost.size if lost else epoch.until} of {point.origin}, got {point.size}"
            raise _VerdictError("rollback", f"{found.where}: {words}: more was lost than was said")
        if point.size == lost.size and point.origin == lost.origin and point.root != lost.root:
            words = f"expected the root {lost.root.hex()} that was given up, got {point.root.hex()}"
            raise _VerdictError("fork", f"{found.where}: {words}")
        count = point.size - epoch.until
        self.remarks.append(f"{found.where}: accepted loss: {count} entries of {point.origin}, given up in the open")

    def _signers(self, found: _Found, note: _Note) -> list[_Key]:
        """Return who signed, of all whose keys are known by now; one that does not verify condemns the note."""
        ring = self.walk.ring
        if not self._known:
            keys = (*ring.all_keys(), *ring.pinned, *(key for _, key in self.policy.witnesses))
            self._known = {(key.name, key.id): key for key in keys}
        try:
            return note.among(self._known)
        except ValueError as error:
            raise _VerdictError("tampered" if found.own else "unverifiable", f"{found.where}: {error}") from error
        except _UnsignedError as error:
            raise _VerdictError("unverifiable", f"{found.where}: {error}") from error

    def _judge(self, found: _Found, note: _Note, point: _Point, root: bytes) -> None:
        signers = self._signers(found, note)
        if point.root != root:
            words = f"{found.where}: expected the root {root.hex()} at size {point.size}, got {point.root.hex()}"
            raise _VerdictError("tampered" if found.own else "fork", words)
        epoch = self.walk.ring.epoch(point.origin)
        held = epoch.keys if epoch else []
        if not any(each.key in signers and each.first <= point.size <= each.last for each in held):
            got = ", ".join(name for name, _ in note.lines)
            _unknown(found.where, f"a signature by a key in force at size {point.size}", f"those by {got}")
        self.signed.setdefault(point.size, []).append(note)


_IN_TEXT = re.compile(
    r"^([^\n]+\n(?:0|[1-9][0-9]{0,18})\n[A-Za-z0-9+/]{43}=\n(?:[^\n]+\n){0,16})\n"
    r"((?:\u2014 [^ \n]+ [A-Za-z0-9+/]+=*[ \t]*(?:\n|\Z))+)",
    re.MULTILINE,
)
_TAG = re.compile(r"<[^<>]{0,500}>")
_QUOTED = re.compile(r"^[ \t]*(?:>[ \t]?)+", re.MULTILINE)


def _found(path: Path) -> list[_Found]:
    """Return every checkpoint in a note, a mail, or a git repository."""
    try:
        data = _from_git(path) if path.is_dir() else _read(path, MAX_MAIL)
        notes = dict.fromkeys(note for text in _texts(data) for note in _in_text(text))
    except (OSError, ValueError, LookupError, RecursionError, subprocess.SubprocessError) as error:
        _unknown("--against", f"a checkpoint in {path}", error)
    if not 0 < len(notes) <= MAX_FOUND:
        _unknown("--against", f"1 to {MAX_FOUND} checkpoints in {path}", len(notes))
    return [_Found(str(path), note, own=False) for note in notes]


def _in_text(text: str) -> Iterator[bytes]:
    text = text.replace("\r\n", "\n")
    # Of a page, also what it shows: a mail program may have spelt its characters and ended its lines in its own way.
    shown = html.unescape(_TAG.sub("", text)) if "<" in text else text
    for each in dict.fromkeys((text, _QUOTED.sub("", text), shown)):
        for match in _IN_TEXT.finditer(each):
            lines = "".join(line.rstrip() + "\n" for line in match[2].splitlines())
            yield f"{match[1]}\n{lines}".encode()


def _texts(data: bytes) -> Iterator[str]:
    """Yield what may hold a note: the file as it stands, and each part of it as a mail, decoded."""
    yield data.decode(errors="replace")
    for part in email.message_from_bytes(data).walk():
        if not part.is_multipart():
            payload = part.get_payload(decode=True)
            if isinstance(payload, bytes):
                charset = part.get_content_charset("utf-8")
                try:
                    yield payload.decode(charset, errors="replace")
                except LookupError:
                    yield payload.decode(errors="replace")


def _from_git(folder: Path) -> bytes:
    """Return the note kept in a repository. No configuration of the user's, and nothing is fetched."""
    clean = {name: os.environ[name] for name in ("PATH", "SYSTEMROOT") if name in os.environ}
    clean |= {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull, "GIT_NO_REPLACE_OBJECTS": "1", "LC_ALL": "C"}
    clean |= {"GIT_NO_LAZY_FETCH": "1", "GIT_ALLOW_PROTOCOL": "none", "GIT_TERMINAL_PROMPT": "0"}
    command = ["git", "-C", str(folder), "cat-file", "blob", "refs/ledger/checkpoints:checkpoint"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, env=clean, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe) as git:
        data = git.stdout.read(MAX_NOTE + 1) if git.stdout else b""
        if len(data) > MAX_NOTE:
            git.kill()
        said = git.stderr.read(1000).decode(errors="replace") if git.stderr else ""
        if git.wait() != 0:
            raise ValueError(f"git: {said.strip() or 'more than a note'}")
    return data


# 7. The policy (C2SP tlog-policy): whose cosignatures the newest checkpoint must bear.


@dataclass(slots=True)
class _Policy:
    logs: tuple[_Key, ...] = ()
    witnesses: list[tuple[str, _Key]] = field(default_factory=list)
    groups: dict[str, tuple[int, list[str]]] = field(default_factory=dict)
    quorum: str = "none"

    def met(self, notes: Sequence[_Note]) -> bool:
        """Whether these notes, of one checkpoint, together bear the quorum's cosignatures."""
        signed = {key for note in notes for key in _by(note, [key for _, key in self.witnesses])}
        met = {name for name, key in self.witnesses if key in signed}
        # A group names only what stands above it.
        for name, (needed, of) in self.groups.items():
            if len(met.intersection(of)) >= needed:
                met.add(name)
        return self.quorum in met


def _policy(text: str) -> _Policy:
    """Read a policy; ValueError for what is none."""
    policy, names = _Policy(), {"none"}
    quorums: list[str] = []
    for line in text.split("\n"):
        words = re.split("[ \t]+", line.strip(" \t"))
        if not words[0] or words[0].startswith("#"):
            continue
        match words:
            case ["log", vkey] | ["log", vkey, _] if line.isprintable():
                policy.logs += (_key(vkey),)
                continue
            case ["witness", name, vkey] | ["witness", name, vkey, _] if name not in names:
                key = _key(vkey)
                # One key under two names would count twice.
                if key.typed[0] == _COSIGNER and key.typed not in {known.typed for _, known in policy.witnesses}:
                    policy.witnesses.append((name, key))
                    names.add(name)
                    continue
            case ["group", name, count, *of] if name not in names and of and names.issuperset(of) and "none" not in of:
                needed = {"all": len(of), "any": 1}.get(count) or (int(count) if _SIZE.fullmatch(count) else 0)
                if 1 <= needed <= len(of) == len(set(of)):
                    policy.groups[name] = (needed, of)
                    names.add(name)
                    continue
            case ["quorum", name] if name in names and not quorums:
                policy.quorum = name
                quorums.append(name)
                continue
        raise ValueError(f"expected log, witness, group or quorum with names that stand above, got {line!a:.120}")
    if not quorums:
        raise ValueError("expected one quorum, got none")
    return policy


# 8. The stores. Each hands its entries to the walk, and then shows what else it holds.


def _opened(path: Path) -> BinaryIO:
    """Open a file, if it is one; never waits as a pipe would make us."""
    number = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    file = os.fdopen(number, "rb")
    if not stat.S_ISREG(os.fstat(number).st_mode):
        file.close()
        raise OSError(f"expected a file, got something else: {path}")
    return file


def _read(path: Path, most: int) -> bytes:
    """Return a file's content, if it is not larger."""
    with _opened(path) as file:
        data = file.read(most + 1)
    if len(data) > most:
        raise OSError(f"expected at most {most} bytes in {path}")
    return data


# 8.1 A database.

_COLUMNS = "select seq, cast(body as blob), leaf, kind, actor, ts, repo, subject from ledger_entry"
_ENTRIES = f"{_COLUMNS} where seq >= ? order by seq"
_KEPT = f"{_COLUMNS} where seq < ? order by seq"
_TOO_LONG = "select min(seq) from ledger_entry where seq >= ? and length(cast(body as blob)) > ?"
_TABLES = {"entry", "head", "tile", "checkpoint", "private", "pruned", "blob"}
_PRIVATE = """
select p.seq, p.field, p.salt, cast(p.value as blob), cast(e.body as blob)
from ledger_private p left join ledger_entry e on e.seq = p.seq order by p.seq
"""


def _database(case: _Case, path: Path) -> None:
    try:
        with closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True, isolation_level=None)) as connection:
            connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MAX_ROW)
            connection.execute("begin")
            _check_tables(connection)
            _leaves_of_pruned(connection, case.walk)
            _entry_rows(connection, case)
            _head_row(connection, case.walk)
            _tile_rows(connection, case.walk.tree)
            _private_rows(connection, case)
            notes = connection.execute("select size, cast(note as blob) from ledger_checkpoint order by size")
            _own_checkpoints(case, notes)
            connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MAX_BLOB)
            _blob_rows(connection)
    except (sqlite3.Error, UnicodeDecodeError, MemoryError) as error:
        _unknown("database", f"a ledger that can be read at {path}", error)


def _check_tables(connection: sqlite3.Connection) -> None:
    """Only real tables are read: a view could run anything."""
    found = connection.execute("select name, sql from sqlite_schema where type = 'table'")
    names = {name for name, sql in found if re.match(r"create\s+table\b", str(sql), re.IGNORECASE)}
    missing = {f"ledger_{each}" for each in _TABLES} - names
    if missing:
        _unknown("database", "the tables of a ledger", f"none named {', '.join(sorted(missing))}")


def _entry_rows(connection: sqlite3.Connection, case: _Case) -> None:
    try:
        case.walk.run(connection.execute(_ENTRIES, (case.walk.first,)), case.progress)
    except sqlite3.DataError as error:
        # A row too large is met when the one before it is fetched, or when it is: that depends on Python's version.
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MAX_BLOB)
        (at,) = connection.execute(_TOO_LONG, (case.walk.size, MAX_BODY)).fetchone()
        _bad("row", "texts of an entry", error, at=case.walk.size if at is None else at)
    except sqlite3.OperationalError as error:
        if "decode" in str(error):
            _bad("row", "texts in UTF-8", error, at=case.walk.size)
        raise


def _leaves_of_pruned(connection: sqlite3.Connection, walk: _Walk) -> None:
    (first,) = connection.execute("select (max(idx) + 1) * ? from ledger_pruned", (WIDTH,)).fetchone()
    if type(first) is not int or first <= 0:
        return
    blocks = connection.execute("select idx, leaves from ledger_pruned order by idx")
    for wanted, (index, leaves) in enumerate(blocks):
        if index != wanted or not isinstance(leaves, bytes) or len(leaves) != WIDTH * HASH:
            _bad("pruned leaves", f"{WIDTH} hashes of block {wanted}", index, at=wanted * WIDTH)
        walk.tree.fill(leaves)
    for row in connection.execute(_KEPT, (first,)):
        walk.keep(row)
    walk.begin_at(first)


def _head_row(connection: sqlite3.Connection, walk: _Walk) -> None:
    [(_, edge)] = walk.tree.edges([walk.size])
    expected = [(walk.size, walk.prev, walk.ts, b"".join(edge).hex())]
    rows = connection.execute("select size, head, ts, frontier from ledger_head").fetchmany(2)
    got = [tuple(each.hex() if isinstance(each, bytes) else each for each in row) for row in rows]
    if got != expected and (walk.size or got != [(0, NO_LEAF, 0, "")]):
        _bad("head row", expected, got)


def _tile_rows(connection: sqlite3.Connection, tree: _Tree) -> None:
    rows = iter(connection.execute("select level, idx, root from ledger_tile order by level, idx"))
    for level, row in enumerate(tree.rows):
        for index, root in enumerate(row):
            got = next(rows, None)
            if got != (level, index, root):
                _bad(f"tile row {level}, {index}", root.hex(), got, at=index * WIDTH ** (level + 1))
    if (more := next(rows, None)) is not None:
        _bad("tile rows", "one for each full tile", more)


def _private_rows(connection: sqlite3.Connection, case: _Case) -> None:
    for seq, name, salt, value, body in connection.execute(_PRIVATE):
        where = f"private field {name!s:.80}"
        at = seq if type(seq) is int else None
        if (seq, name) in case.walk.erased:
            _bad(where, "nothing, since it was erased", "a value", at=at)
        if body is None:
            _bad(where, "an entry that commits to it", "none", at=at)
        commit = json.loads(body)["data"].get("commit", {})
        whole = isinstance(salt, bytes) and len(salt) == HASH and isinstance(value, bytes) and isinstance(commit, dict)
        found = hashlib.sha256(b"\2" + salt + value).hexdigest() if whole else "no salt and text"
        if commit.get(name) != found:
            _bad(where, commit.get(name), found, at=at)


def _own_checkpoints(case: _Case, rows: Iterable[tuple[Any, Any]]) -> None:
    """Judge stored notes, many at once: each lot takes one pass over the tree."""
    lot: list[_Found] = []
    held = 0
    for size, note in rows:
        where = f"checkpoint {size!s:.40}"
        if not isinstance(note, bytes):
            _bad(where, "a note", note)
        found = _Found(where, note, own=True)
        if case._parsed(found)[1].size != size:  # noqa: SLF001 - one room, one file
            _bad(where, "a note of that size", note[:80])
        lot.append(found)
        held += len(note)
        if held > MAX_MAIL:
            case.judge(lot)
            lot, held = [], 0
    case.judge(lot)


def _blob_rows(connection: sqlite3.Connection) -> None:
    for key, data in connection.execute("select sha256, data from ledger_blob"):
        if not isinstance(data, bytes) or hashlib.sha256(data).digest() != key:
            _bad(f"blob {key.hex() if isinstance(key, bytes) else key!a}", "content with that hash", "another")


# 8.2 A directory of tiles, and what an export has beside them.

_TILE = re.compile(r"tile/(entries|[0-9]|[1-5][0-9]|6[0-3])/((?:x[0-9]{3}/)*[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?")
_MAX_BUNDLE = WIDTH * (MAX_BODY + 2)


def _tile_path(level: str, index: int, width: int = WIDTH) -> str:
    digits = f"{index:03}"
    digits = digits.zfill(-(-len(digits) // 3) * 3)
    groups = [digits[at : at + 3] for at in range(0, len(digits), 3)]
    name = "/".join([*(f"x{group}" for group in groups[:-1]), groups[-1]])
    return f"tile/{level}/{name}" + (f".p/{width}" if width < WIDTH else "")


class _Tiles:
    """Tiles and bundles in a directory, by name. A narrower one may be cut from a wider one that came later."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.seen: set[str] = set()

    def hashes(self, level: int, index: int, width: int) -> bytes | None:
        data = self._get(str(level), index, width, WIDTH * HASH)
        return None if data is None or len(data) % HASH else data[: width * HASH]

    def bundle(self, index: int, width: int) -> list[bytes] | None:
        data = self._get("entries", index, width, _MAX_BUNDLE)
        if data is None:
            return None
        found, at = [], 0
        while at < len(data):
            stop = at + 2 + int.from_bytes(data[at : at + 2], "big")
            found.append(data[at + 2 : stop])
            if stop > len(data):
                _bad(_tile_path("entries", index, width), "whole entries", "an end within one", at=index * WIDTH)
            at = stop
        return found[:width]

    def _get(self, level: str, index: int, width: int, most: int) -> bytes | None:
        for path in self._candidates(level, index, width):
            try:
                data = _read(self.folder / path, most)
            except FileNotFoundError:
                continue
            except NotADirectoryError:
                continue
            self.seen.add(path)
            return data
        return None

    def _candidates(self, level: str, index: int, width: int) -> Iterator[str]:
        yield _tile_path(level, index, width)
        if width < WIDTH:
            yield _tile_path(level, index)
            yield from (_tile_path(level, index, wider) for wider in range(width + 1, WIDTH))


def _directory(case: _Case, folder: Path) -> None:
    try:
        _tiles_and_more(case, folder)
    except OSError as error:
        _unknown("directory", f"an export that can be read in {folder}", error)


def _tiles_and_more(case: _Case, folder: Path) -> None:
    case.signature_demanded = True
    newest = _Found("checkpoint", _read(folder / "checkpoint", MAX_NOTE), own=True)
    _, point = case._parsed(newest)  # noqa: SLF001 - one room, one file
    logs = _policy_of_export(case, folder, point)
    if case.demands.opaque:
        case.walk.ring.begin(point.origin, None, None)
    tiles = _Tiles(folder)
    lines = _lines(folder / "entries.jsonl") if (folder / "entries.jsonl").exists() else None
    _pruned_tiles(tiles, case.walk, point.size)
    case.walk.run(_bundled(tiles, case.walk.first, point.size, lines), case.progress)
    if lines is not None and (more := next(lines, None)) is not None:
        _bad("entries.jsonl", f"{point.size} entries", more[:80], at=point.size)
    if logs and not case.walk.first and logs[0] not in case.walk.ring.all_keys():
        _bad("keys.policy", "the key of entry 0", _vkey(logs[0]))
    _higher(tiles, case.walk.tree)
    _other_files(tiles, case)
    case.judge([newest])
    _own_checkpoints(case, _older(folder))
    _blob_files(folder)


def _pruned_tiles(tiles: _Tiles, walk: _Walk, size: int) -> None:
    """Take the leaf hashes of bundles that are missing at the beginning. An entry must say that they were pruned."""
    for index in range(size // WIDTH):
        leaves = tiles.hashes(0, index, WIDTH)
        if leaves is None or len(leaves) != WIDTH * HASH or tiles.bundle(index, WIDTH) is not None:
            break
        walk.tree.fill(leaves)
    if walk.tree.size:
        _kept_lines(tiles.folder / "kept.jsonl", walk)
        walk.begin_at(walk.tree.size)


def _kept_lines(path: Path, walk: _Walk) -> None:
    """Judge what was kept of the entries that are pruned, if anything was; in order, each once."""
    last = -1
    for body in _lines(path) if path.exists() else ():
        number = _canonical(body).get("seq")
        if type(number) is not int or number <= last:
            _bad(path.name, f"an entry after {last}", number)
        walk.keep((number, body, hashlib.sha256(b"\0" + body).digest()))
        last = number


def _bundled(tiles: _Tiles, first: int, size: int, lines: Iterator[bytes] | None) -> Iterator[Row]:
    """Yield entries with the leaf hashes of the tiles."""
    for index in range(first // WIDTH, -(-size // WIDTH)):
        begin = index * WIDTH
        width = min(WIDTH, size - begin)
        leaves = tiles.hashes(0, index, width)
        if leaves is None or len(leaves) != width * HASH:
            _bad(_tile_path("0", index, width), f"{width} leaf hashes", "no such file, or fewer", at=begin)
        bodies = tiles.bundle(index, width)
        if bodies is None or len(bodies) != width:
            _bad(_tile_path("entries", index, width), f"{width} entries", "no such file, or fewer", at=begin)
        for at, body in enumerate(bodies):
            if lines is not None and (line := next(lines, b"")) != body:
                _bad("entries.jsonl", "the entry of the bundle", line[:80], at=begin + at)
            yield begin + at, body, leaves[at * HASH : (at + 1) * HASH]


def _higher(tiles: _Tiles, tree: _Tree) -> None:
    for level in range(1, len(tree.rows) + 1):
        for index in range(-(-len(tree.rows[level - 1]) // WIDTH)):
            expected = tree.hashes(level, index)
            got = tiles.hashes(level, index, len(expected) // HASH)
            if got != expected:
                where = _tile_path(str(level), index, len(expected) // HASH)
                _bad(where, "the roots of the tiles below", "none" if got is None else "others",
                     at=_first_difference(level, index, expected, got or b""))  # fmt: skip


def _first_difference(level: int, index: int, expected: bytes, got: bytes) -> int:
    pairs = range(0, len(expected), HASH)
    at = next((at for at in pairs if expected[at : at + HASH] != got[at : at + HASH]), 0)
    return int((index * WIDTH + at // HASH) * WIDTH**level)


def _other_files(tiles: _Tiles, case: _Case) -> None:
    """Judge tiles of earlier sizes. What lies beyond the checkpoint is not in question."""
    beyond = 0
    for path in sorted((tiles.folder / "tile").rglob("*")):
        name = path.relative_to(tiles.folder).as_posix()
        if path.is_dir() or name in tiles.seen:
            continue
        match = _TILE.fullmatch(name)
        if match is None:
            _bad(name, "the path of a tile", "another")
        level, digits, cut = match.groups()
        index, width = int(digits.replace("x", "").replace("/", "")), int(cut or WIDTH)
        expected = case.walk.tree.hashes(0 if level == "entries" else int(level), index)[: width * HASH]
        if len(expected) < width * HASH:
            beyond += 1
        elif level == "entries":
            bodies = tiles.bundle(index, width) or []
            expected_of = b"".join(hashlib.sha256(b"\0" + body).digest() for body in bodies)
            if expected_of != expected:
                _bad(name, "the entries of its leaves", "others", at=index * WIDTH)
        elif _read(path, WIDTH * HASH) != expected:
            _bad(name, "the hashes below", "others")
    if beyond:
        case.remarks.append(f"{beyond} tiles beyond the checkpoint were not judged")


def _policy_of_export(case: _Case, folder: Path, point: _Point) -> tuple[_Key, ...]:
    """Return the key that an export names. Where none is pinned it is believed, as far as entry 0 would be."""
    if not (folder / "keys.policy").exists():
        return ()
    try:
        logs = _policy(_read(folder / "keys.policy", MAX_NOTE).decode()).logs
    except ValueError as error:
        _bad("keys.policy", "a policy", error)
    if not logs or not point.origin.startswith(logs[0].name):
        _bad("keys.policy", f"a key of {point.origin}", [key.name for key in logs])
    if not case.walk.ring.pinned:
        case.remarks.append("the ledger key is believed from keys.policy; to pin it, give --key")
        case.walk.ring.pinned = logs
    return logs


def _older(folder: Path) -> Iterator[tuple[int, bytes]]:
    if (folder / "checkpoints").is_dir():
        for path in sorted((folder / "checkpoints").iterdir()):
            if not _SIZE.fullmatch(path.name):
                _bad(f"checkpoints/{path.name}", "a size", path.name)
            yield int(path.name), _read(path, MAX_NOTE)


def _digest(file: BinaryIO) -> str:
    """Return the hash of a file that may be larger than the memory."""
    found = hashlib.sha256()
    while data := file.read(MAX_NOTE):
        found.update(data)
    return found.hexdigest()


def _blob_files(folder: Path) -> None:
    if (folder / "blob").is_dir():
        for path in sorted((folder / "blob").iterdir()):
            with _opened(path) as file:
                found = _digest(file)
            if found != path.name:
                _bad(f"blob {path.name}", "content with that hash", found)


# 8.3 A file of entries.


def _lines(path: Path) -> Iterator[bytes]:
    with _opened(path) as file:
        at = 0
        while line := file.readline(MAX_BODY + 2):
            if not line.endswith(b"\n"):
                _bad(path.name, f"lines of at most {MAX_BODY} bytes", line[:80], at=at)
            yield line[:-1]
            at += 1


def _line_file(case: _Case, path: Path) -> None:
    try:
        rows = ((at, body, None) for at, body in enumerate(_lines(path)))
        case.walk.run(rows, case.progress)
    except OSError as error:
        _unknown("entries", f"a file that can be read at {path}", error)


# 8.4 A proof of one entry (C2SP tlog-proof).

_PROOF = b"c2sp.org/tlog-proof@v1\n"


def _proof(case: _Case, path: Path) -> None:
    """Judge one entry by its proof. Its kind is not judged: the registration is elsewhere."""
    try:
        data = _read(path, MAX_NOTE + MAX_BODY * 2).removeprefix(_PROOF)
        head, _, rest = data.partition(b"\n\n")
        index, body, hashes = _proof_lines(head.decode().split("\n"))
        point = _point(_note(rest).text)
    except (OSError, ValueError) as error:
        _unknown("proof", "a tlog-proof@v1", error)
    if body is None:
        _unknown("proof", "the entry in its extra line", "none")
    _proven(case, body, index, hashes, _Found("checkpoint", rest, own=True), point)


def _proof_lines(lines: list[str]) -> tuple[int, bytes | None, list[bytes]]:
    """Return index, entry and hashes; ValueError for what is no proof."""
    body = _base64(lines.pop(0).removeprefix("extra ")) if lines[0].startswith("extra ") else None
    name, _, number = lines.pop(0).partition(" ") if lines else ("", "", "")
    if name != "index" or not _SIZE.fullmatch(number) or len(lines) > MAX_PROOF:
        raise ValueError(f"expected an index and at most {MAX_PROOF} hashes, got {name!a:.40} and {len(lines)}")
    return int(number), body, [_root(line) for line in lines]


def _proven(case: _Case, body: bytes, index: int, hashes: list[bytes], found: _Found, point: _Point) -> None:
    walk, leaf = case.walk, hashlib.sha256(b"\0" + body).digest()
    try:
        root = _inclusion(leaf, index, point.size, hashes)
    except ValueError as error:
        _bad("proof", "one of this entry", error, at=index)
    if root != point.root:
        _bad("proof", f"the root {point.root.hex()}", root.hex(), at=index)
    if not case.demands.opaque:
        entry = _entry(_canonical(body))
        if entry["seq"] != index or not f"{point.origin}/".startswith(entry["log"] + "/"):
            _bad("entry", f"{index} of {point.origin}", f"{entry['seq']} of {entry['log']}", at=index)
    walk.ring.epochs.append(
        _Epoch(point.origin, keys=[_Held(key, 0) for key in walk.ring.pinned if key.name == point.origin])
    )
    note, _ = case._parsed(found)  # noqa: SLF001 - one room, one file
    case._judge(found, note, point, root)  # noqa: SLF001
    for each in case.outside:
        known, other = case._parsed(each)  # noqa: SLF001
        case._signers(each, known)  # noqa: SLF001
        if (other.origin, other.size) != (point.origin, point.size):
            _unknown(
                each.where, f"a checkpoint of {point.origin} at {point.size}: a proof alone has no other", other[:2]
            )
        case._judge(each, known, other, root)  # noqa: SLF001
    case._cosigned()  # noqa: SLF001
    case.remarks.append(f"entry {index} is in the log of {point.size}; its kind was not judged")
    walk.size, walk.prev = point.size, leaf.hex()


# 9. What is asked, and the answer.


def verify(what: Path, demands: Demands | None = None, *, progress: Progress | None = None) -> Report:
    """Judge whatever lies at this path."""
    return _judged(lambda case: _source(what)(case, what), demands, progress)


def verify_file(path: Path, demands: Demands | None = None, *, progress: Progress | None = None) -> Report:
    """Judge a ledger's database."""
    return _judged(lambda case: _database(case, path), demands, progress)


def verify_rows(rows: Iterable[Row], demands: Demands | None = None, *, progress: Progress | None = None) -> Report:
    """Judge entries given in order, each as (seq, body, leaf) or with the columns kind, actor, ts, repo, subject after.

    Bodies and leaves are bytes. `progress` is told the number of entries every ten thousand.
    """
    return _judged(lambda case: case.walk.run(rows, case.progress), demands, progress)


def _source(path: Path) -> Callable[[_Case, Path], None]:
    if path.is_dir():
        return _directory
    try:
        with _opened(path) as file:
            begins = file.read(len(_PROOF))
    except OSError as error:
        _unknown("ledger", "a file or a directory", error)
    for first, source in ((b"SQLite format 3\0", _database), (_PROOF, _proof), (b"{", _line_file)):
        if begins.startswith(first):
            return source
    _unknown("ledger", "a database, tiles, entries or a proof", f"{path}, which begins {begins!a}")


def _judged(work: Callable[[_Case], None], demands: Demands | None, progress: Progress | None) -> Report:
    case = _Case(demands or Demands(), progress)
    status, reason, at = "valid", "", None
    try:
        case.prepare()
        work(case)
        if not _is_proof(case):
            case.close()
    except _VerdictError as verdict:
        status, reason, at = verdict.status, str(verdict), verdict.at
    walk = case.walk
    return Report(
        status,
        walk.size,
        walk.prev,
        at,
        reason,
        origin=walk.ring.epochs[-1].origin if walk.ring.epochs else "",
        root=base64.b64encode(walk.tree.roots([walk.tree.size])[walk.tree.size]).decode() if walk.tree.size else "",
        signed=case.newest if case.signed else None,
        cosigned=case.cosigned,
        remarks=tuple(case.remarks),
    )


def _is_proof(case: _Case) -> bool:
    """Whether what was judged has no tree of its own."""
    return case.walk.size > 0 and case.walk.tree.size == 0


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line: print the report, answer the exit status."""
    parser = argparse.ArgumentParser(description="Verify a ledger offline.")
    parser.add_argument("what", type=Path, metavar="WHAT", help="a database, a directory of tiles, entries, or a proof")
    parser.add_argument("--against", type=Path, action="append", default=[], help="a checkpoint found elsewhere")
    parser.add_argument("--key", action="append", default=[], metavar="VKEY", help="the ledger key you know")
    parser.add_argument("--policy", type=Path, help="whose cosignatures are needed (tlog-policy)")
    parser.add_argument(
        "--entries", choices=("ours", "any"), default="ours", help="any: judge tree and signatures only"
    )
    parser.add_argument("--json", action="store_true", help="print the report as one JSON object")
    options = parser.parse_args(arguments)
    demands = Demands(tuple(options.against), tuple(options.key), options.policy, options.entries == "any")
    try:
        report = verify(options.what, demands)
    except Exception as error:  # noqa: BLE001 - what nobody foresaw is no yes, and no reason to show a traceback
        report = Report(
            "unverifiable", reason=f"expected to come to a judgement, got {type(error).__name__}: {error!s:.200}"
        )
    if options.json:
        text = json.dumps(asdict(report) | {"exit": EXIT[report.status]})
    else:
        text = f"{report.status}: {report.size} good entries, head {report.head}"
        text += f"\n{report.reason}" if report.reason else ""
        text += "".join(f"\n{remark}" for remark in report.remarks)
    sys.stdout.write(text.encode(errors="backslashreplace").decode() + "\n")
    return EXIT[report.status]


if __name__ == "__main__":
    sys.exit(main())
