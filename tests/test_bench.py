"""The benchmarks run, and say what they promise to say. How fast anything is, is not asserted here."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bench.table import Figure, Reach, show

ROOT = Path(__file__).parents[1]
NAMES = {"id", "ours", "other", "other_name", "unit", "ratio", "reach", "met", "n", "note"}
IDS = {
    "push.http.1", "push.added_ms", "push.file.1", "push.http.6", "push.verifycommit.6", "facts.8", "facts.8.push_s",
    "hook.start", "cli.help", "controls.flat", "controls.ms", "decide.4", "decide.flat", "verify.ssh", "verify.ssh.log",
    "append.sqlite.64", "append.sqlite.single",
    "verify.1m", "proof.1m", "start.flat", "report.day",
    *(["append.pg.64"] if list(Path("/usr/lib/postgresql").glob("*/bin/initdb")) or shutil.which("initdb") else []),
    *(["push.ssh.1"] if shutil.which("sshd", path="/usr/sbin:/usr/bin:/sbin:/bin") else []),
}  # fmt: skip


def figure(reach: Reach, *, ours: float, other: float) -> Figure:
    return Figure(id="a.b", ours=ours, other=other, other_name="it", unit="ms", reach=reach, n=3)


@pytest.fixture(scope="module")
def smoke(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[dict[str, Any]], str]:
    out = tmp_path_factory.mktemp("out") / "new" / "bench.json"
    command = [sys.executable, "-m", "tests.bench", "--smoke", "--out", str(out)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(out.read_text()), done.stdout


def test_every_figure_is_measured_and_named_once(smoke: tuple[list[dict[str, Any]], str]) -> None:
    assert sorted(each["id"] for each in smoke[0]) == sorted(IDS)


def test_every_figure_stands_beside_another_of_the_same_run(smoke: tuple[list[dict[str, Any]], str]) -> None:
    for each in smoke[0]:
        assert set(each) == NAMES, each
        assert each["ours"] > 0, each
        assert each["other"] > 0, each
        assert each["n"] > 0, each
        assert each["other_name"], each
        assert isinstance(each["met"], bool), each


def test_the_table_shows_every_figure(smoke: tuple[list[dict[str, Any]], str]) -> None:
    for each in smoke[0]:
        assert each["id"] in smoke[1]


@pytest.mark.parametrize(
    ("reach", "ours", "other", "ratio", "met"),
    [
        (Reach("ours/other", 1.5), 15, 10, 1.5, True),
        (Reach("ours/other", 1.5), 16, 10, 1.6, False),
        (Reach("other/ours", 15, at_least=True), 1, 15, 15, True),
        (Reach("other/ours", 15, at_least=True), 1, 14, 14, False),
        (Reach("ours/other", 2, at_least=True), 20, 10, 2, True),
        (Reach("ours-other", 35), 45, 10, 4.5, True),
        (Reach("ours-other", 35), 46, 10, 4.6, False),
        (Reach("ours", 3), 4, 8, 0.5, False),
    ],
)
def test_a_reach_is_met_up_to_its_limit(reach: Reach, ours: float, other: float, ratio: float, met: bool) -> None:  # noqa: FBT001 - a column
    found = figure(reach, ours=ours, other=other).plain()
    assert (found["ratio"], found["met"]) == (pytest.approx(ratio), met)


@pytest.mark.parametrize(
    ("reach", "said"),
    [
        (Reach("ours/other", 1.6), "ours/other <= 1.6"),
        (Reach("other/ours", 15, at_least=True), "other/ours >= 15"),
        (Reach("ours-other", 35), "ours-other <= 35 ms"),
    ],
)
def test_a_reach_says_what_it_looks_at(reach: Reach, said: str) -> None:
    assert figure(reach, ours=1, other=1).plain()["reach"] == said


def test_a_missed_reach_is_shown_and_fails_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    show([figure(Reach("ours", 1), ours=2, other=1)])
    assert "MISSED" in capsys.readouterr().out
