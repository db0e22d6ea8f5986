from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from governance.errors import ObjectError
from governance.objects import Ident, parse_commit, parse_tag
from governance.signatures import MAX_SIGNATURE
from keys import commit_bytes, key_of, sign_commit, with_signature, write_object

if TYPE_CHECKING:
    from pathlib import Path

TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
ONE, TWO = "1" * 40, "2" * 40
RAW = commit_bytes(TREE, [ONE, TWO], author="Ana B <ana@example.org>", committer="Lander <lander@example.org>")
SIGNED = sign_commit(RAW, key_of("ana"))
WHO = b"Ana <ana@example.org> 1700000000 +0000"
HEAD = b"tree %s\nauthor %s\ncommitter %s\n" % (TREE.encode(), WHO, WHO)
TAG = b"object %s\ntype commit\ntag v1.0\ntagger %s\n\nthe first\n" % (ONE.encode(), WHO)


def test_a_commit_says_what_it_says() -> None:
    commit = parse_commit(RAW)
    assert (commit.tree, commit.parents) == (TREE, (ONE, TWO))
    assert commit.author == Ident("Ana B", "ana@example.org", 1_700_000_000)
    assert commit.committer == Ident("Lander", "lander@example.org", 1_700_000_000)
    assert (commit.message, commit.payload, commit.signature) == (b"a change\n", RAW, None)
    assert (commit.co_authors, commit.problems) == ((), ())


def test_the_payload_is_all_but_the_signature_and_the_signature_is_unfolded() -> None:
    commit = parse_commit(SIGNED)
    assert commit.payload == RAW
    assert commit.signature is not None
    assert commit.signature.startswith(b"-----BEGIN PGP SIGNATURE-----\n\n")
    assert commit.signature.endswith(b"\n-----END PGP SIGNATURE-----")
    assert commit.problems == ()


def test_headers_around_the_signature_stay_in_the_payload_where_they_stand() -> None:
    raw = HEAD + b"one x\ngpgsig A\n B\ntwo y\n z\n\nmessage"
    commit = parse_commit(raw)
    assert commit.payload == HEAD + b"one x\ntwo y\n z\n\nmessage"
    assert commit.signature == b"A\nB"
    assert commit.problems == ("unknown_header:one", "unknown_header:two")


def test_git_and_we_agree_on_what_it_wrote(tmp_path: Path) -> None:
    git = ["git", "-C", str(tmp_path), "-c", "user.name=Ana Ö", "-c", "user.email=Ana@Example.ORG"]
    subprocess.run([*git[:3], "init", "-q", "--bare"], check=True)
    oid = (
        subprocess.run([*git, "commit-tree", TREE, "-m", "hi"], check=True, capture_output=True).stdout.decode().strip()
    )
    raw = subprocess.run([*git, "cat-file", "commit", oid], check=True, capture_output=True).stdout
    commit = parse_commit(raw)
    assert commit.author == commit.committer
    assert (commit.author.name, commit.author.email) == ("Ana Ö", "ana@example.org")
    assert (commit.tree, commit.message, commit.problems) == (TREE, b"hi\n", ())
    assert parse_commit(sign_commit(raw, key_of("ana"))).payload == raw
    assert write_object(tmp_path, commit.payload) == oid


def test_in_a_sha256_repository_the_other_header_signs() -> None:
    raw = commit_bytes("4" * 64, ["5" * 64])
    signature = key_of("ana").sign(raw)
    commit = parse_commit(with_signature(raw, signature, header=b"gpgsig-sha256"))
    assert (commit.payload, commit.signature, commit.problems) == (raw, signature.rstrip(), ())
    foreign = parse_commit(with_signature(raw, signature))
    assert (foreign.signature, foreign.problems) == (None, ("unknown_header:gpgsig",))


