"""What principals may do to changes, and owners to repositories: signed statements, run in the writer."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from audit.entry import Actor, Draft
from audit.transaction import Transaction
from governance.errors import ConflictError, NotFoundError, RequestError
from governance.hosts import HOSTS, Host, Level
from governance.people.acts import accepted
from governance.people.statements import Statement, owner_only
from governance.people.tokens import Caller
from governance.record import Kind
from governance.review import sign_offs
from governance.service import Service
from governance.standing import Principal
from governance.state import read, status
from governance.state.status import Refs

REPOSITORY_NAME = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?")
REMEDIATION_LEAST = 10
"""Characters of a remediation below which nobody has written one."""


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


def add_repository(
    service: Service, caller: Caller, statement: Statement, *, identifier: str, git_uid: int
) -> dict[str, Any]:
    """Register an empty bare repository. Owner only. `git_uid` is who owns it, as the service found it."""

    def command(tx: Transaction, who: Principal, actor: Actor) -> dict[str, Any]:
        owner_only(who)
        body = statement.body
        name, path = str(body.get("name")), str(body.get("path"))
        if not REPOSITORY_NAME.fullmatch(name) or ".." in name or name.endswith(".git"):
            raise RequestError(f"{name!r} is not a repository name: a-z, 0-9, ._-", code="repository.name")
        taken = tx.execute("select name from repository where name=? or path=?", (name, path)).fetchone()
        if taken:
            raise ConflictError(f"{taken[0]} is registered already", code="repository.taken")
        advisory, host = body.get("advisory") is True, _host(body)
        _separate(tx, name, git_uid, advisory=advisory)
        data = {
            "name": name,
            "id": identifier,
            "path": path,
            "git_uid": git_uid,
            "advisory": advisory,
            "host": host.name,
            "refs": [],
            "statement": statement.kept(),
        }
        entry = tx.append(Draft(kind=Kind.REPOSITORY_ADDED.value, actor=actor, repo=name, subject=name, data=data))
        return {**{key: data[key] for key in ("name", "id", "path", "advisory", "host")}, "entry": entry.seq}

    return accepted(service, caller, statement, "repository.add", command)


def _host(body: Mapping[str, Any]) -> Host:
    """Return the way in that a repository is registered with: one, and one that can be had."""
    host = HOSTS.get(str(body.get("host", "front")))
    if host is None:
        said = f"{body['host']!r} is no host; known: {', '.join(HOSTS)}"
        raise RequestError(said, code="repository.host")
    if host.level is Level.UNREACHED:
        said = f"{host.name} cannot be governed from here: {host.why}"
        raise RequestError(said, code="repository.host_unreached", mend="deploy/README.md, the table of hosts")
    return host


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


def thaw(service: Service, caller: Caller, statement: Statement, repository: str, *, actual: Refs) -> dict[str, Any]:
    """Lift a freeze after a written remediation, taking every ref that differs as it is found now. Owner only.

    The statement names repository, freeze and each differing ref: it lifts no other freeze, and nothing unseen.
    """

    def command(tx: Transaction, who: Principal, actor: Actor) -> dict[str, Any]:
        owner_only(who)
        body = statement.body
        frozen = next((f.seq for f in read.freezes(tx, repository) if f.repository == repository), None)
        if frozen is None:
            raise NotFoundError(f"{repository} is not frozen", code="freeze.none")
        remediation = body.get("remediation")
        if not isinstance(remediation, str) or len(remediation.strip()) < REMEDIATION_LEAST:
            raise RequestError("write what was found and what was done about it", code="thaw.remediation")
        refs = {ref: found for ref, _, found in status.drift(tx, repository, actual)}
        if (body.get("repository"), body.get("freeze"), body.get("refs")) != (repository, frozen, refs):
            raise ConflictError("this is not the freeze, or not the refs, that you were shown", code="thaw.moved")
        if any(found.startswith("->") for found in refs.values()):
            raise ConflictError("a symbolic ref cannot be taken over; remove it first", code="thaw.symbolic")
        data = {
            "freeze": frozen,
            "remediation": remediation,
            "refs": [[ref, oid] for ref, oid in sorted(refs.items())],
            "statement": statement.kept(),
        }
        entry = tx.append(
            Draft(kind=Kind.FREEZE_LIFTED.value, actor=actor, repo=repository, subject=repository, data=data)
        )
        return {"repository": repository, "entry": entry.seq}

    return accepted(service, caller, statement, "thaw", command)


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
