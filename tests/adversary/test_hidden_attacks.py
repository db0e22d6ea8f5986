"""Attacks by what git stores and people do not see (G, K, X): commits, trees and tags that say more than is shown.

Git's own checks of objects are off here, as they are by default, so that what is refused is refused by us.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

import keys
from adversary.card import Case, attack
from adversary.raw import BOGUS, Entry, blob, new_objects, packed, raw_commit, raw_push, raw_tree, small
from playing import MAIN, Ground, Member, Pushed, Repository, lines

HIDDEN = "signed_commits.hidden_content"
Change = Callable[[bytes], bytes]


def honest(repository: Repository, dev: Member) -> bytes:
    """Return the bytes of a good commit, unsigned."""
    tree = repository.tree({"notes": "one line\n"}, base=repository.refs()[MAIN])
    return keys.commit_bytes(tree, [repository.refs()[MAIN]], author=dev.person)


def sent(repository: Repository, dev: Member, oid: str) -> Pushed:
    """Push a commit that git's own client may not want to look at."""
    base = repository.refs()[MAIN]
    trees = new_objects(repository, oid, base)
    return raw_push(repository, dev, f"{base} {oid} {MAIN}", pack=packed(repository, trees))


def put(after: bytes, header: bytes) -> Change:
    """Return a change that adds a header behind another."""

    def change(raw: bytes) -> bytes:
        head, line, rest = raw.partition(b"\n" + after)
        value, _, rest = rest.partition(b"\n")
        return head + line + value + b"\n" + header + b"\n" + rest

    return change


def said(text: bytes) -> Change:
    return lambda raw: raw.partition(b"\n\n")[0] + b"\n\n" + text


def named(old: bytes, new: bytes) -> Change:
    return lambda raw: raw.replace(old, new, 1)


MALFORMED = ("facts.object",)


