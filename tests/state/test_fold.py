from __future__ import annotations

import hashlib
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from audit import stores
from audit.entry import Actor, Draft, Entry
from builders import MAIN, NEW, OLD, REPOSITORY, TOPIC, ZERO, oid
from governance import record
from governance.errors import RecordError
from governance.people import keys
from governance.people.principals import secret_digest
from governance.record import SERVICE, Effects, Kind
from governance.state import fold as folding
from governance.state import folded, read
from governance.state.fold import FOLDS, fold
from governance.state.schema import SCHEMA, TABLES, WORKING
from keys import key_of
from service_world import DIGEST, FAR_OFF, SECRET, ServiceWorld

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from audit.transaction import Transaction

OWNER = Actor("owner", "human", "")
STATED = {"digest": "5" * 64, "text": "", "signature": ""}
PIN = "refs/changes/1/1"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[ServiceWorld]:
    with ServiceWorld(tmp_path) as made:
        yield made
        assert made.difference() == ""


def act(world: ServiceWorld, kind: Kind, data: dict[str, Any], *, repo: str = "", actor: Actor = OWNER) -> int:
    return world.append(Draft(kind.value, actor, repo, "", data))[0].seq


def signed_off(
    world: ServiceWorld,
    by: str,
    verdict: str = "approve",
    *,
    change: int = 1,
    digest: str = DIGEST,
    repository: str = REPOSITORY,
) -> int:
    bound = {"change": change, "patch_set": 1, "repository": repository, "target": MAIN, "head": NEW, "base": OLD}
    bound |= {"tree": oid("tree"), "diff_digest": digest, "policy_digest": "p"}
    data = {"verdict": verdict, "binding": bound, "expires_at": FAR_OFF, "statement": {}}
    return act(world, Kind.SIGN_OFF_GIVEN, data, repo=repository, actor=Actor(by, "agent", ""))


def withdrawn(world: ServiceWorld, by: str, *, change: int = 1) -> int:
    data = {"change": change, "statement": {}}
    return act(world, Kind.SIGN_OFF_WITHDRAWN, data, repo=REPOSITORY, actor=Actor(by, "agent", ""))


def answers(world: ServiceWorld, change: int, digest: str = DIGEST) -> list[tuple[int, bool, bool]]:
    """Return (entry, approves, withdrawn) of what counts as said about a change that makes this difference."""
    with world.service.read() as tx:
        return [(s.seq, s.approves, s.withdrawn) for s in read.sign_offs(tx, REPOSITORY, change, diff_digest=digest)]


def standing_of(world: ServiceWorld, *, change: int = 1) -> dict[str, tuple[int, bool, bool]]:
    with world.service.read() as tx:
        answers = read.sign_offs(tx, REPOSITORY, change, diff_digest="")
    return {s.principal: (s.seq, s.withdrawn, s.spent) for s in answers}


def state_of(world: ServiceWorld, change: int = 1) -> tuple[str, int]:
    return world.rows("select state, patch_set from change where number=?", change)[0]


def reserved(world: ServiceWorld) -> dict[str, str]:
    return dict(world.rows("select ref, state from reservation"))


def test_every_kind_of_entry_has_its_fold() -> None:
    assert set(FOLDS) == set(Kind)
    nothing = {kind for kind, how in FOLDS.items() if folding._nothing in how}
    assert nothing >= {Kind.MAINTENANCE_BEGUN, Kind.MAINTENANCE_ENDED}


def test_every_table_of_the_schema_is_compared_or_follows_from_no_entry() -> None:
    memory = stores.open_memory()
    memory.executescript(SCHEMA)
    made = {row[0] for row in memory.execute("select name from sqlite_schema where type='table'")}

    assert made == {*TABLES, *WORKING}


def test_tables_of_another_shape_have_another_version() -> None:
    """Where this fails, tables are shaped otherwise than when the version was given: raise it, and pin them anew."""
    shapes = hashlib.sha256(" ".join(SCHEMA.split()).encode()).hexdigest()

    assert (folded.VERSION, shapes[:16]) == (1, "c45d0839dfd70f29")


