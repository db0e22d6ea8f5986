"""Attacks on who may say what: gates, decisions and messages, through the acts that the service offers.

Every refusal is a recorded one; every test ends with the honest way.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from adversary.card import Seen, attack
from audit.entry import Draft
from builders import MAIN, NEW, OLD, REPOSITORY, TOPIC, ZERO, a_policy, oid
from governance.authority import SHIPPED, AuthorityRow, Signer, judge
from governance.coordinate import decisions, gates, messages
from governance.coordinate.decisions import EXPIRES_MS
from governance.errors import PolicyContentError, RequestError
from governance.explain import plain
from governance.people.statements import Statement
from governance.policy_text import describe, from_meaning
from governance.record import SERVICE, Effects, Kind
from governance.review import acts, changes
from governance.state import read
from service_world import PEOPLE, ServiceWorld

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SHOWS, RED, GREEN = "e" * 64, oid("red"), NEW
DOES = {
    "gate.start": gates.start, "gate.evidence": gates.evidence, "gate.advance": gates.advance,
    "gate.cosign": gates.cosign, "message.send": messages.send, "decision.raise": decisions.ask,
    "decision.sign": decisions.sign, "sign_off": acts.sign_off,
}  # fmt: skip
HIDDEN = ("fine\x1b[2J\x1b[H all gates passed", "fine\nentry 9: owner approved", "\u202egnp.live", "a\u200bb", "\x7f")


class Acting(Seen):
    """A service, and what one test has seen of the attacks on it."""

    def __init__(self, world: ServiceWorld) -> None:
        super().__init__()
        self.world = world

    def said(self, by: str, type_: str, *, repository: str = REPOSITORY, **body: Any) -> Statement:  # noqa: ANN401
        full = body if type_ == "sign_off" else {"repository": repository, **body}
        return self.world.said(type_, by, full, nonce=str(len(self.world.kinds())))

    def does(self, by: str, type_: str, **body: Any) -> dict[str, Any]:  # noqa: ANN401
        return self.hands_in(by, type_, self.said(by, type_, **body))

    def hands_in(self, by: str, type_: str, said: Statement, repository: str = REPOSITORY) -> dict[str, Any]:
        return DOES[type_](self.world.service, self.world.caller(by), said, repository)

    def refused(self, code: str, do: Callable[[], object]) -> None:
        """It is refused with this code, and the last entry says so."""
        before = len(self.world.kinds())
        with pytest.raises(RequestError) as caught:
            do()
        assert caught.value.code == code, caught.value
        (last,) = self.world.bodies("seq >= ?", before)
        recorded = (last["kind"], last["data"]["code"]) == ("request.refused", code)
        self._saw(code, recorded=recorded)
        assert recorded

    def went_well(self) -> None:
        """The honest way went through."""
        self.seen["twin"] = True

    def evidence(self, by: str, stage: str = "RED", commit: str = RED, **changed: Any) -> dict[str, Any]:  # noqa: ANN401
        body = {"feature": "roses", "stage": stage, "commit": commit, "digest": SHOWS, "note": "a report"} | changed
        return self.does(by, "gate.evidence", **body)

    def asks(self, stage: str = "RED", commit: str = RED, *, by: str = "orchestrator", **changed: Any) -> int:  # noqa: ANN401
        body = {"feature": "roses", "stage": stage, "commit": commit, "evidence": self.counted(stage, commit)} | changed
        return int(self.does(by, "gate.advance", **body)["entry"])

    def cosigns(self, asked: int, stage: str = "RED", commit: str = RED, *, by: str = "librarian") -> dict[str, Any]:
        return self.does(by, "gate.cosign", feature="roses", asked=asked, stage=stage, commit=commit)

    def counted(self, stage: str, commit: str) -> list[int]:
        with self.world.service.read() as tx:
            shown = gates.shown(tx, REPOSITORY, "roses", read.policy(tx))
        of = (each["counts"] for each in shown["could"] if (each["stage"], each["commit"]) == (stage, commit))
        return list(next(of, []))

    def passes(self, stage: str, commit: str, *by: str) -> None:
        for name in by:
            self.evidence(name, stage, commit)
        self.cosigns(self.asks(stage, commit), stage, commit)

    def sends(self, by: str, raw: bytes, **changed: Any) -> int:  # noqa: ANN401
        body = {
            "to": ["dev-b"], "type": "sign-off-request", "digest": hashlib.sha256(raw).hexdigest(), "size": len(raw),
            "change": 0, "expects": "sign-off-approval", "reply_to": 0,
        }  # fmt: skip
        return int(self.does(by, "message.send", **body | changed)["entry"])

    def checks(self, by: str, raw: bytes, number: int = 0) -> dict[str, Any]:
        digest = hashlib.sha256(raw).hexdigest()
        return messages.verify(self.world.service, self.world.caller(by), REPOSITORY, digest=digest, number=number)

    def raises(self, by: str, kind: str, change: int = 0, question: str = "Shall it be so?") -> int:
        return int(self.does(by, "decision.raise", kind=kind, question=question, options=[], change=change)["entry"])

    def answers(self, by: str, number: int, verdict: str = "approve", reason: str = "looked at") -> str:
        return str(self.does(by, "decision.sign", decision=number, verdict=verdict, reason=reason)["outcome"])

    def reviews(self, by: str, verdict: str) -> None:
        with self.world.service.read() as tx:
            bound = changes.shown(tx, REPOSITORY, 1, policy=a_policy())["binding"]
        self.does(by, "sign_off", verdict=verdict, binding=bound)

    def standing_no(self) -> list[str]:
        with self.world.service.read() as tx:
            change = read.open_change(tx, REPOSITORY, 1)
        assert change is not None
        return [s.principal for s in change.sign_offs if not s.approves and not s.settled]


@pytest.fixture
def case(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Acting]:
    people = (*PEOPLE, "planner-a", "orchestrator", "librarian", "architect-b")
    with ServiceWorld(tmp_path, people=people) as world:
        world.applied(world.open_change(contributors=("dev-a", "orchestrator")))
        made = Acting(world)
        made.does("planner-a", "gate.start", feature="roses")
        ids = [each for mark in request.node.iter_markers("attack") for each in mark.args]
        request.node.user_properties.append(("attack", (ids, made.seen)))
        yield made
        assert world.difference() == ""


@attack("X-GATE-05")
def test_no_gate_is_skipped_or_advanced_early(case: Acting) -> None:
    case.refused("gates.order", lambda: case.evidence("qa-a", "QA", NEW))
    case.refused("gates.order", lambda: case.asks("GREEN", NEW))
    case.evidence("dev-a")
    case.refused("gates.evidence", case.asks)
    case.refused("gates.moved", lambda: case.asks(evidence=[1, 2]))
    case.refused("gates.moved", lambda: case.cosigns(1))
    case.evidence("qa-a")
    case.cosigns(case.asks())
    case.refused("gates.order", lambda: case.asks("PEER", NEW, evidence=[]))
    case.went_well()


@attack("X-GATE-06")
def test_one_is_not_two(case: Acting) -> None:
    case.world.append(case.world.enrolment("qa-b"))
    case.evidence("dev-a")
    case.refused("gates.given", lambda: case.evidence("dev-a"))
    case.refused("gates.given", lambda: case.evidence("dev-a", note="another report"))
    case.refused("authority.denied", lambda: case.evidence("librarian"))
    case.refused("gates.evidence", case.asks)
    case.evidence("qa-a")
    case.cosigns(case.asks())
    case.went_well()


@attack("X-GATE-07")
def test_one_hand_advances_nothing(case: Acting) -> None:
    case.evidence("dev-a")
    case.evidence("qa-a")
    for by in ("dev-a", "librarian", "owner"):
        case.refused("authority.denied", lambda by=by: case.asks(by=by))  # type: ignore[misc]
    asked = case.asks()
    case.refused("gates.own_request", lambda: case.cosigns(asked, by="orchestrator"))
    for by in ("qa-a", "owner", "architect-a"):
        case.refused("gates.co_signature", lambda by=by: case.cosigns(asked, by=by))  # type: ignore[misc]
    assert "gate.advanced" not in case.world.kinds()
    case.cosigns(asked)
    case.went_well()


@attack("X-GATE-08")
def test_what_was_said_once_is_not_said_again(case: Acting) -> None:
    body = {"feature": "roses", "stage": "RED", "commit": RED, "digest": SHOWS, "note": "a report"}
    said = case.said("dev-a", "gate.evidence", **body)
    case.hands_in("dev-a", "gate.evidence", said)
    case.refused("statement.replayed", lambda: case.hands_in("dev-a", "gate.evidence", said))
    case.refused("statement.not_yours", lambda: case.hands_in("qa-a", "gate.evidence", said))
    case.evidence("qa-a")
    asked = case.asks()
    case.evidence("mia")
    case.refused("gates.moved", lambda: case.cosigns(asked))
    last = case.asks()
    case.refused("gates.moved", lambda: case.cosigns(asked))
    case.cosigns(last)
    case.refused("gates.moved", lambda: case.cosigns(last))
    case.went_well()


@attack("X-GATE-09")
def test_peers_review_what_is_under_review_and_not_their_own(case: Acting) -> None:
    case.passes("RED", RED, "dev-a", "qa-a")
    case.passes("GREEN", NEW, "dev-a", "qa-a")
    case.refused("gates.not_eligible", lambda: case.evidence("dev-a", "PEER", NEW))
    case.refused("gates.other_commit", lambda: case.evidence("dev-b", "PEER", oid("unseen")))
    case.passes("GREEN", oid("unseen"), "dev-a", "qa-a")
    case.refused("gates.no_change", lambda: case.evidence("dev-b", "PEER", oid("unseen")))
    case.passes("GREEN", NEW, "dev-a", "qa-a")
    case.evidence("dev-b", "PEER", NEW)
    case.went_well()


@attack("X-AUTH-01")
def test_a_weak_row_beside_a_strict_one_relaxes_nothing(case: Acting) -> None:
    weak = AuthorityRow(name="aaa", action="architecture", by=frozenset({"orchestrator", "dev-a"}))
    for rows in ((weak, *SHIPPED), (*SHIPPED, weak)):
        for signers in ([], [Signer("librarian", "librarian")], [Signer("dev-a", "dev-a"), Signer("dev-b", "dev-b")]):
            assert not judge(rows, "architecture", "dev-a", signers).allowed
    meaning = describe(a_policy())
    meaning["authority"] = [{"name": "all", "action": "architecture", "by": ["dev-a"], "with": []}]
    with pytest.raises(PolicyContentError):
        from_meaning(meaning)
    case.refused("decision.kind", lambda: case.raises("orchestrator", "thaw"))
    number = case.raises("dev-a", "architecture")
    for by in ("orchestrator", "librarian", "architect-a"):
        case.refused("decision.no_place", lambda by=by: case.answers(by, number))  # type: ignore[misc]
    assert case.answers("owner", number) == "awaits"
    assert case.world.confirm(number) == "decided"
    case.went_well()


@attack("X-AUTH-02")
def test_the_orchestrator_does_not_settle_what_it_wrote(case: Acting) -> None:
    case.reviews("dev-b", "approve")
    case.reviews("qa-a", "reject")
    number = case.raises("orchestrator", "disagreement-technical", 1)
    case.refused("decision.two_places", lambda: case.answers("orchestrator", number))
    case.refused("decision.no_place", lambda: case.answers("dev-b", number))
    case.refused("decision.waiting", lambda: case.raises("dev-a", "disagreement-owner", 1))
    case.world.now += EXPIRES_MS
    case.reviews("dev-b", "approve")
    assert case.standing_no() == ["qa-a"]
    last = case.raises("dev-a", "disagreement-owner", 1)
    case.refused("decision.no_place", lambda: case.answers("orchestrator", last))
    assert case.answers("owner", last) == "awaits"
    assert case.standing_no() == ["qa-a"]
    assert case.world.confirm(last) == "decided"
    assert case.standing_no() == []
    case.went_well()


@attack("X-AUTH-03")
def test_a_no_is_set_aside_for_one_difference(case: Acting) -> None:
    case.reviews("dev-b", "approve")
    case.reviews("qa-a", "reject")
    number = case.raises("dev-a", "disagreement-architectural", 1)
    for by in ("architect-a", "architect-b"):
        case.answers(by, number)
    assert case.standing_no() == []
    case.refused("decision.closed", lambda: case.answers("architect-a", number))
    opened = {
        "change": 1, "patch_set": 2, "ref": TOPIC, "target": MAIN, "title": "", "head": oid("2"), "base": OLD,
        "tree": oid("t2"), "diff_digest": "f" * 64, "about": {"contributors": ["dev-a"], "target_tip": OLD},
    }  # fmt: skip
    lines = ((NEW, oid("2"), TOPIC), (ZERO, oid("2"), "refs/changes/1/2"))
    case.world.applied(case.world.decide(Effects(handle="2-2", reserve=lines, opens=(opened,))))
    case.reviews("qa-a", "reject")
    assert case.standing_no() == ["qa-a"]
    case.refused("decision.no_disagreement", lambda: case.raises("dev-a", "disagreement-architectural", 1))
    case.reviews("dev-b", "approve")
    again = case.raises("dev-a", "disagreement-architectural", 1)
    for by in ("architect-a", "architect-b"):
        case.answers(by, again)
    assert case.standing_no() == []
    case.went_well()


@attack("X-AUTH-04")
@pytest.mark.parametrize("text", HIDDEN, ids=range(len(HIDDEN)))
def test_nothing_hidden_is_kept_to_be_shown(case: Acting, text: str) -> None:
    case.refused("gates.text", lambda: case.evidence("dev-a", note=text))
    case.refused("decision.text", lambda: case.raises("dev-a", "architecture", question=text + " and more words"))
    number = case.raises("dev-a", "architecture")
    case.refused("decision.text", lambda: case.answers("owner", number, reason=text))
    assert plain(text).isprintable()
    assert case.answers("owner", number, reason="seen — naïve but sound") == "awaits"
    case.evidence("dev-a", note="Grün, 12 Tests")
    case.went_well()


@attack("X-AUTH-05")
def test_silence_decides_nothing(case: Acting) -> None:
    number = case.raises("orchestrator", "refactoring")
    case.answers("dev-a", number)
    case.world.now += EXPIRES_MS
    case.refused("decision.expired", lambda: case.answers("qa-a", number))
    assert "decision.closed" not in case.world.kinds()
    again = case.raises("orchestrator", "refactoring")
    case.answers("dev-a", again)
    assert case.answers("qa-a", again) == "decided"
    case.went_well()


@attack("T-15")
def test_names_that_read_alike_are_not_one(case: Acting) -> None:
    for name in ("r\u043eses", "roses ", "Roses", "roses\u200b", "roses\n"):
        case.refused("gates.unknown", lambda name=name: case.evidence("dev-a", feature=name))  # type: ignore[misc]
        case.refused("gates.name", lambda name=name: case.does("planner-a", "gate.start", feature=name))  # type: ignore[misc]
    for stage in ("R\u0415D", "red", "RED "):
        case.refused("gates.malformed", lambda stage=stage: case.evidence("dev-a", stage))  # type: ignore[misc]
    for role in ("\u043ewner", "owner ", "Owner", "owner\u200b"):
        case.refused("message.recipient", lambda role=role: case.sends("dev-a", b"x", to=[role]))  # type: ignore[misc]
        case.refused("decision.kind", lambda role=role: case.raises("dev-a", f"architecture{role[-1]}"))  # type: ignore[misc]
    case.evidence("dev-a")
    case.went_well()


@attack("X-MSG-01")
def test_bytes_are_one_s_who_sent_them_first(case: Acting) -> None:
    case.sends("dev-a", b"please review")
    case.refused("message.reused", lambda: case.sends("qa-a", b"please review"))
    case.refused("message.reused", lambda: case.sends("dev-a", b"please review", to=["owner"]))
    assert case.checks("dev-b", b"please review")["from"] == "dev-a"
    case.went_well()


@attack("X-MSG-02")
def test_only_who_was_asked_answers(case: Acting) -> None:
    asked = case.sends("dev-a", b"please review")
    reply = {"to": ["dev-a"], "type": "sign-off-approval", "expects": "", "reply_to": asked}
    for by in ("qa-a", "orchestrator", "dev-a"):
        case.refused("message.not_asked", lambda by=by: case.sends(by, b"approved", **reply))  # type: ignore[misc]
    case.refused("message.recipient", lambda: case.sends("dev-b", b"approved", **reply | {"to": ["qa-a"]}))
    said = case.said("dev-b", "message.send")
    case.refused("statement.not_yours", lambda: case.hands_in("qa-a", "message.send", said))
    case.world.now += 5 * messages.HOUR_MS
    assert messages.overdue(case.world.service) == 1
    case.sends("dev-b", b"approved", **reply)
    case.went_well()


@attack("X-MSG-03")
def test_a_message_of_another_repository_says_nothing_here(case: Acting) -> None:
    data = {"name": "orchard", "id": "r2", "path": "/orchard", "git_uid": 1, "advisory": False, "refs": []}
    case.world.append(Draft(Kind.REPOSITORY_ADDED, SERVICE, "orchard", "orchard", data))
    raw = b"freeze nothing"
    body = {
        "to": ["dev-b"], "type": "status", "digest": hashlib.sha256(raw).hexdigest(), "size": len(raw), "change": 0,
        "expects": "", "reply_to": 0,
    }  # fmt: skip
    there = case.said("dev-a", "message.send", repository="orchard", **body)
    case.refused("statement.other_repository", lambda: case.hands_in("dev-a", "message.send", there))
    sent = case.hands_in("dev-a", "message.send", there, "orchard")
    case.refused("message.unknown", lambda: case.checks("dev-b", raw))
    case.refused("message.unknown", lambda: case.checks("dev-b", raw, sent["entry"]))
    case.refused("message.unknown", lambda: case.sends("dev-b", b"re", reply_to=sent["entry"]))
    case.sends("dev-a", raw)
    assert case.checks("dev-b", raw)["type"] == "sign-off-request"
    case.went_well()


@attack("X-MSG-04")
def test_what_was_changed_or_never_sent_is_told(case: Acting) -> None:
    number = case.sends("dev-a", b"land change 1\n")
    for changed in (b"land change 1", b"land change 2\n", b"land change 1\n\n", "land change \u0661\n".encode()):
        case.refused("message.unknown", lambda changed=changed: case.checks("dev-b", changed))  # type: ignore[misc]
        case.refused("message.changed", lambda changed=changed: case.checks("dev-b", changed, number))  # type: ignore[misc]
    case.refused("message.unknown", lambda: case.checks("dev-b", b"land change 1\n", number + 1))
    kept = {number: hashlib.sha256(b"land change 1\n").hexdigest()}
    assert messages.compare(kept, {}, {number})["missing"] == [number]
    assert messages.compare(kept, {f"{number}.md": "0" * 64}, {number})["changed"] == [number]
    assert case.checks("dev-b", b"land change 1\n", number)["message"] == number
    case.went_well()


@attack("X-MSG-05")
def test_a_message_is_known_to_whom_it_is(case: Acting) -> None:
    case.sends("dev-a", b"for dev-b alone")
    for by in ("qa-a", "architect-a", "owner"):
        case.refused("message.not_yours", lambda by=by: case.checks(by, b"for dev-b alone"))  # type: ignore[misc]
    assert case.checks("dev-b", b"for dev-b alone")
    case.went_well()


@attack("X-MSG-06")
def test_nobody_announces_what_was_not_decided(case: Acting) -> None:
    text = b'{"outcome":"decided","row":"architecture"}'
    for by in ("orchestrator", "owner", "dev-a"):
        sends = {"to": ["dev-b"], "type": "decision-announcement", "expects": ""}
        case.refused("message.reserved", lambda by=by, sends=sends: case.sends(by, text, **sends))  # type: ignore[misc]
    case.refused("message.unknown", lambda: case.checks("dev-b", text))
    number = case.raises("dev-a", "architecture")
    case.answers("owner", number)
    case.world.confirm(number)
    (told,) = case.world.bodies("kind='message.sent'")
    assert case.checks("dev-b", told["data"]["body"].encode())["from"] == SERVICE.id
    case.went_well()
