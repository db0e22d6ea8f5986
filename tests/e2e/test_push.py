"""What lands and what does not, over real git and real HTTP."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from playing import MAIN, ZEROS, Files, Repository, lines, until


def test_a_small_signed_change_lands_at_once_and_says_why(started: Repository) -> None:
    dev = started.ground["dev-a"]
    small = started.commit(dev, {"notes": "one line\n"}, started.refs()[MAIN])
    pushed = started.push(dev, f"{small}:{MAIN}")
    assert pushed.landed, pushed.said
    assert "below the threshold" in pushed.said
    assert started.refs()[MAIN] == small


@pytest.mark.parametrize(
    ("good", "bad"),
    [
        pytest.param({"a": lines(50)}, {"a": lines(51)}, id="lines"),
        pytest.param(dict.fromkeys("abc", "1\n"), dict.fromkeys("abcd", "1\n"), id="files"),
        pytest.param({"src/author.py": "1\n"}, {"src/auth.py": "1\n"}, id="a risk path"),
        pytest.param({"a.bin": "text\n"}, {"a.bin": b"\0\1\2"}, id="a binary file"),
        pytest.param({"run": "1\n"}, {"run": ("100755", "1\n")}, id="a program"),
        pytest.param({"link": "README"}, {"link": ("120000", "README")}, id="a symbolic link"),
        pytest.param({"module": "1\n"}, {"module": ("160000", "1" * 40)}, id="a submodule"),
    ],
)
def test_up_to_the_threshold_lands_and_above_it_two_must_sign(started: Repository, good: Files, bad: Files) -> None:
    dev = started.ground["dev-a"]
    first = started.refs()[MAIN]
    refused = started.push(dev, f"{started.commit(dev, bad, first)}:{MAIN}")
    assert refused.code == "four_eyes.no_change", refused.said
    assert "git push origin HEAD:refs/heads/topic/" in refused.said
    assert started.refs()[MAIN] == first
    landed = started.push(dev, f"{started.commit(dev, good, first)}:{MAIN}")
    assert landed.landed, landed.said


def test_above_the_threshold_two_sign_offs_of_the_topic_let_the_same_commit_land(started: Repository) -> None:
    dev, first = started.ground["dev-a"], started.refs()[MAIN]
    large = started.commit(dev, {"app.py": lines(60)}, first)
    assert started.push(dev, f"{large}:{MAIN}").code == "four_eyes.no_change"
    number = started.open(dev, large)
    assert started.push(dev, f"{large}:{MAIN}").code == "four_eyes.missing_sign_offs"
    started.approve(number, "dev-b")
    waiting = started.push(dev, f"{large}:{MAIN}")
    assert waiting.code == "four_eyes.missing_sign_offs"
    assert "qa-a" in waiting.said
    started.approve(number, "qa-a")
    landed = started.push(dev, f"{large}:{MAIN}")
    assert landed.landed, landed.said
    assert started.refs()[MAIN] == large
    assert started.change(number)["state"] == "landed"


def test_a_high_risk_change_waits_for_a_person(started: Repository) -> None:
    dev, first = started.ground["dev-a"], started.refs()[MAIN]
    risky = started.commit(dev, {".github/workflows/ci.yml": "on: push\n"}, first)
    number = started.open(dev, risky)
    started.approve(number, "dev-b", "qa-a")
    waiting = started.push(dev, f"{risky}:{MAIN}")
    assert waiting.code == "four_eyes.missing_sign_offs"
    assert "one of them a person" in waiting.said
    started.approve(number, "owner")
    assert started.push(dev, f"{risky}:{MAIN}").landed


def test_a_merge_lands_when_what_it_merges_was_signed_off_with_it(started: Repository) -> None:
    dev, first = started.ground["dev-a"], started.refs()[MAIN]
    ours = started.commit(dev, {"a": "1\n"}, first)
    theirs = started.commit(dev, {"b": "2\n"}, first)
    merge = started.commit(dev, {"b": "2\n"}, ours, theirs)
    assert started.push(dev, f"{ours}:{MAIN}").landed
    assert started.push(dev, f"{merge}:{MAIN}").landed


def test_a_signed_tag_of_what_has_landed_goes_in(started: Repository) -> None:
    dev, first = started.ground["dev-a"], started.refs()[MAIN]
    raw = f"object {first}\ntype commit\ntag v1\ntagger {dev.person} 1700000000 +0000\n\none\n".encode()
    tag = started.git("hash-object", "-t", "tag", "-w", "--stdin", text=raw + dev.key.sign(raw))
    bare = started.git("hash-object", "-t", "tag", "-w", "--stdin", text=raw)
    assert started.push(dev, f"{bare}:refs/tags/v1").code == "signed_commits.tag_unsigned"
    assert started.push(dev, f"{tag}:refs/tags/v1").landed
    assert started.push(dev, f"+{bare}:refs/tags/v1").code == "ref_rules.tag_moved"
    assert started.push(dev, ":refs/tags/v1").code == "ref_rules.tag_moved"


def test_a_tag_in_anothers_name_is_refused(started: Repository) -> None:
    dev, first = started.ground["dev-a"], started.refs()[MAIN]
    for number, (person, code) in enumerate(
        [
            (started.ground.owner.person, "signed_commits.tag_not_the_tagger"),
            ("Nobody <nobody@example.org>", "signed_commits.tag_not_the_tagger"),
            (dev.person, ""),
        ]
    ):
        raw = f"object {first}\ntype commit\ntag v{number}\ntagger {person} 1700000000 +0000\n\nx\n".encode()
        tag = started.git("hash-object", "-t", "tag", "-w", "--stdin", text=raw + dev.key.sign(raw))
        pushed = started.push(dev, f"{tag}:refs/tags/v{number}")
        assert (pushed.code, pushed.landed) == (code, not code), pushed.said


def test_a_release_branch_starts_at_what_has_landed_and_is_told_where_changes_go(started: Repository) -> None:
    dev, first, release = started.ground["dev-a"], started.refs()[MAIN], "refs/heads/release/1.0"
    unlanded = started.commit(dev, {"fix": "1\n"}, first)
    assert started.push(dev, f"{unlanded}:{release}").code == "four_eyes.no_change"
    created = started.push(dev, f"{first}:{release}")
    assert created.landed, created.said
    large = started.commit(dev, {"app.py": lines(60)}, first)
    refused = started.push(dev, f"{large}:{release}")
    assert refused.code == "four_eyes.no_change"
    assert "git push origin HEAD:refs/for/release/1.0" in refused.said
    assert "refs/heads/topic/" not in refused.said
    assert started.push(dev, f"{unlanded}:{release}").landed, "below the threshold, it needs nobody"


def test_a_topic_may_be_created_rewound_and_deleted(started: Repository) -> None:
    dev, first = started.ground["dev-a"], started.refs()[MAIN]
    one, two = (started.commit(dev, {"a": f"{n}\n"}, first) for n in (1, 2))
    assert started.push(dev, f"{one}:refs/heads/topic/x").landed
    assert started.push(dev, f"+{two}:refs/heads/topic/x").landed
    assert started.push(dev, ":refs/heads/topic/x").landed
    assert "refs/heads/topic/x" not in started.refs()


def test_an_atomic_push_lands_wholly_or_not_at_all(started: Repository) -> None:
    dev, first = started.ground["dev-a"], started.refs()[MAIN]
    small, unsigned = started.commit(dev, {"a": "1\n"}, first), started.commit(dev, {"b": "1\n"}, first, signed=False)
    before = started.refs()
    refused = started.push(dev, f"{small}:{MAIN}", f"{unsigned}:refs/heads/topic/b", more=["--atomic"])
    assert (refused.code, started.refs()) == ("signed_commits.unsigned", before)
    also = started.commit(dev, {"b": "1\n"}, first)
    assert started.push(dev, f"{small}:{MAIN}", f"{also}:refs/heads/topic/b", more=["--atomic"]).landed


def test_two_pushes_at_once_with_the_same_sign_offs_land_once(started: Repository) -> None:
    """Two landings race for one ref: the second finds it reserved, moved, or already there."""
    dev, first = started.ground["dev-a"], started.refs()[MAIN]
    large = started.commit(dev, {"app.py": lines(60)}, first)
    started.approve(started.open(dev, large), "dev-b", "qa-a")
    with ThreadPoolExecutor(4) as pool:
        pushes = list(pool.map(lambda _: started.push(dev, f"{large}:{MAIN}"), range(4)))
    new = [p for p in pushes if p.landed and "up-to-date" not in p.said]
    assert len(new) == 1, [p.said for p in pushes]
    decided = [e for e in started.ground.entries("push.decided") if e["repo"] == started.name]
    spent = [e["data"]["spend"] for e in decided if e["data"]["allowed"] and e["subject"] == MAIN]
    assert len(spent) == 2, "beginning the repository, and this landing"
    assert not set(spent[0]) & set(spent[1])
    assert started.refs()[MAIN] == large


def test_sixteen_pushes_at_once_open_sixteen_changes(started: Repository) -> None:
    dev, first = started.ground["dev-a"], started.refs()[MAIN]
    heads = [started.commit(dev, {f"f{n}": "1\n"}, first) for n in range(16)]
    with ThreadPoolExecutor(16) as pool:
        numbers = list(pool.map(lambda n: started.open(dev, heads[n], topic=f"topic/t{n}"), range(16)))
    assert sorted(numbers) == list(range(2, 18))
    assert {started.change(number)["head"] for number in numbers} == set(heads)
    pins = {ref: oid for ref, oid in started.refs().items() if ref.startswith("refs/changes/")}
    assert {pins[f"refs/changes/{number}/1"] for number in numbers} == set(heads)


def test_a_push_reads_as_words_and_ends_in_the_ledger(started: Repository) -> None:
    dev, first = started.ground["dev-a"], started.refs()[MAIN]
    unsigned = started.commit(dev, {"a": "1\n"}, first, signed=False)
    refused = started.push(dev, f"{unsigned}:{MAIN}")
    last = [e for e in started.ground.entries("push.decided") if e["repo"] == started.name][-1]
    assert f"Recorded as entry {last['seq']}" in refused.said
    assert (last["actor"]["id"], last["data"]["code"]) == ("dev-a", "signed_commits.unsigned")
    assert last["data"]["refs"] == [[first, unsigned, MAIN]]
    until(lambda: not started.reserved(), "nothing is under way")


def test_after_a_landing_its_tree_again_needs_new_sign_offs(started: Repository) -> None:
    dev, first = started.ground["dev-a"], started.refs()[MAIN]
    large = started.commit(dev, {"app.py": lines(60)}, first)
    started.land(dev, large, "dev-b", "qa-a")
    reverted = started.commit(dev, {"app.py": None}, large)
    started.land(dev, reverted, "dev-b", "qa-a", topic="topic/revert")
    again = started.commit(dev, {}, reverted, tree=started.git("rev-parse", f"{large}^{{tree}}"))
    assert started.push(dev, f"{again}:{MAIN}").code == "four_eyes.no_change"
    number = started.open(dev, again, topic="topic/again")
    assert started.push(dev, f"{again}:{MAIN}").code == "four_eyes.missing_sign_offs"
    started.approve(number, "dev-b", "qa-a")
    assert started.push(dev, f"{again}:{MAIN}").landed


def test_the_first_commit_of_the_target_needs_two_sign_offs_however_small(repository: Repository) -> None:
    dev = repository.ground["dev-a"]
    first = repository.commit(dev, {"README": "first\n"})
    assert repository.push(dev, f"{first}:{MAIN}").code == "four_eyes.no_change"
    repository.land(dev, first, "dev-b", "qa-a")
    assert repository.refs()[MAIN] == first
    assert set(repository.refs().values()) == {first}
    assert ZEROS not in repository.refs().values()
