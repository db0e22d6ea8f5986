"""Signed commits that go wrong in one way each, made by real programs: good and bad rows share this forge."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pysequoia
from pysequoia.packet import PacketPile

from governance.adapters.clock import now
from governance.signatures import EnrolledKey, SubKey
from keys import commit_bytes, with_signature

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
DAY = 86_400
AT = now() // 1000
"""When everything is received. gpg and Sequoia look at the real clock, so this is the one time we read it."""
CREATED, BEFORE, ENDED, AFTER = AT - 10 * DAY, AT - 7 * DAY, AT - 5 * DAY, AT - 2 * DAY
"""A key is made, signs, ends, and its holder signs on."""


@dataclass(frozen=True, slots=True)
class Made:
    """A key in the forge's home, with the signing subkey if it has one."""

    fingerprint: str
    signing: str


@dataclass(frozen=True, slots=True)
class Scene:
    """A commit as pushed, and who is enrolled."""

    raw: bytes
    enrolled: tuple[EnrolledKey, ...]


@dataclass
class Forge:
    """A gpg home with secret keys, where the clock is what a case says."""

    home: Path
    made: int = field(default=0)

    def gpg(self, *arguments: str, at: int = CREATED, stdin: bytes = b"") -> bytes:
        command = ["gpg", "--homedir", str(self.home), "--batch", "--no-tty", "--quiet", "--yes"]
        command += ["--pinentry-mode", "loopback", "--passphrase", "", "--allow-weak-digest-algos"]
        command += ["--faked-system-time", f"{at}!", *arguments]
        return subprocess.run(command, input=stdin, check=True, capture_output=True).stdout

    def dialogue(self, *arguments: str, answers: str, at: int) -> bytes:
        command = ["gpg", "--homedir", str(self.home), "--no-tty", "--pinentry-mode", "loopback", "--passphrase", ""]
        command += ["--faked-system-time", f"{at}!", "--command-fd", "0", *arguments]
        return subprocess.run(command, input=answers.encode(), check=True, capture_output=True).stdout

    def key(self, *options: str, subkey: bool = False, algorithm: str = "ed25519", email: str = "") -> Made:
        self.made += 1
        user = f"Ana <{email or f'ana{self.made}@example.org'}>"
        usage = "cert" if subkey else "cert,sign"
        before = set(self._fingerprints())
        self.gpg(*options, "--quick-generate-key", user, algorithm, usage, "0")
        (primary,) = set(self._fingerprints()) - before
        return Made(primary, self.add_subkey(primary) if subkey else primary)

    def add_subkey(self, primary: str) -> str:
        before = set(self._fingerprints(primary))
        self.gpg("--quick-add-key", primary, "ed25519", "sign", "0")
        (added,) = set(self._fingerprints(primary)) - before
        return added

    def _fingerprints(self, *which: str) -> list[str]:
        listing = self.gpg("--with-colons", "--fingerprint", "--fingerprint", "--list-keys", *which).decode()
        return [line.split(":")[9] for line in listing.splitlines() if line.startswith("fpr")]

    def certificate(self, key: Made) -> bytes:
        return self.gpg("--export", key.fingerprint)

    def enrol(self, key: Made, *, expires: int | None = None, revoked_at: int | None = None) -> EnrolledKey:
        pinned = (SubKey(key.signing, expires),)
        return EnrolledKey(key.fingerprint, "ana", self.certificate(key), pinned, CREATED, revoked_at)

    def sign(self, payload: bytes, key: Made, *options: str, at: int = BEFORE) -> bytes:
        return self.gpg(*options, "--armor", "--local-user", f"{key.signing}!", "--detach-sign", at=at, stdin=payload)

    def expire(self, key: Made, *, only_subkey: bool = False) -> None:
        subkey = [key.signing] if only_subkey else []
        self.gpg("--quick-set-expire", key.fingerprint, f"seconds={4 * DAY}", *subkey, at=ENDED - 4 * DAY)

    def revoke(self, key: Made, reason: int, *, subkey: bool = False) -> None:
        if subkey:
            answers = f"key 1\nrevkey\ny\n{reason}\n\ny\nsave\n"
            self.dialogue("--edit-key", key.fingerprint, answers=answers, at=ENDED)
        else:
            answers = f"y\n{reason}\n\ny\n"
            self.gpg("--import", stdin=self.dialogue("--gen-revoke", key.fingerprint, answers=answers, at=ENDED))


