"""SSH keys in a seat: made, shown and used by ssh-keygen. Verification never comes here.

A passphrase is asked by ssh-keygen itself, on the terminal or through SSH_ASKPASS; it never passes through us.
"""

from __future__ import annotations

import base64
import os
import subprocess
from pathlib import Path

from governance.adapters.private import private_folder
from governance.adapters.ssh_wire import fingerprint
from governance.errors import EnrolmentError, SignatureToolError
from governance.signatures import Purpose

TIMEOUT = 120
"""Seconds; a person may be typing a passphrase or looking for a token."""
CURRENT = "signing-key"
"""What git is told to sign with: a link to the key in force, so that a rotation needs no new configuration."""

_KEPT = ("PATH", "HOME", "TERM", "DISPLAY", "WAYLAND_DISPLAY", "SSH_ASKPASS", "SSH_ASKPASS_REQUIRE", "SSH_AUTH_SOCK")


class SshHome:
    """A private folder of SSH keys: one principal's own. Each key's files are named after its fingerprint."""

    def __init__(self, path: Path, *, program: str = "ssh-keygen") -> None:
        """Open the folder, or make it.

        Raises:
            EnrolmentError: It is not a directory of ours alone.
        """
        self.path = private_folder(path)
        self._program = program

    @property
    def current(self) -> Path:
        """Where git finds the key in force."""
        return self.path / CURRENT

    def generate(self, comment: str, *, passphrase: bool = False) -> str:
        """Make an ed25519 key; return its fingerprint. Agents' keys have no passphrase; people's should have one."""
        if not comment.strip() or not comment.isprintable():
            raise EnrolmentError("e-mail address: expected printable text, on one line")
        new = self.path / "new"
        for left in (new, new.with_suffix(".pub")):
            left.unlink(missing_ok=True)
        phrase = () if passphrase else ("-N", "")
        self._run("-q", "-t", "ed25519", "-a", "64", "-C", comment, "-f", str(new), *phrase)
        name = fingerprint(_blob(new.with_suffix(".pub").read_bytes()))
        file = self._file(name)
        new.with_suffix(".pub").rename(file.with_suffix(".pub"))
        new.rename(file)
        return name

    def export_public(self, name: str) -> bytes:
        """Return the public key as one line."""
        return self._public(name).read_bytes()

    def sign(self, data: bytes, name: str, *, purpose: Purpose) -> bytes:
        """Return an armored signature over exactly these bytes, for this purpose alone."""
        self._public(name)
        return self._run("-Y", "sign", "-q", "-n", purpose.value, "-f", str(self._file(name)), stdin=data)

    def use(self, name: str) -> Path:
        """Make this the key that git signs with; return where git finds it."""
        for link, file in ((self.current, self._file(name)), (self.current.with_suffix(".pub"), self._public(name))):
            new = link.with_name(link.name + ".new")
            new.unlink(missing_ok=True)
            new.symlink_to(file.name)
            new.rename(link)
        return self.current

    def _file(self, name: str) -> Path:
        digest = base64.b64decode(name.removeprefix("SHA256:") + "=")
        return self.path / f"ed25519-{digest.hex()[:16]}"

    def _public(self, name: str) -> Path:
        file = self._file(name).with_suffix(".pub")
        if not file.exists() or fingerprint(_blob(file.read_bytes())) != name:
            raise EnrolmentError(f"key {name}: expected it in {self.path}, got nothing", code="key.unknown")
        return file

    def _run(self, *arguments: str, stdin: bytes | None = None) -> bytes:
        environment = {name: os.environ[name] for name in _KEPT if name in os.environ}
        try:
            done = subprocess.run(
                [self._program, *arguments],
                input=stdin,
                capture_output=True,
                check=False,
                timeout=TIMEOUT,
                env=environment | {"LC_ALL": "C.UTF-8"},
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise SignatureToolError(f"{self._program}: expected OpenSSH 8.2 or later, got {error}") from None
        if done.returncode != 0:
            said = done.stderr.decode("utf-8", "replace").strip() or "it does not say why"
            raise SignatureToolError(f"{self._program} {arguments[0]}: {said}")
        return done.stdout


def _blob(line: bytes) -> bytes:
    return base64.b64decode(line.split(b" ")[1])
