"""What the hook and the service say to each other, and how long the hook waits to hear it.

A frame is its payload's length in ASCII digits, a line feed, and the payload. The hook sends JSON; the service sends
lines of UTF-8 text, because reading JSON would cost the hook more than everything else it imports.
"""

import _socket
import time
from _json import encode_basestring_ascii

from . import Undecided

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Self

    Json = str | int | bool | Sequence["Json"] | Mapping[str, "Json"]

WAIT = 3.0
"""Seconds to wait for each frame, and for each piece of ours to be taken."""

LARGEST = 16 << 20
"""Bytes in a frame we are willing to read: an answer is a page of text, so this much is a mistake."""

_PIECE = 1 << 16
_PINS = {"pin": 2, "propose": 3}  # How many words follow.
_HEX = frozenset("0123456789abcdef")


def encode(value: "Json") -> str:
    """Write JSON, in the key order given."""
    if isinstance(value, str):
        return encode_basestring_ascii(value)
    if isinstance(value, bool):  # Before int, of which bool is one.
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, dict):
        return "{" + ",".join([f"{encode_basestring_ascii(key)}:{encode(item)}" for key, item in value.items()]) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join([encode(item) for item in value]) + "]"
    raise TypeError(f"expected text, number, list or mapping to send, got {type(value).__name__}")


class Service:
    """One conversation over the service's Unix socket. Every method raises Undecided when the other side fails."""

    __slots__ = ("_heard", "_socket", "_wait")

    def __init__(self, path: str, *, wait: float = WAIT) -> None:
        self._heard = b""
        self._wait = wait
        self._socket = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
        self._socket.settimeout(wait)
        try:
            self._socket.connect(path)
        except OSError as error:
            self._socket.close()
            raise Undecided(f"the service cannot be reached at {path}: {error}") from error

    def __enter__(self) -> "Self":
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def send(self, value: "Json") -> None:
        """Send one JSON frame."""
        payload = encode(value).encode("ascii")
        message = memoryview(b"%d\n%b" % (len(payload), payload))
        self._socket.settimeout(self._wait)
        try:
            while message:
                message = message[self._socket.send(message[:_PIECE]) :]
        except TimeoutError as error:
            raise Undecided(f"the service did not take our question within {self._wait:g} s") from error
        except OSError as error:
            raise Undecided(f"the service hung up while we were asking: {error}") from error

    def receive(self) -> str:
        """Wait for one frame and return its text."""
        until = time.monotonic() + self._wait
        while b"\n" not in self._heard[:9]:
            if len(self._heard) > len(str(LARGEST)):
                raise Undecided(f"the service sent no frame length, but {self._heard[:9]!r}")
            self._more(until)
        digits, _, self._heard = self._heard.partition(b"\n")
        if not (digits.isdigit() and int(digits) <= LARGEST):
            raise Undecided(f"the service sent a frame length of {digits!r}, expected digits, at most {LARGEST}")
        length, pieces = int(digits), []
        while length > len(self._heard):
            length -= len(self._heard)
            pieces.append(self._heard)
            self._heard = b""
            self._more(until)
        payload, self._heard = b"".join(pieces) + self._heard[:length], self._heard[length:]
        try:
            return payload.decode("utf-8")
        except UnicodeDecodeError as error:
            raise Undecided(f"the service sent text that is not UTF-8: {error}") from error

    def _more(self, until: float) -> None:
        try:
            self._socket.settimeout(max(until - time.monotonic(), 0.001))
            piece = self._socket.recv(_PIECE)
        except TimeoutError as error:
            raise Undecided(f"the service did not answer within {self._wait:g} s") from error
        except OSError as error:
            raise Undecided(f"the service hung up before it answered: {error}") from error
        if not piece:
            raise Undecided("the service hung up before it answered")
        self._heard += piece


def parse_lines(data: bytes) -> list[tuple[str, str, str]]:
    """Return old, new and ref of every update git announced; names are latin-1, so that any byte survives.

    A ref may hold no control character and no space. Git would refuse such a name only after this hook, and until
    then one could pose as two lines.

    Raises:
        ValueError: A line is not ``<old> <new> <ref>``, or a ref is named twice.
    """
    body, end, rest = data.decode("latin-1").rpartition("\n")
    if not end or rest:
        raise ValueError("expected lines ending in a line feed, got none or a torn one")
    updates: list[tuple[str, str, str]] = []
    for line in body.split("\n"):
        old, new, ref = [*line.split(" "), "", ""][:3]
        named = is_name(old) and is_name(new) and len(old) == len(new) == len(updates[0][0] if updates else old)
        if not (named and is_ref(ref) and line == f"{old} {new} {ref}"):
            raise ValueError(f"expected '<old> <new> <ref>', got {line!r}")
        updates.append((old, new, ref))
    if len({ref for _, _, ref in updates}) < len(updates):
        raise ValueError("expected each ref once, got one of them twice")
    return updates


def parse_plan(text: str, *, count: int) -> list[str | None]:
    """Return per ref line what to leave out of its range: an object name, "" for nothing; None when not judged.

    Raises:
        Undecided: The plan is not one, or not for this many lines.
    """
    lines = text.removesuffix("\n").split("\n")
    plan: list[str | None] = []
    for line in lines[1:]:
        verb, _, exclude = line.partition(" ")
        if line == "skip":
            plan.append(None)
        elif verb == "judge" and (exclude == "-" or is_name(exclude)):
            plan.append("" if exclude == "-" else exclude)
        else:
            raise Undecided(f"the service sent a plan we cannot read: {line!r}")
    if lines[0] != "plan" or len(plan) != count:
        raise Undecided(f"the service sent a plan for {len(plan)} refs, expected {count}")
    return plan


def parse_answer(text: str) -> tuple[int, list[str], str]:
    """Return the exit code, the lines to reserve, and what to tell the pusher.

    The reservation lists ``old new ref`` first, then ``pin oid ref`` and ``propose oid pin ref``. A pin is reserved as
    the creation it is, whether a push of its own moves the branch (pin) or nothing but the pin is made (propose).

    Raises:
        Undecided: The answer is not one.
    """
    head, mark, told = f"{text}\n".partition("\ntext\n")
    first, *rest = head.split("\n")
    if not mark or first not in {"answer 0", "answer 1", "answer 3"}:
        raise Undecided(f"the service sent something else than an answer: {first[:80]!r}")
    reserved, pins = [], []
    for line in rest:
        verb, *words = line.split(" ")
        if verb == "reserve" and len(words) == 3 and is_name(words[0]) and is_name(words[1]) and is_ref(words[2]):  # noqa: PLR2004 - old, new, ref
            reserved.append(" ".join(words))
        elif len(words) == _PINS.get(verb) and is_name(words[0]) and all(map(is_ref, words[1:])):
            reserved.append(f"{'0' * len(words[0])} {words[0]} {words[1]}")
            pins.append(line)
        else:
            raise Undecided(f"the service sent an answer we cannot read: {line[:80]!r}")
    return int(first[-1]), reserved + pins, told.removesuffix("\n")


def is_name(word: str) -> bool:
    """Tell whether this is a full object name, SHA-1 or SHA-256."""
    return len(word) in {40, 64} and _HEX.issuperset(word)


def is_ref(word: str) -> bool:
    """Tell whether this can stand in a line as a ref, one character a byte; it need not be one that git allows."""
    return bool(word) and min(word) > " " and max(word) <= "\xff" and "\x7f" not in word
