"""Ask for a change to land, see how that stands, and write the merge commit that the lander signs.

Anyone with a part in a change may ask: its contributors, those who signed it off, an owner. Asking grants nothing;
the lander puts the same question to the same controls as any push.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from audit.entry import Actor, Draft
from audit.transaction import Transaction
from governance.errors import ConflictError, DeniedError, GovernanceError, RequestError
from governance.hosts import HOSTS
from governance.people.acts import accepted
from governance.people.statements import Statement
from governance.people.tokens import Caller
from governance.policy import OWNER, Kind
from governance.record import MESSAGE_LIMIT, legible
from governance.record import Kind as EntryKind
from governance.review import changes
from governance.service import Service
from governance.standing import Principal
from governance.state import read
from governance.state.fold import Tx

SHA1_HEX = 40
FIELDS = {"repository", "change", "patch_set", "head"}


class LaterError(GovernanceError):
    """The landing cannot be tried now; it stays queued."""

    code = "landing.later"


class WaitError(LaterError):
    """The same, and nothing was tried: somebody else's push is under way."""


@dataclass(frozen=True, slots=True)
class Landing:
    """One landing that was asked for and is not over."""

    seq: int
    repository: str
    change: int
    patch_set: int
    head: str
    asked_by: str
    key: str
    """Fingerprint of the key that signed the asking."""
    token: str
    """Public id of the token it came with."""


def ask(service: Service, caller: Caller, statement: Statement, repository: str, *, here: int) -> dict[str, Any]:
    """Queue a change for the lander. `here` is the uid that the lander runs under.

    Raises:
        RequestError: Malformed, of another repository, or of one that the lander does not reach.
        DeniedError: Whoever asks has no part in the change.
        ConflictError: The change is closed, has moved since it was shown, or is queued already.
    """

    def command(tx: Transaction, who: Principal, actor: Actor) -> dict[str, Any]:
        found = read.repository(tx, repository)
        _reached(found, here=here)
        change = _asked_for(tx, statement, repository, service)
        _involved(tx, who, repository, change)
        if _waiting(tx, repository, change["number"]):
            raise ConflictError(f"change {change['number']} is queued already", code="landing.asked_already")
        data = {name: statement.body[name] for name in ("change", "patch_set", "head")}
        data |= {"target": change["target"], "token": caller.token, "statement": statement.kept()}
        draft = Draft(
            kind=EntryKind.LANDING_ASKED.value, actor=actor, repo=repository, subject=str(change["number"]), data=data
        )
        return {"change": change["number"], "head": change["head"], "by": who.name, "entry": tx.append(draft).seq}

    return accepted(service, caller, statement, "land", command)


def _reached(repository: dict[str, Any], *, here: int) -> None:
    """Refuse what the lander cannot move, or what a forge would not hear of."""
    name, uid, mend = repository["name"], repository["git_uid"], "Push the signed-off commit to its target."
    if uid != here:
        said = f"the lander runs as uid {here}; the files of {name} are uid {uid}'s"
        raise RequestError(said, code="landing.separated", mend=mend)
    if HOSTS[repository["host"]].dispatched:
        said = f"{repository['host']} learns of pushes alone, and would not know what the lander moved in {name}"
        raise RequestError(said, code="landing.host", mend=mend)


def _asked_for(tx: Tx, statement: Statement, repository: str, service: Service) -> dict[str, Any]:
    """Return the change, if it still is what the statement says: nobody lands "the latest"."""
    body = statement.body
    if set(body) != FIELDS or type(body["change"]) is not int or body["repository"] != repository:
        said = f"a landing names {', '.join(sorted(FIELDS))}, and of {repository} alone"
        raise RequestError(said, code="landing.malformed")
    change = changes.shown(tx, repository, body["change"], policy=service.under_lock.policy(tx))
    if change["state"] != "open":
        raise ConflictError(f"change {change['number']} is {change['state']}", code="landing.closed")
    if (body["patch_set"], body["head"]) != (change["patch_set"], change["head"]):
        said = f"change {change['number']} is at patch set {change['patch_set']}, {change['head'][:12]}"
        raise ConflictError(said, code="landing.moved", mend="Look at it again, then ask again.")
    return change


