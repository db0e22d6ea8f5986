"""The score card: what each attack of the catalogue was answered in this run, and nothing that was not seen.

A test marked `@attack("G-03")` takes the fixture `case` and shows it what the real service answered. The case reads
the code from the answer and the entry from the ledger itself; neither can be written into a test by hand.
"""

from __future__ import annotations

import contextlib
import http
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from rich.table import Table

from adversary.catalogue import ROWS, TEN, Row
from playing import MAIN, Answer, Ground, Member, Pushed, Repository, until
from tabs import Page

attack = pytest.mark.attack
"""Names the rows of the catalogue that a test is a case of."""

ENTRY = re.compile(r"Recorded as entry (\d+)")
NO_CASE = "no case"


class Seen:
    """What one test has seen, of whatever it attacked."""

    def __init__(self) -> None:
        self.seen: dict[str, Any] = {"codes": [], "refused": False, "recorded": True, "twin": False}

    def _saw(self, code: str, *, recorded: bool) -> None:
        self.seen["codes"].append(code)
        self.seen["refused"] = True
        self.seen["recorded"] &= recorded


class LedgerCase(Seen):
    """What one test has seen of an attack on a ledger: errors by their codes, and the verifier's verdicts."""

    @contextlib.contextmanager
    def refuses(self, kind: type[Exception] | tuple[type[Exception], ...], match: str | None = None) -> Iterator[None]:
        """What is done here is refused, with an error of ours or of the engine's, in these words."""
        with pytest.raises(kind, match=match) as caught:
            yield
        self.answered(getattr(caught.value, "code", "sql"))

    def answered(self, code: str) -> None:
        """It was answered with this code."""
        self._saw(str(code), recorded=False)

    def judged(self, report: Mapping[str, Any], status: str, at: int | None = ..., words: str = "") -> None:  # type: ignore[assignment]
        """The verifier says so, and names the first bad entry."""
        assert report["status"] == status, report
        assert at in {..., report["first_bad"]}, report
        assert words in report["reason"], report
        self._saw(f"verify.{status}", recorded=False)

    def went_well(self) -> None:
        """The honest way went through."""
        self.seen["twin"] = True


class Case(Seen):
    """What one test has seen of an attack on the service."""

    def __init__(self, ground: Ground) -> None:
        super().__init__()
        self._ground = ground

    def refused(self, answer: Pushed, *codes: str) -> str:
        """The attack was refused by us with one of these codes, and written down; return what the pusher read."""
        assert not answer.landed, answer.said
        assert answer.code in codes, (codes, answer.said)
        found = ENTRY.search(answer.said)
        entry = self._ground.entry(int(found[1])) if found else {}
        recorded = not entry.get("data", {}).get("allowed") and entry.get("data", {}).get("code") == answer.code
        self._saw(answer.code, recorded=recorded)
        assert recorded, (answer.said, entry)
        return answer.said

    def denied(self, answer: Answer, *codes: str, by: Member) -> None:
        """An act over HTTP was refused with one of these codes, and written down as who was authenticated."""
        assert answer.code in codes, (codes, answer.raw)
        last = int(self._ground.owner.get("/status").body["entries"])
        found = self._ground.entries("request.refused", start=max(0, last - 10))
        recorded = any((e["data"]["code"], e["actor"]["id"]) == (answer.code, by.name) for e in found)
        self._saw(answer.code, recorded=recorded)
        assert recorded, (answer.raw, found)

    def stopped(self, answer: Pushed, *words: str) -> None:
        """Git itself ended the push, in these words, without having asked us: there is no entry."""
        assert not answer.landed, answer.said
        assert any(word in answer.said for word in words), (words, answer.said)
        assert not ENTRY.search(answer.said), answer.said
        self._saw("git", recorded=False)

    def released(self, repository: Repository, answer: Pushed) -> None:
        """We allowed what git then would not carry out: the entry of the decision is followed by one that says so."""
        found = ENTRY.search(answer.said)
        assert found, answer.said
        until(lambda: not repository.reserved(), "what was reserved is released")
        after = [e for e in self._ground.entries("push.released") if e["data"]["decision"] == int(found[1])]
        self._saw("released", recorded=bool(after))
        assert after

    def drifted(self, repository: Repository) -> None:
        """The attack was no push; what it moved was seen, recorded, and froze the repository."""
        found = [e for e in self._ground.entries("refs.drifted") if e["repo"] == repository.name]
        assert repository.frozen()
        self._saw("refs.drifted", recorded=bool(found))
        assert found

    def not_landed(self, repository: Repository, landing: Mapping[str, Any], code: str) -> None:
        """The lander was asked, put the question that any push is asked, and was refused; the ledger has it."""
        assert (landing["state"], landing["code"]) == ("refused", code), landing
        found = [e for e in self._ground.entries("landing.refused") if e["repo"] == repository.name]
        self._saw(code, recorded=[e["data"]["code"] for e in found] == [code])
        assert found

    def unserved(self, answer: Answer) -> None:
        """The attack was no push, and HTTP had nothing for it."""
        assert answer.status == http.HTTPStatus.NOT_FOUND, answer.raw
        self._saw("404", recorded=False)

    def turned_away(self, page: Page, *codes: str) -> None:
        """A page was not given, or a form not taken, with one of these codes; to `/login` counts as `login.first`."""
        code = "login.first" if page.location.startswith("/login") else page.code
        code = "login.refused" if "Not let in" in page.text else code
        assert code in codes, (codes, page.status, page.text)
        self._saw(code, recorded=False)

    def answered(self, code: str) -> None:
        """What was tried within this process was answered with this code."""
        self._saw(code, recorded=False)

    def twin(self, answer: Pushed | Answer | Page) -> None:
        """The honest way went through."""
        landed = answer.landed if isinstance(answer, Pushed) else answer.status < http.HTTPStatus.BAD_REQUEST
        assert landed, answer
        self.seen["twin"] = True

    def lands(self, repository: Repository, by: Member, head: str, *, ref: str = MAIN) -> None:
        """The honest twin: this may go in."""
        self.twin(repository.push(by, f"{head}:{ref}"))


