from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from builders import MAIN, OLD, TOPIC, ZERO, a_change, a_context, a_roster, oid
from governance.adapters.sequoia import SequoiaVerifier
from governance.completing import complete
from governance.errors import FactsError, ObjectError
from governance.facts import Person
from governance.gathered import Gathered, GatheredCommit, GatheredRef, Line
from keys import commit_bytes, key_of, registry_of, sign_commit

if TYPE_CHECKING:
    from governance.facts import UpdateFacts

TREE = oid("tree")
KEYS = [key_of("dev-a"), key_of("qa-a")]
CONTENT = (a_change(),)
FAR_OFF = 4_102_444_800_000
"""The year 2100: signatures are made when the test runs, and must not lie ahead of when they are received."""


def object_name(raw: bytes, kind: bytes = b"commit", algorithm: str = "sha1") -> str:
    return hashlib.new(algorithm, b"%s %d\0" % (kind, len(raw)) + raw, usedforsecurity=False).hexdigest()


def a_raw(
    *, signer: str = "dev-a", author: str = "dev-a", parents: tuple[str, ...] = (OLD,), **changed: object
) -> bytes:
    raw = commit_bytes(TREE, parents, author=f"{author} <{author}@example.org>", **changed)
    return sign_commit(raw, key_of(signer)) if signer else raw


def a_ref(new: str, **changed: object) -> GatheredRef:
    fields = {
        "line": Line(OLD, new, MAIN), "type": "commit", "tag": b"", "tag_target": "", "tag_target_type": "",
        "exclude": OLD, "fast_forward": True, "bases": (OLD,), "commits": (new,), "net": CONTENT, "landed": False,
        "problems": (),
    }  # fmt: skip
    return GatheredRef(**fields | changed)


def found(*raws: bytes, ref: GatheredRef | None = None, problems: tuple[str, ...] = ()) -> Gathered:
    commits = {object_name(raw): GatheredCommit(raw, CONTENT, True, problems) for raw in raws}  # noqa: FBT003 - measured
    ref = ref or a_ref(object_name(raws[-1]), commits=tuple(commits))
    return Gathered({MAIN: (OLD, ""), TOPIC: (ZERO, "")}, {ref.line.ref: ref}, commits, 1)


def completed(gathered: Gathered, *lines: Line) -> tuple[UpdateFacts, ...]:
    asked = lines or tuple(ref.line for ref in gathered.refs.values())
    context = a_context(refs=tuple(line.ref for line in asked), received_at=FAR_OFF)
    return complete(gathered, asked, context, SequoiaVerifier(), registry=registry_of(KEYS), roster=a_roster())


def test_a_signed_commit_is_named_proved_and_kept_as_it_was_gathered() -> None:
    raw = a_raw(message="Prune the roses\n\nCo-authored-by: qa <QA-A@example.org>\n")
    (facts,) = completed(found(raw, problems=("mode_odd",)))
    (commit,) = facts.commits

    assert commit.signature.code == ""
    assert commit.signature.principal == "dev-a"
    assert commit.signature.fingerprint == key_of("dev-a").fingerprint
    assert (commit.author.principal, commit.committer.principal) == ("dev-a", "dev-a")
    assert commit.co_authors == (Person("qa-a@example.org", "qa-a"),)
    assert (commit.title, commit.tree, commit.parents) == ("Prune the roses", TREE, (OLD,))
    assert commit.problems == ("mode_odd",)
    assert commit.changes == CONTENT
    assert (facts.base, facts.merge_base, facts.tree, facts.actual) == (OLD, OLD, TREE, OLD)
    assert facts.push.received_at == FAR_OFF


PROOFS = [
    ("signed by another than the author", a_raw(signer="qa-a"), "", "qa-a"),
    ("not signed", a_raw(signer=""), "signature.missing", ""),
    ("signed by a key that nobody enrolled", a_raw(signer="docs"), "signature.unknown_key", ""),
    ("changed after it was signed", a_raw().replace(b"a change", b"b change"), "signature.bad", ""),
]


@pytest.mark.parametrize(("raw", "code", "principal"), [row[1:] for row in PROOFS], ids=[row[0] for row in PROOFS])
def test_what_a_signature_proves_is_a_fact_and_never_more(raw: bytes, code: str, principal: str) -> None:
    (facts,) = completed(found(raw))
    signature = facts.commits[0].signature

    assert (signature.code, signature.principal) == (code, principal)
    assert facts.commits[0].author.principal == "dev-a"


def a_line_of(*kinds: dict[str, object], first: str = OLD) -> list[bytes]:
    """Return commits of these kinds, each the parent of the next."""
    made, below = [], first
    for number, kind in enumerate(kinds):
        made.append(a_raw(parents=(below,), message=f"{number}\n", **kind))
        below = object_name(made[-1])
    return made


