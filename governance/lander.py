"""The lander: takes what was asked to land, asks what any push is asked, and moves the ref under its reservation.

It decides nothing. Fast-forward where the target's tip is an ancestor; otherwise git's own merge, signed by the
lander's key. Write, act, write: `landing.asked`, then the decision with its reservation, then the ref, then what
git did. Wherever it is killed, the reconciler finds the ref moved or unmoved, and the landing is over or queued again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from audit.entry import Actor
from governance import gathered
from governance.decision import Decision
from governance.errors import ConflictError, DeniedError, FactsError, GovernanceError
from governance.hosts import HOSTS, Level
from governance.identify import Identity
from governance.people import lander
from governance.policy import LANDER
from governance.ports import LanderKey, Yard
from governance.receive import ATTEMPTS, KeysMovedError, Plan, Receiver
from governance.reconcile import Reconciler
from governance.record import Effects
from governance.review import landing
from governance.review.landing import Landing, LaterError, WaitError
from governance.service import Service
from governance.standing import ChangeStanding, Principal
from governance.state import read
from governance.state.fold import Tx

ACTOR = Actor(id=LANDER, kind="service", key="")
AGAIN = frozenset({"ref_rules.reserved", "ref_rules.stale_old", "ref_rules.moved_meanwhile"})
"""Refusals that say "not now": somebody else's push was quicker."""
TRIES = 5
WAITS = 60
"""Rounds that a push under way is waited for; one that died is closed by the reconciler within some seconds."""


@dataclass(frozen=True, slots=True)
class Job:
    """One landing, with what is known of its change and its repository."""

    asked: Landing
    change: ChangeStanding
    base: str
    title: str
    repository: dict[str, Any]

    @property
    def path(self) -> str:
        """Where the repository is."""
        return str(self.repository["path"])