def test_a_kind_that_nobody_knows_stops_the_fold() -> None:
    with pytest.raises(RecordError, match=r"entry 3: .* 'push\.guessed'"):
        fold(stores.open_memory(), Entry(3, "1" * 64, 1, "push.guessed", OWNER, "", "", {}, "log"))


def test_a_refused_push_changes_nothing_but_the_count_of_attempts(world: ServiceWorld) -> None:
    tables = [table for table in TABLES if table != "attempt"]
    before = [world.rows(f'select * from "{table}"') for table in tables]
    world.decide(Effects(handle="1-1", reserve=((OLD, NEW, MAIN),)), allowed=False)

    assert [world.rows(f'select * from "{table}"') for table in tables] == before
    assert world.rows("select role, operator, action, number from attempt") == [("dev-a", "owner", "push", 1)]


def test_an_allowed_push_reserves_and_moves_nothing_until_it_is_applied(world: ServiceWorld) -> None:
    seq = world.open_change()
    assert reserved(world) == {TOPIC: "reserved", PIN: "reserved"}
    assert state_of(world) == ("pending", 0)
    assert world.rows("select oid from ref_value where ref=?", TOPIC) == []

    world.applied(seq)
    assert reserved(world) == {TOPIC: "applied", PIN: "applied"}
    assert state_of(world) == ("open", 1)
    assert world.rows("select oid from ref_value where ref=?", TOPIC) == [(NEW,)]


def test_a_change_opens_with_its_topic_and_not_with_its_pin(world: ServiceWorld) -> None:
    seq = world.open_change()
    world.applied(seq, PIN)

    assert state_of(world) == ("pending", 0)
    world.applied(seq, TOPIC)
    assert state_of(world) == ("open", 1)


def test_a_released_push_leaves_a_change_that_never_was(world: ServiceWorld) -> None:
    seq = world.open_change()
    lines = [(ZERO, NEW, TOPIC), (ZERO, NEW, PIN)]
    world.append(record.released(seq, lines, repository=REPOSITORY, landed=False))

    assert state_of(world) == ("void", 0)
    assert set(reserved(world).values()) == {"released"}


def test_what_was_applied_is_not_released_afterwards(world: ServiceWorld) -> None:
    seq = world.open_change()
    world.applied(seq)
    world.append(record.released(seq, [(ZERO, NEW, TOPIC)], repository=REPOSITORY, landed=True))

    assert state_of(world) == ("open", 1)
    assert reserved(world)[TOPIC] == "applied"


def landing(world: ServiceWorld) -> tuple[int, int, int]:
    """Open change 1, sign it off twice, and decide its landing; return the numbers of all three."""
    world.applied(world.open_change())
    one, two = signed_off(world, "dev-b"), signed_off(world, "qa-a")
    effects = Effects(handle="9-9", reserve=((OLD, NEW, MAIN),), spend=(one, two), landed=((MAIN, 1),))
    return one, two, world.decide(effects)


@pytest.mark.usefixtures("both")
def test_a_sign_off_is_spent_by_the_decision_and_for_good_by_the_landing(world: ServiceWorld) -> None:
    one, two, seq = landing(world)
    assert standing_of(world) == {"dev-b": (one, False, True), "qa-a": (two, False, True)}
    assert state_of(world) == ("open", 1)

    world.applied(seq)
    assert state_of(world) == ("landed", 1)
    assert all(spent for _, _, spent in standing_of(world).values())


@pytest.mark.parametrize("landed", [False, True])
def test_a_released_landing_gives_sign_offs_back_only_where_nothing_landed(world: ServiceWorld, landed: bool) -> None:  # noqa: FBT001 - a row
    _, _, seq = landing(world)
    world.append(record.released(seq, [(OLD, NEW, MAIN)], repository=REPOSITORY, landed=landed))

    assert {spent for _, _, spent in standing_of(world).values()} == {landed}
    assert state_of(world) == ("open", 1)


