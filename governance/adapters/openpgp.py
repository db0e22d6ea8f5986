"""What an OpenPGP signature or certificate *is*, before any library looks inside: strict framing, nothing looser.

Source: RFC 9580 sections 4.2 (packets), 5.2.3 (version 4 signatures), 6 (armor). Libraries differ on what they skip:
some take the first of several signatures, some the last, most ignore text around the armor and its checksum. What
passes here is one packet of one kind, so that there is nothing left to differ about. Pure; no cryptography is checked
but the two bytes of the digest that a signature carries in clear.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from governance.errors import EnrolmentError
from governance.refusals import SignatureRefused
from governance.signatures import MAX_SIGNATURE, EnrolledKey, Registry, standing_of

MAX_CERTIFICATE = 256 * 1024
"""Bytes of certificate that we look at; one with photographs and a hundred certifications is smaller."""

_HASHES = {8: "sha256", 9: "sha384", 10: "sha512"}
_BINARY_DOCUMENT = 0x00
_CREATED, _EXPIRES, _ISSUER_ID, _ISSUER_FINGERPRINT = 2, 3, 16, 33
_SIGNATURE, _SECRET_KEY, _PUBLIC_KEY, _SECRET_SUBKEY = 2, 5, 6, 7
_ONE_BYTE, _PARTIAL, _FIVE_BYTES = 192, 224, 255  # first bytes of lengths, RFC 9580 section 4.2.1
_NUMBERS = {1: 1, 19: 2, 22: 2}  # how many big numbers a signature of RSA, ECDSA, EdDSA has
_IN_A_CERTIFICATE = frozenset({_SIGNATURE, _PUBLIC_KEY, 13, 14, 17})  # and user ids, subkeys, user attributes
_SHOWN = "certificate: expected a public key, got a secret one: make a new key, this one has been shown"

_ARMOR = re.compile(
    rb"-----BEGIN PGP (?P<kind>SIGNATURE|PUBLIC KEY BLOCK)-----\n"
    rb"(?:(?:Version|Comment|Hash|Charset): [^\x00-\x1f]*\n)*"
    rb"\n"
    rb"(?P<body>(?:[A-Za-z0-9+/]{1,76}={0,2}\n)+)"
    rb"(?:=(?P<crc>[A-Za-z0-9+/]{4})\n)?"
    rb"-----END PGP (?P=kind)-----[ \t\r\n]*\Z"
)


class _MalformedError(ValueError):
    """Not the bytes that the format asks for; translated before it leaves this module."""


@dataclass(frozen=True, slots=True)
class Signature:
    """One version 4 signature over binary data, as it describes itself."""

    issuer: str
    """Fingerprint of the signing key, upper-case hex, from the signed area."""
    type: int
    hash: str
    created: int
    expires: int | None
    packet: bytes
    """The binary packet: hand this to libraries, so that they read what was framed here."""
    hashed: bytes
    """What is hashed after the payload."""
    prefix: bytes
    """The first two bytes of the digest."""

    def fits(self, payload: bytes) -> bool:
        """Whether the digest of the payload begins as the signature says. Cheap, and no proof of anything."""
        digest = hashlib.new(self.hash, payload)
        digest.update(self.hashed)
        return digest.digest()[:2] == self.prefix


def frame(signature: bytes | None) -> Signature:
    """Return the one signature that these armored bytes are.

    Raises:
        SignatureRefused: anything else. A signature that names no full fingerprint (GnuPG before 2.1.16) too.
    """
    if not signature or not signature.strip():
        raise SignatureRefused("signature.missing")
    if len(signature) > MAX_SIGNATURE:
        raise SignatureRefused("signature.size", f"Expected at most {MAX_SIGNATURE} bytes, got {len(signature)}.")
    if signature.startswith((b"-----BEGIN SSH SIGNATURE-----", b"-----BEGIN SIGNED MESSAGE-----")):
        raise SignatureRefused("signature.format")
    return _only_signature(_dearmor(signature, b"SIGNATURE"))


def admit(payload: bytes, signature: bytes | None, registry: Registry, *, at: int) -> tuple[Signature, EnrolledKey]:
    """Return the framed signature and the key that must have made it: all that is judged before the mathematics.

    Raises:
        SignatureRefused: not one signature, or by a key that may not sign at `at`, or over something else.
    """
    framed = frame(signature)
    key = standing_of(registry, framed.issuer, created=framed.created, at=at)
    if framed.expires is not None and framed.expires <= at:
        raise SignatureRefused("signature.expired", f"Expired at {framed.expires}, received at {at}.")
    # Libraries ignore the digest's first bytes; checking them leaves no bit of the packet without effect.
    if not framed.fits(payload):
        raise SignatureRefused("signature.bad")
    return framed, key


def certificate(data: bytes) -> bytes:
    """Return one public certificate in binary, from binary or armor. Whether it is any good is not looked at.

    Raises:
        EnrolmentError: unreadable, too large, secret, several certificates, or something else.
    """
    if len(data) > MAX_CERTIFICATE:
        raise EnrolmentError(f"certificate: expected at most {MAX_CERTIFICATE} bytes, got {len(data)}", code="key.size")
    if data.lstrip().startswith(b"-----BEGIN PGP PRIVATE"):
        raise EnrolmentError(_SHOWN, code="key.secret")
    try:
        binary = data
        if data.lstrip().startswith(b"-----BEGIN PGP"):
            binary = _dearmor(data.lstrip().replace(b"\r\n", b"\n"), b"PUBLIC KEY BLOCK")
        tags = [tag for tag, _ in _packets(binary)]
    except (_MalformedError, SignatureRefused):
        said = "certificate: expected one OpenPGP public key block, got something unreadable"
        raise EnrolmentError(said, code="key.unreadable") from None
    if {_SECRET_KEY, _SECRET_SUBKEY} & set(tags):
        raise EnrolmentError(_SHOWN, code="key.secret")
    if tags[:1] != [_PUBLIC_KEY] or tags.count(_PUBLIC_KEY) != 1:
        raise EnrolmentError(f"certificate: expected exactly one, got {tags.count(_PUBLIC_KEY)}", code="key.not_one")
    if not _IN_A_CERTIFICATE.issuperset(tags):
        said = (
            f"certificate: expected keys, user ids and signatures, got packets {sorted(set(tags) - _IN_A_CERTIFICATE)}"
        )
        raise EnrolmentError(said, code="key.unreadable")
    return binary


def _dearmor(data: bytes, kind: bytes) -> bytes:
    match = _ARMOR.match(data)
    if match is None or match["kind"] != kind:
        raise SignatureRefused("signature.armor")
    text = match["body"].replace(b"\n", b"")
    try:
        binary = base64.b64decode(text, validate=True)
    except binascii.Error:
        raise SignatureRefused("signature.armor", "Its base64 is broken.") from None
    if base64.b64encode(binary) != text:
        raise SignatureRefused("signature.armor", "Its base64 has stray bits.")
    if match["crc"] is not None and base64.b64decode(match["crc"]) != _crc24(binary):
        raise SignatureRefused("signature.crc")
    return binary


@cache
def _crc_table() -> tuple[int, ...]:
    table = []
    for byte in range(256):
        crc = byte << 16
        for _ in range(8):
            crc = (crc << 1) ^ (0x1864CFB if crc & 0x800000 else 0)
        table.append(crc & 0xFFFFFF)
    return tuple(table)


def _crc24(data: bytes) -> bytes:
    """Return the armor's checksum (RFC 9580 section 6.1.1)."""
    table = _crc_table()
    crc = 0xB704CE
    for byte in data:
        crc = ((crc << 8) & 0xFFFFFF) ^ table[(crc >> 16) ^ byte]
    return crc.to_bytes(3, "big")


