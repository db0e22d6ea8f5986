"""One look at the hooks of a repository: what is wrong with them, and whether they are what they were."""

from __future__ import annotations

import hashlib
from pathlib import Path

from governance.adapters import git, hook_files
from governance.adapters.git import GitError
from governance.ports import Watch


def watch(repository: Path, *, identifier: str, socket: Path, dispatched: bool) -> Watch:
    """Return what is wrong with hooks and configuration, and a digest of what is there."""
    try:
        wrong = hook_files.faults(repository, identifier=identifier, socket=socket, dispatched=dispatched)
        return Watch(tuple(wrong), _digest(repository, dispatched=dispatched))
    except (GitError, OSError) as exc:
        return Watch((f"hooks or configuration cannot be looked at: {exc}",), "")


def _digest(repository: Path, *, dispatched: bool) -> str:
    """Return a digest of everything that makes our hooks run as they do: texts, modes, settings, dispatchers."""
    digest = hashlib.sha256()
    home = repository / hook_files.FOLDER
    hooks = [
        *hook_files.hooks(repository, dispatched=dispatched),
        *(repository / "hooks" / name for name in hook_files.HOOKS),
    ]
    for path in (
        *dict.fromkeys(hooks),
        home / "conf",
        *(home / "hook" / hook_files.MODULES / name for name in hook_files.modules()),
    ):
        mode = path.stat().st_mode & 0o777 if path.is_file() else 0
        data = path.read_bytes() if mode else b""
        digest.update(f"{path.name} {mode:o} {len(data)}\n".encode() + data)
    actual = git.config(repository)
    for name in (*hook_files.CONFIG, "core.hooksPath", "extensions.refStorage"):
        digest.update(f"{name}={actual.get(name.lower())}\n".encode())
    return digest.hexdigest()
