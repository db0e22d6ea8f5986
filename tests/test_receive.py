"""What the service does with a push between hook and ledger; what the hook gathered is made here."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from audit.entry import Actor, Draft
from audit.errors import EntryError
from builders import MAIN, OLD, REPOSITORY, TOPIC, ZERO, a_change, a_commit, a_policy, a_push, a_tag, oid
from governance import record
from governance.errors import ConflictError, DeniedError, FactsError
from governance.facts import CarriedFacts
from governance.gathered import Gathered, GatheredCommit, GatheredHead, GatheredRef, Hello, Line
from governance.parameters import RateLimit, RateLimits
from governance.people import tokens
from governance.policy import LANDER
from governance.policy_text import describe, from_meaning
from governance.receive import LONGEST_REF, MOST_TOPICS, Identity, KeysMovedError, Receiver
from governance.record import SERVICE, Effects, Kind
from governance.review.landing import Landing
from governance.state.read import Cached
from keys import commit_bytes, key_of, sign_commit
from service_world import ServiceWorld

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from governance.decision import Decision
    from governance.facts import UpdateFacts
    from governance.policy import Policy
    from governance.receive import Plan
    from governance.state.fold import Tx

OWNER = Actor("owner", "human", "")
TOKEN, TOKEN_ID = tokens.fresh("a" * 43)
LIFE = 60_000
DEV = Identity("dev-a", "agent", "http", enforced=True, token=TOKEN_ID)
BY_SOCKET = replace(DEV, transport="file", token="")
RAW = sign_commit(
    commit_bytes(oid("tree"), (OLD,), author="dev-a <dev-a@example.org>", when=1_700_000_000), key_of("dev-a")
)
HEAD = hashlib.sha1(b"commit %d\0" % len(RAW) + RAW, usedforsecurity=False).hexdigest()
LINE = Line(ZERO, HEAD, TOPIC)


class Desk(ServiceWorld):
    """A service that receives pushes, and dev-a's token."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.receiver = Receiver(self.service)
        self.append(
            tokens.issued(
                TOKEN, principal="dev-a", repository=REPOSITORY, expires_at=self.now + LIFE, actor=OWNER, statement={}
            )
        )

    def begin(self, *lines: Line, who: Identity = DEV) -> Plan:
        with self.service.read() as tx:
            return self.receiver.begin(tx, a_hello(*lines), REPOSITORY, who)

    def again(self, plan: Plan) -> Plan:
        with self.service.read() as tx:
            return self.receiver.again(tx, plan)

    def complete(self, plan: Plan) -> tuple[UpdateFacts, ...]:
        return self.receiver.complete(plan, GATHERED)

    def judge(self, plan: Plan, facts: tuple[UpdateFacts, ...]) -> tuple[Decision, Effects, int]:
        return self.receiver.decide(plan, facts).result()

    def last(self, plan: Plan) -> tuple[Decision, Effects, int]:
        """Judge the push as often as keys change, as the socket does."""
        try:
            return self.judge(plan, self.complete(plan))
        except KeysMovedError:
            return self.last(self.again(plan))


def a_hello(*lines: Line) -> Hello:
    return Hello("r1", "", lines or (LINE,), (), 77, 88)


def gathered() -> Gathered:
    change = (a_change(),)
    ref = GatheredRef(
        line=LINE, type="commit", tag=b"", tag_target="", tag_target_type="", exclude=OLD, fast_forward=True,
        bases=(OLD,), commits=(HEAD,), net=change, landed=False, problems=(),
    )  # fmt: skip
    return Gathered({TOPIC: (ZERO, "")}, {TOPIC: ref}, {HEAD: GatheredCommit(RAW, change, True, ())}, 1)  # noqa: FBT003 - measured


GATHERED = gathered()


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with Desk(tmp_path) as made:
        yield made
        assert made.difference() == ""


def revoke_token(desk: Desk) -> None:
    desk.append(tokens.revoked(TOKEN_ID, actor=OWNER, statement={}))


def retire(desk: Desk) -> None:
    desk.append(Draft(Kind.PRINCIPAL_RETIRED, OWNER, "", "dev-a", {"principal": "dev-a", "statement": {}}))


def expire(desk: Desk) -> None:
    desk.now += LIFE


def revoke_key(desk: Desk) -> None:
    desk.now += 5000
    desk.append(Draft(Kind.KEY_REVOKED, OWNER, "", "", {"fingerprint": key_of("dev-a").fingerprint, "statement": {}}))


