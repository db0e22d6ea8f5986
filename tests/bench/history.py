"""Really signed commits, a thousand in a second: what is pushed and judged in every part."""

from __future__ import annotations

import hashlib
import subprocess
import zlib
from pathlib import Path

from governance.adapters import git
from tests.keys import Key, commit_bytes, sign_commit

FILES = 40
"""Files that the commits of a line change in turn."""


def line(repository: Path, key: Key, count: int, *, name: str, base: str = "", lines: int = 1) -> list[str]:
    """Write a line of signed commits on `base`, each changing one file of so many lines; return them, oldest first."""
    ref = f"refs/bench/{name}"
    stream = bytearray()
    for number in range(count):
        text = "".join(f"{name} {number} {row}\n" for row in range(lines)).encode()
        stream += b"commit %b\ncommitter A <a@example.org> 1 +0000\ndata 1\nm\n" % ref.encode()
        stream += b"from %b\n" % base.encode() if base and not number else b""
        stream += b"M 100644 inline src/%b/%d.txt\ndata %d\n%b\n" % (name.encode(), number % FILES, len(text), text)
    _run(repository, "fast-import", "--quiet", "--force", stdin=bytes(stream))
    span = (ref, f"^{base}") if base else (ref,)
    trees = _run(repository, "log", "--reverse", "--format=%T", *span).decode().split()
    made = []
    for number, tree in enumerate(trees):
        base = write(repository, signed(key, tree, base, message=f"{name} {number}\n"))
        made.append(base)
    _run(repository, "update-ref", ref, base)
    _run(repository, "repack", "-adq")
    return made


def signed(key: Key, tree: str, parent: str, *, message: str) -> bytes:
    """Return a signed commit by the key's owner."""
    author = f"{key.name} <{key.email}>"
    return sign_commit(commit_bytes(tree, [parent] if parent else [], author=author, message=message), key)


def write(repository: Path, raw: bytes) -> str:
    """Write a commit as a loose object, without the ten milliseconds that git takes to start; return its name."""
    framed = b"commit %d\0%b" % (len(raw), raw)
    name = hashlib.sha1(framed, usedforsecurity=False).hexdigest()
    path = repository / "objects" / name[:2] / name[2:]
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(zlib.compress(framed, 1))
    return name


def _run(repository: Path, *args: str, stdin: bytes = b"") -> bytes:
    env = git.environment(repository)
    return subprocess.run([git.program(), *args], input=stdin, env=env, check=True, capture_output=True).stdout
