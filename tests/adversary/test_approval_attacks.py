"""Attacks on approvals (A), over real git and real HTTP: each beside the honest way, which lands."""

from __future__ import annotations

from pathlib import Path

import pytest

from adversary.card import Case, attack
from playing import MAIN, Ground, Member, Repository, lines, until

TOPIC = "refs/heads/topic/one"


@pytest.fixture
def head(started: Repository, dev: Member) -> str:
    """A commit of dev-a above the threshold."""
    return started.commit(dev, {"app.py": lines(60)}, started.refs()[MAIN])


def waits(case: Case, repository: Repository, by: Member, head: str) -> str:
    """The push is refused because two approvers are not there; return what it read."""
    return case.refused(repository.push(by, f"{head}:{MAIN}"), "four_eyes.missing_sign_offs")


def extra(ground: Ground, name: str, role: str) -> Member:
    """Enrol somebody once, and give them out again afterwards."""
    return ground.members.get(name) or ground.enroll(name, role=role)


@attack("A-01")
def test_a01_a_push_after_approval_is_not_covered_by_it(
    case: Case, started: Repository, dev: Member, head: str
) -> None:
    number = started.open(dev, head)
    started.approve(number, "dev-b", "qa-a")
    after = started.commit(dev, {"evil": "1\n"}, head)
    case.refused(started.push(dev, f"{after}:{MAIN}"), "four_eyes.no_change")
    assert started.push(dev, f"{after}:{TOPIC}").landed
    waits(case, started, dev, after)
    started.approve(number, "dev-b", "qa-a")
    case.lands(started, dev, after)


@attack("A-03", "A-11")
def test_a03_an_approval_for_one_target_is_none_for_another(
    case: Case, started: Repository, dev: Member, head: str
) -> None:
    started.approve(started.open(dev, head), "dev-b", "qa-a")
    case.refused(started.push(dev, f"{head}:refs/heads/release/1"), "four_eyes.no_change")
    case.lands(started, dev, head)


@attack("A-04")
def test_a04_a_branch_deleted_and_made_again_starts_anew(
    case: Case, started: Repository, dev: Member, head: str
) -> None:
    first = started.open(dev, head)
    started.approve(first, "dev-b", "qa-a")
    assert started.push(dev, f":{TOPIC}").landed
    evil = started.commit(dev, {"app.py": lines(70, word="evil")}, started.refs()[MAIN])
    second = started.open(dev, evil)
    assert second != first
    waits(case, started, dev, evil)
    started.approve(second, "dev-b", "qa-a")
    case.lands(started, dev, evil)


@attack("A-10")
def test_a10_a_sign_off_of_one_repository_is_none_in_another(
    case: Case, started: Repository, dev: Member, head: str, ground: Ground, tmp_path: Path
) -> None:
    """The same objects under the same change number, so that only the repository's name differs."""
    number = started.open(dev, head)
    other = ground.govern(tmp_path)
    qa, places = ground["qa-a"], (started, other)
    other.git("fetch", "-q", str(started.work / ".git"), head)
    started.git("update-ref", "refs/heads/for-fetch", head)
    other.land(dev, started.refs()[MAIN], "dev-b", "qa-a", topic="topic/begin")
    assert other.open(dev, head) == number
    shown = [place.change(number)["binding"] for place in places]
    assert {key for key in shown[0] if shown[0][key] != shown[1][key]} == {"repository"}
    statement = qa.signed("sign_off", {"verdict": "approve", "binding": shown[0]})
    paths = [f"/repositories/{place.name}/sign-offs" for place in places]
    elsewhere = ground.ask("POST", paths[1], statement, token=qa.tokens[other.name])
    assert elsewhere.code == "sign_off.moved"
    assert ground.ask("POST", paths[0], statement, token=qa.tokens[started.name]).status == 201
    assert ground.ask("POST", paths[1], statement, token=qa.tokens[other.name]).code == "statement.replayed"
    assert [len(place.change(number)["sign_offs"]) for place in places] == [1, 0]
    for place in places:
        place.approve(number, "dev-b")
    waits(case, other, dev, head)
    case.lands(started, dev, head)


@attack("A-16")
@pytest.mark.parametrize(
    "name", ["head", "base", "tree", "diff_digest", "policy_digest", "target", "patch_set", "change"]
)
def test_a16_a_sign_off_binds_all_of_what_was_shown(
    case: Case, started: Repository, dev: Member, head: str, ground: Ground, name: str
) -> None:
    number = started.open(dev, head)
    lie: object = {"patch_set": 2, "change": 1, "target": "refs/heads/release/1"}.get(name, "0" * 40)
    refused = started.sign_off(ground["dev-b"], number, "approve", **{name: lie})
    assert refused.code in {"sign_off.moved", "sign_off.closed"}, refused.raw
    assert not started.change(number)["sign_offs"]
    started.approve(number, "qa-a")
    waits(case, started, dev, head)
    started.approve(number, "dev-b")
    case.lands(started, dev, head)


