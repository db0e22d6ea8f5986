"""The checkpoint in governed repositories: when it has its turn."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from audit.entry import Draft
from builders import REPOSITORY
from governance.adapters import checkpoint_ref, git
from governance.entrypoints import evidence
from governance.record import SERVICE, Kind
from service_world import ServiceWorld

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NOTE = "example.org/twinseal\n5\nAAAA\n\n— example.org/twinseal AAAA\n"


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ServiceWorld]:
    monkeypatch.setattr(evidence.tree, "note", lambda _: NOTE)  # The world's own ledger signs none.
    with ServiceWorld(tmp_path) as made:
        yield made


def frozen(world: ServiceWorld) -> None:
    data = {"refs": [], "count": 1, "reason": "a ref moved"}
    world.append(Draft(Kind.REFS_DRIFTED, SERVICE, REPOSITORY, "", data))


def thawed(world: ServiceWorld) -> None:
    data = {"freeze": 0, "remediation": "looked", "refs": [], "unreviewed": [], "statement": {}}
    world.append(Draft(Kind.FREEZE_LIFTED, SERVICE, REPOSITORY, "", data))


def test_a_frozen_repository_is_shown_it_as_soon_as_it_is_thawed(world: ServiceWorld) -> None:
    subprocess.run([git.program(), "init", "-q", "--bare", str(world.repository)], check=True)
    (world.repository / "twinseal" / "reservations").mkdir(parents=True)
    clockwork = evidence.Evidence(world.service, None, set())
    frozen(world)
    clockwork.show()
    assert checkpoint_ref.latest(world.repository) is None
    thawed(world)
    clockwork.show()
    assert checkpoint_ref.latest(world.repository) == NOTE


def test_one_that_is_frozen_while_it_is_tried_is_tried_again(
    world: ServiceWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = []

    def refused(*_: object, **__: object) -> bool:
        tried.append(1)
        if len(tried) == 1:
            frozen(world)
        raise git.GitError("refused: this repository is frozen")

    monkeypatch.setattr(checkpoint_ref, "publish", refused)
    clockwork = evidence.Evidence(world.service, None, set())
    for _ in range(3):
        clockwork.show()
    assert len(tried) == 1
    thawed(world)
    clockwork.show()
    assert len(tried) == 2


def test_one_that_is_not_ours_to_write_is_left_alone_for_a_while(
    world: ServiceWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = []

    def refused(*_: object, **__: object) -> bool:
        tried.append(1)
        raise git.GitError("permission denied")

    monkeypatch.setattr(checkpoint_ref, "publish", refused)
    clockwork = evidence.Evidence(world.service, None, set())
    for _ in range(3):
        clockwork.show()
    assert len(tried) == 1
    world.now += evidence.REF_MS
    clockwork.show()
    assert len(tried) == 2
