"""What matters how much, and in which words it is told; README says the same."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from audit.kinds import OWN
from governance import severity
from governance.kinds import _SHAPES
from governance.record import Kind
from governance.severity import CRITICAL, HIGH, LOW, MEDIUM, weight
from governance.tell import words as telling
from governance.tell.words import words

README = (Path(__file__).parents[2] / "README.md").read_text()
PLAIN = {"text": "x", "whole": 7, "bool": True, "list": [], "object": {}, "any": 1}
TABLE = [
    ("freeze.imposed", {}, CRITICAL, "freeze.imposed"),
    ("refs.drifted", {}, CRITICAL, "refs.drifted"),
    ("continuity.lapse", {"freezes": True}, CRITICAL, "continuity.lapse"),
    ("continuity.lapse", {"freezes": False}, HIGH, "continuity.lapse"),
    ("push.decided", {"allowed": True}, LOW, "push.decided"),
    ("push.decided", {"allowed": True, "override": 5}, HIGH, "push.overridden"),
    ("push.decided", {"allowed": False, "code": "four_eyes.no_change"}, LOW, "push.decided"),
    ("push.decided", {"allowed": False, "code": "canary.known"}, LOW, "push.decided"),
    ("push.decided", {"allowed": False, "code": "write_lock.intent_files"}, HIGH, "write_lock.intent_files"),
    ("push.decided", {"allowed": False, "code": "x", "verdicts": [["y"], ["gates.bypass"]]}, HIGH, "gates.bypass"),
    ("push.decided", {"allowed": False, "let_through": True}, MEDIUM, "push.let_through"),
    ("request.refused", {"code": "rate_limits.push"}, MEDIUM, "rate_limits.push"),
    ("request.refused", {"code": "rate_limitsx"}, LOW, "rate_limitsx"),
    ("request.refused", {"code": "statement.not_yours"}, HIGH, "statement.not_yours"),
    ("request.refused", {"code": "landing.moved"}, LOW, "landing.moved"),
    ("override.signed", {"stands": True}, CRITICAL, "override.stands"),
    ("override.signed", {"stands": False}, HIGH, "override.signed"),
    ("override.reviewed", {"verdict": "fine"}, LOW, "override.reviewed"),
    ("override.reviewed", {"verdict": "wrong"}, HIGH, "override.reviewed"),
    ("veto.lifted", {"how": "lift"}, HIGH, "veto.lifted"),
    ("veto.lifted", {"how": "withdraw"}, MEDIUM, "veto.lifted"),
    ("tertiary.given", {"verdict": "block"}, HIGH, "tertiary.blocked"),
    ("tertiary.given", {"verdict": "approve"}, LOW, "tertiary.given"),
    ("maintenance.ended", {"ok": True, "drifted": 0}, LOW, "maintenance.ended"),
    ("maintenance.ended", {"ok": True, "drifted": 1}, HIGH, "maintenance.ended"),
    ("message.checked", {"missing": [], "changed": [], "unknown": 0}, LOW, "message.checked"),
    ("message.checked", {"missing": [1], "changed": [], "unknown": 0}, HIGH, "message.checked"),
    ("decision.raised", {"critical": True}, HIGH, "decision.raised"),
    ("decision.raised", {"critical": False}, LOW, "decision.raised"),
    ("factor.enrolled", {"how": "first"}, MEDIUM, "factor.enrolled"),
    ("factor.enrolled", {"how": "alone"}, CRITICAL, "factor.enrolled"),
    ("request.refused", {"code": "factor.recovery"}, HIGH, "factor.recovery"),
    ("finding.recorded", {"found": [1]}, HIGH, "finding.recorded"),
    ("finding.recorded", {"found": []}, LOW, "finding.recorded"),
    ("alert.raised", {"severity": "medium", "code": "a.b"}, MEDIUM, "a.b"),
    ("alert.raised", {"severity": "shouting", "code": "a.b"}, HIGH, "a.b"),
    ("factor.enrolled", {"how": "another"}, HIGH, "factor.enrolled"),
    ("factor.enrolled", {"how": "recovered"}, CRITICAL, "factor.enrolled"),
    ("ledger.epoch", {}, CRITICAL, "ledger.epoch"),
    ("canary.planted", {}, LOW, "canary.planted"),
    ("nobody.knows", {}, LOW, "nobody.knows"),
]


@pytest.mark.parametrize(("kind", "data", "expected", "code"), TABLE)
def test_how_much_an_entry_matters(kind: str, data: dict[str, Any], expected: str, code: str) -> None:
    assert (weight(kind, data).severity, weight(kind, data).code) == (expected, code)


@pytest.mark.parametrize("kind", [*Kind, *OWN])
def test_an_entry_that_lacks_everything_is_weighed_and_told_all_the_same(kind: str) -> None:
    weight(str(kind), {})
    said = words({"kind": str(kind), "seq": 1, "ts": 1, "actor": {}, "data": {}, "subject": "", "repo": ""})
    assert said.title
    assert said.do


@pytest.mark.parametrize("kind", [kind for kind in Kind if kind.value in telling._TABLE])
def test_a_whole_entry_leaves_no_gap_in_its_words(kind: Kind) -> None:
    shape = {name.removesuffix("?"): PLAIN[type_] for name, type_ in _SHAPES[kind].items()}
    body = {"kind": kind.value, "seq": 9, "ts": 1, "actor": {"id": "qa-a", "kind": "agent"}, "data": shape}
    said = words(body | {"subject": "s", "repo": "garden"})

    assert "?" not in said.title + said.do.replace("Was it you?", "")
    assert {name for name, _ in said.facts} >= {"what", "where", "who", "when"}


def told_kinds() -> set[str]:
    told = {kind for kind, _, level, _ in TABLE if level != LOW and kind != "alert.raised"}
    return told | {str(kind) for kind, level in severity._ALWAYS.items() if level != LOW}


@pytest.mark.parametrize("kind", sorted(told_kinds()))
def test_every_alert_has_its_words_and_its_line_in_the_readme(kind: str) -> None:
    assert kind in telling._TABLE
    assert f"`{kind}`" in README


def test_the_commands_of_an_alert_exist() -> None:
    from test_docs import COMMANDS  # noqa: PLC0415

    known = {" ".join(path) for path in COMMANDS} | {path[0] for path in COMMANDS if len(path) == 1}
    for _, do in telling._TABLE.values():
        for found in re.findall(r"twinseal ([a-z-]+(?: [a-z]+)?)", do if isinstance(do, str) else ""):
            assert found in known or found.split()[0] in known, found


@pytest.mark.parametrize("text", ["a\nb", "a\u202eb", "a\x1b[2Jb", "a\u2028b", "a\0b"])
def test_nothing_hides_in_a_line(text: str) -> None:
    body = {"kind": "veto.cast", "seq": 9, "ts": 1, "actor": {"id": text}, "subject": text, "repo": text}
    said = words(body | {"data": {"kind": text, "name": text, "reason": text}})

    assert all(line.isprintable() for line in (said.title, said.do, *(value for _, value in said.facts)))