def plain(forge: Forge, *, subkey: bool = False, options: tuple[str, ...] = (), at: int = BEFORE) -> Scene:
    """Return a good commit by a good key; every other case differs from this in one thing."""
    key, raw = forge.key(subkey=subkey), commit_bytes(TREE)
    return Scene(with_signature(raw, forge.sign(raw, key, *options, at=at)), (forge.enrol(key),))


def altered(change: Callable[[bytes, bytes], bytes]) -> Callable[[Forge], Scene]:
    """Return a case in which the commit is built from payload and signature in another way."""

    def build(forge: Forge) -> Scene:
        key, raw = forge.key(), commit_bytes(TREE)
        return Scene(change(raw, forge.sign(raw, key)), (forge.enrol(key),))

    return build


def packet_altered(change: Callable[[bytes], bytes]) -> Callable[[Forge], Scene]:
    """Return a case in which the binary signature is changed and put into proper armor again."""
    return altered(lambda raw, sig: with_signature(raw, armored(change(dearmored(sig)))))


def dearmored(signature: bytes) -> bytes:
    return bytes(pysequoia.Sig.from_bytes(signature))


def armored(packet: bytes) -> bytes:
    return pysequoia.armor(packet, pysequoia.ArmorKind.Signature).encode()


def ended(
    *,
    by: str,
    sign_at: int,
    subkey: bool = False,
    reason: int = 0,
    known: bool = True,
) -> Callable[[Forge], Scene]:
    """Return a case whose key expired or was revoked at `ENDED`; `known` is whether our enrolment knows."""

    def build(forge: Forge) -> Scene:
        key, raw = forge.key(subkey=subkey), commit_bytes(TREE)
        signed = with_signature(raw, forge.sign(raw, key, at=sign_at))
        if by == "expiry":
            forge.expire(key, only_subkey=subkey)
            return Scene(signed, (forge.enrol(key, expires=ENDED if known else None),))
        forge.revoke(key, reason, subkey=subkey)
        return Scene(signed, (forge.enrol(key, revoked_at=ENDED if known else None),))

    return build


def two(order: str) -> Callable[[Forge], Scene]:
    """Return a case with two signatures in one armor: g(ood), u(nknown key), b(ad)."""

    def build(forge: Forge) -> Scene:
        key, raw = forge.key(), commit_bytes(TREE)
        packet = {
            "g": lambda: dearmored(forge.sign(raw, key)),
            "u": lambda: pysequoia.sign(
                pysequoia.Tsk.generate("x").signer(), raw, mode=pysequoia.SignatureMode.DETACHED, armor=False
            ),
            "b": lambda: dearmored(forge.sign(raw + b"x", key)),
        }
        both = armored(b"".join(packet[letter]() for letter in order))
        return Scene(with_signature(raw, both), (forge.enrol(key),))

    return build


def special(*options: str, algorithm: str = "ed25519", signing: tuple[str, ...] = ()) -> Callable[[Forge], Scene]:
    """Return a case with a key made in a special way."""

    def build(forge: Forge) -> Scene:
        key, raw = forge.key(*options, algorithm=algorithm), commit_bytes(TREE)
        return Scene(with_signature(raw, forge.sign(raw, key, *signing)), (forge.enrol(key),))

    return build


def by_primary_of_two(forge: Forge) -> Scene:
    key, raw = forge.key(), commit_bytes(TREE)
    forge.add_subkey(key.fingerprint)
    return Scene(with_signature(raw, forge.sign(raw, key)), (forge.enrol(key),))


def transplanted(forge: Forge) -> Scene:
    key, raw, other = forge.key(), commit_bytes(TREE), commit_bytes(TREE, message="quite another\n")
    return Scene(with_signature(other, forge.sign(raw, key)), (forge.enrol(key),))


def unknown(forge: Forge) -> Scene:
    raw = commit_bytes(TREE)
    secret = pysequoia.Tsk.generate("Eve <eve@example.org>")
    signature = pysequoia.sign(secret.signer(), raw, mode=pysequoia.SignatureMode.DETACHED)
    return Scene(with_signature(raw, signature), (forge.enrol(forge.key()),))


def namesake(forge: Forge) -> Scene:
    real, forged, raw = forge.key(email="a@b.example"), forge.key(email="a@b.example"), commit_bytes(TREE)
    return Scene(with_signature(raw, forge.sign(raw, forged)), (forge.enrol(real),))


