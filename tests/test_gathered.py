from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import MAIN, NEW, OLD, TOPIC, ZERO, oid
from governance import gathered
from governance.errors import FactsError
from governance.facts import Content
from governance.gathered import Gathered, Hello
from twinseal_hook.wire import encode

if TYPE_CHECKING:
    from collections.abc import Callable

Document = dict[str, Any]
TREE = oid("tree")
RAW = f"tree {TREE}\nauthor a <a@b> 1 +0000\ncommitter a <a@b> 1 +0000\n\nr\xc3\xb6se\n"
CHANGE = ["r\xc3\xb6se.txt", "000000", "100644", ZERO, oid("blob"), "text", 3, 60]


def a_hello() -> Document:
    return {
        "v": 1, "kind": "hello", "repository": "garden", "session": "s", "lines": [f"{OLD} {NEW} {MAIN}"],
        "options": ["ci.skip"], "pid": 7, "start": 99,
    }  # fmt: skip


def a_document() -> Document:
    return {
        "v": 1, "kind": "facts", "actual": {MAIN: [OLD, ""], TOPIC: [ZERO, MAIN]},
        "refs": [{
            "ref": MAIN, "old": OLD, "new": NEW, "type": "commit", "tag": "", "tag_target": "", "tag_target_type": "",
            "exclude": OLD, "fast_forward": True, "bases": [OLD], "commits": [NEW], "net": [list(CHANGE)],
            "landed": False, "problems": [],
        }],
        "commits": {NEW: {"raw": RAW, "changes": [list(CHANGE)], "measured": True, "problems": ["mergetag"]}},
        "gather_ms": 4,
    }  # fmt: skip


READERS: list[tuple[Callable[[bytes], Hello | Gathered], Callable[[], Document]]] = [
    (gathered.hello, a_hello),
    (gathered.facts, a_document),
]


def sent(document: object) -> bytes:
    return json.dumps(document).encode()


def test_a_hello_as_the_hook_writes_it_is_read() -> None:
    found = gathered.hello(encode(a_hello()).encode("ascii"))

    assert (found.repository, found.session, found.options, found.handle) == ("garden", "s", ("ci.skip",), "7-99")
    assert [(line.old, line.new, line.ref) for line in found.lines] == [(OLD, NEW, MAIN)]


def test_facts_as_the_hook_writes_them_are_read() -> None:
    found = gathered.facts(encode(a_document()).encode("ascii"))
    commit, ref = found.commits[NEW], found.refs[MAIN]

    assert found.actual == {MAIN: (OLD, ""), TOPIC: (ZERO, MAIN)}
    assert commit.raw == RAW.encode("latin-1")
    assert commit.changes[0].path == "röse.txt"
    assert commit.changes[0].content is Content.TEXT
    assert (ref.exclude, ref.bases, ref.commits, ref.fast_forward) == (OLD, (OLD,), (NEW,), True)
    assert found.gather_ms == 4


def test_bytes_that_are_no_utf_8_come_through() -> None:
    document = a_document()
    document["commits"][NEW]["changes"][0][0] = "r\xffse"
    document["commits"][NEW]["raw"] = "\x00\xff"
    found = gathered.facts(sent(document)).commits[NEW]

    assert found.changes[0].path == "r\udcffse"
    assert found.raw == b"\x00\xff"


def at(*path: str | int, value: object) -> Callable[[Document], None]:
    """Put a value at a place; an empty tuple takes the place away."""

    def change(document: Document) -> None:
        place: Any = document
        for step in path[:-1]:
            place = place[step]
        if value == ():
            del place[path[-1]]
        else:
            place[path[-1]] = value

    return change


HELLO = [
    ("no lines", at("lines", value=[])),
    ("a line that is no line", at("lines", value=[f"{OLD} {NEW}"])),
    ("a short object name", at("lines", value=[f"{OLD[:39]} {NEW} {MAIN}"])),
    ("an object name in capitals", at("lines", value=[f"{OLD.upper()} {NEW} {MAIN}"])),
    ("two lines in one", at("lines", value=[f"{OLD} {NEW} {MAIN}\n{OLD} {NEW} {TOPIC}"])),
    ("a line feed at the end", at("lines", value=[f"{OLD} {NEW} {MAIN}\n"])),
    ("a ref with a space", at("lines", value=[f"{OLD} {NEW} {MAIN} x"])),
    ("a ref named twice", at("lines", value=[f"{OLD} {NEW} {MAIN}", f"{OLD} {ZERO} {MAIN}"])),
    ("a letter that is no byte", at("lines", value=[f"{OLD} {NEW} refs/heads/\u0430"])),
    ("a lone surrogate", at("lines", value=[f"{OLD} {NEW} refs/heads/\udc80"])),
    ("a line that is no text", at("lines", value=[7])),
    ("lines that are no list", at("lines", value=f"{OLD} {NEW} {MAIN}")),
    ("no process id", at("pid", value=())),
    ("no start time", at("start", value=())),
    ("a process id of nought", at("pid", value=0)),
    ("a process id in words", at("pid", value="7")),
    ("true for a process id", at("pid", value=True)),
    ("a start time past any clock", at("start", value=2**53)),
    ("no session", at("session", value=())),
    ("a repository that is no text", at("repository", value=None)),
    ("options that are no list", at("options", value="x")),
    ("an option that is no text", at("options", value=[["x"]])),
]  # fmt: skip

