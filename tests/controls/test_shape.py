"""Every control has the one shape, and each of its reasons stands in the table of its test."""

from __future__ import annotations

import ast
import dataclasses
import re
from importlib import import_module
from pathlib import Path

import pytest

from builders import a_policy, a_push, a_standing
from governance import controls
from governance.controls import CONTROLS, controls_for

FOLDER = Path(controls.__file__).parent
FILES = sorted(path for path in FOLDER.glob("*.py") if not path.stem.startswith("_"))
NAMES = [path.stem for path in FILES]
ANSWERS = {"satisfied", "unsatisfied"}
REASON = re.compile(r"[a-z]+(?:_[a-z]+)*")


def texts(node: ast.AST) -> set[str]:
    return {n.value for n in ast.walk(node) if isinstance(n, ast.Constant) and isinstance(n.value, str)}


def reasons(source: str) -> set[str]:
    """Collect what may become a reason: an answer's second argument, `reason = ...`, a returned tuple's first."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ANSWERS:
            found |= texts(node.args[1])
        elif isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == "reason" for t in node.targets):
            value = node.value
            found |= texts(value.body) | texts(value.orelse) if isinstance(value, ast.IfExp) else texts(value)
        elif isinstance(node, ast.Return) and isinstance(node.value, ast.Tuple) and node.value.elts:
            found |= texts(node.value.elts[0])
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "not_applicable":
            found.add("not_applicable")
    return {text for text in found if REASON.fullmatch(text)}


def test_the_folder_is_the_list() -> None:
    assert sorted(control.NAME for control in CONTROLS) == NAMES
    assert [control.NAME for control in CONTROLS] == [
        "freeze", "ref_rules", "rate_limits", "proposals", "signed_commits", "canary", "vetoes", "write_lock", "gates",
        "four_eyes", "unreviewed_debt", "small_changes", "tertiary",
    ]  # fmt: skip


def test_the_collector_sees_every_way_to_give_a_reason() -> None:
    source = (
        'def f(self):\n    reason = "one" if code == "not.this" else "two"\n    return "three", f"x", "y"\n'
        'def g(self):\n    return unsatisfied(self, "four", "five six")\n'
        'def h(self):\n    return not_applicable(self, "x")'
    )
    assert reasons(source) == {"one", "two", "three", "four", "not_applicable"}


@pytest.mark.parametrize("path", FILES, ids=NAMES)
def test_a_docstring_says_question_source_threat_and_when_it_does_not_apply(path: Path) -> None:
    doc = ast.get_docstring(ast.parse(path.read_text())) or ""

    assert re.findall(r"^(Question|Source|Threat|Not applicable): \S", doc, re.MULTILINE) == [
        "Question", "Source", "Threat", "Not applicable",
    ]  # fmt: skip


@pytest.mark.parametrize("path", FILES, ids=NAMES)
def test_every_reason_is_tested_and_no_test_names_another(path: Path) -> None:
    declared = reasons(path.read_text())
    test = (Path(__file__).parent / f"test_{path.stem}.py").read_text()
    named = texts(ast.parse(test))
    full = {text.removeprefix(f"{path.stem}.") for text in named if text.startswith(f"{path.stem}.")}

    assert declared
    assert declared - named - full == set()
    assert full - declared - {""} == set()


@pytest.mark.parametrize("path", FILES, ids=NAMES)
def test_a_control_opens_nothing_and_keeps_nothing(path: Path) -> None:
    tree = ast.parse(path.read_text())
    imported = {n.module for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
    imported |= {alias.name for n in ast.walk(tree) if isinstance(n, ast.Import) for alias in n.names}

    assert {name.split(".")[0] for name in imported} <= {
        "__future__", "collections", "dataclasses", "governance", "re", "typing", "unicodedata",
    }  # fmt: skip
    assert not any(isinstance(n, ast.Global | ast.Nonlocal) for n in ast.walk(tree))


@pytest.mark.parametrize("control", controls_for(a_policy()), ids=lambda control: control.NAME)
def test_a_control_is_a_frozen_value_whose_verdict_has_no_truth_value(control: controls.Control) -> None:
    assert dataclasses.is_dataclass(control)
    assert control == type(control).of(a_policy())
    for field in dataclasses.fields(control):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(control, field.name, None)
    verdict = control.evaluate(a_push(), a_standing())
    assert verdict.control == control.NAME
    assert verdict.reason.startswith(f"{control.NAME}.")
    with pytest.raises(TypeError, match="no truth value"):
        bool(verdict)


@pytest.mark.parametrize("control", controls_for(a_policy()), ids=lambda control: control.NAME)
def test_the_same_question_has_the_same_answer(control: controls.Control) -> None:
    assert control.evaluate(a_push(), a_standing()) == control.evaluate(a_push(), a_standing())


def test_every_module_of_the_folder_can_be_imported_alone() -> None:
    for name in NAMES:
        assert import_module(f"governance.controls.{name}").__doc__
