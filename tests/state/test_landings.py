"""What a key has landed follows from decisions and reservations alone; documents lend the names."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from audit.entry import Actor, Draft
from audit.ledger import Ledger
from governance.record import Kind, released
from governance.state import landings, rebuilding
from governance.state.fold import fold
from governance.state.schema import SCHEMA
from signature_cases import AT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from audit.transaction import Transaction

ACTOR = Actor(id="dev-a", kind="agent", key="")
ANA, BOB = "SHA256:" + "a" * 43, "B" * 40
MAIN, TOPIC, TAG = "refs/heads/main", "refs/heads/topic/x", "refs/tags/v1"
ZERO = "0" * 40


def oid(number: int) -> str:
    return f"{number:040x}"


def signed(key: str, name: str, *, code: str = "") -> dict[str, Any]:
    return {"oid": name, "signature": {"fingerprint": key, "code": code}}


class Log:
    """A ledger of pushes, and nothing else."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "ledger.sqlite"
        self.now = AT * 1000
        self.ledger = Ledger(self.path, log="log", clock=self.clock, projector=fold, schema=SCHEMA)
        invitation = {"digest": "e", "principal": "", "expires_at": 0}
        self.append(Kind.GENESIS, {"policy": {"digest": "d", "meaning": {}}, "enrolment": invitation})
        for name, key in (("ana", ANA), ("bob", BOB)):
            held = {"fingerprint": key, "certificate": "", "subkeys": [[key, None]]}
            self.append(Kind.KEY_ENROLLED, {"principal": name, "key": held, "enrolment": "", "proof": {}})

    def clock(self) -> int:
        self.now += 1
        return self.now

    def append(self, kind: Kind, data: dict[str, Any], *, repo: str = "garden", blob: bytes | None = None) -> int:
        def command(tx: Transaction) -> int:
            more = {"facts": tx.blob(blob)} if blob is not None else {}
            seq: int = tx.append(Draft(kind.value, ACTOR, repo, "x", data | more)).seq
            return seq

        return self.ledger.run(command)

    def decided(self, *updates: tuple[str, list[dict[str, Any]]], repo: str = "garden", old: bool = False) -> int:
        """Append an allowed push of these refs, each with the objects signed; `old` as before keys were counted."""
        refs = [[ZERO, oid(9), ref] for ref, _ in updates]
        counted = [
            sorted([k, sum(c["signature"]["fingerprint"] == k for c in commits)] for k in keys_of(commits))
            for _, commits in updates
        ]
        facts = [{"facts": {"ref": ref, "new": oid(9), "commits": commits, "tag": None}} for ref, commits in updates]
        data = {"allowed": True, "refs": refs, "reserve": refs, "spend": [], "opens": [], "landed": []}
        data |= {"handle": "1-1", "abandoned": []} | ({} if old else {"signers": counted})
        return self.append(Kind.PUSH_DECIDED, data, repo=repo, blob=json.dumps({"refs": facts}).encode())

    def applied(self, seq: int, *refs: str, repo: str = "garden") -> int:
        moved = [[ZERO, oid(9), ref] for ref in refs]
        data = {"decision": seq, "moved": moved, "opens": [], "landed": [], "abandoned": []}
        return self.append(Kind.PUSH_APPLIED, data, repo=repo)

    def landings(self, *, before: int = 2**53, limit: int = 100, **whose: str) -> list[dict[str, Any]]:
        look = self.ledger._connection
        return landings.landings(look, before=before, limit=limit, **whose)

    def totals(self, key: str) -> dict[str, int]:
        return landings.totals(self.ledger._connection, key)


def keys_of(commits: list[dict[str, Any]]) -> set[str]:
    return {c["signature"]["fingerprint"] for c in commits if not c["signature"]["code"]}


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Log]:
    made = Log(tmp_path)
    yield made
    made.ledger.close()


