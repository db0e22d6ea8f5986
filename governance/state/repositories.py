"""Fold what happens to a whole repository: registered, adopted, observed, frozen, thawed, let go. Part of `fold`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from audit.entry import Entry
from governance.state.tx import Tx

Data = Mapping[str, Any]


def repository_added(tx: Tx, entry: Entry, data: Data) -> None:
    """Begin to govern a repository."""
    # Entries from before there were hosts or modes name none: the front was the way in, and rules were enforced.
    row = (data["name"], data["id"], data["path"], data["git_uid"], int(data["advisory"]), data.get("host", "front"))
    tx.execute("insert into repository values(?,?,?,?,?,?,?,?,null)", (*row, entry.seq, data.get("mode", "enforce")))
    for ref, oid in data["refs"]:
        set_ref(tx, entry, data["name"], ref, oid)
    statement(tx, entry, data)


def repository_adopted(tx: Tx, entry: Entry, data: Data) -> None:
    """Forget what was recorded: the entries that follow name every ref, and nothing else is under way any more."""
    tx.execute("delete from ref_value where repository=?", (entry.repo,))
    sql = "update reservation set state='released', closed_seq=? where repository=? and state='reserved'"
    tx.execute(sql, (entry.seq, entry.repo))
    sql = "update change set state='void', closed_seq=? where repository=? and state='pending'"
    tx.execute(sql, (entry.seq, entry.repo))
    tx.execute("delete from lapse where repository=?", (entry.repo,))
    _thaw(tx, entry)
    statement(tx, entry, data)


def baseline_recorded(tx: Tx, entry: Entry, data: Data) -> None:
    """Take some refs of an adopted repository as they are."""
    for ref, oid, _ in data["refs"]:
        set_ref(tx, entry, entry.repo, ref, oid)


def repository_mode_set(tx: Tx, entry: Entry, data: Data) -> None:
    """Enforce, or only observe."""
    tx.execute("update repository set mode=? where name=?", (data["mode"], entry.repo))
    statement(tx, entry, data)


def repository_removed(tx: Tx, entry: Entry, data: Data) -> None:
    """End what the repository had; its row keeps the name from being used again."""
    tx.execute("update repository set removed_seq=? where name=?", (entry.seq, entry.repo))
    tx.execute("update token set revoked_seq=? where repository=? and revoked_seq is null", (entry.seq, entry.repo))
    statement(tx, entry, data)


def set_ref(tx: Tx, entry: Entry, repository: str, ref: str, oid: str) -> None:
    """Record a ref's value; no value, or zeros, is a ref that is gone."""
    if oid.strip("0"):
        sql = (
            "insert into ref_value values(?,?,?,?) on conflict(repository, ref) "
            "do update set oid=excluded.oid, seq=excluded.seq"
        )
        tx.execute(sql, (repository, ref, oid, entry.seq))
    else:
        tx.execute("delete from ref_value where repository=? and ref=?", (repository, ref))


def refs_drifted(tx: Tx, entry: Entry, data: Data) -> None:
    """Freeze, because refs moved behind our back."""
    row = (entry.seq, entry.repo, data["reason"], entry.actor.id)
    tx.execute('insert into "freeze" values(?,?,?,?,null)', row)


def freeze_lifted(tx: Tx, entry: Entry, data: Data) -> None:
    """Thaw, with the refs as an owner accepted them: unreviewed. A freeze by scope has none; `stops` lifts it."""
    statement(tx, entry, data)
    if data.get("scope"):
        return
    for ref, oid in data["refs"]:
        set_ref(tx, entry, entry.repo, ref, oid)
        # What was reserved for a ref that then went elsewhere will never be carried out; it would block for ever.
        sql = "update reservation set state='released', closed_seq=? where repository=? and ref=? and state='reserved'"
        tx.execute(sql, (entry.seq, entry.repo, ref))
    _thaw(tx, entry)
    tx.execute("delete from lapse where repository=? and state='frozen'", (entry.repo,))
    for ref, recorded, found in data.get("unreviewed", ()):
        _lapsed(tx, entry, (ref, recorded, found), "unreviewed")


def _thaw(tx: Tx, entry: Entry) -> None:
    tx.execute('update "freeze" set lifted_seq=? where repository=? and lifted_seq is null', (entry.seq, entry.repo))


def continuity_checked(tx: Tx, entry: Entry, data: Data) -> None:
    """Remember hooks that were found good."""
    _continuity(tx, entry, data, good=1)


def continuity_lapse(tx: Tx, entry: Entry, data: Data) -> None:
    """Remember what lapsed; freeze, or take the refs as they are where nothing is enforced."""
    if data["faults"]:
        _continuity(tx, entry, data, good=0)
    for ref, recorded, found in data["refs"]:
        _lapsed(tx, entry, (ref, recorded, found), "unreviewed" if data["observed"] else "frozen")
    for ref, found in data["taken"]:
        set_ref(tx, entry, entry.repo, ref, found)
    if data["freezes"]:
        row = (entry.seq, entry.repo, data["reason"], entry.actor.id)
        tx.execute('insert into "freeze" values(?,?,?,?,null)', row)


def _continuity(tx: Tx, entry: Entry, data: Data, *, good: int) -> None:
    sql = (
        "insert into continuity values(?,?,?,?,?) on conflict(repository) "
        "do update set good=excluded.good, hooks=excluded.hooks, at=excluded.at, seq=excluded.seq"
    )
    tx.execute(sql, (entry.repo, good, data["hooks"], entry.ts, entry.seq))


def _lapsed(tx: Tx, entry: Entry, line: tuple[str, str, str], state: str) -> None:
    """Remember what moved without a decision, until somebody has reviewed it."""
    ref, recorded, found = line
    sql = (
        "insert into lapse values(?,?,?,?,?,?) on conflict(repository, ref, found) "
        "do update set recorded=excluded.recorded, state=excluded.state, seq=excluded.seq"
    )
    tx.execute(sql, (entry.repo, ref, found, recorded, state, entry.seq))


def observed(tx: Tx, entry: Entry, line: tuple[str, str, str]) -> None:
    """Remember a ref that moved though it would have been refused: from where it was allowed to be, to where it is."""
    ref, old, new = line
    sql = "select recorded from lapse where repository=? and ref=? and state='observed'"
    before = tx.execute(sql, (entry.repo, ref)).fetchone()
    tx.execute("delete from lapse where repository=? and ref=? and state='observed'", (entry.repo, ref))
    first = before[0] if before else old
    if first != new:
        _lapsed(tx, entry, (ref, first, new), "observed")


def statement(tx: Tx, entry: Entry, data: Data) -> None:
    """Remember a signed statement, so that it is never acted on twice."""
    if data.get("statement"):
        tx.execute("insert into statement values(?,?)", (data["statement"]["digest"], entry.seq))
