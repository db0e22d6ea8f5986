"""Reads located values of one kind each, and keeps every problem, so that one look mends them all."""

from __future__ import annotations

from collections.abc import Container, Iterable
from dataclasses import dataclass, field
from difflib import get_close_matches
from enum import StrEnum
from types import MappingProxyType
from typing import TypeVar

from governance.errors import PolicyContentError
from governance.patterns import Pattern
from governance.strict_yaml import Found

# Above these a number would switch its control off; each is far above what anyone has had reason to write.
MOST = MappingProxyType(
    {
        "version": 2**31 - 1,
        "max_refs": 50,  # One entry holds no more, with all it opens and reserves.
        "lines": 10_000,
        "files": 1_000,
        "expires_hours": 720,
        "signature_future_seconds": 3_600,
        "group_depth": 16,
        "group_times": 100,
        "operator_times": 100,
        "total_lines": 10_000,
        "total_files": 1_000,
        "age_days": 365,
        "window_hours": 168,
        "landings": 1_000,
        "burst": 100,
        "burst_hours": 24,
        "cool_down_hours": 168,
        "lease_minutes": 240,
        "minutes": 1_440,
        "requests": 100,
        "request_minutes": 1_440,
        "holds_in_row": 100,
        "hour": 10_000,
        "day": 100_000,
        "gate_bypasses": 100,
        "intent_failures": 100,
        "override_percent": 100,
        "override_least": 100,
        "pair_blocks": 100,
        "percent": 100,
        "floor_slots": 1_000,
        "epoch_days": 31,
        "overdue_hours": 168,
        "rate_percent": 100,
        "last_reviews": 100,
        "third_party_percent": 100,
        "window_days": 365,
        "false_alarm_percent": 50,
        "third_reviewer_days": 365,
        "hours": 24,
        "review_hours": 168,
        "reply_hours": 168,
        "flood": 1_000,
        "probation_days": 365,
        "quorum": 10,
        "prompt_minutes": 10,  # A statement is acted on within ten minutes of its own time.
        "failures": 20,
        "failure_minutes": 1_440,
        "failures_day": 100,
    }
)
LEAST = MappingProxyType({"percent": 0, "floor_slots": 0})
"""Where a number may be 0 because a policy may say that nobody is asked; everywhere else it is 1."""
MAX_TEXT = 400

Named = TypeVar("Named", bound=StrEnum)


@dataclass(slots=True)
class Reading:
    """Reads values of one kind each and keeps every problem, so that one look mends them all.

    What cannot be read gives way to the default or to something empty, so that reading goes on; `finish` then raises.
    """

    problems: list[tuple[Found, str, str]] = field(default_factory=list)

    def problem(self, at: Found, message: str, mend: str) -> None:
        """Keep one problem and go on."""
        self.problems.append((at, f"{at.path:.80}: {message}" if at.path else message, mend))

    def wrong(self, at: Found, expected: str, mend: str) -> None:
        """Keep the problem that a value is not what it must be."""
        self.problem(at, f"expected {expected}, got {at}", mend)

    def finish(self) -> None:
        """Raise the first problem by file and line, with all of them listed.

        Raises:
            PolicyContentError: there is one.
        """
        if not self.problems:
            return
        ordered = sorted(self.problems, key=lambda problem: (problem[0].file, problem[0].line))
        told = tuple(
            (f"{at.file}:{at.line}: " if at.file else "") + f"{message}. {mend}" for at, message, mend in ordered
        )
        at, message, mend = ordered[0]
        raise PolicyContentError(message, file=at.file, line=at.line, mend=mend, problems=told)

    def fields(self, at: Found, required: Iterable[str], optional: Iterable[str] = ()) -> dict[str, Found]:
        """The entries of a mapping whose keys are all known."""
        required = tuple(required)
        known = (*required, *optional)
        if not isinstance(at.value, dict) or not at.value:
            self.wrong(at, f"a mapping with {', '.join(known)}", "Write one key and value a line below it.")
            return {}
        for name, found in at.value.items():
            if name not in known:
                close = get_close_matches(name, known, n=1)
                mend = f"Did you mean {close[0]}?" if close else f"Known here: {', '.join(known)}."
                self.problem(found, "expected a known key, got this one", mend)
        for name in required:
            if name not in at.value:
                self.problem(at, f"expected the key {name}, got none", f"Add {name}; it has no default.")
        return {name: found for name, found in at.value.items() if name in known}

    def whole(self, at: Found | None, default: int) -> int:
        """A whole number from 1 (or what `LEAST` says) to what `MOST` says for its key."""
        if at is None:
            return default
        key = at.path.rpartition(".")[2]
        least, most = LEAST.get(key, 1), MOST[key]
        if isinstance(at.value, bool) or not isinstance(at.value, int) or not least <= at.value <= most:
            self.wrong(at, f"a whole number from {least} to {most}", "Write plain digits, without quotes.")
            return default
        return at.value

    def flag(self, at: Found | None, *, default: bool) -> bool:
        """True or false, and nothing that YAML takes for it."""
        if at is None:
            return default
        if not isinstance(at.value, bool):
            self.wrong(at, "true or false", "Write true or false, without quotes.")
            return default
        return at.value

    def text(self, at: Found | None) -> str:
        """Text with something in it."""
        if at is None:
            return ""
        if not isinstance(at.value, str) or not at.value.strip() or len(at.value) > MAX_TEXT:
            self.wrong(at, f"text of 1 to {MAX_TEXT} characters", "Write it on one line; quote it if it looks odd.")
            return ""
        return at.value

    def choice(self, at: Found | None, kinds: type[Named], default: Named) -> Named:
        """One of a closed set of words."""
        if at is None:
            return default
        known = [kind.value for kind in kinds]
        if at.value not in known:
            self.wrong(at, " or ".join(known), f"Write one of {', '.join(known)}.")
            return default
        return kinds(at.value)

    def items(self, at: Found | None, what: str) -> list[Found]:
        """The items of a list that is not empty and says nothing twice."""
        if at is None:
            return []
        if not isinstance(at.value, list) or not at.value:
            self.wrong(at, f"a list of {what}", "Name at least one, or leave the key out if it has a default.")
            return []
        seen: dict[str, Found] = {}
        for item in at.value:
            if isinstance(item.value, str) and seen.setdefault(item.value, item) is not item:
                self.problem(item, f"expected each of the {what} once, got {item} again", "Remove one of the two.")
        return at.value

    def names(self, at: Found | None, what: str, known: Container[str]) -> frozenset[str]:
        """A set of names, all of them known."""
        found = set()
        for item in self.items(at, what):
            if isinstance(item.value, str) and item.value in known:
                found.add(item.value)
            else:
                self.wrong(item, f"one of the {what} that are known", "Correct the name, or define it first.")
        return frozenset(found)

    def patterns(self, at: Found | None, *, paths: bool = False) -> tuple[Pattern, ...]:
        """Patterns in order of their text, since the order they are written in means nothing."""
        found = {}
        for item in self.items(at, "patterns"):
            if not isinstance(item.value, str):
                self.wrong(item, "a pattern", "Write text; quote it if it starts with *.")
                continue
            try:
                found[item.value] = Pattern(item.value, paths=paths)
            except PolicyContentError as error:
                self.problem(item, str(error), error.mend)
        return tuple(found[text] for text in sorted(found))
