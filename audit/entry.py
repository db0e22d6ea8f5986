"""What one entry is: its fields, its bytes, and the hash that stands for it.

The body is canonical JSON and the only truth; whatever else is stored beside it is derived from it. `seq` and `prev`
(the leaf hash of the entry before) are inside the body, so that an entry cannot be moved, repeated or left out.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from audit import canonical
from audit.errors import EntryError

if TYPE_CHECKING:
    from collections.abc import Mapping

VERSION = 1
MAX_BODY = 65_535  # C2SP tlog-tiles gives an entry's length in 16 bits.
GENESIS_KIND = "ledger.genesis"
GENESIS_PREV = "0" * 64

FIELDS = ("v", "log", "seq", "prev", "ts", "kind", "actor", "repo", "subject", "data")
ACTOR_FIELDS = ("id", "kind", "key")

_HASH = re.compile(r"[0-9a-f]{64}")
_SHAPES = {
    "log": re.compile(r"[!-*,-~]{1,255}"),  # An origin as C2SP signed-note wants names: no spaces, no plus; ASCII here.
    "kind": re.compile(r"[a-z][a-z0-9_]*(\.[a-z0-9_]+)*"),
    "a key of data": re.compile(r"[a-z0-9_.]+"),
}


@dataclass(frozen=True, slots=True)
class Actor:
    """Who did it: a name, what sort of principal, and the key that proved it (empty where none did)."""

    id: str
    kind: str
    key: str


@dataclass(frozen=True, slots=True)
class Draft:
    """What a caller hands in; the ledger adds its place and its time. `repo` and `subject` may be empty.

    The first-level keys of `data` are `[a-z0-9_.]+`; below, any ASCII key is fine. `private` are values that can be
    erased later: the entry only commits to them (`audit.private`).
    """

    kind: str
    actor: Actor
    repo: str
    subject: str
    data: Mapping[str, object]
    private: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry, well-formed by construction. `ts` is milliseconds since 1970 UTC, `prev` a leaf hash in hex.

    Raises:
        EntryError: a field is of the wrong type or shape. Whether `prev` is the right one is the ledger's to say.
    """

    seq: int
    prev: str
    ts: int
    kind: str
    actor: Actor
    repo: str
    subject: str
    data: Mapping[str, object]
    log: str
    v: int = VERSION

    def __post_init__(self) -> None:
        who = self.actor
        if not type(self.repo) is type(self.subject) is type(who.id) is type(who.kind) is type(who.key) is str:
            self._check_texts()
        if not type(self.v) is type(self.seq) is type(self.ts) is int or self.v != VERSION:
            self._check_numbers()
        if not (0 <= self.seq <= canonical.MAX_INT and 0 <= self.ts <= canonical.MAX_INT):
            self._check_numbers()
        if not who.id:
            raise EntryError("expected actor.id to name someone, got an empty text")
        _shaped("log", self.log)
        _shaped("kind", self.kind)
        if type(self.prev) is not str or not _HASH.fullmatch(self.prev):
            raise EntryError(f"expected prev to match {_HASH.pattern}, got {ascii(self.prev)[:80]}")
        if not isinstance(self.data, dict):
            raise EntryError(f"expected data to be a dict, got {type(self.data).__name__}")
        _keys_fit(tuple(self.data))
        self._check_genesis()

    # What is wrong is said apart: nearly always nothing is, and this is asked for every entry there is.
    def _check_numbers(self) -> None:
        _known_version(self.v)
        _whole("seq", self.seq)
        _whole("ts", self.ts)

    def _check_texts(self) -> None:
        names = [(f"actor.{name}", getattr(self.actor, name)) for name in ACTOR_FIELDS]
        for name, value in (("repo", self.repo), ("subject", self.subject), *names):
            if type(value) is not str:
                raise EntryError(f"expected {name} to be text, got {type(value).__name__}")

    def _check_genesis(self) -> None:
        first = self.seq == 0
        if first != (self.kind == GENESIS_KIND):
            raise EntryError(f"expected entry 0, and no other, to be {GENESIS_KIND}, got seq {self.seq} {self.kind}")
        if first != (self.prev == GENESIS_PREV):
            raise EntryError(f"expected entry 0, and no other, to have prev all zeros, got seq {self.seq} {self.prev}")

    def encode(self) -> bytes:
        """The body.

        Raises:
            EntryError: longer than 65,535 bytes, or (CanonicalError) data outside the canonical subset.
        """
        return _spelt(self, canonical.plain(self.data, "data"))


def parse(body: bytes) -> Entry:
    """The entry that `body` spells.

    Raises:
        EntryError: not an entry of this version, or (CanonicalError) not its canonical spelling.
    """
    return _build(canonical.decode(_fit(body)))