@pytest.mark.parametrize(
    ("change", "codes"),
    [
        pytest.param(put(b"committer", b"encoding latin-1"), (HIDDEN,), id="encoding", marks=attack("G-20")),
        pytest.param(put(b"committer", b"hidden text"), (HIDDEN,), id="unknown header", marks=attack("X-15")),
        pytest.param(put(b"committer", b"hidden text\n more\n more"), (HIDDEN,), id="a long one", marks=attack("X-15")),
        pytest.param(put(b"committer", b"gpgsig-sha256 x"), (HIDDEN,), id="another hash's", marks=attack("X-15")),
        pytest.param(put(b"committer", b"HG:extra x"), (HIDDEN,), id="another tool's", marks=attack("X-15")),
        pytest.param(put(b"author", b"parent " + BOGUS.encode()), MALFORMED, id="a late parent", marks=attack("X-14")),
        pytest.param(put(b"author", b"author x <x> 1 +0000"), MALFORMED, id="two authors", marks=attack("X-14")),
        pytest.param(put(b"committer", b"tree " + BOGUS.encode()), MALFORMED, id="two trees", marks=attack("X-14")),
        pytest.param(said(b"good\0evil\n"), (HIDDEN,), id="a NUL", marks=attack("X-15")),
        pytest.param(said(b"good\xff\n"), (HIDDEN,), id="not UTF-8", marks=attack("X-15")),
        pytest.param(said(b"x\n\nCo-authored-by: me\n"), (HIDDEN,), id="a co-author of none", marks=attack("X-15")),
        pytest.param(said(b"good \x1b[8mevil\n"), (HIDDEN,), id="an escape", marks=attack("X-09")),
        pytest.param(said(b"evil\rgood\n"), (HIDDEN,), id="a return", marks=attack("X-09")),
        pytest.param(said(b"evil\b\b\b\bgood\n"), (HIDDEN,), id="backspaces", marks=attack("X-09")),
        pytest.param(said("good \u202elive\n".encode()), (HIDDEN,), id="turned round", marks=attack("X-09")),
        pytest.param(said("good \u2066live\n".encode()), (HIDDEN,), id="isolated", marks=attack("X-09")),
        pytest.param(said("good \u009b8m\n".encode()), (HIDDEN,), id="C1", marks=attack("X-09")),
        pytest.param(named(b"author dev-a", b"author dev\x1b[8m-a"), (HIDDEN,), id="an author", marks=attack("X-09")),
        pytest.param(named(b"author dev-a", b"author dev-b"), (HIDDEN,), id="another's name", marks=attack("X-10")),
        pytest.param(named(b"committer dev-a", b"committer OWNER "), (HIDDEN,), id="the owner's", marks=attack("X-10")),
        pytest.param(
            named(b"author dev-a", b"author dev-b@example.org"), (HIDDEN,), id="another's address", marks=attack("X-10")
        ),
        pytest.param(
            said(b"x\n\nCo-authored-by: qa-a <dev-b@example.org>\n"), (HIDDEN,), id="a helper's", marks=attack("X-10")
        ),
        pytest.param(named(b"1700000000", b"4102444800"), (HIDDEN,), id="the year 2100", marks=attack("X-13")),
        pytest.param(named(b"1700000000", b"-1700000000"), MALFORMED, id="before 1970", marks=attack("X-14")),
        pytest.param(named(b"1700000000", b"9" * 20), MALFORMED, id="no year", marks=attack("X-14")),
        pytest.param(named(b"1700000000", b"01700000000"), MALFORMED, id="a zero before", marks=attack("X-14")),
        pytest.param(named(b"+0000", b"+9999"), MALFORMED, id="no zone", marks=attack("X-14")),
        pytest.param(named(b"+0000", b"0000"), MALFORMED, id="half a zone", marks=attack("X-14")),
        pytest.param(named(b"dev-a <dev-a", b"dev-a <x> <dev-a"), MALFORMED, id="two addresses", marks=attack("X-14")),
        pytest.param(named(b"dev-a <dev-a", b"dev-a dev-a"), MALFORMED, id="no <", marks=attack("X-14")),
        pytest.param(named(b"example.org>", b"example.org"), MALFORMED, id="no >", marks=attack("X-14")),
        pytest.param(named(b"> 17", b">  17"), MALFORMED, id="two blanks", marks=attack("X-14")),
        pytest.param(
            named(b"<dev-a@example.org>", b"<dev-a@example.org\n >"), MALFORMED, id="folded", marks=attack("X-14")
        ),
    ],
)
def test_a_commit_that_says_what_nobody_reads_is_refused(
    case: Case, lax: Repository, dev: Member, change: Change, codes: tuple[str, ...]
) -> None:
    raw, first = honest(lax, dev), lax.refs()[MAIN]
    odd = change(raw)
    assert odd != raw
    case.refused(sent(lax, dev, raw_commit(lax, dev, odd)), *codes)
    assert lax.refs()[MAIN] == first
    case.lands(lax, dev, raw_commit(lax, dev, raw))


@pytest.mark.parametrize(
    "message",
    ["two\r\nlines\r\n", "tab\tand form\n", "\u05e9\u05dc\u05d5\u05dd \u200f x\n", "", "\U0001f469\u200d\U0001f52c\n"],
)
def test_a_message_of_everyday_lands(started: Repository, dev: Member, message: str) -> None:
    head = started.commit(dev, {"notes": "1\n"}, started.refs()[MAIN], message=message)
    assert started.push(dev, f"{head}:{MAIN}").landed


@pytest.mark.parametrize("ahead", [-60, 3600])
def test_a_clock_that_is_an_hour_off_dates_nothing_ahead(lax: Repository, dev: Member, ahead: int) -> None:
    when = str(int(time.clock_gettime(time.CLOCK_REALTIME)) + ahead).encode()
    oid = raw_commit(lax, dev, honest(lax, dev).replace(b"1700000000", when))
    assert lax.push(dev, f"{oid}:{MAIN}").landed


