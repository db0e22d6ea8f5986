"""Facts and standing in, decision out: the one pure question.

Rules combine by intersection: every control is asked about every ref, and one objection refuses the push.
Nothing checked is not a yes: an empty decision, or one where no control applied, is a refusal.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NoReturn

from governance.controls import Control, controls_for
from governance.facts import UpdateFacts
from governance.standing import Standing
from governance.verdict import Outcome, Verdict

STANDS_ASIDE = frozenset({"four_eyes", "unreviewed_debt", "small_changes", "gates", "tertiary"})
"""What an override sets aside. Never a freeze, a veto, a signature, a rule of refs, a lock or a limit."""
FOUR_EYES, SIGNED_OFF = "four_eyes", "four_eyes.signed_off"


@dataclass(frozen=True, slots=True)
class RefDecision:
    """All verdicts about one ref update."""

    update: UpdateFacts
    standing: Standing
    verdicts: tuple[Verdict, ...]

    @property
    def allowed(self) -> bool:
        """Whether something was satisfied and nothing objected."""
        outcomes = {verdict.outcome for verdict in self.verdicts}
        return Outcome.SATISFIED in outcomes and not any(verdict.objects for verdict in self.verdicts)


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer about one push. All of it lands, or none."""

    refs: tuple[RefDecision, ...]
    policy_digest: str

    @property
    def allowed(self) -> bool:
        """Whether the push may land."""
        return bool(self.refs) and all(ref.allowed for ref in self.refs)

    @property
    def code(self) -> str:
        """The first objection's reason, for machines; `allowed` where there is none."""
        for ref in self.refs:
            for verdict in ref.verdicts:
                if verdict.objects:
                    return verdict.reason
        return "allowed" if self.allowed else "decision.nothing_checked"

    def __bool__(self) -> NoReturn:
        raise TypeError("a decision has no truth value; ask .allowed")


def decide(pairs: Sequence[tuple[UpdateFacts, Standing]], *, policy_digest: str) -> Decision:
    """Ask every control about every ref update. Never raises for what a control does: that is an objection."""
    return Decision(tuple(_decided(update, standing) for update, standing in pairs), policy_digest)


def _decided(update: UpdateFacts, standing: Standing) -> RefDecision:
    """Ask `four_eyes` first, for others build on its answer, whatever the order that is shown."""
    controls = controls_for(standing.policy)
    known: dict[str, Verdict] = {}
    for control in controls:
        if control.NAME == FOUR_EYES:
            verdict = known[FOUR_EYES] = _ask(control, update, standing)
            enough = verdict.subjects if verdict.reason == SIGNED_OFF else ()
            standing = replace(standing, signed_off=enough, refused=verdict.objects)
    for control in controls:
        if control.NAME not in known:
            known[control.NAME] = _ask(control, update, standing)
    return RefDecision(update, standing, tuple(known[control.NAME] for control in controls))


def _ask(control: Control, update: UpdateFacts, standing: Standing) -> Verdict:
    try:
        return _aside(control.evaluate(update, standing), standing)
    except Exception as exc:  # noqa: BLE001 - a control that breaks refuses; it never lets through
        return Verdict(
            control=control.NAME,
            outcome=Outcome.ERROR,
            reason=f"{control.NAME}.broke",
            message=f"this control could not be evaluated ({type(exc).__name__}); nothing unchecked lands",
            mend=("Report this with the entry number.",),
        )


def _aside(verdict: Verdict, standing: Standing) -> Verdict:
    """Return the verdict, or under an override a yes that says what is set aside. What broke is not set aside."""
    if not (standing.override and verdict.outcome is Outcome.UNSATISFIED and verdict.control in STANDS_ASIDE):
        return verdict
    said = f"OVERRIDE of entry {standing.override} sets this aside: {verdict.message}"
    yes = Outcome.SATISFIED
    return replace(verdict, outcome=yes, reason=f"{verdict.control}.override", message=said, mend=(), helpers=())
