"""The PostgreSQL store: several processes on several hosts may write one ledger, one at a time.

Promises. A transaction of ours begins with the ledger's advisory lock, so that whoever holds it sees everything that
was committed before (READ COMMITTED: each statement looks anew). There is no leader, nothing to elect, and nothing to
clean up after a process that died: the lock ends with its transaction. A commit that returned is durable, as far as the
server is set to be; a server that is set not to be is refused.

Statements are written as for SQLite and read here: `?` and `:name`, types of columns, and a few words.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import psycopg
from psycopg.adapt import Dumper
from psycopg.pq import TransactionStatus

from audit.errors import StoreError
from audit.stores import postgres_schema

_LOCK = "select pg_advisory_xact_lock(hashtextextended(current_schema() || '/ledger', 0))"
_TIMEOUTS = "-c lock_timeout=10s -c idle_in_transaction_session_timeout=60s -c statement_timeout=60s"
# An I/O error or a damaged page: what it says next cannot be believed.
_FATAL = ("58030", "XX001", "XX002")
# Somebody had the lock for too long, or us among those whom it had to choose from.
_PASSING = ("55P03", "40P01", "57014")
_DURABLE = {"fsync": "on", "full_page_writes": "on"}

_NAMED = re.compile(r":([a-z_]+)")
_WORDS = (
    (re.compile(r"cast\((\w+) as blob\)"), r"convert_to(\1, 'UTF8')"),
    (re.compile(r"\) strict(, without rowid)?"), ")"),
    (re.compile(r"\bstrict(, without rowid)?\s*;"), ";"),
    (re.compile(r"\binteger\b"), "bigint"),
    (re.compile(r"\bblob\b"), "bytea"),
)


class _Whole(Dumper):
    """A truth as SQLite stores it: 0 or 1."""

    oid = psycopg.adapters.types["int8"].oid

    def dump(self, obj: bool) -> bytes:  # noqa: FBT001  # The interface.
        return b"1" if obj else b"0"


class Connection:
    """A connection as `audit.stores` wants it; also one that writes."""

    Error = psycopg.Error
    Warning = psycopg.Warning
    shared = True
    may_wait = False  # Nothing is gained: statements are sent together as they come.

    def __init__(self, address: str, *, writes: bool) -> None:
        self._address = address
        self._writes = writes
        self._read: dict[tuple[str, str], str] = {}
        self._raw = self._connected()

    def execute(self, sql: str, params: Sequence[object] | Mapping[str, object] = (), /) -> Any:  # noqa: ANN401
        """Run one statement."""
        kind = "named" if isinstance(params, Mapping) else "placed" if params else ""
        text = self._as_read(sql, kind)
        cursor = self._again(lambda: self._raw.execute(text, params or None, prepare=True), may=not self._writes)
        # A transaction in which something failed answers COMMIT with ROLLBACK, and no error.
        if sql == "commit" and cursor.statusmessage != "COMMIT":
            raise psycopg.OperationalError(f"expected the transaction to be committed, got {cursor.statusmessage}")
        return cursor

    def executemany(self, sql: str, params: Sequence[Sequence[object]], /) -> None:
        """Run one statement for each of these rows."""
        for row in params:
            self.execute(sql, row)

    def script(self, sql: str) -> None:
        """Run several statements, none of which has parameters."""
        self._raw.execute(as_read(sql))

    def begin(self) -> None:
        """Begin, and wait for the ledger's lock before anything is looked at."""
        self._again(lambda: self._raw.execute(f"begin; {_LOCK}"))

    def look(self) -> None:
        """Begin a transaction that sees one moment."""
        self._again(lambda: self._raw.execute("begin isolation level repeatable read read only"))

    def keys(self, table: str) -> list[str]:
        """Return the columns of a table's primary key, in order."""
        sql = (
            "select a.attname from pg_index i cross join lateral unnest(i.indkey) with ordinality k(num, place) "
            "join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.num "
            "where i.indrelid = cast(cast(? as text) as regclass) and i.indisprimary order by k.place"
        )
        return [row[0] for row in self.execute(sql, (table,))]

    def _again(self, ask: Callable[[], psycopg.Cursor[Any]], *, may: bool = True) -> psycopg.Cursor[Any]:
        """Ask; where the server had hung up before the question, connect again and ask once more.

        Nothing is asked twice that may have been done: only what reads, or begins, outside of a transaction.
        """
        inside = self.in_transaction
        try:
            return ask()
        except psycopg.OperationalError:
            if inside or not may or not (self._raw.closed or self._raw.broken):
                raise
            self.renew()
            return ask()

    @property
    def in_transaction(self) -> bool:
        """Whether something is to be rolled back."""
        return self._raw.info.transaction_status in {TransactionStatus.INTRANS, TransactionStatus.INERROR}

    @property
    def lost(self) -> bool:
        """Whether the transaction is good for nothing but rolling back."""
        return self._raw.info.transaction_status is not TransactionStatus.INTRANS

    def together(self) -> contextlib.AbstractContextManager[object]:
        """Send statements without waiting for the answer of each; who fetches one waits for it."""
        return self._raw.pipeline()

    def unguarded(self, sql: str, params: Sequence[object]) -> None:
        """Run a statement with the guard against deleting entries lifted, and set it again. For the tables' owner."""
        self.execute("alter table ledger_entry disable trigger ledger_entry_delete")
        self.execute(sql, params)
        self.execute("alter table ledger_entry enable trigger ledger_entry_delete")

    def fatal(self, error: BaseException) -> bool:
        """By the server's own code."""
        return isinstance(error, psycopg.Error) and error.sqlstate in _FATAL

    @property
    def reusable(self) -> bool:
        """Whether it is whole and outside of any transaction."""
        return self._raw.info.transaction_status is TransactionStatus.IDLE

    def passing(self, error: BaseException) -> bool:
        """By the server's own code, or because it is not there."""
        gone = self._raw.closed or self._raw.broken
        return isinstance(error, psycopg.Error) and (gone or error.sqlstate in _PASSING)

    def renew(self) -> None:
        """Connect again where the server hung up."""
        if self._raw.closed or self._raw.broken:
            self._raw.close()
            self._raw = self._connected()

    def close(self) -> None:
        """Hang up."""
        self._raw.close()

    def _connected(self) -> psycopg.Connection[Any]:
        raw = psycopg.connect(self._address, autocommit=True, connect_timeout=5, options=_TIMEOUTS)
        raw.adapters.register_dumper(bool, _Whole)
        if self._writes:
            # Whatever role or database say otherwise: what we acknowledge is on the disk.
            raw.execute("set synchronous_commit = on") if _setting(raw, "synchronous_commit") == "off" else None
        else:
            raw.execute("set default_transaction_read_only = on")
        return raw

    def _as_read(self, sql: str, kind: str) -> str:
        found = self._read.get((sql, kind))
        if found is None:
            found = as_read(sql)
            if kind:
                found = found.replace("%", "%%")
                found = found.replace("?", "%s") if kind == "placed" else _NAMED.sub(r"%(\1)s", found)
            self._read[sql, kind] = found
        return found