def test_a_release_gives_back_only_what_its_own_decision_spent(world: ServiceWorld) -> None:
    one, _, seq = landing(world)
    other = world.decide(Effects(handle="8-8", reserve=((ZERO, NEW, "refs/heads/x"),)))
    world.append(record.released(other, [(ZERO, NEW, "refs/heads/x")], repository=REPOSITORY, landed=False))

    assert standing_of(world)["dev-b"] == (one, False, True)
    assert world.rows("select distinct spent_seq from sign_off") == [(seq,)]


def test_only_the_last_word_of_each_counts_and_withdrawing_it_revives_none(world: ServiceWorld) -> None:
    world.applied(world.open_change())
    signed_off(world, "dev-b")
    last, kept = signed_off(world, "dev-b", "reject"), signed_off(world, "qa-a")
    assert {name: seq for name, (seq, _, _) in standing_of(world).items()} == {"dev-b": last, "qa-a": kept}

    act(world, Kind.SIGN_OFF_WITHDRAWN, {"change": 1}, repo=REPOSITORY, actor=Actor("dev-b", "agent", ""))
    assert standing_of(world) == {"dev-b": (last, True, False), "qa-a": (kept, False, False)}


HARMLESS = "e" * 64


@pytest.mark.usefixtures("both")
def test_a_rejection_is_not_shed_by_another_number_for_the_same_difference(world: ServiceWorld) -> None:
    no, yes = signed_off(world, "dev-b", "reject"), signed_off(world, "qa-a")

    assert answers(world, 1) == [(no, False, False), (yes, True, False)]
    assert answers(world, 2) == [(no, False, False)]
    assert answers(world, 2, HARMLESS) == []
    assert answers(world, 1, HARMLESS) == answers(world, 1)


def test_a_rejection_in_another_repository_is_about_something_else(world: ServiceWorld) -> None:
    signed_off(world, "dev-b", "reject", repository="orchard")

    assert answers(world, 1) == answers(world, 2) == []


@pytest.mark.usefixtures("both")
def test_a_rejection_is_not_shed_by_something_harmless_that_is_approved_in_between(world: ServiceWorld) -> None:
    no = signed_off(world, "dev-b", "reject")
    yes = signed_off(world, "dev-b", digest=HARMLESS)

    assert answers(world, 1) == [(no, False, False), (yes, True, False)]
    assert answers(world, 1, HARMLESS) == [(yes, True, False)]


def test_an_approval_that_something_else_came_after_does_not_come_back(world: ServiceWorld) -> None:
    signed_off(world, "dev-b")
    last = signed_off(world, "dev-b", digest=HARMLESS)

    assert answers(world, 1) == [(last, True, False)]


@pytest.mark.usefixtures("both")
@pytest.mark.parametrize("change", [1, 2])
def test_who_thinks_better_of_a_rejection_says_so_under_either_number(world: ServiceWorld, change: int) -> None:
    signed_off(world, "dev-b", "reject")
    yes = signed_off(world, "dev-b", change=change)
    assert answers(world, change) == [(yes, True, False)]

    withdrawn(world, "dev-b", change=change)
    assert answers(world, change) == [(yes, True, True)]


def test_a_withdrawn_rejection_is_withdrawn_under_every_number(world: ServiceWorld) -> None:
    no = signed_off(world, "dev-b", "reject")
    withdrawn(world, "dev-b")

    assert answers(world, 2) == [(no, False, True)]


def test_what_is_said_about_a_difference_is_found_by_index() -> None:
    """This is read under the lock, for every push to a protected ref."""
    asked: list[str] = []
    with closing(stores.open_memory()) as tx:
        tx.executescript(SCHEMA)
        tx.set_trace_callback(asked.append)
        read.sign_offs(tx, REPOSITORY, 1, diff_digest=DIGEST)
        tx.set_trace_callback(None)
        plan = [row[3] for row in tx.execute(f"explain query plan {asked[0]}")]

    searches = [step for step in plan if step.startswith("SEARCH")]
    assert not [step for step in plan if step.startswith("SCAN sign_off")], plan
    assert [step.partition("(")[2] for step in searches if "sign_off_" in step] == [
        "repository=? AND number=?)",
        "repository=? AND diff_digest=?)",
    ], plan
    assert any(step.startswith("SEARCH s USING INTEGER PRIMARY KEY") for step in searches), plan


