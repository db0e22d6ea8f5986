"""The tables of a ledger on PostgreSQL, and what they refuse whoever asks: the same as on SQLite, and TRUNCATE.

Whoever owns the tables can drop the triggers, and whoever is superuser anything. `install` refuses what differs from
what it makes; let an owner make the tables and give the service's own role no more than SELECT, INSERT and, on head row
and checkpoints, UPDATE: `script` says it in SQL, and deploy/postgresql.md tells how. Such a role makes no table of
ours, and compares all the same: with temporary tables, which everybody may have.
"""

from __future__ import annotations

import re
from typing import Any, Protocol

from audit.errors import StoreError
from audit.stores import migrating
from audit.stores.sqlite_schema import TABLES

SCHEMA = """
create or replace function ledger_refuse() returns trigger language plpgsql as $$
  begin raise exception '%: append only', tg_table_name; end $$;
create or replace function ledger_entry_next() returns trigger language plpgsql as $$
  begin
    if new.seq is distinct from (select coalesce(max(seq) + 1, 0) from ledger_entry) then
      raise exception 'ledger_entry: seq must be the next'; end if;
    return new;
  end $$;
create or replace function ledger_head_last() returns trigger language plpgsql as $$
  begin
    if not exists (select 1 from ledger_entry where (seq + 1, leaf, ts) = (new.size, new.head, new.ts)
                   and seq = (select max(seq) from ledger_entry)) then
      raise exception 'ledger_head: must name the last entry'; end if;
    return new;
  end $$;
create or replace function ledger_tile_next() returns trigger language plpgsql as $$
  begin
    if new.idx is distinct from (select coalesce(max(idx) + 1, 0) from ledger_tile where level = new.level) then
      raise exception 'ledger_tile: idx must be the next'; end if;
    return new;
  end $$;
create or replace function ledger_checkpoint_grows() returns trigger language plpgsql as $$
  begin
    if tg_op = 'INSERT' then
      if new.size <= (select coalesce(max(size), -1) from ledger_checkpoint) then
        raise exception 'ledger_checkpoint: size must grow'; end if;
    elsif new.size <> old.size or left(new.note, length(old.note)) <> old.note then
      raise exception 'ledger_checkpoint: only signatures may be added'; end if;
    return new;
  end $$;
create or replace function ledger_checkpoint_thins() returns trigger language plpgsql as $$
  begin
    if old.size = (select max(size) from ledger_checkpoint) then
      raise exception 'ledger_checkpoint: append only, the newest stays'; end if;
    return old;
  end $$;
create or replace function ledger_pruned_next() returns trigger language plpgsql as $$
  begin
    if new.idx is distinct from (select coalesce(max(idx) + 1, 0) from ledger_pruned) then
      raise exception 'ledger_pruned: idx must be the next'; end if;
    return new;
  end $$;

create table if not exists ledger_entry(
  seq     bigint primary key,
  body    text not null check(octet_length(body) <= 65535),
  leaf    bytea not null check(octet_length(leaf) = 32),
  kind    text not null generated always as ((body::jsonb) ->> 'kind') stored,
  actor   text not null generated always as ((body::jsonb) -> 'actor' ->> 'id') stored,
  ts      bigint not null generated always as (((body::jsonb) ->> 'ts')::bigint) stored,
  repo    text not null generated always as ((body::jsonb) ->> 'repo') stored,
  subject text not null generated always as ((body::jsonb) ->> 'subject') stored,
  check(((body::jsonb) ->> 'seq')::bigint = seq)
);
create index if not exists ledger_entry_repo on ledger_entry(repo, seq);
create index if not exists ledger_entry_kind on ledger_entry(kind, seq);
create or replace trigger ledger_entry_insert before insert on ledger_entry
  for each row execute function ledger_entry_next();

create table if not exists ledger_head(
  id   bigint primary key check(id = 1),
  size bigint not null,
  head bytea not null check(octet_length(head) = 32),
  ts   bigint not null,
  frontier bytea not null check(octet_length(frontier) % 32 = 0)
);
insert into ledger_head select 1, 0, decode(repeat('00', 32), 'hex'), 0, ''
  where not exists (select 1 from ledger_head);
create or replace trigger ledger_head_update before update on ledger_head
  for each row execute function ledger_head_last();

create table if not exists ledger_blob(
  sha256 bytea primary key check(octet_length(sha256) = 32),
  data   bytea not null
);

create table if not exists ledger_tile(
  level bigint not null,
  idx   bigint not null,
  root  bytea not null check(octet_length(root) = 32),
  primary key(level, idx)
);
create or replace trigger ledger_tile_insert before insert on ledger_tile
  for each row execute function ledger_tile_next();

create table if not exists ledger_checkpoint(
  size bigint primary key,
  note text not null,
  cosigned bigint not null default 0 check(cosigned in (0, 1))
);
create or replace trigger ledger_checkpoint_change before insert or update on ledger_checkpoint
  for each row execute function ledger_checkpoint_grows();

create or replace trigger ledger_checkpoint_delete before delete on ledger_checkpoint
  for each row execute function ledger_checkpoint_thins();

create table if not exists ledger_private(
  seq   bigint not null,
  field text not null,
  salt  bytea not null check(octet_length(salt) = 32),
  value text not null,
  primary key(seq, field)
);

create table if not exists ledger_pruned(
  idx    bigint primary key,
  leaves bytea not null check(octet_length(leaves) = 8192)
);
create or replace trigger ledger_pruned_insert before insert on ledger_pruned
  for each row execute function ledger_pruned_next();

create table if not exists ledger_request(
  id  text primary key,
  seq bigint not null
);
"""