LIES = [
    ("nothing", b""),
    ("only a message", b"\n\nhello"),
    ("no blank line", HEAD),
    ("no tree", HEAD.split(b"\n", 1)[1] + b"\n"),
    ("two trees", b"tree %s\n" % TREE.encode() + HEAD + b"\n"),
    ("a late tree", HEAD + b"tree %s\n\n" % TREE.encode()),
    ("a late parent", HEAD + b"parent %s\n\n" % ONE.encode()),
    ("a parent before the tree", b"parent %s\n" % ONE.encode() + HEAD + b"\n"),
    ("a tree name cut short", HEAD.replace(TREE.encode(), TREE[:-1].encode()) + b"\n"),
    ("a tree name in capitals", HEAD.replace(TREE.encode(), TREE.upper().encode()) + b"\n"),
    ("a tree name and more", HEAD.replace(TREE.encode(), TREE.encode() + b" x") + b"\n"),
    ("a parent of another hash", HEAD.replace(b"author", b"parent %s\nauthor" % (b"5" * 64), 1) + b"\n"),
    ("no author", HEAD.replace(b"author " + WHO + b"\n", b"") + b"\n"),
    ("two authors", HEAD.replace(b"committer", b"author " + WHO + b"\ncommitter") + b"\n"),
    ("a late author", HEAD + b"author " + WHO + b"\n\n"),
    ("no committer", HEAD.replace(b"committer " + WHO + b"\n", b"") + b"\n"),
    ("two committers", HEAD + b"committer " + WHO + b"\n\n"),
    ("committer before author", b"tree %s\ncommitter %s\nauthor %s\n\n" % (TREE.encode(), WHO, WHO)),
    ("an author on two lines", HEAD.replace(WHO, WHO + b"\n <eve@example.org> 1 +0000", 1) + b"\n"),
    ("a continuation first", b" x\n" + HEAD + b"\n"),
    ("a header without a value", HEAD + b"lonely\n\n"),
    ("a header without a name", HEAD + b"\tx y\n\n"),
    ("NUL in the header", HEAD.replace(b"Ana", b"An\0a") + b"\n"),
    ("NUL in an unknown header", HEAD + b"x y\0z\n\n"),
    *(
        (f"author {ident!r}", HEAD.replace(WHO, ident, 1) + b"\n")
        for ident in [
            b"",
            b"Ana",
            b"Ana ana@example.org 1 +0000",
            b"Ana<ana@example.org> 1 +0000",
            b"<ana@example.org> 1 +0000",
            b"Ana <ana@example.org>1 +0000",
            b"Ana <ana@example.org> 1",
            b"Ana <ana@example.org> +0000",
            b"Ana <ana@example.org> 1 +000",
            b"Ana <ana@example.org> 1 0000",
            b"Ana <ana@example.org> 1 +00000",
            b"Ana <ana@example.org> 1 +1500",
            b"Ana <ana@example.org> 1 -0060",
            b"Ana <ana@example.org> 01 +0000",
            b"Ana <ana@example.org> -1 +0000",
            b"Ana <ana@example.org> 1.5 +0000",
            b"Ana <ana@example.org> 999999999999 +0000",
            b"Ana <ana@example.org> 1 +0000 ",
            b"Ana <ana@example.org> 1 +0000\r",
            b"Ana <ana@example.org> <eve@example.org> 1 +0000",
            b"Ana <eve@example.org <ana@example.org> 1 +0000",
            b"Ana > <ana@example.org> 1 +0000",
        ]
    ),
]


@pytest.mark.parametrize(("name", "raw"), LIES, ids=[row[0] for row in LIES])
def test_a_commit_that_contradicts_itself_is_none(name: str, raw: bytes) -> None:
    with pytest.raises(ObjectError, match=r"expected .* got"):
        parse_commit(raw)


def test_the_header_those_lies_start_from_is_good() -> None:
    assert parse_commit(HEAD + b"\n").problems == ()
    assert parse_commit(HEAD.replace(b"Ana <", b" <") + b"\n\nx").author.name == ""


