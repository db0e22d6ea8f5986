from __future__ import annotations

from dataclasses import replace

import pytest

from audit.entry import MAX_BODY
from builders import MAIN, NEW, OLD, oid
from governance.baseline import PART, REFS_LIMIT, Baseline, Tip, check, same
from governance.errors import ConflictError, RequestError

TIP = Tip(MAIN, NEW, "commit", oid("tree"))
GOOD = Baseline((TIP,), 10_000, MAIN)
PIN = Tip("refs/changes/1/1", NEW, "commit", oid("tree"))
NOTE = Tip("refs/notes/x", NEW, "commit", oid("tree"))


def with_tips(*tips: Tip) -> Baseline:
    return replace(GOOD, tips=(TIP, *tips))


def test_a_plain_repository_is_taken() -> None:
    check(GOOD)
    check(with_tips(Tip("refs/tags/v1", NEW, "tag", oid("tree"))))


BAD = {
    "borrowed": (replace(GOOD, borrowed=("shallow: cut off",)), "adopt.borrowed"),
    "empty": (replace(GOOD, tips=()), "adopt.empty"),
    "too many": (with_tips(*(replace(TIP, ref=f"refs/heads/{n}") for n in range(REFS_LIMIT))), "adopt.too_many_refs"),
    "detached": (replace(GOOD, head=""), "adopt.detached_head"),
    "odd bytes": (with_tips(replace(TIP, ref="refs/heads/\udcff")), "adopt.name"),
    "an alias": (with_tips(replace(TIP, ref="refs/heads/x", symref=MAIN)), "adopt.symref"),
    "a branch of a blob": (with_tips(replace(TIP, ref="refs/heads/x", type="blob")), "adopt.not_a_commit"),
    "a pin we did not make": (with_tips(PIN), "adopt.reserved_ref"),
    "a replacement": (with_tips(replace(TIP, ref=f"refs/replace/{OLD}")), "adopt.reserved_ref"),
    "another namespace": (with_tips(NOTE), "adopt.other_refs"),
}


@pytest.mark.parametrize(("found", "code"), BAD.values(), ids=BAD)
def test_what_is_not_plain_is_refused(found: Baseline, code: str) -> None:
    with pytest.raises(RequestError) as refused:
        check(found)
    assert refused.value.code == code


def test_a_namespace_is_taken_where_it_is_named_and_ours_never_are() -> None:
    check(with_tips(NOTE), also=["refs/notes/"])
    for also in ("refs/changes/", "refs/replace/", "refs/notes", "notes/", "refs/for/x/"):
        with pytest.raises(RequestError) as refused:
            check(with_tips(NOTE), also=[also])
        assert refused.value.code == "adopt.namespace"


def test_pins_that_we_recorded_are_no_surprise_unless_they_moved() -> None:
    check(with_tips(PIN), recorded={PIN.ref: NEW})
    with pytest.raises(RequestError):
        check(with_tips(PIN), recorded={PIN.ref: OLD})


@pytest.mark.parametrize(
    "changed",
    [
        {"tips": (replace(TIP, oid=OLD),)},
        {"tips": (replace(TIP, tree=OLD),)},
        {"tips": (replace(TIP, ref="refs/heads/mainx"),)},
        {"tips": ()},
        {"commits": 9_999},
        {"head": "refs/heads/x"},
    ],
)
def test_what_differs_from_what_was_signed_is_refused(changed: dict[str, object]) -> None:
    same(GOOD, GOOD.summary())
    with pytest.raises(ConflictError) as refused:
        same(replace(GOOD, **changed), GOOD.summary())  # type: ignore[arg-type]
    assert refused.value.code == "adopt.moved"


@pytest.mark.parametrize("signed", [None, "x", {}, {"digest": GOOD.digest}, GOOD.summary() | {"more": 1}])
def test_a_statement_without_a_whole_baseline_is_refused(signed: object) -> None:
    with pytest.raises(ConflictError):
        same(GOOD, signed)


def test_the_order_of_refs_does_not_matter() -> None:
    other = replace(TIP, ref="refs/heads/a")
    assert replace(GOOD, tips=(TIP, other)).digest == replace(GOOD, tips=(other, TIP)).digest


def test_every_ref_is_in_one_part_and_a_part_fits_an_entry() -> None:
    long = tuple(replace(TIP, ref=f"refs/heads/{n:04}{'x' * 240}") for n in range(1000))
    parts = list(replace(GOOD, tips=long).parts())

    assert [line[0] for part in parts for line in part] == [tip.ref for tip in long]
    assert max(len(part) for part in parts) <= PART
    assert max(len(str(part)) for part in parts) < MAX_BODY - 4096
