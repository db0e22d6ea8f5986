"""Accounts of the browser: who has a password, who is logged in, and how often somebody failed to.

Folded from entries, so that no restart forgets a session that was ended or a guess that was made; only when a session
was last used is written beside them, since looking at a page is no entry. Of a session the tables hold the digest
alone; the hash of a password is a private value of its entry, and sealed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from audit.entry import Entry
from governance.record import Kind
from governance.state import factors, repositories
from governance.state.tx import Tx

Data = Mapping[str, Any]

TABLES: tuple[str, ...] = ("account", "web_session", "login_failure")
WORKING: tuple[str, ...] = ("session_use",)
"""No projection: what it lacks counts as used when it was opened."""

SCHEMA = """
create table if not exists account(principal text primary key, seq integer not null) strict, without rowid;
create table if not exists web_session(
  digest text primary key, id text not null unique, principal text not null, how text not null, factor text not null,
  challenge text not null, opened_at integer not null, opened_seq integer not null, expires_at integer not null,
  closed_seq integer) strict, without rowid;
create index if not exists web_session_open on web_session(principal) where closed_seq is null;
create index if not exists web_session_challenge on web_session(challenge) where challenge <> '';
create table if not exists login_failure(seq integer primary key, principal text not null, ts integer not null) strict;
create index if not exists login_failure_recent on login_failure(principal, ts);
create table if not exists session_use(digest text primary key, at integer not null) strict, without rowid;
"""

PASSWORD = "password"  # noqa: S105 - the name of the private value
ID = 12
"""Characters of a session's digest that stand for it where it is shown."""


@dataclass(frozen=True, slots=True)
class WebSession:
    """One session of a browser, not closed, of somebody enrolled. `used_at` is when it was last seen in use."""

    digest: str
    id: str
    principal: str
    kind: str
    role: str
    how: str
    opened_at: int
    used_at: int
    expires_at: int


def password(tx: Tx, name: str) -> tuple[int, str]:
    """Return the entry that set this person's password, and its sealed hash; (0, '') where there is none any more.

    Who is retired, or no person, has none.
    """
    sql = (
        "select a.seq, v.value from account a join principal p on p.name = a.principal "
        "join ledger_private v on v.seq = a.seq and v.field = ? "
        "where a.principal=? and p.retired_seq is null and p.kind = 'human'"
    )
    row = tx.execute(sql, (PASSWORD, name)).fetchone()
    return (row[0], row[1]) if row else (0, "")


def failures(tx: Tx, name: str, *, since: int) -> int:
    """Return how many wrong passwords were given for a name after this moment."""
    sql = "select count(*) from login_failure where principal=? and ts>?"
    count: int = tx.execute(sql, (name, since)).fetchone()[0]
    return count


_SESSION = (
    "select s.digest, s.id, s.principal, p.kind, p.role, s.how, s.opened_at, coalesce(u.at, s.opened_at), s.expires_at "
    "from web_session s join principal p on p.name = s.principal left join session_use u on u.digest = s.digest "
    "where s.closed_seq is null and p.retired_seq is null"
)


def session(tx: Tx, digest: str) -> WebSession | None:
    """Return the session with this digest; None where it was never opened, is closed, or its person retired.

    Whether its time is up is for the caller to say, who knows the time.
    """
    row = tx.execute(f"{_SESSION} and s.digest=?", (digest,)).fetchone()
    return WebSession(*row) if row else None


def sessions(tx: Tx, name: str) -> list[WebSession]:
    """Return a person's sessions that were not closed, oldest first."""
    rows = tx.execute(f"{_SESSION} and s.principal=? order by s.opened_seq", (name,)).fetchall()
    return [WebSession(*row) for row in rows]


def challenged(tx: Tx, challenge: str) -> bool:
    """Whether a log-in has used this challenge before."""
    return tx.execute("select 1 from web_session where challenge=?", (challenge,)).fetchone() is not None


def passkey_of(tx: Tx, factor: str) -> str:
    """Return whose passkey this factor is; empty where it is nobody's, or was removed."""
    sql = "select principal from factor where id=? and kind=? and removed_seq is null"
    row = tx.execute(sql, (factor, factors.PASSKEY)).fetchone()
    return row[0] if row else ""


def used(tx: Tx, digest: str, at: int) -> None:
    """Remember that a session was used. Not an entry; never goes back."""
    sql = (
        "insert into session_use values(?,?) on conflict(digest) do update set at=excluded.at "
        "where excluded.at > session_use.at"
    )
    tx.execute(sql, (digest, at))


def _set(tx: Tx, entry: Entry, data: Data) -> None:
    """Keep which entry holds the hash; whoever was logged in by the old password is not any more."""
    sql = "insert into account values(?,?) on conflict(principal) do update set seq=excluded.seq"
    tx.execute(sql, (data["principal"], entry.seq))
    _close(tx, entry, "principal=?", data["principal"])
    repositories.statement(tx, entry, data)


def _opened(tx: Tx, entry: Entry, data: Data) -> None:
    digest = data["session"]
    row = (digest, digest[:ID], data["principal"], data["how"], data["factor"], data["challenge"])
    times = (entry.ts, entry.seq, data["expires_at"])
    tx.execute("insert into web_session values(?,?,?,?,?,?,?,?,?,null)", (*row, *times))
    factors.used(tx, entry, data)


def _closed(tx: Tx, entry: Entry, data: Data) -> None:
    _close(tx, entry, "id=?", data["session"])


def _retired(tx: Tx, entry: Entry, data: Data) -> None:
    _close(tx, entry, "principal=?", data["principal"])


def _factor_removed(tx: Tx, entry: Entry, data: Data) -> None:
    """Whoever was logged in by a factor that is gone may be whom it was taken from."""
    _close(tx, entry, "factor=?", data["factor"])


def _refused(tx: Tx, entry: Entry, data: Data) -> None:
    tx.execute("insert into login_failure values(?,?,?)", (entry.seq, data["principal"], entry.ts))


def _close(tx: Tx, entry: Entry, where: str, value: str) -> None:
    sql = f"update web_session set closed_seq=? where {where} and closed_seq is null"  # noqa: S608 - our own text
    tx.execute(sql, (entry.seq, value))


FOLDS: Mapping[Kind, Callable[[Tx, Entry, Data], None]] = {
    Kind.ACCOUNT_SET: _set,
    Kind.SESSION_OPENED: _opened,
    Kind.SESSION_CLOSED: _closed,
    Kind.SESSION_REFUSED: _refused,
    Kind.PRINCIPAL_RETIRED: _retired,
    Kind.FACTOR_REMOVED: _factor_removed,
    Kind.FACTOR_RESET: _retired,
}
