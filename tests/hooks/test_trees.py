"""Raw trees, honest and crafted."""

import pytest

from twinseal_hook.trees import Difference, Tree

A, B = b"\xaa" * 20, b"\xbb" * 20
NOTHING = Tree(b"", 20)


def tree(*entries: tuple[bytes, bytes, bytes]) -> Tree:
    return Tree(b"".join(b"%b %b\0%b" % entry for entry in entries), 20)


def file(name: bytes, content: bytes = A, mode: bytes = b"100644") -> tuple[bytes, bytes, bytes]:
    return mode, name, content


@pytest.mark.parametrize(
    ("entries", "problems"),
    [
        pytest.param([file(b"a"), file(b"b")], [], id="honest"),
        pytest.param([file(b"a.b"), file(b"a", mode=b"40000"), file(b"a0")], [], id="directories sort with a slash"),
        pytest.param([file(b"git"), file(b".gitignore"), file(b"git~10")], ["unsorted: .gitignore"], id="unsorted"),
        pytest.param([file(b"a"), file(b"a", B)], ["duplicate_entry: a"], id="two contents under one name"),
        pytest.param([file(b"a"), file(b"a")], ["duplicate_entry: a"], id="the same entry twice"),
        pytest.param(
            [file(b"a"), file(b"a.b"), file(b"a", mode=b"40000")], ["duplicate_entry: a"], id="file, directory"
        ),
        pytest.param([file(b"a", mode=b"0100644")], ["padded_mode: a"], id="padded file"),
        pytest.param([file(b"a", mode=b"040000")], ["padded_mode: a"], id="padded directory"),
        pytest.param([file(b"a", mode=b"100664")], ["unknown_mode: a"], id="group writable"),
        pytest.param([file(b"a", mode=b"")], ["unknown_mode: a"], id="no mode"),
        pytest.param([file(b"")], ["empty_name: "], id="no name"),
        pytest.param([file(b".")], ["dot_name: ."], id="dot"),
        pytest.param([file(b"..", mode=b"40000")], ["dot_name: .."], id="dot dot"),
        pytest.param([file(b"a/b")], ["slash_in_name: a/b"], id="slash"),
        pytest.param([file(b".git", mode=b"40000")], ["dot_git: .git"], id="git"),
        pytest.param([file(b".GiT")], ["dot_git: .GiT"], id="git in capitals"),
        pytest.param([file(b"GIT~1")], ["dot_git: GIT~1"], id="NTFS short name"),
        pytest.param([file(b".git. .")], ["dot_git: .git. ."], id="trailing dots and spaces"),
        pytest.param([file(b".git::$INDEX_ALLOCATION")], ["dot_git: .git::$INDEX_ALLOCATION"], id="NTFS stream"),
        pytest.param([file(b"a\\.git\\hooks")], ["dot_git: a\\.git\\hooks"], id="backslashes"),
        pytest.param([file(".g\u200cit".encode())], ["dot_git: .g\xe2\x80\x8cit"], id="HFS+ ignores this joiner"),
        pytest.param([file(b"digital"), file(b"legit~1")], [], id="look-alikes"),
    ],
)
def test_problems_of_a_new_tree(entries: list[tuple[bytes, bytes, bytes]], problems: list[str]) -> None:
    found = [f"{code}: {name}" for code, name in Difference(NOTHING, tree(*entries)).problems]
    assert found == problems


@pytest.mark.parametrize(
    ("before", "after", "twins"),
    [
        pytest.param([b"a"], [b"a", b"b"], set(), id="none"),
        pytest.param([b"a"], [b"A", b"a"], {"A"}, id="case"),
        pytest.param([], [b"A", b"a"], {"A", "a"}, id="both new"),
        pytest.param([b"A", b"a"], [b"A", b"a", b"b"], set(), id="there before"),
        pytest.param([b"a"], [b"A"], set(), id="renamed"),
        pytest.param([b"k"], [b"k", "\u212a".encode()], {"\xe2\x84\xaa"}, id="a Kelvin sign"),
        pytest.param(["\u212a".encode()], [b"k", "\u212a".encode()], {"k"}, id="beside a Kelvin sign"),
        pytest.param(["\u00e9".encode()], ["e\u0301".encode(), "\u00e9".encode()], {"e\xcc\x81"}, id="two forms"),
        pytest.param([b"x"], [b"x", "x\u200d".encode()], {"x\xe2\x80\x8d"}, id="an ignored letter"),
        pytest.param(["\u00e9".encode()], [b"e", "\u00e9".encode()], set(), id="other letters"),
    ],
)
def test_names_that_some_file_system_takes_for_one(before: list[bytes], after: list[bytes], twins: set[str]) -> None:
    assert Difference(tree(*map(file, before)), tree(*map(file, after))).twins == twins


def test_a_folder_may_be_the_twin_of_a_file() -> None:
    assert Difference(tree(file(b"a")), tree(file(b"A", mode=b"40000"), file(b"a"))).twins == {"A"}


def test_what_was_wrong_before_is_not_blamed_on_what_follows_unless_it_still_misleads() -> None:
    before = tree(file(b"a", mode=b"100664"), file(b"b"))
    assert Difference(before, tree(file(b"a", mode=b"100664"), file(b"b", B))).problems == []
    twice = tree(file(b"a"), file(b"a", B))
    assert Difference(twice, tree(file(b"a"), file(b"a", B), file(b"c"))).problems == [("duplicate_entry", "a")]
    assert Difference(twice, tree(file(b"a"))).problems == []


@pytest.mark.parametrize("raw", [b"100644", b"100644 a", b"100644 a\0" + A[:19], b"100644 a\0" + A + b"x"])
def test_a_torn_tree_is_no_tree(raw: bytes) -> None:
    with pytest.raises(ValueError, match=r"cut off|not found"):
        Tree(raw, 20)


def test_every_way_an_entry_can_differ() -> None:
    old = tree(file(b"dir", mode=b"40000"), file(b"gone"), file(b"mode"), file(b"same"), file(b"text"), file(b"turned"))
    new = tree(
        file(b"dir", B, mode=b"40000"),
        file(b"mode", mode=b"100755"),
        file(b"new"),
        file(b"same"),
        file(b"text", B),
        file(b"turned", B, mode=b"40000"),
    )
    difference = Difference(old, new)
    a, b = A.hex(), B.hex()
    assert difference.leaves == [
        ("gone", ("100644", a), ("000000", ""), True),
        ("mode", ("100644", a), ("100755", a), True),
        ("new", ("000000", ""), ("100644", a), True),
        ("text", ("100644", a), ("100644", b), True),
        ("turned", ("100644", a), ("000000", ""), True),
    ]
    assert difference.subtrees == [("dir", a, b), ("turned", "", b)]


def test_both_of_two_entries_with_one_name_show_and_neither_is_trusted() -> None:
    difference = Difference(NOTHING, tree(file(b"a"), file(b"a", B)))
    assert [(leaf[2], leaf[3]) for leaf in difference.leaves] == [
        (("100644", A.hex()), False),
        (("100644", B.hex()), False),
    ]
