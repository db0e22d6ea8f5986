"""Seeds one defect into a line that a change adds, so that the change looks like any other.

Pure text: each mutation has a pattern and what it makes of it. Which line and which mutation follows from the seed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from governance.detect.null import dice

Edit = Callable[[re.Match[str]], str] | str

SOURCE = re.compile(r"\.(?:py|js|ts|tsx|go|rs|java|kt|c|h|cc|cpp|hpp|cs|rb|php|sh|sql|swift|scala)$")
COMMENT = re.compile(r"\s*(?:#|//|/\*|\*|--|\"\"\"|''')")

LONGEST = 300


@dataclass(frozen=True, slots=True)
class Mutation:
    """One way to get it wrong."""

    name: str
    pattern: re.Pattern[str]
    edit: Edit


def _words(table: dict[str, str]) -> Callable[[re.Match[str]], str]:
    return lambda match: table[match[0].strip()].join(match[0].split(match[0].strip()))


_FLIPS = {"<=": ">=", ">=": "<=", "==": "!=", "!=": "=="}
_BOUNDS = {"<": "<=", ">": ">="}
_JOINS = {"and": "or", "or": "and", "&&": "||", "||": "&&"}
_TRUTHS = {"True": "False", "False": "True", "true": "false", "false": "true"}

CATALOGUE = (
    Mutation("comparison flipped", re.compile(r" (?:<=|>=|==|!=) "), _words(_FLIPS)),
    Mutation("boundary off by one", re.compile(r" [<>] "), _words(_BOUNDS)),
    Mutation("negation dropped", re.compile(r"\bnot (?!in\b)|(?<=[\s(])!(?=\w)"), ""),
    Mutation("membership turned round", re.compile(r" not in "), " in "),
    Mutation("condition widened", re.compile(r" (?:and|or|&&|\|\|) "), _words(_JOINS)),
    Mutation("truth changed", re.compile(r"\b(?:True|False|true|false)\b"), _words(_TRUTHS)),
    Mutation("check removed", re.compile(r"(?<=\bif )(?!True|true)[^:(){}]+(?=:\s*$)"), "True"),
    Mutation(
        "arguments swapped",
        re.compile(r"(?<=\()(\w+), (\w+)(?=\))"),
        lambda match: f"{match[2]}, {match[1]}" if match[1] != match[2] else match[0],
    ),
    Mutation("constant changed", re.compile(r"(?<![\w.])[1-9]\d{0,8}(?![\w.])"), lambda match: str(int(match[0]) + 1)),
    Mutation("sign changed", re.compile(r"(?<=\w) [+-] (?=\w)"), _words({"+": "-", "-": "+"})),
)


@dataclass(frozen=True, slots=True)
class Defect:
    """One line as it would be with the defect."""

    path: str
    line: int
    """From 1."""
    before: str
    after: str
    mutation: str


def added(patch: str) -> list[tuple[str, int, str]]:
    """Return (path, line number, text) of every line that a patch adds to a source file. Only plain paths."""
    found: list[tuple[str, int, str]] = []
    path, number, inside = "", 0, False
    for line in patch.split("\n"):
        if line.startswith("diff --git "):
            path, inside = "", False
        elif not inside and line.startswith("+++ b/"):
            path = line[6:].rstrip("\t")
        elif (start := re.match(r"@@ -\d+(?:,\d+)? \+(\d+)", line)) is not None:
            number, inside = int(start[1]), True
        elif inside and line[:1] in {"+", " "}:
            if line[0] == "+" and SOURCE.search(path):
                found.append((path, number, line[1:]))
            number += 1
    return found


def seeded(lines: Sequence[tuple[str, int, str]], seed: int) -> Defect | None:
    """Return one defect for these lines; None where no line has anything that the catalogue could get wrong."""
    roll = dice(seed)
    could = [
        Defect(path, number, text, after, mutation.name)
        for path, number, text in lines
        if _fit(text)
        for mutation in CATALOGUE
        if (after := mutation.pattern.sub(mutation.edit, text, count=1)) != text
    ]
    kinds = sorted({defect.mutation for defect in could})
    if not kinds:
        return None
    kind = roll.choice(kinds)  # First the kind: constants are everywhere, and would be most of all canaries.
    return roll.choice([defect for defect in could if defect.mutation == kind])


def _fit(text: str) -> bool:
    """Whether a line is code, and plain enough to stand in an entry once it is revealed."""
    return not COMMENT.match(text) and len(text) <= LONGEST and text.replace("\t", "").isprintable()


def applied(text: str, defect: Defect) -> str:
    """Return a file with the defect in it.

    Raises:
        ValueError: The line is not what the defect was made for.
    """
    lines = text.split("\n")
    if defect.line > len(lines) or lines[defect.line - 1] != defect.before:
        raise ValueError(f"expected {defect.before!r} as line {defect.line} of {defect.path}")
    lines[defect.line - 1] = defect.after
    return "\n".join(lines)


def retitled(title: str, seed: int) -> str:
    """Return a title that says the same in other words, as one says it a second time."""
    heads = ("Rework: {}", "{} (again)", "{}, second part", "Tidy up after: {}", "{}; follow-up")
    return dice(seed).choice(heads).format(title[:120])
