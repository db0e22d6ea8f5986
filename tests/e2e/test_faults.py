"""What breaks refuses, and what was under way is put right: kills, stops, full disks, hands behind our back.

The service here knows this process's own uid as dev-a's, so that pushes by path reach it without its own front.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from governance.adapters import git
from playing import ENVIRONMENT, MAIN, Ground, Pushed, Repository, lines, until

REMEDIATION = "a backup script wrote the ref; it was taken away"


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    made = Ground(tmp_path_factory.mktemp("f"), uid_of="dev-a")
    yield made
    made.close()


@pytest.fixture
def small(started: Repository) -> str:
    """A commit that lands alone."""
    return started.commit(started.ground["dev-a"], {"notes": "one line\n"}, started.refs()[MAIN])


def by_path(repository: Repository, refspec: str) -> Pushed:
    return repository.push(repository.ground["dev-a"], refspec, url=str(repository.path))


def move(repository: Repository, *args: str) -> subprocess.CompletedProcess[str]:
    """Run git in the bare repository itself, as its operator might."""
    command = [git.program(), "-C", str(repository.path), *args]
    return subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=False)


def thaw(repository: Repository, name: str, refs: dict[str, str]) -> tuple[int, str]:
    shown = repository.ground.owner.get(f"/repositories/{repository.name}/drift").body
    body = {"repository": repository.name, "freeze": shown["freeze"], "remediation": REMEDIATION, "refs": refs}
    answer = repository.ground[name].say("thaw", f"/repositories/{repository.name}/thaw", body)
    return answer.status, answer.code


def recorded(repository: Repository, kind: str, *, start: int) -> list[dict[str, Any]]:
    """Return what was recorded of this repository; others here may still be settling."""
    return [entry for entry in repository.ground.entries(kind, start=start) if entry["repo"] == repository.name]


def test_what_was_pushed_a_moment_ago_is_there_for_whoever_asks(started: Repository) -> None:
    """No front saw the push end, and no round of the clockwork has come by yet."""
    dev = started.ground["dev-a"]
    for number in range(5):
        head = started.commit(dev, {"app.py": lines(60 + number)}, started.refs()[MAIN])
        pushed = by_path(started, f"{head}:refs/heads/topic/{number}")
        assert pushed.landed, pushed.said
        shown = started.ground.owner.get(f"/repositories/{started.name}/changes", repository=started.name)
        assert head in [item["head"] for item in shown.body["items"]]


def closed(repository: Repository) -> None:
    until(lambda: not repository.reserved(), "every reservation is closed")


class TestTheServiceDoesNotAnswer:
    """No answer is not a yes."""

    def test_it_is_down(self, started: Repository, small: str) -> None:
        started.ground.play.stop()
        try:
            refused = by_path(started, f"{small}:{MAIN}")
        finally:
            started.ground.play.start()
        assert not refused.landed
        assert "could not decide, so nothing was changed" in refused.said
        assert "twinseal doctor" in refused.said
        assert by_path(started, f"{small}:{MAIN}").landed

    def test_it_is_stopped_before_it_is_asked(self, started: Repository, small: str) -> None:
        with started.ground.stopped():
            refused = by_path(started, f"{small}:{MAIN}")
        assert not refused.landed
        assert "did not answer within 3 s" in refused.said
        assert by_path(started, f"{small}:{MAIN}").landed

    def test_it_is_stopped_while_it_is_told_the_facts_and_decides_nothing_for_a_pusher_who_is_gone(
        self, started: Repository, small: str
    ) -> None:
        started.lying_hook(
            "send = wire.Service.send",
            "def stopping(self, value):",
            "    if value['kind'] == 'facts': os.kill(PID, 19)",
            "    send(self, value)",
            "wire.Service.send = stopping",
        )
        before, size = started.refs(), len(started.ground.entries())
        refused = by_path(started, f"{small}:{MAIN}")
        os.kill(started.ground.pid, 18)
        assert not refused.landed
        assert "did not answer within 3 s" in refused.said
        started.honest_hook()
        assert (started.refs(), started.reserved()) == (before, 0)
        assert by_path(started, f"{small}:{MAIN}").landed
        assert len(recorded(started, "push.decided", start=size)) == 1

    def test_what_it_decides_for_a_hook_that_has_given_up_is_released(self, started: Repository, small: str) -> None:
        started.lying_hook(
            "receive_one = wire.Service.receive",
            "def impatient(self):",
            "    text = receive_one(self)",
            "    if '  read ' in text: raise Undecided('the service did not answer within 3 s')",
            "    return text",
            "wire.Service.receive = impatient",
        )
        before, size = started.refs(), len(started.ground.entries())
        assert not by_path(started, f"{small}:{MAIN}").landed
        until(lambda: recorded(started, "push.decided", start=size), "the decision nobody heard")
        started.honest_hook()
        assert by_path(started, f"{small}:{MAIN}").code == "ref_rules.reserved", "until the ref was seen unmoved"
        closed(started)
        (released,) = recorded(started, "push.released", start=size)
        assert [line[2] for line in released["data"]["lines"]] == [MAIN]
        assert started.refs() == before
        assert by_path(started, f"{small}:{MAIN}").landed

    @pytest.mark.parametrize(
        "answer",
        [
            pytest.param("", id="nothing"),
            pytest.param("9\\nanswer 0\\n", id="half an answer"),
            pytest.param("12\\nanswer zero\\n", id="no answer"),
            pytest.param("2000000000\\n", id="a length"),
        ],
    )
    def test_somebody_else_answers_nonsense(self, started: Repository, small: str, answer: str) -> None:
        started.lying_hook(
            "import _socket",
            "def connect(self, path, *, wait=3.0):",
            "    self._heard, self._wait = b'', wait",
            "    self._socket, other = _socket.socketpair()",
            f"    other.send({answer!r}.encode().decode('unicode_escape').encode()); other.close()",
            "wire.Service.__init__ = connect",
        )
        refused = by_path(started, f"{small}:{MAIN}")
        assert not refused.landed
        assert "could not decide, so nothing was changed" in refused.said
        started.honest_hook()
        assert by_path(started, f"{small}:{MAIN}").landed


class TestTheServiceIsKilled:
    """kill -9, and what its restart makes of what was under way."""

    def test_between_decision_and_answer_nothing_moves_and_sign_offs_come_back(self, started: Repository) -> None:
        dev, first = started.ground["dev-a"], started.refs()[MAIN]
        large = started.commit(dev, {"app.py": lines(60)}, first)
        number = started.open(dev, large)
        started.approve(number, "dev-b", "qa-a")
        size = len(started.ground.entries())
        started.lying_hook(
            "import sqlite3",
            f"ledger = sqlite3.connect('file:{started.ground.data}/ledger.sqlite?mode=ro', uri=True)",
            "send = wire.Service.send",
            "def killing(self, value):",
            "    send(self, value)",
            "    if value['kind'] != 'facts': return",
            f"    decided = 'select 1 from ledger_entry where kind=? and repo=? and seq>={size}'",
            f"    mine = ('push.decided', {started.name!r})",
            "    while not ledger.execute(decided, mine).fetchone(): time.sleep(0.001)",
            "    os.kill(PID, 9)",
            "    raise Undecided('the service was killed')",
            "wire.Service.send = killing",
        )
        refused = by_path(started, f"{large}:{MAIN}")
        assert not refused.landed
        started.honest_hook()
        started.ground.restart()
        (decided,) = recorded(started, "push.decided", start=size)
        assert decided["data"]["allowed"]
        closed(started)
        assert started.refs()[MAIN] == first
        assert [given["spent"] for given in started.change(number)["sign_offs"]] == [False, False]
        assert by_path(started, f"{large}:{MAIN}").landed
        closed(started)
        assert started.change(number)["state"] == "landed"
        started.ground.assert_sound()

    def test_between_answer_and_move_the_move_is_found_when_it_starts_again(self, started: Repository) -> None:
        dev, first = started.ground["dev-a"], started.refs()[MAIN]
        large = started.commit(dev, {"app.py": lines(60)}, first)
        number = started.open(dev, large)
        started.approve(number, "dev-b", "qa-a")
        started.lying_hook("after = lambda: os.kill(PID, 9)")
        moved = by_path(started, f"{large}:{MAIN}")
        assert moved.landed, moved.said
        started.honest_hook()
        started.ground.restart()
        closed(started)
        shown = started.change(number)
        assert (shown["state"], [given["spent"] for given in shown["sign_offs"]]) == ("landed", [True, True])
        assert not started.frozen()
        started.ground.assert_sound()

    def test_a_patch_set_that_was_not_pinned_is_pinned_when_it_starts_again(
        self, started: Repository, small: str
    ) -> None:
        started.lying_hook("after = lambda: os.kill(PID, 9)")
        (started.path / "hooks" / "post-receive").unlink()
        assert by_path(started, f"{small}:refs/heads/topic/one").landed
        assert "refs/changes/2/1" not in started.refs()
        started.honest_hook()
        started.ground.restart()
        until(lambda: started.refs().get("refs/changes/2/1") == small, "the pin")
        closed(started)
        assert not started.frozen()
        started.ground.assert_sound()


class TestBehindOurBack:
    """Refs that move without a push."""

    def test_update_ref_is_refused_by_the_transaction_hook(self, started: Repository, small: str) -> None:
        assert by_path(started, f"{small}:refs/heads/topic/one").landed
        closed(started)
        before = started.refs()
        for command in (("update-ref", MAIN, small), ("update-ref", "-d", MAIN), ("branch", "-f", "other", small)):
            refused = move(started, *command)
            assert refused.returncode != 0, command
            assert "no push was allowed to do that" in refused.stderr, command
        assert started.refs() == before
        assert by_path(started, f"{small}:{MAIN}").landed

    def test_a_ref_written_as_a_file_freezes_until_the_owner_thaws(self, started: Repository, small: str) -> None:
        ground, dev = started.ground, started.ground["dev-a"]
        assert by_path(started, f"{small}:refs/heads/topic/one").landed
        closed(started)
        (started.path / MAIN).write_text(f"{small}\n")
        next_one = started.commit(dev, {"more": "1\n"}, small)
        drifted = by_path(started, f"{next_one}:{MAIN}")
        assert drifted.code == "ref_rules.drifted", "seen at once where it is pushed to"
        assert not started.frozen()
        ground.restart()
        until(started.frozen, "the freeze")
        assert by_path(started, f"{next_one}:refs/heads/topic/two").code == "freeze.in_force"
        assert started.push(dev, f"{next_one}:{MAIN}").code == "freeze.in_force"
        assert thaw(started, "dev-a", {MAIN: small}) == (403, "authority.owner_only")
        assert thaw(started, "owner", {MAIN: next_one}) == (409, "thaw.moved")
        assert started.frozen()
        assert thaw(started, "owner", {MAIN: small}) == (200, "")
        assert by_path(started, f"{next_one}:{MAIN}").landed
        closed(started)
        ground.assert_sound()

    def test_a_frozen_repository_is_closed_to_git_itself(self, started: Repository, small: str) -> None:
        assert by_path(started, f"{small}:refs/heads/topic/one").landed
        (started.path / "refs" / "heads" / "stray").write_text(f"{small}\n")
        started.ground.restart()
        until(started.frozen, "the freeze")
        first = started.refs()[MAIN]
        (started.path / "twinseal" / "reservations" / "mine").write_text(f"{first} {small} {MAIN}\n")
        command = [git.program(), "-C", str(started.path), "update-ref", MAIN, small, first]
        env = ENVIRONMENT | {"TWINSEAL_RESERVATION": "mine"}
        refused = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
        assert refused.returncode != 0
        assert "this repository is frozen" in refused.stderr
        assert thaw(started, "owner", {"refs/heads/stray": small})[0] == 200
        assert subprocess.run(command, env=env, capture_output=True, check=False).returncode == 0

    @pytest.mark.parametrize("stray", [True, False], ids=["frozen", "twin"])
    def test_a_freeze_stops_a_push_that_was_allowed_and_has_not_moved_yet(
        self,
        started: Repository,
        stray: bool,  # noqa: FBT001 - a column
    ) -> None:
        """Drift is seen while git stands between the yes and the move. What was not landed lands after the thaw."""
        dev, before = started.ground["dev-a"], started.refs()
        large = started.commit(dev, {"app.py": lines(60)}, before[MAIN])
        number = started.open(dev, large)
        started.approve(number, "dev-b", "qa-a")
        hand, mark = started.path / "refs" / "heads" / "stray", started.path / "twinseal" / "frozen"
        started.lying_hook(
            "def after():",
            f"    if not {stray}: return",
            f"    open({str(hand)!r}, 'w').write({before[MAIN] + chr(10)!r})",
            f"    while not os.path.exists({str(mark)!r}): time.sleep(0.05)",
        )
        pushed = by_path(started, f"{large}:{MAIN}")
        started.honest_hook()
        assert pushed.landed is not stray, pushed.said
        if stray:
            assert "this repository is frozen" in pushed.said
            closed(started)
            assert started.refs()[MAIN] == before[MAIN]
            assert [given["spent"] for given in started.change(number)["sign_offs"]] == [False, False]
            assert thaw(started, "owner", {"refs/heads/stray": before[MAIN]})[0] == 200
            assert by_path(started, f"{large}:{MAIN}").landed
        closed(started)
        assert started.change(number)["state"] == "landed"

    def test_a_hook_that_is_not_executable_is_skipped_but_the_ref_does_not_move(
        self, started: Repository, small: str
    ) -> None:
        """git says so only in a hint; pre-receive is skipped, and the transaction hook finds no reservation."""
        before = started.refs()
        (started.path / "hooks" / "pre-receive").chmod(0o644)
        refused = by_path(started, f"{small}:{MAIN}")
        assert not refused.landed
        assert "no push was allowed to do that" in refused.said
        assert started.refs() == before
        started.honest_hook()
        assert by_path(started, f"{small}:{MAIN}").landed

    def test_with_both_hooks_off_a_push_gets_through_and_is_found(self, started: Repository) -> None:
        bad = started.commit(started.ground["dev-a"], {"evil": lines(500)}, started.refs()[MAIN], signed=False)
        for name in ("pre-receive", "reference-transaction"):
            (started.path / "hooks" / name).chmod(0o644)
        assert by_path(started, f"{bad}:{MAIN}").landed, "this is what doctor and the reconciler are for"
        started.honest_hook()
        started.ground.restart()
        until(started.frozen, "the freeze")
        (drifted,) = recorded(started, "refs.drifted", start=0)
        assert [line[0] for line in drifted["data"]["refs"]] == [MAIN]


class TestTheLedger:
    """The record itself: edited, rolled back, shared, full."""

    @pytest.fixture
    def copy(self, ground: Ground, tmp_path: Path) -> Path:
        """A copy of the data folder as it is now."""
        folder = tmp_path / "copy"
        folder.mkdir(mode=0o700)
        for key in ground.data.glob("ledger-*.key"):
            shutil.copy(key, folder)
        source = sqlite3.connect(f"file:{ground.data}/ledger.sqlite?mode=ro", uri=True)
        target = sqlite3.connect(folder / "ledger.sqlite")
        with contextlib.closing(source), contextlib.closing(target):
            source.backup(target)
        return folder

    @pytest.mark.parametrize(
        ("sql", "table"),
        [
            pytest.param("update sign_off set spent_seq=null", "sign_off", id="a sign-off unspent"),
            pytest.param(
                "update principal set role='owner', kind='human' where name='dev-a'", "principal", id="a role"
            ),
            pytest.param("delete from sign_off", "sign_off", id="sign-offs gone"),
            pytest.param("insert into freeze values(99999,'r','because','me',null)", "freeze", id="a freeze made up"),
            pytest.param(
                "update token set expires_at=expires_at+1 where principal='dev-b'", "token", id="a token's end"
            ),
            pytest.param("update ref_value set oid=replace(oid,'a','b')", "ref_value", id="a landed ref"),
        ],
    )
    def test_a_state_row_edited_by_hand_is_named(
        self, ground: Ground, started: Repository, copy: Path, sql: str, table: str
    ) -> None:
        assert ground.twinseal("ledger", "rebuild", "--check", data=copy).returncode == 0
        with contextlib.closing(sqlite3.connect(copy / "ledger.sqlite", isolation_level=None)) as connection:
            assert connection.execute(sql).rowcount
        differs = ground.twinseal("ledger", "rebuild", "--check", data=copy)
        assert differs.returncode == 1, differs.stdout
        assert f"{table}, row " in differs.stderr
        assert ground.twinseal("ledger", "rebuild", data=copy).returncode == 0
        assert ground.twinseal("ledger", "rebuild", "--check", data=copy).returncode == 0

    def test_an_old_copy_is_refused_when_it_is_started(self, ground: Ground, copy: Path) -> None:
        assert ground.twinseal("ledger", "verify", data=copy).returncode == 0
        ground.owner.say("principal.invite", "/principals/invitation", {"name": "qa-a"})
        until(lambda: ground.twinseal("ledger", "verify", data=copy).returncode, "the mark to move on")
        done = ground.twinseal("serve", data=copy)
        assert (done.returncode, done.stdout) == (3, "")
        assert "high-water, got" in done.stderr, done.stderr
        assert "Traceback" not in done.stderr

    def test_a_second_service_on_one_ledger_is_refused(self, ground: Ground) -> None:
        done = ground.twinseal("serve")
        assert done.returncode == 3, done.stderr
        assert str(ground.pid) in done.stderr
        assert "Traceback" not in done.stderr
        assert ground.ask("GET", "/healthz").status == 200

    def test_everything_here_can_be_folded_again(self, ground: Ground) -> None:
        ground.assert_sound()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    if os.getuid() != 0:
        pytest.skip("mounting a small disk needs root")
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=12m,mode=700", "tmpfs", str(disk)]
    mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"a small disk cannot be mounted: {mounted.stderr.strip()}")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


def test_on_a_full_disk_nothing_lands_and_afterwards_all_is_well(small_disk: Path, tmp_path: Path) -> None:
    ground = Ground(small_disk, uid_of="dev-a")
    try:
        repository = ground.govern(tmp_path)
        first = repository.begin()
        head = repository.commit(ground["dev-a"], {"notes": "1\n"}, first)
        with contextlib.suppress(OSError), (small_disk / "filler").open("wb", buffering=0) as filler:
            while True:
                filler.write(bytes(4096))
        refused = [by_path(repository, f"{head}:{MAIN}") for _ in range(3)]
        assert not any(push.landed for push in refused), [push.said for push in refused]
        assert repository.refs()[MAIN] == first
        (small_disk / "filler").unlink()
        landed = until(lambda: by_path(repository, f"{head}:{MAIN}").landed, "room again, so it lands")
        assert landed
        closed(repository)
        ground.assert_sound()
    finally:
        ground.close()
