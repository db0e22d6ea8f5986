from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from audit.entry import Actor, seal
from builders import MAIN, NEW, OLD, REPOSITORY, TOPIC, ZERO, a_change, a_commit, a_push, a_standing, a_tag, oid
from governance import record
from governance.controls import CONTROLS
from governance.decision import Decision, RefDecision, decide
from governance.record import Effects, Kind
from governance.verdict import Outcome, Verdict
from service_world import ServiceWorld

if TYPE_CHECKING:
    from pathlib import Path

    from audit.entry import Draft
    from governance.facts import UpdateFacts

DEV = Actor("dev-a", "agent", "")
PIN = "refs/changes/7/1"
OPENED = {"change": 7, "patch_set": 1, "ref": TOPIC, "title": "Prune the roses"}
PROPOSED = {"change": 8, "patch_set": 2, "ref": "refs/for/main", "title": "For review"}
EFFECTS = Effects(
    handle="7-99",
    reserve=((OLD, NEW, MAIN), (ZERO, NEW, TOPIC), (ZERO, NEW, PIN)),
    spend=(3, 4), opens=(OPENED, PROPOSED), landed=((MAIN, 6),), abandoned=(("refs/heads/topic/old", 5),),
)  # fmt: skip


def a_decision(*updates: UpdateFacts, allowed: bool = True) -> Decision:
    outcome = Outcome.SATISFIED if allowed else Outcome.UNSATISFIED
    verdict = Verdict(control="c", outcome=outcome, reason="c.why", message="m" * 1000)
    return Decision(tuple(RefDecision(u, a_standing(), (verdict,)) for u in updates or (a_push(),)), "d" * 64)


def entry_of(draft: Draft) -> dict[str, object]:
    """Return what an entry of this draft holds: it must be fit for the ledger."""
    _, body = seal(draft, log="log", seq=1, prev="1" * 64, ts=1)
    return json.loads(body)["data"]


def decided(decision: Decision, effects: Effects = EFFECTS) -> dict[str, object]:
    return entry_of(record.decided(decision, effects, actor=DEV, repository=REPOSITORY, document={"sha256": "x"}))


def test_a_decision_holds_what_was_asked_answered_and_begun() -> None:
    data = decided(a_decision())

    assert (data["allowed"], data["code"], data["policy"], data["handle"]) == (True, "allowed", "d" * 64, "7-99")
    assert data["refs"] == [[OLD, NEW, MAIN]]
    assert data["verdicts"] == [["c.why"]]
    assert data["reserve"] == [[OLD, NEW, MAIN], [ZERO, NEW, TOPIC], [ZERO, NEW, PIN]]
    assert (data["spend"], data["landed"]) == ([3, 4], [[MAIN, 6]])


def test_a_refusal_begins_nothing_whatever_effects_it_is_handed() -> None:
    data = decided(a_decision(allowed=False))

    assert (data["allowed"], data["code"]) == (False, "c.why")
    assert data.keys() & {"reserve", "spend", "opens", "landed", "abandoned"} == set()


@pytest.mark.parametrize(
    ("moved", "opens", "landed", "abandoned"),
    [
        ([MAIN], [], [6], []),
        ([TOPIC], [[7, 1, "Prune the roses"]], [], []),
        ([PIN], [], [], []),
        (["refs/heads/topic/old"], [], [], [5]),
        (["refs/changes/8/2"], [[8, 2, "For review"]], [], []),
        (["refs/for/main"], [], [], []),
        ([MAIN, TOPIC, PIN], [[7, 1, "Prune the roses"]], [6], []),
        ([], [], [], []),
    ],
)
def test_what_opens_lands_or_ends_follows_the_refs_that_moved(
    moved: list[str], opens: list[object], landed: list[int], abandoned: list[int]
) -> None:
    lines = [(OLD, NEW, ref) for ref in moved]
    data = entry_of(record.applied(decided(a_decision()), 9, lines, repository=REPOSITORY))

    assert (data["opens"], data["landed"], data["abandoned"]) == (opens, landed, abandoned)
    assert data["decision"] == 9


def test_kinds_are_named_subject_dot_deed_and_once() -> None:
    assert all(kind.value.count(".") == 1 and kind.value.islower() for kind in Kind)
    assert len({kind.value for kind in Kind}) == len(Kind)


def test_the_kinds_that_ledgers_hold_keep_their_names() -> None:
    assert {kind.value for kind in Kind} >= {
        "ledger.genesis", "principal.added", "principal.invited", "principal.retired", "key.enrolled", "key.rotated",
        "key.revoked", "token.issued", "token.revoked", "repository.added", "push.decided", "push.applied",
        "push.released", "sign_off.given", "sign_off.withdrawn", "refs.drifted", "freeze.lifted", "request.refused",
    }  # fmt: skip


