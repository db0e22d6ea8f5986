"""Attacks on what a push to a gated ref must belong to: the real service, with real pushes to `refs/heads/gated`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from adversary.card import Case, attack
from playing import MAIN, Answer, Ground, Member, Repository

GATED = "refs/heads/gated"
SHOWS = "e" * 64


class Feature:
    """One feature and the honest way through its gates."""

    def __init__(self, repository: Repository, ground: Ground, name: str) -> None:
        for role in ("orchestrator", "librarian"):
            if role not in ground.members:
                ground.enroll(role, role=role)
            if repository.name not in ground[role].tokens:
                repository.admit(ground[role])
        self.name, self._repository, self._ground = name, repository, ground
        assert self._said("owner", "gate.start").status == 201

    def _said(self, by: str, type_: str, **body: Any) -> Answer:  # noqa: ANN401
        name = self._repository.name
        said = {"repository": name, "feature": self.name, **body}
        return self._ground[by].say(type_, f"/repositories/{name}/gates", said, repository=name)

    def evidence(self, by: str, stage: str, commit: str) -> Answer:
        return self._said(by, "gate.evidence", stage=stage, commit=commit, digest=SHOWS, note="a report")

    def passes(self, stage: str, commit: str) -> None:
        for by in ("dev-a", "qa-a"):
            assert self.evidence(by, stage, commit).status == 201
        path = f"/repositories/{self._repository.name}/features/{self.name}"
        shown = self._ground.owner.get(path, repository=self._repository.name).body
        bound = {"stage": stage, "commit": commit}
        counts = next(each["counts"] for each in shown["could"] if (each["stage"], each["commit"]) == (stage, commit))
        asked = self._said("orchestrator", "gate.advance", evidence=counts, **bound)
        assert asked.status == 201, asked.raw
        done = self._said("librarian", "gate.cosign", asked=asked.body["entry"], **bound)
        assert done.status == 201, done.raw


@pytest.fixture
def heads(started: Repository, dev: Member) -> tuple[str, str]:
    """The commit whose test fails, and the one that passes it."""
    first = started.commit(dev, {"test.py": "1\n"}, started.refs()[MAIN])
    return first, started.commit(dev, {"app.py": "1\n"}, first)


@pytest.fixture
def feature(started: Repository, ground: Ground) -> Feature:
    return Feature(started, ground, "roses")


@attack("X-GATE-01")
def test_what_belongs_to_no_feature_does_not_land(
    case: Case, started: Repository, dev: Member, feature: Feature, heads: tuple[str, str]
) -> None:
    case.refused(started.push(dev, f"{heads[1]}:{GATED}"), "gates.unbound")
    feature.passes("RED", heads[0])
    case.refused(started.push(dev, f"{heads[0]}:{GATED}"), "gates.unbound")
    feature.passes("GREEN", heads[1])
    case.lands(started, dev, heads[1], ref=GATED)


@attack("X-GATE-02")
def test_naming_a_feature_is_not_passing_its_gates(
    case: Case, started: Repository, dev: Member, feature: Feature, heads: tuple[str, str]
) -> None:
    for named in ("roses", "ghost"):
        option = ("-o", f"twinseal.feature={named}")
        case.refused(started.push(dev, f"{heads[1]}:{GATED}", more=option), "gates.bypass")
    feature.passes("RED", heads[0])
    feature.evidence("dev-a", "GREEN", heads[1])
    case.refused(started.push(dev, f"{heads[1]}:{GATED}"), "gates.unbound")
    feature.evidence("qa-a", "GREEN", heads[1])
    case.refused(started.push(dev, f"{heads[1]}:{GATED}", more=("-o", "twinseal.feature=roses")), "gates.bypass")
    other = started.commit(dev, {"app.py": "2\n"}, heads[0])
    feature.passes("GREEN", other)
    case.twin(started.push(dev, f"{other}:{GATED}", more=("-o", "twinseal.feature=roses")))


@attack("X-GATE-03")
def test_the_gates_are_passed_for_one_commit(
    case: Case, started: Repository, dev: Member, feature: Feature, heads: tuple[str, str]
) -> None:
    feature.passes("RED", heads[0])
    feature.passes("GREEN", heads[1])
    amended = started.commit(dev, {"app.py": "import os\n"}, heads[0])
    case.refused(started.push(dev, f"{amended}:{GATED}", more=("-o", "twinseal.feature=roses")), "gates.bypass")
    case.refused(started.push(dev, f"{amended}:{GATED}"), "gates.unbound")
    on_top = started.commit(dev, {"more.py": "1\n"}, heads[1])
    case.refused(started.push(dev, f"{on_top}:{GATED}"), "gates.unbound")
    case.lands(started, dev, heads[1], ref=GATED)


@attack("X-GATE-04")
def test_a_feature_of_another_repository_is_none_here(
    case: Case, started: Repository, ground: Ground, dev: Member, tmp_path: Path, heads: tuple[str, str]
) -> None:
    elsewhere = ground.govern(tmp_path / "other")
    theirs = Feature(elsewhere, ground, "roses")
    theirs.passes("RED", heads[0])
    theirs.passes("GREEN", heads[1])
    case.refused(started.push(dev, f"{heads[1]}:{GATED}", more=("-o", "twinseal.feature=roses")), "gates.bypass")
    case.refused(started.push(dev, f"{heads[1]}:{GATED}"), "gates.unbound")
    ours = Feature(started, ground, "roses")
    ours.passes("RED", heads[0])
    ours.passes("GREEN", heads[1])
    case.lands(started, dev, heads[1], ref=GATED)
    ground.forget(elsewhere)
