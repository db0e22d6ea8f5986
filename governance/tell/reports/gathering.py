"""Gather the facts of a report: one walk through its entries, counts of the days before, and how things stood then.

From the ledger alone, and from nothing that comes later, so that one day always gives the same facts: on another
engine, after a rebuild, a year afterwards.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from audit import reads
from audit.entry import Entry
from governance.errors import NotFoundError, RecordError
from governance.policy import Policy
from governance.policy_text import from_meaning
from governance.record import Kind
from governance.state.tx import Tx
from governance.tell.reports import events, landed, reading, risks, tally
from governance.tell.reports.facts import Event, Integrity, Issue, Landed, Refused, Report
from governance.tell.reports.periods import Period
from governance.tell.reports.reading import Progress
from governance.tell.reports.standing import standing

LANDED, EVENTS, TRAIL, MOST = 200, 300, 1000, 5
"""How many of each are told one by one; of all of them, how many there were."""
KEPT = 256
"""Decisions that are remembered while their landings are looked for."""

Data = Mapping[str, Any]


@dataclass(slots=True)
class _Walk:
    """What one walk through the entries collects."""

    days: list[Counter[str]]
    refused: Counter[tuple[str, str]] = field(default_factory=Counter)
    refused_most: Counter[str] = field(default_factory=Counter)
    landed: list[Landed] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    trail: list[Event] = field(default_factory=list)
    checked: list[tuple[str, int, int]] = field(default_factory=list)
    person: str = ""
    entries: int = 0
    last: int = 0
    silence: tuple[int, int] = (0, 0)

    def quiet_until(self, now: int, since: int) -> None:
        """Remember the longest time without an entry."""
        before = self.last or since
        if now - before > self.silence[0]:
            self.silence = (now - before, before)
        self.last = now


def policy_at(tx: Tx, upto: int) -> Policy:
    """Return the policy that was in force when there were so many entries.

    Raises:
        RecordError: There was none yet.
    """
    row = tx.execute("select meaning from policy where seq < ? order by seq desc limit 1", (upto,)).fetchone()
    if row is None:
        raise RecordError("the ledger holds no policy of that time; run twinseal init")
    return from_meaning(json.loads(row[0]))


def ends(tx: Tx, period: Period, *, upto: int = 0) -> tuple[int, int]:
    """Return the numbers of a period's first entry and of the first after it; `upto` where it ends earlier."""
    first = reading.at(tx, period.since)
    return first, upto or reading.at(tx, period.until)


def facts(
    tx: Tx, period: Period, *, progress: Progress, upto: int = 0, about: int = 0, signed: str = "", log: str = ""
) -> Report:
    """Return what a report says, all but its place in its series.

    `signed` is the checkpoint that it carries, which is proven to hold its entries. `upto` and `about` are for audits:
    where it ends, and the entry it is about.

    Raises:
        RequestError: Entries of that time were pruned.
    """
    first, upto = ends(tx, period, upto=upto)
    policy = policy_at(tx, max(upto, 1))
    asked = _decisions(tx)
    person = _person(tx, about) if about else ""
    walk = _Walk([Counter() for _ in period.history], person=person)
    _before(tx, period, first, walk, policy, asked)
    chain = reading.Chain(tx, first, upto)
    for entry in chain.entries(progress):
        try:
            _take(tx, entry, walk, period, policy, asked)
        except reading.MALFORMED:
            # Nothing of ours was written so. The report must go out all the same, and say it.
            chain.doubt(entry.seq, f"entry {entry.seq} does not say what {entry.kind} says")
    size, fault = reading.covered(tx, signed, upto - 1, chain.last) if upto > first else (0, "")
    faults = (*chain.faults, *([(upto - 1, fault)] if fault else []))
    told = sorted(walk.landed, key=landed.rank)
    found = Report(
        kind=period.kind,
        log=log or str(reads.origin(tx)),
        day=period.day.isoformat(),
        zone=period.zone,
        since=period.since,
        until=period.until,
        hours=period.hours,
        first=first,
        upto=upto,
        policy=policy.digest,
        tallies=_summed(walk.days[-_own(period) :]),
        history=tuple((day, _summed([counts])) for (day, _), counts in zip(period.history, walk.days, strict=True)),
        landed=tuple(told[:LANDED]),
        landed_more=max(0, len(told) - LANDED),
        refused=_refused(walk.refused),
        refused_most=_most(walk.refused_most),
        events=_weighty(walk.events),
        events_more=max(0, len(walk.events) - EVENTS),
        standing=standing(tx, policy, upto=upto, now=period.until),
        integrity=_integrity(walk, period, size, faults, upto=upto),
        about=about,
        person=person,
        trail=tuple(walk.trail[-TRAIL:]),
    )
    return replace(found, risks=risks.ranked(found))


def placed(report: Report, issue: Issue) -> Report:
    """Return a report with its place in its series, which may be something to look at as well."""
    found = report.issued(issue)
    return replace(found, risks=risks.ranked(found))


