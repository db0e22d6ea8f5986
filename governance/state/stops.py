"""Vetoes and freezes, as they stand, and what counts towards a freeze by rule.

Folded from entries; read under the ledger lock for a decision. A freeze because refs moved is its repository's own
(`repositories`); `freezes` returns both, and nobody reads them elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from audit.entry import Entry
from governance.parameters import STAGES
from governance.record import Kind
from governance.state import repositories
from governance.state.tx import Tx
from governance.stops import REFS, Freeze, Rule, Scope, Subject, Veto, party

Data = Mapping[str, Any]

TABLES: tuple[str, ...] = ("halt", "veto", "misdeed")

SCHEMA = """
create table if not exists halt(
  seq integer primary key, scope text not null, value text not null, repository text not null, reason text not null,
  by text not null, rule text not null, expires_at integer not null, lifted_seq integer) strict;
create index if not exists halt_standing on halt(expires_at) where lifted_seq is null;
create index if not exists halt_rule on halt(rule, scope, value) where rule <> '';
create table if not exists veto(
  seq integer primary key, repository text not null, kind text not null, name text not null, number integer not null,
  by text not null, reason text not null, lifted_seq integer) strict;
create index if not exists veto_change on veto(repository, number) where lifted_seq is null and kind = 'change';
create index if not exists veto_standing on veto(repository, kind, name) where lifted_seq is null;
create index if not exists patch_set_difference on patch_set(repository, diff_digest);
create table if not exists misdeed(
  seq integer not null, position integer not null, rule text not null, who text not null, about text not null,
  ts integer not null, primary key(seq, position)) strict, without rowid;
create index if not exists misdeed_recent on misdeed(rule, ts);
"""

NEVER = 2**53 - 1
"""The end of a freeze that has none: so that one range of the index holds all that stand."""

HEADS = 400
"""How many commits of a push one query asks about."""

_NAMES = "seq, repository, reason, by, scope, value, expires_at, rule"


def freezes(tx: Tx, repository: str, *, at: int = 0) -> tuple[Freeze, ...]:
    """Return every freeze that may stop a move in a repository, oldest first, those over everything among them.

    Those of a role or an operator hold everywhere. With `at`, none that has ended by itself by then.
    """
    sql = (
        'select seq, repository, reason, by from "freeze" '
        "where lifted_seq is null and repository in (?, '') order by seq"
    )
    found = [
        Freeze(seq, where, reason, by, rule=REFS)
        for seq, where, reason, by in tx.execute(sql, (repository,)).fetchall()
    ]
    sql = f"select {_NAMES} from halt where lifted_seq is null and expires_at > ? and repository in (?, '')"  # noqa: S608 - our own text
    found += [_freeze(row) for row in tx.execute(sql, (at, repository)).fetchall()]
    return tuple(sorted(found, key=lambda freeze: freeze.seq))


def halts(tx: Tx, *, at: int) -> tuple[Freeze, ...]:
    """Return every freeze by scope that stands, of all repositories."""
    sql = f"select {_NAMES} from halt where lifted_seq is null and expires_at > ? order by seq"  # noqa: S608 - our own text
    return tuple(_freeze(row) for row in tx.execute(sql, (at,)).fetchall())


def parties(tx: Tx, repository: str, names: Sequence[str], *, at: int) -> Freeze | None:
    """Return the freeze of the role or the operator of one of these principals; None where there is none."""
    standing = [freeze for freeze in freezes(tx, repository, at=at) if freeze.scope in {Scope.ROLE, Scope.OPERATOR}]
    sql = f"select role, operator from principal where name in ({_marks(names)})"  # noqa: S608 - our own text
    people = tx.execute(sql, tuple(names)).fetchall() if standing else []
    found = (party(standing, role=role, operator=operator, at=at) for role, operator in people)
    return next((freeze for freeze in found if freeze is not None), None)


def halt(tx: Tx, seq: int) -> tuple[Freeze, bool] | None:
    """Return a freeze by scope, and whether it was lifted; None where there is none of that number."""
    row = tx.execute(f"select {_NAMES}, lifted_seq from halt where seq=?", (seq,)).fetchone()  # noqa: S608 - our own text
    return (_freeze(row[:-1]), row[-1] is not None) if row else None


def _freeze(row: Sequence[Any]) -> Freeze:
    seq, repository, reason, by, scope, value, expires, rule = row
    return Freeze(seq, repository, reason, by, Scope(scope), value, 0 if expires == NEVER else expires, rule)


_VETO = "select seq, by, reason, repository, kind, name from veto"


def vetoes(tx: Tx, repository: str, *, number: int, digests: Iterable[str], heads: Sequence[str]) -> tuple[Veto, ...]:
    """Return the vetoes of a change, or of one that has had this difference or one of these commits as its head.

    So a veto is not shed by another number, branch, message or base, nor by a patch set in between.
    """
    sql = "select 1 from veto where repository=? and kind='change' and lifted_seq is null limit 1"
    if tx.execute(sql, (repository,)).fetchone() is None:
        return ()
    numbers = {number}
    for column, values in (("diff_digest", list(digests)), ("head", list(heads))):
        for start in range(0, len(values), HEADS):
            some = values[start : start + HEADS]
            sql = f"select distinct number from patch_set where repository=? and {column} in ({_marks(some)})"  # noqa: S608
            numbers.update(row[0] for row in tx.execute(sql, (repository, *some)).fetchall())
    known = sorted(numbers)
    found: list[Veto] = []
    for start in range(0, len(known), HEADS):
        some_of = known[start : start + HEADS]
        sql = f"{_VETO} where repository=? and kind='change' and lifted_seq is null and number in ({_marks(some_of)})"
        found += [_veto(row) for row in tx.execute(sql, (repository, *some_of)).fetchall()]
    return tuple(sorted(found, key=lambda veto: veto.seq))


def vetoed(tx: Tx, repository: str, kind: Subject, name: str) -> Veto | None:
    """Return the oldest veto that stands against a gate, a lock or a decision by its name; None where there is none."""
    sql = f"{_VETO} where repository=? and kind=? and name=? and lifted_seq is null order by seq limit 1"
    row = tx.execute(sql, (repository, kind.value, name)).fetchone()
    return _veto(row) if row else None


def of_feature(tx: Tx, repository: str, feature: str) -> tuple[Veto, ...]:
    """Return the vetoes of a feature's gates: of all of them by its name, of one as `name/STAGE`."""
    names = (feature, *(f"{feature}/{stage}" for stage in STAGES))
    found = (vetoed(tx, repository, Subject.GATE, name) for name in names)
    return tuple(veto for veto in found if veto is not None)


