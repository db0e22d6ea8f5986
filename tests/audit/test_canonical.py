from __future__ import annotations

import json
import os
from enum import StrEnum
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit import canonical
from audit.errors import CanonicalError, EntryError

VECTORS = Path(os.environ.get("TWINSEAL_VECTORS", Path(__file__).parents[2].parent / "shared" / "vectors")) / "jcs"

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
keys = st.text(st.characters(max_codepoint=127, exclude_characters="\0"))
scalars = st.none() | st.booleans() | st.integers(-canonical.MAX_INT, canonical.MAX_INT) | texts
values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4))
objects = st.dictionaries(keys, values, max_size=6)


class Colour(StrEnum):
    RED = "red"


@pytest.mark.parametrize(
    ("name", "inside"),
    [
        ("structures", True),
        ("unicode", True),
        ("arrays", False),  # A list at the top.
        ("values", False),  # Floats.
        ("french", False),  # Keys outside ASCII, here and below.
        ("weird", False),
    ],
)
def test_published_vectors_are_spelt_as_published_or_refused(name: str, inside: bool) -> None:  # noqa: FBT001
    if not VECTORS.is_dir():
        pytest.skip(f"no JCS vectors at {VECTORS}")
    expected = (VECTORS / "output" / f"{name}.json").read_bytes()
    if inside:
        assert canonical.encode(canonical.decode(expected)) == expected
    else:
        with pytest.raises(CanonicalError):
            canonical.decode(expected)
    if name == "arrays":
        assert canonical.encode(json.loads(expected)) == expected


@given(objects)
def test_what_is_written_reads_back_the_same(value: dict[str, object]) -> None:
    body = canonical.encode(value)
    assert canonical.decode(body) == value
    assert canonical.encode(canonical.decode(body)) == body


@given(objects)
def test_another_spelling_of_the_same_value_is_refused(value: dict[str, object]) -> None:
    body = canonical.encode(value)
    for other in (json.dumps(value, indent=1), json.dumps(value, separators=(", ", ":"))):
        if other.encode() != body:
            with pytest.raises(CanonicalError):
                canonical.decode(other.encode())


@given(st.binary(max_size=60) | st.text(alphabet='{}[]":,\\u0d8eE+-.1naNIity ', max_size=30).map(str.encode))
def test_any_bytes_are_an_object_in_canonical_form_or_refused(data: bytes) -> None:
    try:
        value = canonical.decode(data)
    except CanonicalError:
        return
    assert canonical.encode(value) == data


def test_keys_are_in_order_and_escapes_are_the_shortest() -> None:
    value = {"b": 1, "a": 'é\x7f\u2028\x1f\n"\\/', "B": [True, None, {}], "": -5}
    assert canonical.encode(value) == '{"":-5,"B":[true,null,{}],"a":"é\x7f\u2028\\u001f\\n\\"\\\\/","b":1}'.encode()


def test_a_tuple_is_a_list_and_an_enumeration_its_text() -> None:
    assert canonical.encode({"a": (Colour.RED, 1)}) == b'{"a":["red",1]}'


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (1.0, "got float"),
        (float("nan"), "got float"),
        (2**53, "one of 54 bits"),
        (-(2**53), "one of 54 bits"),
        (b"bytes", "got bytes"),
        ({1, 2}, "got set"),
        ("a\0b", "U+0000, got it at index 1"),
        ("ab\ud800", "lone surrogates, got one at index 2"),
        ({1: "a"}, "keys that are strings, got int"),
        ({"é": 1}, "keys in ASCII"),
        ({"a\0": 1}, "keys in ASCII"),
    ],
)
def test_values_outside_the_subset_are_refused_by_place(value: object, words: str) -> None:
    with pytest.raises(CanonicalError) as caught:
        canonical.encode({"x": [0, value]})
    assert words in str(caught.value)
    assert "at 'x.1'" in str(caught.value)
    assert isinstance(caught.value, EntryError)
    assert canonical.encode({"x": [0, 2**53 - 1, -(2**53) + 1]})


class Fickle(dict[str, object]):
    """Says something harmless while it is looked at, and then something else."""

    asked = 0

    def items(self) -> list[tuple[str, str]]:  # type: ignore[override]
        self.asked += 1
        return [("a", "é")] if self.asked == 1 else [("b", "\0"), ("b", "é")]


class Twofold(str):
    """Text that says another thing when it is asked what it says."""

    __slots__ = ()

    def __str__(self) -> str:
        return "\0"

    def __eq__(self, other: object) -> bool:
        return True

    def __hash__(self) -> int:
        return hash("b")


