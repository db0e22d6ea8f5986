"""Signatures verified while the hook still reads: answers kept for one push, and asked for again by what they are of.

The hook sends the commits of a large push ahead of its facts. Nothing is believed for that: an answer is found by the
very bytes that were verified, and only for the same keys and the same time. What was not foreseen is verified as ever.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from governance import objects
from governance.errors import ObjectError
from governance.refusals import SignatureRefused
from governance.signatures import Item, ObjectVerifier, Registry, Verified

Answer = Verified | SignatureRefused


@dataclass(frozen=True, slots=True)
class Foreseen:
    """An `ObjectVerifier` that knows some answers already, for one registry at one time."""

    verifier: ObjectVerifier
    registry: Registry
    at: int
    answers: Mapping[Item, Answer]

    def verify_many(self, items: Sequence[Item], registry: Registry, *, at: int) -> list[Answer]:
        """See `ObjectVerifier.verify_many`."""
        if registry is not self.registry or at != self.at:
            return self.verifier.verify_many(items, registry, at=at)
        rest = [item for item in items if item not in self.answers]
        found = dict(zip(rest, self.verifier.verify_many(rest, registry, at=at), strict=True)) if rest else {}
        return [found[item] if item in found else self.answers[item] for item in items]


def foresee(raws: Sequence[bytes], verifier: ObjectVerifier, registry: Registry, *, at: int) -> Foreseen:
    """Return a verifier that knows what the signatures of these commits prove. What is none, is left."""
    items: list[Item] = []
    for raw in raws:
        with suppress(ObjectError):
            commit = objects.parse_commit(raw)
            items.append((commit.payload, commit.signature))
    answers = verifier.verify_many(items, registry, at=at)
    return Foreseen(verifier, registry, at, dict(zip(items, answers, strict=True)))
