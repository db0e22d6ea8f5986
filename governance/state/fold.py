"""Fold one entry into the state tables. The only writer of state; it reads nothing but the entry.

One function per kind, found by name. A kind that changes no state is listed as such, so that a new kind
cannot be forgotten. Raises `RecordError` for a kind nobody knows: such a ledger is not ours to fold.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any

from audit.entry import Entry
from audit.kinds import OWN
from governance.errors import RecordError
from governance.record import Kind
from governance.state import notices, repositories
from governance.state.rooms import ROOMS
from governance.state.tx import Tx

__all__ = ["FOLDS", "Tx", "fold"]


Data = Mapping[str, Any]


def fold(tx: Tx, entry: Entry) -> None:
    """Apply one entry to the state tables. What the ledger says of itself is only told."""
    if entry.kind in OWN:
        notices.told(tx, entry, entry.data)
        return
    try:
        applies = FOLDS[Kind(entry.kind)]
    except (ValueError, KeyError):
        raise RecordError(f"entry {entry.seq}: nobody knows how to fold the kind {entry.kind!r}") from None
    for apply in applies:
        apply(tx, entry, entry.data)


def _nothing(tx: Tx, entry: Entry, data: Data) -> None:
    """Write nothing: this kind is evidence, not state."""


def _touch(tx: Tx, name: str, entry: Entry) -> None:
    """Mark that what readers may have cached under this name is stale.

    The mark tells apart two entries that were given one number, the first of which was rolled back.
    """
    mark = hashlib.sha256(entry.encode()).hexdigest()
    sql = "insert into epoch values(?,?,?) on conflict(name) do update set seq=excluded.seq, mark=excluded.mark"
    tx.execute(sql, (name, entry.seq, mark))


def _genesis(tx: Tx, entry: Entry, data: Data) -> None:
    policy = data["policy"]
    tx.execute("insert into policy values(?,?,?)", (entry.seq, policy["digest"], _text(policy["meaning"])))
    _invite(tx, data["enrolment"])
    _touch(tx, "policy", entry)


def _invite(tx: Tx, invitation: Data) -> None:
    row = (invitation["digest"], invitation["principal"], invitation["expires_at"])
    tx.execute("insert into enrolment values(?,?,?,null)", row)


def _principal_added(tx: Tx, entry: Entry, data: Data) -> None:
    who = data["principal"]
    row = (who["name"], who["kind"], who["role"], who["operator"], who["model_family"])
    lists = (_text(who["emails"]), _text(who["delegates"]), who["uid"])
    tx.execute("insert into principal values(?,?,?,?,?,?,?,?,?,null)", (*row, *lists, entry.seq))
    if data["enrolment"]:
        _invite(tx, data["enrolment"])
    if data["key"]:
        _key(tx, entry, {"key": data["key"], "principal": who["name"], "enrolment": data["used"]})
    repositories.statement(tx, entry, data)
    _touch(tx, "roster", entry)


def _principal_invited(tx: Tx, entry: Entry, data: Data) -> None:
    _invite(tx, data["enrolment"])
    repositories.statement(tx, entry, data)


def _principal_retired(tx: Tx, entry: Entry, data: Data) -> None:
    name = data["principal"]
    tx.execute("update principal set retired_seq=? where name=?", (entry.seq, name))
    tx.execute("update token set revoked_seq=? where principal=? and revoked_seq is null", (entry.seq, name))
    _revoke_keys(tx, entry, "principal=?", name)
    repositories.statement(tx, entry, data)
    _touch(tx, "roster", entry)


def _key(tx: Tx, entry: Entry, data: Data) -> None:
    key = data["key"]
    row = (key["fingerprint"], data["principal"], key["certificate"], _text(key["subkeys"]), entry.ts, entry.seq)
    tx.execute("insert into signing_key values(?,?,?,?,?,?,null,null)", row)
    if data["enrolment"]:
        tx.execute("update enrolment set used_seq=? where digest=?", (entry.seq, data["enrolment"]))
    _touch(tx, "keys", entry)


def _key_rotated(tx: Tx, entry: Entry, data: Data) -> None:
    _revoke_keys(tx, entry, "fingerprint=?", data["replaces"])
    _key(tx, entry, {**data, "enrolment": ""})
    repositories.statement(tx, entry, data)


def _key_revoked(tx: Tx, entry: Entry, data: Data) -> None:
    _revoke_keys(tx, entry, "fingerprint=?", data["fingerprint"])
    repositories.statement(tx, entry, data)


def _revoke_keys(tx: Tx, entry: Entry, where: str, value: str) -> None:
    sql = f"update signing_key set revoked_at=?, revoked_seq=? where {where} and revoked_seq is null"  # noqa: S608
    tx.execute(sql, (entry.ts, entry.seq, value))
    _touch(tx, "keys", entry)


def _token_issued(tx: Tx, entry: Entry, data: Data) -> None:
    row = (data["id"], data["digest"], data["principal"], data["repository"], entry.ts, data["expires_at"])
    tx.execute("insert into token values(?,?,?,?,?,?,null)", row)
    repositories.statement(tx, entry, data)


def _token_revoked(tx: Tx, entry: Entry, data: Data) -> None:
    tx.execute("update token set revoked_seq=? where id=?", (entry.seq, data["id"]))
    repositories.statement(tx, entry, data)


def _push_decided(tx: Tx, entry: Entry, data: Data) -> None:
    if not (data["allowed"] or data.get("let_through")):
        return
    for position, (old, new, ref) in enumerate(data["reserve"]):
        row = (entry.seq, position, entry.repo, data["handle"], old, new, ref)
        tx.execute("insert into reservation values(?,?,?,?,?,?,?,'reserved',null)", row)
    # Entries from before keys were counted have no signers; nothing is known of those without their facts.
    for (_, _, ref), signers in zip(data["refs"], data.get("signers", ()), strict=False):
        for fingerprint, commits in signers:
            tx.execute("insert into push_signer values(?,?,?,?)", (entry.seq, ref, fingerprint, commits))
    for seq in data["spend"]:
        tx.execute("update sign_off set spent_seq=? where seq=?", (entry.seq, seq))
    for opened in data["opens"]:
        _opens(tx, entry, opened)
    for _, number in data["landed"]:
        sql = "update landing set state='landing', decided_seq=? where repository=? and number=? and state='queued'"
        tx.execute(sql, (entry.seq, entry.repo, number))


def _opens(tx: Tx, entry: Entry, opened: Data) -> None:
    repository, number, patch_set = entry.repo, opened["change"], opened["patch_set"]
    if patch_set == 1:
        row = (repository, number, opened["ref"], opened["target"], opened["title"], entry.actor.id)
        tx.execute("insert into change values(?,?,?,?,?,?,'pending',0,?,null)", (*row, entry.seq))
    bound = (opened["head"], opened["base"], opened["tree"], opened["diff_digest"], _text(opened["about"]))
    tx.execute("insert into patch_set values(?,?,?,?,?,?,?,?,?)", (repository, number, patch_set, *bound, entry.seq))


def _push_applied(tx: Tx, entry: Entry, data: Data) -> None:
    for old, new, ref in data["moved"]:
        sql = (
            "update reservation set state='applied', closed_seq=? "
            "where seq=? and ref=? and old=? and new=? and state='reserved'"
        )
        tx.execute(sql, (entry.seq, data["decision"], ref, old, new))
        repositories.set_ref(tx, entry, entry.repo, ref, new)
        if data.get("let_through"):
            repositories.observed(tx, entry, (ref, old, new))
    for number, patch_set, title in data["opens"]:
        # Patch sets of one change may be pushed side by side, and beside its landing: none goes back, none opens again.
        sql = (
            "update change set state='open', patch_set=?, title=? "
            "where repository=? and number=? and state in ('pending', 'open') and patch_set < ?"
        )
        tx.execute(sql, (patch_set, title, entry.repo, number, patch_set))
    for state in ("landed", "abandoned"):
        for number in data[state]:
            sql = "update change set state=?, closed_seq=? where repository=? and number=?"
            tx.execute(sql, (state, entry.seq, entry.repo, number))
            sql = "update landing set state=?, closed_seq=? where repository=? and number=? and closed_seq is null"
            tx.execute(sql, (state, entry.seq, entry.repo, number))


def _push_released(tx: Tx, entry: Entry, data: Data) -> None:
    for _, _, ref in data["lines"]:
        sql = "update reservation set state='released', closed_seq=? where seq=? and ref=? and state='reserved'"
        tx.execute(sql, (entry.seq, data["decision"], ref))
    if not data["landed"]:
        tx.execute("update sign_off set spent_seq=null where spent_seq=?", (data["decision"],))
        sql = "update landing set state='queued', decided_seq=null where decided_seq=? and closed_seq is null"
        tx.execute(sql, (data["decision"],))
    sql = "update change set state='void', closed_seq=? where opened_seq=? and state='pending'"
    tx.execute(sql, (entry.seq, data["decision"]))


def _sign_off_given(tx: Tx, entry: Entry, data: Data) -> None:
    binding = data["binding"]
    row = (entry.seq, entry.repo, binding["change"], binding["patch_set"], entry.actor.id, data["verdict"])
    bound = (_text(binding), binding["diff_digest"], entry.actor.key, data["expires_at"])
    tx.execute("insert into sign_off values(?,?,?,?,?,?,?,?,?,?,null,null)", (*row, *bound))
    repositories.statement(tx, entry, data)


def _sign_off_withdrawn(tx: Tx, entry: Entry, data: Data) -> None:
    sql = (
        "update sign_off set withdrawn_seq=? where repository=? and number=? and principal=? "
        "and withdrawn_seq is null and spent_seq is null"
    )
    tx.execute(sql, (entry.seq, entry.repo, data["change"], entry.actor.id))
    repositories.statement(tx, entry, data)


def _landing_asked(tx: Tx, entry: Entry, data: Data) -> None:
    row = (entry.seq, entry.repo, data["change"], data["patch_set"], data["head"])
    asker = (entry.actor.id, entry.actor.key, data["token"])
    tx.execute("insert into landing values(?,?,?,?,?,?,?,?,'queued','','',null,null)", (*row, *asker))
    repositories.statement(tx, entry, data)


def _landing_refused(tx: Tx, entry: Entry, data: Data) -> None:
    sql = "update landing set state='refused', code=?, message=?, closed_seq=? where seq=? and closed_seq is null"
    tx.execute(sql, (data["code"], data["message"], entry.seq, data["asked"]))


def _text(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


_OWN: Mapping[Kind, Callable[[Tx, Entry, Data], None]] = {
    Kind.GENESIS: _genesis,
    Kind.PRINCIPAL_ADDED: _principal_added,
    Kind.PRINCIPAL_INVITED: _principal_invited,
    Kind.PRINCIPAL_RETIRED: _principal_retired,
    Kind.KEY_ENROLLED: _key,
    Kind.KEY_ROTATED: _key_rotated,
    Kind.KEY_REVOKED: _key_revoked,
    Kind.TOKEN_ISSUED: _token_issued,
    Kind.TOKEN_REVOKED: _token_revoked,
    Kind.REPOSITORY_ADDED: repositories.repository_added,
    Kind.REPOSITORY_ADOPTED: repositories.repository_adopted,
    Kind.BASELINE_RECORDED: repositories.baseline_recorded,
    Kind.REPOSITORY_MODE_SET: repositories.repository_mode_set,
    Kind.REPOSITORY_REMOVED: repositories.repository_removed,
    Kind.MAINTENANCE_BEGUN: _nothing,
    Kind.MAINTENANCE_ENDED: _nothing,
    Kind.PUSH_DECIDED: _push_decided,
    Kind.PUSH_APPLIED: _push_applied,
    Kind.PUSH_RELEASED: _push_released,
    Kind.LANDING_ASKED: _landing_asked,
    Kind.LANDING_REFUSED: _landing_refused,
    Kind.SIGN_OFF_GIVEN: _sign_off_given,
    Kind.SIGN_OFF_WITHDRAWN: _sign_off_withdrawn,
    Kind.REFS_DRIFTED: repositories.refs_drifted,
    Kind.FREEZE_LIFTED: repositories.freeze_lifted,
    Kind.CONTINUITY_CHECKED: repositories.continuity_checked,
    Kind.CONTINUITY_LAPSE: repositories.continuity_lapse,
    Kind.REQUEST_REFUSED: _nothing,
    **dict.fromkeys(list(Kind)[list(Kind).index(Kind.FREEZE_IMPOSED) :], _nothing),
}

FOLDS: Mapping[Kind, tuple[Callable[[Tx, Entry, Data], None], ...]] = {
    kind: (*((_OWN[kind],) if kind in _OWN else ()), *(room.FOLDS[kind] for room in ROOMS if kind in room.FOLDS))
    for kind in Kind
    if kind in _OWN or any(kind in room.FOLDS for room in ROOMS)
}
"""What each kind does to the tables, the oldest rooms first."""