def nothing(desk: Desk) -> None:
    """Let nothing happen."""


@pytest.mark.usefixtures("both")
def test_a_push_that_nothing_happened_to_is_decided_and_reserved(desk: Desk) -> None:
    decision, effects, entry = desk.last(desk.begin())

    assert decision.allowed, decision.code
    assert effects.reserve == ((ZERO, HEAD, TOPIC), (ZERO, HEAD, "refs/changes/1/1"))
    assert desk.kinds()[entry:] == ["push.decided"]


LOST: dict[str, tuple[Callable[[Desk], None], Identity]] = {
    "the token was revoked": (revoke_token, DEV),
    "the token expired at this very millisecond": (expire, DEV),
    "the pusher was retired": (retire, DEV),
    "the pusher was retired and showed no token": (retire, BY_SOCKET),
    "the token is one that nobody issued": (nothing, replace(DEV, token="ghost")),
    "the pusher was never enrolled": (nothing, replace(BY_SOCKET, principal="ghost")),
}


@pytest.mark.parametrize(("happens", "who"), LOST.values(), ids=LOST)
def test_who_lost_the_right_to_push_meanwhile_pushes_nothing(
    desk: Desk, happens: Callable[[Desk], None], who: Identity
) -> None:
    plan = desk.begin(who=who)
    happens(desk)
    entries = desk.kinds()

    with pytest.raises(DeniedError) as denied:
        desk.last(plan)
    assert denied.value.code == "identity.revoked"
    assert desk.kinds() == entries
    assert desk.rows("select * from reservation") == []


KEPT: dict[str, tuple[Callable[[Desk], None], Identity]] = {
    "a millisecond is left": (lambda desk: setattr(desk, "now", desk.now + LIFE - 1), DEV),
    "another's way in was closed": (revoke_token, BY_SOCKET),
    "its time is over where no token was shown": (expire, BY_SOCKET),
}


@pytest.mark.parametrize(("happens", "who"), KEPT.values(), ids=KEPT)
def test_who_kept_the_right_to_push_pushes(desk: Desk, happens: Callable[[Desk], None], who: Identity) -> None:
    plan = desk.begin(who=who)
    happens(desk)

    assert desk.last(plan)[0].allowed


@pytest.mark.usefixtures("both")
def test_a_key_revoked_while_the_push_was_read_refuses_it(desk: Desk) -> None:
    plan = desk.begin()
    facts = desk.complete(plan)
    assert facts[0].commits[0].signature.code == ""
    revoke_key(desk)

    with pytest.raises(KeysMovedError):
        desk.judge(plan, facts)
    fresh = desk.again(plan)
    assert (plan.context.received_at, fresh.context.received_at) == (desk.now - 5000, desk.now)
    decision, effects, _ = desk.judge(fresh, desk.complete(fresh))
    assert (decision.allowed, decision.code, effects.reserve) == (False, "signed_commits.bad_signature", ())


def test_the_time_is_what_refuses_it(desk: Desk) -> None:
    """With the key as it is now and the time as it was, the signature would hold: that is the fault that was mended."""
    plan = desk.begin()
    revoke_key(desk)
    fresh = desk.again(plan)

    def code(chosen: Plan) -> str:
        return desk.complete(chosen)[0].commits[0].signature.code

    assert code(fresh) == "signature.key_revoked"
    assert code(replace(fresh, context=plan.context)) == ""


@pytest.mark.parametrize("how", ["begin", "again"])
def test_a_clock_that_was_set_back_revives_nothing(desk: Desk, how: str) -> None:
    plan = desk.begin()
    revoke_key(desk)
    last = desk.now
    desk.now -= 10_000_000

    fresh = desk.again(plan) if how == "again" else desk.begin()
    assert fresh.context.received_at == last
    assert desk.complete(fresh)[0].commits[0].signature.code == "signature.key_revoked"


def named(count: int, prefix: str = "refs/heads/topic/", *, length: int = LONGEST_REF) -> list[Line]:
    """Return creations of refs, each name as long as it may be."""
    return [
        Line(ZERO, oid(f"{prefix}{number}"), f"{prefix}{number:0{length - len(prefix)}d}") for number in range(count)
    ]