class Lander:
    """One for each service, used from one thread. `underway` holds the handles of landings being carried out."""

    def __init__(
        self,
        service: Service,
        reconciler: Reconciler,
        yard: Yard,
        key: LanderKey,
        *,
        process: tuple[int, int],
        nonce: Callable[[], str],
        underway: set[str],
    ) -> None:
        self._service = service
        self._reconciler = reconciler
        self._receiver = Receiver(service)
        self._yard = yard
        self._key = key
        self._process = process
        self._nonce = nonce
        self._underway = underway
        self._tried: dict[int, int] = {}

    def round(self) -> list[tuple[Landing, str]]:
        """Try everything that is queued, in order; return what became of it: landed, a code, or `landing.later`."""
        with self._service.read() as tx:
            waiting = landing.queue(tx)
        done, broken = [], None
        for asked in waiting:
            try:
                done.append((asked, self._try(asked)))
            except Exception as exc:  # noqa: BLE001 - one landing that breaks keeps no other waiting; it is raised below
                broken = broken or exc
        if broken is not None:
            raise broken
        return done

    def _try(self, asked: Landing) -> str:
        try:
            return self._land(asked)
        except LaterError as exc:
            most = WAITS if isinstance(exc, WaitError) else TRIES
            return exc.code if self._again(asked, most) else self._refuse(asked, exc)
        except (GovernanceError, OSError) as exc:
            return self._refuse(asked, exc)
        except Exception:
            if not self._again(asked, TRIES):
                self._refuse(asked, GovernanceError("the lander broke; its log knows more", code="landing.failed"))
            raise

    def _again(self, asked: Landing, most: int) -> bool:
        self._tried[asked.seq] = self._tried.get(asked.seq, 0) + 1
        return self._tried[asked.seq] < most

    def _refuse(self, asked: Landing, exc: Exception) -> str:
        code, mend = getattr(exc, "code", "landing.failed"), getattr(exc, "mend", "")
        message = f"{exc}" + (f" ({mend})" if mend else "")
        draft = landing.refused(asked, code=code, message=message, actor=ACTOR)
        # Another replica's lander, or a push, may have been quicker: what is over is not refused after the fact.
        self._service.ledger.run(lambda tx: None if landing.is_over(tx, asked) else tx.append(draft))
        self._tried.pop(asked.seq, None)
        return str(code)

    def _land(self, asked: Landing) -> str:
        me = lander.principal(self._service, self._key, self._nonce)
        with self._service.read() as tx:
            job = _job(tx, asked)
            if read.reserved(tx, asked.repository, job.change.target):
                raise WaitError(f"a push of {job.change.target} is under way")
        target = job.change.target
        tip = self._yard.tip(job.path, target)
        new = self._result(job, tip, me)
        line = gathered.Line(tip or "0" * len(new), new, target)
        handle = gathered.Hello(job.repository["id"], "", (line,), (), *self._process, landing=self._nonce()[:16])
        self._underway.add(handle.handle)
        try:
            self._carry_out(job, handle, line)
        finally:
            self._underway.discard(handle.handle)
            self._yard.clear(job.path, handle.handle)
        return "landed"

    def _result(self, job: Job, tip: str, me: Principal) -> str:
        """Return the commit that would land: the head itself, or the lander's merge of it."""
        head = job.change.head
        if not tip or self._yard.contains(job.path, head, tip):
            return head
        if self._yard.contains(job.path, tip, head):
            raise ConflictError(f"{head[:12]} is in {job.change.target} already", code="landing.nothing_new")
        merged = self._yard.merge(job.path, tip, head)
        if merged.conflicts:
            said = f"{head[:12]} conflicts with {job.change.target} in {', '.join(merged.conflicts[:5])}"
            mend = "Rebase, push a new patch set, and have it signed off."
            raise ConflictError(said, code="landing.conflict", mend=mend)
        who = f"{me.name} <{me.emails[0]}>"
        branch = job.change.target.removeprefix("refs/heads/")
        message = f"Merge change {job.change.number} into {branch}: {job.title}".rstrip(": ") + "\n"
        at = self._service.clock() // 1000
        raw = landing.merge_commit(merged.tree, (tip, head), who=who, at=at, message=message)
        signature = self._key.sign(raw, lander.fingerprint(self._service))
        return self._yard.store(job.path, landing.signed(raw, signature, width=len(tip)))

    def _carry_out(self, job: Job, hello: gathered.Hello, line: gathered.Line) -> None:
        decision, effects, entry = self._ask(job, hello, line)
        if not decision.allowed:
            raise _objection(decision, entry)
        moves = (line.old, line.new, line.ref)
        try:
            self._yard.reserve(job.path, hello.handle, effects.reserve)
            self._yard.move(job.path, hello.handle, moves)
        except (FactsError, OSError) as exc:
            self._underway.discard(hello.handle)
            self._reconciler.check(job.asked.repository, Path(job.path))
            raise LaterError(f"allowed as entry {entry}, but git did not move the ref: {exc}") from exc
        self._reconciler.drain(job.asked.repository, Path(job.path))

    def _ask(self, job: Job, hello: gathered.Hello, line: gathered.Line) -> tuple[Decision, Effects, int]:
        name, change, place = job.asked.repository, job.change, job.repository
        enforced = HOSTS[place["host"]].level is Level.ENFORCED and not place["advisory"]
        who = Identity(LANDER, "service", LANDER, enforced=enforced, observed=place["mode"] == "observe")
        with self._service.read() as tx:
            plan: Plan = replace(self._receiver.begin(tx, hello, name, who), landing=job.asked)
            start = plan.excludes.get(line.ref) or "-"
            request = f"{line.old} {line.new} {line.ref} {start} {change.head} {job.base or '-'}"
            found = self._receiver.parse(plan, self._yard.gather(job.path, request))
            for _ in range(ATTEMPTS):
                facts = self._receiver.complete(plan, found)
                try:
                    return self._receiver.decide(plan, facts).result()
                except KeysMovedError:
                    plan = self._receiver.again(tx, plan)
        raise LaterError("keys keep changing")


def _job(tx: Tx, asked: Landing) -> Job:
    """Return what is to be done, if the change still is what was asked for.

    Raises:
        ConflictError: It has moved on, or is closed.
    """
    change = read.open_change(tx, asked.repository, asked.change)
    if change is None or (change.patch_set, change.head) != (asked.patch_set, asked.head):
        said = f"change {asked.change} is not what was asked to land: it has moved on or is closed"
        raise ConflictError(said, code="landing.moved", mend="Have it signed off, then ask again.")
    sql = (
        "select p.base, c.title from patch_set p join change c using(repository, number, patch_set) "
        "where repository=? and number=?"
    )
    base, title = tx.execute(sql, (asked.repository, asked.change)).fetchone()
    return Job(asked, change, base, title, read.repository(tx, asked.repository))


def _objection(decision: Decision, entry: int) -> GovernanceError:
    """Return the refusal as an error: to be tried again where somebody was only quicker."""
    verdict = next((v for ref in decision.refs for v in ref.verdicts if v.objects), None)
    message, mend = (
        (verdict.message, "; ".join(verdict.mend[:3])) if verdict is not None else ("nothing was checked", "")
    )
    said = f"{message}; recorded as entry {entry}"
    return LaterError(said) if decision.code in AGAIN else DeniedError(said, code=decision.code, mend=mend)
