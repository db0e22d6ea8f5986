"""`debt`: what has landed that nobody reviewed."""

from __future__ import annotations

from typing import Any

import typer

from governance.entrypoints.cli.options import AsJson, Repo, group

BAR = 20


def add_to(app: typer.Typer) -> None:
    """Add these commands."""
    debt = group(app, "debt", "See what has landed that nobody reviewed.")
    debt.command("show")(show)


def show(repo: Repo = "", as_json: AsJson = False) -> None:
    """Show what has landed unreviewed: how much of each budget is used, and by which landings."""
    from governance.entrypoints import acting, terminal

    name = acting.chosen(repo)
    found = acting.client(name).get(f"/repositories/{name}/debt")
    if as_json:
        terminal.emit(found)
        return
    rows = [_budget(budget) for budget in found["budgets"] if budget["units"]]
    terminal.table(("of", "", "used", "units", "files", "since"), rows, empty=f"nothing in {name} is unreviewed")
    if found["items"]:
        names = ("entry", "landed (UTC)", "path", "units", "by", "commits")
        terminal.table(names, [_landed(item) for item in found["items"]], empty="")
        terminal.say("See what it did: git diff COMMITS -- PATH. It is signed off with the next change that is.")
    limits = found["window"]
    rows = [_role(role, limits) for role in found["roles"]]
    if rows:
        said = f"small landings in {limits['hours']} h"
        terminal.table(("role", said, "units", "files", "cool-down until (UTC)"), rows, empty="")


def _budget(budget: dict[str, Any]) -> tuple[object, ...]:
    from governance.entrypoints import terminal

    share = max(_share(budget, "units"), _share(budget, "files"))
    full = min(BAR, round(share * BAR))
    bar = "█" * full + "░" * (BAR - full) + f" {share:4.0%}"
    name = budget["name"] or ("files at the root" if budget["kind"] == "group" else "the repository")
    units, files = (f"{budget[what]} of {budget[f'most_{what}']}" for what in ("units", "files"))
    return budget["kind"], name, bar, units, files, terminal.when(budget["since"])[:10]


def _share(budget: dict[str, Any], what: str) -> float:
    return float(budget[what]) / float(budget[f"most_{what}"])


def _landed(item: dict[str, Any]) -> tuple[object, ...]:
    from governance.entrypoints import terminal

    by, commits = ", ".join(item["contributors"]), f"{item['old'][:12]}..{item['new'][:12]}"
    return item["entry"], terminal.when(item["at"])[:16], item["path"], item["units"], by, commits


def _role(role: dict[str, Any], limits: dict[str, Any]) -> tuple[object, ...]:
    from governance.entrypoints import terminal

    counts = tuple(f"{role[what]} of {limits[what]}" for what in ("landings", "units", "files"))
    return role["role"], *counts, terminal.when(role["cool_until"]) if role["cool_until"] else ""
