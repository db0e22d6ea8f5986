"""What a report says, as values: nothing here knows how it is shown. Its JSON is what is signed for and attached.

No fractions: a rate is two whole numbers, so that the bytes are the same wherever they are made. Nothing of the
entries' private values is here: what may be erased would otherwise stay in every mail.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

FORMAT = 1
"""Goes up when the same ledger would give other bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One entry in words."""

    seq: int
    at: int
    group: str
    kind: str
    who: str
    repository: str
    said: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Landed:
    """One thing that landed on a protected ref, and who answers for it."""

    seq: int
    at: int
    repository: str
    ref: str
    change: int
    """0 where it had none: it was small enough to be pushed at once."""
    title: str
    author: str
    people: tuple[str, ...]
    approvers: tuple[str, ...]
    third: tuple[str, ...]
    commits: int
    units: int
    files: int
    reasons: tuple[str, ...]
    high_risk: bool
    how: str
    """`reviewed`, `small`, `override` or `let through`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """How often one control said no, by which code."""

    control: str
    code: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Owed:
    """What one repository has landed without review, against what it may."""

    repository: str
    units: int
    files: int
    most_units: int
    most_files: int
    since: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Open:
    """Something that waits for somebody, when the period ended."""

    seq: int
    since: int
    repository: str
    what: str
    said: str
    overdue: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How things stood when the period ended."""

    freezes: tuple[Open, ...] = ()
    vetoes: tuple[Open, ...] = ()
    overrides: tuple[Open, ...] = ()
    """Landed by one and not reviewed by two yet."""
    replies: tuple[Open, ...] = ()
    thirds: tuple[Open, ...] = ()
    changes: tuple[Open, ...] = ()
    findings: tuple[Open, ...] = ()
    debt: tuple[Owed, ...] = ()
    observed: tuple[str, ...] = ()
    """Repositories in which nothing is enforced."""
    people: int = 0
    agents: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Integrity:
    """What was looked at of the record itself."""

    entries: int
    faults: tuple[tuple[int, str], ...] = ()
    """(entry, what is wrong with it), the first few."""
    covered: int = 0
    """How many entries the checkpoint covers, where this period is proven to be among them."""
    checked: tuple[tuple[str, int, int], ...] = ()
    """(what, of how many entries, when) of each deep check that passed."""
    silence_ms: int = 0
    """The longest time in which nothing was written, not even a sign of life."""
    silence_from: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Risk:
    """Something to look at, and the command for it."""

    level: str
    what: str
    why: str
    do: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Issue:
    """What ties a report to the one before it and to the ledger."""

    number: int = 0
    """0 for one that was not issued."""
    previous: str = ""
    previous_day: str = ""
    skipped: tuple[str, ...] = ()
    """Days since the one before that no report is about."""
    size: int = 0
    root: str = ""
    checkpoint: str = ""
    """The signed note."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All of it."""

    kind: str
    log: str
    day: str
    zone: str
    since: int
    until: int
    hours: int
    first: int
    upto: int
    policy: str
    tallies: Mapping[str, int]
    history: tuple[tuple[str, Mapping[str, int]], ...]
    landed: tuple[Landed, ...]
    landed_more: int
    refused: tuple[Refused, ...]
    refused_most: tuple[tuple[str, int], ...]
    events: tuple[Event, ...]
    events_more: int
    standing: Standing
    integrity: Integrity
    risks: tuple[Risk, ...] = ()
    about: int = 0
    person: str = ""
    trail: tuple[Event, ...] = ()
    """Of an audit: what one person did, and what was done about them."""
    issue: Issue = field(default_factory=Issue)
    format: int = FORMAT

    @property
    def needing(self) -> int:
        """How much cannot wait."""
        return sum(risk.level in {"critical", "high"} for risk in self.risks)

    def document(self) -> bytes:
        """Return the facts as JSON: ASCII, sorted, one spelling."""
        text = json.dumps(_plain(self), indent=1, sort_keys=True, ensure_ascii=True, allow_nan=False)
        return text.encode("ascii") + b"\n"

    @property
    def digest(self) -> str:
        """SHA-256 of that: what the next report names, and what `sha256sum` says of the attachment."""
        return hashlib.sha256(self.document()).hexdigest()

    def issued(self, issue: Issue) -> Report:
        """Return it with its place in the series."""
        return replace(self, issue=issue)


def _plain(report: Report) -> dict[str, Any]:
    return asdict(report) | {"tallies": dict(report.tallies), "history": [list(day) for day in report.history]}
