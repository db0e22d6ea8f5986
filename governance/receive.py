"""A push, start to finish: the one place that knows the order.

1. identify   who pushes, by transport; never by what the push says of itself
2. plan       which range of each ref is to be judged, from what the ledger has recorded as landed
3. complete   the hook's facts, with identity, time and what the signatures prove
4. decide     under the ledger lock: standing, controls, effects, entry, reservation, all in one transaction
5. answer     in words for the pusher, and in lines for the hook's reservation

A crash after 4 leaves a reservation that the reconciler releases once it has seen that the ref did not move.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace

from audit.entry import Actor
from audit.transaction import Transaction
from governance import consequences, explain, foreseen, gathered, limits, loading, noting, observing, record
from governance.completing import Completed, carried, complete
from governance.coordinate import granting
from governance.decision import Decision, decide
from governance.errors import ConflictError, DeniedError, FactsError, GovernanceError
from governance.facts import PushContext, UpdateFacts, is_zero
from governance.identify import Identity
from governance.policy import LANDER, PROPOSALS, Policy
from governance.record import Effects
from governance.review import changes, landing
from governance.review.landing import Landing
from governance.service import Service
from governance.signatures import ObjectVerifier, Registry
from governance.standing import Roster
from governance.state import attempts, read
from governance.state.fold import Tx
from governance.state.read import Cached

ALLOWED, REFUSED, UNDECIDED = 0, 1, 3
MOST_TOPICS = 20
LONGEST_REF = 150
"""What fits into one entry with everything it opens and reserves, where each topic changes a file or two; a push of
more than fits is refused when it comes to be recorded (tests/test_receive.py shows both)."""

ATTEMPTS = 3
"""How often a push is judged again because a key changed while it was being read."""


class KeysMovedError(GovernanceError):
    """A key was enrolled or revoked between verification and decision; the signatures must be judged again."""

    code = "facts.keys_moved"


@dataclass(frozen=True, slots=True)
class Answer:
    """What the hook is told: exit code, the lines it may let move, pins to make, words to print."""

    code: int
    text: str
    reserve: tuple[observing.Line, ...] = ()
    proposals: tuple[tuple[str, str], ...] = ()
    """(pin, ref pushed to) of what was pushed for review: proc-receive makes these pins."""


@dataclass(frozen=True, slots=True)
class Plan:
    """One push under way: what the hook shall gather, and what its facts will be completed with."""

    hello: gathered.Hello
    context: PushContext
    actor: Actor
    token: str
    excludes: Mapping[str, str]
    """By ref: the object name that its range starts after; empty for everything. A ref not in it is not judged."""
    keys_seq: int
    registry: Registry
    roster: Roster
    landing: Landing | None = None
    """What was asked of the lander; None for a push."""


class Receiver:
    """Receives pushes. `begin` and `decide` may be called from one thread; the writer has its own."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._cached = Cached()

    def begin(self, tx: Tx, hello: gathered.Hello, repository: str, who: Identity) -> Plan:
        """Return what the hook shall gather. `tx` is a look at the state; nothing here decides.

        Raises:
            DeniedError: More refs than one push may name, a push in the lander's name, or one too many of its role.
        """
        if who.principal == LANDER and who.transport != LANDER:
            raise DeniedError(
                "the lander pushes nothing; whoever has its key or token is not it", code="identity.lander"
            )
        policy, roster = self._cached.policy(tx), self._cached.roster(tx)
        if not who.observed:
            _within_limits(tx, policy, roster, who, now=self._service.now(tx))
        if len(hello.lines) > policy.refs.max_refs:
            said = f"{len(hello.lines)} refs in one push; the policy allows {policy.refs.max_refs}"
            raise DeniedError(said, code="push.too_many_refs", mend="Push them in smaller groups.")
        if sum(_opens_change(policy, line.ref) for line in hello.lines) > MOST_TOPICS or any(
            len(line.ref) > LONGEST_REF for line in hello.lines
        ):
            said = (
                f"one push names at most {MOST_TOPICS} topic branches or changes, and no ref longer than {LONGEST_REF}"
            )
            raise DeniedError(said, code="push.too_many_topics", mend="Push them in smaller groups.")
        keys_seq, registry = self._cached.registry(tx)
        context = PushContext(
            repository=repository,
            pusher=who.principal,
            transport=who.transport,
            enforced=who.enforced and not who.observed,
            observed=who.observed,
            received_at=self._service.now(tx),
            refs=tuple(line.ref for line in hello.lines),
            options=hello.options,
        )
        excludes = {
            line.ref: exclude for line in hello.lines if (exclude := _exclude(tx, policy, repository, line)) is not None
        }
        actor = Actor(id=who.principal, kind=who.kind, key="")
        return Plan(hello, context, actor, who.token, excludes, keys_seq, registry, roster)

    def parse(self, plan: Plan, payload: bytes) -> gathered.Gathered:
        """Return what the hook gathered, if it is what was asked for.

        Raises:
            FactsError: Malformed, or about something else.
        """
        found = gathered.facts(payload)
        for ref, exclude in plan.excludes.items():
            if ref not in found.refs or found.refs[ref].exclude != exclude:
                raise FactsError(f"{ref}: gathered from another start than the one asked for")
        return found

    def foresee(self, plan: Plan, raws: Sequence[bytes]) -> ObjectVerifier:
        """Return a verifier that has looked at these commits of the push already."""
        return foreseen.foresee(raws, self._service.verifier, plan.registry, at=plan.context.received_at // 1000)

    def complete(self, plan: Plan, found: gathered.Gathered, verifier: ObjectVerifier | None = None) -> Completed:
        """Return the facts of a push. Pure but for the verifier; may take long for a large push.

        Raises:
            FactsError: What the hook sent cannot be believed.
        """
        updates = complete(
            found,
            plan.hello.lines,
            plan.context,
            verifier or self._service.verifier,
            registry=plan.registry,
            roster=plan.roster,
        )
        return updates if plan.landing is None else carried(found, updates, change=plan.landing.change)

    def decide(self, plan: Plan, facts: tuple[UpdateFacts, ...]) -> Future[tuple[Decision, Effects, int]]:
        """Queue the decision. The future fails with `KeysMovedError` where the signatures must be judged again."""

        def command(tx: Transaction) -> tuple[Decision, Effects, int]:
            return self._decided(tx, plan, facts)

        return self._service.ledger.submit(command)

    def _decided(self, tx: Transaction, plan: Plan, facts: tuple[UpdateFacts, ...]) -> tuple[Decision, Effects, int]:
        cached = self._service.under_lock
        keys_seq, _ = cached.registry(tx)
        if keys_seq != plan.keys_seq:
            raise KeysMovedError("a key changed while the push was being read")
        _still_valid(tx, plan)
        _still_governed(tx, plan)
        policy, roster = cached.policy(tx), cached.roster(tx)
        granting.advance(tx, plan.context.repository, policy=policy, roster=roster)
        keys = self._service.draw_keys
        standings = [loading.standing(tx, update, policy, roster, keys) for update in facts]
        decision = decide(list(zip(facts, standings, strict=True)), policy_digest=policy.digest)
        effects = changes.effects(tx, decision, handle=plan.hello.handle)
        if plan.context.observed and not decision.allowed and plan.landing is None:  # The lander lands what is allowed.
            effects = observing.effects(decision, handle=plan.hello.handle)
        effects = replace(effects, noted=noting.noted(decision))
        single = len(roster.humans()) == 1
        document = tx.blob(record.facts_document(decision, single_person=single))
        draft = record.decided(
            decision, effects, actor=plan.actor, repository=plan.context.repository, document=document
        )
        seq = tx.append(draft).seq
        consequences.follow(tx, policy)
        return decision, effects, seq

    def again(self, tx: Tx, plan: Plan) -> Plan:
        """Return the plan with the keys, the people and the time as they are now, after `KeysMovedError`.

        The time too: a key that was revoked while the push was read must not be judged as of before that.
        """
        keys_seq, registry = self._cached.registry(tx)
        context = replace(plan.context, received_at=self._service.now(tx))
        return replace(plan, context=context, keys_seq=keys_seq, registry=registry, roster=self._cached.roster(tx))

    def answer(self, decided: tuple[Decision, Effects, int]) -> Answer:
        """Return what the hook is told."""
        decision, effects, entry = decided
        text = explain.push(decision, effects, entry=entry, url=self._service.url)
        lands = decision.allowed or effects.reserve  # Without being allowed only where nothing is enforced.
        proposals = tuple((record.pin(o), str(o["ref"])) for o in effects.opens if str(o["ref"]).startswith(PROPOSALS))
        return Answer(ALLOWED if lands else REFUSED, text, effects.reserve, proposals)


def _within_limits(tx: Tx, policy: Policy, roster: Roster, who: Identity, *, now: int) -> None:
    """Refuse what is one push too many before anything of it is read. The decision asks again, under the lock.

    Raises:
        DeniedError: It is.
    """
    known = roster.get(who.principal)
    if known is None or who.principal == LANDER:
        return
    window = attempts.window(tx, policy, known, limits.PUSH, now=now)
    if window.free_at:
        said = limits.said(known.role, known.operator, window)
        raise DeniedError(said, code="rate_limits.push", mend=limits.MEND)


def _still_governed(tx: Transaction, plan: Plan) -> None:
    """Refuse to decide by what the repository was when the push began. Call under the lock.

    Raises:
        NotFoundError: It was taken out of governance.
        ConflictError: It is in another mode by now.
    """
    if (read.repository(tx, plan.context.repository)["mode"] == "observe") != plan.context.observed:
        said = f"the mode of {plan.context.repository} was changed while this push was read"
        raise ConflictError(said, code="repository.mode_moved", mend="Push again.")


def _still_valid(tx: Transaction, plan: Plan) -> None:
    """Refuse a push whose pusher lost the right to push while it was on its way. Call under the lock.

    Raises:
        DeniedError: The token was revoked or has expired, or the principal was retired; of a landing, also whoever
            asked for it.
    """
    sql = "select 1 from principal where name=? and retired_seq is null"
    good = tx.execute(sql, (plan.context.pusher,)).fetchone()
    if good and plan.token:
        sql = "select 1 from token where id=? and revoked_seq is null and expires_at>?"
        good = tx.execute(sql, (plan.token, tx.now)).fetchone()
    if not good:
        raise DeniedError(f"{plan.context.pusher} may not push any more", code="identity.revoked")
    if plan.landing is not None:
        landing.still_asked(tx, plan.landing)


def _opens_change(policy: Policy, ref: str) -> bool:
    return policy.is_topic(ref) or bool(policy.proposed_for(ref))


def _exclude(tx: Tx, policy: Policy, repository: str, line: gathered.Line) -> str | None:
    """Return where the range of this ref starts, or None where there is nothing to judge."""
    proposed = policy.proposed_for(line.ref)
    if proposed and not is_zero(line.new):
        return read.ref_value(tx, repository, proposed) or read.ref_value(tx, repository, policy.refs.target)
    known = policy.is_protected(line.ref) or policy.is_topic(line.ref) or policy.is_tag(line.ref)
    if is_zero(line.new) or not known:
        return None
    own = read.ref_value(tx, repository, line.ref) if policy.is_protected(line.ref) else ""
    return own or read.ref_value(tx, repository, policy.refs.target)
