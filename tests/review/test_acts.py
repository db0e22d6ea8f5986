from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from audit.entry import Draft
from builders import MAIN, NEW, OLD, REPOSITORY, TOPIC, a_policy, oid
from governance import record
from governance.errors import ConflictError, DeniedError, RequestError
from governance.policy import CarryOver, Profile
from governance.record import SERVICE, Effects, Kind
from governance.review import acts, changes, registering
from governance.review.sign_offs import HOUR_MS
from governance.state import read, status
from keys import key_of
from service_world import PEOPLE, ServiceWorld

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def world(tmp_path: Path) -> Iterator[ServiceWorld]:
    """A service with change 1 open: written by dev-a."""
    with ServiceWorld(tmp_path) as made:
        made.applied(made.open_change())
        yield made
        assert made.difference() == ""


def binding(world: ServiceWorld, **changed: Any) -> dict[str, Any]:  # noqa: ANN401 - a field of JSON
    with world.service.read() as tx:
        return changes.shown(tx, REPOSITORY, 1, policy=a_policy())["binding"] | changed


def sign(
    world: ServiceWorld, by: str = "dev-b", body: dict[str, Any] | None = None, *, repository: str = REPOSITORY
) -> dict[str, Any]:
    body = {"verdict": "approve", "binding": binding(world)} if body is None else body
    said = world.said("sign_off", by, body, nonce=str(len(world.kinds())))
    return acts.sign_off(world.service, world.caller(by), said, repository)


def withdraw(world: ServiceWorld, by: str = "dev-b", number: object = 1, **changed: object) -> dict[str, Any]:
    body = {"change": number, "repository": REPOSITORY} | changed
    said = world.said("sign_off.withdraw", by, body, nonce=str(len(world.kinds())))
    return acts.withdraw(world.service, world.caller(by), said, REPOSITORY)


def test_a_sign_off_binds_what_was_shown_and_lives_three_days(world: ServiceWorld) -> None:
    answer = sign(world)

    assert answer["expires_at"] == world.now + 72 * HOUR_MS
    with world.service.read() as tx:
        (given,) = read.sign_offs(tx, REPOSITORY, 1, diff_digest="")
    assert (given.principal, given.approves, given.head, given.target) == ("dev-b", True, NEW, MAIN)
    assert given.policy_digest == a_policy().digest


def test_an_entry_says_which_key_signed_it_off_and_withdrew_it(world: ServiceWorld) -> None:
    sign(world)
    withdraw(world)

    assert world.signers("kind like 'sign_off.%'") == [key_of("dev-b").fingerprint] * 2


def test_a_sign_off_by_a_key_that_was_revoked_since_says_so_and_a_new_key_s_does_not(world: ServiceWorld) -> None:
    sign(world)
    sign(world, "qa-a")
    data = {"fingerprint": key_of("dev-b").fingerprint, "statement": {}}
    world.append(Draft(Kind.KEY_REVOKED, SERVICE, "", "", data))

    with world.service.read() as tx:
        answers = read.sign_offs(tx, REPOSITORY, 1, diff_digest="")
    assert {given.principal: given.key_revoked for given in answers} == {"dev-b": True, "qa-a": False}


def moved_on(world: ServiceWorld) -> None:
    """Land something else on the target."""
    world.applied(world.decide(Effects(handle="6-6", reserve=((OLD, oid("x"), MAIN),))))