_NO_DELETE = [table for table in TABLES if table not in {"ledger_private", "ledger_checkpoint"}]
_NO_UPDATE = [table for table in TABLES if table not in {"ledger_head", "ledger_checkpoint"}]
_GUARDS = "".join(
    f"create or replace trigger {table}_{deed} before {deed} on {table} {each} execute function ledger_refuse();\n"
    for deed, each, tables in (
        ("delete", "for each row", _NO_DELETE),
        ("truncate", "for each statement", list(TABLES)),
        ("update", "for each row", _NO_UPDATE),
    )
    for table in tables
)

_MADE = """
select 'table ' || c.relname || '.' || a.attname,
       concat_ws(' ', format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attgenerated,
                 pg_get_expr(d.adbin, d.adrelid))
  from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
  left join pg_attrdef d on (d.adrelid, d.adnum) = (c.oid, a.attnum)
  where c.relnamespace = ?::text::regnamespace and c.relkind in ('r', 'p') and c.relname = any(?::text[])
union all
select 'constraint ' || c.relname || '.' || n.conname, pg_get_constraintdef(n.oid)
  from pg_constraint n join pg_class c on c.oid = n.conrelid
  where c.relnamespace = ?::text::regnamespace and c.relname = any(?::text[])
union all
select 'index ' || x.relname, replace(pg_get_indexdef(x.oid), concat(?::text, '.'), '')
  from pg_index i join pg_class c on c.oid = i.indrelid join pg_class x on x.oid = i.indexrelid
  where c.relnamespace = ?::text::regnamespace and c.relname = any(?::text[])
union all
select 'trigger ' || c.relname || '.' || t.tgname,
       concat_ws(' ', replace(pg_get_triggerdef(t.oid), concat(?::text, '.'), ''), t.tgenabled, p.prosrc)
  from pg_trigger t join pg_class c on c.oid = t.tgrelid join pg_proc p on p.oid = t.tgfoid
  where c.relnamespace = ?::text::regnamespace and c.relname = any(?::text[]) and not t.tgisinternal
union all
select 'rule ' || tablename || '.' || rulename, definition from pg_rules
  where schemaname = ?::text and tablename = any(?::text[])
"""
_FUNCTION = re.compile(r"\bfunction (ledger_\w+)")
_TEMPORARY = re.compile(r"\bpg_temp(_[0-9]+)?\.")
_MAY_CREATE = "select has_schema_privilege(current_schema(), 'create')"


