"""Make a ledger as the first version made it: its tables word for word, and entries of its kind.

The tables are those of commit d45e7a8. `python tests/vectors/first_ledger.py FILE NUMBER` writes a file with
so many entries, each hashed as ever.
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

from pysqlite3 import dbapi2 as sqlite

from audit.entry import GENESIS_KIND, GENESIS_PREV, Actor, Draft, leaf_hash, seal

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
  ts   integer not null
) strict;
insert into ledger_head select 1, 0, zeroblob(32), 0 where not exists (select 1 from ledger_head);
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
"""
LOG = "example.com/ledger"
ALICE = Actor("alice", "human", "SHA256:abc")


def make(path: Path, number: int, genesis: dict[str, object]) -> None:
    connection = sqlite.connect(path, isolation_level=None)
    connection.execute("pragma journal_mode = wal")
    connection.executescript(f"begin;{SCHEMA}commit;")
    connection.execute("begin")
    prev, leaf, ts = GENESIS_PREV, bytes(32), 0
    for seq in range(number):
        ts = 1_600_000_000_000 + seq
        draft = Draft("sign_off.given", ALICE, "garden", f"refs/heads/b{seq}", {"number": seq, "text": "é" * (seq % 7)})
        if not seq:
            draft = Draft(GENESIS_KIND, ALICE, "", "", genesis)
        _, body = seal(draft, log=LOG, seq=seq, prev=prev, ts=ts)
        leaf = leaf_hash(body)
        prev = leaf.hex()
        connection.execute("insert into ledger_entry(seq, body, leaf) values (?, ?, ?)", (seq, body.decode(), leaf))
    if number:
        connection.execute("update ledger_head set (size, head, ts) = (?, ?, ?)", (number, leaf, ts))
    for data in (b"", b"payload", bytes(range(256)) * 300):
        connection.execute("insert into ledger_blob values (?, ?)", (hashlib.sha256(data).digest(), data))
    connection.execute("commit")
    connection.close()


if __name__ == "__main__":
    make(Path(sys.argv[1]), int(sys.argv[2]), {"format": 1})
