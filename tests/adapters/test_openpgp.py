from __future__ import annotations

import base64
from contextlib import suppress
from typing import TYPE_CHECKING

import pysequoia
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from governance.adapters.openpgp import MAX_CERTIFICATE, Signature, certificate, frame
from governance.errors import EnrolmentError
from governance.signatures import MAX_SIGNATURE, SignatureRefused
from keys import key_of
from signature_cases import armored, dearmored

if TYPE_CHECKING:
    from collections.abc import Callable

PAYLOAD = b"what is signed"
ANA = key_of("ana")
GOOD = ANA.sign(PAYLOAD)
PACKET = dearmored(GOOD)
ISSUER = bytes.fromhex("04" + ANA.signing)
MADE = b"\x05\x02\x65\x00\x00\x00"
NAMED = b"\x16\x21" + ISSUER
NUMBERS = b"\x00\x01\x01" * 2


def packet(
    *,
    head: bytes = b"\x04\x00\x16\x08",
    hashed: bytes = MADE + NAMED,
    unhashed: bytes = b"",
    numbers: bytes = NUMBERS,
    tag: bytes = b"\xc2",
) -> bytes:
    """Return a signature packet put together by hand; nothing but its form is good."""
    areas = b"".join(len(area).to_bytes(2, "big") + area for area in (hashed, unhashed))
    body = head + areas + b"\xab\xcd" + numbers
    size = bytes([len(body)]) if len(body) < 192 else b"\xff" + len(body).to_bytes(4, "big")
    return tag + size + body


def refusal(signature: bytes | None) -> str:
    with pytest.raises(SignatureRefused) as caught:
        frame(signature)
    return caught.value.code


def test_a_packet_put_together_by_hand_passes_so_that_the_bad_ones_fail_for_their_own_reason() -> None:
    framed = frame(armored(packet()))
    assert framed == Signature(
        issuer=ANA.signing,
        type=0,
        hash="sha256",
        created=0x65000000,
        expires=None,
        packet=packet(),
        hashed=packet()[2 : 2 + 6 + 29] + b"\x04\xff\x00\x00\x00\x23",
        prefix=b"\xab\xcd",
    )


BAD_PACKETS = [
    ("version 3", packet(head=b"\x03\x00\x16\x08"), "signature.version"),
    ("version 5", packet(head=b"\x05\x00\x16\x08"), "signature.version"),
    ("version 6", packet(head=b"\x06\x00\x1b\x08"), "signature.v6"),
    ("no body", b"\xc2\x00", "signature.version"),
    ("a body that ends early", b"\xc2\x05\x04\x00\x16\x08\x00", "signature.malformed"),
    ("text", packet(head=b"\x04\x01\x16\x08"), "signature.type"),
    ("standalone", packet(head=b"\x04\x02\x16\x08"), "signature.type"),
    ("a certification", packet(head=b"\x04\x13\x16\x08"), "signature.type"),
    ("a revocation", packet(head=b"\x04\x20\x16\x08"), "signature.type"),
    ("a timestamp", packet(head=b"\x04\x40\x16\x08"), "signature.type"),
    ("SHA-1", packet(head=b"\x04\x00\x16\x02"), "signature.hash"),
    ("SHA-224", packet(head=b"\x04\x00\x16\x0b"), "signature.hash"),
    ("an unknown hash", packet(head=b"\x04\x00\x16\x63"), "signature.hash"),
    ("DSA", packet(head=b"\x04\x00\x11\x08"), "signature.algorithm"),
    ("an unknown algorithm", packet(head=b"\x04\x00\x63\x08"), "signature.algorithm"),
    ("one number too few", packet(numbers=NUMBERS[3:]), "signature.malformed"),
    ("one number too many", packet(numbers=NUMBERS + NUMBERS[3:]), "signature.malformed"),
    ("a number with a leading zero", packet(numbers=b"\x00\x02\x01" + NUMBERS[3:]), "signature.malformed"),
    ("text after the numbers", packet(numbers=NUMBERS + b"hello"), "signature.malformed"),
    ("no time", packet(hashed=NAMED), "signature.no_time"),
    ("two times", packet(hashed=MADE * 2 + NAMED), "signature.no_time"),
    ("a time of three bytes", packet(hashed=b"\x04\x02\x65\x00\x00" + NAMED), "signature.no_time"),
    ("time unsigned only", packet(hashed=NAMED, unhashed=MADE), "signature.no_time"),
    ("no fingerprint", packet(hashed=MADE), "signature.no_fingerprint"),
    ("two fingerprints", packet(hashed=MADE + NAMED * 2), "signature.no_fingerprint"),
    ("fingerprint unsigned only", packet(hashed=MADE, unhashed=NAMED), "signature.no_fingerprint"),
    ("fingerprint of version 6", packet(hashed=MADE + b"\x22\x21\x06" + b"x" * 32), "signature.no_fingerprint"),
    ("a short fingerprint", packet(hashed=MADE + NAMED[:1] + NAMED[1:-1] + b""), "signature.malformed"),
    ("another fingerprint unsigned", packet(unhashed=NAMED), "signature.unsigned_area"),
    ("another's id unsigned", packet(unhashed=b"\x09\x10" + b"x" * 8), "signature.unsigned_area"),
    ("a note unsigned", packet(unhashed=b"\x05\x64evil"), "signature.unsigned_area"),
    ("two expiries", packet(hashed=MADE + NAMED + b"\x05\x03\0\0\0\1" * 2), "signature.malformed"),
    ("an empty subpacket", packet(hashed=MADE + NAMED + b"\x00"), "signature.malformed"),
    ("a subpacket over the edge", packet(hashed=MADE + NAMED + b"\x09\x10xx"), "signature.malformed"),
    ("a five-byte length over the edge", packet(hashed=MADE + NAMED + b"\xff\0\0\0"), "signature.malformed"),
    ("a huge area", b"\xc2\x10\x04\x00\x16\x08\xff\xff" + b"x" * 10, "signature.malformed"),
    ("twice", packet() * 2, "signature.not_one"),
    ("a public key", packet(tag=b"\xc6"), "signature.not_one"),
    ("a literal", packet(tag=b"\xcb"), "signature.not_one"),
    ("a marker before", b"\xca\x03PGP" + packet(), "signature.not_one"),
    ("padding after", packet() + b"\xd5\x01x", "signature.not_one"),
    ("partial length", b"\xc2\xe0" + packet()[2:], "signature.malformed"),
    ("indeterminate length", b"\x8b" + packet()[2:], "signature.malformed"),
    ("longer than there is", b"\xc2\xbf" + packet()[2:], "signature.malformed"),
    ("no packet at all", b"hello there", "signature.malformed"),
]


