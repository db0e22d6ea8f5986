from __future__ import annotations

import hashlib
import json
import re
from dataclasses import FrozenInstanceError, replace
from enum import StrEnum

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit import canonical
from audit.entry import GENESIS_PREV, MAX_BODY, Actor, Draft, Entry, blob_reference, leaf_hash, parse, seal
from audit.errors import CanonicalError, EntryError
from ledger_world import ALICE, GENESIS, LOG, draft

PREV = "ab" * 32


def sealed(**changes: object) -> tuple[Entry, bytes]:
    return seal(replace(draft(7), **changes), log=LOG, seq=5, prev=PREV, ts=1_700_000_000_000)


def body_with(**changes: object) -> bytes:
    return canonical.encode(json.loads(sealed()[1]) | changes)


def test_the_bytes_of_an_entry_never_change() -> None:
    expected = (
        '{"actor":{"id":"alice","key":"SHA256:abc","kind":"human"},"data":{"number":7},"kind":"sign_off.given",'
        f'"log":"{LOG}","prev":"{PREV}","repo":"garden","seq":5,"subject":"refs/heads/b7","ts":1700000000000,"v":1}}'
    ).encode()
    entry, body = sealed()
    assert body == expected
    assert entry.encode() == expected
    assert parse(expected) == entry
    assert entry.actor == ALICE


texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
ours = st.text(st.sampled_from("abz019_."), min_size=1, max_size=8)
values = st.recursive(texts | st.integers(0, 2**53 - 1) | st.booleans() | st.none(), st.lists, max_leaves=5)


@given(st.builds(Actor, texts.filter(bool), texts, texts), texts, texts, st.dictionaries(ours, values), texts)
def test_the_body_is_the_canonical_spelling_of_its_fields(
    who: Actor, repo: str, subject: str, data: dict[str, object], value: str
) -> None:
    entry, body = sealed(actor=who, repo=repo, subject=subject, data=data | {"said": [value]}, kind="a.b")
    fields = {
        name: getattr(entry, name) for name in ("v", "log", "seq", "prev", "ts", "kind", "repo", "subject", "data")
    }
    assert body == canonical.encode(fields | {"actor": {"id": who.id, "kind": who.kind, "key": who.key}})
    assert parse(body) == entry
    assert entry.encode() == body


class Seat(Actor):
    """An actor with something more to it."""


class Name(StrEnum):
    HERE = LOG


def test_of_actor_and_log_the_entry_holds_what_the_body_says() -> None:
    entry, body = seal(replace(draft(7), actor=Seat("alice", "human", "")), log=Name.HERE, seq=5, prev=PREV, ts=1)
    assert entry == parse(body)
    assert (type(entry.actor), type(entry.log)) == (Actor, str)


@pytest.mark.parametrize("name", ["repo", "subject", "actor.id", "actor.key", "data.x"])
def test_no_text_of_an_entry_holds_what_stores_disagree_on(name: str) -> None:
    for bad, words in (("a\0", "U+0000"), ("a\udc80", "lone surrogates")):
        who = replace(ALICE, **{name[6:]: bad}) if name.startswith("actor.") else ALICE
        told = {"data": {"x": bad}} if name == "data.x" else {} if name.startswith("actor.") else {name: bad}
        with pytest.raises(CanonicalError, match=re.escape(words)) as caught:
            sealed(**told, actor=who)
        assert f"at '{name}'" in str(caught.value)


def test_a_leaf_hash_is_that_of_rfc_6962() -> None:
    assert leaf_hash(b"").hex() == "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
    assert leaf_hash(b"x") == hashlib.sha256(b"\x00x").digest()


def test_a_blob_is_named_by_hash_and_size() -> None:
    assert blob_reference(b"abc") == {"sha256": hashlib.sha256(b"abc").hexdigest(), "size": 3}