def test_one_bad_signature_does_not_touch_the_others() -> None:
    (facts,) = completed(found(*a_line_of({}, {"signer": ""}, {})))

    assert [commit.signature.code for commit in facts.commits] == ["", "signature.missing", ""]


def test_an_author_nobody_knows_has_no_principal_whoever_signed() -> None:
    (facts,) = completed(found(a_raw(author="eve")))

    assert facts.commits[0].author == Person("eve@example.org", "")


def test_bytes_that_are_not_what_their_name_says_are_refused() -> None:
    honest = found(a_raw())
    ((name, commit),) = honest.commits.items()
    swapped = replace(honest, commits={name: replace(commit, raw=a_raw(message="another\n"))})

    with pytest.raises(FactsError, match=f"expected object {name}") as refused:
        completed(swapped)
    assert refused.value.code == "facts.other_object"


def test_bytes_of_another_kind_of_object_are_refused() -> None:
    raw = a_raw()
    blob = object_name(raw, b"blob")
    with pytest.raises(FactsError, match="expected object"):
        completed(Gathered({MAIN: (OLD, "")}, {}, {blob: GatheredCommit(raw, (), True, ())}, 1), Line(OLD, blob, MAIN))  # noqa: FBT003 - measured


def test_a_sha_256_name_is_checked_with_sha_256() -> None:
    raw = commit_bytes("a" * 64, ("b" * 64,))
    name = object_name(raw, algorithm="sha256")
    gathered = Gathered({}, {}, {name: GatheredCommit(raw, (), True, ())}, 1)  # noqa: FBT003 - measured

    assert completed(gathered) == ()
    wrong = {name[:-1] + ("0" if name[-1] != "0" else "1"): gathered.commits[name]}
    with pytest.raises(FactsError, match="expected object"):
        completed(replace(gathered, commits=wrong))


def test_an_object_that_is_no_commit_is_refused() -> None:
    raw = b"tree nothing\n\n"
    with pytest.raises(ObjectError):
        completed(found(raw))


CONTRADICTIONS = [
    ("another old value", Line(ZERO, object_name(a_raw()), MAIN), "another update"),
    ("another new value", Line(OLD, oid("x"), MAIN), "another update"),
    ("no real value", Line(OLD, oid("x"), "refs/heads/x"), "no fact about its real value"),
]


@pytest.mark.parametrize(("line", "why"), [row[1:] for row in CONTRADICTIONS], ids=[row[0] for row in CONTRADICTIONS])
def test_facts_about_something_else_are_refused(line: Line, why: str) -> None:
    with pytest.raises(FactsError, match=why):
        completed(found(a_raw()), line)


def test_a_ref_of_which_nothing_was_gathered_has_no_facts_that_could_let_it_through() -> None:
    (facts,) = completed(found(a_raw()), Line(ZERO, oid("x"), TOPIC))

    assert (facts.object_type, facts.commits, facts.net, facts.tree) == ("", (), (), "")
    assert (facts.fast_forward, facts.landed, facts.bases, facts.base) == (False, False, (), "")


def test_updates_come_in_the_order_git_named_them() -> None:
    gathered = found(a_raw())
    (main,) = (ref.line for ref in gathered.refs.values())
    other = Line(OLD, ZERO, TOPIC)

    assert [facts.ref for facts in completed(gathered, other, main)] == [TOPIC, MAIN]
    assert [facts.ref for facts in completed(gathered, main, other)] == [MAIN, TOPIC]


def a_tag(
    *,
    signer: str = "dev-a",
    name: str = "v1",
    tagger: str = "dev-a <dev-a@example.org>",
    target: str = OLD,
    kind: str = "commit",
) -> bytes:
    head = f"object {target}\ntype {kind}\ntag {name}\ntagger {tagger} 1700000000 +0000\n\nfirst\n".encode()
    return head + (key_of(signer).sign(head) if signer else b"")


def tagged(raw: bytes, **changed: object) -> UpdateFacts:
    name = object_name(raw, b"tag")
    fields = {"type": "tag", "tag": raw, "tag_target": OLD, "tag_target_type": "commit", "commits": (), "landed": True}
    ref = a_ref(name, line=Line(ZERO, name, "refs/tags/v1"), **fields | changed)
    commits = {TIPS[0]: GatheredCommit(ONE, CONTENT, True, ())}  # noqa: FBT003 - measured
    gathered = Gathered({"refs/tags/v1": (ZERO, "")}, {"refs/tags/v1": ref}, commits, 1)
    return completed(gathered)[0]


def test_a_tag_is_proved_like_a_commit() -> None:
    signed, unsigned = tagged(a_tag()).tag, tagged(a_tag(signer="")).tag

    assert signed is not None
    assert unsigned is not None
    assert (signed.name, signed.target, signed.target_type) == ("v1", OLD, "commit")
    assert signed.tagger == Person("dev-a@example.org", "dev-a")
    assert (signed.signature.code, signed.signature.principal) == ("", "dev-a")
    assert unsigned.signature.code == "signature.missing"
    assert tagged(a_tag(), problems=("nested_tag",)).tag.problems == ("nested_tag",)


