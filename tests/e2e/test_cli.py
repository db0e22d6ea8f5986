"""The command line: help, exit codes, JSON, and sentences instead of tracebacks."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

import starting
from builders import loose_policy
from governance.entrypoints.cli.main import app
from governance.entrypoints.playground import Playground
from governance.entrypoints.seated import Seated
from playing import Ground, free_port

NOT_JSON = {"serve", "demo"}
"""Commands that do not answer: they run."""
COMPLETE = {
    "principal add": ["x", "--role", "docs", "--email", "x@example.org"],
    "principal invite": ["x"],
    "principal show": ["x"],
    "principal retire": ["x"],
    "key generate": ["--as", "x", "--email", "x@example.org"],
    "key enroll": ["--secret-file", "nowhere"],
    "key revoke": ["ABC"],
    "token issue": ["x"],
    "token revoke": ["x"],
    "otp recover": ["--recovery", "x"],
    "otp remove": ["x"],
    "otp reset": ["x"],
    "repo add": ["x", "nowhere"],
    "repo adopt": ["x", "nowhere", "--yes"],
    "repo check": ["x"],
    "repo maintain": ["x"],
    "repo remove": ["x", "--reason", "not needed", "--yes"],
    "hooks install": ["x"],
    "hooks check": ["x"],
    "change show": ["1"],
    "change diff": ["1"],
    "sign-off": ["1", "--approve"],
    "land": ["1"],
    "thaw": ["x", "--remediation", "nothing was wrong"],
    "lock request": ["--file", "src/**", "--lines", "10"],
    "lock release": ["1"],
    "lock extend": ["1", "--reason", "not done yet"],
    "lock prefer": ["1", "--reason", "it is urgent"],
    "lock steal": ["1", "--for", "2", "--reason", "it hangs"],
    "lock cosign": ["1"],
    "limit raise": ["dev-a", "push", "--hour", "100", "--day", "1000"],
    "account contact": ["--phone", "+493012345678"],
    "ledger show": ["0"],
    "ledger prove": ["0"],
    "ledger backup": ["copy"],
    "ledger restore": ["copy"],
    "ledger recover": ["--reason", "x", "--operator", "x"],
    "ledger prune": ["--below", "256", "--archive", "copy", "--yes"],
    "ledger erase": ["0", "lines", "--basis", "x", "--approver", "x"],
    "witness serve": ["--state", "w", "--logs", "nowhere", "--listen", "127.0.0.1:0"],
    "witness key": ["--state", "w"],
    "init": ["--origin", "localhost/x"],
    "gate start": ["x"],
    "gate status": ["x"],
    "gate evidence": ["x", "RED", "--commit", "c", "--note", "n", "--file", "nowhere"],
    "gate advance": ["x"],
    "gate check": ["x", "RED"],
    "message send": ["nowhere", "--to", "x", "--type", "status"],
    "message verify": ["nowhere"],
    "message check": ["nowhere"],
    "decision raise": ["Shall it be?", "--kind", "x"],
    "decision sign": ["1", "--approve", "--reason", "x"],
    "decision show": ["1"],
    "decision confirm": ["YES-MFRGGZDF"],
    "decision close": ["1", "--reason", "x"],
    "veto": ["1", "--reason", "it drops the log"],
    "freeze": ["--role", "dev-a", "--reason", "it drops the log"],
    "review tertiary": ["1", "--approve", "--reason", "looked at it"],
    "review audit": ["--epoch", "1"],
    "override ask": ["1", "--reason", "the site is down"],
    "override sign": ["1"],
    "override review": ["1", "--verdict", "fine", "--reason", "looked at it"],
    "report check": ["nowhere"],
    "canary plant": ["1"],
    "canary reveal": ["1"],
}
"""What a command needs before it can be run at all."""
DO_NOT_RUN = {"init", "serve", "demo", "key generate", "policy check"}
"""Without a service these begin something, run on, or need none."""


def commands() -> list[tuple[str, Any]]:
    """Return every command there is, by its words."""
    root: Any = typer.main.get_command(app)
    found: list[tuple[str, Any]] = []
    for name, command in root.commands.items():
        inner = getattr(command, "commands", None)
        found += [(name, command)] if inner is None else [(f"{name} {sub}", c) for sub, c in inner.items()]
    return found


def environment(home: Path) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "HOME": str(home), "LC_ALL": "C.UTF-8", "TWINSEAL_LISTEN": "127.0.0.1:9"}


def run(*args: str, home: Path, **extra: str) -> subprocess.CompletedProcess[str]:
    env = environment(home) | extra
    command = [sys.executable, "-m", "governance", *args]
    return subprocess.run(command, env=env, cwd=home, capture_output=True, text=True, timeout=60, check=False, input="")


COMMANDS = commands()
ANSWERING = [name for name, _ in COMMANDS if name not in NOT_JSON]
RUNNABLE = [name for name, _ in COMMANDS if name not in DO_NOT_RUN]


@pytest.mark.parametrize(("name", "command"), COMMANDS, ids=[name for name, _ in COMMANDS])
def test_every_command_explains_itself_and_answers_in_json(name: str, command: Any, tmp_path: Path) -> None:  # noqa: ANN401
    options = {option for parameter in command.params for option in parameter.opts}
    assert command.help, name
    assert ("--json" in options) == (name in ANSWERING), options


@pytest.mark.parametrize("words", [[], *[[name] for name in sorted({n.split()[0] for n, _ in COMMANDS})]])
def test_help_is_printed_and_exits_with_0(words: list[str], tmp_path: Path) -> None:
    done = run(*words, "--help", home=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "Usage: " in done.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", RUNNABLE)
def test_without_a_service_every_command_says_so_in_a_sentence(name: str, tmp_path: Path) -> None:
    words = [*name.split(), *COMPLETE.get(name, [])]
    done = run(*words, home=tmp_path)
    assert done.returncode in {1, 2, 3}, (done.returncode, done.stdout)
    assert "Traceback" not in done.stderr + done.stdout
    assert done.stderr.startswith("✗ ") or name == "doctor", done.stderr
    as_json = starting.run([*starting.OURS, *words, "--json"], env=environment(tmp_path), cwd=tmp_path)
    assert as_json.returncode == done.returncode
    answer = json.loads(as_json.stdout)
    if name != "doctor":
        assert set(answer["error"]) == {"code", "detail", "mend"}
        assert as_json.stderr == ""


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["statuss"], "status"),
        (["sign-of", "1"], "sign-off"),
        (["ledger", "verfy"], "verify"),
        (["ledger", "verify", "--jsn"], "--json"),
        (["sign-off", "1"], "--approve"),
        (["sign-off", "1", "--approve", "--reject"], "--approve"),
        (["sign-off", "one", "--approve"], "integer"),
        (["thaw", "demo"], "--remediation"),
        (["init"], "--origin"),
        (["ledger", "tail", "-n", "0"], "'-n'"),
        (["ledger", "export", "copy", "--since", "3"], "a folder holds all of it"),
    ],
)
def test_a_slip_of_the_hand_exits_with_2_and_says_what_was_meant(words: list[str], hint: str, tmp_path: Path) -> None:
    done = run(*words, home=tmp_path)
    assert done.returncode == 2, done.stdout + done.stderr
    assert hint in done.stderr
    assert "Traceback" not in done.stderr


class TestSettings:
    """What cannot be a setting stops the command; it is never passed over."""

    @pytest.mark.parametrize(
        ("extra", "said"),
        [
            ({"TWINSEAL_DTA": "x"}, "TWINSEAL_DTA is not a setting"),
            ({"TWINSEAL_LISTEN": "nowhere"}, "expected host:port"),
            ({"TWINSEAL_SETTINGS": "nowhere.yaml"}, "cannot be read as settings"),
            ({"TWINSEAL_URL": "ftp://x"}, "not the address of a service"),
            ({"TWINSEAL_VERIFIER": "none"}, "expected sequoia or gnupg, got 'none'"),
        ],
    )
    def test_an_unknown_or_impossible_setting_is_refused(
        self, extra: dict[str, str], said: str, tmp_path: Path
    ) -> None:
        data = {"TWINSEAL_DATA": str(tmp_path / "d"), "TWINSEAL_STATE": str(tmp_path / "s")}
        assert run("init", "--origin", "localhost/x", home=tmp_path, **data).returncode == 0
        (tmp_path / ".config" / "twinseal" / "tokens").mkdir(parents=True)
        (tmp_path / ".config" / "twinseal" / "tokens" / "seat").write_text("tws_" + "a" * 43)
        words = ["serve"] if "TWINSEAL_LISTEN" in extra else ["status"]
        done = run(*words, home=tmp_path, **data, **extra)
        assert done.returncode in {1, 2}, done.stdout
        assert said in done.stderr
        assert "Traceback" not in done.stderr

    def test_an_unknown_key_of_the_file_is_refused(self, tmp_path: Path) -> None:
        file = tmp_path / "settings.yaml"
        for text, said in (("lisen: x\n", "TWINSEAL_LISEN is not a setting"), ("- x\n", "expected a mapping")):
            file.write_text(text)
            done = run("doctor", home=tmp_path, TWINSEAL_SETTINGS=str(file))
            assert done.returncode == 2
            assert said in done.stderr


class TestInit:
    """A service begins once, with its evidence elsewhere than its data."""

    def test_it_begins_once_and_prints_the_recovery_key_once(self, tmp_path: Path) -> None:
        first = run("init", "--origin", "localhost/x", "--json", home=tmp_path)
        assert first.returncode == 0
        begun = json.loads(first.stdout)
        assert begun["recovery_key"].startswith("twinseal-recovery-")
        folders = (tmp_path / ".local/share/twinseal", tmp_path / ".local/state/twinseal")
        kept = {path: path.read_bytes() for folder in folders for path in folder.iterdir() if path.is_file()}
        assert not any(begun["recovery_key"].encode()[18:] in data for data in kept.values())
        again = run("init", "--origin", "localhost/x", home=tmp_path)
        assert again.returncode == 2
        assert "this service has begun" in again.stderr
        assert {path: path.read_bytes() for path in kept} == kept

    @pytest.mark.parametrize("state", ["d", "d/state", "d/../d/deep/state", "link/state"])
    def test_state_inside_the_data_folder_is_refused(self, tmp_path: Path, state: str) -> None:
        (tmp_path / "link").symlink_to(tmp_path / "d")
        given = {"TWINSEAL_DATA": str(tmp_path / "d"), "TWINSEAL_STATE": str(tmp_path / state)}
        done = run("init", "--origin", "localhost/x", home=tmp_path, **given)
        assert done.returncode == 2
        assert "must lie outside the data folder" in done.stderr
        assert not (tmp_path / "d" / "ledger.sqlite").exists()
        elsewhere = given | {"TWINSEAL_STATE": str(tmp_path / "state")}
        assert run("init", "--origin", "localhost/x", home=tmp_path, **elsewhere).returncode == 0

    def test_a_disk_that_is_nearly_full_is_said_before_it_is(self, tmp_path: Path, small_disk: Path) -> None:
        given = {"TWINSEAL_DATA": str(tmp_path / "d"), "TWINSEAL_STATE": str(small_disk / "state")}
        assert run("init", "--origin", "localhost/x", home=tmp_path, **given).returncode == 0
        found = json.loads(run("doctor", "--json", home=tmp_path, **given).stdout)
        said = [(each["level"], each["said"]) for each in found if each["what"] == "room"]
        assert len(said) == 1
        assert said[0][0] == "warn"
        assert f"MiB are free at {small_disk}/state" in said[0][1]

    def test_a_bad_policy_begins_nothing(self, tmp_path: Path) -> None:
        (tmp_path / "policy.yaml").write_text("version: 0\n")
        done = run("init", "--origin", "localhost/x", "--policy", "policy.yaml", home=tmp_path)
        assert done.returncode == 1
        assert not (tmp_path / ".local").exists()


class TestExitCodes:
    """0 done, 1 refused or not valid, 2 usage, 3 could not decide."""

    @pytest.fixture(scope="class")
    @classmethod
    def play(cls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Playground]:
        folder = tmp_path_factory.mktemp("c")
        play = Playground(folder, listen=f"127.0.0.1:{free_port()}", quiet=True, policy=loose_policy(folder / "policy"))
        try:
            play.begin()
            play.enroll("dev-a")
            play.govern("demo", play.seats)
            yield play
        finally:
            play.close()

    @staticmethod
    def run(seat: Seated, *args: str) -> tuple[int, str, str]:
        done = seat._run([sys.executable, "-m", "governance", *args])
        assert "Traceback" not in done.stderr, done.stderr
        return done.returncode, done.stdout, done.stderr

    @pytest.mark.parametrize(
        ("words", "status"),
        [
            (["status"], 0),
            (["doctor"], 0),
            (["repo", "list"], 0),
            (["principal", "list"], 0),
            (["principal", "show", "dev-a"], 0),
            (["principal", "show", "nobody"], 1),
            (["token", "list"], 0),
            (["policy", "show"], 0),
            (["policy", "check"], 0),
            (["hooks", "check", "demo"], 0),
            (["hooks", "check", "nowhere"], 1),
            (["ledger", "verify"], 0),
            (["ledger", "verify", "nowhere"], 3),
            (["ledger", "rebuild", "--check"], 0),
            (["ledger", "tail", "-n", "3"], 0),
            (["ledger", "show", "1"], 0),
            (["ledger", "show", "99999"], 1),
            (["ledger", "prove", "1", "--out", "nowhere/proof"], 3),
            (["ledger", "prune", "--below", "300", "--archive", "nowhere", "--yes"], 1),
            (["ledger", "rotate"], 3),
            (["thaw", "demo", "--remediation", "nothing was wrong", "--yes"], 1),
            (["principal", "retire", "owner"], 1),
            (["repo", "add", "demo", "demo.git"], 1),
        ],
    )
    def test_a_command_exits_as_it_ended_with_and_without_json(
        self, play: Playground, words: list[str], status: int
    ) -> None:
        plain, as_json = self.run(play.owner, *words), self.run(play.owner, *words, "--json")
        assert (plain[0], as_json[0]) == (status, status), plain[1:]
        assert plain[1] or plain[2]
        json.loads(as_json[1])
        assert "\x1b" not in plain[1] + plain[2]
        assert "None" not in plain[1]

    def test_an_agent_is_refused_with_1_and_the_code(self, play: Playground) -> None:
        (dev,) = play.seats
        asked = {
            "authority.owner_only": ["principal", "retire", "owner"],
            "token.other_repository": ["thaw", "demo", "--remediation", "it is all fine", "--yes"],
        }
        for refusal, words in asked.items():
            code, _, said = self.run(dev, *words)
            assert code == 1
            assert refusal in said

    def test_thaw_shows_what_drifted_and_takes_it_as_it_is(self, play: Playground) -> None:
        (dev,) = play.seats
        dev.write("a", "1\n")
        head = dev.commit("A commit")
        dev.push("HEAD:refs/heads/topic/one")
        (play.folder / "demo.git" / "refs" / "heads" / "stray").write_text(f"{head}\n")
        play.stop()
        play.start()
        for _ in range(100):
            if json.loads(self.run(play.owner, "status", "--json")[1])["repositories"][0]["frozen"]:
                break
        assert self.run(play.owner, "thaw", "demo", "--remediation", "short", "--yes")[0] == 1
        code, shown, said = self.run(play.owner, "thaw", "demo", "--remediation", "a stray ref was looked at", "--yes")
        assert code == 0, said
        assert "refs/heads/stray" in shown
        assert head[:12] in shown
        assert not json.loads(self.run(play.owner, "status", "--json")[1])["repositories"][0]["frozen"]
        assert self.run(play.owner, "ledger", "rebuild", "--check")[0] == 0

    def test_with_the_service_down_it_could_not_decide(self, play: Playground) -> None:
        play.stop()
        try:
            for words in (["status"], ["principal", "list"], ["token", "issue", "dev-a"]):
                code, _, said = self.run(play.owner, *words)
                assert code == 3, said
                assert "service.unavailable" in said
            assert self.run(play.owner, "ledger", "verify")[0] == 0, "the file needs no service"
            assert self.run(play.owner, "doctor")[0] == 1
        finally:
            play.start()

    def test_a_ledger_whose_disk_lost_a_page_is_spoken_of_in_sentences(self, tmp_path: Path) -> None:
        places = {"TWINSEAL_DATA": str(tmp_path / "data"), "TWINSEAL_STATE": str(tmp_path / "state")}
        assert run("init", "--origin", "localhost/x", home=tmp_path, **places).returncode == 0
        file = tmp_path / "data" / "ledger.sqlite"
        with contextlib.closing(sqlite3.connect(file)) as connection:
            (page,) = connection.execute("select rootpage from sqlite_schema where name = 'ledger_entry'").fetchone()
        data = bytearray(file.read_bytes())
        data[(page - 1) * 4096 : page * 4096] = b"\x77" * 4096
        file.write_bytes(data)
        commands = {
            "ledger.unverifiable": (["ledger", "verify"],),
            "ledger.unreadable": (["ledger", "tail"], ["ledger", "export", "x"], ["ledger", "rotate"], ["serve"]),
            "twinseal ledger verify": (["doctor"],),
        }
        for said, these in commands.items():
            for words in these:
                done = run(*words, home=tmp_path, **places)
                assert done.returncode == (1 if words == ["doctor"] else 3), (words, done.stderr)
                assert said in done.stdout + done.stderr, words
                assert "Traceback" not in done.stderr, words

    def test_a_ledger_that_was_edited_is_not_valid(self, play: Playground, tmp_path: Path) -> None:
        copy = tmp_path / "ledger.sqlite"
        source = sqlite3.connect(f"file:{play.folder}/data/ledger.sqlite?mode=ro", uri=True)
        with contextlib.closing(source), contextlib.closing(sqlite3.connect(copy)) as target:
            source.backup(target)
        assert self.run(play.owner, "ledger", "verify", str(copy))[0] == 0
        data = copy.read_bytes()
        assert b"dev-a@example.org" in data
        copy.write_bytes(data.replace(b"dev-a@example.org", b"dev-x@example.org"))
        code, _, said = self.run(play.owner, "ledger", "verify", str(copy))
        assert code == 1, said
        assert "entry " in said

    @pytest.mark.parametrize("text", [None, "", "{}", "none"])
    def test_a_mark_that_is_gone_or_spoilt_is_not_passed_over(
        self, play: Playground, tmp_path: Path, text: str | None
    ) -> None:
        mark = tmp_path / "mark"
        if text is not None:
            mark.write_text(text)
        code, _, said = self.run(play.owner, "ledger", "verify", "--against", str(mark))
        assert code == 3, said
        assert str(mark) in said


def test_a_closed_pipe_is_no_traceback(ground: Ground) -> None:
    command = f"{sys.executable} -m governance ledger tail -n 10000 --json | head -c 10"
    env = ground.play.environment("owner")
    done = subprocess.run(["sh", "-c", command], env=env, capture_output=True, text=True, timeout=60, check=False)
    assert "Traceback" not in done.stderr
