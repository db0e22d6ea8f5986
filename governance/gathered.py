"""What the hook gathered, read strictly: bytes from the socket to values, or `FactsError`.

The hook writes bytes as latin-1 in JSON, so that no path or object is lost on the way. Nothing here is judged.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from governance.errors import FactsError
from governance.facts import Change, Content
from governance.hosts import VARIABLES

OID = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
MODE = re.compile(r"[0-7]{6}")
LINE = re.compile(r"([0-9a-f]{40}|[0-9a-f]{64}) ([0-9a-f]{40}|[0-9a-f]{64}) ([^\x00-\x20\x7f]+)")
TYPES = frozenset({"commit", "tag", "tree", "blob", "missing", "none"})
OWN_CODE = re.compile(r"push\.[a-z_]{1,40}")
KIND = re.compile(rb'\{"v":1,"kind":"([a-z]+)",')
HANDLE_LIMIT = 2**53


@dataclass(frozen=True, slots=True)
class Line:
    """One ref update as git wrote it to the hook."""

    old: str
    new: str
    ref: str


@dataclass(frozen=True, slots=True)
class Hello:
    """How a push introduces itself."""

    repository: str
    session: str
    lines: tuple[Line, ...]
    options: tuple[str, ...]
    pid: int
    start: int
    host: Mapping[str, str] = field(default_factory=dict)
    """What the hook's environment holds of the variables by which hosts name pushers."""
    landing: str = ""
    """Which of the lander's landings this is; empty for a push."""

    @property
    def handle(self) -> str:
        """receive-pack's process id and start time, or the lander's and which landing: what names its reservation."""
        return f"{self.pid}-{self.start}" + (f"-{self.landing}" if self.landing else "")


@dataclass(frozen=True, slots=True)
class Refusal:
    """What the hook refused by itself, for the record. Its hello names no lines."""

    hello: Hello
    code: str
    said: str


@dataclass(frozen=True, slots=True)
class GatheredCommit:
    """One commit: its raw object, and what it changes."""

    raw: bytes
    changes: tuple[Change, ...]
    measured: bool
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class GatheredRef:
    """One ref update, as the repository with its quarantine shows it."""

    line: Line
    type: str
    tag: bytes
    tag_target: str
    tag_target_type: str
    exclude: str
    fast_forward: bool
    bases: tuple[str, ...]
    commits: tuple[str, ...]
    net: tuple[Change, ...]
    landed: bool
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class GatheredHead:
    """What the head of a change is, seen from the base it was signed off with, and what else moved since."""

    head: str
    base: str
    tree: str
    net: tuple[Change, ...]
    theirs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Gathered:
    """Everything the hook sent, or the lander gathered with the hook's code; only the latter has `carried`."""

    actual: Mapping[str, tuple[str, str]]
    refs: Mapping[str, GatheredRef]
    commits: Mapping[str, GatheredCommit]
    gather_ms: int
    carried: GatheredHead | None = None


def kind(payload: bytes) -> str:
    """Return what a frame is about, empty where it does not begin as ours do. Whoever reads it checks that again."""
    match = KIND.match(payload)
    return match[1].decode() if match else ""


def hello(payload: bytes) -> Hello:
    """Parse the first frame.

    Raises:
        FactsError: Anything but what our hook writes.
    """
    found = _object(payload, "hello")
    lines = [LINE.fullmatch(_latin(line)) for line in _list(found, "lines")]
    if not lines or not all(lines):
        raise FactsError("expected lines of <old> <new> <ref>", code="push.malformed_lines")
    parsed = tuple(Line(*match.groups()) for match in lines if match)
    if len({line.ref for line in parsed}) != len(parsed):
        raise FactsError("a ref is named twice in one push", code="push.malformed_lines")
    pid, start = (_handle(found.get(name)) for name in ("pid", "start"))
    options = tuple(_latin(option) for option in _list(found, "options"))
    return Hello(_text(found, "repository"), _text(found, "session"), parsed, options, pid, start, _host(found))


def refusal(payload: bytes) -> Refusal:
    """Parse such a frame.

    Raises:
        FactsError: Anything but what our hook writes.
    """
    found = _object(payload, "refusal")
    code, said = _text(found, "code"), _text(found, "said")
    if not OWN_CODE.fullmatch(code):
        raise FactsError(f"expected a code of the hook's own, got {code!a:.80}")
    pid, start = (_handle(found.get(name)) for name in ("pid", "start"))
    named = Hello(_text(found, "repository"), _text(found, "session"), (), (), pid, start, _host(found))
    return Refusal(named, code, said)


def _host(found: Mapping[str, Any]) -> Mapping[str, str]:
    said = found.get("host", {})
    if not isinstance(said, dict) or not said.keys() <= VARIABLES:
        raise FactsError(f"expected what the host says by name, got {said!a:.80}")
    return {name: _latin(value) for name, value in said.items()}


def _handle(value: object) -> int:
    if type(value) is not int or not 0 < value < HANDLE_LIMIT:
        raise FactsError(f"expected receive-pack's process id and start time, got {value!a:.80}")
    return value


