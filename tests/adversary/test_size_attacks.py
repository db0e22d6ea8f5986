"""Pushes that are too much for the hook to carry or for one entry to hold: each is refused with a word and a record."""

from __future__ import annotations

from typing import Any

import pytest

from playing import MAIN, Ground, Member, Repository

KIB = 1 << 10


def attempts(ground: Ground, repository: Repository, start: int) -> list[dict[str, Any]]:
    """Return what was recorded of pushes to this repository since."""
    return [e for e in ground.entries(start=start) if e["repo"] == repository.name and e["actor"]["id"] != "twinseal"]


def topics(count: int, *, length: int = 0) -> list[str]:
    """Return names of topic branches, of this length where one is named."""
    short = [f"refs/heads/topic/{number:02}" for number in range(count)]
    return [name + "x" * (length - len(name)) for name in short]


@pytest.mark.parametrize(
    ("sizes", "word"),
    [
        pytest.param([8192 * KIB - 4096], "a commit of", id="one of 8 MiB"),
        pytest.param([257 * KIB], "a commit of", id="one just above the limit"),
        pytest.param([255 * KIB] * 66, "commits of more than", id="many below it"),
    ],
)
def test_messages_that_are_no_messages_are_refused_by_the_hook(
    started: Repository, dev: Member, sizes: list[int], word: str
) -> None:
    """They would all go to the service, and stay in its record."""
    first = head = started.refs()[MAIN]
    tree = started.git("rev-parse", f"{first}^{{tree}}")
    for size in sizes:
        head = started.commit(dev, {}, head, tree=tree, message="m" * size, signed=False)
    refused = started.push(dev, f"{head}:refs/heads/topic/large")
    assert not refused.landed
    assert "(push.too_large)" in refused.said, refused.said
    assert word in refused.said
    assert "refs/heads/topic/large" not in started.refs()
    wordy = started.commit(dev, {"notes": "1\n"}, first, message=f"long\n\n{'m' * 200 * KIB}\n")
    landed = started.push(dev, f"{wordy}:{MAIN}")
    assert landed.landed, landed.said


@pytest.mark.parametrize(
    ("refs", "code"),
    [
        pytest.param(topics(80), "push.too_many_refs", id="more refs than the policy allows"),
        pytest.param(topics(45), "push.too_many_topics", id="more topics than an entry holds"),
        pytest.param(topics(21), "push.too_many_topics", id="one topic too many"),
        pytest.param(topics(1, length=151), "push.too_many_topics", id="a name too long"),
        pytest.param([MAIN, *topics(21)], "push.too_many_topics", id="beside the target"),
    ],
)
def test_a_push_that_no_entry_could_hold_is_refused_and_recorded(
    started: Repository, dev: Member, ground: Ground, refs: list[str], code: str
) -> None:
    """Unrecorded, it would be a way to try things on the target unseen."""
    before, size = started.refs(), len(ground.entries())
    head = started.commit(dev, {".github/x": "1\n"}, before[MAIN], signed=False)
    refused = started.push(dev, *(f"{head}:{ref}" for ref in refs))
    assert refused.code == code, refused.said
    assert started.refs() == before
    (entry,) = attempts(ground, started, size)
    assert (entry["actor"]["id"], entry["data"]["code"]) == ("dev-a", code)
    assert f"Recorded as entry {entry['seq']}" in refused.said


@pytest.mark.parametrize("hostile", [False, True])
def test_twenty_topics_with_long_names_fit_into_one_entry(
    started: Repository,
    dev: Member,
    ground: Ground,
    hostile: bool,  # noqa: FBT001 - a table
) -> None:
    """Many long and risky paths, written so that their record takes the most room, do not; and that is recorded."""
    before, size = started.refs(), len(ground.entries())
    names = [f"auth/{chr(0x202E) * 60}{n:02}" for n in range(25)] if hostile else ["src/auth/login.py", "docs/login.md"]
    head = started.commit(dev, dict.fromkeys(names, "1\n"), before[MAIN])
    refs = topics(20, length=150)
    pushed = started.push(dev, *(f"{head}:{ref}" for ref in refs))
    entry = attempts(ground, started, size)[0]
    if hostile:
        assert pushed.code == entry["data"]["code"] == "push.too_large_to_record", pushed.said
        assert started.refs() == before
        return
    assert pushed.landed, pushed.said
    assert set(refs) < set(started.refs())
    assert (entry["kind"], len(entry["data"]["opens"])) == ("push.decided", 20)


def test_more_helpers_than_an_entry_holds_are_refused_and_recorded(
    started: Repository, dev: Member, ground: Ground
) -> None:
    before, size = started.refs(), len(ground.entries())
    helpers = [f"Co-authored-by: N <n{number}@{'x' * 60}.example.org>\n" for number in range(1500)]
    head = started.commit(dev, {"a": "1\n"}, before[MAIN], message=f"together\n\n{''.join(helpers)}")
    refused = started.push(dev, f"{head}:refs/heads/topic/many")
    assert refused.code == "push.too_large_to_record", refused.said
    assert started.refs() == before
    (entry,) = attempts(ground, started, size)
    assert (entry["actor"]["id"], entry["data"]["code"]) == ("dev-a", "push.too_large_to_record")
    few = started.commit(dev, {"a": "1\n"}, before[MAIN], message=f"together\n\n{''.join(helpers[:10])}")
    assert started.push(dev, f"{few}:refs/heads/topic/many").landed
