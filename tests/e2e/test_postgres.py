"""The whole service on PostgreSQL: one, two beside each other, and with the database gone for a while."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from playing import MAIN, Ground, Repository, ended, lines, until

if TYPE_CHECKING:
    from collections.abc import Iterator

    import postgres
    from playing import Answer, Member

ROUNDS = 6
ENTRIES = "select body from ledger_entry where seq > %s and kind = %s"


@pytest.fixture(scope="module")
def ground(pg_server: postgres.Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    made = Ground(tmp_path_factory.mktemp("g"), database=pg_server.database())
    yield made
    made.close()


@pytest.fixture(scope="module")
def peer(ground: Ground) -> Iterator[Ground]:
    """A second replica on the same database, with a socket of its own."""
    with ground.replica() as other:
        yield other


@pytest.fixture
def ours(ground: Ground, tmp_path: Path) -> Repository:
    """A begun repository whose hooks ask the first replica."""
    made = ground.govern(tmp_path / "ours")
    made.begin()
    return made


@pytest.fixture
def theirs(peer: Ground, tmp_path: Path) -> Repository:
    """A begun repository whose hooks ask the second."""
    made = peer.govern(tmp_path / "theirs")
    made.begin()
    return made


def rows(ground: Ground, sql: str, *params: object) -> list[tuple[Any, ...]]:
    with psycopg.connect(ground.database) as connection:
        return connection.execute(sql.encode(), params).fetchall()


def _moved(body: str) -> list[list[str]]:
    found: list[list[str]] = json.loads(body)["data"]["moved"]
    return found


def sound(ground: Ground) -> None:
    done = ground.twinseal("ledger", "rebuild", "--check")
    assert done.returncode == 0, done.stdout + done.stderr


def ask_to_land(by: Member, repository: Repository, number: int) -> Answer:
    change = repository.change(number)
    body = {"repository": repository.name, **{name: change[name] for name in ("patch_set", "head")}, "change": number}
    return by.say("land", f"/repositories/{repository.name}/landings", body, repository=repository.name)


def test_a_push_is_refused_signed_off_landed_and_folds_again(ground: Ground, ours: Repository) -> None:
    dev = ground["dev-a"]
    head = ours.commit(dev, {"a": lines(60)}, ours.refs()[MAIN])
    refused = ours.push(dev, f"{head}:{MAIN}")
    assert refused.code == "four_eyes.no_change", refused.said

    ours.land(dev, head, "dev-b", "qa-a", topic="topic/sixty")

    assert ours.refs()[MAIN] == head
    sound(ground)
    for command in (
        ("ledger", "tail"),
        ("ledger", "show", "3"),
        ("ledger", "rebuild"),
        ("ledger", "rebuild", "--check"),
    ):
        done = ground.twinseal(*command)
        assert done.returncode == 0, done.stdout + done.stderr
    again = ours.commit(dev, {"b": "b\n"}, head)
    assert ours.open(dev, again, topic="topic/after-the-rebuild")


def test_two_replicas_decide_side_by_side_and_lose_or_double_nothing(
    ground: Ground, peer: Ground, ours: Repository, theirs: Repository
) -> None:
    until(lambda: ours.reserved() == theirs.reserved() == 0, "their first commits are recorded as applied")
    before = rows(ground, "select max(seq) from ledger_entry")[0][0]
    pushes = []
    for number in range(ROUNDS):
        for repository in (ours, theirs):
            dev = repository.ground["dev-a"]
            head = repository.commit(dev, {f"f{number}": lines(number + 1)}, repository.refs()[MAIN])
            pushes.append((repository, dev, f"{head}:refs/heads/topic/t{number}"))
    with ThreadPoolExecutor(len(pushes)) as pool:
        done = list(pool.map(lambda push: push[0].push(push[1], push[2]), pushes))

    assert [pushed.said for pushed in done if not pushed.landed] == []
    until(lambda: ours.reserved() == theirs.reserved() == 0, "all is recorded as applied")
    bodies = [json.loads(body)["data"] for (body,) in rows(ground, ENTRIES, before, "push.decided")]
    assert [body["allowed"] for body in bodies] == [True] * len(pushes)
    moved = [tuple(line) for (body,) in rows(ground, ENTRIES, before, "push.applied") for line in _moved(body)]
    assert sorted(moved) == sorted(tuple(line) for body in bodies for line in body["reserve"])
    for repository in (ours, theirs):
        opened = rows(ground, "select number from change where repository=%s", repository.name)
        assert len(opened) == len(set(opened)) == ROUNDS + 1
    sound(ground)
    sound(peer)


def test_a_sign_off_is_spent_once_though_two_landers_and_a_push_reach_for_it(
    ground: Ground, peer: Ground, ours: Repository
) -> None:
    dev = ground["dev-a"]
    head = ours.commit(dev, {"a": lines(60)}, ours.refs()[MAIN])
    number = ours.open(dev, head)
    ours.approve(number, "dev-b", "qa-a")
    asked = ask_to_land(peer["dev-a"], ours, number)
    assert asked.status < 300, asked.raw
    ours.push(dev, f"{head}:{MAIN}")

    until(lambda: ours.change(number)["state"] == "landed" and not ours.reserved(), "it has landed")
    moved = "select count(*) from reservation where repository=%s and ref=%s and new=%s and state='applied'"
    assert rows(ground, moved, ours.name, MAIN, head) == [(1,)]
    spent = rows(ground, "select distinct spent_seq from sign_off where repository=%s and number=%s", ours.name, number)
    assert len(spent) == 1
    assert spent[0][0] is not None
    assert rows(ground, "select 1 from ledger_entry where kind='landing.refused' and repo=%s", ours.name) == []
    assert not ours.frozen()
    sound(ground)


def test_replicas_know_whose_hooks_ask_whom(ground: Ground, peer: Ground, theirs: Repository) -> None:
    """Each compares every repository; hooks that ask the other replica are no lapse, and no fault."""
    for each in (ground, peer):
        found = json.loads(each.twinseal("doctor", "--json").stdout)
        bad = [line for line in found if line["what"] == theirs.name and line["level"] == "bad"]
        assert bad == []
    assert not theirs.frozen()
    assert rows(ground, "select 1 from ledger_entry where kind='continuity.lapse'") == []


def test_doctor_says_what_the_server_keeps_and_whom_its_guards_bind(ground: Ground) -> None:
    found = [line for line in json.loads(ground.twinseal("doctor", "--json").stdout) if line["what"] == "postgresql"]
    said = {line["level"]: [] for line in found} | {"bad": []}
    for line in found:
        said[line["level"]].append(line["said"])
    assert any(line.startswith("server ") for line in said["good"])
    assert any(line.startswith("fsync and synchronous_commit are on") for line in said["good"])
    assert [line.partition(":")[0] for line in said["warn"]] == [
        "data_checksums are off",
        "the role twinseal is superuser",
    ]
    assert said["bad"] == []


def test_one_replica_is_killed_and_the_other_goes_on(
    ground: Ground, peer: Ground, ours: Repository, theirs: Repository
) -> None:
    peer.play.stop(kill=True)
    dev = ground["dev-a"]
    head = ours.commit(dev, {"a": "a\n"}, ours.refs()[MAIN])
    assert ours.open(dev, head)
    nobody = theirs.commit(dev, {"a": "a\n"}, theirs.refs()[MAIN])
    assert not theirs.push(dev, f"{nobody}:refs/heads/topic/x").landed  # Its hooks' socket and its front are gone.

    peer.play.start()
    assert theirs.open(peer["dev-a"], nobody)
    assert not ours.frozen()
    sound(ground)


def test_while_the_database_is_away_nothing_is_decided_and_then_it_goes_on(
    ground: Ground, pg_server: postgres.Server, ours: Repository, tmp_path: Path
) -> None:
    dev, pid = ground["dev-a"], ground.pid
    head = ours.commit(dev, {"a": "a\n"}, ours.refs()[MAIN])
    gathers, go_on = ours.waiting_hook(tmp_path)
    push = ours.start_push(dev, f"{head}:refs/heads/topic/x")
    until(gathers.exists, "the hook gathers")
    pg_server.stop("immediate")
    try:
        go_on.touch()
        undecided = ended(push)
        assert not undecided.landed
        assert "record" in undecided.said, undecided.said
        assert "Could not decide" in undecided.said or "could not be recorded" in undecided.said, undecided.said
        assert not ours.push(dev, f"{head}:refs/heads/topic/x").landed  # The front cannot even tell who asks.
        assert ground.ask("GET", "/healthz").status == 200
        assert ground.ask("GET", "/status", token=dev.tokens[""]).status == 503
    finally:
        pg_server.start()

    ours.honest_hook()
    assert ours.open(dev, head, topic="topic/x")
    assert ground.pid == pid
    assert not ours.frozen()
    sound(ground)