def facts(payload: bytes) -> Gathered:
    """Parse the second frame.

    Raises:
        FactsError: Truncated, mistyped or contradictory.
    """
    found = _object(payload, "facts")
    try:
        actual = {_latin(ref): (_oid(v[0]), _latin(v[1])) for ref, v in found["actual"].items()}
        commits = {_oid(oid): _commit(record) for oid, record in found["commits"].items()}
        refs = [_ref(record) for record in _list(found, "refs")]
        carried = _head(found["carried"]) if "carried" in found else None
    except (KeyError, IndexError, TypeError, AttributeError, ValueError) as exc:
        raise FactsError(f"the facts are not as the hook writes them ({type(exc).__name__}: {exc})") from exc
    if len({ref.line.ref for ref in refs}) != len(refs):
        raise FactsError("facts about one ref came twice")
    for ref in refs:
        missing = [oid for oid in ref.commits if oid not in commits]
        if missing:
            raise FactsError(f"{ref.line.ref}: no facts about commit {missing[0]}")
    took = found.get("gather_ms")
    return Gathered(actual, {ref.line.ref: ref for ref in refs}, commits, took if type(took) is int else 0, carried)


def _head(record: Mapping[str, Any]) -> GatheredHead:
    return GatheredHead(
        head=_oid(record["head"]),
        base=_maybe_oid(record["base"]),
        tree=_oid(record["tree"]),
        net=tuple(map(_change, _list(record, "net"))),
        theirs=tuple(_path(_latin(path)) for path in _list(record, "theirs")),
    )


def ahead(payload: bytes) -> list[bytes]:
    """Parse a frame of commits.

    Raises:
        FactsError: Anything but what our hook writes.
    """
    return [_latin(raw).encode("latin-1") for raw in _list(_object(payload, "commits"), "raw")]


def _object(payload: bytes, kind: str) -> dict[str, Any]:
    try:
        found = json.loads(payload)
    except (ValueError, RecursionError) as exc:
        raise FactsError(f"expected JSON ({kind}), got {len(payload)} bytes that are not: {exc}") from exc
    if not isinstance(found, dict) or found.get("v") != 1 or found.get("kind") != kind:
        raise FactsError(f"expected a {kind} of version 1", code="facts.version")
    return found


def _commit(record: Mapping[str, Any]) -> GatheredCommit:
    changes = tuple(map(_change, _list(record, "changes")))
    problems = tuple(_latin(problem) for problem in _list(record, "problems"))
    return GatheredCommit(record["raw"].encode("latin-1"), changes, _bool(record["measured"]), problems)


def _change(record: list[Any]) -> Change:
    path, old_mode, new_mode, old, new, content, lines, size = record
    if not (MODE.fullmatch(old_mode) and MODE.fullmatch(new_mode) and OID.fullmatch(old) and OID.fullmatch(new)):
        raise ValueError("mode or object name")
    if not (type(lines) is int and type(size) is int and lines >= 0 and size >= 0):
        raise ValueError("a count is not a whole number")
    return Change(_path(path), old_mode, new_mode, old, new, Content(content), lines, size)


def _path(text: str) -> str:
    if text.isascii():
        return text
    return text.encode("latin-1").decode("utf-8", "surrogateescape")


def _ref(record: Mapping[str, Any]) -> GatheredRef:
    if record["type"] not in TYPES:
        raise ValueError(f"object type {record['type']!r}")
    return GatheredRef(
        line=Line(_oid(record["old"]), _oid(record["new"]), _latin(record["ref"])),
        type=record["type"],
        tag=record["tag"].encode("latin-1"),
        tag_target=_maybe_oid(record["tag_target"]),
        tag_target_type=_latin(record["tag_target_type"]),
        exclude=_maybe_oid(record["exclude"]),
        fast_forward=_bool(record["fast_forward"]),
        bases=tuple(map(_oid, _list(record, "bases"))),
        commits=tuple(map(_oid, _list(record, "commits"))),
        net=tuple(map(_change, _list(record, "net"))),
        landed=_bool(record["landed"]),
        problems=tuple(_latin(problem) for problem in record.get("problems", ())),
    )


def _list(record: Mapping[str, Any], name: str) -> list[Any]:
    value = record.get(name)
    if not isinstance(value, list):
        raise FactsError(f"{name}: expected a list, got {type(value).__name__}")
    return value


def _text(record: Mapping[str, Any], name: str) -> str:
    return _latin(record.get(name))


def _latin(value: object) -> str:
    if not isinstance(value, str):
        raise FactsError(f"expected text, got {type(value).__name__}")
    if not value.isascii() and max(value) > "\xff":
        raise FactsError(f"expected bytes as latin-1, got {value!a:.80}")
    return value


def _bool(value: object) -> bool:
    if not isinstance(value, bool):
        raise FactsError(f"expected true or false, got {value!r}")
    return value


def _oid(value: object) -> str:
    if not isinstance(value, str) or not OID.fullmatch(value):
        raise FactsError(f"expected an object name, got {value!r}")
    return value


def _maybe_oid(value: object) -> str:
    return "" if value == "" else _oid(value)
