"""What git holds becomes facts: every kind of content, every shape of history."""

import fcntl
from pathlib import Path
from typing import Any

import pytest

from hooks.stub import GIT, ZEROS, File, facts_of, git, history
from twinseal_hook import Refused, Undecided, changes, objects, ranges
from twinseal_hook.processes import SERVE, Git

MAIN = "refs/heads/main"
SUB = "5" * 40


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    git(tmp_path, "init", "-q", "--bare", ".")
    return tmp_path


def judge(folder: Path, new: str, *, exclude: str = "") -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the record of one ref, and those of its commits."""
    facts = facts_of(folder, (exclude or ZEROS, new, MAIN), plan=[exclude])
    assert [record["ref"] for record in facts["refs"]] == [MAIN]
    return facts["refs"][0], facts["commits"]


def brief(changes: list[Any]) -> list[tuple[Any, ...]]:
    """Leave the object names out."""
    return [(path, old, new, kind, lines, size) for path, old, new, _, _, kind, lines, size in changes]


def hashed(folder: Path, kind: str, data: bytes) -> str:
    return git(folder, "hash-object", "-t", kind, "-w", "--literally", "--stdin", text=data)


def commit(folder: Path, tree: str, *parents: str, text: str = "m") -> str:
    flags = [word for parent in parents for word in ("-p", parent)]
    return git(folder, "commit-tree", tree, *flags, "-m", text)


def tree_of(*entries: tuple[bytes, str]) -> bytes:
    return b"".join(b"%b\0%b" % (entry, bytes.fromhex(name)) for entry, name in entries)


CONTENTS = [
    ("line ends", "a\nb\n", "a\r\nb\r\n", ("100644", "100644", "text", 4, 10)),
    ("one huge line", "x", "y" * 1_200_000, ("100644", "100644", "text", 2, 1_200_001)),
    ("NUL", "a\n", b"a\0\n", ("100644", "100644", "binary", 0, 5)),
    ("UTF-16", "", "a\n".encode("utf-16-le"), ("100644", "100644", "binary", 0, 4)),
    ("latin-1", "caf\n", b"caf\xe9\n", ("100644", "100644", "binary", 0, 9)),
    ("LFS pointer", "a\n", "version https://git-lfs.github.com/spec/v1\n", ("100644", "100644", "lfs", 2, 45)),
    ("over 2 MiB", "", b"\n" * (2 << 20) + b"\n", ("100644", "100644", "binary", 0, (2 << 20) + 1)),
    ("exactly 2 MiB", "", b"x" * (2 << 20), ("100644", "100644", "text", 1, 2 << 20)),
    ("mode", "a\n", ("100755", "a\n"), ("100644", "100755", "text", 0, 0)),
    ("symlink", "a\n", ("120000", "/etc/passwd"), ("100644", "120000", "symlink", 2, 13)),
    ("submodule", ("160000", SUB), ("160000", "6" * 40), ("160000", "160000", "submodule", 0, 0)),
    ("file made submodule", "a\n", ("160000", SUB), ("100644", "160000", "submodule", 1, 2)),
]


@pytest.mark.parametrize(("old", "new", "expected"), [row[1:] for row in CONTENTS], ids=[row[0] for row in CONTENTS])
def test_content(folder: Path, old: File, new: File, expected: tuple[Any, ...]) -> None:
    base, tip = history(folder, ({"f": old, "same": "s"}, []), ({"f": new, "same": "s"}, [0]))
    record, commits = judge(folder, tip, exclude=base)
    assert brief(record["net"]) == [("f", *expected)]
    assert commits[tip]["changes"] == record["net"]
    assert commits[tip]["raw"].encode("latin-1") == git(folder, "cat-file", "commit", tip).encode()


def test_a_rename_shows_both_paths_and_counts_both(folder: Path) -> None:
    text = "".join(f"{n}\n" for n in range(10))
    base, tip = history(folder, ({"protected/a": text}, []), ({"src/a": text}, [0]))
    record, _ = judge(folder, tip, exclude=base)
    assert [(path, lines) for path, _, _, _, _, _, lines, _ in record["net"]] == [("protected/a", 10), ("src/a", 10)]


@pytest.mark.parametrize("path", ["sp ace", "new\nline", "tab\t", "é", "\udcff", "quote\"'", "x\x85y", "\u2028"])
def test_any_path_arrives_unharmed(folder: Path, path: str) -> None:
    (tip,) = history(folder, ({f"dir/{path}": "x"}, []))
    record, _ = judge(folder, tip)
    assert record["net"][0][0].encode("latin-1") == f"dir/{path}".encode("utf-8", "surrogateescape")


def test_files_and_directories_replacing_each_other_show_every_file(folder: Path) -> None:
    base, tip = history(folder, ({"a/x": "1\n", "a/y/z": "2\n", "b": "3\n"}, []), ({"a": "4\n", "b/c": "5\n"}, [0]))
    record, _ = judge(folder, tip, exclude=base)
    assert [(path, old, new) for path, old, new, *_ in record["net"]] == [
        ("a", "000000", "100644"),
        ("a/x", "100644", "000000"),
        ("a/y/z", "100644", "000000"),
        ("b", "100644", "000000"),
        ("b/c", "000000", "100644"),
    ]


def test_what_is_added_and_reverted_is_in_the_commits_though_not_in_the_net(folder: Path) -> None:
    base, added, reverted = history(folder, ({"a": "1\n"}, []), ({"a": "1\n", "evil": "2\n"}, [0]), ({"a": "1\n"}, [1]))
    record, commits = judge(folder, reverted, exclude=base)
    assert record["net"] == []
    assert record["commits"] == [reverted, added]
    assert [brief(commits[name]["changes"])[0][0] for name in (added, reverted)] == ["evil", "evil"]


def test_one_measure_serves_all_who_made_the_same_change(folder: Path) -> None:
    names = history(folder, ({"d/a": "1\n"}, []), *[({"d/a": f"{2 - n % 2}\n"}, [n]) for n in range(6)])
    record, commits = judge(folder, names[-1], exclude=names[0])
    assert len(commits) == 6
    assert {len(each["changes"]) for each in commits.values()} == {1}
    assert record["net"] == []


class TestRange:
    """Which commits, and from where."""

    def test_a_root_is_measured_from_nothing(self, folder: Path) -> None:
        (root,) = history(folder, ({"a": "1\n", "b/c": "2\n"}, []))
        record, commits = judge(folder, root)
        assert (record["bases"], record["fast_forward"], record["landed"]) == ([], False, False)
        assert brief(commits[root]["changes"]) == brief(record["net"])
        assert len(record["net"]) == 2

    def test_a_fast_forward_starts_at_what_is_there(self, folder: Path) -> None:
        names = history(folder, ({}, []), ({"a": "1"}, [0]), ({"a": "2"}, [1]))
        record, _ = judge(folder, names[2], exclude=names[0])
        assert (record["bases"], record["fast_forward"], record["commits"]) == ([names[0]], True, names[:0:-1])

    def test_a_branch_from_the_side_is_no_fast_forward(self, folder: Path) -> None:
        names = history(folder, ({"a": "1"}, []), ({"a": "1", "b": "2"}, [0]), ({"a": "1", "c": "3"}, [0]))
        record, _ = judge(folder, names[2], exclude=names[1])
        assert (record["bases"], record["fast_forward"], record["commits"]) == ([names[0]], False, [names[2]])
        assert brief(record["net"]) == [("c", "000000", "100644", "text", 1, 1)]

    def test_the_same_commit_again_has_landed(self, folder: Path) -> None:
        (root,) = history(folder, ({"a": "1"}, []))
        record, commits = judge(folder, root, exclude=root)
        assert (record["bases"], record["fast_forward"], record["landed"], commits) == ([root], True, True, {})

    def test_a_rewind_has_landed_but_is_no_fast_forward(self, folder: Path) -> None:
        names = history(folder, ({"a": "1"}, []), ({"a": "2"}, [0]))
        record, _ = judge(folder, names[0], exclude=names[1])
        assert (record["bases"], record["fast_forward"], record["landed"]) == ([names[0]], False, True)

    def test_an_unrelated_history_has_no_base_and_counts_whole(self, folder: Path) -> None:
        names = history(folder, ({"a": "1\n"}, []), ({"a": "1\n", "b": "2\n"}, []))
        record, _ = judge(folder, names[1], exclude=names[0])
        assert (record["bases"], record["fast_forward"]) == ([], False)
        assert [change[0] for change in record["net"]] == ["a", "b"]

    def test_crossed_merges_have_two_bases(self, folder: Path) -> None:
        both = {"a": "1\n", "b": "2\n"}
        names = history(
            folder,
            ({}, []),
            ({"a": "1\n"}, [0]),
            ({"b": "2\n"}, [0]),
            (both, [1, 2]),
            (both, [2, 1]),
            (both | {"c": "3\n"}, [4]),
        )
        record, commits = judge(folder, names[5], exclude=names[3])
        assert sorted(record["bases"]) == sorted(names[1:3])
        assert record["commits"] == [names[5], names[4]]
        assert commits[names[4]]["changes"] == []

    def test_a_graft_hides_nothing(self, folder: Path) -> None:
        names = history(folder, ({"a": "1"}, []), ({"a": "2"}, [0]), ({"a": "3"}, [1]))
        (folder / "info").mkdir(exist_ok=True)
        (folder / "info" / "grafts").write_text(f"{names[2]}\n")
        assert judge(folder, names[2])[0]["commits"] == names[::-1]

    def test_a_graft_of_what_has_landed_hides_nothing_beneath_a_merge(self, folder: Path) -> None:
        tree = ({"a": "1"}, []), ({"a": "2"}, [0]), ({"a": "2"}, [0, 1])
        names = history(folder, *tree)
        (folder / "info").mkdir(exist_ok=True)
        (folder / "info" / "grafts").write_text(f"{names[0]} {names[1]}\n")
        assert judge(folder, names[2], exclude=names[0])[0]["commits"] == [names[2], names[1]]

    def test_where_the_server_was_cut_off_hides_nothing(self, folder: Path) -> None:
        names = history(folder, ({"a": "1"}, []), ({"a": "2"}, [0]), ({"a": "3"}, [1]))
        (folder / "shallow").write_text(f"{names[2]}\n")
        assert judge(folder, names[2], exclude=names[0])[0]["commits"] == [names[2], names[1]]

    def test_a_replacement_object_hides_nothing(self, folder: Path) -> None:
        names = history(folder, ({"a": "1"}, []), ({"a": "evil"}, [0]), ({"a": "1"}, [0]))
        git(folder, "replace", names[1], names[2])
        record, _ = judge(folder, names[1], exclude=names[0])
        assert len(record["net"]) == 1

    def test_two_refs_share_their_commits(self, folder: Path) -> None:
        names = history(folder, ({"a": "1"}, []), ({"a": "2"}, [0]), ({"a": "3"}, [1]))
        updates = [(ZEROS, names[2], "refs/heads/x"), (ZEROS, names[1], "refs/heads/y"), (names[0], ZEROS, MAIN)]
        facts = facts_of(folder, *updates, plan=[names[0], "", None])
        assert [record["commits"] for record in facts["refs"]] == [names[:0:-1], names[1::-1], []]
        assert facts["refs"][2]["type"] == "none"
        assert set(facts["commits"]) == set(names)


class TestMerge:
    """A merge is measured by what was made by hand."""

    def merge(
        self, folder: Path, ours: dict[str, Any], theirs: dict[str, Any], result: dict[str, Any]
    ) -> list[tuple[Any, ...]]:
        start = {"a": "1\n2\n3\n", "b": "1\n"}
        names = history(folder, (start, []), (start | ours, [0]), (start | theirs, [0]), (start | result, [1, 2]))
        before = set(folder.glob("objects/**/*"))
        record, commits = judge(folder, names[3], exclude=names[0])
        assert set(folder.glob("objects/**/*")) == before  # What git merged for us is no part of the repository.
        assert record["commits"][0] == names[3]
        assert commits[names[3]]["measured"] is True
        return brief(commits[names[3]]["changes"])

    def test_a_clean_merge_holds_nothing_of_its_own(self, folder: Path) -> None:
        assert self.merge(folder, {"a": "X\n2\n3\n"}, {"b": "Y\n"}, {"a": "X\n2\n3\n", "b": "Y\n"}) == []

    def test_an_evil_merge_shows_what_it_brings(self, folder: Path) -> None:
        evil = {"a": "X\n2\n3\n", "b": "Y\n", "evil": "1\n" * 200}
        found = self.merge(folder, {"a": "X\n2\n3\n"}, {"b": "Y\n"}, evil)
        assert found == [("evil", "000000", "100644", "text", 200, 400)]

    def test_a_merge_that_drops_their_side_shows_it(self, folder: Path) -> None:
        found = self.merge(folder, {"a": "X\n2\n3\n"}, {"b": "Y\n"}, {"a": "X\n2\n3\n"})
        assert found == [("b", "100644", "100644", "text", 2, 4)]

    def test_a_solved_conflict_counts_against_the_markers(self, folder: Path) -> None:
        found = self.merge(folder, {"b": "X\n"}, {"b": "Y\n"}, {"b": "X\n"})
        # Gone are three lines of markers and theirs.
        assert [(path, lines) for path, _, _, _, lines, _ in found] == [("b", 4)]

    def test_an_octopus_counts_from_its_first_parent_and_says_so(self, folder: Path) -> None:
        files = [{"a": "1"}, {"a": "1", "b": "2"}, {"a": "1", "c": "3"}, {"a": "1", "d": "4"}]
        merged = {"a": "1", "b": "2", "c": "3", "d": "4"}
        names = history(folder, (files[0], []), *[(each, [0]) for each in files[1:]], (merged, [1, 2, 3]))
        _, commits = judge(folder, names[4], exclude=names[0])
        assert commits[names[4]]["measured"] is False
        assert [change[0] for change in commits[names[4]]["changes"]] == ["c", "d"]

    def test_a_merge_git_will_not_make_counts_from_its_first_parent_and_says_so(self, folder: Path) -> None:
        names = history(folder, ({"a": "1"}, []), ({"b": "2"}, []), ({"a": "1", "b": "2"}, [0, 1]))
        _, commits = judge(folder, names[2], exclude=names[0])
        assert commits[names[2]]["measured"] is False
        assert [change[0] for change in commits[names[2]]["changes"]] == ["b"]
        assert [change[0] for change in commits[names[1]]["changes"]] == ["b"]

    def test_many_merges_each_get_their_own(self, folder: Path) -> None:
        shape: list[Any] = [({"a": "0"}, [])]
        for step in range(9):
            base = len(shape) - 1
            files = shape[base][0]
            shape += [({**files, f"l{step}": "1"}, [base]), ({**files, f"r{step}": "1"}, [base])]
            shape += [({**files, f"l{step}": "1", f"r{step}": "1", f"hand{step}": "1"}, [base + 1, base + 2])]
        names = history(folder, *shape)
        _, commits = judge(folder, names[-1], exclude=names[0])
        found = [[change[0] for change in commits[name]["changes"]] for name in names[3::3]]
        assert found == [[f"hand{step}"] for step in range(9)]


class TestTag:
    """A ref need not point to a commit."""

    def test_a_tag_is_looked_through(self, folder: Path) -> None:
        (root,) = history(folder, ({"a": "1\n"}, []))
        git(folder, "tag", "-a", "v1", "-m", "first", root)
        record, commits = judge(folder, git(folder, "rev-parse", "refs/tags/v1"))
        assert (record["type"], record["tag_target"], record["tag_target_type"]) == ("tag", root, "commit")
        assert record["tag"].encode("latin-1").endswith(b"first\n")
        assert (record["problems"], record["commits"], list(commits)) == ([], [root], [root])

    def test_a_tag_of_a_tag_is_a_problem(self, folder: Path) -> None:
        (root,) = history(folder, ({"a": "1\n"}, []))
        git(folder, "tag", "-a", "v1", "-m", "first", root)
        git(folder, "-c", "advice.nestedTag=false", "tag", "-a", "v2", "-m", "second", "v1")
        record, _ = judge(folder, git(folder, "rev-parse", "refs/tags/v2"))
        assert (record["tag_target_type"], record["problems"], record["commits"]) == ("tag", ["nested_tag"], [root])

    def test_what_is_no_commit_is_named_and_has_no_range(self, folder: Path) -> None:
        (root,) = history(folder, ({"a": "1\n"}, []))
        for kind, name in (("tree", f"{root}^{{tree}}"), ("blob", f"{root}:a")):
            record, commits = judge(folder, git(folder, "rev-parse", name))
            assert (record["type"], record["commits"], record["landed"], commits) == (kind, [], False, {})
        record, _ = judge(folder, "e" * 40)
        assert (record["type"], record["landed"]) == ("missing", False)


class TestCrafted:
    """Objects no git would write."""

    def test_a_duplicate_entry_is_a_problem_and_both_contents_show(self, folder: Path) -> None:
        good, evil = hashed(folder, "blob", b"good\n"), hashed(folder, "blob", b"evil\n" * 300)
        inner = hashed(folder, "tree", tree_of((b"100644 a", good), (b"100644 a", evil)))
        tip = commit(folder, hashed(folder, "tree", tree_of((b"40000 d", inner))))
        record, commits = judge(folder, tip)
        assert commits[tip]["problems"] == record["problems"] == ["duplicate_entry: d/a"]
        assert [(path, new, kind) for path, _, _, _, new, kind, *_ in record["net"]] == sorted(
            [("d/a", good, "tree-problem"), ("d/a", evil, "tree-problem")]
        )

    def test_a_tree_that_stands_for_billions_of_files_is_refused(self, folder: Path) -> None:
        name, mode = hashed(folder, "blob", b"x"), b"100644"
        for _ in range(10):
            name = hashed(folder, "tree", tree_of(*[(b"%b %d" % (mode, n), name) for n in range(10)]))
            mode = b"40000"
        with pytest.raises(Refused, match=r"push\.too_large.*\n.*200,000 changes"):
            judge(folder, commit(folder, name))

    def test_an_endless_descent_is_refused(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(changes, "DEPTH", 5)
        tips = history(folder, ({"1/2/3/4/5/f": "x"}, []), ({"1/2/3/4/5/6/f": "x"}, []))
        assert judge(folder, tips[0])[0]["net"][0][0] == "1/2/3/4/5/f"
        with pytest.raises(Refused, match="nested more than 5 deep"):
            judge(folder, tips[1])

    @pytest.mark.parametrize(
        ("entry", "kind", "complaint"),
        [
            pytest.param(b"100644 a", "tree", "expected a blob, got tree", id="a tree that says it is a file"),
            pytest.param(b"40000 a", "blob", "expected a tree, got blob", id="a file that says it is a tree"),
            pytest.param(b"100644 a", "missing", "expected a blob, got missing", id="a file that is not there"),
            pytest.param(b"40000 a", "missing", "expected a tree, got missing", id="a tree that is not there"),
        ],
    )
    def test_what_cannot_be_read_is_not_judged(self, folder: Path, entry: bytes, kind: str, complaint: str) -> None:
        name = "d" * 40 if kind == "missing" else hashed(folder, kind, b"")
        tip = commit(folder, hashed(folder, "tree", tree_of((entry, name))))
        with pytest.raises(Undecided, match=f"object {name} cannot be read: {complaint}"):
            judge(folder, tip)

    def test_a_torn_tree_is_not_judged(self, folder: Path) -> None:
        tip = commit(folder, hashed(folder, "tree", b"100644 a\0short"))
        with pytest.raises(Undecided, match=r"tree [0-9a-f]{40} cannot be read: the last entry is cut off"):
            judge(folder, tip)

    def test_a_commit_that_does_not_begin_as_one_is_not_judged(self, folder: Path) -> None:
        tip = hashed(folder, "commit", b"author A <a@b> 1 +0000\n\nm\n")
        with pytest.raises(Undecided, match=r"failed|cannot be read"):
            judge(folder, tip)


class TestLimits:
    """A push is refused before it is measured for ever."""

    def test_too_many_commits(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        names = history(folder, *[({"a": str(n)}, [n - 1] if n else []) for n in range(6)])
        monkeypatch.setattr(ranges, "COMMITS", 5)
        assert len(judge(folder, names[5], exclude=names[0])[1]) == 5
        with pytest.raises(Refused, match=r"push\.too_large.*\n.*more than 5 commits.*\n.*ask the owner"):
            judge(folder, names[5])

    def test_too_many_commits_in_all_refs_together(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        names = history(folder, *[({"a": str(n)}, []) for n in range(6)])
        monkeypatch.setattr(ranges, "COMMITS", 5)
        updates = [(ZEROS, name, f"refs/heads/{name}") for name in names]
        with pytest.raises(Refused, match="more than 5 commits"):
            facts_of(folder, *updates, plan=[""] * 6)

    def test_too_many_changes_in_all_commits_together(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        names = history(folder, *[({"a": str(n), "b": str(n)}, [n - 1] if n else []) for n in range(4)])
        monkeypatch.setattr(changes, "LIMIT", 8)  # Three commits with two changes each, and two in the net.
        assert len(judge(folder, names[3], exclude=names[0])[1]) == 3
        monkeypatch.setattr(changes, "LIMIT", 7)
        with pytest.raises(Refused, match=r"push\.too_large.*\n.*more than 7 changes"):
            judge(folder, names[3], exclude=names[0])

    def test_too_many_bytes(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tip,) = history(folder, ({"a": "x" * 100_000}, []))
        monkeypatch.setattr(objects, "TOTAL", 100_000)
        with pytest.raises(Refused, match=r"push\.too_large"):
            judge(folder, tip)

    def test_a_thousand_objects_are_asked_for_without_anyone_waiting_for_ever(self, folder: Path) -> None:
        (tip,) = history(folder, ({f"{n % 7}/{n}": f"{n}\n" * 50 for n in range(3000)}, []))
        record, _ = judge(folder, tip)
        assert len(record["net"]) == 3000
        assert sum(change[6] for change in record["net"]) == 150_000

    def test_the_smallest_pipes_do_not_make_anyone_wait_for_ever(self, folder: Path) -> None:
        names = [hashed(folder, "blob", b"%d" % n * 30_000) for n in range(3)]
        tool = Git(GIT, str(folder), inherited={})
        try:
            child = tool.start(*SERVE)
            for pipe in (child.stdin, child.stdout.fileno()):
                fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, 4096)
            found = [size for _, size, _ in objects.Objects(child).contents(names * 400)]
        finally:
            tool.stop()
        assert found == [30_000] * 1200


def test_real_values_show_symbolic_refs_and_only_the_names_asked_for(folder: Path) -> None:
    (root,) = history(folder, ({"a": "1"}, []))
    for name in ("refs/heads/x/y", "refs/heads/\u00c5", MAIN):
        git(folder, "update-ref", name, root)
    git(folder, "symbolic-ref", "refs/heads/alias", MAIN)
    asked = ["refs/heads/x", "refs/heads/alias", "\u00c5", "refs/heads/gone", MAIN]
    asked[2] = f"refs/heads/{asked[2]}".encode().decode("latin-1")
    facts = facts_of(folder, *[(ZEROS, root, ref) for ref in asked], plan=[None] * len(asked))
    assert facts["actual"] == {
        "refs/heads/x": [ZEROS, ""],
        "refs/heads/alias": [root, MAIN],
        asked[2]: [root, ""],
        "refs/heads/gone": [ZEROS, ""],
        MAIN: [root, ""],
    }


def test_sha256_repositories_are_read_as_well(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", "--bare", "--object-format=sha256", ".")
    names = history(tmp_path, ({"a": "1\n"}, []), ({"a": "2\n"}, [0]))
    facts = facts_of(tmp_path, (names[0], names[1], MAIN), plan=[names[0]])
    assert len(names[1]) == 64
    assert brief(facts["refs"][0]["net"]) == [("a", "100644", "100644", "text", 2, 4)]
    facts = facts_of(tmp_path, ("0" * 64, names[1], MAIN), plan=[""])
    assert facts["refs"][0]["net"][0][3] == "0" * 64
