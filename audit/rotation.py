"""Changing keys, and beginning anew after a loss: entries that only the right keys can make.

A rotation is signed by the old key and by the new. A new epoch is signed by the recovery key, which lies offline: it is
how a ledger goes on after its key was lost, or after an old copy of it had to be put back. What is given up by that is
named in the entry, for good; who still holds an old checkpoint can compare.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from audit import keys, merkle, note, reads, tree
from audit.batch import Job, Writer
from audit.checkpoint import Checkpoint, claimed
from audit.entry import Actor, Draft
from audit.errors import EntryError
from audit.publishing import Publisher
from audit.stores import Asked, WritingConnection

if TYPE_CHECKING:
    from audit.transaction import Projector, Transaction

OVERLAP = 1000
"""Entries for which a replaced key may still sign, so that those who follow have time to learn of the new one."""

_EPOCH = re.compile(r"(.*)/e([1-9][0-9]*)")


@dataclass(frozen=True, slots=True)
class Loss:
    """What a new epoch gives up, in words and, where there is one, as the note that was last signed of it."""

    lost: str
    reason: str
    operator: str


def rotation(connection: Asked, old: note.Signer, new: note.Signer, *, actor: Actor, overlap: int = OVERLAP) -> Draft:
    """Return the entry by which a new key takes over from the one in force. To be appended under the same lock.

    Raises:
        EntryError: `old` is not the key in force, or `new` has another name.
    """
    origin, seq, known = str(reads.origin(connection)), reads.size(connection), keys.read(connection)
    if known.current() != old.key or new.key.name != origin or new.key == old.key:
        raise EntryError(f"expected the key {known.current()} to give way to another of {origin}")
    text = keys.rotation_text(origin, seq, old.key, new.key)
    signed = note.written(text, [old.line(text), new.line(text)])
    return Draft(keys.ROTATED, actor, "", origin, {"note": signed, "overlap": overlap})


def epoch(connection: Asked, recovery: note.Signer, new: note.Signer, loss: Loss, *, actor: Actor) -> Draft:
    """Return the first entry of a new epoch. To be appended under the name that `next_origin` gives.

    Raises:
        EntryError: not the recovery key of this ledger; or what is given up is no loss of it, but a fork, or of another
            log: no verifier would take such an entry, and none could take it back.
    """
    origin, size, known = str(reads.origin(connection)), reads.size(connection), keys.read(connection)
    if known.recovery != recovery.key:
        raise EntryError(f"expected the recovery key {known.recovery}, got another")
    signed_off = given_up(connection, loss.lost)
    root = merkle.root(size, tree.nodes(connection, size))
    lost = _point(signed_off) if signed_off else Checkpoint(origin, size, root)
    if (
        lost.origin == origin
        and lost.size <= size
        and merkle.root(lost.size, tree.nodes(connection, size)) != lost.root
    ):
        raise EntryError(
            f"expected to give up entries of {origin}, got a fork of it: another root at {lost.size} entries"
        )
    named = next_origin(lost.origin)
    if new.key.name != named:
        raise EntryError(f"expected a key named {named}, got {new.key.name}")
    text = keys.epoch_text(named, size, root, (lost.origin, lost.size, lost.root), new.key)
    signed = note.written(text, [recovery.line(text)])
    data: dict[str, object] = {"note": signed, "lost": signed_off, "reason": loss.reason, "operator": loss.operator}
    return Draft(keys.EPOCH, actor, "", named, data)


def given_up(connection: Asked, marked: str) -> str:
    """Return what of the mark a new epoch has to give up; nothing where an epoch that has begun says it already.

    Raises:
        EntryError: the mark is of another log.
    """
    if not marked:
        return ""
    origin, names = _point(marked).origin, [epoch.origin for epoch in keys.read(connection).epochs]
    if origin in names[:-1]:
        return ""
    # Of a later epoch, where the copy that is left is older than its beginning: that name has signed, too.
    if origin != names[-1] and (
        keys.lineage(origin) != keys.lineage(names[-1]) or keys.ordinal(origin) < keys.ordinal(names[-1])
    ):
        raise EntryError(f"expected a mark of {names[-1]}, or of a later epoch of it, got that of {origin}")
    return marked


def following(connection: Asked, marked: str) -> str:
    """Return the name of the epoch that would follow what is here and what is marked."""
    lost = given_up(connection, marked)
    return next_origin(_point(lost).origin if lost else str(reads.origin(connection)))


def begin_epoch(
    connection: WritingConnection, draft: Draft, publisher: Publisher, *, clock: Callable[[], int], projector: Projector
) -> int:
    """Append the first entry of a new epoch, and set the mark to it; the answer is its number.

    The ledger is not compared with the mark, which is what this is for. Nobody else may have it open.

    Raises:
        AuditError: it could not be written.
    """
    writer = Writer(connection, log=str(reads.origin(connection)), clock=clock, projector=projector)
    writer.log = draft.subject
    job = Job(lambda tx: _opened(tx, draft))
    writer.write([job])
    seq: int = job.future.result()
    publisher.publish(connection, anew=True)
    return seq


def _opened(tx: Transaction, draft: Draft) -> int:
    """Append it, if it is still of this place: on a server somebody may have come between its making and the lock."""
    keys.step(
        keys.read(tx),
        {"seq": reads.size(tx), "log": draft.subject, "kind": keys.EPOCH, "data": dict(draft.data)},
    )
    return tx.append(draft).seq


def _point(signed: str) -> Checkpoint:
    return claimed(signed)


def next_origin(origin: str) -> str:
    """Return the name of the epoch after this one: a log never signs again under a name that lost entries."""
    found = _EPOCH.fullmatch(origin)
    return f"{found[1]}/e{int(found[2]) + 1}" if found else f"{origin}/e2"