def test_what_is_folded_now_is_what_a_rebuild_will_fold() -> None:
    listed = [1, 2]
    entry, body = sealed(data={"pair": (1, "x"), "listed": listed})
    listed.append(3)
    assert entry == parse(body)
    assert entry.data == {"pair": [1, "x"], "listed": [1, 2]}
    with pytest.raises(FrozenInstanceError):
        entry.seq = 6  # type: ignore[misc]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"kind": "Sign.Off"}, "kind to match"),
        ({"kind": ""}, "kind to match"),
        ({"kind": "a..b"}, "kind to match"),
        ({"kind": "a\n"}, "kind to match"),
        ({"kind": None}, "kind to match"),
        ({"kind": "ledger.genesis"}, "entry 0, and no other"),
        ({"repo": None}, "repo to be text, got NoneType"),
        ({"subject": 3}, "subject to be text, got int"),
        ({"subject": "a\ud800"}, "lone surrogates"),
        ({"actor": "alice"}, "actor to be an Actor, got str"),
        ({"actor": Actor("", "human", "")}, "actor.id to name someone"),
        ({"actor": Actor("alice", "human", None)}, "actor.key to be text"),  # type: ignore[arg-type]
        ({"data": []}, "data to be a dict, got list"),
        ({"data": {"Upper": 1}}, "a key of data to match"),
        ({"data": {"a-b": 1}}, "a key of data to match"),
        ({"data": {"x": 0.5}}, "got float, at 'data.x'"),
        ({"data": {"x": "a" * MAX_BODY}}, "put the payload in a blob"),
    ],
)
def test_a_draft_that_is_not_fit_is_refused(changes: dict[str, object], words: str) -> None:
    assert sealed()
    with pytest.raises(EntryError) as caught:
        sealed(**changes)
    assert words in str(caught.value)


def test_a_body_may_be_65535_bytes_and_not_one_more() -> None:
    room = MAX_BODY - len(sealed(data={"x": ""})[1])
    entry, body = sealed(data={"x": "a" * room})
    assert len(body) == MAX_BODY
    assert entry.encode() == body
    with pytest.raises(EntryError, match="got 65536"):
        sealed(data={"x": "a" * (room + 1)})
    with pytest.raises(EntryError, match="got 65536"):
        parse(body + b" ")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"v": 2}, "expected v 1, got 2"),
        ({"v": True}, "v to be a whole number"),
        ({"v": None}, "v to be a whole number"),
        ({"seq": True}, "seq to be a whole number"),
        ({"seq": -1}, "seq to be a whole number"),
        ({"seq": "5"}, "seq to be a whole number"),
        ({"seq": 0}, "entry 0, and no other"),
        ({"ts": -1}, "ts to be a whole number"),
        ({"ts": None}, "ts to be a whole number"),
        ({"prev": PREV.upper()}, "prev to match"),
        ({"prev": PREV[:-1]}, "prev to match"),
        ({"prev": GENESIS_PREV}, "prev all zeros"),
        ({"log": ""}, "log to match"),
        ({"log": "two words"}, "log to match"),
        ({"log": "a+b"}, "log to match"),
        ({"extra": 1}, "missing or unknown: 'extra'"),
        ({"actor": None}, "actor to be an object"),
        ({"actor": {"id": "a", "kind": "b"}}, "missing or unknown: 'key'"),
        ({"actor": {"id": "a", "kind": "b", "key": "c", "d": "e"}}, "missing or unknown: 'd'"),
    ],
)
def test_a_body_that_is_not_an_entry_is_refused(changes: dict[str, object], words: str) -> None:
    assert parse(body_with())
    with pytest.raises(EntryError) as caught:
        parse(body_with(**changes))
    assert words in str(caught.value)


@pytest.mark.parametrize("name", ["v", "log", "seq", "prev", "ts", "kind", "actor", "repo", "subject", "data"])
def test_a_body_without_one_of_its_fields_is_refused(name: str) -> None:
    fields = json.loads(sealed()[1])
    del fields[name]
    with pytest.raises(EntryError):
        parse(canonical.encode(fields))


def test_a_body_in_another_spelling_is_refused() -> None:
    with pytest.raises(CanonicalError):
        parse(json.dumps(json.loads(sealed()[1])).encode())


def test_the_first_entry_is_the_genesis() -> None:
    entry, _ = seal(GENESIS, log=LOG, seq=0, prev=GENESIS_PREV, ts=0)
    assert entry.seq == 0
    with pytest.raises(EntryError, match="entry 0, and no other"):
        seal(draft(), log=LOG, seq=0, prev=GENESIS_PREV, ts=0)
    with pytest.raises(EntryError, match="prev all zeros"):
        seal(GENESIS, log=LOG, seq=0, prev=PREV, ts=0)


def test_a_draft_is_only_what_a_caller_may_say() -> None:
    assert set(Draft.__slots__) == {"kind", "actor", "repo", "subject", "data", "private"}
