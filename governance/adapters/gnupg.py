"""GnuPG: the life of a key, the inspection of a certificate, and the reference verifier.

Keys are made, used and deleted through python-gnupg. What decides (inspection, verification) runs gpg itself in a
private, temporary home that holds one certificate, and reads status lines from a file of their own, where nothing
that gpg prints for people can look like one. gpg's exit code is no verdict: it is 0 for revoked and expired keys.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from copy import copy
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

import gnupg

from governance.adapters.colons import UNUSABLE, read_listing
from governance.adapters.openpgp import Signature, admit, certificate
from governance.adapters.private import private_folder
from governance.errors import EnrolmentError, SignatureToolError
from governance.refusals import SignatureRefused
from governance.signatures import CertificateInfo, EnrolledKey, Item, Purpose, Registry, SubKey, Verified

LONGEST_HOME = 80
"""Characters; the agent's sockets live in the home and a socket's path ends at 107."""

TIMEOUT = 30
"""Seconds for one gpg; it takes some ten milliseconds."""

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
_ALONE = ("--no-options", "--batch", "--no-tty", "--no-autostart", "--disable-dirmngr", "--no-auto-key-retrieve")
_AGENT = "default-cache-ttl 0\nmax-cache-ttl 0\ndisable-scdaemon\ns2k-count 65011712\n"
"""No passphrase is remembered; the count is the largest there is, and spares gpg some seconds of calibration."""

_REFUSED_BECAUSE = {
    "EXPKEYSIG": "signature.key_expired",
    "REVKEYSIG": "signature.key_revoked",
    "EXPSIG": "signature.expired",
}
_AGAINST = frozenset({*_REFUSED_BECAUSE, "BADSIG", "ERRSIG", "NODATA", "UNEXPECTED", "FAILURE", "ERROR"})


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
                env=_environment(),
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
            subprocess.run(stop, check=False, capture_output=True, env=_environment())

    def _short(self) -> Path:
        if len(str(self.path)) <= LONGEST_HOME:
            return self.path
        self._link = Path(tempfile.mkdtemp(prefix="keys-", dir="/tmp")) / "home"
        self._link.symlink_to(self.path.resolve())
        return self._link


class GnuPGVerifier:
    """A `SignatureVerifier` that asks gpg: the reference, and the fallback. A home and two gpgs for each signature."""

    def __init__(self, *, gpg: str = "gpg") -> None:
        self._gpg = gpg

    def verify(
        self,
        payload: bytes,
        signature: bytes | None,
        registry: Registry,
        *,
        at: int,
        purpose: Purpose = Purpose.OBJECT,
    ) -> Verified:
        """Return who signed `payload`, judged at `at`; see `SignatureVerifier.verify`."""
        del purpose  # An OpenPGP signature names none: what it is over must say what it is.
        framed, key = admit(payload, signature, registry, at=at)
        with _home_with(key.certificate, at=at, gpg=self._gpg) as home:
            (home.path / "signature").write_bytes(framed.packet)
            home.run("--verify", str(home.path / "signature"), "-", stdin=payload)
            return _judge(home.statuses(), framed, key)

    def verify_many(self, items: Sequence[Item], registry: Registry, *, at: int) -> list[Verified | SignatureRefused]:
        """Return one answer for each item, in order; see `SignatureVerifier.verify_many`."""
        answers: list[Verified | SignatureRefused] = []
        for payload, signature in items:
            try:
                answers.append(self.verify(payload, signature, registry, at=at))
            except SignatureRefused as refused:
                answers.append(refused.with_traceback(None))
        return answers

    def close(self) -> None:
        """Nothing runs between calls."""


def inspect(data: bytes, *, at: int, gpg: str = "gpg") -> CertificateInfo:
    """Return what a certificate says of itself, if it is one that we enrol. That somebody holds it is not shown.

    Raises:
        EnrolmentError: secret, several, unreadable, expired or revoked at `at`, weak, or without a signing key.
    """
    binary = certificate(data)
    with _home_with(binary, at=at, gpg=gpg) as home:
        keys, user_ids = read_listing(home.run("--with-colons", "--fixed-list-mode", "--check-sigs").decode())
    if not keys:
        raise EnrolmentError("certificate: expected one that gpg can use, got none", code="key.unreadable")
    primary, *subkeys = keys
    primary.check()
    signing = [key for key in (primary, *subkeys) if "s" in key.capabilities and key.validity not in UNUSABLE]
    if not signing:
        raise EnrolmentError(
            f"key {primary.fingerprint}: expected a key that may sign, got none", code="key.no_signing"
        )
    for key in signing:
        key.check()
    pinned = [SubKey(key.fingerprint, _earlier(key.expires, primary.expires)) for key in signing]
    return CertificateInfo(primary.fingerprint, primary.algorithm, tuple(user_ids), tuple(pinned), binary)


def _earlier(one: int | None, other: int | None) -> int | None:
    return min((time for time in (one, other) if time is not None), default=None)


def _judge(statuses: list[list[str]], framed: Signature, key: EnrolledKey) -> Verified:
    """Return what the status lines prove. Exactly one signature, valid, and not a word against it."""
    against = [words[0] for words in statuses if words[0] in _AGAINST]
    if against:
        raise SignatureRefused(_REFUSED_BECAUSE.get(against[0], "signature.bad"), f"gpg says {', '.join(against)}.")
    good = [words for words in statuses if words[0] == "GOODSIG"]
    valid = [words for words in statuses if words[0] == "VALIDSIG"]
    if len(good) != 1 or len(valid) != 1:
        raise SignatureRefused("signature.not_one", f"gpg says {len(valid)} valid, {len(good)} good.")
    _, signer, _, created, *_, signature_class, primary = valid[0]
    if signer != framed.issuer or primary != key.fingerprint or signature_class != "00":
        raise SignatureRefused("signature.other_key", f"Expected {framed.issuer}, got {signer}.")
    return Verified(primary, signer, int(created))


@dataclass(frozen=True, slots=True)
class _Home:
    """A home that lives as long as one question."""

    path: Path
    gpg: str
    at: int

    def run(self, *arguments: str, stdin: bytes = b"") -> bytes:
        """Run gpg with its clock stopped at `at`; return standard output. What it means is in `statuses`."""
        command = [self.gpg, "--homedir", str(self.path), *_ALONE, "--trust-model", "always"]
        command += ["--status-file", str(self.path / "status"), "--faked-system-time", f"{self.at}!", *arguments]
        try:
            done = subprocess.run(
                command, input=stdin, capture_output=True, check=False, timeout=TIMEOUT, env=_environment()
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise SignatureToolError(f"gpg {arguments[0]}: expected an answer, got {error}") from None
        return done.stdout

    def statuses(self) -> list[list[str]]:
        """Return the words of each status line of the last run."""
        lines = (self.path / "status").read_text("utf-8", "surrogateescape").splitlines()
        return [words[1:] for line in lines if (words := line.split())[:1] == ["[GNUPG:]"] and len(words) > 1]


@contextmanager
def _home_with(binary: bytes, *, at: int, gpg: str) -> Iterator[_Home]:
    with tempfile.TemporaryDirectory(prefix="keys-") as path:
        home = _Home(Path(path), gpg, at)
        home.run("--import", stdin=binary)
        yield home


def _environment() -> dict[str, str]:
    """Return the environment of gpg: where to find things, and nothing of what the caller is set up to."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8", "HOME": "/nonexistent"}


def _last_line(text: str | None) -> str:
    lines = [line for line in (text or "").splitlines() if line.startswith("gpg:")]
    return lines[-1] if lines else "it does not say why"