def test_facts_are_kept_whole_with_the_verdicts_in_full() -> None:
    facts = a_push([a_change("r\udcffse")], commits=(a_commit(changes=(a_change("\u202ex"),)),))
    decision = decide([(facts, a_standing())], policy_digest="d")
    raw = record.facts_document(decision, single_person=True)
    kept = json.loads(raw)

    assert raw.isascii()
    assert kept["single_person"] is True
    assert kept["push"]["pusher"] == "dev-a"
    (ref,) = kept["refs"]
    assert ref["facts"]["net"][0]["path"] == "r\udcffse"
    assert ref["facts"]["commits"][0]["changes"][0]["path"] == "\u202ex"
    assert ref["facts"]["commits"][0]["signature"]["principal"] == "dev-a"
    assert [verdict["control"] for verdict in ref["verdicts"]] == [c.NAME for c in CONTROLS]
    assert {"ref", "old", "new", "actual", "base", "bases", "tag"} <= set(ref["facts"])


def test_one_decision_has_one_document() -> None:
    assert record.facts_document(a_decision(), single_person=False) == record.facts_document(
        a_decision(), single_person=False
    )


def test_a_tag_is_part_of_the_facts_and_a_long_message_is_cut() -> None:
    kept = json.loads(record.facts_document(a_decision(a_push(tag=a_tag())), single_person=False))

    assert kept["refs"][0]["facts"]["tag"]["name"] == "v1"
    assert len(kept["refs"][0]["verdicts"][0]["message"]) == record.MESSAGE_LIMIT


def test_a_refusal_of_a_hundred_refs_with_long_names_fits_an_entry() -> None:
    refs = [f"refs/heads/{'x' * 200}{number}" for number in range(100)]
    updates = [a_push(ref=ref, refs=tuple(refs)) for ref in refs]

    assert len(decided(a_decision(*updates, allowed=False))["refs"]) == 100


def test_a_refusal_is_recorded_whatever_its_words() -> None:
    draft = record.refused_early("push.x", "m\0\ud800", [], actor=DEV, repository=REPOSITORY)
    assert draft.data["message"] == "m??"


def test_an_attempt_that_never_got_to_facts_is_recorded_short() -> None:
    draft = record.refused_early("push.x", "m" * 9999, ["l" * 9999] * 99, actor=DEV, repository=REPOSITORY)
    data = entry_of(draft)

    assert len(data["message"]) == record.MESSAGE_LIMIT
    assert "lines" not in data
    assert [len(line) for line in draft.private["lines"].split("\n")] == [200] * 20


def test_a_drift_of_some_refs_names_three_and_keeps_all() -> None:
    lines = [(f"refs/heads/{number}", OLD, oid(str(number))) for number in range(9)]
    draft = record.drifted(lines, repository=REPOSITORY)

    assert entry_of(draft)["refs"] == [list(line) for line in lines]
    assert entry_of(draft)["count"] == 9
    assert draft.data["reason"] == "9 refs moved behind our back: refs/heads/0, refs/heads/1, refs/heads/2"


@pytest.mark.parametrize("name", ["x" * 4000, "\U0001f339" * 300, "\udcff" * 300], ids=["long", "wide", "no UTF-8"])
def test_a_drift_of_any_number_of_refs_with_any_names_fits_an_entry_and_says_how_many(name: str) -> None:
    lines = [(f"refs/heads/{number}/{name}", "a" * 64, f"-> refs/heads/{name}") for number in range(1500)]
    data = entry_of(record.drifted(lines, repository=REPOSITORY))

    assert data["count"] == 1500
    assert len(data["refs"]) == record.DRIFT_LIMIT
    assert data["refs"][0][0].startswith("refs/heads/0/")
    assert data["reason"].startswith("1500 refs moved behind our back: refs/heads/0/")
    assert len(data["reason"]) <= record.MESSAGE_LIMIT


LEGIBLE = [("plain", "plain"), ("r\udcffse", "r?se"), ("a\0b", "a?b"), ("x" * 999, "x" * 200), ("", "")]


@pytest.mark.parametrize(("text", "shown"), LEGIBLE)
def test_what_an_entry_cannot_hold_is_made_legible(text: str, shown: str) -> None:
    assert record.legible(text) == shown


def test_every_draft_made_here_can_be_folded(tmp_path: Path) -> None:
    with ServiceWorld(tmp_path) as world:
        seq = world.decide(Effects(handle="1-1", reserve=((OLD, NEW, MAIN),)))
        world.append(
            record.released(seq, [(OLD, NEW, MAIN)], repository=REPOSITORY, landed=False),
            record.drifted([(MAIN, OLD, NEW)], repository=REPOSITORY),
            record.refused_early("x", "y", ["z"], actor=DEV, repository=REPOSITORY),
        )
        assert world.difference() == ""
