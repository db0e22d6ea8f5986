"""Commits signed by SSH that go wrong in one way each: the table that matches the one of OpenPGP."""

from __future__ import annotations

import base64
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from governance.adapters.ssh_keys import public_key
from governance.errors import EnrolmentError
from keys import commit_bytes, key_of, with_signature
from signature_cases import AFTER, AT, BEFORE, CREATED, ENDED, TREE, Scene
from ssh_forge import SshKey, armored, craft, curve, dearmored, ed, rsa_of, token

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

RAW = commit_bytes(TREE, author="Ana <ana@example.org>", when=BEFORE)


def real(key: SshKey, *options: str, namespace: str = "git") -> Callable[[Path], Scene]:
    """Return a case signed by ssh-keygen."""

    def build(folder: Path) -> Scene:
        signed = with_signature(RAW, key.sign(RAW, folder, *options, namespace=namespace))
        return Scene(signed, (key.enrolled(),))

    return build


def crafted(key: SshKey, **defects: Any) -> Callable[[Path], Scene]:  # noqa: ANN401 - whatever `craft` takes
    """Return a case that is right but for these defects."""
    return lambda _: Scene(with_signature(RAW, craft(key, RAW, **defects)), (key.enrolled(),))


def altered(change: Callable[[bytes], bytes], *, key: SshKey | None = None) -> Callable[[Path], Scene]:
    """Return a case whose armored signature was changed."""

    def build(folder: Path) -> Scene:
        by = key or ed()
        return Scene(with_signature(RAW, change(by.sign(RAW, folder))), (by.enrolled(),))

    return build


def inside(old: bytes, new: bytes) -> Callable[[bytes], bytes]:
    """Return a change of the bytes within the armor, of equal length."""
    return lambda signature: armored(dearmored(signature).replace(old, new, 1))


def of_payload(change: Callable[[bytes], bytes]) -> Callable[[Path], Scene]:
    return lambda folder: Scene(with_signature(change(RAW), ed().sign(RAW, folder)), (ed().enrolled(),))


def by_certificate(folder: Path) -> Scene:
    authority, key = ed("authority"), ed()
    file = key.write(folder).with_suffix(".pub")
    file.write_text(key.line)
    command = ["ssh-keygen", "-q", "-s", str(authority.write(folder)), "-I", "ana", "-n", "ana", str(file)]
    subprocess.run(command, check=True, capture_output=True)
    line = file.with_name(file.stem + "-cert.pub").read_bytes()
    certificate = base64.b64decode(line.split()[1])
    return Scene(with_signature(RAW, craft(key, RAW, blob=certificate)), (key.enrolled(),))


def two_headers(*, ssh_first: bool) -> Callable[[Path], Scene]:
    def build(folder: Path) -> Scene:
        ours, theirs = ed().sign(RAW, folder), key_of("ana").sign(RAW)
        first, second = (ours, theirs) if ssh_first else (theirs, ours)
        enrolled = (ed().enrolled(), key_of("ana").enrolled())
        return Scene(with_signature(with_signature(RAW, first), second), enrolled)

    return build


def stranger(name: str) -> Callable[[Path], Scene]:
    return lambda folder: Scene(with_signature(RAW, ed(name).sign(RAW, folder)), (ed().enrolled(),))


def ended(*, when: int = BEFORE, **how: int) -> Callable[[Path], Scene]:
    """Return a case whose key ended; the commit claims a date before that, which is a claim."""

    def build(folder: Path) -> Scene:
        raw = commit_bytes(TREE, author="Ana <ana@example.org>", when=when)
        return Scene(with_signature(raw, ed().sign(raw, folder)), (ed().enrolled(at=CREATED, **how),))

    return build


