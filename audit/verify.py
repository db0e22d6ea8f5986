"""Is this ledger what it says it is? One file, the standard library only: copy it to where you trust it.

    python verify.py LEDGER.sqlite [--mark FILE] [--json]

Exit status: 0 valid; 1 tampered with (the first bad entry is named); 2 could not be verified (unreadable, empty, or of
a later version); 3 valid in itself, but rolled back or forked against the high-water mark.

Checked, from the bodies alone: each is the canonical spelling of a well-formed entry of a known version; numbers run
from 0 without a gap; each names the leaf hash of the one before; time does not go back; there is one log and one
genesis. Then: stored hashes, the columns beside the bodies, the head row and the blobs agree with them.

Not checked: that entries were not cut off at the end, or all written anew, unless a mark says how far the ledger had
come; and the tables folded from the entries. The database is opened read-only and read in one snapshot;
SQLite may leave an empty -wal and a -shm file beside it, so what lies on a read-only medium is to be copied first.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import sqlite3
import sys
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

EXIT = {"valid": 0, "tampered": 1, "unverifiable": 2, "rollback": 3, "fork": 3}
VERSION = 1
MAX_BODY = 65_535
MAX_INT = 2**53 - 1
MAX_DEPTH = 16
NO_LEAF = "0" * 64
GENESIS = "ledger.genesis"
PROGRESS_EVERY = 10_000

_LOG = re.compile(r"[!-*,-~]{1,255}")
_KIND = re.compile(r"[a-z][a-z0-9_]*(\.[a-z0-9_]+)*")
_KEY = re.compile(r"[a-z0-9_.]+")
_HASH = re.compile(r"[0-9a-f]{64}")
_TEXTS = ("log", "prev", "kind", "repo", "subject")
_FIELDS = {"v", "seq", "ts", "actor", "data", *_TEXTS}
_ENTRIES = """
select seq, cast(body as blob), leaf, kind, actor, ts, repo, subject from ledger_entry order by seq
"""


class Mark(NamedTuple):
    """How far a ledger is known to have come: its name, its size, and the leaf hash of its last entry in hex."""

    log: str
    size: int
    head: str


@dataclass(frozen=True, slots=True)
class Report:
    """The judgement: `status` is a key of EXIT, `size` counts the good entries, `head` is the last good leaf hash."""

    status: str
    size: int = 0
    head: str = NO_LEAF
    first_bad: int | None = None
    reason: str = ""


class _TamperedError(Exception):
    """An entry is not what was written."""


class _UnknownError(Exception):
    """An entry that this verifier is too old to judge."""


@dataclass(slots=True)
class _Chain:
    """What the entries so far commit the next one to."""

    log: str = ""
    size: int = 0
    prev: str = NO_LEAF
    ts: int = 0

    def take(self, row: Sequence[Any]) -> None:
        seq, body, stored, *columns = row
        if not isinstance(body, bytes) or len(body) > MAX_BODY:
            _bad("body", f"at most {MAX_BODY} bytes", f"{len(body)}" if isinstance(body, bytes) else body)
        leaf = hashlib.sha256(b"\0" + body).digest()
        if stored != leaf:
            _bad("stored leaf hash", leaf.hex(), stored.hex() if isinstance(stored, bytes) else stored)
        entry = _entry(_canonical(body))
        if seq != self.size:
            _bad("number", self.size, seq)
        if entry["seq"] != self.size:
            _bad("seq", self.size, entry["seq"])
        if entry["prev"] != self.prev:
            _bad("prev", self.prev, entry["prev"])
        if (entry["kind"] == GENESIS) != (self.size == 0):
            _bad("kind", f"{GENESIS} first and only first", entry["kind"])
        if self.size and entry["log"] != self.log:
            _bad("log", self.log, entry["log"])
        if entry["ts"] < self.ts:
            _bad("ts", f"at least {self.ts}", entry["ts"])
        if columns:
            _columns(entry, columns)
        self.log, self.ts, self.prev, self.size = entry["log"], entry["ts"], leaf.hex(), self.size + 1


def verify_rows(
    rows: Iterable[Sequence[Any]], *, mark: Mark | None = None, progress: Callable[[int], None] | None = None
) -> Report:
    """Judge entries given in order, each as (seq, body, leaf) or with the columns kind, actor, ts, repo, subject after.

    Bodies, leaves and text columns are bytes. `progress` is told the number of entries every ten thousand.
    """
    chain = _Chain()
    at_mark = NO_LEAF
    try:
        for row in rows:
            chain.take(row)
            if mark is not None and chain.size == mark.size:
                at_mark = chain.prev
            if progress is not None and chain.size % PROGRESS_EVERY == 0:
                progress(chain.size)
    except _TamperedError as error:
        return Report("tampered", chain.size, chain.prev, chain.size, f"entry {chain.size}: {error}")
    except _UnknownError as error:
        return Report("unverifiable", chain.size, chain.prev, chain.size, f"entry {chain.size}: {error}")
    return _against(mark, chain, at_mark)


def verify_file(path: Path, *, mark: Mark | None = None, progress: Callable[[int], None] | None = None) -> Report:
    """Judge a ledger file: its entries, then its head row and its blobs."""
    try:
        with closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True, isolation_level=None)) as connection:
            connection.text_factory = bytes
            connection.execute("begin")
            report = verify_rows(connection.execute(_ENTRIES), mark=mark, progress=progress)
            return _beside(connection, report) if report.status == "valid" else report
    except sqlite3.Error as error:
        return Report("unverifiable", reason=f"expected a ledger that can be read at {path}, got: {error}")


def read_mark(path: Path) -> Mark:
    """The high-water mark in a file.

    Raises:
        ValueError: not a mark.
        OSError: not readable.
    """
    fields = json.loads(path.read_bytes())
    match fields:
        case {"log": str(log), "size": int(size), "head": str(head)} if size >= 0 and _HASH.fullmatch(head):
            return Mark(log, size, head)
    raise ValueError(f"expected log, size and head, got {fields}")


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line: print the report, answer the exit status."""
    parser = argparse.ArgumentParser(description="Verify a ledger file offline.")
    parser.add_argument("ledger", type=Path)
    parser.add_argument("--mark", type=Path, help="the high-water mark, to find roll-back and forks")
    parser.add_argument("--json", action="store_true", help="print the report as one JSON object")
    options = parser.parse_args(arguments)
    # The mark before the ledger: it may only be behind, so a ledger that is in use is not taken for a shorter one.
    mark = None
    try:
        mark = read_mark(options.mark) if options.mark else None
    except (OSError, ValueError) as error:
        report = Report("unverifiable", reason=f"expected a high-water mark in {options.mark}, got: {error}")
    else:
        report = verify_file(options.ledger, mark=mark)
    if options.json:
        text = json.dumps(asdict(report) | {"exit": EXIT[report.status]})
    else:
        text = f"{report.status}: {report.size} good entries, head {report.head}"
        text += f"\n{report.reason}" if report.reason else ""
        text += "" if mark or EXIT[report.status] else "\nno mark given: entries cut off at the end would go unseen"
    sys.stdout.write(text + "\n")
    return EXIT[report.status]


