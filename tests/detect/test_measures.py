"""`make detect` runs, and says what it promises to say; the short form of what it measures holds here, too."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from governance.detect import cases
from governance.parameters import Collusion
from tests.detect import drawing, histories, looking, slicing
from tests.detect.fleets import START

ROOT = Path(__file__).parents[2]
NAMES = {"what", "of", "hits", "tried", "rate", "low", "high", "reach", "met", "note"}
GIT = {
    "PATH": os.environ["PATH"], "HOME": "/nonexistent", "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull,
}  # fmt: skip


@pytest.mark.parametrize("pattern", slicing.PATTERNS)
def test_no_slicing_lands_twice_its_budget(pattern: str) -> None:
    assert all(slicing.run(pattern, seed).in_time for seed in range(50))


def test_draws_are_uniform_and_say_nothing_of_each_other() -> None:
    drawn = drawing.measure(7, 20_000)
    assert min(drawn.p_uniform, drawn.p_after, drawn.p_other_key) > 0.001
    assert drawn.interval[0] <= 0.1 <= drawn.interval[1]


@pytest.mark.parametrize("kind", ["honest", "friendly"])
def test_daily_looks_at_an_honest_fleet_name_nobody(kind: str) -> None:
    seen = [looking.look(12, kind, seed) for seed in range(8)]
    assert not any(each.false or each.hurried_false for each in seen)


@pytest.mark.parametrize(("kind", "sees"), [("ring of two", True), ("ring of three", True), ("camouflaged", False)])
def test_a_ring_is_seen_within_its_window_and_camouflage_is_not(kind: str, sees: bool) -> None:  # noqa: FBT001
    seen = [looking.look(12, kind, seed) for seed in range(3)]
    assert [each.day is not None for each in seen] == [sees] * 3
    assert not any(each.false for each in seen)


def test_ten_canaries_under_an_accomplices_name_show_camouflage_and_three_do_not() -> None:
    assert looking.canaries(12, "camouflaged", 1, 10) == (True, False)
    assert looking.canaries(12, "camouflaged", 1, 3) == (False, False)
    assert looking.canaries(12, "honest", 1, 30) == (False, False)


def commit(folder: Path, who: str, at: int, *args: str) -> None:
    name, _, by = who.partition("/")
    env = GIT | {
        "GIT_AUTHOR_NAME": name, "GIT_AUTHOR_EMAIL": f"{name}@example.org", "GIT_AUTHOR_DATE": f"{at} +0000",
        "GIT_COMMITTER_NAME": by or name, "GIT_COMMITTER_EMAIL": f"{by or name}@example.org",
        "GIT_COMMITTER_DATE": f"{at + (600 if by else 0)} +0000",
    }  # fmt: skip
    subprocess.run(["git", "-C", str(folder), *args], env=env, check=True, capture_output=True)


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight people; a and b merge each other's work, the others whoever comes next."""
    folder = tmp_path_factory.mktemp("history")
    subprocess.run(["git", "init", "-q", "-b", "main", str(folder)], env=GIT, check=True)
    at = START // 1000
    commit(folder, "a", at, "commit", "--allow-empty", "-qm", "first")
    people = "abcdefgh"
    for number in range(96):
        author = people[number % 8]
        approver = {"a": "b", "b": "a"}.get(author) or people[2 + (number * 5 + number // 8) % 6]
        at += 6 * 3600
        (folder / f"file{number}").write_text("line\n" * (number % 20 + 1))
        if number % 3:  # Applied by somebody else, or merged.
            subprocess.run(["git", "-C", str(folder), "add", "."], env=GIT, check=True)
            commit(folder, f"{author}/{approver}", at, "commit", "-qm", "work")
            continue
        subprocess.run(["git", "-C", str(folder), "switch", "-qc", f"t{number}"], env=GIT, check=True)
        subprocess.run(["git", "-C", str(folder), "add", "."], env=GIT, check=True)
        commit(folder, author, at, "commit", "-qm", "work")
        subprocess.run(["git", "-C", str(folder), "switch", "-q", "main"], env=GIT, check=True)
        commit(folder, approver, at + 600, "merge", "-q", "--no-ff", "-m", "merge", f"t{number}")
    return folder


def test_a_real_history_is_read_and_judged(history: Path) -> None:
    found = histories.replayed(history)
    assert len(found) > 80
    assert {review.latency_ms for review in found} == {600_000}
    assert {review.units for review in found} == set(range(1, 21))
    judged = cases.judge(found, Collusion(), now=found[-1].at, seed=1)
    assert [sorted(case.people) for case in judged.found] == [["a@example.org", "b@example.org"]]


def test_make_detect_prints_and_writes_what_it_promises(history: Path, tmp_path: Path) -> None:
    out = tmp_path / "new" / "detect.json"
    command = [sys.executable, "-m", "tests.detect", "--smoke", "--repo", str(history), "--out", str(out)]
    env = os.environ | {"NO_COLOR": "1"}
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "\x1b[" not in done.stdout
    found = json.loads(out.read_text())
    assert {"seed", "counts", "figures", "history"} == set(found)
    assert all(set(figure) == NAMES for figure in found["figures"])
    assert {figure["of"] for figure in found["figures"]} >= {*slicing.PATTERNS, "honest, 6", "camouflaged, 12"}
    assert found["history"]["named"][0]["people"] == ["a@example.org", "b@example.org"]
    assert "history of" in done.stdout
