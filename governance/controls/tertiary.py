"""Some changes that are signed off wait for a third party, drawn by a key that no author knows.

Question: was this change drawn for a third review, is it given, and does its author owe none?
Source: the requirement "Tertiary review"; sampling by a keyed hash that is committed to in advance.
Threat: approvers who agree beforehand; an author who amends, splits, withdraws or waits until nothing is drawn.
Not applicable: the ref is not protected, no epoch is open and nothing owed, or the change is not signed off yet.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from governance import draws
from governance.approvers import Question, contributors
from governance.carry import signed_off
from governance.controls._base import not_applicable, satisfied, unsatisfied
from governance.draws import APPROVE, BLOCK, MOST_REVIEWERS, Draw, Drawn, Owed
from governance.facts import UpdateFacts, all_changes
from governance.policy import OWNER, Policy
from governance.standing import Standing
from governance.stops import party
from governance.verdict import Verdict

ANYBODY = "whoever has no part in it"


def drawing(facts: UpdateFacts, standing: Standing) -> Draw | None:
    """Return what this attempt to land draws; None where nothing is drawn, or it was already.

    Whoever is told what a slot holds has used it: the decision's entry keeps it, allowed or not.
    """
    drawn, change = standing.drawn, standing.change
    if drawn is None or drawn.epoch is None or change is None or drawn.before is not None or not drawn.key:
        return None
    if not standing.signed_off:
        return None
    epoch, key, operator, slot = drawn.epoch, drawn.key, drawn.operator, drawn.slot
    chosen = draws.selected(key, operator, slot, percent=epoch.percent, floor_slots=epoch.floor_slots)
    free = _free(facts, standing) if chosen else ()
    return Draw(
        epoch=epoch.number,
        operator=operator,
        slot=slot,
        selected=chosen,
        reviewers=draws.order(key, operator, slot, free)[:MOST_REVIEWERS],
        change=change.number,
        author=drawn.author,
        diff_digest=signed_off(facts)[-1],
        at=facts.push.received_at,
    )


def _free(facts: UpdateFacts, standing: Standing) -> tuple[str, ...]:
    """Return who has no part in a change, neither as its author's nor as an approver's copy."""
    earlier = standing.change.contributors if standing.change else ()
    question = Question(
        standing.policy, standing.roster, contributors(facts, earlier, standing.roster), high_risk=False
    )
    gave = [who for name in standing.signed_off if (who := standing.roster.get(name)) is not None]
    return tuple(who.name for who in question.eligible() if all(question.two(who, other) for other in gave))


def _frozen(name: str, facts: UpdateFacts, standing: Standing) -> bool:
    who = standing.roster.get(name)
    at = facts.push.received_at
    return who is not None and party(standing.freezes, role=who.role, operator=who.operator, at=at) is not None


@dataclass(frozen=True, slots=True)
class Tertiary:
    """How many are drawn is the epoch's; how soon the next reviewer may step in is the policy's."""

    NAME: ClassVar[str] = "tertiary"

    policy: Policy

    @classmethod
    def of(cls, policy: Policy) -> Self:
        """Return the control; it asks the policy when a review is overdue."""
        return cls(policy)

    def evaluate(self, facts: UpdateFacts, standing: Standing) -> Verdict:
        """Ask what is owed, then what was drawn before, then draw."""
        if facts.deletes or facts.push.observed or not self.policy.is_protected(facts.ref):
            return not_applicable(self, "asked when it lands on a protected branch")
        drawn, change = standing.drawn, standing.change
        if drawn is None:
            return not_applicable(self, "nothing is drawn here, and no third review is owed")
        if standing.override:
            return not_applicable(self, "an override is never drawn: two people review it afterwards")
        for owed in drawn.owed:
            if _owes(owed, facts, standing):
                return self._owed(owed, facts)
        if change is None:
            return not_applicable(self, "drawn when a change is signed off")
        if drawn.before is not None:
            return self._before(facts, standing, drawn.before)
        return self._draw(facts, standing, drawn)

    def _owed(self, owed: Owed, facts: UpdateFacts) -> Verdict:
        who = owed.waits_for or ANYBODY
        said = f"change {owed.change} by {owed.author} was drawn for a third review and has none that lets it land"
        mend = (
            f"It waits for {who}, or, if blocked, for its author: twinseal review queue --repo {facts.push.repository}",
            f"Given up for good?    an owner: twinseal review tertiary {owed.change} --dismiss --reason ...",
        )
        return unsatisfied(self, "owed", said, helpers=(owed.waits_for or OWNER,), mend=mend)

    def _before(self, facts: UpdateFacts, standing: Standing, draw: Draw) -> Verdict:
        """Answer by what was drawn before: for this change, or for this very difference."""
        drawn, change = standing.drawn, standing.change
        if not draw.selected:
            return satisfied(self, "not_drawn", f"slot {draw.slot} of epoch {draw.epoch} was not drawn")
        given = drawn.reviews if drawn else ()
        against = [review.principal for review in given if review.verdict == BLOCK]
        if against:
            said = f"{', '.join(against)} blocked this patch set in a third review"
            return unsatisfied(self, "blocked", said, helpers=tuple(against), mend=("Mend it, and push it again.",))
        free = [name for name in _free(facts, standing) if not _frozen(name, facts, standing)]
        good = [review.principal for review in given if review.verdict == APPROVE and review.principal in free]
        if good:
            return satisfied(self, "reviewed", f"drawn for a third review; {' and '.join(good)} approved")
        number = change.number if change else draw.change
        return self._waits(draw, number, facts)

    def _draw(self, facts: UpdateFacts, standing: Standing, drawn: Drawn) -> Verdict:
        if drawn.epoch is None or not standing.signed_off:
            return not_applicable(self, "drawn when a change is signed off")
        if sum(self.policy.is_protected(ref) for ref in facts.push.refs) > 1:
            said = "what is drawn for lands alone: one protected branch in a push"
            return unsatisfied(self, "not_alone", said, mend=("Push each by itself.",))
        draw = drawing(facts, standing)
        if draw is None:
            said = f"the key of epoch {drawn.epoch.number} is not here, so nothing can be drawn"
            return unsatisfied(self, "no_key", said, mend=("In a minute the service opens another epoch; try again.",))
        if draw.selected:
            return self._waits(draw, draw.change, facts)
        return satisfied(self, "not_drawn", f"slot {draw.slot} of epoch {draw.epoch} is not drawn")

    def _waits(self, draw: Draw, number: int, facts: UpdateFacts) -> Verdict:
        hours = self.policy.controls.tertiary.overdue_hours
        turn = draws.whose_turn(draw, now=facts.push.received_at, overdue_hours=hours)
        who = " or ".join(turn) or ANYBODY
        said = f"change {number} is drawn for a third review; {who} looks at it"
        ask = f"twinseal review tertiary {number} --approve --reason ... --repo {facts.push.repository}"
        return unsatisfied(self, "drawn", said, helpers=turn or (OWNER,), mend=(ask, "Then land it again."))


def _owes(owed: Owed, facts: UpdateFacts, standing: Standing) -> bool:
    """Whether this update must wait for that review: by its author, of its paths, or of its operator."""
    change, roster = standing.change, standing.roster
    if change is not None and change.number == owed.change:
        return False
    names = contributors(facts, change.contributors if change else (), roster).names
    if owed.author in names:
        return True
    if owed.more and owed.operator in {who.operator for name in names if (who := roster.get(name)) is not None}:
        return True
    return not owed.marks.isdisjoint(draws.mark(each.path) for each in all_changes(facts))