@attack("A-16")
def test_a16_what_was_shown_before_the_branch_moved_cannot_be_signed_off(
    case: Case, started: Repository, dev: Member, head: str, ground: Ground
) -> None:
    number = started.open(dev, head)
    shown = started.change(number)["binding"]
    evil = started.commit(dev, {"app.py": lines(60, word="evil")}, started.refs()[MAIN])
    assert started.push(dev, f"+{evil}:{TOPIC}").landed
    until(lambda: started.change(number)["patch_set"] == 2, "the second patch set")
    body = {"verdict": "approve", "binding": shown}
    path = f"/repositories/{started.name}/sign-offs"
    assert ground["qa-a"].say("sign_off", path, body, repository=started.name).code == "sign_off.moved"
    started.approve(number, "dev-b")
    waits(case, started, dev, evil)
    started.approve(number, "qa-a")
    case.lands(started, dev, evil)


@attack("A-18")
def test_a18_two_agents_of_one_role_are_one_approver(
    case: Case, started: Repository, dev: Member, head: str, ground: Ground
) -> None:
    twin = extra(ground, "dev-b-two", "dev-b")
    started.admit(twin)
    number = started.open(dev, head)
    started.approve(number, "dev-b", "dev-b-two")
    waits(case, started, dev, head)
    started.approve(number, "qa-a")
    case.lands(started, dev, head)


@attack("A-19")
def test_a19_who_wrote_an_earlier_commit_of_the_range_does_not_count(
    case: Case, started: Repository, dev: Member, ground: Ground
) -> None:
    qa, first = ground["qa-a"], started.refs()[MAIN]
    below = started.commit(qa, {"a": lines(40)}, first)
    tip = started.commit(dev, {"b": lines(40)}, below)
    number = started.open(dev, tip)
    assert started.sign_off(qa, number).code == "sign_off.not_eligible"
    started.approve(number, "dev-b")
    waits(case, started, dev, tip)
    started.approve(number, "architect-a")
    case.lands(started, dev, tip)


@attack("A-20")
@pytest.mark.parametrize("line", ["committer", "co-author"])
def test_a20_who_committed_or_helped_does_not_count(
    case: Case, started: Repository, dev: Member, ground: Ground, line: str
) -> None:
    qa, first = ground["qa-a"], started.refs()[MAIN]
    told = {"committer": qa.person} if line == "committer" else {"message": f"x\n\nCo-authored-by: {qa.person}\n"}
    tip = started.commit(dev, {"b": lines(60)}, first, **told)  # type: ignore[arg-type]
    number = started.open(dev, tip)
    assert started.sign_off(qa, number).code == "sign_off.not_eligible"
    started.approve(number, "dev-b")
    waits(case, started, dev, tip)
    started.approve(number, "architect-a")
    case.lands(started, dev, tip)


@attack("A-21")
@pytest.mark.parametrize("who", ["Nobody <nobody@example.org>", "dev-a <DEV-A@example.org.evil>", "dev-a <>"])
def test_a21_an_author_whom_nobody_knows_does_not_land(case: Case, started: Repository, dev: Member, who: str) -> None:
    first = started.refs()[MAIN]
    unknown = started.commit(dev, {"a": "1\n"}, first, author=who)
    case.refused(started.push(dev, f"{unknown}:{MAIN}"), "signed_commits.unknown_author")
    case.lands(started, dev, started.commit(dev, {"a": "1\n"}, first))


@attack("A-22", "K-03")
def test_a22_k03_a_forged_author_does_not_land(case: Case, started: Repository, dev: Member, ground: Ground) -> None:
    first = started.refs()[MAIN]
    forged = started.commit(dev, {"a": lines(60)}, first, author=ground["dev-b"].person)
    case.refused(started.push(dev, f"{forged}:{MAIN}"), "signed_commits.not_the_author")
    case.refused(started.push(dev, f"{forged}:{TOPIC}"), "signed_commits.not_the_author")
    case.lands(started, dev, started.commit(dev, {"a": "1\n"}, first))