def test_what_could_not_land_any_more_is_rejected_but_not_approved(
    world: ServiceWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    never = a_policy(four_eyes={"carry_over": CarryOver.NEVER})
    monkeypatch.setattr(world.service.under_lock, "policy", lambda tx: never)
    sign(world, "qa-a")
    moved_on(world)

    with pytest.raises(ConflictError) as refused:
        sign(world)
    assert refused.value.code == "sign_off.stale"
    assert "rebases" in refused.value.mend
    sign(world, body={"verdict": "reject", "binding": binding(world)})
    assert [row[0] for row in world.rows("select verdict from sign_off order by seq")] == ["approve", "reject"]


def test_what_the_lander_may_still_merge_is_approved_after_the_target_moved(world: ServiceWorld) -> None:
    moved_on(world)

    sign(world)
    assert world.rows("select verdict from sign_off") == [("approve",)]


def test_what_was_pushed_again_after_the_target_moved_is_approved(world: ServiceWorld) -> None:
    moved_on(world)
    about = {"contributors": ["dev-a"], "target_tip": oid("x")}
    opened = {
        "change": 1, "patch_set": 2, "ref": TOPIC, "target": MAIN, "title": "", "head": oid("2"), "base": oid("x"),
        "tree": oid("t2"), "diff_digest": "d" * 64, "about": about,
    }  # fmt: skip
    world.applied(world.decide(Effects(handle="7-7", reserve=((NEW, oid("2"), TOPIC),), opens=(opened,))))

    sign(world)
    assert world.rows("select patch_set from sign_off") == [(2,)]


BINDINGS = [
    ("repository", "orchard"), ("target", "refs/heads/release/1"), ("head", oid("x")), ("base", oid("x")),
    ("tree", oid("x")), ("diff_digest", "0" * 64), ("patch_set", 2), ("policy_digest", "0" * 64), ("extra", 1),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value"), BINDINGS, ids=[row[0] for row in BINDINGS])
def test_a16_what_differs_from_what_stands_now_is_not_signed_off(world: ServiceWorld, name: str, value: object) -> None:
    with pytest.raises(ConflictError) as refused:
        sign(world, body={"verdict": "approve", "binding": binding(world, **{name: value})})
    assert refused.value.code == "sign_off.moved"
    assert name in str(refused.value) or name == "extra"
    assert sign(world)


MALFORMED: dict[str, Any] = {
    "nothing": {},
    "no binding": {"verdict": "approve"},
    "another verdict": {"verdict": "maybe", "binding": {"change": 1}},
    "a verdict that is a list": {"verdict": ["approve"], "binding": {"change": 1}},
    "a binding that is text": {"verdict": "approve", "binding": "1"},
    "a field more": {"verdict": "approve", "binding": {"change": 1}, "note": "fine"},
    "a change in words": {"verdict": "approve", "binding": {"change": "1"}},
    "true for a change": {"verdict": "approve", "binding": {"change": True}},
}


@pytest.mark.parametrize("body", MALFORMED.values(), ids=MALFORMED)
def test_what_is_no_sign_off_is_refused_and_not_a_breakdown(world: ServiceWorld, body: dict[str, Any]) -> None:
    with pytest.raises(RequestError) as refused:
        sign(world, body=body)
    assert refused.value.code == "sign_off.malformed"


def test_a_change_that_there_is_not_cannot_be_signed_off(world: ServiceWorld) -> None:
    with pytest.raises(RequestError, match="has no change 9"):
        sign(world, body={"verdict": "approve", "binding": {"change": 9}})
    with pytest.raises(RequestError, match="orchard has no change 1"):
        sign(world, repository="orchard")


def test_the_author_and_whoever_pushed_may_not_even_give_one(world: ServiceWorld) -> None:
    with pytest.raises(DeniedError) as denied:
        sign(world, by="dev-a")
    assert denied.value.code == "sign_off.not_eligible"


def test_a_closed_change_is_not_signed_off(world: ServiceWorld) -> None:
    body = {"verdict": "approve", "binding": binding(world)}
    effects = Effects(handle="2-2", reserve=((NEW, "0" * 40, TOPIC),), abandoned=((TOPIC, 1),))
    world.applied(world.decide(effects))

    with pytest.raises(ConflictError) as refused:
        sign(world, body=body)
    assert refused.value.code == "sign_off.closed"


@pytest.mark.usefixtures("both")
def test_a_sign_off_is_withdrawn_by_who_gave_it_once_and_the_older_one_stays_dead(world: ServiceWorld) -> None:
    sign(world)
    sign(world)
    with pytest.raises(ConflictError, match="no sign-off of change 1"):
        withdraw(world, "qa-a")
    withdraw(world)
    with pytest.raises(ConflictError, match="no sign-off of change 1"):
        withdraw(world)
    with world.service.read() as tx:
        assert [s.withdrawn for s in read.sign_offs(tx, REPOSITORY, 1, diff_digest="")] == [True]
    sign(world)
    with world.service.read() as tx:
        assert [s.withdrawn for s in read.sign_offs(tx, REPOSITORY, 1, diff_digest="")] == [False]


def test_what_a_landing_has_used_is_not_withdrawn(world: ServiceWorld) -> None:
    entry = sign(world)["entry"]
    world.decide(Effects(handle="3-3", reserve=((OLD, NEW, MAIN),), spend=(entry,), landed=((MAIN, 1),)))

    with pytest.raises(ConflictError) as refused:
        withdraw(world)
    assert refused.value.code == "sign_off.spent"


@pytest.mark.parametrize("number", ["1", True, None, [1]])
def test_a_withdrawal_names_a_change_by_number(world: ServiceWorld, number: object) -> None:
    with pytest.raises(RequestError):
        withdraw(world, number=number)


ELSEWHERE = [
    ("another repository", {"repository": "orchard"}),
    ("a list of repositories", {"repository": [REPOSITORY]}),
    ("nothing", {"repository": None}),
    ("a field more", {"note": "x"}),
]


@pytest.mark.parametrize("changed", [row[1] for row in ELSEWHERE], ids=[row[0] for row in ELSEWHERE])
def test_a_withdrawal_is_for_the_repository_it_names_and_no_other(
    world: ServiceWorld, changed: dict[str, object]
) -> None:
    sign(world)
    with pytest.raises(RequestError) as refused:
        withdraw(world, **changed)

    assert refused.value.code == "sign_off.malformed"
    assert withdraw(world)


def test_a_withdrawal_that_names_no_repository_is_refused(world: ServiceWorld) -> None:
    sign(world)
    said = world.said("sign_off.withdraw", "dev-b", {"change": 1})
    with pytest.raises(RequestError) as refused:
        acts.withdraw(world.service, world.caller("dev-b"), said, REPOSITORY)

    assert refused.value.code == "sign_off.malformed"
    assert withdraw(world)


def test_in_a_team_an_agent_of_the_author_s_operator_may_not_give_one(
    world: ServiceWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    team = replace(a_policy(), profile=Profile.TEAM)
    monkeypatch.setattr(world.service.under_lock, "policy", lambda tx: team)

    with pytest.raises(DeniedError, match="run by owner"):
        sign(world)
    assert sign(world, by="mia")


def add(world: ServiceWorld, by: str = "owner", *, uid: int = 12345, **changed: object) -> dict[str, Any]:
    body = {"name": "orchard", "path": "/srv/orchard.git", "advisory": False} | changed
    said = world.said("repository.add", by, body, nonce=str(len(world.kinds())))
    return registering.add_repository(world.service, world.caller(by), said, identifier="r2", git_uid=uid)


@pytest.mark.usefixtures("both")
def test_an_owner_registers_a_repository_and_nobody_else(world: ServiceWorld) -> None:
    for name in set(PEOPLE) - {"owner"}:
        with pytest.raises(DeniedError):
            add(world, name)
    assert add(world)["advisory"] is False


NAMES = ["", "Orchard", "a/b", "..", "a..b", ".git", "orchard.git", "-x", "a\n", "x" * 65, "\u0430"]


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_a_repository_has_a_plain_name(world: ServiceWorld, name: str) -> None:
    with pytest.raises(RequestError) as refused:
        add(world, name=name)
    assert refused.value.code == "repository.name"


def test_a_name_or_a_folder_is_registered_once(world: ServiceWorld) -> None:
    for changed in ({"name": REPOSITORY}, {"path": str(world.repository)}):
        with pytest.raises(ConflictError) as refused:
            add(world, **changed)
        assert refused.value.code == "repository.taken"


def test_a_repository_that_a_principal_s_user_can_write_is_said_to_be_advisory_or_refused(world: ServiceWorld) -> None:
    draft = world.enrolment("docs")
    world.append(replace(draft, data=draft.data | {"principal": draft.data["principal"] | {"uid": 1000}}))

    with pytest.raises(ConflictError, match="could write past the hooks") as refused:
        add(world, uid=1000)
    assert refused.value.code == "repository.writable"
    with pytest.raises(ConflictError):
        add(world, uid=1000, advisory="yes")
    assert add(world, uid=1000, advisory=True)["advisory"] is True


def test_a_folder_that_others_can_write_is_no_repository_of_ours(tmp_path: Path) -> None:
    folder = tmp_path / "r.git"
    with pytest.raises(RequestError) as refused:
        registering.git_user(folder)
    assert refused.value.code == "repository.path"
    folder.mkdir()
    for mode in (0o775, 0o757, 0o777):
        folder.chmod(mode)
        with pytest.raises(RequestError) as refused:
            registering.git_user(folder)
        assert refused.value.code == "repository.writable"
    folder.chmod(0o755)
    assert registering.git_user(folder) == folder.stat().st_uid


STRAY = "refs/heads/stray"
FOUND = {MAIN: (oid("x"), ""), TOPIC: (NEW, ""), STRAY: (oid("s"), "")}
"""As git shows it: main moved and a branch appeared, behind our back; the pin that the change promised is gone."""
PIN = "refs/changes/1/1"
DIFFER = {MAIN: oid("x"), STRAY: oid("s"), PIN: ""}
WRITTEN = "somebody restored a backup; main is as we want it"


def thaw(
    world: ServiceWorld,
    by: str = "owner",
    *,
    frozen: bool = True,
    url: str = REPOSITORY,
    found: dict[str, tuple[str, str]] = FOUND,
    **changed: object,
) -> dict[str, Any]:
    """Thaw in the words that accept everything, but for what is changed."""
    if frozen and not freeze_of(world):
        world.append(record.drifted([(MAIN, OLD, oid("x"))], repository=REPOSITORY))
    body = {"repository": REPOSITORY, "freeze": freeze_of(world), "remediation": WRITTEN, "refs": DIFFER} | changed
    said = world.said("thaw", by, body, nonce=str(len(world.kinds())))
    return acts.thaw(world.service, world.caller(by), said, url, actual=found)


def freeze_of(world: ServiceWorld, repository: str = REPOSITORY) -> int | None:
    with world.service.read() as tx:
        return next((freeze.seq for freeze in read.freezes(tx, repository)), None)


def test_an_owner_thaws_after_a_written_remediation_and_takes_every_ref_as_found(world: ServiceWorld) -> None:
    thaw(world)

    assert freeze_of(world) is None
    with world.service.read() as tx:
        assert [read.ref_value(tx, REPOSITORY, ref) for ref in DIFFER] == list(DIFFER.values())
        assert read.ref_value(tx, REPOSITORY, TOPIC) == NEW
        unreviewed = {line["ref"]: line["found"] for line in status.lapses(tx, REPOSITORY)}
    assert unreviewed == DIFFER
    assert world.signers("kind='freeze.lifted'") == [key_of("owner").fingerprint]


THAWS = [
    ("A-40 by an agent", {"by": "dev-b"}, "authority.owner_only"),
    ("A-40 by a person who is no owner", {"by": "mia"}, "authority.owner_only"),
    ("of what is not frozen", {"frozen": False}, "freeze.none"),
    ("of another repository than the one asked", {"url": "orchard"}, "freeze.none"),
    ("without a word", {"remediation": ""}, "thaw.remediation"),
    ("with spaces for words", {"remediation": " " * 50}, "thaw.remediation"),
    ("with a number for words", {"remediation": 1234567890}, "thaw.remediation"),
    ("in words for another repository", {"repository": "orchard"}, "thaw.moved"),
    ("in words for no repository", {"repository": None}, "thaw.moved"),
    ("of a freeze that was lifted before", {"freeze": 1}, "thaw.moved"),
    ("of no freeze in particular", {"freeze": None}, "thaw.moved"),
    ("of a ref that moved since", {"refs": DIFFER | {MAIN: oid("y")}}, "thaw.moved"),
    ("of all but one ref that differs", {"refs": {MAIN: oid("x"), PIN: ""}}, "thaw.moved"),
    ("of all but one ref that is gone", {"refs": {MAIN: oid("x"), STRAY: oid("s")}}, "thaw.moved"),
    ("of a ref that is as recorded", {"refs": DIFFER | {TOPIC: NEW}}, "thaw.moved"),
    ("of a ref that there is not", {"refs": DIFFER | {"refs/heads/ghost": ""}}, "thaw.moved"),
    ("of nothing, where something differs", {"refs": {}}, "thaw.moved"),
    ("of refs that are a list", {"refs": [MAIN]}, "thaw.moved"),
    ("of no refs at all said", {"refs": None}, "thaw.moved"),
    ("of an alias", {"found": FOUND | {MAIN: (OLD, TOPIC)}, "refs": DIFFER | {MAIN: f"-> {TOPIC}"}}, "thaw.symbolic"),
    ("of a new alias",
     {"found": FOUND | {"refs/heads/y": (OLD, MAIN)}, "refs": DIFFER | {"refs/heads/y": f"-> {MAIN}"}},
     "thaw.symbolic"),
    ("of an alias, in words for a plain ref", {"found": FOUND | {MAIN: (oid("x"), TOPIC)}}, "thaw.moved"),
]  # fmt: skip


@pytest.mark.parametrize(("changed", "code"), [row[1:] for row in THAWS], ids=[row[0] for row in THAWS])
def test_a_thaw_that_differs_in_one_thing_is_refused_and_the_freeze_holds(
    world: ServiceWorld, changed: dict[str, Any], code: str
) -> None:
    recorded = world.rows("select * from ref_value")
    with pytest.raises(RequestError) as refused:
        thaw(world, **changed)

    assert refused.value.code == code
    assert (freeze_of(world) is None) == ("frozen" in changed)
    assert world.rows("select * from ref_value") == recorded
    assert thaw(world)


def test_a_freeze_over_everything_is_not_lifted_by_thawing_one_repository(world: ServiceWorld) -> None:
    world.append(Draft(Kind.REFS_DRIFTED, SERVICE, "", "", {"refs": [], "reason": "all"}))
    over_all = freeze_of(world)
    with pytest.raises(RequestError) as refused:
        thaw(world, freeze=over_all)

    assert refused.value.code == "freeze.none"
    world.append(record.drifted([(MAIN, OLD, oid("x"))], repository=REPOSITORY))
    (own,) = world.rows('select seq from "freeze" where repository=?', REPOSITORY)[0]
    with pytest.raises(RequestError, match="not the freeze"):
        thaw(world, freeze=over_all)
    assert thaw(world, freeze=own)
    assert freeze_of(world) == over_all


def test_what_moved_between_the_look_and_the_thaw_is_not_taken_over(world: ServiceWorld) -> None:
    with pytest.raises(ConflictError) as refused:
        thaw(world, found=FOUND | {"refs/heads/late": (oid("late"), "")})

    assert refused.value.code == "thaw.moved"
    assert freeze_of(world) is not None