class Connection(Protocol):
    """What making tables needs of a connection."""

    @property
    def in_transaction(self) -> bool:
        """Whether something is to be rolled back."""
        ...

    def begin(self) -> None:
        """Begin, with the ledger's lock."""
        ...

    def execute(self, sql: str, params: Any = ..., /) -> Any:  # noqa: ANN401  # The driver's own types.
        """Run one statement."""
        ...

    def script(self, sql: str) -> None:
        """Run several."""
        ...


def install(connection: Connection, *, extra: str = "") -> None:
    """Create what is missing of our tables and, in the same transaction, of the caller's (`extra`).

    A role that may create nothing here only compares; whose the tables are has to have been before it.

    Raises:
        StoreError: something on our tables is not as we make it; nothing was changed.
        psycopg.Error: the server, or the caller's statements.
    """
    migrating.migrate(connection, dialect="postgresql")
    connection.begin()
    try:
        there = connection.execute("select to_regclass('ledger_entry') is not null").fetchone()[0]
        # A trigger that somebody changed must be seen, so what is there is not made again.
        if not there:
            connection.script(SCHEMA + _GUARDS + migrating.STAMP)
        if extra.strip() and connection.execute(_MAY_CREATE).fetchone()[0]:
            connection.script(extra)
        _compare(_made(connection, "current_schema()"), _as_we_make_them(connection))
    except BaseException:
        connection.execute("rollback") if connection.in_transaction else None
        raise
    connection.execute("commit")


def script(role: str) -> str:
    """Return the statements by which an owner makes the ledger's tables for a service that runs as `role`."""
    return f"{SCHEMA}\n{_GUARDS}\n{migrating.STAMP}\n{grants(role)}"


def grants(role: str) -> str:
    """Return what a role needs that serves a ledger whose tables belong to another."""
    tables = ", ".join(TABLES)
    return (
        f"grant select, insert on {tables}, alembic_version to {role};\n"
        f"grant update on ledger_head, ledger_checkpoint to {role};\n"
        f"grant delete on ledger_private, ledger_checkpoint to {role};\n"
    )


def _made(connection: Connection, schema: str) -> dict[str, str]:
    name = connection.execute(f"select {schema}").fetchone()[0]  # Our own words.
    tables = list(TABLES)
    params = [name, tables, name, tables, name, name, tables, name, name, tables, name, tables]
    return {row[0]: _TEMPORARY.sub("", str(row[1])) for row in connection.execute(_MADE, params)}


def _as_we_make_them(connection: Connection) -> dict[str, str]:
    """Make our tables anew as temporary ones, look, and undo it."""
    connection.execute("savepoint fresh")
    path = connection.execute("show search_path").fetchone()[0]
    # Tables are found there by themselves, functions never.
    ours = _FUNCTION.sub(r"function pg_temp.\1", SCHEMA + _GUARDS)
    connection.script(f"set local search_path to pg_temp; {ours}")
    made = _made(connection, "pg_my_temp_schema()::regnamespace::text")
    connection.execute("rollback to savepoint fresh")
    if connection.execute("show search_path").fetchone()[0] != path:
        raise StoreError(f"expected to be back in {path}")
    return made


def _compare(found: dict[str, str], expected: dict[str, str]) -> None:
    for name in sorted(found.keys() | expected.keys()):
        if name not in expected:
            raise StoreError(f"expected nothing on the ledger's tables but our own, got {name}: {found[name]}")
        if found.get(name) != expected[name]:
            raise StoreError(f"expected {name} as this version makes it, got: {found.get(name)}")
