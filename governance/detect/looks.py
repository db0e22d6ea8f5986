"""Look at who reviews whom: a report for an owner, and the daily look that records findings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from audit.entry import Actor, Draft
from audit.transaction import Transaction
from governance.detect import aftermath, cases, graph, power
from governance.detect import canaries as baits
from governance.detect.cases import Case, Judged
from governance.detect.graph import DAY_MS, Review
from governance.errors import ConflictError, RequestError
from governance.parameters import Collusion, Parameters
from governance.people.acts import accepted
from governance.people.statements import Statement, about, owner_only
from governance.people.tokens import Caller
from governance.record import Kind
from governance.service import Service
from governance.standing import Principal
from governance.state import canaries, draws
from governance.state.fold import Tx

HOUR_MS = DAY_MS // 24
BETWEEN_MS = DAY_MS - HOUR_MS
"""A look spends a part of the epoch's false alarms, so there is one a day; an hour less, for clockwork."""


@dataclass(frozen=True, slots=True)
class Report:
    """What one look showed."""

    judged: Judged
    power: power.Power
    at: int


def reviews(tx: Tx, repository: str, limits: Collusion, *, now: int) -> list[Review]:
    """Return the reviews of the window."""
    since = now - limits.window_days * DAY_MS
    return [Review(*row) for row in canaries.reviews(tx, repository, since=since)]


def look(tx: Tx, repository: str, limits: Collusion, *, now: int) -> Report:
    """Judge the reviews of the window that ends now. The seed is their number: who asks again gets the same."""
    found = reviews(tx, repository, limits, now=now)
    judged = cases.judge(found, limits, now=now, seed=len(found))
    measured = power.of(found, limits, now=now, seed=len(found))
    return Report(judged, measured, now)


def shown(tx: Tx, repository: str, numbers: Parameters, *, now: int) -> dict[str, Any]:
    """Return the report of now, for an owner. It records nothing."""
    limits = numbers.collusion
    report = look(tx, repository, limits, now=now)
    judged = report.judged
    recent = graph.within(reviews(tx, repository, limits, now=now), now, limits.window_days)
    top = graph.counts(recent).most_common(cases.SHOWN)
    return {
        "repository": repository,
        "days": limits.window_days,
        "reviews": judged.reviews,
        "people": judged.people,
        "questions": judged.questions,
        "power": report.power.said,
        "cases": [_case(case) for case in judged.cases],
        "most": [{"author": a, "approver": b, "approvals": count} for (a, b), count in top],
        "canaries": baits.rates(canaries.misses(tx, repository)),
        "aftermath": aftermath.rates(draws.told(tx, repository, since=now - limits.window_days * DAY_MS)),
        "canaries_due": _due(tx, repository, numbers, judged.reviews, now=now),
        "last_look": canaries.last_look(tx, repository),
    }


def _due(tx: Tx, repository: str, numbers: Parameters, given: int, *, now: int) -> int:
    """Return how many canaries of the window are still to be planted, as the policy has it."""
    since = now - numbers.collusion.window_days * DAY_MS
    return max(0, -(-given * numbers.canaries.percent // 100) - canaries.count(tx, repository, since=since))


def _case(case: Case) -> dict[str, Any]:
    plain = {"pattern": case.pattern, "people": list(case.people), "found": case.found, "p": case.p, "q": case.q}
    return plain | {"evidence": list(case.evidence), "clears": list(case.clears)}


def record(
    service: Service, caller: Caller, statement: Statement, repository: str, *, limits: Collusion, report: Report
) -> dict[str, Any]:
    """Record a look and what it found: changes of these people need a third reviewer for a while. Owner only.

    A look that found nothing is recorded too: it spends its part all the same.
    """

    def command(tx: Transaction, who: Principal, actor: Actor) -> dict[str, Any]:
        owner_only(who)
        about(statement, repository)
        if set(statement.body) != {"repository"}:
            raise RequestError("a look names its repository", code="detect.malformed")
        last = canaries.last_look(tx, repository)
        if last and tx.now - last < BETWEEN_MS:
            said = "the reviews were judged less than a day ago; looking more often finds what is not there"
            raise ConflictError(said, code="detect.too_soon", mend="twinseal detect report shows how things stand.")
        found, judged = [_kept(case) for case in report.judged.found], report.judged
        until = tx.now + limits.third_reviewer_days * DAY_MS
        data = {
            "found": found,
            "reviews": judged.reviews,
            "people": judged.people,
            "questions": judged.questions,
            "spent": f"{judged.spent:.3g}",
            "power": report.power.said,
            "until": until,
            "statement": statement.kept(),
        }
        entry = tx.append(Draft(Kind.FINDING_RECORDED.value, actor, repository, repository, data))
        return {
            "repository": repository,
            "found": found,
            "power": report.power.said,
            "until": until,
            "entry": entry.seq,
        }

    return accepted(service, caller, statement, "detect.run", command)


def _kept(case: Case) -> dict[str, Any]:
    """Return a finding as an entry holds it: no floats."""
    numbers = {"p": f"{case.p:.3g}", "q": f"{case.q:.3g}"}
    return {"pattern": case.pattern, "people": list(case.people), "evidence": list(case.evidence), **numbers}
