"""Rights that end while something done with them is still on its way: tokens, principals, keys, delegations."""

from __future__ import annotations

import hashlib
import http.client
import subprocess
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from governance.adapters import git
from playing import ENVIRONMENT, MAIN, Ground, Member, Pushed, Repository, ended, lines, until

HELD_BACK = 10
"""Bytes of a push that are sent last."""


@pytest.fixture
def leaver(ground: Ground, started: Repository) -> Iterator[Member]:
    """Somebody enrolled for one test, who may review what dev-a writes and push to the repository."""
    name = f"leaver-{len(ground.owner.get('/principals').body['items'])}"
    who = ground.enroll(name, role="qa-b")
    del ground.members[name]
    started.admit(who)
    yield who
    ground.owner.say("principal.retire", "/principals/retirement", {"name": name})


def retire(ground: Ground, who: Member) -> None:
    assert ground.owner.say("principal.retire", "/principals/retirement", {"name": who.name}).status == 200


def revoke_key(ground: Ground, who: Member) -> None:
    body = {"fingerprint": who.key.fingerprint, "reason": "stolen"}
    assert ground.owner.say("key.revoke", "/keys/revocation", body).status == 200


def revoke_token(ground: Ground, who: Member, repository: Repository) -> None:
    """End the token that opens this repository; it is known by the beginning of its digest."""
    public = hashlib.sha256(who.tokens[repository.name].encode()).hexdigest()
    ids = [token["id"] for token in ground.owner.get("/tokens").body["items"] if public.startswith(token["id"])]
    assert len(ids) == 1
    assert ground.owner.say("token.revoke", "/tokens/revocation", {"id": ids[0]}).status == 200


def request(repository: Repository, old: str, new: str) -> bytes:
    """Return what git sends to receive-pack to move the target (gitprotocol-pack(5))."""
    line = f"{old} {new} {MAIN}\0report-status".encode()
    command = [git.program(), "-C", str(repository.work), "pack-objects", "--stdout", "--revs", "-q"]
    wanted = f"{new}\n^{old}\n".encode()
    pack = subprocess.run(command, input=wanted, env=ENVIRONMENT, capture_output=True, check=True).stdout
    return f"{len(line) + 4:04x}".encode() + line + b"0000" + pack


def receiving(repository: Repository) -> bool:
    """Whether git already receives for this repository: the pusher was let in."""
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # Others come and go.
            if b"receive-pack" in (process / "cmdline").read_bytes() and repository.path.samefile(process / "cwd"):
                return True
    return False


@contextmanager
def held_back(repository: Repository, by: Member, new: str) -> Iterator[None]:
    """Push to the target, but send the last bytes only after what happens in between."""
    body = request(repository, repository.refs()[MAIN], new)
    basic = b64encode(f"{by.name}:{by.tokens[repository.name]}".encode()).decode()
    connection = http.client.HTTPConnection(*repository.ground.address, timeout=30)
    connection.putrequest("POST", f"/git/{repository.name}.git/git-receive-pack")
    connection.putheader("Content-Type", "application/x-git-receive-pack-request")
    connection.putheader("Content-Length", str(len(body)))
    connection.putheader("Authorization", f"Basic {basic}")
    connection.endheaders()
    connection.send(body[:-HELD_BACK])
    until(lambda: receiving(repository), "git receives the push")
    yield
    connection.send(body[-HELD_BACK:])
    connection.getresponse().read()
    connection.close()


@pytest.mark.parametrize("ending", ["token", "principal", "nothing"])
def test_who_may_not_push_any_more_when_it_is_decided_does_not_land(
    started: Repository, ground: Ground, dev: Member, leaver: Member, ending: str
) -> None:
    """The commit itself is good, and another's: it is only who brings it that has lost the right."""
    first = started.refs()[MAIN]
    head, size = started.commit(dev, {"notes": "1\n"}, first), len(ground.entries())
    with held_back(started, leaver, head):
        if ending == "token":
            revoke_token(ground, leaver, started)
        elif ending == "principal":
            retire(ground, leaver)
    decided = [e for e in ground.entries(start=size) if e["repo"] == started.name]
    if ending == "nothing":
        assert started.refs()[MAIN] == head
        return
    assert started.refs()[MAIN] == first
    (refused,) = decided
    assert (refused["actor"]["id"], refused["data"]["code"]) == (leaver.name, "identity.revoked")
    assert started.push(dev, f"{head}:{MAIN}").landed


@pytest.mark.parametrize("revoked", [True, False])
def test_a_key_revoked_while_the_hook_gathers_signs_nothing_more(
    started: Repository,
    ground: Ground,
    leaver: Member,
    tmp_path: Path,
    revoked: bool,  # noqa: FBT001 - a table
) -> None:
    """Judged as of when it began, the push would land; it is judged again, as of now."""
    first = started.refs()[MAIN]
    head = started.commit(leaver, {"notes": "1\n"}, first)
    gathers, go_on = started.waiting_hook(tmp_path)
    push = started.start_push(leaver, f"{head}:{MAIN}")
    until(gathers.exists, "the hook gathers")
    if revoked:
        revoke_key(ground, leaver)
    go_on.touch()
    pushed: Pushed = ended(push)
    started.honest_hook()
    assert pushed.code == ("signed_commits.bad_signature" if revoked else ""), pushed.said
    assert started.refs()[MAIN] == (first if revoked else head)


def test_a_sign_off_by_a_key_that_was_revoked_since_does_not_count(
    started: Repository, ground: Ground, dev: Member, leaver: Member
) -> None:
    head = started.commit(dev, {"app.py": lines(60)}, started.refs()[MAIN])
    number = started.open(dev, head)
    started.approve(number, "dev-b")
    assert started.sign_off(leaver, number).status == 201
    revoke_key(ground, leaver)
    refused = started.push(dev, f"{head}:{MAIN}")
    assert refused.code == "four_eyes.missing_sign_offs", refused.said
    assert f"{leaver.name}: signed with a key that was revoked" in refused.said
    started.approve(number, "qa-a")
    assert started.push(dev, f"{head}:{MAIN}").landed


def test_a_rejection_by_a_key_that_was_revoked_since_still_stands(
    started: Repository, ground: Ground, dev: Member, leaver: Member
) -> None:
    """Taking a reviewer's key away is no way to silence a no."""
    head = started.commit(dev, {"app.py": lines(60)}, started.refs()[MAIN])
    number = started.open(dev, head)
    started.approve(number, "dev-b", "qa-a")
    assert started.sign_off(leaver, number, "reject").status == 201
    revoke_key(ground, leaver)
    assert started.push(dev, f"{head}:{MAIN}").code == "four_eyes.rejected"


def test_a_delegate_signs_for_nobody_who_has_retired(started: Repository, ground: Ground, dev: Member) -> None:
    name = f"absent-{len(ground.owner.get('/principals').body['items'])}"
    assert ground.add(name, role="docs", delegates=["dev-a"]).status == 201
    author, first = f"{name} <{name}@example.org>", started.refs()[MAIN]
    for_them = started.commit(dev, {"notes": "1\n"}, first, author=author)
    assert started.push(dev, f"{for_them}:{MAIN}").landed
    after = started.commit(dev, {"notes": "2\n"}, for_them, author=author)
    assert ground.owner.say("principal.retire", "/principals/retirement", {"name": name}).status == 200
    assert started.push(dev, f"{after}:{MAIN}").code == "signed_commits.not_the_author"
    assert started.push(ground["dev-b"], f"{after}:{MAIN}").code == "signed_commits.not_the_author"
    assert started.refs()[MAIN] == for_them