@pytest.mark.parametrize(("name", "binary", "code"), BAD_PACKETS, ids=[row[0] for row in BAD_PACKETS])
def test_a_packet_that_is_not_one_plain_signature_is_refused(name: str, binary: bytes, code: str) -> None:
    assert refusal(armored(binary)) == code


def test_the_issuers_own_id_may_stand_in_the_unsigned_area() -> None:
    own = packet(unhashed=b"\x09\x10" + ISSUER[-8:])
    assert frame(armored(own)).issuer == ANA.signing


def test_long_and_short_forms_of_subpacket_lengths_are_read() -> None:
    note = b"\x14" + b"x" * 300
    two = (len(note) - 192).to_bytes(2, "big")
    for size in (bytes([two[0] + 192, two[1]]), b"\xff" + len(note).to_bytes(4, "big")):
        assert frame(armored(packet(hashed=MADE + size + note + NAMED))).issuer == ANA.signing
        assert frame(armored(packet(hashed=size + note + MADE + NAMED))).created == 0x65000000


def test_a_signature_that_ends_says_when() -> None:
    assert frame(armored(packet(hashed=MADE + NAMED + b"\x05\x03\0\0\0\x0a"))).expires == 0x6500000A
    assert frame(armored(packet(hashed=MADE + NAMED + b"\x05\x03\0\0\0\0"))).expires is None


def lines(change: Callable[[list[bytes]], object]) -> bytes:
    text = GOOD.split(b"\n")
    change(text)
    return b"\n".join(text)


BEGIN, END = GOOD.split(b"\n")[0], GOOD.rstrip().split(b"\n")[-1]
BAD_ARMOR = [
    ("nothing", None, "signature.missing"),
    ("empty", b"", "signature.missing"),
    ("white space", b" \n\t", "signature.missing"),
    ("SSH", b"-----BEGIN SSH SIGNATURE-----\nU1NIU0lH\n-----END SSH SIGNATURE-----\n", "signature.format"),
    ("X.509", b"-----BEGIN SIGNED MESSAGE-----\nMIAG\n-----END SIGNED MESSAGE-----\n", "signature.format"),
    ("an inline message", GOOD.replace(b"SIGNATURE", b"MESSAGE"), "signature.armor"),
    ("a public key block", GOOD.replace(b"SIGNATURE", b"PUBLIC KEY BLOCK"), "signature.armor"),
    ("mixed markers", GOOD.replace(END, b"-----END PGP MESSAGE-----"), "signature.armor"),
    ("binary", PACKET, "signature.armor"),
    ("text before", b"x\n" + GOOD, "signature.armor"),
    ("a space before", b" " + GOOD, "signature.armor"),
    ("text after", GOOD + b"x", "signature.armor"),
    ("twice", GOOD * 2, "signature.armor"),
    ("no end", GOOD.replace(END, b""), "signature.armor"),
    ("carriage returns", GOOD.replace(b"\n", b"\r\n"), "signature.armor"),
    ("no blank line", lines(lambda text: text.pop(1)), "signature.armor"),
    ("an unknown header", GOOD.replace(b"\n\n", b"\nApproved: yes\n\n", 1), "signature.armor"),
    ("a control character in a header", GOOD.replace(b"\n\n", b"\nComment: \x1b[2J\n\n", 1), "signature.armor"),
    ("a space in a line", lines(lambda text: text.insert(2, b" ")), "signature.armor"),
    ("a line cut short", lines(lambda text: text.__setitem__(2, text[2][:-1])), "signature.armor"),
    ("padding inside", lines(lambda text: text.__setitem__(2, text[2] + b"==")), "signature.armor"),
    ("the checksum of something else", lines(lambda text: text.__setitem__(-3, b"=AAAA")), "signature.crc"),
    ("a checksum cut short", lines(lambda text: text.__setitem__(-3, b"=AAA")), "signature.armor"),
    ("two checksums", lines(lambda text: text.insert(-3, text[-3])), "signature.armor"),
]


