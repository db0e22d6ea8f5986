"""What owners may do to repositories that have a history: take them over, change their mode, let them go.

Each act is a signed statement that names its repository, run in the writer.
"""

from __future__ import annotations

from typing import Any

from audit.entry import Actor, Draft, Entry
from audit.transaction import Transaction
from governance import baseline
from governance.baseline import Baseline
from governance.errors import ConflictError, RequestError
from governance.people.acts import accepted
from governance.people.statements import Statement, owner_only
from governance.people.tokens import Caller
from governance.record import Kind
from governance.review.acts import about, mode_of, registered, written
from governance.service import Service
from governance.standing import Principal
from governance.state import read, status


def adopt(
    service: Service, caller: Caller, statement: Statement, *, found: Baseline, identifier: str, git_uid: int
) -> dict[str, Any]:
    """Take a repository over with its history, or take one that we govern as it is now. Owner only.

    `found` is what the service itself saw there; the owner signed its digest. What it holds is exempt from the rules.
    """

    def command(tx: Transaction, who: Principal, actor: Actor) -> dict[str, Any]:
        owner_only(who)
        body = statement.body
        name, also = str(body.get("name")), body.get("also", [])
        if not isinstance(also, list) or not all(isinstance(prefix, str) for prefix in also):
            raise RequestError("also: expected namespaces, such as refs/notes/", code="adopt.namespace")
        governed = tx.execute("select 1 from repository where name=? and removed_seq is null", (name,)).fetchone()
        baseline.check(found, also=also, recorded=status.refs(tx, name) if governed else {})
        baseline.same(found, body.get("baseline"))
        if governed:
            done, stated = _again(tx, statement, name), statement.kept()
        else:
            done, stated = registered(tx, statement, actor, identifier=identifier, git_uid=git_uid), {}
        data = {"baseline": found.summary(), "also": also, "reason": str(body.get("reason", "")), "statement": stated}
        entry = _append(tx, Kind.REPOSITORY_ADOPTED, name, data, actor)
        for part in found.parts():
            _append(tx, Kind.BASELINE_RECORDED, name, {"adopted": entry.seq, "refs": part}, actor)
        return {**done, "baseline": found.summary(), "entry": entry.seq}

    return accepted(service, caller, statement, "repository.adopt", command)


def _again(tx: Transaction, statement: Statement, name: str) -> dict[str, Any]:
    """Let a repository of ours be taken as it is now, after an import that no push could carry."""
    body, known = statement.body, read.repository(tx, name)
    if body.get("path") != known["path"]:
        said = f"{name} lies in {known['path']}, not in {body.get('path')}"
        raise ConflictError(said, code="repository.taken", mend="Choose another name.")
    written(body.get("reason"), code="adopt.reason")
    if "mode" in body and body["mode"] != known["mode"]:
        mend = f"twinseal repo add {name} --mode {mode_of(body)}"
        raise ConflictError(f"{name} is in mode {known['mode']}", code="repository.mode", mend=mend)
    return {key: known[key] for key in ("name", "id", "path", "advisory", "mode")}


def set_mode(service: Service, caller: Caller, statement: Statement, repository: str) -> dict[str, Any]:
    """Enforce the rules from now on, or only observe. Owner only."""

    def command(tx: Transaction, who: Principal, actor: Actor) -> dict[str, Any]:
        owner_only(who)
        about(statement, repository)
        known, mode = read.repository(tx, repository), mode_of(statement.body)
        if known["mode"] == mode:
            raise ConflictError(f"{repository} is in mode {mode} already", code="repository.mode_already")
        if freezes := read.freezes(tx, repository):
            said = f"{repository} is frozen since entry {freezes[0].seq}"
            raise ConflictError(said, code="repository.frozen", mend=f"twinseal thaw {repository}")
        data = {"mode": mode, "statement": statement.kept()}
        entry = _append(tx, Kind.REPOSITORY_MODE_SET, repository, data, actor)
        return {"name": repository, "mode": mode, "entry": entry.seq}

    return accepted(service, caller, statement, "repository.mode", command)


def remove(service: Service, caller: Caller, statement: Statement, repository: str) -> dict[str, Any]:
    """End the governance of a repository: its tokens end, its records stay, its name is not used again. Owner only."""

    def command(tx: Transaction, who: Principal, actor: Actor) -> dict[str, Any]:
        owner_only(who)
        about(statement, repository)
        known = read.repository(tx, repository)
        reason = written(statement.body.get("reason"), code="remove.reason")
        sql = "select count(*) from reservation where repository=? and state='reserved'"
        if waiting := tx.execute(sql, (repository,)).fetchone()[0]:
            said = f"{waiting} ref moves of {repository} are under way"
            raise ConflictError(said, code="repository.busy", mend="Try again in a moment.")
        sql = "select count(*) from token where repository=? and revoked_seq is null"
        ended = tx.execute(sql, (repository,)).fetchone()[0]
        data = {"reason": reason, "statement": statement.kept()}
        entry = _append(tx, Kind.REPOSITORY_REMOVED, repository, data, actor)
        return {"name": repository, "path": known["path"], "tokens_ended": ended, "entry": entry.seq}

    return accepted(service, caller, statement, "repository.remove", command)


def _append(tx: Transaction, kind: Kind, repository: str, data: dict[str, Any], actor: Actor) -> Entry:
    return tx.append(Draft(kind=kind.value, actor=actor, repo=repository, subject=repository, data=data))
