"""Policies of logs and witnesses: read strictly, and empty means no."""

from __future__ import annotations

import pytest

from audit.errors import NoteError, TrustError
from audit.note import Algorithm, Key, Signer
from audit.trust import NONE, Policy
from audit.trust_text import MOST, parse, parse_logs
from tree_log import KEY, OTHER, THIRD, WITNESS, TreeLog

LOG = TreeLog(9)
FOURTH = Signer("witness.example.edu/w4", Algorithm.COSIGNATURE, bytes(range(4, 36)))
FIFTH = Signer("witness.example.edu/w5", Algorithm.COSIGNATURE, bytes(range(5, 37)))
FILE = f"""# Whom we believe. \N{LATIN SMALL LETTER E WITH ACUTE}
log {KEY.key}   https://log.example.org/

witness X1 {WITNESS.key} http://127.0.0.1:8401/
\twitness X2 {OTHER.key}\t
witness X3 {THIRD.key}
group X 2 X1 X2 X3
witness Y1 {FOURTH.key}
witness Y2 {FIFTH.key}
group Y any Y1 Y2
  # and both
group all-of-it all X Y
quorum all-of-it
"""
POLICY = parse(FILE.encode())


def of(*lines: str) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()


L, W, O = f"log {KEY.key}", f"witness W {WITNESS.key}", f"witness O {OTHER.key}"  # noqa: E741 - as short as they read


@pytest.mark.parametrize(
    ("cosigners", "enough"),
    [
        ([], False),
        ([WITNESS, OTHER], False),
        ([FOURTH, FIFTH], False),
        ([WITNESS, FOURTH], False),
        ([WITNESS, WITNESS, FOURTH], False),
        ([WITNESS, OTHER, FOURTH], True),
        ([OTHER, THIRD, FIFTH], True),
        ([WITNESS, OTHER, THIRD, FOURTH, FIFTH], True),
        ([KEY, KEY, KEY], False),
    ],
)
def test_a_quorum_counts_witnesses_and_not_signatures(cosigners: list[Signer], *, enough: bool) -> None:
    assert POLICY.satisfied(each.key for each in cosigners) is enough


def test_a_key_counts_whole_and_not_by_its_name() -> None:
    forged = Key(WITNESS.name, Algorithm.COSIGNATURE, bytes(32))
    assert not POLICY.satisfied([forged, OTHER.key, FOURTH.key])


def test_it_says_what_it_asks_for() -> None:
    assert POLICY.said == "2 of (2 of X1, X2, X3), (1 of Y1, Y2)"
    assert parse(of(L, W, "quorum W")).said == "W"
    assert POLICY.keys == tuple(each.key for each in (KEY, WITNESS, OTHER, THIRD, FOURTH, FIFTH))
    assert [peer.url for peer in (*POLICY.logs, *POLICY.witnesses.values())] == [
        "https://log.example.org/", "http://127.0.0.1:8401/", "", "", "", "",
    ]  # fmt: skip


def test_a_policy_without_witnesses_is_one_and_says_so() -> None:
    policy = parse(of(L, "quorum none"))
    assert policy.quorum == NONE
    assert policy.satisfied([])
    assert policy.said.startswith("nobody: quorum none")


def test_nothing_is_not_a_policy() -> None:
    with pytest.raises(TrustError, match="got none: nothing would be asked for"):
        parse(b"")
    with pytest.raises(TrustError, match="got none: nothing would be asked for"):
        parse(of(L, W))
    with pytest.raises(TrustError, match="no log would be known"):
        parse_logs(b"# nothing yet\n")
    assert not Policy((), {}, {}, "").satisfied([])


def test_a_checkpoint_is_judged_whole() -> None:
    policy = parse(of(L, W, O, "group both all W O", "quorum both"))
    good = LOG.signed(9, lambda text: WITNESS.line(text, at=1), lambda text: OTHER.line(text, at=2))
    found, point = policy.check(good)
    assert (point.size, len(found.signatures)) == (9, 3)
    # One witness twice is one witness.
    twice = LOG.signed(9, lambda text: WITNESS.line(text, at=1), lambda text: WITNESS.line(text, at=2))
    with pytest.raises(TrustError, match="cosignatures by 2 of W, O, got those of W"):
        policy.check(twice)
    with pytest.raises(TrustError, match="got those of nobody"):
        policy.check(LOG.signed(9))
    with pytest.raises(NoteError, match="signed by a known key of"):
        policy.check(TreeLog(9, origin="example.org/else").signed(9))
    with pytest.raises(NoteError, match="does not verify"):
        policy.check(LOG.signed(9, lambda _: WITNESS.line(LOG.text(8), at=1), lambda text: OTHER.line(text, at=2)))


def test_a_log_may_have_two_keys_but_no_key_two_logs() -> None:
    second = Signer(KEY.name, Algorithm.ED25519, bytes(32))
    assert len(parse_logs(of(L, f"log {second.key}"))) == 2
    renamed = Signer("example.org/new", Algorithm.ED25519, KEY.secret)
    with pytest.raises(TrustError, match="line 2: expected each key once"):
        parse_logs(of(L, f"log {renamed.key}"))


def test_the_log_cannot_be_its_own_witness() -> None:
    itself = Signer("witness.example.org", Algorithm.COSIGNATURE, KEY.secret)
    with pytest.raises(TrustError, match="line 2: expected each key once"):
        parse(of(L, f"witness W {itself.key}", "quorum W"))