def _involved(tx: Tx, who: Principal, repository: str, change: dict[str, Any]) -> None:
    parts = set(read.change_contributors(tx, repository, change["number"]))
    parts |= {given["principal"] for given in change["sign_offs"] if not given["withdrawn"]}
    if who.name not in parts and not (who.kind is Kind.HUMAN and who.role == OWNER):
        said = f"{who.name} has no part in change {change['number']}: neither wrote it nor signed it off"
        raise DeniedError(said, code="landing.not_involved")


def _waiting(tx: Tx, repository: str, number: int) -> bool:
    sql = "select 1 from landing where repository=? and number=? and closed_seq is null"
    return tx.execute(sql, (repository, number)).fetchone() is not None


def queue(tx: Tx) -> list[Landing]:
    """Return what waits to be landed, in the order it was asked for; not what is under way."""
    names = "seq, repository, number, patch_set, head, asked_by, key, token"
    return [Landing(*row) for row in tx.execute(f"select {names} from landing where state='queued' order by seq")]  # noqa: S608 - our own text


def still_asked(tx: Transaction, asked: Landing) -> None:
    """Refuse a landing that is over, whose change is another by now, or whose asker lost the right to ask.

    Call under the lock. A token that expires meanwhile ends nothing: it was good when it was asked.

    Raises:
        WaitError: A push of somebody's is landing the change.
        ConflictError: The landing is over, or the change is not what was asked for.
        DeniedError: The asker is retired, or key or token was revoked since.
    """
    underway = tx.execute("select 1 from landing where seq=? and state='landing'", (asked.seq,)).fetchone()
    if underway:
        raise WaitError(f"a push lands change {asked.change} already")
    sql = (
        "select 1 from landing l join change c using(repository, number) join patch_set p using(repository, number) "
        "where l.seq=? and l.state='queued' and c.state='open' and p.patch_set=c.patch_set "
        "and p.patch_set=l.patch_set and p.head=l.head"
    )
    if tx.execute(sql, (asked.seq,)).fetchone() is None:
        said = f"change {asked.change} is not what was asked to land: it has moved on or is closed"
        raise ConflictError(said, code="landing.moved", mend="Have it signed off, then ask again.")
    sql = (
        "select 1 from principal p join signing_key k on k.principal=p.name join token t on t.principal=p.name "
        "where p.name=? and p.retired_seq is null and k.fingerprint=? and k.revoked_seq is null "
        "and t.id=? and t.revoked_seq is null"
    )
    if tx.execute(sql, (asked.asked_by, asked.key, asked.token)).fetchone() is None:
        said = f"{asked.asked_by}, who asked, was retired since, or the key or token was revoked"
        raise DeniedError(said, code="landing.asker_revoked", mend="Somebody else with a part in it may ask.")


def is_over(tx: Transaction, asked: Landing) -> bool:
    """Whether a landing has ended, one way or another. Call under the lock."""
    sql = "select 1 from landing where seq=? and closed_seq is null"
    return tx.execute(sql, (asked.seq,)).fetchone() is None


def refused(asked: Landing, *, code: str, message: str, actor: Actor) -> Draft:
    """Return the entry of a landing that was refused; the change stays open. Paths in the message may be any bytes."""
    data = {"asked": asked.seq, "change": asked.change, "code": code, "message": legible(message, MESSAGE_LIMIT)}
    kind = EntryKind.LANDING_REFUSED.value
    return Draft(kind=kind, actor=actor, repo=asked.repository, subject=str(asked.change), data=data)


def merge_commit(tree: str, parents: tuple[str, str], *, who: str, at: int, message: str) -> bytes:
    """Return an unsigned merge commit, by `who` (name and address) at Unix time `at`."""
    lines = [f"tree {tree}", *(f"parent {parent}" for parent in parents)]
    lines += [f"author {who} {at} +0000", f"committer {who} {at} +0000", "", message]
    return "\n".join(lines).encode()


def signed(commit: bytes, signature: bytes, *, width: int) -> bytes:
    """Return the commit with its signature as the last header, folded as git does. `width` is that of its names."""
    name = b"gpgsig" if width == SHA1_HEX else b"gpgsig-sha256"
    head, _, message = commit.partition(b"\n\n")
    return head + b"\n" + name + b" " + signature.rstrip(b"\n").replace(b"\n", b"\n ") + b"\n\n" + message