def _against(mark: Mark | None, chain: _Chain, at_mark: str) -> Report:
    """Entries that are good in themselves, judged by how far they are known to have come."""
    status, first_bad, reason = "valid", None, ""
    if mark is not None and chain.size < mark.size:
        status, reason = "rollback", f"expected at least {mark.size} entries, as marked, got {chain.size}"
    elif chain.size == 0:
        status, reason = "unverifiable", "expected entries, got none: nothing was checked"
    elif mark is not None and chain.log != mark.log:
        status, reason = "fork", f"expected the log {mark.log}, as marked, got {chain.log}"
    elif mark is not None and at_mark != mark.head:
        status, first_bad = "fork", mark.size - 1
        reason = f"expected leaf hash {mark.head} at entry {first_bad}, as marked, got {at_mark}"
    return Report(status, chain.size, chain.prev, first_bad, reason)


def _beside(connection: sqlite3.Connection, report: Report) -> Report:
    """Valid entries, judged again with the head row and the blobs."""
    ts = connection.execute("select ts from ledger_entry where seq = ?", (report.size - 1,)).fetchone()[0]
    heads = connection.execute("select size, hex(head), ts from ledger_head").fetchall()
    if heads != [(report.size, report.head.upper().encode(), ts)]:
        found = "; ".join(f"{size} {head.decode().lower()} {then}" for size, head, then in heads) or "no row"
        return _spoilt(report, f"head row: expected {report.size} {report.head} {ts}, got {found}")
    for key, data in connection.execute("select sha256, data from ledger_blob"):
        if not isinstance(data, bytes) or hashlib.sha256(data).digest() != key:
            name = key.hex() if isinstance(key, bytes) else repr(key)
            return _spoilt(report, f"blob {name}: expected content with that hash, got another")
    return report


def _spoilt(report: Report, reason: str) -> Report:
    return Report("tampered", report.size, report.head, reason=reason)


def _entry(fields: dict[str, Any]) -> dict[str, Any]:
    """The fields, if they are those of an entry, each of its type and shape."""
    version = fields.get("v")
    if type(version) is not int or version < 0:
        _bad("v", "a whole number", version)
    if version != VERSION:
        raise _UnknownError(f"v: expected {VERSION}, got {version}; a later verifier may know it")
    if fields.keys() != _FIELDS:
        _bad("fields", sorted(_FIELDS), sorted(fields))
    actor, data = fields["actor"], fields["data"]
    if not isinstance(actor, dict) or actor.keys() != {"id", "kind", "key"} or not actor["id"]:
        _bad("actor", "id, kind and key", actor)
    if not isinstance(data, dict) or not all(map(_KEY.fullmatch, data)):
        _bad("data", f"an object with keys of {_KEY.pattern}", data)
    if not all(isinstance(text, str) for text in (*actor.values(), *(fields[name] for name in _TEXTS))):
        _bad("fields", "text", "something else")
    # Not isinstance: true is an int to Python.
    if type(fields["seq"]) is not int or type(fields["ts"]) is not int or fields["ts"] < 0:
        _bad("seq and ts", "whole numbers from 0", (fields["seq"], fields["ts"]))
    for name, shape in (("log", _LOG), ("kind", _KIND), ("prev", _HASH)):
        if not shape.fullmatch(fields[name]):
            _bad(name, shape.pattern, fields[name])
    return fields


def _columns(entry: dict[str, Any], columns: Sequence[object]) -> None:
    texts = {name: entry[name].encode() for name in ("kind", "repo", "subject")}
    expected = texts | {"actor": entry["actor"]["id"].encode(), "ts": entry["ts"]}
    for name, got in zip(("kind", "actor", "ts", "repo", "subject"), columns, strict=True):
        if got != expected[name]:
            _bad(f"column {name}", expected[name], got)


def _canonical(body: bytes) -> dict[str, Any]:
    """The object that the body spells, if it is the one spelling of it (RFC 8785, less what can be argued about)."""
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


def _bad(what: str, expected: object, got: object) -> NoReturn:
    raise _TamperedError(f"{what}: expected {expected!s:.200}, got {got!a:.200}")


if __name__ == "__main__":
    sys.exit(main())