def long_numbers(folder: Path) -> Scene:
    """Return an ECDSA signature with a zero byte before a number: the same number, another signature."""
    key = curve("nistp256")
    good = dearmored(craft(key, RAW))
    at = good.rindex(b"ecdsa-sha2-nistp256") + len("ecdsa-sha2-nistp256")
    value = good[at + 4 :]
    size = int.from_bytes(value[:4], "big")
    r, rest = value[4 : 4 + size], value[4 + size :]
    longer = (size + 1).to_bytes(4, "big") + b"\0" + r + rest
    inner = b"\0\0\0\x13ecdsa-sha2-nistp256" + len(longer).to_bytes(4, "big") + longer
    outer = good[: at - 0x13 - 8] + len(inner).to_bytes(4, "big") + inner
    del folder
    return Scene(with_signature(RAW, armored(outer)), (key.enrolled(),))


def weak(folder: Path) -> Scene:
    """Return a commit by RSA-1024: nothing enrols it, so nobody has it."""
    key = rsa_of(1024)
    try:
        public_key(key.blob)
    except EnrolmentError:
        return Scene(with_signature(RAW, key.sign(RAW, folder)), (ed().enrolled(),))
    raise AssertionError("RSA-1024 was let in")


def flags_changed(_: Path) -> Scene:
    good = dearmored(craft(token(), RAW))
    changed = good[:-5] + bytes([good[-5] | 4]) + good[-4:]
    return Scene(with_signature(RAW, armored(changed)), (token().enrolled(),))


def renamed(_: Path) -> Scene:
    changed = inside(b"\0\0\0\3tig", b"\0\0\0\3git")(craft(ed(), RAW, namespace=b"tig"))
    return Scene(with_signature(RAW, changed), (ed().enrolled(),))


def borrowed(_: Path) -> Scene:
    return Scene(with_signature(RAW, craft(ed("eve"), RAW, blob=ed().blob)), (ed().enrolled(),))


@dataclass(frozen=True, slots=True)
class SshCase:
    """One row: what we answer (empty: verified), what git 2.39 says of it, and why we differ from it."""

    name: str
    code: str
    git: str
    why: str
    build: Callable[[Path], Scene]


ENDS = "git looks at the date that the commit claims, or at no end at all; we look at receipt"
DIES = "one such commit ends git log"
SPACE = "ssh-keygen reads the first block and nothing after it"
ARMOR, BAD, MALFORMED, NAMESPACE = "signature.armor", "signature.bad", "signature.malformed", "signature.namespace"
UNKNOWN = "signature.unknown_key"

