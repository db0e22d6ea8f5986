"""What a push below the threshold would add to the unreviewed debt, what that asks for, and what sign-offs clear.

Pure. Whether a push is below the threshold by itself is said by `controls/four_eyes.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from governance import debt
from governance.approvers import PLACES, Contributors, Question, contributors, seat
from governance.carry import automatic, landing
from governance.debt import Added, Debt
from governance.facts import UpdateFacts
from governance.standing import Roster, SignOff, Standing

MOST_ASKED = 8
"""Groups of contributors of whose debt it is worked out who could review it; there may be hundreds."""
MOST_PLACES = 4
"""Of a row of the approver table, as `approvers.seat` seats it."""

Bound = dict[tuple[str, ...], int]
"""By who contributed: the newest entry up to which what they landed was signed off."""


def adds(facts: UpdateFacts, standing: Standing) -> Added:
    """Return what this push would add, with everyone known who has a hand in it."""
    earlier = standing.change.contributors if standing.change else ()
    return _debt(standing).adds or adding(facts, earlier, standing.roster)


def adding(facts: UpdateFacts, earlier: Iterable[str], roster: Roster) -> Added:
    """Return the same, where `earlier` are the contributors of the change that it is."""
    names = contributors(facts, earlier, roster).names
    people = tuple(sorted(name for name in names if roster.get(name) is not None))
    return debt.added(facts, people, operators(people, roster), roles(facts, roster))


def operators(people: Iterable[str], roster: Roster) -> tuple[str, ...]:
    """Return who runs these principals."""
    return tuple(sorted({who.operator for name in people if (who := roster.get(name)) is not None}))


def roles(facts: UpdateFacts, roster: Roster) -> tuple[str, ...]:
    """Return the roles that a landing counts for: of who pushes, and of who signed a commit.

    A co-author proves nothing, and is not counted. The lander has none: having it land is no way round.
    """
    names = {commit.signature.principal for commit in facts.commits if not automatic(commit, roster)}
    names |= set() if landing(facts) else {facts.push.pusher}
    return tuple(sorted({who.role for name in names if (who := roster.get(name)) is not None}))


def over_budget(facts: UpdateFacts, standing: Standing) -> tuple[str, ...]:
    """Return why the debt as it stands asks for a review; nothing where it does not."""
    return debt.over(_debt(standing).owed, adds(facts, standing), standing.policy)


def too_fast(facts: UpdateFacts, standing: Standing) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return why the window asks for one, and why a cool-down does."""
    lately, limits = _debt(standing).lately, standing.policy.controls.small_changes
    window = debt.too_many(lately, adds(facts, standing), limits) if lately else ()
    return window, debt.cooling(lately, limits, now=facts.push.received_at)


def asks(facts: UpdateFacts, standing: Standing) -> tuple[str, ...]:
    """Return every reason that a push below the threshold needs four eyes all the same."""
    window, cooling = too_fast(facts, standing)
    return (*over_budget(facts, standing), *window, *cooling)


def bound(facts: UpdateFacts, standing: Standing, approvals: tuple[SignOff, ...]) -> Bound:
    """Return what these approvals of a change clear: by whom it was landed, and up to which entry.

    Who contributed to what landed, or to the change, does not count for it, as with any change: each part of the debt
    needs the places that the approver table asks for.
    """
    through: Bound = {}
    for people in dict.fromkeys(owed.people for owed in _debt(standing).owed):
        if found := _through(facts, standing, approvals, people):
            through[people] = found
    return through


def still_over(facts: UpdateFacts, standing: Standing, approvals: tuple[SignOff, ...]) -> tuple[str, ...]:
    """Return why what these approvals do not clear asks for a review even so."""
    left = debt.cleared(_debt(standing).owed, bound(facts, standing, approvals))
    return debt.over(left, adds(facts, standing), standing.policy)


def helpers(facts: UpdateFacts, standing: Standing, approvals: tuple[SignOff, ...]) -> tuple[tuple[str, ...], bool]:
    """Return few who can sign off with these approvals what keeps this over a budget, and whether they are enough."""
    left = debt.cleared(_debt(standing).owed, bound(facts, standing, approvals))
    units: dict[tuple[str, ...], int] = {}
    for owed in left:
        units[owed.people] = units.get(owed.people, 0) + owed.units
    asked: list[str] = []
    for people in sorted(units, key=lambda people: (-units[people], people))[:MOST_ASKED]:
        newest = max(owed.seq for owed in left if owed.people == people)
        have = [given.principal for given in approvals if given.debt_through >= newest]
        again = {given.principal for given in approvals}
        asked += _missing(_question(facts, standing, people), [*have, *asked], again)
        left = tuple(owed for owed in left if owed.people != people)
        if not debt.over(left, adds(facts, standing), standing.policy):
            return tuple(sorted(asked)), True
    return tuple(sorted(asked)), False


def _missing(question: Question, have: list[str], again: set[str]) -> list[str]:
    """Return who is still to be asked: first those who have looked at the change already, people last."""
    people = {who.name for who in question.roster.humans()}
    asked: list[str] = []
    for row in question.rows():
        for _ in range(MOST_PLACES):
            empty = [place for place in seat(question, row, [*have, *asked]).places if not place.filled_by]
            could = set(empty[0].candidates) - {*have, *asked} if empty else set()
            asked += sorted(could, key=lambda name: (name not in again, name in people, name))[:1]
    return asked


def nobody_left(facts: UpdateFacts, standing: Standing) -> tuple[str, ...]:
    """Return who is only named in this, where without them enough could ever sign it off, and with them nobody can.

    A co-author or committer proves nothing: naming everybody would leave a debt that stays for good.
    """
    people = set(adds(facts, standing).people)
    named = people - {facts.push.pusher, *(commit.signature.principal for commit in facts.commits)}
    if not named or _could(standing, people) or not _could(standing, people - named):
        return ()
    return tuple(sorted(named))


def _could(standing: Standing, people: set[str]) -> bool:
    """Whether enough are there to sign off what these people landed."""
    question = Question(standing.policy, standing.roster, Contributors(frozenset(people), ()), high_risk=False)
    return _enough(question, [who.name for who in question.eligible()])


def _debt(standing: Standing) -> Debt:
    return standing.debt if standing.debt is not None else Debt()


def _question(facts: UpdateFacts, standing: Standing, people: tuple[str, ...]) -> Question:
    earlier = standing.change.contributors if standing.change else ()
    authors = contributors(facts, (*earlier, *people), standing.roster)
    return Question(standing.policy, standing.roster, authors, high_risk=False, newcomers=standing.newcomers)


def _through(facts: UpdateFacts, standing: Standing, approvals: tuple[SignOff, ...], people: tuple[str, ...]) -> int:
    """Return the newest entry that enough of the approvals have bound; 0 where they are not enough."""
    question = _question(facts, standing, people)
    return next((seq for seq, names in _by_depth(approvals) if _enough(question, names)), 0)


def _by_depth(approvals: tuple[SignOff, ...]) -> Iterator[tuple[int, list[str]]]:
    """Yield each entry that an approval has bound, the newest first, with everyone who has bound as much."""
    deepest = sorted((given for given in approvals if given.debt_through), key=lambda given: -given.debt_through)
    for seq in dict.fromkeys(given.debt_through for given in deepest):
        yield seq, [given.principal for given in deepest if given.debt_through >= seq]


def _enough(question: Question, names: list[str]) -> bool:
    free = [who for name in names if (who := question.roster.get(name)) is not None and not question.excluded(who)]
    rows = question.rows() if len(free) >= PLACES else ()
    return bool(rows) and all(seat(question, row, names).complete for row in rows)
