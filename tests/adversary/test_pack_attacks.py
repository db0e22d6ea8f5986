"""Attacks by what a push carries and how it says so (G, X): packs, quarantines, grafts, names on the wire."""

from __future__ import annotations

import hashlib
import zlib

import pytest

import keys
from adversary.card import Case, attack
from adversary.raw import NEXT, blob, new_objects, packed, raw_commit, raw_push, raw_tree, small
from playing import MAIN, ZEROS, Member, Repository, lines, until


@attack("G-06")
@pytest.mark.parametrize("atomic", [True, False])
def test_g06_what_git_could_not_move_is_not_recorded_as_moved(
    case: Case,
    started: Repository,
    dev: Member,
    atomic: bool,  # noqa: FBT001 - a table
) -> None:
    """Both refs are allowed; one cannot be, since a branch stands where its folder would."""
    head, first = small(started, dev), started.refs()[MAIN]
    assert started.push(dev, f"{head}:refs/heads/topic/side").landed
    until(lambda: not started.reserved(), "the push is recorded")
    seen = len(started.ground.entries())
    more = ["--atomic"] if atomic else []
    pushed = started.push(dev, f"{head}:{MAIN}", f"{head}:refs/heads/topic/side/below", more=more)
    assert not pushed.landed
    assert started.refs()[MAIN] == (first if atomic else head)
    until(lambda: not started.reserved(), "what was reserved is used or released")
    after = [e for e in started.ground.entries(start=seen) if e["repo"] == started.name]
    moved = [line[2] for e in after if e["kind"] == "push.applied" for line in e["data"]["moved"]]
    released = [line[2] for e in after if e["kind"] == "push.released" for line in e["data"]["lines"]]
    assert [ref for ref in moved if "changes" not in ref] == ([] if atomic else [MAIN])
    assert "refs/heads/topic/side/below" in released
    evil = started.commit(dev, {"evil": lines(200)}, started.refs()[MAIN])
    case.refused(started.push(dev, f"{head}:{NEXT}", f"{evil}:{MAIN}", more=more), "four_eyes.no_change")
    assert NEXT not in started.refs(), "what is refused for one is refused for all"
    case.lands(started, dev, head, ref=NEXT)


@attack("G-29")
def test_g29_what_lies_hidden_in_a_pack_is_judged_when_it_is_used(case: Case, started: Repository, dev: Member) -> None:
    """The pack brings a commit that no ref names; a later push names it, and brings nothing."""
    first, head = started.refs()[MAIN], small(started, dev)
    evil = started.commit(dev, {"evil": lines(200)}, first)
    both = [*new_objects(started, head, first), *new_objects(started, evil, first)]
    case.twin(raw_push(started, dev, f"{first} {head} {NEXT}".replace(first, ZEROS), pack=packed(started, both)))
    case.refused(raw_push(started, dev, f"{first} {evil} {MAIN}"), "four_eyes.no_change")
    unsigned = started.commit(dev, {"a": "1\n"}, first, signed=False)
    more = [*new_objects(started, unsigned, first), head]
    assert raw_push(started, dev, f"{ZEROS} {head} refs/heads/topic/x", pack=packed(started, more)).landed
    case.refused(raw_push(started, dev, f"{first} {unsigned} {MAIN}"), "signed_commits.unsigned")
    want = started.path / "config"
    assert "allowAnySHA1InWant = false" in want.read_text(encoding="utf-8"), "nobody fetches it by its name"
    case.lands(started, dev, head)


@attack("G-25")
@pytest.mark.parametrize("name", ["GIT_OBJECT_DIRECTORY", "GIT_QUARANTINE_PATH"])
def test_g25_a_hook_that_does_not_see_the_quarantine_refuses(
    case: Case, started: Repository, dev: Member, name: str
) -> None:
    head, first = small(started, dev), started.refs()[MAIN]
    started.lying_hook("for name in [n for n in os.environb if n.startswith(b'GIT_')]: del os.environb[name]")
    pushed = started.push(dev, f"{head}:{MAIN}")
    case.refused(pushed, "ref_rules.not_a_commit")
    assert started.refs()[MAIN] == first
    started.honest_hook()
    case.lands(started, dev, head)