@attack("A-22")
@pytest.mark.parametrize("who", ["Nobody <nobody@example.org>", "dev-a <>"])
def test_a22_a_committer_whom_nobody_knows_does_not_land(
    case: Case, started: Repository, dev: Member, who: str
) -> None:
    first = started.refs()[MAIN]
    unknown = started.commit(dev, {"a": "1\n"}, first, committer=who)
    case.refused(started.push(dev, f"{unknown}:{MAIN}"), "signed_commits.unknown_committer")
    case.lands(started, dev, started.commit(dev, {"a": "1\n"}, first, committer=dev.person))


@attack("A-24")
def test_a24_nobody_signs_off_their_own_work(case: Case, started: Repository, dev: Member, head: str) -> None:
    number = started.open(dev, head)
    refused = started.sign_off(dev, number)
    assert (refused.status, refused.code) == (403, "sign_off.not_eligible")
    assert not started.change(number)["sign_offs"]
    started.approve(number, "dev-b")
    waits(case, started, dev, head)
    started.approve(number, "qa-a")
    case.lands(started, dev, head)


@attack("A-25")
def test_a25_a_copy_of_the_author_does_not_count(
    case: Case, started: Repository, dev: Member, head: str, ground: Ground
) -> None:
    copy = extra(ground, "dev-a-two", "dev-a")
    started.admit(copy)
    number = started.open(dev, head)
    assert started.sign_off(copy, number).code == "sign_off.not_eligible"
    started.approve(number, "qa-a")
    waits(case, started, dev, head)
    started.approve(number, "dev-b")
    case.lands(started, dev, head)


@attack("A-28")
def test_a28_one_approver_twice_is_one(case: Case, started: Repository, dev: Member, head: str) -> None:
    number = started.open(dev, head)
    started.approve(number, "qa-a", "qa-a")
    waits(case, started, dev, head)
    started.approve(number, "dev-b")
    case.lands(started, dev, head)


@attack("A-28")
@pytest.mark.parametrize("pair", [("qa-a", "architect-a"), ("dev-b", "architect-a")])
def test_a28_who_has_no_place_in_the_table_fills_none(
    case: Case, started: Repository, dev: Member, head: str, pair: tuple[str, str]
) -> None:
    """architect-a only steps in where nobody else is free."""
    number = started.open(dev, head)
    started.approve(number, *pair)
    waits(case, started, dev, head)
    started.approve(number, *({"dev-b", "qa-a"} - set(pair)))
    case.lands(started, dev, head)


def test_a_signer_who_retires_before_the_landing_does_not_count(
    case: Case, started: Repository, dev: Member, head: str, ground: Ground
) -> None:
    gone = ground.enroll("qa-b-short", role="qa-b")
    started.admit(gone)
    del ground.members["qa-b-short"]
    number = started.open(dev, head)
    started.approve(number, "dev-b")
    assert started.sign_off(gone, number).status == 201
    assert ground.owner.say("principal.retire", "/principals/retirement", {"name": "qa-b-short"}).status == 200
    assert "Set aside: qa-b-short: " in waits(case, started, dev, head)
    started.approve(number, "qa-a")
    assert started.push(dev, f"{head}:{MAIN}").landed


@attack("A-13", "A-40")
@pytest.mark.parametrize("who", ["qa-a", "dev-b", "dev-a"])
def test_a13_a40_nobody_lifts_anothers_no(
    case: Case, started: Repository, dev: Member, head: str, ground: Ground, who: str
) -> None:
    number = started.open(dev, head)
    started.approve(number, "dev-b", "qa-a")
    assert started.sign_off(ground["architect-a"], number, "reject").status == 201
    if who != "dev-a":
        assert started.withdraw(ground[who], number).status == 201
        started.approve(number, who)
    assert started.withdraw(dev, number).code == "sign_off.none"
    case.refused(started.push(dev, f"{head}:{MAIN}"), "four_eyes.rejected")
    assert started.withdraw(ground["architect-a"], number).status == 201
    case.lands(started, dev, head)


def test_t10_a_change_of_another_repository_is_out_of_reach(
    started: Repository, dev: Member, head: str, ground: Ground, tmp_path: Path
) -> None:
    number = started.open(dev, head)
    other = ground.govern(tmp_path)
    qa = ground["qa-a"]
    for path in (f"changes/{number}", "changes", f"changes/{number}/diff"):
        refused = qa.get(f"/repositories/{started.name}/{path}", repository=other.name)
        assert (refused.status, refused.code) == (403, "token.other_repository")
    body = {"verdict": "approve", "binding": started.change(number)["binding"]}
    path = f"/repositories/{started.name}/sign-offs"
    assert qa.say("sign_off", path, body, repository=other.name).code == "token.other_repository"
    assert qa.say("sign_off", path, body, repository=started.name).status == 201
