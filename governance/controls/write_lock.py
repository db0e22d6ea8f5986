"""What the policy puts under a write lock moves only for its holder, and only as far as the holder said.

Question: does the pusher hold the lease of this ref, and does the push keep to the lease's intent?
Source: fencing tokens (Kleppmann, 2016; Chubby, OSDI 2006, 2.4); the requirements "Write lock", "Write lock protocol".
Threat: a holder that slept past its lease and writes over the next one's work; a push wider than what was announced.
Not applicable: the policy names no lease for this ref.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from governance import leases, options
from governance.controls._base import not_applicable, satisfied, unsatisfied
from governance.facts import UpdateFacts, all_changes, size
from governance.leases import Asked, Leases
from governance.policy import Policy
from governance.standing import Standing
from governance.verdict import Verdict

SHOWN = 5
HELD = "write_lock.held"
"""The reason of a push that was under a lease and kept to it."""


@dataclass(frozen=True, slots=True)
class WriteLock:
    """Which refs move only under the lease of the scope `write` is the policy's word."""

    NAME: ClassVar[str] = "write_lock"

    policy: Policy

    @classmethod
    def of(cls, policy: Policy) -> Self:
        """Return the control; it asks the policy about each ref."""
        return cls(policy)

    def evaluate(self, facts: UpdateFacts, standing: Standing) -> Verdict:
        """Ask for the lease, then for its token, then whether the push keeps to the intent."""
        found = standing.leases
        if found is None:
            return not_applicable(self, "no lease is asked for")
        held = found.held if found.held is not None and facts.push.received_at < found.held.ends_at else None
        named = options.read(facts.push.options).lock
        if named and (held is None or named != held.token):
            return unsatisfied(self, "stale", f"{named} is not the token of a lease in force", mend=(_ASK,))
        if held is None or held.principal not in _writers(facts, standing, found):
            who = f"{held.principal} holds the write lock" if held else "nobody holds the write lock"
            return unsatisfied(self, "none", f"{who}; it takes a lease to move {facts.ref}", mend=(_ASK,))
        if found.landing is not None and found.landing.seq < held.token:
            said = f"the landing was asked for before lease {held.token}, which holds now"
            return unsatisfied(self, "stale", said, mend=("Ask for the landing again.",))
        if found.landing is None and not named:
            mend = (f"git push -o twinseal.lock={held.token} ...",)
            return unsatisfied(self, "token", "the push does not name the token of its lease", mend=mend)
        leased = [ref for ref in facts.push.refs if leases.needed(self.policy, ref)]
        if len(leased) > 1:
            return unsatisfied(self, "one_ref", f"one push moves one ref under a lease, not {len(leased)}")
        return self._kept(facts, held, found.used)

    def _kept(self, facts: UpdateFacts, held: Asked, used: int) -> Verdict:
        outside = leases.outside(held.files, (change.path for change in all_changes(facts)))
        units = size(facts).units
        if outside:
            said = f"{len(outside)} paths lie outside the intent of lease {held.token}: {', '.join(outside[:SHOWN])}"
            return unsatisfied(self, "intent", said, mend=(_NEW,), subjects=tuple(outside[:SHOWN]))
        if used + units > held.lines:
            said = f"{units} units, after {used} under lease {held.token}; its intent is {held.lines}"
            return unsatisfied(self, "intent", said, mend=(_NEW,))
        return satisfied(self, "held", f"within lease {held.token} of {held.principal}")


_ASK = "twinseal lock request --file PATTERN --lines N --minutes N"
_NEW = "Push what was announced, or release the lease and ask for one with the files and lines that it takes."


def _writers(facts: UpdateFacts, standing: Standing, found: Leases) -> set[str]:
    """Return whose lease covers this push: the pusher's; of a landing, that of who asked or had a hand in it."""
    if found.landing is None:
        return {facts.push.pusher}
    return {found.landing.by, *(standing.change.contributors if standing.change else ())}
