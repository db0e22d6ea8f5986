"""How a push ends that never came to a decision: refused, or let through where nothing is enforced. Recorded, both."""

from __future__ import annotations

import contextlib

from audit.entry import Actor
from audit.errors import EntryError
from audit.transaction import Transaction
from governance import explain, gathered, observing, record
from governance.errors import DeniedError, GovernanceError
from governance.identify import Identity
from governance.receive import ALLOWED, REFUSED, UNDECIDED, Answer
from governance.service import Service
from governance.state import read
from governance.state.fold import Tx


def undecidable(
    service: Service, hello: gathered.Hello, who: Identity | None, repository: str, error: GovernanceError
) -> Answer:
    """Record an attempt that ended before a decision; let it through where nothing is enforced, else refuse it.

    Only for what the git user's own hook asked: nobody else is ever told what may move.
    """

    def command(tx: Transaction) -> tuple[int, tuple[observing.Line, ...]]:
        lines = _unjudged(tx, hello, repository)
        if not lines:
            return -1, ()
        actor = _actor(who)
        draft = record.let_through(
            error.code, str(error), lines, actor=actor, repository=repository, handle=hello.handle
        )
        return tx.append(draft).seq, lines

    entry = -1
    lines: tuple[observing.Line, ...] = ()
    if observing.may_pass(error.code):
        with contextlib.suppress(EntryError):  # Too much for one entry: what cannot be written down does not happen.
            entry, lines = service.ledger.run(command)
    if not lines:
        return refuse(service, hello, who, repository, error)
    said = [f"twinseal: {error}", *([f"  Do     {error.mend}"] if error.mend else [])]
    said.append(explain.let_through(error.code, entry=entry))
    return Answer(ALLOWED, "\n".join(explain.plain(line) for line in said) + "\n", lines)


def refuse(
    service: Service, hello: gathered.Hello, who: Identity | None, repository: str, error: GovernanceError
) -> Answer:
    """Record an attempt that ended before a decision, and return its answer."""
    actor = _actor(who)
    lines = [f"{line.old} {line.new} {line.ref}" for line in hello.lines]
    draft = record.refused_early(error.code, str(error), lines, actor=actor, repository=repository)
    entry = service.ledger.run(lambda tx: tx.append(draft).seq)
    code = REFUSED if isinstance(error, DeniedError) else UNDECIDED
    word = "Refused" if code == REFUSED else "Could not decide, so refused"
    said = [f"twinseal: {error}", *([f"  Do     {error.mend}"] if error.mend else [])]
    said.append(f"{word} ({error.code}). Recorded as entry {entry}.")
    return Answer(code, "\n".join(explain.plain(line) for line in said) + "\n")


def _unjudged(tx: Tx, hello: gathered.Hello, repository: str) -> tuple[observing.Line, ...]:
    """Return what a push may move that could not be judged; nothing where rules are enforced."""
    held = any(read.reserved(tx, repository, line.ref) for line in hello.lines)
    sql = "select 1 from repository where name=? and mode='observe' and removed_seq is null"
    if held or tx.execute(sql, (repository,)).fetchone() is None:
        return ()
    values = {line.ref: read.ref_value(tx, repository, line.ref) or "0" * len(line.old) for line in hello.lines}
    return observing.movable(((line.old, line.new, line.ref) for line in hello.lines), values)


def _actor(who: Identity | None) -> Actor:
    return Actor(id=who.principal, kind=who.kind, key="") if who else Actor(id="unknown", kind="unknown", key="")
