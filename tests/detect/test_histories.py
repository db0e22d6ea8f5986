"""The history of a real repository, replayed as reviews; and the program that measures, run once with tiny counts."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from tests.detect import __main__ as program
from tests.detect import histories, slicing

if TYPE_CHECKING:
    from pathlib import Path

DAY = 86_400
START = 1_700_000_000


class History:
    """A real repository whose people merge each other's work."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.at = folder, START
        self.git("init", "-q", "-b", "main")
        self.commit("ann", "README", "one\n")

    def git(self, *args: str, by: str = "ann", committer: str = "") -> None:
        env = {"HOME": str(self.folder), "PATH": "/usr/bin:/bin", "GIT_CONFIG_NOSYSTEM": "1"}
        for who, name in (("AUTHOR", by), ("COMMITTER", committer or by)):
            env |= {f"GIT_{who}_NAME": name, f"GIT_{who}_EMAIL": f"{name}@example.org"}
            env |= {f"GIT_{who}_DATE": f"{self.at} +0000"}
        subprocess.run(["git", "-C", str(self.folder), *args], env=env, check=True, capture_output=True)

    def commit(self, by: str, path: str, text: str, *, committer: str = "") -> None:
        self.at += DAY
        (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
        (self.folder / path).write_text(text)
        self.git("add", ".")
        self.git("commit", "-q", "-m", "work", by=by, committer=committer)

    def merged(self, by: str, merger: str, path: str) -> None:
        self.git("switch", "-q", "-c", "topic")
        self.commit(by, path, "1\n2\n3\n")
        self.git("switch", "-q", "main")
        self.at += DAY
        self.git("merge", "-q", "--no-ff", "-m", "merge", "topic", by=merger)
        self.git("branch", "-q", "-D", "topic")


@pytest.fixture
def history(tmp_path: Path) -> History:
    (tmp_path / "r").mkdir()
    return History(tmp_path / "r")


def test_who_merges_another_s_work_reviewed_it(history: History) -> None:
    history.merged("bob", "ann", "src/core/a.py")
    history.merged("ann", "ann", "src/core/b.py")  # One's own: no review.
    history.commit("bob", "docs/x.md", "1\n", committer="ann")
    history.commit("bot", "docs/y.md", "1\n", committer="ann")  # A machine's.
    merged, applied = histories.replayed(history.folder)
    assert (merged.author, merged.approver, merged.verdict) == ("bob@example.org", "ann@example.org", "approve")
    assert (merged.units, merged.at - merged.opened_at) == (3, DAY * 1000)
    assert (applied.author, applied.approver, applied.units) == ("bob@example.org", "ann@example.org", 1)


def test_a_worktree_and_a_bare_clone_show_the_same(history: History, tmp_path: Path) -> None:
    history.merged("bob", "ann", "a")
    history.git("worktree", "add", "-q", str(tmp_path / "w"), "-b", "other")
    history.git("clone", "-q", "--bare", ".", str(tmp_path / "bare.git"))
    assert len(histories.replayed(history.folder)) == 1
    for place in ("w", "bare.git"):
        assert histories.replayed(tmp_path / place) == histories.replayed(history.folder)


def test_the_program_writes_every_figure_with_its_interval_and_the_history(
    history: History, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    history.merged("bob", "ann", "a")
    tiny = program.Counts(honest=1, large=1, fleets=1, slices=2, draws=400, sizes=(6,))
    monkeypatch.setattr(program, "SMOKE", tiny)
    out = tmp_path / "new" / "detect.json"
    args = ["detect", "--smoke", "--repo", str(history.folder), "--out", str(out)]
    monkeypatch.setattr("sys.argv", args)
    with pytest.raises(SystemExit) as ended:
        program.main()
    assert ended.value.code == 0
    written: dict[str, Any] = json.loads(out.read_text())
    assert (written["history"]["reviews"], written["history"]["people"]) == (1, 2)
    shown = {figure["of"] for figure in written["figures"]}
    assert shown >= set(slicing.PATTERNS) | {f"{kind}, 6" for kind in program.KINDS}
    for figure in written["figures"]:
        assert 0 <= figure["low"] <= figure["rate"] <= figure["high"] <= 1, figure


def test_the_sizes_and_kinds_measured_are_the_ones_asked_for() -> None:
    assert program.Counts().sizes == (6, 12, 50)
    assert {"honest", "hasty", "ring of two", "ring of three", "camouflaged"} <= set(program.KINDS)
    assert {"by time", "by actor", "by path", "with churn"} <= set(slicing.PATTERNS)


@pytest.mark.parametrize("pattern", slicing.PATTERNS)
def test_every_way_to_slice_is_caught_before_twice_its_budget(pattern: str) -> None:
    assert all(slicing.run(pattern, seed).in_time for seed in range(20))
