"""Changes, patch sets and sign-offs: given, counted, withdrawn, refused."""

from __future__ import annotations

import pytest

from playing import MAIN, Repository, lines, until

TOPIC = "refs/heads/topic/one"


@pytest.fixture
def change(started: Repository) -> tuple[int, str]:
    """A change of dev-a above the threshold, and its head."""
    dev = started.ground["dev-a"]
    head = started.commit(dev, {"app.py": lines(60)}, started.refs()[MAIN])
    return started.open(dev, head), head


def test_a_forced_push_makes_a_patch_set_and_both_stay_pinned(started: Repository, change: tuple[int, str]) -> None:
    (number, one), dev = change, started.ground["dev-a"]
    two = started.commit(dev, {"app.py": lines(61)}, started.refs()[MAIN])
    pushed = started.push(dev, f"+{two}:{TOPIC}")
    assert f"Change {number}, patch set 2" in pushed.said
    until(lambda: not started.reserved(), "the pin is made")
    pins = {ref: oid for ref, oid in started.refs().items() if ref.startswith(f"refs/changes/{number}/")}
    assert pins == {f"refs/changes/{number}/1": one, f"refs/changes/{number}/2": two}
    shown = started.change(number)
    assert (shown["patch_set"], shown["head"]) == (2, two)


def test_sign_offs_of_an_earlier_patch_set_count_for_neither(started: Repository, change: tuple[int, str]) -> None:
    (number, one), dev = change, started.ground["dev-a"]
    started.approve(number, "dev-b", "qa-a")
    two = started.commit(dev, {"app.py": lines(61)}, started.refs()[MAIN])
    assert started.push(dev, f"+{two}:{TOPIC}").landed
    assert started.push(dev, f"{two}:{MAIN}").code == "four_eyes.missing_sign_offs"
    assert started.push(dev, f"{one}:{MAIN}").code == "four_eyes.no_change"
    assert [given["current"] for given in started.change(number)["sign_offs"]] == [False, False]
    started.approve(number, "dev-b", "qa-a")
    assert started.push(dev, f"{two}:{MAIN}").landed


def test_a_patch_set_deleted_and_pushed_again_is_a_new_change(started: Repository, change: tuple[int, str]) -> None:
    (number, head), dev = change, started.ground["dev-a"]
    started.approve(number, "dev-b", "qa-a")
    assert started.push(dev, f":{TOPIC}").landed
    assert started.change(number)["state"] == "abandoned"
    assert started.push(dev, f"{head}:{MAIN}").code == "four_eyes.no_change"
    again = started.open(dev, head)
    assert again == number + 1
    assert started.push(dev, f"{head}:{MAIN}").code == "four_eyes.missing_sign_offs"


def test_who_pushes_the_landing_does_not_count_for_it(started: Repository, change: tuple[int, str]) -> None:
    number, head = change
    started.approve(number, "dev-b", "qa-a")
    refused = started.push(started.ground["qa-a"], f"{head}:{MAIN}")
    assert refused.code == "four_eyes.missing_sign_offs"
    assert "qa-a contributed to the change" in refused.said
    assert started.push(started.ground["dev-a"], f"{head}:{MAIN}").landed


def test_who_pushes_a_patch_set_does_not_count_for_any(started: Repository, change: tuple[int, str]) -> None:
    (number, head), dev, owner = change, started.ground["dev-a"], started.ground.owner
    theirs = started.commit(dev, {"app.py": lines(61)}, started.refs()[MAIN])
    assert started.push(owner, f"+{theirs}:{TOPIC}").landed
    assert started.push(dev, f"+{head}:{TOPIC}").landed
    assert started.sign_off(owner, number).code == "sign_off.not_eligible"
    assert started.sign_off(started.ground["dev-b"], number).status == 201


def test_a_withdrawn_sign_off_does_not_count_and_revives_no_older_one(
    started: Repository, change: tuple[int, str]
) -> None:
    (number, head), dev, qa = change, started.ground["dev-a"], started.ground["qa-a"]
    started.approve(number, "dev-b", "qa-a", "qa-a")
    assert started.withdraw(qa, number).status == 201
    refused = started.push(dev, f"{head}:{MAIN}")
    assert refused.code == "four_eyes.missing_sign_offs"
    assert "qa-a: withdrawn" in refused.said
    assert started.withdraw(qa, number).code == "sign_off.none"
    started.approve(number, "qa-a")
    assert started.push(dev, f"{head}:{MAIN}").landed


