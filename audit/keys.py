"""Which keys may sign a ledger's checkpoints, and for which sizes: read from the ledger itself, from entry 0 on.

The first key stands in the genesis entry. A rotation is signed by the key it replaces and by the new one; a new epoch
by the recovery key, which stays. A key counts for a range of sizes only, so that a stolen old key cannot seal what came
after it.
"""

from __future__ import annotations

import json
import re
from base64 import b64encode
from dataclasses import dataclass, replace

from audit import note
from audit.checkpoint import Checkpoint
from audit.entry import GENESIS_KIND
from audit.errors import EntryError, NoteError
from audit.stores import Asked

ROTATED = "ledger.key_rotated"
EPOCH = "ledger.epoch"
RECOVERY = "/recovery"

_LATER = re.compile(r"(.*)/e([1-9][0-9]{0,8})")
_SQL = (
    f"select cast(body as blob) from ledger_entry where kind in ('{GENESIS_KIND}', '{ROTATED}', '{EPOCH}') order by seq"  # noqa: S608  # Our own names.
)


@dataclass(frozen=True, slots=True)
class Held:
    """A key, and the sizes for which it counts: from `first` up to and including `last` (None: to this day)."""

    key: note.Key
    first: int
    last: int | None = None

    def covers(self, origin: str, size: int) -> bool:
        """Whether a checkpoint of this origin and size may be signed by it."""
        return self.key.name == origin and self.first <= size and (self.last is None or size <= self.last)


@dataclass(frozen=True, slots=True)
class Epoch:
    """A name that the log has had: for the sizes above `after`, up to and including `last` (None: to this day)."""

    origin: str
    after: int
    last: int | None = None
    given_up: Checkpoint | None = None
    """What was known of it when it was ended, of which only the first `last` entries were kept."""


@dataclass(frozen=True, slots=True)
class Keys:
    """All keys of a ledger, and all its names. `recovery` may be None where the genesis names none."""

    held: tuple[Held, ...]
    epochs: tuple[Epoch, ...]
    recovery: note.Key | None = None

    def at(self, origin: str, size: int) -> list[note.Key]:
        """The keys that may sign for this origin at this size."""
        return [each.key for each in self.held if each.covers(origin, size)]

    def current(self) -> note.Key | None:
        """The key to which the next rotation has to be traced."""
        return self.held[-1].key if self.held else None


def read(connection: Asked) -> Keys:
    """The keys of a ledger.

    Raises:
        EntryError: an entry that should name keys does not, or is not signed by whom it must be.
    """
    found = Keys((), ())
    for (body,) in connection.execute(_SQL).fetchall():
        found = step(found, json.loads(bytes(body)))
    return found


def step(keys: Keys, body: dict[str, object]) -> Keys:
    """The keys after one more of those entries, given as parsed JSON.

    Raises:
        EntryError: as for `read`.
    """
    seq, origin, data = body["seq"], body["log"], body["data"]
    if not (isinstance(seq, int) and isinstance(origin, str) and isinstance(data, dict)):
        raise EntryError("expected an entry, got something else")
    try:
        if body["kind"] == GENESIS_KIND:
            return _genesis(origin, data)
        if body["kind"] == ROTATED:
            return _rotated(keys, origin, seq, str(data["note"]), int(data["overlap"]))
        return _epoch(keys, origin, seq, str(data["note"]))
    except NoteError as error:
        raise EntryError(f"entry {seq}: {error}") from error


def rotation_text(origin: str, seq: int, old: note.Key, new: note.Key) -> str:
    """What both keys sign when one replaces the other by the entry `seq`."""
    return f"ledger key rotation\n{origin}\n{seq}\n{old}\n{new}\n"


def epoch_text(origin: str, seq: int, root: bytes, lost: tuple[str, int, bytes], new: note.Key) -> str:
    """What the recovery key signs when the entry `seq` opens the epoch `origin`. `lost`: what is given up."""
    name, size, head = lost
    kept = f"{origin}\n{seq}\n{b64encode(root).decode()}\n"
    return f"ledger epoch\n{kept}{name}\n{size}\n{b64encode(head).decode()}\n{new}\n"


def lineage(origin: str) -> str:
    """The name that a log had in its first epoch."""
    found = _LATER.fullmatch(origin)
    return found[1] if found else origin


def ordinal(origin: str) -> int:
    """Which epoch of its log a name says it is: 1 for the first."""
    found = _LATER.fullmatch(origin)
    return int(found[2]) if found else 1


def _genesis(origin: str, data: dict[str, object]) -> Keys:
    epochs = (Epoch(origin, -1),)
    if "ledger_key" not in data:
        return Keys((), epochs)
    key = note.Key.parse(str(data["ledger_key"]))
    recovery = note.Key.parse(str(data["recovery_key"])) if "recovery_key" in data else None
    if key.name != origin or (recovery and recovery.name != origin + RECOVERY):
        raise EntryError(f"entry 0: expected keys named {origin}, got {key.name}")
    return Keys((Held(key, 0),), epochs, recovery)


def _rotated(keys: Keys, origin: str, seq: int, signed: str, overlap: int) -> Keys:
    old = keys.current()
    new = _last_key(signed)
    if old is None or overlap < 0 or new.name != origin:
        raise EntryError(f"entry {seq}: expected a key of {origin} to be replaced by another")
    _demand(signed, rotation_text(origin, seq, old, new), (old, new), seq)
    ended = replace(keys.held[-1], last=seq + 1 + overlap)
    return replace(keys, held=(*keys.held[:-1], ended, Held(new, seq + 1)))


def _epoch(keys: Keys, origin: str, seq: int, signed: str) -> Keys:
    new = _last_key(signed)
    before = keys.epochs[-1] if keys.epochs else None
    if before is None or keys.recovery is None or new.name != origin or origin == before.origin:
        raise EntryError(f"entry {seq}: expected a new name and a key of it, signed by the recovery key of the first")
    text = note.read(signed.encode(), [keys.recovery]).text
    if text.split("\n")[:3] != ["ledger epoch", origin, str(seq)]:
        raise EntryError(f"entry {seq}: expected a note on the epoch {origin}, got {text[:120]!a}")
    _demand(signed, text, (keys.recovery,), seq)
    lost = Checkpoint.parse("\n".join(text.split("\n")[4:7]) + "\n")
    ended = tuple(replace(each, last=seq if each.last is None else min(each.last, seq)) for each in keys.held)
    epochs = (*keys.epochs[:-1], replace(before, last=seq, given_up=lost), Epoch(origin, seq))
    return replace(keys, held=(*ended, Held(new, seq + 1)), epochs=epochs)


def _last_key(signed: str) -> note.Key:
    """The key on the last line of a note's text."""
    text, _ = note.split(signed)
    return note.Key.parse(text.split("\n")[-2])


def _demand(signed: str, text: str, by: tuple[note.Key, ...], seq: int) -> None:
    found = note.read(signed.encode(), by)
    if found.text != text:
        raise EntryError(f"entry {seq}: expected a note that says {text[:200]!a}, got {found.text[:200]!a}")
    for key in by:
        if found.by(key) is None:
            raise EntryError(f"entry {seq}: expected a signature by {key}, got none")
