"""Read the state tables: what the ledger says now, as values.

Every function takes something with `execute`, so that the same question is asked under the ledger lock
(a transaction) and outside it (a read-only connection). Only what is read under the lock decides.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

from governance.errors import NotFoundError, RecordError
from governance.policy import Kind, Policy
from governance.policy_text import from_meaning
from governance.signatures import EnrolledKey, Registry, SubKey, register
from governance.standing import ChangeStanding, Principal, Roster, SignOff
from governance.state import stops
from governance.state.fold import Tx
from governance.stops import Freeze


class Cached:
    """What seldom changes, kept with the entry that last changed it and checked against it on every use."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[tuple[int, str], Any]] = {}

    def policy(self, tx: Tx) -> Policy:
        """Return the policy in force."""
        return self._fresh(tx, "policy", policy)  # type: ignore[no-any-return]

    def roster(self, tx: Tx) -> Roster:
        """Return everyone enrolled."""
        return self._fresh(tx, "roster", roster)  # type: ignore[no-any-return]

    def registry(self, tx: Tx) -> tuple[int, Registry]:
        """Return the keys that may sign, and the entry that last changed them."""
        found = self._fresh(tx, "keys", registry)
        return self._kept["keys"][0][0], found

    def _fresh(self, tx: Tx, name: str, load: Any) -> Any:  # noqa: ANN401 - three types, one rule
        row = tx.execute("select seq, mark from epoch where name=?", (name,)).fetchone()
        epoch = (row[0], row[1]) if row else (-1, "")
        kept = self._kept.get(name)
        if kept is None or kept[0] != epoch:
            kept = (epoch, load(tx))
            self._kept[name] = kept
        return kept[1]


def policy(tx: Tx) -> Policy:
    """Return the policy in force: the last one that was adopted."""
    row = tx.execute("select digest, meaning from policy order by seq desc limit 1").fetchone()
    if row is None:
        raise RecordError("the ledger holds no policy; run twinseal init")
    found = from_meaning(json.loads(row[1]))
    if found.digest != row[0]:
        raise RecordError(f"the policy in the state table has digest {found.digest}, the entry says {row[0]}")
    return found


_PRINCIPAL = "select name, kind, role, operator, model_family, emails, delegates, retired_seq from principal"


def roster(tx: Tx) -> Roster:
    """Return everyone ever enrolled."""
    people = (_principal(row) for row in tx.execute(_PRINCIPAL))
    return Roster({principal.name: principal for principal in people})


def _principal(row: tuple[Any, ...]) -> Principal:
    name, kind, role, operator, family, emails, delegates, retired = row
    lists = (tuple(json.loads(emails)), tuple(json.loads(delegates)))
    return Principal(name, Kind(kind), role, operator, family, *lists, retired=retired is not None)


def registry(tx: Tx) -> Registry:
    """Return every enrolled key, revoked ones included: a verifier must know what it refuses."""
    rows = tx.execute(
        "select fingerprint, principal, certificate, subkeys, enrolled_at, revoked_at from signing_key"
    ).fetchall()
    return register(_key(row) for row in rows)


def _key(row: tuple[Any, ...]) -> EnrolledKey:
    fingerprint, principal, certificate, subkeys, enrolled, revoked = row
    return EnrolledKey(
        fingerprint=fingerprint,
        principal=principal,
        certificate=base64.b64decode(certificate),
        subkeys=tuple(SubKey(fpr, expires) for fpr, expires in json.loads(subkeys)),
        enrolled_at=enrolled // 1000,
        revoked_at=None if revoked is None else revoked // 1000,
    )


def ref_value(tx: Tx, repository: str, ref: str) -> str:
    """Return the recorded value of a ref; empty where the ledger knows none."""
    row = tx.execute("select oid from ref_value where repository=? and ref=?", (repository, ref)).fetchone()
    return row[0] if row else ""


def reserved(tx: Tx, repository: str, ref: str) -> bool:
    """Whether a push under way holds this ref."""
    sql = "select 1 from reservation where repository=? and ref=? and state='reserved' limit 1"
    return tx.execute(sql, (repository, ref)).fetchone() is not None


def freezes(tx: Tx, repository: str, *, at: int = 0) -> tuple[Freeze, ...]:
    """Return every freeze that may stop a move in a repository, as `stops.freezes` does."""
    return stops.freezes(tx, repository, at=at)


def change_at(tx: Tx, repository: str, head: str, *, target: str) -> ChangeStanding | None:
    """Return the oldest open change whose current patch set has this head, with its sign-offs."""
    sql = (
        # Cross: SQLite keeps the order. It would rather walk every open change than the few with this head.
        "select p.number from patch_set p cross join change c where c.repository=p.repository and c.number=p.number "
        "and p.repository=? and p.head=? and c.target=? and c.state='open' and p.patch_set=c.patch_set "
        "order by p.number limit 1"
    )
    row = tx.execute(sql, (repository, head, target)).fetchone()
    return open_change(tx, repository, row[0]) if row else None