@attack("X-11")
@pytest.mark.parametrize("evil", [True, False])
def test_x11_one_parent_twice_is_refused(case: Case, lax: Repository, dev: Member, evil: bool) -> None:  # noqa: FBT001 - a table
    """Tools show it as a merge, and of a merge they show nothing."""
    first = lax.refs()[MAIN]
    tree = lax.tree({"notes": "1\n"} if evil else {}, base=first)
    twice = raw_commit(lax, dev, keys.commit_bytes(tree, [first, first], author=dev.person))
    case.refused(sent(lax, dev, twice), HIDDEN)
    case.lands(lax, dev, small(lax, dev))


def entries(lax: Repository, *odd: Entry) -> str:
    """Write a tree: README as it is, and these."""
    readme = lax.git("rev-parse", f"{lax.refs()[MAIN]}:README")
    return raw_tree(lax, ("100644", "README", readme), *odd)


ONE = "d00491fd7e5bb6fa28c517a0bb32b8b506539d4d"  # The blob that holds a 1 and a line feed.


@pytest.mark.parametrize(
    "odd",
    [
        pytest.param([("100644", "a", ONE), ("100644", "a", BOGUS)], id="twice", marks=attack("G-17")),
        pytest.param([("100644", "a", ONE), ("40000", "a", "T")], id="file and folder", marks=attack("G-17")),
        pytest.param([("0100644", "a", ONE)], id="a padded mode", marks=attack("X-16")),
        pytest.param([("040000", "a", "T")], id="a padded folder", marks=attack("X-16")),
        pytest.param([("100664", "a", ONE)], id="writable by the group", marks=attack("X-16")),
        pytest.param([("100777", "a", ONE)], id="by everybody", marks=attack("X-16")),
        pytest.param([("104755", "a", ONE)], id="set-uid", marks=attack("X-16")),
        pytest.param([("777", "a", ONE)], id="no type", marks=attack("X-16")),
        pytest.param([("140000", "a", ONE)], id="a socket", marks=attack("X-16")),
        pytest.param([("100644", "z", ONE), ("100644", "a", ONE)], id="out of order", marks=attack("X-18")),
        pytest.param([("40000", "a", "T"), ("100644", "a.b", ONE)], id="a folder's order", marks=attack("X-18")),
        pytest.param([("100644", "", ONE)], id="no name", marks=attack("X-17")),
        pytest.param([("40000", "..", "T")], id="the folder above", marks=attack("X-17")),
        pytest.param([("40000", ".", "T")], id="this folder", marks=attack("X-17")),
        pytest.param([("40000", ".git", "T")], id=".git", marks=attack("X-17")),
        pytest.param([("40000", ".GIT", "T")], id=".GIT", marks=attack("X-17")),
        pytest.param([("40000", ".g\u200cit", "T")], id=".git on HFS+", marks=attack("X-17")),
        pytest.param([("40000", "git~1", "T")], id=".git on NTFS", marks=attack("X-17")),
        pytest.param([("40000", ".git ", "T")], id=".git and a blank", marks=attack("X-17")),
        pytest.param([("100644", ".git::$INDEX_ALLOCATION", ONE)], id="a stream of .git", marks=attack("X-17")),
        pytest.param([("100644", "a/b", ONE)], id="a slash", marks=attack("X-17")),
        pytest.param([("100644", "..\\.git\\config", ONE)], id="a backslash", marks=attack("X-17")),
    ],
)
def test_a_tree_that_readers_read_differently_is_refused(
    case: Case, lax: Repository, dev: Member, odd: list[Entry]
) -> None:
    first, evil = lax.refs()[MAIN], blob(lax, lines(3))
    assert blob(lax) == ONE
    known = {BOGUS: evil, "T": raw_tree(lax, ("100644", "x", ONE))}
    tree = entries(lax, *((mode, name, known.get(oid, oid)) for mode, name, oid in odd))
    commit = raw_commit(lax, dev, keys.commit_bytes(tree, [first], author=dev.person))
    objects = [commit, tree, evil, ONE, known["T"]]
    refused = raw_push(lax, dev, f"{first} {commit} {MAIN}", pack=packed(lax, objects))
    case.refused(refused, HIDDEN)
    assert lax.refs()[MAIN] == first
    case.lands(lax, dev, lax.commit(dev, {"a": "1\n"}, first))


