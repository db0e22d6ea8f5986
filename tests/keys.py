"""Real keys and really signed objects, quickly: what tests that push use.

`make_key` makes a key in a millisecond with Sequoia, or with gpg where a `KeyHome` is given; both sign.
Nothing is mocked: the signatures are what git and gpg accept.
"""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import pysequoia
from pysequoia.packet import PacketPile

from governance.signatures import EnrolledKey, SubKey, register

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from governance.adapters.gnupg_home import KeyHome

LONG_AGO = 1
"""When test keys are enrolled: before anything is received."""

ZONE = "+0000"


@dataclass(frozen=True, slots=True)
class Key:
    """Somebody's key, and the way to sign with it."""

    name: str
    email: str
    fingerprint: str
    signing: str
    """The fingerprint of the subkey that signs."""
    certificate: bytes
    sign: Callable[[bytes], bytes]

    def enrolled(self, principal: str = "", *, at: int = LONG_AGO, revoked_at: int | None = None) -> EnrolledKey:
        """Return the key as enrolled for a principal, by default named as the key is."""
        pinned = (SubKey(self.signing, None),)
        return EnrolledKey(self.fingerprint, principal or self.name, self.certificate, pinned, at, revoked_at)


def registry_of(keys: Iterable[Key]) -> dict[str, EnrolledKey]:
    """Return a registry in which each key belongs to the principal it is named after."""
    return register(key.enrolled() for key in keys)


def make_key(home: KeyHome | None, name: str, email: str) -> Key:
    """Make a key: in a gpg home where one is given, otherwise in this process, which is fifty times quicker."""
    if home is None:
        secret = pysequoia.Tsk.generate(f"{name} <{email}>")
        certificate, sign = bytes(secret.extract_certificate()), _sequoia_signer(secret)
    else:
        fingerprint = home.generate(name, email)
        certificate, sign = home.export_public(fingerprint), lambda data: home.sign(data, fingerprint)
    primary, signing = _fingerprints(certificate)
    return Key(name, email, primary, signing, certificate, sign)


@cache
def key_of(name: str) -> Key:
    """Return the key of `name <name@example.org>`: always the same one in a test run."""
    return make_key(None, name, f"{name}@example.org")


def _sequoia_signer(secret: pysequoia.Tsk) -> Callable[[bytes], bytes]:
    signer = secret.signer()
    return lambda data: pysequoia.sign(signer, data, mode=pysequoia.SignatureMode.DETACHED)


def _fingerprints(certificate: bytes) -> tuple[str, str]:
    """Return the primary's fingerprint and that of the first subkey bound for signing, else the primary's again."""
    primary = latest = ""
    for packet in PacketPile.from_bytes(certificate):
        if packet.fingerprint is not None:
            latest = packet.fingerprint.upper()
            primary = primary or latest
        elif latest != primary and packet.key_flags is not None and packet.key_flags.signing:
            return primary, latest
    return primary, primary


def commit_bytes(
    tree: str,
    parents: Iterable[str] = (),
    *,
    author: str = "ana <ana@example.org>",
    committer: str = "",
    message: str = "a change\n",
    when: int = 1_700_000_000,
    extra: bytes = b"",
) -> bytes:
    """Return an unsigned commit object; `extra` is further headers, whole lines."""
    lines = [f"tree {tree}", *(f"parent {parent}" for parent in parents)]
    lines += [f"author {author} {when} {ZONE}", f"committer {committer or author} {when} {ZONE}", ""]
    return "\n".join(lines).encode() + extra + b"\n" + message.encode()


def with_signature(raw: bytes, signature: bytes, *, header: bytes = b"gpgsig") -> bytes:
    """Return the commit with this signature as its last header, folded as git does."""
    head, _, message = raw.partition(b"\n\n")
    return head + b"\n" + header + b" " + signature.rstrip(b"\n").replace(b"\n", b"\n ") + b"\n\n" + message


def sign_commit(raw: bytes, key: Key) -> bytes:
    """Return the commit, signed."""
    return with_signature(raw, key.sign(raw))


def write_object(repo: Path, raw: bytes, *, kind: str = "commit") -> str:
    """Write an object as it is, whatever git thinks of it; return its name."""
    command = ["git", "-C", str(repo), "hash-object", "-t", kind, "-w", "--stdin", "--literally"]
    return subprocess.run(command, input=raw, check=True, capture_output=True).stdout.decode().strip()


def signed_commit(
    repo: Path,
    tree: str,
    parents: Iterable[str] = (),
    *,
    author: str = "",
    key: Key,
    message: str = "a change\n",
    when: int = 1_700_000_000,
) -> str:
    """Write a signed commit and return its name. The author is the key's own, unless another is given."""
    raw = commit_bytes(tree, parents, author=author or f"{key.name} <{key.email}>", message=message, when=when)
    return write_object(repo, sign_commit(raw, key))