def open_change(tx: Tx, repository: str, number: int, *, also: str = "") -> ChangeStanding | None:
    """Return an open change at its current patch set, with its sign-offs; None where it is not open.

    Rejections of the difference `also`, which is what would land, are among them.
    """
    sql = (
        "select c.patch_set, c.ref, c.target, p.head, p.diff_digest from change c "
        "join patch_set p using(repository, number, patch_set) where c.repository=? and c.number=? and c.state='open'"
    )
    row = tx.execute(sql, (repository, number)).fetchone()
    if row is None:
        return None
    patch_set, ref, target, head, diff_digest = row
    people = change_contributors(tx, repository, number)
    answers = sign_offs(tx, repository, number, diff_digest=diff_digest, also=also)
    return ChangeStanding(number, patch_set, ref, target, head, people, answers)


def change_contributors(tx: Tx, repository: str, number: int) -> tuple[str, ...]:
    """Return everyone who had a hand in any patch set of a change, its pushers among them."""
    rows = tx.execute("select about from patch_set where repository=? and number=?", (repository, number))
    names: set[str] = set()
    for (about,) in rows:
        names.update(json.loads(about)["contributors"])
    return tuple(sorted(names))


def about(tx: Tx, repository: str, head: str) -> dict[str, Any] | None:
    """Return who had a hand in the changes with this head, and why one needs four eyes; None where there is none.

    Of all of them: who opens another change with the same head, to where it is small, sheds nothing.
    """
    sql = (
        "select p.number, p.about from patch_set p join change c using(repository, number) "
        "where p.repository=? and p.head=? and c.state in ('open', 'landed') order by p.seq"
    )
    found = tx.execute(sql, (repository, head)).fetchall()
    if not found:
        return None
    names = {name for number, _ in found for name in change_contributors(tx, repository, number)}
    reasons = {reason: None for _, text in found for reason in json.loads(text).get("reasons", ["not recorded"])}
    return {"contributors": tuple(sorted(names)), "reasons": list(reasons)}


def sign_offs(tx: Tx, repository: str, number: int, *, diff_digest: str, also: str = "") -> tuple[SignOff, ...]:
    """Return each principal's last answer about a change; an older one never comes back to life.

    A rejection of this very difference is an answer too, whatever its change's number, until its giver answers about
    the same difference again: an author does not shed it by pushing the same thing to another branch, nor by having
    something harmless approved in between.
    """
    sql = (
        "select s.seq, s.principal, s.verdict, s.binding, s.expires_at, s.withdrawn_seq, s.spent_seq, k.revoked_seq, "
        "t.seq from sign_off s left join signing_key k on k.fingerprint = s.key left join settled t on "
        "s.verdict='reject' and t.repository=s.repository and t.number=s.number and t.diff_digest=s.diff_digest "
        "and t.principal=s.principal where s.seq in ("
        "select max(seq) from sign_off where repository=:repository and number=:number group by principal union "
        "select r.seq from sign_off r where r.verdict='reject' and r.seq in (select max(seq) from sign_off "
        "where repository=:repository and diff_digest in (:digest, :also) group by principal, diff_digest)) order by 1"
    )
    asked = {"repository": repository, "number": number, "digest": diff_digest, "also": also or diff_digest}
    return tuple(_sign_off(row) for row in tx.execute(sql, asked))


def _sign_off(row: tuple[Any, ...]) -> SignOff:
    seq, principal, verdict, binding, expires, withdrawn, spent, revoked, settled = row
    bound: Mapping[str, Any] = json.loads(binding)
    return SignOff(
        seq=seq,
        principal=principal,
        approves=verdict == "approve",
        repository=bound["repository"],
        target=bound["target"],
        head=bound["head"],
        base=bound["base"],
        tree=bound["tree"],
        diff_digest=bound["diff_digest"],
        policy_digest=bound["policy_digest"],
        expires_at=expires,
        withdrawn=withdrawn is not None,
        spent=spent is not None,
        key_revoked=revoked is not None,
        settled=settled or 0,
        debt_through=bound["debt"]["through"] if "debt" in bound else 0,
    )


_REPOSITORY = ("name", "id", "path", "git_uid", "advisory", "host", "mode")


def repository(tx: Tx, name: str) -> dict[str, Any]:
    """Return what is recorded of a repository.

    Raises:
        NotFoundError: None of that name, or it is governed no more.
    """
    row = tx.execute(
        "select name, id, path, git_uid, advisory, host, mode, removed_seq from repository where name=?", (name,)
    ).fetchone()
    if row is None:
        raise NotFoundError(f"no repository is called {name!r} here", mend="twinseal repo list")
    if row[-1] is not None:
        said = f"{name} was taken out of governance by entry {row[-1]}"
        raise NotFoundError(said, code="repository.removed", mend="twinseal repo list")
    return dict(zip(_REPOSITORY, row[:-1], strict=True))


def repository_by_id(tx: Tx, identifier: str) -> dict[str, Any]:
    """Return what is recorded of the repository that a hook was installed for.

    Raises:
        NotFoundError: None by that identifier, or it is governed no more.
    """
    row = tx.execute("select name from repository where id=? and removed_seq is null", (identifier,)).fetchone()
    if row is None:
        raise NotFoundError(f"repository {identifier!r} is not registered here", code="repository.unknown")
    return repository(tx, row[0])


def repositories(tx: Tx) -> list[dict[str, Any]]:
    """Return every governed repository, by name."""
    sql = "select name from repository where removed_seq is null order by name"
    names = [row[0] for row in tx.execute(sql).fetchall()]
    return [repository(tx, name) for name in names]
