"""Who may decide what, and who must agree: the rows of the authority table, and the one judgement over them.

Nothing is allowed that no row allows; a row that forbids wins; where several rows speak of one action each of them must
be met, so that adding a row never relaxes. Every answer names the row that decided.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

NO_ROW = "none"
"""What is named as the deciding row where no row speaks of the action."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorityRow:
    """One rule: `by` may do `action` if one of each set of `with_`, of `cosign` and of `reaches` signs.

    `cosign` must sign last and knows what it signs; `reaches` is whose word it is in the end. A row that forbids says
    only who may not.
    """

    name: str
    action: str
    by: frozenset[str]
    with_: tuple[frozenset[str], ...] = ()
    cosign: frozenset[str] = frozenset()
    reaches: frozenset[str] = frozenset()
    forbid: bool = False

    @property
    def places(self) -> tuple[frozenset[str], ...]:
        """The places that somebody must fill, each by another principal."""
        return (*self.with_, *(roles for roles in (self.cosign, self.reaches) if roles))


@dataclass(frozen=True, slots=True)
class Signer:
    """Somebody who agreed."""

    name: str
    role: str


@dataclass(frozen=True, slots=True)
class Ruling:
    """Whether it is allowed, by which row, and which places are empty: of each, who could fill it."""

    allowed: bool
    row: str
    missing: tuple[frozenset[str], ...] = ()
    asks: bool = True
    """Whether this role may ask for it at all."""

    @property
    def said(self) -> str:
        """What is missing, in words."""
        return " and ".join(" or ".join(sorted(place)) for place in self.missing)


def critical(rows: Iterable[AuthorityRow], action: object) -> bool:
    """Whether a decision of this kind must reach somebody, as the table says; of an unknown kind it might."""
    speaks = [row for row in rows if row.action == action and not row.forbid]
    return not speaks or any(row.reaches for row in speaks)


def judge(rows: Iterable[AuthorityRow], action: str, by_role: str, signers: Iterable[Signer] = ()) -> Ruling:
    """Return whether this role may do this, with these who signed."""
    of_it = sorted((row for row in rows if row.action == action), key=lambda row: (not row.forbid, row.name))
    signed = tuple(sorted(frozenset(signers), key=lambda signer: signer.name))
    for row in of_it:
        if row.forbid and by_role in row.by:
            return Ruling(allowed=False, row=row.name, asks=False)
    allowing = [row for row in of_it if not row.forbid]
    if not allowing:
        return Ruling(allowed=False, row=NO_ROW, asks=False)
    for row in allowing:
        if by_role not in row.by:
            return Ruling(allowed=False, row=row.name, asks=False)
    lacking = [(row, missing) for row in allowing if (missing := empty(row.places, signed))]
    if lacking:
        row, missing = max(lacking, key=lambda pair: len(pair[1]))
        return Ruling(allowed=False, row=row.name, missing=missing)
    strictest = max(allowing, key=lambda row: len(row.places))
    return Ruling(allowed=True, row=strictest.name)


def empty(places: tuple[frozenset[str], ...], signers: Iterable[Signer]) -> tuple[frozenset[str], ...]:
    """Return the places left empty when every signer fills one at most, seated as well as they fit."""
    seated: dict[int, Signer] = {}
    for signer in {signer.name: signer for signer in signers}.values():
        _sit(signer, places, seated, set())
    return tuple(place for number, place in enumerate(places) if number not in seated)


def _sit(signer: Signer, places: tuple[frozenset[str], ...], seated: dict[int, Signer], tried: set[int]) -> bool:
    """Seat somebody, moving others along where that helps: a largest matching, one augmenting path at a time."""
    for number, place in enumerate(places):
        if signer.role in place and number not in tried:
            tried.add(number)
            if number not in seated or _sit(seated[number], places, seated, tried):
                seated[number] = signer
                return True
    return False


