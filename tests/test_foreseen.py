"""Answers known ahead are those that would have been given, for the same bytes, keys and time alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest

from governance.adapters.sequoia import SequoiaVerifier
from governance.foreseen import Foreseen, foresee
from governance.objects import parse_commit
from governance.refusals import SignatureRefused
from governance.signatures import Item, Registry, Verified
from keys import commit_bytes, key_of, registry_of, sign_commit

TREE = "1" * 40
AT = 2_000_000_000
KEY = key_of("ana")
GOOD = [sign_commit(commit_bytes(TREE, [], author=f"ana <{KEY.email}>", message=f"{n}\n"), KEY) for n in range(3)]
UNSIGNED = commit_bytes(TREE, [], author=f"ana <{KEY.email}>", message="unsigned\n")


class Counting(SequoiaVerifier):
    """The real one; counts what it is asked for."""

    asked = 0

    def verify_many(self, items: Sequence[Item], registry: Registry, *, at: int) -> list[Verified | SignatureRefused]:
        self.asked += len(items)
        return super().verify_many(items, registry, at=at)


@pytest.fixture
def verifier() -> Iterator[Counting]:
    made = Counting()
    yield made
    made.close()


def items_of(raws: Sequence[bytes]) -> list[Item]:
    return [(commit.payload, commit.signature) for commit in map(parse_commit, raws)]


def plain(answers: Sequence[Verified | SignatureRefused]) -> list[object]:
    return [each.code if isinstance(each, SignatureRefused) else each for each in answers]


def test_what_was_sent_ahead_is_not_verified_again_and_the_answers_are_the_same(verifier: Counting) -> None:
    registry, raws = registry_of([KEY]), [*GOOD, UNSIGNED]
    knowing = foresee(raws, verifier, registry, at=AT)
    assert verifier.asked == len(raws)
    found = knowing.verify_many(items_of(raws), registry, at=AT)
    assert verifier.asked == len(raws)
    assert plain(found) == plain(SequoiaVerifier().verify_many(items_of(raws), registry, at=AT))
    assert plain(found)[3] == "signature.missing"


@pytest.mark.parametrize("sent", [[], GOOD[:1], [b"no commit", *GOOD[:2]], [*GOOD, *GOOD]])
def test_what_was_not_sent_ahead_or_is_no_commit_is_judged_as_ever(verifier: Counting, sent: list[bytes]) -> None:
    registry = registry_of([KEY])
    knowing = foresee(sent, verifier, registry, at=AT)
    forged = GOOD[0].replace(b"\n\n0\n", b"\n\n9\n")
    found = knowing.verify_many(items_of([*GOOD, forged]), registry, at=AT)
    assert plain(found)[3] == "signature.bad"
    assert [each.fingerprint for each in found[:3] if isinstance(each, Verified)] == [KEY.fingerprint] * 3


def test_other_keys_or_another_time_are_asked_for_anew(verifier: Counting) -> None:
    registry = registry_of([KEY])
    knowing = foresee(GOOD, verifier, registry, at=AT)
    assert plain(knowing.verify_many(items_of(GOOD), {}, at=AT)) == ["signature.unknown_key"] * 3
    assert plain(knowing.verify_many(items_of(GOOD), registry, at=1)) == ["signature.future"] * 3
    assert isinstance(knowing, Foreseen)
