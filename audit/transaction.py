"""What a command may do while the writer runs it: append, keep a blob, and change its own tables, all or nothing.

A command is a function of a transaction. It may be run twice, the first run being rolled back, so it must not touch
anything else; and it should be short, because everybody waits for it. What it reads it fetches before it returns.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from audit.entry import blob_reference, leaf_hash, seal
from audit.errors import EntryError, StoreError
from audit.reads import Head

if TYPE_CHECKING:
    import sqlite3 as sqlite
    from collections.abc import Callable, Mapping, Sequence

    from audit.entry import Draft, Entry

    Projector = Callable[["Transaction", Entry], None]
else:
    from pysqlite3 import dbapi2 as sqlite

MAX_BLOB = 16 * 1024 * 1024

# A command that could commit, roll back or attach would take the batch out of the writer's hands.
_VERBS = frozenset({"select", "insert", "update", "delete", "with"})


class Transaction:
    """A command's view of the writer's transaction. Good until the command returns, and on the writer's thread only.

    `now` is milliseconds since 1970 UTC: read once for all that commits together, and never before the last entry.
    """

    def __init__(self, connection: sqlite.Connection, head: Head, *, log: str, now: int, projector: Projector) -> None:
        self.now = now
        self._connection = connection
        self._head = head
        self._log = log
        self._projector = projector
        self._open = True
        self._folding = False
        self._spoiled: BaseException | None = None

    def append(self, draft: Draft) -> Entry:
        """Write the next entry and fold it into the state tables.

        Raises:
            EntryError: the draft is not fit; nothing was written, and the command may go on.
            StoreError: called after the command returned, or by the projector (which would append again on a rebuild).
        """
        self._check_open()
        if self._folding:
            raise StoreError(f"expected the projector only to fold, got an append of {draft.kind}")
        head = self._head
        entry, body = seal(draft, log=self._log, seq=head.size, prev=head.leaf.hex(), ts=self.now)
        leaf = leaf_hash(body)
        try:
            self._connection.execute(
                "insert into ledger_entry(seq, body, leaf) values (?, ?, ?)", (entry.seq, body.decode(), leaf)
            )
            self._head = Head(entry.seq + 1, leaf, entry.ts)
            self._folding = True
            self._projector(self, entry)
        except BaseException as error:
            # The entry may be written and not folded. A command that swallows this must fail all the same.
            self._spoiled = error
            raise
        finally:
            self._folding = False
        return entry

    def blob(self, data: bytes) -> dict[str, object]:
        """Keep a payload too large for a body; the answer goes into an entry's data as its name.

        Raises:
            EntryError: larger than 16 MiB.
        """
        self._check_open()
        if len(data) > MAX_BLOB:
            raise EntryError(f"expected a blob of at most {MAX_BLOB} bytes, got {len(data)}")
        reference = blob_reference(data)
        self._statement(
            "insert into ledger_blob select :key, :data"
            " where not exists (select 1 from ledger_blob where sha256 = :key)",
            {"key": bytes.fromhex(str(reference["sha256"])), "data": data},
        )
        return reference

    def execute(self, sql: str, params: Sequence[object] | Mapping[str, object] = ()) -> sqlite.Cursor:
        """Run one statement on the command's own tables: select, insert, update, delete or with.

        A statement that is not a plain select may not name a table of the ledger: an entry that was not appended here,
        or a blob under a wrong name, would leave a ledger that does not verify.

        Raises:
            StoreError: another statement, several, one that names our tables, or a use after the command returned.
            sqlite.Error: as the store has it, for the command to tell a conflict from a fault.
        """
        self._check_open()
        words = sql.lower()
        verb = words.split(None, 1)[0] if words.strip() else "nothing"
        if verb not in _VERBS:
            raise StoreError(f"expected a statement of {', '.join(sorted(_VERBS))}, got {verb}")
        if verb != "select" and "ledger_" in words:
            raise StoreError(f"expected a statement on the command's own tables, got one that names ours: {sql[:200]}")
        return self._statement(sql, params)

    def finish(self) -> Head:
        """Where the ledger now ends; the transaction is of no more use. For the writer.

        Raises:
            BaseException: the failure that spoiled it, if the command did not let it through.
        """
        self._open = False
        if self._spoiled is not None:
            raise self._spoiled
        return self._head

    def _statement(self, sql: str, params: Sequence[object] | Mapping[str, object]) -> sqlite.Cursor:
        try:
            return self._connection.execute(sql, params)
        except sqlite.Warning as error:  # What this driver calls a second statement.
            raise StoreError(f"expected one statement, got: {error}") from error
        except sqlite.Error as error:
            if not self._connection.in_transaction:
                # SQLite gave up the whole transaction (a full disk, say). What follows would commit by itself.
                self._spoiled = error
            raise

    def _check_open(self) -> None:
        if not self._open:
            raise StoreError("expected a transaction to be used by its command, got a use after it returned")
        if self._spoiled is not None:
            raise StoreError(
                "expected nothing after a failed append or a lost transaction, got more"
            ) from self._spoiled
