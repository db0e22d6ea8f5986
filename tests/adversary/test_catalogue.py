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
NAMED = {
    each
    for found in re.findall(r"attack\(([^)]*)\)", SOURCES)
    for each in re.findall(r'"([A-Z]-(?:[A-Z]+-)?\d\d)"', found)
}
SECURITY = (Path(__file__).parents[2] / "SECURITY.md").read_text(encoding="utf-8")
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


def test_everybody_who_answers_stands_in_one_group() -> None:
    grouped = [name for _, names in catalogue.TEN for name in names]
    assert len(grouped) == len(set(grouped))
    assert set(grouped) >= catalogue.CONTROLS


LITERATURE = {
    "G": "01 02 03 04 05 06 07 08 09 10 11 13 14 16 17 20 22 23 24 25 26 27 28 29 30 31 32",
    "P": "01 02 03 04 05 06 07 09 10 11 12 13 15 18 19 20 21 22",
    "A": "01 02 03 04 07 08 09 10 11 13 14 15 16 18 19 20 21 22 23 24 25 26 27 28 29 31 32 33 35 36 37 38 39 40",
    "K": "01 02 03 04 05 06 07 08 11 12 13 15 16 17 18 19 20",
    "D": "01 02 03 04 06 07 08 09 10 11 12 13 14",
}
"""The numbers of the literature's tables. Its table of logs is numbered anew: `L` is the longer list."""


@pytest.mark.parametrize("table", LITERATURE)
def test_every_attack_of_the_literature_has_a_row(table: str) -> None:
    assert {f"{table}-{number}" for number in LITERATURE[table].split()} <= {*BY_ID}


LOGS = {
    "truncated": "L-01", "another genesis": "L-03", "a fork": "L-02", "gaps, numbers twice": "L-08",
    "a second spelling": "L-12", "escapes in what is logged": "X-AUTH-04", "denials that are not logged": "X-LOG-01",
    "a report suppressed": "X-LOG-02", "personal data for ever": "L-25", "entries skipped by annotation": "X-LOG-03",
}  # fmt: skip


@pytest.mark.parametrize("attacked", LOGS)
def test_every_attack_on_logs_has_a_row(attacked: str) -> None:
    assert LOGS[attacked] in BY_ID


def test_more_than_forty_are_our_own() -> None:
    assert len({row.id for row in ROWS if row.id.startswith("X-") and not row.not_here}) >= 40


def test_the_document_names_the_same_ten_and_the_same_who_answer() -> None:
    rows = re.findall(r"^\| (\d+ .*|What .*) \| (.*) \|$", SECURITY, re.MULTILINE)
    said = tuple((name, tuple(re.findall(r"[a-z_]+", names)) if "section" not in names else ()) for name, names in rows)
    assert said == catalogue.TEN


def test_whoever_is_said_to_answer_is_attacked() -> None:
    answering = {row.control for row in ROWS if not row.not_here}
    assert sorted(name for _, names in catalogue.TEN for name in names if name not in answering) == []


@pytest.mark.parametrize("control", CONTROLS, ids=lambda control: control.NAME)
def test_every_control_that_the_document_describes_is_on_the_card(control: type) -> None:
    assert f"### {control.NAME}\n" in SECURITY
    assert control.NAME in {row.control for row in ROWS if not row.not_here}


@pytest.mark.parametrize("row", [row for row in ROWS if "SECURITY.md" in row.not_here], ids=lambda row: row.id)
def test_what_does_not_apply_is_said_where_the_row_says_it_is(row: Row) -> None:
    (section,) = re.findall(r"SECURITY\.md, (\d)", row.not_here)
    assert f"\n## {section}. " in SECURITY


def test_a_row_without_a_case_is_seen() -> None:
    line = Line(Row("G-99", "nobody tried", "four_eyes", "nobody"))
    assert not line.good
    assert (line.plain()["refused"], line.plain()["code"]) == (False, "no case")
    text = io.StringIO()
    show([line], Console(file=text, width=120))
    assert "no case" in text.getvalue()
    assert "not so: G-99" in text.getvalue()


def test_a_row_says_to_which_of_the_ten_it_belongs() -> None:
    assert Line(Row("G-99", "tried", "messages", "nobody")).plain()["of"] == "3 Message registry"
    assert Line(Row("G-99", "tried", "git", "nobody")).plain()["of"] == "What stands around them"
    assert Line(Row("G-99", "not here", not_here="why")).plain()["of"] == ""


@pytest.mark.parametrize("lacks", ["refused", "recorded", "twin", "passed"])
def test_a_row_is_good_only_if_every_case_saw_everything(lacks: str) -> None:
    row = Row("G-99", "tried", "four_eyes", "nobody")
    seen = {"codes": ["four_eyes.no_change"], "refused": True, "recorded": True, "twin": True, "passed": True}
    assert Line(row, [seen, seen]).good
    assert not Line(row, [seen, {**seen, lacks: False}]).good
    excused = Row("G-99", "tried", "git", "nobody", unrecorded="git ends the push")
    assert Line(excused, [{**seen, lacks: False}]).good == (lacks == "recorded")
    assert not Line(Row("G-99", "not here", not_here="why"), [seen]).good
