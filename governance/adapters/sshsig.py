"""What an SSH signature *is*, before any mathematics: strict framing, nothing looser.

Source: OpenSSH's PROTOCOL.sshsig and PROTOCOL.u2f. ssh-keygen ignores what stands after the armor; git looks at the
key as the date of the commit finds it. Here nothing stands around the block, every field has one form, and the key
must be the very one that was enrolled. An SSH signature says nothing of time: only receipt counts. Pure.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass

from governance.adapters.ssh_wire import Reader, WireError, fingerprint, string
from governance.refusals import SignatureRefused
from governance.signatures import MAX_SIGNATURE, EnrolledKey, Purpose, Registry, standing_of

BEGIN = b"-----BEGIN SSH SIGNATURE-----"
MAGIC = b"SSHSIG"
PRESENT = 0x01
"""A token's flag: somebody touched it."""

_HASHES = frozenset({"sha256", "sha512"})
_TOKEN = "sk-ssh-ed25519@openssh.com"  # noqa: S105 - the name of an algorithm
_SIGNS: Mapping[str, frozenset[str]] = {
    "ssh-rsa": frozenset({"rsa-sha2-256", "rsa-sha2-512"}),
    **{
        name: frozenset({name})
        for name in ("ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", _TOKEN)
    },
}
"""Which signatures a type of key makes. `ssh-rsa` as a signature is SHA-1."""

_ARMOR = re.compile(
    BEGIN + rb"\n(?P<body>(?:[A-Za-z0-9+/]{1,76}={0,2}\n)+)-----END SSH SIGNATURE-----\n?\Z",
)


@dataclass(frozen=True, slots=True)
class SshSignature:
    """One signature, as it describes itself."""

    key: bytes
    """The public key that it says made it: a claim until it is compared with what was enrolled."""
    namespace: bytes
    hash: str
    algorithm: str
    value: bytes
    flags: bytes = b""
    """A token's flags and counter, as they were signed; empty for every other key."""

    def signed(self, payload: bytes) -> bytes:
        """Return what the mathematics is about, for this payload."""
        digest = hashlib.new(self.hash, payload).digest()
        parts = (self.namespace, b"", self.hash.encode(), digest)
        return MAGIC + b"".join(string(part) for part in parts)


def frame(signature: bytes | None) -> SshSignature:
    """Return the one signature that these armored bytes are.

    Raises:
        SignatureRefused: Anything else.
    """
    if not signature or not signature.strip():
        raise SignatureRefused("signature.missing")
    if len(signature) > MAX_SIGNATURE:
        raise SignatureRefused("signature.size", f"Expected at most {MAX_SIGNATURE} bytes, got {len(signature)}.")
    try:
        return _read(_dearmor(signature))
    except WireError as exc:
        raise SignatureRefused("signature.malformed", f"{exc}.".capitalize()) from None


def admit(
    payload: bytes, signature: bytes | None, registry: Registry, *, at: int, purpose: Purpose
) -> tuple[SshSignature, EnrolledKey, bytes]:
    """Return the framed signature, the enrolment of its key, and what it must be a signature over.

    Raises:
        SignatureRefused: Not one signature, for another purpose, or by a key that may not sign at `at`.
    """
    framed = frame(signature)
    if framed.namespace != purpose.value.encode():
        said = f"Expected namespace {purpose.value!r}, got {framed.namespace.decode('utf-8', 'replace')[:40]!r}."
        raise SignatureRefused("signature.namespace", said)
    key = standing_of(registry, fingerprint(framed.key), created=at, at=at)
    if framed.key != key.certificate:
        raise SignatureRefused("signature.other_key", f"Expected {key.fingerprint}.")
    return framed, key, framed.signed(payload)


def _dearmor(data: bytes) -> bytes:
    match = _ARMOR.match(data)
    if match is None:
        raise SignatureRefused("signature.armor")
    text = match["body"].replace(b"\n", b"")
    try:
        binary = base64.b64decode(text, validate=True)
    except binascii.Error:
        raise SignatureRefused("signature.armor", "Its base64 is broken.") from None
    if base64.b64encode(binary) != text:
        raise SignatureRefused("signature.armor", "Its base64 has stray bits.")
    return binary


def _read(binary: bytes) -> SshSignature:
    reader = Reader(binary)
    if reader.take(len(MAGIC), "magic") != MAGIC:
        raise WireError(f"expected {MAGIC.decode()}")
    version = reader.uint32("version")
    if version != 1:
        raise SignatureRefused("signature.version", f"Got {version}.")
    key = reader.string("public key")
    namespace = reader.string("namespace")
    if reader.string("reserved"):
        raise WireError("expected the reserved field to be empty")
    digest = reader.name("hash")
    made = Reader(reader.string("signature"))
    reader.end("signature")
    algorithm = _algorithm(Reader(key).name("key type"), made.name("signature type"))
    if digest not in _HASHES:
        raise SignatureRefused("signature.hash", f"SSH signatures have sha256 or sha512; got {digest}.")
    value = made.string("signature value")
    flags = _flags(made) if algorithm == _TOKEN else b""
    made.end("signature value")
    return SshSignature(key, namespace, digest, algorithm, value, flags)


def _algorithm(key: str, made: str) -> str:
    if key.endswith("-cert-v01@openssh.com"):
        raise SignatureRefused("signature.certificate", f"Got {key}.")
    if (key, made) == ("ssh-rsa", "ssh-rsa"):
        raise SignatureRefused("signature.hash", "Got ssh-rsa, which is SHA-1.")
    if made not in _SIGNS.get(key, ()):
        raise SignatureRefused("signature.algorithm", f"Got {made} by a key of type {key}.")
    return made


def _flags(made: Reader) -> bytes:
    flags = made.take(1, "flags") + made.take(4, "counter")
    if not flags[0] & PRESENT:
        raise SignatureRefused("signature.presence", f"Got flags {flags[0]:#04x}.")
    return flags
