from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import verify_world
from audit import canonical, verify
from audit.entry import Draft, leaf_hash, parse, seal
from audit.errors import EntryError
from audit.merkle import Frontier
from verify_world import Book

if TYPE_CHECKING:
    from collections.abc import Iterator

LOG = verify_world.LOG


@pytest.fixture(scope="module")
def rows() -> list[tuple[Any, ...]]:
    return Book(5).rows()


def changed(body: bytes, **changes: object) -> bytes:
    return canonical.encode({k: v for k, v in (json.loads(body) | changes).items() if v is not ...})


def rechained(rows: list[tuple[Any, ...]], at: int, body: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """A careful forger: one other body, and every later one made to follow from it."""
    prev = None
    for seq, old, _ in rows:
        new = body if seq == at else old if prev is None else changed(old, prev=prev)
        leaf = leaf_hash(new)
        prev = leaf.hex() if seq >= at else None
        yield seq, new, leaf


def test_an_untouched_log_is_valid_and_the_report_says_what_it_rests_on(rows: list[tuple[Any, ...]]) -> None:
    report = verify.verify_rows(rows)
    assert (report.status, report.size, report.head, report.first_bad) == ("valid", 5, rows[4][2].hex(), None)
    assert report.root == base64.b64encode(Book(5).root()).decode()
    assert (report.origin, report.signed) == (LOG, None)
    assert "the ledger key is believed from entry 0; to pin it, give --key" in report.remarks
    assert any("--against" in remark for remark in report.remarks)
    assert any("5 entries at the end are under no signature" in remark for remark in report.remarks)
    assert any("1 entry at the end is under no" in remark for remark in verify.verify_rows(rows[:1]).remarks)
    assert verify.verify_rows(rechained(rows, 2, rows[2][1])).status == "valid"


def test_every_flipped_bit_of_every_body_is_found_where_it_is(rows: list[tuple[Any, ...]]) -> None:
    for seq, body, leaf in rows:
        for at in range(len(body)):
            for bit in range(8):
                flipped = bytes([*body[:at], body[at] ^ (1 << bit), *body[at + 1 :]])
                report = verify.verify_rows([*rows[:seq], (seq, flipped, leaf)])
                assert (report.status, report.first_bad) == ("tampered", seq)


def test_every_flipped_byte_with_its_hash_made_to_fit_is_found_by_the_next(rows: list[tuple[Any, ...]]) -> None:
    for seq, body, _ in rows[:-1]:
        for at in range(len(body)):
            flipped = bytes([*body[:at], body[at] ^ 1, *body[at + 1 :]])
            report = verify.verify_rows([*rows[:seq], (seq, flipped, leaf_hash(flipped)), *rows[seq + 1 :]])
            assert report.status in {"tampered", "unverifiable"}
            assert report.first_bad in {seq, seq + 1}


def test_every_flipped_byte_of_a_stored_hash_is_found(rows: list[tuple[Any, ...]]) -> None:
    for seq, body, leaf in rows:
        for at in range(32):
            flipped = bytes([*leaf[:at], leaf[at] ^ 1, *leaf[at + 1 :]])
            report = verify.verify_rows([*rows[:seq], (seq, body, flipped)])
            assert (report.status, report.first_bad) == ("tampered", seq)
            assert "stored leaf hash" in report.reason


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"seq": 3}, "seq: expected 2, got 3"),
        ({"seq": True}, "whole numbers"),
        ({"prev": "ab" * 32}, "prev: expected"),
        ({"log": "other"}, f"log: expected {LOG}, got 'other'"),
        ({"log": "two words"}, "log: expected"),
        ({"ts": 1}, "ts: expected at least"),
        ({"ts": True}, "whole numbers"),
        ({"ts": None}, "whole numbers"),
        ({"kind": "ledger.genesis"}, "first and only first"),
        ({"kind": "Kind"}, "kind: expected"),
        ({"kind": 1}, "fields: expected text"),
        ({"repo": None}, "fields: expected text"),
        ({"subject": ...}, "fields: expected"),
        ({"more": 1}, "fields: expected"),
        ({"actor": "alice"}, "actor: expected"),
        ({"actor": {"id": "", "kind": "", "key": ""}}, "actor: expected"),
        ({"actor": {"id": "a", "kind": "b"}}, "actor: expected"),
        ({"data": []}, "data: expected"),
        ({"data": {"A": 1}}, "data: expected"),
        ({"v": True}, "v: expected a whole number"),
        ({"v": ...}, "v: expected a whole number"),
        ({"v": "1"}, "v: expected a whole number"),
    ],
)
def test_a_chain_that_fits_does_not_excuse_a_bad_entry(
    rows: list[tuple[Any, ...]], changes: dict[str, object], words: str
) -> None:
    report = verify.verify_rows(rechained(rows, 2, changed(rows[2][1], **changes)))
    assert (report.status, report.first_bad, report.size) == ("tampered", 2, 2)
    assert report.head == rows[1][2].hex()
    assert words in report.reason