PROBLEMS = [
    ("encoding", HEAD + b"encoding ISO-8859-1\n\nx", ("encoding_header",)),
    ("NUL in the message", HEAD + b"\nx\0y", ("nul_in_message",)),
    ("the other signature header", HEAD + b"gpgsig-sha256 x\n\ny", ("gpgsig_sha256",)),
    ("two signatures", HEAD + b"gpgsig x\ngpgsig y\n\nz", ("duplicate_gpgsig",)),
    ("a merged tag", HEAD + b"mergetag object x\n type commit\n\ny", ("mergetag",)),
    ("two merged tags", HEAD + b"mergetag x\nmergetag y\n\nz", ("mergetag",)),
    ("latin-1 in the message", HEAD + b"\ncaf\xe9", ("not_utf8",)),
    ("latin-1 in a name", HEAD.replace(b"Ana", b"J\xf6rg", 1) + b"\n", ("not_utf8",)),
    ("an overlong sequence", HEAD + b"\n\xc0\xaf", ("not_utf8",)),
    ("a surrogate", HEAD + b"\n\xed\xa0\x80", ("not_utf8",)),
    ("an unknown header", HEAD + b"HG:extra x\n\ny", ("unknown_header:HG:extra",)),
    ("a look-alike of the signature header", HEAD + b"gpgsiG x\n\ny", ("unknown_header:gpgsiG",)),
    ("another look-alike", HEAD + b"gpgsig2 x\n\ny", ("unknown_header:gpgsig2",)),
    ("a co-author without address", HEAD + b"\nCo-authored-by: Bob", ("co_author_malformed",)),
    (
        "one parent twice",
        HEAD.replace(b"author", b"parent %s\nparent %s\nauthor" % ((b"1" * 40,) * 2), 1) + b"\n",
        ("duplicate_parent",),
    ),
    ("an escape in the message", HEAD + b"\nx\x1b[8my", ("unseen_characters",)),
    ("a return that hides the line", HEAD + b"\nevil\rgood\n", ("unseen_characters",)),
    ("text turned round", HEAD + "\n\u202e".encode(), ("unseen_characters",)),
    ("an isolate that is never closed", HEAD + "\n\u2067".encode(), ("unseen_characters",)),
    ("a control of the second set", HEAD + "\n\x9b".encode(), ("unseen_characters",)),
    ("an escape in a name", HEAD.replace(b"Ana", b"\x1b[8mAna", 1) + b"\n", ("unseen_characters",)),
    ("lines that end as on Windows", HEAD + b"\nx\r\n\r\ny\r\n", ()),
    ("tabs and marks of direction", HEAD + "\n\tx \u200f\u200d".encode(), ()),
    ("several", HEAD + b"encoding x\n\n\0\xff", ("encoding_header", "nul_in_message", "not_utf8")),
]


@pytest.mark.parametrize(("name", "raw", "problems"), PROBLEMS, ids=[row[0] for row in PROBLEMS])
def test_what_is_odd_is_named(name: str, raw: bytes, problems: tuple[str, ...]) -> None:
    assert parse_commit(raw).problems == problems


def test_two_signatures_are_run_together_so_that_none_verifies_alone() -> None:
    commit = parse_commit(HEAD + b"gpgsig x\nother o\ngpgsig y\n\nz")
    assert commit.signature == b"x\ny"
    assert commit.payload == HEAD + b"other o\n\nz"


def test_a_header_inside_another_is_not_a_header() -> None:
    raw = HEAD + b"mergetag object x\n gpgsig hidden\n author Eve <eve@example.org> 1 +0000\n\ny"
    commit = parse_commit(raw)
    assert (commit.signature, commit.payload, commit.problems) == (None, raw, ("mergetag",))


def test_addresses_are_lowered_in_ascii_only_and_otherwise_kept() -> None:
    raw = HEAD.replace(b"ana@example.org", b" ANA@EX\xc3\x84MPLE.org ", 1)
    assert parse_commit(raw + b"\n").author.email == " ana@exÄmple.org "


def test_undecodable_names_survive() -> None:
    name = parse_commit(HEAD.replace(b"Ana", b"J\xf6rg", 1) + b"\n").author.name
    assert name.encode("utf-8", "surrogateescape") == b"J\xf6rg"


