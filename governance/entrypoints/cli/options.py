"""Options that many commands share, so that they read and mean the same everywhere."""

from __future__ import annotations

from typing import Annotated

import typer

AsJson = Annotated[bool, typer.Option("--json", help="Answer in JSON, for scripts.")]
Repo = Annotated[str, typer.Option("--repo", "-r", help="Which repository; may be left out where there is one.")]


def group(app: typer.Typer, name: str, summary: str) -> typer.Typer:
    """Add a group of commands."""
    found = typer.Typer(name=name, help=summary, no_args_is_help=True, rich_markup_mode=None)
    app.add_typer(found)
    return found
