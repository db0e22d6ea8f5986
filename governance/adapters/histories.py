"""A repository's whole history, looked at and kept in order: for adoption and for maintenance. git does the work."""

from __future__ import annotations

from pathlib import Path

from governance.adapters import git
from governance.baseline import Baseline, Tip
from governance.record import CHECKPOINTS

LONG_S = 6 * 3600
"""A history of millions of commits takes hours to pack."""
WALK_S = 600
FORMAT = "%(objectname)%00%(objecttype)%00%(tree)%(*tree)%00%(symref)%00%(refname)"
LENDERS = {
    "objects/info/alternates": "objects are lent by another repository",
    "objects/info/http-alternates": "objects are lent over HTTP",
    "shallow": "its history is cut off (shallow)",
    "info/grafts": "its history is rewritten by grafts",
}


def baseline(repository: Path) -> Baseline:
    """Return every ref with its tree, and how many commits they reach; without the ledger's own checkpoints.

    Every commit is read, unless objects are borrowed; that trees and blobs are there is `connected`'s business.

    Raises:
        GitError: git would not say; a commit that is missing, for one.
    """
    if borrowed := _borrowed(repository):  # First: who reads objects there follows whatever lends them.
        return Baseline((), 0, "", tuple(borrowed))
    out = git.run(repository, "for-each-ref", f"--format={FORMAT}")
    # A ref's name may hold what text calls a line end; a line feed it may not.
    found = (_tip(line.decode("utf-8", "surrogateescape")) for line in out.split(b"\n")[:-1])
    tips = tuple(tip for tip in found if tip.ref != CHECKPOINTS)
    count = ("rev-list", "--count", f"--exclude={CHECKPOINTS}", "--all")
    commits = int(git.run(repository, *count, timeout=WALK_S)) if tips else 0
    head = git.run(repository, "symbolic-ref", "--quiet", "HEAD", ok=(0, 1)).decode("utf-8", "surrogateescape")
    return Baseline(tips, commits, head.rstrip("\n"))


def _tip(line: str) -> Tip:
    oid, type_, tree, symref, ref = line.split("\0")
    return Tip(ref, oid, type_, tree, symref)


def _borrowed(repository: Path) -> list[str]:
    found = [f"{name}: {why}" for name, why in LENDERS.items() if (repository / name).exists()]
    config = git.config(repository)
    partial = "extensions.partialclone" in config or any(name.endswith(".promisor") for name in config)
    return [*found, *(["objects are promised by a remote (partial clone)"] if partial else [])]


def connected(repository: Path) -> None:
    """Refuse a repository that lacks an object its refs need. Content is not hashed again: that is `git fsck --full`.

    Raises:
        GitError: Something is missing, and which.
    """
    git.run(repository, "fsck", "--connectivity-only", "--no-dangling", "--no-progress", timeout=WALK_S)


def pack_refs(repository: Path, *, reservation: str) -> None:
    """Pack every loose ref; each keeps its value.

    Raises:
        GitError: The transaction hook would not let a ref be packed, or git failed.
    """
    git.run(repository, "pack-refs", "--all", extra={"TWINSEAL_RESERVATION": reservation}, timeout=LONG_S)


def collect(repository: Path, *, reservation: str) -> None:
    """Pack objects, and drop what nothing has needed for two weeks; refs are left as they are.

    Raises:
        GitError: git failed.
    """
    extra = {"TWINSEAL_RESERVATION": reservation}
    git.run(repository, "-c", "gc.packRefs=false", "gc", "--quiet", extra=extra, timeout=LONG_S)


def size(repository: Path) -> int:
    """Return how many bytes its objects take on disk."""
    out = git.run(repository, "count-objects", "-v").decode()
    counted = dict(line.split(": ", 1) for line in out.splitlines())
    return 1024 * (int(counted["size"]) + int(counted["size-pack"]))