@dataclass
class Line:
    """What all cases of one row came to."""

    row: Row
    seen: list[Mapping[str, Any]] = field(default_factory=list)

    @property
    def codes(self) -> str:
        """Every code that was answered, in alphabetical order."""
        return ", ".join(sorted({code for each in self.seen for code in each["codes"]})) or NO_CASE

    def all(self, what: str) -> bool:
        """Whether every case of this row saw it, and there was one."""
        return bool(self.seen) and all(each[what] and each["passed"] for each in self.seen)

    @property
    def good(self) -> bool:
        """Whether the row is what it should be."""
        if self.row.not_here:
            return not self.seen
        recorded = self.all("recorded") or bool(self.row.unrecorded)
        return self.all("refused") and recorded and self.all("twin")

    def plain(self) -> dict[str, object]:
        """Return what a script reads; of a row that does not apply, nothing is claimed."""
        row, here = self.row, not self.row.not_here
        found = {"id": row.id, "title": row.title, "of": TEN[_group(row)][0] if here else "", "control": row.control}
        found["beats"] = row.beats
        found |= {"refused": self.all("refused") if here else None, "code": self.codes if here else ""}
        found |= {"recorded": self.all("recorded") if here else None, "twin_passed": self.all("twin") if here else None}
        return found | {"cases": len(self.seen), "why": row.not_here or row.unrecorded}


class Card:
    """A plugin of the process that gives the tests out: gathers, shows and writes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.lines = {row.id: Line(row) for row in ROWS}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take what a test saw; a test that failed has shown nothing."""
        if report.when == "call":
            for ids, seen in [value for name, value in report.user_properties if name == "attack"]:
                for each in ids:
                    self.lines[each].seen.append({**seen, "passed": report.passed})

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Write the card; a hole in it fails the run."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps([line.plain() for line in self.lines.values()], indent=1, ensure_ascii=False)
        self._path.write_text(text + "\n", encoding="utf-8")
        if session.exitstatus == pytest.ExitCode.OK and not all(line.good for line in self.lines.values()):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:  # noqa: ANN401 - pytest does not export its type
        """Show the card, in colour where the terminal has it."""
        colour = terminalreporter.hasmarkup
        width = None if terminalreporter.isatty else 170
        console = Console(file=(text := StringIO()), force_terminal=colour, no_color=not colour, width=width)
        show(self.lines.values(), console)
        terminalreporter.write("\n" + text.getvalue())


def show(lines: Iterable[Line], console: Console) -> None:
    """Print the table, by control, and how many rows are good."""
    table = Table(title="attacks, by the ten controls", title_justify="left")
    for name in ("id", "attack", "refused with", "recorded", "twin", "beats"):
        table.add_column(name, no_wrap=name == "id", overflow="fold")
    ordered = sorted(lines, key=lambda line: (bool(line.row.not_here), _group(line.row), line.row.control, line.row.id))
    group = -1
    for line in ordered:
        if line.row.not_here:
            table.add_row(line.row.id, line.row.title, "[dim]does not apply[/]", "", "", f"[dim]{line.row.not_here}[/]")
            continue
        if _group(line.row) != group:
            group = _group(line.row)
            table.add_section()
            table.add_row("", f"[bold]{TEN[group][0]}[/]", "", "", "", "")
        codes = f"[{'green' if line.all('refused') else 'bold red'}]{line.codes}[/]"
        recorded = "[yellow]by none[/]" if line.row.unrecorded and line.seen else _mark(line.all("recorded"))
        table.add_row(line.row.id, line.row.title, codes, recorded, _mark(line.all("twin")), line.row.beats)
    console.print(table)
    here = [line for line in ordered if not line.row.not_here]
    good, holes = sum(line.good for line in here), [line.row.id for line in ordered if not line.good]
    console.print(f"{good} of {len(here)} attacks refused, recorded and with an honest twin that landed")
    console.print(f"[bold red]not so: {', '.join(holes)}[/]" if holes else "[green]no holes[/]")


def _group(row: Row) -> int:
    """Return which of the ten answers for a row; the last group is everything around them."""
    return next((number for number, (_, names) in enumerate(TEN) if row.control in names), len(TEN) - 1)


def _mark(good: bool) -> str:  # noqa: FBT001 - a cell of a table
    return "[green]yes[/]" if good else "[bold red]NO[/]"