CASES = (
    SshCase("01 ed25519", "", "G", "", real(ed())),
    SshCase("02 ECDSA P-256", "", "G", "", real(curve("nistp256"))),
    SshCase("03 ECDSA P-384", "", "G", "", real(curve("nistp384"))),
    SshCase("04 ECDSA P-521", "", "G", "", real(curve("nistp521"))),
    SshCase("05 RSA, SHA-512", "", "G", "", real(rsa_of())),
    SshCase("06 RSA, SHA-256", "", "G", "", crafted(rsa_of(), algorithm="rsa-sha2-256")),
    SshCase("07 RSA, SHA-1", "signature.hash", "B", "", crafted(rsa_of(), algorithm="ssh-rsa")),
    SshCase("08 RSA-1024", UNKNOWN, "U", "", weak),
    SshCase("09 hashed by SHA-256", "", "G", "", real(ed(), "-O", "hashalg=sha256")),
    SshCase("10 hashed by SHA-384", "signature.hash", "B", "", crafted(ed(), digest="sha384")),
    SshCase("11 hashed by SHA-1", "signature.hash", "B", "", crafted(ed(), digest="sha1")),
    SshCase("12 another hash than it names", BAD, "B", "", crafted(ed(), digest="sha512", named="sha256")),
    SshCase("13 for files", NAMESPACE, "B", "", real(ed(), namespace="file")),
    SshCase("14 a statement's", NAMESPACE, "B", "", real(ed(), namespace="twinseal")),
    SshCase("15 for nothing", NAMESPACE, "B", "", crafted(ed(), namespace=b"")),
    SshCase("16 namespace that begins alike", NAMESPACE, "B", "", crafted(ed(), namespace=b"git\0")),
    SshCase("17 namespace changed afterwards", BAD, "B", "", renamed),
    SshCase("18 content changed", BAD, "B", "", of_payload(lambda raw: raw.replace(b"a change", b"b change"))),
    SshCase("19 from another commit", BAD, "B", "", of_payload(lambda raw: raw.replace(b"tree 4b", b"tree 5b"))),
    SshCase("20 unknown key", UNKNOWN, "U", "", stranger("eve")),
    SshCase("21 another key of that name", UNKNOWN, "U", "", stranger("ana ")),
    SshCase("22 another's signature, her key named", BAD, "B", "", borrowed),
    SshCase("23 text before the armor", ARMOR, "dies", DIES, altered(lambda s: b"hi\n" + s)),
    SshCase("24 text after the armor", ARMOR, "G", SPACE, altered(lambda s: s + b"approved by everybody\n")),
    SshCase("25 text inside the armor", ARMOR, "B", "", altered(lambda s: s.replace(b"\nU1", b"\n!!\nU1", 1))),
    SshCase("26 two signatures", ARMOR, "G", SPACE, altered(lambda s: s + s)),
    SshCase("27 good, then a stranger's", ARMOR, "G", SPACE, altered(lambda s: s + craft(ed("eve"), RAW))),
    SshCase("28 two headers, OpenPGP first", ARMOR, "E", "", two_headers(ssh_first=False)),
    SshCase("29 two headers, SSH first", ARMOR, "G", SPACE, two_headers(ssh_first=True)),
    SshCase("30 a certificate", "signature.certificate", "U", "", by_certificate),
    SshCase("31 on a token, touched", "", "G", "", crafted(token())),
    SshCase("32 on a token, touched and verified", "", "G", "", crafted(token(), flags=5)),
    SshCase("33 on a token, not touched", "signature.presence", "G", "nobody was there", crafted(token(), flags=0)),
    SshCase("34 a token's flags changed", BAD, "B", "", flags_changed),
    SshCase("35 a token's key without its flags", "signature.algorithm", "B", "", crafted(ed(), blob=token().blob)),
    SshCase("36 another version", "signature.version", "B", "", crafted(ed(), version=2)),
    SshCase("37 something reserved", MALFORMED, "B", "", crafted(ed(), reserved=b"x")),
    SshCase("38 bytes after the signature", MALFORMED, "B", "", crafted(ed(), tail=b"x")),
    SshCase("39 bytes in the signature", MALFORMED, "B", "", crafted(ed(), inner_tail=b"x")),
    SshCase("40 other magic", MALFORMED, "B", "", altered(inside(b"SSHSIG", b"SSHSIX"))),
    SshCase("41 cut short", MALFORMED, "B", "", altered(lambda s: armored(dearmored(s)[:-1]))),
    SshCase("42 a number with a zero before it", MALFORMED, "G", "one form is enough", long_numbers),
    SshCase("43 the other of two ECDSA signatures", "", "G", "", crafted(curve("nistp256"), flipped=True)),
    SshCase("44 wrapped at another width", "", "G", "", altered(lambda s: armored(dearmored(s), width=76))),
    SshCase("45 lines end otherwise", ARMOR, "B", "", altered(lambda s: s.replace(b"\n", b"\r\n"))),
    SshCase("46 empty", "signature.missing", "dies", DIES, altered(lambda _: b"")),
    SshCase("47 key expired, dated before", "signature.key_expired", "G", ENDS, ended(expires=ENDED)),
    SshCase("48 key expired, dated after", "signature.key_expired", "U", "", ended(when=AFTER, expires=ENDED)),
    SshCase("49 key revoked, dated before", "signature.key_revoked", "G", ENDS, ended(revoked_at=ENDED)),
    SshCase("50 key that ends later", "", "G", "", ended(expires=AT + 1)),
)
