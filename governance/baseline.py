"""What a repository with a history holds when it is taken over: what its owner signs, once, instead of every commit.

Pure. The refs are named one by one in the ledger; a statement is small, so it binds their digest and number.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from governance.errors import ConflictError, RequestError

OPEN = ("refs/heads/", "refs/tags/")
"""What is taken without being asked for by name."""

OURS = ("refs/changes/", "refs/for/", "refs/ledger/")
"""What only we write."""

NEVER = (*OURS, "refs/replace/")
"""What is never taken: ours, and what makes one object read as another."""

REFS_LIMIT = 20_000
PART = 250
"""Refs in one entry. A name may have 255 bytes, and an entry holds 64 KiB less what surrounds them."""
PART_BYTES = 48 * 1024
NAMED = 5


@dataclass(frozen=True, slots=True)
class Tip:
    """One ref. `tree` is what it shows, through a tag; empty where that is no commit."""

    ref: str
    oid: str
    type: str
    tree: str
    symref: str = ""


@dataclass(frozen=True, slots=True)
class Baseline:
    """Every ref of a repository, how many commits they reach, and what keeps them from being all there is."""

    tips: tuple[Tip, ...]
    commits: int
    head: str
    """The branch that HEAD names; empty where it names a commit."""
    borrowed: tuple[str, ...] = ()
    """What makes its objects, or its history, other than what it holds itself."""

    @property
    def digest(self) -> str:
        """SHA-256 over `<object> <tree> <ref>`, a line each, sorted by ref: what the owner signs."""
        lines = sorted((tip.ref, f"{tip.oid} {tip.tree or '-'} {tip.ref}\n") for tip in self.tips)
        return hashlib.sha256("".join(line for _, line in lines).encode("utf-8", "surrogateescape")).hexdigest()

    def summary(self) -> dict[str, Any]:
        """Return what stands in the statement and in the ledger."""
        return {"digest": self.digest, "refs": len(self.tips), "commits": self.commits, "head": self.head}

    def parts(self) -> Iterator[list[list[str]]]:
        """Yield (ref, object, tree) in groups that an entry can hold."""
        part: list[list[str]] = []
        size = 0
        for tip in sorted(self.tips, key=lambda tip: tip.ref):
            cost = len(tip.ref.encode()) + len(tip.oid) + len(tip.tree) + 16
            if part and (len(part) == PART or size + cost > PART_BYTES):
                yield part
                part, size = [], 0
            part.append([tip.ref, tip.oid, tip.tree])
            size += cost
        if part:
            yield part


def check(found: Baseline, *, also: Sequence[str] = (), recorded: Mapping[str, str] | None = None) -> None:
    """Refuse a repository that cannot be taken over as it is.

    `also` are namespaces (`refs/notes/`) that the owner takes by name; `recorded` what the ledger knows already of
    this repository, so that the pins we made ourselves are no surprise.

    Raises:
        RequestError: Which refs, or what else, and what to do about it.
    """
    _whole(found)
    _plain(found.tips)
    _namespaces(found.tips, also, recorded or {})


def _whole(found: Baseline) -> None:
    if found.borrowed:
        mend = "Make it whole: git repack -a -d, git fetch --unshallow, then remove the file or setting."
        raise RequestError(f"it is not whole: {', '.join(found.borrowed)}", code="adopt.borrowed", mend=mend)
    if not found.tips:
        raise RequestError("it has no refs", code="adopt.empty", mend="twinseal repo add NAME PATH")
    if len(found.tips) > REFS_LIMIT:
        said = f"{len(found.tips)} refs; at most {REFS_LIMIT} are taken over"
        raise RequestError(said, code="adopt.too_many_refs", mend="Delete what nobody uses.")
    if not found.head.startswith("refs/heads/"):
        said = f"HEAD names {found.head or 'a commit'}; expected a branch"
        raise RequestError(said, code="adopt.detached_head", mend="git symbolic-ref HEAD refs/heads/main")


def _plain(tips: Sequence[Tip]) -> None:
    if odd := [tip.ref for tip in tips if not _writable(tip.ref)]:
        raise RequestError(f"names that are not UTF-8: {_named(odd)}", code="adopt.name", mend="Rename them.")
    if links := [f"{tip.ref} -> {tip.symref}" for tip in tips if tip.symref]:
        said = f"symbolic refs other than HEAD: {_named(links)}"
        raise RequestError(said, code="adopt.symref", mend="git symbolic-ref --delete REF")
    if odd := [tip.ref for tip in tips if tip.ref.startswith("refs/heads/") and tip.type != "commit"]:
        raise RequestError(f"branches that name no commit: {_named(odd)}", code="adopt.not_a_commit")


def _namespaces(tips: Sequence[Tip], also: Sequence[str], recorded: Mapping[str, str]) -> None:
    known = {tip.ref for tip in tips if recorded.get(tip.ref) == tip.oid}
    if bad := [p for p in also if not (p.startswith("refs/") and p.endswith("/")) or p.startswith(NEVER)]:
        raise RequestError(f"{_named(bad)} cannot be taken; expected refs/<name>/", code="adopt.namespace")
    if ours := [tip.ref for tip in tips if tip.ref.startswith(NEVER) and tip.ref not in known]:
        said = f"refs where only we write, or that replace objects: {_named(ours)}"
        raise RequestError(said, code="adopt.reserved_ref", mend="git update-ref -d REF, or rename it.")
    taken = (*OPEN, *OURS, *also)
    if other := [tip.ref for tip in tips if not tip.ref.startswith(taken) and tip.ref not in known]:
        first = "/".join(other[0].split("/")[:2])
        said = f"{len(other)} refs that are neither branches nor tags: {_named(other)}"
        raise RequestError(said, code="adopt.other_refs", mend=f"Delete them, or take them: --also {first}/")


def same(found: Baseline, signed: object) -> None:
    """Refuse where the repository is not what the owner was shown.

    Raises:
        ConflictError: It moved since, or the service looks at another one.
    """
    if not isinstance(signed, dict) or signed != found.summary():
        said = "the repository is not as it was signed: it moved, or the service looks at another one"
        raise ConflictError(said, code="adopt.moved", mend="Keep pushes away from it, and adopt it again.")


def _writable(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _named(names: Sequence[str]) -> str:
    shown = [name.encode("utf-8", "backslashreplace").decode() for name in names[:NAMED]]
    return ", ".join(shown) + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")
