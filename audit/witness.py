"""A witness (C2SP tlog-witness): it cosigns a log's checkpoint if that continues what it has cosigned before.

Promises: of one origin it never cosigns two roots at one size, nor a smaller tree after a larger one, nor an earlier
time after a later one; and it remembers a checkpoint durably before anybody sees its cosignature. It does not look
into the log, and keeps no tree: what it vouches for is that whoever asks sees the history that everybody sees.

Stricter than the specification: a checkpoint with extension lines is refused, because the cosignature would cover
what nobody has checked.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from audit import note
from audit.checkpoint import Checkpoint
from audit.errors import AuditError, NoteError, ProofError, StoreError
from audit.merkle import EMPTY_ROOT, verify_consistency
from audit.note import Algorithm, Key, Note, Signer
from audit.proof import MOST, hashes_of, whole
from audit.witness_store import Slot, Store

GOOD, MALFORMED, UNTRUSTED, UNKNOWN, CONFLICT, UNPROVEN = 200, 400, 403, 404, 409, 422
LARGEST_REQUEST = 64 * 1024
"""Bytes: 63 hashes, a checkpoint, and signatures of its log, several of them."""
ADD = "/add-checkpoint"
SIZE = "text/x.tlog.size"
TEXT = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked: to cosign `point`, which the proof shows to continue the first `old` entries."""

    old: int
    proof: tuple[bytes, ...]
    signed: bytes
    """The checkpoint as a note; whose signatures it bears is not known yet."""
    point: Checkpoint

    @classmethod
    def parse(cls, body: bytes) -> Request:
        """Read the body of a request.

        Raises:
            AuditError: not one.
        """
        if len(body) > LARGEST_REQUEST:
            raise ProofError(f"expected at most {LARGEST_REQUEST} bytes of request, got {len(body)}")
        head, blank, signed = body.partition(b"\n\n")
        first, *lines = head.decode("utf-8", "replace").split("\n")
        word, _, size = first.partition(" ")
        if not blank or word != "old":
            raise ProofError(f"expected `old <size>`, hashes, a blank line and a checkpoint, got {first!a:.80}")
        text = note.read(signed, []).text
        point = Checkpoint.parse(text)
        if point.text() != text or point.size > MOST:
            raise NoteError("expected a checkpoint of three lines and at most 2**63 - 1 entries, got another")
        return cls(whole(size), hashes_of(lines), signed, point)


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer, in the terms of HTTP."""

    status: int
    body: str
    kind: str = TEXT


def refusal(asked: Request, last: Checkpoint) -> Reply | None:
    """Return why a checkpoint that its log has signed is not to be cosigned after `last`, or nothing if it is."""
    if asked.old > asked.point.size:
        return Reply(MALFORMED, f"expected an old size up to {asked.point.size}, got {asked.old}\n")
    if asked.old != last.size:
        return Reply(CONFLICT, f"{last.size}\n", SIZE)
    try:
        _continues(asked, last)
    except ProofError as error:
        return Reply(UNPROVEN, f"{error}\n")
    return None


def _continues(asked: Request, last: Checkpoint) -> None:
    new = asked.point
    if last.size:
        verify_consistency(last.size, last.root, new.size, new.root, asked.proof)
    elif asked.proof:
        raise ProofError("expected no hashes after an empty tree, which begins every tree")
    elif not new.size and new.root != EMPTY_ROOT:
        raise ProofError("expected the root of the empty tree at size 0, got another")


class Witness:
    """Cosigns for the logs it knows. `clock` says Unix seconds. For any number of threads and processes."""

    def __init__(self, signer: Signer, logs: Sequence[Key], store: Store, *, clock: Callable[[], int]) -> None:
        if signer.algorithm is not Algorithm.COSIGNATURE:
            raise NoteError(f"expected a key for cosignatures, got one of type {signer.algorithm:#04x}")
        self._signer = signer
        self._logs = tuple(logs)
        self._store = store
        self._clock = clock

    def add(self, body: bytes) -> Reply:
        """Answer a request to cosign.

        Raises:
            StoreError: what was cosigned cannot be read or written; nothing was cosigned.
        """
        try:
            asked = Request.parse(body)
        except AuditError as error:
            return Reply(MALFORMED, f"{error}\n")
        keys = [key for key in self._logs if key.name == asked.point.origin]
        if not keys:
            return Reply(UNKNOWN, "no such log is known here\n")
        try:
            found = note.read(asked.signed, keys)
        except NoteError as error:
            return Reply(UNTRUSTED, f"{error}\n")
        if not found.signatures:
            return Reply(UNTRUSTED, "expected a signature by a known key of this log, got none\n")
        with self._store.held(asked.point.origin) as slot:
            return self._judge(asked, found, slot)

    def latest(self, name: str) -> bytes | None:
        """Return the last checkpoint cosigned of the origin whose SHA-256 is `name`, as a note.

        Raises:
            StoreError: it cannot be read.
        """
        return self._store.read(name)

    def _judge(self, asked: Request, found: Note, slot: Slot) -> Reply:
        last, at = self._remembered(asked.point.origin, slot.read())
        refused = refusal(asked, last)
        if refused is not None:
            return refused
        line = self._signer.line(found.text, at=max(at, self._now()))
        slot.write(note.written(found.text, [*_by_known(found), line]).encode())
        return Reply(GOOD, line)

    def _remembered(self, origin: str, kept: bytes | None) -> tuple[Checkpoint, int]:
        """Return what was cosigned last, and when. Nothing yet is the empty tree."""
        if kept is None:
            return Checkpoint(origin, 0, EMPTY_ROOT), 0
        try:
            found = note.read(kept, [self._signer.key])
            point = Checkpoint.parse(found.text)
        except NoteError as error:
            raise StoreError(f"expected what this witness cosigned of {origin}, got: {error}") from error
        own = found.by(self._signer.key)
        if own is None or point.origin != origin:
            raise StoreError(f"expected what this witness cosigned of {origin}, got a note by others, or of another")
        return point, own.at

    def _now(self) -> int:
        now = self._clock()
        if type(now) is not int or not 0 < now <= MOST:
            raise StoreError(f"expected the clock to say Unix seconds as a whole number, got {now!r}")
        return now


def _by_known(found: Note) -> list[str]:
    """Return the signature lines that verified, one for each key: what strangers wrote is not passed on."""
    keys = [each.key for each in found.signatures]
    kept: dict[Key, str] = {}
    for line in found.lines:
        alone = note.read(note.written(found.text, [line]).encode(), keys).signatures
        if alone:
            kept.setdefault(alone[0].key, line)
    return list(kept.values())
