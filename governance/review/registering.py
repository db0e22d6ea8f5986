"""How a repository comes under governance: a name that keeps its meaning, one way in, files nobody else can write."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from audit.entry import Actor, Draft
from audit.transaction import Transaction
from governance.errors import ConflictError, RequestError
from governance.hosts import HOSTS, Host, Level
from governance.people.acts import accepted
from governance.people.statements import Statement, owner_only
from governance.people.tokens import Caller
from governance.record import Kind
from governance.service import Service
from governance.standing import Principal

REPOSITORY_NAME = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?")
MODES = ("enforce", "observe")
SHOWN = ("name", "id", "path", "advisory", "host", "mode")
"""What who registers a repository is told of it."""


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
    advisory, host = body.get("advisory") is True, _host(body)
    _separate(tx, name, git_uid, advisory=advisory)
    data = {
        "name": name,
        "id": identifier,
        "path": path,
        "git_uid": git_uid,
        "advisory": advisory,
        "host": host.name,
        "mode": mode,
        "refs": [],
        "statement": statement.kept(),
    }
    entry = tx.append(Draft(kind=Kind.REPOSITORY_ADDED.value, actor=actor, repo=name, subject=name, data=data))
    return {**{key: data[key] for key in SHOWN}, "entry": entry.seq}


def mode_of(body: Mapping[str, Any]) -> str:
    """Return what a statement says is to be done with refusals; enforced where it says nothing."""
    mode = body.get("mode", "enforce")
    if mode not in MODES:
        raise RequestError(f"expected one of {', '.join(MODES)}, got {mode!r}", code="repository.mode")
    return str(mode)


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
