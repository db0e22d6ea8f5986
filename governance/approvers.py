"""Who may count as an approver of a change, and which two are enough.

Pure. Sources: NIST SP 800-53 AC-3(2) dual authorization and AC-5 separation of duties; the approver table
is policy data. Not judged here: whether a sign-off binds what would land (`controls/four_eyes.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from governance.carry import automatic, landing
from governance.facts import UpdateFacts
from governance.policy import ApproverRow, Kind, Policy, Profile
from governance.standing import Principal, Roster

PLACES = 2
"""Four eyes are two approvers, whatever a row says."""


@dataclass(frozen=True, slots=True)
class Contributors:
    """Everyone who may not count, and the names we could not resolve."""

    names: frozenset[str]
    unknown: tuple[str, ...]
    proved: frozenset[str] = frozenset()
    """Who pushes, and who signed every commit: nobody can write these for another, as they can a co-author."""


def contributors(update: UpdateFacts, earlier: Iterable[str], roster: Roster) -> Contributors:
    """Return every author, committer, co-author, signer and pusher of the range, and `earlier` ones of the change.

    The lander adds nothing of its own, so neither it nor whoever asked it is one.
    """
    pusher = "" if landing(update) else update.push.pusher
    names = {pusher, *earlier}
    unknown: set[str] = set()
    commits = [commit for commit in update.commits if not automatic(commit, roster)]
    signers = {commit.signature.principal for commit in commits}
    for commit in commits:
        names.add(commit.signature.principal)
        for person in (commit.author, commit.committer, *commit.co_authors):
            names.add(person.principal)
            if not person.principal:
                unknown.add(person.label)
    names.discard("")
    unknown |= {name for name in names if roster.get(name) is None}
    proved = {pusher, *(signers if len(signers) == 1 else ())} - {""}
    return Contributors(frozenset(names), tuple(sorted(unknown)), frozenset(proved))


def excluded_because(
    who: Principal, authors: Contributors, roster: Roster, *, profile: Profile, families: bool = False
) -> str:
    """Return why this principal may not count for a change by these authors; empty if they may.

    `families` says whether an agent must be of another model family than the agents who wrote it.
    """
    if who.retired:
        return f"{who.name} is retired"
    if who.kind is Kind.SERVICE:
        return f"{who.name} is a service; services do not review"
    if who.name in authors.names:
        return f"{who.name} contributed to the change"
    people = [person for name in authors.names if (person := roster.get(name)) is not None]
    if profile is Profile.TEAM:
        if who.operator in {person.operator for person in people}:
            return f"{who.name} is run by {who.operator}, who has a hand in the change"
    elif who.kind is Kind.AGENT and who.role in {person.role for person in people}:
        return f"{who.name} has the role {who.role} of a contributor; copies of one role are one"
    if families and any(one_family(who, person) for person in people):
        return f"{who.name} is of the model family of a contributor, as far as is known"
    return ""


def alone(who: Principal, roster: Roster, *, profile: Profile) -> bool:
    """Whether this is the only person, in solo: there is nobody else to ask."""
    return profile is Profile.SOLO and [person.name for person in roster.humans()] == [who.name]


def one_family(one: Principal, other: Principal) -> bool:
    """Whether two agents may share their blind spots: of one model family, or of one that is not known."""
    if {one.kind, other.kind} != {Kind.AGENT}:
        return False
    return not one.model_family or not other.model_family or one.model_family == other.model_family


def independent(one: Principal, other: Principal, *, profile: Profile, families: bool = False) -> bool:
    """Whether two approvers are two: distinct people, roles and, in a team, operators; model families where asked."""
    if one.name == other.name or (families and one_family(one, other)):
        return False
    if profile is Profile.TEAM:
        return one.operator != other.operator
    return one.role != other.role or Kind.HUMAN in {one.kind, other.kind}


@dataclass(frozen=True, slots=True)
class Place:
    """One of the places of a row: who fills it, or who could."""

    filled_by: str
    candidates: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Seating:
    """How far the approvals given fill the places of one row of the table: two, or three where a row says so."""

    places: tuple[Place, ...]
    needs_human: bool
    """All places may be filled and still a person is missing."""
    only_newcomers: bool = False
    """All of them may be filled by people and agents whom nobody has known for long."""

    @property
    def filled(self) -> int:
        """How many places are filled."""
        return sum(1 for place in self.places if place.filled_by)

    @property
    def complete(self) -> bool:
        """Whether independent approvers fill every place as the row asks. Fewer than two places are never enough."""
        lacks = self.needs_human or self.only_newcomers
        return len(self.places) >= PLACES and self.filled == len(self.places) and not lacks


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of the table: about whose change, with which care."""

    policy: Policy
    roster: Roster
    authors: Contributors
    high_risk: bool
    newcomers: frozenset[str] = frozenset()
    """Who counts only beside somebody who is none."""
    third: bool = False
    """Whether a finding asks for one approver more, whoever it is."""

    def excluded(self, who: Principal) -> str:
        """Return why this principal may not count here; empty if they may."""
        profile, families = self.policy.profile, self.policy.controls.approval.distinct_families
        return excluded_because(who, self.authors, self.roster, profile=profile, families=families)

    def eligible(self) -> tuple[Principal, ...]:
        """Return everyone who could review this change now, in order of name."""
        free = (p for p in self.roster.active() if not self.excluded(p))
        return tuple(sorted(free, key=lambda principal: principal.name))

    def two(self, one: Principal, other: Principal) -> bool:
        """Whether these two count as two here."""
        families = self.policy.controls.approval.distinct_families
        return independent(one, other, profile=self.policy.profile, families=families)

    def known(self, given: Iterable[Principal]) -> bool:
        """Whether one of these is no newcomer."""
        return any(p.name not in self.newcomers for p in given)

    def rows(self) -> tuple[ApproverRow, ...]:
        """Return the rows of every contributor's role: each must be met, so the strictest wins."""
        people = (person for name in self.authors.names if (person := self.roster.get(name)) is not None)
        return tuple(dict.fromkeys(self.policy.row_for(person.role) for person in people))

    def wants_human(self) -> bool:
        """Whether one of the two must be a person.

        In *solo*, where the only person wrote the high-risk change, there is nobody to wait for: two agents
        must still sign, and the record says `single_person`. That it was them must be proved: agents could name
        them as co-author, and so be rid of them.
        """
        people = {person.name for person in self.roster.humans()}
        alone = self.policy.profile is Profile.SOLO and len(people) == 1 and people <= self.authors.proved
        return self.high_risk and not alone