@pytest.mark.parametrize(
    "spelling",
    [
        b'{"data":{"a":1,"a":1}}',
        b'{"data":{"a":NaN}}',
        b'{"data":{"a":1.0}}',
        b'{"data":{"a":9007199254740992}}',
        b'{"data": {}}',
        b'{"data":{"a":"\\u0041"}}',
        b'{"data":{"a":"\\u0000"}}',
        b'{"data":{"a":"\\ud800"}}',
        b'{"data":{"\xc3\xa9":1}}',
        b'{"data":"\xff"}',
        b"[" * 60_000,
        b"",
        b"[]",
        b'{"data":' + b'{"a":' * 16 + b"1" + b"}" * 16 + b"}",
        b'"' + b"a" * 65_535 + b'"',
    ],
)
def test_another_spelling_is_tampering_even_with_its_own_hash(spelling: bytes) -> None:
    report = verify.verify_rows([(0, spelling, leaf_hash(spelling))])
    assert (report.status, report.first_bad) == ("tampered", 0)
    assert "body" in report.reason


@pytest.mark.parametrize(
    ("order", "first_bad"),
    [((1, 0, 2), 0), ((0, 2, 1), 1), ((0, 1, 1), 2), ((0, 1, 3), 2), ((1, 2, 3), 0)],
)
def test_entries_moved_repeated_or_left_out_are_found(
    rows: list[tuple[Any, ...]], order: tuple[int, ...], first_bad: int
) -> None:
    for renumbered in (False, True):
        moved = [(i if renumbered else rows[n][0], *rows[n][1:]) for i, n in enumerate(order)]
        report = verify.verify_rows(moved)
        assert (report.status, report.first_bad) == ("tampered", first_bad)


def test_a_later_version_is_not_judged(rows: list[tuple[Any, ...]]) -> None:
    report = verify.verify_rows(rechained(rows, 2, changed(rows[2][1], v=2)))
    assert (report.status, report.first_bad) == ("unverifiable", 2)
    assert "a later verifier may know it" in report.reason


def test_nothing_is_not_valid() -> None:
    assert verify.verify_rows([]).status == "unverifiable"