FACTS = [
    ("no refs", at("refs", value=())),
    ("refs that are no list", at("refs", value={})),
    ("a ref that is no mapping", at("refs", 0, value=[])),
    ("one ref twice", lambda d: d["refs"].append(copy.deepcopy(d["refs"][0]))),
    ("no real values", at("actual", value=())),
    ("a real value that is no pair", at("actual", MAIN, value=OLD)),
    ("a real value that is no object name", at("actual", MAIN, value=["HEAD", ""])),
    ("a symbolic target that is no text", at("actual", MAIN, value=[OLD, None])),
    ("a type git has not", at("refs", 0, "type", value="note")),
    ("a type that is a list", at("refs", 0, "type", value=["commit"])),
    ("no old value", at("refs", 0, "old", value=())),
    ("a new value too short", at("refs", 0, "new", value=NEW[1:])),
    ("a range that starts at a name", at("refs", 0, "exclude", value="main")),
    ("fast-forward as a number", at("refs", 0, "fast_forward", value=1)),
    ("landed missing", at("refs", 0, "landed", value=())),
    ("landed as text", at("refs", 0, "landed", value="true")),
    ("bases missing", at("refs", 0, "bases", value=())),
    ("a base that is no object name", at("refs", 0, "bases", value=[""])),
    ("a commit of which nothing was sent", at("refs", 0, "commits", value=[NEW, oid("hidden")])),
    ("no commits at all, where a ref names one", at("commits", value={})),
    ("commits that are a list", at("commits", value=[])),
    ("a commit under a name that is none", at("commits", "main", value={})),
    ("a commit without its bytes", at("commits", NEW, "raw", value=())),
    ("a commit whose bytes are a number", at("commits", NEW, "raw", value=1)),
    ("a commit of letters that are no bytes", at("commits", NEW, "raw", value="\u0430")),
    ("measured missing", at("commits", NEW, "measured", value=())),
    ("measured as null", at("commits", NEW, "measured", value=None)),
    ("changes missing", at("commits", NEW, "changes", value=())),
    ("problems missing", at("commits", NEW, "problems", value=())),
    ("a problem that is no text", at("commits", NEW, "problems", value=[3])),
    ("a change with a field too few", at("commits", NEW, "changes", 0, value=CHANGE[:7])),
    ("a change with a field too many", at("commits", NEW, "changes", 0, value=[*CHANGE, 1])),
    ("a path that is no text", at("refs", 0, "net", 0, 0, value=7)),
    ("a path of letters that are no bytes", at("refs", 0, "net", 0, 0, value="\u0430")),
    ("a mode of five digits", at("refs", 0, "net", 0, 1, value="10064")),
    ("a mode with a nine", at("refs", 0, "net", 0, 2, value="100699")),
    ("an object name of another length", at("refs", 0, "net", 0, 3, value="0")),
    ("a content we do not know", at("refs", 0, "net", 0, 5, value="image")),
    ("a content that is a list", at("refs", 0, "net", 0, 5, value=[])),
    ("less than no lines", at("refs", 0, "net", 0, 6, value=-1)),
    ("half a line", at("refs", 0, "net", 0, 6, value=0.5)),
    ("true for a number of lines", at("refs", 0, "net", 0, 6, value=True)),
    ("a size in words", at("refs", 0, "net", 0, 7, value="60")),
    ("no size at all", at("refs", 0, "net", 0, 7, value=None)),
]  # fmt: skip

TABLE = [(*READERS[0], *row) for row in HELLO] + [(*READERS[1], *row) for row in FACTS]


@pytest.mark.parametrize(
    ("read", "make", "spoil"), [(row[0], row[1], row[3]) for row in TABLE], ids=[row[2] for row in TABLE]
)
def test_what_no_hook_writes_is_refused(
    read: Callable[[bytes], object], make: Callable[[], Document], spoil: Callable[[Document], None]
) -> None:
    document = make()
    read(sent(document))
    spoil(document)

    with pytest.raises(FactsError):
        read(sent(document))