def test_a_signature_may_be_as_large_as_the_limit_and_no_larger() -> None:
    def raw(size: int) -> bytes:
        return HEAD + b"gpgsig " + b"x" * size + b"\n\n"

    assert len(parse_commit(raw(MAX_SIGNATURE)).signature or b"") == MAX_SIGNATURE
    with pytest.raises(ObjectError, match=f"at most {MAX_SIGNATURE} bytes, got {MAX_SIGNATURE + 1}"):
        parse_commit(raw(MAX_SIGNATURE + 1))
    split = HEAD + (b"gpgsig " + b"x" * (MAX_SIGNATURE // 2 + 1) + b"\n") * 2 + b"\n"
    with pytest.raises(ObjectError, match="signature"):
        parse_commit(split)


BOB = Ident("Bob", "bob@example.org", 0)
CO_AUTHORS = [
    (b"Co-authored-by: Bob <bob@example.org>", (BOB,), False),
    (b"CO-AUTHORED-BY: Bob <BOB@example.org>", (BOB,), False),
    (b"co-authored-by:Bob <bob@example.org>", (BOB,), False),
    (b"Co-Authored-By : Bob <bob@example.org>", (BOB,), False),
    (b"  Co authored by\t:\tBob\t<bob@example.org>  ", (BOB,), False),
    (b"CoAuthoredBy: Bob <bob@example.org>", (BOB,), False),
    (b"Co-authored-by: <bob@example.org>", (Ident("", "bob@example.org", 0),), False),
    (b"text\r\nCo-authored-by: Bob <bob@example.org>\r\nmore\r\n", (BOB,), False),
    (b"text\rCo-authored-by: Bob <bob@example.org>\rmore", (BOB,), False),
    (b"Co-authored-by: Bob <bob@example.org>\n\nand then an end\n", (BOB,), False),
    (b"x\nCo-authored-by: Bob <bob@example.org>\nCo-authored-by: Bob <bob@example.org>", (BOB, BOB), False),
    (b"nul\0\nCo-authored-by: Bob <bob@example.org>", (BOB,), False),
    (b"Co-authored-by: Bob", (), True),
    (b"Co-authored-by:", (), True),
    (b"Co-authored-by: Bob bob@example.org", (), True),
    (b"Co-authored-by: Bob <bob>", (), True),
    (b"Co-authored-by: Bob <bob@example.org> and others", (), True),
    (b"Co-authored-by: Bob <bob@example.org>, Eve <eve@example.org>", (), True),
    (b"Co-authored-by: Bob <bob@example.org> <eve@example.org>", (), True),
    (b"Co-authored-by: Bob > <bob@example.org>", (), True),
    (b"Co-authored-by: Bob\n <bob@example.org>", (), True),
    (b"Co-authored-by: Bob <bob@exam ple.org>", (), True),
    (b"Bob and I (co-authored-by: hand)", (), False),
    (b"Reviewed-by: Bob <bob@example.org>", (), False),
    (b"Not-co-authored-by: Bob <bob@example.org>", (), False),
]


@pytest.mark.parametrize(("message", "found", "malformed"), CO_AUTHORS, ids=[repr(row[0]) for row in CO_AUTHORS])
def test_co_authors_are_found_wherever_they_stand(message: bytes, found: tuple[Ident, ...], malformed: bool) -> None:  # noqa: FBT001
    commit = parse_commit(HEAD + b"\n" + message)
    assert commit.co_authors == found
    assert ("co_author_malformed" in commit.problems) is malformed


def test_hostile_lines_are_read_in_reasonable_time() -> None:
    # A quadratic reader would take hours for any of these.
    for filler in (b" ", b"@", b"<", b"a@", b"<a@>", b"co-", b"-"):
        parse_commit(HEAD + b"\nCo-authored-by:" + filler * 500_000 + b"\n" + filler * 500_000)
        with pytest.raises(ObjectError):
            parse_commit(HEAD.replace(WHO, filler * 500_000, 1) + b"\n")


@given(st.binary(max_size=200), st.integers(0, len(SIGNED) - 1), st.integers(0, len(SIGNED) - 1))
@settings(max_examples=300, deadline=None)
def test_no_bytes_make_the_readers_fail_in_another_way_or_lose_a_byte(noise: bytes, start: int, end: int) -> None:
    raw = SIGNED[: min(start, end)] + noise + SIGNED[max(start, end) :]
    try:
        commit = parse_commit(raw)
    except ObjectError:
        return
    assert len(commit.payload) + len(commit.signature or b"") <= len(raw)
    if commit.signature is None:
        assert commit.payload == raw


def test_a_tag_says_what_it_says() -> None:
    tag = parse_tag(TAG)
    assert (tag.object, tag.type, tag.name) == (ONE, "commit", "v1.0")
    assert tag.tagger == Ident("Ana", "ana@example.org", 1_700_000_000)
    assert (tag.message, tag.payload, tag.signature, tag.problems) == (b"the first\n", TAG, None, ())


def test_a_tags_signature_is_its_last_block_and_covers_all_before() -> None:
    signature = key_of("ana").sign(TAG)
    tag = parse_tag(TAG + signature)
    assert (tag.payload, tag.signature, tag.message, tag.problems) == (TAG, signature, b"the first\n", ())
    twice = parse_tag(TAG + signature + signature)
    assert (twice.payload, twice.signature, twice.problems) == (TAG + signature, signature, ("duplicate_gpgsig",))


def test_text_after_a_tags_signature_belongs_to_the_signature_which_no_verifier_accepts() -> None:
    signature = key_of("ana").sign(TAG)
    assert parse_tag(TAG + signature + b"approved").signature == signature + b"approved"


@pytest.mark.parametrize("kind", [b"SSH SIGNATURE", b"PGP MESSAGE", b"SIGNED MESSAGE"])
def test_another_kind_of_signature_is_one_as_for_git(kind: bytes) -> None:
    block = b"-----BEGIN %s-----\nx\n" % kind
    assert parse_tag(TAG + block).signature == block


def test_a_signature_mark_inside_a_line_is_text() -> None:
    body = b"see -----BEGIN PGP SIGNATURE-----\n"
    assert parse_tag(TAG + body).signature is None


@pytest.mark.parametrize(
    "raw",
    [
        HEAD + b"\n",
        TAG.replace(b"object", b"objekt"),
        TAG.replace(b"type commit", b"type commits"),
        TAG.replace(b"tag v1.0", b"tag "),
        TAG.replace(b"tagger " + WHO + b"\n", b""),
        TAG.replace(WHO, b"Ana"),
        TAG.replace(b"\n\n", b"\ntag v2.0\n\n", 1),
        TAG.replace(b"type commit\ntag v1.0", b"tag v1.0\ntype commit"),
        TAG.replace(b"v1.0", b"v\0"),
        TAG.partition(b"\n\n")[0],
        TAG + b"-----BEGIN PGP SIGNATURE-----\n" + b"x" * MAX_SIGNATURE,
    ],
)
def test_a_tag_that_contradicts_itself_is_none(raw: bytes) -> None:
    with pytest.raises(ObjectError, match=r"expected .* got"):
        parse_tag(raw)


@pytest.mark.parametrize(
    ("raw", "problems"),
    [
        (TAG.replace(b"\n\n", b"\ngpgsig x\n\n", 1), ("unknown_header:gpgsig",)),
        (TAG.replace(b"\n\n", b"\ngpgsig-sha256 x\n\n", 1), ("gpgsig_sha256",)),
        (TAG.replace(b"\n\n", b"\nmergetag x\n\n", 1), ("unknown_header:mergetag",)),
        (TAG.replace(b"first", b"\xff\0"), ("nul_in_message", "not_utf8")),
    ],
)
def test_what_is_odd_in_a_tag_is_named(raw: bytes, problems: tuple[str, ...]) -> None:
    assert parse_tag(raw).problems == problems
