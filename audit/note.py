"""Signed notes (C2SP signed-note): a text, a blank line, and signatures by name and key id.

A note is read against keys that the reader already trusts. Signatures by anybody else are passed over, as the format
demands; a signature by a known key that does not verify condemns the whole note.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from audit.errors import NoteError

LARGEST = 1_000_000
"""Bytes of a note that are read."""
MOST_SIGNATURES = 100
_ID = 4
_ED25519 = 32
_TIME = 8
_MARK = "\N{EM DASH} "


class Algorithm(IntEnum):
    """The first byte of a key, by what it signs."""

    ED25519 = 0x01
    """The note's text."""
    COSIGNATURE = 0x04
    """`cosignature/v1`: a time, and the note's text (C2SP tlog-cosignature)."""


@dataclass(frozen=True, slots=True)
class Key:
    """A verifier key: who signs, and by which Ed25519 key. Two keys of one name may stand side by side."""

    name: str
    algorithm: Algorithm
    public: bytes

    def __post_init__(self) -> None:
        """Refuse a name that could not be told from what surrounds it."""
        if not _is_name(self.name):
            raise NoteError(f"expected a key name without spaces and plus, got {self.name!a:.80}")
        if len(self.public) != _ED25519:
            raise NoteError(f"{self.name}: expected {_ED25519} bytes of Ed25519 key, got {len(self.public)}")

    @property
    def id(self) -> bytes:
        """The four bytes that name it in a signature. A hint: two keys may share them."""
        return hashlib.sha256(self.name.encode() + b"\n" + self._typed()).digest()[:_ID]

    def _typed(self) -> bytes:
        return bytes([self.algorithm]) + self.public

    def __str__(self) -> str:
        """Return the vkey: `name+id+base64`."""
        return f"{self.name}+{self.id.hex()}+{base64.b64encode(self._typed()).decode()}"

    @classmethod
    def parse(cls, text: str) -> Key:
        """Read a vkey.

        Raises:
            NoteError: malformed, of an algorithm that is not known here, or with an id that is not its own.
        """
        name, plus, rest = text.partition("+")
        claimed, other, encoded = rest.partition("+")
        typed = _decoded(encoded)
        if not (plus and other and typed) or typed[0] not in set(Algorithm):
            raise NoteError(f"expected a key as name+id+base64 of Ed25519, got {text!a:.200}")
        key = cls(name, Algorithm(typed[0]), typed[1:])
        if key.id.hex() != claimed:
            raise NoteError(f"expected the id {key.id.hex()} of {name}, got {claimed!a:.20}")
        return key


@dataclass(frozen=True, slots=True)
class Signer:
    """A private key. `secret` is its 32-byte seed."""

    name: str
    algorithm: Algorithm
    secret: bytes

    @property
    def key(self) -> Key:
        """What others verify it by."""
        public = Ed25519PrivateKey.from_private_bytes(self.secret).public_key().public_bytes_raw()
        return Key(self.name, self.algorithm, public)

    def line(self, text: str, *, at: int = 0) -> str:
        """Return the signature line for a text. `at` is the time of a cosignature, in Unix seconds."""
        stamp = at.to_bytes(_TIME, "big") if self.algorithm is Algorithm.COSIGNATURE else b""
        made = Ed25519PrivateKey.from_private_bytes(self.secret).sign(_signed(self.algorithm, text, at))
        return f"{_MARK}{self.name} {base64.b64encode(self.key.id + stamp + made).decode()}\n"


@dataclass(frozen=True, slots=True)
class Signature:
    """A signature that verified. `at` is in Unix seconds, and 0 but for a cosignature."""

    key: Key
    at: int


@dataclass(frozen=True, slots=True)
class Note:
    """A text that ends in a line feed, and who of those we know has signed it."""

    text: str
    signatures: tuple[Signature, ...]
    lines: tuple[str, ...]
    """Every signature line as it stood, of strangers too."""

    def by(self, key: Key) -> Signature | None:
        """Return the first signature by this key."""
        return next((each for each in self.signatures if each.key == key), None)


def written(text: str, lines: Iterable[str]) -> str:
    """Return a note of a text and its signature lines."""
    _check_text(text)
    return f"{text}\n{''.join(lines)}"


def split(signed: str) -> tuple[str, str]:
    """Return a note's text and its signature lines, whoever made them: nothing is verified, nor that it is a note."""
    text, _, lines = signed.rpartition("\n\n")
    return text + "\n", lines


def read(note: bytes, keys: Sequence[Key]) -> Note:
    """Return a note with the signatures by these keys.

    Raises:
        NoteError: not a note, or one of these keys signs for something else. That nobody known signed is no error:
            ask `by`.
    """
    if len(note) > LARGEST:
        raise NoteError(f"expected at most {LARGEST} bytes of note, got {len(note)}")
    try:
        whole = note.decode("utf-8")
    except UnicodeDecodeError as error:
        raise NoteError(f"expected a note of UTF-8, got: {error}") from error
    head, blank, tail = whole.rpartition("\n\n")
    text = head + "\n"
    _check_text(text)
    lines = tail.splitlines(keepends=True)
    if not blank or not lines or not tail.endswith("\n") or len(lines) > MOST_SIGNATURES:
        raise NoteError("expected a text, a blank line and signature lines")
    found = [signature for line in lines if (signature := _known(line, text, keys))]
    return Note(text, tuple(found), tuple(lines))


def _known(line: str, text: str, keys: Sequence[Key]) -> Signature | None:
    """Return the signature on a line, if it is by a key we know."""
    name, space, encoded = line.removeprefix(_MARK).rstrip("\n").partition(" ")
    blob = _decoded(encoded)
    if not line.startswith(_MARK) or not space or not _is_name(name) or len(blob) <= _ID:
        raise NoteError(f"expected a signature line, got {line!a:.120}")
    for key in keys:
        if (key.name, key.id) == (name, blob[:_ID]):
            if base64.b64encode(blob).decode() != encoded:  # The last character may hide bits that count for nothing.
                raise NoteError(f"expected a signature by {name} in its one spelling, got another")
            return _verified(key, text, blob[_ID:])
    return None


def _verified(key: Key, text: str, blob: bytes) -> Signature:
    stamp = _TIME if key.algorithm is Algorithm.COSIGNATURE else 0
    at = int.from_bytes(blob[:stamp], "big")
    try:
        Ed25519PublicKey.from_public_bytes(key.public).verify(blob[stamp:], _signed(key.algorithm, text, at))
    except InvalidSignature:
        raise NoteError(f"expected a signature by {key.name}, got one that does not verify") from None
    return Signature(key, at)


def _signed(algorithm: Algorithm, text: str, at: int) -> bytes:
    """Return what a signature is made over."""
    return (f"cosignature/v1\ntime {at}\n{text}" if algorithm is Algorithm.COSIGNATURE else text).encode()


def _check_text(text: str) -> None:
    if not text.endswith("\n") or any(each < " " and each != "\n" for each in text):
        raise NoteError("expected a text of whole lines without control characters")


def _is_name(text: str) -> bool:
    return bool(text) and not any(each.isspace() or each < " " or each == "+" for each in text)


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""
