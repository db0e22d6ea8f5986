"""The one spelling of a value as bytes, on the subset of JSON where spelling cannot be argued about.

Strings, booleans, null, whole numbers, lists and objects. On this subset the bytes are those of RFC 8785 (JCS): no
white space, keys in order, the shortest escapes. Text is not normalised: two spellings of an accent are two values.
Refused are floats (their spelling depends on who prints them), whole numbers that a double cannot hold, keys outside
ASCII (UTF-16 order would differ from code point order), U+0000 and lone surrogates (stores disagree on them), and
nesting below 16.
"""

from __future__ import annotations

import json
from json.encoder import c_make_encoder, encode_basestring  # type: ignore[attr-defined]
from typing import TYPE_CHECKING, Any, NoReturn

from audit.errors import CanonicalError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

MAX_INT = 2**53 - 1
MAX_DEPTH = 16


def _refused(value: object) -> NoReturn:
    raise TypeError(f"no JSON for {_name(value)}")


# json.JSONEncoder makes one of these at every call, which costs as much as the spelling. Marks no circles: a cycle runs
# into the interpreter's own limit. No white space, keys sorted, no NaN.
_SPELL = c_make_encoder(None, _refused, encode_basestring, None, ":", ",", True, False, False)  # noqa: FBT003


def encode(value: object) -> bytes:
    """The canonical bytes of `value`. Tuples are written as lists.

    Raises:
        CanonicalError: the value lies outside the subset; the message names the place.
    """
    copy = plain(value)
    spelt = spell(copy)
    if is_odd(spelt):
        check(copy)
    return spelt.encode()


def plain(value: object, *path: str) -> Any:  # noqa: ANN401  # JSON.
    """A copy of `value` as whoever reads its bytes will see it: lists, plain text, nothing shared with the caller.

    Each part is asked once what it is, so that nothing says one thing to a check and another to the record. `path` is
    where the value stands. Not checked: what the texts say (`is_odd`).

    Raises:
        CanonicalError: as for `encode`.
    """
    try:
        return _plain(value, MAX_DEPTH - len(path))
    except CanonicalError:
        check(value, *path)  # Says where.
        raise


def spell(value: object) -> str:
    """The canonical text of what `plain` answered. Not checked: what its texts say."""
    return "".join(_SPELL(value, 0))


quote: Callable[[str], str] = encode_basestring
"""The canonical spelling of one text. Not checked: what it says."""


def is_odd(spelt: str) -> bool:
    """Whether the texts in a spelling need a `check`. Says yes too often."""
    return not spelt.isascii() or "\\" in spelt  # U+0000 is spelt by an escape.


def check(value: object, *path: str | int) -> None:
    """Return if a value is inside the subset. `path` is where it stands.

    Raises:
        CanonicalError: as for `encode`.
    """
    if isinstance(value, str):
        _check_text(value, path)
    elif value is None or isinstance(value, bool):
        return
    elif isinstance(value, int):
        if not -MAX_INT <= value <= MAX_INT:
            _refuse(path, "a whole number within ±(2^53-1)", f"one of {value.bit_length()} bits")
    elif isinstance(value, dict):
        _check_depth(path)
        for key, member in value.items():
            _check_key(key, path)
            check(member, *path, key)
    elif isinstance(value, list | tuple):
        _check_depth(path)
        for index, member in enumerate(value):
            check(member, *path, index)
    else:
        _refuse(path, "a string, whole number, boolean, null, list or object", _name(value))


def decode(data: bytes) -> dict[str, object]:
    """The object that `data` spells, if `encode` would have written exactly these bytes.

    Raises:
        CanonicalError: not JSON, not an object, outside the subset, or spelt in another way.
    """
    try:
        value = _DECODER.decode(data.decode())
    except RecursionError:
        raise CanonicalError(f"expected at most {MAX_DEPTH} levels of nesting, got many more") from None
    except ValueError as error:  # Not UTF-8, not JSON, or a number too long to read.
        raise CanonicalError(f"expected canonical JSON, got bytes that do not parse: {error}") from None
    if not isinstance(value, dict):
        raise CanonicalError(f"expected an object at the top, got {_name(value)}")
    again = encode(value)
    if again != data:
        at = next((i for i, (a, b) in enumerate(zip(again, data, strict=False)) if a != b), min(len(again), len(data)))
        raise CanonicalError(f"expected the canonical spelling, got another one from byte {at} on")
    return value


def _plain(value: object, room: int) -> object:
    kind = type(value)  # And no isinstance: what only says that it is a dict is none.
    if kind is str or kind is bool or value is None:
        return value
    if kind is int or issubclass(kind, int):
        number = int.__int__(value)  # type: ignore[arg-type]
        if -MAX_INT <= number <= MAX_INT:
            return number
    elif issubclass(kind, dict):
        if room:
            return _object(value.items() if kind is dict else list(value.items()), room - 1)  # type: ignore[attr-defined]
    elif issubclass(kind, list | tuple):
        if room:
            return [member if type(member) is str else _plain(member, room - 1) for member in value]  # type: ignore[attr-defined]
    elif issubclass(kind, str):
        return str.__str__(value)
    raise CanonicalError(f"expected a value of the canonical subset, got {_name(value)}")


def _object(items: Collection[tuple[object, object]], room: int) -> dict[str, object]:
    copy = {
        key if type(key) is str else _key(key): member if type(member) is str else _plain(member, room)
        for key, member in items
    }
    if len(copy) != len(items):  # Two that differ for whoever hands them in, and are one text.
        raise CanonicalError("expected each key once, got one of them again")
    return copy


def _key(key: object) -> str:
    if not issubclass(type(key), str):
        raise CanonicalError(f"expected keys that are strings, got {_name(key)}")
    return str.__str__(key)


def _check_text(text: str, path: tuple[str | int, ...]) -> None:
    if "\0" in text:
        _refuse(path, "text without U+0000", f"it at index {text.index(chr(0))}")
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError as error:
            _refuse(path, "text without lone surrogates", f"one at index {error.start}")


def _check_key(key: object, path: tuple[str | int, ...]) -> None:
    if not isinstance(key, str):
        _refuse(path, "keys that are strings", _name(key))
    if not key.isascii() or "\0" in key:
        _refuse(path, "keys in ASCII without U+0000", ascii(key))


def _check_depth(path: tuple[str | int, ...]) -> None:
    if len(path) >= MAX_DEPTH:
        _refuse(path[:3], f"at most {MAX_DEPTH} levels of nesting", "more below here")


def _refuse(path: tuple[str | int, ...], expected: str, got: str) -> NoReturn:
    place = ".".join(str(step) for step in path) or "the top"
    raise CanonicalError(f"expected {expected}, got {got}, at {place!a}")


def _name(value: object) -> str:
    return type(value).__name__


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """An object, unless it names a key twice: parsers disagree on which one counts."""
    members = dict(pairs)
    if len(members) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise CanonicalError(f"expected each key once, got {twice!a} again")
    return members


def _no_float(text: str) -> NoReturn:
    raise CanonicalError(f"expected whole numbers only, got {text[:40]}")


_DECODER = json.JSONDecoder(object_pairs_hook=_once, parse_float=_no_float, parse_constant=_no_float)
