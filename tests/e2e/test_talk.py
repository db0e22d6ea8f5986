"""Gates, messages and decisions by the commands that people and agents type, against a running service."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from builders import loose_policy
from governance.entrypoints.playground import Playground
from governance.entrypoints.seated import Seated
from playing import free_port

RED = "a" * 40
SEATS = ("planner-a", "orchestrator", "librarian", "dev-a", "qa-a")


@pytest.fixture(scope="module")
def play(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Playground]:
    folder = tmp_path_factory.mktemp("t")
    made = Playground(folder, listen=f"127.0.0.1:{free_port()}", quiet=True, policy=loose_policy(folder / "policy"))
    try:
        made.begin()
        made.govern("garden", [made.enroll(name) for name in SEATS])
        yield made
    finally:
        made.close()
    assert made.mistakes == []


def seat(play: Playground, name: str) -> Seated:
    return next(each for each in play.seats if each.name == name)


def says(play: Playground, name: str, *args: str, refused: str = "") -> str:
    return seat(play, name).twinseal(*args, refused=refused)


def answer(play: Playground, name: str, *args: str) -> Any:  # noqa: ANN401 - JSON
    return json.loads(says(play, name, *args, "--json"))


def test_a_feature_goes_through_its_first_gate(play: Playground, tmp_path: Path) -> None:
    report = tmp_path / "report.txt"
    report.write_text("1 failed\n")
    says(play, "dev-a", "gate", "start", "roses", refused="authority.denied")
    assert "stands at RED" in says(play, "planner-a", "gate", "start", "roses")
    shows = ("gate", "evidence", "roses", "RED", "--commit", RED, "--file", str(report), "--note")
    assert "second, independent role" in says(play, "dev-a", *shows, "the test fails")
    says(play, "dev-a", *shows, "two\x1b[2J", refused="gates.text")
    says(play, "qa-a", "gate", "advance", "roses", refused="authority.denied")
    says(play, "orchestrator", "gate", "advance", "roses", refused="gates.evidence")
    assert "can be advanced" in says(play, "qa-a", *shows, "seen it fail")
    assert "librarian co-signs" in says(play, "orchestrator", "gate", "advance", "roses")
    says(play, "orchestrator", "gate", "advance", "roses", "--cosign", refused="gates.own_request")
    says(play, "dev-a", "gate", "check", "roses", "RED", refused="gates.missing")
    assert "has passed RED" in says(play, "librarian", "gate", "advance", "roses", "--cosign")
    says(play, "librarian", "gate", "advance", "roses", "--cosign", refused="gates.moved")
    assert "has passed RED" in says(play, "dev-a", "gate", "check", "roses", "RED", "--commit", RED)
    assert "GREEN" in says(play, "dev-a", "gate", "status", "roses")
    assert [(f["name"], f["stage"]) for f in answer(play, "dev-a", "gate", "list")] == [("roses", "GREEN")]
    says(play, "dev-a", "gate", "status", "Roses", refused="gates.unknown")


def test_a_message_is_sent_checked_and_answered(play: Playground, tmp_path: Path) -> None:
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    note = tmp_path / "note.md"
    note.write_text("Is the test plan sound?\n")
    asks = ("message", "send", str(note), "--to", "qa-a", "--type", "peer-review", "--expects", "peer-review")
    number = answer(play, "dev-a", *asks)["message"]
    assert "peer-review by dev-a" in says(play, "qa-a", "message", "verify", str(note), "--message", str(number))
    says(play, "librarian", "message", "verify", str(note), refused="message.not_yours")
    says(play, "qa-a", "message", "check", str(inbox), refused="message.missing")
    (inbox / f"{number}.md").write_text("Land it now.\n")
    says(play, "qa-a", "message", "verify", str(inbox / f"{number}.md"), refused="message.unknown")
    says(play, "qa-a", "message", "check", str(inbox), refused="message.changed")
    (inbox / f"{number}.md").write_bytes(note.read_bytes())
    assert "1 files compared" in says(play, "qa-a", "message", "check", str(inbox))
    assert "waits for peer-review" in says(play, "dev-a", "message", "list")
    note.write_text("It is.\n")
    reply = ("message", "send", str(note), "--to", "dev-a", "--type", "peer-review", "--reply-to", str(number))
    says(play, "librarian", *reply, refused="message.not_asked")
    says(play, "qa-a", *reply)
    assert "by message" in says(play, "dev-a", "message", "list")


def test_a_decision_is_raised_and_signed(play: Playground) -> None:
    table = says(play, "dev-a", "decision", "table")
    assert "forbidden" in table
    assert any(line.startswith(" architecture ") and "critical" in line for line in table.split("\n"))
    ask = ("decision", "raise", "Shall the beds be joined?", "--option", "yes", "--kind")
    says(play, "dev-a", *ask, "refactoring", refused="authority.denied")
    number = str(answer(play, "orchestrator", *ask, "refactoring")["decision"])
    yes = ("decision", "sign", number, "--approve", "--reason")
    says(play, "librarian", *yes, "well", refused="decision.no_place")
    assert "others have still" in says(play, "dev-a", *yes, "it is small")
    assert "dev-a or dev-b" not in answer(play, "dev-a", "decision", "show", number)["missing"]
    assert "it is decided" in says(play, "qa-a", *yes, "tests cover it")
    assert "decided by the row refactoring" in says(play, "dev-a", "decision", "show", number)
    assert "decided" in says(play, "dev-a", "decision", "list")
    other = str(answer(play, "orchestrator", *ask, "test-strategy")["decision"])
    assert "taken back" in says(play, "orchestrator", "decision", "close", other, "--reason", "asked too soon")
    told = answer(play, "qa-a", "message", "list")[0]
    assert (told["type"], told["from"]) == ("decision-announcement", "twinseal")
