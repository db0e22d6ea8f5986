"""Write leases, as values: who may write what, until when, with which fencing token.

One lease holds for a scope: a repository and a name. Its token is the number of the entry that granted it, so that it
rises for good and none is ever given twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from governance.patterns import exactly
from governance.policy import Policy

WRITE = "write"
"""The scope whose lease the protected refs of the policy's `write_lock.refs` move under."""

_NOT_STORED = frozenset({"", ".", ".."})
"""Names that git keeps in no tree: a path with one leads elsewhere than it reads."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One request for a lease, not over yet: it waits, or it holds."""

    seq: int
    """The entry that asked: its place in the queue, and its name until it is granted."""
    repository: str
    scope: str
    principal: str
    key: str
    auth: str
    """Public id of the token that it was handed in with."""
    files: tuple[str, ...]
    lines: int
    minutes: int
    token: int = 0
    """The fencing token; 0 while it waits."""
    ends_at: int = 0


class Deed(StrEnum):
    """What is out of the queue's order: each takes a row of the authority table, and the co-signature it names."""

    EXTENSION = "extension"
    OUT_OF_ORDER = "out-of-order"
    STEAL = "steal"

    @property
    def action(self) -> str:
        """What the authority table calls it."""
        return f"lock-{self}"


@dataclass(frozen=True, slots=True)
class OutOfTurn:
    """Something that was asked for and that nobody has co-signed yet."""

    seq: int
    """The entry that asked."""
    scope: str
    deed: Deed
    request: int
    """Whose lease, or place in the queue, it is about."""
    token: int
    """The lease that it extends, or ends; 0 where it touches none."""
    minutes: int
    by: str
    reason: str


@dataclass(frozen=True, slots=True)
class Lander:
    """Whose landing a push of the lander's is, and by which entry it was asked for."""

    by: str
    seq: int


@dataclass(frozen=True, slots=True)
class Leases:
    """The lease that covers a ref, if somebody holds it, and who waits for it."""

    held: Asked | None = None
    used: int = 0
    """Units that were pushed under it already."""
    waiting: tuple[str, ...] = ()
    landing: Lander | None = None
    """Of a landing only."""


def needed(policy: Policy, ref: str) -> bool:
    """Whether this ref moves only under the lease of the scope `write`."""
    return any(pattern.matches(ref) for pattern in policy.controls.write_lock.refs) and policy.is_protected(ref)


def outside(files: Sequence[str], paths: Iterable[str]) -> list[str]:
    """Return the paths that no pattern of an intent means, each once, in order.

    An intent allows, so that only the very path counts: not another case, nor a look-alike.
    """
    meant = exactly(tuple(files))
    return [
        path
        for path in dict.fromkeys(paths)
        if not _NOT_STORED.isdisjoint(path.split("/")) or meant.fullmatch(path) is None
    ]


def next_in_line(
    waiting: Sequence[Asked],
    last: Sequence[str],
    party: Callable[[str], object],
    *,
    most: int,
    first: Sequence[int] = (),
) -> tuple[Asked, tuple[int, ...]]:
    """Return who is granted next of those who wait in order, and the requests that are passed over.

    `last` are the principals of the newest grants, the newest first. Whoever's party (role and operator: two copies of
    one agent are one) had `most` of them in a row gives way while anybody else waits. `first` are requests that were
    co-signed to be granted out of order: they come before anybody, in their own order.
    """
    places = {asked.seq: place for place, asked in enumerate(waiting)}
    for seq in first:
        if seq in places:
            return waiting[places[seq]], tuple(before.seq for before in waiting[: places[seq]])
    row = {party(name) for name in last[:most]}
    if len(last) >= most and len(row) == 1:
        for place, asked in enumerate(waiting):
            if party(asked.principal) not in row:
                return asked, tuple(before.seq for before in waiting[:place])
    return waiting[0], ()
