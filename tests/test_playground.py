"""How the demo is told: in the order in which it happened."""

from __future__ import annotations

import socket
from subprocess import CompletedProcess
from typing import TYPE_CHECKING

import pytest

from governance.entrypoints.playground import Playground
from governance.errors import UnavailableError

if TYPE_CHECKING:
    from pathlib import Path


def ended(out: str, err: str = "", code: int = 0) -> CompletedProcess[str]:
    return CompletedProcess((), code, out, err)


def test_what_is_asked_stands_before_its_answer_and_what_came_of_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    play = Playground(tmp_path, listen="127.0.0.1:1")
    answers = [("twinseal otp verify 8", ended("prompt 8 is approved"))]
    play.owner._told("twinseal repo add", ended("demo is governed", "\nPrompt 8\n"), refused="", answers=answers)
    told = [line.strip() for line in capsys.readouterr().out.split("\n")]
    assert told == [
        "owner$ twinseal repo add", "Prompt 8", "In another terminal, beside the app:",
        "owner$ twinseal otp verify 8", "prompt 8 is approved", "Here it goes on:", "demo is governed", "",
    ]  # fmt: skip
    assert play.mistakes == []


def test_of_a_long_answer_the_first_lines_are_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    play = Playground(tmp_path, listen="127.0.0.1:1")
    play.owner._told("twinseal report daily", ended("one\ntwo\nthree\nfour\n"), refused="", most=2)
    assert capsys.readouterr().out.split() == [
        "owner$",
        "twinseal",
        "report",
        "daily",
        "one",
        "two",
        "...",
        "and",
        "2",
        "more",
        "lines",
    ]


def test_where_something_else_listens_nobody_is_taken_for_the_service(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        listen = f"127.0.0.1:{other.getsockname()[1]}"
        with pytest.raises(UnavailableError, match="cannot be listened on") as refused:
            Playground(tmp_path, listen=listen).begin()
    assert "TWINSEAL_LISTEN" in refused.value.mend
    assert list(tmp_path.iterdir()) == []
