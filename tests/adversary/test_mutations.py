"""Pushes made up by chance: lies about old values, names, sizes and orders. Whatever comes, main is never worse for it.

What must hold is looked up in the repository itself, by git, not by what anybody answered.
"""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adversary.card import Case, attack
from adversary.raw import BOGUS, new_objects, packed, raw_push, small
from playing import MAIN, ZEROS, Member, Repository, lines

NAMES = (
    MAIN, "refs/heads/Main", "refs/heads/main/", "refs/heads/main.lock", "refs/heads/ma\u0131n", "refs/heads//main",
    "HEAD", "main", "refs/tags/main", "refs/replace/" + "1" * 40, "refs/changes/1/1", "refs/ledger/checkpoints",
    "refs/heads/topic/one", "refs/heads/topic/two", "refs/heads/release/1", "refs/for/main",
)  # fmt: skip
OLD = ("true", "zeros", "bogus", "evil")
NEW = ("small", "large", "unsigned", "zeros", "bogus", "base")
THRESHOLD, FILES = 50, 3
BY_CHANCE = settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@dataclass(frozen=True)
class Place:
    """A begun repository, and commits of every sort on top of it, none of which anybody has signed off."""

    repository: Repository
    dev: Member
    base: str
    new: dict[str, str]

    def line(self, command: tuple[str, str, str]) -> str:
        old, new, ref = command
        truth = self.repository.refs().get(ref, ZEROS)
        said = {"true": truth, "zeros": ZEROS, "bogus": BOGUS, "evil": self.new["large"]}[old]
        return f"{said} {self.new[new]} {ref}"

    def sound(self) -> None:
        """What has landed is small and signed, nothing protected is gone, and no name exists that may not."""
        refs = self.repository.refs()
        assert refs[MAIN] in {self.base, self.new["small"]}, refs
        assert not {name for name in refs if name.startswith(("refs/replace/", "refs/for/", "refs/tags/"))}
        assert not {name for name in refs if name.casefold() == MAIN and name != MAIN}


@pytest.fixture
def place(started: Repository, dev: Member) -> Place:
    base = started.refs()[MAIN]
    new = {
        "small": small(started, dev),
        "large": started.commit(dev, {"evil": lines(200)}, base),
        "unsigned": started.commit(dev, {"evil": "1\n"}, base, signed=False),
        "zeros": ZEROS,
        "bogus": BOGUS,
        "base": base,
    }
    return Place(started, dev, base, new)


COMMANDS = st.lists(
    st.tuples(st.sampled_from(OLD), st.sampled_from(NEW), st.sampled_from(NAMES)),
    min_size=1, max_size=4, unique_by=lambda command: command[2],
)  # fmt: skip


@attack("X-51")
def test_x51_no_mixture_of_names_lies_and_orders_lands_what_may_not(case: Case, place: Place) -> None:
    repository = place.repository
    pack = packed(repository, [each for name in ("small", "large", "unsigned") for each in brought(place, name)])

    @BY_CHANCE
    @given(COMMANDS)
    def tried(commands: list[tuple[str, str, str]]) -> None:
        raw_push(repository, place.dev, *map(place.line, commands), pack=pack)
        place.sound()

    tried()
    case.refused(repository.push(place.dev, f"{place.new['large']}:{MAIN}"), "four_eyes.no_change")
    if repository.refs()[MAIN] == place.base:
        case.lands(repository, place.dev, place.new["small"])
    else:
        case.lands(repository, place.dev, small(repository, place.dev))


def brought(place: Place, name: str) -> list[str]:
    return new_objects(place.repository, place.new[name], place.base)


SLICES = st.lists(
    st.tuples(st.integers(1, 40), st.sampled_from(["a", "b", "src/a", "src/b", "src/c/d"])), min_size=1, max_size=5
)


@attack("X-52")
def test_x52_no_cut_or_order_of_commits_makes_a_large_push_small(case: Case, started: Repository, dev: Member) -> None:
    """Pieces of a change in one push, in any order, some of them taken back again: what was on the way counts."""
    base = started.refs()[MAIN]

    @BY_CHANCE
    @given(SLICES, st.booleans())
    def tried(slices: list[tuple[int, str]], takes_back: bool) -> None:  # noqa: FBT001 - drawn
        tip, units, paths = base, 0, set()
        for number, (count, path) in enumerate(slices):
            tip = started.commit(dev, {f"{path}{number}": lines(count)}, tip)
            units, paths = units + count, paths | {f"{path}{number}"}
        if takes_back:
            tip = started.commit(dev, dict.fromkeys(paths), tip)
            units *= 2
        if units > THRESHOLD or len(paths) > FILES:  # What is small may land, and would be the next one's base.
            pushed = started.push(dev, f"{tip}:{MAIN}")
            assert (pushed.landed, pushed.code) == (False, "four_eyes.no_change")
        assert started.refs()[MAIN] == base

    tried()
    large = started.commit(dev, {"evil": lines(THRESHOLD + 1)}, base)
    case.refused(started.push(dev, f"{large}:{MAIN}"), "four_eyes.no_change")
    case.lands(started, dev, started.commit(dev, {"fine": lines(THRESHOLD)}, base))
