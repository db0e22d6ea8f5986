"""What we say of a commit signed by SSH, and what git says, shown the same keys."""

from __future__ import annotations

import base64
import os
import subprocess
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from governance.adapters.sequoia import SequoiaVerifier
from governance.adapters.verifying import EitherVerifier
from governance.objects import parse_commit
from governance.refusals import SignatureRefused
from governance.signatures import EnrolledKey, Registry
from keys import write_object
from signature_cases import AT, Scene

if TYPE_CHECKING:
    from pathlib import Path


def answer(raw: bytes, registry: Registry, *, at: int = AT) -> str:
    commit = parse_commit(raw)
    try:
        EitherVerifier(SequoiaVerifier()).verify(commit.payload, commit.signature, registry, at=at)
    except SignatureRefused as refused:
        return refused.code
    return ""


def git_says(repo: Path, scene: Scene) -> str:
    signers = repo / "allowed_signers"
    signers.write_text("".join(signer(key) for key in scene.enrolled))
    oid = write_object(repo, scene.raw)
    environment = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "TZ": "UTC"}
    command = ["git", "-C", str(repo), "-c", f"gpg.ssh.allowedSignersFile={signers}", "log", "-1", "--format=%G?", oid]
    for _ in range(10):
        done = subprocess.run(command, capture_output=True, check=False, env=environment)
        if done.returncode >= 0:  # Git dies of SIGPIPE at times, where ssh-keygen ends before it has read it all.
            break
    return done.stdout.decode().strip() if done.returncode == 0 else "dies"


def signer(key: EnrolledKey, pattern: str = "ana@example.org") -> str:
    """Return the line by which git would know an enrolled key: its end is `valid-before`, there is no revocation."""
    if not key.fingerprint.startswith("SHA256:"):
        return ""
    kind = key.certificate[4 : 4 + int.from_bytes(key.certificate[:4], "big")].decode()
    ends = key.subkeys[0].expires
    until = f',valid-before="{datetime.fromtimestamp(ends, UTC):%Y%m%d%H%M%S}"' if ends else ""
    return f'{pattern} namespaces="git"{until} {kind} {base64.b64encode(key.certificate).decode()}\n'
