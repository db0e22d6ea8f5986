"""Vetoes and the scopes of freezes, as values: what each stops, and when a rule's count is full.

Pure. Times are milliseconds of ours; no client's clock is asked how long a freeze lasts.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import StrEnum

from governance.parameters import Freezing
from governance.patterns import Pattern

REFS = "refs"
"""The rule of a freeze that refs moved, or hooks were off: its repository is thawed with its refs, as they are."""


class Scope(StrEnum):
    """How much a freeze stops."""

    EVERYTHING = "everything"
    REPOSITORY = "repository"
    REF = "ref"
    ROLE = "role"
    OPERATOR = "operator"


WHOLE = frozenset({Scope.EVERYTHING, Scope.REPOSITORY})
"""Scopes in which nothing of a repository moves, whoever asks."""


class Subject(StrEnum):
    """What a veto can stop."""

    CHANGE = "change"
    GATE = "gate"
    LOCK = "lock"
    DECISION = "decision"


@dataclass(frozen=True, slots=True)
class Freeze:
    """Something that may not move, and why. No repository means every one."""

    seq: int
    repository: str
    reason: str
    by: str
    scope: Scope = Scope.REPOSITORY
    value: str = ""
    """The ref or pattern, the role, or the operator."""
    expires_at: int = 0
    """When it ends by itself; 0 for never."""
    rule: str = ""
    """What imposed it by itself; empty where somebody did."""

    @property
    def whole(self) -> bool:
        """Whether it stops a repository as a whole."""
        return self.scope in WHOLE

    @property
    def said(self) -> str:
        """Say why in words of our own alone: a hook prints them as they are."""
        if self.rule == REFS:
            return self.reason.partition(":")[0]
        return f"entry {self.seq}, by {self.by}" if self.repository else f"everything, entry {self.seq}, by {self.by}"

    def of_refs(self, repository: str) -> bool:
        """Whether it is one of this repository's own, because of its refs or hooks."""
        return self.rule == REFS and self.repository == repository

    def stands(self, at: int) -> bool:
        """Whether it has not ended by itself."""
        return not self.expires_at or self.expires_at > at


def thawing(freeze: Freeze) -> str:
    """Return the command that lifts a freeze."""
    what = freeze.repository if freeze.rule == REFS else f"--freeze {freeze.seq}"
    return f'twinseal thaw {what} --remediation "what was found and done"'


@dataclass(frozen=True, slots=True)
class Move:
    """What would move where, and whose hands it has been through."""

    repository: str
    refs: tuple[str, ...]
    roles: Collection[str]
    operators: Collection[str]


def covers(freeze: Freeze, move: Move, *, at: int) -> bool:
    """Whether a freeze stops this move. Of refs it stops those that it names, and none that only are like them."""
    if freeze.repository not in {"", move.repository} or not freeze.stands(at):
        return False
    match freeze.scope:
        case Scope.EVERYTHING | Scope.REPOSITORY:
            return True
        case Scope.REF:
            pattern = Pattern(freeze.value)
            return any(pattern.matches(ref) for ref in move.refs)
        case Scope.ROLE:
            return freeze.value in move.roles
        case Scope.OPERATOR:
            return freeze.value in move.operators


def party(freezes: Iterable[Freeze], *, role: str, operator: str, at: int) -> Freeze | None:
    """Return the freeze of the role or the operator of somebody who would act; None where neither is frozen."""
    theirs = {(Scope.ROLE, role), (Scope.OPERATOR, operator)}
    return next((each for each in freezes if (each.scope, each.value) in theirs and each.stands(at)), None)


@dataclass(frozen=True, slots=True)
class Veto:
    """Somebody said no, with a reason; nothing outvotes it."""

    seq: int
    by: str
    reason: str
    repository: str
    kind: Subject
    name: str
    """The number of a change, a lease or a decision; the feature of a gate, or `feature/STAGE`."""

    @property
    def said(self) -> str:
        """Say who said no, and why."""
        return f"vetoed by {self.by} since entry {self.seq}: {self.reason}"

    @property
    def mend(self) -> str:
        """Say how it ends."""
        kind = "" if self.kind is Subject.CHANGE else f" --kind {self.kind}"
        return f"{self.by} withdraws it, or an owner lifts it: twinseal veto {self.name}{kind} --withdraw, or --lift"

    def of_gate(self, stage: str) -> bool:
        """Whether a veto of a feature's gates is of this one."""
        return self.name.partition("/")[2] in {"", stage}


class Rule(StrEnum):
    """What freezes by itself."""

    GATE_BYPASS = "gate_bypass"
    INTENT = "intent_failure"
    OVERRIDES = "overrides"
    PAIR_BLOCK = "pair_block"


def full(rule: Rule, count: int, limits: Freezing, *, landings: int = 0) -> bool:
    """Whether so many of one role, or of one pair, in the window are too many. `landings` are all of the window."""
    match rule:
        case Rule.GATE_BYPASS:
            return count >= limits.gate_bypasses
        case Rule.INTENT:
            return count >= limits.intent_failures
        case Rule.PAIR_BLOCK:
            return count >= limits.pair_blocks
        case Rule.OVERRIDES:
            return count >= limits.override_least and count * 100 > limits.override_percent * landings
