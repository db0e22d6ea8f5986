"""Strict YAML: bytes to values that know their file, line and dotted path, or `PolicySyntaxError`.

Of YAML only mappings, lists, text, whole numbers and true or false are read; the rest of the language (anchors, tags,
merge keys, several documents, words that YAML takes for something else) is refused, because a reviewer does not
see what it does.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NoReturn, TypeAlias

import yaml

from audit.canonical import MAX_INT
from governance.errors import PolicySyntaxError

MAX_BYTES = 256 * 1024
MAX_DEPTH = 8

_INT = re.compile(r"-?(?:0|[1-9][0-9]{0,15})")

# Cc, Cf, Zl, Zp and Cs: characters that end a line, reorder it or hide in it. A reviewer cannot see them.
_UNSEEN = ("Cc", "Cf", "Zl", "Zp", "Cs")


@dataclass(frozen=True, slots=True)
class Odd:
    """A value that has no place in a policy, in words."""

    text: str


Value: TypeAlias = "str | int | bool | Odd | list[Found] | dict[str, Found]"


@dataclass(frozen=True, slots=True)
class Found:
    """A value and where it stands; `path` is its dotted name, `line` counts from 1 and is 0 where there is none."""

    value: Value
    path: str
    file: str
    line: int

    def __str__(self) -> str:
        """What was got, for a message."""
        if isinstance(self.value, Odd):
            return self.value.text
        if isinstance(self.value, list):
            return "a list" if self.value else "an empty list"
        if isinstance(self.value, dict):
            return "a mapping" if self.value else "an empty mapping"
        return shown_as_json(self.value)


def parse(data: bytes, file: str) -> Found:
    """The one document in these bytes."""
    text = _decode(data, file)
    events: list[yaml.Event] = []
    depth = 0
    try:
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            _check_event(event, file)
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > MAX_DEPTH:  # Here, because PyYAML takes quadratic time over brackets.
                _refuse(file, _line(event), f"expected at most {MAX_DEPTH} levels, got more", "Flatten it.")
            events.append(event)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        said = f"expected YAML, got: {error.problem or error.context}"
        _refuse(file, mark.line + 1 if mark else 1, said, "Indent with spaces; quote text that starts with a sign.")
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        _refuse(file, line, f"expected characters that YAML allows, got U+{error.character:04X}", "Remove it.")
    except (ValueError, OverflowError):
        # PyYAML makes the number in an escape or a directive without a check; the fault lies after the last event.
        _refuse(file, _line(events[-1]), "expected YAML, got a number out of range", "Write the character itself.")
    starts = [event for event in events if isinstance(event, yaml.DocumentStartEvent)]
    if len(starts) != 1:
        got, line = ("a second one", _line(starts[1])) if starts else ("none", 1)
        _refuse(file, line, f"expected one document, got {got}", "Keep one, without ---.")
    return Found(_value(events[2], iter(events[3:]), file=file, path=""), "", file, _line(events[2]))


def _decode(data: bytes, file: str) -> str:
    if len(data) > MAX_BYTES:
        _refuse(file, 1, f"expected at most {MAX_BYTES} bytes, got {len(data)}", "Fold its patterns into fewer.")
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        _refuse(file, line, f"expected UTF-8, got byte 0x{data[error.start]:02x}", "Save the file as UTF-8.")
    text = text.replace("\r\n", "\n")
    for number, shown in enumerate(text.split("\n"), start=1):
        if (index := unseen(shown)) >= 0:
            said = f"expected characters that can be seen, got U+{ord(shown[index]):04X}"
            _refuse(file, number, said, "Remove it; indent with spaces and end lines with LF.")
    return text


def unseen(text: str) -> int:
    """Where the first character stands that a reviewer cannot see; -1 where there is none."""
    if text.isascii() and text.isprintable():
        return -1
    return next((index for index, char in enumerate(text) if unicodedata.category(char) in _UNSEEN), -1)


def _check_event(event: yaml.Event, file: str) -> None:
    """Refuse what gives a document a meaning that cannot be read off its lines."""
    got = ""
    if isinstance(event, yaml.AliasEvent):
        got = f"the alias *{event.anchor}"
    elif isinstance(event, yaml.NodeEvent) and event.anchor is not None:
        got = f"the anchor &{event.anchor}"
    elif isinstance(event, yaml.ScalarEvent | yaml.CollectionStartEvent) and event.tag is not None:
        got = f"the tag {event.tag}"
    elif isinstance(event, yaml.DocumentStartEvent) and (event.version or event.tags):
        got = "a % directive"
    if got:
        _refuse(file, _line(event), f"expected plain values, got {got:.80}", "Write the value out where it is meant.")


def _value(event: yaml.Event, rest: Iterator[yaml.Event], *, file: str, path: str) -> Value:
    """The value that starts with this event; the rest gives up its events to it."""
    if isinstance(event, yaml.ScalarEvent):
        return _scalar(event, file)
    if isinstance(event, yaml.SequenceStartEvent):
        items: list[Found] = []
        while not isinstance(item := next(rest), yaml.SequenceEndEvent):
            place = f"{path}[{len(items)}]"
            items.append(Found(_value(item, rest, file=file, path=place), place, file, _line(item)))
        return items
    entries: dict[str, Found] = {}
    while not isinstance(key := next(rest), yaml.MappingEndEvent):
        name = _key(key, entries, file)
        place = f"{path}.{name}" if path else name
        entries[name] = Found(_value(next(rest), rest, file=file, path=place), place, file, _line(key))
    return entries


def _key(event: yaml.Event, earlier: Mapping[str, Found], file: str) -> str:
    name = _scalar(event, file) if isinstance(event, yaml.ScalarEvent) else None
    if not isinstance(name, str):
        got = shown_as_json(event.value) if isinstance(event, yaml.ScalarEvent) else "a list or mapping"
        _refuse(file, _line(event), f"expected a name before the colon, got {got}", "Write a plain word.")
    if name in earlier:
        said = f"expected each key once, got {shown_as_json(name)} again (first on line {earlier[name].line})"
        _refuse(file, _line(event), said, "Keep one of the two.")
    return name


def _scalar(event: yaml.ScalarEvent, file: str) -> str | int | bool | Odd:
    """A number, true, false or text; plain words that YAML 1.1 takes for anything else stay odd."""
    if (index := unseen(event.value)) >= 0:  # An escape may have made what the file itself may not hold.
        got = f"U+{ord(event.value[index]):04X} in it"
        _refuse(file, _line(event), f"expected text on one line, got {got}", "Write it plainly.")
    if event.style is not None:
        return event.value
    if _INT.fullmatch(event.value):
        return int(event.value)
    if event.value in {"true", "false"}:
        return event.value == "true"
    tag = yaml.resolver.Resolver().resolve(  # type: ignore[no-untyped-call] # types-pyyaml leaves it bare
        yaml.ScalarNode, event.value, (True, False)
    )
    kind = tag.rpartition(":")[2]
    if kind == "str":
        return event.value
    return Odd(f"{event.value:.60}, which YAML reads as {kind}" if event.value else "nothing")


def _line(event: yaml.Event) -> int:
    return event.start_mark.line + 1 if event.start_mark else 0


def shown_as_json(value: str | int) -> str:
    """As JSON writes it: quoted and escaped, so that look-alikes and white space show."""
    return json.dumps(value)[:80]


def _refuse(file: str, line: int, message: str, mend: str) -> NoReturn:
    raise PolicySyntaxError(message, file=file, line=line, mend=mend)


def located(value: object, path: str = "", depth: int = 1) -> Found:
    """Plain JSON as located values, without a line."""
    found: Value = Odd("nothing" if value is None else f"a value of type {type(value).__name__}")
    shown = unseen(value) < 0 if isinstance(value, str) else isinstance(value, int) and abs(value) <= MAX_INT
    if isinstance(value, str | int) and shown:
        found = value
    elif isinstance(value, list) and depth <= MAX_DEPTH:
        found = [located(item, f"{path}[{index}]", depth + 1) for index, item in enumerate(value)]
    elif isinstance(value, dict) and depth <= MAX_DEPTH and all(isinstance(key, str) for key in value):
        found = {key: located(item, f"{path}.{key}" if path else key, depth + 1) for key, item in value.items()}
    return Found(found, path, "", 0)
