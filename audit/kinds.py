"""What kinds of entries there are, and what their data may say: registered in the log itself, so that it tells its own.

A kind has a version and a shape: for each first-level member of `data` a type, `?` after a name that may be absent. An
entry of a kind that nobody registered, or not of its shape, is not appended here and not called valid by a verifier.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType, NoneType
from typing import Any

from audit.errors import EntryError

Shape = Mapping[str, str]

REGISTERS = "ledger.kinds"
COMMIT = "commit"
"""The member that any data may have: commitments to values which can be erased."""

OWN: Mapping[str, Shape] = MappingProxyType(
    {
        "ledger.kinds": {"kinds": "object"},
        "ledger.heartbeat": {},
        "ledger.clock_stepped": {"behind_ms": "whole"},
        "ledger.key_rotated": {"note": "text", "overlap": "whole"},
        "ledger.epoch": {"note": "text", "lost": "text", "reason": "text", "operator": "text"},
        "ledger.erased": {"of": "whole", "fields": "list", "basis": "text", "approver": "text"},
        "ledger.pruned": {"below": "whole", "archive": "text", "root": "text", "kept": "text"},
    }
)
"""What the ledger appends for itself. `ledger.genesis` belongs to whoever begins it, and has any shape."""

_TYPES: Mapping[str, tuple[type, ...]] = {
    "text": (str,),
    "whole": (int,),
    "bool": (bool,),
    "list": (list,),
    "object": (dict,),
    "any": (str, int, bool, list, dict, NoneType),
}


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind: the version of its shape, from 1, and the shape."""

    version: int
    data: Shape

    def __post_init__(self) -> None:
        for member, type_ in self.data.items():
            if type_ not in _TYPES or member.removesuffix("?") == COMMIT:
                raise EntryError(f"expected a type of {', '.join(_TYPES)}, got {type_!a:.40} for {member!a:.40}")


class Kinds:
    """The kinds that an application appends, beside the ledger's own. Its version goes up when a shape changes."""

    def __init__(self, kinds: Mapping[str, Kind]) -> None:
        self._kinds = dict(kinds)
        self._shapes = {name: _readied(kind.data) for name, kind in kinds.items()}
        self._shapes |= {name: _readied(shape) for name, shape in OWN.items()}

    def check(self, kind: str, data: Mapping[str, object]) -> None:
        """Return if an entry of this kind may say this.

        Raises:
            EntryError: the kind is not registered, or a member is missing, unknown or of another type.
        """
        shape = self._shapes.get(kind)
        if shape is None:
            raise EntryError(f"expected a kind that is registered, got {kind!a:.80}")
        required, known = shape
        if not (required <= data.keys() <= known.keys()):
            odd = (required - data.keys()) | (data.keys() - known.keys())
            raise EntryError(f"{kind}: expected {', '.join(known)}; missing or unknown: {', '.join(sorted(odd))}")
        for member, value in data.items():
            if type(value) not in known[member]:
                raise EntryError(f"{kind}: expected {member} to be another type than {type(value).__name__}")

    def registration(self) -> dict[str, dict[str, Any]]:
        """Return what an entry says to register these kinds."""
        return {name: {"version": kind.version, "data": dict(kind.data)} for name, kind in sorted(self._kinds.items())}


def _readied(shape: Shape) -> tuple[frozenset[str], dict[str, tuple[type, ...]]]:
    """Return which members must be there, and the types of all that may."""
    required = frozenset(member for member in shape if not member.endswith("?"))
    known = {member.removesuffix("?"): _TYPES[type_] for member, type_ in shape.items()}
    return required, known | {COMMIT: (dict,)}
