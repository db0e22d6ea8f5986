"""The state tables. Every row follows from entries alone; `rebuild` proves it.

Plain SQL, not an ORM: a second definition of each table costs a millisecond or two a write (SECURITY.md, D4).
One text for both engines: `freeze` is a word of PostgreSQL's own, and stands in quotes.
"""

from __future__ import annotations

from governance.state import accounts, confirmations, job_runs, notices
from governance.state.rooms import ROOMS

_OWN = (
    "epoch",
    "policy",
    "principal",
    "signing_key",
    "enrolment",
    "token",
    "repository",
    "continuity",
    "lapse",
    "ref_value",
    "reservation",
    "push_signer",
    "change",
    "patch_set",
    "sign_off",
    "landing",
    "statement",
    "freeze",
)

TABLES = (*_OWN, *(table for room in ROOMS for table in room.TABLES))
"""Every projection, in the order that `rebuild --check` compares them."""

WORKING = (*notices.WORKING, *confirmations.WORKING, *accounts.WORKING, *job_runs.WORKING)
"""Tables that no entry makes: a rebuild neither compares nor replaces them."""

_SCHEMA = """
create table if not exists epoch(name text primary key, seq integer not null, mark text not null) strict, without rowid;
create table if not exists policy(seq integer primary key, digest text not null, meaning text not null) strict;
create table if not exists principal(
  name text primary key, kind text not null, role text not null, operator text not null,
  model_family text not null, emails text not null, delegates text not null, uid integer,
  added_seq integer not null, retired_seq integer) strict, without rowid;
create table if not exists signing_key(
  fingerprint text primary key, principal text not null, certificate text not null, subkeys text not null,
  enrolled_at integer not null, enrolled_seq integer not null, revoked_at integer, revoked_seq integer)
  strict, without rowid;
create index if not exists signing_key_principal on signing_key(principal);
create table if not exists enrolment(
  digest text primary key, principal text not null, expires_at integer not null, used_seq integer)
  strict, without rowid;
create table if not exists token(
  id text primary key, digest text not null unique, principal text not null, repository text not null,
  issued_at integer not null, expires_at integer not null, revoked_seq integer) strict, without rowid;
create table if not exists repository(
  name text primary key, id text not null unique, path text not null, git_uid integer not null,
  advisory integer not null, host text not null, added_seq integer not null, mode text not null, removed_seq integer)
  strict, without rowid;
create table if not exists continuity(
  repository text primary key, good integer not null, hooks text not null, at integer not null, seq integer not null)
  strict, without rowid;
create table if not exists lapse(
  repository text not null, ref text not null, found text not null, recorded text not null, state text not null,
  seq integer not null, primary key(repository, ref, found)) strict, without rowid;
create table if not exists ref_value(
  repository text not null, ref text not null, oid text not null, seq integer not null,
  primary key(repository, ref)) strict, without rowid;
create table if not exists reservation(
  seq integer not null, position integer not null, repository text not null, handle text not null,
  old text not null, new text not null, ref text not null, state text not null, closed_seq integer,
  primary key(seq, position)) strict, without rowid;
create index if not exists reservation_open on reservation(repository, ref) where state = 'reserved';
create table if not exists push_signer(
  seq integer not null, ref text not null, fingerprint text not null, commits integer not null,
  primary key(seq, ref, fingerprint)) strict, without rowid;
create index if not exists push_signer_key on push_signer(fingerprint, seq);
create table if not exists change(
  repository text not null, number integer not null, ref text not null, target text not null, title text not null,
  author text not null, state text not null, patch_set integer not null, opened_seq integer not null,
  closed_seq integer, primary key(repository, number)) strict, without rowid;
create index if not exists change_open on change(repository, ref) where state in ('pending', 'open');
create table if not exists patch_set(
  repository text not null, number integer not null, patch_set integer not null, head text not null,
  base text not null, tree text not null, diff_digest text not null, about text not null, seq integer not null,
  primary key(repository, number, patch_set)) strict, without rowid;
create index if not exists patch_set_head on patch_set(repository, head);
create table if not exists sign_off(
  seq integer primary key, repository text not null, number integer not null, patch_set integer not null,
  principal text not null, verdict text not null, binding text not null, diff_digest text not null,
  key text not null, expires_at integer not null, withdrawn_seq integer, spent_seq integer) strict;
create index if not exists sign_off_change on sign_off(repository, number);
create index if not exists sign_off_against on sign_off(repository, diff_digest);
create table if not exists landing(
  seq integer primary key, repository text not null, number integer not null, patch_set integer not null,
  head text not null, asked_by text not null, key text not null, token text not null, state text not null,
  code text not null, message text not null, decided_seq integer, closed_seq integer) strict;
create index if not exists landing_waiting on landing(repository) where closed_seq is null;
create index if not exists landing_change on landing(repository, number);
create table if not exists statement(digest text primary key, seq integer not null) strict, without rowid;
create table if not exists "freeze"(
  seq integer primary key, repository text not null, reason text not null, by text not null, lifted_seq integer)
  strict;
create index if not exists freeze_standing on "freeze"(repository) where lifted_seq is null;
"""

SCHEMA = _SCHEMA + "".join(room.SCHEMA for room in ROOMS) + job_runs.SCHEMA
