"""Attacks by the names of refs and by what refs point to (G, X): a name shall mean one thing to everybody."""

from __future__ import annotations

import pytest

import keys
from adversary.card import Case, attack
from adversary.raw import NEXT, packed, raw_push, small
from playing import MAIN, ZEROS, Member, Repository, until

A40 = "ab" * 20


@pytest.mark.parametrize(
    ("ref", "code"),
    [
        pytest.param("refs/tags/main", "ref_rules.tag_shadows_branch", id="G-11", marks=attack("G-11")),
        pytest.param("refs/tags/release/1", "ref_rules.tag_shadows_branch", id="a glob", marks=attack("G-11")),
        pytest.param("refs/tags/origin/main", "ref_rules.tag_shadows_branch", id="origin", marks=attack("X-01")),
        pytest.param("refs/tags/up/stream/main", "ref_rules.tag_shadows_branch", id="a remote", marks=attack("X-01")),
        pytest.param("refs/tags/origin/HEAD", "ref_rules.tag_shadows_branch", id="origin/HEAD", marks=attack("X-01")),
        pytest.param(f"refs/heads/{A40}", "ref_rules.looks_like_object", id="G-13", marks=attack("G-13")),
        pytest.param(f"refs/heads/{A40.upper()}", "ref_rules.looks_like_object", id="capitals", marks=attack("X-02")),
        pytest.param("refs/heads/1a2b3c4", "ref_rules.looks_like_object", id="short", marks=attack("X-02")),
        pytest.param("refs/tags/1A2B3C4", "ref_rules.looks_like_object", id="a short tag", marks=attack("X-02")),
        pytest.param("refs/heads/v1-2-g1a2b3c4", "ref_rules.looks_like_object", id="describe", marks=attack("X-02")),
        pytest.param("refs/notes/commits", "ref_rules.namespace", id="notes", marks=attack("G-14")),
        pytest.param("refs/changes/1/1", "ref_rules.namespace", id="pins", marks=attack("G-14")),
        pytest.param("refs/ledger/head", "ref_rules.namespace", id="ours", marks=attack("G-14")),
        pytest.param("refs/remotes/origin/main", "ref_rules.namespace", id="remotes", marks=attack("G-14")),
        pytest.param("refs/stash", "ref_rules.namespace", id="the stash", marks=attack("G-14")),
        pytest.param("refs/heads/MAIN", "ref_rules.look_alike", id="case", marks=attack("X-04")),
        pytest.param("refs/heads/Release/1", "ref_rules.look_alike", id="case, a glob", marks=attack("X-04")),
        pytest.param("refs/heads/m\u0430in", "ref_rules.namespace", id="Cyrillic", marks=attack("X-04")),
        pytest.param("refs/heads/\uff4dain", "ref_rules.namespace", id="full width", marks=attack("X-04")),
        pytest.param("refs/heads/ma\u200bin", "ref_rules.namespace", id="zero width", marks=attack("X-04")),
        pytest.param("refs/heads/main./x", "ref_rules.namespace", id="a trailing dot", marks=attack("X-04")),
        pytest.param("refs/tags/light", "ref_rules.tag_lightweight", id="G-16", marks=attack("G-16")),
        pytest.param("refs/heads/-rf", "ref_rules.namespace", id="an option", marks=attack("X-03")),
        pytest.param("refs/heads/@", "ref_rules.namespace", id="at", marks=attack("X-03")),
        pytest.param("refs/heads/HEAD", "ref_rules.reserved_name", id="HEAD", marks=attack("X-03")),
        pytest.param("refs/heads/head", "ref_rules.reserved_name", id="head", marks=attack("X-03")),
        pytest.param("refs/heads/FETCH_HEAD", "ref_rules.reserved_name", id="FETCH_HEAD", marks=attack("X-03")),
        pytest.param("refs/tags/stash", "ref_rules.reserved_name", id="stash", marks=attack("X-03")),
        pytest.param("refs/heads/refs/heads/main", "ref_rules.reserved_name", id="twice", marks=attack("X-03")),
        pytest.param("refs/heads/heads/main", "ref_rules.reserved_name", id="heads/main", marks=attack("X-03")),
        pytest.param("refs/tags/heads/main", "ref_rules.reserved_name", id="a tag heads/main", marks=attack("X-03")),
        pytest.param("refs/heads/tags/v1", "ref_rules.reserved_name", id="tags/v1", marks=attack("X-03")),
        pytest.param("refs/heads/remotes/o/main", "ref_rules.reserved_name", id="remotes", marks=attack("X-03")),
    ],
)
def test_a_ref_that_is_not_what_it_reads_as_is_refused(
    case: Case, started: Repository, dev: Member, ref: str, code: str
) -> None:
    head, first = small(started, dev), started.refs()[MAIN]
    assert started.push(dev, f"{head}:{NEXT}").landed  # The objects are there: a name alone is at stake.
    until(lambda: not started.reserved(), "the push is recorded")
    before = started.refs()
    if ref.startswith("refs/tags/") and code != "ref_rules.tag_lightweight":
        refused = started.push(dev, f"{signed_tag(started, dev, ref, first)}:{ref}")
    else:
        refused = raw_push(started, dev, f"{ZEROS} {head} {ref}")
    case.refused(refused, code)
    assert started.refs() == before
    case.lands(started, dev, head)