def test_an_update_is_landed_by_each_key_that_signed_in_it_with_the_names_of_its_commits(log: Log) -> None:
    push = log.decided((MAIN, [signed(ANA, oid(1)), signed(BOB, oid(2)), signed(ANA, oid(3))]))
    done = log.applied(push, MAIN)
    row = {"decision": push, "repository": "garden", "ref": MAIN, "old": ZERO, "new": oid(9), "applied": done}
    assert log.landings(key=ANA) == [row | {"key": ANA, "count": 2, "commits": [oid(1), oid(3)]}]
    assert log.landings(key=BOB) == [row | {"key": BOB, "count": 1, "commits": [oid(2)]}]
    assert log.landings(principal="ana") == log.landings(key=ANA)
    assert log.totals(ANA) == {"updates": 1, "commits": 2, "under_way": 0}


def test_what_is_under_way_is_listed_and_what_never_moved_is_not(log: Log) -> None:
    push = log.decided((MAIN, [signed(ANA, oid(1))]), (TOPIC, [signed(ANA, oid(2))]))
    assert [(r["ref"], r["applied"]) for r in log.landings(key=ANA)] == [(MAIN, None), (TOPIC, None)]
    assert log.totals(ANA) == {"updates": 0, "commits": 0, "under_way": 2}
    done = log.applied(push, TOPIC)
    log.ledger.run(lambda tx: tx.append(released(push, [(ZERO, oid(9), MAIN)], repository="garden", landed=False)))
    assert [(r["ref"], r["applied"]) for r in log.landings(key=ANA)] == [(TOPIC, done)]
    assert log.totals(ANA) == {"updates": 1, "commits": 1, "under_way": 0}


def test_a_refused_push_lands_nothing(log: Log) -> None:
    log.append(Kind.PUSH_DECIDED, {"allowed": False, "refs": [[ZERO, oid(9), MAIN]], "signers": [[[ANA, 1]]]})
    assert log.landings(key=ANA) == []
    assert log.totals(ANA) == {"updates": 0, "commits": 0, "under_way": 0}


def test_the_same_ref_in_another_repository_is_another_update(log: Log) -> None:
    here, there = log.decided((MAIN, [signed(ANA, oid(1))])), log.decided((MAIN, [signed(BOB, oid(2))]), repo="field")
    log.applied(here, MAIN)
    log.applied(there, MAIN, repo="field")
    assert [r["repository"] for r in log.landings(key=ANA)] == ["garden"]
    assert [r["repository"] for r in log.landings(key=BOB)] == ["field"]


def test_an_entry_from_before_keys_were_counted_still_folds(log: Log) -> None:
    log.applied(log.decided((MAIN, [signed(ANA, oid(1))]), old=True), MAIN)
    assert log.landings(key=ANA) == []


def test_pages_follow_on_each_other_and_never_cut_a_decision_in_two(log: Log) -> None:
    pushes = [log.decided((MAIN, [signed(ANA, oid(n))]), (TOPIC, [signed(ANA, oid(n))])) for n in range(5)]
    found: list[int] = []
    before = 2**53
    while page := log.landings(key=ANA, before=before, limit=2):
        found += [row["decision"] for row in page]
        before = page[-1]["decision"]
    assert found == [seq for seq in reversed(pushes) for _ in range(2)]


def test_names_are_missing_where_the_document_is_and_counts_are_not(log: Log) -> None:
    gone = {"facts": {"sha256": "00" * 32}, "refs": [[ZERO, oid(9), MAIN]], "signers": [[[ANA, 1]]], "handle": "1-1"}
    begun = {"allowed": True, "reserve": gone["refs"], "spend": [], "opens": [], "landed": []}
    push = log.append(Kind.PUSH_DECIDED, gone | begun)
    assert [(r["decision"], r["count"], r["commits"]) for r in log.landings(key=ANA)] == [(push, 1, [])]


def test_an_edited_row_is_found_by_folding_again(log: Log) -> None:
    log.applied(log.decided((MAIN, [signed(ANA, oid(1))])), MAIN)
    assert rebuilding.compare(log.path, progress=lambda *_: None).difference == ""
    log.ledger._connection.execute("delete from push_signer")
    assert "push_signer, row 0" in rebuilding.compare(log.path, progress=lambda *_: None).difference