@pytest.mark.parametrize(("name", "signature", "code"), BAD_ARMOR, ids=[row[0] for row in BAD_ARMOR])
def test_anything_but_one_clean_armor_is_refused(name: str, signature: bytes | None, code: str) -> None:
    assert refusal(signature) == code


@pytest.mark.parametrize(
    "signature",
    [
        GOOD,
        GOOD.rstrip(),
        GOOD + b" \n\n",
        GOOD.replace(b"\n\n", b"\nVersion: GnuPG v2\nComment: J\xc3\xb6rg's\n\n", 1),
        lines(lambda text: text.pop(-3)),
    ],
    ids=["as made", "unterminated", "white space after", "known headers", "no checksum"],
)
def test_what_real_programs_write_around_a_signature_is_accepted(signature: bytes) -> None:
    assert frame(signature).packet == PACKET


def test_a_signature_too_large_is_refused_before_it_is_read() -> None:
    assert refusal(b"x" * MAX_SIGNATURE) == "signature.armor"
    assert refusal(b"x" * (MAX_SIGNATURE + 1)) == "signature.size"


def test_stray_bits_at_the_end_of_base64_are_refused() -> None:
    binary = packet() + b""
    text = base64.b64encode(binary).decode()
    assert text.endswith("=")
    last = text.rstrip("=")[-1]
    stray = text.replace(last + "=", chr(ord(last) + 1) + "=")
    assert base64.b64decode(stray) == binary
    assert refusal(f"{BEGIN.decode()}\n\n{stray}\n{END.decode()}\n".encode()) == "signature.armor"


def test_the_digest_prefix_fits_the_payload_and_no_other() -> None:
    framed = frame(GOOD)
    assert framed.fits(PAYLOAD)
    assert not framed.fits(PAYLOAD + b" ")


@given(st.binary(max_size=300))
@settings(max_examples=200, deadline=None)
def test_no_packet_makes_the_reader_fail_in_another_way(binary: bytes) -> None:
    for data in (binary, b"\xc2" + bytes([min(len(binary), 191)]) + b"\x04\x00\x16\x08" + binary):
        with suppress(SignatureRefused):  # Which only knows the codes of REFUSALS.
            frame(armored(data))


BINARY = ANA.certificate
SECRET = pysequoia.Tsk.generate("x <x@example.org>")


@pytest.mark.parametrize(
    "data",
    [
        BINARY,
        pysequoia.armor(BINARY, pysequoia.ArmorKind.PublicKey).encode(),
        str(pysequoia.Cert.from_bytes(BINARY)).replace("\n", "\r\n").encode(),
        b"\n  " + str(pysequoia.Cert.from_bytes(BINARY)).encode() + b"\n",
    ],
    ids=["binary", "armored", "pasted with carriage returns", "pasted with white space"],
)
def test_a_certificate_is_read_from_binary_or_armor(data: bytes) -> None:
    assert pysequoia.Cert.from_bytes(certificate(data)).fingerprint.upper() == ANA.fingerprint


NOT_CERTIFICATES = [
    (bytes(SECRET), "key.secret"),
    (str(SECRET).encode(), "key.secret"),
    (b"\n" + str(SECRET).encode(), "key.secret"),
    (BINARY + bytes(SECRET), "key.secret"),
    (BINARY * 2, "key.not_one"),
    (BINARY + key_of("bob").certificate, "key.not_one"),
    (b"\xcd\x01x" + BINARY, "key.not_one"),
    (PACKET, "key.not_one"),
    (b"", "key.not_one"),
    (BINARY + b"\xcb\x01x", "key.unreadable"),
    (BINARY + b"\xca\x03PGP", "key.unreadable"),
    (b"hello", "key.unreadable"),
    (BINARY[:-1], "key.unreadable"),
    (b"-----BEGIN PGP PUBLIC KEY BLOCK-----\nhello\n", "key.unreadable"),
    (GOOD, "key.unreadable"),
    (b"\x99" * (MAX_CERTIFICATE + 1), "key.size"),
]


@pytest.mark.parametrize(("data", "code"), NOT_CERTIFICATES, ids=range(len(NOT_CERTIFICATES)))
def test_what_is_not_one_public_certificate_is_not_enrolled(data: bytes, code: str) -> None:
    with pytest.raises(EnrolmentError) as caught:
        certificate(data)
    assert caught.value.code == code