def seal(draft: Draft, *, log: str, seq: int, prev: str, ts: int) -> tuple[Entry, bytes]:
    """The entry a draft becomes at this place, and its body.

    The entry holds what the body says, so that what folds it now sees what will fold it on a rebuild: lists, not
    tuples; plain text, not enumerations; and nothing the caller may still change.

    Raises:
        EntryError: as for `Entry` and `Entry.encode`.
    """
    who = draft.actor
    if not isinstance(who, Actor):
        raise EntryError(f"expected actor to be an Actor, got {type(who).__name__}")
    kind, repo, subject = draft.kind, draft.repo, draft.subject
    if type(who) is not Actor or not type(who.id) is type(who.kind) is type(who.key) is str:
        who = Actor(_own(who.id), _own(who.kind), _own(who.key))  # Asked once: it could say another thing each time.
    if not type(log) is type(kind) is type(repo) is type(subject) is str:
        log, kind, repo, subject = _own(log), _own(kind), _own(repo), _own(subject)
    entry = Entry(seq, prev, ts, kind, who, repo, subject, canonical.plain(draft.data, "data"), log)
    return entry, _spelt(entry, entry.data)


def leaf_hash(body: bytes) -> bytes:
    """The hash of an entry as a leaf (RFC 6962, section 2.1): the prefix keeps leaves and nodes apart."""
    return hashlib.sha256(b"\0" + body).digest()


def blob_reference(data: bytes) -> dict[str, object]:
    """How an entry's data names a payload too large for a body."""
    return {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}


def _spelt(entry: Entry, data: Mapping[str, object]) -> bytes:
    """The body of an entry with plain `data`: what `canonical.encode` makes of its fields, at a third of the cost."""
    who, quote = entry.actor, canonical.quote
    body = (
        f'{{"actor":{{"id":{quote(who.id)},"key":{quote(who.key)},"kind":{quote(who.kind)}}},'
        f'"data":{canonical.spell(data)},"kind":"{entry.kind}","log":{quote(entry.log)},"prev":"{entry.prev}",'
        f'"repo":{quote(entry.repo)},"seq":{entry.seq},"subject":{quote(entry.subject)},"ts":{entry.ts},"v":{entry.v}}}'
    )
    if canonical.is_odd(body):
        names = {"id": who.id, "key": who.key, "kind": who.kind}
        canonical.check({"actor": names, "data": data, "repo": entry.repo, "subject": entry.subject})
    return _fit(body.encode())


def _own(text: Any) -> Any:  # noqa: ANN401  # What is no text is left for `Entry` to refuse.
    """Plain text, of an enumeration its value."""
    return str.__str__(text) if isinstance(text, str) else text


def _build(fields: dict[str, object]) -> Entry:
    # The version first: another version may have other fields.
    _known_version(fields.get("v"))
    _exactly("the entry", fields, FIELDS)
    return _read(fields)


def _read(fields: Any) -> Entry:  # noqa: ANN401  # JSON; Entry checks every one.
    actor = fields.pop("actor")
    if not isinstance(actor, dict):
        raise EntryError(f"expected actor to be an object, got {type(actor).__name__}")
    _exactly("actor", actor, ACTOR_FIELDS)
    return Entry(actor=Actor(**actor), **fields)


@lru_cache(maxsize=4096)
def _keys_fit(keys: tuple[object, ...]) -> None:
    """Refuse names of members that are none of ours."""
    for key in keys:
        _shaped("a key of data", key)


def _known_version(v: object) -> None:
    _whole("v", v)
    if v != VERSION:
        raise EntryError(f"expected v {VERSION}, got {v}: written by a later version?")


def _exactly(where: str, got: dict[str, object], names: tuple[str, ...]) -> None:
    if got.keys() != set(names):
        odd = ", ".join(ascii(name) for name in sorted(got.keys() ^ set(names)))
        raise EntryError(f"expected {where} to have exactly {', '.join(names)}; missing or unknown: {odd}")


def _whole(name: str, value: object) -> None:
    # Not isinstance: True is an int to Python and not to anyone who reads the body.
    if type(value) is not int or not 0 <= value <= canonical.MAX_INT:
        raise EntryError(f"expected {name} to be a whole number from 0 to 2^53-1, got {ascii(value)[:80]}")


def _shaped(name: str, value: object) -> None:
    if type(value) is not str:
        raise EntryError(f"expected {name} to match {_SHAPES[name].pattern}, got {ascii(value)[:80]}")
    _fits(name, value)


@lru_cache(maxsize=4096)
def _fits(name: str, value: str) -> None:
    """Refuse what has another shape. What fits is remembered: it is much the same from entry to entry."""
    if not _SHAPES[name].fullmatch(value):
        raise EntryError(f"expected {name} to match {_SHAPES[name].pattern}, got {ascii(value)[:80]}")


def _fit(body: bytes) -> bytes:
    if len(body) > MAX_BODY:
        raise EntryError(f"expected a body of at most {MAX_BODY} bytes, got {len(body)}: put the payload in a blob")
    return body