def test_a_tagger_is_who_the_tag_names_whoever_signed_it() -> None:
    other = tagged(a_tag(tagger="qa <QA-A@example.org>")).tag
    nobody = tagged(a_tag(tagger="eve <eve@example.org>")).tag

    assert other is not None
    assert nobody is not None
    assert (other.tagger.principal, other.signature.principal) == ("qa-a", "dev-a")
    assert nobody.tagger == Person("eve@example.org", "")


def test_tag_bytes_that_are_not_what_the_ref_names_are_refused() -> None:
    with pytest.raises(FactsError, match="expected object"):
        tagged(a_tag(), tag=a_tag(name="v2"))


TITLES = [
    (b"\n\n  Roses\nmore", "  Roses"),
    (b"", ""),
    (b"a\0b", "a\ufffdb"),
    (b"\xff", "\ufffd"),
    (b"x" * 300, "x" * 100),
]


@pytest.mark.parametrize(("message", "title"), TITLES)
def test_a_title_is_the_first_line_short_and_without_nul(message: bytes, title: str) -> None:
    raw = commit_bytes(TREE, (OLD,), message="").removesuffix(b"\n") + b"\n" + message

    assert completed(found(raw))[0].commits[0].title == title


ONE, TWO, THREE = a_line_of({}, {}, {})
TIPS = [object_name(raw) for raw in (ONE, TWO, THREE)]
SIDE = a_raw(parents=(OLD,), message="side\n")
ASIDE = object_name(SIDE)
MERGE = a_raw(parents=(TIPS[0], ASIDE), message="merge\n")
OCTOPUS = a_raw(parents=(TIPS[0], ASIDE, OLD), message="octopus\n")
ROOT = a_raw(parents=(), message="root\n")
SECOND = a_raw(parents=(object_name(ROOT),))
STRAY = a_raw(parents=(oid("before old"),), message="stray\n")
RANGE = "the commits are not the range"
FORWARD = "whether it moves forward"


def judged(raws: list[bytes], new: str, **changed: object) -> UpdateFacts:
    commits = tuple(object_name(raw) for raw in raws)
    return completed(found(*raws, ref=a_ref(new, **{"commits": commits} | changed)))[0]


HONEST = [
    ("one commit on the tip", [ONE], TIPS[0], {}),
    ("three, one on another", [ONE, TWO, THREE], TIPS[2], {}),
    ("three, in any order", [THREE, ONE, TWO], TIPS[2], {}),
    ("a merge of the tip's child and a side", [ONE, SIDE, MERGE], object_name(MERGE), {}),
    ("a merge with the tip itself", [ONE, SIDE, OCTOPUS], object_name(OCTOPUS), {}),
    ("a rewind to what has landed", [], oid("landed"), {"fast_forward": False, "landed": True}),
    ("a ref created where everything has landed", [], OLD, {"line": Line(ZERO, OLD, MAIN), "landed": True}),
    ("a ref that leaves its history", [STRAY], object_name(STRAY), {"fast_forward": False}),
    ("the first commit ever", [ROOT], object_name(ROOT), {"exclude": "", "fast_forward": False, "bases": ()}),
    ("a history of two from nothing", [ROOT, SECOND], object_name(SECOND),
     {"exclude": "", "fast_forward": False, "bases": ()}),
    ("a blob, of which nothing is said", [], oid("blob"), {"type": "blob", "fast_forward": False}),
    ("a missing object, of which nothing is said", [], oid("gone"), {"type": "missing", "fast_forward": False}),
]  # fmt: skip

CONTRADICTORY = [
    ("the tip is left out", [ONE, TWO], TIPS[2], {}, RANGE),
    ("only the tip's parent is told", [ONE], TIPS[1], {}, RANGE),
    ("no commit, and nothing has landed", [], TIPS[0], {"fast_forward": False}, RANGE),
    ("no commit, and it stays where it is, unlanded", [], OLD, {"line": Line(ZERO, OLD, MAIN)}, RANGE),
    ("a commit, and all has landed", [ONE], TIPS[0], {"landed": True}, RANGE),
    ("a commit that nothing in the range leads to", [ONE, SIDE], TIPS[0], {}, RANGE),
    ("the side of a merge that is not there", [ONE, TWO, SIDE], TIPS[1], {}, RANGE),
    ("a commit above the tip", [ONE, TWO], TIPS[0], {}, RANGE),
    ("it is said to rewind, and does not", [ONE], TIPS[0], {"fast_forward": False}, FORWARD),
    ("it is said to move forward from another history", [STRAY], object_name(STRAY), {}, FORWARD),
    ("it is said to move forward from nothing", [ROOT], object_name(ROOT), {"exclude": "", "bases": ()}, FORWARD),
    ("it is said to move forward to what has landed long ago", [], oid("landed"), {"landed": True}, FORWARD),
    ("it is said to rewind to where it starts", [], OLD,
     {"line": Line(ZERO, OLD, MAIN), "landed": True, "fast_forward": False}, FORWARD),
]  # fmt: skip