_DEVS, _QA = frozenset({"dev-a", "dev-b"}), frozenset({"qa-a", "qa-b"})
_PLANNERS = frozenset({"planner-a", "planner-b"})
_COUNCIL = frozenset({"architect-a", "architect-b", "architect-c"})
_PEOPLE = frozenset({"owner", "human"})
_ORCHESTRATOR, _LIBRARIAN, _OWNER = frozenset({"orchestrator"}), frozenset({"librarian"}), frozenset({"owner"})
_AGENTS = _DEVS | _QA | _PLANNERS | _COUNCIL | _ORCHESTRATOR | _LIBRARIAN | {"docs"}
_ALL = _AGENTS | _PEOPLE


def _row(
    action: str,
    by: frozenset[str],
    *with_: frozenset[str],
    cosign: frozenset[str] = frozenset(),
    reaches: frozenset[str] = frozenset(),
) -> AuthorityRow:
    places = tuple(sorted(with_, key=sorted))
    return AuthorityRow(name=action, action=action, by=by, with_=places, cosign=cosign, reaches=reaches)


SHIPPED: tuple[AuthorityRow, ...] = tuple(
    sorted(
        (
            _row("implementation-detail", _ORCHESTRATOR, _DEVS, _QA),
            _row("gate-reading", _ORCHESTRATOR, _QA, _LIBRARIAN | _COUNCIL),
            _row("priorities", _ORCHESTRATOR, _PLANNERS, _DEVS | _QA),
            _row("tools", _AGENTS - _LIBRARIAN - _ORCHESTRATOR, _LIBRARIAN, _ORCHESTRATOR),
            _row("refactoring", _ORCHESTRATOR, _DEVS, _QA),
            _row("test-strategy", _ORCHESTRATOR, _QA, _DEVS),
            _row("architecture", _AGENTS, reaches=_OWNER),
            _row("scope-over-20-percent", _AGENTS, reaches=_OWNER),
            _row("quality-exception", _AGENTS, reaches=_OWNER),
            _row("new-dependency", _AGENTS, reaches=_OWNER),
            _row("timeline-over-50-percent", _AGENTS, reaches=_OWNER),
            _row("disagreement-technical", _ALL, _ORCHESTRATOR),
            _row("disagreement-architectural", _ALL, _COUNCIL, _COUNCIL),
            _row("disagreement-owner", _ALL, reaches=_OWNER),
            _row("gate-start", _PLANNERS | _ORCHESTRATOR | _PEOPLE),
            _row("gate-red", _DEVS | _QA | _PEOPLE),
            _row("gate-green", _DEVS | _QA | _PEOPLE),
            _row("gate-peer", _DEVS | _QA | _COUNCIL | _PEOPLE),
            _row("gate-qa", _QA | _PEOPLE),
            _row("gate-deploy", _QA | _COUNCIL | _PEOPLE),
            _row("gate-advance", _ORCHESTRATOR, cosign=_LIBRARIAN),
            _row("gate-status-change", _ORCHESTRATOR, cosign=_LIBRARIAN),
            _row("override", _ORCHESTRATOR, cosign=_LIBRARIAN, reaches=_OWNER),
            _row("lock-out-of-order", _ORCHESTRATOR, cosign=_LIBRARIAN),
            _row("lock-extension", _ALL - _LIBRARIAN, cosign=_LIBRARIAN),
            _row("lock-steal", _ORCHESTRATOR, cosign=_LIBRARIAN),
            *(
                AuthorityRow(name=f"no-{deed}-by-orchestrator", action=deed, by=_ORCHESTRATOR, forbid=True)
                for deed in ("freeze", "thaw", "veto")
            ),
        ),
        key=lambda row: row.name,
    )
)
"""What holds where a policy does not say."""


def known_to(roles: Iterable[str]) -> tuple[AuthorityRow, ...]:
    """Return the shipped rows for a policy that has these roles alone.

    A row whose places could then not be filled is left out with its action: nobody may, rather than fewer must agree.
    """
    there = frozenset(roles)
    rows = []
    for row in SHIPPED:
        kept = AuthorityRow(
            name=row.name,
            action=row.action,
            by=row.by & there,
            with_=tuple(sorted((group & there for group in row.with_), key=sorted)),
            cosign=row.cosign & there,
            reaches=row.reaches & there,
            forbid=row.forbid,
        )
        if kept.by and len(kept.places) == len(row.places) and all(kept.places):
            rows.append(kept)
    return tuple(rows)
