"""A consequential change lands only with two independent, eligible sign-offs of exactly what lands.

Question: does this change need four eyes, and are they given?
Source: NIST SP 800-53 AC-3(2); SLSA Source v1.2 L4, two-party review; the requirement "Four eyes".
Threat: a change that lands alone, or on approvals of something else, by its own authors, expired or spent.
Not applicable: the ref is not protected, or it would be deleted (another control refuses that).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import ClassVar, Self

from governance.approvers import Contributors, Question, Seating, contributors, seat
from governance.carry import landing, no_carry, signed_off
from governance.controls._base import not_applicable, satisfied, unsatisfied
from governance.facts import Content, UpdateFacts, all_changes, size
from governance.policy import PROPOSALS, Kind, Policy
from governance.standing import SignOff, Standing
from governance.stops import party
from governance.unreviewed import asks
from governance.verdict import Outcome, Verdict

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
    paths = dict.fromkeys(change.path for change in all_changes(facts))
    risks = [f"{path} is high-risk" for path in paths if policy.high_risk(path)]
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


def alone(facts: UpdateFacts, policy: Policy) -> bool:
    """Whether this lands something on a protected ref, and is by itself below the threshold."""
    lands = policy.is_protected(facts.ref) and not facts.deletes and not (facts.creates and facts.landed)
    return lands and not need(facts, policy).reasons


def for_review(facts: UpdateFacts, policy: Policy) -> tuple[str, ...]:
    """Return how to have this reviewed, and how to land it then."""
    topic = ("Or to a branch:      git push origin HEAD:refs/heads/topic/<name>",)
    return (
        f"Push it for review:  git push origin HEAD:{facts.ref.replace('refs/heads/', PROPOSALS, 1)}",
        *(topic if facts.ref == policy.refs.target else ()),
        f"When signed off:     twinseal land <number>, or git push origin HEAD:{facts.ref}",
    )


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
            needed = Need(asks(facts, standing) if standing.change else (), high_risk=False)
        if not needed.reasons:
            return self._below(facts, standing)
        why = "; ".join(needed.reasons)
        if standing.change is None:
            return unsatisfied(
                self, "no_change", f"two approvers are needed ({why})", mend=for_review(facts, self.policy)
            )
        authors = contributors(facts, standing.change.contributors, standing.roster)
        if authors.unknown:
            said = f"cannot tell who {', '.join(authors.unknown)} is, so cannot tell who may approve"
            return unsatisfied(self, "unknown_contributor", said, helpers=("owner",))
        return self._sign_offs(facts, standing, needed, authors, why)

    def _below(self, facts: UpdateFacts, standing: Standing) -> Verdict:
        """Answer about what needs nobody: signed off all the same, it is reviewed, and adds to no debt."""
        measured = size(facts)
        lines = "1 changed line" if measured.units == 1 else f"{measured.units} changed lines"
        files = "1 file" if measured.files == 1 else f"{measured.files} files"
        said = f"{lines} in {files}: below the threshold"
        if standing.change is not None and standing.change.sign_offs:
            authors = contributors(facts, standing.change.contributors, standing.roster)
            signed = self._sign_offs(facts, standing, Need((), high_risk=False), authors, said)
            if not authors.unknown and signed.outcome is Outcome.SATISFIED:
                return signed
        return satisfied(self, "below_threshold", said)

    def _sign_offs(
        self, facts: UpdateFacts, standing: Standing, needed: Need, authors: Contributors, why: str
    ) -> Verdict:
        change = standing.change
        if change is None:
            return not_applicable(self, "no change")
        question = Question(
            self.policy, standing.roster, authors, needed.high_risk, standing.newcomers, third=bool(standing.third)
        )
        faults = {given: self._fault(given, facts, standing, question) for given in change.sign_offs}
        mend = tuple(f"Set aside: {given.principal}: {fault}" for given, fault in faults.items() if fault)
        good = [given for given, fault in faults.items() if not fault]
        against = [given.principal for given in good if not given.approves]
        if against:
            said = f"{', '.join(against)} rejected this change; it must be settled, or the rejection withdrawn"
            return unsatisfied(self, "rejected", said, helpers=tuple(against), mend=mend)
        signed = [given.principal for given in good]
        rows = question.rows()
        seatings = [seat(question, row, signed) for row in rows]
        if seatings and all(seating.complete for seating in seatings):
            names = sorted({place.filled_by for seating in seatings for place in seating.places})
            by = " and by ".join(f"row {', '.join(sorted(row.authors))}" for row in rows)
            settled = sorted({given.settled for given in change.sign_offs if given.settled and not given.withdrawn})
            aside = "".join(f"; a rejection was set aside by the decision of entry {seq}" for seq in settled)
            said = f"change {change.number} signed off by {' and '.join(names)} ({by}){aside}"
            return replace(satisfied(self, "signed_off", said), subjects=tuple(signed))
        have = f"{len(signed)} given" + (f" by {', '.join(signed)}" if signed else "")
        said = f"change {change.number} needs {_wanted(question, standing, seatings)} ({why}); {have}"
        ask = f"twinseal sign-off {change.number} --approve --repo {facts.push.repository}"
        return unsatisfied(self, "missing_sign_offs", said, mend=(*mend, ask), helpers=_who_can(question, seatings))

    def _fault(self, given: SignOff, facts: UpdateFacts, standing: Standing, question: Question) -> str:
        """Return why this sign-off does not count for exactly what would land; empty if it does."""
        who = standing.roster.get(given.principal)
        if who is None:
            return "not enrolled"
        for fault, said in self._not_this(given, facts, standing):
            if fault:
                return said
        if not given.approves:
            return ""
        held = party(standing.freezes, role=who.role, operator=who.operator, at=facts.push.received_at)
        return f"the {held.scope} {held.value} is frozen since entry {held.seq}" if held else question.excluded(who)

    def _not_this(self, given: SignOff, facts: UpdateFacts, standing: Standing) -> tuple[tuple[bool, str], ...]:
        """Return each way in which what was signed off is not what would land now, or not any more."""
        if not given.approves:
            # A rejection is of what the change does: another message, base or policy does not shed it, nor does time.
            does = {facts.diff_digest, signed_off(facts)[-1]}
            other = (given.repository, given.target) != (facts.push.repository, facts.ref)
            other = other or given.diff_digest not in does
            settled = (bool(given.settled), f"its rejection was set aside by the decision of entry {given.settled}")
            return (given.withdrawn, "withdrawn"), (other, "rejected something else"), settled
        bound = (given.repository, given.target, given.head, given.base, given.tree, given.diff_digest)
        actual = (facts.push.repository, facts.ref, *signed_off(facts))
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


def _wanted(question: Question, standing: Standing, seatings: list[Seating]) -> str:
    """Say how many approvers are needed, and what they must be besides."""
    count = f"three approvers, as {'; '.join(standing.third)}" if question.third else "two approvers"
    person = ", one of them a person" if question.wants_human() else ""
    new = any(seating.only_newcomers for seating in seatings)
    return f"{count}{person}{', one of them no newcomer' if new else ''}"


def _who_can(question: Question, seatings: list[Seating]) -> tuple[str, ...]:
    """Return who could fill the places that are empty; people only where the last place needs one."""
    names = set()
    for seating in seatings:
        empty = [place for place in seating.places if not place.filled_by]
        only_people = seating.needs_human and len(empty) <= 1
        free = question.eligible()
        people = {who.name for who in free if who.kind is Kind.HUMAN}
        known = {who.name for who in free if question.known((who,))}
        rest = people if seating.needs_human else known
        could = {name for place in empty for name in place.candidates} if empty else rest
        could = could & known if seating.only_newcomers and len(empty) <= 1 else could
        names |= could & people if only_people else could
    return tuple(sorted(names))


def _unique(said: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(said))


def _some(said: list[str]) -> list[str]:
    return [*said[:SHOWN], f"and {len(said) - SHOWN} more of that kind"] if len(said) > SHOWN else said
