"""Policy files (C2SP tlog-policy), read strictly.

    log <vkey> [<url>]
    witness <name> <vkey> [<url>]
    group <name> all|any|<k> <name>...
    quorum <name>|none

A policy file is data that people review, so each error names its line. Nothing is guessed: a name or a key that comes
twice, a name that is used before it is defined, or a line that is not ended are errors. Stricter than the
specification in one thing: a key may not be that of a log and of a witness, for that witness would be no second party.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NoReturn

from audit.errors import NoteError, TrustError
from audit.note import Algorithm, Key
from audit.trust import NONE, Group, Peer, Policy

LARGEST = 1_000_000
MOST = 256
"""Of each: logs, witnesses and groups. The specification wants 32 at least."""

_CONTROL = re.compile(rb"[^\t\n\x20-\x7e\x80-\xff]")
_COUNT = re.compile(r"[1-9][0-9]{0,3}")
_BLANKS = re.compile(r"[ \t]+")


def parse(data: bytes) -> Policy:
    """Read a policy file.

    Raises:
        TrustError: not one; the message names the line.
    """
    reader = _Reader()
    reader.read(data)
    if not reader.quorum:
        raise TrustError("expected one line `quorum <name>` or `quorum none`, got none: nothing would be asked for")
    return reader.policy()


def parse_logs(data: bytes) -> tuple[Peer, ...]:
    """Read the logs of a policy file; here the quorum line may be missing. At least one log is wanted.

    Raises:
        TrustError: not one; the message names the line.
    """
    reader = _Reader()
    reader.read(data)
    if not reader.logs:
        raise TrustError("expected at least one line `log <vkey>`, got none: no log would be known")
    return tuple(reader.logs)


@dataclass(slots=True)
class _Reader:
    logs: list[Peer] = field(default_factory=list)
    witnesses: dict[str, Peer] = field(default_factory=dict)
    groups: dict[str, Group] = field(default_factory=dict)
    quorum: str = ""
    _line: int = 0
    _used: set[str] = field(default_factory=set)
    _publics: set[bytes] = field(default_factory=set)

    def policy(self) -> Policy:
        groups = MappingProxyType(self.groups)
        return Policy(tuple(self.logs), MappingProxyType(self.witnesses), groups, self.quorum)

    def read(self, data: bytes) -> None:
        if len(data) > LARGEST:
            raise TrustError(f"expected at most {LARGEST} bytes of policy, got {len(data)}")
        *lines, rest = data.split(b"\n")
        for self._line, line in enumerate(lines, 1):
            if found := _CONTROL.search(line):
                self._bad("no control characters", ascii(found[0].decode()))
            # Octets above ASCII are opaque: the specification compares them as they are.
            words = [word for word in _BLANKS.split(line.decode("utf-8", "surrogateescape")) if word]
            if words and not words[0].startswith("#"):
                self._take(words)
        if rest:
            self._line += 1
            self._bad("every line to be ended by a line feed", "a last one that is not, perhaps cut off")

    def _take(self, words: list[str]) -> None:
        match words:
            case ["log", vkey, *url] if len(url) < 2:  # noqa: PLR2004 - at most one address
                self._room(len(self.logs), "logs")
                self.logs.append(Peer(self._key(vkey, Algorithm.ED25519), *url))
            case ["witness", name, vkey, *url] if len(url) < 2:  # noqa: PLR2004 - at most one address
                self._room(len(self.witnesses), "witnesses")
                self.witnesses[self._new(name)] = Peer(self._key(vkey, Algorithm.COSIGNATURE), *url)
            case ["group", name, count, _, *_]:
                self._room(len(self.groups), "groups")
                self.groups[self._new(name)] = self._group(count, words[3:])
            case ["quorum", name]:
                if self.quorum:
                    self._bad("one quorum", f"a second, {name!a:.80}")
                self.quorum = name if name == NONE else self._known(name)
            case _:
                self._bad("log, witness, group or quorum as the format has them", f"{' '.join(words)!a:.120}")

    def _group(self, count: str, members: list[str]) -> Group:
        for name in members:
            if self._known(name) in self._used:
                self._bad("a name to be a member once", f"{name!a:.80} again")
            self._used.add(name)
        if count not in {"any", "all"} and not (_COUNT.fullmatch(count) and int(count) <= len(members)):
            self._bad(f"any, all, or a number from 1 to {len(members)}", f"{count!a:.20}")
        return Group({"any": 1, "all": len(members)}.get(count) or int(count), tuple(members))

    def _key(self, vkey: str, algorithm: Algorithm) -> Key:
        try:
            key = Key.parse(vkey)
        except (NoteError, UnicodeEncodeError) as error:
            self._bad("a key", str(error))
        if key.algorithm is not algorithm:
            self._bad(f"a key of type {algorithm:#04x} ({algorithm.name.lower()})", f"{key.algorithm:#04x}")
        if key.public in self._publics:
            self._bad("each key once", f"that of {key.name!a:.80} again, perhaps by another name")
        self._publics.add(key.public)
        return key

    def _new(self, name: str) -> str:
        if name == NONE or name in self.witnesses or name in self.groups:
            self._bad("a name that is not taken", f"{name!a:.80}")
        return name

    def _known(self, name: str) -> str:
        if name not in self.witnesses and name not in self.groups:
            self._bad("the name of a witness or group defined above", f"{name!a:.80}")
        return name

    def _room(self, have: int, what: str) -> None:
        if have >= MOST:
            self._bad(f"at most {MOST} {what}", "more")

    def _bad(self, expected: str, got: str) -> NoReturn:
        raise TrustError(f"line {self._line}: expected {expected}, got {got}")