def _own(period: Period) -> int:
    """Return how many of the days of the history are the period's own."""
    return sum(begins >= period.since for _, begins in period.history)


def _decisions(tx: Tx) -> tally.Asked:
    """Return who looks a decision up by its number, and remembers the last ones."""
    kept: dict[int, Data] = {}

    def asked(seq: int) -> Data:
        if seq not in kept:
            if len(kept) >= KEPT:
                del kept[next(iter(kept))]
            kept[seq] = reading.data(tx, seq)
        return kept[seq]

    return asked


def _before(tx: Tx, period: Period, first: int, walk: _Walk, policy: Policy, asked: tally.Asked) -> None:
    """Count the days that the period is compared with, as far back as entries are kept."""
    starts = [begins for _, begins in period.history]
    for _, ts, kind, data in reading.light(tx, reading.at(tx, starts[0], kept=True), first, tally.KINDS):
        with suppress(*reading.MALFORMED):  # It is only counted; the deep check finds it.
            tally.count(walk.days[bisect_right(starts, ts) - 1], kind, data, policy, asked)


def _take(tx: Tx, entry: Entry, walk: _Walk, period: Period, policy: Policy, asked: tally.Asked) -> None:
    data: Data = entry.data
    walk.entries += 1
    if entry.seq == 0:
        walk.last = entry.ts  # What was before the first entry of all is no silence.
    walk.quiet_until(entry.ts, period.since)
    starts = [begins for _, begins in period.history]
    tally.count(walk.days[bisect_right(starts, entry.ts) - 1], entry.kind, data, policy, asked)
    no = tally.refusal(entry.kind, entry.actor.id, data)
    if no is not None:
        walk.refused[no.control, no.code] += 1
        walk.refused_most[no.who] += 1
    if entry.kind == Kind.PUSH_APPLIED:
        walk.landed += landed.landed(tx, entry, policy, asked)
    if entry.kind == Kind.INTEGRITY_CHECKED:
        walk.checked.append((data["what"], data["size"], entry.ts))
    told = events.told(entry)
    if told is not None:
        walk.events.append(told)
    if walk.person and _concerns(entry, walk.person):
        walk.trail.append(told or events.event(entry, "", events.named(entry)))


def _person(tx: Tx, about: int) -> str:
    """Return whom an entry is about: the person who did it, or the first one it names."""
    row = reads.entry(tx, about)
    if row is None:
        raise NotFoundError(f"there is no entry {about}", code="report.about")
    said = json.loads(row.body)
    named = [value for _, value in sorted(said["data"].items()) if isinstance(value, str)]
    for name in (said["actor"]["id"], said["subject"], *named):
        if tx.execute("select 1 from principal where name=? and kind='human'", (name,)).fetchone():
            return str(name)
    return ""


def _concerns(entry: Entry, person: str) -> bool:
    """Whether somebody did this, or is named in it."""
    return person in {entry.actor.id, entry.subject} or any(
        value == person or (isinstance(value, list) and person in value) for value in entry.data.values()
    )


def _integrity(walk: _Walk, period: Period, size: int, faults: tuple[tuple[int, str], ...], *, upto: int) -> Integrity:
    """Return what is known of the record. Where there was no entry yet at the end, nothing was silent."""
    if upto:
        walk.quiet_until(period.until, period.since)
    length, since = walk.silence
    return Integrity(
        entries=walk.entries,
        faults=faults,
        covered=size,
        checked=tuple(walk.checked[-MOST:]),
        silence_ms=length,
        silence_from=since,
    )


def _weighty(found: Sequence[Event]) -> tuple[Event, ...]:
    """Return the events that are told one by one, in their order; too many, and the first of each kind and actor first.

    Else three hundred vetoes or messages of one agent, just after midnight, would keep all else out of the report.
    """
    ranked, nth = [], Counter[tuple[str, str]]()
    for each in found:
        ranked.append((nth[each.kind, each.who], events.GROUPS.index(each.group), each.seq, each))
        nth[each.kind, each.who] += 1
    told = [each for *_, each in sorted(ranked, key=lambda rank: rank[:3])[:EVENTS]]
    return tuple(sorted(told, key=lambda each: each.seq))


def _summed(days: Sequence[Counter[str]]) -> dict[str, int]:
    return {name: sum(day[name] for day in days) for name in tally.NAMES}


def _refused(counts: Counter[tuple[str, str]]) -> tuple[Refused, ...]:
    """Return what said no, the most frequent first."""
    ranked = sorted(counts.items(), key=lambda each: (-each[1], each[0]))
    return tuple(Refused(control=control, code=code, count=count) for (control, code), count in ranked)


def _most(counts: Counter[str]) -> tuple[tuple[str, int], ...]:
    return tuple(sorted(counts.items(), key=lambda each: (-each[1], each[0]))[:MOST])
