from __future__ import annotations

import hashlib
import subprocess
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import OLD, ZERO, a_change, a_commit, a_push, oid
from governance.facts import Content, Person, Size, all_changes, diff_digest, is_zero, size

if TYPE_CHECKING:
    from pathlib import Path

    from governance.facts import Change

MODES = [
    ("a file changed", "100644", "100644", False),
    ("made executable", "100644", "100755", True),
    ("no longer executable", "100755", "100644", True),
    ("a new file", "000000", "100644", False),
    ("a new executable", "000000", "100755", True),
    ("an executable deleted", "100755", "000000", False),
    ("a file turned into a link", "100644", "120000", True),
    ("a link turned into a file", "120000", "100644", True),
]


@pytest.mark.parametrize(("old", "new", "changed"), [row[1:] for row in MODES], ids=[row[0] for row in MODES])
def test_a_change_of_mode_shows(old: str, new: str, changed: bool) -> None:  # noqa: FBT001 - a row
    assert a_change(old_mode=old, new_mode=new).mode_changed is changed


UNITS = [(0, 0, 0), (3, 10, 3), (1, 80, 1), (1, 81, 2), (1, 8000, 100), (0, 1, 1), (50, 4000, 50), (50, 4001, 51)]


@pytest.mark.parametrize(("lines", "size_", "units"), UNITS)
def test_a_wide_line_counts_as_many(lines: int, size_: int, units: int) -> None:
    assert a_change(lines=lines, size=size_).units == units


def test_a_rename_is_two_paths() -> None:
    away = a_change("a.py", 10, new_mode="000000", new=ZERO)
    here = a_change("b.py", 10, old_mode="000000", old=ZERO)

    assert size(a_push([away, here])) == Size(units=20, lines=20, files=2)


def test_adding_and_reverting_counts_both_and_the_net_where_it_is_more() -> None:
    there, back = a_commit("1", changes=(a_change(lines=30),)), a_commit(changes=(a_change(lines=30),))

    assert size(a_push([], commits=(there, back))) == Size(units=60, lines=60, files=1)
    assert size(a_push([a_change("x", 70)], commits=(there, back))) == Size(units=70, lines=70, files=2)


def test_a_path_rule_sees_the_net_and_every_commit() -> None:
    facts = a_push([a_change("net")], commits=(a_commit("1", changes=(a_change("way"),)), a_commit(changes=())))

    assert [change.path for change in all_changes(facts)] == ["net", "way"]


def test_the_zero_object_name_is_that_of_either_length_and_no_other() -> None:
    assert is_zero(ZERO)
    assert is_zero("0" * 64)
    assert not is_zero("0" * 39 + "1")


def test_creation_and_deletion_go_by_what_was_asked() -> None:
    assert a_push(old=ZERO).creates
    assert not a_push().creates
    assert a_push(new=ZERO).deletes
    assert a_push().merge_base == OLD
    assert a_push(bases=()).merge_base == ""


def test_the_tree_is_that_of_the_very_commit_that_would_land() -> None:
    assert a_push(commits=(a_commit("old one"), a_commit("new"))).tree == oid("new tree")
    assert a_push(commits=(a_commit("old one"),)).tree == ""


def test_a_person_is_called_by_name_and_a_stranger_by_address() -> None:
    assert Person("a@example.org", "dev-a").label == "dev-a"
    assert Person("a@example.org", "").label == "<a@example.org>"


ONE_THING = [
    {"path": "src/bpp.py"}, {"old_mode": "100755"}, {"new_mode": "100755"}, {"old": oid("x")}, {"new": oid("x")},
]  # fmt: skip


@pytest.mark.parametrize("changed", ONE_THING, ids=lambda changed: next(iter(changed)))
def test_a_digest_changes_with_each_part_of_a_change(changed: dict[str, str]) -> None:
    usual = a_change(old=oid("a"), new=oid("b"))

    assert diff_digest([replace(usual, **changed)]) != diff_digest([usual])


def changes() -> st.SearchStrategy[list[Change]]:
    paths = st.text(st.characters(blacklist_characters="\0", blacklist_categories=["Cs"]), min_size=1, max_size=8)
    one = st.builds(a_change, paths, lines=st.just(1), new=st.sampled_from([oid("a"), oid("b")]))
    return st.lists(one, max_size=4)


@given(changes(), st.randoms())
def test_a_digest_does_not_depend_on_the_order(made: list[Change], random: object) -> None:
    shuffled = list(made)
    random.shuffle(shuffled)

    assert diff_digest(shuffled) == diff_digest(made)


@given(changes(), changes())
def test_two_differences_have_two_digests(one: list[Change], other: list[Change]) -> None:
    def meaning(made: list[Change]) -> list[tuple[str, str]]:
        return sorted((change.path, change.new) for change in made)

    def fixed(made: list[Change]) -> list[Change]:
        return [replace(change, old=OLD) for change in made]

    assert (diff_digest(fixed(one)) == diff_digest(fixed(other))) == (meaning(one) == meaning(other))


def test_a_path_that_is_not_utf_8_is_digested_by_its_bytes() -> None:
    plain, odd = a_change("r\ufffdse", new=oid("x"), old=oid("y")), a_change("r\udcffse", new=oid("x"), old=oid("y"))

    assert diff_digest([plain]) != diff_digest([odd])


def test_one_path_twice_is_digested_and_does_not_raise() -> None:
    twice = [a_change("a", new=oid("1")), a_change("a", new=oid("2"))]

    assert diff_digest(twice) == diff_digest(reversed(twice))


def test_the_digest_is_over_what_git_diff_tree_says(tmp_path: Path) -> None:
    """The outsider's way to the same digest: git's own plumbing, its records sorted by path."""

    def git(*arguments: str) -> bytes:
        who = ["-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "commit.gpgsign=false"]
        return subprocess.run(["git", *who, *arguments], cwd=tmp_path, check=True, capture_output=True).stdout

    git("init", "-q")
    for number, names in enumerate((["b", "a b"], ["b", "z", "r\udcffse"])):
        for name in names:
            (tmp_path / name).write_text(f"{name.encode('utf-8', 'surrogateescape')!r} {number}\n")
        git("add", "-A")
        git("commit", "-q", "-m", str(number))
    said = git("diff-tree", "-r", "-z", "--no-renames", "HEAD~1", "HEAD").split(b"\0")
    records = sorted(zip(said[1::2], said[::2], strict=False))
    outside = hashlib.sha256()
    made = []
    for path, record in records:
        old_mode, new_mode, old, new, _ = record.decode().removeprefix(":").split(" ")
        outside.update(f"{old_mode} {new_mode} {old} {new} ".encode() + path + b"\0")
        text = path.decode("utf-8", "surrogateescape")
        made.append(a_change(text, old_mode=old_mode, new_mode=new_mode, old=old, new=new, content=Content.TEXT))

    assert len(made) == 3
    assert diff_digest(made) == outside.hexdigest()
