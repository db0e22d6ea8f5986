"""A canary as git would have it, without a trace in the repository: its objects are made in a folder that goes away."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from governance.adapters import git
from governance.errors import RequestError
from governance.facts import Change, Content, diff_digest

LINE = 4
PATCH = ("--no-color", "--no-ext-diff", "--no-textconv", "--no-renames", "--full-index", "--src-prefix=a/")


@dataclass(frozen=True, slots=True)
class Made:
    """What a change with a defect in it would be."""

    tree: str
    diff_digest: str
    blob: str
    patch: str
    """From the base, to be applied by whoever pushes it."""


def text(repository: Path, head: str, path: str) -> str:
    """Return a file of a commit.

    Raises:
        RequestError: It is no text in UTF-8.
    """
    try:
        return git.run(repository, "cat-file", "blob", f"{head}:{path}").decode("utf-8")
    except UnicodeDecodeError as exc:
        raise RequestError(f"{path} is no text in UTF-8", code="canary.no_text") from exc


def make(repository: Path, base: str, head: str, path: str, changed: str) -> Made:
    """Return what the commit `head` would be with this text in one of its files."""
    start = base or git.run(repository, "hash-object", "-t", "tree", "/dev/null").decode().strip()
    with tempfile.TemporaryDirectory(prefix="twinseal-canary-") as folder:
        extra = {
            "GIT_INDEX_FILE": f"{folder}/index",
            "GIT_OBJECT_DIRECTORY": folder,
            "GIT_ALTERNATE_OBJECT_DIRECTORIES": str(repository / "objects"),
        }
        mode = _said(repository, extra, "ls-tree", head, "--", f":(literal){path}").split(" ")[0]
        blob = _said(repository, extra, "hash-object", "-w", "--stdin", stdin=changed.encode())
        _said(repository, extra, "read-tree", head)
        _said(repository, extra, "update-index", "--cacheinfo", f"{mode},{blob},{path}")
        tree = _said(repository, extra, "write-tree")
        raw = git.run(repository, "diff-tree", "-r", "-z", "--no-renames", start, tree, extra=extra)
        patch = git.run(repository, "diff-tree", "-p", "-r", "--binary", *PATCH, start, tree, extra=extra)
    return Made(tree, diff_digest(_changes(raw)), blob, patch.decode("utf-8", "surrogateescape"))


def _said(repository: Path, extra: Mapping[str, str], *args: str, stdin: bytes = b"") -> str:
    return git.run(repository, *args, stdin=stdin, extra=extra).decode("utf-8", "surrogateescape").strip()


def _changes(raw: bytes) -> list[Change]:
    """Read what `diff-tree -r -z` says; only names and modes matter to a digest."""
    words = raw.split(b"\0")[:-1]
    found = []
    for line, path in zip(words[::2], words[1::2], strict=True):
        old_mode, new_mode, old, new = line.decode("ascii").removeprefix(":").split(" ")[:LINE]
        name = path.decode("utf-8", "surrogateescape")
        found.append(Change(name, old_mode, new_mode, old, new, content=Content.TEXT, lines=0, size=0))
    return found
