"""The tables of a ledger, and what they refuse whoever asks.

Entries are only ever appended, the next number each time. A trigger before INSERT sees to that, because `INSERT OR
REPLACE` skips the triggers on UPDATE and DELETE. The columns beside the body are generated from it and cannot be set,
so that they cannot say something else. The head row can only name the last entry; beside it stands the right edge of
the tree. Full tiles, blobs and requests are never changed; a checkpoint only gains signatures; a private value can be
erased and not altered.

Whoever can write the file can drop the triggers. `install` puts back what is missing and refuses what differs; what was
done in between is for the verifier and the high-water mark to find.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from audit.errors import StoreError
from audit.stores import migrating

if TYPE_CHECKING:
    # The same interface; type checkers know the one in the standard library.
    import sqlite3 as sqlite
    from collections.abc import Iterator
else:
    from pysqlite3 import dbapi2 as sqlite

SCHEMA = """
create table if not exists ledger_entry(
  seq     integer primary key,
  body    text not null check(length(cast(body as blob)) <= 65535),
  leaf    blob not null check(length(leaf) = 32),
  kind    text not null generated always as (json_extract(body, '$.kind')) stored,
  actor   text not null generated always as (json_extract(body, '$.actor.id')) stored,
  ts      integer not null generated always as (json_extract(body, '$.ts')) stored,
  repo    text not null generated always as (json_extract(body, '$.repo')) stored,
  subject text not null generated always as (json_extract(body, '$.subject')) stored,
  check(json_extract(body, '$.seq') is seq)
) strict;
create index if not exists ledger_entry_repo on ledger_entry(repo, seq);
create index if not exists ledger_entry_kind on ledger_entry(kind, seq);
create trigger if not exists ledger_entry_insert before insert on ledger_entry
  when new.seq is not (select coalesce(max(seq) + 1, 0) from ledger_entry)
  begin select raise(abort, 'ledger_entry: seq must be the next'); end;
create trigger if not exists ledger_entry_update before update on ledger_entry
  begin select raise(abort, 'ledger_entry: append only'); end;
create trigger if not exists ledger_entry_delete before delete on ledger_entry
  begin select raise(abort, 'ledger_entry: append only'); end;

create table if not exists ledger_head(
  id   integer primary key check(id = 1),
  size integer not null,
  head blob not null check(length(head) = 32),
  ts   integer not null,
  frontier blob not null check(length(frontier) % 32 = 0)
) strict;
insert into ledger_head select 1, 0, zeroblob(32), 0, x'' where not exists (select 1 from ledger_head);
create trigger if not exists ledger_head_insert before insert on ledger_head
  when exists (select 1 from ledger_head)
  begin select raise(abort, 'ledger_head: one row only'); end;
create trigger if not exists ledger_head_update before update on ledger_head
  when new.size is not (select max(seq) + 1 from ledger_entry)
    or (new.head, new.ts) is not (select leaf, ts from ledger_entry where seq = new.size - 1)
  begin select raise(abort, 'ledger_head: must name the last entry'); end;
create trigger if not exists ledger_head_delete before delete on ledger_head
  begin select raise(abort, 'ledger_head: one row always'); end;

create table if not exists ledger_blob(
  sha256 blob primary key not null check(length(sha256) = 32),
  data   blob not null
) strict;
create trigger if not exists ledger_blob_insert before insert on ledger_blob
  when exists (select 1 from ledger_blob where sha256 = new.sha256)
  begin select raise(abort, 'ledger_blob: content is there already'); end;
create trigger if not exists ledger_blob_update before update on ledger_blob
  begin select raise(abort, 'ledger_blob: append only'); end;
create trigger if not exists ledger_blob_delete before delete on ledger_blob
  begin select raise(abort, 'ledger_blob: append only'); end;

create table if not exists ledger_tile(
  level integer not null,
  idx   integer not null,
  root  blob not null check(length(root) = 32),
  primary key(level, idx)
) strict, without rowid;
create trigger if not exists ledger_tile_insert before insert on ledger_tile
  when new.idx is not (select coalesce(max(idx) + 1, 0) from ledger_tile where level = new.level)
  begin select raise(abort, 'ledger_tile: idx must be the next'); end;
create trigger if not exists ledger_tile_update before update on ledger_tile
  begin select raise(abort, 'ledger_tile: append only'); end;
create trigger if not exists ledger_tile_delete before delete on ledger_tile
  begin select raise(abort, 'ledger_tile: append only'); end;

create table if not exists ledger_checkpoint(
  size integer primary key,
  note text not null,
  cosigned integer not null default 0 check(cosigned in (0, 1))
) strict;
create trigger if not exists ledger_checkpoint_insert before insert on ledger_checkpoint
  when new.size <= (select coalesce(max(size), -1) from ledger_checkpoint)
  begin select raise(abort, 'ledger_checkpoint: size must grow'); end;
