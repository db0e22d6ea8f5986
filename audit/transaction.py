"""What a command may do while the writer runs it: append, keep a blob, and change its own tables, all or nothing.

A command is a function of a transaction. It may be run twice, the first run being rolled back, so it must not touch
anything else; and it should be short, because everybody waits for it. What it reads it fetches before it returns.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from itertools import chain
from typing import TYPE_CHECKING, Any

from audit.entry import blob_reference, leaf_hash, parse, seal
from audit.errors import EntryError, StoreError
from audit.kinds import COMMIT
from audit.private import commit
from audit.publishing import add_signatures
from audit.reads import Head
from audit.reads import entry as entry_at

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from audit.entry import Draft, Entry
    from audit.kinds import Kinds
    from audit.stores import WritingConnection

    Projector = Callable[["Transaction", Entry], None]

MAX_BLOB = 16 * 1024 * 1024

_INSERT = "insert into ledger_entry(seq, body, leaf) values (?, ?, ?)"
_SIDE_BY_SIDE = 16
_INSERT_MANY = _INSERT + ", (?, ?, ?)" * (_SIDE_BY_SIDE - 1)
_KEEP = "insert into ledger_private(seq, field, salt, value) values (?, ?, ?, ?)"

# A command that could commit, roll back or attach would take the batch out of the writer's hands.
_VERBS = frozenset({"select", "insert", "update", "delete", "with"})


Rows = list[tuple[int, str, bytes]]
"""Entries of a batch that wait to be written: side by side they cost the store a third less than one by one."""


def write(connection: WritingConnection, waiting: Rows) -> None:
    """Write what waits. Before the batch is committed, and before anybody reads what is there."""
    rows = waiting.copy()
    waiting.clear()
    many = len(rows) - len(rows) % _SIDE_BY_SIDE
    for at in range(0, many, _SIDE_BY_SIDE):
        connection.execute(_INSERT_MANY, [*chain.from_iterable(rows[at : at + _SIDE_BY_SIDE])])
    if many < len(rows):
        connection.executemany(_INSERT, rows[many:])


class Transaction:
    """A command's view of the writer's transaction. Good until the command returns, and on the writer's thread only.

    `now` is milliseconds since 1970 UTC: read once for all that commits together, and never before the last entry.
    """

    __slots__ = (
        "_at_once", "_connection", "_folding", "_head", "_kinds", "_log", "_open", "_projector", "_spoiled", "_waiting",
        "leaves", "now",
    )  # fmt: skip

    def __init__(
        self,
        connection: WritingConnection,
        head: Head,
        *,
        waiting: Rows,
        log: str,
        now: int,
        projector: Projector,
        kinds: Kinds | None = None,
    ) -> None:
        self.now = now
        self.leaves: list[bytes] = []
        """The leaf hashes of what was appended here. For the writer."""
        self._kinds = kinds
        self._connection = connection
        self._waiting = waiting
        self._at_once = not connection.may_wait
        self._head = head
        self._log = log
        self._projector = projector
        self._open = True
        self._folding = False
        self._spoiled: BaseException | None = None

    def append(self, draft: Draft, *, key: str = "") -> Entry:
        """Write the next entry and fold it into the state tables.

        Under a `key` that was used before nothing is written, and the answer is the entry that was appended then:
        whoever lost an answer can ask again, and of several replicas one writes.

        Raises:
            EntryError: the draft is not fit, or the key was used for another kind or subject; nothing was written, and
                the command may go on.
            StoreError: called after the command returned, or by the projector (which would append again on a rebuild).
        """
        self._check_open()
        if self._folding:
            raise StoreError(f"expected the projector only to fold, got an append of {draft.kind}")
        if key and (before := self._before(key, draft)):
            return before
        return self._append(draft, key)

    def _append(self, draft: Draft, key: str) -> Entry:
        rows: list[tuple[str, bytes, str]] = []
        if draft.private:
            commitments, rows = commit(draft.private)
            draft = replace(draft, data={**draft.data, COMMIT: commitments})
        head = self._head
        entry, body = seal(draft, log=self._log, seq=head.size, prev=head.leaf.hex(), ts=self.now)
        if self._kinds is not None and head.size:
            self._kinds.check(entry.kind, entry.data)
        leaf = leaf_hash(body)
        try:
            self._waiting.append((entry.seq, body.decode(), leaf))
            if self._at_once:
                self._write()
            for field, salt, value in rows:
                self._connection.execute(_KEEP, (entry.seq, field, salt, value))
            if key:
                self._connection.execute("insert into ledger_request(id, seq) values (?, ?)", (key, entry.seq))
            self._head = Head(entry.seq + 1, leaf, entry.ts)
            self.leaves.append(leaf)
            self._folding = True
            self._projector(self, entry)
        except BaseException as error:
            # The entry may be written and not folded. A command that swallows this must fail all the same.
            self._spoiled = error
            raise
        finally:
            self._folding = False
        return entry

    def _before(self, key: str, draft: Draft) -> Entry | None:
        """The entry that was appended under a key."""
        row = self._connection.execute("select seq from ledger_request where id = ?", (key,)).fetchone()
        if row is None:
            return None
        self._write()
        found = entry_at(self._connection, row[0])
        if found is None:
            raise EntryError(f"expected the key {key!a} to be new, got that of entry {row[0]}, whose body is pruned")
        entry = parse(found.body)
        if (entry.kind, entry.repo, entry.subject) != (draft.kind, draft.repo, draft.subject):
            raise EntryError(f"expected the key {key!a} to be for {entry.kind} {entry.subject!a}, as entry {entry.seq}")
        return entry

    def maintain(self, work: Callable[[WritingConnection], object]) -> None:
        """Do what no command may on the ledger's own tables: erase, prune. Only beside an entry that says so.

        Raises:
            StoreError: nothing was appended by this command yet.
        """
        self._check_open()
        if not self.leaves:
            raise StoreError("expected an entry that says what is done, got none before it")
        self._at_once = True  # What is appended from here on, it sees as well.
        self._write()
        try:
            work(self._connection)
        except BaseException as error:
            self._spoiled = error
            raise

    def cosign(self, signed: str, *, enough: bool = True) -> None:
        """Keep what others have signed of a checkpoint that is kept (`publishing.add_signatures`)."""
        self._check_open()
        add_signatures(self._connection, signed, enough=enough)

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

    def execute(self, sql: str, params: Sequence[object] | Mapping[str, object] = ()) -> Any:  # noqa: ANN401
        """Run one statement on the command's own tables: select, insert, update, delete or with.

        A statement that is not a plain select may not name a table of the ledger: an entry that was not appended here,
        or a blob under a wrong name, would leave a ledger that does not verify. Not promised: what `changes()` and
        `last_insert_rowid()` say, for a statement of ours may stand between two of the command's.

        Raises:
            StoreError: another statement, several, one that names our tables, or a use after the command returned.
            Exception: as the store has it. The command may not go on after it on PostgreSQL, and need not on SQLite.
        """
        self._check_open()
        if _names_ours(sql):
            self._write()
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

    def _statement(self, sql: str, params: Sequence[object] | Mapping[str, object]) -> Any:  # noqa: ANN401
        try:
            return self._connection.execute(sql, params)
        except self._connection.Warning as error:  # What SQLite's driver calls a second statement.
            raise StoreError(f"expected one statement, got: {error}") from error
        except self._connection.Error as error:
            if self._connection.lost:
                # The store gave up the whole transaction (a full disk, say). What follows would commit by itself.
                self._spoiled = error
            raise

    def _write(self) -> None:
        """Write what was appended, for whoever reads it now."""
        try:
            write(self._connection, self._waiting)
        except BaseException as error:
            self._spoiled = error
            raise

    def _check_open(self) -> None:
        if not self._open:
            raise StoreError("expected a transaction to be used by its command, got a use after it returned")
        if self._spoiled is not None:
            raise StoreError(
                "expected nothing after a failed append or a lost transaction, got more"
            ) from self._spoiled


@lru_cache(maxsize=1024)
def _names_ours(sql: str) -> bool:
    """Whether a statement may read the ledger's tables. Remembered: the same ones come again and again.

    Raises:
        StoreError: it is one that a command may not run.
    """
    words = sql.lower()
    verb = words.split(None, 1)[0] if words.strip() else "nothing"
    if verb not in _VERBS:
        raise StoreError(f"expected a statement of {', '.join(sorted(_VERBS))}, got {verb}")
    # PostgreSQL reads `U&"ledger\\005fentry"` as a name: by its escapes any could be spelt.
    ours = "ledger_" in words or 'u&"' in words
    if ours and verb != "select":
        raise StoreError(f"expected a statement on the command's own tables, got one that names ours: {sql[:200]}")
    return ours