def test_what_says_another_thing_each_time_is_asked_once() -> None:
    assert canonical.encode({"x": Fickle(a=1)}) == '{"x":{"a":"é"}}'.encode()
    with pytest.raises(CanonicalError):
        canonical.encode({"x": [Fickle(a=1), "\0"]})
    assert canonical.encode({Twofold("a"): Twofold("c")}) == b'{"a":"c"}'
    with pytest.raises(CanonicalError, match="keys in ASCII"):
        canonical.encode({Twofold("\0"): 1})


class Apart(str):
    """Equal to nothing but itself."""

    __slots__ = ()
    __hash__ = object.__hash__

    def __eq__(self, other: object) -> bool:
        return self is other


class Claims:
    """Says that it is a dict."""

    __class__ = dict  # type: ignore[assignment]

    def items(self) -> list[tuple[str, int]]:
        return [("x", 1)]


class Twice(dict[str, object]):
    def items(self) -> list[tuple[str, object]]:  # type: ignore[override]
        return [("x", 1), ("x", 2)]


@pytest.mark.parametrize("value", [{Apart("x"): 1, Apart("x"): 2}, Twice(x=1), {"y": {Apart("x"): 1, Apart("x"): 2}}])
def test_a_member_that_is_there_twice_is_refused(value: dict[str, object]) -> None:
    with pytest.raises(CanonicalError, match="each key once"):
        canonical.encode({"data": value})


def test_what_only_says_that_it_is_a_dict_is_refused() -> None:
    with pytest.raises(CanonicalError):
        canonical.encode({"x": Claims()})


def test_a_copy_shares_nothing_with_what_was_copied() -> None:
    inner: list[object] = [Colour.RED]
    copy = canonical.plain({"a": inner, "b": {"c": (True, None)}})
    inner.append(1)
    assert copy == {"a": ["red"], "b": {"c": [True, None]}}
    assert type(copy["a"][0]) is str
    with pytest.raises(CanonicalError, match=r"got float, at 'data\.x'"):
        canonical.plain({"x": 0.5}, "data")


def test_nesting_ends_at_sixteen_and_so_does_a_cycle() -> None:
    def nest(levels: int) -> object:
        value: object = {}
        for _ in range(levels - 1):
            value = {"a": value}
        return value

    body = canonical.encode(nest(16))
    assert canonical.decode(body) == nest(16)
    with pytest.raises(CanonicalError, match="16 levels"):
        canonical.encode(nest(17))
    with pytest.raises(CanonicalError, match="16 levels"):
        canonical.decode(b'{"a":' + body + b"}")
    cycle: list[object] = []
    cycle.append(cycle)
    with pytest.raises(CanonicalError, match="16 levels"):
        canonical.encode(cycle)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b'{"a":1,"a":1}', "each key once"),
        (b'{"a":{"b":1,"b":2}}', "each key once"),
        (b'{"a":NaN}', "whole numbers only, got NaN"),
        (b'{"a":-Infinity}', "whole numbers only"),
        (b'{"a":1.0}', "whole numbers only, got 1.0"),
        (b'{"a":1e400}', "whole numbers only"),
        (b'{"a":-0}', "another one from byte 5"),
        (b'{"a":01}', "do not parse"),
        (b'{"a":9007199254740992}', "2^53-1"),
        (b'{"a":' + b"9" * 5000 + b"}", "do not parse"),
        (b'{"a": 1}', "another one from byte 5"),
        (b'{"a":1}\n', "another one from byte 7"),
        (b'\xef\xbb\xbf{"a":1}', "do not parse"),
        (b'{"b":1,"a":1}', "another one from byte 2"),
        (b'{"a":"\\u0041"}', "another one"),
        (b'{"a":"\\/"}', "another one"),
        (b'{"a":"\\u001F"}', "another one"),
        (b'{"a":"\\ud800"}', "lone surrogates"),
        (b'{"a":"\\u0000"}', "U+0000"),
        (b'{"a":"\xff"}', "do not parse"),
        (b'{"a":"\xc0\xaf"}', "do not parse"),
        ('{"a":1}'.encode("utf-16"), "do not parse"),
        (b"[]", "an object at the top, got list"),
        (b"", "do not parse"),
        (b"[" * 60_000, "many more"),
        (b'{"\xc3\xa9":1}', "keys in ASCII"),
    ],
)
def test_bytes_that_would_not_have_been_written_are_refused(data: bytes, words: str) -> None:
    with pytest.raises(CanonicalError) as caught:
        canonical.decode(data)
    assert words in str(caught.value)
    assert canonical.decode(b'{"a":1}') == {"a": 1}
