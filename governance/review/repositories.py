"""What owners may do to repositories that have a history: take them over, change their mode, let them go.

Each act is a signed statement that names its repository, run in the writer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from audit.entry import Actor, Draft, Entry
from audit.transaction import Transaction
from governance import baseline
from governance.baseline import Baseline
from governance.errors import ConflictError, RequestError
from governance.people.acts import accepted
from governance.people.statements import Statement, about, owner_only, written
from governance.people.tokens import Caller
from governance.record import Kind
from governance.review.registering import SHOWN, mode_of, registered
from governance.service import Service
from governance.standing import Principal
from governance.state import read, status
from governance.stops import REFS, thawing


@dataclass(frozen=True, slots=True)
class Seen:
    """What the service itself saw where a repository lies, and when."""

    found: Baseline
    git_uid: int
    horizon: int
    """The last entry before it looked."""


def adopt(service: Service, caller: Caller, statement: Statement, *, seen: Seen, identifier: str) -> dict[str, Any]:
    """Take a repository over with its history, or take one that we govern as it is now. Owner only.

    The owner signed the digest of what the service saw. What it holds is exempt from the rules.
    """
    found = seen.found

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
            _at_rest(tx, name, seen.horizon)
            done, stated = _again(tx, statement, name), statement.kept()
        else:
            done, stated = registered(tx, statement, actor, identifier=identifier, git_uid=seen.git_uid), {}
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
    if "host" in body and body["host"] != known["host"]:
        raise ConflictError(f"{name} is registered with host {known['host']}", code="repository.host")
    return {key: known[key] for key in SHOWN}


def _at_rest(tx: Transaction, name: str, horizon: int) -> None:
    """Refuse to record what was seen of a repository that has moved since, or may be moving.

    A frozen one does not move: what is still reserved in it will never be carried out, and is let go of.
    """
    kinds = (Kind.PUSH_DECIDED.value, Kind.PUSH_APPLIED.value)
    sql = "select 1 from ledger_entry where repo=? and seq>? and kind in (?,?) limit 1"
    since = tx.execute(sql, (name, horizon, *kinds)).fetchone()
    if since or not any(freeze.rule == REFS for freeze in read.freezes(tx, name)):
        idle(tx, name, pins=True)  # A baseline forgets what is reserved: a pin would be lost, or made and unknown.
    if since:
        said = f"{name} moved while it was looked at"
        raise ConflictError(said, code="adopt.moved", mend="Adopt it again in a moment.")


def idle(tx: Transaction, name: str, *, pins: bool = False) -> None:
    """Refuse while a push is under way. Pins are no moves: they name what is there already, and count where asked for.

    Raises:
        ConflictError: Some ref may still move as it was decided before.
    """
    sql = (
        "select count(*) from reservation where repository=? and state='reserved' "
        "and (?=1 or ref not like 'refs/changes/%')"
    )
    if waiting := tx.execute(sql, (name, int(pins))).fetchone()[0]:
        said = f"{waiting} ref moves of {name} are under way"
        raise ConflictError(said, code="repository.busy", mend="Try again in a moment.")


def set_mode(service: Service, caller: Caller, statement: Statement, repository: str) -> dict[str, Any]:
    """Enforce the rules from now on, or only observe. Owner only."""

    def command(tx: Transaction, who: Principal, actor: Actor) -> dict[str, Any]:
        owner_only(who)
        about(statement, repository)
        known, mode = read.repository(tx, repository), mode_of(statement.body)
        if known["mode"] == mode:
            raise ConflictError(f"{repository} is in mode {mode} already", code="repository.mode_already")
        if freezes := [freeze for freeze in read.freezes(tx, repository, at=tx.now) if freeze.whole]:
            said = f"{repository} is frozen since entry {freezes[0].seq}"
            raise ConflictError(said, code="repository.frozen", mend=thawing(freezes[0]))
        idle(tx, repository)  # What was let through lands before the rules hold, or not at all.
        unreviewed = len([line for line in status.lapses(tx, repository) if line["state"] != "frozen"])
        data = {"mode": mode, "unreviewed": unreviewed, "statement": statement.kept()}
        entry = _append(tx, Kind.REPOSITORY_MODE_SET, repository, data, actor)
        return {"name": repository, "mode": mode, "unreviewed": unreviewed, "entry": entry.seq}

    return accepted(service, caller, statement, "repository.mode", command)


def remove(service: Service, caller: Caller, statement: Statement, repository: str) -> dict[str, Any]:
    """End the governance of a repository: its tokens end, its records stay, its name is not used again. Owner only."""

    def command(tx: Transaction, who: Principal, actor: Actor) -> dict[str, Any]:
        owner_only(who)
        about(statement, repository)
        known = read.repository(tx, repository)
        reason = written(statement.body.get("reason"), code="remove.reason")
        idle(tx, repository)
        sql = "select count(*) from token where repository=? and revoked_seq is null"
        ended = tx.execute(sql, (repository,)).fetchone()[0]
        data = {"reason": reason, "statement": statement.kept()}
        entry = _append(tx, Kind.REPOSITORY_REMOVED, repository, data, actor)
        kept = {key: known[key] for key in ("name", "path", "host")}
        return {**kept, "tokens_ended": ended, "entry": entry.seq}

    return accepted(service, caller, statement, "repository.remove", command)


def _append(tx: Transaction, kind: Kind, repository: str, data: dict[str, Any], actor: Actor) -> Entry:
    return tx.append(Draft(kind=kind.value, actor=actor, repo=repository, subject=repository, data=data))
