"""A rejection is not shed, and work under review is not moved by others: attacks on what somebody said or owns."""

from __future__ import annotations

import pytest

from playing import MAIN, Ground, Member, Repository, lines, until

TOPIC = "refs/heads/topic/one"


@pytest.fixture
def rejected(started: Repository, dev: Member, ground: Ground) -> str:
    """A commit of dev-a that architect-a rejects."""
    head = started.commit(dev, {"app.py": lines(60)}, started.refs()[MAIN])
    assert started.sign_off(ground["architect-a"], started.open(dev, head), "reject").status == 201
    return head


def closed(repository: Repository) -> None:
    until(lambda: not repository.reserved(), "every move is recorded")


@pytest.mark.parametrize(
    "way",
    [
        "another topic",
        "its topic deleted, and another",
        "another message",
        "in two commits",
        "a patch set between",
        "an approved one between",
    ],
)
def test_a_rejection_survives(started: Repository, dev: Member, ground: Ground, rejected: str, way: str) -> None:
    """What is rejected is the difference: how it is pushed, worded and numbered does not matter."""
    first, head, topic = started.refs()[MAIN], rejected, "topic/one"
    tree = started.git("rev-parse", f"{head}^{{tree}}")
    if way == "another topic":
        topic = "topic/two"
    elif way.startswith("its topic"):
        assert started.push(dev, f":{TOPIC}").landed
        closed(started)
        topic = "topic/two"
    elif way == "another message":
        head = started.commit(dev, {}, first, tree=tree, message="it is only a typo\n")
    elif way == "in two commits":
        half = started.commit(dev, {"app.py": lines(30)}, first)
        head = started.commit(dev, {}, half, tree=tree)
    else:
        harmless = started.commit(dev, {"app.py": lines(55)}, first)
        number = started.open(dev, harmless)
        if way.startswith("an approved"):
            started.approve(number, "architect-a")
        head = started.commit(dev, {}, first, tree=tree, message="the harmless one, as approved\n")
    number = started.open(dev, head, topic=topic)
    for open_one in {number, 2} if way == "another topic" else {number}:
        started.approve(open_one, "dev-b", "qa-a")
    refused = started.push(dev, f"{head}:{MAIN}")
    assert refused.code == "four_eyes.rejected", refused.said
    assert "architect-a" in refused.said
    assert started.withdraw(ground["architect-a"], 2).status == 201, "where it was given"
    landed = started.push(dev, f"{head}:{MAIN}")
    assert landed.landed, landed.said


def test_something_else_is_not_rejected_with_it(started: Repository, dev: Member, rejected: str) -> None:
    other = started.commit(dev, {"app.py": lines(59)}, started.refs()[MAIN])
    assert other != rejected
    started.land(dev, other, "dev-b", "qa-a", topic="topic/two")


def test_what_the_target_has_left_behind_may_be_rejected_and_is_not_pushed_over_it(
    started: Repository, dev: Member, ground: Ground
) -> None:
    first = started.refs()[MAIN]
    head = started.commit(dev, {"app.py": lines(60)}, first)
    number = started.open(dev, head)
    assert started.sign_off(ground["dev-b"], number).status == 201
    small = started.commit(dev, {"notes": "1\n"}, first)
    assert started.push(dev, f"{small}:{MAIN}").landed
    closed(started)
    assert started.sign_off(ground["qa-a"], number).status == 201, "the lander may carry it over"
    assert started.push(dev, f"+{head}:{MAIN}").code == "ref_rules.protected_rewound"
    assert started.sign_off(ground["architect-a"], number, "reject").status == 201
    rebased = started.commit(dev, {"app.py": lines(60)}, small)
    assert started.open(dev, rebased) == number
    assert started.sign_off(ground["qa-a"], number).status == 201
    assert started.sign_off(ground["dev-b"], number).status == 201
    assert started.push(dev, f"{rebased}:{MAIN}").code == "four_eyes.rejected"


@pytest.mark.parametrize("what", ["moved", "deleted"])
def test_a_topic_under_review_is_its_contributors_and_the_owners(
    started: Repository, dev: Member, ground: Ground, what: str
) -> None:
    first, qa = started.refs()[MAIN], ground["qa-a"]
    helped = f"with help\n\nCo-authored-by: {qa.person}\n"
    head = started.commit(dev, {"app.py": lines(60)}, first, message=helped)
    number = started.open(dev, head)
    for name in ("dev-b", "architect-a"):
        theirs = started.commit(ground[name], {"app.py": lines(61, word=name)}, first)
        refspec = f"+{theirs}:{TOPIC}" if what == "moved" else f":{TOPIC}"
        refused = started.push(ground[name], refspec)
        assert refused.code == "ref_rules.topic_of_others", refused.said
        assert "dev-a" in refused.said
        assert started.refs()[TOPIC] == head
    assert started.change(number)["state"] == "open"
    for name in ("qa-a", "owner", "dev-a"):
        mine = started.commit(ground[name], {"app.py": lines(61, word=name)}, first)
        assert started.push(ground[name], f"+{mine}:{TOPIC}").landed
    last = started.push(ground.owner if what == "moved" else qa, f":{TOPIC}")
    assert last.landed, last.said
    closed(started)
    assert started.change(number)["state"] == "abandoned"
    free = started.commit(ground["dev-b"], {"app.py": lines(62)}, first)
    assert started.push(ground["dev-b"], f"{free}:{TOPIC}").landed, "nothing is under review there any more"
