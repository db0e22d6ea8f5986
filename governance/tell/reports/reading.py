"""Reading a stretch of the ledger by time, without reading the rest: where it begins and ends, and whether it holds.

Times never go back from one entry to the next, so a moment is found by halving: some twenty look-ups in a million.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from audit import exporting, merkle, reads, tree
from audit.checkpoint import claimed
from audit.entry import Entry, leaf_hash, parse
from audit.errors import AuditError
from audit.keys import read as ledger_keys
from audit.proof import read_checkpoint
from governance.errors import RequestError
from governance.state.tx import Tx

STEP = 2_000
"""Entries fetched at once."""
FAULTS = 5
"""Faults that are told one by one; one is enough."""

NOTHING: Mapping[str, Any] = MappingProxyType({"refs": [], "opens": [], "spend": [], "landed": []})
"""What is said by an entry whose body is gone."""
MALFORMED = (KeyError, TypeError, ValueError, AttributeError, IndexError)
"""What reading an entry raises that lacks something, or has something else in its place."""

Progress = Callable[[int, int], None]


def at(tx: Tx, moment: int, *, kept: bool = False) -> int:
    """Return the number of the first entry that is not before a moment; how many there are, where all are.

    With `kept`, that of the first which is kept, where those before it were pruned.

    Raises:
        RequestError: It was pruned, or what is kept begins after the moment, and nobody can tell any more.
    """
    low, high = exporting.first_kept(tx), reads.size(tx)
    if low and not kept and (low >= high or _ts(tx, low) >= moment):
        said = f"the entries below {low} were let go, and some of them are of that time"
        raise RequestError(said, code="report.pruned", mend="Ask where they were archived: twinseal ledger restore DIR")
    while low < high:
        middle = (low + high) // 2
        if _ts(tx, middle) < moment:
            low = middle + 1
        else:
            high = middle
    return low


def _ts(tx: Tx, seq: int) -> int:
    return int(tx.execute("select ts from ledger_entry where seq=?", (seq,)).fetchone()[0])


class Chain:
    """Entries of a stretch, each checked against its hash and the one before; what is wrong is kept, not raised."""

    def __init__(self, tx: Tx, first: int, upto: int) -> None:
        self._tx = tx
        self._first, self._upto = first, upto
        self.faults: list[tuple[int, str]] = []
        before = reads.entry(tx, first - 1) if first else None
        self._prev = before.leaf.hex() if before else ""
        self.last = b""
        """The leaf hash of the last body that was read."""

    def entries(self, progress: Progress) -> Iterator[Entry]:
        """Yield every entry that can be read."""
        expected, count = self._first, self._upto - self._first
        for start in range(self._first, self._upto, STEP):
            for row in reads.entries(self._tx, start, min(start + STEP, self._upto)):
                if row.seq != expected:
                    self.doubt(expected, f"entry {expected} is missing")
                expected = row.seq + 1
                entry = self._read(row)
                if entry is not None:
                    yield entry
            progress(min(start + STEP, self._upto) - self._first, count)
        if expected != self._upto:
            self.doubt(expected, f"entry {expected} is missing")

    def _read(self, row: reads.Row) -> Entry | None:
        self.last = leaf_hash(row.body)
        prev, self._prev = self._prev, self.last.hex()
        if self.last != row.leaf:
            self.doubt(row.seq, f"entry {row.seq} is not what it was when it was written")
            return None  # What it says now is nobody's word.
        try:
            entry = parse(row.body)
        except AuditError:
            self.doubt(row.seq, f"entry {row.seq} is no entry")
            return None
        if entry.seq != row.seq or (prev and entry.prev != prev):
            self.doubt(row.seq, f"entry {row.seq} does not follow the one before it")
        return entry

    def doubt(self, seq: int, said: str) -> None:
        """Keep a fault."""
        if len(self.faults) < FAULTS:
            self.faults.append((seq, said))


def light(tx: Tx, first: int, upto: int, kinds: Sequence[str]) -> Iterator[tuple[int, int, str, Mapping[str, Any]]]:
    """Yield (number, time, kind, data) of entries of some kinds. Nothing is checked: they are only counted."""
    marks = ",".join("?" * len(kinds))
    sql = f"select seq, ts, kind, body from ledger_entry where seq>=? and seq<? and kind in ({marks}) order by seq"  # noqa: S608 - question marks
    for start in range(first, upto, STEP):
        for seq, ts, kind, body in tx.execute(sql, (start, min(start + STEP, upto), *kinds)).fetchall():
            yield seq, ts, kind, _said(body)


def data(tx: Tx, seq: int) -> Mapping[str, Any]:
    """Return what one entry says; nothing where its body is gone."""
    row = reads.entry(tx, seq)
    return {**NOTHING, **_said(row.body)} if row else NOTHING


def _said(body: str | bytes) -> dict[str, Any]:
    """Return what a body says; nothing where it is not one any more, which whoever checks it finds."""
    try:
        found = json.loads(body)["data"]
    except (ValueError, KeyError, TypeError):
        return {}
    return found if isinstance(found, dict) else {}


def covered(tx: Tx, signed: str, last: int, leaf: bytes) -> tuple[int, str]:
    """Return how many entries a checkpoint covers, if it is the ledger's and the entry `last` is proven to be there.

    Else 0, and why. With that entry all before it are, since each names the one before.
    """
    if not signed:
        return 0, ""
    try:
        read_checkpoint(signed.encode(), ledger_keys(tx).at(claimed(signed).origin, claimed(signed).size))
        point = claimed(signed)
        if last >= point.size:
            return 0, ""
        proof = merkle.inclusion_proof(last, point.size, tree.nodes(tx, point.size))
        merkle.verify_inclusion(leaf, last, point.size, proof, point.root)
    except AuditError as exc:
        return 0, f"the checkpoint does not hold entry {last}: {exc}"
    return point.size, ""
