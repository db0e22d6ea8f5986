"""What one control answers about one ref update.

A verdict has no truth value: ask `.outcome`, or `Decision.allowed`. Its `reason` is stable and never
reused; its `message` says what and why, `mend` what to do next, `helpers` who can help.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NoReturn


class Outcome(StrEnum):
    """Gerrit's submit requirement outcomes; the words are theirs."""

    SATISFIED = "satisfied"
    UNSATISFIED = "unsatisfied"
    NOT_APPLICABLE = "not_applicable"
    ERROR = "error"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One control's answer, in two voices."""

    control: str
    outcome: Outcome
    reason: str
    message: str
    mend: tuple[str, ...] = ()
    helpers: tuple[str, ...] = ()
    subjects: tuple[str, ...] = ()

    @property
    def objects(self) -> bool:
        """Whether this verdict alone is enough to refuse."""
        return self.outcome in {Outcome.UNSATISFIED, Outcome.ERROR}

    def __bool__(self) -> NoReturn:
        raise TypeError("a verdict has no truth value; ask .outcome")
