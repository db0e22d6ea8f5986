"""`alert`: what people were told, and whether they would be."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from governance.entrypoints.cli.options import AsJson, group

FAILED = 1


def add_to(app: typer.Typer) -> None:
    """Add these commands."""
    alert = group(app, "alert", "See what was told to whom, and try every channel; for owners.")
    alert.command("test")(try_)
    alert.command("list")(list_)


def try_(
    channel: Annotated[str, typer.Option(help="mail, sms, tmux or webhook; every one that is set up otherwise.")] = "",
    as_json: AsJson = False,
) -> None:
    """Send a test to yourself by each channel, and say what happened; exit 1 where one failed."""
    from governance.entrypoints import acting, terminal

    answer = acting.act("alert.test", "/alerts/test", {"channel": channel})
    if as_json:
        terminal.emit(answer)
    else:
        for each in answer["tried"]:
            mark, colour = ("✓", "green") if each["ok"] else ("✗", "red")
            terminal.marked(mark, colour, f"{each['channel']}: {each['said']} ({each['where']})")
    raise typer.Exit(0 if all(each["ok"] for each in answer["tried"]) else FAILED)


def list_(as_json: AsJson = False) -> None:
    """List the newest notices: on the way, delivered, given up."""
    from governance.entrypoints import acting, terminal

    items = acting.client().get("/alerts")["items"]
    if as_json:
        terminal.emit(items)
        return
    rows = [
        (
            each["entry"], terminal.when(each["time"]), each["severity"], _what(each),
            "; ".join(_standing(delivery) for delivery in each["deliveries"]),
        )
        for each in items
    ]  # fmt: skip
    terminal.table(("entry", "time (UTC)", "severity", "what", "told"), rows, empty="nothing was to be told yet")


def _what(notice: dict[str, Any]) -> str:
    place = f"{notice['repository']}: " if notice["repository"] else ""
    return f"{place}{notice['code']}" + (f" ({notice['count']} times)" if notice["count"] > 1 else "")


def _standing(delivery: dict[str, Any]) -> str:
    from governance.entrypoints import terminal

    who = f"{delivery['channel']} {delivery['to']}".strip()
    if delivery["state"] != "open":
        return f"{who}: {delivery['state'].replace('_', ' ')}"
    if not delivery["attempts"]:
        return f"{who}: waits"
    return f"{who}: tried {delivery['attempts']} times ({delivery['said']}), again {terminal.when(delivery['next_at'])}"
