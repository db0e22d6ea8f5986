"""SSH keys and signatures, made by ssh-keygen, or field by field where no tool would make them so."""

from __future__ import annotations

import base64
import hashlib
import subprocess
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, TypeAlias

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from governance.adapters.ssh_keys import inspect_ssh
from governance.adapters.ssh_wire import fingerprint, string
from governance.signatures import EnrolledKey, SubKey

if TYPE_CHECKING:
    from pathlib import Path

Secret: TypeAlias = ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
CURVES = {"nistp256": ec.SECP256R1(), "nistp384": ec.SECP384R1(), "nistp521": ec.SECP521R1()}
EC_HASHES = {"secp256r1": hashes.SHA256(), "secp384r1": hashes.SHA384(), "secp521r1": hashes.SHA512()}
TOKEN = "sk-ssh-ed25519@openssh.com"
APPLICATION = b"ssh:"


@dataclass(frozen=True, slots=True)
class SshKey:
    """A key that both ssh-keygen and these functions can sign with."""

    secret: Secret
    name: str = "ana"
    token: bool = False
    """Whether it stands for a key on a token, which we play."""

    @property
    def blob(self) -> bytes:
        line = self.secret.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
        plain = base64.b64decode(line.split()[1])
        if not self.token:
            return plain
        return string(TOKEN.encode()) + plain[4 + len("ssh-ed25519") :] + string(APPLICATION)

    @property
    def line(self) -> str:
        kind = self.blob[4 : 4 + int.from_bytes(self.blob[:4], "big")].decode()
        return f"{kind} {base64.b64encode(self.blob).decode()} {self.name}@example.org"

    @property
    def fingerprint(self) -> str:
        return fingerprint(self.blob)

    def enrolled(self, *, at: int = 1, expires: int | None = None, revoked_at: int | None = None) -> EnrolledKey:
        pinned = (SubKey(self.fingerprint, expires),)
        return EnrolledKey(self.fingerprint, self.name, self.blob, pinned, at, revoked_at)

    def by_inspection(self, *, at: int) -> EnrolledKey:
        return inspect_ssh(self.line.encode(), at=at).enrol(self.name, at=at)

    def write(self, folder: Path) -> Path:
        """Write the secret key where ssh-keygen finds it."""
        file = folder / fingerprint(self.blob)[7:15].replace("/", "_")
        file.write_bytes(self.secret.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
        file.chmod(0o600)
        return file

    def sign(self, payload: bytes, folder: Path, *options: str, namespace: str = "git") -> bytes:
        """Sign with ssh-keygen itself."""
        command = ["ssh-keygen", "-Y", "sign", "-q", "-n", namespace, *options, "-f", str(self.write(folder))]
        return subprocess.run(command, input=payload, check=True, capture_output=True).stdout


@cache
def ed(name: str = "ana") -> SshKey:
    return SshKey(ed25519.Ed25519PrivateKey.generate(), name)


@cache
def token(name: str = "ana") -> SshKey:
    return SshKey(ed25519.Ed25519PrivateKey.generate(), name, token=True)


@cache
def curve(which: str) -> SshKey:
    return SshKey(ec.generate_private_key(CURVES[which]))


@cache
def rsa_of(bits: int = 2048, exponent: int = 65537) -> SshKey:
    return SshKey(rsa.generate_private_key(exponent, bits))


def craft(
    key: SshKey,
    payload: bytes,
    *,
    namespace: bytes = b"git",
    digest: str = "sha512",
    named: str = "",
    version: int = 1,
    reserved: bytes = b"",
    algorithm: str = "",
    blob: bytes | None = None,
    flags: int = 1,
    tail: bytes = b"",
    inner_tail: bytes = b"",
    flipped: bool = False,
) -> bytes:
    """Return a signature, right but for what is named. `named` is the hash it claims; `flipped` uses n-s for s."""
    hashed = hashlib.new(digest, payload).digest()
    claim = (named or digest).encode()
    data = b"SSHSIG" + b"".join(map(string, (namespace, reserved, claim, hashed)))
    made = signature(key, data, algorithm=algorithm, flags=flags, flipped=flipped) + inner_tail
    parts = (key.blob if blob is None else blob, namespace, reserved, claim, made)
    return armored(b"SSHSIG" + version.to_bytes(4, "big") + b"".join(map(string, parts)) + tail)


def signature(key: SshKey, data: bytes, *, algorithm: str = "", flags: int = 1, flipped: bool = False) -> bytes:
    """Return the inner signature: its algorithm and its value."""
    secret = key.secret
    if isinstance(secret, rsa.RSAPrivateKey):
        named = algorithm or "rsa-sha2-512"
        how = {"rsa-sha2-512": hashes.SHA512(), "rsa-sha2-256": hashes.SHA256(), "ssh-rsa": hashes.SHA1()}[named]
        return string(named.encode()) + string(secret.sign(data, padding.PKCS1v15(), how))
    if isinstance(secret, ec.EllipticCurvePrivateKey):
        r, s = decode_dss_signature(secret.sign(data, ec.ECDSA(EC_HASHES[secret.curve.name])))
        s = secret.curve.group_order - s if flipped else s
        name = next(name for name, one in CURVES.items() if one.name == secret.curve.name)
        return string(f"ecdsa-sha2-{name}".encode()) + string(mpint(r) + mpint(s))
    if key.token:
        counted = bytes([flags]) + (7).to_bytes(4, "big")
        signed = hashlib.sha256(APPLICATION).digest() + counted + hashlib.sha256(data).digest()
        return string(TOKEN.encode()) + string(secret.sign(signed)) + counted
    return string((algorithm or "ssh-ed25519").encode()) + string(secret.sign(data))


def mpint(number: int) -> bytes:
    return string(number.to_bytes(number.bit_length() // 8 + 1, "big"))


def armored(binary: bytes, *, width: int = 70) -> bytes:
    text = base64.b64encode(binary)
    lines = b"".join(text[at : at + width] + b"\n" for at in range(0, len(text), width))
    return b"-----BEGIN SSH SIGNATURE-----\n" + lines + b"-----END SSH SIGNATURE-----\n"


def dearmored(text: bytes) -> bytes:
    return base64.b64decode(b"".join(text.split(b"\n")[1:-2]))
