"""The fallback verifier: gpg instead of the library, for who must do without it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from playing import MAIN, Ground


def test_with_gpg_as_verifier_the_same_pushes_land_and_are_refused(
    tmp_path_factory: pytest.TempPathFactory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ground = Ground(tmp_path_factory.mktemp("f"))
    try:
        repository = ground.govern(tmp_path)
        repository.begin()
        calls = tmp_path / "calls"
        (tmp_path / "gpg").write_text(f'#!/bin/sh\necho "$*" >> {calls}\nexec {shutil.which("gpg")} "$@"\n')
        (tmp_path / "gpg").chmod(0o755)
        before = ground.play.environment
        extra = {"TWINSEAL_VERIFIER": "gnupg", "PATH": f"{tmp_path}:{os.environ['PATH']}"}
        monkeypatch.setattr(ground.play, "environment", lambda seat: before(seat) | extra)
        ground.restart()

        tip, dev = repository.refs()[MAIN], ground["dev-a"]
        good = repository.commit(dev, {"a": "1\n"}, tip)
        unsigned = repository.commit(dev, {"a": "2\n"}, tip, signed=False)
        assert repository.push(dev, f"{unsigned}:{MAIN}").code == "signed_commits.unsigned"
        assert repository.push(dev, f"{good}:{MAIN}").landed
        assert "--verify" in calls.read_text(), "it was gpg that verified"
    finally:
        ground.close()
