"""What is known about a push. If it is not here, no control may know it.

Values only. Gathered by the hook from the repository with its quarantine, completed by the service with
who pushed, when it was received and what the signatures proved. Times are milliseconds since the epoch, UTC;
object names are 40 or 64 lower-case hex digits; paths are decoded with surrogateescape, so none is lost.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

BYTES_PER_UNIT = 80
"""One line of ordinary width; a huge line counts as many."""

REGULAR = frozenset({"100644", "100755"})
ABSENT = "000000"


class Content(StrEnum):
    """What kind of thing changed at a path. Everything but text is opaque to a reviewer's line count."""

    TEXT = "text"
    BINARY = "binary"
    SYMLINK = "symlink"
    SUBMODULE = "submodule"
    LFS = "lfs"
    UNSEEN = "unseen"
    """Text, or a path, with characters that are not shown, or that reorder what is."""
    TREE_PROBLEM = "tree-problem"
    """It stands in its tree in a way that readers take differently."""


@dataclass(frozen=True, slots=True)
class Change:
    """One path, before and after. A rename is two of these: both paths show."""

    path: str
    old_mode: str
    new_mode: str
    old: str
    new: str
    content: Content
    lines: int
    """Added plus removed lines; never fewer than the shortest edit."""
    size: int
    """Bytes of the changed lines; of the whole before and after where it is not text."""

    @property
    def units(self) -> int:
        """Lines, or the bytes of the changed lines in ordinary widths, whichever is more."""
        return max(self.lines, -(-self.size // BYTES_PER_UNIT))

    @property
    def mode_changed(self) -> bool:
        """Whether an existing path changed its mode or its type, or a new one is executable."""
        if self.old_mode == ABSENT:
            return self.new_mode == "100755"
        return self.new_mode not in {ABSENT, self.old_mode}


@dataclass(frozen=True, slots=True)
class Person:
    """A name in commit metadata: the pusher's claim. It excludes and must match; it grants nothing."""

    email: str
    principal: str
    """The enrolled principal with that address, or empty."""

    @property
    def label(self) -> str:
        """How to speak of them."""
        return self.principal or f"<{self.email}>"


@dataclass(frozen=True, slots=True)
class SignatureFacts:
    """What a signature proved at receive time. `code` is empty when it verified."""

    code: str
    message: str
    fingerprint: str = ""
    key: str = ""
    principal: str = ""


@dataclass(frozen=True, slots=True)
class CommitFacts:
    """One commit that the update would bring."""

    oid: str
    title: str
    """First line of the message, for people; no control reads it."""
    tree: str
    parents: tuple[str, ...]
    author: Person
    committer: Person
    co_authors: tuple[Person, ...]
    signature: SignatureFacts
    problems: tuple[str, ...]
    """Stable codes of what the commit or its tree hides from tools."""
    changes: tuple[Change, ...]
    """Against the parent; for a merge, what differs from the automatic merge."""
    measured: bool
    """False where git could not tell the automatic merge: nothing may be concluded from `changes`."""


@dataclass(frozen=True, slots=True)
class TagFacts:
    """An annotated tag that would be created."""

    name: str
    tagger: Person
    target: str
    target_type: str
    signature: SignatureFacts
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CarriedFacts:
    """The head of the change that the lander lands, as it was signed off: seen from the base of that time."""

    change: int
    head: str
    base: str
    tree: str
    net: tuple[Change, ...]
    """From the base to the head: what the sign-offs bind by digest."""
    theirs: tuple[str, ...]
    """Paths that the target changed between that base and its tip of now."""


@dataclass(frozen=True, slots=True)
class PushContext:
    """What is true of the whole push. `enforced` is false where the hook ran as the pusher."""

    repository: str
    pusher: str
    transport: str
    enforced: bool
    received_at: int
    refs: tuple[str, ...]
    options: tuple[str, ...] = ()
    observed: bool = False
    """Whether the repository is only observed, which makes `enforced` false too."""


@dataclass(frozen=True)
class UpdateFacts:
    """One ref update, as it was asked and as the repository shows it."""

    push: PushContext
    ref: str
    old: str
    new: str
    actual: str
    """The ref's real value, all zeros where it does not exist."""
    symref: str
    """Where the ref points if it is symbolic; empty otherwise."""
    object_type: str
    base: str
    """The recorded tip of the target that the range is counted from; empty where there is none."""
    fast_forward: bool
    landed: bool
    bases: tuple[str, ...]
    commits: tuple[CommitFacts, ...]
    net: tuple[Change, ...]
    tag: TagFacts | None = None
    carried: CarriedFacts | None = None
    """Of a landing only."""

    @property
    def creates(self) -> bool:
        """Whether the ref does not exist yet, by what was asked."""
        return is_zero(self.old)

    @property
    def deletes(self) -> bool:
        """Whether the ref would be gone."""
        return is_zero(self.new)

    @property
    def merge_base(self) -> str:
        """Where the change begins: what the net change is measured from; empty where it starts from nothing."""
        return self.bases[0] if self.bases else ""

    @property
    def tree(self) -> str:
        """The tree that would land; empty where nothing would."""
        return next((commit.tree for commit in self.commits if commit.oid == self.new), "")

    @cached_property
    def size(self) -> Size:
        """The larger of the net change and the sum over every commit; `size` below is how it is asked for."""
        each = [change for commit in self.commits for change in commit.changes]
        paths = {change.path for change in each} | {change.path for change in self.net}
        return Size(
            units=max(sum(c.units for c in self.net), sum(c.units for c in each)),
            lines=max(sum(c.lines for c in self.net), sum(c.lines for c in each)),
            files=len(paths),
        )

    @cached_property
    def diff_digest(self) -> str:
        """SHA-256 of the net change, over what `git diff-tree -r -z --no-renames` says, sorted by path."""
        return diff_digest(self.net)


def is_zero(oid: str) -> bool:
    """Whether this object name means "no object"."""
    return not oid.strip("0")


def diff_digest(changes: Iterable[Change]) -> str:
    """Return the digest that a sign-off binds: modes, object names and raw path of each change, sorted."""
    digest = hashlib.sha256()
    for path, head in sorted((c.path.encode("utf-8", "surrogateescape"), _head(c)) for c in changes):
        digest.update(head + path + b"\0")
    return digest.hexdigest()


def _head(change: Change) -> bytes:
    return f"{change.old_mode} {change.new_mode} {change.old} {change.new} ".encode()


@dataclass(frozen=True, slots=True)
class Size:
    """How much a reviewer is asked to look at."""

    units: int
    lines: int
    files: int


def size(update: UpdateFacts) -> Size:
    """Return the larger of the net change and the sum over every commit, so that add-then-revert counts.

    Files are the union of all paths touched on the way.
    """
    return update.size


def all_changes(update: UpdateFacts) -> Iterable[Change]:
    """Yield the net changes, then those of each commit: what a path rule must look at."""
    yield from update.net
    for commit in update.commits:
        yield from commit.changes


def names(update: UpdateFacts) -> set[str]:
    """Return what an update can be recognised by: its head, trees, digests, and every file that it brings."""
    found = {update.new, update.tree, update.diff_digest, *(commit.tree for commit in update.commits)}
    found |= {change.new for change in all_changes(update)}
    if update.carried is not None:
        found |= {update.carried.head, update.carried.tree, diff_digest(update.carried.net)}
        found |= {change.new for change in update.carried.net}
    return {name for name in found if name.strip("0")}