def test_a_withdrawal_touches_neither_another_change_nor_another_repository(world: ServiceWorld) -> None:
    world.applied(world.open_change())
    world.applied(world.open_change(ref="refs/heads/topic/other"))
    for change in (1, 2):
        signed_off(world, "dev-b", change=change)
    act(world, Kind.SIGN_OFF_WITHDRAWN, {"change": 1}, repo="orchard", actor=Actor("dev-b", "agent", ""))
    act(world, Kind.SIGN_OFF_WITHDRAWN, {"change": 1}, repo=REPOSITORY, actor=Actor("dev-b", "agent", ""))

    assert [standing_of(world, change=n)["dev-b"][1] for n in (1, 2)] == [True, False]


@pytest.mark.usefixtures("both")
def test_a_drift_freezes_and_only_a_thaw_lifts_it_with_the_refs_it_accepts(world: ServiceWorld) -> None:
    world.append(record.drifted([(MAIN, OLD, NEW)], repository=REPOSITORY))
    with world.service.read() as tx:
        (frozen,) = read.freezes(tx, REPOSITORY)
        assert read.freezes(tx, "orchard") == ()
        assert read.ref_value(tx, REPOSITORY, MAIN) == OLD
    assert frozen.reason == "1 refs moved behind our back: refs/heads/main"

    act(world, Kind.FREEZE_LIFTED, {"refs": [[MAIN, NEW], [TOPIC, ZERO]], "statement": STATED}, repo=REPOSITORY)
    with world.service.read() as tx:
        assert read.freezes(tx, REPOSITORY) == ()
        assert read.ref_value(tx, REPOSITORY, MAIN) == NEW


def test_a_thaw_ends_what_was_reserved_for_a_ref_that_went_elsewhere(world: ServiceWorld) -> None:
    world.decide(Effects(handle="1-1", reserve=((OLD, NEW, MAIN), (ZERO, NEW, TOPIC))))
    world.append(record.drifted([(MAIN, OLD, oid("x"))], repository=REPOSITORY))
    act(world, Kind.FREEZE_LIFTED, {"refs": [[MAIN, oid("x")]], "statement": STATED}, repo=REPOSITORY)

    assert reserved(world) == {MAIN: "released", TOPIC: "reserved"}


def test_a_freeze_over_everything_covers_each_repository(world: ServiceWorld) -> None:
    act(world, Kind.REFS_DRIFTED, {"reason": "all", "refs": []})
    with world.service.read() as tx:
        assert [freeze.reason for freeze in read.freezes(tx, REPOSITORY)] == ["all"]


def test_a_deleted_ref_is_one_that_the_ledger_no_longer_knows(world: ServiceWorld) -> None:
    world.applied(world.decide(Effects(handle="1-1", reserve=((OLD, ZERO, MAIN),))))
    with world.service.read() as tx:
        assert read.ref_value(tx, REPOSITORY, MAIN) == ""


def test_retiring_ends_keys_and_tokens_and_keeps_the_name(world: ServiceWorld) -> None:
    token = {"id": "t", "digest": "x", "principal": "dev-a", "repository": "", "expires_at": FAR_OFF, "statement": {}}
    act(world, Kind.TOKEN_ISSUED, token)
    seq = act(world, Kind.PRINCIPAL_RETIRED, {"principal": "dev-a", "statement": STATED})

    assert world.rows("select revoked_seq from token") == [(seq,)]
    assert world.rows("select revoked_seq from signing_key where principal='dev-a'") == [(seq,)]
    assert world.rows("select count(*) from signing_key where revoked_seq is null") == [(5,)]
    with world.service.read() as tx:
        gone = read.roster(tx).get("dev-a")
        assert gone is not None
        assert gone.retired
        assert "dev-a" not in {p.name for p in read.roster(tx).active()}