def veto(tx: Tx, seq: int) -> tuple[Veto, bool] | None:
    """Return a veto, and whether it was withdrawn or lifted; None where there is none of that number."""
    sql = "select seq, by, reason, repository, kind, name, lifted_seq from veto where seq=?"
    row = tx.execute(sql, (seq,)).fetchone()
    return (_veto(row[:-1]), row[-1] is not None) if row else None


def standing_vetoes(tx: Tx, repository: str) -> tuple[Veto, ...]:
    """Return every veto that stands in a repository."""
    sql = f"{_VETO} where repository=? and lifted_seq is null order by seq"
    return tuple(_veto(row) for row in tx.execute(sql, (repository,)).fetchall())


def _veto(row: Sequence[Any]) -> Veto:
    seq, by, reason, repository, kind, name = row
    return Veto(seq, by, reason, repository, Subject(kind), name)


def _marks(values: Sequence[object]) -> str:
    return ",".join("?" * len(values))


def _imposed(tx: Tx, entry: Entry, data: Data) -> None:
    row = (entry.seq, data["scope"], data["value"], data["repository"], data["reason"], entry.actor.id, data["trigger"])
    tx.execute("insert into halt values(?,?,?,?,?,?,?,?,null)", (*row, data["expires_at"] or NEVER))
    repositories.statement(tx, entry, data)


def _lifted(tx: Tx, entry: Entry, data: Data) -> None:
    """Lift a freeze by scope; one because refs moved has no scope in its entry, and is lifted with its refs."""
    if data.get("scope"):
        tx.execute("update halt set lifted_seq=? where seq=? and lifted_seq is null", (entry.seq, data["freeze"]))


def _cast(tx: Tx, entry: Entry, data: Data) -> None:
    row = (entry.seq, entry.repo, data["kind"], data["name"], data["number"], entry.actor.id, data["reason"])
    tx.execute("insert into veto values(?,?,?,?,?,?,?,null)", row)
    repositories.statement(tx, entry, data)


def _dropped(tx: Tx, entry: Entry, data: Data) -> None:
    tx.execute("update veto set lifted_seq=? where seq=? and lifted_seq is null", (entry.seq, data["veto"]))
    repositories.statement(tx, entry, data)


BYPASS = "gates.bypass"
INTENT = "write_lock.intent"


def _rules_broken(codes: Iterable[str]) -> list[Rule]:
    said = set(codes)
    found = [Rule.GATE_BYPASS] if BYPASS in said else []
    return [*found, *([Rule.INTENT] if any(code.startswith(INTENT) for code in said) else [])]


def _decided(tx: Tx, entry: Entry, data: Data) -> None:
    """Remember a push that broke a rule that is counted, once for each rule; and a landing under an override."""
    if data["allowed"]:
        if data.get("override"):
            _misdeeds(tx, entry, [(Rule.OVERRIDES, "", str(data["override"]))])
    elif not data.get("observed"):
        codes = [data.get("code", ""), *(reason for verdicts in data.get("verdicts", ()) for reason in verdicts)]
        _misdeeds(tx, entry, [(rule, entry.actor.id, "") for rule in _rules_broken(codes)])


def _refused(tx: Tx, entry: Entry, data: Data) -> None:
    _misdeeds(tx, entry, [(rule, entry.actor.id, "") for rule in _rules_broken([data["code"]])])


def _reviewed(tx: Tx, entry: Entry, data: Data) -> None:
    """Remember whom a third party blocked, with each who had approved it."""
    if data.get("verdict") == "block" and data.get("author"):
        _misdeeds(tx, entry, [(Rule.PAIR_BLOCK, data["author"], name) for name in sorted(set(data["approvers"]))])


def _misdeeds(tx: Tx, entry: Entry, found: Sequence[tuple[Rule, str, str]]) -> None:
    for position, (rule, who, about) in enumerate(found):
        tx.execute("insert into misdeed values(?,?,?,?,?,?)", (entry.seq, position, rule.value, who, about, entry.ts))


FOLDS: Mapping[Kind, Callable[[Tx, Entry, Data], None]] = {
    Kind.FREEZE_IMPOSED: _imposed,
    Kind.FREEZE_LIFTED: _lifted,
    Kind.VETO_CAST: _cast,
    Kind.VETO_LIFTED: _dropped,
    Kind.PUSH_DECIDED: _decided,
    Kind.REQUEST_REFUSED: _refused,
    Kind.TERTIARY_GIVEN: _reviewed,
}
