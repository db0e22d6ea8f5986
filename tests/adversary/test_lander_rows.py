"""What systems that merge by themselves let in: votes copied to a new patch set, commits of the server's own."""

from __future__ import annotations

from typing import Any

from adversary.card import Case, attack
from landing_world import as_lander
from playing import MAIN, Answer, Ground, Member, Repository, lines, until

OVER = {"landed", "refused"}


def ask(repository: Repository, by: Member, number: int) -> Answer:
    """Ask the lander for the patch set as it is shown."""
    shown = repository.change(number)
    body = {"repository": repository.name, "change": number, "patch_set": shown["patch_set"], "head": shown["head"]}
    return by.say("land", f"/repositories/{repository.name}/landings", body, repository=repository.name)


def outcome(repository: Repository, number: int) -> dict[str, Any]:
    """Return how the landing ended."""
    until(lambda: repository.change(number)["landing"]["state"] in OVER, "the lander has been there")
    return dict(repository.change(number)["landing"])


def lands(case: Case, repository: Repository, by: Member, number: int) -> None:
    answer = ask(repository, by, number)
    assert outcome(repository, number)["state"] == "landed", outcome(repository, number)
    case.twin(answer)


@attack("A-02")
def test_a02_a_patch_set_pushed_after_the_sign_offs_is_not_landed_on_them(
    case: Case, started: Repository, dev: Member
) -> None:
    first = started.refs()[MAIN]
    number = started.open(dev, started.commit(dev, {"app.py": lines(60)}, first))
    started.approve(number, "dev-b", "qa-a")
    assert started.open(dev, started.commit(dev, {"app.py": lines(60, word="evil")}, first)) == number
    assert ask(started, dev, number).status == 201
    case.not_landed(started, outcome(started, number), "four_eyes.missing_sign_offs")
    assert started.refs()[MAIN] == first
    started.approve(number, "dev-b", "qa-a")
    lands(case, started, dev, number)


@attack("K-12")
def test_k12_what_the_servers_own_key_signs_is_judged_like_anybodys(
    case: Case, started: Repository, dev: Member, ground: Ground
) -> None:
    first = started.refs()[MAIN]
    head = started.commit(dev, {"app.py": lines(60)}, first)
    number = started.open(dev, head)
    started.approve(number, "dev-b", "qa-a")
    small = started.commit(dev, {"notes": "1\n"}, first)
    assert started.push(dev, f"{small}:{MAIN}").landed
    lands(case, started, dev, number)  # The twin: the merge that the lander makes by itself.
    tip = started.refs()[MAIN]
    assert started.git("-C", str(started.path), "rev-list", "--parents", "-1", tip).split()[1:] == [small, head]
    started.git("fetch", "-q", str(started.path), MAIN)
    evil = as_lander(ground.play, started.work, started.tree({"evil": "1\n"}, base=tip), (tip,))
    case.refused(started.push(dev, f"{evil}:{MAIN}"), "signed_commits.lander_content")
