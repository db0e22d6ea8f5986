"""Whether the rules were in force all the time: hooks that were off, refs that moved without a decision.

A gap is written down with its longest possible length: from the last look that found all well until now. It freezes
the repository until an owner thaws it; what moved in it is remembered as unreviewed. A good look is written down only
when it ends a bad one, sees other hooks, or is the first since the service started: a record, not a heartbeat.

Source: SLSA Source v1.2, "Continuity". What git's own configuration on another's command line does is not seen here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from audit.entry import Draft
from audit.transaction import Transaction
from governance import record
from governance.ports import Watch
from governance.record import SERVICE, Kind
from governance.state import read
from governance.state.fold import Tx

Line = tuple[str, str, str]
FAULTS_NAMED = 10
TEXT_LIMIT = 200


@dataclass(frozen=True, slots=True)
class Known:
    """What the ledger says of the last look that was written down."""

    good: bool
    hooks: str
    at: int


def known(tx: Tx, repository: str) -> Known | None:
    """Return the last recorded look, or None where there was no good one yet: nothing can lapse then."""
    row = tx.execute("select good, hooks, at from continuity where repository=?", (repository,)).fetchone()
    return Known(bool(row[0]), row[1], row[2]) if row else None


def sound(watch: Watch, last: Known | None) -> bool:
    """Whether the hooks are in force: as we install them, or unchanged since they were (an upgrade is no gap).

    Hooks that we never could look at say nothing; hooks that we could look at, and now cannot, were touched.
    """
    if not watch.found:
        return last is None
    return not watch.faults or (last is not None and last.good and last.hooks == watch.found)


def look(tx: Transaction, repository: str, watch: Watch | None, moved: Sequence[Line], *, since: int | None) -> bool:
    """Write down what a look found, if it is news; return whether all was well.

    `moved` are (ref, recorded, found) without a decision to explain them; `since` is when we last saw all well, since
    the service started. `watch` is None where hooks were not looked at; nothing is concluded of them then.
    """
    last = known(tx, repository)
    off = watch is not None and not sound(watch, last)
    if watch is not None and watch.found and not off and not moved and (since is None or _news(watch, last)):
        tx.append(_checked(repository, watch))
    broke = off and last is not None and last.good
    unsaid = _unsaid(tx, repository, moved)
    if broke or unsaid:
        begun = since if since is not None else last.at if last else tx.now
        tx.append(_lapse(tx, repository, watch if off else None, unsaid, since=begun))
    return not off and not moved


def _news(watch: Watch, last: Known | None) -> bool:
    return last is None or not last.good or last.hooks != watch.found


def _unsaid(tx: Tx, repository: str, moved: Sequence[Line]) -> list[Line]:
    """Leave out what a lapse named before and could not take over: it is not told every minute.

    What was taken over and has moved again is news, to whatever value.
    """
    sql = "select state from lapse where repository=? and ref=? and found=?"
    said = []
    for ref, recorded, found in moved:
        line = (record.legible(ref), recorded, record.legible(found))
        row = tx.execute(sql, (repository, line[0], line[2])).fetchone()
        if row is None or (row[0] != "frozen" and _takeable(ref, found)):
            said.append((ref, recorded, found))
    return said[: record.DRIFT_LIMIT]


def _takeable(ref: str, found: str) -> bool:
    """Whether a ref can be recorded as it is: by its whole name, with a value of its own."""
    return record.legible(ref) == ref and not found.startswith("->")


def _checked(repository: str, watch: Watch) -> Draft:
    data = {"hooks": watch.found, "outdated": len(watch.faults)}
    return Draft(kind=Kind.CONTINUITY_CHECKED, actor=SERVICE, repo=repository, subject=repository, data=data)


def _lapse(tx: Transaction, repository: str, watch: Watch | None, moved: list[Line], *, since: int) -> Draft:
    """Return the entry of a gap. Where nothing is enforced it freezes nothing, and takes the refs as they are."""
    observed = read.repository(tx, repository)["mode"] == "observe"
    frozen = any(freeze.of_refs(repository) for freeze in read.freezes(tx, repository))
    faults = [fault[:TEXT_LIMIT] for fault in watch.faults[:FAULTS_NAMED]] if watch else []
    what = [*(["hooks were not in force"] if faults else []), *([f"{len(moved)} refs moved unasked"] if moved else [])]
    data = {
        "since": since,
        "until": tx.now,
        "faults": faults,
        "hooks": watch.found if watch else "",
        "refs": [[record.legible(word) for word in line] for line in moved],
        "taken": [[ref, found] for ref, _, found in moved if observed and _takeable(ref, found)],
        "observed": observed,
        "freezes": not observed and not frozen,
        "reason": f"continuity lapsed: {' and '.join(what)}",
    }
    return Draft(kind=Kind.CONTINUITY_LAPSE, actor=SERVICE, repo=repository, subject=repository, data=data)