def added_later(forge: Forge) -> Scene:
    key, raw = forge.key(subkey=True), commit_bytes(TREE)
    pinned = forge.enrol(key)
    thief = Made(key.fingerprint, forge.add_subkey(key.fingerprint))
    # Even if the certificate is refreshed with the thief's subkey on it, what was pinned decides.
    refreshed = EnrolledKey(key.fingerprint, "ana", forge.certificate(key), pinned.subkeys, CREATED)
    return Scene(with_signature(raw, forge.sign(raw, thief)), (refreshed,))


def without_sign_flag(forge: Forge) -> Scene:
    key, raw = forge.key(), commit_bytes(TREE)
    signed = with_signature(raw, forge.sign(raw, key))
    forge.dialogue("--edit-key", key.fingerprint, answers="change-usage\ns\nq\nsave\n", at=BEFORE - DAY)
    return Scene(signed, (forge.enrol(key),))


def without_back_signature(forge: Forge) -> Scene:
    key, raw = forge.key(subkey=True), commit_bytes(TREE)
    enrolled = forge.enrol(key)
    cut = without_unhashed(enrolled.certificate)
    stolen = EnrolledKey(enrolled.fingerprint, "ana", cut, enrolled.subkeys, CREATED)
    return Scene(with_signature(raw, forge.sign(raw, key)), (stolen,))


def without_unhashed(certificate: bytes) -> bytes:
    """Return the certificate whose last packet, a subkey binding by gpg, lost its unsigned area: the back-signature."""
    packets: list[tuple[bytes, bytes]] = [(bytes(packet), packet.body) for packet in PacketPile.from_bytes(certificate)]
    body = packets[-1][1]
    end = 6 + int.from_bytes(body[4:6], "big")
    after = end + 2 + int.from_bytes(body[end : end + 2], "big")
    cut = body[:end] + b"\0\0" + body[after:]
    return b"".join(whole for whole, _ in packets[:-1]) + b"\xc2" + bytes([len(cut)]) + cut


def user_id_revoked(forge: Forge) -> Scene:
    key, raw = forge.key(), commit_bytes(TREE)
    forge.gpg("--quick-add-uid", key.fingerprint, "Other <other@example.org>", at=CREATED + DAY)
    listing = forge.gpg("--with-colons", "--list-keys", key.fingerprint).decode()
    first = next(line.split(":")[9] for line in listing.splitlines() if line.startswith("uid") and "Ana" in line)
    signed = with_signature(raw, forge.sign(raw, key))
    forge.gpg("--quick-revoke-uid", key.fingerprint, first, at=ENDED)
    return Scene(signed, (forge.enrol(key),))


def inline(forge: Forge) -> Scene:
    key, raw = forge.key(), commit_bytes(TREE)
    message = forge.gpg("--armor", "--local-user", key.fingerprint, "--sign", at=BEFORE, stdin=raw)
    return Scene(with_signature(raw, message), (forge.enrol(key),))


def unhashed_note(packet: bytes) -> bytes:
    """Return the signature with a byte of a stranger's text in its unsigned area (gpg writes old-format, short)."""
    body = packet[2:]
    end = 6 + int.from_bytes(body[4:6], "big")
    size = int.from_bytes(body[end : end + 2], "big")
    note = b"\x05\x64evil"[:6]
    body = (
        body[:end]
        + (size + len(note)).to_bytes(2, "big")
        + body[end + 2 : end + 2 + size]
        + note
        + body[end + 2 + size :]
    )
    return b"\x88" + bytes([len(body)]) + body


def flipped(packet: bytes) -> bytes:
    return packet[:-5] + bytes([packet[-5] ^ 1]) + packet[-4:]


def wrong_checksum(raw: bytes, signature: bytes) -> bytes:
    lines = signature.split(b"\n")
    lines[-3] = b"=AAAA"
    return with_signature(raw, b"\n".join(lines))


def no_checksum(raw: bytes, signature: bytes) -> bytes:
    return with_signature(raw, b"\n".join(line for line in signature.split(b"\n") if not line.startswith(b"=")))


def rubbish_inside(raw: bytes, signature: bytes) -> bytes:
    return with_signature(raw, signature.replace(b"\n\n", b"\n\n!!rubbish!!\n", 1))


def two_headers(raw: bytes, signature: bytes) -> bytes:
    return with_signature(with_signature(raw, signature), signature)


