"""The one shape of a control, and three helpers to answer with.

A control is a frozen dataclass of its policy parameters. It keeps no state, opens nothing, logs nothing; if it
needs a fact, the fact goes into `facts.py`, where everyone can see its cost.
"""

from __future__ import annotations

from typing import ClassVar, Protocol, Self

from governance.facts import UpdateFacts
from governance.policy import Policy
from governance.standing import Standing
from governance.verdict import Outcome, Verdict


class Control(Protocol):
    """One rule."""

    NAME: ClassVar[str]

    @classmethod
    def of(cls, policy: Policy) -> Self:
        """Return this control with its parameters from the policy."""
        ...

    def evaluate(self, facts: UpdateFacts, standing: Standing) -> Verdict:
        """Answer about one ref update: not applicable, then each way to fail, then satisfied."""
        ...


def satisfied(control: type[Control] | Control, reason: str, message: str) -> Verdict:
    """Return a yes, with what it rests on."""
    return Verdict(control=control.NAME, outcome=Outcome.SATISFIED, reason=f"{control.NAME}.{reason}", message=message)


def not_applicable(control: type[Control] | Control, message: str) -> Verdict:
    """Return "this rule has nothing to say here", which is not a yes."""
    return Verdict(
        control=control.NAME, outcome=Outcome.NOT_APPLICABLE, reason=f"{control.NAME}.not_applicable", message=message
    )


def unsatisfied(
    control: type[Control] | Control,
    reason: str,
    message: str,
    *,
    mend: tuple[str, ...] = (),
    helpers: tuple[str, ...] = (),
    subjects: tuple[str, ...] = (),
) -> Verdict:
    """Return a no, with what to do next and who can help."""
    return Verdict(
        control=control.NAME,
        outcome=Outcome.UNSATISFIED,
        reason=f"{control.NAME}.{reason}",
        message=message,
        mend=mend,
        helpers=helpers,
        subjects=subjects,
    )
