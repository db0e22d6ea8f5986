"""The card is whole: every row that applies is named by a test, and every test names rows that exist."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from rich.console import Console

from adversary import catalogue
from adversary.card import Line, show
from adversary.catalogue import ROWS, Row
from governance.controls import CONTROLS

SOURCES = "".join(path.read_text(encoding="utf-8") for path in Path(__file__).parent.glob("test_*.py"))
NAMED = {each for found in re.findall(r"attack\(([^)]*)\)", SOURCES) for each in re.findall(r'"([GPAKX]-\d\d)"', found)}
BY_ID = {row.id: row for row in ROWS}


def test_no_row_stands_twice() -> None:
    assert len(BY_ID) == len(ROWS)


def test_every_named_row_exists_and_applies() -> None:
    assert sorted(each for each in NAMED if each not in BY_ID or BY_ID[each].not_here) == []


def test_every_row_that_applies_is_named_by_a_test() -> None:
    assert sorted(row.id for row in ROWS if not row.not_here and row.id not in NAMED) == []


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_a_row_says_who_answers_and_what_it_beats_or_why_it_does_not_apply(row: Row) -> None:
    assert {control.NAME for control in CONTROLS} <= catalogue.CONTROLS
    assert bool(row.not_here) != (row.control in catalogue.CONTROLS and bool(row.beats))


def test_a_row_without_a_case_is_seen() -> None:
    line = Line(Row("G-99", "nobody tried", "four_eyes", "nobody"))
    assert not line.good
    assert (line.plain()["refused"], line.plain()["code"]) == (False, "no case")
    text = io.StringIO()
    show([line], Console(file=text, width=120))
    assert "no case" in text.getvalue()
    assert "not so: G-99" in text.getvalue()


@pytest.mark.parametrize("lacks", ["refused", "recorded", "twin", "passed"])
def test_a_row_is_good_only_if_every_case_saw_everything(lacks: str) -> None:
    row = Row("G-99", "tried", "four_eyes", "nobody")
    seen = {"codes": ["four_eyes.no_change"], "refused": True, "recorded": True, "twin": True, "passed": True}
    assert Line(row, [seen, seen]).good
    assert not Line(row, [seen, {**seen, lacks: False}]).good
    excused = Row("G-99", "tried", "git", "nobody", unrecorded="git ends the push")
    assert Line(excused, [{**seen, lacks: False}]).good == (lacks == "recorded")
    assert not Line(Row("G-99", "not here", not_here="why"), [seen]).good