MOST = a_policy().refs.max_refs
LIMITS = [
    ("the most topics beside the most tags", [*named(MOST_TOPICS), *named(MOST - MOST_TOPICS, "refs/tags/")], ""),
    ("a ref too many", [*named(MOST_TOPICS), *named(MOST - MOST_TOPICS + 1, "refs/tags/")], "push.too_many_refs"),
    ("a topic too many", named(MOST_TOPICS + 1), "push.too_many_topics"),
    ("a topic too many, under short names", named(MOST_TOPICS + 1, length=40), "push.too_many_topics"),
    ("a change too many", [*named(MOST_TOPICS), *named(1, "refs/for/release/")], "push.too_many_topics"),
    ("a topic too many, deleted", [Line(OLD, ZERO, line.ref) for line in named(MOST_TOPICS + 1)],
     "push.too_many_topics"),
    ("a name as long as it may be", named(1), ""),
    ("a name a character longer", named(1, length=LONGEST_REF + 1), "push.too_many_topics"),
    ("a tag a character longer", named(1, "refs/tags/", length=LONGEST_REF + 1), "push.too_many_topics"),
    ("a name of no namespace a character longer", named(1, "refs/x/", length=LONGEST_REF + 1), "push.too_many_topics"),
]  # fmt: skip


@pytest.mark.parametrize(("lines", "code"), [row[1:] for row in LIMITS], ids=[row[0] for row in LIMITS])
def test_a_push_has_a_largest_size(desk: Desk, lines: list[Line], code: str) -> None:
    if not code:
        assert len(desk.begin(*lines).context.refs) == len(lines)
        return
    with pytest.raises(DeniedError) as denied:
        desk.begin(*lines)
    assert denied.value.code == code
    assert "smaller groups" in denied.value.mend


def facts_of(plan: Plan, *paths: str) -> tuple[UpdateFacts, ...]:
    """Return facts of a push with SHA-256 names and long titles, in which each topic changes these files."""
    policy, facts = a_policy(), []
    for line in plan.hello.lines:
        topic = policy.is_topic(line.ref)
        net = tuple(a_change(path, 30) for path in paths) if topic else ()
        new = hashlib.sha256(line.ref.encode()).hexdigest()
        commit = replace(a_commit(changes=net, title="\u00f6" * 100), oid=new, tree="d" * 64)
        update = a_push(net, ref=line.ref, old="0" * 64, new=new, commits=(commit,) if topic else ())
        if not topic:
            tag = a_tag(line.ref.removeprefix("refs/tags/"))
            update = replace(update, object_type="tag", tag=tag, landed=True)
        facts.append(replace(update, push=plan.context, base="b" * 64, bases=("b" * 64,)))
    return tuple(facts)


UNREADABLE = [f"auth/{number}/" + "\U0001f339" * 200 for number in range(40)]
"""As long and as wide as what an entry keeps of a path."""

FITTING = [
    ("the most refs and topics, of a risky file each",
     [*named(MOST_TOPICS), *named(MOST - MOST_TOPICS, "refs/tags/")], ["auth/" + "x" * 95]),
    ("one topic, of many files with long and wide names", named(1), UNREADABLE),
]  # fmt: skip


@pytest.mark.parametrize(("lines", "paths"), [row[1:] for row in FITTING], ids=[row[0] for row in FITTING])
def test_a_large_push_fits_into_one_entry_with_all_it_opens_and_reserves(
    desk: Desk, lines: list[Line], paths: list[str]
) -> None:
    plan = desk.begin(*lines)
    topics = min(len(lines), MOST_TOPICS)
    decision, effects, seq = desk.judge(plan, facts_of(plan, *paths))

    assert decision.allowed, decision.code
    assert (len(effects.opens), len(effects.reserve)) == (topics, len(lines) + topics)
    desk.applied(seq)
    assert set(desk.rows("select state from reservation")) == {("applied",)}
    assert desk.rows("select count(*) from change where state='open'") == [(topics,)]


def test_what_does_not_fit_into_one_entry_is_neither_recorded_nor_allowed(desk: Desk) -> None:
    plan = desk.begin(*named(MOST_TOPICS))
    entries = desk.kinds()

    with pytest.raises(EntryError, match="at most"):
        desk.judge(plan, facts_of(plan, *UNREADABLE))
    assert desk.kinds() == entries
    assert desk.rows("select * from reservation") == desk.rows("select * from change") == []


@pytest.mark.parametrize("transport", ["http", "ssh", "file"])
def test_nobody_pushes_as_the_lander(desk: Desk, transport: str) -> None:
    with pytest.raises(DeniedError) as denied:
        desk.begin(who=Identity(LANDER, "service", transport, enforced=True))
    assert denied.value.code == "identity.lander"
    assert desk.begin(who=Identity(LANDER, "service", LANDER, enforced=True))  # The twin: the service's own.


