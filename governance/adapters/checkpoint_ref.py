"""The ledger's checkpoint in a governed repository: `refs/ledger/checkpoints`, a commit for each, one file in it.

Whoever fetches it holds evidence: an older copy of the ledger, or another, does not continue what stands there.
"""

from __future__ import annotations

from pathlib import Path

from audit.note import LARGEST
from governance.adapters import git
from governance.adapters.yard import GitYard
from governance.record import CHECKPOINTS as REF

FILE = "checkpoint"
ZERO = "0" * 40
AUTHOR = "Twinseal <twinseal@localhost>"


def publish(path: Path, note: str, *, at: int, handle: str) -> bool:
    """Add a checkpoint on top of those that are there; False where it is the last already. `at` is in Unix seconds.

    Raises:
        GitError: Git would not: the repository is frozen, gone, or not ours to write.
    """
    yard = GitYard()
    tip = yard.tip(str(path), REF)
    if tip and latest(path) == note:
        return False
    blob = git.run(path, "hash-object", "-w", "--stdin", stdin=note.encode()).decode().strip()
    tree = git.run(path, "mktree", stdin=f"100644 blob {blob}\t{FILE}\n".encode()).decode().strip()
    parent = f"parent {tip}\n" if tip else ""
    stamp = f"{AUTHOR} {at} +0000"
    origin, size = note.split("\n")[:2]
    text = f"tree {tree}\n{parent}author {stamp}\ncommitter {stamp}\n\n{origin}: checkpoint of {size} entries\n"
    commit = yard.store(str(path), text.encode())
    line = (tip or ZERO, commit, REF)
    yard.reserve(str(path), handle, [line])
    try:
        yard.move(str(path), handle, line)
    finally:
        yard.clear(str(path), handle)
    return True


def latest(path: Path) -> str | None:
    """Return the note that stands there now, or None. What is larger than a note is none: others write there, too."""
    try:
        if int(git.run(path, "cat-file", "-s", f"{REF}:{FILE}")) > LARGEST:
            return None
        return git.run(path, "cat-file", "blob", f"{REF}:{FILE}").decode("utf-8", "replace")
    except git.GitError:
        return None