@pytest.mark.parametrize(("raws", "new", "changed"), [row[1:] for row in HONEST], ids=[row[0] for row in HONEST])
def test_facts_that_agree_with_each_other_are_believed(raws: list[bytes], new: str, changed: dict[str, object]) -> None:
    fields = changed if "line" in changed else {"line": Line(OLD, new, MAIN)} | changed
    facts = judged(raws, new, **fields)

    assert sorted(commit.oid for commit in facts.commits) == sorted(object_name(raw) for raw in raws)


@pytest.mark.parametrize(
    ("raws", "new", "changed", "why"), [row[1:] for row in CONTRADICTORY], ids=[row[0] for row in CONTRADICTORY]
)
def test_facts_that_contradict_each_other_conclude_nothing(
    raws: list[bytes], new: str, changed: dict[str, object], why: str
) -> None:
    with pytest.raises(FactsError, match=f"{MAIN}: {why}"):
        judged(raws, new, **changed)


TAGGED = [
    ("what has landed", a_tag(), {}, ""),
    ("what has landed, before the tip", a_tag(), {"exclude": oid("tip"), "fast_forward": False}, ""),
    ("what has not landed", a_tag(target=TIPS[0]),
     {"tag_target": TIPS[0], "commits": (TIPS[0],), "landed": False}, ""),
    ("a tag of what has landed", a_tag(kind="tag"), {"exclude": oid("tip")}, ""),
    ("a tag of what has not landed", a_tag(kind="tag"), {"commits": (TIPS[0],), "landed": False}, ""),
    ("a blob", a_tag(kind="blob"), {"landed": False, "fast_forward": False}, ""),
    ("a tree", a_tag(kind="tree"), {"landed": False, "fast_forward": False}, ""),
    ("a commit that is not told", a_tag(), {"landed": False}, RANGE),
    ("another commit than the one told", a_tag(), {"commits": (TIPS[0],), "landed": False}, RANGE),
    ("what has landed, with a commit", a_tag(target=TIPS[0]), {"tag_target": TIPS[0], "commits": (TIPS[0],)}, RANGE),
    ("what has landed, and moves back", a_tag(), {"fast_forward": False}, FORWARD),
    ("another object than the one gathered", a_tag(), {"tag_target": oid("x")}, "which the tag names"),
    ("an object, where none was gathered", a_tag(), {"tag_target": ""}, "which the tag names"),
    ("a commit, said to be a blob", a_tag(), {"tag_target_type": "blob", "landed": False}, RANGE),
]  # fmt: skip


@pytest.mark.parametrize(("raw", "changed", "why"), [row[1:] for row in TAGGED], ids=[row[0] for row in TAGGED])
def test_a_tag_is_consistent_with_what_it_names(raw: bytes, changed: dict[str, object], why: str) -> None:
    if not why:
        assert tagged(raw, **changed).tag is not None
        return
    with pytest.raises(FactsError, match=why):
        tagged(raw, **changed)


@pytest.mark.parametrize(
    ("changed", "problems"),
    [
        ({"author": "dev-a <dev-a@example.org>"}, ()),
        ({"author": "Ana Archer <dev-a@example.org>"}, ()),
        ({"author": "qa-a <dev-a@example.org>"}, ("name_of_another: qa-a",)),
        ({"author": " QA-A <dev-a@example.org>"}, ("name_of_another: qa-a",)),
        ({"author": "qa-a@example.org <dev-a@example.org>"}, ("name_of_another: qa-a",)),
        ({"committer": "qa-a <dev-a@example.org>"}, ("name_of_another: qa-a",)),
        ({"committer": "qa-a <nobody@example.org>"}, ()),
        ({"message": "x\n\nCo-authored-by: dev-a <qa-a@example.org>\n"}, ("name_of_another: dev-a",)),
        ({"when": FAR_OFF // 1000 + 86_400}, ()),
        ({"when": FAR_OFF // 1000 + 86_401}, ("dated_ahead",)),
    ],
)
def test_a_commit_that_claims_what_cannot_be_is_odd(changed: dict[str, object], problems: tuple[str, ...]) -> None:
    told = {"author": "dev-a <dev-a@example.org>", **changed}
    (facts,) = completed(found(sign_commit(commit_bytes(TREE, (OLD,), **told), key_of("dev-a"))))
    assert facts.commits[0].problems == problems