ASKED = Landing(1, REPOSITORY, 1, 1, HEAD, "dev-a", key_of("dev-a").fingerprint, TOKEN_ID)


def test_what_is_landed_must_still_be_asked_for_under_the_lock(desk: Desk) -> None:
    plan = desk.begin()
    facts = desk.complete(plan)
    with pytest.raises(ConflictError) as refused:
        desk.judge(replace(plan, landing=ASKED), facts)
    assert refused.value.code == "landing.moved"
    assert desk.judge(plan, facts)[0].allowed  # The twin: a push needs no asking.


@pytest.mark.parametrize(
    ("head", "tree", "why"),
    [(HEAD, oid("tree"), ""), (HEAD, oid("x"), "is not what would land"), (oid("x"), oid("tree"), "is not what")],
    ids=["as it is", "another tree", "another head"],
)
def test_facts_about_the_head_that_is_landed_agree_with_its_bytes(desk: Desk, head: str, tree: str, why: str) -> None:
    plan = replace(desk.begin(), landing=ASKED)
    found = replace(GATHERED, carried=GatheredHead(head, OLD, tree, (), ()))
    if why:
        with pytest.raises(FactsError, match=why):
            desk.receiver.complete(plan, found)
        return
    (update,) = desk.receiver.complete(plan, found)
    assert update.carried == CarriedFacts(1, HEAD, OLD, tree, (), ())
    with pytest.raises(FactsError, match="has facts about its head"):
        desk.receiver.complete(plan, GATHERED)


def test_what_a_hook_says_of_a_head_is_not_heard(desk: Desk) -> None:
    found = replace(GATHERED, carried=GatheredHead(HEAD, OLD, oid("tree"), (), ()))
    assert desk.receiver.complete(desk.begin(), found)[0].carried is None


@pytest.mark.parametrize("by", ["dev-b", "owner"])
def test_whose_topic_it_is_is_read_under_the_lock(desk: Desk, by: str) -> None:
    plan = desk.begin()
    facts = desk.complete(plan)
    desk.applied(desk.open_change(contributors=("dev-b",)))
    desk.append(Draft(Kind.FREEZE_LIFTED, SERVICE, REPOSITORY, "", {"refs": [[TOPIC, ZERO]], "statement": {}}))

    mine = tuple(replace(update, push=replace(update.push, pusher=by)) for update in facts)
    assert desk.judge(plan, facts)[0].code == "ref_rules.topic_of_others"
    assert desk.judge(plan, mine)[0].code == "allowed"


def test_a_topic_of_no_open_change_is_nobody_s(desk: Desk) -> None:
    desk.applied(desk.open_change(contributors=("dev-b",), ref="refs/heads/topic/other"))

    assert desk.last(desk.begin())[0].allowed


def test_the_target_named_beside_topics_counts_as_none_of_them(desk: Desk) -> None:
    lines = [*named(MOST_TOPICS), Line(OLD, oid("x"), MAIN)]

    assert len(desk.begin(*lines).excludes) == MOST_TOPICS + 1


def test_a_push_too_many_is_refused_before_anything_of_it_is_read(desk: Desk) -> None:
    """By the role of whoever pushes; the decision asks again, for what began before."""
    plan = desk.begin()
    facts, few = desk.complete(plan), RateLimit(hour=2, day=9)
    limited = a_policy(controls=replace(a_policy().controls, rate_limits=RateLimits(push=few)))
    limited = from_meaning(describe(limited))
    desk.receiver = Receiver(replace(desk.service, under_lock=Fixed(limited)))
    desk.receiver._cached = Fixed(limited)
    for _ in range(2):
        desk.append(record.refused_early("x.y", "no", [], actor=Actor("dev-a", "agent", ""), repository=REPOSITORY))
    with pytest.raises(DeniedError) as denied:
        desk.begin()
    assert denied.value.code == "rate_limits.push"
    assert "free again" in str(denied.value)
    assert desk.begin(who=replace(DEV, observed=True))  # Nothing is refused where the rules are only observed.
    assert desk.begin(who=replace(DEV, principal="dev-b"))
    assert desk.judge(plan, facts)[0].code == "rate_limits.push"


class Fixed(Cached):
    """What is cached, under a policy that was put in force."""

    def __init__(self, given: Policy) -> None:
        super().__init__()
        self._given = given

    def policy(self, tx: Tx) -> Policy:
        del tx
        return self._given