def test_a_revoked_key_stays_in_the_registry_as_revoked(world: ServiceWorld) -> None:
    world.now += 5000
    fingerprint = key_of("dev-a").fingerprint
    act(world, Kind.KEY_REVOKED, {"fingerprint": fingerprint, "statement": STATED})
    with world.service.read() as tx:
        key = read.registry(tx)[key_of("dev-a").signing]
    assert (key.enrolled_at, key.revoked_at) == (FAR_OFF // 1000, FAR_OFF // 1000 + 5)


def test_a_second_revocation_does_not_move_the_first(world: ServiceWorld) -> None:
    fingerprint = key_of("dev-a").fingerprint
    first = act(world, Kind.KEY_REVOKED, {"fingerprint": fingerprint, "statement": STATED})
    world.now += 60_000
    act(world, Kind.PRINCIPAL_RETIRED, {"principal": "dev-a", "statement": STATED | {"digest": "6" * 64}})

    assert world.rows("select revoked_seq, revoked_at from signing_key where fingerprint=?", fingerprint) == [
        (first, FAR_OFF)
    ]


def test_a_rotation_revokes_the_old_key_and_enrols_the_new(world: ServiceWorld) -> None:
    new = key_of("dev-a-new").enrolled("dev-a")
    draft = keys.rotated(new, replaces=key_of("dev-a").fingerprint, actor=OWNER, statement=STATED, proof={})
    (entry,) = world.append(draft)

    found = dict(world.rows("select fingerprint, revoked_seq from signing_key where principal='dev-a'"))
    assert found == {key_of("dev-a").fingerprint: entry.seq, new.fingerprint: None}


def test_an_invitation_is_used_up_by_the_key_it_brought(world: ServiceWorld) -> None:
    key = key_of("docs").enrolled()
    actor = Actor("docs", "agent", key.fingerprint)
    (entry,) = world.append(keys.enrolled(key, actor=actor, used=secret_digest(SECRET), proof={}))

    assert world.rows("select used_seq from enrolment") == [(entry.seq,)]


def test_one_statement_cannot_be_folded_twice(world: ServiceWorld) -> None:
    act(world, Kind.TOKEN_REVOKED, {"id": "t", "statement": STATED})
    with pytest.raises(
        Exception, match=r"UNIQUE constraint failed: statement\.digest|unique constraint \"statement_pkey\""
    ):
        act(world, Kind.TOKEN_REVOKED, {"id": "t", "statement": STATED})


def test_what_readers_keep_is_read_again_after_it_changed(world: ServiceWorld) -> None:
    cached = read.Cached()
    with world.service.read() as tx:
        before, (seq, _) = cached.roster(tx), cached.registry(tx)
        assert cached.roster(tx) is before
        assert cached.policy(tx) is cached.policy(tx)
    act(world, Kind.PRINCIPAL_RETIRED, {"principal": "dev-a", "statement": STATED})
    with world.service.read() as tx:
        assert cached.roster(tx).principals["dev-a"].retired
        assert not before.principals["dev-a"].retired
        assert cached.registry(tx)[0] > seq


class UndoError(Exception):
    pass


def test_what_the_writer_kept_of_an_entry_that_was_rolled_back_is_read_again(world: ServiceWorld) -> None:
    cached = read.Cached()

    def retiring(name: str) -> Draft:
        data = {"principal": name, "statement": {}}
        return Draft(Kind.PRINCIPAL_RETIRED, OWNER, "", name, data)

    def undone(tx: Transaction) -> None:
        assert tx.append(retiring("dev-a")).seq == seq
        assert cached.roster(tx).principals["dev-a"].retired
        assert cached.registry(tx)[1][key_of("dev-a").signing].revoked_at is not None
        raise UndoError

    seq = len(world.kinds())
    with pytest.raises(UndoError):
        world.ledger.run(undone)
    (entry,) = world.append(retiring("qa-a"))
    assert entry.seq == seq

    with world.service.read() as tx:
        people, (at, registry) = cached.roster(tx).principals, cached.registry(tx)
    assert (people["dev-a"].retired, people["qa-a"].retired) == (False, True)
    assert (registry[key_of("dev-a").signing].revoked_at, at) == (None, seq)
    assert registry[key_of("qa-a").signing].revoked_at is not None


@pytest.mark.usefixtures("both")
def test_of_two_open_changes_of_one_head_the_oldest_is_meant(world: ServiceWorld) -> None:
    for ref in (TOPIC, "refs/heads/topic/other"):
        world.applied(world.open_change(ref=ref))

    def found() -> int:
        with world.service.read() as tx:
            change = read.change_at(tx, REPOSITORY, NEW, target=MAIN)
        return change.number if change else 0

    assert found() == 1
    signed_off(world, "dev-b", "reject", change=1)
    world.applied(world.decide(Effects(handle="3-3", reserve=((NEW, ZERO, TOPIC),), abandoned=((TOPIC, 1),))))
    assert found() == 2
    with world.service.read() as tx:
        change = read.change_at(tx, REPOSITORY, NEW, target=MAIN)
    assert change is not None
    assert [(given.principal, given.approves) for given in change.sign_offs] == [("dev-b", False)]


def test_a_change_of_one_head_is_found_only_while_it_is_open_and_current(world: ServiceWorld) -> None:
    seq = world.open_change()

    def found() -> int | None:
        with world.service.read() as tx:
            change = read.change_at(tx, REPOSITORY, NEW, target=MAIN)
            assert read.change_at(tx, "orchard", NEW, target=MAIN) is None
            assert read.change_at(tx, REPOSITORY, NEW, target="refs/heads/release/1") is None
            return change.number if change else None

    assert found() is None
    world.applied(seq)
    assert found() == 1
    gone = world.decide(Effects(handle="2-2", reserve=((NEW, ZERO, TOPIC),), abandoned=((TOPIC, 1),)))
    assert found() == 1
    world.applied(gone)
    assert found() is None


def test_everyone_with_a_hand_in_any_patch_set_is_a_contributor(world: ServiceWorld) -> None:
    world.applied(world.open_change(contributors=("dev-a", "<eve@example.org>")))
    opened = {
        "change": 1, "patch_set": 2, "ref": TOPIC, "target": MAIN, "title": "", "head": oid("2"), "base": OLD,
        "tree": oid("t2"), "diff_digest": "e" * 64, "about": {"contributors": ["dev-b"]},
    }  # fmt: skip
    world.decide(Effects(handle="2-2", reserve=((NEW, oid("2"), TOPIC),), opens=(opened,)))
    with world.service.read() as tx:
        assert read.change_contributors(tx, REPOSITORY, 1) == ("<eve@example.org>", "dev-a", "dev-b")


def test_the_policy_read_back_is_the_one_of_the_entry_or_none(world: ServiceWorld) -> None:
    memory = stores.open_memory()
    memory.executescript(SCHEMA)
    with pytest.raises(RecordError, match="twinseal init"):
        read.policy(memory)
    memory.execute("insert into policy select 1, 'other', ?", world.rows("select meaning from policy")[0])
    with pytest.raises(RecordError, match="the entry says other"):
        read.policy(memory)


def test_nobody_asked_for_what_the_service_writes_by_itself() -> None:
    assert SERVICE.kind == "service"


def test_a_withdrawal_that_comes_after_the_decision_changes_nothing(world: ServiceWorld) -> None:
    one, _, _ = landing(world)
    act(world, Kind.SIGN_OFF_WITHDRAWN, {"change": 1}, repo=REPOSITORY, actor=Actor("dev-b", "agent", ""))

    assert standing_of(world)["dev-b"] == (one, False, True)


def test_the_head_of_an_older_patch_set_is_no_change_any_more(world: ServiceWorld) -> None:
    world.applied(world.open_change())
    opened = {
        "change": 1, "patch_set": 2, "ref": TOPIC, "target": MAIN, "title": "", "head": oid("2"), "base": OLD,
        "tree": oid("t2"), "diff_digest": "e" * 64, "about": {"contributors": ["dev-a"]},
    }  # fmt: skip
    seq = world.decide(Effects(handle="2-2", reserve=((NEW, oid("2"), TOPIC),), opens=(opened,)))

    def found(head: str) -> int:
        with world.service.read() as tx:
            change = read.change_at(tx, REPOSITORY, head, target=MAIN)
        return change.patch_set if change else 0

    assert (found(NEW), found(oid("2"))) == (1, 0)
    world.applied(seq)
    assert (found(NEW), found(oid("2"))) == (0, 2)
