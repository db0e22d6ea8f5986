"""What principals may do to changes, and owners to a freeze: signed statements, run in the writer."""

from __future__ import annotations

from typing import Any

from audit.entry import Actor, Draft
from audit.transaction import Transaction
from governance import continuity
from governance.errors import ConflictError, NotFoundError
from governance.people.acts import accepted
from governance.people.statements import Statement, owner_only, written
from governance.people.tokens import Caller
from governance.ports import Watch
from governance.record import Kind
from governance.review import sign_offs
from governance.service import Service
from governance.standing import Principal
from governance.state import read, status
from governance.state.status import Refs


def sign_off(service: Service, caller: Caller, statement: Statement, repository: str) -> dict[str, Any]:
    """Approve or reject exactly one patch set of a change."""

    def command(tx: Transaction, who: Principal, actor: Actor) -> dict[str, Any]:
        lock = service.under_lock
        policy, roster = lock.policy(tx), lock.roster(tx)
        draft = sign_offs.given(
            tx, statement, by=who, actor=actor, repository=repository, policy=policy, roster=roster, now=tx.now
        )
        entry = tx.append(draft)
        data = entry.data
        return {
            "change": int(entry.subject),
            "verdict": data["verdict"],
            "by": who.name,
            "expires_at": data["expires_at"],
            "entry": entry.seq,
        }

    return accepted(service, caller, statement, "sign_off", command)


def withdraw(service: Service, caller: Caller, statement: Statement, repository: str) -> dict[str, Any]:
    """Withdraw one's own sign-off of a change."""

    def command(tx: Transaction, who: Principal, actor: Actor) -> dict[str, Any]:
        entry = tx.append(sign_offs.withdrawn(tx, statement, actor=actor, repository=repository))
        return {"change": int(entry.subject), "verdict": "withdraw", "by": who.name, "entry": entry.seq}

    return accepted(service, caller, statement, "sign_off.withdraw", command)


def thaw(
    service: Service,
    caller: Caller,
    statement: Statement,
    repository: str,
    *,
    actual: Refs,
    watch: Watch | None = None,
) -> dict[str, Any]:
    """Lift a freeze after a written remediation, taking every ref that differs as it is found now. Owner only.

    The statement names repository, freeze and each differing ref: it lifts no other freeze, and nothing unseen. What
    it takes over stays known as unreviewed. `watch` is how the hooks are found now: while they are off, nothing thaws.
    """

    def command(tx: Transaction, who: Principal, actor: Actor) -> dict[str, Any]:
        owner_only(who)
        body = statement.body
        standing = read.freezes(tx, repository, at=tx.now)
        frozen = next((f.seq for f in standing if f.of_refs(repository)), None)
        if frozen is None:
            other = next((f"twinseal thaw --freeze {f.seq}" for f in standing if f.whole), "twinseal freeze list")
            said = f"no refs of {repository} moved behind our back: it is not frozen for that"
            raise NotFoundError(said, code="freeze.none", mend=other)
        remediation = written(body.get("remediation"), code="thaw.remediation")
        if watch is not None and not continuity.sound(watch, continuity.known(tx, repository)):
            mend = f"twinseal hooks install {repository}"
            raise ConflictError(f"the hooks are not in force: {watch.faults[0]}", code="thaw.hooks_off", mend=mend)
        moved = status.drift(tx, repository, actual)
        refs = {ref: found for ref, _, found in moved}
        if (body.get("repository"), body.get("freeze"), body.get("refs")) != (repository, frozen, refs):
            raise ConflictError("this is not the freeze, or not the refs, that you were shown", code="thaw.moved")
        if any(found.startswith("->") for found in refs.values()):
            raise ConflictError("a symbolic ref cannot be taken over; remove it first", code="thaw.symbolic")
        data = {
            "freeze": frozen,
            "remediation": remediation,
            "refs": [[ref, oid] for ref, oid in sorted(refs.items())],
            "unreviewed": [list(line) for line in moved],
            "statement": statement.kept(),
        }
        entry = tx.append(
            Draft(kind=Kind.FREEZE_LIFTED.value, actor=actor, repo=repository, subject=repository, data=data)
        )
        return {"repository": repository, "unreviewed": len(moved), "entry": entry.seq}

    return accepted(service, caller, statement, "thaw", command)
