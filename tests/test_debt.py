from __future__ import annotations

import pytest

from builders import NOW, a_change, a_commit, a_push
from debt_world import shipped
from governance.debt import LONGEST, Owed, accounts, added, group_of, named

PLAIN = ["README", "src/a/x.py", "src/\u00e9t\u00e9/\U0001f339", "a~b", "x" * LONGEST, "a\\b", "a\nb"]


@pytest.mark.parametrize("path", PLAIN)
def test_a_plain_path_is_written_down_as_it_is(path: str) -> None:
    assert named(path) == path


def test_different_paths_stay_different_whatever_is_in_them() -> None:
    odd = "src/a/\udcff"
    paths = [odd, "src/a/\\xff", named(odd), named(named(odd)), "x" * 201, "x" * 202, "src/\udcc3\udca9", "src/\u00e9"]
    spelled = [named(path) for path in paths]
    assert len(set(spelled)) == len(paths)
    assert max(map(len, spelled)) <= LONGEST
    assert all(name.isprintable() and name.encode() for name in spelled)


GROUPS = [("README", ""), ("src/x", "src"), ("src/a/x", "src/a"), ("src/a/b/x", "src/a"), ("/x", "")]


@pytest.mark.parametrize(("path", "group"), GROUPS)
def test_a_group_is_the_first_folders(path: str, group: str) -> None:
    assert group_of(path, 2) == group


def test_of_each_path_the_larger_of_net_change_and_sum_is_added_and_never_nothing() -> None:
    commits = (
        a_commit("one", changes=(a_change("a", 10), a_change("gone", 3))),
        a_commit("two", changes=(a_change("a", 10), a_change("gone", 3))),
    )
    net = [a_change("a", 5), a_change("merged", 7), a_change("empty", 0, size=0)]
    push = a_push(net, commits=commits)
    found = added(push, ("dev-a",), ("owner",), ("dev-a",))
    assert {owed.path: owed.units for owed in found.owed} == {"a": 20, "gone": 6, "merged": 7, "empty": 1}
    assert found.units == 34
    assert {owed.at for owed in found.owed} == {NOW}


def test_one_landing_by_two_operators_is_owed_by_both() -> None:
    row = Owed(1, "src/a/x", ("dev-a", "mia"), ("mia", "owner"), 7, NOW)
    found = {(a.kind, a.name): (a.units, a.most_units, a.most_files) for a in accounts([row], shipped())}
    assert found == {
        ("group", "src/a"): (7, 50, 3),
        ("operator", "mia"): (7, 150, 9),
        ("operator", "owner"): (7, 150, 9),
        ("total", ""): (7, 500, 20),
    }