@pytest.mark.parametrize(
    ("mode", "what"),
    [("100644", "tree"), ("100644", "commit"), ("40000", "blob"), ("40000", "commit"), ("120000", "tree")],
)
@attack("X-19")
def test_x19_a_mode_that_is_not_its_objects_is_refused(
    case: Case, lax: Repository, dev: Member, mode: str, what: str
) -> None:
    first = lax.refs()[MAIN]
    oid = {"tree": lax.git("rev-parse", f"{first}^{{tree}}"), "blob": ONE, "commit": first}[what]
    blob(lax)
    tree = entries(lax, (mode, "a", oid))
    commit = raw_commit(lax, dev, keys.commit_bytes(tree, [first], author=dev.person))
    objects = [commit, tree, *([ONE] if what == "blob" else [])]
    refused = raw_push(lax, dev, f"{first} {commit} {MAIN}", pack=packed(lax, objects))
    case.stopped(refused, "missing necessary objects", "unpack")
    assert lax.refs()[MAIN] == first
    case.lands(lax, dev, lax.commit(dev, {"a": "1\n"}, first))


@attack("X-27")
@pytest.mark.parametrize("name", [".gitmodules", ".gitattributes", ".mailmap"])
def test_x27_a_link_for_what_git_reads_is_a_change_for_two(case: Case, lax: Repository, dev: Member, name: str) -> None:
    first, target = lax.refs()[MAIN], blob(lax, "notes")
    readme = lax.git("rev-parse", f"{first}:README")
    tree = raw_tree(lax, ("120000", name, target), ("100644", "README", readme))
    commit = raw_commit(lax, dev, keys.commit_bytes(tree, [first], author=dev.person))
    refused = raw_push(lax, dev, f"{first} {commit} {MAIN}", pack=packed(lax, [commit, tree, target]))
    case.refused(refused, "four_eyes.no_change")
    case.lands(lax, dev, small(lax, dev))


@attack("X-26")
def test_x26_mailmap_makes_nobody_an_author(case: Case, started: Repository, dev: Member, ground: Ground) -> None:
    """Landed with two sign-offs, it renames in `git log`; it does not here."""
    first = started.refs()[MAIN]
    mapped = started.commit(dev, {".mailmap": "dev-a <dev-a@example.org> <evil@example.org>\n"}, first)
    started.approve(started.open(dev, mapped), "dev-b", "qa-a")
    if not started.push(dev, f"{mapped}:{MAIN}").landed:  # High risk, and a person must be among them.
        started.approve(2, "owner")
        case.lands(started, dev, mapped)
    evil = started.commit(dev, {"a": "1\n"}, started.refs()[MAIN], author="dev-a <evil@example.org>")
    case.refused(started.push(dev, f"{evil}:{MAIN}"), "signed_commits.unknown_author", HIDDEN)
    case.lands(started, dev, started.commit(dev, {"a": "1\n"}, started.refs()[MAIN]))


@attack("X-21")
@pytest.mark.parametrize("odd", [("100644", "README"), ("40000", ".git"), ("040000", "a"), ("100644", "..")])
def test_x21_git_itself_refuses_at_the_door_what_it_can_see(
    case: Case, started: Repository, dev: Member, odd: tuple[str, str]
) -> None:
    """The settings that `repo add` makes, and `doctor` watches, hold as well."""
    first, below = started.refs()[MAIN], raw_tree(started, ("100644", "x", blob(started)))
    tree = entries(started, (odd[0], odd[1], ONE if odd[0] == "100644" else below))
    commit = raw_commit(started, dev, keys.commit_bytes(tree, [first], author=dev.person))
    pack = packed(started, [commit, tree, below, ONE])
    case.stopped(raw_push(started, dev, f"{first} {commit} {MAIN}", pack=pack), "fsck error", "unpack")
    assert started.refs()[MAIN] == first
    case.lands(started, dev, small(started, dev))
