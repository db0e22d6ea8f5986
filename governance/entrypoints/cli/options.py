"""Options that many commands share, so that they read and mean the same everywhere."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from typer.core import TyperGroup
from typer.main import get_group

AsJson = Annotated[bool, typer.Option("--json", help="Answer in JSON, for scripts.")]
Repo = Annotated[str, typer.Option("--repo", "-r", help="Which repository; may be left out where there is one.")]


class Later(TyperGroup):
    """A group whose commands are made when somebody asks for them: a hundred of them take as long as all the rest."""

    of: typer.Typer
    _made: dict[str, Any] | None = None

    @property
    def commands(self) -> dict[str, Any]:
        """By their names."""
        if self._made is None:
            self._made = dict(get_group(self.of).commands)
        return self._made

    @commands.setter
    def commands(self, _: object) -> None:
        """Do nothing: what typer would put here is empty."""


def group(app: typer.Typer, name: str, summary: str) -> typer.Typer:
    """Add a group of commands."""
    found = typer.Typer(rich_markup_mode=None)
    cls = type(name, (Later,), {"of": found})
    app.add_typer(typer.Typer(cls=cls, name=name, help=summary, no_args_is_help=True, rich_markup_mode=None))
    return found
