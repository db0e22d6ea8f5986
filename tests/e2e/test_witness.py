"""`twinseal witness`: a real process on loopback, asked by the real client."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from audit import note
from audit.errors import NoteError
from audit.note import Key
from audit.trust import Policy
from audit.trust_text import parse
from audit.witness_client import Outcome, cosigned
from audit.witness_store import name_of
from audit.witness_wire import post
from governance.adapters import witness_key
from governance.errors import SettingsError
from tree_log import KEY, ORIGIN, TreeLog

LOG = TreeLog(60)
FORK = TreeLog(60, seed="other")


def command(*args: str, home: Path) -> list[str]:
    return [sys.executable, "-m", "governance", "witness", *args, "--state", str(home / "state")]


def env(home: Path) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "HOME": str(home), "LC_ALL": "C.UTF-8"}


def said(*args: str, home: Path) -> tuple[int, dict[str, Any]]:
    done = subprocess.run(
        [*command(*args, home=home), "--json"], env=env(home), capture_output=True, text=True, timeout=60, check=False
    )
    assert "Traceback" not in done.stderr
    return done.returncode, json.loads(done.stdout)


@dataclass
class Running:
    process: subprocess.Popen[str]
    about: dict[str, Any]

    @property
    def policy(self) -> Policy:
        lines = [f"log {KEY.key}", self.about["policy_line"], f"quorum {self.about['name']}"]
        return parse("".join(f"{line}\n" for line in lines).encode())


def serve_args(home: Path, *more: str) -> list[str]:
    logs = home / "logs.policy"
    if not logs.exists():
        logs.write_text(f"# the one we watch\nlog {KEY.key}\n")
    return ["serve", "--logs", str(logs), "--listen", "127.0.0.1:0", *more]


@contextmanager
def running(home: Path, *more: str, end: signal.Signals = signal.SIGTERM) -> Iterator[Running]:
    words = [*command(*serve_args(home, *more), home=home), "--json"]
    process = subprocess.Popen(words, env=env(home), stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    text = ""
    while not text.endswith("}\n"):
        line = process.stdout.readline()
        assert line, "it ended before it began"
        text += line
    try:
        yield Running(process, json.loads(text))
    finally:
        process.send_signal(end)
        process.wait(timeout=20)
        process.stdout.close()


def test_a_witness_cosigns_for_a_policy_that_takes_its_line(tmp_path: Path) -> None:
    with running(tmp_path, "--name", "witness.example.org/w1") as witness:
        assert witness.about["new"]
        assert witness.about["logs"] == [ORIGIN]
        got = cosigned(LOG.signed(9), witness.policy, LOG.prove)
        assert got.reached, got.answers
        witness.policy.check(got.note)
        got = cosigned(LOG.signed(20), witness.policy, LOG.prove)
        assert got.reached, got.answers
        # A fork gets nothing, and what it cosigned last is there for all to see.
        assert cosigned(FORK.signed(30), witness.policy, FORK.prove).answers[0].outcome is Outcome.REFUSED
        shown = fetched(witness.about["url"])
        assert shown == got.note
        assert said("key", home=tmp_path)[1]["vkey"] == witness.about["vkey"]


def fetched(url: str) -> bytes:
    connection = HTTPConnection(url.removeprefix("http://"), timeout=10)
    connection.request("GET", f"/{name_of(ORIGIN)}/checkpoint")
    body = connection.getresponse().read()
    connection.close()
    return body


def test_it_remembers_through_a_kill_and_two_may_share_a_folder(tmp_path: Path) -> None:
    with running(tmp_path, end=signal.SIGKILL) as witness:
        assert cosigned(LOG.signed(9), witness.policy, LOG.prove).reached
    with running(tmp_path) as one, running(tmp_path) as two:
        assert (one.about["new"], one.about["vkey"]) == (False, witness.about["vkey"])
        assert cosigned(FORK.signed(9), one.policy, FORK.prove).answers[0].outcome is Outcome.REFUSED
        assert cosigned(LOG.signed(20), one.policy, LOG.prove).reached
        assert cosigned(LOG.signed(30), two.policy, LOG.prove).reached
        behind = cosigned(LOG.signed(25), one.policy, LOG.prove).answers[0]
        assert behind.outcome is Outcome.AHEAD
        assert "30 entries" in behind.said


def test_the_wire_is_as_the_protocol_has_it(tmp_path: Path) -> None:
    with running(tmp_path) as witness:
        url = witness.about["url"] + "/add-checkpoint"
        assert post(url, LOG.request(0, 9), 5).status == 200
        got = post(url, LOG.request(0, 20), 5)
        assert (got.status, got.kind, got.body) == (409, "text/x.tlog.size", b"9\n")
        assert post(url, b"x" * 70_000, 5).status == 413
        assert post(url, b"nonsense", 5).status == 400
        assert post(url + "/", LOG.request(9, 20), 5).status == 404
        with pytest.raises(NoteError):
            note.read(got.body, [])


def test_it_tells_people_what_to_do_next(tmp_path: Path) -> None:
    words = command(*serve_args(tmp_path, "--name", "example.org/w"), home=tmp_path)
    process = subprocess.Popen(words, env=env(tmp_path), stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    lines = [process.stdout.readline() for _ in range(4)]
    process.terminate()
    process.wait(timeout=20)
    process.stdout.close()
    assert lines[0].startswith("✓ witness example.org/w made its key and answers at http://127.0.0.1:")
    assert lines[2].startswith("Next: ")
    name, vkey, url = lines[3].split()[1:]
    assert (name, Key.parse(vkey).name) == ("example.org/w", name)
    assert url.startswith("http://127.0.0.1:")


def refused(home: Path, *args: str) -> dict[str, str]:
    code, answer = said(*args, home=home)
    assert code == 2
    error: dict[str, str] = answer["error"]
    return error


def test_what_cannot_begin_says_why_and_what_to_do(tmp_path: Path) -> None:
    assert "no witness has begun" in refused(tmp_path, "key")["detail"]
    logs = tmp_path / "bad"
    serve = ["serve", "--logs", str(logs), "--listen", "127.0.0.1:0"]
    assert "cannot be read" in refused(tmp_path, *serve)["detail"]
    logs.write_text(f"log {KEY.key}\nlog {KEY.key}\n")
    assert "line 2: expected each key once" in refused(tmp_path, *serve)["detail"]
    logs.write_text("")
    assert refused(tmp_path, *serve)["mend"] == "One line for each log to witness: log <vkey>"
    logs.write_text(f"log {KEY.key}\n")
    assert not (tmp_path / "state").exists(), "nothing was begun"
    assert "expected a key name" in refused(tmp_path, *serve, "--name", "a name")["detail"]
    for listen in ("x", "127.0.0.1:", "127.0.0.1:65536", ":1", "127.0.0.1:\u0661"):
        assert "expected host:port" in refused(tmp_path, *serve[:-1], listen)["detail"]


def test_a_key_is_kept_for_itself_and_not_replaced(tmp_path: Path) -> None:
    with running(tmp_path, "--name", "example.org/w"):
        pass
    state = tmp_path / "state"
    key = state / "key"
    assert (state.stat().st_mode & 0o777, key.stat().st_mode & 0o777) == (0o700, 0o600)
    assert "a name does not change" in refused(tmp_path, *serve_args(tmp_path, "--name", "example.org/x"))["detail"]
    key.chmod(0o640)
    assert refused(tmp_path, "key")["mend"].endswith(f"chmod 600 {key}")
    key.chmod(0o600)
    state.chmod(0o755)
    assert refused(tmp_path, *serve_args(tmp_path))["mend"].endswith(f"chmod 700 {state}")
    state.chmod(0o700)
    key.rename(tmp_path / "lost")
    assert "its key is gone" in refused(tmp_path, *serve_args(tmp_path))["detail"]
    key.symlink_to(tmp_path / "lost")
    assert "cannot be read" in refused(tmp_path, "key")["detail"]


CHANGES = [lambda t: t[:-3], lambda t: t.replace("org/w+", "org/x+"), lambda t: t + "x", str.lower, lambda _: ""]


@pytest.mark.parametrize("change", CHANGES)
def test_a_key_file_that_was_touched_is_refused_and_not_shown(tmp_path: Path, change: Any) -> None:  # noqa: ANN401
    made = witness_key.make(tmp_path, "example.org/w")
    assert witness_key.load(tmp_path) == made
    path = tmp_path / witness_key.FILE
    text = path.read_text()
    path.write_text(change(text))
    with pytest.raises(SettingsError, match="expected PRIVATE") as caught:
        witness_key.load(tmp_path)
    assert text.strip()[-20:] not in str(caught.value)
    with pytest.raises(SettingsError, match="cannot be kept"):
        witness_key.make(tmp_path, "example.org/w")


def test_an_address_that_is_taken_is_said(tmp_path: Path) -> None:
    with running(tmp_path) as witness:
        listen = witness.about["url"].removeprefix("http://")
        error = refused(tmp_path, "serve", "--logs", str(tmp_path / "logs.policy"), "--listen", listen)
        assert error["mend"] == "--listen HOST:PORT with another port"
