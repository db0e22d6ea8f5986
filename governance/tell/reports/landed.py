"""What landed, and who approved it: each move of a protected ref with its change, its author and its sign-offs.

Told from entries, found by number: what a table says of a change may have moved on since.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from audit.entry import Entry
from governance.policy import Policy
from governance.state.tx import Tx
from governance.tell.reports import reading, tally
from governance.tell.reports.facts import Landed

Data = Mapping[str, Any]

OVERRIDE, THROUGH, SMALL, REVIEWED = "override", "let through", "small", "reviewed"
ORDER = (OVERRIDE, THROUGH, REVIEWED, SMALL)
"""What went round a review first; what needed none last."""


def landed(tx: Tx, entry: Entry, policy: Policy, asked: tally.Asked) -> Iterator[Landed]:
    """Yield what an entry says has landed on protected refs."""
    data: Data = entry.data
    moved = [ref for _, new, ref in data["moved"] if policy.is_protected(ref) and new.strip("0")]
    decided = asked(data["decision"]) if moved else {}
    for ref in moved:
        number = next((n for name, n in decided.get("landed", ()) if name == ref and n in data["landed"]), 0)
        about = _change(tx, entry.repo, number, before=data["decision"]) if number else _small(tx, entry, decided, ref)
        yield Landed(
            seq=entry.seq,
            at=entry.ts,
            repository=entry.repo,
            ref=ref,
            change=number,
            approvers=_approvers(tx, decided, number),
            commits=tally.commits(decided, ref),
            how=_how(decided, ref, number),
            **about,
        )


def rank(each: Landed) -> tuple[int, int, int, int]:
    """Return what to show first: what went round a review, then what could do most harm."""
    return ORDER.index(each.how), -int(each.high_risk), -each.units, each.seq


def _how(decided: Data, ref: str, number: int) -> str:
    if not decided.get("allowed", True):
        return THROUGH
    if decided.get("override"):
        return OVERRIDE
    small = any(row[0] == ref for row in decided.get("small", ()))
    return SMALL if small or not number else REVIEWED


def _approvers(tx: Tx, decided: Data, number: int) -> tuple[str, ...]:
    sql = "select principal from sign_off where seq=? and number=? and verdict='approve'"
    rows = [tx.execute(sql, (seq, number)).fetchone() for seq in decided.get("spend", ())]
    return tuple(sorted({row[0] for row in rows if row}))


def _change(tx: Tx, repository: str, number: int, *, before: int) -> dict[str, Any]:
    sql = (
        "select p.patch_set, p.diff_digest, p.seq, c.author from patch_set p join change c using(repository, number) "
        "where p.repository=? and p.number=? and p.seq<? order by p.patch_set desc limit 1"
    )
    row = tx.execute(sql, (repository, number, before)).fetchone()
    if row is None:
        return _nothing()
    patch_set, digest, seq, author = row
    every = (each for each in reading.data(tx, seq)["opens"] if each["patch_set"] == patch_set)
    opened: Data = next((each for each in every if each["change"] == number), {})
    about = opened.get("about", {})
    sql = (
        "select distinct principal from third_review where repository=? and diff_digest=? and verdict='approve' "
        "and seq<?"
    )
    thirds = tx.execute(sql, (repository, digest, before)).fetchall()
    return {
        "title": opened.get("title", ""),
        "author": author,
        "people": tuple(about.get("contributors", ())),
        "third": tuple(sorted(name for (name,) in thirds)),
        "units": about.get("units", 0),
        "files": about.get("files", 0),
        "reasons": tuple(about.get("reasons", ())),
        "high_risk": bool(about.get("high_risk")),
    }


def _small(tx: Tx, entry: Entry, decided: Data, ref: str) -> dict[str, Any]:
    sql = "select actor from ledger_entry where seq=?"
    row = tx.execute(sql, (entry.data["decision"],)).fetchone()
    small = next((each for each in decided.get("small", ()) if each[0] == ref), None)
    units, files = (small[4], small[5]) if small else (0, 0)
    people = tuple(small[2]) if small else ()
    return _nothing() | {"author": row[0] if row else "", "people": people, "units": units, "files": files}


def _nothing() -> dict[str, Any]:
    return {
        "title": "", "author": "", "people": (), "third": (), "units": 0, "files": 0, "reasons": (), "high_risk": False,
    }  # fmt: skip