def both_headers(raw: bytes, signature: bytes) -> bytes:
    return with_signature(with_signature(raw, signature), b"anything at all", header=b"gpgsig-sha256")


@dataclass(frozen=True, slots=True)
class Case:
    """One row: what we answer (empty: verified), what git 2.39 with gpg 2.2 says, and why we differ from it."""

    name: str
    code: str
    git: str
    why: str
    build: Callable[[Forge], Scene]
    by_gpg: str = "as ours"
    """What our gpg verifier answers where it differs from Sequoia."""

    @property
    def expected_of_gpg(self) -> str:
        return self.code if self.by_gpg == "as ours" else self.by_gpg


RECEIPT = "judged at receive time by enrolment; git looks at the key as it is now"
CLAIM = "enrolment missed it: Sequoia believes the signature's date, gpg the receive time"
POLICY = "gpg 2.2 accepts weak cryptography"
SPACE = "git hands gpg more than it shows"
GOOD = "git says U (no ownertrust); enrolment is our trust"

REVOKED = "signature.key_revoked"
EXPIRED = "signature.key_expired"

CASES = (
    Case("01 good, by a subkey", "", "U", GOOD, lambda forge: plain(forge, subkey=True)),
    Case("02 good, by the primary", "", "U", GOOD, by_primary_of_two),
    Case("03 key expired, dated before", EXPIRED, "Y", RECEIPT, ended(by="expiry", sign_at=BEFORE)),
    Case("03 likewise, not enrolled so", "", "Y", CLAIM, ended(by="expiry", sign_at=BEFORE, known=False), EXPIRED),
    Case("04 key expired, dated after", EXPIRED, "Y", RECEIPT, ended(by="expiry", sign_at=AFTER)),
    Case(
        "04 likewise, not enrolled so",
        "signature.bad",
        "Y",
        "both refuse; Sequoia does not say why",
        ended(by="expiry", sign_at=AFTER, known=False),
        EXPIRED,
    ),
    Case("05 subkey expired, dated before", EXPIRED, "Y", RECEIPT, ended(by="expiry", sign_at=BEFORE, subkey=True)),
    Case("06 subkey expired, dated after", EXPIRED, "Y", RECEIPT, ended(by="expiry", sign_at=AFTER, subkey=True)),
    Case("07 key revoked, no reason", REVOKED, "R", RECEIPT, ended(by="revocation", sign_at=BEFORE)),
    Case("08 key compromised", REVOKED, "R", RECEIPT, ended(by="revocation", sign_at=BEFORE, reason=1)),
    Case(
        "08 likewise, not enrolled so",
        "signature.bad",
        "R",
        "both refuse; Sequoia does not say why",
        ended(by="revocation", sign_at=BEFORE, reason=1, known=False),
        REVOKED,
    ),
    Case("09 key superseded, dated before", REVOKED, "R", RECEIPT, ended(by="revocation", sign_at=BEFORE, reason=2)),
    Case(
        "09 likewise, not enrolled so",
        "",
        "R",
        CLAIM,
        ended(by="revocation", sign_at=BEFORE, reason=2, known=False),
        REVOKED,
    ),
    Case("10 key superseded, dated after", REVOKED, "R", RECEIPT, ended(by="revocation", sign_at=AFTER, reason=2)),
    Case("11 key retired, dated before", REVOKED, "R", RECEIPT, ended(by="revocation", sign_at=BEFORE, reason=3)),
    Case("12 subkey compromised", REVOKED, "R", RECEIPT, ended(by="revocation", sign_at=BEFORE, reason=1, subkey=True)),
    Case(
        "13 subkey superseded, before",
        REVOKED,
        "R",
        RECEIPT,
        ended(by="revocation", sign_at=BEFORE, reason=2, subkey=True),
    ),
    Case(
        "14 subkey superseded, after",
        REVOKED,
        "R",
        RECEIPT,
        ended(by="revocation", sign_at=AFTER, reason=2, subkey=True),
    ),
    Case(
        "15 content changed",
        "signature.bad",
        "B",
        "",
        altered(lambda raw, sig: with_signature(raw.replace(b"a change", b"b change"), sig)),
    ),
    Case("16 from another commit", "signature.bad", "B", "", transplanted),
    Case("17 a bit of a number flipped", "signature.bad", "B", "", packet_altered(flipped)),
    Case("18 unknown key", "signature.unknown_key", "E", "", unknown),
    Case("19 another key of that name", "signature.unknown_key", "U", "names on keys are claims", namesake),
    Case("20 SHA-1", "signature.hash", "U", POLICY, lambda f: plain(f, options=("--digest-algo", "SHA1"))),
    Case("21 SHA-512", "", "U", GOOD, lambda f: plain(f, options=("--digest-algo", "SHA512"))),
    Case(
        "22 text mode",
        "signature.type",
        "U",
        "one text signature fits several commits",
        lambda f: plain(f, options=("--textmode",)),
    ),
    Case("23 two signatures, good and good", "signature.not_one", "E", "", two("gg")),
    Case("24 two, good and unknown", "signature.not_one", "E", "", two("gu")),
    Case("25 two, unknown and good", "signature.not_one", "E", "", two("ug")),
    Case("26 two, good and bad", "signature.not_one", "E", "", two("gb")),
    Case("27 two, bad and good", "signature.not_one", "E", "", two("bg")),
    Case("28 two armors", "signature.armor", "E", "", altered(lambda raw, sig: with_signature(raw, sig + sig))),
    Case("29 two headers", "signature.armor", "E", "", altered(two_headers)),
    Case(
        "30 text after the armor",
        "signature.armor",
        "U",
        SPACE,
        altered(lambda raw, sig: with_signature(raw, sig + b"approved by everybody\n")),
    ),
    Case(
        "31 text before the armor",
        "signature.armor",
        "dies",
        "one such commit ends git log",
        altered(lambda raw, sig: with_signature(raw, b"hello\n" + sig)),
    ),
    Case("32 text inside the armor", "signature.armor", "N", "", altered(rubbish_inside)),
    Case("33 wrong checksum", "signature.crc", "N", "", altered(wrong_checksum)),
    Case("34 no checksum", "", "U", GOOD, altered(no_checksum)),
    Case("35 a packet after", "signature.not_one", "U", SPACE, packet_altered(lambda sig: sig + b"\xb4\x05hello")),
    Case(
        "36 only the header of SHA-256",
        "signature.missing",
        "N",
        "",
        altered(lambda raw, sig: with_signature(raw, sig, header=b"gpgsig-sha256")),
    ),
    Case(
        "37 both headers",
        "signature.bad",
        "U",
        "the second is unsigned space to git, content to us",
        altered(both_headers),
    ),
    Case(
        "38 signature expired",
        "signature.expired",
        "X",
        "",
        lambda f: plain(f, options=("--default-sig-expire", "seconds=86400")),
    ),
    Case("39 from the future", "signature.future", "U", "gpg 2.2 does not mind", lambda f: plain(f, at=AT + 30 * DAY)),
    Case(
        "40 older than its key",
        "signature.bad",
        "E",
        "",
        lambda f: plain(f, at=CREATED - DAY, options=("--ignore-time-conflict",)),
    ),
    Case("41 key without the sign flag", "signature.bad", "E", "", without_sign_flag),
    Case("42 an inline message", "signature.armor", "N", "", inline),
    Case(
        "44 empty",
        "signature.missing",
        "dies",
        "one such commit ends git log",
        altered(lambda raw, _: with_signature(raw, b"")),
    ),
    Case("45 RSA-1024", "signature.bad", "U", POLICY + "; inspection refuses it", special(algorithm="rsa1024"), ""),
    Case(
        "46 bound by SHA-1",
        "signature.bad",
        "U",
        POLICY + "; inspection refuses it",
        special("--cert-digest-algo", "SHA1"),
        "",
    ),
    Case(
        "47 DSA", "signature.algorithm", "U", POLICY, special(algorithm="dsa1024", signing=("--digest-algo", "SHA256"))
    ),
    Case("48 NIST P-256", "", "U", GOOD, special(algorithm="nistp256")),
    Case("49 subkey without back-signature", "signature.bad", "E", "", without_back_signature),
    Case("50 user id revoked", "", "U", GOOD, user_id_revoked),
    Case("51 MD5", "signature.hash", "E", "", lambda f: plain(f, options=("--digest-algo", "MD5"))),
    Case("52 subkey added later", "signature.unknown_key", "U", "only what was enrolled may sign", added_later),
    Case("53 unsigned text in the packet", "signature.unsigned_area", "U", SPACE, packet_altered(unhashed_note)),
)
