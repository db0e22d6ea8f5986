"""What an allowed push starts and uses up: patch sets, pins, sign-offs, reservations.

Decided under the ledger lock and written into the decision's own entry, before anything moves.
"""

from __future__ import annotations

import json
from typing import Any

from governance import record
from governance.approvers import contributors
from governance.controls.four_eyes import need
from governance.decision import Decision, RefDecision
from governance.errors import NotFoundError
from governance.facts import UpdateFacts, size
from governance.policy import PROPOSALS, Policy
from governance.record import Effects, pin
from governance.review import debts
from governance.standing import Standing
from governance.state import read
from governance.state.fold import Tx
from governance.unreviewed import asks


def effects(tx: Tx, decision: Decision, *, handle: str) -> Effects:
    """Return everything this push reserves, spends, opens, lands and abandons. Nothing for a refusal."""
    if not decision.allowed:
        return Effects(handle=handle)
    moving = [r.update for r in decision.refs if not r.update.ref.startswith(PROPOSALS)]
    reserve = [(update.old, update.new, update.ref) for update in moving]
    opens, landed, abandoned, spend = [], [], [], []
    number = _last_number(tx, decision.refs[0].update.push.repository)
    for ref in decision.refs:
        update, change = ref.update, ref.standing.change
        if update.ref.startswith(PROPOSALS):
            proposed = ref.standing.proposed
            number += proposed is None
            opened = _opens(tx, ref, {"number": proposed.number} if proposed else None, number)
            opens.append(opened)
            reserve.append(("0" * len(update.new), update.new, pin(opened)))
        elif ref.standing.policy.is_protected(update.ref):
            if change is not None:
                landed.append((update.ref, change.number))
                spend += [s.seq for s in change.sign_offs if not (s.spent or s.withdrawn)]
        elif ref.standing.policy.is_topic(update.ref):
            standing = open_change(tx, update.push.repository, update.ref)
            if update.deletes:
                abandoned += [(update.ref, standing["number"])] if standing else []
            elif update.commits:
                number += standing is None
                opened = _opens(tx, ref, standing, number)
                opens.append(opened)
                reserve.append(("0" * len(update.new), update.new, pin(opened)))
    return Effects(
        handle=handle,
        reserve=tuple(reserve),
        spend=tuple(spend),
        opens=tuple(opens),
        landed=tuple(landed),
        abandoned=tuple(abandoned),
    )


def _last_number(tx: Tx, repository: str) -> int:
    row = tx.execute("select coalesce(max(number), 0) from change where repository=?", (repository,)).fetchone()
    return int(row[0])


def open_change(tx: Tx, repository: str, ref: str) -> dict[str, Any] | None:
    """Return the change that is open, or about to be, for a topic branch."""
    sql = "select number, patch_set from change where repository=? and ref=? and state in ('pending','open')"
    row = tx.execute(sql, (repository, ref)).fetchone()
    return {"number": row[0], "patch_set": row[1]} if row else None


def contributors_of(tx: Tx, repository: str, ref: str) -> tuple[str, ...]:
    """Return who has a hand in the change that is open for a topic branch; nobody where there is none."""
    standing = open_change(tx, repository, ref)
    return read.change_contributors(tx, repository, standing["number"]) if standing else ()


def _opens(tx: Tx, ref: RefDecision, standing: dict[str, Any] | None, number: int) -> dict[str, object]:
    update, policy = ref.update, ref.standing.policy
    change, patch_set = number, 1
    if standing is not None:
        change = standing["number"]
        sql = "select max(patch_set) from patch_set where repository=? and number=?"
        patch_set = 1 + tx.execute(sql, (update.push.repository, change)).fetchone()[0]
    target, about = policy.proposed_for(update.ref) or policy.refs.target, _about(update, policy, ref.standing)
    if target != policy.refs.target and not read.ref_value(tx, update.push.repository, target):
        about["target_tip"] = ""
        about["reasons"] = [f"it creates the protected {record.legible(target)}", *about["reasons"]]
    return {
        "change": change,
        "patch_set": patch_set,
        "ref": update.ref,
        "target": target,
        "title": next((c.title for c in update.commits if c.oid == update.new), ""),
        "head": update.new,
        "base": update.merge_base,
        "tree": update.tree,
        "diff_digest": update.diff_digest,
        "about": about,
    }


