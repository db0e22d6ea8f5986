"""What people see: tables and plain lines on a terminal, JSON for scripts. Colours respect NO_COLOR and a pipe.

Nothing that came from elsewhere is printed raw: control characters and bidirectional marks are escaped.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from governance.errors import SettingsError
from governance.explain import plain

if TYPE_CHECKING:
    from rich.console import Console


def out(*, error: bool = False) -> Console:
    """Return a console that neither interprets markup nor cuts lines in a pipe."""
    from rich.console import Console

    file = sys.stderr if error else sys.stdout
    wide = None if file.isatty() else 200
    return Console(file=file, markup=False, highlight=False, emoji=False, soft_wrap=True, width=wide)


def emit(value: Mapping[str, Any] | Sequence[Any]) -> None:
    """Print JSON for a script."""
    sys.stdout.write(json.dumps(value, indent=2, sort_keys=True) + "\n")


def say(text: str, *, style: str = "") -> None:
    """Print lines."""
    _lines(out(), text, style=style)


def _lines(console: Console, text: str, *, style: str = "") -> None:
    """Print lines; at a terminal prose breaks between words. What is set in is there to be copied, and stays whole."""
    for line in text.split("\n"):
        whole = not console.is_terminal or line.startswith(" ")
        console.print(plain(line), style=style or None, soft_wrap=whole)


def table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, empty: str, whole: int = 0) -> None:
    """Print a table, or a sentence where there is nothing to show.

    Where `whole` is given, so many first columns are never cut, and each row stays on a line.
    """
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    listed = [[Text(plain(str(cell))) for cell in row] for row in rows]
    if not listed:
        say(empty, style="dim")
        return
    shown = Table(box=SIMPLE_HEAD, header_style="bold", pad_edge=False)
    for place, column in enumerate(columns):
        widest = max(len(column), *(cell[place].cell_len for cell in listed))
        least = widest if place < whole else None
        shown.add_column(column, overflow="ellipsis" if whole else "fold", no_wrap=bool(whole), min_width=least)
    for row in listed:
        shown.add_row(*row)
    console = out()
    console.soft_wrap = False
    console.print(shown)


def pairs(rows: Mapping[str, object]) -> None:
    """Print names and values, aligned."""
    from rich.text import Text

    width = max(map(len, rows), default=0) + 2
    for name, value in rows.items():
        lines = plain(str(value)) if "\n" not in str(value) else "\n".join(plain(v) for v in str(value).split("\n"))
        first, *rest = lines.split("\n")
        out().print(Text.assemble((f"{name:<{width}}", "dim"), first))
        for line in rest:
            out().print(Text(" " * width + line))


def confirm(question: str) -> None:
    """Ask, and end where the answer is no.

    Raises:
        SettingsError: There is nobody to ask.
    """
    import typer

    if not sys.stdin.isatty():
        raise SettingsError("this asks first, and there is no terminal to ask at", mend="Look at it, then add --yes.")
    typer.confirm(question, abort=True)


def interactive() -> bool:
    """Whether somebody sits there who can be asked: not behind a pipe, nor where a script reads JSON."""
    return sys.stdin.isatty() and sys.stderr.isatty() and "--json" not in sys.argv


def tell(text: str) -> None:
    """Print lines beside the answer, on standard error."""
    _lines(out(error=True), text)


def secret(question: str, *, instead: str) -> str:
    """Ask for what is not to be seen.

    Raises:
        SettingsError: There is nobody to ask; `instead` says what helps.
    """
    import typer

    if not sys.stdin.isatty():
        raise SettingsError("this asks for a secret, and there is no terminal to ask at", mend=instead)
    return str(typer.prompt(question, hide_input=True, err=True))


def asked(question: str) -> str:
    """Ask for a line on standard error; from a pipe, read one."""
    import typer

    return str(typer.prompt(question, err=True)).strip()


def done(text: str) -> None:
    """Print what was done."""
    marked("✓", "green", text)


def failed(text: str, *, code: str, mend: str, as_json: bool) -> None:
    """Print a refusal: what, its code, what to do next."""
    if as_json:
        emit({"error": {"code": code, "detail": text, "mend": mend}})
        return
    from rich.text import Text

    console = out(error=True)
    words = Text.assemble(("✗ ", "bold red"), plain(text), (f"  ({code})", "dim"))
    console.print(words, soft_wrap=not console.is_terminal)
    for line in filter(None, mend.split("\n")):
        console.print(Text("  → " + plain(line)))


def when(ms: int | None) -> str:
    """Return a time as people read it: UTC, to the second."""
    if ms is None:
        return "never"
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")


def marked(mark: str, colour: str, text: str) -> None:
    """Print a line with a coloured mark before it."""
    from rich.text import Text

    console = out()
    console.print(Text.assemble((f"{mark} ", f"bold {colour}"), plain(text)), soft_wrap=not console.is_terminal)


def parsed(text: str) -> dict[str, Any]:
    """Return the JSON object that a command of ours printed."""
    found = json.loads(text)
    return found if isinstance(found, dict) else {}


def quoted(text: str, *, good: bool) -> None:
    """Print what another program said, indented and dimmed; red where it should not have said so."""
    for line in text.rstrip().splitlines():
        out().print("  " + plain(line.removeprefix("remote: ").rstrip()), style="dim" if good else "red")