def _packets(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield tag and body of each packet; partial and indeterminate lengths are malformed here."""
    while data:
        if not data[0] & 0x80:
            raise _MalformedError("expected a packet header")
        if data[0] & 0x40:
            tag = data[0] & 0x3F
            length, used = _length(data[1:6], two_until=_PARTIAL)
            start = 1 + used
        else:
            tag = (data[0] >> 2) & 0x0F
            used = (1, 2, 4, 0)[data[0] & 0x03]
            start = 1 + used
            length = int.from_bytes(data[1:start], "big") if used else len(data)
        if start + length > len(data):
            raise _MalformedError("expected a whole packet of definite length")
        yield tag, data[start : start + length]
        data = data[start + length :]


def _length(data: bytes, *, two_until: int) -> tuple[int, int]:
    """Return a length and the bytes it took: of a packet, or of a subpacket, which has two-byte lengths up to 254."""
    first = data[0] if data else _PARTIAL
    if first < _ONE_BYTE:
        return first, 1
    if first < two_until and len(data) > 1:
        return ((first - _ONE_BYTE) << 8) + data[1] + _ONE_BYTE, 2
    if first == _FIVE_BYTES and len(data) > 4:  # noqa: PLR2004 - what follows is four bytes
        return int.from_bytes(data[1:5], "big"), 5
    raise _MalformedError("expected a whole and definite length")


def _only_signature(packet: bytes) -> Signature:
    try:
        found = list(_packets(packet))
        if [tag for tag, _ in found] != [_SIGNATURE]:
            raise SignatureRefused("signature.not_one", f"Got packets {[tag for tag, _ in found]}.")
        return _read(packet, found[0][1])
    except _MalformedError as error:
        raise SignatureRefused("signature.malformed", f"{error}.".capitalize()) from None


def _read(packet: bytes, body: bytes) -> Signature:
    if body[:1] != b"\x04":
        version = body[0] if body else 0
        raise SignatureRefused("signature.v6" if version == 6 else "signature.version", f"Got {version}.")  # noqa: PLR2004
    if len(body) < 12:  # noqa: PLR2004 - fixed fields, two empty areas, two digest bytes, something
        raise _MalformedError("expected fixed fields and two areas")
    if body[1] != _BINARY_DOCUMENT:
        raise SignatureRefused("signature.type", f"Got type {body[1]:#04x}.")
    if body[3] not in _HASHES:
        raise SignatureRefused("signature.hash", f"Got algorithm {body[3]}.")
    hashed_end, hashed = _area(body, 4)
    unhashed_end, unhashed = _area(body, hashed_end)
    if body[2] not in _NUMBERS:
        raise SignatureRefused("signature.algorithm", f"Got algorithm {body[2]}.")
    _check_numbers(body[unhashed_end + 2 :], _NUMBERS[body[2]])
    created, expires, issuer = _described(hashed)
    if any(kind != _ISSUER_ID or value.hex().upper() != issuer[-16:] for kind, value in unhashed):
        raise SignatureRefused("signature.unsigned_area")
    return Signature(
        issuer=issuer,
        type=body[1],
        hash=_HASHES[body[3]],
        created=created,
        expires=expires,
        packet=packet,
        hashed=body[:hashed_end] + b"\x04\xff" + hashed_end.to_bytes(4, "big"),
        prefix=body[unhashed_end : unhashed_end + 2],
    )


def _check_numbers(data: bytes, count: int) -> None:
    """Refuse anything but this many big numbers in their shortest form: the rest would be unsigned free space."""
    for _ in range(count):
        bits = int.from_bytes(data[:2], "big")
        number, data = data[2 : 2 + (bits + 7) // 8], data[2 + (bits + 7) // 8 :]
        if not bits or int.from_bytes(number, "big").bit_length() != bits:
            raise _MalformedError("expected big numbers in their shortest form")
    if data:
        raise _MalformedError(f"expected nothing after the numbers, got {len(data)} bytes")


def _area(body: bytes, start: int) -> tuple[int, list[tuple[int, bytes]]]:
    """Return where a subpacket area ends, and its subpackets as type (without the critical bit) and value."""
    end = start + 2 + int.from_bytes(body[start : start + 2], "big")
    if end + 2 > len(body):
        raise _MalformedError("expected subpacket areas to end within the packet")
    at, found = start + 2, []
    while at < end:
        length, used = _length(body[at:end], two_until=_FIVE_BYTES)
        if length < 1 or at + used + length > end:
            raise _MalformedError("expected subpackets to end within their area")
        found.append((body[at + used] & 0x7F, body[at + used + 1 : at + used + length]))
        at += used + length
    return end, found


def _described(hashed: list[tuple[int, bytes]]) -> tuple[int, int | None, str]:
    """Return when it was made, when it ends, and by which key, of which each must be said at most once."""
    values: dict[int, list[bytes]] = {_CREATED: [], _EXPIRES: [], _ISSUER_FINGERPRINT: []}
    for kind, value in hashed:
        if kind in values:
            values[kind].append(value)
    created, expiry, issuer = values[_CREATED], values[_EXPIRES], values[_ISSUER_FINGERPRINT]
    if [len(value) for value in created] != [4]:
        raise SignatureRefused("signature.no_time")
    if [(len(value), value[:1]) for value in issuer] != [(21, b"\x04")]:
        raise SignatureRefused("signature.no_fingerprint")
    if any(len(value) != 4 for value in expiry) or len(expiry) > 1:  # noqa: PLR2004 - four octets of seconds
        raise _MalformedError("expected one expiry of four bytes")
    made = int.from_bytes(created[0], "big")
    lasts = int.from_bytes(expiry[0], "big") if expiry else 0
    return made, made + lasts if lasts else None, issuer[0][1:].hex().upper()
