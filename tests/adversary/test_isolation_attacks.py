"""Two repositories of one service, side by side: what belongs to one opens nothing in the other.

Every attack has its honest twin: the same thing, where it belongs.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from governance.adapters import git
from playing import ENVIRONMENT, MAIN, ZEROS, Ground, Member, Repository, lines, until

LARGE = {"large": lines(60)}


@pytest.fixture
def pair(ground: Ground, tmp_path: Path) -> tuple[Repository, Repository]:
    """Two repositories with the same first commit, so that every later object can be the same in both."""
    here, there = ground.govern(tmp_path), ground.govern(tmp_path)
    first = here.begin()
    carry(here, there, first)
    there.land(ground["dev-a"], first, "dev-b", "qa-a", topic="topic/begin")
    return here, there


def carry(here: Repository, there: Repository, oid: str) -> None:
    """Let the clone of one have the objects of the other."""
    command = [git.program(), "-C", str(there.work), "fetch", "-q", str(here.work), oid]
    subprocess.run(command, check=True, env=ENVIRONMENT)


def twins(pair: tuple[Repository, Repository], dev: Member) -> tuple[str, int, int]:
    """Open a change with the very same commit in both; return it and both numbers."""
    here, there = pair
    head = here.commit(dev, LARGE, here.refs()[MAIN])
    carry(here, there, head)
    return head, here.open(dev, head), there.open(dev, head)


def test_a_token_of_one_opens_nothing_of_the_other(pair: tuple[Repository, Repository], dev: Member) -> None:
    here, there = pair
    head = there.commit(dev, {"a": "a\n"}, there.refs()[MAIN])
    stolen = there.url(dev).replace(dev.tokens[there.name], dev.tokens[here.name])
    pushed = there.push(dev, f"{head}:refs/heads/topic/x", url=stolen)
    assert not pushed.landed
    assert "403" in pushed.said
    for path in ("changes", "changes/1", "changes/1/diff"):
        answer = dev.get(f"/repositories/{there.name}/{path}", repository=here.name)
        assert answer.code == "token.other_repository"

    assert there.push(dev, f"{head}:refs/heads/topic/x").landed


def test_a_sign_off_of_the_same_commit_in_one_does_not_count_in_the_other(
    pair: tuple[Repository, Repository], dev: Member
) -> None:
    here, there = pair
    head, number, other = twins(pair, dev)
    assert number == other
    here.approve(number, "dev-b", "qa-a")
    assert there.push(dev, f"{head}:{MAIN}").code == "four_eyes.missing_sign_offs"
    assert here.push(dev, f"{head}:{MAIN}").landed


def test_a_sign_off_said_of_one_cannot_be_handed_in_for_the_other(
    pair: tuple[Repository, Repository], ground: Ground, dev: Member
) -> None:
    here, there = pair
    _, number, _ = twins(pair, dev)
    said = ground["qa-a"].signed("sign_off", {"verdict": "approve", "binding": here.change(number)["binding"]})
    handed = [(there, "sign_off.moved"), (here, "")]
    for repository, code in handed:
        path = f"/repositories/{repository.name}/sign-offs"
        answer = ground.ask("POST", path, said, token=ground["qa-a"].tokens[repository.name])
        assert answer.code == code


def test_a_withdrawal_said_of_one_leaves_the_other_signed_off(
    pair: tuple[Repository, Repository], ground: Ground, dev: Member
) -> None:
    here, there = pair
    _, number, other = twins(pair, dev)
    here.approve(number, "qa-a")
    there.approve(other, "qa-a")
    said = ground["qa-a"].signed("sign_off.withdraw", {"repository": here.name, "change": number})
    for repository, code in ((there, "sign_off.malformed"), (here, "")):
        path = f"/repositories/{repository.name}/sign-offs"
        answer = ground.ask("POST", path, said, token=ground["qa-a"].tokens[repository.name])
        assert answer.code == code
    assert [r.change(number)["sign_offs"][0]["withdrawn"] for r in (here, there)] == [True, False]


@pytest.mark.parametrize(
    ("type_", "path", "more"),
    [
        ("repository.mode", "mode", {"mode": "observe"}),
        ("repository.remove", "removal", {"reason": "it is not needed any more"}),
    ],
)
def test_what_an_owner_says_of_one_is_not_done_to_the_other(
    pair: tuple[Repository, Repository], ground: Ground, type_: str, path: str, more: dict[str, object]
) -> None:
    here, there = pair
    said = ground.owner.signed(type_, {"repository": here.name, **more})
    token = ground.owner.tokens[""]
    assert ground.ask("POST", f"/repositories/{there.name}/{path}", said, token=token).code == (
        "statement.other_repository"
    )
    until(lambda: not here.reserved(), "nothing is under way")
    assert ground.ask("POST", f"/repositories/{here.name}/{path}", said, token=token).status == 200


def test_a_thaw_of_one_does_not_thaw_the_other(pair: tuple[Repository, Repository], ground: Ground) -> None:
    here, there = pair
    for repository in pair:
        drift(repository)
    token = ground.owner.tokens[""]
    shown = ground.owner.get(f"/repositories/{here.name}/drift").body
    refs = {row["ref"]: row["found"] for row in shown["items"]}
    body = {"freeze": shown["freeze"], "remediation": "it was looked at with care", "refs": refs}
    said = ground.owner.signed("thaw", {"repository": here.name, **body})

    assert ground.ask("POST", f"/repositories/{there.name}/thaw", said, token=token).code == "thaw.moved"
    assert there.frozen()
    assert ground.ask("POST", f"/repositories/{here.name}/thaw", said, token=token).status == 200
    assert not here.frozen()


@pytest.mark.parametrize("type_", ["repository.mode", "repository.remove", "repository.adopt", "repository.add"])
def test_nobody_but_an_owner_changes_what_is_governed(
    pair: tuple[Repository, Repository], ground: Ground, dev: Member, type_: str
) -> None:
    here, _ = pair
    path = {
        "repository.mode": f"/repositories/{here.name}/mode",
        "repository.remove": f"/repositories/{here.name}/removal",
        "repository.adopt": "/repositories/adoption",
        "repository.add": "/repositories",
    }[type_]
    body = {"repository": here.name, "mode": "observe", "reason": "because I can do so", "name": "x", "path": "/tmp"}
    assert dev.say(type_, path, body).code == "authority.owner_only"
    assert here.push(dev, f"{here.refs()[MAIN]}:refs/heads/topic/still").landed


def drift(repository: Repository) -> None:
    """Move a ref past the hooks, and let it be seen."""
    bypass(repository, "update-ref", "refs/heads/aside", repository.refs()[MAIN])
    check(repository)
    assert repository.frozen()


def bypass(repository: Repository, *args: str) -> None:
    command = [git.program(), "-C", str(repository.path), "-c", "core.hooksPath=/dev/null", *args]
    subprocess.run(command, check=True, env=ENVIRONMENT)


def check(repository: Repository) -> None:
    owner = repository.ground.owner
    path = f"/repositories/{repository.name}/check"
    assert repository.ground.ask("POST", path, {}, token=owner.tokens[""]).status == 200


def test_a_freeze_of_one_leaves_the_other_moving(pair: tuple[Repository, Repository], dev: Member) -> None:
    here, there = pair
    drift(here)
    for repository, lands in ((here, False), (there, True)):
        head = repository.commit(dev, {"a": "a\n"}, repository.refs()[MAIN])
        assert repository.push(dev, f"{head}:refs/heads/topic/x").landed is lands


def test_a_reservation_of_one_lets_nothing_move_in_the_other(pair: tuple[Repository, Repository], dev: Member) -> None:
    here, there = pair
    head = here.refs()[MAIN]
    (here.path / "twinseal/reservations/1-1").write_text(f"{ZEROS} {head} refs/heads/x\n")
    moved = {}
    for repository in pair:
        command = [git.program(), "-C", str(repository.path), "update-ref", "refs/heads/x", head, ZEROS]
        env = {**ENVIRONMENT, "TWINSEAL_RESERVATION": str(here.path / "twinseal/reservations/1-1")}
        moved[repository.name] = subprocess.run(command, env=env, check=False, capture_output=True).returncode == 0
    assert moved == {here.name: True, there.name: False}


def test_a_session_of_one_pushes_nothing_to_the_other(pair: tuple[Repository, Repository], dev: Member) -> None:
    """The hook of the other repository is handed the session: as a process of the git user could."""
    here, there = pair
    head = here.commit(dev, {"a": "a\n"}, here.refs()[MAIN])
    carry(here, there, head)
    here.lying_hook(
        "session = os.environ['TWINSEAL_SESSION']",
        f"open({str(here.work / 'session')!r}, 'w').write(session)",
        f"os.system('cd {there.work} && env -i PATH=$PATH TWINSEAL_SESSION=' + session + "
        f"' git push {there.path} {head}:refs/heads/topic/stolen >{here.work}/said 2>&1')",
    )
    pushed = here.push(dev, f"{head}:refs/heads/topic/own")
    assert "identity.session" in (here.work / "said").read_text()
    assert "refs/heads/topic/stolen" not in there.refs()
    assert pushed.landed


def test_hooks_of_one_put_into_the_other_refuse(pair: tuple[Repository, Repository], dev: Member) -> None:
    here, there = pair
    target = there.path / "hooks" / "pre-receive"
    honest = target.read_bytes()
    target.write_bytes((here.path / "hooks" / "pre-receive").read_bytes())
    head = there.commit(dev, {"a": "a\n"}, there.refs()[MAIN])
    assert not there.push(dev, f"{head}:refs/heads/topic/x").landed
    target.write_bytes(honest)
    assert os.access(target, os.X_OK)
    assert there.push(dev, f"{head}:refs/heads/topic/x").landed