def test_progress_is_told(rows: list[tuple[Any, ...]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify, "PROGRESS_EVERY", 2)
    told: list[int] = []
    verify.verify_rows(rows, progress=told.append)
    assert told == [2, 4]


@given(st.data())
def test_verifier_and_parser_agree_on_what_an_entry_is(data: st.DataObject) -> None:
    given_data = {"number": 3, "text": "é", "items": [1, None]}
    draft = Draft("sign_off.given", verify_world.ALICE, "garden", "refs/heads/b3", given_data)
    _, body = seal(draft, log=LOG, seq=4, prev="ab" * 32, ts=12)
    fields: Any = json.loads(body)
    for _ in range(data.draw(st.integers(0, 2))):
        places = [fields, *(fields[name] for name in ("actor", "data") if isinstance(fields.get(name), dict))]
        where = data.draw(st.sampled_from(places))
        odd = st.sampled_from([None, True, -1, 0, 2**53, 1.5, "", "a b", "é", "00" * 32, [], {}, {"a": 1}, {"A": 1}])
        where[data.draw(st.sampled_from([*where, "extra"]))] = data.draw(odd)
    text = json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    at = data.draw(st.integers(0, len(text) - 1))
    text = data.draw(st.sampled_from([text, text[:at] + b" " + text[at:], text[:at] + text[at + 1 :]]))
    try:
        parse(text)
    except EntryError:
        parsed = False
    else:
        parsed = True
    try:
        entry = verify._entry(verify._canonical(text))
        judged = (entry["kind"] == verify.GENESIS) == (entry["seq"] == 0) == (entry["prev"] == verify.NO_LEAF)
        if entry["seq"] != 0:
            judged = entry["kind"] != verify.GENESIS and entry["prev"] != verify.NO_LEAF
    except verify._VerdictError:
        judged = False
    assert parsed == judged


def outcome(rows: list[tuple[Any, ...]], *, slowly: bool) -> tuple[object, ...]:
    """What a walk comes to, and all that it then knows."""
    walk = verify._Walk()
    try:
        if slowly:
            for row in rows:
                walk.take(row)
        else:
            walk.run(rows)
    except verify._VerdictError as verdict:
        return verdict.status, str(verdict), verdict.at
    return walk.log, walk.size, walk.prev, walk.ts, walk.tree.roots([walk.size]), dict(walk.kinds.shapes)


BEGUN = Book(3)
PIECES = st.sampled_from([
    b'"', b"\\", b"{", b"}", b"[", b"]", b",", b":", b" ", b"0", b"-0", b"1.5", b"1e3", b"9007199254740992", b"null",
    b"true", b"NaN", b"\x00", b"\x1f", b"\x7f", b"\xc3\xa9", b"\xff", b'\\"', b"\\u0041", b'},"data":{', b'"a":1,',
    b"[" * 14, b"]" * 14, b'{"b":{},"a":{}}', b'","x":"', b'"commit":{},', b"ledger.heartbeat", b"\\n", b"\\u0000",
    b"\\u0001", b"\\ud800", b"\\/", b'{"\xc3\xa9":1}', b"garden\\n", b'"', b"'", b"\xed\xa0\x80", b"\xe2\x80\xa8",
])  # fmt: skip
TEXTS = ["", "a", "{", "\n", "\\", "\x7f", "\u2028", "\x01", "[" * 19, 'a"b', "é"]


@given(st.data())
def test_the_quick_way_and_the_slow_way_agree(data: st.DataObject) -> None:
    """Bodies cut, stuffed and pasted, with the columns that a generated one or a forger's would have."""
    values = st.sampled_from([0, -1, True, "", "x y", '"', "é", [], [[1]], {"b": 1, "a": [{}]}, None, 2**53 - 1])
    book = BEGUN.copy()
    book.given(
        data.draw(
            st.sampled_from(["", "a", "{", "\n", "\\", "\x7f", "\u2028", "\x01", "[[[[[[[[[[[[[[[[[[[", 'a"b', "é"])
        ),
        items=data.draw(values),
    )
    body = book.bodies[-1]
    for _ in range(data.draw(st.integers(0, 3))):
        at, stop = sorted(data.draw(st.tuples(*[st.integers(0, len(body))] * 2)))
        stop = data.draw(st.sampled_from([at, min(at + 1, len(body)), stop]))
        body = body[:at] + data.draw(PIECES | st.just(b"")) + body[stop:]
    row: tuple[Any, ...] = (3, body, data.draw(st.sampled_from([leaf_hash(body), None, b""])))
    if data.draw(st.booleans()):
        fields = json.loads(book.bodies[-1])
        columns = [fields["kind"], fields["actor"]["id"], fields["ts"], fields["repo"], fields["subject"]]
        odd = st.sampled_from([None, "", 1, 1.0, True, "garden\\n", "\\", 'a","x":"b', b"garden", "é"])
        at = data.draw(st.integers(0, 4))
        columns[at] = data.draw(st.just(columns[at]) | odd)
        row = (*row, *columns)
    following = [*BEGUN.rows(), row]
    assert outcome(following, slowly=False) == outcome(following, slowly=True)


def test_the_quick_way_takes_the_plain_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    slow: list[int] = []
    take = verify._Walk.take
    monkeypatch.setattr(verify._Walk, "take", lambda self, row: slow.append(row[0]) or take(self, row))
    book = Book(600)
    book.given(items=[[n, {"a": n}] for n in range(20)])
    book.given('sagt "é",\nand a backslash: \\')
    assert verify.verify_rows(book.rows()).status == "valid"
    assert slow == [0, 1]


def test_a_column_that_carries_more_members_does_not_pass_for_the_body() -> None:
    book = Book(4)
    body = book.bodies[3].replace(b'"repo":"garden"', b'"repo":"a","x":"b"')
    row = (3, body, leaf_hash(body), "sign_off.given", "alice", book.ts, 'a","x":"b', "refs/heads/b3")
    report = verify.verify_rows([*book.rows()[:3], row])
    assert (report.status, report.first_bad) == ("tampered", 3)


def test_a_column_that_has_an_escape_does_not_pass_for_what_it_stands_for() -> None:
    book = Book(4)
    body = book.bodies[3].replace(b'"repo":"garden"', b'"repo":"a\\\\n"'.replace(b"\\\\", b"\\"))
    columns = ("sign_off.given", "alice", book.ts, "a\\n", "refs/heads/b3")
    report = verify.verify_rows([*book.rows()[:3], (3, body, leaf_hash(body), *columns)])
    assert (report.status, "column repo" in report.reason) == ("tampered", True)
    columns = ("sign_off.given", "alice", book.ts, "a\n", "refs/heads/b3")
    assert verify.verify_rows([*book.rows()[:3], (3, body, leaf_hash(body), *columns)]).status == "valid"


def test_a_log_whose_name_has_a_quote_does_not_carry_members_either() -> None:
    book = Book()
    book.add("ledger.genesis", {}, log='o","l":"x')
    book.given()
    honest = book.bodies[1]
    assert verify.verify_rows(book.rows()).status == "unverifiable"  # of its kind only
    book.bodies[1] = honest.replace(b'o\\",\\"l\\":\\"x', b'o","l":"x')
    assert book.bodies[1] != honest
    assert verify.verify_rows(book.rows()).status == "tampered"


def test_without_the_encoder_in_c_it_is_only_slower(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json.encoder, "c_make_encoder", None)
    book = Book(40)
    assert verify.verify_rows(book.rows()).status == "valid"
    assert (
        verify.verify_rows(book.changed(20, data={"text": "", "number": 1.0 and 1, "x": 1}).rows()).status
        == "unverifiable"
    )


@given(st.integers(0, 1200), st.lists(st.integers(0, 1200), max_size=5))
def test_every_root_is_that_of_the_tree(size: int, sizes: list[int]) -> None:
    leaves = [leaf_hash(b"%d" % number) for number in range(size)]
    tree = verify._Tree()
    for leaf in leaves:
        tree.open.append(leaf)
        if len(tree.open) == 256:
            tree.close_block()
    asked = [each for each in sizes if each <= size]
    assert tree.roots(asked) == {each: Frontier().grown(leaves[:each]).root() for each in asked}


def test_bodies_of_another_type_are_no_entries() -> None:
    for body in (None, "text", 7):
        assert verify.verify_rows([(0, body, b"")]).status == "tampered"
