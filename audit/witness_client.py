"""Ask the witnesses of a policy to cosign a checkpoint.

A witness is not trusted further than its signature reaches: what it answers is bounded in bytes and seconds, a redirect
is not followed, and only a line by the witness's own key that verifies over our text is taken. What it says of itself
is compared with what we know: one that has forgotten, or that knows a longer log than ours, is an alarm and told as
such. Not bounded: how long the system takes to find a host's address.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum

from audit import note
from audit.checkpoint import Checkpoint
from audit.errors import AuditError, NoteError, ProofError
from audit.note import Key
from audit.proof import MOST, read_checkpoint, spelt, whole
from audit.trust import Peer, Policy
from audit.witness import ADD, CONFLICT, GOOD, SIZE
from audit.witness_wire import Answered, WireError, post

SECONDS = 5.0
"""For one witness, all its answers together."""
TRIES = 3
"""A witness that names yet another size each time is left."""
AT_ONCE = 16

Prove = Callable[[int, int], list[bytes]]
"""(old, new): the consistency proof between two sizes of our log."""
Post = Callable[[str, bytes, float], Answered]


class Outcome(StrEnum):
    """What came of asking a witness."""

    COSIGNED = "cosigned"
    FAILED = "failed"
    """No answer, or none that counts. Ask again later."""
    REFUSED = "refused"
    """It will not cosign this, however often it is asked; a fork is among the reasons."""
    FORGOT = "forgot"
    """It names a smaller size than it has cosigned: it was set back."""
    AHEAD = "ahead"
    """It has cosigned more of this log than we have: we were set back, or somebody else signs with our key."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One witness's, by its name in the policy. `said` explains all but a cosignature."""

    name: str
    outcome: Outcome
    said: str = ""
    line: str = ""


@dataclass(frozen=True, slots=True)
class Round:
    """A checkpoint with what cosignatures it now has, and whether these are enough for the policy."""

    note: bytes
    reached: bool
    answers: tuple[Answer, ...]


def cosigned(
    signed: bytes,
    policy: Policy,
    prove: Prove,
    *,
    known: Mapping[Key, int] | None = None,
    seconds: float = SECONDS,
    ask: Post = post,
) -> Round:
    """Ask every witness that has an address in the policy, all at once, and add what they cosign.

    `known` says what size each witness is known to have cosigned. Witnesses whose cosignature the note has already
    are not asked again. `prove` is called from several threads.

    Raises:
        NoteError: the note is no checkpoint signed by a log of the policy, or is badly cosigned already.
    """
    found, point = read_checkpoint(signed, policy.keys)
    names = [name for name, peer in policy.witnesses.items() if peer.url and not found.by(peer.key)]
    names = names[: max(0, note.MOST_SIGNATURES - len(found.lines))]  # More would be no note any longer.

    def one(name: str) -> Answer:
        peer = policy.witnesses[name]
        visit = _Visit(peer, found.text, signed, point, prove, seconds, ask)
        return visit.answer(name, (known or {}).get(peer.key, 0))

    with ThreadPoolExecutor(AT_ONCE, "witness") as pool:
        answers = tuple(pool.map(one, names))
    whole_note = signed + "".join(answer.line for answer in answers).encode()
    signers = [each.key for each in note.read(whole_note, policy.keys).signatures]
    return Round(whole_note, policy.satisfied(signers), answers)


@dataclass(frozen=True, slots=True)
class _Visit:
    peer: Peer
    text: str
    signed: bytes
    point: Checkpoint
    prove: Prove
    seconds: float
    ask: Post

    def answer(self, name: str, known: int) -> Answer:
        try:
            return self._asked(name, known)
        except (WireError, AuditError) as error:
            return Answer(name, Outcome.FAILED, str(error))

    def _asked(self, name: str, known: int) -> Answer:
        old = known
        if old > self.point.size:
            return Answer(name, Outcome.AHEAD, f"it has cosigned {old} entries; this checkpoint has {self.point.size}")
        for _ in range(TRIES):
            got = self.ask(self.peer.url.rstrip("/") + ADD, self._request(old), self.seconds / TRIES)
            if got.status == GOOD:
                return Answer(name, Outcome.COSIGNED, line=self._line(got.body))
            if got.status != CONFLICT or got.kind != SIZE:
                return _refused(name, got)
            said = _size(got.body)
            if said < known:
                return Answer(name, Outcome.FORGOT, f"it has cosigned {known} entries and now names {said}")
            if said > self.point.size:
                return Answer(name, Outcome.AHEAD, f"it names {said} entries; this checkpoint has {self.point.size}")
            if said == old:
                return Answer(name, Outcome.REFUSED, f"it has cosigned another root at size {said}")
            old = said
        return Answer(name, Outcome.FAILED, f"it named another size {TRIES} times")

    def _request(self, old: int) -> bytes:
        # An empty tree begins every tree; there is nothing to prove, and the protocol wants no hashes then.
        hashes: Sequence[bytes] = self.prove(old, self.point.size) if 0 < old < self.point.size else ()
        return "\n".join([f"old {old}", *map(spelt, hashes)]).encode() + b"\n\n" + self.signed

    def _line(self, body: bytes) -> str:
        """Return the one line that counts: by this witness's key, over our text. Lines by others are passed over."""
        found = note.read(f"{self.text}\n".encode() + body, [self.peer.key])
        for line in found.lines:
            by = note.read(note.written(self.text, [line]).encode(), [self.peer.key]).by(self.peer.key)
            if by and by.at <= MOST:
                return line
        raise NoteError(f"expected a cosignature by {self.peer.key.name}, got none by that key")


def _size(body: bytes) -> int:
    text = body.decode("ascii", "replace")
    if not text.endswith("\n"):
        raise ProofError(f"expected a size and a line feed, got {text!a:.40}")
    return whole(text[:-1])


def _refused(name: str, got: Answered) -> Answer:
    said = f"status {got.status}: {got.body[:200].decode('utf-8', 'replace').strip()}"
    # 4xx but for time-outs and throttling will not change by asking again; the rest may.
    final = 400 <= got.status < 500 and got.status not in {408, 429}  # noqa: PLR2004 - as HTTP numbers them
    return Answer(name, Outcome.REFUSED if final else Outcome.FAILED, said)
