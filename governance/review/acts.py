"""What principals may do to changes, and owners to repositories: signed statements, run in the writer."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from audit.entry import Actor, Draft
from audit.transaction import Transaction
from governance import continuity
from governance.errors import ConflictError, DeniedError, NotFoundError, RequestError
from governance.people.acts import accepted
from governance.people.statements import Statement, owner_only
from governance.people.tokens import Caller
from governance.ports import Watch
from governance.record import Kind
from governance.review import sign_offs
from governance.service import Service
from governance.standing import Principal
from governance.state import read

REPOSITORY_NAME = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?")
MODES = ("enforce", "observe")
REMEDIATION_LEAST = 10
"""Characters of a remediation below which nobody has written one."""


def sign_off(service: Service, caller: Caller, statement: Statement, repository: str) -> dict[str, Any]:
    """Approve or reject exactly one patch set of a change."""

    def command(tx: Transaction, who: Principal, actor: Actor) -> dict[str, Any]:
        del actor
        lock = service.under_lock
        policy, roster = lock.policy(tx), lock.roster(tx)
        draft = sign_offs.given(tx, statement, by=who, repository=repository, policy=policy, roster=roster, now=tx.now)
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
        del actor
        about(statement, repository)
        entry = tx.append(sign_offs.withdrawn(tx, statement, by=who, repository=repository))
        return {"change": int(entry.subject), "verdict": "withdraw", "by": who.name, "entry": entry.seq}

    return accepted(service, caller, statement, "sign_off.withdraw", command)


def add_repository(
    service: Service, caller: Caller, statement: Statement, *, identifier: str, git_uid: int
) -> dict[str, Any]:
    """Register an empty bare repository. Owner only. `git_uid` is who owns it, as the service found it."""

    def command(tx: Transaction, who: Principal, actor: Actor) -> dict[str, Any]:
        owner_only(who)
        return registered(tx, statement, actor, identifier=identifier, git_uid=git_uid)

    return accepted(service, caller, statement, "repository.add", command)


def registered(tx: Transaction, statement: Statement, actor: Actor, *, identifier: str, git_uid: int) -> dict[str, Any]:
    """Register what an owner's statement names; refuse names that were used before, and paths that are in use."""
    body = statement.body
    name, path, mode = str(body.get("name")), str(body.get("path")), mode_of(body)
    if not REPOSITORY_NAME.fullmatch(name) or ".." in name or name.endswith(".git"):
        raise RequestError(f"{name!r} is not a repository name: a-z, 0-9, ._-", code="repository.name")
    sql = "select name, removed_seq from repository where name=? or (path=? and removed_seq is null)"
    taken = tx.execute(sql, (name, path)).fetchone()
    if taken:
        said = f"{taken[0]} is registered already"
        if taken[1] is not None:
            said = f"{taken[0]} was governed until entry {taken[1]}; a name keeps its meaning and is not used again"
        raise ConflictError(said, code="repository.taken")
    advisory = body.get("advisory") is True
    _separate(tx, name, git_uid, advisory=advisory)
    data = {
        "name": name,
        "id": identifier,
        "path": path,
        "git_uid": git_uid,
        "advisory": advisory,
        "mode": mode,
        "refs": [],
        "statement": statement.kept(),
    }
    entry = tx.append(Draft(kind=Kind.REPOSITORY_ADDED.value, actor=actor, repo=name, subject=name, data=data))
    return {"name": name, "id": identifier, "path": path, "advisory": advisory, "mode": mode, "entry": entry.seq}


def mode_of(body: Mapping[str, Any]) -> str:
    """Return what a statement says is to be done with refusals; enforced where it says nothing."""
    mode = body.get("mode", "enforce")
    if mode not in MODES:
        raise RequestError(f"expected one of {', '.join(MODES)}, got {mode!r}", code="repository.mode")
    return str(mode)


def _separate(tx: Transaction, name: str, git_uid: int, *, advisory: bool) -> None:
    """Refuse a repository whose files a principal's own uid can write, unless that is said."""
    sql = "select name from principal where uid=? and retired_seq is null"
    row = tx.execute(sql, (git_uid,)).fetchone()
    if row is not None and not advisory:
        raise ConflictError(
            f"{row[0]} has uid {git_uid}, which owns the files of {name}: it could write past the hooks",
            code="repository.writable",
            mend="Give the repository to a git user of its own, or say --advisory: recorded, not enforced.",
        )


def thaw(
    service: Service,
    caller: Caller,
    statement: Statement,
    repository: str,
    *,
    actual: Iterable[tuple[str, str]],
    watch: Watch | None = None,
) -> dict[str, Any]:
    """Lift a freeze after a written remediation, taking the refs as they are found now: unreviewed. Owner only."""

    def command(tx: Transaction, who: Principal, actor: Actor) -> dict[str, Any]:
        owner_only(who)
        body = statement.body
        about(statement, repository)
        frozen = read.freezes(tx, repository)
        if not frozen:
            raise NotFoundError(f"{repository} is not frozen", code="freeze.none")
        remediation = written(body.get("remediation"), code="thaw.remediation")
        if watch is not None and not continuity.sound(watch, continuity.known(tx, repository)):
            mend = f"twinseal hooks install {repository}"
            raise ConflictError(f"the hooks are not in force: {watch.faults[0]}", code="thaw.hooks_off", mend=mend)
        found = dict(actual)
        accepts = body.get("refs")
        if not isinstance(accepts, dict) or any(found.get(ref, "") != oid for ref, oid in accepts.items()):
            raise ConflictError("the refs are not as you were shown", code="thaw.moved", mend="Look again.")
        refs = [[ref, oid] for ref, oid in sorted(accepts.items())]
        moved = [[ref, read.ref_value(tx, repository, ref), oid] for ref, oid in refs]
        data = {
            "freeze": frozen[0].seq,
            "remediation": remediation,
            "refs": refs,
            "unreviewed": moved,
            "statement": statement.kept(),
        }
        entry = tx.append(
            Draft(kind=Kind.FREEZE_LIFTED.value, actor=actor, repo=repository, subject=repository, data=data)
        )
        return {"repository": repository, "unreviewed": len(moved), "entry": entry.seq}

    return accepted(service, caller, statement, "thaw", command)


def about(statement: Statement, repository: str) -> None:
    """Refuse a statement that names another repository than the one it is handed in for, or none."""
    named = statement.body.get("repository")
    if named != repository:
        said = f"the statement is about {named!r}, handed in for {repository}"
        raise DeniedError(said, code="statement.other_repository")


def written(text: object, *, code: str) -> str:
    """Return a reason that somebody took the trouble to write."""
    if not isinstance(text, str) or len(text.strip()) < REMEDIATION_LEAST:
        raise RequestError("write what was found and what was done about it", code=code)
    return text


def git_user(path: Path) -> int:
    """Return the uid that owns a bare repository, as the service sees it.

    Raises:
        RequestError: The folder is not there, or others may write to it.
    """
    try:
        stat = path.stat()
    except OSError as exc:
        raise RequestError(f"{path} cannot be looked at: {exc}", code="repository.path") from exc
    if stat.st_mode & 0o022:
        said = f"{path} can be written by others (mode {stat.st_mode & 0o777:o})"
        raise RequestError(said, code="repository.writable", mend=f"chmod go-w {path}")
    return stat.st_uid
