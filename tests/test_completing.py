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


def a_raw(*, signer: str = "dev-a", author: str = "dev-a", **changed: object) -> bytes:
    raw = commit_bytes(TREE, (OLD,), author=f"{author} <{author}@example.org>", **changed)
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


def test_one_bad_signature_does_not_touch_the_others() -> None:
    (facts,) = completed(found(a_raw(message="1\n"), a_raw(signer="", message="2\n"), a_raw(message="3\n")))

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


def a_tag(*, signer: str = "dev-a", name: str = "v1") -> bytes:
    raw = (
        f"object {OLD}\ntype commit\ntag {name}\ntagger dev-a <dev-a@example.org> 1700000000 +0000\n\nfirst\n".encode()
    )
    return raw + (key_of(signer).sign(raw) if signer else b"")


def tagged(raw: bytes, **changed: object) -> UpdateFacts:
    name = object_name(raw, b"tag")
    fields = {"type": "tag", "tag": raw, "tag_target": OLD, "tag_target_type": "commit", "commits": (), "landed": True}
    ref = a_ref(name, line=Line(ZERO, name, "refs/tags/v1"), **fields | changed)
    gathered = Gathered({"refs/tags/v1": (ZERO, "")}, {"refs/tags/v1": ref}, {}, 1)
    return completed(gathered)[0]


def test_a_tag_is_proved_like_a_commit() -> None:
    signed, unsigned = tagged(a_tag()).tag, tagged(a_tag(signer="")).tag

    assert signed is not None
    assert unsigned is not None
    assert (signed.name, signed.target, signed.target_type) == ("v1", OLD, "commit")
    assert (signed.signature.code, signed.signature.principal) == ("", "dev-a")
    assert unsigned.signature.code == "signature.missing"
    assert tagged(a_tag(), problems=("nested_tag",)).tag.problems == ("nested_tag",)


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