def test_a_rejection_blocks_until_it_is_withdrawn(started: Repository, change: tuple[int, str]) -> None:
    (number, head), dev, architect = change, started.ground["dev-a"], started.ground["architect-a"]
    started.approve(number, "dev-b", "qa-a")
    assert started.sign_off(architect, number, "reject").status == 201
    refused = started.push(dev, f"{head}:{MAIN}")
    assert refused.code == "four_eyes.rejected"
    assert "architect-a" in refused.said
    assert started.withdraw(architect, number).status == 201
    assert started.push(dev, f"{head}:{MAIN}").landed


def test_who_changes_their_mind_counts_as_they_said_last(started: Repository, change: tuple[int, str]) -> None:
    (number, head), dev, qa = change, started.ground["dev-a"], started.ground["qa-a"]
    started.approve(number, "dev-b", "qa-a")
    assert started.sign_off(qa, number, "reject").status == 201
    assert started.push(dev, f"{head}:{MAIN}").code == "four_eyes.rejected"
    started.approve(number, "qa-a")
    assert started.push(dev, f"{head}:{MAIN}").landed


def test_a_moved_target_asks_for_the_sign_offs_again(started: Repository, change: tuple[int, str]) -> None:
    (number, head), dev, first = change, started.ground["dev-a"], started.refs()[MAIN]
    started.approve(number, "dev-b", "qa-a")
    small = started.commit(dev, {"notes": "1\n"}, first)
    assert started.push(dev, f"{small}:{MAIN}").landed
    rebased = started.commit(dev, {"app.py": lines(60)}, small)
    assert started.push(dev, f"+{rebased}:{TOPIC}").landed
    assert started.push(dev, f"{rebased}:{MAIN}").code == "four_eyes.missing_sign_offs"
    assert started.push(dev, f"{head}:{MAIN}").code == ""  # git itself: not a fast-forward
    assert started.push(dev, f"+{head}:{MAIN}").code == "ref_rules.protected_rewound"


def test_what_has_landed_can_neither_be_signed_off_nor_withdrawn(started: Repository, change: tuple[int, str]) -> None:
    (number, head), dev = change, started.ground["dev-a"]
    started.approve(number, "dev-b", "qa-a")
    assert started.push(dev, f"{head}:{MAIN}").landed
    assert started.sign_off(started.ground["architect-a"], number).code == "sign_off.closed"
    assert started.withdraw(started.ground["qa-a"], number).code == "sign_off.spent"
    assert [given["spent"] for given in started.change(number)["sign_offs"]] == [True, True]


def test_a_change_is_shown_with_its_patch_and_as_a_page(started: Repository, change: tuple[int, str]) -> None:
    number, head = change
    dev = started.ground["dev-b"]
    patch = dev.get(f"/repositories/{started.name}/changes/{number}/diff", repository=started.name).body
    assert (patch["head"], patch["diff"].count("\n+line ")) == (head, 60)
    started.git("apply", "--check", "--unsafe-paths", "--directory=/nowhere", "-", text=patch["diff"].encode())
    listed = dev.get(f"/repositories/{started.name}/changes", repository=started.name).body["items"]
    assert [row["number"] for row in listed] == [number]
    token = dev.tokens[started.name]
    page = started.ground.ask("GET", f"//{started.name}/changes/{number}", token=token)
    assert page.status == 200
    assert head in page.raw.decode()
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert started.ground.ask("GET", f"//{started.name}/changes/{number}").status == 401


def test_a_push_for_review_says_how_the_next_patch_set_is_pushed(started: Repository) -> None:
    dev, first = started.ground["dev-a"], started.refs()[MAIN]
    opened = started.push(dev, f"{started.commit(dev, {'app.py': lines(60)}, first)}:refs/for/main")
    assert opened.landed, opened.said
    again = "-o twinseal.change=2 origin HEAD:refs/for/main"
    assert f"Again  git push {again}" in opened.said
    following = started.commit(dev, {"app.py": lines(61)}, first)
    pushed = started.push(dev, f"{following}:refs/for/main", more=again.split()[:2])
    assert "Change 2, patch set 2" in pushed.said