PAYLOADS = {
    "nothing": b"", "no JSON": b"hello", "a torn document": sent(a_document())[:-9], "a list": b"[]", "a number": b"1",
    "NaN": b"NaN", "no UTF-8": b'"\xff"', "a thousand brackets": b"[" * 100_000, "a NUL": b"\0",
    "a number of 5000 digits": b'{"v":' + b"1" * 5000 + b"}",
}  # fmt: skip


@pytest.mark.parametrize("payload", PAYLOADS.values(), ids=PAYLOADS)
@pytest.mark.parametrize("read", [gathered.hello, gathered.facts])
def test_what_is_no_document_is_refused(read: Callable[[bytes], object], payload: bytes) -> None:
    with pytest.raises(FactsError):
        read(payload)


@pytest.mark.parametrize("changed", [{"v": 2}, {"v": None}, {"kind": "facts2"}, {"kind": None}])
def test_another_version_or_kind_is_refused_as_such(changed: Document) -> None:
    for read, make in READERS:
        with pytest.raises(FactsError, match="of version 1") as refused:
            read(sent(make() | changed))
        assert refused.value.code == "facts.version"


def test_one_frame_does_not_pass_for_the_other() -> None:
    with pytest.raises(FactsError):
        gathered.facts(sent(a_hello()))
    with pytest.raises(FactsError):
        gathered.hello(sent(a_document()))


def places(value: object, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [*([path] if path else []), *(deep for key, item in inside for deep in places(item, (*path, key)))]


SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(), st.text(max_size=5), st.just(()),
    st.sampled_from([OLD, ZERO, MAIN, "commit", "\udc80", "100644"]),
)  # fmt: skip
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner))


@given(st.sampled_from(READERS), st.data())
def test_a_document_spoilt_anywhere_is_read_or_refused_and_never_breaks_the_reader(
    pair: tuple[Callable[[bytes], object], Callable[[], Document]], data: st.DataObject
) -> None:
    read, make = pair
    document = make()
    for _ in range(data.draw(st.integers(1, 3))):
        spots = places(document)
        if spots:
            at(*data.draw(st.sampled_from(spots)), value=data.draw(VALUES))(document)
    try:
        found = read(sent(document))
    except FactsError:
        return
    assert isinstance(found, Hello | Gathered)


@given(st.sampled_from(READERS), st.data())
def test_bytes_spoilt_anywhere_are_read_or_refused(
    pair: tuple[Callable[[bytes], object], Callable[[], Document]], data: st.DataObject
) -> None:
    read, make = pair
    payload = bytearray(sent(make()))
    for _ in range(data.draw(st.integers(1, 4))):
        where = data.draw(st.integers(0, len(payload) - 1))
        payload[where : where + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    try:
        read(bytes(payload))
    except FactsError:
        return


def a_refusal() -> Document:
    return {
        "v": 1, "kind": "refusal", "repository": "garden", "session": "s", "lines": [], "options": [], "pid": 7,
        "start": 99, "host": {}, "code": "push.too_large", "said": "this push holds too much",
    }  # fmt: skip


def test_what_the_hook_refused_by_itself_is_read() -> None:
    payload = encode(a_refusal()).encode("ascii")
    found = gathered.refusal(payload)
    assert gathered.kind(payload) == "refusal"
    assert (found.code, found.said) == ("push.too_large", "this push holds too much")
    assert (found.hello.repository, found.hello.lines) == ("garden", ())


@pytest.mark.parametrize(
    "change",
    [
        {"code": "four_eyes.rejected"}, {"code": "push.x\n"}, {"code": 1}, {"said": None}, {"pid": 0}, {"v": 2},
        {"host": {"PATH": "/"}}, {"code": "push." + "x" * 41},
    ],
)  # fmt: skip
def test_a_refusal_that_is_none_of_the_hooks_is_refused(change: Document) -> None:
    with pytest.raises(FactsError):
        gathered.refusal(sent(a_refusal() | change))


def test_commits_sent_ahead_are_read_and_anything_else_is_not() -> None:
    payload = encode({"v": 1, "kind": "commits", "raw": [RAW]}).encode("ascii")
    assert gathered.kind(payload) == "commits"
    assert gathered.ahead(payload) == [RAW.encode("latin-1")]
    assert gathered.kind(encode(a_document()).encode("ascii")) == "facts"
    assert gathered.kind(b"{}") == gathered.kind(b"") == ""
    for raw in (["\u0100"], [1], "x", None):
        with pytest.raises(FactsError):
            gathered.ahead(sent({"v": 1, "kind": "commits", "raw": raw}))
