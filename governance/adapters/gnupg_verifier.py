"""GnuPG: the inspection of a certificate, and the reference verifier.

What decides runs gpg itself in a private, temporary home that holds one certificate, and reads status lines from a file
of their own, where nothing that gpg prints for people can look like one. gpg's exit code is no verdict: it is 0 for
revoked and expired keys.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from governance.adapters.colons import UNUSABLE, read_listing
from governance.adapters.gnupg_home import environment
from governance.adapters.openpgp import Signature, admit, certificate
from governance.errors import EnrolmentError, SignatureToolError
from governance.refusals import SignatureRefused
from governance.signatures import CertificateInfo, EnrolledKey, Item, Purpose, Registry, SubKey, Verified

TIMEOUT = 30
"""Seconds for one gpg; it takes some ten milliseconds."""

_ALONE = ("--no-options", "--batch", "--no-tty", "--no-autostart", "--disable-dirmngr", "--no-auto-key-retrieve")
_REFUSED_BECAUSE = {
    "EXPKEYSIG": "signature.key_expired",
    "REVKEYSIG": "signature.key_revoked",
    "EXPSIG": "signature.expired",
}
_AGAINST = frozenset({*_REFUSED_BECAUSE, "BADSIG", "ERRSIG", "NODATA", "UNEXPECTED", "FAILURE", "ERROR"})


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
                command, input=stdin, capture_output=True, check=False, timeout=TIMEOUT, env=environment()
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