def as_read(sql: str) -> str:
    """Return a statement of SQLite as PostgreSQL has it; parameters stay."""
    for words, ours in _WORDS:
        sql = words.sub(ours, sql)
    return sql


def open_writer(address: str, *, schema: str = "") -> Connection:
    """Open a ledger for writing, beside others who may do the same.

    Raises:
        StoreError: nobody answers, the server may lose what it committed, or the tables are not as we make them.
    """
    with _translated(address):
        connection = Connection(address, writes=True)
        with contextlib.ExitStack() as undo:
            undo.callback(connection.close)
            _check_durable(connection)
            postgres_schema.install(connection, extra=schema)
            undo.pop_all()
    return connection


def open_reader(address: str) -> Connection:
    """Open a connection that cannot write.

    Raises:
        StoreError: nobody answers, or there is no ledger that we can read.
    """
    with _translated(address):
        connection = Connection(address, writes=False)
        with contextlib.ExitStack() as undo:
            undo.callback(connection.close)
            connection.execute("select size from ledger_head").fetchone()
            undo.pop_all()
    return connection


def _check_durable(connection: Connection) -> None:
    for name, wanted in _DURABLE.items():
        got = connection.execute(f"show {name}").fetchone()[0]
        if got != wanted:
            raise StoreError(f"expected a server that keeps what it commits ({name} = {wanted}), got {got}")


def _setting(raw: psycopg.Connection[Any], name: str) -> str:
    row = raw.execute(f"show {name}").fetchone()
    return str(row[0]) if row else ""


@contextlib.contextmanager
def _translated(address: str) -> Iterator[None]:
    try:
        yield
    except psycopg.Error as error:
        # The address may hold a password.
        where = re.sub(r"//[^@/]*@", "//…@", address)
        raise StoreError(f"expected a ledger to open at {where}, got: {error}") from error
