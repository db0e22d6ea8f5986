"""Features and gates, as values: which stage is next, what its evidence must be, and what a new commit undoes.

A feature passes RED, GREEN, PEER, QA and DEPLOY in this order. RED is about the commit whose test fails; everything
from GREEN on is about one commit, the one that shall land.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations

from governance.parameters import STAGES

RED, GREEN, PEER, QA, DEPLOY = STAGES
TWO = 2


@dataclass(frozen=True, slots=True)
class Evidence:
    """One signed word that a stage is reached, about one commit."""

    seq: int
    stage: str
    commit: str
    by: str
    role: str
    operator: str
    human: bool


@dataclass(frozen=True, slots=True)
class Feature:
    """A feature and the gates that it has passed: (stage, commit) of each, in order."""

    name: str
    repository: str
    passed: tuple[tuple[str, str], ...] = ()
    named: bool = False
    """Whether the push itself named it."""

    @property
    def stage(self) -> str:
        """The stage that is next; empty where all are passed."""
        return STAGES[len(self.passed)] if len(self.passed) < len(STAGES) else ""

    @property
    def commit(self) -> str:
        """What everything from GREEN on is about; empty before."""
        return dict(self.passed).get(GREEN, "")

    def missing(self, stages: Iterable[str], commit: str) -> tuple[str, ...]:
        """Return which of these stages are not passed for this commit. RED is of an earlier one."""
        passed = dict(self.passed)
        good = {stage for stage, of in passed.items() if stage == RED or of == commit}
        return tuple(stage for stage in STAGES if stage in frozenset(stages) and stage not in good)


def lacks(stage: str, given: Iterable[Evidence], *, reviewers: int = TWO, distinct_operators: bool = False) -> str:
    """Return what the evidence of a stage still lacks; empty where it is enough.

    Two principals of two roles, and in a team of two operators; PEER below the four-eyes threshold takes one reviewer.
    DEPLOY has a person among them.
    """
    found = tuple({each.by: each for each in given if each.stage == stage}.values())
    if len({each.commit for each in found}) > 1:
        return "evidence about one commit; there is some about several"
    if not found:
        return "evidence"
    if stage == PEER and reviewers == 1:
        return ""
    pairs = [pair for pair in combinations(found, TWO) if _independent(*pair, operators=distinct_operators)]
    if not pairs:
        return "evidence of a second, independent role"
    if stage == DEPLOY and not any(one.human or other.human for one, other in pairs):
        return "a person among those who agree"
    return ""


def _independent(one: Evidence, other: Evidence, *, operators: bool) -> bool:
    return one.by != other.by and one.role != other.role and not (operators and one.operator == other.operator)


def why_not(feature: Feature, stage: str, commit: str) -> str:
    """Return why evidence for this stage and commit is not taken now: a reason, or empty.

    Of a stage that was passed it is taken for another commit; to pass it again for that one, asked and co-signed like
    any advance, undoes every later stage.
    """
    at, place = len(feature.passed), STAGES.index(stage)
    if place > at:
        return "order"
    if place < at and dict(feature.passed)[stage] == commit:
        return "passed"
    if place > STAGES.index(GREEN) and commit != feature.commit:
        return "other_commit"
    return ""