def _about(update: UpdateFacts, policy: Policy, standing: Standing) -> dict[str, Any]:
    measured, needed = size(update), need(update, policy)
    authors = contributors(update, (), standing.roster)
    return {
        "contributors": sorted({*authors.names, *map(record.legible, authors.unknown)}),
        "commits": len(update.commits),
        "lines": measured.lines,
        "units": measured.units,
        "files": measured.files,
        "target_tip": update.base,
        "reasons": [record.legible(reason) for reason in (needed.reasons or asks(update, standing))[:10]],
        "high_risk": needed.high_risk,
        "paths": sorted({record.legible(c.path) for c in update.net})[:20],
    }


_CHANGE = (
    "select c.number, c.ref, c.target, c.title, c.author, c.state, c.patch_set, c.opened_seq, "
    "p.head, p.base, p.tree, p.diff_digest, p.about from change c "
    "left join patch_set p on p.repository=c.repository and p.number=c.number and p.patch_set=c.patch_set "
    "where c.repository=?"
)
_NAMES = (
    "number", "ref", "target", "title", "author", "state", "patch_set", "opened_seq",
    "head", "base", "tree", "diff_digest", "about",
)  # fmt: skip


def listed(tx: Tx, repository: str, *, state: str = "open") -> list[dict[str, Any]]:
    """Return the changes of a repository in one state, newest first; every state for `all`."""
    sql = f"{_CHANGE} and (c.state=? or ?='all') and c.state not in ('pending', 'void') order by c.number desc"
    found = [_plain(row) for row in tx.execute(sql, (repository, state, state)).fetchall()]
    for change in found:
        change["landing"] = landing(tx, repository, change["number"])
    return found


def landing(tx: Tx, repository: str, number: int) -> dict[str, Any]:
    """Return how the last landing asked for stands; an empty state where none was."""
    names = ("state", "code", "message", "asked_by")
    sql = "select state, code, message, asked_by from landing where repository=? and number=? order by seq desc limit 1"
    row = tx.execute(sql, (repository, number)).fetchone() or ("", "", "", "")
    return dict(zip(names, row, strict=True))


def shown(tx: Tx, repository: str, number: int, *, policy: Policy) -> dict[str, Any]:
    """Return one change with its sign-offs and what a sign-off of it would bind.

    Raises:
        NotFoundError: No such change here.
    """
    row = tx.execute(f"{_CHANGE} and c.number=? and c.patch_set > 0", (repository, number)).fetchone()
    if row is None:
        raise NotFoundError(f"{repository} has no change {number}", mend=f"twinseal change list --repo {repository}")
    change = _plain(row)
    change["debt"] = debts.with_change(tx, repository)
    change["binding"] = binding(change, repository=repository, policy_digest=policy.digest)
    change["landing"] = landing(tx, repository, number)
    change["sign_offs"] = [
        {
            "seq": s.seq,
            "principal": s.principal,
            "verdict": "approve" if s.approves else "reject",
            "expires_at": s.expires_at,
            "current": s.head == change["head"] and s.policy_digest == policy.digest,
            "withdrawn": s.withdrawn,
            "spent": s.spent,
            "settled": s.settled,
        }
        for s in read.sign_offs(tx, repository, number, diff_digest=change["diff_digest"])
    ]
    return change


def binding(change: dict[str, Any], *, repository: str, policy_digest: str) -> dict[str, Any]:
    """Return what a sign-off of the current patch set binds, and what its signer is shown."""
    names = ("target", "head", "base", "tree", "diff_digest", "patch_set")
    bound = {name: change[name] for name in names}
    if change["debt"]:  # Left out where nothing is owed, as in sign-offs from before there was debt.
        bound["debt"] = {name: change["debt"][name] for name in ("through", "digest")}
    return {"repository": repository, "change": change["number"], "policy_digest": policy_digest, **bound}


def _plain(row: tuple[Any, ...]) -> dict[str, Any]:
    change = dict(zip(_NAMES, row, strict=True))
    change["about"] = json.loads(change["about"]) if change["about"] else {}
    return change