@attack("X-05")
@pytest.mark.parametrize(
    "tail", ["\n{first} {head} refs/heads/main", "\r", " x", "\t", "\x7f", "^{{}}", "..x", "@{{0}}"]
)
def test_x05_a_ref_name_that_is_no_name_moves_nothing(case: Case, started: Repository, dev: Member, tail: str) -> None:
    """Git looks at names after it has asked the hook; a line feed in one makes two lines for whoever reads lines."""
    first, head = started.refs()[MAIN], started.commit(dev, {"evil": lines(200)}, started.refs()[MAIN])
    started.approve(started.open(dev, head), "dev-b", "qa-a")
    before = started.refs()
    odd = raw_push(started, dev, f"{ZEROS} {head} {NEXT}{tail.format(first=first, head=head)}")
    assert started.refs() == before
    if "Refused" in odd.said or "so refused" in odd.said:
        case.refused(odd, "ref_rules.namespace", "ref_rules.several_protected", "push.malformed_lines")
    else:
        case.released(started, odd)
    until(lambda: not started.reserved(), "whatever was reserved is released")
    case.lands(started, dev, head)


@attack("X-06")
def test_x06_a_ref_named_twice_is_refused(case: Case, started: Repository, dev: Member) -> None:
    first, head = started.refs()[MAIN], small(started, dev)
    assert started.push(dev, f"{head}:{NEXT}").landed
    evil = started.commit(dev, {"evil": lines(200)}, first)
    pack = packed(started, new_objects(started, evil, first))
    for order in ((head, evil), (evil, head)):
        commands = [f"{first} {oid} {MAIN}" for oid in order]
        case.refused(raw_push(started, dev, *commands, pack=pack), "push.malformed_lines")
        assert started.refs()[MAIN] == first
    case.lands(started, dev, head)


