"""`land`: ask for a change to land, and see what became of it."""

from __future__ import annotations

import time
from typing import Annotated, Any

import typer

from governance.entrypoints.cli.options import AsJson, Repo

PATIENCE_S = 30.0
EVERY_S = 0.2
OVER = frozenset({"landed", "refused", "abandoned"})


def add_to(app: typer.Typer) -> None:
    """Add this command."""
    app.command("land")(land)


def land(
    change: int,
    repo: Repo = "",
    wait: Annotated[bool, typer.Option(help="Wait up to 30 s for the lander's answer.")] = True,
    as_json: AsJson = False,
) -> None:
    """Queue a signed-off change for the lander; exit 0 if it landed or waits, 1 if it was refused."""
    from governance.entrypoints import acting, terminal

    name = acting.chosen(repo)
    client = acting.client(name)
    shown = client.get(f"/repositories/{name}/changes/{change}")
    said = {"repository": name, "change": change, "patch_set": shown["patch_set"], "head": shown["head"]}
    answer = acting.act("land", f"/repositories/{name}/landings", said, repository=name)
    landing = {"state": "queued", "code": "", "message": ""}
    until = time.monotonic() + (PATIENCE_S if wait else 0)
    while time.monotonic() < until and landing["state"] not in OVER:
        time.sleep(EVERY_S)
        landing = client.get(f"/repositories/{name}/changes/{change}")["landing"]
    answer |= landing
    terminal.emit(answer) if as_json else _told(answer, shown["target"])
    raise typer.Exit(1 if landing["state"] in {"refused", "abandoned"} else 0)


def _told(answer: dict[str, Any], target: str) -> None:
    from governance.entrypoints import terminal

    what = f"change {answer['change']} at {answer['head'][:12]}"
    if answer["state"] == "landed":
        terminal.done(f"{what} landed on {target} (asked as entry {answer['entry']})")
    elif answer["state"] in OVER:
        code = answer["code"] or f"landing.{answer['state']}"
        message = answer["message"] or f"the change was {answer['state']}"
        terminal.failed(f"{what} did not land: {message}", code=code, mend="", as_json=False)
    else:
        terminal.done(f"{what} is {answer['state']} (entry {answer['entry']})")