Slot = tuple[Principal, ...]
"""Who may fill one place."""


def seat(question: Question, row: ApproverRow, given: Iterable[str]) -> Seating:
    """Seat the approvers given as well as they fit; where a row can be met in two ways, in the better one."""
    signed = frozenset(given)
    seatings = [_seated(question, slots, signed) for slots in _ways(question, row)]
    return max(seatings, key=lambda seating: (seating.complete, -len(seating.places) + seating.filled))


def _ways(question: Question, row: ApproverRow) -> Iterator[tuple[Slot, ...]]:
    """Yield the ways to meet a row: first and second, or everyone of `first_together` and second."""
    yield _slots(question, row, (row.first, row.second))
    if row.first_together:
        yield _slots(question, row, (*row.first_together, row.second))


def _slots(question: Question, row: ApproverRow, wanted: tuple[frozenset[str], ...]) -> tuple[Slot, ...]:
    """Return who may fill each place. The row's fallback steps in only where nobody is free."""
    free = question.eligible()
    fallback = tuple(p for p in free if p.role in row.fallback)
    slots = tuple(tuple(p for p in free if p.role in roles) or fallback for roles in wanted)
    if len(_fill(slots, question)) < len(slots):
        slots = (*slots[:-1], _join(slots[-1], fallback))
    if question.high_risk or question.policy.four_eyes.humans_stand_in:
        humans = tuple(p for p in free if p.kind is Kind.HUMAN)
        slots = tuple(_join(slot, humans) for slot in slots)
    return (*slots, free) if question.third else slots


def _seated(question: Question, slots: tuple[Slot, ...], signed: frozenset[str]) -> Seating:
    present = tuple(tuple(p for p in slot if p.name in signed) for slot in slots)
    filled = _fill(present, question)
    human = any(p.kind is Kind.HUMAN for p in filled.values())
    known = not filled or question.known(filled.values())
    places = []
    for number, slot in enumerate(slots):
        others = [p for at, p in filled.items() if at != number]
        could = (p for p in slot if all(question.two(p, other) for other in others))
        here = filled.get(number)
        places.append(Place(here.name if here else "", tuple(p.name for p in could)))
    return Seating(tuple(places), needs_human=question.wants_human() and not human, only_newcomers=not known)


def _fill(slots: tuple[Slot, ...], question: Question) -> dict[int, Principal]:
    """Return the fullest way to put independent approvers into the places, with a person where one is wanted.

    And somebody who is no newcomer, wherever there is one.
    """
    best: dict[int, Principal] = {}
    human = question.wants_human()
    enough = (len(slots), human, True)

    def worth(filled: dict[int, Principal]) -> tuple[int, bool, bool]:
        people = human and any(p.kind is Kind.HUMAN for p in filled.values())
        return len(filled), people, question.known(filled.values())

    def place(number: int, filled: dict[int, Principal]) -> None:
        nonlocal best
        if worth(best) == enough:
            return  # Nothing can be better, and a large fleet has a great many ways to be as good.
        if number == len(slots):
            best = max(best, filled, key=worth)
            return
        for who in slots[number]:
            if all(question.two(who, other) for other in filled.values()):
                place(number + 1, {**filled, number: who})
        place(number + 1, filled)

    place(0, {})
    return best


def _join(people: Slot, more: Slot) -> Slot:
    return tuple(dict.fromkeys((*people, *more)))
