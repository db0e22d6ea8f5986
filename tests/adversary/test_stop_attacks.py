"""A freeze or a veto that is passed, shed, or lifted by the wrong hands; each with the honest way beside it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from adversary.card import Case, attack
from playing import MAIN, Answer, Ground, Member, Repository, ended, lines, until

REASON = "two keys were seen on one laptop"
DONE = "the laptop was wiped, both keys are new"
NO = "it drops the audit log of payments"
FRESH_MS = 10 * 60 * 1000


@pytest.fixture(scope="module")
def team(ground: Ground) -> Iterator[dict[str, Member]]:
    """The librarian and the orchestrator, while these attacks last."""
    found = {name: ground.enroll(f"stop-{name}", role=name) for name in ("librarian", "orchestrator")}
    yield found
    for member in found.values():
        del ground.members[member.name]
        ground.owner.say("principal.retire", "/principals/retirement", {"name": member.name})


@pytest.fixture(autouse=True)
def thawed(ground: Ground) -> Iterator[None]:
    """Leave nothing frozen behind, whatever happens."""
    yield
    for found in ground.owner.get("/freezes").body["items"]:
        thaw(ground.owner, found["seq"], repository=found["repository"])


@pytest.fixture
def place(started: Repository, team: dict[str, Member]) -> Repository:
    for member in team.values():
        if started.name not in member.tokens:
            started.admit(member)
    return started


def freeze(by: Member, **changed: Any) -> Answer:  # noqa: ANN401 - JSON
    said = {"scope": "everything", "value": "", "repository": "", "reason": REASON, "hours": 0} | changed
    return by.say("freeze.impose", "/freezes", said)


def thaw(by: Member, number: int, *, repository: str = "", at: int = -1) -> Answer:
    said = {"freeze": number, "repository": repository, "remediation": DONE}
    return by.say("freeze.lift", f"/freezes/{number if at < 0 else at}/thaw", said)


def veto(repository: Repository, by: Member, number: int, *, claims: str = "") -> Answer:
    """Veto a change as it is shown; `claims` is whose word the statement says it is."""
    said = {"repository": repository.name, "kind": "change", "name": str(number), "reason": NO}
    said["head"] = repository.change(number)["head"]
    path = f"/repositories/{repository.name}/vetoes"
    return by.say("veto.cast", path, said, repository=repository.name, by=claims or by.name)


def drop(repository: Repository, by: Member, number: int, how: str = "withdraw", **changed: Any) -> Answer:  # noqa: ANN401
    said = {"repository": repository.name, "veto": number, "how": how, "reason": "we looked into it together"}
    path = f"/repositories/{repository.name}/vetoes/{number}/lift"
    return by.say("veto.lift", path, said | changed, repository=repository.name)


def small(repository: Repository, by: Member, word: str = "line") -> str:
    """Return a commit that lands alone."""
    return repository.commit(by, {"notes": f"{word}\n"}, repository.refs()[MAIN])


@attack("X-STOP-01")
def test_the_orchestrator_neither_blocks_nor_lifts(
    case: Case, place: Repository, dev: Member, team: dict[str, Member], ground: Ground
) -> None:
    boss, librarian = team["orchestrator"], team["librarian"]
    case.denied(freeze(boss), "freeze.not_yours", by=boss)
    number = freeze(librarian, scope="repository", repository=place.name).done["freeze"]
    case.denied(thaw(boss, number, repository=place.name), "authority.owner_only", by=boss)
    case.denied(thaw(librarian, number, repository=place.name), "authority.owner_only", by=librarian)
    change = place.commit(dev, {"app.py": lines(60)}, place.refs()[MAIN])
    assert thaw(ground.owner, number, repository=place.name).status == 200
    opened = place.open(dev, change)
    case.denied(veto(place, boss, opened), "veto.not_yours", by=boss)
    stands = veto(place, ground["qa-a"], opened).done["veto"]
    for how, code in (("lift", "authority.owner_only"), ("withdraw", "veto.not_yours")):
        case.denied(drop(place, boss, stands, how), code, by=boss)
    case.twin(drop(place, ground["qa-a"], stands))


@attack("X-STOP-02")
def test_a_retired_librarian_freezes_nothing(case: Case, place: Repository, dev: Member, ground: Ground) -> None:
    gone = ground.enroll(f"gone-{place.name}", role="librarian")
    del ground.members[gone.name]
    said = gone.signed("freeze.impose", {"scope": "everything", "value": "", "repository": "", "reason": REASON})
    assert ground.owner.say("principal.retire", "/principals/retirement", {"name": gone.name}).status == 200
    assert freeze(gone).status == 401, "with their own token"
    other = ground.ask("POST", "/freezes", said, token=dev.tokens[""])
    case.denied(other, "statement.not_yours", by=dev)
    case.lands(place, dev, small(place, dev))


@attack("X-STOP-03", "A-39")
@pytest.mark.parametrize("way", ["pushed by another", "for review", "another ref", "with help", "a deletion"])
def test_what_a_frozen_role_has_a_hand_in_moves_nowhere(
    case: Case, place: Repository, dev: Member, team: dict[str, Member], ground: Ground, way: str
) -> None:
    other, first = ground["dev-b"], place.refs()[MAIN]
    assert place.push(dev, f"{small(place, dev, 'aside')}:refs/heads/topic/aside").landed
    number = freeze(team["librarian"], scope="role", value="dev-a").done["freeze"]
    helped = place.commit(other, {"notes": "1\n"}, first, message=f"with help\n\nCo-authored-by: {dev.person}\n")
    pusher, refspec = {
        "pushed by another": (other, f"{small(place, dev)}:{MAIN}"),
        "for review": (dev, f"{small(place, dev)}:refs/for/main"),
        "another ref": (dev, f"{small(place, dev)}:refs/heads/topic/new"),
        "with help": (other, f"{helped}:{MAIN}"),
        "a deletion": (dev, ":refs/heads/topic/aside"),
    }[way]
    case.refused(place.push(pusher, refspec), "freeze.role_frozen")
    mine = place.commit(other, {"notes": "mine\n"}, first)
    case.lands(place, other, mine)  # The twin: nobody else is stopped.
    assert thaw(ground.owner, number).status == 200


@attack("X-STOP-03")
def test_the_lander_lands_nothing_that_a_frozen_role_wrote(
    case: Case, place: Repository, dev: Member, team: dict[str, Member], ground: Ground
) -> None:
    number = place.open(dev, place.commit(dev, {"app.py": lines(60)}, place.refs()[MAIN]))
    place.approve(number, "dev-b", "qa-a")
    frozen = freeze(team["librarian"], scope="role", value="dev-a").done["freeze"]
    case.not_landed(place, landing(place, ground["qa-a"], number), "freeze.role_frozen")
    assert thaw(ground.owner, frozen).status == 200
    assert landing(place, ground["qa-a"], number)["state"] == "landed"
    case.seen["twin"] = True


def landing(repository: Repository, by: Member, number: int) -> dict[str, Any]:
    """Ask the lander, and return how it ended."""
    shown = repository.change(number)
    body = {"repository": repository.name, "change": number, "patch_set": shown["patch_set"], "head": shown["head"]}
    path = f"/repositories/{repository.name}/landings"
    assert by.say("land", path, body, repository=repository.name).status == 201
    until(lambda: repository.change(number)["landing"]["state"] in {"landed", "refused"}, "the lander has been there")
    return dict(repository.change(number)["landing"])


@attack("X-STOP-04")
def test_a_freeze_names_its_scope_and_is_nowhere_else(
    case: Case, place: Repository, dev: Member, team: dict[str, Member], ground: Ground, tmp_path: Path
) -> None:
    other, librarian = ground.govern(tmp_path), team["librarian"]
    for changed, code in (
        ({"scope": "role", "value": "dev-a", "repository": place.name}, "freeze.malformed"),
        ({"scope": "role", "value": "dev-A"}, "freeze.role"),
        ({"scope": "ref", "value": "main", "repository": place.name}, "freeze.ref"),
        ({"scope": "everything", "repository": place.name}, "freeze.malformed"),
        ({"scope": "operator", "value": "dev-a"}, "freeze.operator"),
    ):
        case.denied(freeze(librarian, **changed), code, by=librarian)
    said = {"scope": "repository", "value": "", "repository": place.name, "reason": REASON, "hours": 0}
    other.admit(librarian)
    elsewhere = librarian.say("freeze.impose", "/freezes", said, repository=other.name)
    case.denied(elsewhere, "token.other_repository", by=librarian)
    frozen = freeze(librarian, scope="ref", value=MAIN, repository=other.name).done["freeze"]
    case.lands(place, dev, small(place, dev))
    assert thaw(ground.owner, frozen, repository=other.name).status == 200


@attack("A-39")
def test_a_frozen_ref_is_moved_by_no_alias_and_stops_no_other(
    case: Case, place: Repository, dev: Member, team: dict[str, Member], ground: Ground
) -> None:
    frozen = freeze(team["librarian"], scope="ref", value="refs/heads/**", repository=place.name).done["freeze"]
    for ref in (MAIN, "refs/heads/topic/x", "refs/heads/release/1"):
        case.refused(place.push(dev, f"{small(place, dev)}:{ref}"), "freeze.ref_frozen")
    assert thaw(ground.owner, frozen, repository=place.name).status == 200
    case.lands(place, dev, small(place, dev))


@pytest.fixture
def vetoed(place: Repository, dev: Member, ground: Ground) -> tuple[str, int, int]:
    """A commit of dev-a that two have signed off and architect-a vetoes: it, its change, the veto."""
    head = place.commit(dev, {"app.py": lines(60)}, place.refs()[MAIN])
    number = place.open(dev, head)
    place.approve(number, "dev-b", "qa-a")
    return head, number, veto(place, ground["architect-a"], number).done["veto"]


@attack("X-STOP-06")
def test_no_number_of_sign_offs_outvotes_a_veto(
    case: Case, place: Repository, dev: Member, ground: Ground, vetoed: tuple[str, int, int]
) -> None:
    head, number, stands = vetoed
    place.approve(number, "owner", "architect-a")
    said = case.refused(place.push(dev, f"{head}:{MAIN}"), "vetoes.in_force")
    assert "architect-a" in said
    case.not_landed(place, landing(place, dev, number), "vetoes.in_force")
    assert drop(place, ground["architect-a"], stands).status == 200
    case.lands(place, dev, head)


@attack("X-STOP-05")
@pytest.mark.parametrize("way", ["another message", "another topic", "in two commits", "on top", "a patch set later"])
def test_a_veto_is_not_shed(
    case: Case, place: Repository, dev: Member, ground: Ground, vetoed: tuple[str, int, int], way: str
) -> None:
    head, number, stands = vetoed
    first, topic = place.refs()[MAIN], "topic/two" if way in {"another topic", "on top"} else "topic/one"
    tree = place.git("rev-parse", f"{head}^{{tree}}")
    if way == "on top":
        head = place.commit(dev, {"more.py": lines(60)}, head)
    elif way == "in two commits":
        head = place.commit(dev, {}, place.commit(dev, {"app.py": lines(30)}, first), tree=tree)
    elif way == "a patch set later":
        head = place.commit(dev, {"app.py": lines(61)}, first)
    else:
        head = place.commit(dev, {}, first, tree=tree, message="only a typo\n")
    opened = place.open(dev, head, topic=topic)
    place.approve(opened, "dev-b", "qa-a")
    case.refused(place.push(dev, f"{head}:{MAIN}"), "vetoes.in_force")
    assert drop(place, ground["architect-a"], stands).status == 200
    case.lands(place, dev, head)
    assert number >= 1


@attack("A-13", "X-STOP-13")
@pytest.mark.parametrize("who", ["dev-a", "dev-b", "qa-a"])
def test_a_veto_is_lifted_by_nobody_but_its_author_and_an_owner(
    case: Case, place: Repository, dev: Member, ground: Ground, vetoed: tuple[str, int, int], who: str
) -> None:
    head, number, stands = vetoed
    member, author = ground[who], ground["architect-a"]
    case.denied(drop(place, member, stands), "veto.not_yours", by=member)
    case.denied(drop(place, member, stands, "lift"), "authority.owner_only", by=member)
    said = {"repository": place.name, "veto": stands, "how": "withdraw", "reason": ""}
    path = f"/repositories/{place.name}/vetoes/{stands}/lift"
    claimed = member.say("veto.lift", path, said, repository=place.name, by=author.name)
    case.denied(claimed, "statement.not_yours", by=member)
    case.denied(veto(place, member, number, claims="mia"), "statement.not_yours", by=member)
    assert place.push(dev, f"{head}:{MAIN}").code == "vetoes.in_force"
    case.denied(drop(place, ground.owner, stands, "lift", reason="no"), "veto.reason", by=ground.owner)
    assert drop(place, ground.owner, stands, "lift").status == 200
    case.lands(place, dev, head)


def held(repository: Repository, by: Member, refspec: str, folder: Path) -> tuple[Any, Path]:
    """Begin a push, and hold it between its decision and its refs; return it, and the sign that lets it go."""
    decided, go_on = folder / "decided", folder / "go-on"
    repository.lying_hook(
        "def after():",
        f"    open({str(decided)!r}, 'w').close()",
        f"    while not os.path.exists({str(go_on)!r}): time.sleep(0.01)",
    )
    push = repository.start_push(by, refspec)
    until(decided.exists, "the push is decided")
    repository.honest_hook()
    return push, go_on


@attack("X-STOP-08")
@pytest.mark.parametrize("scope", ["everything", "ref", "role", "operator"])
def test_a_push_that_was_allowed_before_the_freeze_does_not_move(
    case: Case, place: Repository, dev: Member, team: dict[str, Member], tmp_path: Path, scope: str
) -> None:
    before, head, ground = place.refs(), small(place, dev), place.ground
    push, go_on = held(place, dev, f"{head}:{MAIN}", tmp_path)
    value = {"ref": MAIN, "role": "dev-a", "operator": "owner"}.get(scope, "")
    where = place.name if scope == "ref" else ""
    frozen = freeze(team["librarian"], scope=scope, value=value, repository=where).done["freeze"]
    try:
        go_on.touch()
        answer = ended(push)
        assert "a freeze or a veto has come since" in answer.said, answer.said
        case.released(place, answer)
        assert place.refs() == before
    finally:  # The service is the other attacks', too.
        assert thaw(ground.owner, frozen, repository=where).status == 200
    assert list((place.path / "twinseal" / "revoked").glob("*")) == []
    case.lands(place, dev, head)


@attack("X-STOP-08")
def test_a_fraud_reaches_a_push_that_was_allowed_before_it(
    case: Case, place: Repository, dev: Member, ground: Ground, tmp_path: Path
) -> None:
    path, owner = f"/repositories/{place.name}/decisions", ground.owner
    said = {"repository": place.name, "kind": "architecture", "question": "Move the wall?", "options": [], "change": 0}
    number = dev.say("decision.raise", path, said, repository=place.name).done["decision"]
    said = {"repository": place.name, "decision": number, "verdict": "approve", "reason": "looked at it"}
    assert owner.say("decision.sign", path, said, repository=place.name).done["outcome"] == "awaits"
    before, head = place.refs(), small(place, dev)
    push, go_on = held(place, dev, f"{head}:{MAIN}", tmp_path)
    said = {"repository": place.name, "decision": number, "word": "fraud"}
    done = owner.say("decision.confirm", f"{path}/confirm", said, repository=place.name).done
    try:
        go_on.touch()
        answer = ended(push)
        assert "a freeze or a veto has come since" in answer.said, answer.said
        case.released(place, answer)
        assert place.refs() == before
    finally:
        assert thaw(owner, done["freeze"]).status == 200
    case.lands(place, dev, head)


@attack("X-STOP-07")
def test_a_landing_that_was_decided_before_the_veto_does_not_move(
    case: Case, place: Repository, dev: Member, ground: Ground, tmp_path: Path
) -> None:
    before, head = place.refs()[MAIN], place.commit(dev, {"app.py": lines(60)}, place.refs()[MAIN])
    number = place.open(dev, head)
    place.approve(number, "dev-b", "qa-a")
    push, go_on = held(place, dev, f"{head}:{MAIN}", tmp_path)
    stands = veto(place, ground["architect-a"], number).done["veto"]
    go_on.touch()
    answer = ended(push)
    assert "a freeze or a veto has come since" in answer.said
    case.released(place, answer)
    assert place.refs()[MAIN] == before
    assert drop(place, ground["architect-a"], stands).status == 200
    case.lands(place, dev, head)


@attack("X-STOP-09", "A-40")
def test_a_thaw_is_the_owners_once_and_for_the_freeze_that_it_names(
    case: Case, place: Repository, dev: Member, team: dict[str, Member], ground: Ground, tmp_path: Path
) -> None:
    owner, other = ground.owner, ground.govern(tmp_path)
    here = freeze(team["librarian"], scope="repository", repository=place.name).done["freeze"]
    there = freeze(owner, scope="repository", repository=other.name).done["freeze"]
    for member in (dev, team["librarian"], team["orchestrator"]):
        case.denied(thaw(member, here, repository=place.name), "authority.owner_only", by=member)
    case.denied(thaw(owner, there, repository=other.name, at=here), "statement.other_repository", by=owner)
    said = owner.signed("freeze.lift", {"freeze": here, "repository": place.name, "remediation": DONE})
    elsewhere = ground.ask("POST", f"/freezes/{there}/thaw", said, token=owner.tokens[""])
    case.denied(elsewhere, "statement.other_repository", by=owner)
    case.denied(thaw(owner, there, repository=place.name, at=here), "thaw.moved", by=owner)
    case.refused(place.push(dev, f"{small(place, dev)}:{MAIN}"), "freeze.in_force")
    token = owner.tokens[""]
    assert ground.ask("POST", f"/freezes/{here}/thaw", said, token=token).status == 200
    case.denied(ground.ask("POST", f"/freezes/{here}/thaw", said, token=token), "statement.replayed", by=owner)
    case.denied(thaw(owner, here, repository=place.name), "freeze.over", by=owner)
    standing = {found["seq"] for found in owner.get("/freezes").body["items"]}
    assert standing & {here, there} == {there}
    case.lands(place, dev, small(place, dev))


@attack("X-STOP-10")
def test_a_flood_of_freezes_ends(
    case: Case, place: Repository, dev: Member, team: dict[str, Member], ground: Ground
) -> None:
    librarian = team["librarian"]
    for number in range(50):
        flood = freeze(librarian, scope="ref", value=f"refs/heads/x{number}", repository=place.name)
        assert flood.status == 201, flood.raw
    last = freeze(librarian, scope="ref", value="refs/heads/last", repository=place.name)
    case.denied(last, "freeze.too_many", by=librarian)
    again = freeze(ground.owner, scope="ref", value="refs/heads/x1", repository=place.name)
    case.denied(again, "freeze.already", by=ground.owner)
    case.lands(place, dev, small(place, dev))


@attack("X-STOP-11")
def test_a_freeze_lasts_as_long_as_our_clock_says(
    case: Case, place: Repository, dev: Member, team: dict[str, Member], ground: Ground
) -> None:
    """Neither a statement's own time nor a commit's ends it sooner or begins it later."""
    librarian, now = team["librarian"], int(ground.ask("GET", "/about").body["time"])
    said = {"scope": "repository", "value": "", "repository": place.name, "reason": REASON, "hours": 1}
    begun = librarian.say("freeze.impose", "/freezes", said, at=now - FRESH_MS // 2).done
    assert begun["expires_at"] >= now + 60 * 60 * 1000, "an hour from its entry on, whatever it says of itself"
    case.refused(place.push(dev, f"{small(place, dev)}:{MAIN}"), "freeze.in_force")
    assert thaw(ground.owner, begun["freeze"], repository=place.name).status == 200
    case.lands(place, dev, small(place, dev))


@attack("X-STOP-12")
def test_nobody_has_anothers_role_frozen(case: Case, place: Repository, dev: Member, ground: Ground) -> None:
    """What counts towards a freeze is put down to who was authenticated; the counting is in test_consequences.py."""
    qa, first = ground["qa-a"], place.refs()[MAIN]
    said = {"scope": "role", "value": "dev-a", "repository": "", "reason": REASON, "hours": 0}
    case.denied(qa.say("freeze.impose", "/freezes", said, by="owner"), "statement.not_yours", by=qa)
    case.denied(qa.say("freeze.impose", "/freezes", said), "freeze.not_yours", by=qa)
    forged = place.commit(qa, {"notes": "1\n"}, first, author=dev.person, committer=dev.person)
    for _ in range(3):
        pushed = place.push(qa, f"{forged}:{MAIN}")
        assert pushed.code.startswith("signed_commits."), pushed.said
    assert not [found for found in ground.owner.get("/freezes").body["items"] if found["scope"] == "role"]
    case.lands(place, dev, small(place, dev))
