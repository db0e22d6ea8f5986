"""What is tried with a canary, over real git: landing it in every way there is, and finding out that it is one."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from adversary.card import Case, attack
from adversary.test_lander_rows import ask, outcome
from playing import MAIN, Answer, Ground, Member, Repository, lines, until

if TYPE_CHECKING:
    from collections.abc import Iterator

EVERYBODY = ("dev-b", "qa-a", "architect-a", "owner")
FILE = "src/app.py"
CODE = "def fits(size, limit):\n    return size <= limit\n" + "".join(f"PART_{n} = 'x'\n" for n in range(60))


@dataclass
class Planted:
    """A repository in which a change has landed, and the canary that was made from it."""

    repository: Repository
    done: dict[str, Any]
    text: str
    """Of the file that holds the defect."""
    number: int = 0

    @property
    def tip(self) -> str:
        return self.repository.refs()[MAIN]


@pytest.fixture(scope="module")
def planted(ground: Ground, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Planted]:
    """Plant one, and push it for review as its author would."""
    dev = ground["dev-a"]
    repository = ground.govern(tmp_path_factory.mktemp("canary"))
    first = repository.begin()
    head = repository.commit(dev, {FILE: CODE}, first, message="Fit the parts\n")
    source = repository.open(dev, head, topic="topic/source")
    repository.approve(source, "dev-b", "qa-a")
    assert repository.push(dev, f"{head}:{MAIN}").landed
    until(lambda: not repository.reserved(), "it has landed")
    body = {"repository": repository.name, "change": source, "seed": 2}
    done = ground.owner.say("canary.plant", f"/repositories/{repository.name}/canaries", body).done
    index = repository.work / "canary-index"
    repository.git("read-tree", done["base"], index=index)
    repository.git("apply", "--cached", "-", text=done["patch"].encode(), index=index)
    tree = repository.git("write-tree", index=index)
    text = repository.raw("show", f"{tree}:{FILE}").decode()
    bait = repository.commit(dev, {}, done["base"], tree=tree, message=done["title"] + "\n")
    made = Planted(repository, done, text)
    made.number = repository.open(dev, bait, topic="topic/canary")
    repository.approve(made.number, *EVERYBODY)
    yield made
    ground.forget(repository)


def small(planted: Planted, dev: Member, name: str) -> str:
    """Return an honest commit on the tip."""
    return planted.repository.commit(dev, {f"notes/{name}": "1\n"}, planted.tip)


def test_what_is_planted_is_one_defect_in_what_was_approved(planted: Planted) -> None:
    differ = [(a, b) for a, b in zip(CODE.split("\n"), planted.text.split("\n"), strict=True) if a != b]
    assert len(differ) == 1
    assert planted.done["title"] != "Fit the parts"
    assert planted.done["author"] == "dev-a"
    shown = planted.repository.change(planted.number)
    assert (shown["state"], len(shown["sign_offs"])) == ("open", 4)


@attack("X-CAN-04", "X-CAN-08")
def test_x_can_08_alone_on_the_tip_under_another_message(case: Case, planted: Planted, dev: Member) -> None:
    evil = planted.repository.commit(dev, {FILE: planted.text}, planted.tip, message="Tidy up\n")
    case.refused(planted.repository.push(dev, f"{evil}:{MAIN}"), "canary.reserved")
    case.lands(planted.repository, dev, small(planted, dev, "x8"))


@attack("X-CAN-05")
def test_x_can_05_rebased_on_another_base(case: Case, planted: Planted, dev: Member) -> None:
    moved = small(planted, dev, "x5")
    case.lands(planted.repository, dev, moved)
    until(lambda: planted.tip == moved, "the base has moved")
    evil = planted.repository.commit(dev, {FILE: planted.text, "notes/more": "1\n"}, moved)
    case.refused(planted.repository.push(dev, f"{evil}:{MAIN}"), "canary.reserved")


@attack("X-CAN-06")
def test_x_can_06_with_another_mode(case: Case, planted: Planted, dev: Member) -> None:
    evil = planted.repository.commit(dev, {FILE: ("100755", planted.text)}, planted.tip)
    planted.repository.approve(planted.repository.open(dev, evil, topic="topic/mode"), *EVERYBODY)
    case.refused(planted.repository.push(dev, f"{evil}:{MAIN}"), "canary.reserved")
    case.lands(planted.repository, dev, small(planted, dev, "x6"))


@attack("X-CAN-03")
def test_x_can_03_on_another_protected_branch(case: Case, planted: Planted, dev: Member) -> None:
    evil = planted.repository.commit(dev, {FILE: planted.text}, planted.tip)
    said = planted.repository.push(dev, f"{evil}:refs/for/release/1").said
    until(lambda: not planted.repository.reserved(), "it is open")
    planted.repository.approve(int(said.partition("Change ")[2].split(",")[0]), *EVERYBODY)
    case.refused(planted.repository.push(dev, f"{evil}:refs/heads/release/1"), "canary.reserved")
    case.lands(planted.repository, dev, small(planted, dev, "x3"))


@attack("X-CAN-01", "X-CAN-02")
def test_x_can_01_approved_by_everybody_it_lands_by_no_push_and_by_no_lander(
    case: Case, planted: Planted, dev: Member
) -> None:
    repository = planted.repository
    evil = repository.commit(dev, {FILE: planted.text, "src/more.py": lines(60)}, planted.tip)
    number = repository.open(dev, evil, topic="topic/evil")
    repository.approve(number, *EVERYBODY)
    case.refused(repository.push(dev, f"{evil}:{MAIN}"), "canary.reserved")
    assert ask(repository, dev, number).status == 201
    case.not_landed(repository, outcome(repository, number), "canary.reserved")
    good = repository.commit(dev, {"src/more.py": lines(60)}, planted.tip)
    twin = repository.open(dev, good, topic="topic/good")
    repository.approve(twin, "dev-b", "qa-a")
    answer = ask(repository, dev, twin)
    assert outcome(repository, twin)["state"] == "landed"
    case.twin(answer)


def denied(case: Case, answer: Answer) -> None:
    assert answer.code == "authority.owner_only", answer.raw
    case._saw(answer.code, recorded=False)


@attack("X-CAN-10", "X-CAN-07", "X-DET-05")
def test_x_can_07_who_reviews_cannot_tell_what_is_a_canary(case: Case, planted: Planted, ground: Ground) -> None:
    repository, reviewer = planted.repository, ground["dev-b"]
    path = f"/repositories/{repository.name}"
    for question in ("canaries", "detection"):
        for token in ("", repository.name):
            denied(case, reviewer.get(f"{path}/{question}", repository=token))
    told = reviewer.get(f"{path}/changes/{planted.number}", repository=repository.name).raw
    assert b"canary" not in told.replace(b"topic/canary", b"")
    read = [
        json.loads(item["body"])
        for item in reviewer.get("/ledger/entries?limit=200", repository=repository.name).body["items"]
    ]
    (entry,) = [body for body in ground.entries("canary.planted") if body["repo"] == repository.name]
    tree = repository.change(planted.number)["tree"]
    assert tree not in json.dumps(entry)
    assert all(set(body["data"]) == {"marks", "statement", "commit"} for body in read if body["kind"] == entry["kind"])
    case.twin(ground.owner.get(f"{path}/canaries"))
    listed = ground.owner.get(f"{path}/canaries").body["items"]
    assert [(one["change"], one["state"]) for one in listed] == [(planted.number, "answered")]


@attack("X-CAN-09")
def test_x_can_09_a_push_before_the_review_is_answered_like_any_other(
    case: Case, planted: Planted, dev: Member, ground: Ground
) -> None:
    repository, verdicts = planted.repository, []
    for name, text in (("evil", planted.text), ("good", CODE + "# more\n")):
        head = repository.commit(dev, {FILE: text, f"src/{name}9.py": lines(60)}, planted.tip)
        number = repository.open(dev, head, topic=f"topic/{name}9")
        said = case.refused(repository.push(dev, f"{head}:{MAIN}"), "four_eyes.missing_sign_offs")
        entry = ground.entry(int(said.partition("Recorded as entry ")[2].split(",")[0]))
        verdicts.append(entry["data"]["verdicts"])
        repository.approve(number, "dev-b", "qa-a")
    assert verdicts[0] == verdicts[1]
    evil = repository.refs()["refs/heads/topic/evil9"]
    case.refused(repository.push(dev, f"{evil}:{MAIN}"), "canary.reserved")
    case.lands(repository, dev, head)