create trigger if not exists ledger_checkpoint_update before update on ledger_checkpoint
  when new.size is not old.size or substr(new.note, 1, length(old.note)) is not old.note
  begin select raise(abort, 'ledger_checkpoint: only signatures may be added'); end;
create trigger if not exists ledger_checkpoint_delete before delete on ledger_checkpoint
  when old.size is (select max(size) from ledger_checkpoint)
  begin select raise(abort, 'ledger_checkpoint: append only, the newest stays'); end;

create table if not exists ledger_private(
  seq   integer not null,
  field text not null,
  salt  blob not null check(length(salt) = 32),
  value text not null,
  primary key(seq, field)
) strict, without rowid;
create trigger if not exists ledger_private_update before update on ledger_private
  begin select raise(abort, 'ledger_private: kept or erased, not altered'); end;

create table if not exists ledger_pruned(
  idx    integer primary key,
  leaves blob not null check(length(leaves) = 8192)
) strict;
create trigger if not exists ledger_pruned_insert before insert on ledger_pruned
  when new.idx is not (select coalesce(max(idx) + 1, 0) from ledger_pruned)
  begin select raise(abort, 'ledger_pruned: idx must be the next'); end;
create trigger if not exists ledger_pruned_update before update on ledger_pruned
  begin select raise(abort, 'ledger_pruned: append only'); end;
create trigger if not exists ledger_pruned_delete before delete on ledger_pruned
  begin select raise(abort, 'ledger_pruned: append only'); end;

create table if not exists ledger_request(
  id  text primary key not null,
  seq integer not null
) strict, without rowid;
create trigger if not exists ledger_request_update before update on ledger_request
  begin select raise(abort, 'ledger_request: append only'); end;
create trigger if not exists ledger_request_delete before delete on ledger_request
  begin select raise(abort, 'ledger_request: append only'); end;
"""

TABLES = (
    "ledger_entry",
    "ledger_head",
    "ledger_blob",
    "ledger_tile",
    "ledger_checkpoint",
    "ledger_private",
    "ledger_pruned",
    "ledger_request",
)
"""Every table of a ledger."""

_OBJECTS = f"select name, sql from sqlite_schema where tbl_name in {TABLES}"  # noqa: S608  # Our own names.


def statements() -> Iterator[str]:
    """Yield the schema one statement at a time."""
    statement = ""
    for line in SCHEMA.splitlines(keepends=True):
        statement += line
        if sqlite.complete_statement(statement):
            yield statement
            statement = ""


def _bare(statement: str) -> str:
    """Return a table's statement without generated columns and checks, and with room for rows of any kind."""
    name, columns = statement[statement.index("ledger_") :].split("(", 1)
    names = [line.split()[0] for line in columns.splitlines() if re.match(r"  [a-z0-9]+ +(text|blob|integer)\b", line)]
    return f"create table {name}({', '.join(names)})"


BARE = tuple(_bare(each) for each in statements() if each.strip().startswith("create table"))
"""Our tables with nothing that refuses."""


def install(connection: sqlite.Connection, *, extra: str = "") -> None:
    """Create what is missing of our tables and, in the same transaction, of the caller's (`extra`).

    Raises:
        StoreError: an object on our tables is not as we make it; nothing was changed.
        sqlite.Error: the store, or the caller's statements.
    """
    migrating.migrate(connection, dialect="sqlite")
    connection.executescript(f"begin immediate;{SCHEMA}\n{migrating.STAMP}\n{extra}\n;")
    try:
        _compare(_objects(connection), _as_we_make_them())
    except BaseException:
        connection.execute("rollback")
        raise
    connection.execute("commit")


def is_looked_at(connection: sqlite.Connection) -> bool:
    """Whether a table, view or trigger of the caller's names one of ours: by a foreign key, say."""
    sql = f"select 1 from sqlite_schema where tbl_name not in {TABLES} and lower(sql) like '%ledger\\_%' escape '\\'"  # noqa: S608
    return connection.execute(sql).fetchone() is not None


def _objects(connection: sqlite.Connection) -> dict[str, str | None]:
    return dict(connection.execute(_OBJECTS))


def _as_we_make_them() -> dict[str, str | None]:
    fresh = sqlite.connect(":memory:", isolation_level=None)
    try:
        fresh.executescript(SCHEMA)
        return _objects(fresh)
    finally:
        fresh.close()


def _compare(found: dict[str, str | None], expected: dict[str, str | None]) -> None:
    for name in sorted(found.keys() | expected.keys()):
        if name not in expected:
            raise StoreError(f"expected nothing on the ledger's tables but our own, got {name}: {found[name]}")
        if found.get(name) != expected[name]:
            raise StoreError(f"expected {name} as this version makes it, got: {found.get(name)}")