RENAMED = Signer("other.example.org", Algorithm.COSIGNATURE, WITNESS.secret)
Q = "quorum none"


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (of(L, W, f"witness W {OTHER.key}", Q), "line 3: expected a name that is not taken, got 'W'"),
        (of(L, W, f"witness V {WITNESS.key}", Q), "line 3: expected each key once"),
        (of(L, W, f"witness V {RENAMED.key}", Q), "line 3: expected each key once"),
        (of(L, L, Q), "line 2: expected each key once"),
        (of(L, W, "group W any W", Q), "line 3: expected a name that is not taken"),
        (of(L, f"witness none {WITNESS.key}", Q), "line 2: expected a name that is not taken, got 'none'"),
        (of(L, W, "group none any W", Q), "line 3: expected a name that is not taken"),
        (of(L, W, "group G any none", Q), "line 3: expected the name of a witness or group defined above, got 'none'"),
        (of(L, W, "group G any G", Q), "defined above, got 'G'"),
        (of(L, "group G any W", W, Q), "line 2: expected the name"),
        (of(L, W, "group G any W W", Q), "line 3: expected a name to be a member once, got 'W' again"),
        (of(L, W, O, "group G any W", "group H any W O", Q), "line 5: expected a name to be a member once"),
        (of(L, W, "group G 0 W", Q), "line 3: expected any, all, or a number from 1 to 1, got '0'"),
        (of(L, W, "group G 2 W", Q), "a number from 1 to 1, got '2'"),
        (of(L, W, "group G 01 W", Q), "got '01'"),
        (of(L, W, "group G -1 W", Q), "got '-1'"),
        (of(L, W, "group G \u0661 W", Q), "a number from 1 to 1"),
        (of(L, W, "group G ANY W", Q), "got 'ANY'"),
        (of(L, W, "group G any", Q), "line 3: expected log, witness, group or quorum"),
        (of(L, W, "group G", Q), "line 3: expected log, witness, group or quorum"),
        (of(L, "quorum W", W), "line 2: expected the name of a witness or group defined above"),
        (of(L, W, "quorum W", "quorum none"), "line 4: expected one quorum, got a second"),
        (of(L, W, "quorum none", "quorum none"), "line 4: expected one quorum"),
        (of(L, W, "quorum"), "line 3: expected log, witness, group or quorum"),
        (of(L, W, "quorum W W"), "line 3: expected log, witness, group or quorum"),
        (of(L, "logs x", Q), "line 2: expected log, witness"),
        (of(L, "Quorum none"), "line 2: expected log, witness"),
        (of(f"log {KEY.key} http://a http://b", Q), "line 1: expected log"),
        (of(f"log {WITNESS.key}", Q), "line 1: expected a key of type 0x01"),
        (of(f"witness W {KEY.key}", Q), "line 1: expected a key of type 0x04"),
        (of("log example.org+00000000+x", Q), "line 1: expected a key, got"),
        (of("log \udcff+00000000+x".encode("utf-8", "surrogateescape").decode("latin-1"), Q), "line 1: expected a key"),
        (of(L, Q)[:-1], "line 2: expected every line to be ended by a line feed"),
        (of(L, Q).replace(b"\n", b"\r\n"), r"line 1: expected no control characters, got '\\r'"),
        (of(L, Q) + b"#\0\n", "line 3: expected no control characters"),
        (of(L, Q) + b"#\x7f\n", "line 3: expected no control characters"),
        (of(L, Q) + b"#" * 1_000_000, "at most 1000000 bytes"),
        (of(L, "\u00a0quorum none"), "line 2: expected log, witness"),
    ],
)
def test_what_is_no_policy_is_refused_with_its_line(bad: bytes, said: str) -> None:
    with pytest.raises(TrustError, match=said):
        parse(bad)


def test_a_key_name_that_is_no_text_is_refused() -> None:
    with pytest.raises(TrustError, match="line 1: expected a key"):
        parse(b"log " + str(KEY.key).replace("example", "ex").encode().replace(b"ex", b"\xff") + b"\nquorum none\n")


def test_names_are_octets() -> None:
    # A Kelvin sign is not a K, whatever Unicode thinks of their cases; and octets that are no text are a name.
    policy = parse(b"witness K %s\nwitness \xe2\x84\xaa %s\nwitness \xff %s\nquorum \xe2\x84\xaa\n"
                   % tuple(str(each.key).encode() for each in (WITNESS, OTHER, THIRD)))  # fmt: skip
    assert policy.satisfied([OTHER.key])
    assert not policy.satisfied([WITNESS.key, THIRD.key])


def test_more_than_256_of_a_kind_are_not_read_and_32_are() -> None:
    keys = [Signer("w", Algorithm.COSIGNATURE, number.to_bytes(32, "big")).key for number in range(1, MOST + 2)]
    lines = [f"witness w{number} {key}" for number, key in enumerate(keys)]
    assert len(parse(of(*lines[:MOST], Q)).witnesses) == MOST
    with pytest.raises(TrustError, match="line 257: expected at most 256 witnesses"):
        parse(of(*lines, Q))


def test_a_file_of_logs_needs_no_quorum() -> None:
    assert [peer.key for peer in parse_logs(of(L))] == [KEY.key]
    assert [peer.key for peer in parse_logs(FILE.encode())] == [KEY.key]
    with pytest.raises(TrustError, match="line 2"):
        parse_logs(of(L, "quorum W"))
