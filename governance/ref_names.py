"""What else a short ref name would be taken for, by git or by people, in the repository or in a clone.

Source: gitrevisions(7), "Specifying Revisions": a short name is looked up as itself, then under refs/, refs/tags/,
refs/heads/ and refs/remotes/, and only then as the beginning of an object name or as what `git describe` prints. A tag
`origin/main` therefore stands before every clone's remote branch, and a branch `1a2b3c4` before the commit.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_OBJECT_NAME = re.compile(r"(?:.*-g)?[0-9a-f]{7,64}", re.IGNORECASE)
"""From what git abbreviates to, as it prints them or as `git describe` does; git reads capitals, too."""

_PSEUDO = re.compile(r"[A-Z_]*HEAD")
_OWN = frozenset(
    {
        "head", "fetch_head", "orig_head", "merge_head", "rebase_head", "revert_head", "cherry_pick_head",
        "bisect_head", "bisect_expected_rev", "auto_merge", "merge_autostash", "stash",
    }
)  # fmt: skip
"""Files of git's own beside refs/, in lower case: many a file system does not tell the two apart."""

_PLACES = frozenset({"refs", "heads", "tags", "remotes", "notes"})


def reads_like_object(short: str) -> bool:
    """Whether somebody who is told of a commit by this name would get the ref."""
    return _OBJECT_NAME.fullmatch(short) is not None


def taken_for(short: str) -> str:
    """Return what git would look at before this ref, or people instead of it; empty if nothing."""
    first, slash, _ = short.casefold().partition("/")
    if slash and first in _PLACES:
        return f"something under {first}/"
    return short if short.casefold() in _OWN or _PSEUDO.fullmatch(short) else ""


def endings(short: str) -> Iterator[str]:
    """Yield the name without none, one, two ... of its leading parts: what may follow a remote's name in a clone."""
    parts = short.split("/")
    yield from ("/".join(parts[start:]) for start in range(len(parts)))
