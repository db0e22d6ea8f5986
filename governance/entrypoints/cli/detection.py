"""`detect`, `canary`: who reviews whom, and who sees a defect."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from governance.entrypoints.cli.options import AsJson, Repo, group


def add_to(app: typer.Typer) -> None:
    """Add these commands."""
    detect = group(app, "detect", "Look at who reviews whom; for owners.")
    detect.command("report")(report)
    detect.command("run")(run)
    canary = group(app, "canary", "Measure reviewers with defects that are known; for owners.")
    canary.command("plant")(plant)
    canary.command("list")(list_)
    canary.command("reveal")(reveal)


def report(repo: Repo = "", as_json: AsJson = False) -> None:
    """Show ranked cases, miss rates, and what could have been noticed at all. Records nothing."""
    from governance.entrypoints import acting, terminal

    name = acting.chosen(repo)
    found = acting.client().get(f"/repositories/{name}/detection")
    if as_json:
        terminal.emit(found)
        return
    terminal.pairs(
        {
            "reviews": f"{found['reviews']} by {found['people']} people in {found['days']} days",
            "could be noticed": found["power"],
            "asked": f"{found['questions']} questions, all of them counted",
            "canaries due": str(found["canaries_due"]),
            "last look": terminal.when(found["last_look"] or None),
        }
    )
    rows = [(one["author"], one["approver"], one["approvals"]) for one in found["most"]]
    terminal.table(("author", "approved by", "times"), rows, empty="no approvals in this time")
    for number, case in enumerate(found["cases"], 1):
        _case(number, case)
    if not found["cases"]:
        terminal.say("no cases")
    _rates(found["canaries"])
    _aftermath(found["aftermath"])


def _case(number: int, case: dict[str, Any]) -> None:
    from governance.entrypoints import terminal

    asks = "asks for a third reviewer" if case["found"] else "to look at; asks for nothing"
    terminal.say(f"case {number}: {case['pattern']}, {' and '.join(case['people'])} ({asks})", style="bold")
    for line in case["evidence"]:
        terminal.say(f"  {line}")
    terminal.say(f"  q = {case['q']:.2g}. What would clear it: {' '.join(case['clears'])}")


def _rates(rates: list[dict[str, Any]]) -> None:
    from governance.entrypoints import terminal

    rows = [
        (one["reviewer"], f"{one['missed']} of {one['answered']}", f"{one['low']:.0%} to {one['high']:.0%}")
        for one in rates
    ]
    empty = "no canary was revealed yet: twinseal canary plant CHANGE"
    terminal.table(("reviewer", "canaries missed", "miss rate, exact 95 %"), rows, empty=empty)


def _aftermath(rates: list[dict[str, Any]]) -> None:
    from governance.entrypoints import terminal

    rows = [
        (one["reviewer"], f"{one['blocked']} of {one['looked_at']}", f"{one['low']:.0%} to {one['high']:.0%}",
         ", ".join(one["authors"]))
        for one in rates
    ]  # fmt: skip
    columns = ("approver", "blocked by a third party", "of what was looked at, exact 95 %", "authors")
    terminal.table(columns, rows, empty="no third party looked at what was approved in this time")


def run(repo: Repo = "", as_json: AsJson = False) -> None:
    """Judge the reviews and record the look; what is found asks for a third reviewer for a while. Once a day."""
    from governance.entrypoints import acting, terminal

    name = acting.chosen(repo)
    answer = acting.act("detect.run", f"/repositories/{name}/looks", {"repository": name})
    if as_json:
        terminal.emit(answer)
        return
    for found in answer["found"]:
        until = terminal.when(answer["until"])
        people = " and ".join(found["people"])
        terminal.marked("!", "yellow", f"{found['pattern']}: {people}; a third reviewer until {until} UTC")
    terminal.done(f"{len(answer['found'])} findings (entry {answer['entry']}); power: {answer['power']}")


def plant(
    change: Annotated[int, typer.Argument(help="A change that was approved and has landed.")],
    seed: Annotated[int, typer.Option(help="Which defect; the same seed makes the same.")] = 1,
    out: Annotated[Path, typer.Option(help="Where its patch is written.")] = Path("canary.patch"),
    repo: Repo = "",
    as_json: AsJson = False,
) -> None:
    """Make a canary from a landed change and reserve it, so that it never lands; then have it pushed for review."""
    import shlex

    from governance.entrypoints import acting, terminal

    name = acting.chosen(repo)
    said = {"repository": name, "change": change, "seed": seed}
    answer = acting.act("canary.plant", f"/repositories/{name}/canaries", said)
    out.write_text(answer.pop("patch"), encoding="utf-8", errors="surrogateescape")
    answer["file"] = str(out)
    if as_json:
        terminal.emit(answer)
        return
    terminal.done(f"canary {answer['canary']} of {name} is reserved (entry {answer['entry']}); its patch is {out}")
    terminal.say(f"Have {answer['author']} push it for review some time later, from its own seat:")
    terminal.say(f"  git switch --detach {answer['base'][:12]}\n  git apply --index {shlex.quote(str(out))}")
    terminal.say(f"  git commit -S -m {shlex.quote(answer['title'])}\n  git push origin HEAD:refs/for/main")


def list_(repo: Repo = "", as_json: AsJson = False) -> None:
    """List canaries, and who answered them."""
    from governance.entrypoints import acting, terminal

    name = acting.chosen(repo)
    items = acting.client().get(f"/repositories/{name}/canaries")["items"]
    if as_json:
        terminal.emit(items)
        return
    rows = [
        (
            one["canary"],
            one["state"],
            one["change"] or "",
            f"{one['defect'].get('path', '')}:{one['defect'].get('line', '')} {one['defect'].get('mutation', '')}",
            ", ".join(f"{a['reviewer']} {'missed' if a['missed'] else 'caught'}" for a in one["answers"]),
        )
        for one in items
    ]
    columns = ("canary", "state", "change", "defect", "answers")
    terminal.table(columns, rows, empty="no canary yet: twinseal canary plant CHANGE")


def reveal(canary: int, repo: Repo = "", as_json: AsJson = False) -> None:
    """Say in the ledger what a canary was and who missed it."""
    from governance.entrypoints import acting, terminal

    name = acting.chosen(repo)
    said = {"repository": name, "canary": canary}
    answer = acting.act("canary.reveal", f"/repositories/{name}/canaries/reveal", said)
    if as_json:
        terminal.emit(answer)
        return
    missed = ", ".join(answer["missed"]) or "nobody"
    terminal.done(f"change {answer['change']} was canary {canary}; missed by {missed} (entry {answer['entry']})")
