"""git, as a child process: plumbing only, full names, no configuration but the repository's own.

Nothing pushed is ever executed: no external diff, no text conversion, no hooks of the repository.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from governance.errors import FactsError, NotFoundError, SettingsError

TIMEOUT_S = 30
LEFT_MS = 600_000
DIFF_LIMIT = 4 * 1024 * 1024
"""Bytes of a change's diff that we show; the rest is named, not sent."""


class GitError(FactsError):
    """git would not say, or said no."""

    code = "facts.git"


@cache
def program() -> str:
    """Return the absolute path of git.

    Raises:
        SettingsError: There is none on the PATH.
    """
    found = shutil.which("git")
    if found is None:
        raise SettingsError("git is not on the PATH", mend="Install git 2.38 or later.")
    return os.path.realpath(found)


def environment(repository: Path) -> dict[str, str]:
    """Return the whole environment of a git child: nothing of ours goes in but the path."""
    return {
        "PATH": os.defpath,
        "HOME": "/nonexistent",
        "LC_ALL": "C",
        "GIT_DIR": str(repository),
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_TERMINAL_PROMPT": "0",
        # A missing object is not fetched: the repository's own settings would name the program that does it.
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_ALLOW_PROTOCOL": "none",
    }


def run(
    repository: Path,
    *args: str,
    stdin: bytes = b"",
    extra: Mapping[str, str] | None = None,
    ok: tuple[int, ...] = (0,),
    timeout: float = TIMEOUT_S,
) -> bytes:
    """Run one git command in a repository and return what it printed.

    Raises:
        GitError: It could not run, took longer than `timeout` seconds, or ended with another status than those in `ok`.
    """
    env = {**environment(repository), **(extra or {})}
    try:
        done = subprocess.run(
            [program(), *args], input=stdin, capture_output=True, env=env, timeout=timeout, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as exc:
        raise GitError(f"git {args[0]} in {repository}: {exc}") from exc
    if done.returncode not in ok:
        said = done.stderr.decode("utf-8", "replace").strip()[:400]
        raise GitError(f"git {args[0]} in {repository} ended with {done.returncode}: {said}")
    return done.stdout


def refs(repository: Path) -> dict[str, tuple[str, str]]:
    """Return every ref with its object name and, where it is symbolic, what it points to. HEAD is not among them."""
    out = run(repository, "for-each-ref", "--format=%(objectname)%00%(symref)%00%(refname)")
    found = {}
    for line in out.split(b"\n")[:-1]:  # A ref's name may hold what text calls a line end; a line feed it may not.
        oid, symref, name = line.decode("utf-8", "surrogateescape").split("\0")
        found[name] = (oid, symref)
    return found


def is_bare(repository: Path) -> bool:
    """Whether a folder is a bare repository."""
    if not (repository / "objects").is_dir() or not (repository / "refs").is_dir():
        return False
    return run(repository, "rev-parse", "--is-bare-repository") == b"true\n"


def config(repository: Path) -> dict[str, str]:
    """Return the repository's own configuration, last value of each name; names in lower case."""
    out = run(repository, "config", "--file", str(repository / "config"), "--list", "-z", ok=(0, 1))
    pairs = (item.partition("\n") for item in out.decode("utf-8", "replace").split("\0") if item)
    return {name.lower(): value for name, _, value in pairs}


def set_config(repository: Path, values: Mapping[str, str]) -> None:
    """Write settings into the repository's own configuration."""
    for name, value in values.items():
        run(repository, "config", "--file", str(repository / "config"), "--replace-all", name, value)


def create_ref(repository: Path, ref: str, oid: str, *, reservation: str) -> None:
    """Create a ref that a reservation holds; the repository's own transaction hook checks it."""
    line = f"create {ref} {oid}\n".encode()
    run(repository, "update-ref", "--stdin", stdin=line, extra={"TWINSEAL_RESERVATION": reservation})


def left_locks(repository: Path, *, now: int) -> list[str]:
    """Return lock files that nobody has touched for ten minutes, by path below the repository. `now` is in ms.

    A git that was killed leaves its own behind, and the ref under it cannot move until the file is removed.
    """
    found = []
    for file in [*repository.glob("refs/**/*.lock"), *repository.glob("*.lock")]:
        with contextlib.suppress(OSError):  # A living git takes its own away at any moment.
            if file.stat().st_mtime_ns // 1_000_000 < now - LEFT_MS:
                found.append(str(file.relative_to(repository)))
    return sorted(found)


def diff(repository: Path, base: str, head: str) -> str:
    """Return the patch from one commit to another, from the empty tree where `base` is empty.

    No renames, no external programs, no attributes of the pushed tree. Cut after 4 MiB, and said so.

    Raises:
        NotFoundError: The head is not in the repository (any more).
    """
    start = base or run(repository, "hash-object", "-t", "tree", os.devnull).decode().strip()
    options = ("--no-color", "--no-ext-diff", "--no-textconv", "--no-renames", "--full-index")
    sides = ("--src-prefix=a/", "--dst-prefix=b/")
    try:
        out = run(repository, "diff-tree", "-p", "-r", *options, *sides, start, head)
    except GitError as exc:
        raise NotFoundError(f"{head[:12]} cannot be read: {exc}") from exc
    text = out[:DIFF_LIMIT].decode("utf-8", "replace")
    return text + (f"\n[{len(out) - DIFF_LIMIT} more bytes are not shown]\n" if len(out) > DIFF_LIMIT else "")
