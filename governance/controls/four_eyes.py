"""A consequential change lands only with two independent, eligible sign-offs of exactly what lands.

Question: does this change need four eyes, and are they given?
Source: NIST SP 800-53 AC-3(2); SLSA Source v1.2 L4, two-party review; the requirement "Four eyes".
Threat: a change that lands alone, or on approvals of something else, by its own authors, expired or spent.
Not applicable: the ref is not protected, or it would be deleted (another control refuses that).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar, Self

from governance.approvers import Contributors, Question, Seating, contributors, excluded_because, seat
from governance.carry import landing, no_carry
from governance.controls._base import not_applicable, satisfied, unsatisfied
from governance.facts import Content, UpdateFacts, all_changes, diff_digest, size
from governance.policy import PROPOSALS, Kind, Policy
from governance.standing import SignOff, Standing
from governance.verdict import Verdict

SHOWN = 3
"""How many reasons of one kind a message names before it counts the rest."""

_OPAQUE = {
    Content.UNSEEN: "holds characters that are not shown",
    Content.TREE_PROBLEM: "is another file to some readers",
}


@dataclass(frozen=True, slots=True)
class Need:
    """Why four eyes are asked for; high risk asks for a person among them."""

    reasons: tuple[str, ...]
    high_risk: bool


def need(facts: UpdateFacts, policy: Policy) -> Need:
    """Return every reason this update is consequential; none means that it is below the threshold."""
    measured, limits = size(facts), policy.four_eyes
    reasons = []
    if measured.units > limits.lines:
        reasons.append(f"{measured.units} changed lines, more than {limits.lines}")
    if measured.files > limits.files:
        reasons.append(f"{measured.files} files, more than {limits.files}")
    risks = _unique(f"{c.path} is high-risk" for c in all_changes(facts) if policy.high_risk(c.path))
    reasons += _some(risks)
    reasons += _some(_unique(_opaque(facts)))
    if not all(commit.measured for commit in facts.commits):
        reasons.append("a merge that cannot be compared with the automatic one")
    if len(facts.bases) > 1:
        reasons.append("several merge bases")
    if facts.creates and policy.is_protected(facts.ref):
        reasons.append(f"it creates the protected {facts.ref}")
    elif not facts.base:
        reasons.append(f"it begins {policy.refs.target}")
    return Need(tuple(reasons), high_risk=bool(risks))


def _opaque(facts: UpdateFacts) -> list[str]:
    said = []
    for change in all_changes(facts):
        if change.content is not Content.TEXT:
            said.append(f"{change.path} {_OPAQUE.get(change.content, f'is a {change.content.value}')}")
        elif change.mode_changed:
            said.append(f"{change.path} has mode {change.new_mode}")
    return said


@dataclass(frozen=True, slots=True)
class FourEyes:
    """Thresholds, risk paths and the approver table are the policy's."""

    NAME: ClassVar[str] = "four_eyes"

    policy: Policy

    @classmethod
    def of(cls, policy: Policy) -> Self:
        """Return the control; it asks the policy about sizes, paths and places."""
        return cls(policy)

    def evaluate(self, facts: UpdateFacts, standing: Standing) -> Verdict:
        """Ask whether it is needed, then for a change, then for the sign-offs of exactly this."""
        if facts.deletes or not self.policy.is_protected(facts.ref):
            return not_applicable(self, "asked when it lands on a protected branch")
        if facts.creates and facts.landed:
            return satisfied(self, "all_landed", f"everything in it has landed on {self.policy.refs.target} already")
        needed = need(facts, self.policy)
        if not needed.reasons:
            measured = size(facts)
            said = f"{measured.units} changed lines in {measured.files} files is below the threshold"
            return satisfied(self, "below_threshold", said)
        why = "; ".join(needed.reasons)
        if standing.change is None:
            return unsatisfied(self, "no_change", f"two approvers are needed ({why})", mend=self._where(facts))
        authors = contributors(facts, standing.change.contributors, standing.roster)
        if authors.unknown:
            said = f"cannot tell who {', '.join(authors.unknown)} is, so cannot tell who may approve"
            return unsatisfied(self, "unknown_contributor", said, helpers=("owner",))
        return self._sign_offs(facts, standing, needed, authors, why)

    def _where(self, facts: UpdateFacts) -> tuple[str, ...]:
        topic = ("Or to a branch:      git push origin HEAD:refs/heads/topic/<name>",)
        return (
            f"Push it for review:  git push origin HEAD:{facts.ref.replace('refs/heads/', PROPOSALS, 1)}",
            *(topic if facts.ref == self.policy.refs.target else ()),
            f"When signed off:     twinseal land <number>, or git push origin HEAD:{facts.ref}",
        )

    def _sign_offs(
        self, facts: UpdateFacts, standing: Standing, needed: Need, authors: Contributors, why: str
    ) -> Verdict:
        change = standing.change
        if change is None:
            return not_applicable(self, "no change")
        faults = {given: self._fault(given, facts, standing, authors) for given in change.sign_offs}
        mend = tuple(f"Set aside: {given.principal}: {fault}" for given, fault in faults.items() if fault)
        good = [given for given, fault in faults.items() if not fault]
        against = [given.principal for given in good if not given.approves]
        if against:
            said = f"{', '.join(against)} rejected this change; it must be settled, and the rejection withdrawn"
            return unsatisfied(self, "rejected", said, helpers=tuple(against), mend=mend)
        question = Question(self.policy, standing.roster, authors, needed.high_risk)
        signed = [given.principal for given in good]
        seatings = [seat(question, row, signed) for row in question.rows()]
        if seatings and all(seating.complete for seating in seatings):
            names = sorted({place.filled_by for seating in seatings for place in seating.places})
            return satisfied(self, "signed_off", f"change {change.number} signed off by {' and '.join(names)}")
        person = ", one of them a person" if question.wants_human() else ""
        have = f"{len(signed)} given" + (f" by {', '.join(signed)}" if signed else "")
        said = f"change {change.number} needs two approvers{person} ({why}); {have}"
        ask = f"twinseal sign-off {change.number} --approve --repo {facts.push.repository}"
        return unsatisfied(self, "missing_sign_offs", said, mend=(*mend, ask), helpers=_who_can(question, seatings))

    def _fault(self, given: SignOff, facts: UpdateFacts, standing: Standing, authors: Contributors) -> str:
        """Return why this sign-off does not count for exactly what would land; empty if it does."""
        who = standing.roster.get(given.principal)
        if who is None:
            return "not enrolled"
        for fault, said in self._not_this(given, facts, standing):
            if fault:
                return said
        return excluded_because(who, authors, standing.roster, profile=self.policy.profile) if given.approves else ""

    def _not_this(self, given: SignOff, facts: UpdateFacts, standing: Standing) -> tuple[tuple[bool, str], ...]:
        """Return each way in which what was signed off is not what would land now, or not any more."""
        if not given.approves:
            # A rejection is of what the change does: another message, base or policy does not shed it, nor does time.
            does = {facts.diff_digest, _signed_off(facts)[-1]}
            other = (given.repository, given.target) != (facts.push.repository, facts.ref)
            other = other or given.diff_digest not in does
            return (given.withdrawn, "withdrawn"), (other, "rejected something else")
        bound = (given.repository, given.target, given.head, given.base, given.tree, given.diff_digest)
        actual = (facts.push.repository, facts.ref, *_signed_off(facts))
        stays = no_carry(facts, self.policy, standing.roster) if landing(facts) else ""
        return (
            (given.withdrawn, "withdrawn"),
            (given.spent, "already used by a landing"),
            (given.expires_at <= facts.push.received_at, "expired"),
            (bound != actual, "given for something else (the branch has moved, or it is another patch set)"),
            (bool(stays), f"it does not carry over: {stays}"),
            (given.policy_digest != self.policy.digest, "given under another policy"),
            (given.key_revoked, "signed with a key that was revoked or replaced since"),
        )


def _who_can(question: Question, seatings: list[Seating]) -> tuple[str, ...]:
    """Return who could fill the places that are empty; people only where the last place needs one."""
    names = set()
    for seating in seatings:
        empty = [place for place in seating.places if not place.filled_by]
        only_people = seating.needs_human and len(empty) <= 1
        people = {who.name for who in question.eligible() if who.kind is Kind.HUMAN}
        could = {name for place in empty for name in place.candidates} if empty else people
        names |= could & people if only_people else could
    return tuple(sorted(names))


def _signed_off(facts: UpdateFacts) -> tuple[str, str, str, str]:
    """Return head, base, tree and diff digest that a sign-off must bind: what lands, or the head the lander carries."""
    if facts.carried is not None and landing(facts):
        carried = facts.carried
        return carried.head, carried.base, carried.tree, diff_digest(carried.net)
    return facts.new, facts.merge_base, facts.tree, facts.diff_digest


def _unique(said: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(said))


def _some(said: list[str]) -> list[str]:
    return [*said[:SHOWN], f"and {len(said) - SHOWN} more of that kind"] if len(said) > SHOWN else said
