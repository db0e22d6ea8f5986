"""Unreviewed debt, as values and arithmetic: what has landed that nobody reviewed, by path group and operator.

What landed below the threshold is summed up, path by path, until enough eligible people have signed it off. The sum is
never less than the difference to the last reviewed tree, and taking away again what was added does not shrink it.
Who may sign what off is not said here (`unreviewed.py`).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from governance.facts import UpdateFacts
from governance.parameters import SmallChanges
from governance.policy import Policy

GROUP, OPERATOR, TOTAL = "group", "operator", "total"
LONGEST = 200
HOUR_MS = 60 * 60 * 1000
DAY_MS = 24 * HOUR_MS
UNDER_WAY = -1
"""Stands for the entry of what would land now."""

_MARKED = re.compile(r".*~[0-9a-f]{16}", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Owed:
    """What one landing did to one path, and nobody has reviewed."""

    seq: int
    path: str
    """As `named` spells it."""
    people: tuple[str, ...]
    """Everyone known who contributed."""
    operators: tuple[str, ...]
    units: int
    at: int


@dataclass(frozen=True, slots=True)
class Lately:
    """What a role landed below the threshold within the window, and when its cool-down ends; 0 for none."""

    role: str
    landings: int
    units: int
    files: int
    cool_until: int = 0


@dataclass(frozen=True, slots=True)
class Debt:
    """Everything that landed in a repository and was not reviewed, with what a role landed lately, and is landing."""

    owed: tuple[Owed, ...] = ()
    lately: tuple[Lately, ...] = ()
    adds: Added | None = None
    """What this push would add; None where it was not asked beforehand."""


@dataclass(frozen=True, slots=True)
class Added:
    """What a push would add, if it landed unreviewed."""

    owed: tuple[Owed, ...]
    people: tuple[str, ...]
    roles: tuple[str, ...]

    @property
    def units(self) -> int:
        """How much there is to review."""
        return sum(owed.units for owed in self.owed)


@dataclass(slots=True)
class Account:
    """How much of one budget is used. `touched` says whether what would land now is among it."""

    kind: str
    name: str
    most_units: int
    most_files: int
    units: int = 0
    paths: set[str] = field(default_factory=set)
    since: int = 0
    touched: bool = False

    def take(self, owed: Owed) -> None:
        """Count what a landing did to a path."""
        self.units += owed.units
        self.paths.add(owed.path)
        if owed.seq == UNDER_WAY:
            self.touched = True
        elif not self.since or owed.at < self.since:
            self.since = owed.at

    @property
    def over(self) -> bool:
        """Whether more is used than there is."""
        return self.units > self.most_units or len(self.paths) > self.most_files

    @property
    def where(self) -> str:
        """How to speak of what this is the budget of."""
        if self.kind == TOTAL:
            return "the repository"
        return (
            f"what {self.name or 'a service'} answers for" if self.kind == OPERATOR else self.name or "the root folder"
        )


def named(path: str) -> str:
    """Return a path as an entry can hold it. Different paths stay different, however long or odd they are."""
    raw = path.encode("utf-8", "surrogateescape")
    text = raw.decode("utf-8", "backslashreplace")
    if text == path and len(text) <= LONGEST and not _MARKED.fullmatch(text):
        return text
    return f"{text[: LONGEST - 17]}~{hashlib.sha256(raw).hexdigest()[:16]}"


def group_of(path: str, depth: int) -> str:
    """Return the first folders that a path lies in; empty for a file at the root."""
    return "/".join(path.split("/")[:-1][:depth])


def added(facts: UpdateFacts, people: tuple[str, ...], operators: tuple[str, ...], roles: tuple[str, ...]) -> Added:
    """Return what a push would add: of each path it touches on the way the larger of net change and sum, at least 1."""
    net: dict[str, int] = {}
    ways: dict[str, int] = {}
    for change in facts.net:
        net[change.path] = net.get(change.path, 0) + change.units
    for commit in facts.commits:
        for change in commit.changes:
            ways[change.path] = ways.get(change.path, 0) + change.units
    at = facts.push.received_at
    owed = tuple(
        Owed(UNDER_WAY, named(path), people, operators, max(net.get(path, 0), ways.get(path, 0), 1), at)
        for path in sorted(net.keys() | ways.keys())
    )
    return Added(owed, people, roles)


def accounts(owed: Iterable[Owed], policy: Policy) -> tuple[Account, ...]:
    """Return every budget that something is used of: groups and operators by name, and the total, which comes last."""
    limits, eyes = policy.controls.debt, policy.four_eyes
    total = Account(TOTAL, "", limits.total_lines, limits.total_files)
    found: dict[tuple[str, str], Account] = {}
    times = {GROUP: limits.group_times, OPERATOR: limits.operator_times}
    for each in owed:
        total.take(each)
        wanted = [(GROUP, group_of(each.path, limits.group_depth)), *((OPERATOR, name) for name in each.operators)]
        for kind, name in wanted:
            if (account := found.get((kind, name))) is None:
                account = Account(kind, name, eyes.lines * times[kind], eyes.files * times[kind])
                found[kind, name] = account
            account.take(each)
    return (*(found[key] for key in sorted(found)), total)


def over(owed: Iterable[Owed], adds: Added, policy: Policy) -> tuple[str, ...]:
    """Return why what is owed already asks for a review of what would be added; nothing where it need not."""
    at = adds.owed[0].at if adds.owed else 0
    oldest = at - policy.controls.debt.age_days * DAY_MS
    said = []
    for account in accounts((*owed, *adds.owed), policy):
        if account.touched and account.over:
            said.append(_exceeds(account))
        elif account.touched and account.kind == GROUP and 0 < account.since < oldest:
            days = policy.controls.debt.age_days
            said.append(
                f"what landed in {account.where} on {day(account.since)} is unreviewed for more than {days} days"
            )
    return tuple(said)


def _exceeds(account: Account) -> str:
    budget = f"{account.most_units} units in {account.most_files} files"
    if not account.since:
        return f"it alone exceeds the budget of {account.where}, {budget}"
    have = f"{account.units} units in {len(account.paths)} files"
    since = day(account.since)
    return f"with this push {have} of {account.where} have landed unreviewed since {since}; the budget is {budget}"


def too_many(lately: Iterable[Lately], adds: Added, limits: SmallChanges) -> tuple[str, ...]:
    """Return which roles would land more below the threshold than they may within the window."""
    said = []
    for role in lately:
        each = (
            ("landings", role.landings + 1, limits.landings),
            ("units", role.units + adds.units, limits.lines),
            ("files", role.files + len(adds.owed), limits.files),
        )
        much = [f"{count} {what}, more than {most}" for what, count, most in each if count > most]
        if much:
            said.append(f"{role.role} would have landed small changes of {'; '.join(much)} in {limits.window_hours} h")
    return tuple(said)


def cooling(lately: Iterable[Lately], limits: SmallChanges, *, now: int) -> tuple[str, ...]:
    """Return which roles have landed so many small changes so fast that everything of theirs is looked at for now."""
    burst = f"{limits.burst} small changes in {limits.burst_hours} h"
    return tuple(
        f"{role.role} landed {burst}; until {moment(role.cool_until)} UTC every change of that role needs four eyes"
        for role in lately
        if role.cool_until > now
    )


def cool_until(landed: list[int], limits: SmallChanges) -> int:
    """Return when the cool-down ends that the newest landings started; 0 where they did not. Newest first.

    Nothing lands small while one runs, so it was the newest that started it.
    """
    if len(landed) < limits.burst or landed[limits.burst - 1] <= landed[0] - limits.burst_hours * HOUR_MS:
        return 0
    return landed[0] + limits.cool_down_hours * HOUR_MS


def cleared(owed: Iterable[Owed], bound: Mapping[tuple[str, ...], int]) -> tuple[Owed, ...]:
    """Return what stays owed, where landings by these people were signed off up to these entries."""
    return tuple(each for each in owed if each.seq > bound.get(each.people, 0))


def day(ms: int) -> str:
    """Return a date, UTC."""
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d")


def moment(ms: int) -> str:
    """Return a time to the minute, UTC."""
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M")
