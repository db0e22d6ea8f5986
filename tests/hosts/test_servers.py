"""Every way in that can be had here, with git and the service under two users: what lands, and who is not believed."""

from __future__ import annotations

import base64
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from playing import MAIN, Member, until
from separated import Separated, need_root, separated
from servers import PASSWORD, PROGRAMS, STRANGER, Served, served

WAYS = ("nginx", "apache", "lighttpd", "ssh", "gitolite")


@pytest.fixture(scope="module")
def ground() -> Iterator[Separated]:
    need_root()
    with separated() as made:
        yield made


@pytest.fixture(scope="module", params=WAYS)
def begun(
    request: pytest.FixtureRequest, ground: Separated, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    """A repository behind each server, with its first commit landed by two sign-offs."""
    need_root(*PROGRAMS[request.param])
    name = "demo" if request.param == "gitolite" else f"r-{request.param}"
    with served(ground, tmp_path_factory.mktemp("w"), request.param, name) as repository:
        repository.begin()
        yield repository


def decided(repository: Served) -> dict[str, object]:
    """Return the last decision about this repository."""
    return [e for e in repository.ground.entries("push.decided") if e["repo"] == repository.name][-1]


def asked(repository: Served) -> int:
    """Return how many pushes the service has answered, with yes or no."""
    return len([e for e in repository.ground.entries() if e["kind"] in {"push.decided", "request.refused"}])


def small(repository: Served, by: Member, name: str) -> str:
    """Return a signed commit below the threshold, on the tip."""
    return repository.commit(by, {name: f"{name}\n"}, repository.refs()[MAIN])


def test_a_push_lands_under_the_name_the_server_gives(begun: Served) -> None:
    dev = begun.ground["dev-a"]
    head = small(begun, dev, "lands")
    begun.land(dev, head, topic="topic/lands")
    assert begun.refs()[MAIN] == head
    entry = decided(begun)
    assert entry["actor"]["id"] == "dev-a"
    assert entry["data"]["enforced"] is True
    assert entry["data"]["transport"] in {"http", "ssh", "gitolite"}
    assert begun.refs()["refs/changes/1/1"], "the hook pins what was reviewed; the service could not"
    until(lambda: not begun.reserved(), "the push is seen as applied, by a service that only reads")
    assert not begun.frozen()


def test_an_unsigned_commit_is_refused_through_the_same_door(begun: Served) -> None:
    dev = begun.ground["dev-a"]
    head = begun.commit(dev, {"unsigned": "x\n"}, begun.refs()[MAIN], signed=False)
    assert begun.push(dev, f"{head}:refs/heads/topic/unsigned").code.startswith("signed_commits.")
    twin = small(begun, dev, "signed")
    assert begun.push(dev, f"{twin}:refs/heads/topic/signed").landed


def test_whom_the_server_knows_and_the_service_does_not_is_refused(begun: Served) -> None:
    dev = begun.ground["dev-a"]
    head = small(begun, dev, "stranger")
    stranger = Member(begun.ground, "dev-a")
    stranger.name = STRANGER
    assert begun.push(stranger, f"{head}:refs/heads/topic/stranger").code == "identity.unknown"
    assert begun.push(dev, f"{head}:refs/heads/topic/stranger").landed


def test_who_pushes_is_never_what_the_push_says(begun: Served) -> None:
    """A header, a push option, an environment variable: none of them makes dev-b the owner."""
    dev = begun.ground["dev-b"]
    claims = [f"{name}=owner" for name in ("REMOTE_USER", "TWINSEAL_USER", "GL_USER", "GIT_COMMITTER_NAME")]
    more = [word for claim in claims for word in ("-o", claim)]
    for number, header in enumerate(("REMOTE_USER: owner", "Remote-User: owner", "Twinseal-User: owner")):
        begun.git("config", "http.extraHeader", header)
        head = small(begun, dev, f"claims{number}")
        pushed = begun.push(dev, f"{head}:refs/heads/topic/claims{number}", more=more)
        assert pushed.landed, pushed.said
        assert decided(begun)["actor"]["id"] == "dev-b"
    begun.git("config", "--unset", "http.extraHeader")


def test_a_wrong_password_or_key_never_comes_to_the_hook(begun: Served) -> None:
    dev = begun.ground["dev-a"]
    before = asked(begun)
    head = small(begun, dev, "wrong")
    if begun.keys:
        (begun.keys / "nobody").write_bytes(b"no key")
        nobody = Member(begun.ground, "dev-a")
        nobody.name = "nobody"
        pushed = begun.push(nobody, f"{head}:refs/heads/topic/wrong")
    else:
        pushed = begun.push(dev, f"{head}:refs/heads/topic/wrong", url=begun.url(dev).replace(PASSWORD, "guess"))
    assert not pushed.landed
    assert asked(begun) == before


def test_the_front_does_not_serve_it(begun: Served) -> None:
    dev = begun.ground["dev-a"]
    address = f"http://dev-a:{dev.tokens[begun.name]}@{begun.ground.play.listen}/git/{begun.name}.git"
    pushed = begun.push(dev, f"{begun.refs()[MAIN]}:refs/heads/topic/front", url=address)
    assert not pushed.landed
    assert "403" in pushed.said


def test_no_password_reaches_git_the_ledger_or_a_log(begun: Served) -> None:
    """The git that the hook starts writes its whole environment down."""
    if begun.keys:
        pytest.skip("there are no passwords over SSH")
    dev, conf = begun.ground["dev-a"], begun.path / "twinseal" / "conf"
    seen, spy, text = begun.ground.root / f"{begun.name}.seen", begun.ground.root / "spy", conf.read_text()
    git = next(line.split()[1] for line in text.splitlines() if line.startswith("git "))
    spy.write_text(
        f'#!/bin/sh\n/usr/bin/env >>{seen}\n/usr/bin/tr "\\0" "\\n" </proc/$PPID/environ >>{seen}\nexec {git} "$@"\n'
    )
    spy.chmod(0o755)
    conf.write_text(text.replace(f"git {git}\n", f"git {spy}\n"))
    try:
        pushed = begun.push(dev, f"{small(begun, dev, 'spied')}:refs/heads/topic/spied")
        assert pushed.landed, pushed.said
    finally:
        conf.write_text(text)
    environments = seen.read_text(errors="replace")
    assert "GIT_QUARANTINE_PATH" in environments, "the spy looked"
    secret = base64.b64encode(f"dev-a:{PASSWORD}".encode()).decode()
    ledger = b"".join(path.read_bytes() for path in begun.ground.data.glob("ledger.sqlite*"))
    for place in (environments, begun.ground.log, ledger.decode("latin-1")):
        assert secret not in place
        assert PASSWORD not in place
        assert "HTTP_AUTHORIZATION" not in place


def test_git_daemon_has_no_identities(ground: Separated, tmp_path: Path) -> None:
    need_root(*PROGRAMS["daemon"])
    with served(ground, tmp_path, "daemon", "r-daemon") as repository:
        dev = ground["dev-a"]
        head = repository.commit(dev, {"README": "x\n"})
        assert repository.push(dev, f"{head}:refs/heads/topic/one").code == "identity.none"
        assert repository.refs() == {}
        refused = ground.entries("request.refused")[-1]
        assert (refused["actor"]["id"], refused["data"]["code"]) == ("unknown", "identity.none")


def test_the_git_user_alone_may_speak_for_its_repository(begun: Served) -> None:
    """Even root is a stranger there, whatever name it sets in the environment."""
    dev = begun.ground["dev-a"]
    head = small(begun, dev, "local")
    names = "REMOTE_USER=dev-a TWINSEAL_USER=dev-a GL_USER=dev-a GL_REPO=demo"
    pack = f"--receive-pack=env {names} git -c safe.directory=* receive-pack"
    pushed = begun.push(dev, f"{head}:refs/heads/topic/local", url=str(begun.path), more=(pack,))
    assert pushed.code == "identity.not_git_user"
    assert begun.push(dev, f"{head}:refs/heads/topic/local").landed


def test_the_service_may_only_read(begun: Served) -> None:
    mode = begun.path.stat()
    assert mode.st_uid == begun.ground.git_user.pw_uid != begun.ground.service.pw_uid
    assert not stat.S_IMODE(mode.st_mode) & 0o022


def test_a_freeze_reaches_git_though_the_service_cannot_write_there(begun: Served) -> None:
    """The marker lies beside the socket: a push already allowed, and any other move, is refused by git's own hook."""
    dev, ground = begun.ground["dev-a"], begun.ground
    head = small(begun, dev, "frozen")
    loose = begun.path / "refs" / "heads" / "behind"
    loose.write_text(begun.refs()[MAIN] + "\n")
    ground.restart()
    until(begun.frozen, "the reconciler has seen it")
    assert not (begun.path / "twinseal" / "frozen").exists()
    assert begun.push(dev, f"{head}:refs/heads/topic/frozen").code.startswith("freeze.")
    with pytest.raises(AssertionError, match="this repository is frozen"):
        ground.as_git("git", f"--git-dir={begun.path}", "update-ref", "refs/heads/x", begun.refs()[MAIN])
    ground.restart()  # As after a restart of the machine, the marker is set again.
    shown = ground.owner.get(f"/repositories/{begun.name}/drift").body
    refs = {item["ref"]: item["found"] for item in shown["items"]}
    assert refs == {"refs/heads/behind": begun.refs()[MAIN]}
    said = {"repository": begun.name, "freeze": shown["freeze"], "remediation": "written by a test", "refs": refs}
    answer = ground.owner.say("thaw", f"/repositories/{begun.name}/thaw", said)
    assert answer.status == 200, answer.raw
    pushed = begun.push(dev, f"{head}:refs/heads/topic/frozen")
    assert pushed.landed, pushed.said


def test_the_state_is_what_the_entries_say(ground: Separated) -> None:
    ground.assert_sound()
