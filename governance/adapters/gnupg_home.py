"""GnuPG: the life of a key, made, used and deleted through python-gnupg in a private home."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import tempfile
from contextlib import suppress
from copy import copy
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

import gnupg

from governance.adapters.private import private_folder
from governance.errors import EnrolmentError, SignatureToolError

LONGEST_HOME = 80
"""Characters; the agent's sockets live in the home and a socket's path ends at 107."""

_PARAMETERS = """\
Key-Type: EDDSA
Key-Curve: ed25519
Key-Usage: cert
Subkey-Type: EDDSA
Subkey-Curve: ed25519
Subkey-Usage: sign
Name-Real: {name}
Name-Email: {email}
Expire-Date: {expires}
"""
_AGENT = "default-cache-ttl 0\nmax-cache-ttl 0\ndisable-scdaemon\ns2k-count 65011712\n"
"""No passphrase is remembered; the count is the largest there is, and spares gpg some seconds of calibration."""


class KeyHome:
    """A private GnuPG home with secret keys: one principal's own machine, or the demo, which holds them all.

    Use it as a context, or call `close`: the last one to close ends the agent that gpg starts. Several processes
    may have a home open at once. Passphrases are never cached.
    """

    def __init__(self, path: Path, *, gpg: str = "gpg") -> None:
        """Open a home, or make one.

        Raises:
            EnrolmentError: it is not a directory of ours alone.
            SignatureToolError: gpg cannot be run.
        """
        self.path = private_folder(path)
        self._link: Path | None = None
        self.short = self._short()
        """The same home under a name that leaves room for its sockets: what to give to gpg."""
        self._in_use: int | None = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        fcntl.flock(self._in_use, fcntl.LOCK_SH)
        (path / "gpg-agent.conf").write_text(_AGENT)
        try:
            self._gpg = gnupg.GPG(
                gpgbinary=gpg,
                gnupghome=str(self.short),
                encoding="utf-8",
                env=environment(),
                options=["--no-options", "--pinentry-mode", "loopback"],
            )
        except (OSError, ValueError) as error:
            self.close()
            raise SignatureToolError(f"{gpg}: expected GnuPG, got {error}") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """End the agent if nobody else uses the home, and forget the short name. Keys stay."""
        if self._in_use is None:
            return
        with suppress(BlockingIOError):
            fcntl.flock(self._in_use, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._end_agent()
        os.close(self._in_use)
        self._in_use = None
        if self._link is not None:
            shutil.rmtree(self._link.parent, ignore_errors=True)

    def generate(self, name: str, email: str, *, expires: int | None = None, passphrase: str = "") -> str:
        """Make an ed25519 certificate with a signing subkey; return its fingerprint.

        Agents' keys have no passphrase, since nobody is there to type it; people's should have one.
        """
        for what, value in (("name", name), ("e-mail address", email), ("passphrase", passphrase or "-")):
            if not value.strip() or not value.isprintable() or (what != "passphrase" and set("<>()") & set(value)):
                raise EnrolmentError(f"{what}: expected printable text without brackets, on one line")
        until = datetime.fromtimestamp(expires, UTC).strftime("%Y%m%dT%H%M%S") if expires is not None else "0"
        parameters = _PARAMETERS.format(name=name, email=email, expires=until)
        gpg = copy(self._gpg)
        if passphrase:
            # The first line of the input, as for signing; python-gnupg has no argument for it here.
            gpg.options = [*gpg.options, "--passphrase-fd", "0"]
            made = gpg.gen_key(f"{passphrase}\n{parameters}%commit\n")
        else:
            made = gpg.gen_key(f"{parameters}%no-protection\n%commit\n")
        if not made.fingerprint:
            raise SignatureToolError(f"key for {email}: gpg made none: {_last_line(made.stderr)}")
        return str(made.fingerprint)

    def export_public(self, fingerprint: str) -> bytes:
        """Return the certificate in binary, without other people's signatures on it."""
        exported = self._gpg.export_keys(fingerprint, armor=False, minimal=True)
        if not exported:
            raise EnrolmentError(f"key {fingerprint}: expected it in {self.path}, got nothing", code="key.unknown")
        return bytes(exported)

    def sign(self, data: bytes, fingerprint: str, *, passphrase: str | None = None) -> bytes:
        """Return an armored detached signature over exactly these bytes."""
        # python-gnupg's `keyid` becomes --default-key, and gpg signs with another key where that one is missing.
        this_key = ["--local-user", fingerprint]
        signed = self._gpg.sign(data, passphrase=passphrase, detach=True, clearsign=False, extra_args=this_key)
        if not signed.data or signed.status != "signature created":
            raise SignatureToolError(f"key {fingerprint}: gpg made no signature: {_last_line(signed.stderr)}")
        return bytes(signed.data)

    def revocation(self, fingerprint: str) -> bytes:
        """Return the armored revocation that was made with the key. Whoever has it can end the key."""
        try:
            text = (self.path / "openpgp-revocs.d" / f"{fingerprint}.rev").read_text()
        except FileNotFoundError:
            said = f"key {fingerprint}: expected its revocation in {self.path}, got nothing"
            raise EnrolmentError(said, code="key.unknown") from None
        # gpg puts a colon before the first line, so that nobody imports it by accident.
        return text[text.index("-----BEGIN") :].encode()

    def delete(self, fingerprint: str) -> None:
        """Delete the secret and the public key. Its revocation stays."""
        for secret in (True, False):
            deleted = self._gpg.delete_keys(fingerprint, secret=secret, expect_passphrase=False)
            if deleted.status != "ok":
                raise EnrolmentError(f"key {fingerprint}: gpg did not delete it: {deleted.status}", code="key.unknown")

    def _end_agent(self) -> None:
        stop = ["gpgconf", "--homedir", str(self.short), "--kill", "all"]
        with suppress(FileNotFoundError):  # No GnuPG, no agent.
            subprocess.run(stop, check=False, capture_output=True, env=environment())

    def _short(self) -> Path:
        if len(str(self.path)) <= LONGEST_HOME:
            return self.path
        self._link = Path(tempfile.mkdtemp(prefix="keys-", dir="/tmp")) / "home"
        self._link.symlink_to(self.path.resolve())
        return self._link


def environment() -> dict[str, str]:
    """Return the environment of gpg: where to find things, and nothing of what the caller is set up to."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8", "HOME": "/nonexistent"}


def _last_line(text: str | None) -> str:
    lines = [line for line in (text or "").splitlines() if line.startswith("gpg:")]
    return lines[-1] if lines else "it does not say why"