@pytest.mark.parametrize(
    "name", ["topic/cafe1", "topic/deadbeef/x", "fix-gaps", "mainline", "origin-main", "release-1", "v1.0-rc", "a1b2"]
)
def test_a_name_that_only_looks_a_little_like_one_is_free(started: Repository, dev: Member, name: str) -> None:
    assert started.push(dev, f"{small(started, dev)}:refs/heads/{name}").landed


def tag_bytes(name: str, target: str, dev: Member, *, kind: str = "commit") -> bytes:
    return f"object {target}\ntype {kind}\ntag {name}\ntagger {dev.person} 1700000000 +0000\n\nsigned\n".encode()


def signed_tag(repository: Repository, dev: Member, ref: str, target: str, *, kind: str = "commit") -> str:
    """Write a good signed tag, as far as a tag of that can be good."""
    raw = tag_bytes(ref.removeprefix("refs/tags/"), target, dev, kind=kind)
    return keys.write_object(repository.work, raw + dev.key.sign(raw), kind="tag")


V1 = "refs/tags/v1"


class TestTags:
    """A tag is annotated, signed, names itself and points straight at what has landed."""

    @attack("X-07")
    @pytest.mark.parametrize("depth", [1, 3, 12])
    def test_a_tag_of_a_tag_is_refused(self, case: Case, started: Repository, dev: Member, depth: int) -> None:
        first = started.refs()[MAIN]
        tag = signed_tag(started, dev, V1, first)
        for _ in range(depth):
            tag = signed_tag(started, dev, V1, tag, kind="tag")
        case.refused(started.push(dev, f"{tag}:{V1}"), "ref_rules.tag_target")
        case.lands(started, dev, signed_tag(started, dev, V1, first), ref=V1)

    @attack("X-07")
    def test_a_tag_of_a_tag_that_hides_a_commit_brings_nothing(
        self, case: Case, started: Repository, dev: Member
    ) -> None:
        first = started.refs()[MAIN]
        evil = started.commit(dev, {"evil": "1\n" * 200}, first)
        hides = signed_tag(started, dev, V1, signed_tag(started, dev, V1, evil), kind="tag")
        case.refused(started.push(dev, f"{hides}:{V1}"), "ref_rules.tag_target")
        straight = signed_tag(started, dev, V1, evil)
        case.refused(started.push(dev, f"{straight}:{V1}"), "ref_rules.tag_unlanded")
        case.lands(started, dev, signed_tag(started, dev, V1, first), ref=V1)

    @attack("X-07")
    @pytest.mark.parametrize("kind", ["tree", "blob"])
    def test_a_tag_of_a_tree_or_a_blob_is_refused(
        self, case: Case, started: Repository, dev: Member, kind: str
    ) -> None:
        first = started.refs()[MAIN]
        target = started.git("rev-parse", f"{first}^{{tree}}" if kind == "tree" else f"{first}:README")
        case.refused(
            started.push(dev, f"{signed_tag(started, dev, V1, target, kind=kind)}:{V1}"), "ref_rules.tag_target"
        )
        case.lands(started, dev, signed_tag(started, dev, V1, first), ref=V1)

    @attack("X-07")
    def test_a_tag_pushed_under_another_name_is_refused(self, case: Case, started: Repository, dev: Member) -> None:
        first = started.refs()[MAIN]
        old = signed_tag(started, dev, "refs/tags/v0", first)
        case.refused(started.push(dev, f"{old}:{V1}"), "ref_rules.tag_target")
        case.lands(started, dev, old, ref="refs/tags/v0")

    @attack("X-14")
    def test_a_tag_that_lies_about_its_targets_type_is_refused(self, case: Case, lax: Repository, dev: Member) -> None:
        first = lax.refs()[MAIN]
        blob = lax.git("rev-parse", f"{first}:README")
        codes = "ref_rules.tag_target", "ref_rules.tag_unlanded", "facts.malformed", "facts.unreadable"
        lie = signed_tag(lax, dev, V1, blob)
        case.refused(raw_push(lax, dev, f"{ZEROS} {lie} {V1}", pack=packed(lax, [lie])), *codes)
        case.lands(lax, dev, signed_tag(lax, dev, V1, first), ref=V1)

    @attack("K-20")
    def test_an_annotated_tag_without_a_signature_is_refused(
        self, case: Case, started: Repository, dev: Member
    ) -> None:
        first = started.refs()[MAIN]
        bare = keys.write_object(started.work, tag_bytes("v1", first, dev), kind="tag")
        case.refused(started.push(dev, f"{bare}:{V1}"), "signed_commits.tag_unsigned")
        case.lands(started, dev, signed_tag(started, dev, V1, first), ref=V1)


@attack("X-08")
@pytest.mark.parametrize("ref", [MAIN, NEXT])
@pytest.mark.parametrize("kind", ["tree", "blob", "tag"])
def test_a_branch_that_is_no_commit_is_refused(
    case: Case, started: Repository, dev: Member, kind: str, ref: str
) -> None:
    first = started.refs()[MAIN]
    what = {"tree": f"{first}^{{tree}}", "blob": f"{first}:README"}.get(kind, first)
    oid = signed_tag(started, dev, V1, first) if kind == "tag" else started.git("rev-parse", what)
    refused = raw_push(started, dev, f"{first if ref == MAIN else ZEROS} {oid} {ref}")
    if kind == "tag":
        refused = started.push(dev, f"{oid}:{ref}", more=["--force"])
    case.refused(refused, "ref_rules.not_a_commit", "facts.malformed")
    assert started.refs()[MAIN] == first
    case.lands(started, dev, small(started, dev))