def damaged(pack: bytes, how: str) -> bytes:
    if how == "cut":
        return pack[: len(pack) // 2]
    if how == "flipped":
        body = bytearray(pack[:-20])
        body[-12] ^= 0xFF
        return bytes(body) + hashlib.sha1(body).digest()
    return pack[:-20] + b"\0" * 20


@attack("X-22")
@pytest.mark.parametrize("how", ["cut", "flipped", "another sum", "thin"])
def test_x22_a_pack_that_is_not_whole_ends_the_push(case: Case, started: Repository, dev: Member, how: str) -> None:
    first = started.refs()[MAIN]
    base = started.commit(dev, {"long": lines(500)}, first)
    evil = started.commit(dev, {"long": lines(500) + "evil\n"}, base)
    if how == "thin":  # A delta on a blob that the server has not got.
        wanted = f"{evil}\n^{base}\n".encode()
        command = ["pack-objects", "--stdout", "-q", "--thin", "--revs", "--delta-base-offset"]
        pack = started.raw(*command, text=wanted)
    else:
        pack = damaged(packed(started, new_objects(started, evil, first)), how)
    case.stopped(raw_push(started, dev, f"{first} {evil} {MAIN}", pack=pack), "unpack", "unresolved", "error", "fatal")
    assert started.refs()[MAIN] == first
    case.lands(started, dev, small(started, dev))


@attack("X-23")
@pytest.mark.parametrize("missing", ["blob", "tree", "parent", "tip"])
def test_x23_an_object_that_is_not_there_ends_the_push(
    case: Case, started: Repository, dev: Member, missing: str
) -> None:
    first = started.refs()[MAIN]
    below = started.commit(dev, {"a": "unique\n"}, first)
    tip = started.commit(dev, {}, below)
    left_out = {
        "blob": started.git("rev-parse", f"{tip}:a"),
        "tree": started.git("rev-parse", f"{tip}^{{tree}}"),
        "parent": below,
        "tip": tip,
    }[missing]
    objects = [oid for oid in new_objects(started, tip, first) if oid != left_out]
    pushed = raw_push(started, dev, f"{first} {tip} {MAIN}", pack=packed(started, objects))
    if missing == "tip":
        case.refused(pushed, "ref_rules.not_a_commit")
    else:
        case.stopped(pushed, "missing necessary objects", "unpacker error")
    assert started.refs()[MAIN] == first
    case.lands(started, dev, tip)


@attack("X-24")
@pytest.mark.parametrize("how", ["grafts", "merge", "shallow"])
def test_x24_grafts_on_the_server_hide_no_commit(case: Case, started: Repository, dev: Member, how: str) -> None:
    """They are the git user's own; what they hide is not hidden from us all the same."""
    first = started.refs()[MAIN]
    evil = started.commit(dev, {"a": "1\n"}, first, signed=False)
    tip = started.commit(dev, {}, first, evil) if how == "merge" else started.commit(dev, {}, evil)
    graft = f"{first} {evil}\n" if how == "merge" else f"{tip} {first}\n"
    place = started.path / ("shallow" if how == "shallow" else "info/grafts")
    place.parent.mkdir(exist_ok=True)
    pack = packed(started, new_objects(started, tip, first))
    place.write_text(f"{tip}\n" if how == "shallow" else graft)
    refused = raw_push(started, dev, f"{first} {tip} {MAIN}", pack=pack)
    place.unlink()
    if how == "shallow" and "Recorded" not in refused.said:
        assert not refused.landed
    else:
        case.refused(refused, "signed_commits.unsigned", "ref_rules.protected_rewound", "facts.malformed")
    assert started.refs()[MAIN] == first
    case.refused(started.push(dev, f"{tip}:{MAIN}"), "signed_commits.unsigned")
    case.lands(started, dev, small(started, dev))


@attack("X-25")
@pytest.mark.parametrize("depth", [10, 1100])
def test_x25_trees_that_stand_for_billions_of_files_are_not_walked(
    case: Case, started: Repository, dev: Member, depth: int
) -> None:
    """Ten names for one tree, ten deep; or one name, deeper than any path."""
    first = started.refs()[MAIN]
    width = 10 if depth == 10 else 1
    tree, objects = raw_tree(started, ("100644", "f", blob(started))), [blob(started)]
    for _ in range(depth):
        objects.append(tree)
        tree = raw_tree(started, *(("40000", f"d{n}", tree) for n in range(width)))
    commit = raw_commit(started, dev, keys.commit_bytes(tree, [first], author=dev.person))
    pack = packed(started, [*objects, tree, commit])
    case.refused(raw_push(started, dev, f"{first} {commit} {MAIN}", pack=pack), "push.too_large")
    assert started.refs()[MAIN] == first
    case.lands(started, dev, small(started, dev))


def header(kind: int, size: int) -> bytes:
    """Return how an object of a pack begins (gitformat-pack(5))."""
    out, size = [(kind << 4) | (size & 15)], size >> 4
    while size:
        out[-1] |= 128
        out.append(size & 127)
        size >>= 7
    return bytes(out)


def varint(number: int) -> bytes:
    out = [number & 127]
    while number := number >> 7:
        out[-1] |= 128
        out.append(number & 127)
    return bytes(out)


def bomb(base: bytes, times: int, *others: tuple[int, bytes]) -> bytes:
    """Return a pack of a blob, a delta that copies it so many times, and other objects by kind."""
    oid = hashlib.sha1(b"blob %d\0" % len(base) + base).digest()
    copy = bytes([0b10110000, len(base) & 255, (len(base) >> 8) & 255])
    delta = varint(len(base)) + varint(len(base) * times) + copy * times
    body = b"PACK" + (2).to_bytes(4, "big") + (2 + len(others)).to_bytes(4, "big")
    body += header(3, len(base)) + zlib.compress(base)
    body += header(7, len(delta)) + oid + zlib.compress(delta)
    body += b"".join(header(kind, len(raw)) + zlib.compress(raw) for kind, raw in others)
    return body + hashlib.sha1(body).digest()


@attack("X-28")
def test_x28_a_delta_bomb_is_skipped_and_counts_as_what_it_is(case: Case, started: Repository, dev: Member) -> None:
    """Five kilobytes that unpack to thirty megabytes: the hook does not read them, and two must look."""
    first, base = started.refs()[MAIN], b"x\n" * 30_000
    whole = blob(started, base * 500)
    readme = started.git("rev-parse", f"{first}:README")
    tree = raw_tree(started, ("100644", "README", readme), ("100644", "big", whole))
    commit = raw_commit(started, dev, keys.commit_bytes(tree, [first], author=dev.person))
    others = [(1, started.raw("cat-file", "commit", commit)), (2, started.raw("cat-file", "tree", tree))]
    pack = bomb(base, 500, *others)
    assert len(pack) < 10_000
    case.refused(raw_push(started, dev, f"{first} {commit} {MAIN}", pack=pack), "four_eyes.no_change")
    assert started.refs()[MAIN] == first
    case.lands(started, dev, small(started, dev))
